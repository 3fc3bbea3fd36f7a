// A generative judge: an agent that is asked about a completion and answers with a score. And an agent that rewrites completions.
//
//   std::vector<Judgement> all = Judge(agent, settings, {{"2+3?", "<think>..."}}, rng);
//   if (all[0].score && *all[0].score >= settings.at_least) ...
//
// A verdict is read strictly: one <score>N</score> outside of the judge's own reasoning, N a whole number of the scale. Whatever else it
// says is no verdict, which is not a low score, and an agent that failed is neither.
// Source: DeepSeek-R1, arXiv 2501.12948, section 2.3.3 (a generative reward model for what rules cannot decide).
// Thread rule: waits for the agent; one call at a time for an agent.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agents/remote_agent.h"

namespace cogent {

// The section `judge` of a run's YAML.
struct JudgeSettings {
  std::string ask;  // default: a rubric in words
  int lowest = 1, highest = 5;
  int at_least = 4;
  double temperature = 0.0;
  std::optional<RemoteSettings> remote;
  JudgeSettings();
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

struct Judgement {
  std::optional<int> score;
  std::string reason;   // why there is none
  bool failed = false;  // the agent failed; no word of the judge's
  std::string said;
};

struct Judged {
  std::string prompt, completion;
};

// The judge's question: `ask` with {prompt} and {completion} replaced.
std::string JudgePrompt(const std::string& ask, const Judged& judged);
// The verdict in the form that is read, for data to teach a judge with.
std::string JudgeVerdict(int score);
Judgement ReadJudgement(const Turn& turn, const JudgeSettings& settings);
// One for each, in order; the i-th draws from draws[i].
std::vector<Judgement> Judge(Agent& agent, const JudgeSettings& settings, const std::vector<Judged>& judged, const std::vector<Rng>& draws);

// The section `rewrite` of a run's YAML.
struct RewriteSettings {
  std::string ask;  // default: an instruction in words
  std::string token = "|special_token|";
  double temperature = 0.0;
  std::optional<RemoteSettings> remote;
  RewriteSettings();
  void VisitFields(FieldVisitor& visit);
  void Validate(Problems& problems, const Node& section) const;
};

struct Rewritten {
  std::string completion;  // empty: dropped
  std::string reason;      // why
  bool failed = false;     // the agent failed
};
// What is kept has the cold-start form (verifiers/format.h) and the answer that the original has, of which there must be one.
std::vector<Rewritten> Rewrite(Agent& agent, const RewriteSettings& settings, const std::vector<Judged>& originals, const std::vector<Rng>& draws);

}  // namespace cogent
