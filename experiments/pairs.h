// `cogent pairs`: preference pairs by a stated rule, from demonstrations in the cold-start form.
//
//   In:  {"prompt", "completion"}, as `cogent refine` or `cogent sample` writes them
//   Out: {"prompt", "chosen", "rejected", "rule": "helpful: the answer is left out"}
//
// What a person would prefer, by rule, for models that are too small for people to judge:
//   helpful   about the summary alone, as the helpfulness model of DeepSeek-R1 reads it (arXiv 2501.12948, section 2.3.4). Chosen is
//             the demonstration's; rejected the same cut in the middle, one that leaves the answer out, or another line's.
//   harmless  about the whole output. Chosen is the demonstration; rejected the same with an insult put between two of its words.
//   sound     about the whole output. Chosen is the demonstration; rejected the same with one number of its reasoning changed by 1, 2
//             or 3: the conclusion stands, and no longer follows. No rule about the answer sees that.
//   scored    two completions of one prompt, of which `score` (a reward or a measure of the environment, as `cogent sample` stores them)
//             gave the chosen one more: preferences between a policy's own answers. `reads: summary` writes what a reward model that
//             reads the summary sees of both.
// With `judge-ask`, a question to a judge (agents/judge.h), two lines come of each pair instead, to teach a judge by SFT:
//   {"prompt": the question about the chosen or the rejected one, "completion": "<score>HIGHEST</score>" or of the lowest, "rule"}
// Which spoiling a line gets depends on the seed and the line's number alone. Lines without a summary are counted and left out.
// Thread rule: main thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/rng.h"
#include "experiments/engine.h"

namespace cogent {

struct Spoiled {
  std::string chosen, rejected, rule;
};
// `other` is another line's completion, whose summary is taken where it says something else. Nothing when the completion has no summary.
std::optional<Spoiled> SpoilHelpful(const std::string& completion, const std::string& other, const std::string& token, Rng& rng);
Spoiled SpoilHarmless(const std::string& completion, Rng& rng);
// Nothing when there is no second token, or no number before it.
std::optional<Spoiled> SpoilSound(const std::string& completion, const std::string& token, Rng& rng);

// A completion with what was said of it.
struct Scored {
  std::string completion;
  double score = 0.0;
};
// Of the completions of one prompt, in their order: each is in one pair at most, the best with the worst, then the next ones, while their scores
// differ. Of equal ones the earlier is taken first.
std::vector<Spoiled> PairByScore(const std::vector<Scored>& completions, const std::string& score);

// ConfigError where the options say what cannot be; no file is read.
void CheckPairs(const Command& command);
// kExitDone; kExitUserMistake when lines were malformed, which are reported by number while the others are written.
int PairsCommand(const Command& command);

}  // namespace cogent
