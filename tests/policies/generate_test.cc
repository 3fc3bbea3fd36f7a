// Sampling against its distribution and by hand-worked numbers; generation that depends on the prompt,
// its draws and the weights alone.
#include "policies/generate.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>

#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

using Ids = std::vector<std::int32_t>;
using Floats = std::vector<float>;

SampledToken Draw(const Floats& logits, const Sampling& sampling, double uniform, const Ids& context = {}) {
  return SampleToken(logits.data(), static_cast<int>(logits.size()), sampling, uniform, context);
}
// The ids that draws over all of [0, 1) give, rising.
Ids Kept(const Floats& logits, const Sampling& sampling) {
  Ids ids;
  for (int i = 0; i < 1000; ++i) ids.push_back(Draw(logits, sampling, i / 1000.0).id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}
Floats Logs(std::initializer_list<double> probabilities) {
  Floats logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

std::vector<double> Softmax(const Floats& logits, double temperature) {
  std::vector<double> p;
  double sum = 0.0;
  for (const float x : logits) p.push_back(std::exp(x / temperature)), sum += p.back();
  for (double& v : p) v /= sum;
  return p;
}

TEST(SampleToken, FrequenciesMatchTheSoftmaxAtEveryTemperature) {
  constexpr int kDraws = 40000, kTokens = 37;  // two vectors and a rest
  Rng rng(1);
  Floats logits(kTokens);
  for (float& x : logits) x = static_cast<float>(rng.Normal());
  for (const double temperature : {1.0, 0.5, 2.0}) {
    std::vector<int> seen(kTokens);
    for (int i = 0; i < kDraws; ++i) ++seen[Draw(logits, {.temperature = temperature}, rng.Uniform()).id];
    const auto p = Softmax(logits, temperature);
    double chi2 = 0.0;
    for (int t = 0; t < kTokens; ++t) chi2 += std::pow(seen[t] - kDraws * p[t], 2) / (kDraws * p[t]);
    EXPECT_LT(chi2, 68.0) << "36 degrees of freedom, 0.1% bound, temperature " << temperature;
  }
}

TEST(SampleToken, WalksTheDistributionInTheOrderOfIds) {
  const Floats logits = Logs({0.5, 0.25, 0.125, 0.125});
  EXPECT_EQ(Draw(logits, {}, 0.0).id, 0);
  EXPECT_EQ(Draw(logits, {}, 0.49).id, 0);
  EXPECT_EQ(Draw(logits, {}, 0.51).id, 1);
  EXPECT_EQ(Draw(logits, {}, 0.76).id, 2);
  EXPECT_EQ(Draw(logits, {}, 0.88).id, 3);
  EXPECT_EQ(Draw(logits, {}, std::nextafter(1.0, 0.0)).id, 3);
}

TEST(SampleToken, DrawsAPossibleTokenAtEveryBorderBetweenTokens) {
  Rng rng(8);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> logits(static_cast<std::size_t>(100 + round));
    for (float& logit : logits) logit = rng.Uniform() < 0.6 ? -1e30f : static_cast<float>(3 * rng.Normal());
    const double top = *std::max_element(logits.begin(), logits.end());
    double total = 0.0, below = 0.0;
    for (const float logit : logits) total += std::exp(logit - top);
    for (std::size_t id = 0; id < logits.size(); ++id) {
      const double share = std::exp(logits[id] - top) / total;
      for (const double uniform : {below, below + share / 2, std::nextafter(below + share, 0.0)}) {
        const int drawn = Draw(logits, {}, std::clamp(uniform, 0.0, std::nextafter(1.0, 0.0))).id;
        ASSERT_GT(logits[static_cast<std::size_t>(drawn)], -1e30f) << "id " << id << ", draw " << uniform;
        if (share > 1e-5 && uniform == below + share / 2) {
          ASSERT_EQ(drawn, static_cast<int>(id));
        }
      }
      below += share;
    }
  }
}

TEST(SampleToken, GivesBothLogprobsAsWorkedByHand) {
  // Halved temperature squares the odds: 0.5, 0.3, 0.2 become 25, 9, 4 of 38.
  const Floats logits = Logs({0.5, 0.3, 0.2});
  for (const double shift : {0.0, 20.0, -30.0}) {  // a constant added to all logits changes nothing
    Floats moved = logits;
    for (float& x : moved) x += static_cast<float>(shift);
    const SampledToken plain = Draw(moved, {}, 0.6), cold = Draw(moved, {.temperature = 0.5}, 26.0 / 38);
    EXPECT_EQ(plain.id, 1);
    EXPECT_NEAR(plain.logprob, std::log(0.3), 1e-5);
    EXPECT_NEAR(plain.sampled_logprob, std::log(0.3), 1e-5);
    EXPECT_EQ(cold.id, 1);
    EXPECT_NEAR(cold.logprob, std::log(0.3), 1e-5);
    EXPECT_NEAR(cold.sampled_logprob, std::log(9.0 / 38), 1e-5);
  }
}

TEST(SampleToken, TopKKeepsTheLikeliestAndTheSmallerIdOfEqualOnes) {
  const Floats logits = Logs({0.1, 0.3, 0.2, 0.3, 0.1});
  const Sampling two{.top_k = 2};
  EXPECT_EQ(Draw(logits, two, 0.49).id, 1);
  EXPECT_EQ(Draw(logits, two, 0.51).id, 3);
  EXPECT_NEAR(Draw(logits, two, 0.9).sampled_logprob, std::log(0.5), 1e-6);
  EXPECT_NEAR(Draw(logits, two, 0.9).logprob, std::log(0.3), 1e-6);
  const Sampling four{.top_k = 4};  // of ids 0 and 4 the smaller stays
  for (int i = 0; i < 100; ++i) EXPECT_NE(Draw(logits, four, i / 100.0).id, 4);
  EXPECT_EQ(Draw(logits, {.top_k = 1}, 0.99).id, 1);
  EXPECT_EQ(Draw(logits, {.top_k = 99}, 0.95).id, 4) << "more than there are keeps all";
}

TEST(SampleToken, TopPKeepsTheFewestThatReachIt) {
  const Floats logits = Logs({0.15, 0.5, 0.05, 0.3});
  const auto kept = [&](const Sampling& sampling) { return Kept(logits, sampling); };
  EXPECT_EQ(kept({.top_p = 0.49}), (Ids{1}));
  EXPECT_EQ(kept({.top_p = 0.51}), (Ids{1, 3}));
  EXPECT_EQ(kept({.top_p = 0.79}), (Ids{1, 3}));
  EXPECT_EQ(kept({.top_p = 0.81}), (Ids{0, 1, 3}));
  EXPECT_EQ(kept({.top_p = 0.96}), (Ids{0, 1, 2, 3}));
  EXPECT_EQ(kept({.top_p = 0.0}), (Ids{1})) << "never fewer than one";
  EXPECT_NEAR(Draw(logits, {.top_p = 0.6}, 0.9).sampled_logprob, std::log(0.3 / 0.8), 1e-6);
  // Temperature comes first: at 0.5 the likeliest alone has 0.25 / 0.365 = 0.68.
  EXPECT_EQ(kept({.temperature = 0.5, .top_p = 0.65}), (Ids{1}));
  // Top-k comes before top-p: of the two likeliest, 0.5 / 0.8 = 0.63 is enough for 0.6.
  EXPECT_EQ(kept({.top_k = 2, .top_p = 0.6}), (Ids{1}));
}

TEST(SampleToken, MinPKeepsWhatHasItsShareOfTheLikeliest) {
  const Floats logits = Logs({0.12, 0.5, 0.08, 0.3});  // shares of the likeliest: 0.24, 1, 0.16, 0.6
  EXPECT_EQ(Kept(logits, {.min_p = 0.15}), (Ids{0, 1, 2, 3}));
  EXPECT_EQ(Kept(logits, {.min_p = 0.17}), (Ids{0, 1, 3}));
  EXPECT_EQ(Kept(logits, {.min_p = 0.25}), (Ids{1, 3}));
  EXPECT_EQ(Kept(logits, {.min_p = 0.61}), (Ids{1}));
  EXPECT_EQ(Kept(logits, {.min_p = 1.0}), (Ids{1}));
  EXPECT_EQ(Kept(Logs({0.4, 0.2, 0.4}), {.min_p = 1.0}), (Ids{0, 2})) << "equals of the likeliest stay";
  const SampledToken token = Draw(logits, {.min_p = 0.25}, 0.9);
  EXPECT_NEAR(token.sampled_logprob, std::log(0.3 / 0.8), 1e-6);
  EXPECT_NEAR(token.logprob, std::log(0.3), 1e-6);
  // Temperature comes first: at 0.5 the shares are squares, at 2 they are roots.
  EXPECT_EQ(Kept(logits, {.temperature = 0.5, .min_p = 0.25}), (Ids{1, 3}));
  EXPECT_EQ(Kept(logits, {.temperature = 0.5, .min_p = 0.37}), (Ids{1}));
  EXPECT_EQ(Kept(logits, {.temperature = 2, .min_p = 0.39}), (Ids{0, 1, 2, 3}));
  // With the other cuts, the fewest that one of them leaves.
  EXPECT_EQ(Kept(logits, {.top_k = 3, .min_p = 0.1}), (Ids{0, 1, 3}));
  EXPECT_EQ(Kept(logits, {.top_k = 3, .min_p = 0.25}), (Ids{1, 3}));
  EXPECT_EQ(Kept(logits, {.top_p = 0.85, .min_p = 0.25}), (Ids{1, 3})) << "top-p is taken of all, in front of min-p: it keeps three";
  EXPECT_EQ(Kept(logits, {.top_p = 0.7, .min_p = 0.1}), (Ids{1, 3}));
}

TEST(SampleToken, ARepetitionPenaltyDividesPositiveLogitsAndMultipliesNegativeOnes) {
  const Floats logits{2.0f, -1.0f, 0.5f, 0.0f, 1.0f};
  const Ids context{0, 1, 1, 3, 0, 77, -1};  // however often; ids of another vocabulary do no harm
  const Sampling penalized{.repetition_penalty = 2};
  const Floats want{1.0f, -2.0f, 0.5f, 0.0f, 1.0f};  // by hand
  for (int i = 0; i < 200; ++i) {
    const SampledToken token = Draw(logits, penalized, i / 200.0, context), plain = Draw(want, {}, i / 200.0);
    ASSERT_EQ(token.id, plain.id);
    EXPECT_EQ(token.sampled_logprob, plain.sampled_logprob) << "of the distribution that was drawn from";
    EXPECT_EQ(token.logprob, logits[token.id] - SumLogits(logits.data(), 5, 1.0f).log_sum) << "of the policy, which knows no penalty";
  }
  EXPECT_EQ(Draw(logits, {.temperature = 0, .repetition_penalty = 2}, 0, context).id, 0) << "1 = 1: the smaller id";
  EXPECT_EQ(Draw(logits, {.temperature = 0, .repetition_penalty = 2.1}, 0, context).id, 4) << "greedy choice knows it, too";
  EXPECT_EQ(Draw(logits, {.temperature = 0, .repetition_penalty = 0.25}, 0, {2}).id, 0) << "0.5 / 0.25 = 2";
  EXPECT_EQ(Draw(logits, {.temperature = 0, .repetition_penalty = 0.2}, 0, {2}).id, 2) << "below 1, what was there is likelier";
}

TEST(SampleToken, NeutralSettingsChangeNoBit) {
  Rng rng(9);
  Floats logits(100);
  for (float& x : logits) x = static_cast<float>(3 * rng.Normal());
  const Ids context{3, 4, 5, 60};
  for (Sampling s : {Sampling{}, Sampling{.temperature = 0.6}, Sampling{.temperature = 0}, Sampling{.top_k = 7}, Sampling{.top_p = 0.9}}) {
    Sampling neutral = s;
    neutral.min_p = 0, neutral.repetition_penalty = 1;
    for (int i = 0; i < 50; ++i) {
      const SampledToken a = Draw(logits, s, i / 50.0), b = Draw(logits, neutral, i / 50.0, context);
      EXPECT_TRUE(a.id == b.id && a.logprob == b.logprob && a.sampled_logprob == b.sampled_logprob);
    }
  }
}

// Each token is seen as often as it should be, and says the probability that it was drawn with.
void ExpectDistribution(const Floats& logits, const Sampling& sampling, const Ids& context, const std::vector<double>& want) {
  constexpr int kDraws = 4000;
  std::vector<int> seen(logits.size());
  std::vector<double> said(logits.size());
  for (int i = 0; i < kDraws; ++i) {
    const SampledToken token = Draw(logits, sampling, (i + 0.5) / kDraws, context);
    ++seen[token.id];
    said[token.id] = std::exp(token.sampled_logprob);
  }
  for (std::size_t i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(seen[i]) / kDraws, want[i], 1.0 / kDraws + 1e-5) << i;
    if (seen[i] > 0) {
      EXPECT_NEAR(said[i], want[i], 1e-5) << i;
    }
  }
}

