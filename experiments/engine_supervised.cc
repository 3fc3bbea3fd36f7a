#include "experiments/engine_supervised.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/log.h"
#include "envs/template.h"
#include "experiments/dataset.h"
#include "experiments/engine_evaluate.h"
#include "experiments/engine_loop.h"

namespace cogent {
namespace {

std::vector<TextExample> GoldExamples(const Run& run, ExampleKind kind) {
  if (kind != ExampleKind::kDemonstration) {
    throw ConfigError(fmt::format("data.gold gives demonstrations; algorithm '{}' needs preferences or labels: give data.paths", run.config.algorithm.name));
  }
  const auto env = EnvFactory(run.config, run.parts)();
  std::vector<TextExample> examples;
  for (int i = 0; i < run.config.data->gold; ++i) {
    Dialogue dialogue = env->Reset({Split::kTrain, run.config.seed, static_cast<std::uint64_t>(i)}).messages;
    dialogue.push_back({Role::kAssistant, env->GoldCompletion()});
    if (dialogue.back().text.empty()) throw ConfigError(fmt::format("data.gold: environment '{}' writes no solutions of its own; give data.paths", run.config.env.name));
    examples.push_back({{std::move(dialogue)}, 0.0, {}, fmt::format("task {}", i)});
  }
  return examples;
}

// Encoded as PolicyAgent does, a turn at a time, so that what is learned is what will be read: the messages before the
// first answer go into the template, later ones follow as they are; every answer ends with the end of sequence.
Sequence Encode(const Tokenizer& tokenizer, const std::string& prompt_template, const Dialogue& dialogue) {
  Sequence s;
  std::size_t at = 0;
  while (at < dialogue.size()) {
    std::vector<Message> read;
    for (; at < dialogue.size() && dialogue[at].role != Role::kAssistant; ++at) read.push_back(dialogue[at]);
    std::string text;
    if (s.ids.empty()) text = RenderPrompt(prompt_template, read);
    else for (const Message& message : read) text += message.text;
    const auto prompt = s.ids.empty() ? tokenizer.EncodePrompt(text) : tokenizer.Encode(text);
    s.ids.insert(s.ids.end(), prompt.begin(), prompt.end());
    for (; at < dialogue.size() && dialogue[at].role == Role::kAssistant; ++at) {
      auto answer = tokenizer.Encode(dialogue[at].text);
      answer.push_back(tokenizer.eos_id());
      for (const std::int32_t id : answer) s.targets.push_back(static_cast<std::int32_t>(s.ids.size())), s.ids.push_back(id);
    }
  }
  return s;
}

// A step and its separator, one behind the other; the last token of each is what is judged.
Sequence EncodeSteps(const Tokenizer& tokenizer, const std::string& prompt_template, const TextExample& text, const std::string& separator) {
  const Dialogue& dialogue = text.conversations.front();
  const std::size_t read = dialogue.size() - text.labels.size();
  Sequence s{tokenizer.EncodePrompt(RenderPrompt(prompt_template, {dialogue.begin(), dialogue.begin() + static_cast<std::ptrdiff_t>(read)})), {}, text.labels};
  for (std::size_t i = read; i < dialogue.size(); ++i) {
    const auto step = tokenizer.Encode(dialogue[i].text + separator);
    s.ids.insert(s.ids.end(), step.begin(), step.end());
    s.targets.push_back(static_cast<std::int32_t>(s.ids.size()) - 1);
  }
  return s;
}

void CutTo(std::size_t longest, Sequence& s) {
  if (s.ids.size() <= longest) return;
  s.ids.resize(longest);
  while (!s.targets.empty() && s.targets.back() >= static_cast<int>(longest)) s.targets.pop_back();
  if (s.labels.size() > s.targets.size()) s.labels.resize(s.targets.size());
}

// False when the example is left out.
bool Fit(const RunConfig& config, std::size_t longest, const std::string& where, bool judged_at_end, Example& example) {
  for (Sequence& s : example.sequences) {
    if (s.targets.empty() || s.targets.front() == 0) throw DataError(where + ": the tokenizer knows no character of the prompt");
    if (s.ids.size() > longest && config.data->too_long == "leave_out") return false;
    if (s.ids.size() > longest && config.data->too_long == "error") {
      throw DataError(fmt::format("{}: {} tokens, and the model reads {} (max_position_embeddings); shorten it, or set data.too_long to leave_out or cut",
                                  where, s.ids.size(), longest));
    }
    CutTo(longest, s);
    if (s.targets.empty()) return false;  // only its prompt was left
    if (judged_at_end) s.targets = {static_cast<std::int32_t>(s.ids.size()) - 1};
  }
  return true;
}

bool IsHeldOut(const RunConfig& config, const TextExample& text) {
  Rng draw = Rng(0).Fork("held-out");
  for (const Message& message : text.conversations.front()) {
    if (message.role == Role::kAssistant) break;
    draw = draw.Fork(message.text);
  }
  return draw.UniformAt(0) < config.data->held_out;
}

class SupervisedLoop final : public TrainingLoop {
 public:
  SupervisedLoop(Run& run, const Objective& objective, const ExampleSet& examples, RunLog& log)
      : TrainingLoop(run, log, objective.NeedsReference()), objective_(objective), examples_(examples) {}

