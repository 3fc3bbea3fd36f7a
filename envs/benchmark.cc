#include "envs/benchmark.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/shared_file.h"
#include "envs/benchmark_files.h"
#include "envs/single_turn.h"
#include "envs/template.h"
#include "verifiers/extract.h"
#include "verifiers/math.h"
#include "verifiers/rational.h"

namespace cogent {
namespace {

constexpr char kBoxed[] = "{question}\n\nPlease reason step by step, and put your final answer within \\boxed{}.";
constexpr char kSimpleEvals[] =
    "Answer the following multiple choice question. The last line of your response should be of the following format: 'ANSWER: $LETTER' (without quotes) where "
    "LETTER is one of {letters}. Think step by step before answering.\n\n{question}\n\n{choices}";
constexpr char kMmluPro[] =
    "The following are multiple choice questions (with answers) about {subject}. Think step by step and then finish your answer with \"the answer is (X)\" where "
    "X is the correct letter choice.\n\nQuestion:\n{question}\nOptions:\n{choices}";

std::string DefaultPrompt(const std::string& layout) { return layout == "gpqa" ? kSimpleEvals : layout == "mmlu_pro" ? kMmluPro : kBoxed; }

// The value of the last "answer": "..." behind the reasoning; empty without one.
std::string JsonAnswer(const std::string& completion) {
  const auto text = AfterReasoning(completion);
  const std::string key = "\"answer\"";
  const std::size_t at = text ? text->rfind(key) : std::string::npos;
  if (at == std::string::npos) return {};
  const std::size_t open = text->find_first_not_of(" :\t\r\n", at + key.size());
  if (open == std::string::npos || (*text)[open] != '"') return {};
  const std::size_t close = text->find('"', open + 1);
  return close == std::string::npos ? "" : std::string(TrimAscii(std::string_view(*text).substr(open + 1, close - open - 1)));
}

// The option in "C", "(C)", "\text{C}", "C) 42": the first capital from A to J without a letter beside it.
std::string OptionIn(const std::string& answer) {
  const auto is_letter = [&](std::size_t at) { return at < answer.size() && ((answer[at] >= 'a' && answer[at] <= 'z') || (answer[at] >= 'A' && answer[at] <= 'Z')); };
  for (std::size_t at = 0; at < answer.size(); ++at) {
    if (answer[at] >= 'A' && answer[at] <= 'J' && (at == 0 || !is_letter(at - 1)) && !is_letter(at + 1)) return answer.substr(at, 1);
  }
  return answer;
}

// One spelling for the votes of a majority: 0.5 and 1/2 are one answer.
std::string NumberIn(const std::string& answer) {
  const auto value = Rational::Parse(answer);
  return value ? value->ToString() : answer;
}

class BenchmarkEnv final : public SingleTurnEnv {
 public:
  struct Config {
    std::string path, layout = "auto", prompt, extraction = "lenient", language = "en";
    void VisitFields(FieldVisitor& visit) {
      visit("path", path, "the benchmark's file: JSON lines, or CSV where it ends in .csv");
      visit("layout", layout, "math: problem and answer, as AIME and MATH-500; gsm8k; gpqa; mmlu_pro; auto: told from the fields",
            OneOf{"auto", "math", "gsm8k", "gpqa", "mmlu_pro"});
      visit("prompt", prompt, "with {question}, and {choices} where there are some; {letters}, {subject}; empty = as DeepSeek-R1 was asked");
      visit("extraction", extraction, "lenient: the answer in a box, an answer part, an answer phrase, the last formula or number; strict: box or answer part alone",
            OneOf{"lenient", "strict"});
      visit("language", language, "of the problems, for the reward 'language'");
    }
    void Validate(Problems& problems, const Node& section) const {
      if (path.empty()) problems.Add(section.location, "environment 'benchmark' needs `path`, the benchmark's file");
      else if (!std::ifstream(path)) problems.Add(section.PlaceOf("path"), "path: there is no file '" + path + "'");
    }
  };

  BenchmarkEnv(const Config& config, const EnvRegistry&, Problems& problems)
      : config_(config), benchmark_(SharedFile<Benchmark>(config.path, [&] { return ReadBenchmark(config.path, config.layout); }, config.layout)) {
    math_.extraction = config_.extraction;
    if (config_.prompt.empty()) config_.prompt = DefaultPrompt(benchmark_->layout);
    const bool choices = !benchmark_->problems.front().choices.empty();
    for (const char* hole : {"{question}", "{choices}"}) {
      if (config_.prompt.find(hole) == std::string::npos && (choices || std::string(hole) == "{question}")) {
        problems.Add({}, "the prompt of environment 'benchmark' has no " + std::string(hole) + ", so nobody could answer; write it where that belongs");
      }
    }
  }

  std::uint64_t ListedTasks() const override { return benchmark_->problems.size(); }
  Task MakeTask(Rng&) const override { throw InternalError("the tasks of a benchmark are listed"); }

  Task ListedTask(const TaskId& id) const override {
    const BenchmarkProblem& problem = benchmark_->problems[id.index];
    Task task{.prompt = {}, .answer = problem.answer, .facts = {{"language", config_.language}}};
    if (!problem.subject.empty()) task.facts["subject"] = problem.subject;
    if (!problem.level.empty()) task.facts["level"] = problem.level;
    std::vector<std::size_t> order(problem.choices.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    if (benchmark_->layout == "gpqa") {  // whose right choice stands first
      Rng rng = Rng(id.seed).Fork("choices").Fork(id.index);
      for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(i) - 1))]);
    }
    std::string choices, letters;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const char letter = static_cast<char>('A' + i);
      letters += letter;
      choices += (i > 0 ? "\n" : "") + std::string(1, letter) + (benchmark_->layout == "gpqa" ? ") " : ". ") + problem.choices[order[i]];
      if (static_cast<int>(order[i]) == problem.right) task.answer = letter;
    }
    task.prompt = FillPlaces(config_.prompt, {{"{question}", problem.question}, {"{choices}", choices}, {"{letters}", letters},
                                        {"{subject}", problem.subject.empty() ? "different subjects" : problem.subject}});
    if (!choices.empty()) task.facts["choices"] = letters;
    return task;
  }

  Verdict Score(const Task& task, const Completion& completion) const override {
    const bool choices = task.facts.contains("choices");
    const std::string json = choices && config_.extraction == "lenient" ? JsonAnswer(completion.text) : "";
    const MathVerdict verdict = VerifyMath(task.answer, json.empty() ? completion.text : json, math_);
    std::string reason = verdict.reason;
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    return {.score = verdict.correct ? 1.0 : 0.0, .reason = std::move(reason), .answer = choices ? OptionIn(verdict.extracted) : NumberIn(verdict.extracted)};
  }

  std::string GoldCompletion() const override { return "<think>" + task().answer + "</think> <answer>" + task().answer + "</answer>"; }

 private:
  Config config_;
  std::shared_ptr<const Benchmark> benchmark_;
  MathOptions math_;
};

}  // namespace

void RegisterBenchmark(EnvRegistry& envs) {
  envs.Add<BenchmarkEnv>("benchmark", "the problems of AIME, MATH-500, GPQA, MMLU-Pro or GSM8K, from a file; for evaluations");
}

}  // namespace cogent