// The definition, written down plainly: [V] probabilities, 0 where a token cannot be drawn.
std::vector<double> Distribution(const Floats& logits, const Sampling& s, const Ids& context) {
  const std::size_t n = logits.size();
  std::vector<double> x(logits.begin(), logits.end());
  for (std::size_t i = 0; i < n; ++i) {
    if (std::find(context.begin(), context.end(), static_cast<std::int32_t>(i)) != context.end()) x[i] = x[i] < 0 ? x[i] * s.repetition_penalty : x[i] / s.repetition_penalty;
  }
  const auto softmax = [&](const std::vector<double>& scores) {
    std::vector<double> p;
    double sum = 0;
    for (const double v : scores) p.push_back(std::exp(v)), sum += p.back();
    for (double& v : p) v /= sum;
    return p;
  };
  for (double& v : x) v /= s.temperature;
  const double gone = -std::numeric_limits<double>::infinity();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return x[a] > x[b]; });
  for (std::size_t r = static_cast<std::size_t>(s.top_k); s.top_k > 0 && r < n; ++r) x[order[r]] = gone;
  auto p = softmax(x);
  double before = 0;
  for (std::size_t r = 0; s.top_p < 1 && r < n; ++r) {
    const double own = p[order[r]];
    if (r > 0 && before >= s.top_p) x[order[r]] = gone;
    before += own;
  }
  p = softmax(x);
  const double top = *std::max_element(p.begin(), p.end());
  for (std::size_t i = 0; i < n; ++i) if (p[i] < s.min_p * top) x[i] = gone;
  return softmax(x);
}

