// Rollouts by a server that holds the policy (`rollout.remote`): who asks it, and how it gets new weights.
//
//   RemoteRollout remote(run);
//   remote.HandOver(0);                       // the server has the weights of step 0 when this returns
//   CollectGroups(..., *remote.MakeAgent(sampling), ...);
//
// Weights go by disk: RUN/handover/step-N, a whole checkpoint in Hugging Face layout (adapters added to their base), is written and the
// server asked to load it; older ones go when it has, but for those that a run which is resumed from one of its checkpoints samples with.
// The server must see the run's directory under the same path.
// Thread rule: one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "agents/agent.h"
#include "experiments/engine_run.h"

namespace cogent {

class RemoteRollout {
 public:
  // REQUIRES rollout.remote. The run must outlive it.
  explicit RemoteRollout(const Run& run) : run_(&run) {}

  std::unique_ptr<Agent> MakeAgent(const Sampling& sampling) const;
  // Hands over the weights as they are behind `step`, where it is a multiple of reload_every. The first time it hands over in any case:
  // the weights that the server had then, of the last such step. Throws RemoteError where the server does not take them. With
  // reload: none it does nothing.
  void HandOver(std::int64_t step);
  // Steps that the server's weights have not seen of those before `step`.
  double Staleness(std::int64_t step) const { return static_cast<double>(step - 1 - std::max<std::int64_t>(0, handed_)); }

 private:
  std::int64_t Due(std::int64_t step) const;  // the last step up to it whose weights are handed over
  std::string Path(std::int64_t step) const;
  std::string Write(std::int64_t step) const;
  void RemoveOthers(std::int64_t step) const;
  void AskToLoad(const std::string& path, std::int64_t step) const;

  const Run* run_;
  std::int64_t handed_ = -1;  // the step whose weights the server has; -1: none were handed over yet
};

}  // namespace cogent
