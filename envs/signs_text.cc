#include <algorithm>
#include <bit>
#include <cstddef>
#include <string_view>

#include "core/ascii.h"
#include "envs/signs.h"
#include "verifiers/extract.h"
#include "verifiers/format.h"

namespace cogent {
namespace {

// Reads a whole number of at most 6 digits, with a minus where `sign` allows it. Moves `at` only on
// success.
std::optional<int> ReadNumber(std::string_view text, std::size_t& at, bool sign) {
  std::size_t end = at;
  const bool negative = sign && end < text.size() && text[end] == '-';
  if (negative) ++end;
  const std::size_t first = end;
  int value = 0;
  for (; end < text.size() && IsDigit(text[end]); ++end) {
    if (end - first == 6) return std::nullopt;
    value = value * 10 + (text[end] - '0');
  }
  if (end == first) return std::nullopt;
  at = end;
  return negative ? -value : value;
}

// Reads one working, the text between two `;`, and counts into `quality`.
class WorkingReader {
 public:
  // `cut` tells that the text may end in the middle because the completion did.
  WorkingReader(std::string_view text, const std::optional<SignsProblem>& problem, bool cut)
      : text_(text), problem_(problem), cut_(cut) {}

  ScratchpadQuality Read() {
    if (text_.starts_with('c')) ++at_, ++quality_.checks;
    const auto first = ReadNumber(text_, at_, true);
    if (!first) return Unreadable();
    in_place_ = !problem_ || *first == problem_->digits[0];
    std::optional<int> value = first;
    for (place_ = 1; at_ < text_.size() && IsSign(text_[at_]); ++place_) {
      value = ReadSum(*value);
      if (!value) return Unreadable();
    }
    if (at_ == text_.size()) {
      if (quality_.sums == 0) return Unreadable();
      return quality_;
    }
    const char mark = text_[at_++];
    if ((mark != 'n' && mark != 'y') || at_ != text_.size() || quality_.sums == 0) {
      return Unreadable();
    }
    CountVerdict(mark == 'y', *value);
    return quality_;
  }

 private:
  static bool IsSign(char c) { return c == '+' || c == '-'; }

  // Reads `+9=21` behind a running sum; nothing when it is no such text.
  std::optional<int> ReadSum(int before) {
    const bool minus = text_[at_++] == '-';
    const auto digit = ReadNumber(text_, at_, false);
    if (!digit || at_ == text_.size() || text_[at_] != '=') return std::nullopt;
    ++at_;
    const auto after = ReadNumber(text_, at_, true);
    if (!after) return std::nullopt;
    // A number that ends where a cut completion ends may lack its last digits.
    if (cut_ && at_ == text_.size()) return after;
    in_place_ = !problem_ || (in_place_ && place_ < problem_->digits.size() &&
                              *digit == problem_->digits[place_]);
    ++quality_.sums;
    if (in_place_ && *after == (minus ? before - *digit : before + *digit)) ++quality_.sums_right;
    return after;
  }

  void CountVerdict(bool says_hit, int value) {
    if (!problem_) return;
    ++quality_.verdicts;
    const bool whole = place_ == problem_->digits.size();
    if (whole && says_hit == (value == problem_->target)) ++quality_.verdicts_right;
  }

  ScratchpadQuality Unreadable() {
    if (!cut_ || at_ < text_.size()) ++quality_.sums;
    return quality_;
  }

