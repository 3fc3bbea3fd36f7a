// The commands of the program as one table: parsing, help, completion and "did you mean" all read it.
//
//   for (const CommandSpec& command : CommandTable()) std::cout << command.name << "\n";
//
// Thread rule: constant data.
#pragma once

#include <string>
#include <vector>

namespace cogent {

// What a value of an option has to look like; checked before anything runs.
enum class ValueKind { kFlag, kText, kPath, kInput, kCount, kWhole, kReal, kShare, kCounts };  // kInput: a path or -

struct OptionSpec {
  std::string name;         // long, without dashes
  char letter = 0;          // the short form, 0 = none
  ValueKind kind = ValueKind::kFlag;
  std::string placeholder = {};  // "N", "DIR"; empty for a flag
  std::string help;
  bool required = false;
  std::string if_bare = {};  // not empty: the value is optional, written --name=VALUE; bare means this
  std::string excludes = {};  // the option that cannot stand beside it
};

struct WordSpec {
  std::string name;  // "CONFIG"
  std::string help;
  bool required = true;
  bool repeated = false;            // any number, the last of the command
  std::vector<std::string> choices;  // for completion
};

struct ExampleSpec {
  std::string line;     // without the program's name
  std::string meaning;
};

struct CommandSpec {
  std::string name;  // "train", "model describe"
  std::string summary;
  std::string details;
  std::vector<WordSpec> words;
  std::vector<OptionSpec> options;
  std::vector<ExampleSpec> examples;
  bool passes_through = false;  // what follows is for the engine to read
};

const std::vector<CommandSpec>& CommandTable();
std::string FirstWord(const std::string& name);  // of "model convert": "model"
std::vector<std::string> FirstWords();           // of all commands, each once, in the table's order

// Environment variables that the program looks at: name and meaning, for --help.
const std::vector<ExampleSpec>& EnvironmentTable();

}  // namespace cogent