TEST(SampleToken, EveryMixOfSettingsDrawsFromTheDistributionThatTheyDefine) {
  Rng rng(21);
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    Floats logits(static_cast<std::size_t>(rng.Range(2, 40)));
    for (float& x : logits) x = static_cast<float>(2 * rng.Normal());
    Ids context;
    for (int i = 0; i < 8; ++i) context.push_back(static_cast<std::int32_t>(rng.Range(0, 40)));
    const auto maybe = [&](double value, double neutral) { return rng.Uniform() < 0.5 ? value : neutral; };
    Sampling s;
    s.temperature = maybe(0.3 + 2 * rng.Uniform(), 1);
    s.top_k = static_cast<int>(maybe(static_cast<double>(rng.Range(1, 20)), 0));
    s.top_p = maybe(0.2 + 0.8 * rng.Uniform(), 1);
    s.min_p = maybe(0.5 * rng.Uniform(), 0);
    s.repetition_penalty = maybe(0.7 + rng.Uniform(), 1);
    ExpectDistribution(logits, s, context, Distribution(logits, s, context));
  }
}

TEST(SampleToken, DrawsFromTheDistributionsOfTransformers) {
  const nlohmann::json file = parity::ReadJson(std::string(COGENT_SOURCE_DIR) + "/tests/data/sampling.json");
  ASSERT_GE(file["cases"].size(), 30u);
  for (const auto& c : file["cases"]) {
    const auto& s = c["settings"];
    SCOPED_TRACE(s.dump());
    const Sampling sampling{.temperature = s.value("temperature", 1.0), .top_k = s.value("top_k", 0), .top_p = s.value("top_p", 1.0), .min_p = s.value("min_p", 0.0),
                            .repetition_penalty = s.value("repetition_penalty", 1.0)};
    ExpectDistribution(c["logits"].get<Floats>(), sampling, c["context"].get<Ids>(), c["probabilities"].get<std::vector<double>>());
  }
}

TEST(SampleToken, GreedyTakesTheSmallestIdOfEqualOnesWithCertainty) {
  const Floats logits = Logs({0.2, 0.4, 0.4});
  for (const double uniform : {0.0, 0.5, 0.99}) {
    const SampledToken token = Draw(logits, {.temperature = 0.0, .top_k = 2, .top_p = 0.1}, uniform);
    EXPECT_EQ(token.id, 1);
    EXPECT_NEAR(token.logprob, std::log(0.4), 1e-6);
    EXPECT_EQ(token.sampled_logprob, 0.0f);
  }
}

TEST(SampleToken, HoldsAtTemperaturesNearZeroAndForFarAwayLogits) {
  Floats logits{30.0f, 29.999f, -1e30f, 12.0f};
  const SampledToken token = Draw(logits, {.temperature = 1e-3}, 0.8);
  EXPECT_EQ(token.id, 1) << "odds of e to 1";
  EXPECT_NEAR(token.sampled_logprob, -std::log(1 + std::exp(1.0)), 2e-2);
  EXPECT_EQ(Draw(logits, {.temperature = 1e-4}, 0.99).id, 0);
  EXPECT_LE(Draw(logits, {.temperature = 1e-4}, 0.5).sampled_logprob, 0.0f);
}

// ---- Generation

struct Scene {
  explicit Scene(std::uint64_t seed = 1) : tokenizer(tiny::Characters()), weights(tiny::Weights(Config(tokenizer.vocab_size()), seed)) {}
  static ModelConfig Config(int vocabulary) { return tiny::Config(vocabulary); }

  std::vector<Generated> Run(const std::vector<Ids>& prompts, const Sampling& sampling, Generator::Options options = {},
                             const std::vector<Rng>& draws = {}) const {
    std::vector<Rng> own = draws;
    for (std::size_t i = own.size(); i < prompts.size(); ++i) own.push_back(Rng(77).Fork(static_cast<std::uint64_t>(i)));
    return Generator(weights, tokenizer, options).Generate(prompts, own, sampling);
  }

  Tokenizer tokenizer;
  ParameterSet weights;
};

void ExpectSame(const Generated& a, const Generated& b) {
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.logprobs, b.logprobs);
  EXPECT_EQ(a.sampled_logprobs, b.sampled_logprobs);
  EXPECT_EQ(a.truncated, b.truncated);
}

