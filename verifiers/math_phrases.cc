#include "verifiers/math_phrases.h"

#include <algorithm>
#include <array>
#include <vector>

#include "core/ascii.h"
#include "verifiers/extract.h"
#include "verifiers/math_words.h"

namespace cogent {
// "is not 12": the words right before say that this is not it.
bool IsDenied(std::string_view text, std::size_t at) {
  constexpr std::size_t kWindow = 40;
  std::string_view before = text.substr(at > kWindow ? at - kWindow : 0, std::min(at, kWindow));
  const std::size_t stop = before.find_last_of(".,;:!?\n");
  if (stop != std::string_view::npos) before.remove_prefix(stop + 1);
  std::vector<std::string> words;
  std::string word;
  for (const char c : before) {
    if (IsDigit(c)) {
      words.clear();
      word.clear();
    } else if (IsLetter(c) || c == '\'') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(LowerAscii(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(LowerAscii(word));
  for (std::size_t i = words.size(); i > 0 && i + 3 > words.size(); --i) {
    const std::string& w = words[i - 1];
    if (w == "but" || w == "rather") return false;
    if (w == "not" || w == "never" || w == "cannot" || w.ends_with("n't") || w == "neither")
      return true;
  }
  return false;
}

// --- Answer phrases
// --------------------------------------------------------------------------------

// Where an answer phrase's answer begins: behind "answer is", "Answer:", "####".
std::optional<std::size_t> BehindPhrase(std::string_view text, const std::string& lower) {
  constexpr std::array<std::string_view, 10> kNouns = {"answer",
                                                       "respuesta",
                                                       "r\u00e9ponse",
                                                       "antwort",
                                                       "risposta",
                                                       "resposta",
                                                       "\u043e\u0442\u0432\u0435\u0442",
                                                       "\u7b54\u6848",
                                                       "\u7b54\u3048",
                                                       "\uc815\ub2f5"};
  constexpr std::array<std::string_view, 14> kVerbs = {
      ":",     "\uff1a",   " is ",     " is:",   " are ",  " es ", " est ",
      " ist ", " \u00e9 ", " \u00e8 ", "\u662f", "\u4e3a", "=",    "\u2014"};
  std::optional<std::size_t> best;
  const std::size_t marks = text.rfind("####");
  if (marks != std::string_view::npos) best = marks + 4;
  for (const std::string_view noun : kNouns) {
    std::size_t at = lower.rfind(noun);
    for (int tries = 0; at != std::string::npos && tries < 20; ++tries) {
      const std::size_t begin = at + noun.size();
      const std::string_view ahead = std::string_view(lower).substr(begin, 60);
      const std::string_view sentence = ahead.substr(0, std::min(ahead.find('\n'), ahead.size()));
      std::size_t verb = std::string_view::npos;
      std::size_t length = 0;
      for (const std::string_view candidate : kVerbs) {
        const std::size_t found = sentence.find(candidate);
        if (found < verb) {
          verb = found;
          length = candidate.size();
        }
      }
      if (verb == std::string_view::npos) {
        // "**Final Answer**" above its line, "Answer 5"
        const std::string_view rest =
            TrimAscii(sentence.substr(sentence.find_first_not_of("*_# ") == std::string_view::npos
                                          ? sentence.size()
                                          : sentence.find_first_not_of("*_# ")));
        const bool alone = rest.empty() || rest.starts_with("\\[") || rest.starts_with("\\(") ||
                           rest.starts_with("$") || IsDigit(rest[0]);
        if (alone) {
          verb = 0;
          while (verb < sentence.size() && (sentence[verb] == '*' || sentence[verb] == '_')) ++verb;
        }
      }
      if (verb != std::string_view::npos) {
        if (!best || begin + verb + length > *best) best = begin + verb + length;
        break;
      }
      if (at == 0) break;
      at = lower.rfind(noun, at - 1);
    }
  }
  return best;
}

// Up to the end of the sentence or line.
std::string_view SentenceFrom(std::string_view text, std::size_t begin) {
  while (begin < text.size() && (IsSpace(text[begin]) || text[begin] == '*' || text[begin] == ':'))
    ++begin;
  int braces = 0;
  bool display = false;
  for (std::size_t at = begin; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\' && at + 1 < text.size()) {
      if (text[at + 1] == '[') display = true;
      if (text[at + 1] == ']') display = false;
      ++at;
      continue;
    }
    if (c == '{') ++braces;
    if (c == '}') --braces;
    if (braces > 0 || display) continue;
    if (c == '\n') return text.substr(begin, at - begin);
    const bool stop = c == '.' || c == '!' || c == '?';
    if (stop && at > begin &&
        (at + 1 == text.size() || IsSpace(text[at + 1]) || text[at + 1] == '*')) {
      if (c == '!' && at > 0 && (IsDigit(text[at - 1]) || text[at - 1] == ')')) continue;
      const bool abbreviation = at - begin == 2 && text.substr(begin, 2) == "Rs";
      if (!abbreviation) return text.substr(begin, at - begin);
    }
    if (text.substr(at).starts_with("\u3002")) return text.substr(begin, at - begin);
  }
  return text.substr(begin);
}

// Words between "is" and the answer that say nothing.
std::string_view WithoutFiller(std::string_view text) {
  constexpr std::array<std::string_view, 22> kFillers = {
      "therefore", "thus",   "simply", "just",      "exactly",  "definitely", "clearly", "the",
      "option",    "choice", "equal",  "to",        "given",    "by",         "then",    "indeed",
      "hence",     "a",      "an",     "obviously", "actually", "letter"};
  while (true) {
    text = TrimAscii(text);
    while (!text.empty() && (text[0] == '*' || text[0] == '`' || text[0] == ':' || text[0] == '_'))
      text.remove_prefix(1);
    text = TrimAscii(text);
    std::size_t end = 0;
    while (end < text.size() && IsLetter(text[end])) ++end;
    const std::string word = LowerAscii(text.substr(0, end));
    const bool filler = end > 0 && end < text.size() && IsSpace(text[end]) &&
                        std::find(kFillers.begin(), kFillers.end(), word) != kFillers.end();
    if (!filler) return text;
    text.remove_prefix(end);
  }
}

std::string_view WithoutStops(std::string_view text) {
  while (!text.empty() &&
         (IsSpace(text.back()) ||
          std::string_view(".,;:?\"'`*_").find(text.back()) != std::string_view::npos)) {
    text.remove_suffix(1);
  }
  while (!text.empty() &&
         (IsSpace(text.front()) ||
          std::string_view(",;:\"`*_").find(text.front()) != std::string_view::npos)) {
    text.remove_prefix(1);
  }
  return text;
}

}  // namespace cogent
