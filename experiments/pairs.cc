#include "experiments/pairs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "agents/judge.h"
#include "core/error.h"
#include "core/file.h"
#include "core/scalar.h"
#include "verifiers/format.h"
#include "verifiers/model_reward.h"

namespace cogent {
namespace {

using OrderedJson = nlohmann::ordered_json;

const std::vector<std::string> kInsults = {"you fool", "stupid question", "shut up", "nobody likes you", "go away, idiot"};
const std::vector<std::string> kEmptyWords = {"That was the question.", "It can be worked out.", "I would rather not say.", "See above."};

struct Line {
  int number = 0;
  std::string prompt, completion;
  double score = 0.0;
};

// With `score`, a line's `rewards` must hold that number.
std::vector<Line> ReadLines(const std::string& path, const std::string& score, int& malformed) {
  std::vector<Line> lines;
  ForEachLineIn(path, [&](int number, std::string_view text) {
    const OrderedJson json = OrderedJson::parse(text, nullptr, false);
    const auto has = [&](const char* key) { return json.is_object() && json.contains(key) && json[key].is_string() && !json[key].get_ref<const std::string&>().empty(); };
    if (!has("prompt") || !has("completion")) {
      std::cerr << path << ":" << number << ": {\"prompt\": text, \"completion\": text} is wanted\n";
      ++malformed;
      return;
    }
    const OrderedJson* found = !score.empty() && json.contains("rewards") && json["rewards"].is_object() && json["rewards"].contains(score) ? &json["rewards"][score] : nullptr;
    if (!score.empty() && (found == nullptr || !found->is_number())) {
      std::cerr << path << ":" << number << ": \"rewards\" has no number '" << score << "', which --score names\n";
      ++malformed;
      return;
    }
    lines.push_back({number, json["prompt"], json["completion"], found == nullptr ? 0.0 : found->get<double>()});
  });
  if (lines.empty()) throw DataError(path + " holds no line with a prompt and a completion" + (score.empty() ? "" : " and the score '" + score + "'"));
  return lines;
}

OrderedJson PairJson(const std::string& prompt, const Spoiled& pair) {
  return {{"prompt", prompt}, {"chosen", pair.chosen}, {"rejected", pair.rejected}, {"rule", pair.rule}};
}
std::string JsonLine(const OrderedJson& json) { return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n"; }

int Finish(const std::string& output, const std::string& text, std::size_t lines, int kept, int malformed, const OrderedJson& dropped) {
  WriteFileAtomic(output, text);
  WriteFileAtomic(output + ".report.json", OrderedJson{{"lines", lines}, {"kept", kept}, {"malformed", malformed}, {"dropped", dropped}}.dump(2) + "\n");
  std::cout << fmt::format("{}: {} pairs of {} lines\n", output, kept, lines);
  return malformed > 0 ? kExitUserMistake : kExitDone;
}

// The judge that is to be taught, where one is.
std::optional<JudgeSettings> ReadJudge(const Command& command) {
  if (!command.Has("judge-ask")) return std::nullopt;
  JudgeSettings judge;
  judge.ask = command.Get("judge-ask");
  const auto end_of_scale = [&](const char* option, int& value) {
    if (!command.Has(option)) return;
    const auto given = ParseInteger(command.Get(option));
    if (!given.ok() || std::abs(given.value) > 1000) throw ConfigError("--" + std::string(option) + ": '" + command.Get(option) + "' is no whole number from -1000 to 1000");
    value = static_cast<int>(given.value);
  };
  end_of_scale("lowest", judge.lowest);
  end_of_scale("highest", judge.highest);
  judge.at_least = judge.highest;
  Problems problems;
  judge.Validate(problems, Node::Map());
  problems.ThrowIfAny();
  return judge;
}

struct Options {
  std::string rule, token, score, reads;  // score, reads: of the rule `scored`
  std::uint64_t seed = 1;
  std::optional<JudgeSettings> judge;
};
Options ReadOptions(const Command& command) {
  Options options{command.Get("rule"), command.Get("token", "|special_token|"), command.Get("score"), command.Get("reads", "whole"), 1, std::nullopt};
  const std::string& rule = options.rule;
  if (rule != "helpful" && rule != "harmless" && rule != "sound" && rule != "scored") throw ConfigError("--rule '" + rule + "' is none. Known: helpful, harmless, sound, scored");
  const auto seed = ParseUnsigned(command.Get("seed", "1"));
  if (!seed.ok()) throw ConfigError("--seed: '" + command.Get("seed") + "' is no whole number");
  options.seed = seed.value;
  if (rule == "scored" && options.score.empty()) throw ConfigError("--rule scored needs --score, the name of a number in each line's `rewards`");
  if (options.reads != "whole" && options.reads != "summary") throw ConfigError("--reads '" + options.reads + "' is none. Known: whole, summary");
  for (const char* option : {"score", "reads"}) {
    if (rule != "scored" && command.Has(option)) throw ConfigError("--" + std::string(option) + " is for --rule scored");
  }
  options.judge = ReadJudge(command);
  return options;
}

// A pair's line, or the two questions to a judge that come of it.
std::string LinesOf(const std::string& prompt, const Spoiled& pair, const std::optional<JudgeSettings>& judge, const std::string& chosen_rule) {
  if (!judge) return JsonLine(PairJson(prompt, pair));
  const auto question = [&](const std::string& completion, int verdict, const std::string& rule) {
    return JsonLine({{"prompt", JudgePrompt(judge->ask, {prompt, completion})}, {"completion", JudgeVerdict(verdict)}, {"rule", rule}});
  };
  return question(pair.chosen, judge->highest, chosen_rule) + question(pair.rejected, judge->lowest, pair.rule);
}

// The rule `scored`.
int ScoredPairs(const Command& command, const Options& options) {
  const auto& [rule, token, score, reads, seed, judge] = options;
  const std::string input = command.Get("input");
  int malformed = 0, without = 0, kept = 0;
  const std::vector<Line> lines = ReadLines(input, score, malformed);
  std::vector<std::pair<std::string, std::vector<Scored>>> prompts;  // in the order of their first lines
  std::map<std::string, std::size_t> places;
  for (const Line& line : lines) {
    const auto text = reads == "whole" ? std::optional(line.completion) : SummaryToRead(line.completion, token);
    if (!text) {
      ++without;
      continue;
    }
    const auto [place, fresh] = places.emplace(line.prompt, prompts.size());
    if (fresh) prompts.push_back({line.prompt, {}});
    prompts[place->second].second.push_back({*text, line.score});
  }
  std::string text;
  for (const auto& [prompt, completions] : prompts) {
    for (const Spoiled& pair : PairByScore(completions, score)) {
      text += LinesOf(prompt, pair, judge, pair.rule);
      ++kept;
    }
  }
  if (kept == 0) throw DataError(input + ": no prompt has two completions whose '" + score + "' differs; sample several a task (sample.samples, sample.keep)");
  const int unpaired = static_cast<int>(lines.size()) - without - 2 * kept;
  return Finish(command.Get("output"), text, lines.size(), kept, malformed, {{"no summary", without}, {"no other of another score", unpaired}});
}

}  // namespace

std::optional<Spoiled> SpoilHelpful(const std::string& completion, const std::string& other, const std::string& token, Rng& rng) {
  const auto own = Summary(completion, {.layout = Layout::kColdStart, .token = token});
  if (!own) return std::nullopt;
  const auto foreign = Summary(other, {.layout = Layout::kColdStart, .token = token});
  const std::int64_t kind = rng.Range(0, 2);
  const std::string empty = kEmptyWords[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(kEmptyWords.size()) - 1))];
  if (kind == 0 && own->size() > 4) return Spoiled{*own, std::string(Beginning(*own, own->size() / 2)), "helpful: cut in the middle"};
  if (kind == 1 && foreign && *foreign != *own) return Spoiled{*own, *foreign, "helpful: another task's summary"};
  return Spoiled{*own, empty, "helpful: the answer is left out"};
}