// Groups of equal prompts of several sizes, and prompts that stand alone.
std::vector<Ids> Prompts(const Tokenizer& t) {
  std::vector<Ids> prompts;
  for (const char* text : {"2+3=?", "what is 12 + 30", "a", "2+3=?", "zebra crossing here\nx"}) {
    for (int i = 0; i < (prompts.empty() ? 19 : 3); ++i) prompts.push_back(t.Encode(text));
  }
  return prompts;
}

TEST(Generate, DependsNeitherOnThreadsNorOnSlots) {
  const Scene s;
  const auto prompts = Prompts(s.tokenizer);
  const Sampling sampling{.temperature = 0.9, .top_k = 30, .max_new_tokens = 24};
  const auto want = s.Run(prompts, sampling, {.threads = 1, .slots = 64});
  for (const Generator::Options& options : {Generator::Options{1, 1}, {1, 3}, {2, 64}, {2, 2}, {3, 5}, {3, 1}}) {
    SCOPED_TRACE(std::to_string(options.threads) + " threads, " + std::to_string(options.slots) + " slots");
    const auto got = s.Run(prompts, sampling, options);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) ExpectSame(got[i], want[i]);
  }
}

// As with models that are larger than a core's cache.
TEST(Generate, DependsNeitherOnThreadsNorOnSlotsWhereThreadsShareEveryStep) {
  const Scene s;
  const auto prompts = Prompts(s.tokenizer);
  const Sampling sampling{.temperature = 0.9, .top_k = 30, .repetition_penalty = 1.1, .max_new_tokens = 24};
  for (const auto& [weights, cache] : {std::pair{Products::kFloat32, Cached::kFloat32}, {Products::kBfloat16, Cached::kFloat32}, {Products::kBfloat16, Cached::kBfloat16}}) {
    const auto want = s.Run(prompts, sampling, {.weights = weights, .cache = cache});
    for (const auto& [threads, slots] : {std::pair{2, 64}, {2, 2}, {3, 5}, {3, 1}}) {
      for (const std::size_t share_from : {std::size_t{0}, std::size_t{1} << 40}) {
        SCOPED_TRACE(testing::Message() << threads << " threads, " << slots << " slots, sharing from " << share_from << " bytes, " << (weights == Products::kFloat32 ? "float32" : "bfloat16"));
        const auto got = s.Run(prompts, sampling, {.threads = threads, .slots = slots, .weights = weights, .cache = cache, .share_from = share_from});
        ASSERT_EQ(got.size(), want.size());
        for (std::size_t i = 0; i < got.size(); ++i) ExpectSame(got[i], want[i]);
      }
    }
  }
}

TEST(Generate, HoldsNoCacheInBfloat16BesideFloat32WeightsOnAnotherDevice) {
  const Scene s;
  ParameterSet elsewhere = tiny::Weights(s.weights.config(), 3);
  parity::MoveElsewhere(elsewhere);
  EXPECT_THAT([&] { Generator(elsewhere, s.tokenizer, {.cache = Cached::kBfloat16}); }, testing::ThrowsMessage<ConfigError>(testing::HasSubstr("hold both in bfloat16")));
  const Generator half(elsewhere, s.tokenizer, {.weights = Products::kBfloat16, .cache = Cached::kBfloat16});
  EXPECT_LT(half.CacheBytes(4, 64), Generator(elsewhere, s.tokenizer, {}).CacheBytes(4, 64));
}

TEST(Generate, KeepsItsPlacesBusyWhileCompletionsOfUnequalLengthAreWaiting) {
  const Scene s;
  const std::vector<Ids> prompts(120, s.tokenizer.Encode("2+3=?"));
  std::vector<Rng> draws;
  for (std::size_t i = 0; i < prompts.size(); ++i) draws.push_back(Rng(3).Fork(static_cast<std::uint64_t>(i)));
  Generator::Usage usage;
  const auto out = Generator(s.weights, s.tokenizer, {.slots = 8}).Generate(prompts, draws, {.max_new_tokens = 60}, &usage);
  std::int64_t tokens = 0;
  std::size_t shortest = 60, longest = 0;
  for (const Generated& one : out) {
    tokens += static_cast<std::int64_t>(one.ids.size());
    shortest = std::min(shortest, one.ids.size()), longest = std::max(longest, one.ids.size());
  }
  ASSERT_LT(4 * shortest, longest) << "these completions are not unequal";
  EXPECT_EQ(usage.rows, tokens - 120) << "the first token of each comes from its prompt";
  EXPECT_EQ(usage.slots, 8 * usage.steps);
  EXPECT_GT(static_cast<double>(usage.rows), 0.9 * static_cast<double>(usage.slots));
}

TEST(Generate, AnErrorInACallbackEndsACallThatIsShared) {
  const Scene s;
  const auto prompts = Prompts(s.tokenizer);
  int left = 20;
  const Generator::Options options{.threads = 2, .on_token = [&](std::size_t, std::int32_t) { if (--left == 0) throw std::runtime_error("enough"); }, .share_from = 0};
  EXPECT_THROW(s.Run(prompts, {.max_new_tokens = 24}, options), std::runtime_error);
}

// Completions that come one by one, each in its own way: three at once, and one more whenever ten tokens were drawn.
struct OneByOne {
  std::vector<Ids> prompts;
  std::vector<Sampling> samplings;
  std::vector<Generated> out;
  std::function<bool(std::size_t, int)> wants = [](std::size_t, int) { return true; };  // after so many of its tokens
  std::mutex guard;
  std::size_t given = 0, drawn = 0;
  std::vector<int> tokens;

  void Serve(const Scene& s, const Generator::Options& options, int slots, int longest = 96) {
    out.assign(prompts.size(), {}), tokens.assign(prompts.size(), 0), given = drawn = 0;
    Generator(s.weights, s.tokenizer, options)
        .Serve({.next = [&](bool wait) -> std::optional<Asked> {
                  const std::lock_guard lock(guard);
                  if (given == prompts.size() || (!wait && given >= 3 + drawn / 10)) return std::nullopt;
                  const std::size_t i = given++;
                  return Asked{i, &prompts[i], &samplings[i], Rng(3).Fork(i)};
                },
                .on_token = [&](std::size_t i, const SampledToken&) {
                  const std::lock_guard lock(guard);
                  ++drawn;
                  return wants(i, ++tokens[i]);
                },
                .done = [&](std::size_t i, Generated completion) {
                  const std::lock_guard lock(guard);
                  out[i] = std::move(completion);
                }},
               slots, longest);
  }
};

