// Agents that are no network: scripts, to try an environment and its rewards with, and a person.
//
//   OracleAgent oracle;                                           // the environment's own gold completion
//   WrongAgent wrong;                                             // a good layout around no answer
//   ReplayAgent replay("runs/r1/samples.jsonl");                  // what was written before
//   PersonAgent person(std::cin, std::cout);                      // shows what is asked, reads the answer
//   CollectGroups({.group_size = 1}, envs, rubric, oracle, tasks, rng);
//
// They choose no tokens; a byte of their text counts as one, so that rewards of length see a length.
// Thread rule: one rollout at a time.
#pragma once

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "agents/agent.h"

namespace cogent {

// Throws ConfigError where the environment writes no gold completion.
class OracleAgent final : public Agent {
 public:
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override;
};

class WrongAgent final : public Agent {
 public:
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override;
};

// JSON lines with `completion` and `task` (else `prompt`), the task's question: a run's samples.jsonl is such a file. Several
// completions of a task, or the turns of its episode, are given one after the other, and then again from the first.
class ReplayAgent final : public Agent {
 public:
  // Throws DataError with file and line.
  explicit ReplayAgent(const std::string& path);
  // Throws DataError for a task that the file does not have.
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override;

 private:
  struct Stored {
    std::vector<std::string> completions;
    std::size_t next = 0;
  };
  std::string path_;
  std::map<std::string, Stored> tasks_;  // by question
};

// An answer is the lines up to an empty one, or to the end of the input; inside of a ``` block empty lines are a part of it.
class PersonAgent final : public Agent {
 public:
  PersonAgent(std::istream& in, std::ostream& out) : in_(&in), out_(&out) {}
  std::vector<Turn> Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) override;
  bool left() const { return left_; }  // the input ended before the last answer began

 private:
  std::istream* in_;
  std::ostream* out_;
  bool left_ = false;
};

}  // namespace cogent
