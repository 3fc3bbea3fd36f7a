// Labelled text to learn from: JSONL files, an example a line.
//
//   {"prompt": "2+3?", "completion": "5"}                                   a demonstration
//   {"messages": [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": "5"}]}   the same, of any length
//   {"prompt": "2+3?", "chosen": "5", "rejected": "6", "margin": 1.0}       a preference; `margin` may be left out
//   {"prompt": "2+3*4?", "completions": ["3*4=12", "2+12=15"], "labels": [true, false]}   steps, and whether each is right
//   {"prompt": "2+3?", "completion": "6", "label": false}                   a judged completion
//
// A prompt or completion may be a list of messages, too. Other keys are passed over. Blank lines do not count.
//
//   for (const TextExample& e : ReadExamples({"pairs.jsonl"}, TextKind::kPreference)) ... e.conversations[0] ...
//
// Thread rule: free functions; call them from anywhere.
#pragma once

#include <string>
#include <vector>

#include "core/message.h"

namespace cogent {

// Begins with what is read, ends with an assistant's message.
using Dialogue = std::vector<Message>;

enum class TextKind { kDemonstration, kPreference, kSteps, kJudged };

struct TextExample {
  std::vector<Dialogue> conversations;  // one; or the chosen, then the rejected
  double margin = 0.0;
  std::vector<double> labels;  // of steps, an assistant's message each; or the one of a judged completion
  std::string where;  // "pairs.jsonl:12", for messages
};

// All examples in the order of the files. Throws DataError with every mistake (ten at most), one a line, each with
// file and line: no JSON, no example of this kind, an unknown role, an empty text; and when there is no example at all.
std::vector<TextExample> ReadExamples(const std::vector<std::string>& paths, TextKind kind);

}  // namespace cogent
