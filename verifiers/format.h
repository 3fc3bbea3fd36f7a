// Rewards about the layout and the answer's letters of a completion alone.
//
//   rewards: [{name: accuracy}, {name: format, weight: 0.1}]
//   rewards: [{name: accuracy}, {name: format, layout: cold_start, weight: 0.1}]
//
//   const FormatOptions cold{.layout = Layout::kColdStart};
//   HasLayout("|special_token| 3 * 4 = 12 |special_token| Summary: 12", cold);   // true
//   Summary("|special_token| a |special_token| Summary: It is 12.", cold);       // "It is 12."
//
// Two layouts. `think_answer` is DeepSeek-R1-Zero's template (arXiv 2501.12948, table 1),
// `cold_start` that of R1's cold-start data (the same, section 2.3.1):
// |special_token|<reasoning>|special_token|<summary>.
// Thread rule: pure functions, linear in the text, never throw because of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "verifiers/extract.h"
#include "verifiers/reward.h"

namespace cogent {

enum class Layout { kThinkAnswer, kColdStart };

struct FormatOptions {
  Layout layout = Layout::kThinkAnswer;
  bool lenient = false;
  std::string token = "|special_token|";  // of the cold-start layout
};

// Strict, white space at both ends cut off:
//  think_answer: FormatOk of verifiers/extract.h.
//  cold_start: the token, reasoning, the token, `Summary:`, the summary; the token twice and no
//  more, as it
//    is written; no tags of the other layout; both parts with something to be seen in them.
// Lenient, what is strictly right and:
//  think_answer: a first reasoning part that is closed and holds something, and behind the last one
//  an answer
//    part by Extract; tags may have capitals and inner spaces, text around does no harm.
//  cold_start: capitals and spaces in the token do not matter, `Summary:` may be missing, text may
//    stand before the first token.
bool HasLayout(std::string_view completion, const FormatOptions& options);

// What stands behind the second token, without `Summary:` and white space; nothing where that is
// nothing or the token does not stand twice. Read leniently.
std::optional<std::string> Summary(std::string_view completion, const FormatOptions& options);

// The reasoning in either layout: between R1-Zero's tags, else what stands behind the first token up to the
// second or the end. Nothing without an opening tag and without a token.
std::optional<ReasoningPart> ReasoningInLayout(std::string_view completion, const std::string& token = FormatOptions{}.token);

// `format`: 1 for a layout, else 0.
// `tag_count`: the share of <think> </think> <answer> </answer> that stand there exactly once.
// open-r1's
//   tag_count_reward is `newlines: true`: <think>\n, \n</think>\n, \n<answer>\n, \n</answer>.
// `exact`: 1 when the answer, cut of white space, is the task's answer letter by letter.
void RegisterTextRewards(RewardRegistry& rewards);

}  // namespace cogent
