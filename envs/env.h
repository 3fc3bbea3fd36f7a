// The environment: one episode of a reasoning task, in text.
//
// Reset(id) starts the episode of a task; the same id always gives the same task. Step(completion)
// takes what the policy wrote and returns what it sees next, whether the episode is over, and the
// environment's own verdict. Most environments ask one question and are over: derive those from
// SingleTurnEnv (envs/single_turn.h) and write two functions.
//
//   auto env = envs.Make(choice, problems);
//   Observation seen = env->Reset({Split::kTrain, seed, 17});
//   StepResult result = env->Step({"<think>...</think><answer>14</answer>", 12, false});
//
// Thread rule: an Env belongs to one thread; make one per worker.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/message.h"
#include "core/registry.h"
#include "core/rng.h"
#include "verifiers/reward.h"

namespace cogent {

// Training and held-out problems never meet: an environment draws again until the hash of the
// problem falls on the split's side, so that no pair of seeds can leak one into the other.
enum class Split { kTrain, kTest };

struct TaskId {
  Split split = Split::kTrain;
  std::uint64_t seed = 0;
  std::uint64_t index = 0;
};

struct Observation {
  std::vector<Message> messages;  // new since the last step
};

struct StepResult {
  Observation observation;  // empty when done
  bool done = true;
  Verdict verdict;  // of the whole episode; meaningful when done
  // What else can be measured of the episode, logged as rewards/NAME/mean; weight 0: never a reward.
  std::vector<NamedScore> measures = {};
};

class Env {
 public:
  virtual ~Env() = default;
  virtual Observation Reset(const TaskId& id) = 0;
  virtual StepResult Step(const Completion& completion) = 0;
  // True where Step waits for something outside of this process (the sandbox): then the steps of several
  // episodes are taken at once, each by one thread.
  virtual bool StepWaits() const { return false; }
  // Where the tasks are a list, the problems of a benchmark: how many. All are of the test split, index i is problem i, and Reset
  // throws for others (DataError) and for the training split (ConfigError). 0: tasks are drawn, as many as are wanted.
  virtual std::uint64_t ListedTasks() const { return 0; }
  // The task of the running episode. REQUIRES Reset.
  virtual const Task& task() const = 0;
  // A completion that the environment itself would pay 1 for, inside the tags of R1-Zero; used by
  // the conformance suite and to write base corpora. Empty when the environment cannot write one.
  virtual std::string GoldCompletion() const { return {}; }
  // A document to pre-train a base model on: an attempt at some training problem, good or bad, or a
  // drill. Starts with the question; ends where the document ends. Empty prompt = plain text.
  struct Document {
    std::string prompt;  // rendered by the prompt template, if not empty
    std::string text;    // follows the prompt
  };
  virtual bool HasCorpus() const { return false; }
  virtual Document CorpusDocument(Rng& rng) const;  // default: throws ConfigError, no corpus
  // What stands in one context in pre-training: a document, or several that belong together, one after another.
  virtual std::vector<Document> CorpusPage(Rng& rng) const { return {CorpusDocument(rng)}; }
};

using EnvRegistry = Registry<Env>;
// The environments this library ships; see `cogent list`.
EnvRegistry BuiltinEnvs();

// True when the problem text belongs to the split: about 1 in 8 problems are held out.
bool InSplit(const std::string& problem, Split split);

}  // namespace cogent
