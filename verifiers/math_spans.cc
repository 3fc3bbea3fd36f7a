#include "verifiers/math_spans.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/ascii.h"
#include "verifiers/math_words.h"

namespace cogent {
namespace {

// The length of the box command at the backslash at `at`; 0 when it is another.
std::size_t BoxCommand(std::string_view text, std::size_t at) {
  for (const std::string_view name : {"boxed", "fbox", "framebox"}) {
    if (!text.substr(at + 1).starts_with(name)) continue;
    const std::size_t end = at + 1 + name.size();
    if (end < text.size() && IsAsciiLetter(text[end])) continue;
    return 1 + name.size();
  }
  return 0;
}

constexpr std::size_t kLongestGap = 80;
constexpr std::size_t kShortGap = 45;

}  // namespace

std::vector<Span> FindBoxSpans(std::string_view text) {
  constexpr std::size_t kNoBox = static_cast<std::size_t>(-1);
  std::vector<Span> boxes;
  std::vector<std::pair<std::size_t, std::size_t>> open;  // where the command and its content begin
  const auto close = [&](std::size_t begin, std::size_t inner_begin, std::size_t inner_end,
                         std::size_t end) {
    while (!boxes.empty() && boxes.back().begin > begin) boxes.pop_back();
    boxes.push_back({begin, end, inner_begin, inner_end});
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') {
      const std::size_t length = BoxCommand(text, at);
      if (length == 0) {
        if (at + 1 < text.size() && (text[at + 1] != '\\' || BoxCommand(text, at + 1) == 0)) ++at;
        continue;
      }
      std::size_t next = at + length;
      while (next < text.size() && text[next] == ' ') ++next;
      if (next < text.size() && text[next] == '{') {
        open.emplace_back(at, next + 1);
        at = next;
      } else if (next > at + length) {
        const std::size_t begin = next;
        while (next < text.size() && !IsSpace(text[next]) && text[next] != '$' &&
               text[next] != '\\')
          ++next;
        std::size_t inner_end = next;
        while (inner_end > begin && (text[inner_end - 1] == '.' || text[inner_end - 1] == ','))
          --inner_end;
        if (inner_end > begin && open.empty()) close(at, begin, inner_end, next);
        at = next - 1;
      } else {
        at = next - 1;
      }
    } else if (c == '{') {
      open.emplace_back(kNoBox, at);
    } else if (c == '}' && !open.empty()) {
      const auto [begin, inner] = open.back();
      open.pop_back();
      if (begin != kNoBox) close(begin, inner, at, at + 1);
    }
  }
  return boxes;
}

std::vector<Span> FindFormulas(std::string_view text) {
  std::vector<Span> formulas;
  std::size_t dollar = std::string_view::npos;  // an open one
  std::size_t width = 1;
  std::size_t bracket = std::string_view::npos;
  char closing = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      const char next = text[at + 1];
      if ((next == '(' || next == '[') && dollar == std::string_view::npos) {
        bracket = at;
        closing = next == '(' ? ')' : ']';
      } else if (bracket != std::string_view::npos && next == closing) {
        formulas.push_back({bracket, at + 2, bracket + 2, at});
        bracket = std::string_view::npos;
      }
      ++at;
      continue;
    }
    if (text[at] != '$' || bracket != std::string_view::npos) continue;
    const std::size_t here = at + 1 < text.size() && text[at + 1] == '$' ? 2 : 1;
    if (dollar == std::string_view::npos) {
      dollar = at;
      width = here;
      at += here - 1;
      continue;
    }
    // $5 and $7 is money
    const bool money = width == 1 && here == 1 && at > 0 && IsDigit(text[dollar + 1]) &&
                       (IsSpace(text[at - 1]) || (at + 1 < text.size() && IsDigit(text[at + 1])));
    if (money) {
      dollar = at;
      continue;
    }
    const std::size_t close = std::min(width, here);
    if (at > dollar + width) formulas.push_back({dollar, at + close, dollar + width, at});
    dollar = std::string_view::npos;
    at += close - 1;
  }
  return formulas;
}

bool IsJoint(std::string_view gap) {
  if (gap.size() > kLongestGap) return false;
  constexpr std::array<std::string_view, 6> kDoubt = {"maybe",  "perhaps",       "possibly",
                                                      "either", "alternatively", "else"};
  constexpr std::array<std::string_view, 8> kConclusion = {"so",    "then",   "thus",  "therefore",
                                                           "hence", "answer", "final", "finally"};
  bool only_joints = true;
  bool doubt = false;
  bool listed = false;     // "papers and", "for part (a) and"
  bool concluded = false;  // "and so the answer is"
  bool stop = false;
  for (std::size_t at = 0; at < gap.size();) {
    const char c = gap[at];
    if (IsAsciiLetter(c)) {
      const std::size_t begin = at;
      while (at < gap.size() && (IsAsciiLetter(gap[at]) || IsDigit(gap[at]) || gap[at] == '_')) ++at;
      const std::string_view word = gap.substr(begin, at - begin);
      std::size_t next = at;
      while (next < gap.size() && gap[next] == ' ') ++next;
      const bool name = word.size() <= 4 && next < gap.size() && gap[next] == '=';
      const std::string lower = LowerAscii(word);
      if (IsOr(word) || std::find(kDoubt.begin(), kDoubt.end(), lower) != kDoubt.end()) {
        doubt = true;
      } else if (std::find(kConclusion.begin(), kConclusion.end(), lower) != kConclusion.end()) {
        concluded = true;
        only_joints = false;
      } else if (IsAnd(word)) {
        listed = true;
      } else if (!name && word != "text" && word != "quad" && word != "qquad") {
        only_joints = false;
      }
      continue;
    }
    if (c == '.' || c == '!' || c == '?') stop = true;
    const bool neutral =
        IsSpace(c) || std::string_view("$\\()[]{},;=&*").find(c) != std::string_view::npos;
    if (!neutral) only_joints = false;
    ++at;
  }
  return !stop && (only_joints || doubt || (listed && !concluded && gap.size() <= kShortGap));
}

}  // namespace cogent
