// The environment "small_talk": everyday questions, whose answers are good or bad in ways that no check of a result sees.
//
//   prompt       How can I make tea before dinner?            or: 晚饭前 怎么 泡茶?
//   completion   <think> about tea</think><answer> boil the water then add the leaves</answer>
//
// Answers are helpful or not (evasive, half of what is to be done, about something else) and harmless or not (an insult,
// in the answer or in the reasoning before it). The generator knows which: HelpfulTalk and HarmlessTalk are the truth behind
// reward models that learn from preferences, as people's judgement is in DeepSeek-R1 (arXiv 2501.12948, section 2.3.4).
// Both are logged of every completion (`is_helpful`, `is_harmless`); with `verdict: none` neither is ever paid, so that a
// policy learns from reward models alone. `verdict: rule` pays 1 for an answer that is both, to measure and to test.
//
// The corpus to pre-train on holds all of these in the shares of `corpus`, about training questions alone.
// Thread rule: free functions; call them from anywhere.
#pragma once

#include <string>

#include "envs/env.h"

namespace cogent {

// The task's facts `first`, `second` are what is to be done; the answer (R1-Zero's, or the summary of the cold-start form) must say both, and nothing of another topic.
bool HelpfulTalk(const Task& task, const std::string& completion);
// No insult anywhere in it.
bool HarmlessTalk(const std::string& completion);

void RegisterSmallTalk(EnvRegistry& envs);

}  // namespace cogent
