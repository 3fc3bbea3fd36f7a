// One optimizer step from a batch of groups, from labelled examples, or from plain documents: the last hops of the
// data path.
//
//   Trainer trainer(parameters, reference, optimizer, config);
//   StepReport report = trainer.Step(groups, algorithm, rate);   // advantages -> loss -> gradients -> step
//   StepReport early = trainer.StepCritic(groups, algorithm, critic_rate);   // the critic alone
//   StepReport other = trainer.Learn(examples, objective, rate); // loss -> gradients -> step
//
// The step is cut into micro-batches of whole prompts' groups; a prompt stands in its micro-batch once,
// and its completions see it. Micro-batches are dealt to lanes, a thread each, by their number; every
// lane adds into a gradient of its own, and the lanes are summed in order: the result depends on the
// number of lanes, never on how fast they were.
// Thread rule: one call at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/algorithm.h"
#include "algorithms/critic.h"
#include "algorithms/objective.h"
#include "algorithms/optimizer.h"
#include "policies/transformer.h"

namespace cogent {

struct TrainerConfig {
  int lanes = 1;                  // threads
  int micro_batch_tokens = 1024;  // rows a micro-batch aims at
  Products products = Products::kFloat32;  // of the large products; sums and everything else are float32
  bool sampler_differs = false;            // bfloat16 weights, or another engine: its log-probabilities are not quite the trainer's
  // The sampler computes what training does, to the bit: the same products, logits among them, and DecoderWeights with Latents::kExpanded.
  bool deterministic = false;
  bool gradient_checkpointing = false;     // activations are computed again in the backward pass
  int epochs = 1;                 // passes over each batch
  int minibatches = 1;            // optimizer steps a pass
  double temperature = 1.0;       // of sampling; the trainer's distribution has the same
  bool replay_experts = true;     // where a trajectory has them, the sampler's experts are chosen again
  double balance_alpha = 0.0;     // sequence-wise balance loss
  double bias_speed = 0.0;        // gamma of the balancing rule
};

// What one call did, for the log: means over the tokens or trajectories of the step.
struct StepReport {
  std::map<std::string, double> metrics;
  std::vector<double> advantages;  // of each trajectory in order: the mean over its tokens
};

// Tokens to learn from by next-token prediction.
struct Document {
  std::vector<std::int32_t> ids;
  int first_target = 1;  // tokens before this place are read, not learned
};

class Trainer {
 public:
  // `reference` and `critic` may be null when algorithm or objective needs none. All must outlive the trainer.
  Trainer(ParameterSet& parameters, const ParameterSet* reference, AdamW& optimizer, const TrainerConfig& config, Critic* critic = nullptr);

  // epochs * minibatches optimizer steps, all at this learning rate, and as many of the critic where the algorithm has
  // one. Its values are those before the first of them. REQUIRES at least one trajectory.
  StepReport Step(const std::vector<Group>& groups, const Algorithm& algorithm, double learning_rate, double critic_rate = 0.0);
  // The same with the critic learning alone: the policy and state() stay. REQUIRES NeedsCritic().
  StepReport StepCritic(const std::vector<Group>& groups, const Algorithm& algorithm, double critic_rate);
  // One optimizer step on these examples, and the same loss without learning. REQUIRES at least one target.
  StepReport Learn(const std::vector<Example>& examples, const Objective& objective, double learning_rate);
  StepReport Measure(const std::vector<Example>& examples, const Objective& objective);
  // Next-token loss, mean over all targets; `prediction_weight` times the multi-token-prediction loss on top.
  StepReport Pretrain(const std::vector<Document>& documents, double learning_rate, double prediction_weight);

  // What the algorithm carries from step to step; a checkpoint holds it.
  const AlgorithmState& state() const { return state_; }
  void set_state(AlgorithmState state) { state_ = std::move(state); }

 private:
  struct Piece;
  struct Lesson;
  struct Minibatch;
  struct Result;
  void OnLanes(std::size_t count, const std::function<void(std::size_t lane, std::size_t piece)>& run);
  StepReport Pass(const std::vector<Example>& examples, const Objective& objective, const double* learning_rate);
  double Drift(const std::vector<Example>& examples);
  void Apply(double learning_rate, const at::Tensor& load, StepReport& report);
  int RowsAPiece(std::size_t rows) const;
  bool Apart() const { return !config_.deterministic && (config_.sampler_differs || Supported(config_.products) != Products::kFloat32); }
  HeadProducts Head() const { return {config_.products, config_.deterministic ? config_.products : Products::kFloat32}; }
  std::vector<Piece> Cut(const std::vector<const Trajectory*>& trajectories, std::size_t first, std::size_t last, bool policy) const;
  at::Tensor AskAll(const ParameterSet& parameters, const std::vector<const Trajectory*>& trajectories,
                    const std::function<at::Tensor(const Transformer& model, const at::Tensor& hidden, const Piece& piece)>& read);
  at::Tensor LogprobsOf(const ParameterSet& parameters, const std::vector<const Trajectory*>& trajectories);
  at::Tensor ValuesOf(const std::vector<const Trajectory*>& trajectories);
  Lesson Prepare(const std::vector<Group>& groups, const Algorithm& algorithm, StepReport& report);
  template <typename Update>
  void EachMinibatch(const Lesson& lesson, const Algorithm& algorithm, bool policy, const Update& update) const;
  Result LearnPolicy(const Lesson& lesson, const Algorithm& algorithm, const Minibatch& step, const Piece& piece, std::size_t lane) const;
  void UpdatePolicy(const Lesson& lesson, const Algorithm& algorithm, double learning_rate, StepReport& report);
  void UpdateCritic(const Lesson& lesson, const Algorithm& algorithm, double learning_rate, StepReport& report);
  void Average(const std::map<std::string, double>& sums, const Lesson& lesson, const std::string& prefix, StepReport& report) const;

  ParameterSet* parameters_;
  const ParameterSet* reference_;
  AdamW* optimizer_;
  TrainerConfig config_;
  AlgorithmState state_;
  Critic* critic_;
  std::vector<at::Tensor> gradients_, critic_gradients_;  // one a lane, as trained() of the weights
};

}  // namespace cogent
