// Verifiers on one thread: texts a second, by CPU time. Built without the engine.
//
//   build/free/verifiers_bench --benchmark_filter=Language
//
// `items_per_second` is what docs/verifiers.md quotes.
#include <benchmark/benchmark.h>

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "verifiers/extract.h"
#include "verifiers/format.h"
#include "verifiers/language.h"
#include "verifiers/math.h"
#include "verifiers/repetition.h"

namespace cogent {
namespace {

using Texts = std::vector<std::string>;

Texts FieldOfCases(const std::string& file, const std::string& field) {
  std::ifstream in(std::string(COGENT_SOURCE_DIR) + "/tests/data/" + file);
  Texts texts;
  for (std::string line; std::getline(in, line);)
    texts.push_back(nlohmann::json::parse(line)[field]);
  return texts;
}

// Runs `verify` over the texts in turn; an item is one text.
template <typename Verify>
void Over(benchmark::State& state, const Texts& texts, const Verify& verify) {
  std::size_t next = 0, bytes = 0;
  for (auto _ : state) {
    const std::string& text = texts[next];
    next = next + 1 == texts.size() ? 0 : next + 1;
    bytes += text.size();
    benchmark::DoNotOptimize(verify(text));
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}

// ---- format -------------------------------------------------------------------------------------

const Texts& Completions() {
  static const Texts texts = {
      "<think>3 * 4 = 12, 2 + 12 = 14</think> <answer>14</answer>",
      "<think>First I multiply three by four, which gives twelve; then I add two and get fourteen. "
      "Let me check this again: "
      "fourteen minus two is twelve.</think>\n<answer>14</answer>",
      "14",
      "<think>3 * 4 = 12</think> <answer>14</answer> and more",
  };
  return texts;
}

void FormatThinkAnswer(benchmark::State& state) {
  Over(state, Completions(), [](const std::string& text) { return HasLayout(text, {}); });
}
BENCHMARK(FormatThinkAnswer);

void FormatThinkAnswerLenient(benchmark::State& state) {
  const FormatOptions options{.lenient = true};
  Over(state, Completions(), [&](const std::string& text) { return HasLayout(text, options); });
}
BENCHMARK(FormatThinkAnswerLenient);

void FormatColdStart(benchmark::State& state) {
  static const Texts texts = {"|special_token| 3 * 4 = 12, 2 + 12 = 14 |special_token| Summary: 14",
                              "|special_token| First I multiply three by four, which gives twelve; "
                              "then I add two. |special_token|\nSummary: It is 14.",
                              "14", "|special_token| 3 * 4 = 12 |special_token| 14"};
  const FormatOptions options{.layout = Layout::kColdStart, .lenient = state.range(0) == 1};
  Over(state, texts, [&](const std::string& text) { return HasLayout(text, options); });
}
BENCHMARK(FormatColdStart)->ArgName("lenient")->Arg(0)->Arg(1);

void FormatCases(benchmark::State& state) {
  static const Texts texts = FieldOfCases("format_cases.jsonl", "completion");
  Over(state, texts, [](const std::string& text) { return HasLayout(text, {}); });
}
BENCHMARK(FormatCases);

// ---- language -----------------------------------------------------------------------------------

const char* const kThreeWords[] = {
    "count them again",       "ahora las contamos", "comptons les pommes", "zählen wir nach",
    "vamos contar novamente", "посчитаем ещё раз",  "다시 세어 봅시다",    "फिर से गिनें",
    "لنعد مرة أخرى",          "再数一遍吧",         "もう一度数えよう"};

void LanguageThreeWords(benchmark::State& state) {
  static const Texts texts(std::begin(kThreeWords), std::end(kThreeWords));
  Over(state, texts, [](const std::string& text) { return LanguageFraction(text, "en"); });
}
BENCHMARK(LanguageThreeWords);

void LanguageThreeWordsOf(benchmark::State& state) {
  const Texts texts = {kThreeWords[state.range(0)]};
  state.SetLabel(texts[0]);
  Over(state, texts, [](const std::string& text) { return LanguageFraction(text, "en"); });
}
BENCHMARK(LanguageThreeWordsOf)->DenseRange(0, 10);

void LanguageCases(benchmark::State& state) {
  static const Texts texts = FieldOfCases("language_cases.jsonl", "text");
  Over(state, texts, [](const std::string& text) { return LanguageFraction(text, "en"); });
}
BENCHMARK(LanguageCases);

// The cost must grow with the text and no faster: bytes a second stay as they are.
void LanguageLength(benchmark::State& state) {
  std::string text;
  while (text.size() < static_cast<std::size_t>(state.range(0)))
    text += "So the remainder is $x_1$ 因为除数是七, und damit sind wir fertig.\n";
  Over(state, {text}, [](const std::string& one) { return LanguageFraction(one, "en"); });
}
BENCHMARK(LanguageLength)->RangeMultiplier(16)->Range(1 << 8, 1 << 20);

void Repetition(benchmark::State& state) {
  static const Texts texts = FieldOfCases("language_cases.jsonl", "text");
  Over(state, texts, [](const std::string& text) { return RepeatedShare(text, 3); });
}
BENCHMARK(Repetition);

// ---- mathematics --------------------------------------------------------------------------------

struct Question {
  std::string id, gold, prediction;
};

// The cases of a file; `plain` leaves out the long ones and the bombs, as math_verify_rate.py does.
std::vector<Question> Questions(const std::string& file, bool plain) {
  constexpr std::size_t kLongest = 600;
  std::ifstream in(std::string(COGENT_SOURCE_DIR) + "/tests/data/" + file);
  std::vector<Question> questions;
  for (std::string line; std::getline(in, line);) {
    const auto json = nlohmann::json::parse(line);
    const std::string note = json["note"];
    const bool bomb = note.find("5 s limit") != std::string::npos ||
                      note.find("bomb") != std::string::npos ||
                      json.value("class", "") == "hostile";
    if (plain && (bomb || json["prediction"].get<std::string>().size() > kLongest)) continue;
    questions.push_back({json["id"], json["gold"], json["prediction"]});
  }
  return questions;
}

void OverQuestions(benchmark::State& state, const std::vector<Question>& questions) {
  std::size_t next = 0;
  for (auto _ : state) {
    const Question& question = questions[next];
    next = next + 1 == questions.size() ? 0 : next + 1;
    benchmark::DoNotOptimize(VerifyMath(question.gold, question.prediction, {}));
  }
  state.SetItemsProcessed(state.iterations());
}

void MathCases(benchmark::State& state) {
  OverQuestions(state, Questions("math_cases.jsonl", true));
}
BENCHMARK(MathCases);

void MathOwnCases(benchmark::State& state) {
  OverQuestions(state, Questions("math_cases_own.jsonl", true));
}
BENCHMARK(MathOwnCases);

void MathAllCases(benchmark::State& state) {
  OverQuestions(state, Questions("math_cases.jsonl", false));
}
BENCHMARK(MathAllCases);

double CpuMilliseconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

// The slowest single case: of three runs of each the fastest counts, so that a pause of the machine
// does not.
void MathSlowestCase(benchmark::State& state) {
  double worst = 0.0;
  for (auto _ : state) {
    worst = 0.0;
    for (const char* file : {"math_cases.jsonl", "math_cases_own.jsonl"}) {
      for (const Question& question : Questions(file, false)) {
        double best = 1e9;
        for (int run = 0; run < 3; ++run) {
          const double begin = CpuMilliseconds();
          benchmark::DoNotOptimize(VerifyMath(question.gold, question.prediction, {}));
          best = std::min(best, CpuMilliseconds() - begin);
        }
        if (best > worst) {
          worst = best;
          state.SetLabel(question.id);
        }
      }
    }
  }
  state.counters["slowest_ms"] = worst;
}
BENCHMARK(MathSlowestCase)->Iterations(1);

// Megabytes that a million verifications leave behind.
void MathMemory(benchmark::State& state) {
  const auto resident = [] {
    std::ifstream file("/proc/self/statm");
    double total = 0, pages = 0;
    file >> total >> pages;
    return pages * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
  };
  const auto questions = Questions("math_cases.jsonl", false);
  for (const Question& question : questions) VerifyMath(question.gold, question.prediction, {});
  const double before = resident();
  OverQuestions(state, questions);
  state.counters["grown_MB"] = resident() - before;
}
BENCHMARK(MathMemory)->Iterations(1'000'000);

// The cost must grow with the text and no faster: bytes a second stay as they are.
void MathLength(benchmark::State& state) {
  std::string text;
  while (text.size() < static_cast<std::size_t>(state.range(0)))
    text += "We have $x^2 - 5x + 6 = 0$, so \\boxed{2} was a guess, 1,234 apples. ";
  text += "The answer is \\boxed{3}.";
  for (auto _ : state) benchmark::DoNotOptimize(VerifyMath("3", text, {}));
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(MathLength)->RangeMultiplier(16)->Range(1 << 8, 1 << 20);

// One hostile megabyte of each kind.
void MathMegabyte(benchmark::State& state) {
  static const char* const kKinds[] = {"{",    "(",      "\\boxed{", "$",  "1,",  "answer is ",
                                       "\xff", "\\frac", "x^",       "9^", "or ", "<answer>"};
  const std::string kind = kKinds[state.range(0)];
  std::string text;
  while (text.size() < 1'000'000) text += kind;
  state.SetLabel(kind == "\xff" ? "invalid UTF-8" : kind);
  for (auto _ : state) benchmark::DoNotOptimize(VerifyMath("5", text, {}));
}
BENCHMARK(MathMegabyte)->DenseRange(0, 11)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace cogent

BENCHMARK_MAIN();
