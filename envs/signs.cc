#include "envs/signs.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "envs/single_turn.h"
#include "verifiers/extract.h"

namespace cogent {
namespace {

struct Problem {
  std::vector<int> digits;
  int target = 0;
};

int Value(const std::vector<int>& digits, const std::string& signs) {
  int value = digits[0];
  for (std::size_t i = 1; i < digits.size(); ++i) {
    value += signs[i - 1] == '-' ? -digits[i] : digits[i];
  }
  return value;
}

// `7 5 9 3=14`
std::string PromptOf(const Problem& problem) {
  std::string text;
  for (const int digit : problem.digits) text += (text.empty() ? "" : " ") + std::to_string(digit);
  return text + "=" + std::to_string(problem.target);
}

// `7-5+9+3`
std::string Expression(const std::vector<int>& digits, const std::string& signs) {
  std::string text = std::to_string(digits[0]);
  for (std::size_t i = 1; i < digits.size(); ++i) text += signs[i - 1] + std::to_string(digits[i]);
  return text;
}

// `7-5=2+9=11+3=14`
std::string RunningSums(const std::vector<int>& digits, const std::string& signs) {
  std::string text = std::to_string(digits[0]);
  int value = digits[0];
  for (std::size_t i = 1; i < digits.size(); ++i) {
    value += signs[i - 1] == '-' ? -digits[i] : digits[i];
    text += signs[i - 1] + std::to_string(digits[i]) + "=" + std::to_string(value);
  }
  return text;
}

std::string RandomSigns(std::size_t digits, Rng& rng) {
  std::string signs(digits - 1, '+');
  for (char& sign : signs) sign = rng.Range(0, 1) == 0 ? '+' : '-';
  return signs;
}

Problem DrawProblem(int digits, Rng& rng) {
  Problem problem;
  for (int i = 0; i < digits; ++i) problem.digits.push_back(static_cast<int>(rng.Range(1, 9)));
  problem.target = Value(problem.digits, RandomSigns(problem.digits.size(), rng));
  return problem;
}

std::string Completed(const std::string& workings, const std::string& answer) {
  return "<think>" + workings + "</think><answer>" + answer + "</answer>";
}

// ---- reading what a policy wrote ----

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Reads a whole number of at most 6 digits, with a minus where `sign` allows it. Moves `at` only on
// success.
std::optional<int> ReadNumber(std::string_view text, std::size_t& at, bool sign) {
  std::size_t end = at;
  const bool negative = sign && end < text.size() && text[end] == '-';
  if (negative) ++end;
  const std::size_t first = end;
  int value = 0;
  for (; end < text.size() && IsDigit(text[end]); ++end) {
    if (end - first == 6) return std::nullopt;
    value = value * 10 + (text[end] - '0');
  }
  if (end == first) return std::nullopt;
  at = end;
  return negative ? -value : value;
}

std::optional<Problem> ReadPrompt(std::string_view text) {
  Problem problem;
  std::size_t at = 0;
  while (true) {
    const auto digit = ReadNumber(text, at, false);
    if (!digit || at == text.size()) return std::nullopt;
    problem.digits.push_back(*digit);
    const char next = text[at++];
    if (next == '=') break;
    if (next != ' ') return std::nullopt;
  }
  const auto target = ReadNumber(text, at, true);
  if (!target || at != text.size() || problem.digits.size() < 2) return std::nullopt;
  problem.target = *target;
  return problem;
}

// Says why `answer` does not solve the problem, or nothing when it does.
std::string Fault(const std::string& answer, const Problem& problem) {
  std::string signs;
  std::size_t at = 0;
  for (std::size_t i = 0; i < problem.digits.size(); ++i) {
    if (i > 0) {
      if (at == answer.size() || (answer[at] != '+' && answer[at] != '-')) {
        return "a sign is missing, or there is something else than digits and signs";
      }
      signs += answer[at++];
    }
    const auto digit = ReadNumber(answer, at, false);
    if (!digit || *digit != problem.digits[i]) return "other digits than the problem's";
  }
  if (at != answer.size()) return "something follows the last digit";
  const int value = Value(problem.digits, signs);
  if (value == problem.target) return {};
  return "the sum is " + std::to_string(value) + ", not " + std::to_string(problem.target);
}

// Reads one working, the text between two `;`, and counts into `quality`.
class WorkingReader {
 public:
  // `cut` tells that the text may end in the middle because the completion did.
  WorkingReader(std::string_view text, const std::optional<Problem>& problem, bool cut)
      : text_(text), problem_(problem), cut_(cut) {}

