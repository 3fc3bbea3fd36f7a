#include "envs/signs.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "core/error.h"
#include "envs/single_turn.h"
#include "verifiers/extract.h"
#include "verifiers/format.h"
#include "verifiers/language.h"

namespace cogent {
namespace {

std::string RandomSigns(std::size_t digits, Rng& rng) {
  std::string signs(digits - 1, '+');
  for (char& sign : signs) sign = rng.Range(0, 1) == 0 ? '+' : '-';
  return signs;
}

SignsProblem DrawProblem(int digits, Rng& rng) {
  SignsProblem problem;
  for (int i = 0; i < digits; ++i) problem.digits.push_back(static_cast<int>(rng.Range(1, 9)));
  problem.target = SignsValue(problem.digits, RandomSigns(problem.digits.size(), rng));
  return problem;
}

std::string Completed(const std::string& workings, const std::string& answer) {
  return "<think>" + workings + "</think><answer>" + answer + "</answer>";
}

// Kinds of drill, as weights. All are plain text without the prompt template.
struct DrillConfig {
  double chains = 0.2;
  double walks = 0.2;
  double compare = 0.2;
  double worked = 0.4;

  void VisitFields(FieldVisitor& visit) {
    visit("chains", chains, "weight of short sums without a target: 7+5=12+9=21;4-6=-2+8=6",
          {0.0, 1e6});
    visit("walks", walks, "weight of one long chain over the range of values: 7+5=12-9=3-8=-5+..",
          {0.0, 1e6});
    visit("compare", compare,
          "weight of numbers marked against a target: =14<think>18n;14y;6n</think>", {0.0, 1e6});
    visit("worked", worked,
          "weight of the end of a search: a problem, from some candidate on to the hit, answered", {0.0, 1e6});
  }
  void Validate(Problems& problems, const Location& where) const {
    if (chains + walks + compare + worked <= 0) {
      problems.Add(where,
                   "the weights of all kinds of drill are 0; give one of them more, or set "
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
  double mixed = 0.1;
  double mixed_more = 0.25;
  double change = 0.3;
  double checked = 0.0;
  std::string ask;
  double asked = 0.0;
  double heeded = 0.5;
  double pages = 0.0;
  IntRange page_problems{2, 3};
  double page_patient = 0.5;

  void VisitFields(FieldVisitor& visit) {
    visit("drills", drills, "share of documents that are drills without a prompt", {0.0, 1.0});
    visit("drill_kinds", drill_kinds, "what the drills are, as weights");
    visit("drill_lines", drill_lines, "workings or marked numbers in a drill", {1, 64});
    visit("drill_hits", drill_hits,
          "share of drills that end in a hit; of compared numbers that are the target", {0.0, 1.0});
    visit("guess", guess,
          "of the attempts, the share that answers at random with nothing in <think>", {0.0, 1.0});
    visit("never_give_up", never_give_up, "of the searches, the share that goes on to the hit",
          {0.0, 1.0});
    visit("give_up_low", give_up_low, "least chance to give up after a miss; drawn once a document",
          {0.0, 1.0});
    visit("give_up_high", give_up_high, "greatest chance to give up after a miss", {0.0, 1.0});
    visit("give_up_last", give_up_last,
          "of those that give up, the share that answers with the last candidate, the others at "
          "random; always wrong",
          {0.0, 1.0});
    visit("mixed", mixed, "with `languages`: the chance that a reasoning of one working mixes them", {0.0, 1.0});
    visit("mixed_more", mixed_more, "how much this grows with each further working", {0.0, 1.0});
    visit("change", change, "the chance that a mixed reasoning draws its language anew before a word", {0.0, 1.0});
    visit("checked", checked, "of the searches that reach the hit, the share that works it out once more, behind `check`", {0.0, 1.0});
    visit("ask", ask, "a wish that some questions end with, such as `check each step`");
    visit("asked", asked, "of the attempts, the share whose question ends with `ask`", {0.0, 1.0});
    visit("heeded", heeded, "of these, the share that goes on to the hit and checks it; the others are as if not asked", {0.0, 1.0});
    visit("pages", pages, "share of documents with several problems, one after another, all attempted in one manner", {0.0, 1.0});
    visit("page_problems", page_problems, "problems of such a page", {2, 16});
    visit("page_patient", page_patient, "of the pages, the share that goes on to the hit in every problem; the others are as single attempts", {0.0, 1.0});
  }
  void Validate(Problems& problems, const Location& where) const {
    if (give_up_low > give_up_high) problems.Add(where, "give_up_low is above give_up_high");
    if (asked > 0 && ask.empty()) problems.Add(where, "asked is above 0, and `ask` is empty; write the wish");
  }
};

class SignsEnv final : public SingleTurnEnv {
 public:
  struct Config {
    int digits = 4;
    std::vector<std::string> languages;
    CorpusConfig corpus;
    void VisitFields(FieldVisitor& visit) {
      visit("digits", digits, "digits of a problem; 9^digits times 2^(digits-1) problems", {2, 8});
      visit("languages", languages, "say all in words, each problem in one of these: en, zh; empty = marks instead of words");
      visit("corpus", corpus, "the documents to pre-train a base model on");
    }
    void Validate(Problems& problems, const Location& where) const {
      const std::vector<std::string> known = SignsLanguages();
      for (std::size_t i = 0; i < languages.size(); ++i) {
        if (std::find(known.begin(), known.end(), languages[i]) == known.end()) {
          problems.Add(where, "languages names '" + languages[i] + "'; known: en, zh");
        } else if (std::find(languages.begin(), languages.begin() + static_cast<std::ptrdiff_t>(i), languages[i]) != languages.begin() + static_cast<std::ptrdiff_t>(i)) {
          problems.Add(where, "languages names '" + languages[i] + "' twice");
        }
      }
    }
  };
  explicit SignsEnv(const Config& config)
      : config_(config), candidates_(SignCandidates(config.digits)) {}

  Task MakeTask(Rng& rng) const override {
    const SignsProblem problem = DrawProblem(config_.digits, rng);
    Task task{.prompt = Asked(problem), .answer = SignsExpression(problem.digits, candidates_[FirstHit(problem)]), .facts = {}};
    if (InWords()) task.facts = {{"language", LanguageOf(problem)}, {"problem", SignsPrompt(problem)}};
    return task;
  }

  Verdict Score(const Task& task, const Completion& completion) const override {
    const Extraction found = Extract(completion.text);
    if (!found.text) return {0.0, "no answer in <answer> tags or a box"};
    const std::string fault = SignsFault(*found.text, ProblemOf(task));
    return fault.empty() ? Verdict{1.0, "hits the target"} : Verdict{0.0, fault};
  }

  // How much of the scratchpad is right: a base whose workings are unreliable cannot be taught by rewards.
  std::vector<NamedScore> Measure(const Task& task, const Completion& completion) const override {
    std::vector<NamedScore> measures;
    std::string text = completion.text;
    if (InWords()) {
      const auto reasoning = ReasoningInLayout(text);
      const LanguageCounts words = CountLanguages(reasoning ? reasoning->text : "");
      const bool pure = words.total == words.words[LanguageIndex(task.facts.at("language"))];
      if (words.total > 0) measures.push_back({"mixed", pure ? 0.0 : 1.0, 0.0, {}});
      text = reasoning ? "<think>" + UnsaySigns(reasoning->text) + (reasoning->closed ? "</think>" : "") : "";
    }
    const ScratchpadQuality q = CheckScratchpad(SignsPrompt(ProblemOf(task)), text);
    if (q.sums > 0) measures.push_back({"checked", q.checks > 0 ? 1.0 : 0.0, 0.0, {}});
    if (q.sums > 0) measures.push_back({"right_sums", static_cast<double>(q.sums_right) / q.sums, 0.0, {}});
    if (q.verdicts > 0) measures.push_back({"right_verdicts", static_cast<double>(q.verdicts_right) / q.verdicts, 0.0, {}});
    return measures;
  }

  std::string GoldCompletion() const override {
    const SignsProblem problem = ProblemOf(task());
    const std::string gold = Search(problem, FirstHit(problem));
    return InWords() ? Said(gold, LanguageOf(problem), nullptr) : gold;
  }

  bool HasCorpus() const override { return true; }
  Document CorpusDocument(Rng& rng) const override {
    const SignsProblem problem = TrainProblem(rng);
    if (rng.Uniform() < config_.corpus.drills) {
      const std::string drill = Drill(problem, rng);
      return {"", InWords() ? Said(drill, LanguageOf(problem), &rng, rng.Uniform()) : drill};
    }
    const CorpusConfig& mix = config_.corpus;
    const bool asked = mix.asked > 0 && rng.Uniform() < mix.asked;
    const Manner manner = asked && rng.Uniform() < mix.heeded ? Manner{.checks = true} : DrawManner(rng);
    Document document = Attempted(problem, manner, rng);
    if (asked) document.prompt += " " + mix.ask;
    return document;
  }
  std::vector<Document> CorpusPage(Rng& rng) const override {
    const CorpusConfig& mix = config_.corpus;
    if (mix.pages == 0 || rng.Uniform() >= mix.pages) return {CorpusDocument(rng)};
    Manner manner = rng.Uniform() < mix.page_patient ? Manner{.checks = rng.Uniform() < mix.checked} : DrawManner(rng);
    manner.mixes = rng.Uniform();
    std::vector<Document> page;
    for (std::int64_t left = rng.Range(mix.page_problems.low, mix.page_problems.high); left > 0; --left) {
      page.push_back(Attempted(TrainProblem(rng), manner, rng));
    }
    return page;
  }

 private:
  bool InWords() const { return !config_.languages.empty(); }

  // By the problem alone: one that is held out in a language must not be trained on in another.
  const std::string& LanguageOf(const SignsProblem& problem) const {
    const auto count = static_cast<std::int64_t>(config_.languages.size());
    return config_.languages[static_cast<std::size_t>(Rng(0).Fork("signs language").Fork(SignsPrompt(problem)).Range(0, count - 1))];
  }
  std::string Asked(const SignsProblem& problem) const { return InWords() ? SayProblem(problem, LanguageOf(problem)) : SignsPrompt(problem); }
  SignsProblem ProblemOf(const Task& task) const {
    const auto problem = ReadSignsPrompt(InWords() ? task.facts.at("problem") : task.prompt);
    Check(problem.has_value(), "a prompt of the signs environment cannot be read back");
    return *problem;
  }

  // How a problem is attempted: a guess, or a search that gives up after a miss by this chance.
  struct Manner {
    bool guess = false;
    double give_up = 0.0;
    bool checks = false;           // a hit is worked out once more
    std::optional<double> mixes;   // languages are mixed where this is below the corpus's chance; nothing: drawn for each text
  };

  Manner DrawManner(Rng& rng) const {
    const CorpusConfig& mix = config_.corpus;
    if (rng.Uniform() < mix.guess) return {.guess = true};
    const bool patient = rng.Uniform() < mix.never_give_up;
    const double give_up = patient ? 0.0 : mix.give_up_low + (mix.give_up_high - mix.give_up_low) * rng.Uniform();
    return {.give_up = give_up, .checks = mix.checked > 0 && rng.Uniform() < mix.checked};
  }

  Document Attempted(const SignsProblem& problem, const Manner& manner, Rng& rng) const {
    const std::string text = Attempt(problem, manner, rng);
    if (!InWords()) return {Asked(problem), text};
    const double mixes = manner.mixes ? *manner.mixes : rng.Uniform();
    return {Asked(problem), Said(text, LanguageOf(problem), &rng, mixes)};
  }

  // A document or a solution in words; with `rng`, mixed as the corpus says where `mixes` is below its chance. What stands before the reasoning is a problem or what is
  // left of one (`=14`), what stands behind it is an answer and stays.
  std::string Said(const std::string& text, const std::string& language, Rng* rng, double mixes = 1.0) const {
    const CorpusConfig& mix = config_.corpus;
    const std::string open = "<think>";
    const std::size_t begin = text.find(open), end = text.find("</think>");
    Check(begin != std::string::npos && end != std::string::npos, "a document of signs has no reasoning");
    const std::string before = text.substr(0, begin), reasoning = text.substr(begin + open.size(), end - begin - open.size());
    const auto further = static_cast<double>(std::count(reasoning.begin(), reasoning.end(), ';'));
    const bool mixed = rng != nullptr && mixes < mix.mixed + mix.mixed_more * further;
    std::string now = language;
    const auto next = [&]() -> std::string {
      if (mixed && rng->Uniform() < mix.change) now = config_.languages[static_cast<std::size_t>(rng->Range(0, static_cast<std::int64_t>(config_.languages.size()) - 1))];
      return now;
    };
    const auto problem = ReadSignsPrompt(before);
    const std::string said = problem ? SayProblem(*problem, language) : SaySigns(before, [&] { return language; });
    return said + open + SaySigns(reasoning, next) + text.substr(end);
  }

  SignsProblem TrainProblem(Rng& rng) const {
    for (int attempt = 0; attempt < 10000; ++attempt) {
      SignsProblem problem = DrawProblem(config_.digits, rng);
      if (InSplit(Asked(problem), Split::kTrain)) return problem;
    }
    throw InternalError("signs: no training problem in 10,000 draws");
  }

  std::size_t FirstHit(const SignsProblem& problem) const {
    std::size_t at = 0;
    while (SignsValue(problem.digits, candidates_[at]) != problem.target) ++at;
    return at;
  }

  std::string Working(const SignsProblem& problem, const std::string& signs) const {
    const bool hit = SignsValue(problem.digits, signs) == problem.target;
    return RunningSums(problem.digits, signs) + (hit ? "y" : "n");
  }

  // The candidates up to and including `last`, worked out and marked.
  std::string Workings(const SignsProblem& problem, std::size_t last) const {
    std::string text;
    for (std::size_t i = 0; i <= last; ++i) {
      text += (i > 0 ? ";" : "") + Working(problem, candidates_[i]);
    }
    return text;
  }

  // The whole search of a problem, with its answer.
  std::string Search(const SignsProblem& problem, std::size_t hit, bool checks = false) const {
    const std::string check = checks ? ";c" + Working(problem, candidates_[hit]) : "";
    return Completed(Workings(problem, hit) + check, SignsExpression(problem.digits, candidates_[hit]));
  }

  // A guess, a search that gives up, or one that does not.
  std::string Attempt(const SignsProblem& problem, const Manner& manner, Rng& rng) const {
    if (manner.guess) return Completed("", SignsExpression(problem.digits, RandomSigns(problem.digits.size(), rng)));
    const std::size_t hit = FirstHit(problem);
    std::size_t last = 0;
    while (last < hit && rng.Uniform() >= manner.give_up) ++last;
    if (last == hit) return Search(problem, hit, manner.checks);
    const std::string answer =
        rng.Uniform() < config_.corpus.give_up_last ? candidates_[last] : Pick(problem, false, rng);
    return Completed(Workings(problem, last), SignsExpression(problem.digits, answer));
  }

  // Random signs among those that hit the target, or among those that miss it. Both exist: digits
  // are at least 1, and the target is the value of some signs.
  std::string Pick(const SignsProblem& problem, bool hit, Rng& rng) const {
    std::vector<std::size_t> fitting;
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      if ((SignsValue(problem.digits, candidates_[i]) == problem.target) == hit)
        fitting.push_back(i);
    }
    Check(!fitting.empty(), "every problem of signs has a hit and a miss");
    return candidates_[fitting[static_cast<std::size_t>(
        rng.Range(0, static_cast<std::int64_t>(fitting.size()) - 1))]];
  }

  std::string Drill(const SignsProblem& problem, Rng& rng) const {
    const DrillConfig& kinds = config_.corpus.drill_kinds;
    const auto lines = static_cast<int>(
        rng.Range(config_.corpus.drill_lines.low, config_.corpus.drill_lines.high));
    double at = rng.Uniform() * (kinds.chains + kinds.walks + kinds.compare + kinds.worked);
    if ((at -= kinds.chains) < 0) return Chains(lines, rng);
    if ((at -= kinds.walks) < 0) return Walk(problem, lines, rng);
    if ((at -= kinds.compare) < 0) return Compare(problem, lines, rng);
    return WorkedOut(problem, rng);
  }

  // Each chain is a training problem worked with signs that solve it.
  std::string Chains(int lines, Rng& rng) const {
    std::string text = "<think>";
    for (int i = 0; i < lines; ++i) {
      const SignsProblem problem = TrainProblem(rng);
      text += (i > 0 ? ";" : "") + RunningSums(problem.digits, Pick(problem, true, rng));
    }
    return text + "</think>";
  }

  // A walk through all values that a problem of this size can reach. Rare sums are as common here
  // as frequent ones: steps turn back at both ends, and drift to neither.
  std::string Walk(const SignsProblem& problem, int lines, Rng& rng) const {
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
  std::string Compare(const SignsProblem& problem, int lines, Rng& rng) const {
    std::string text = "=" + std::to_string(problem.target) + "<think>";
    for (int i = 0; i < lines; ++i) {
      const bool hit = rng.Uniform() < config_.corpus.drill_hits;
      const int value = SignsValue(problem.digits, Pick(problem, hit, rng));
      text += (i > 0 ? ";" : "") + std::to_string(value) + (hit ? "y" : "n");
    }
    return text + "</think>";
  }

  // The end of a search: from some candidate on, in the search's order, to the hit and the answer. What
  // comes after a candidate is learned here, and not from problems: there most searches give up early.
  std::string WorkedOut(const SignsProblem& problem, Rng& rng) const {
    const auto hit = static_cast<std::int64_t>(FirstHit(problem));
    std::string text = SignsPrompt(problem) + "<think>";
    for (std::int64_t i = rng.Range(0, hit); i <= hit; ++i) {
      text += Working(problem, candidates_[static_cast<std::size_t>(i)]) + (i < hit ? ";" : "");
    }
    return text + "</think><answer>" + SignsExpression(problem.digits, candidates_[static_cast<std::size_t>(hit)]) + "</answer>";
  }

  Config config_;
  std::vector<std::string> candidates_;
};

}  // namespace

void RegisterSigns(EnvRegistry& envs) {
  envs.Add<SignsEnv>("signs",
                     "put + or - between digits to reach a target; the scratchpad is a search, in marks or in words");
}

}  // namespace cogent