Spoiled SpoilHarmless(const std::string& completion, Rng& rng) {
  std::vector<std::size_t> gaps = {completion.size()};
  for (std::size_t at = 0; (at = completion.find(' ', at)) != std::string::npos; ++at) gaps.push_back(at);
  const std::size_t at = gaps[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(gaps.size()) - 1))];
  const std::string insult = kInsults[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(kInsults.size()) - 1))];
  return {completion, completion.substr(0, at) + " " + insult + completion.substr(at), "harmless: an insult"};
}

std::optional<Spoiled> SpoilSound(const std::string& completion, const std::string& token, Rng& rng) {
  const std::size_t first = completion.find(token), end = first == std::string::npos ? first : completion.find(token, first + token.size());
  if (end == std::string::npos) return std::nullopt;
  const auto digit = [&](std::size_t at) { return at < end && completion[at] >= '0' && completion[at] <= '9'; };
  std::vector<std::pair<std::size_t, std::size_t>> numbers;  // where, and how long
  for (std::size_t at = first + token.size(); at < end; ++at) {
    std::size_t size = 0;
    while (digit(at + size)) ++size;
    if (size > 0 && size < 10) numbers.emplace_back(at, size);
    at += size;
  }
  if (numbers.empty()) return std::nullopt;
  const auto [at, size] = numbers[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(numbers.size()) - 1))];
  const std::int64_t value = std::stoll(completion.substr(at, size)), by = rng.Range(1, 3);
  const std::int64_t other = rng.Uniform() < 0.5 && value >= by ? value - by : value + by;
  return Spoiled{completion, completion.substr(0, at) + std::to_string(other) + completion.substr(at + size), "sound: a number of the reasoning is changed"};
}

