#include "experiments/refine.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "core/error.h"
#include "core/file.h"
#include "core/scalar.h"
#include "verifiers/extract.h"
#include "verifiers/format.h"
#include "verifiers/repetition.h"

namespace cogent {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kAnswer = "{answer}";

int Words(const std::string& text) {
  std::istringstream words(text);
  int count = 0;
  for (std::string word; words >> word;) ++count;
  return count;
}

RefineOptions ReadRefinement(const Command& command) {
  RefineOptions options;
  options.token = command.Get("token", options.token);
  options.summary = command.Get("summary", options.summary);
  if (options.token.empty()) throw ConfigError("--token: the text is empty");
  if (options.summary.find(kAnswer) == std::string::npos) throw ConfigError("--summary: {answer} is missing, which stands for the answer");
  if (command.Has("min-words")) options.min_words = static_cast<int>(ParseInteger(command.Get("min-words")).value);
  if (command.Has("max-repeated")) options.max_repeated = std::stod(command.Get("max-repeated"));
  return options;
}

struct Counts {
  int lines = 0, kept = 0, malformed = 0;
  std::map<std::string, int> dropped;
};

std::string TextAt(const OrderedJson& line, const char* key) {
  if (!line.contains(key) || !line[key].is_string() || line[key].get_ref<const std::string&>().empty()) throw DataError(fmt::format("'{}' is missing or no text", key));
  return line[key];
}

// The line to be written, or nothing: then its reason is counted.
std::optional<OrderedJson> OneLine(const OrderedJson& line, bool reviewed, const RefineOptions& options, Counts& counts) {
  const std::string prompt = TextAt(line, "prompt"), completion = TextAt(line, "completion");
  if (!reviewed) {
    const Refined refined = Refine(completion, options);
    if (refined.completion.empty()) {
      ++counts.dropped[refined.reason];
      return std::nullopt;
    }
    return OrderedJson{{"prompt", prompt}, {"completion", refined.completion}, {"keep", true}};
  }
  if (!line.contains("keep") || !line["keep"].is_boolean()) throw DataError("'keep' is missing or neither true nor false");
  if (!line["keep"].get<bool>()) {
    ++counts.dropped["the reviewer dropped it"];
    return std::nullopt;
  }
  if (!HasLayout(completion, {.layout = Layout::kColdStart, .token = options.token})) {
    throw DataError("'completion' has not the form " + options.token + " reasoning " + options.token + " Summary: ...");
  }
  return OrderedJson{{"prompt", prompt}, {"completion", completion}, {"keep", true}};
}

}  // namespace

Refined Refine(const std::string& completion, const RefineOptions& options) {
  const auto reasoning = Reasoning(completion);
  if (!reasoning || !reasoning->closed) return {"", reasoning ? "the reasoning does not end" : "no reasoning"};
  const std::string thought(TrimAscii(reasoning->text));
  const Extraction answer = Extract(completion);
  if (!answer.text) return {"", "no single answer"};
  if (Words(thought) < options.min_words) return {"", "the reasoning is too short"};
  if (RepeatedShare(thought, 4) > options.max_repeated) return {"", "the reasoning says the same again and again"};
  std::string summary = options.summary;
  summary.replace(summary.find(kAnswer), std::char_traits<char>::length(kAnswer), *answer.text);
  Refined refined{options.token + " " + thought + " " + options.token + " Summary: " + summary, ""};
  if (!HasLayout(refined.completion, {.layout = Layout::kColdStart, .token = options.token})) return {"", "tags or tokens stand inside of the reasoning or the answer"};
  return refined;
}

void CheckRefine(const Command& command) { ReadRefinement(command); }

int RefineCommand(const Command& command) {
  const std::string &input = command.Get("input"), &output = command.Get("output");
  const RefineOptions options = ReadRefinement(command);
  const bool reviewed = command.Has("reviewed");
  Counts counts;
  std::string lines;
  ForEachLineIn(input, [&](int number, std::string_view line) {
    ++counts.lines;
    try {
      const OrderedJson json = OrderedJson::parse(line, nullptr, false);
      if (!json.is_object()) throw DataError("this is no JSON object");
      auto out = OneLine(json, reviewed, options, counts);
      if (!out) return;
      (*out)["source"] = {{"file", input}, {"line", number}, {"maker", reviewed ? "reviewed" : "refined"}};
      if (json.contains("maker")) (*out)["source"]["of"] = json["maker"];
      lines += out->dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
      ++counts.kept;
    } catch (const DataError& error) {
      std::cerr << input << ":" << number << ": " << error.what() << "\n";
      ++counts.malformed;
    }
  });
  if (counts.lines == 0) throw DataError(input + " holds no line");
  if (counts.kept == 0) {
    std::string reasons;
    for (const auto& [reason, count] : counts.dropped) reasons += fmt::format("{}{} of {}", reasons.empty() ? ": " : ", ", count, reason);
    throw DataError(fmt::format("{}: none of {} lines is kept{}{}", input, counts.lines, reasons, counts.malformed > 0 ? fmt::format(", {} malformed", counts.malformed) : ""));
  }
  WriteFileAtomic(output, lines);
  WriteFileAtomic(output + ".report.json", OrderedJson{{"lines", counts.lines}, {"kept", counts.kept}, {"malformed", counts.malformed}, {"dropped", counts.dropped}}.dump(2) + "\n");
  std::cout << fmt::format("{}: kept {} of {} lines\n", output, counts.kept, counts.lines);
  for (const auto& [reason, count] : counts.dropped) std::cout << fmt::format("  dropped {:>8}  {}\n", count, reason);
  return counts.malformed > 0 ? kExitUserMistake : kExitDone;
}

}  // namespace cogent
