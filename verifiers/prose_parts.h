// What verifiers/prose.cc steps over: addresses and names, letters and marks, and where brackets
// close. Internal to it.
//
//   IsAddress("results/final_report.txt,");   // true; the comma at its end does not matter
//   Pairs("\\text{a {b}}").End(5);             // 12, behind the brace that closes that at 5
//
// Thread rule: functions are pure, a Pairs or a Search belongs to one walk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "verifiers/prose.h"

namespace cogent {

inline constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

// `chunk` is ASCII without white space: an address, a path, a file name or a name_with_underscores?
bool IsAddress(std::string_view chunk);
bool IsFunctionName(std::string_view word);  // sin, log, gcd
// LaTeX environments that hold prose: itemize, proof.
bool IsTextEnvironment(std::string_view name);

struct Letter {
  Script script = Script::kOther;
  bool letter = false;     // begins or continues a word
  bool continues = false;  // only continues one: marks, joiners
};
// Of a code point; nothing of it for what is no letter, those of formulas (ℝ) included.
Letter Classify(std::int32_t c);

Break BreakOf(std::int32_t c);

// Weak ones stand in prose, too: and/or, 5% of, well - a dash.
enum class Operator { kNone, kWeak, kStrong };
Operator OperatorOf(std::int32_t c);

// Where a `{` or a `\begin` ends, for the whole text at once, so that no text costs more than
// linear time.
class Pairs {
 public:
  static constexpr std::size_t kLongestName = 40;  // of an environment
  explicit Pairs(std::string_view text);

  // The first place behind what opens at `open`; kNever when that is not closed. `open` never goes
  // down.
  std::size_t End(std::size_t open);

 private:
  void Close(std::vector<std::size_t>& open, std::size_t end);
  std::vector<std::pair<std::size_t, std::size_t>> ends_;
  std::size_t next_ = 0;
};

// A search that, once it failed, is known to fail up to the same end.
class Search {
 public:
  // Calls find(from), which gives the place or kNever, unless it failed before `from` already.
  template <typename Find>
  std::size_t operator()(std::size_t from, std::size_t end, const Find& find) {
    if (from < failed_until_) return kNever;
    const std::size_t found = find(from);
    if (found == kNever) failed_until_ = end;
    return found;
  }

 private:
  std::size_t failed_until_ = 0;
};

}  // namespace cogent