  ScratchpadQuality Read() {
    const auto first = ReadNumber(text_, at_, true);
    if (!first) return Unreadable();
    in_place_ = !problem_ || *first == problem_->digits[0];
    std::optional<int> value = first;
    for (place_ = 1; at_ < text_.size() && IsSign(text_[at_]); ++place_) {
      value = ReadSum(*value);
      if (!value) return Unreadable();
    }
    if (at_ == text_.size()) {
      if (quality_.sums == 0) return Unreadable();
      return quality_;
    }
    const char mark = text_[at_++];
    if ((mark != 'n' && mark != 'y') || at_ != text_.size() || quality_.sums == 0) {
      return Unreadable();
    }
    CountVerdict(mark == 'y', *value);
    return quality_;
  }

 private:
  static bool IsSign(char c) { return c == '+' || c == '-'; }

  // Reads `+9=21` behind a running sum; nothing when it is no such text.
  std::optional<int> ReadSum(int before) {
    const bool minus = text_[at_++] == '-';
    const auto digit = ReadNumber(text_, at_, false);
    if (!digit || at_ == text_.size() || text_[at_] != '=') return std::nullopt;
    ++at_;
    const auto after = ReadNumber(text_, at_, true);
    if (!after) return std::nullopt;
    // A number that ends where a cut completion ends may lack its last digits.
    if (cut_ && at_ == text_.size()) return after;
    in_place_ = !problem_ || (in_place_ && place_ < problem_->digits.size() &&
                              *digit == problem_->digits[place_]);
    ++quality_.sums;
    if (in_place_ && *after == (minus ? before - *digit : before + *digit)) ++quality_.sums_right;
    return after;
  }

  void CountVerdict(bool says_hit, int value) {
    if (!problem_) return;
    ++quality_.verdicts;
    const bool whole = place_ == problem_->digits.size();
    if (whole && says_hit == (value == problem_->target)) ++quality_.verdicts_right;
  }

  ScratchpadQuality Unreadable() {
    if (!cut_ || at_ < text_.size()) ++quality_.sums;
    return quality_;
  }

  std::string_view text_;
  const std::optional<Problem>& problem_;
  bool cut_;
  std::size_t at_ = 0;
  std::size_t place_ = 1;
  bool in_place_ = true;
  ScratchpadQuality quality_;
};

// ---- the environment ----

// Kinds of drill, as weights. All are plain text without the prompt template.
struct DrillConfig {
  double chains = 0.2;
  double walks = 0.2;
  double compare = 0.2;
  double worked = 0.4;

  void VisitFields(FieldVisitor& visit) {
    visit("chains", chains, "weight of short sums without a target: 7+5=12+9=21;4-6=-2+8=6", {0.0, 1e6});
    visit("walks", walks, "weight of one long chain over the range of values: 7+5=12-9=3-8=-5+..", {0.0, 1e6});
    visit("compare", compare, "weight of numbers marked against a target: =14<think>18n;14y;6n</think>", {0.0, 1e6});
    visit("worked", worked, "weight of a problem with candidates in random order, worked out and marked", {0.0, 1e6});
  }
  void Validate(Problems& problems, const Location& where) const {
    if (chains + walks + compare + worked <= 0) {
      problems.Add(where, "the weights of all kinds of drill are 0; give one of them more, or set "
                          "corpus.drills to 0");
    }
  }
};

struct CorpusConfig {
  double drills = 0.5;
  DrillConfig drill_kinds;
  IntRange drill_lines{2, 6};
  double drill_hits = 0.5;
  double guess = 0.12;
  double never_give_up = 0.1;
  double give_up_low = 0.5;
  double give_up_high = 0.6;
  double give_up_last = 0.5;

  void VisitFields(FieldVisitor& visit) {
    visit("drills", drills, "share of documents that are drills without a prompt", {0.0, 1.0});
    visit("drill_kinds", drill_kinds, "what the drills are, as weights");
    visit("drill_lines", drill_lines, "workings or marked numbers in a drill", {1, 64});
    visit("drill_hits", drill_hits, "share of drills that end in a hit; of compared numbers that are the target", {0.0, 1.0});
    visit("guess", guess, "of the attempts, the share that answers at random with nothing in <think>", {0.0, 1.0});
    visit("never_give_up", never_give_up, "of the searches, the share that goes on to the hit", {0.0, 1.0});
    visit("give_up_low", give_up_low, "least chance to give up after a miss; drawn once a document", {0.0, 1.0});
    visit("give_up_high", give_up_high, "greatest chance to give up after a miss", {0.0, 1.0});
    visit("give_up_last", give_up_last, "of those that give up, the share that answers with the last candidate, the others at random; always wrong", {0.0, 1.0});
  }
  void Validate(Problems& problems, const Location& where) const {
    if (give_up_low > give_up_high) problems.Add(where, "give_up_low is above give_up_high");
  }
};

class SignsEnv final : public SingleTurnEnv {
 public:
  struct Config {
    int digits = 4;
    CorpusConfig corpus;
    void VisitFields(FieldVisitor& visit) {
      visit("digits", digits, "digits of a problem; 9^digits times 2^(digits-1) problems", {2, 8});
      visit("corpus", corpus, "the documents to pre-train a base model on");
    }
  };
  explicit SignsEnv(const Config& config)
      : config_(config), candidates_(SignCandidates(config.digits)) {}