TEST(Serve, WhatIsAskedForWhileOthersRunIsWhatGenerateGivesAlone) {
  const Scene s;
  OneByOne asked{.prompts = Prompts(s.tokenizer)};
  for (std::size_t i = 0; i < asked.prompts.size(); ++i) {
    asked.samplings.push_back({.temperature = 0.5 * static_cast<double>(i % 4), .top_p = i % 3 == 0 ? 0.8 : 1.0, .repetition_penalty = i % 5 == 0 ? 1.3 : 1.0, .max_new_tokens = static_cast<int>(5 + i % 20)});
  }
  for (const Generator::Options& options : {Generator::Options{}, Generator::Options{.threads = 3}, Generator::Options{.threads = 2, .share_from = 0}}) {
    asked.Serve(s, options, 4);
    for (std::size_t i = 0; i < asked.prompts.size(); ++i) ExpectSame(asked.out[i], s.Run({asked.prompts[i]}, asked.samplings[i], {}, {Rng(3).Fork(i)}).front());
  }
}

TEST(Serve, ACompletionThatNobodyWantsEndsAtItsNextTokenAndTheOthersGoOn) {
  const Scene s;
  OneByOne asked{.prompts = std::vector<Ids>(6, s.tokenizer.Encode("2+3=")), .samplings = std::vector<Sampling>(6, {.max_new_tokens = 12, .ignore_eos = true})};
  asked.wants = [](std::size_t i, int tokens) { return i != 2 || tokens < 4; };
  asked.Serve(s, {}, 3);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(asked.out[i].ids.size(), i == 2 ? 4u : 12u) << i;
}

TEST(Serve, ACompletionIsCutWhereThereIsNoMoreRoom) {
  const Scene s;
  const Ids prompt = s.tokenizer.Encode("2+3=");
  OneByOne asked{.prompts = {prompt}, .samplings = {{.max_new_tokens = 50, .ignore_eos = true}}};
  asked.Serve(s, {}, 2, static_cast<int>(prompt.size()) + 9);
  EXPECT_EQ(asked.out[0].ids.size(), 9u);
  EXPECT_TRUE(asked.out[0].truncated);
}

TEST(Serve, WhatAThreadThrowsEndsTheServiceOnAllOfThem) {
  const Scene s;
  const Ids prompt = s.tokenizer.Encode("2+3=");
  const Sampling sampling{.max_new_tokens = 5};
  std::atomic<int> asked = 0;
  std::atomic<bool> failed = false;
  const Service service{.next = [&](bool) -> std::optional<Asked> {
                          if (failed) return std::nullopt;
                          return Asked{0, &prompt, &sampling, Rng(1).Fork(static_cast<std::uint64_t>(asked++))};
                        },
                        .on_token = [&](std::size_t, const SampledToken&) -> bool {
                          if (asked > 20) throw std::runtime_error("enough");
                          return true;
                        },
                        .done = [](std::size_t, const Generated&) {},
                        .failed = [&] { failed = true; }};
  EXPECT_THROW(Generator(s.weights, s.tokenizer, {.threads = 2}).Serve(service, 4, 40), std::runtime_error);
}

TEST(Generate, DependsNotOnTheOrderOfThePromptsNorOnTheirNeighbours) {
  const Scene s;
  const auto prompts = Prompts(s.tokenizer);
  const Sampling sampling{.max_new_tokens = 20};
  std::vector<Rng> draws;
  for (std::size_t i = 0; i < prompts.size(); ++i) draws.push_back(Rng(5).Fork(static_cast<std::uint64_t>(i)));
  const auto want = s.Run(prompts, sampling, {}, draws);
  Rng rng(6);
  for (int round = 0; round < 3; ++round) {
    std::vector<std::size_t> order(prompts.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.Range(0, static_cast<std::int64_t>(i) - 1)]);
    if (round == 2) order.resize(1);  // alone
    std::vector<Ids> moved;
    std::vector<Rng> moved_draws;
    for (const auto i : order) moved.push_back(prompts[i]), moved_draws.push_back(draws[i]);
    const auto got = s.Run(moved, sampling, {.threads = 2, .slots = 4}, moved_draws);
    for (std::size_t i = 0; i < order.size(); ++i) ExpectSame(got[i], want[order[i]]);
  }
}

TEST(Generate, MembersOfAGroupDifferAndEqualDrawsAreEqual) {
  const Scene s;
  const Ids prompt = s.tokenizer.Encode("1+1=");
  const auto out = s.Run({prompt, prompt, prompt}, {.max_new_tokens = 30}, {}, {Rng(1), Rng(2), Rng(1)});
  EXPECT_NE(out[0].ids, out[1].ids);
  ExpectSame(out[0], out[2]);
}

TEST(Generate, EndsAtTheEndOfSequenceAndKeepsIt) {
  const Scene s;
  const int eos = s.tokenizer.eos_id();
  const std::vector<Ids> prompts(60, s.tokenizer.Encode("x="));
  int ended = 0, cut = 0;
  for (const Generated& g : s.Run(prompts, {.max_new_tokens = 40})) {
    const auto first = std::find(g.ids.begin(), g.ids.end(), eos);
    EXPECT_EQ(g.truncated, first == g.ids.end());
    EXPECT_TRUE(g.truncated ? g.ids.size() == 40 : first + 1 == g.ids.end());
    ++(g.truncated ? cut : ended);
    EXPECT_EQ(g.logprobs.size(), g.ids.size());
    EXPECT_EQ(g.sampled_logprobs.size(), g.ids.size());
  }
  EXPECT_GT(ended, 0);
  EXPECT_GT(cut, 0);
}

TEST(Generate, GoesOnBehindTheEndOfSequenceWhenAsked) {
  const Scene s;
  const std::vector<Ids> prompts(60, s.tokenizer.Encode("x="));
  int passed = 0;
  const auto with = s.Run(prompts, {.max_new_tokens = 40}), without = s.Run(prompts, {.max_new_tokens = 40, .ignore_eos = true});
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(without[i].ids.size(), 40u);
    EXPECT_TRUE(std::equal(with[i].ids.begin(), with[i].ids.end(), without[i].ids.begin())) << "the same draws up to there";
    passed += with[i].ids.size() < 40;
  }
  EXPECT_GT(passed, 0);
}

