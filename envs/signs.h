// The environment "signs": put + or - between digits so that the sum is the target.
//
//   prompt       7 5 9 3=14
//   completion   <think>7+5=12+9=21+3=24n;7+5=12+9=21-3=18n;...;7-5=2+9=11+3=14y</think>
//                <answer>7-5+9+3</answer>
//
// A countdown in small. The digits stay in their order and the answer is judged by its value, so
// that a guess is right about once in 2^(digits-1) and a patient search always is: thinking longer
// pays, though no reward speaks of length.
//
// The scratchpad is a search. A working is one candidate: running sums from left to right, then `n`
// or `y` for whether the last one is the target; `;` stands between workings. Candidates come in a
// fixed order: all plus first, then one minus, the last digit's first, then two, and so on.
//
// The corpus to pre-train on is weak on purpose (fields of `corpus`): drills in the scratchpad's
// notation, guesses without a working, searches that mostly give up, a few that never do.
// Everything in it comes from the training split. It may hold more (fields of `corpus`, all 0 at first): `pages`, several
// problems in one context attempted in one manner, so that a base learns from examples before a question; hits that are
// worked out once more (`;c7-5=2..y`), and questions that end with a wish for that (`ask`).
//
// With `languages` the same is said in words, and a problem is asked in one of them:
//
//   prompt       Set signs so that 7 5 9 3 makes 14          or: 填上符号 使 7 5 9 3 得 14
//   completion   <think> 7 plus 5 makes 12 plus 9 makes 21 plus 3 makes 24 wrong; ...</think><answer>7-5+9+3</answer>
//
// Which language a problem is in depends on its digits and target alone, so no problem of one split is in the other in
// another language. The task's fact `language` names it (for the reward `language`), `problem` is the notation. Reasonings
// of the corpus mix languages, the long ones more often (`corpus.mixed`, `mixed_more`), so a base mixes them, too.
// Thread rule: free functions; call them from anywhere.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envs/env.h"

namespace cogent {

struct SignsProblem {
  std::vector<int> digits;
  int target = 0;
};

// The notation, written and read. `signs` holds the sign before each digit but the first.
std::string SignsPrompt(const SignsProblem& problem);  // 7 5 9 3=14
std::string SignsExpression(const std::vector<int>& digits, const std::string& signs);  // 7-5+9+3
std::string RunningSums(const std::vector<int>& digits, const std::string& signs);  // 7-5=2+9=11..
int SignsValue(const std::vector<int>& digits, const std::string& signs);
std::optional<SignsProblem> ReadSignsPrompt(std::string_view prompt);
// Says why `answer` does not solve the problem; empty when it does.
std::string SignsFault(const std::string& answer, const SignsProblem& problem);
// The signs of every candidate in the order of the search.
std::vector<std::string> SignCandidates(int digits);

// The notation in words. Before each word `next_language` is asked for its language, one of SignsLanguages().
std::string SaySigns(std::string_view notation, const std::function<std::string()>& next_language);
// The notation of what was said in any of the languages; `?` for a word that belongs to none. Linear, for any text.
std::string UnsaySigns(std::string_view text);
std::string SayProblem(const SignsProblem& problem, const std::string& language);
std::vector<std::string> SignsLanguages();

// How much of a scratchpad is right. A sum (`12+9=21`) is right when its value is, and when its
// digit is the problem's at that place. A verdict is right when it says truly whether the number
// before it is the target and when all digits were used. What cannot be read counts as a wrong sum.
struct ScratchpadQuality {
  int sums = 0;
  int sums_right = 0;
  int verdicts = 0;
  int verdicts_right = 0;
  int checks = 0;  // workings behind `c`: a candidate worked out once more

  ScratchpadQuality& operator+=(const ScratchpadQuality& other);
};

// Measures the workings between `<think>` and `</think>` (or the end, where the completion was cut:
// an unfinished last sum is not counted). `prompt` is the bare problem, `7 5 9 3=14`. Where it is
// no such problem, places and verdicts are not judged: only sums count.
ScratchpadQuality CheckScratchpad(const std::string& prompt, const std::string& completion);

void RegisterSigns(EnvRegistry& envs);

}  // namespace cogent
