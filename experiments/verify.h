// `cogent verify NAME`: verdicts on stored completions, JSON lines in and out, in the order of the
// input.
//
//   echo '{"id": 7, "completion": "<think>a</think><answer>7</answer>"}' | cogent verify format
//   {"id":7,"format_ok":true,"answer":"7"}
//
// A verifier is one function from a line's object to the fields of the answer. To add one: write
// the function, name it in `kMakers` of verify.cc, and give the command its lines in commands.cc.
//
//   LineVerifier ShoutVerifier(const Command&) {
//     return {[](const LineObject& line) -> LineResult {
//       return {{"shouts", line.Text("completion").ends_with("!")}};
//     }};
//   }
//
// The machinery puts `id` in front (the line's own; its number where it has none), reports
// malformed lines by number without stopping, and counts. A verifier throws DataError where a field
// is missing or of the wrong type; anything else that it throws is our failure, is reported as such
// on the line, and is no verdict. Thread rule: `verify` is called from several threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "experiments/engine.h"

namespace cogent {

using LineValue = std::variant<std::nullptr_t, bool, std::int64_t, double, std::string, std::vector<std::string>, std::vector<std::int64_t>>;
using LineResult = std::vector<std::pair<std::string, LineValue>>;  // written in this order

// The JSON object of one line. Every reader of a field throws DataError, with the field's name,
// where it has another type; a field that is null counts as missing.
class LineObject {
 public:
  // Throws DataError when `text` is not one JSON object. Deeper than 64 levels, values are left
  // out.
  explicit LineObject(std::string_view text);
  ~LineObject();
  LineObject(LineObject&&) noexcept;

  std::string Text(const std::string& field) const;  // DataError when it is missing
  std::optional<std::string> FindText(const std::string& field) const;
  // A text, or a number as the line writes it: what a gold answer may be.
  std::string TextOrNumber(const std::string& field) const;
  // Of a field, or of one inside: "rewards.accuracy.score". true is 1, false 0.
  std::optional<double> FindNumber(const std::string& path) const;
  // The JSON of a field, for what is nested; nothing when it is missing.
  std::optional<std::string> FindJson(const std::string& field) const;
  // What `id` is: a text, a number, true or false; null when there is none.
  LineValue Id() const;

 private:
  struct Json;
  std::unique_ptr<Json> json_;
};

// One line of JSON without a line break.
std::string ToJsonLine(const LineResult& fields);

struct LineVerifier {
  std::function<LineResult(const LineObject&)> verify;
  std::size_t lines_at_once = 32;  // for one thread; 1 where a line takes long
};

// Runs `verify format` and the others, and `verify audit`. Returns the exit code: 2 when a line was
// malformed, 1 when a verifier of ours failed. Throws ConfigError and DataError.
int RunVerify(const Parts& parts, const Command& command);

// What all of these commands share: lines of --input through --threads to --output, with progress,
// and the count and the rate on standard error at the end.
int VerifyLines(const LineVerifier& verifier, const Command& command);

}  // namespace cogent
