// The command line: words in, a Command or a text to print out.
//
//   ParsedLine line = ParseCommandLine("cogent", {"train", "r1.yaml", "seed=3", "--resume"});
//   line.command->Get("resume");                   // "latest"
//   ParseCommandLine("cogent", {"trian"}).text;    // unknown command 'trian'. Did you mean 'train'? ...
//
// RunCli (experiments/engine.h) is built on this. Thread rule: call from the main thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiments/engine.h"

namespace cogent {

// Either a command to run, or a text to print and the exit code that goes with it.
struct ParsedLine {
  std::optional<Command> command;
  std::string text;
  int exit_code = kExitDone;  // 0: the text goes to standard output; else to standard error
};

// `words` are the arguments behind the program's name. Never throws on a user's mistake.
ParsedLine ParseCommandLine(const std::string& program, const std::vector<std::string>& words);

// COGENT_SEED's value put where the command looks for its seed, unless the line gives one itself.
// Throws ConfigError when it is not a whole number.
void ApplySeedVariable(Command& command, const char* value);

}  // namespace cogent