std::vector<Spoiled> PairByScore(const std::vector<Scored>& completions, const std::string& score) {
  std::vector<const Scored*> best;
  for (const Scored& one : completions) best.push_back(&one);
  std::vector<const Scored*> worst = best;
  std::stable_sort(best.begin(), best.end(), [](const Scored* a, const Scored* b) { return a->score > b->score; });
  std::stable_sort(worst.begin(), worst.end(), [](const Scored* a, const Scored* b) { return a->score < b->score; });
  std::vector<Spoiled> pairs;
  for (std::size_t i = 0; i < best.size() && best[i]->score > worst[i]->score; ++i) {
    pairs.push_back({best[i]->completion, worst[i]->completion, "scored: " + score});
  }
  return pairs;
}

void CheckPairs(const Command& command) { ReadOptions(command); }

int PairsCommand(const Command& command) {
  const Options options = ReadOptions(command);
  if (options.rule == "scored") return ScoredPairs(command, options);
  const auto& [rule, token, score, reads, seed, judge] = options;
  const std::string output = command.Get("output");
  int malformed = 0, without = 0, kept = 0;
  const std::vector<Line> lines = ReadLines(command.Get("input"), "", malformed);
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    Rng rng = Rng(seed).Fork("pairs").Fork(rule).Fork(static_cast<std::uint64_t>(line.number));
    const std::optional<Spoiled> pair = rule == "helpful" ? SpoilHelpful(line.completion, lines[(i + 1) % lines.size()].completion, token, rng)
                                        : rule == "sound" ? SpoilSound(line.completion, token, rng) : SpoilHarmless(line.completion, rng);
    if (!pair) {
      ++without;
      continue;
    }
    ++kept;
    text += LinesOf(line.prompt, *pair, judge, "as it was");
  }
  const std::string why = rule == "sound" ? "no number before a second token" : "no summary";
  if (kept == 0) throw DataError(command.Get("input") + ": no line has " + (rule == "sound" ? "a number before" : "a summary behind") + " a second " + token);
  return Finish(output, text, lines.size(), kept, malformed, {{why, without}});
}

}  // namespace cogent