TEST(Generate, EndsAtEveryIdThatTheCheckpointNames) {
  Scene s;
  const Ids first{s.tokenizer.Encode("e").front(), s.tokenizer.Encode("7").front()};
  ModelConfig config = s.weights.config();
  config.eos_token_id = first[0], config.more_eos_token_ids = {first[1]};
  ParameterSet weights(config);
  weights.flat().copy_(s.weights.flat());
  weights.biases().copy_(s.weights.biases());
  const std::set<std::int32_t> ends{s.tokenizer.eos_id(), first[0], first[1]};
  EXPECT_EQ(EndIds(config, s.tokenizer), Ids(ends.begin(), ends.end()));
  const std::vector<Ids> prompts(60, s.tokenizer.Encode("x="));
  const auto whole = s.Run(prompts, {.max_new_tokens = 40, .ignore_eos = true});
  s.weights = weights;
  std::set<std::int32_t> seen;
  const auto out = s.Run(prompts, {.max_new_tokens = 40});
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto end = std::find_if(whole[i].ids.begin(), whole[i].ids.end(), [&](std::int32_t id) { return ends.count(id) > 0; });
    EXPECT_EQ(out[i].truncated, end == whole[i].ids.end());
    EXPECT_EQ(out[i].ids, Ids(whole[i].ids.begin(), end == whole[i].ids.end() ? end : end + 1));
    if (!out[i].truncated) seen.insert(out[i].ids.back());
  }
  EXPECT_EQ(seen, ends) << "each of them ended one";
  EXPECT_EQ(s.Run(prompts, {.max_new_tokens = 40, .ignore_eos = true})[0].ids.size(), 40u);
}

TEST(Generate, ARepetitionPenaltyKnowsPromptAndCompletion) {
  const Scene s;
  const std::vector<Ids> prompts{s.tokenizer.Encode("abcdefgh 123"), s.tokenizer.Encode("zz")};
  const Sampling sampling{.temperature = 0, .repetition_penalty = 1.4, .max_new_tokens = 30, .ignore_eos = true};
  const auto out = s.Run(prompts, sampling), plain = s.Run(prompts, {.temperature = 0, .max_new_tokens = 30, .ignore_eos = true});
  const int vocabulary = s.weights.config().vocab_size;
  c10::NoGradGuard no_grad;
  const Transformer model(s.weights.config(), s.weights.Leaves(), s.weights.biases());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_NE(out[i].ids, plain[i].ids);
    Ids context = prompts[i];
    for (std::size_t k = 0; k < out[i].ids.size(); ++k) {
      const std::vector<std::int64_t> ids(context.begin(), context.end());
      const at::Tensor hidden = model.Forward({ids, {{0, static_cast<int>(ids.size()), -1}}}, {}).hidden;
      const at::Tensor logits = model.Logits(hidden.narrow(0, hidden.size(0) - 1, 1)).contiguous();
      Floats row(logits.const_data_ptr<float>(), logits.const_data_ptr<float>() + vocabulary);
      for (const auto id : std::set<std::int32_t>(context.begin(), context.end())) row[id] = row[id] < 0 ? row[id] * 1.4f : row[id] / 1.4f;
      ASSERT_EQ(out[i].ids[k], std::max_element(row.begin(), row.end()) - row.begin()) << "completion " << i << ", token " << k;
      context.push_back(out[i].ids[k]);
    }
  }
}

// A model that has both tags of reasoning as tokens, or writes them letter by letter.
Scene Thinker(bool tags_are_tokens) {
  Scene s(5);
  Tokenizer::TrainOptions options{.added_tokens = {{"<|pad|>", true}, {"<|end|>", true}}, .alphabet = "abcdefghijklmnopqrstuvwxyz0123456789 \n:+=?<>/"};
  if (tags_are_tokens) options.added_tokens.insert(options.added_tokens.end(), {{"<think>"}, {"</think>"}});
  s.tokenizer = Tokenizer::Train({}, options);
  s.weights = tiny::Weights(tiny::Config(s.tokenizer.vocab_size()), 5);
  return s;
}

TEST(Generate, ReasoningThatThePromptOpenedIsClosedWhenItsTokensAreSpent) {
  for (const bool tokens : {true, false}) {
    SCOPED_TRACE(tokens ? "tags are tokens" : "tags are letters");
    const Scene s = Thinker(tokens);
    const std::vector<Ids> prompts(20, s.tokenizer.Encode("2+3? <think>\n"));
    const Ids closing = s.tokenizer.Encode("</think>");
    const Sampling free{.max_new_tokens = 40, .ignore_eos = true};
    Sampling limited = free;
    limited.max_thinking_tokens = 6;
    const auto want = s.Run(prompts, free), got = s.Run(prompts, limited);
    int forced = 0;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      const Generated& g = got[i];
      ASSERT_EQ(g.ids.size(), 40u) << "the completion goes on behind the tag";
      EXPECT_TRUE(std::equal(g.ids.begin(), g.ids.begin() + 6, want[i].ids.begin()) || s.tokenizer.Decode(want[i].ids).find("</think>") < 20)
          << "the same draws up to there";
      if (std::find(want[i].ids.begin(), want[i].ids.begin() + 6, closing[0]) != want[i].ids.begin() + 6) continue;  // closed by itself
      ++forced;
      EXPECT_TRUE(std::equal(closing.begin(), closing.end(), g.ids.begin() + 6));
      EXPECT_GE(g.forced, static_cast<int>(closing.size()));
      for (std::size_t k = 6; k < 6 + closing.size(); ++k) {
        EXPECT_EQ(g.sampled_logprobs[k], 0.0f) << "there was nothing to draw";
        EXPECT_LT(g.logprobs[k], 0.0f) << "what the policy gives it";
      }
    }
    EXPECT_GT(forced, 10);
  }
}

