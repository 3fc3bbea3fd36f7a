#include "envs/word_problems.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"
#include "core/shared_file.h"
#include "envs/single_turn.h"
#include "envs/template.h"
#include "verifiers/accuracy.h"

namespace cogent {
namespace {

// {a} {b} {c} are numbers, {name} and {thing} words; the steps are how the answer comes about.
struct Story {
  const char* text;
  const char* steps;  // shown as reasoning; {r} is the answer
  std::int64_t (*answer)(std::int64_t a, std::int64_t b, std::int64_t c);
};

struct LanguageOf {
  const char* code;
  std::vector<const char*> names, things;
  std::vector<Story> stories;
};

const std::vector<LanguageOf>& Languages() {
  static const std::vector<LanguageOf> all = {
      {"en", {"Anna", "Ben", "Clara", "David", "Emma", "Felix"}, {"apples", "pencils", "stamps", "marbles", "books", "cards"},
       {{"{name} has {a} {thing} and buys {b} more. Then {name} gives {c} of them away. How many {thing} does {name} have now?", "First {a} + {b}, then take {c} away, so {r}.",
         [](std::int64_t a, std::int64_t b, std::int64_t c) { return a + b - c; }},
        {"A box holds {a} {thing}. {name} fills {b} boxes and has {c} {thing} left over. How many {thing} are there in all?", "The boxes hold {a} * {b}, and {c} more make {r}.",
         [](std::int64_t a, std::int64_t b, std::int64_t c) { return a * b + c; }},
        {"{name} shares out {thing}: {a} people get {b} each, and {c} are lost on the way. How many {thing} were there at first?", "Given out are {a} * {b}, lost {c}, so there were {r}.",
         [](std::int64_t a, std::int64_t b, std::int64_t c) { return a * b + c; }},
        {"On Monday {name} collects {a} {thing}, on Tuesday {b} more than on Monday, on Wednesday {c}. How many {thing} is that together?",
         "Monday {a}, Tuesday {a} + {b}, Wednesday {c}, together {r}.", [](std::int64_t a, std::int64_t b, std::int64_t c) { return a + a + b + c; }}}},
      {"zh", {"小明", "小红", "小华", "丽丽", "阿强", "小芳"}, {"苹果", "铅笔", "邮票", "弹珠", "书本", "卡片"},
       {{"{name}有{a}个{thing}，又买了{b}个，然后送出{c}个。{name}现在有几个{thing}？", "先算{a}加{b}，再减去{c}，得到{r}。",
         [](std::int64_t a, std::int64_t b, std::int64_t c) { return a + b - c; }},
        {"一个盒子装{a}个{thing}。{name}装满了{b}个盒子，还剩{c}个。一共有几个{thing}？", "盒子里有{a}乘{b}个，再加{c}个，一共{r}个。",
         [](std::int64_t a, std::int64_t b, std::int64_t c) { return a * b + c; }},
        {"星期一{name}收集了{a}个{thing}，星期二比星期一多{b}个，星期三收集了{c}个。三天一共收集了几个{thing}？", "星期一{a}，星期二是{a}加{b}，星期三{c}，一共{r}。",
         [](std::int64_t a, std::int64_t b, std::int64_t c) { return a + a + b + c; }}}}};
  return all;
}

struct Stored {
  std::string question, answer, steps;
};
using StoredProblems = std::vector<Stored>;

// GSM8K's layout: the number stands behind the last ####.
StoredProblems ReadProblems(const std::string& path) {
  StoredProblems problems;
  if (path.empty()) return problems;
  ForEachLineIn(path, [&](int number, std::string_view line) {
    const std::string where = path + ":" + std::to_string(number);
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto text = [&](const char* key) {
      if (!json.is_object() || !json.contains(key) || !json[key].is_string()) throw DataError(where + ": {\"question\": text, \"answer\": text} is wanted");
      return json[key].get<std::string>();
    };
    Stored stored{text("question"), text("answer"), ""};
    const std::size_t mark = stored.answer.rfind("####");
    stored.steps = stored.answer.substr(0, mark == std::string::npos ? 0 : mark);
    std::string answer = mark == std::string::npos ? stored.answer : stored.answer.substr(mark + 4);
    answer.erase(std::remove(answer.begin(), answer.end(), ','), answer.end());
    const auto value = Rational::Parse(answer);
    if (!value) throw DataError(where + ": the answer has no number behind ####");
    stored.answer = value->ToString();
    problems.push_back(std::move(stored));
  });
  if (problems.empty()) throw DataError(path + " holds no problem");
  return problems;
}

class WordProblemsEnv final : public SingleTurnEnv {
 public:
  struct Config {
    std::vector<std::string> languages = {"en"};
    IntRange values{2, 40};
    std::string problems;
    bool outside = false;
    void VisitFields(FieldVisitor& visit) {
      visit("languages", languages, "of drawn problems, evenly: en, zh");
      visit("values", values, "size of a number in a drawn problem", {1, 10000});
      visit("problems", problems, "JSON lines in GSM8K's layout instead of drawn ones");
      visit("outside", outside, "without <answer> tags, take the last number behind the reasoning as the answer");
    }
    void Validate(Problems& problems_found, const Location& where) const {
      if (languages.empty()) problems_found.Add(where, "languages is empty; known: en, zh");
      for (const std::string& code : languages) {
        const bool known = std::any_of(Languages().begin(), Languages().end(), [&](const LanguageOf& one) { return code == one.code; });
        if (!known) problems_found.Add(where, "languages names '" + code + "'; known: en, zh");
      }
      if (!problems.empty() && !std::ifstream(problems)) problems_found.Add(where, "problems: there is no file '" + problems + "'");
    }
  };
  explicit WordProblemsEnv(const Config& config)
      : config_(config), stored_(SharedFile<StoredProblems>(config.problems, [&] { return ReadProblems(config.problems); })) {}

