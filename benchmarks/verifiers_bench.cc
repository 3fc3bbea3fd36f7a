// Verifiers on one thread: texts a second, by CPU time. Built without the engine.
//
//   build/free/verifiers_bench --benchmark_filter=Language
//
// `items_per_second` is what docs/verifiers.md quotes.
#include <benchmark/benchmark.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "verifiers/extract.h"
#include "verifiers/format.h"
#include "verifiers/language.h"
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

}  // namespace
}  // namespace cogent

BENCHMARK_MAIN();
