// What reading a struct accepts and says, and that dumping is its inverse.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "core/config.h"
#include "core/registry.h"
#include "core/scalar.h"
#include "tests/core/core_test_util.h"

namespace cogent {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Sampler {
  double temperature = 1.0;
  int top_k = 0;
  std::string mode = "sample";
  void VisitFields(FieldVisitor& visit) {
    visit("temperature", temperature, "divides the logits", {0.0, 10.0});
    visit("top_k", top_k, "0: all", {0, 1e9});
    visit("mode", mode, "how a token is chosen", OneOf{"sample", "greedy"});
  }
  void Validate(Problems& problems, const Node& section) const {
    if (mode == "greedy" && top_k != 0) problems.Add(section.PlaceOf("top_k"), "'top_k' has no effect when greedy.");
  }
};

struct RunConfig {
  bool resume = false;
  std::int64_t steps = 10;
  std::uint64_t seed = 0;
  double learning_rate = 1e-3;
  std::string title = "untitled";
  IntRange operands{2, 4};
  std::vector<std::string> stops;
  std::vector<double> weights{0.5};
  Choice algorithm{"grpo", Node::Map(), {}};
  std::vector<Choice> rewards;
  Node extra;
  Sampler sampler;
  std::optional<Sampler> eval;
  void VisitFields(FieldVisitor& visit) {
    visit("resume", resume, "go on from the newest checkpoint");
    visit("steps", steps, "optimizer steps", {1, 1e18});
    visit("seed", seed, "of every random number");
    visit("learning_rate", learning_rate, "of AdamW", {0, kInfinity});
    visit("title", title, "shown in the report");
    visit("operands", operands, "numbers in a problem", {1, 9});
    visit("stops", stops, "end a completion");
    visit("weights", weights, "of the rewards", {-1, 1});
    visit("algorithm", algorithm, "how to learn");
    visit("rewards", rewards, "what to pay for");
    visit("extra", extra, "kept as it is");
    visit("sampler", sampler, "of the rollouts");
    visit("eval", eval, "of the evaluation");
  }
};

std::vector<std::string> Mistakes(const std::string& text) {
  Problems problems;
  ReadConfig<RunConfig>(ParseYaml(text, "run.yaml"), problems);
  return problems.lines();
}

RunConfig Read(const std::string& text) {
  Problems problems;
  RunConfig run = ReadConfig<RunConfig>(ParseYaml(text, "run.yaml"), problems);
  problems.ThrowIfAny();
  return run;
}

std::string Dump(RunConfig& run) {
  return DumpYaml(DumpFields([&](FieldVisitor& visit) { run.VisitFields(visit); }));
}

TEST(ReadConfig, EachMistakeIsReportedWordForWord) {
  const std::string known =
      " Known: resume, steps, seed, learning_rate, title, operands, stops, weights, algorithm, rewards, extra, sampler, eval.";
  const std::pair<std::string, std::string> kCases[] = {
      {"stepps: 3", "1:1: unknown key 'stepps' in the file. Did you mean 'steps'?" + known},
      {"qwertyuiop: 3", "1:1: unknown key 'qwertyuiop' in the file." + known},
      {"sampler:\n  temprature: 1",
       "2:3: unknown key 'temprature' in section 'sampler'. Did you mean 'temperature'? Known: temperature, top_k, mode."},
      {"resume: no", "1:9: 'resume' must be true or false, but is text 'no'."},
      {"resume: 1", "1:9: 'resume' must be true or false, but is the number 1."},
      {"resume: \"true\"", "1:9: 'resume' must be true or false, but is text in quotes, 'true'."},
      {"steps: many", "1:8: 'steps' must be a whole number, but is text 'many'."},
      {"steps: 1.5", "1:8: 'steps' must be a whole number, but is the number 1.5."},
      {"steps: '3'", "1:8: 'steps' must be a whole number, but is text in quotes, '3'."},
      {"steps: [1]", "1:8: 'steps' must be a whole number, but is a list."},
      {"steps: {a: 1}", "1:8: 'steps' must be a whole number, but is a map."},
      {"steps:", "1:1: 'steps' must be a whole number, but is empty."},
      {"steps: true", "1:8: 'steps' must be a whole number, but is true."},
      {"steps: 0", "1:8: 'steps' must be from 1 to 1000000000000000000, but is 0."},
      {"steps: 1e30", "1:8: 'steps' must be from 1 to 1000000000000000000, but is 1e30."},
      {"seed: -1", "1:7: 'seed' must be from 0 to 18446744073709551615, but is -1."},
      {"seed: x", "1:7: 'seed' must be a whole number, but is text 'x'."},
      {"learning_rate: -1", "1:16: 'learning_rate' must be at least 0, but is -1."},
      {"learning_rate: .nan", "1:16: 'learning_rate' must be at least 0, but is .nan."},
      {"learning_rate: 1e999", "1:16: 'learning_rate' is 1e999, beyond what a 64-bit float holds."},
      {"learning_rate: fast", "1:16: 'learning_rate' must be a number, but is text 'fast'."},
      {"sampler: {temperature: 12}", "1:24: 'sampler.temperature' must be from 0 to 10, but is 12."},
      {"sampler: {top_k: 5000000000}", "1:18: 'sampler.top_k' must be from 0 to 1000000000, but is 5000000000."},
      {"sampler: {mode: gredy}", "1:17: 'sampler.mode' cannot be 'gredy'. Did you mean 'greedy'? Allowed: sample, greedy."},
      {"sampler: {mode: [a]}", "1:17: 'sampler.mode' must be one of: sample, greedy, but is a list."},
      {"sampler: fast", "1:10: 'sampler' must be a map of settings (key: value), but is text 'fast'."},
      {"eval: 3", "1:7: 'eval' must be a map of settings (key: value), but is the number 3."},
      {"title: [a]", "1:8: 'title' must be text, but is a list."},
      {"operands: [4, 2]", "1:11: 'operands' goes from 4 down to 2; write the smaller number first."},
      {"operands: [1, 20]", "1:15: 'operands' must be from 1 to 9, but is 20."},
      {"operands: [1, 2, 3]", "1:11: 'operands' must be a range, like [2, 4] or 3, but is a list of 3."},
      {"operands: {a: 1}", "1:11: 'operands' must be a range, like [2, 4] or 3, but is a map."},
      {"stops: x", "1:8: 'stops' must be a list of texts, like [a, b], but is text 'x'."},
      {"stops: [a, [b]]", "1:12: 'stops.1' must be text, but is a list."},
      {"weights: 1", "1:10: 'weights' must be a list of numbers, like [0.5, 1], but is the number 1."},
      {"weights: [0, 2]", "1:14: 'weights.1' must be from -1 to 1, but is 2."},
      {"algorithm: [a]", "1:12: 'algorithm' must be a name, or a map with `name: ...`, but is a list."},
      {"algorithm: {name: [a]}", "1:19: 'algorithm.name' must be a name, or a map with `name: ...`, but is a list."},
      {"rewards: a", "1:10: 'rewards' must be a list of names or maps, like [a, {name: b}], but is text 'a'."},
      {"rewards: [{weight: 1}]", "1:11: 'rewards.0' does not say which; add `name: ...`."},
      {"- 1", "1:1: the file must be a map of settings (key: value), but is a list."},
      {"sampler: {mode: greedy, top_k: 5}", "1:32: 'top_k' has no effect when greedy."},
  };
  for (const auto& [text, message] : kCases) {
    EXPECT_EQ(Mistakes(text), std::vector<std::string>{"run.yaml:" + message}) << text;
  }
}

TEST(ReadConfig, AllMistakesOfAFileAreReportedInOnePass) {
  Problems problems;
  ReadConfig<RunConfig>(ParseYaml("steps: x\nresume: 2\nsampler: {mode: a, tempo: 1}\nnew: 1\n", "run.yaml"), problems);
  EXPECT_EQ(problems.lines().size(), 5u);
  EXPECT_NE(ErrorOf<ConfigError>([&] { problems.ThrowIfAny(); }).find("\nrun.yaml:4:1: unknown key 'new'"), std::string::npos);
}

TEST(ReadConfig, AnOverrideIsThePlaceOfItsMistake) {
  Node root = ParseYaml("algorithm: grpo\n", "run.yaml");
  ApplyOverride(root, "sampler.temprature=2");
  ApplyOverride(root, "steps=x");
  Problems problems;
  ReadConfig<RunConfig>(root, problems);
  ASSERT_EQ(problems.lines().size(), 2u);
  EXPECT_EQ(problems.lines()[0], "override 'steps=x': 'steps' must be a whole number, but is text 'x'.");
  EXPECT_EQ(problems.lines()[1].substr(0, 56), "override 'sampler.temprature=2': unknown key 'temprature");
}

TEST(ReadConfig, RulesBetweenValuesWaitUntilTheValuesCanBeRead) {
  EXPECT_EQ(Mistakes("sampler: {mode: greedy, top_k: 5, temperature: x}").size(), 1u);
  EXPECT_EQ(Mistakes("sampler: {mode: greedy, top_k: 5, other: x}").size(), 2u);
}

TEST(ReadConfig, NumbersAreReadAsYaml12AndAsPeopleWriteThem) {
  for (const char* text : {"1000", "1_000", "1e3", "+1000", "1000.0", "0x3e8", "0o1750"}) {
    EXPECT_EQ(Read(std::string("steps: ") + text).steps, 1000) << text;
    EXPECT_EQ(Read(std::string("learning_rate: ") + text).learning_rate, 1000.0) << text;
  }
  EXPECT_EQ(Read("learning_rate: 1e-3").learning_rate, 1e-3);
  EXPECT_EQ(Read("seed: 18446744073709551615").seed, ~std::uint64_t{0});
  EXPECT_EQ(Read("title: no").title, "no");
  EXPECT_EQ(Read("title: 1e3").title, "1e3");
  for (const char* text : {"1_", "_1", "1__0", "1e", "e3", ".", "-", "+-1", "0x", "1 000", "1,000", "١"}) {
    EXPECT_FALSE(ParseInteger(text).ok()) << text;
    EXPECT_FALSE(ParseReal(text).ok()) << text;
  }
  EXPECT_EQ(ParseInteger("-9223372036854775808").value, std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(ParseInteger("9223372036854775808").ok());
}

TEST(ReadConfig, ARangeIsTwoNumbersOrOne) {
  const RunConfig one = Read("operands: 3");
  EXPECT_EQ(one.operands.low, 3);
  EXPECT_EQ(one.operands.high, 3);
  EXPECT_EQ(Read("operands: [3, 5]").operands.high, 5);
}

TEST(ReadConfig, AnOptionalSectionIsThereWhenItIsWritten) {
  EXPECT_FALSE(Read("").eval);
  EXPECT_FALSE(Read("eval:").eval);
  EXPECT_EQ(Read("eval: {}").eval->temperature, 1.0);
  EXPECT_EQ(Read("eval: {temperature: 2}").eval->temperature, 2.0);
}

TEST(ReadConfig, AChoiceIsANameOrAMapAndKeepsThePlacesOfItsSettings) {
  EXPECT_EQ(Read("algorithm: dapo").algorithm.name, "dapo");
  const Choice choice = Read("algorithm:\n  name: dapo\n  clip: 1\n").algorithm;
  EXPECT_EQ(choice.name, "dapo");
  EXPECT_EQ(choice.location.ToString(), "run.yaml:2:9");
  EXPECT_EQ(choice.settings.Find("name"), nullptr);
  EXPECT_EQ(choice.settings.key_locations[0].ToString(), "run.yaml:3:3");
  EXPECT_EQ(Read("algorithm: {clip: 1}").algorithm.name, "grpo");  // the default's
}

TEST(DumpFields, WritesWhatAPersonWouldAndReadsBack) {
  RunConfig run = Read("title: \"no\"\nlearning_rate: 1e-5\nalgorithm: {name: dapo, clip: 0.2}\neval: {}\nrewards: [a, {name: b, w: 1}]\n");
  EXPECT_EQ(Dump(run),
            "resume: false\nsteps: 10\nseed: 0\nlearning_rate: 1e-05\ntitle: \"no\"\noperands: [2, 4]\nstops: []\n"
            "weights: [0.5]\nalgorithm:\n  name: dapo\n  clip: 0.2\nrewards:\n  - a\n  - name: b\n    w: 1\nextra: null\n"
            "sampler:\n  temperature: 1\n  top_k: 0\n  mode: sample\n"
            "eval:\n  temperature: 1\n  top_k: 0\n  mode: sample\n");
  RunConfig again = Read(Dump(run));
  EXPECT_EQ(Dump(again), Dump(run));
}

TEST(DescribeFields, IsOneLineAField) {
  Sampler sampler;
  std::optional<Sampler> absent;
  EXPECT_EQ(DescribeFields([&](FieldVisitor& visit) {
              visit("sampler", sampler, "of the rollouts");
              visit("eval", absent, "of the evaluation");
            }),
            "sampler:       of the rollouts\n"
            "  temperature  number  1       0 to 10          divides the logits\n"
            "  top_k        whole   0       0 to 1000000000  0: all\n"
            "  mode         text    sample  sample|greedy    how a token is chosen\n"
            "eval:          of the evaluation (may be left out)\n"
            "  temperature  number  1       0 to 10          divides the logits\n"
            "  top_k        whole   0       0 to 1000000000  0: all\n"
            "  mode         text    sample  sample|greedy    how a token is chosen\n");
  EXPECT_FALSE(absent);
}

RC_GTEST_PROP(DumpFields, EveryConfigReadsBackToItself, ()) {
  RunConfig run;
  run.resume = *rc::gen::arbitrary<bool>();
  run.steps = *rc::gen::inRange<std::int64_t>(1, 1'000'000'000'000'000'000);
  run.seed = *rc::gen::arbitrary<std::uint64_t>();
  run.learning_rate = std::abs(*rc::gen::arbitrary<double>());
  run.title = *rc::gen::container<std::string>(rc::gen::inRange<char>(0, 127));
  run.operands = {*rc::gen::inRange(1, 5), *rc::gen::inRange(5, 10)};
  run.stops = *rc::gen::container<std::vector<std::string>>(
      rc::gen::element<std::string>("\n\n", "</answer>", "no", "", "a, b", "#", "é🙂", "1"));
  run.weights = {*rc::gen::inRange(-1000, 1000) / 1000.0, 1.0 / 3};
  run.algorithm.name = *rc::gen::element<std::string>("grpo", "1e3", "no", "a b");
  if (*rc::gen::arbitrary<bool>()) run.eval.emplace().temperature = *rc::gen::inRange(0, 1000) / 100.0;
  const std::string text = Dump(run);
  RC_LOG() << text;
  RunConfig back = Read(text);
  RC_ASSERT(back.resume == run.resume);
  RC_ASSERT(back.steps == run.steps);
  RC_ASSERT(back.seed == run.seed);
  RC_ASSERT(back.learning_rate == run.learning_rate);
  RC_ASSERT(back.title == run.title);
  RC_ASSERT(back.operands.low == run.operands.low && back.operands.high == run.operands.high);
  RC_ASSERT(back.stops == run.stops);
  RC_ASSERT(back.weights == run.weights);
  RC_ASSERT(back.algorithm.name == run.algorithm.name);
  RC_ASSERT(back.eval.has_value() == run.eval.has_value());
  RC_ASSERT(!run.eval || back.eval->temperature == run.eval->temperature);
  RC_ASSERT(Dump(back) == text);
}

RC_GTEST_PROP(FormatReal, ReadsBackToTheSameNumber, (std::uint64_t bits)) {
  double value;
  std::memcpy(&value, &bits, sizeof value);
  RC_PRE(!std::isnan(value));
  RC_ASSERT(ParseReal(FormatReal(value)).value == value);
}

TEST(Nearest, IsWithinTwoEditsOrAThirdOfTheLength) {
  const std::vector<std::string> known = {"clip_ratio", "kl_coef", "group_size", "lr"};
  EXPECT_EQ(Nearest("clip_ration", known), "clip_ratio");
  EXPECT_EQ(Nearest("Clip-Ratio", known), "clip_ratio");
  EXPECT_EQ(Nearest("kl_ceof", known), "kl_coef");  // a swap is one edit
  EXPECT_EQ(Nearest("groupsizes", known), "group_size");
  EXPECT_EQ(Nearest("kl", known), std::nullopt);    // "lr" is two edits away, which is all of it
  EXPECT_EQ(Nearest("temperature", known), std::nullopt);
  EXPECT_EQ(Nearest("", known), std::nullopt);
  EXPECT_EQ(Nearest("x", {}), std::nullopt);
}

struct Part {
  virtual ~Part() = default;
};
struct Plain : Part {
  struct Config {};
  explicit Plain(Config) {}
};
struct Scaled : Part {
  struct Config {
    double scale = 2;
    void VisitFields(FieldVisitor& visit) { visit("scale", scale, "of it", {0, 4}); }
  };
  explicit Scaled(Config config) : scale(config.scale) {}
  double scale;
};

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() : parts("part") {
    parts.Add<Plain>("plain", "has no settings");
    parts.Add<Scaled>("scaled", "has one");
  }
  std::string Mistake(const std::string& text) {
    Problems problems;
    Choice choice;
    const Node root = ParseYaml(text, "run.yaml");
    ReadFields(root, "the file", [&](FieldVisitor& visit) { visit("part", choice, "chosen"); }, problems);
    const auto part = parts.Make(choice, problems);
    EXPECT_EQ(part == nullptr, !problems.empty());
    return problems.empty() ? "" : problems.lines().back();
  }
  Registry<Part> parts;
};

TEST_F(RegistryTest, MakesWhatIsNamedWithItsSettings) {
  Problems problems;
  Node settings = ParseYaml("scale: 3", "run.yaml");
  const auto part = parts.Make({"scaled", settings, {}}, problems);
  EXPECT_EQ(dynamic_cast<Scaled&>(*part).scale, 3);
  EXPECT_NE(parts.Make({"plain", Node::Map(), {}}, problems), nullptr);
  EXPECT_EQ(DumpYaml(parts.Resolve({"scaled", Node::Map(), {}})), "scale: 2\n");
  EXPECT_EQ(parts.Describe("plain"), "");
  EXPECT_EQ(parts.Describe("scaled"), "scale  number  2  0 to 4  of it\n");
}

TEST_F(RegistryTest, MistakesAreReportedWordForWord) {
  EXPECT_EQ(Mistake("part: scalde"), "run.yaml:1:7: unknown part 'scalde'. Did you mean 'scaled'? Known: plain, scaled.");
  EXPECT_EQ(Mistake("part:\n  name: scaled\n  scael: 3"),
            "run.yaml:3:3: unknown key 'scael' in part 'scaled'. Did you mean 'scale'? Known: scale.");
  EXPECT_EQ(Mistake("part: {name: plain, x: 1}"), "run.yaml:1:21: unknown key 'x' in part 'plain', which has no settings.");
  EXPECT_EQ(Mistake("part: {name: scaled, scale: 9}"), "run.yaml:1:29: 'scale' in part 'scaled' must be from 0 to 4, but is 9.");
  EXPECT_THROW(parts.Add<Plain>("plain", "again"), InternalError);
}

}  // namespace
}  // namespace cogent
