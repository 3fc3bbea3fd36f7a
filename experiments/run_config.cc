#include "experiments/run_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "envs/template.h"
#include "policies/weight_files.h"

namespace cogent {

void TokenizerConfig::VisitFields(FieldVisitor& visit) {
  visit("kind", kind, "bytes: one token a byte; alphabet: one token a character of `alphabet`; bpe: trained on the corpus; "
        "file: read from `path`", OneOf{"bytes", "alphabet", "bpe", "file"});
  visit("alphabet", alphabet, "all characters that may occur (kind alphabet)");
  visit("path", path, "a tokenizer.json (kind file)");
  visit("vocab_size", vocab_size, "ids in all (kind bpe)", {257, 1 << 24});
  visit("split_digits", split_digits, "each digit is a token of its own, else numbers may become tokens (kind bpe)");
  visit("documents", documents, "corpus documents that the merges are learned from (kind bpe)", {1, 1 << 24});
}

void TokenizerConfig::Validate(Problems& problems, const Node& section) const {
  if (kind == "alphabet" && alphabet.empty()) problems.Add(section.PlaceOf("kind"), "tokenizer kind 'alphabet' needs `alphabet`, the characters that may occur");
  if (kind == "file" && path.empty()) problems.Add(section.PlaceOf("kind"), "tokenizer kind 'file' needs `path`, a tokenizer.json");
}

void PolicyConfig::VisitFields(FieldVisitor& visit) {
  visit("checkpoint", checkpoint, "a directory in Hugging Face layout, a GGUF file, or an adapter in PEFT's layout (taken with its base) to start from; "
        "empty = fresh weights of `model`");
  visit("model", model, "shape of a fresh model, by the keys of its config.json; vocab_size 0 = the tokenizer's");
  visit("lora", lora, "learn low-rank adapters and leave the weights as they are, null = all weights learn; what is saved then is the adapter, "
        "in PEFT's layout");
}

void PolicyConfig::Validate(Problems& problems, const Node& section) const {
  // Which matrices there are is known once the checkpoint is: a pipeline's stage may have it made by another.
  const std::filesystem::path directory = checkpoint;
  if (!lora || (!checkpoint.empty() && !IsCheckpoint(checkpoint))) return;
  if (std::filesystem::is_directory(directory) && !std::filesystem::exists(directory / "config.json") && !std::filesystem::exists(directory / "adapter_config.json")) return;
  try {
    ModelConfig adapted = checkpoint.empty() ? model : LoadModelConfig(checkpoint);
    adapted.lora = lora;
    AdapterLayout(adapted);
  } catch (const Error& error) {
    problems.Add(section.PlaceOf("lora"), std::string("policy.") + error.what());
  }
}

void MixtureSettings::VisitFields(FieldVisitor& visit) {
  visit("bias_speed", bias_speed, "gamma: how far a router's correction bias moves after each step (auxiliary-loss-free balancing)", {0.0, 1.0});
  visit("balance_alpha", balance_alpha, "weight of the sequence-wise balance loss, 0 = off", {0.0, 10.0});
}

void PretrainConfig::VisitFields(FieldVisitor& visit) {
  visit("steps", steps, "optimizer steps", {0, 1 << 30});
  visit("tokens_per_step", tokens_per_step, "tokens a step, whole documents", {16, 1 << 30});
  visit("prediction_weight", prediction_weight, "weight of the multi-token-prediction loss", {0.0, 10.0});
  visit("checkpoint_every", checkpoint_every, "steps between checkpoints", {1, 1 << 30});
  visit("log_every", log_every, "steps between log lines", {1, 1 << 30});
  visit("optimizer", optimizer, "AdamW");
  visit("mixture", mixture, "balancing of the experts");
}

void RemoteSampler::VisitFields(FieldVisitor& visit) {
  RemoteSettings::VisitFields(visit);
  visit("logprobs_mode", logprobs_mode, "what the server's log-probabilities are of, in vLLM's words: raw_logprobs, the model at temperature 1 (vLLM's default), or "
        "processed_logprobs, the distribution that was drawn from, which another rollout.temperature than 1 needs (vllm and cogent serve --logprobs-mode)",
        OneOf{"raw_logprobs", "processed_logprobs"});
  visit("reload", reload, "how the server gets the new weights: sglang (POST /update_weights_from_disk with a directory that both see; `cogent serve` has it, too), "
        "none (never, or by somebody else)", OneOf{"sglang", "none"});
  visit("reload_every", reload_every, "steps between two handovers of the weights; sampling/staleness says how many steps behind the sampler is", {1, 1 << 20});
}

void RolloutSettings::VisitFields(FieldVisitor& visit) {
  visit("prompts", prompts, "prompts a step", {1, 1 << 20});
  visit("group_size", group_size, "G: completions a prompt", {1, 1 << 16});
  sampling.VisitFields(visit);
  visit("weights", weights, "what the sampler holds its matrices in, but the routers': float32, or bfloat16, half the memory and the traffic, with products of "
        "bfloat16 factors as in train.products. The sampler is then not quite what trains: sampling/sampling_logp_difference/* says by how much",
        OneOf{"float32", "bfloat16"});
  visit("cache", cache, "what the sampler holds keys and values of its sequences in: float32, or bfloat16, half the memory, and faster where completions are long "
        "and many; the sampler is then not quite what trains, as with `weights`. On a GPU the cache is what the weights are", OneOf{"float32", "bfloat16"});
  visit("max_turns", max_turns, "turns after which an episode is cut", {1, 1000});
  visit("max_unscorable", max_unscorable, "share of trajectories that may fail to be scored before the run stops", {0.0, 1.0});
  visit("max_batches", max_batches, "rollouts a step at most, where the algorithm refuses groups (dapo: dynamic sampling)", {1, 10000});
  visit("when_exhausted", when_exhausted, "when max_batches are not enough: train (with the groups there are), error (as verl)", OneOf{"train", "error"});
  visit("remote", remote, "a server that samples instead of the run's own policy, which it must hold; it gives token ids and log-probabilities, and gets the weights after "
        "the steps (docs/serving.md). Evaluation stays with the policy itself");
}

void RolloutSettings::Validate(Problems& problems, const Node& section) const {
  if (std::find(sampling.stop.begin(), sampling.stop.end(), "") != sampling.stop.end()) {
    problems.Add(section.PlaceOf("stop"), "rollout.stop: a text is empty and would end every completion; leave it out");
  }
  if (sampling.top_p <= 0) problems.Add(section.PlaceOf("top_p"), "rollout.top_p must be above 0; 1 draws from all tokens, and temperature 0 takes the likeliest");
  if (!remote) return;
  const Sampling& s = sampling;
  if (s.top_k != 0 || s.top_p != 1.0 || s.min_p != 0.0 || s.repetition_penalty != 1.0) {
    problems.Add(section.PlaceOf("remote"), "rollout.remote: the trainer must know the distribution that the server draws from, and it knows a temperature alone: leave top_k, "
                 "top_p, min_p and repetition_penalty of rollout at 0, 1, 0 and 1");
  }
  if (s.temperature != 1.0 && remote->logprobs_mode == "raw_logprobs") {
    problems.Add(section.PlaceOf("temperature"), fmt::format("rollout.temperature is {}, but raw_logprobs are those at temperature 1: start the server with --logprobs-mode processed_logprobs "
                 "and set rollout.remote.logprobs_mode=processed_logprobs, or sample at temperature 1", s.temperature));
  }
}

void TrainSettings::VisitFields(FieldVisitor& visit) {
  visit("steps", steps, "rollouts, each followed by its optimizer steps", {0, 1 << 30});
  visit("patience", patience, "training ends when so many evaluations one after the other (eval.every) were no better than the best before; 0 = it takes all steps", {0, 1 << 20});
  visit("epochs", epochs, "passes over each rollout", {1, 1000});
  visit("minibatches", minibatches, "optimizer steps a pass", {1, 1 << 20});
  visit("micro_batch_tokens", micro_batch_tokens, "rows that a thread works on at once; changes speed and memory alone", {16, 1 << 24});
  visit("products", products, "of large matrices in training, pre-training included: float32, or bfloat16 factors with float32 sums, "
        "faster on processors with AMX or AVX512_BF16 and float32 on others; what samples is rollout.weights", OneOf{"float32", "bfloat16"});
  visit("replay_experts", replay_experts, "train with the experts that the rollout chose: without it, a router near a tie may choose "
        "others in training than in sampling, for the two add up in another order");
  visit("gradient_checkpointing", gradient_checkpointing, "keep the input of each layer alone and compute the rest of it again in the backward pass: "
        "the same gradients with less memory, in more time");
  visit("samples_per_step", samples_per_step, "completions written to samples.jsonl each step", {0, 1 << 20});
  visit("mixture", mixture, "balancing of the experts");
}

void EvalSettings::VisitFields(FieldVisitor& visit) {
  visit("every", every, "steps between evaluations on held-out tasks", {1, 1 << 30});
  visit("tasks", tasks, "held-out tasks of each evaluation on the way", {1, 1 << 24});
  visit("samples", samples, "completions a task", {1, 1 << 16});
  visit("final_tasks", final_tasks, "held-out tasks before the first and after the last step, for summary.json", {1, 1 << 24});
  visit("k", k, "pass@k for these k", {1.0, 65536.0});
  visit("greedy", greedy, "evaluate greedily too, before and after");
}

void EvalSettings::Validate(Problems& problems, const Node& section) const {
  for (const double value : k) {
    if (value > samples) problems.Add(section.PlaceOf("k"), fmt::format("pass@{} needs at least {} samples a task, found samples: {}", value, value, samples));
  }
}

void CheckpointSettings::VisitFields(FieldVisitor& visit) {
  visit("every", every, "steps between checkpoints", {1, 1 << 30});
  visit("keep", keep, "newest checkpoints that are kept beside the best one; older ones go", {1, 1 << 20});
}

void CriticSettings::VisitFields(FieldVisitor& visit) {
  visit("optimizer", optimizer, "AdamW of the critic; its rates count from the first step, those of the policy from the end of steps_alone");
  visit("steps_alone", steps_alone, "steps at the beginning in which the critic learns and the policy waits", {0, 1 << 30});
  visit("checkpoint", checkpoint, "a directory to start from: a language model gives its trunk, and every value begins at 0; a critic or reward model "
        "gives its values, too; empty = the base model that the policy starts from");
}

void CriticSettings::Validate(Problems& problems, const Node& section) const {
  if (!checkpoint.empty() && !IsCheckpoint(checkpoint)) {
    problems.Add(section.PlaceOf("checkpoint"), "critic.checkpoint: there is no directory '" + checkpoint + "'");
  }
}

void DataSettings::VisitFields(FieldVisitor& visit) {
  visit("paths", paths, "JSONL files, an example a line: {\"prompt\", \"completion\"} or {\"messages\"}; {\"prompt\", \"chosen\", \"rejected\"} for dpo and "
        "reward_model; {\"prompt\", \"completions\", \"labels\"} for process_reward; {\"prompt\", \"completion\", \"label\"} for kto");
  visit("gold", gold, "instead of files: this many of the environment's own solutions of its training tasks", {0, 1 << 24});
  visit("held_out", held_out, "share of the prompts that is never learned from, chosen by a hash of the prompt; the loss on it is logged", {0.0, 0.9});
  visit("examples", examples, "examples a step", {1, 1 << 20});
  visit("epochs", epochs, "passes over the examples; above 0 it takes the place of train.steps", {0.0, 1e6});
  visit("too_long", too_long, "an example longer than the model's context is an error with its line, is left out, or is cut at its end",
        OneOf{"error", "leave_out", "cut"});
  visit("step_separator", step_separator, "what stands behind each step of an example of process_reward, and is judged");
}

void DataSettings::Validate(Problems& problems, const Node& section) const {
  if (paths.empty() == (gold == 0)) problems.Add(section.PlaceOf("paths"), "data needs `paths`, JSONL files, or `gold`, a number of the environment's own solutions; one of the two");
}

void RunConfig::VisitFields(FieldVisitor& visit) {
  visit("name", name, "of the run: its directory is output/name");
  visit("output", output, "where run directories are made");
  visit("seed", seed, "every random number of the run follows from it");
  visit("threads", threads, "threads, 0 = all cores", {0, 1024});
  visit("device", device, "where the networks run: cpu, or cuda, a GPU, in a build by ./setup.sh --cuda; environments and rewards, models among them, stay on the CPU",
        OneOf{"cpu", "cuda"});
  visit("deterministic", deterministic, "sampling computes what training does, to the bit: a token's log-probability is the same number in both, in bfloat16 and with experts, "
        "too; a policy with latent attention then samples more slowly, with a larger cache");
  visit("env", env, "the environment by name, with its settings; `cogent list environments`");
  visit("rewards", rewards, "rewards by name with their weights; `accuracy` is the environment's own verdict");
  visit("prompt_template", prompt_template, "r1_zero, plain, chat (the checkpoint's own chat format), or a text with {prompt} in it");
  visit("tokenizer", tokenizer, "text to ids and back");
  visit("policy", policy, "the network that is trained");
  visit("pretrain", pretrain, "makes a base model first, by next-token prediction on the environment's corpus");
  visit("algorithm", algorithm, "the algorithm by name, with its settings; `cogent list algorithms`");
  visit("critic", critic, "of an algorithm that learns from one (ppo): a network that says what is still to be expected at each token");
  visit("data", data, "labelled examples, for algorithms that learn from them (sft, dpo)");
  visit("reference", reference, "a checkpoint that the policy is compared with: a teacher (gkd, distill), or where a KL or dpo pulls to; empty = the weights "
        "that the run starts from");
  visit("rollout", rollout, "collecting completions");
  visit("optimizer", optimizer, "AdamW");
  visit("train", train, "learning from completions");
  visit("sample", sample, "rejection sampling by `cogent sample`: how many, and which completions are kept");
  visit("judge", judge, "a generative judge of completions, for `cogent judge`");
  visit("rewrite", rewrite, "completions written again in the cold-start form by a policy, for `cogent rewrite`");
  visit("eval", eval, "evaluation on held-out tasks");
  visit("checkpoint", checkpoint, "what is kept to resume from");
}

namespace {

// The place of a setting, or where it is not written of the nearest section around it that is.
const Location& PlaceIn(const Node& root, std::string_view path) {
  const std::size_t dot = path.find('.');
  const Node* inner = dot == std::string_view::npos ? nullptr : root.Find(path.substr(0, dot));
  return inner != nullptr ? PlaceIn(*inner, path.substr(dot + 1)) : root.PlaceOf(path.substr(0, dot));
}

}  // namespace

void RunConfig::Validate(Problems& problems, const Node& section) const {
  const auto at = [&](std::string_view path) { return PlaceIn(section, path); };
  if (name.empty() || name.find('/') != std::string::npos) problems.Add(at("name"), "name must be a single folder name, found '" + name + "'");
  if (env.name.empty() && (!data || data->gold > 0 || pretrain || (policy.checkpoint.empty() && tokenizer.kind == "bpe"))) {
    problems.Add(at("env"), "no environment is named; write `env: {name: signs}` (`cogent list environments` shows them). Only a run on `data` files "
                        "from a checkpoint, or with a tokenizer that needs no corpus, can do without");
  }
  if (!reference.empty() && !IsCheckpoint(reference)) {
    problems.Add(at("reference"), "reference: there is no directory or GGUF file '" + reference + "'");
  }
  if (algorithm.name.empty()) problems.Add(at("algorithm"), "no algorithm is named; write `algorithm: {name: grpo}`");
  const bool asks_server = sample.remote || judge.remote || rewrite.remote;  // then no policy is needed, except by `train`
  if (data && rollout.remote) problems.Add(at("rollout.remote"), "rollout.remote is for algorithms that learn from rewards; a run on `data` has no rollouts by it");
  if (policy.checkpoint.empty() && !pretrain && !data && !asks_server) {
    problems.Add(at("policy"), "a fresh model cannot be trained by rewards alone: give `pretrain`, or `policy: {checkpoint: DIR}`");
  }
  if (!policy.checkpoint.empty() && !IsCheckpoint(policy.checkpoint)) {
    problems.Add(at("policy.checkpoint"), "policy.checkpoint: there is no directory or GGUF file '" + policy.checkpoint + "'");
  }
  rollout.sampling.Validate(problems, at("rollout.max_thinking_tokens"));
  if (rollout.sampling.temperature <= 0) problems.Add(at("rollout.temperature"), "rollout.temperature must be above 0: completions of a group have to differ");
  if (rollout.cache == "bfloat16" && rollout.weights == "float32" && device != "cpu") {
    problems.Add(at("rollout.cache"), "rollout.cache: on a GPU keys and values are held in what rollout.weights says: set rollout.weights: bfloat16, or leave the cache at float32");
  }
  if (deterministic) {
    const auto refuse = [&](bool when, const std::string& why) {
      if (when) problems.Add(at("deterministic"), "deterministic: true is for a sampler that computes what training does; " + why);
    };
    refuse(rollout.weights != train.products, fmt::format("make rollout.weights ({}) and train.products ({}) the same", rollout.weights, train.products));
    refuse(rollout.cache != "float32", "training rounds no keys and values: leave rollout.cache at float32");
    refuse(device != "cpu", "a GPU adds in another order with each batch: set device: cpu");
    refuse(rollout.remote.has_value(), "rollout.remote is another engine: leave it out");
  }
  if (train.minibatches > rollout.prompts * rollout.group_size) {
    problems.Add(at("train.minibatches"), fmt::format("train.minibatches ({}) is more than the {} completions of a rollout (prompts * group_size)",
                                    train.minibatches, rollout.prompts * rollout.group_size));
  }
  if (policy.checkpoint.empty() && !asks_server && rollout.sampling.max_new_tokens >= policy.model.max_position_embeddings) {
    problems.Add(at("rollout.max_new_tokens"), fmt::format("rollout.max_new_tokens ({}) leaves no room for a prompt in policy.model.max_position_embeddings ({})",
                                    rollout.sampling.max_new_tokens, policy.model.max_position_embeddings));
  }
  if (prompt_template == "chat") {
    if (policy.checkpoint.empty()) problems.Add(at("prompt_template"), "prompt_template 'chat' is the format of a checkpoint's tokenizer: give policy.checkpoint");
    return;
  }
  try {
    TemplateText(prompt_template);
  } catch (const Error& error) {
    problems.Add(at("prompt_template"), std::string(error.what()) + ", or name chat, the checkpoint's own format");
  }
}

namespace {

// A reward whose `only` names no part of the mixture would never be asked, and nobody would know.
void CheckOnly(const RunConfig& config, Problems& problems) {
  const Node* parts = config.env.name == "mixture" ? config.env.settings.Find("parts") : nullptr;
  std::vector<std::string> names;
  for (const Node& part : parts != nullptr ? parts->items : std::vector<Node>{}) {
    const Node* name = part.Find("name");
    names.push_back(name != nullptr ? name->text : part.text);
  }
  for (const Choice& reward : config.rewards) {
    const Node* only = reward.settings.Find("only");
    if (only == nullptr || only->text.empty() || std::find(names.begin(), names.end(), only->text) != names.end()) continue;
    if (parts == nullptr) {
      problems.Add(only->location, fmt::format("reward '{}': `only` is for the parts of a mixture, and the environment is '{}'; leave it out", reward.name, config.env.name));
      continue;
    }
    const auto near = Nearest(only->text, names);
    problems.Add(only->location, fmt::format("reward '{}': only: '{}' is no part of the mixture.{} Parts: {}", reward.name, only->text,
                                             near ? " Did you mean '" + *near + "'?" : "", fmt::join(names, ", ")));
  }
}

// The section `critic` belongs to an algorithm that learns from one, and is there with its defaults when it is not written.
void SettleCritic(RunConfig& config, const Node& root, Problems& problems) {
  if (!config.critic) config.critic.emplace();
  if (config.train.steps > 0 && config.critic->steps_alone >= config.train.steps) {
    problems.Add(root.PlaceOf(root.Find("critic") ? "critic" : "algorithm"),
                 fmt::format("critic.steps_alone ({}) leaves none of train.steps ({}) to the policy; critic.steps_alone=0 trains both from the first step",
                             config.critic->steps_alone, config.train.steps));
  }
}

}  // namespace

RunConfig CheckRunConfig(const Node& root, const std::string& what, const Parts& parts, const CheckAlgorithm& check_algorithm, Purpose purpose,
                         Problems& problems) {
  RunConfig config = ReadConfig<RunConfig>(root, problems, what);
  if (!config.env.name.empty()) {
    const auto env = parts.envs.Make(config.env, problems);
    if (env) {
      config.env.settings = parts.envs.Resolve(config.env);
      if (const std::uint64_t listed = env->ListedTasks(); listed > 0) {  // a benchmark: no problem is asked twice
        for (int* tasks : {&config.eval.tasks, &config.eval.final_tasks}) *tasks = static_cast<int>(std::min<std::uint64_t>(static_cast<std::uint64_t>(*tasks), listed));
      }
      if (config.pretrain && !env->HasCorpus()) {
        problems.Add(config.env.location, "environment '" + config.env.name + "' has no corpus to pre-train on; start from policy.checkpoint instead");
      }
    }
  }
  Rubric::Make(config.rewards, parts.rewards, problems);
  CheckOnly(config, problems);
  if (config.algorithm.name.empty() || !check_algorithm) return config;
  const std::size_t mistakes = problems.lines().size();
  if (check_algorithm(config, purpose, problems)) {
    SettleCritic(config, root, problems);
  } else if (config.critic && problems.lines().size() == mistakes) {
    problems.Add(root.PlaceOf("critic"), "algorithm '" + config.algorithm.name + "' has no critic; leave the section out, or name an algorithm that learns "
                 "from one: `algorithm: {name: ppo}`");
  }
  return config;
}

std::string ResolvedYaml(RunConfig config) {
  return DumpYaml(DumpFields([&](FieldVisitor& v) { config.VisitFields(v); }));
}

std::map<std::string, std::string> FlatConfig(const std::string& yaml) {
  std::map<std::string, std::string> flat;
  const std::function<void(const Node&, const std::string&)> visit = [&](const Node& node, const std::string& path) {
    if (node.kind != Node::Kind::kMap || node.entries.empty()) {
      flat[path] = OneLineYaml(node);
      return;
    }
    for (const auto& [key, value] : node.entries) visit(value, path.empty() ? key : path + "." + key);
  };
  visit(ParseYaml(yaml, "config.yaml"), "");
  return flat;
}

LoadedConfig LoadRunConfig(const std::string& path, const std::vector<std::string>& overrides, const Parts& parts,
                           const CheckAlgorithm& check_algorithm, Purpose purpose) {
  Node root = ParseYamlFile(path);
  for (const std::string& override : overrides) ApplyOverride(root, override);
  Problems problems;
  if (root.Find("ablate")) {
    problems.Add(root.PlaceOf("ablate"), "this file lists an ablation, which is many runs; `cogent ablate " + path + "` runs them");
    problems.ThrowIfAny();
  }
  LoadedConfig loaded;
  loaded.config = CheckRunConfig(root, path, parts, check_algorithm, purpose, problems);
  problems.ThrowIfAny();
  loaded.resolved = ResolvedYaml(loaded.config);
  return loaded;
}

}  // namespace cogent
