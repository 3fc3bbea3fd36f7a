#include "experiments/commands.h"

#include <algorithm>
#include <iterator>

namespace cogent {
namespace {

using enum ValueKind;

// What several commands take.
const WordSpec kOverrides{"key=value", "settings that win over the file's: train.steps=50",
                          false, true, {}};
const OptionSpec kQuiet{.name = "quiet", .letter = 'q', .help = "no progress, only warnings and errors"};
const OptionSpec kCheckpoint{.name = "checkpoint", .kind = kPath, .placeholder = "DIR", .help = "this checkpoint instead of the newest"};
const OptionSpec kResumeFile{.name = "resume", .help = "go on with a file that was stopped or killed"};
const OptionSpec kLevel{.name = "level", .kind = kText, .placeholder = "LEVEL", .help = "full (default) or reduced: weaker isolation, see docs/sandbox.md"};
const OptionSpec kWeights{.name = "weights", .kind = kText, .placeholder = "TYPE", .help = "float32 (default) or bfloat16: what the matrices are held in; bfloat16 takes half the memory and less time"};
const OptionSpec kCache{.name = "cache", .kind = kText, .placeholder = "TYPE", .help = "float32 (default) or bfloat16: what keys and values of the sequences are held in; bfloat16 takes half the memory"};
const OptionSpec kDevice{.name = "device", .kind = kText, .placeholder = "NAME", .help = "cpu (default) or cuda: where the model runs (cuda: in a build by ./setup.sh --cuda)"};
const OptionSpec kLinesIn{.name = "input", .letter = 'i', .kind = kInput, .placeholder = "FILE|-", .help = "JSON lines; - is standard input (the default)"};
const OptionSpec kLineThreads{.name = "threads", .letter = 'j', .kind = kCount, .placeholder = "N", .help = "default: one for each core"};

// Files that a command cannot do without.
OptionSpec Input(const std::string& placeholder, const std::string& help) {
  return {.name = "input", .letter = 'i', .kind = kPath, .placeholder = placeholder, .help = help, .required = true};
}
OptionSpec Output(const std::string& placeholder, const std::string& help) {
  return {.name = "output", .letter = 'o', .kind = kText, .placeholder = placeholder, .help = help, .required = true};
}
OptionSpec Model(const std::string& with = "") {
  return {.name = "model", .letter = 'm', .kind = kPath, .placeholder = "DIR", .help = "a checkpoint in Hugging Face layout, an adapter, or a GGUF file" + with, .required = true};
}

CommandSpec Train() {
  return {"train",
          "run an experiment: train a policy and write its run directory",
          "Every mistake in the file is reported with its place before anything is allocated. Ctrl-C\n"
          "finishes the step, saves, and says how to go on.",
          {{"CONFIG", "the experiment, a YAML file", true, false, {}}, kOverrides},
          {{.name = "name", .kind = kText, .placeholder = "NAME", .help = "the run directory is runs/NAME"},
           {.name = "resume", .kind = kText, .placeholder = "latest|N|DIR",
            .help = "go on from the newest whole checkpoint, from step N, or from a directory",
            .if_bare = "latest"},
           {.name = "dry-run", .help = "resolve, check, print parameters, memory and tokens a step; train nothing"},
           kQuiet},
          {{"train experiments/configs/r1_zero.yaml", "the main job: R1-Zero from scratch"},
           {"train experiments/configs/r1_zero.yaml seed=7 --name seven", "another seed, into runs/seven"},
           {"train runs/seven/config.yaml --name seven --resume", "go on where it stopped"},
           {"train my.yaml --dry-run", "what would it cost?"}}};
}

CommandSpec Eval() {
  return {"eval",
          "measure a policy on held-out tasks: pass@k with a 95% interval",
          "Takes an experiment's file, or a run directory, whose newest checkpoint is then measured.",
          {{"CONFIG-or-RUN-DIR", "a YAML file or runs/NAME", true, false, {}}, kOverrides},
          {kCheckpoint,
           {.name = "tasks", .letter = 'n', .kind = kCount, .placeholder = "TASKS", .help = "held-out tasks"},
           {.name = "rollouts", .letter = 'r', .kind = kCount, .placeholder = "ROLLOUTS", .help = "completions of each task"},
           {.name = "k", .letter = 'k', .kind = kCounts, .placeholder = "K,K", .help = "the k of pass@k, as 1,8; none above ROLLOUTS"},
           {.name = "temperature", .letter = 'T', .kind = kReal, .placeholder = "T", .help = "divides the logits"},
           {.name = "greedy", .help = "the likeliest token instead of a draw", .excludes = "temperature"},
           {.name = "output", .letter = 'o', .kind = kText, .placeholder = "FILE.json", .help = "all that was measured, as JSON"}},
          {{"eval runs/r1_zero", "as the run itself measured"},
           {"eval runs/r1_zero -n 1000 -r 8 -k 1,8 -T 1", "1,000 tasks, 8 completions each, pass@1 and pass@8"},
           {"eval runs/r1_zero --checkpoint runs/r1_zero/checkpoints/step-000000 --greedy", "before training"}}};
}

CommandSpec Ablate() {
  return {"ablate",
          "run an experiment in several versions, each with several seeds, and compare them",
          "The file has a section `ablate` with seeds, arms and a grid (docs/ablations.md). Finished runs are\n"
          "kept and stopped ones resumed; a run that fails does not stop the others. Ctrl-C stops all, saved.",
          {{"FILE", "a YAML file with a section `ablate`", true, false, {}}, kOverrides},
          {{.name = "jobs", .letter = 'j', .kind = kCount, .placeholder = "N", .help = "runs at once, the cores divided; else as many as cores and memory allow"},
           {.name = "dry-run", .help = "check every arm, print the plan and its cost; run nothing"},
           kQuiet},
          {{"ablate experiments/configs/ablate_algorithms.yaml --dry-run", "what would it cost?"},
           {"ablate experiments/configs/ablate_algorithms.yaml -j 2", "two at once; again, to go on"},
           {"ablate my.yaml 'ablate.seeds=[1,2,3]'", "other seeds"}}};
}

CommandSpec Compare() {
  return {"compare",
          "compare runs: scores with intervals, paired differences, which of them are real",
          "Runs whose configurations differ in nothing but the seed are one arm. See docs/ablations.md.",
          {{"RUN", "run directories, one that `ablate` wrote, or patterns", true, true, {}}},
          {{.name = "metric", .letter = 'm', .kind = kText, .placeholder = "NAME", .help = "of eval.jsonl: pass@1 (as it is), mean_length, greedy/pass@1, ..."},
           {.name = "against", .letter = 'a', .kind = kText, .placeholder = "ARM", .help = "compare all arms to this one instead of every pair"},
           {.name = "html", .kind = kText, .placeholder = "FILE", .help = "also one page that opens without a network"},
           {.name = "csv", .kind = kText, .placeholder = "DIR", .help = "also runs.csv, arms.csv and differences.csv"}},
          {{"compare runs/algorithms --html report.html", "what an ablation showed"},
           {"compare runs/first runs/second", "any two runs"},
           {"compare 'runs/lr_*' --against lr_1e-4 --csv tables", "everything that fits, against one"}}};
}

CommandSpec Sample() {
  return {"sample",
          "rejection sampling: keep good completions of training tasks as examples to learn from",
          "Draws as the section `sample` of the run's file says, keeps what its rules allow, and writes JSON lines\n"
          "that `algorithm: sft` reads, with FILE.report.json: what was dropped, and why (docs/supervised.md).",
          {{"CONFIG-or-RUN-DIR", "a YAML file or runs/NAME", true, false, {}}, kOverrides},
          {Output("FILE.jsonl", "where the lines go"),
           kCheckpoint,
           kResumeFile,
           kQuiet},
          {{"sample runs/r1_zero -o kept.jsonl sample.tasks=2000 sample.samples=4", "the newest checkpoint's right answers"},
           {"sample runs/r1_zero -o kept.jsonl sample.tasks=2000 sample.samples=4 --resume", "go on"}}};
}

CommandSpec PipelineSpec() {
  return {"pipeline",
          "run an experiment of several stages, each with what earlier ones made",
          "The file names stages and what each takes from others (docs/r1.md). What is done and unchanged is skipped, what\n"
          "was stopped is resumed, and what changed runs again together with all that depends on it.",
          {{"FILE", "a YAML file with a section `stages`", true, false, {}}, kOverrides},
          {{.name = "dry-run", .help = "check everything, print the plan, make nothing"},
           {.name = "stage", .kind = kText, .placeholder = "NAME", .help = "this stage alone; what it needs must be done"},
           kQuiet},
          {{"pipeline experiments/configs/r1_pipeline.yaml --dry-run", "what would run"},
           {"pipeline experiments/configs/r1_pipeline.yaml", "run it, or go on with it"}}};
}

CommandSpec Refine() {
  return {"refine",
          "rewrite completions in R1-Zero's form as cold-start data",
          "In: {\"prompt\", \"completion\"}, as `sample` writes them. Out: the same with the completion as\n"
          "TOKEN reasoning TOKEN Summary: ..., and where it came from; OUTPUT.report.json says what was dropped and why.\n"
          "A person may edit the lines, or set `keep` to false; --reviewed reads such a file.",
          {},
          {Input("FILE.jsonl", "the completions"),
           Output("FILE.jsonl", "where the lines go"),
           {.name = "token", .kind = kText, .placeholder = "TEXT", .help = "stands before and behind the reasoning (default |special_token|)"},
           {.name = "summary", .kind = kText, .placeholder = "TEXT", .help = "the summary; {answer} stands for the answer"},
           {.name = "min-words", .kind = kCount, .placeholder = "N", .help = "of the reasoning (default 1)"},
           {.name = "max-repeated", .kind = kShare, .placeholder = "SHARE", .help = "of the reasoning's runs of four words that stood there before (default 0.5)"},
           {.name = "reviewed", .help = "the input is a file that a person has been through"}},
          {{"refine -i kept.jsonl -o cold.jsonl", ""}, {"refine -i cold_edited.jsonl -o cold.jsonl --reviewed", "after a review"}}};
}

CommandSpec Judge() {
  return {"judge",
          "a generative judge: keep the completions that a policy or a server thinks good",
          "Asks as the section `judge` of the run's file says, about each line {\"prompt\", \"completion\"}; the lines that are kept get its\n"
          "verdict. OUTPUT.report.json counts scores, what was below `at_least`, answers that are no verdict, and an agent's failures, apart.",
          {{"CONFIG-or-RUN-DIR", "a YAML file or runs/NAME; its newest checkpoint judges, or judge.remote", true, false, {}}, kOverrides},
          {Input("FILE.jsonl", "the completions"),
           Output("FILE.jsonl", "where the kept lines go"),
           kCheckpoint,
           kResumeFile,
           kQuiet},
          {{"judge runs/judge -i kept.jsonl -o judged.jsonl", "a policy of one's own"},
           {"judge my.yaml -i kept.jsonl -o judged.jsonl 'judge.remote={url: http://127.0.0.1:8000/v1, model: qwen}'", "a server"}}};
}

CommandSpec Rewrite() {
  return {"rewrite",
          "cold-start data by a writer: completions written again by a policy or a server",
          "Asks as the section `rewrite` of the run's file says, about each line {\"prompt\", \"completion\"}. Kept is what has the form\n"
          "TOKEN reasoning TOKEN Summary: ... and the original's answer; OUTPUT.report.json says what was dropped and why.",
          {{"CONFIG-or-RUN-DIR", "a YAML file or runs/NAME; its newest checkpoint writes, or rewrite.remote", true, false, {}}, kOverrides},
          {Input("FILE.jsonl", "the completions"),
           Output("FILE.jsonl", "where the lines go"),
           kCheckpoint,
           kResumeFile,
           kQuiet},
          {{"rewrite my.yaml -i kept.jsonl -o cold.jsonl 'rewrite.remote={url: https://api.example.com/v1, model: m, key_variable: API_KEY}'", "a hosted model"}}};
}

CommandSpec Pairs() {
  return {"pairs",
          "preference pairs by a stated rule, to train reward models on",
          "In: {\"prompt\", \"completion\"}, as `sample` or `refine` write them. Out: {\"prompt\", \"chosen\", \"rejected\", \"rule\"}.\n"
          "helpful: the summary, and one that is cut, leaves the answer out or is another task's. harmless: the whole, and\n"
          "the same with an insult in it. sound: the whole, and the same with a number of the reasoning changed.\n"
          "scored: two completions of one prompt, of which --score gave one more (lines of `sample` hold all scores).\n"
          "With --judge-ask, questions to a judge with their verdicts instead, to teach one by `algorithm: sft`.",
          {},
          {Input("FILE.jsonl", "demonstrations"),
           Output("FILE.jsonl", "where the pairs go"),
           {.name = "rule", .kind = kText, .placeholder = "RULE", .help = "helpful, harmless, sound or scored", .required = true},
           {.name = "score", .kind = kText, .placeholder = "NAME", .help = "scored: a reward or a measure, as is_helpful"},
           {.name = "reads", .kind = kText, .placeholder = "PART", .help = "scored: whole (default), or the summary behind the reasoning"},
           {.name = "token", .kind = kText, .placeholder = "TEXT", .help = "of the cold-start form (default |special_token|)"},
           {.name = "judge-ask", .kind = kText, .placeholder = "TEXT", .help = "the judge's question, with {prompt} and {completion}"},
           {.name = "lowest", .kind = kText, .placeholder = "N", .help = "the verdict on a rejected one (default 1)"},
           {.name = "highest", .kind = kText, .placeholder = "N", .help = "the verdict on a chosen one (default 5)"},
           {.name = "seed", .kind = kWhole, .placeholder = "N", .help = "of the draws (default 1)"}},
          {{"pairs -i kept.jsonl -o helpful.jsonl --rule helpful", ""}}};
}

// How `generate` and `chat` draw tokens, with what each adds.
std::vector<OptionSpec> SamplingOptions(std::vector<OptionSpec> before, const std::vector<OptionSpec>& behind) {
  before.insert(before.end(),
                {{.name = "temperature", .letter = 'T', .kind = kReal, .placeholder = "T", .help = "divides the logits; 0 = the likeliest token (default 1)"},
                 {.name = "top-k", .kind = kWhole, .placeholder = "K", .help = "draw from the K likeliest tokens; 0 = all (default)"},
                 {.name = "top-p", .kind = kShare, .placeholder = "P", .help = "draw from the smallest set of this probability (default 1: all)"},
                 {.name = "min-p", .kind = kReal, .placeholder = "P", .help = "draw from tokens with at least this share of the likeliest one's probability (default 0: all)"},
                 {.name = "repetition-penalty", .kind = kReal, .placeholder = "R", .help = "above 1: tokens that stood there before become less likely (default 1)"},
                 {.name = "max-thinking-tokens", .kind = kWhole, .placeholder = "N", .help = "reasoning (<think>) that is longer is closed, and the answer follows; 0 = no limit (default)"},
                 kWeights,
                 kCache,
                 kDevice});
  before.insert(before.end(), behind.begin(), behind.end());
  return before;
}

CommandSpec Generate() {
  return {"generate",
          "complete a prompt, or tasks of an environment",
          "Without PROMPT, --prompt and --env, the prompt is read from standard input. With --env, what the checkpoint's run says\n"
          "of `rollout` takes the place of the defaults.",
          {{"PROMPT", "the prompt as the policy reads it; the same as --prompt", false, false, {}}},
          SamplingOptions({Model(),
                           {.name = "prompt", .letter = 'p', .kind = kText, .placeholder = "TEXT", .help = "the prompt as the policy reads it"},
                           {.name = "env", .letter = 'e', .kind = kText, .placeholder = "NAME", .help = "held-out tasks of this environment, with their verdicts", .excludes = "prompt"},
                           {.name = "samples", .letter = 'n', .kind = kCount, .placeholder = "N", .help = "completions (of each task; default 1)"}},
                          {{.name = "max-new-tokens", .kind = kCount, .placeholder = "N", .help = "longest completion, in tokens (default 128)"},
                           {.name = "stop", .kind = kText, .placeholder = "TEXT", .help = "end where this appears"},
                           {.name = "seed", .kind = kWhole, .placeholder = "N", .help = "of the draws (default 0)"}}),
          {{"generate --model runs/r1_zero/checkpoints/latest --env signs -n 4", "watch it reason"},
           {"generate -m DIR 'What is 2 + 3 * 4?' -T 0", "the likeliest completion"}}};
}

CommandSpec Chat() {
  return {"chat",
          "talk with a model in its own chat format",
          "A message a line on standard input; the conversation ends with the input.",
          {},
          SamplingOptions({Model(", with a chat template"),
                           {.name = "system", .kind = kText, .placeholder = "TEXT", .help = "a system message"}},
                          {{.name = "max-new-tokens", .kind = kCount, .placeholder = "N", .help = "longest answer, in tokens (default 512)"},
                           {.name = "seed", .kind = kWhole, .placeholder = "N", .help = "of the draws (default 0)"}}),
          {{"chat -m SmolLM2-135M-Instruct.Q4_1.gguf -T 0", ""}}};
}

CommandSpec Serve() {
  return {"serve",
          "a policy behind an OpenAI-compatible server",
          "Answers POST /v1/completions and /v1/chat/completions, with token ids and log-probabilities where a request asks for\n"
          "them, and loads other weights by POST /update_weights_from_disk: a sampler that a run learns from (docs/serving.md).\n"
          "Requests share steps; a completion depends on its own request and seed alone. No key, no TLS.",
          {},
          {Model(),
           {.name = "host", .kind = kText, .placeholder = "ADDRESS", .help = "to listen at (default 127.0.0.1: this machine alone)"},
           {.name = "port", .kind = kWhole, .placeholder = "N", .help = "default 8000; 0 = any that is free, printed"},
           {.name = "name", .kind = kText, .placeholder = "NAME", .help = "the model as requests call it (default: DIR)"},
           {.name = "slots", .kind = kCount, .placeholder = "N", .help = "completions under way at once (default 16)"},
           {.name = "context", .kind = kCount, .placeholder = "N", .help = "tokens of prompt and completion (default: the model's, at most 4096); each slot has memory for as many"},
           {.name = "threads", .kind = kCount, .placeholder = "N", .help = "default: all cores"},
           kWeights,
           kCache,
           kDevice,
           {.name = "logprobs-mode", .kind = kText, .placeholder = "MODE",
            .help = "raw_logprobs (default): of the model at temperature 1; processed_logprobs: of the distribution that was drawn from"},
           {.name = "seed", .kind = kWhole, .placeholder = "N", .help = "of requests that bring none"}},
          {{"serve -m runs/r1_zero/checkpoints/latest --name policy", "curl http://127.0.0.1:8000/v1/models"},
           {"serve -m DIR --port 0 --slots 64 --weights bfloat16", "a free port, more at once"}}};
}

CommandSpec Play() {
  return {"play",
          "answer an environment's tasks yourself, or let a script do it: what do its rewards pay?",
          "With a name, the words behind it are settings of the environment (`cogent show NAME`); with a file, `env`, `rewards` and `seed`\n"
          "are its own, and the words are settings of the file. A person's answer ends with an empty line, the game with Ctrl-D. A script answers\n"
          "-n tasks (20), and a table says what it was paid. Tasks are held-out ones. Exit code 1 when an answer could not be scored.",
          {{"ENV-or-FILE.yaml", "an environment that `list` prints, or an experiment's file", true, false, {}}, kOverrides},
          {{.name = "agent", .letter = 'a', .kind = kText, .placeholder = "AGENT",
            .help = "person (default); oracle: the gold completion; wrong: a good layout around no answer; replay:FILE: completions from JSON lines"},
           {.name = "tasks", .letter = 'n', .kind = kCount, .placeholder = "TASKS", .help = "so many, the first ones"},
           {.name = "rewards", .letter = 'r', .kind = kText, .placeholder = "YAML", .help = "beside or instead of the accuracy: '[{name: accuracy}, {name: format, weight: 0.1}]'"},
           {.name = "seed", .kind = kWhole, .placeholder = "N", .help = "of the tasks (default: the file's, else 1)"}},
          {{"play arithmetic operands=3", "answer yourself"},
           {"play countdown --agent oracle -n 100 --rewards '[accuracy, format]'", "can it be won, and is that paid?"},
           {"play experiments/configs/r1_zero.yaml --agent replay:runs/r1_zero/samples.jsonl -n 8", "what would today's rewards pay?"}}};
}

CommandSpec ModelDescribe() {
  return {"model describe",
          "parameters (total and active), layers, experts and cache of a model, without allocating it",
          "",
          {{"DIR-or-FILE", "a checkpoint, an adapter, a Hugging Face config.json or a GGUF file", true, false, {}}},
          {},
          {{"model describe runs/r1_zero/checkpoints/latest", ""},
           {"model describe deepseek-v3/config.json", "671B in all, 37B active"}}};
}

CommandSpec ModelConvert() {
  return {"model convert",
          "a checkpoint, an adapter with its base, or a GGUF file to a directory in Hugging Face layout, in float32",
          "config.json, model.safetensors, tokenizer.json, as transformers opens them.",
          {{"FROM", "a checkpoint, an adapter in PEFT's layout or a GGUF file", true, false, {}}, {"DIR", "where it goes; must not be there", true, false, {}}},
          {},
          {{"model convert SmolLM2-135M-Instruct.Q4_1.gguf models/smollm2", ""},
           {"model convert runs/lora/checkpoints/latest models/merged", "an adapter becomes part of its base"}}};
}

CommandSpec ModelForward() {
  return {"model forward",
          "logits, log-probabilities and chosen experts of given token ids, as safetensors",
          "In: {\"sequences\": [[1, 2, 3], ...]}. Out: seqI.logits, seqI.logprobs, seqI.greedy and\n"
          "seqI.layers.L.router_topk.",
          {},
          {Model(),
           Input("FILE.json", "the sequences"),
           Output("FILE.safetensors", "where the tensors go"),
           {.name = "greedy", .kind = kCount, .placeholder = "N", .help = "also the N likeliest next tokens, decoded one by one"}},
          {{"model forward -m DIR -i ids.json -o out.safetensors --greedy 16", ""}}};
}

CommandSpec AlgorithmLoss() {
  return {"algorithm loss",
          "advantages, loss and gradient that an algorithm gives a batch written as JSON",
          "In, one list a completion: {\"logprobs\": [[..]], \"old_logprobs\", \"ref_logprobs\",\n"
          "\"sampler_logprobs\", \"entropies\", \"values\", \"old_values\": same shape, \"mask\": [[0|1]],\n"
          "\"rewards\": [..] or [[..]], \"accuracy\": [..], \"truncated\": [..], \"group\": [ids]}; what the\n"
          "method does not need may be left out. Out: {\"advantages\": [[..]], \"loss\": x, \"parts\": {..},\n"
          "\"grad_logprobs\": [[..]]}, in float64.",
          {{"key=value", "the algorithm's settings, as `cogent show NAME` lists them: average=tokens", false, true, {}}},
          {{.name = "name", .kind = kText, .placeholder = "NAME", .help = "the algorithm; `cogent list algorithms`", .required = true},
           Input("FILE.json", "the batch")},
          {{"algorithm loss --name grpo --input batch.json kl_coef=0", ""},
           {"algorithm loss --name dapo --input batch.json clip_ratio_high=0.3 dual_clip=10", "with other settings"}}};
}

// `verify NAME`: JSON lines through one verifier. `fields` says what goes in and what comes out.
CommandSpec Verify(const std::string& name, const std::string& summary, const std::string& fields,
                   std::vector<OptionSpec> options, std::vector<ExampleSpec> examples) {
  options.push_back(kLinesIn);
  options.push_back({.name = "output", .letter = 'o', .kind = kText, .placeholder = "FILE|-", .help = "verdicts, in the order of the input; - is standard output (the default)"});
  options.push_back(kLineThreads);
  return {"verify " + name, summary,
          fields + "\nOther fields are ignored; without `id` the line's number stands for it. A malformed line is reported\n"
                   "by number, keeps its place in the output as {\"line\", \"error\"}, and makes the exit code 2.",
          {}, std::move(options), std::move(examples)};
}

// `tokenizer encode` and `tokenizer decode`.
CommandSpec Tokenize(const std::string& name, const std::string& summary, const std::string& fields, const std::string& special, const std::string& example) {
  return {"tokenizer " + name, summary,
          fields + "\nOther fields are ignored, but for `id`, which is given back; without it the line's number stands for it. A\n"
                   "malformed line is reported by number, keeps its place in the output, and makes the exit code 2.",
          {},
          {{.name = "tokenizer", .letter = 't', .kind = kPath, .placeholder = "FILE|DIR", .help = "a tokenizer.json, a checkpoint or a GGUF file", .required = true},
           {.name = "special", .help = special},
           kLinesIn,
           {.name = "output", .letter = 'o', .kind = kText, .placeholder = "FILE|-", .help = "in the order of the input; - is standard output (the default)"},
           kLineThreads},
          {{example, ""}}};
}

CommandSpec RunInSandbox() {
  return {"sandbox run",
          "run a program that nobody has read, isolated and limited",
          "Prints what it printed, and the verdict on standard error. Exit code 0 when the verdict is ok, else 1.\n"
          "Times are written 500ms, 2s, 1min; sizes 64KiB, 256MiB, 1GiB.",
          {{"FILE", "a Python program, or C++ by its .cc, .cpp, .cxx", true, false, {}}},
          {{.name = "stdin", .kind = kPath, .placeholder = "F", .help = "its standard input (default: empty)"},
           {.name = "time-limit", .kind = kText, .placeholder = "TIME", .help = "of the clock on the wall and of CPU time (default 2s)"},
           {.name = "memory-limit", .kind = kText, .placeholder = "SIZE", .help = "of all its processes (default 256MiB)"},
           {.name = "processes", .kind = kCount, .placeholder = "N", .help = "with threads (default 16)"},
           {.name = "output-limit", .kind = kText, .placeholder = "SIZE", .help = "of standard output, and of standard error (default 64KiB)"},
           {.name = "language", .kind = kText, .placeholder = "NAME", .help = "python, c++ or one of --languages, whatever the file is called"},
           {.name = "languages", .kind = kPath, .placeholder = "FILE.yaml", .help = "further ones: `perl: {file: program.pl, run: [/usr/bin/perl, program.pl]}`"},
           kLevel,
           {.name = "json", .help = "one JSON object on standard output instead"}},
          {{"sandbox run program.py", ""},
           {"sandbox run program.py --stdin input.txt --time-limit 500ms --json", "for a script"}}};
}

std::vector<CommandSpec> VerifyCommands() {
  return {
      Verify("code", "programs in stored completions against their tests, in the sandbox",
             "In: {\"id\", \"completion\", \"problem\"}, the problem an object in the layout of HumanEval, MBPP or contests. Out:\n"
             "{\"id\", \"score\", \"verdict\", \"passed\", \"total\", \"cpu_seconds\", \"reason\"}; the verdict is a run's, or no_code.",
             {{.name = "share", .help = "pay the share of tests that pass, not all or nothing"},
              kLevel},
             {{"verify code -i completions.jsonl -o verdicts.jsonl", ""}}),
      Verify("format", "layout and answer of stored completions",
             "In: {\"id\", \"completion\"}. Out: {\"id\", \"format_ok\", \"answer\"}; the answer is null where there is none.", {},
             {{"verify format -i completions.jsonl -o verdicts.jsonl", ""},
              {"verify format -i runs/r1_zero/samples.jsonl", "a run's samples, as they are"}}),
      Verify("language", "the share of a text's words that are in a language",
             "In: {\"id\", \"text\", \"target\"}, the target an ISO 639-1 code; a line without `text` is read as a run's sample\n"
             "(`completion`). Out: {\"id\", \"fraction\"}; 0 for a text without a word.",
             {{.name = "target", .letter = 't', .kind = kText, .placeholder = "CODE", .help = "for lines that have no target: en, zh, ..."}},
             {{"verify language -i texts.jsonl", ""}, {"verify language --target en -i runs/r1_zero/samples.jsonl", "a run's samples, as they are"}}),
      Verify("math", "whether predictions mean what their gold answers mean",
             "In: {\"id\", \"gold\", \"prediction\"}; a line without `prediction` may have a run's `completion`. Out: {\"id\",\n"
             "\"correct\", \"extracted\", \"reason\"}. The settings are those of the reward `math` (`show math`), but the answer\n"
             "may stand anywhere unless they say otherwise.",
             {{.name = "options", .kind = kText, .placeholder = "YAML", .help = "settings: '{extraction: strict, decimal_digits: 4}'"}},
             {{"verify math -i answers.jsonl -o verdicts.jsonl", ""},
              {"verify math --options '{extraction: strict}' -i answers.jsonl", "as in training"}}),
      Verify("tests", "tests that a policy wrote, held to the reference solutions",
             "In: {\"id\", \"completion\", \"problem\"}, as for `verify code`, with a reference in the problem; the tests are the assert\n"
             "statements of the completion's last Python block. Out: {\"id\", \"kept\", \"refused\", \"reasons\", \"none\"}; `none` says\n"
             "why there was nothing to read, or is null.",
             {kLevel},
             {{"verify tests -i tests.jsonl -o kept.jsonl", ""}}),
      {"verify audit", "where two verifiers disagree on stored completions",
       "A side is a reward as in YAML: a name that `list rewards` prints, or {name: .., setting: ..}; or field:PATH,\n"
       "a number, true or false that the lines hold. A line needs `completion` (`prediction`, `text`) and may have\n"
       "`answer` (`gold`), `task` (`prompt`), `target`, `length`, `status`, `rewards`. To disagree is no mistake: exit\n"
       "code 0.",
       {{"A", "one side", true, false, {}}, {"B", "the other", true, false, {}}},
       {kLinesIn,
        {.name = "output", .letter = 'o', .kind = kText, .placeholder = "FILE", .help = "the lines where they disagree, as JSON lines"},
        {.name = "show", .letter = 'n', .kind = kWhole, .placeholder = "N", .help = "so many of them in the report (default 20)"},
        {.name = "tolerance", .kind = kReal, .placeholder = "X", .help = "scores this near are the same (default 1e-9)"},
        kLineThreads},
       {{"verify audit field:rewards.format format -i runs/r1_zero/samples.jsonl", "does the verifier of today say what the run was paid?"},
        {"verify audit format '{name: format, lenient: true}' -i completions.jsonl", "what would the lenient layout pay for?"}}},
  };
}

std::vector<CommandSpec> MakeTable() {
  std::vector<CommandSpec> table = {
      Train(), Eval(), Ablate(), PipelineSpec(), Compare(), Sample(), Refine(), Rewrite(), Judge(), Pairs(), Generate(), Chat(), Serve(), Play(),
      {"list", "what can be named in YAML: environments, rewards, algorithms", "",
       {{"KIND", "environments, rewards or algorithms", false, false, {"environments", "rewards", "algorithms"}}},
       {}, {{"list", "everything"}, {"list rewards", ""}}},
      {"show", "explain a registered part and its settings, or print a file with all defaults written out", "",
       {{"NAME-or-CONFIG.yaml", "a name that `list` prints, or a YAML file", true, false, {}}, kOverrides}, {},
       {{"show grpo", "its settings: type, default, range, meaning"},
        {"show experiments/configs/r1_zero.yaml", "the file as a run would see it"}}},
      {"report", "write report.html of a run again", "",
       {{"RUN-DIR", "runs/NAME", true, false, {}}},
       {{.name = "curves", .kind = kText, .placeholder = "FILE.svg", .help = "also accuracy and length alone, as a picture"}},
       {{"report runs/r1_zero", ""}, {"report runs/r1_zero --curves curves.svg", ""}}},
      ModelDescribe(), ModelForward(), ModelConvert(), AlgorithmLoss(),
      {"bench", "measure generation and training on this machine",
       "What follows is passed to the benchmark as it is.",
       {{"WORD", "passed on", false, true, {}}}, {}, {{"bench", "everything"}}, true},
      Tokenize("encode", "texts to token ids", "In: {\"text\"}. Out: {\"id\", \"ids\"}.", "add the tokens that go before and behind every text, a beginning of sequence",
               "tokenizer encode --tokenizer DIR -i texts.jsonl -o ids.jsonl"),
      Tokenize("decode", "token ids to texts", "In: {\"ids\"}. Out: {\"id\", \"text\"}.", "keep special tokens in the text",
               "tokenizer decode --tokenizer DIR -i ids.jsonl"),
      RunInSandbox(),
      {"sandbox doctor", "which isolation this machine grants, by trying it", "Exit code 3 when the level `full` cannot be had.", {}, {},
       {{"sandbox doctor", "each primitive, and what to do about those that are missing"}}},
      {"doctor", "what this machine has and what it lacks", "", {}, {}, {{"doctor", "for a report of a fault"}}},
      {"completion", "print a completion script for a shell", "",
       {{"SHELL", "bash, zsh or fish", true, false, {"bash", "zsh", "fish"}}}, {},
       {{"completion bash > ~/.local/share/bash-completion/completions/cogent", ""},
        {"completion fish > ~/.config/fish/completions/cogent.fish", ""}}},
  };
  std::vector<CommandSpec> verify = VerifyCommands();
  const auto place = std::find_if(table.begin(), table.end(), [](const CommandSpec& spec) { return spec.name == "list"; });
  table.insert(place, std::make_move_iterator(verify.begin()), std::make_move_iterator(verify.end()));
  return table;
}

}  // namespace

const std::vector<CommandSpec>& CommandTable() {
  static const std::vector<CommandSpec> table = MakeTable();
  return table;
}

std::string FirstWord(const std::string& name) { return name.substr(0, name.find(' ')); }

std::vector<std::string> FirstWords() {
  std::vector<std::string> words;
  for (const CommandSpec& spec : CommandTable()) {
    const std::string first = FirstWord(spec.name);
    if (std::find(words.begin(), words.end(), first) == words.end()) words.push_back(first);
  }
  return words;
}

const std::vector<ExampleSpec>& EnvironmentTable() {
  static const std::vector<ExampleSpec> table = {
      {"COGENT_LOG_LEVEL", "debug, info (default), warn, error, off"},
      {"COGENT_SEED", "the seed where the command line gives none; wins over the file"},
      {"NO_COLOR", "set to anything: no colours"},
      {"OMP_NUM_THREADS", "threads inside one LibTorch operation (default 1: the engine has its own)"},
  };
  return table;
}

}  // namespace cogent