  Task MakeTask(Rng& rng) const override {
    if (!stored_->empty()) {
      const Stored& one = Pick(*stored_, rng);
      return {.prompt = one.question, .answer = one.answer, .facts = {{"steps", one.steps}, {"language", "en"}}};
    }
    const std::string& code = Pick(config_.languages, rng);
    const LanguageOf& language = *std::find_if(Languages().begin(), Languages().end(), [&](const LanguageOf& one) { return code == one.code; });
    const Story& story = Pick(language.stories, rng);
    const auto number = [&] { return rng.Range(config_.values.low, config_.values.high); };
    const std::int64_t a = number(), b = number(), c = std::min(number(), a + b);
    const std::int64_t result = story.answer(a, b, c);
    const std::string texts[] = {std::to_string(a), std::to_string(b), std::to_string(c), std::to_string(result)};
    const Places places = {{"{a}", texts[0]}, {"{b}", texts[1]}, {"{c}", texts[2]}, {"{r}", texts[3]}, {"{name}", Pick(language.names, rng)}, {"{thing}", Pick(language.things, rng)}};
    return {.prompt = FillPlaces(story.text, places), .answer = texts[3], .facts = {{"steps", FillPlaces(story.steps, places)}, {"language", code}}};
  }

  Verdict Score(const Task& task, const Completion& completion) const override {
    const auto gold = Rational::Parse(task.answer);
    Check(gold.has_value(), "the gold answer of a word problem is no number");
    return NumberAccuracy(completion.text, *gold, {.outside = config_.outside});
  }

  std::string GoldCompletion() const override { return Worked(task()); }
  bool HasCorpus() const override { return stored_->empty(); }
  Document CorpusDocument(Rng& rng) const override {
    Check(HasCorpus(), "a corpus of stored problems");
    for (int attempt = 0; attempt < 10000; ++attempt) {
      const Task task = MakeTask(rng);
      if (InSplit(task.prompt, Split::kTrain)) return {task.prompt, Worked(task)};
    }
    throw DataError("word_problems: no training problem in 10,000 draws; widen values");
  }

 private:
  template <typename T>
  static const T& Pick(const std::vector<T>& list, Rng& rng) {
    return list[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(list.size()) - 1))];
  }
  static std::string Worked(const Task& task) {
    const std::string& steps = task.facts.at("steps");
    return "<think>" + (steps.empty() ? task.answer : steps) + "</think> <answer>" + task.answer + "</answer>";
  }

  Config config_;
  std::shared_ptr<const StoredProblems> stored_;
};

}  // namespace

void RegisterWordProblems(EnvRegistry& envs) {
  envs.Add<WordProblemsEnv>("word_problems", "short stories whose end is a number, in one or two languages; or GSM8K's layout from a file");
}

}  // namespace cogent
