#include "agents/judge.h"

#include "core/scalar.h"
#include "envs/template.h"
#include "verifiers/extract.h"
#include "verifiers/format.h"

namespace cogent {
namespace {

constexpr std::string_view kOpen = "<score>", kClose = "</score>";

std::size_t Count(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string_view::npos; at += word.size()) ++count;
  return count;
}

void CheckAsk(const std::string& section, const std::string& ask, Problems& problems, const Node& node) {
  if (Count(ask, "{prompt}") != 1 || Count(ask, "{completion}") != 1) problems.Add(node.PlaceOf("ask"), section + ".ask must hold {prompt} and {completion}, once each");
}

std::vector<Turn> Ask(Agent& agent, const std::string& ask, const std::vector<Judged>& all, const std::vector<Rng>& draws) {
  std::vector<Conversation> conversations;
  for (const Judged& one : all) conversations.push_back({{{Role::kUser, JudgePrompt(ask, one)}}, nullptr});
  return agent.Act(conversations, draws);
}

}  // namespace

JudgeSettings::JudgeSettings()
    : ask("A question and an answer to it stand below. Judge the answer: is the reasoning sound and to the point, is it easy to read and in one "
          "language, does the conclusion follow from it? Think first, then write your verdict as <score>N</score>, where N is a whole number from 1 "
          "(useless) to 5 (without fault).\n\nQuestion:\n{prompt}\n\nAnswer:\n{completion}") {}

void JudgeSettings::VisitFields(FieldVisitor& visit) {
  visit("ask", ask, "what the judge is asked, with {prompt} and {completion} in their places; it must lead to one <score>N</score>");
  visit("lowest", lowest, "lower end of the scale", {-1000, 1000});
  visit("highest", highest, "upper end of the scale", {-1000, 1000});
  visit("at_least", at_least, "lines with this score and above are kept", {-1000, 1000});
  visit("temperature", temperature, "of the judge's words; 0 = greedy", {0, 100});
  visit("remote", remote, "a server as the judge, instead of the run's policy");
}

void JudgeSettings::Validate(Problems& problems, const Node& section) const {
  CheckAsk("judge", ask, problems, section);
  if (lowest >= highest) problems.Add(section.PlaceOf("highest"), "judge: 'lowest' (" + std::to_string(lowest) + ") must be below 'highest' (" + std::to_string(highest) + ")");
  if (at_least < lowest || at_least > highest) problems.Add(section.PlaceOf("at_least"), "judge: 'at_least' (" + std::to_string(at_least) + ") lies outside of the scale");
}

std::string JudgePrompt(const std::string& ask, const Judged& judged) {
  return FillPlaces(ask, {{"{prompt}", judged.prompt}, {"{completion}", judged.completion}});
}
std::string JudgeVerdict(int score) { return std::string(kOpen) + std::to_string(score) + std::string(kClose); }

Judgement ReadJudgement(const Turn& turn, const JudgeSettings& settings) {
  Judgement judgement;
  judgement.said = turn.text;
  if (!turn.failure.empty()) {
    judgement.failed = true;
    judgement.reason = turn.failure;
    return judgement;
  }
  const auto verdict = AfterReasoning(turn.text);
  if (turn.truncated || !verdict) return judgement.reason = "the judge did not come to an end", judgement;
  const std::size_t open = verdict->find(kOpen), close = verdict->find(kClose);
  if (Count(*verdict, kOpen) != 1 || Count(*verdict, kClose) != 1 || close < open) return judgement.reason = "not one <score>", judgement;
  const std::string_view text = TrimAscii(std::string_view(*verdict).substr(open + kOpen.size(), close - open - kOpen.size()));
  const auto score = ParseInteger(text);
  if (!score.ok()) return judgement.reason = "the score is no whole number", judgement;
  if (score.value < settings.lowest || score.value > settings.highest) return judgement.reason = "the score lies outside of the scale", judgement;
  judgement.score = static_cast<int>(score.value);
  return judgement;
}

std::vector<Judgement> Judge(Agent& agent, const JudgeSettings& settings, const std::vector<Judged>& judged, const std::vector<Rng>& draws) {
  std::vector<Judgement> all;
  for (const Turn& turn : Ask(agent, settings.ask, judged, draws)) all.push_back(ReadJudgement(turn, settings));
  return all;
}

RewriteSettings::RewriteSettings()
    : ask("A question and an answer to it stand below. Write the answer again for people to read: the same reasoning in clear sentences of one language, "
          "without detours, then a summary with the result in \\boxed{}. Change nothing of the result. Write exactly\n|special_token| the reasoning "
          "|special_token| Summary: the summary\n\nQuestion:\n{prompt}\n\nAnswer:\n{completion}") {}

void RewriteSettings::VisitFields(FieldVisitor& visit) {
  visit("ask", ask, "what the writer is asked, with {prompt} and {completion} in their places");
  visit("token", token, "of the cold-start form that it must answer in");
  visit("temperature", temperature, "of its words; 0 = greedy", {0, 100});
  visit("remote", remote, "a server as the writer, instead of the run's policy");
}

void RewriteSettings::Validate(Problems& problems, const Node& section) const {
  CheckAsk("rewrite", ask, problems, section);
  if (token.empty()) problems.Add(section.PlaceOf("token"), "rewrite.token is empty");
}

std::vector<Rewritten> Rewrite(Agent& agent, const RewriteSettings& settings, const std::vector<Judged>& originals, const std::vector<Rng>& draws) {
  const FormatOptions form{.layout = Layout::kColdStart, .token = settings.token};
  const std::vector<Turn> turns = Ask(agent, settings.ask, originals, draws);
  std::vector<Rewritten> all;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const Turn& turn = turns[i];
    const auto before = Extract(originals[i].completion).text;
    const std::string text = AfterReasoning(turn.text).value_or("");
    const auto reason = [&]() -> std::string {
      if (!turn.failure.empty()) return turn.failure;
      if (!before) return "the original has no single answer";
      if (turn.truncated) return "cut by a length limit";
      if (!HasLayout(text, form)) return "not in the cold-start form";
      const auto after = Extract(text).text;
      if (!after) return "no single answer";
      return *after == *before ? "" : "another answer than the original's";
    }();
    all.push_back({reason.empty() ? std::string(TrimAscii(text)) : "", reason, !turn.failure.empty()});
  }
  return all;
}

}  // namespace cogent
