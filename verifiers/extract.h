// Finding the answer in a completion, and judging its layout.
//
// Two looks at the same text. FormatOk is strict: it is what the `format` reward pays for. Extract
// is lenient: a completion with a sloppy layout still has an answer that can be right or wrong.
//
//   FormatOk("<think>3 * 4 = 12</think> <answer>12</answer>");      // true
//   Extract("<think>a</think><answer>\\boxed{7}</answer>").text;    // "7"
//   Extract("<think>a</think> so \\boxed{7}").place;                // kBox
//
// Layout (DeepSeek-R1-Zero, arXiv 2501.12948, table 1): `<think> .. </think> <answer> ..
// </answer>`. All functions take linear time in the text, never throw because of it, and are
// thread-safe. Views that are returned by value as std::string outlive the text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cogent {

// Where an answer was found.
enum class AnswerPlace {
  kNone,        // there is no answer
  kAnswerPart,  // between <answer> and </answer>
  kBox,         // in a \boxed{} outside of answer tags
};

struct Extraction {
  AnswerPlace place = AnswerPlace::kNone;
  std::optional<std::string> text;  // the answer, cut of white space; never empty
};

// True when, white space cut off at both ends, the text is `<think>`, reasoning, `</think>`,
// optional white space, `<answer>`, answer, `</answer>`: each of the four tags once, in lower case,
// without spaces inside, both parts with something in them, nothing outside.
bool FormatOk(std::string_view completion);

// The answer, whatever FormatOk says. Tags may have capitals and inner spaces, but no attributes.
//  1. Only what stands behind the last `</think>` counts. Reasoning that is opened and never
//     closed leaves nothing; without reasoning tags the whole text counts.
//  2. Answer parts there: different contents cancel each other; one complete \boxed{} in a part
//     stands for the part; an empty part is no answer.
//  3. Without a complete answer part: the last complete \boxed{}.
Extraction Extract(std::string_view completion);

// Rule 1 alone: the text that follows the reasoning; nothing when reasoning is left open.
std::optional<std::string> AfterReasoning(std::string_view completion);
// True when an opening or closing answer tag stands anywhere in the text.
bool HasAnswerTag(std::string_view text);

// What stands between the first `<think>` and the first `</think>` behind it.
struct ReasoningPart {
  std::string text;
  bool closed = true;  // false: it goes on to the end of the completion
};
// Nothing without the opening tag.
std::optional<ReasoningPart> Reasoning(std::string_view completion);

// The text without ASCII white space at both ends.
std::string_view TrimAscii(std::string_view text);
// For reasons: its beginning, at most 60 bytes, without line breaks.
std::string OneShortLine(std::string_view text);

}  // namespace cogent
