#include "experiments/verify.h"

#include <map>

#include "core/error.h"
#include "experiments/verify_audit.h"
#include "experiments/verify_lines.h"
#include "verifiers/extract.h"
#include "verifiers/format.h"
#include "verifiers/language.h"
#include "verifiers/math.h"

namespace cogent {
namespace {

// ---- the verifiers ------------------------------------------------------------------------------

LineValue OrNull(const std::optional<std::string>& text) {
  return text ? LineValue(*text) : LineValue(nullptr);
}

LineVerifier FormatVerifier(const Command&) {
  return {[](const LineObject& line) -> LineResult {
    const std::string completion = line.Text("completion");
    return {{"format_ok", FormatOk(completion)}, {"answer", OrNull(Extract(completion).text)}};
  }};
}

// A run's samples have the text as their completion.
LineVerifier LanguageVerifier(const Command& command) {
  const std::string otherwise = command.Get("target");
  if (!otherwise.empty() && LanguageIndex(otherwise) == kLanguages.size()) {
    throw ConfigError("--target '" + otherwise +
                      "' is no language that is told apart. Known: " + LanguageList());
  }
  return {[otherwise](const LineObject& line) -> LineResult {
    const std::string target = line.FindText("target").value_or(otherwise);
    if (target.empty())
      throw DataError("'target' is missing; one of " + LanguageList() +
                      " is wanted, or --target for all lines");
    if (LanguageIndex(target) == kLanguages.size())
      throw DataError("'target' is '" + target + "'; one of " + LanguageList() + " is wanted");
    const auto completion = line.FindText("text") ? std::nullopt : line.FindText("completion");
    return {{"fraction", LanguageFraction(completion ? *completion : line.Text("text"), target)}};
  }};
}

// --options is YAML of the reward's settings.
LineVerifier MathVerifier(const Command& command) {
  const std::string text = command.Get("options", "{}");
  Problems problems;
  const auto options = ReadConfig<MathOptions>(ParseYaml(text, "--options '" + text + "'"), problems, "verify math");
  problems.ThrowIfAny();
  return {[options](const LineObject& line) -> LineResult {
    const bool stored = !line.FindJson("prediction") && line.FindJson("completion");  // a run's sample
    const MathVerdict verdict =
        VerifyMath(line.TextOrNumber("gold"), line.TextOrNumber(stored ? "completion" : "prediction"), options);
    return {{"correct", verdict.correct}, {"extracted", verdict.extracted}, {"reason", verdict.reason}};
  }};
}

using MakeVerifier = LineVerifier (*)(const Command&);
const std::map<std::string, MakeVerifier> kMakers = {
    {"verify format", FormatVerifier},
    {"verify language", LanguageVerifier},
    {"verify math", MathVerifier},
};

// ---- lines --------------------------------------------------------------------------------------

LineOutcome VerifyChunk(const LineVerifier& verifier, const LineChunk& chunk) {
  LineOutcome outcome;
  ForEachLine(chunk, outcome, [&](const LineObject& line, std::int64_t number) {
    LineResult fields = verifier.verify(line);
    fields.insert(fields.begin(), {"id", IdOrNumber(line, number)});
    outcome.out += ToJsonLine(fields) + "\n";
  });
  return outcome;
}

}  // namespace

int VerifyLines(const LineVerifier& verifier, const Command& command) {
  return RunLines(command, command.Get("output", "-"), verifier.lines_at_once,
                  [&](const LineChunk& chunk) { return VerifyChunk(verifier, chunk); });
}

int RunVerify(const Parts& parts, const Command& command) {
  if (command.name == "verify audit") return RunAudit(parts, command);
  const auto maker = kMakers.find(command.name);
  Check(maker != kMakers.end(), "a verify command without its verifier");
  return VerifyLines(maker->second(command), command);
}

}  // namespace cogent
