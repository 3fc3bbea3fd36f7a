// Checkpoints of a run: a directory each, in Hugging Face layout with the trainer's state beside.
//
//   checkpoints/step-000100/  config.json, generation_config.json, model.safetensors, tokenizer.json,
//                             optimizer.safetensors, trainer_state.json
//                             with policy.lora: adapter_config.json and adapter_model.safetensors instead of the first three
//     critic/                 of an algorithm that has one: config.json, model.safetensors, optimizer.safetensors
//   checkpoints/base/         the model that training by rewards started from (no optimizer)
//   checkpoints/latest, best  links
//
// A checkpoint is written under a name that begins with a dot, synced and renamed: a kill at any moment,
// or a full disk, leaves the earlier ones whole.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/critic.h"
#include "algorithms/optimizer.h"
#include "policies/parameters.h"
#include "policies/tokenizer.h"

namespace cogent {

// What is needed to go on, beside weights and optimizer. Random numbers need nothing: every draw is a
// function of the seed and the step.
struct TrainerState {
  std::int64_t step = 0;
  double num_tokens = 0;
  double seconds = 0;                     // of training so far
  double best = -1.0;                     // best pass@1 on held-out tasks
  std::int64_t best_step = -1;
  std::map<std::string, double> algorithm;  // what it carries from step to step, as an adaptive coefficient
  std::uint64_t next_task = 0;            // training tasks drawn so far; 0: none
  std::map<std::string, double> before;   // evaluation of the base model, for the summary
  std::map<std::string, double> after;    // the last one, empty before: it is in the records already
};

class Checkpoints {
 public:
  explicit Checkpoints(std::string run_dir);
  // What a kill left half written. Only the process that holds the run's log may call this.
  void RemoveUnfinished();

  // `phase` is "step" or "pretrain". Keeps the newest `keep` of the phase and the best step.
  void Save(const std::string& phase, const ParameterSet& parameters, const Tokenizer& tokenizer, const AdamW& optimizer,
            const TrainerState& state, int keep, const Critic* critic = nullptr);
  // The last part of Save: the link `latest`, older ones go, and so do later ones (a resume went back before
  // them). Again after a resume, as a kill may have come in between.
  void Settle(const std::string& phase, const TrainerState& state, int keep);
  void SaveBase(const ParameterSet& parameters, const Tokenizer& tokenizer);
  void MarkBest(std::int64_t step);
  void DropPhase(const std::string& phase);

  // Steps of the phase that have a whole checkpoint, rising.
  std::vector<std::int64_t> Steps(const std::string& phase) const;
  bool HasBase() const;
  std::string Path(const std::string& phase, std::int64_t step) const;
  std::string BasePath() const { return dir_ + "/base"; }
  TrainerState Load(const std::string& phase, std::int64_t step, ParameterSet& parameters, AdamW& optimizer) const;

 private:
  void Publish(const std::string& temporary, const std::string& name);
  void Remove(const std::string& path);
  void Link(const std::string& name, const std::string& target);
  std::string dir_;
};

}  // namespace cogent