TEST(Generate, ReasoningThatTheCompletionOpensCountsFromThere) {
  const Scene s = Thinker(true);
  const std::int32_t open = *s.tokenizer.TokenToId("<think>"), close = *s.tokenizer.TokenToId("</think>");
  const std::vector<Ids> prompts(80, s.tokenizer.Encode("go: "));
  const Sampling free{.max_new_tokens = 50, .ignore_eos = true};
  Sampling limited = free;
  limited.max_thinking_tokens = 7;
  const auto want = s.Run(prompts, free), got = s.Run(prompts, limited);
  int forced = 0, untouched = 0;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    bool inside = false;
    int spent = 0, closed = 0;
    for (const std::int32_t id : got[i].ids) {
      if (inside && spent >= 7) {
        EXPECT_EQ(id, close);
        ++closed;
        inside = false;
        continue;
      }
      spent += inside;
      inside = inside ? id != close : id == open;
    }
    EXPECT_EQ(got[i].forced, closed);
    forced += closed;
    if (closed == 0) ExpectSame(got[i], want[i]), ++untouched;
  }
  EXPECT_GT(forced, 5);
  EXPECT_GT(untouched, 5);
}

TEST(Generate, ReasoningThatThePromptClosedOrOnlyNamesIsNotOpen) {
  const Scene s = Thinker(true);
  for (const char* prompt : {"q <think>\n\n</think>\n", "what is <think> for?", "plain"}) {
    const Ids ids = s.tokenizer.Encode(prompt);
    const auto out = s.Run({ids}, {.temperature = 0, .max_new_tokens = 20, .max_thinking_tokens = 1, .ignore_eos = true}).front();
    const auto want = s.Run({ids}, {.temperature = 0, .max_new_tokens = 20, .ignore_eos = true}).front();
    const auto opened = std::find(want.ids.begin(), want.ids.end(), *s.tokenizer.TokenToId("<think>"));
    EXPECT_TRUE(std::equal(want.ids.begin(), opened, out.ids.begin())) << prompt;
    if (opened == want.ids.end()) {
      EXPECT_EQ(out.forced, 0) << prompt;
    }
  }
}

TEST(Generate, LimitsAndPenaltiesDependNeitherOnThreadsNorOnSlots) {
  const Scene s = Thinker(false);
  std::vector<Ids> prompts;
  for (int i = 0; i < 30; ++i) prompts.push_back(s.tokenizer.Encode(i < 12 ? "a <think>" : "b" + std::string(static_cast<std::size_t>(i % 5), 'c')));
  const Sampling sampling{.min_p = 0.05, .repetition_penalty = 1.2, .max_new_tokens = 30, .max_thinking_tokens = 9};
  const auto want = s.Run(prompts, sampling, {.threads = 1, .slots = 64});
  for (const Generator::Options& options : {Generator::Options{2, 3}, {3, 1}}) {
    const auto got = s.Run(prompts, sampling, options);
    for (std::size_t i = 0; i < got.size(); ++i) {
      ExpectSame(got[i], want[i]);
      EXPECT_EQ(got[i].forced, want[i].forced);
    }
  }
}

TEST(Generate, ALimitOfReasoningIsRefusedWhereTheTokenizerCannotCloseIt) {
  const Scene s;  // its alphabet has no brackets
  try {
    s.Run({s.tokenizer.Encode("a")}, {.max_thinking_tokens = 3});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("no tokens for the text that ends reasoning, '</think>'"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(s.Run({s.tokenizer.Encode("a")}, {.max_new_tokens = 9, .max_thinking_tokens = 3, .thinking_start = "q", .thinking_end = "done"}));
}

TEST(Generate, OneNewTokenIsAllowedAndCut) {
  const Scene s;
  for (const Generated& g : s.Run(std::vector<Ids>(5, s.tokenizer.Encode("b")), {.max_new_tokens = 1})) {
    ASSERT_EQ(g.ids.size(), 1u);
    EXPECT_EQ(g.truncated, g.ids[0] != s.tokenizer.eos_id());
  }
}

TEST(Generate, TheContextEndsACompletionToo) {
  const Scene s;
  const int context = s.weights.config().max_position_embeddings;
  const Ids prompt(static_cast<std::size_t>(context - 3), 5);
  for (const Generated& g : s.Run({prompt, prompt}, {.max_new_tokens = 500, .ignore_eos = true})) {
    EXPECT_EQ(g.ids.size(), 3u);
    EXPECT_TRUE(g.truncated);
  }
}

TEST(Generate, StopsBehindATextAlsoWhereItSpansTokens) {
  const Scene s;
  const std::vector<Ids> prompts(40, s.tokenizer.Encode("go:"));
  const auto free = s.Run(prompts, {.max_new_tokens = 50, .ignore_eos = true});
  for (const std::size_t length : {1, 2, 3}) {
    // A text that one of the completions holds: each character is a token of its own.
    const std::string whole = s.tokenizer.Decode(free[0].ids, true), stop = whole.substr(10, length);
    int stopped = 0;
    const auto out = s.Run(prompts, {.max_new_tokens = 50, .stop = {"never in here!", stop}, .ignore_eos = true});
    for (std::size_t i = 0; i < out.size(); ++i) {
      const Ids& ids = free[i].ids;
      // Where the stop text is first complete in the completion that nothing stopped.
      std::size_t want = ids.size();
      for (std::size_t n = 1; n <= ids.size(); ++n) {
        if (s.tokenizer.Decode(Ids(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n))).find(stop) == std::string::npos) continue;
        want = n;
        ++stopped;
        EXPECT_FALSE(out[i].truncated) << "a stop text is an end of its own";
        break;
      }
      EXPECT_EQ(out[i].ids, Ids(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(want))) << "stop '" << stop << "'";
    }
    EXPECT_GT(stopped, 0);
  }
}

TEST(Generate, AStopTextInThePromptStopsNothing) {
  const Scene s;
  const auto out = s.Run({s.tokenizer.Encode("abc")}, {.temperature = 0, .max_new_tokens = 5, .stop = {"abc"}, .ignore_eos = true});
  EXPECT_EQ(out[0].ids.size(), 5u);
}

TEST(Generate, NeverLeavesTheShortlist) {
  const Scene s;
  const std::vector<Ids> prompts(8, s.tokenizer.Encode("pick"));
  const int vocabulary = s.weights.config().vocab_size;
  for (const Sampling& sampling : {Sampling{.top_k = 3, .max_new_tokens = 12}, Sampling{.temperature = 1.3, .top_p = 0.5, .max_new_tokens = 12}}) {
    const auto out = s.Run(prompts, sampling);
    c10::NoGradGuard no_grad;
    const Transformer model(s.weights.config(), s.weights.Leaves(), s.weights.biases());
    for (const Generated& g : out) {
      std::vector<std::int64_t> ids(prompts[0].begin(), prompts[0].end());
      ids.insert(ids.end(), g.ids.begin(), g.ids.end());
      const int n = static_cast<int>(ids.size());
      const at::Tensor logits = model.Logits(model.Forward({ids, {{0, n, -1}}}, {}).hidden).contiguous();
      for (std::size_t k = 0; k < g.ids.size(); ++k) {
        const float* row = logits.const_data_ptr<float>() + static_cast<std::ptrdiff_t>(prompts[0].size() + k - 1) * vocabulary;
        const auto p = Softmax({row, row + vocabulary}, sampling.temperature);
        int better = 0;
        double before = 0.0;
        for (const double q : p) if (q > p[g.ids[k]] * 1.0001) ++better, before += q;
        if (sampling.top_k > 0) EXPECT_LT(better, sampling.top_k);
        else EXPECT_LT(before, sampling.top_p + 1e-4);
      }
    }
  }
}

void ExpectTrainersLogprobs(const Scene& s, const Sampling& sampling) {
  const auto prompts = Prompts(s.tokenizer);
  const auto out = s.Run(prompts, sampling, {.threads = 2});
  c10::NoGradGuard no_grad;
  const Transformer model(s.weights.config(), s.weights.Leaves(), s.weights.biases());
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::vector<std::int64_t> ids(prompts[i].begin(), prompts[i].end()), rows, targets;
    for (const auto id : out[i].ids) {
      rows.push_back(static_cast<std::int64_t>(ids.size()) - 1);
      targets.push_back(id);
      ids.push_back(id);
    }
    const ForwardResult forward = model.Forward({ids, {{0, static_cast<int>(ids.size()), -1}}}, {});
    const at::Tensor want = model.Logprobs(forward.hidden, rows, targets, 1.0).logprobs;
    EXPECT_TRUE(parity::Near(at::tensor(out[i].logprobs, at::kFloat), want, 1e-4, 0)) << "completion " << i;
  }
}