  Task MakeTask(Rng& rng) const override {
    const Problem problem = DrawProblem(config_.digits, rng);
    return {.prompt = PromptOf(problem),
            .answer = Expression(problem.digits, candidates_[FirstHit(problem)]),
            .facts = {}};
  }

  Verdict Score(const Task& task, const Completion& completion) const override {
    const Extraction found = Extract(completion.text);
    if (found.place != AnswerPlace::kAnswerPart) return {0.0, "no answer in <answer> tags"};
    const auto problem = ReadPrompt(task.prompt);
    Check(problem.has_value(), "a prompt of the signs environment cannot be read back");
    const std::string fault = Fault(*found.text, *problem);
    return fault.empty() ? Verdict{1.0, "hits the target"} : Verdict{0.0, fault};
  }

  std::string GoldCompletion() const override {
    const auto problem = ReadPrompt(task().prompt);
    Check(problem.has_value(), "a prompt of the signs environment cannot be read back");
    return Search(*problem, FirstHit(*problem));
  }

  bool HasCorpus() const override { return true; }
  Document CorpusDocument(Rng& rng) const override {
    const Problem problem = TrainProblem(rng);
    if (rng.Uniform() < config_.corpus.drills) return {"", Drill(problem, rng)};
    return {PromptOf(problem), Attempt(problem, rng)};
  }

 private:
  Problem TrainProblem(Rng& rng) const {
    for (int attempt = 0; attempt < 10000; ++attempt) {
      Problem problem = DrawProblem(config_.digits, rng);
      if (InSplit(PromptOf(problem), Split::kTrain)) return problem;
    }
    throw InternalError("signs: no training problem in 10,000 draws");
  }

  std::size_t FirstHit(const Problem& problem) const {
    std::size_t at = 0;
    while (Value(problem.digits, candidates_[at]) != problem.target) ++at;
    return at;
  }

  std::string Working(const Problem& problem, const std::string& signs) const {
    const bool hit = Value(problem.digits, signs) == problem.target;
    return RunningSums(problem.digits, signs) + (hit ? "y" : "n");
  }

  // The candidates up to and including `last`, worked out and marked.
  std::string Workings(const Problem& problem, std::size_t last) const {
    std::string text;
    for (std::size_t i = 0; i <= last; ++i) {
      text += (i > 0 ? ";" : "") + Working(problem, candidates_[i]);
    }
    return text;
  }

  // The whole search of a problem, with its answer.
  std::string Search(const Problem& problem, std::size_t hit) const {
    return Completed(Workings(problem, hit), Expression(problem.digits, candidates_[hit]));
  }

  // A guess, a search that gives up, or one that does not.
  std::string Attempt(const Problem& problem, Rng& rng) const {
    const CorpusConfig& mix = config_.corpus;
    if (rng.Uniform() < mix.guess) {
      return Completed("", Expression(problem.digits, RandomSigns(problem.digits.size(), rng)));
    }
    const std::size_t hit = FirstHit(problem);
    const bool patient = rng.Uniform() < mix.never_give_up;
    const double give_up =
        patient ? 0.0 : mix.give_up_low + (mix.give_up_high - mix.give_up_low) * rng.Uniform();
    std::size_t last = 0;
    while (last < hit && rng.Uniform() >= give_up) ++last;
    if (last == hit) return Search(problem, hit);
    const std::string answer =
        rng.Uniform() < mix.give_up_last ? candidates_[last] : Pick(problem, false, rng);
    return Completed(Workings(problem, last), Expression(problem.digits, answer));
  }

  // Random signs among those that hit the target, or among those that miss it. Both exist: digits
  // are at least 1, and the target is the value of some signs.
  std::string Pick(const Problem& problem, bool hit, Rng& rng) const {
    std::vector<std::size_t> fitting;
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      if ((Value(problem.digits, candidates_[i]) == problem.target) == hit) fitting.push_back(i);
    }
    Check(!fitting.empty(), "every problem of signs has a hit and a miss");
    return candidates_[fitting[static_cast<std::size_t>(
        rng.Range(0, static_cast<std::int64_t>(fitting.size()) - 1))]];
  }

