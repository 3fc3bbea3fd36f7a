#include "experiments/verify.h"

#include <map>

#include "core/error.h"
#include "experiments/verify_audit.h"
#include "experiments/verify_lines.h"
#include "verifiers/code.h"
#include "verifiers/extract.h"
#include "verifiers/format.h"
#include "verifiers/language.h"
#include "verifiers/math.h"
#include "verifiers/written_tests.h"

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

CodeSettings SandboxSettings(const Command& command) {
  CodeSettings settings;
  settings.level = command.Get("level", "full");
  if (settings.level != "full" && settings.level != "reduced") {
    throw ConfigError("--level '" + settings.level + "' is none. Known: full, reduced");
  }
  return settings;
}

CodeProblem ProblemOf(const LineObject& line) {
  const auto json = line.FindJson("problem");
  if (!json) throw DataError("'problem' is missing: the object with the prompt and the tests");
  return ReadCodeProblem(*json, "'problem'");
}

LineVerifier CodeVerifier(const Command& command) {
  CodeSettings settings = SandboxSettings(command);
  settings.score = command.Has("share") ? "share" : "all";
  const std::shared_ptr<Sandbox> sandbox = OpenSandbox(settings);
  return {[sandbox, scoring = settings.Scoring()](const LineObject& line) -> LineResult {
            const CodeProblem problem = ProblemOf(line);
            const CodeScore score = ScoreCode(*sandbox, {{&problem, line.Text("completion")}}, scoring).front();
            if (score.broken) throw SandboxError(score.reason);
            return {{"score", score.score}, {"verdict", std::string(score.has_code ? Name(score.verdict) : "no_code")},
                    {"passed", std::int64_t{score.passed}}, {"total", std::int64_t{score.total}},
                    {"cpu_seconds", score.cpu_seconds}, {"reason", score.reason}};
          },
          1};
}

// Tests as the completion, held to the problem's reference.
LineVerifier TestsVerifier(const Command& command) {
  const CodeSettings settings = SandboxSettings(command);
  const std::shared_ptr<Sandbox> sandbox = OpenSandbox(settings);
  return {[sandbox, limits = settings.Scoring().limits](const LineObject& line) -> LineResult {
            const WrittenTests written = ReadWrittenTests(*sandbox, ProblemOf(line), line.Text("completion"), limits);
            std::vector<std::string> refused, reasons;
            for (const auto& one : written.refused) refused.push_back(one.test), reasons.push_back(one.reason);
            return {{"kept", written.kept}, {"refused", refused}, {"reasons", reasons}, {"none", written.none.empty() ? LineValue(nullptr) : LineValue(written.none)}};
          },
          1};
}

using MakeVerifier = LineVerifier (*)(const Command&);
const std::map<std::string, MakeVerifier> kMakers = {
    {"verify code", CodeVerifier},
    {"verify format", FormatVerifier},
    {"verify language", LanguageVerifier},
    {"verify math", MathVerifier},
    {"verify tests", TestsVerifier},
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