 private:
  std::int64_t Steps() const override { return SupervisedSteps(run_.config, examples_.training.size()); }

  Metrics OneStep(std::int64_t step) override {
    const double start = Now();
    std::vector<Example> chosen;
    for (const std::size_t i : ExamplesOfStep(run_.rng, examples_.training.size(), run_.config.data->examples, step)) chosen.push_back(examples_.training[i]);
    const Rng draws = run_.rng.Fork("on_policy").Fork(static_cast<std::uint64_t>(step));
    const bool own = draws.UniformAt(0) < objective_.OnPolicyShare();
    if (own) WriteCompletions(draws, chosen);
    double tokens = 0;
    for (const Example& example : chosen) {
      for (const Sequence& s : example.sequences) tokens += static_cast<double>(s.ids.size());
    }
    Metrics metrics = trainer().Learn(chosen, objective_, run_.config.optimizer.RateAt(step, Steps())).metrics;
    if (!std::isfinite(metrics["grad_norm"])) LogWarn(fmt::format("step {}: the gradient is not finite; the step was left out", step));
    if (writes()) generator().Refresh(run_.parameters);
    if (objective_.OnPolicyShare() > 0) metrics["on_policy"] = own;
    state_.num_tokens += tokens;
    metrics["num_tokens"] = state_.num_tokens;
    metrics["epoch"] = static_cast<double>(step) * run_.config.data->examples / static_cast<double>(examples_.training.size());
    metrics["timing_s/update_actor"] = Now() - start;
    metrics["perf/total_num_tokens"] = tokens;
    metrics["perf/train_throughput"] = metrics["perf/throughput"] = tokens / (Now() - start);
    return metrics;
  }

  bool writes() const override { return has_env() || objective_.OnPolicyShare() > 0; }

  // In the place of the examples' own: the policy answers each prompt, up to the first answer of the data.
  void WriteCompletions(const Rng& draws, std::vector<Example>& examples) {
    std::vector<std::vector<std::int32_t>> prompts;
    std::vector<Rng> seeds;
    for (const Example& example : examples) {
      const Sequence& s = example.sequences.front();
      prompts.emplace_back(s.ids.begin(), s.ids.begin() + s.targets.front());
      seeds.push_back(draws.Fork(static_cast<std::uint64_t>(prompts.size())));
    }
    Sampling sampling = run_.config.rollout.sampling;
    for (const auto& prompt : prompts) {
      const int room = run_.parameters.config().max_position_embeddings - static_cast<int>(prompt.size());
      sampling.max_new_tokens = std::max(1, std::min(sampling.max_new_tokens, room));
    }
    const auto written = generator().Generate(prompts, seeds, sampling);
    for (std::size_t i = 0; i < examples.size(); ++i) {
      Sequence& s = examples[i].sequences.front();
      s = {prompts[i], {}, {}};
      for (const std::int32_t id : written[i].ids) s.targets.push_back(static_cast<std::int32_t>(s.ids.size())), s.ids.push_back(id);
    }
  }

  std::string Describe(const Metrics& metrics) const override {
    return fmt::format("loss {:.4f}, epoch {:.2f}", metrics.at("loss"), metrics.at("epoch"));
  }

