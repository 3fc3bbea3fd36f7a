#include "experiments/completion.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "core/error.h"
#include "experiments/commands.h"

namespace cogent {
namespace {

void AddOnce(std::vector<std::string>& words, const std::string& word) {
  if (std::find(words.begin(), words.end(), word) == words.end()) words.push_back(word);
}

std::string Spaced(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string SecondWord(const std::string& name) {
  const std::size_t space = name.find(' ');
  return space == std::string::npos ? "" : name.substr(space + 1);
}

// What may follow the command's first word: second words, choices and options.
std::vector<std::string> WordsAfter(const std::string& first) {
  std::vector<std::string> words;
  for (const CommandSpec& spec : CommandTable()) {
    if (FirstWord(spec.name) != first) continue;
    if (const std::string second = SecondWord(spec.name); !second.empty()) AddOnce(words, second);
    for (const WordSpec& word : spec.words) {
      for (const std::string& choice : word.choices) AddOnce(words, choice);
    }
    for (const OptionSpec& option : spec.options) AddOnce(words, "--" + option.name);
  }
  AddOnce(words, "--help");
  return words;
}

// Letters, digits and underscores: what a shell function may be called.
std::string Identifier(const std::string& program) {
  std::string text = program;
  for (char& c : text) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return text;
}

std::string BashScript(const std::string& program) {
  const std::string function = "_" + Identifier(program) + "_words";
  std::string text = function + "() {\n  local words word=${COMP_WORDS[COMP_CWORD]}\n  if [ \"$COMP_CWORD\" = 1 ]; then\n"
                     "    words='" + Spaced(FirstWords()) + " --help --version'\n  else\n    case ${COMP_WORDS[1]} in\n";
  for (const std::string& first : FirstWords()) text += "      " + first + ") words='" + Spaced(WordsAfter(first)) + "' ;;\n";
  return text + "    esac\n  fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  if [ \"$COMP_CWORD\" -gt 1 ]; then COMPREPLY+=($(compgen -f -- \"$word\")); fi\n}\n"
         "complete -o filenames -o bashdefault -F " + function + " " + program + "\n";
}

std::string ZshScript(const std::string& program) {
  const std::string function = "_" + Identifier(program);
  std::string text = "#compdef " + program + "\n" + function + "() {\n  if (( CURRENT == 2 )); then\n    compadd -- " +
                     Spaced(FirstWords()) + " --help --version\n    return\n  fi\n  case ${words[2]} in\n";
  for (const std::string& first : FirstWords()) text += "    " + first + ") compadd -- " + Spaced(WordsAfter(first)) + " ;;\n";
  return text + "  esac\n  _files\n}\nif [ \"$funcstack[1]\" = \"" + function + "\" ]; then " + function +
         " \"$@\"; else compdef " + function + " " + program + "; fi\n";
}

std::string Quoted(const std::string& text) {  // for fish, between single quotes
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

std::string FishScript(const std::string& program) {
  std::string text;
  for (const std::string& first : FirstWords()) {
    std::string summary;
    for (const CommandSpec& spec : CommandTable()) {
      if (spec.name == first) summary = spec.summary;
    }
    text += "complete -c " + program + " -n __fish_use_subcommand -f -a " + first + (summary.empty() ? "" : " -d " + Quoted(summary)) + "\n";
  }
  for (const CommandSpec& spec : CommandTable()) {
    const std::string where = "complete -c " + program + " -n '__fish_seen_subcommand_from " + FirstWord(spec.name) + "'";
    if (const std::string second = SecondWord(spec.name); !second.empty()) {
      text += where + " -a " + second + " -d " + Quoted(spec.summary) + "\n";
    }
    for (const WordSpec& word : spec.words) {
      if (!word.choices.empty()) text += where + " -f -a '" + Spaced(word.choices) + "'\n";
    }
    for (const OptionSpec& option : spec.options) {
      text += where + " -l " + option.name + (option.letter ? std::string(" -s ") + option.letter : "") +
              (option.placeholder.empty() || !option.if_bare.empty() ? "" : " -r") + " -d " + Quoted(option.help) + "\n";
    }
  }
  return text;
}

}  // namespace

std::string CompletionScript(const std::string& shell, const std::string& program) {
  if (shell == "bash") return BashScript(program);
  if (shell == "zsh") return ZshScript(program);
  if (shell == "fish") return FishScript(program);
  throw ConfigError("no completion for '" + shell + "'. Known: bash, zsh, fish");
}

}  // namespace cogent