  std::string Drill(const Problem& problem, Rng& rng) const {
    const DrillConfig& kinds = config_.corpus.drill_kinds;
    const auto lines = static_cast<int>(
        rng.Range(config_.corpus.drill_lines.low, config_.corpus.drill_lines.high));
    double at = rng.Uniform() * (kinds.chains + kinds.walks + kinds.compare + kinds.worked);
    if ((at -= kinds.chains) < 0) return Chains(lines, rng);
    if ((at -= kinds.walks) < 0) return Walk(problem, lines, rng);
    if ((at -= kinds.compare) < 0) return Compare(problem, lines, rng);
    return WorkedOut(problem, lines, rng);
  }

  // Each chain is a training problem worked with signs that solve it.
  std::string Chains(int lines, Rng& rng) const {
    std::string text = "<think>";
    for (int i = 0; i < lines; ++i) {
      const Problem problem = TrainProblem(rng);
      text += (i > 0 ? ";" : "") + RunningSums(problem.digits, Pick(problem, true, rng));
    }
    return text + "</think>";
  }

  // A walk through all values that a problem of this size can reach. Rare sums are as common here
  // as frequent ones: steps turn back at both ends, and drift to neither.
  std::string Walk(const Problem& problem, int lines, Rng& rng) const {
    const int count = config_.digits;
    const int highest = 9 * count;
    const int lowest = 1 - 9 * (count - 1);
    int value = problem.digits[0];
    int heading = rng.Range(0, 1) == 0 ? 1 : -1;
    std::string text = "<think>" + std::to_string(value);
    for (int step = 0; step < lines * (count - 1); ++step) {
      if (rng.Uniform() < 0.3) heading = -heading;
      const int digit = static_cast<int>(rng.Range(1, 9));
      if (value + heading * digit > highest || value + heading * digit < lowest) heading = -heading;
      value += heading * digit;
      text += (heading > 0 ? "+" : "-") + std::to_string(digit) + "=" + std::to_string(value);
    }
    return text + "</think>";
  }

  // A target, and values of the problem's candidates marked against it.
  std::string Compare(const Problem& problem, int lines, Rng& rng) const {
    std::string text = "=" + std::to_string(problem.target) + "<think>";
    for (int i = 0; i < lines; ++i) {
      const bool hit = rng.Uniform() < config_.corpus.drill_hits;
      const int value = Value(problem.digits, Pick(problem, hit, rng));
      text += (i > 0 ? ";" : "") + std::to_string(value) + (hit ? "y" : "n");
    }
    return text + "</think>";
  }

  // A problem with candidates in random order; a hit only as the last, as in a search.
  std::string WorkedOut(const Problem& problem, int lines, Rng& rng) const {
    const bool hit_at_end = rng.Uniform() < config_.corpus.drill_hits;
    std::string text = PromptOf(problem) + "<think>";
    for (int i = 0; i < lines; ++i) {
      const bool hit = hit_at_end && i + 1 == lines;
      text += (i > 0 ? ";" : "") + Working(problem, Pick(problem, hit, rng));
    }
    return text + "</think>";
  }

  Config config_;
  std::vector<std::string> candidates_;
};

}  // namespace

ScratchpadQuality& ScratchpadQuality::operator+=(const ScratchpadQuality& other) {
  sums += other.sums;
  sums_right += other.sums_right;
  verdicts += other.verdicts;
  verdicts_right += other.verdicts_right;
  return *this;
}

ScratchpadQuality CheckScratchpad(const std::string& prompt, const std::string& completion) {
  const auto problem = ReadPrompt(TrimAscii(prompt));
  const auto reasoning = Reasoning(completion);
  ScratchpadQuality quality;
  if (!reasoning || reasoning->text.empty()) return quality;
  std::string_view rest = reasoning->text;
  while (true) {
    const std::size_t end = rest.find(';');
    const bool last = end == std::string_view::npos;
    quality += WorkingReader(rest.substr(0, end), problem, last && !reasoning->closed).Read();
    if (last) return quality;
    rest.remove_prefix(end + 1);
  }
}

std::vector<std::string> SignCandidates(int digits) {
  const unsigned count = 1u << (digits - 1);
  std::vector<unsigned> masks(count);
  for (unsigned i = 0; i < count; ++i) masks[i] = i;
  std::stable_sort(masks.begin(), masks.end(),
                   [](unsigned a, unsigned b) { return std::popcount(a) < std::popcount(b); });
  std::vector<std::string> candidates;
  for (const unsigned mask : masks) {
    std::string signs;
    for (int bit = digits - 2; bit >= 0; --bit) signs += (mask >> bit & 1u) ? '-' : '+';
    candidates.push_back(signs);
  }
  return candidates;
}

void RegisterSigns(EnvRegistry& envs) {
  envs.Add<SignsEnv>("signs", "put + or - between digits to reach a target; the scratchpad is a search");
}

}  // namespace cogent
