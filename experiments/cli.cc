#include "experiments/cli.h"

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "core/config.h"
#include "core/error.h"
#include "experiments/commands.h"
#include "experiments/version.h"

namespace cogent {
namespace {

// ---- values ---------------------------------------------------------------------------------------

template <typename Number>
std::optional<Number> ParseNumber(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool IsCount(const std::string& text) {
  const auto value = ParseNumber<std::int64_t>(text);
  return value && *value >= 1;
}

bool AreCounts(const std::string& text) {
  std::size_t from = 0;
  while (true) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    if (!IsCount(text.substr(from, comma - from))) return false;
    if (comma == text.size()) return true;
    from = comma + 1;
  }
}

// Empty when `text` is a value of this kind, else what is wanted.
std::string WrongValue(ValueKind kind, const std::string& text) {
  const auto real = ParseNumber<double>(text);
  switch (kind) {
    case ValueKind::kFlag:
    case ValueKind::kText:
      return {};
    case ValueKind::kInput:
      if (text == "-") return {};
      [[fallthrough]];
    case ValueKind::kPath:
      return ::access(text.c_str(), F_OK) == 0 ? "" : "there is no '" + text + "'";
    case ValueKind::kCount:
      return IsCount(text) ? "" : "a whole number from 1 on is wanted, not '" + text + "'";
    case ValueKind::kWhole:
      return ParseNumber<std::uint64_t>(text) ? "" : "a whole number from 0 to 18446744073709551615 is wanted, not '" + text + "'";
    case ValueKind::kReal:
      return real && *real >= 0 && *real <= 1e6 ? "" : "a number from 0 to 1000000 is wanted, not '" + text + "'";
    case ValueKind::kShare:
      return real && *real > 0 && *real <= 1 ? "" : "a number above 0, at most 1, is wanted, not '" + text + "'";
    case ValueKind::kCounts:
      return AreCounts(text) ? "" : "whole numbers like 1,8 are wanted, not '" + text + "'";
  }
  return {};
}

// ---- the command that the words name --------------------------------------------------------------

struct Chosen {
  const CommandSpec* spec = nullptr;
  std::size_t words = 0;  // how many words its name takes
};

Chosen FindCommand(const std::vector<std::string>& words) {
  const std::string two = words.size() > 1 ? words[0] + " " + words[1] : "";
  for (const CommandSpec& spec : CommandTable()) {
    if (spec.name == two) return {&spec, 2};
    if (spec.name == words[0]) return {&spec, 1};
  }
  return {};
}

// The second words of "model"; empty for what is no group.
std::vector<std::string> SecondWords(const std::string& group) {
  std::vector<std::string> names;
  for (const CommandSpec& spec : CommandTable()) {
    if (spec.name.rfind(group + " ", 0) == 0) names.push_back(spec.name.substr(group.size() + 1));
  }
  return names;
}

std::string DidYouMean(const std::string& word, const std::vector<std::string>& known) {
  const auto near = Nearest(word, known);
  return near ? " Did you mean '" + *near + "'?" : "";
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// ---- help -----------------------------------------------------------------------------------------

std::string Table(const std::vector<ExampleSpec>& rows, std::size_t least_width, const std::string& prefix) {
  std::size_t width = least_width;
  for (const ExampleSpec& row : rows) width = std::max(width, prefix.size() + row.line.size() + 2);
  std::string text;
  for (const ExampleSpec& row : rows) {
    std::string line = prefix + row.line;
    if (!row.meaning.empty()) line += std::string(width - line.size(), ' ') + row.meaning;
    text += "  " + line + "\n";
  }
  return text;
}

std::string ProgramHelp(const std::string& program) {
  std::vector<ExampleSpec> commands;
  for (const CommandSpec& spec : CommandTable()) commands.push_back({spec.name, spec.summary});
  const std::vector<ExampleSpec> examples = {
      {"train experiments/configs/r1_zero.yaml", "R1-Zero from scratch; then open runs/NAME/report.html"},
      {"eval runs/r1_zero -n 1000", "pass@1 on 1,000 held-out tasks"},
      {"show grpo", "an algorithm and its settings"},
  };
  return "Reinforcement learning of reasoning language models.\n\nUsage: " + program +
         " COMMAND [words and options]\n\nCommands (" + program + " COMMAND --help says more)\n" +
         Table(commands, 16, "") + "\nExamples\n" + Table(examples, 0, program + " ") +
         "\nEnvironment\n" + Table(EnvironmentTable(), 0, "") +
         "\nExit codes: 0 done; 1 failed; 2 a mistake in the command, a config or a file; 3 the machine\n"
         "lacks something (see " + program + " doctor); 130 stopped by Ctrl-C or SIGTERM after saving.\n";
}

std::string OptionLine(const OptionSpec& option) {
  std::string line = option.letter != 0 ? std::string("-") + option.letter + ", " : "    ";
  line += "--" + option.name;
  if (!option.if_bare.empty()) return line + "[=" + option.placeholder + "]";
  return option.placeholder.empty() ? line : line + " " + option.placeholder;
}

std::string CommandHelp(const std::string& program, const CommandSpec& spec) {
  std::string usage = program + " " + spec.name;
  std::vector<ExampleSpec> words, options;
  for (const WordSpec& word : spec.words) {
    const std::string shown = word.name + (word.repeated ? "..." : "");
    usage += word.required ? " " + shown : " [" + shown + "]";
    words.push_back({word.name, word.help});
  }
  for (const OptionSpec& option : spec.options) {
    if (option.required) usage += " --" + option.name + " " + option.placeholder;
    options.push_back({OptionLine(option), option.help + (option.required ? " (needed)" : "")});
  }
  options.push_back({"-h, --help", "this text"});
  std::string text = spec.summary + "\n\nUsage: " + usage + (spec.options.empty() ? "" : " [options]") + "\n";
  if (!spec.details.empty()) text += "\n" + spec.details + "\n";
  if (!words.empty()) text += "\nWords\n" + Table(words, 0, "");
  return text + "\nOptions\n" + Table(options, 0, "") + "\nExamples\n" + Table(spec.examples, 0, program + " ");
}

ParsedLine UsageError(const std::string& program, const std::string& command, const std::string& what) {
  return {std::nullopt,
          program + ": " + what + "\nSee: " + program + (command.empty() ? "" : " " + command) + " --help\n",
          kExitUserMistake};
}

// ---- one command by CLI11 -------------------------------------------------------------------------

// A CLI11 parser of one command, with the places that its values go to.
struct Parser {
  CLI::App app;
  std::map<std::string, std::string> values;
  std::map<std::string, CLI::Option*> options;
  std::vector<std::string> words;   // one for each word that is not repeated; may stay empty
  std::vector<std::string> repeated;

  explicit Parser(const CommandSpec& spec);
};

void AddOption(Parser& parser, const OptionSpec& spec) {
  std::string names = "--" + spec.name;
  if (spec.letter != 0) names = std::string("-") + spec.letter + "," + names;
  CLI::Option* option = nullptr;
  if (spec.kind == ValueKind::kFlag) {
    option = parser.app.add_flag(names);
  } else if (!spec.if_bare.empty()) {
    option = parser.app.add_flag(names + "{" + spec.if_bare + "}", parser.values[spec.name]);
  } else {
    option = parser.app.add_option(names, parser.values[spec.name]);
    option->check([kind = spec.kind](const std::string& text) { return WrongValue(kind, text); });
  }
  option->required(spec.required);
  parser.options[spec.name] = option;
}

Parser::Parser(const CommandSpec& spec) {
  app.set_help_flag("-h,--help");
  words.resize(spec.words.size());
  for (std::size_t i = 0; i < spec.words.size(); ++i) {
    const WordSpec& word = spec.words[i];
    CLI::Option* option = word.repeated ? app.add_option(word.name, repeated) : app.add_option(word.name, words[i]);
    option->required(word.required);
    // As from a variable of a script that is not set.
    if (word.required || !word.choices.empty()) {
      option->check([help = word.help](const std::string& text) { return text.empty() ? "this word is empty; give " + help : ""; });
    }
  }
  for (const OptionSpec& option : spec.options) AddOption(*this, option);
  for (const OptionSpec& option : spec.options) {
    if (!option.excludes.empty()) options[option.name]->excludes(options[option.excludes]);
  }
}

// A long option that the command does not know, with the nearest one; empty when all are known.
std::string UnknownOption(const CommandSpec& spec, const std::vector<std::string>& words) {
  std::vector<std::string> known = {"help"};
  for (const OptionSpec& option : spec.options) known.push_back(option.name);
  for (const std::string& word : words) {
    if (word == "--") break;
    if (word.rfind("--", 0) != 0) continue;
    const std::string name = word.substr(2, word.find('=') - 2);
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto near = Nearest(name, known);
    return "unknown option '--" + name + "' of '" + spec.name + "'." +
           (near ? " Did you mean '--" + *near + "'?" : "") + " Known: --" + [&] {
             std::string all = Joined(known);
             for (std::size_t at = 0; (at = all.find(", ", at)) != std::string::npos; at += 4) all.insert(at + 2, "--");
             return all;
           }();
  }
  return {};
}

// What is wrong with the words that are neither options nor overrides; empty when nothing is.
std::string WrongWord(const CommandSpec& spec, const Command& command) {
  for (std::size_t i = 0; i < command.arguments.size() && i < spec.words.size(); ++i) {
    const WordSpec& word = spec.words[i];
    const std::string& text = command.arguments[i];
    if (word.repeated || word.choices.empty()) continue;
    if (std::find(word.choices.begin(), word.choices.end(), text) != word.choices.end()) continue;
    return "'" + text + "' is no " + word.name + "." + DidYouMean(text, word.choices) +
           " Known: " + Joined(word.choices);
  }
  if (spec.words.size() == 2 && spec.words[1].repeated) {
    for (std::size_t i = 1; i < command.arguments.size(); ++i) {
      const std::string& text = command.arguments[i];
      if (text.find('=') == std::string::npos || text.front() == '=') {
        return "'" + text + "' is not a setting; write key=value, as in algorithm.kl_coef=0";
      }
    }
  }
  return {};
}

ParsedLine ParseCommand(const std::string& program, const CommandSpec& spec, std::vector<std::string> words) {
  Parser parser(spec);
  const bool wants_help = !words.empty() && (words[0] == "--help" || words[0] == "-h");
  if (spec.passes_through && !wants_help) return {Command{spec.name, words, {}}, {}, kExitDone};
  if (const std::string unknown = UnknownOption(spec, words); !unknown.empty()) {
    return UsageError(program, spec.name, unknown);
  }
  for (const OptionSpec& option : spec.options) {  // CLI11 would take it for the bare one
    const std::string empty = "--" + option.name + "=";
    if (option.if_bare.empty() || std::find(words.begin(), words.end(), empty) == words.end()) continue;
    return UsageError(program, spec.name, "'" + empty + "' has no value; write " + OptionLine(option).substr(4) + ", without a value it means " + option.if_bare);
  }
  Command command{spec.name, {}, {}};
  try {
    std::reverse(words.begin(), words.end());  // as CLI11 takes a vector
    parser.app.parse(words);
    for (const OptionSpec& each : spec.options) {
      const CLI::Option* option = parser.options[each.name];
      const bool off = each.kind == ValueKind::kFlag && option->count() > 0 && !option->as<bool>();  // --flag=false
      if (option->count() > 0 && !off) command.options[each.name] = parser.values[each.name];
    }
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, CommandHelp(program, spec), kExitDone};
  } catch (const CLI::ParseError& error) {
    return UsageError(program, spec.name, error.what());
  }
  for (const std::string& word : parser.words) {
    if (!word.empty()) command.arguments.push_back(word);
  }
  command.arguments.insert(command.arguments.end(), parser.repeated.begin(), parser.repeated.end());
  if (const std::string wrong = WrongWord(spec, command); !wrong.empty()) {
    return UsageError(program, spec.name, wrong);
  }
  return {std::move(command), {}, kExitDone};
}

}  // namespace

ParsedLine ParseCommandLine(const std::string& program, const std::vector<std::string>& given) {
  std::vector<std::string> words = given;
  if (words.empty()) return {std::nullopt, ProgramHelp(program), kExitUserMistake};
  if (words[0] == "help") {  // "help train" is "train --help"
    words.erase(words.begin());
    words.push_back("--help");
  }
  if (words[0] == "--help" || words[0] == "-h") return {std::nullopt, ProgramHelp(program), kExitDone};
  if (words[0] == "--version") {
    const std::string commit = SourceCommit();
    return {std::nullopt, "cogent " + Version() + (commit.empty() ? "" : " (" + commit + ")") + "\n", kExitDone};
  }
  const Chosen chosen = FindCommand(words);
  if (chosen.spec) {
    return ParseCommand(program, *chosen.spec, {words.begin() + static_cast<std::ptrdiff_t>(chosen.words), words.end()});
  }
  if (const auto inner = SecondWords(words[0]); !inner.empty()) {
    const std::string second = words.size() > 1 ? words[1] : "";
    if (second == "--help" || second == "-h") {
      std::string text;
      for (const std::string& name : inner) text += ParseCommandLine(program, {words[0], name, "--help"}).text + "\n";
      return {std::nullopt, text, kExitDone};
    }
    return UsageError(program, words[0], (second.empty() ? "'" + words[0] + "' needs a second word." : "unknown command '" + words[0] + " " + second + "'." + DidYouMean(second, inner)) + " Known: " + Joined(inner));
  }
  const std::string kind = words[0][0] == '-' ? "option" : "command";
  return UsageError(program, "", "unknown " + kind + " '" + words[0] + "'." + DidYouMean(words[0], FirstWords()) +
                                     " Known: " + Joined(FirstWords()));
}

void ApplySeedVariable(Command& command, const char* value) {
  if (value == nullptr || *value == 0) return;
  if (!ParseNumber<std::uint64_t>(value)) {
    throw ConfigError(std::string("COGENT_SEED='") + value + "': a whole number from 0 to 18446744073709551615 is wanted; unset it or correct it");
  }
  const auto takes_seed = [&](const CommandSpec& spec) {
    return spec.name == command.name && std::any_of(spec.options.begin(), spec.options.end(), [](const OptionSpec& option) { return option.name == "seed"; });
  };
  if (const auto& table = CommandTable(); std::any_of(table.begin(), table.end(), takes_seed)) {
    command.options.emplace("seed", value);
  } else if (command.name == "train" || command.name == "eval" || command.name == "sample" || command.name == "judge" || command.name == "rewrite") {
    const bool given = std::any_of(command.arguments.begin(), command.arguments.end(),
                                   [](const std::string& word) { return word.rfind("seed=", 0) == 0; });
    if (!given) command.arguments.push_back(std::string("seed=") + value);
  }
}

}  // namespace cogent