  std::string_view text_;
  const std::optional<SignsProblem>& problem_;
  bool cut_;
  std::size_t at_ = 0;
  std::size_t place_ = 1;
  bool in_place_ = true;
  ScratchpadQuality quality_;
};

}  // namespace

int SignsValue(const std::vector<int>& digits, const std::string& signs) {
  int value = digits[0];
  for (std::size_t i = 1; i < digits.size(); ++i) {
    value += signs[i - 1] == '-' ? -digits[i] : digits[i];
  }
  return value;
}

std::string SignsPrompt(const SignsProblem& problem) {
  std::string text;
  for (const int digit : problem.digits) text += (text.empty() ? "" : " ") + std::to_string(digit);
  return text + "=" + std::to_string(problem.target);
}

std::string SignsExpression(const std::vector<int>& digits, const std::string& signs) {
  std::string text = std::to_string(digits[0]);
  for (std::size_t i = 1; i < digits.size(); ++i) text += signs[i - 1] + std::to_string(digits[i]);
  return text;
}

std::string RunningSums(const std::vector<int>& digits, const std::string& signs) {
  std::string text = std::to_string(digits[0]);
  int value = digits[0];
  for (std::size_t i = 1; i < digits.size(); ++i) {
    value += signs[i - 1] == '-' ? -digits[i] : digits[i];
    text += signs[i - 1] + std::to_string(digits[i]) + "=" + std::to_string(value);
  }
  return text;
}

std::optional<SignsProblem> ReadSignsPrompt(std::string_view text) {
  SignsProblem problem;
  std::size_t at = 0;
  while (true) {
    const auto digit = ReadNumber(text, at, false);
    if (!digit || at == text.size()) return std::nullopt;
    problem.digits.push_back(*digit);
    const char next = text[at++];
    if (next == '=') break;
    if (next != ' ') return std::nullopt;
  }
  const auto target = ReadNumber(text, at, true);
  if (!target || at != text.size() || problem.digits.size() < 2) return std::nullopt;
  problem.target = *target;
  return problem;
}

std::string SignsFault(const std::string& answer, const SignsProblem& problem) {
  std::string signs;
  std::size_t at = 0;
  for (std::size_t i = 0; i < problem.digits.size(); ++i) {
    if (i > 0) {
      if (at == answer.size() || (answer[at] != '+' && answer[at] != '-')) {
        return "a sign is missing, or there is something else than digits and signs";
      }
      signs += answer[at++];
    }
    const auto digit = ReadNumber(answer, at, false);
    if (!digit || *digit != problem.digits[i]) return "other digits than the problem's";
  }
  if (at != answer.size()) return "something follows the last digit";
  const int value = SignsValue(problem.digits, signs);
  if (value == problem.target) return {};
  return "the sum is " + std::to_string(value) + ", not " + std::to_string(problem.target);
}

ScratchpadQuality& ScratchpadQuality::operator+=(const ScratchpadQuality& other) {
  sums += other.sums;
  sums_right += other.sums_right;
  verdicts += other.verdicts;
  verdicts_right += other.verdicts_right;
  checks += other.checks;
  return *this;
}

ScratchpadQuality CheckScratchpad(const std::string& prompt, const std::string& completion) {
  const auto problem = ReadSignsPrompt(TrimAscii(prompt));
  const auto reasoning = ReasoningInLayout(completion);
  ScratchpadQuality quality;
  if (!reasoning || TrimAscii(reasoning->text).empty()) return quality;
  std::string_view rest = TrimAscii(reasoning->text);
  while (true) {
    const std::size_t end = rest.find(';');
    const bool last = end == std::string_view::npos;
    quality += WorkingReader(rest.substr(0, end), problem, last && !reasoning->closed).Read();
    if (last) return quality;
    rest.remove_prefix(end + 1);
  }
}

std::vector<std::string> SignCandidates(int digits) {
  const unsigned count = 1u << (digits - 1);
  std::vector<unsigned> masks(count);
  for (unsigned i = 0; i < count; ++i) masks[i] = i;
  std::stable_sort(masks.begin(), masks.end(),
                   [](unsigned a, unsigned b) { return std::popcount(a) < std::popcount(b); });
  std::vector<std::string> candidates;
  for (const unsigned mask : masks) {
    std::string signs;
    for (int bit = digits - 2; bit >= 0; --bit) signs += (mask >> bit & 1u) ? '-' : '+';
    candidates.push_back(signs);
  }
  return candidates;
}

}  // namespace cogent
