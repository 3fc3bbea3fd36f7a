// cogent judge, cogent rewrite: an agent is asked about every line of a file.
//
// Parts of kLinesAtOnce lines (experiments/parted_output.h). A line's draws depend on its number alone.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "agents/judge.h"
#include "core/error.h"
#include "core/progress.h"
#include "core/scalar.h"
#include "experiments/engine_answerer.h"
#include "experiments/engine_commands.h"
#include "experiments/engine_run.h"
#include "experiments/parted_output.h"

namespace cogent {
namespace {

using OrderedJson = nlohmann::ordered_json;
constexpr int kLinesAtOnce = 64;
constexpr std::size_t kExamples = 3;  // of what each reason dropped, in the report

struct Line {
  int number = 0;
  OrderedJson json;
  Judged text;
};

struct Counts {
  double lines = 0, kept = 0, failed = 0;
  std::map<std::string, double> dropped;   // by the judge's or the writer's words
  std::map<std::string, double> failures;  // of the agent
  std::map<std::string, double> scores;    // of a judge: how many lines got which
  std::map<std::string, std::vector<int>> examples;  // reason: line numbers

  OrderedJson ToJson() const {
    return {{"lines", lines}, {"kept", kept}, {"failed", failed}, {"dropped", dropped}, {"failures", failures}, {"scores", scores}, {"examples", examples}};
  }
  static Counts From(const std::string& text) {
    Counts counts;
    if (text.empty()) return counts;
    const auto c = nlohmann::json::parse(text);
    counts.lines = c.at("lines"), counts.kept = c.at("kept"), counts.failed = c.at("failed");
    counts.dropped = c.at("dropped").get<std::map<std::string, double>>();
    counts.failures = c.at("failures").get<std::map<std::string, double>>();
    counts.scores = c.at("scores").get<std::map<std::string, double>>();
    counts.examples = c.at("examples").get<std::map<std::string, std::vector<int>>>();
    return counts;
  }
  void Drop(const std::string& reason, int line, bool agent_failed) {
    ++(agent_failed ? failures : dropped)[reason];
    failed += agent_failed;
    if (auto& some = examples[reason]; some.size() < kExamples) some.push_back(line);
  }
};

std::vector<Line> ReadLines(const std::string& path) {
  std::vector<Line> lines;
  ForEachLineIn(path, [&](int number, std::string_view text) {
    OrderedJson json = OrderedJson::parse(text, nullptr, false);
    const auto has = [&](const char* key) { return json.is_object() && json.contains(key) && json[key].is_string(); };
    if (!has("prompt") || !has("completion")) throw DataError(fmt::format("{}:{}: {{\"prompt\": text, \"completion\": text}} is wanted", path, number));
    Judged judged{json["prompt"], json["completion"]};
    lines.push_back({number, std::move(json), std::move(judged)});
  });
  if (lines.empty()) throw DataError(path + " holds no line");
  return lines;
}

// What the agent said of some lines: the lines that stay, changed as they are to be written; the others are counted.
using AskAbout = std::function<std::vector<OrderedJson>(Agent& agent, std::vector<Line>& part, const std::vector<Rng>& draws, Counts& counts)>;

int AskCommand(const std::string& verb, const NamedPolicy& found, const std::optional<RemoteSettings>& remote, double temperature, const Command& command, const AskAbout& ask) {
  const RunConfig& config = found.loaded.config;
  const std::string &input = command.Get("input"), &path = command.Get("output");
  std::vector<Line> lines = ReadLines(input);
  Sampling sampling = config.rollout.sampling;
  sampling.temperature = temperature;
  Answerer answerer(config, found.checkpoint, remote, sampling);
  PartedOutput output(path, found.loaded.resolved + TextMark(input, ReadFile(input)), command.Has("resume"));
  Counts counts = Counts::From(output.counts());
  CatchStopSignals();
  const Rng draws = Rng(config.seed).Fork(verb);
  const int total = static_cast<int>(lines.size());
  ProgressOptions options;
  options.first = output.done();
  std::optional<Progress> bar;
  if (!command.Has("quiet")) bar.emplace(verb, total, "lines", options);
  while (output.done() < total) {
    const int first = output.done(), end = std::min(first + kLinesAtOnce, total);
    std::vector<Line> part(std::make_move_iterator(lines.begin() + first), std::make_move_iterator(lines.begin() + end));
    std::vector<Rng> rngs;
    for (const Line& line : part) rngs.push_back(draws.Fork(static_cast<std::uint64_t>(line.number)));
    counts.lines += static_cast<double>(part.size());
    for (const OrderedJson& kept : ask(answerer.agent(), part, rngs, counts)) {
      output.Append(kept.dump(-1, ' ', false, OrderedJson::error_handler_t::replace));
      ++counts.kept;
    }
    if (counts.failed > config.rollout.max_unscorable * counts.lines) {
      if (bar) bar->Finish();
      throw RemoteError(fmt::format("{:.0f}% of the lines got no answer (rollout.max_unscorable is {:.0f}%); one cause: {}. What is done is saved; go on with --resume",
                                    100 * counts.failed / counts.lines, 100 * config.rollout.max_unscorable, counts.failures.begin()->first));
    }
    output.Commit(end, counts.ToJson().dump());
    if (bar) bar->Advance(end - first, fmt::format("kept {}", counts.kept));
    if (StopRequested() && end < total) {
      if (bar) bar->Finish();
      std::cerr << fmt::format("\nStopped after {} of {} lines; everything is saved. Go on with the same line and --resume\n", end, total);
      return kExitStopped;
    }
  }
  if (bar) bar->Finish();
  OrderedJson report = counts.ToJson();
  report["input"] = input;
  report["by"] = answerer.name();
  output.Finish(report.dump(2));
  if (command.Has("quiet")) return kExitDone;
  std::cout << fmt::format("{}: kept {} of {} lines\n", path, counts.kept, counts.lines);
  for (const auto& [score, count] : counts.scores) std::cout << fmt::format("  score   {:>8}  {}\n", count, score);
  for (const auto& [reason, count] : counts.dropped) std::cout << fmt::format("  dropped {:>8}  {}\n", count, reason);
  for (const auto& [reason, count] : counts.failures) std::cout << fmt::format("  failed  {:>8}  {}\n", count, reason);
  return kExitDone;
}

std::vector<Judged> Texts(const std::vector<Line>& lines) {
  std::vector<Judged> all;
  for (const Line& line : lines) all.push_back(line.text);
  return all;
}

}  // namespace

int JudgeCommand(const Parts& parts, const Methods& methods, const Command& command) {
  const NamedPolicy found = FindPolicy(parts, methods, command, {command.arguments.begin() + 1, command.arguments.end()}, "judge");
  const JudgeSettings& settings = found.loaded.config.judge;
  return AskCommand("judge", found, settings.remote, settings.temperature, command, [&](Agent& agent, std::vector<Line>& part, const std::vector<Rng>& draws, Counts& counts) {
    std::vector<OrderedJson> kept;
    const auto judgements = Judge(agent, settings, Texts(part), draws);
    for (std::size_t i = 0; i < part.size(); ++i) {
      const Judgement& judgement = judgements[i];
      if (!judgement.score) {
        counts.Drop(judgement.failed ? judgement.reason : "no verdict: " + judgement.reason, part[i].number, judgement.failed);
        continue;
      }
      ++counts.scores[std::to_string(*judgement.score)];
      if (*judgement.score < settings.at_least) {
        counts.Drop("score below judge.at_least", part[i].number, false);
        continue;
      }
      part[i].json["judge"] = {{"score", *judgement.score}, {"said", judgement.said}};
      kept.push_back(std::move(part[i].json));
    }
    return kept;
  });
}

int RewriteCommand(const Parts& parts, const Methods& methods, const Command& command) {
  const NamedPolicy found = FindPolicy(parts, methods, command, {command.arguments.begin() + 1, command.arguments.end()}, "rewrite");
  const RewriteSettings& settings = found.loaded.config.rewrite;
  const std::string& input = command.Get("input");
  return AskCommand("rewrite", found, settings.remote, settings.temperature, command, [&](Agent& agent, std::vector<Line>& part, const std::vector<Rng>& draws, Counts& counts) {
    std::vector<OrderedJson> kept;
    const auto rewritten = Rewrite(agent, settings, Texts(part), draws);
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (rewritten[i].completion.empty()) {
        counts.Drop(rewritten[i].reason, part[i].number, rewritten[i].failed);
        continue;
      }
      kept.push_back({{"prompt", part[i].text.prompt}, {"completion", rewritten[i].completion}, {"keep", true},
                      {"source", {{"file", input}, {"line", part[i].number}, {"maker", "rewritten"}}}});
    }
    return kept;
  });
}

}  // namespace cogent
