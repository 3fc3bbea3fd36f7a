// `cogent pipeline`: an experiment in stages, each with what earlier ones made.
//
//   name: r1
//   base_config: r1_zero.yaml                          # a run's file, laid under `settings`
//   settings: {env: {name: signs}, tokenizer: ...}     # laid under every `train` stage
//   evaluate: {env: ..., rewards: ..., eval: ...}      # how the policy of every stage is measured, on the same tasks
//   stages:
//     base:    {train: {pretrain: {steps: 2000}, train: {steps: 0}}}
//     r1_zero: {train: {policy.checkpoint: "${base}", algorithm: grpo}}
//     kept:    {sample: {from: "${r1_zero}", sample.tasks: 2000}}
//     cold:    {refine: {from: "${kept}"}}
//     sft:     {train: {policy.checkpoint: "${base}", algorithm: sft, data: {paths: ["${cold}"]}}}
//
// A stage is of one kind, which is the key of its map:
//   train    what `cogent train` takes; makes `checkpoint` (meant by ${stage}), `best`, `run`
//   sample   `cogent sample` of a run (`from`), the other keys over the run's settings; makes `data` (meant by ${stage})
//   refine   `cogent refine` of lines (`from`), the other keys as its options; makes `data`
//   judge    `cogent judge` of lines (`input`) by a run (`from`), the other keys over the run's settings; makes `data`
//   rewrite  `cogent rewrite`, the same
//   pairs    `cogent pairs` of lines (`from`), the other keys as its options; makes `data`
// Beside its kind, a stage may say `scored: false`: its policy is not one for the tasks that `evaluate` measures (a judge).
// ${stage} or ${stage.artefact} stands for a path, in any text of a stage or of `settings`; so stages form a graph. In `evaluate` none may stand, for
// it measures the first stage as it does the last.
//
//   runs/r1/stages/NAME/          the run of a `train` stage; NAME.jsonl the data of another
//   runs/r1/stages/NAME.json      what it was made from, and whether it is finished
//   runs/r1/scores/NAME.json      what `evaluate` measured of its policy
//   runs/r1/logs/, configs/       what each printed, and what it was given
//   runs/r1/scores.csv            all stages' numbers, a line each
//   runs/r1/report.html           all stages: scores, and links to each one's own report
//
// A stage is done when it finished and its settings, the seed, the stages it needs and the files it names are as they were
// then; anything else is resumed where it was stopped, or made again (what it had made before is moved aside, never removed).
// Servers that stages ask (`remote`) are asked whether they are there before the first stage runs.
// Thread rule: main thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agents/remote_agent.h"
#include "experiments/engine.h"
#include "experiments/run_config.h"

namespace cogent {

struct PipelineStage {
  std::string name, kind;
  Node settings;
  std::vector<std::string> needs;  // stages, each once
  bool scored = true;
  std::optional<RemoteSettings> server = {};  // that it asks for completions
};

struct Pipeline {
  std::string name, directory;
  std::uint64_t seed = 1;
  Node settings = Node::Map(), evaluate;  // evaluate: null = nothing is measured
  std::vector<PipelineStage> stages;      // each behind those that it needs

  const PipelineStage& Find(const std::string& stage) const;
};

// What a stage makes: artefact to path.
std::map<std::string, std::string> ArtefactsOf(const Pipeline& pipeline, const PipelineStage& stage);
// A stage's settings with every reference as a path.
Node WithPaths(const Pipeline& pipeline, const Node& settings);
// The YAML of a `train` stage's run, and of measuring its policy; nothing where that is not measured.
Node TrainConfig(const Pipeline& pipeline, const PipelineStage& stage);
std::optional<Node> MeasuringConfig(const Pipeline& pipeline, const PipelineStage& stage);
// The words of the command that makes a `refine` or `pairs` stage of the lines in `input`.
std::vector<std::string> LinesCommand(const Pipeline& pipeline, const PipelineStage& stage, const std::string& input);

// What stages are made from: another text means another stage. Each stage and each file is looked at once; to look again, make a new one.
class Recipes {
 public:
  explicit Recipes(const Pipeline& pipeline) : pipeline_(pipeline) {}  // which must outlive it
  const std::string& Of(const PipelineStage& stage);

 private:
  const Pipeline& pipeline_;
  std::map<std::string, std::string> stages_, files_;  // by name; by path
};

// Throws ConfigError with every mistake at its place: unknown kinds, artefacts that nobody makes, cycles, settings that a run
// or a command would refuse, of a stage or of `evaluate`.
Pipeline LoadPipeline(const std::string& path, const std::vector<std::string>& overrides, const Parts& parts, const CheckAlgorithm& check_algorithm);

// kExitDone, kExitFailed when a stage failed (what is done stays), kExitStopped.
int PipelineCommand(const Parts& parts, const CheckAlgorithm& check_algorithm, const Command& command);

}  // namespace cogent