  Metrics MeasureHeldOut(std::int64_t step) override {
    if (examples_.held_out.empty()) return {};
    const Metrics measured = trainer().Measure(examples_.held_out, objective_).metrics;
    log_.AddEval(step, "held_out", measured);
    Metrics named;
    for (const auto& [name, value] : measured) named["held_out/" + name] = value;
    return named;
  }

  const Objective& objective_;
  const ExampleSet& examples_;
};

}  // namespace

ExampleSet LoadExamples(const Run& run, const Objective& objective) {
  const ExampleKind kind = objective.Kind();
  const DataSettings& data = *run.config.data;
  const std::map<ExampleKind, TextKind> text_kinds = {{ExampleKind::kDemonstration, TextKind::kDemonstration}, {ExampleKind::kPreference, TextKind::kPreference},
                                                      {ExampleKind::kSteps, TextKind::kSteps}, {ExampleKind::kJudged, TextKind::kJudged}};
  const TextKind text_kind = text_kinds.at(kind);
  const std::vector<TextExample> texts = data.gold > 0 ? GoldExamples(run, kind) : ReadExamples(data.paths, text_kind);
  const std::string prompt_template = TemplateText(run.config.prompt_template);
  const auto longest = static_cast<std::size_t>(run.parameters.config().max_position_embeddings);
  ExampleSet set;
  std::size_t left_out = 0;
  for (const TextExample& text : texts) {
    Example example{{}, text.margin};
    if (kind == ExampleKind::kJudged) example.good = text.labels.front() > 0.5;
    if (kind == ExampleKind::kSteps) {
      example.sequences.push_back(EncodeSteps(run.tokenizer, prompt_template, text, data.step_separator));
    } else {
      for (const Dialogue& dialogue : text.conversations) example.sequences.push_back(Encode(run.tokenizer, prompt_template, dialogue));
    }
    const bool judged_at_end = kind == ExampleKind::kPreference && objective.LearnsValues();  // the whole completion
    if (!Fit(run.config, longest, text.where, judged_at_end, example)) ++left_out;
    else (IsHeldOut(run.config, text) ? set.held_out : set.training).push_back(std::move(example));
  }
  if (left_out > 0) LogWarn(fmt::format("{} of {} examples were left out: longer than the model's context of {} tokens", left_out, texts.size(), longest));
  if (set.training.empty()) {
    throw DataError(fmt::format("nothing is left to learn from: of {} examples {} are too long and {} held out (data.held_out is {:g})", texts.size(), left_out,
                                set.held_out.size(), data.held_out));
  }
  if (set.held_out.empty() && data.held_out > 0) LogWarn(fmt::format("no prompt of the {} examples fell on the held-out side; raise data.held_out to measure the loss there", texts.size()));
  return set;
}

std::int64_t SupervisedSteps(const RunConfig& config, std::size_t examples) {
  if (config.data->epochs <= 0) return config.train.steps;
  return static_cast<std::int64_t>(std::ceil(config.data->epochs * static_cast<double>(examples) / config.data->examples));
}

std::vector<std::size_t> ExamplesOfStep(const Rng& rng, std::size_t examples, int examples_per_step, std::int64_t step) {
  const auto count = static_cast<std::uint64_t>(examples), size = static_cast<std::uint64_t>(examples_per_step);
  std::vector<std::size_t> chosen, order;
  std::uint64_t pass_of_order = 0;
  for (std::uint64_t place = static_cast<std::uint64_t>(step - 1) * size; chosen.size() < size; ++place) {
    const std::uint64_t pass = place / count;
    if (order.empty() || pass != pass_of_order) {
      order.resize(examples);
      std::iota(order.begin(), order.end(), std::size_t{0});
      Rng draw = rng.Fork("examples").Fork(pass);
      for (std::size_t i = examples - 1; i > 0; --i) std::swap(order[i], order[static_cast<std::size_t>(draw.Range(0, static_cast<std::int64_t>(i)))]);
      pass_of_order = pass;
    }
    chosen.push_back(order[place % count]);
  }
  return chosen;
}

int Supervise(Run& run, const Objective& objective, const ExampleSet& examples, RunLog& log, std::int64_t from) {
  return SupervisedLoop(run, objective, examples, log).Train(from);
}

}  // namespace cogent
