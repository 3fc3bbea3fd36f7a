// Signs in words: the same notation, said in a language or in several in turn.
#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/ascii.h"
#include "core/error.h"
#include "envs/signs.h"

namespace cogent {
namespace {

struct Tongue {
  std::string code;
  std::string ask;                                  // what stands before the digits of a problem
  std::vector<std::pair<char, std::string>> words;  // a mark of the notation, and its word
};

// Each word is in one language alone, so that verifiers/language.h cannot take it for the other's.
const std::vector<Tongue>& Tongues() {
  static const std::vector<Tongue> all = {
      {"en", "Set signs so that", {{'+', "plus"}, {'-', "minus"}, {'=', "makes"}, {'n', "wrong"}, {'y', "right"}, {'c', "check"}}},
      {"zh", "填上符号 使", {{'+', "加"}, {'-', "减"}, {'=', "得"}, {'n', "错"}, {'y', "对"}, {'c', "查"}}}};
  return all;
}

const Tongue& TongueOf(const std::string& code) {
  const auto& all = Tongues();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Tongue& one) { return one.code == code; });
  Check(found != all.end(), "signs are said in en and zh alone");
  return *found;
}

const std::string& WordFor(char mark, const std::string& code) {
  for (const auto& [symbol, word] : TongueOf(code).words) {
    if (symbol == mark) return word;
  }
  throw InternalError("signs: a mark without a word");
}

// `?` for a word of no language.
char MarkFor(std::string_view text) {
  for (const Tongue& one : Tongues()) {
    for (const auto& [symbol, word] : one.words) {
      if (word == text) return symbol;
    }
  }
  return '?';
}

}  // namespace

std::vector<std::string> SignsLanguages() {
  std::vector<std::string> codes;
  for (const Tongue& one : Tongues()) codes.push_back(one.code);
  return codes;
}

std::string SayProblem(const SignsProblem& problem, const std::string& code) {
  return TongueOf(code).ask + SaySigns(" " + SignsPrompt(problem), [&] { return code; });
}

std::string SaySigns(std::string_view notation, const std::function<std::string()>& next_language) {
  std::string text;
  bool after_number = false;
  for (std::size_t at = 0; at < notation.size();) {
    const char c = notation[at];
    std::size_t end = at + 1;
    // A minus that does not follow a number is the sign of the next one.
    if (IsDigit(c) || (c == '-' && !after_number)) {
      while (end < notation.size() && IsDigit(notation[end])) ++end;
      text += " " + std::string(notation.substr(at, end - at));
    } else if (c != ' ') {
      text += c == ';' ? ";" : " " + WordFor(c, next_language());
    }
    if (c != ' ') after_number = IsDigit(notation[end - 1]);
    at = end;
  }
  return text;
}

std::string UnsaySigns(std::string_view text) {
  std::string notation;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    std::size_t end = at + 1;
    if (IsDigit(c)) {
      if (at > 0 && text[at - 1] == ' ' && !notation.empty() && IsDigit(notation.back())) notation += '?';  // two numbers without a word
      notation += c;
    } else if (c == '-' || c == ';') {
      notation += c;
    } else if (c != ' ') {
      while (end < text.size() && text[end] != ' ' && text[end] != ';' && text[end] != '-' && !IsDigit(text[end])) ++end;
      notation += MarkFor(text.substr(at, end - at));
    }
    at = end;
  }
  return notation;
}

}  // namespace cogent