TEST(Generate, LogprobsEqualTheTrainers) {
  const Scene s(3);
  ExpectTrainersLogprobs(s, {.max_new_tokens = 30});
  ExpectTrainersLogprobs(s, {.temperature = 0.7, .top_k = 9, .max_new_tokens = 30});
}

// A model with more rows in its embedding than the tokenizer has ids.
Scene Wider() {
  Scene s(4);
  s.weights = tiny::Weights(tiny::Config(s.tokenizer.vocab_size() + 23), 4);
  return s;
}

TEST(Generate, IdsAboveTheTokenizersRangeAreNeverSampled) {
  const Scene s = Wider();
  for (const Sampling& sampling : {Sampling{.max_new_tokens = 60, .ignore_eos = true}, Sampling{.temperature = 0, .max_new_tokens = 60, .ignore_eos = true},
                                   Sampling{.temperature = 3, .top_k = 40, .max_new_tokens = 60, .ignore_eos = true}}) {
    for (const Generated& g : s.Run(std::vector<Ids>(10, s.tokenizer.Encode("q")), sampling)) {
      EXPECT_LT(*std::max_element(g.ids.begin(), g.ids.end()), s.tokenizer.vocab_size());
    }
  }
}

TEST(Generate, LogprobsEqualTheTrainersAlsoWhereSomeIdsAreNeverSampled) { ExpectTrainersLogprobs(Wider(), {.max_new_tokens = 20}); }

TEST(Generate, SampledLogprobsAreOfTheDistributionThatWasDrawnFrom) {
  const Scene s = Wider();
  for (const Generated& g : s.Run(Prompts(s.tokenizer), {.max_new_tokens = 10})) {
    for (std::size_t k = 0; k < g.ids.size(); ++k) EXPECT_GT(g.sampled_logprobs[k], g.logprobs[k]) << "fewer tokens to choose from";
  }
  const Scene whole;
  for (const Generated& g : whole.Run(Prompts(whole.tokenizer), {.max_new_tokens = 10})) EXPECT_EQ(g.sampled_logprobs, g.logprobs);
}

std::string MessageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no DataError";
}

TEST(Generate, APromptLongerThanTheContextIsRefusedWithBothNumbers) {
  const Scene s;
  const Ids fits(95, 5), full(96, 5), longer(130, 5);
  EXPECT_NO_THROW(s.Run({fits}, {}));
  EXPECT_THROW(s.Run({full}, {}), DataError);
  const std::string message = MessageOf([&] { s.Run({fits, longer}, {}); });
  EXPECT_NE(message.find("130 tokens"), std::string::npos) << message;
  EXPECT_NE(message.find("(max_position_embeddings) is 96"), std::string::npos) << message;
}

TEST(Generate, AnEmptyPromptIsRefused) {
  const Scene s;
  EXPECT_NE(MessageOf([&] { s.Run({Ids{}}, {}); }).find("no tokens"), std::string::npos);
}

TEST(Generate, AFailureInAnyThreadReachesTheCaller) {
  const Scene s;
  std::vector<Ids> prompts = Prompts(s.tokenizer);
  prompts.push_back({9999});  // no such token
  for (const int threads : {1, 3}) EXPECT_THROW(s.Run(prompts, {.max_new_tokens = 4}, {.threads = threads, .slots = 2}), InternalError);
}

TEST(Generate, NoPromptsGiveNoCompletions) {
  const Scene s;
  EXPECT_TRUE(s.Run({}, {}, {.threads = 3}).empty());
}

TEST(Generate, RefreshTakesOverChangedWeights) {
  Scene s(1);
  const Scene other(2);
  const std::vector<Ids> prompts{s.tokenizer.Encode("7*8")};
  const std::vector<Rng> draws{Rng(1)};
  const Sampling sampling{.max_new_tokens = 25};
  Generator generator(s.weights, s.tokenizer, {});
  const auto before = generator.Generate(prompts, draws, sampling);
  s.weights.flat().copy_(other.weights.flat());
  s.weights.biases().copy_(other.weights.biases());
  generator.Refresh(s.weights);
  ExpectSame(generator.Generate(prompts, draws, sampling)[0], other.Run(prompts, sampling, {}, draws)[0]);
  EXPECT_NE(generator.Generate(prompts, draws, sampling)[0].ids, before[0].ids);
}

}  // namespace
}  // namespace cogent
