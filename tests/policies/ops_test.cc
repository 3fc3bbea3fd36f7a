// Every operation's CPU kernel, and what other devices run, against its definition in plain ATen (reference::), value and all
// gradients, and once against finite differences in double precision.
#include "policies/ops.h"

#include <cmath>
#include <functional>

#include "tests/policies/parity.h"

namespace cogent {
namespace {

using parity::Near;
using Tensors = std::vector<at::Tensor>;

at::Tensor RandomTensor(Rng& rng, at::IntArrayRef shape, double size = 1.0) {
  at::Tensor t = at::empty(shape, at::kFloat);
  float* values = t.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < t.numel(); ++i) values[i] = static_cast<float>(rng.Normal() * size);
  return t;
}

// An operation of the inputs whose gradients count.
using Op = std::function<Tensors(const Tensors&)>;

struct OpOutcome {
  Tensors values, gradients;
};

// Runs `op` on fresh leaves and pulls the fixed random `pulls` back through all of its outputs at once; as many times as there are
// passes, over the same leaves, so that a later one adds to gradients that are there.
OpOutcome Run(const Op& op, const Tensors& inputs, const Tensors& pulls, int passes = 1) {
  Tensors leaves;
  for (const at::Tensor& input : inputs) leaves.push_back(input.detach().clone().requires_grad_(true));
  OpOutcome outcome;
  for (int pass = 0; pass < passes; ++pass) {
    outcome.values = op(leaves);
    at::Tensor loss;
    for (std::size_t i = 0; i < pulls.size(); ++i) {
      const at::Tensor part = (outcome.values[i] * pulls[i].to(outcome.values[i].scalar_type())).sum();
      loss = loss.defined() ? loss + part : part;
    }
    loss.backward();
  }
  for (const at::Tensor& leaf : leaves) outcome.gradients.push_back(leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf));
  return outcome;
}

Tensors Pulls(Rng& rng, const Op& op, const Tensors& inputs) {
  c10::NoGradGuard no_grad;
  Tensors pulls;
  for (const at::Tensor& value : op(inputs)) pulls.push_back(RandomTensor(rng, value.sizes()));
  return pulls;
}

// Both implementations agree, each tensor to 2e-5 of its largest entry and `floor`.
void ExpectEqual(const Op& fast, const Op& plain, const Tensors& inputs, Rng& rng, double floor = 1e-6) {
  const Tensors pulls = Pulls(rng, plain, inputs);
  const OpOutcome got = Run(fast, inputs, pulls), want = Run(plain, inputs, pulls), twice = Run(fast, inputs, pulls, 2);
  const auto compare = [floor](const Tensors& a, const Tensors& b, const char* what) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double size = b[i].numel() > 0 ? b[i].abs().max().item<double>() : 0.0;
      EXPECT_TRUE(Near(a[i].detach(), b[i].detach(), 2e-5 * size + floor, 0)) << what << " " << i << " of largest entry " << size;
    }
  };
  compare(got.values, want.values, "value");
  compare(got.gradients, want.gradients, "gradient of input");
  Tensors doubled;
  for (const at::Tensor& gradient : want.gradients) doubled.push_back(gradient * 2);
  compare(twice.gradients, doubled, "gradient after two passes of input");
}

// The definition's gradients against central differences in double precision.
void ExpectSlopes(const Op& op, const Tensors& inputs, Rng& rng) {
  Tensors wide;
  for (const at::Tensor& input : inputs) wide.push_back(input.to(at::kDouble));
  const Tensors pulls = Pulls(rng, op, wide);
  const OpOutcome analytic = Run(op, wide, pulls);
  c10::NoGradGuard no_grad;
  const auto loss = [&] {
    double sum = 0.0;
    const Tensors values = op(wide);
    for (std::size_t i = 0; i < values.size(); ++i) sum += (values[i] * pulls[i]).sum().item<double>();
    return sum;
  };
  for (std::size_t i = 0; i < wide.size(); ++i) {
    double* values = wide[i].mutable_data_ptr<double>();
    const at::Tensor slopes = analytic.gradients[i].contiguous();
    for (std::int64_t j = 0; j < wide[i].numel(); ++j) {
      // Reference operations round to float32 inside (norms, softmax, router), hence the wide step.
      constexpr double kStep = 1e-2;
      const double at = values[j];
      const auto moved = [&](double by) {
        values[j] = at + by;
        const double result = loss();
        values[j] = at;
        return result;
      };
      // Richardson: the error of the central difference falls as the fourth power.
      const double whole = (moved(kStep) - moved(-kStep)) / (2 * kStep), half = (moved(kStep / 2) - moved(-kStep / 2)) / kStep;
      ASSERT_NEAR((4 * half - whole) / 3, slopes.const_data_ptr<double>()[j], 3e-3) << "input " << i << ", entry " << j;
    }
  }
}

class Ops : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Ops, ::testing::Range(0, 4));

int Between(Rng& rng, int low, int high) { return static_cast<int>(rng.Range(low, high)); }

TEST_P(Ops, LinearEqualsItsDefinition) {
  Rng rng = Rng(1).Fork(static_cast<std::uint64_t>(GetParam()));
  for (int n = 0; n < 4; ++n) {
    const int rows = Between(rng, 1, 45), in = Between(rng, 1, 70), out = Between(rng, 1, 90);
    SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(in) + " to " + std::to_string(out));
    const Tensors inputs{RandomTensor(rng, {rows, in}), RandomTensor(rng, {out, in}), RandomTensor(rng, {out})};
    ExpectEqual([](const Tensors& t) { return Tensors{ops::Linear(t[0], t[1], t[2])}; },
                [](const Tensors& t) { return Tensors{reference::Linear(t[0], t[1], t[2])}; }, inputs, rng);
    ExpectEqual([](const Tensors& t) { return Tensors{ops::Linear(t[0], t[1])}; },
                [](const Tensors& t) { return Tensors{reference::Linear(t[0], t[1])}; }, {inputs[0], inputs[1]}, rng);
  }
}

TEST_P(Ops, LinearTakesPartsOfWiderRows) {
  Rng rng = Rng(2).Fork(static_cast<std::uint64_t>(GetParam()));
  const int rows = Between(rng, 2, 20), in = Between(rng, 2, 30);
  const Tensors inputs{RandomTensor(rng, {rows, 2 * in + 3}), RandomTensor(rng, {17, in})};
  const auto op = [&](auto linear) {
    return [=](const Tensors& t) { return Tensors{linear(t[0].narrow(1, 2, in), t[1])}; };
  };
  ExpectEqual(op([](const at::Tensor& x, const at::Tensor& w) { return ops::Linear(x, w); }),
              op([](const at::Tensor& x, const at::Tensor& w) { return reference::Linear(x, w); }), inputs, rng);
}

TEST_P(Ops, EmbeddingEqualsItsDefinitionAndAddsUpRepeatedIds) {
  Rng rng = Rng(3).Fork(static_cast<std::uint64_t>(GetParam()));
  const int vocabulary = 9, width = Between(rng, 1, 40);
  std::vector<std::int64_t> ids{0, 8, 3, 3, 3, 0};
  for (int i = 0; i < 7; ++i) ids.push_back(rng.Range(0, vocabulary - 1));
  const at::Tensor which = at::tensor(ids, at::kLong);
  ExpectEqual([&](const Tensors& t) { return Tensors{ops::Embedding(t[0], which)}; },
              [&](const Tensors& t) { return Tensors{at::embedding(t[0], which)}; }, {RandomTensor(rng, {vocabulary, width})}, rng);
}

TEST_P(Ops, RmsNormEqualsItsDefinition) {
  Rng rng = Rng(4).Fork(static_cast<std::uint64_t>(GetParam()));
  for (const double eps : {1e-6, 0.3}) {
    const int rows = Between(rng, 1, 20), width = Between(rng, 1, 70);
    SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(width));
    ExpectEqual([&](const Tensors& t) { return Tensors{ops::RmsNorm(t[0], t[1], eps)}; },
                [&](const Tensors& t) { return Tensors{reference::RmsNorm(t[0], t[1], eps)}; },
                {RandomTensor(rng, {rows, width}, 0.7), RandomTensor(rng, {width})}, rng);
  }
}

TEST_P(Ops, JoinAndNormEqualsASumAndItsNorm) {
  Rng rng = Rng(15).Fork(static_cast<std::uint64_t>(GetParam()));
  for (const bool branch : {false, true}) {
    const int rows = Between(rng, 1, 20), width = Between(rng, 1, 70);
    SCOPED_TRACE(std::to_string(rows) + " rows of " + std::to_string(width) + ", branch " + std::to_string(branch));
    ExpectEqual([&](const Tensors& t) {
                  const Joined joined = ops::JoinAndNorm(t[0], branch ? t[1] : at::Tensor(), t[2], 1e-3);
                  return Tensors{joined.stream, joined.normed};
                },
                [&](const Tensors& t) {
                  const at::Tensor sum = branch ? t[0] + t[1] : t[0] * 1.0;
                  return Tensors{sum, reference::RmsNorm(sum, t[2], 1e-3)};
                },
                {RandomTensor(rng, {rows, width}, 0.7), RandomTensor(rng, {rows, width}), RandomTensor(rng, {width})}, rng);
  }
}

TEST_P(Ops, NormPartsEqualsThePartsAndTheirNorms) {
  Rng rng = Rng(16).Fork(static_cast<std::uint64_t>(GetParam()));
  const int rows = Between(rng, 1, 40), size = Between(rng, 1, 40), heads = Between(rng, 1, 4), rest = Between(rng, 1, 30);
  SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(heads) + " heads of " + std::to_string(size) + ", rest " + std::to_string(rest));
  const std::vector<std::int64_t> sizes = {size, heads * size, rest};
  const auto norm = [&](auto parts) { return [&, parts](const Tensors& t) { return parts(t[0], sizes, std::vector<at::Tensor>{t[1], t[2], {}}, 1e-3); }; };
  ExpectEqual(norm(ops::NormParts), norm(reference::NormParts), {RandomTensor(rng, {rows, size + heads * size + rest}, 0.7), RandomTensor(rng, {size}), RandomTensor(rng, {size})}, rng);
}

TEST_P(Ops, SwiGluEqualsItsDefinition) {
  Rng rng = Rng(5).Fork(static_cast<std::uint64_t>(GetParam()));
  const int rows = Between(rng, 1, 20), width = Between(rng, 1, 50);
  ExpectEqual([](const Tensors& t) { return Tensors{ops::SwiGlu(t[0])}; },
              [](const Tensors& t) { return Tensors{reference::SwiGlu(t[0])}; }, {RandomTensor(rng, {rows, 2 * width}, 2.0)}, rng);
}

struct AttentionCase {
  Heads heads;
  std::vector<Segment> segments;
  Rotation rotation;
  Tensors inputs;  // q, kv, key_rope
};

AttentionCase MakeAttention(Rng& rng, const Heads& heads, const std::vector<Segment>& segments) {
  const int rows = segments.back().end;
  const at::Tensor angles = RandomTensor(rng, {rows, heads.rope / 2}, 2.0);
  return {heads, segments, {angles.cos(), angles.sin()},
          {RandomTensor(rng, {rows, heads.count * (heads.nope + heads.rope)}), RandomTensor(rng, {rows, heads.ValueHeads() * (heads.nope + heads.value)}),
           RandomTensor(rng, {rows, heads.RopeHeads() * heads.rope})}};
}
Op FastAttention(const AttentionCase& c) {
  return [&c](const Tensors& t) { return Tensors{ops::Attention(t[0], t[1], t[2], c.rotation, c.heads, c.segments)}; };
}
Op PlainAttention(const AttentionCase& c) {
  return [&c](const Tensors& t) { return Tensors{reference::Attention(t[0], t[1], t[2], c.rotation, c.heads, c.segments)}; };
}
Op DeviceAttention(const AttentionCase& c) {
  return [&c](const Tensors& t) { return Tensors{device::Attention(t[0], t[1], t[2], c.rotation, c.heads, c.segments)}; };
}

TEST_P(Ops, AttentionEqualsItsDefinitionOverSegmentsAndSharedParents) {
  Rng rng = Rng(6).Fork(static_cast<std::uint64_t>(GetParam()));
  const std::vector<std::vector<Segment>> layouts{
      {{0, 1, -1}},
      {{0, 33, -1}},
      {{0, 70, -1}, {70, 71, -1}, {71, 100, -1}},
      {{0, 5, -1}, {5, 9, 0}, {9, 10, 0}, {10, 45, 0}},                       // a prompt of 5 and its group
      {{0, 3, -1}, {3, 43, -1}, {43, 50, 1}, {50, 97, 1}, {97, 99, 0}},       // two prompts
  };
  for (const auto& segments : layouts) {
    const Heads heads{Between(rng, 1, 5), Between(rng, 1, 20), 2 * Between(rng, 1, 9), Between(rng, 1, 35), 0.1 + rng.Uniform()};
    SCOPED_TRACE(std::to_string(segments.back().end) + " rows, " + std::to_string(heads.count) + " heads of " + std::to_string(heads.nope) + "+" +
                 std::to_string(heads.rope) + ", values of " + std::to_string(heads.value));
    const AttentionCase c = MakeAttention(rng, heads, segments);
    ExpectEqual(FastAttention(c), PlainAttention(c), c.inputs, rng);
    ExpectEqual(DeviceAttention(c), PlainAttention(c), c.inputs, rng, 1e-5);  // of one key its gradients are 0 by cancelling
    const int groups = Between(rng, 1, 3), size = 2 * Between(rng, 1, 12);
    const AttentionCase grouped = MakeAttention(rng, {groups * Between(rng, 1, 4), 0, size, size, 0.1 + rng.Uniform(), groups}, segments);
    ExpectEqual(FastAttention(grouped), PlainAttention(grouped), grouped.inputs, rng);
    ExpectEqual(DeviceAttention(grouped), PlainAttention(grouped), grouped.inputs, rng, 1e-5);
  }
}

RouterRule SomeRule(Rng& rng, int which) {
  const int groups = which % 2 == 0 ? 1 : Between(rng, 2, 4), per_group = Between(rng, 2, 5);
  const int kept = Between(rng, 1, groups);
  const bool softmax = which >= 4;
  return {groups * per_group, Between(rng, 1, kept * per_group), groups, kept, which < 2 || which == 4, static_cast<float>(0.5 + 2 * rng.Uniform()), softmax};
}

TEST_P(Ops, RouteEqualsItsDefinition) {
  Rng rng = Rng(7).Fork(static_cast<std::uint64_t>(GetParam()));
  for (int which = 0; which < 6; ++which) {
    const RouterRule rule = SomeRule(rng, which);
    const int rows = Between(rng, 1, 30);
    const Tensors inputs{RandomTensor(rng, {rows, rule.experts}, 1.5)};
    const at::Tensor bias = RandomTensor(rng, {rule.experts}, 0.2);
    EXPECT_TRUE(at::equal(ops::Route(inputs[0], bias, rule).experts, reference::Route(inputs[0], bias, rule).experts));
    // Chosen by the router, and replayed: other experts than it would choose, but for the first row.
    at::Tensor others = ops::Route(RandomTensor(rng, {rows, rule.experts}, 1.5), bias, rule).experts;
    others[0].fill_(-1);
    for (const at::Tensor& replayed : {at::Tensor(), others}) {
      const auto op = [&](auto route) {
        return [&, route](const Tensors& t) {
          const Routes routes = route(t[0], bias, rule, replayed);
          return Tensors{routes.weights, routes.scores};
        };
      };
      ExpectEqual(op(ops::Route), op(reference::Route), inputs, rng);
    }
    EXPECT_TRUE(at::equal(ops::Route(inputs[0], bias, rule, others).experts, reference::Route(inputs[0], bias, rule, others).experts));
  }
}

// Distinct experts of each row, rising, from the first `used` ones.
at::Tensor SomeExperts(Rng& rng, int rows, int chosen, int used) {
  at::Tensor experts = at::empty({rows, chosen}, at::kInt);
  std::int32_t* to = experts.mutable_data_ptr<std::int32_t>();
  for (int r = 0; r < rows; ++r) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(used));
    for (int e = 0; e < used; ++e) ids[e] = e;
    for (int k = 0; k < chosen; ++k) std::swap(ids[k], ids[rng.Range(k, used - 1)]);
    std::sort(ids.begin(), ids.begin() + chosen);
    std::copy_n(ids.begin(), chosen, to + r * chosen);
  }
  return experts;
}

TEST_P(Ops, ExpertsEqualTheirDefinitionAlsoWhereSomeGetNoToken) {
  Rng rng = Rng(8).Fork(static_cast<std::uint64_t>(GetParam()));
  for (const bool idle : {false, true}) {
    const int rows = Between(rng, 1, 30), chosen = Between(rng, 1, 3), used = chosen + Between(rng, 0, 2), experts = used + (idle ? 3 : 0);
    const int width = Between(rng, 1, 40), inner = Between(rng, 1, 35);
    SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(chosen) + " of " + std::to_string(experts));
    const at::Tensor which = SomeExperts(rng, rows, chosen, used);
    const Tensors inputs{RandomTensor(rng, {rows, width}), RandomTensor(rng, {rows, chosen}), RandomTensor(rng, {experts, 2 * inner, width}, 0.4),
                         RandomTensor(rng, {experts, width, inner}, 0.4)};
    const Op plain = [&](const Tensors& t) { return Tensors{reference::Experts(t[0], Routes{which, t[1], {}}, t[2], t[3])}; };
    ExpectEqual([&](const Tensors& t) { return Tensors{ops::Experts(t[0], Routes{which, t[1], {}}, t[2], t[3])}; }, plain, inputs, rng);
    ExpectEqual([&](const Tensors& t) { return Tensors{device::Experts(t[0], Routes{which, t[1], {}}, t[2], t[3], Products::kFloat32)}; }, plain, inputs, rng);
    Tensors more = inputs;
    more.push_back(RandomTensor(rng, {rows, width}));
    ExpectEqual([&](const Tensors& t) { return Tensors{ops::Experts(t[0], Routes{which, t[1], {}}, t[2], t[3], Products::kFloat32, t[4])}; },
                [&](const Tensors& t) { return Tensors{plain(t)[0] + t[4]}; }, more, rng);
  }
}

TEST(DeviceExperts, InBfloat16AreNearlyTheirDefinitionAndItsGradients) {
  Rng rng(13);
  const at::Tensor which = SomeExperts(rng, 30, 2, 6);
  const Tensors inputs{RandomTensor(rng, {30, 40}), RandomTensor(rng, {30, 2}), RandomTensor(rng, {9, 20, 40}, 0.4), RandomTensor(rng, {9, 40, 10}, 0.4)}, pulls{RandomTensor(rng, {30, 40})};
  const OpOutcome got = cogent::Run([&](const Tensors& t) { return Tensors{device::Experts(t[0], Routes{which, t[1], {}}, t[2], t[3], Products::kBfloat16)}; }, inputs, pulls);
  const OpOutcome want = cogent::Run([&](const Tensors& t) { return Tensors{reference::Experts(t[0], Routes{which, t[1], {}}, t[2], t[3])}; }, inputs, pulls);
  EXPECT_EQ(got.values[0].scalar_type(), at::kFloat);
  EXPECT_FALSE(at::equal(got.values[0], want.values[0]));
  EXPECT_TRUE(Near(got.values[0].detach(), want.values[0].detach(), 0.02 * want.values[0].abs().max().item<double>(), 0));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(Near(got.gradients[i], want.gradients[i], 0.02 * want.gradients[i].abs().max().item<double>(), 0)) << i;
}

TEST(DeviceLinear, InBfloat16IsNearlyTheProductAndItsGradients) {
  Rng rng(14);
  const Tensors inputs{RandomTensor(rng, {9, 40}), RandomTensor(rng, {12, 40}), RandomTensor(rng, {12})}, pulls{RandomTensor(rng, {9, 12})};
  const OpOutcome got = cogent::Run([](const Tensors& t) { return Tensors{device::Linear(t[0], t[1], t[2], Products::kBfloat16, {})}; }, inputs, pulls);
  const OpOutcome want = cogent::Run([](const Tensors& t) { return Tensors{reference::Linear(t[0], t[1], t[2])}; }, inputs, pulls);
  EXPECT_EQ(got.values[0].scalar_type(), at::kFloat);
  EXPECT_FALSE(at::equal(got.values[0], want.values[0]));
  EXPECT_TRUE(Near(got.values[0].detach(), want.values[0].detach(), 0.02 * want.values[0].abs().max().item<double>(), 0));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(Near(got.gradients[i], want.gradients[i], 0.02 * want.gradients[i].abs().max().item<double>(), 0)) << i;
}

enum class Way { kKernels, kDevice, kDefinition };

Op Stats(Way way, const std::vector<std::int64_t>& rows, const std::vector<std::int64_t>& targets, double temperature) {
  return [=](const Tensors& t) {
    const TokenStats s = way == Way::kKernels  ? ops::TokenLogprobs(t[0], t[1], rows, targets, temperature)
                         : way == Way::kDevice ? device::TokenLogprobs(t[0], t[1], rows, targets, temperature, Products::kFloat32)
                                               : reference::TokenLogprobs(t[0], t[1], rows, targets, temperature);
    return Tensors{s.logprobs, s.entropy};
  };
}

TEST_P(Ops, TokenLogprobsAndEntropyEqualTheirDefinition) {
  Rng rng = Rng(9).Fork(static_cast<std::uint64_t>(GetParam()));
  for (const double temperature : {1.0, 0.6, 1.7}) {
    // Rows several times; more of them than are projected at once; a vocabulary that the backward pass takes in parts.
    for (const auto& [count, most] : {std::pair{1, 90}, {20, 90}, {530, 90}, {90, 2500}}) {
      const int rows = Between(rng, 1, 40), width = Between(rng, 1, 40), vocabulary = Between(rng, most / 2, most);
      SCOPED_TRACE(std::to_string(count) + " of " + std::to_string(rows) + " rows, vocabulary " + std::to_string(vocabulary));
      std::vector<std::int64_t> which, targets;
      for (int i = 0; i < count; ++i) which.push_back(rng.Range(0, rows - 1)), targets.push_back(rng.Range(0, vocabulary - 1));
      const Tensors inputs{RandomTensor(rng, {rows, width}), RandomTensor(rng, {vocabulary, width}, 0.5)};
      for (const Way way : {Way::kKernels, Way::kDevice}) ExpectEqual(Stats(way, which, targets, temperature), Stats(Way::kDefinition, which, targets, temperature), inputs, rng);
    }
  }
}

TEST(TokenLogprobs, EachOutputAloneCarriesItsGradient) {
  Rng rng(10);
  const Tensors inputs{RandomTensor(rng, {3, 5}), RandomTensor(rng, {19, 5})};
  const std::vector<std::int64_t> rows{2, 0, 2}, targets{18, 4, 4};
  for (const std::size_t output : {0, 1}) {
    const auto only = [&](Way way) { return [=](const Tensors& t) { return Tensors{Stats(way, rows, targets, 0.8)(t)[output]}; }; };
    for (const Way way : {Way::kKernels, Way::kDevice}) ExpectEqual(only(way), only(Way::kDefinition), inputs, rng);
  }
}

TEST(TokenLogprobs, OfAnEvenDistributionIsTheLogarithmOfItsSize) {
  const at::Tensor x = at::ones({1, 4}), head = at::ones({8, 4});
  const TokenStats stats = ops::TokenLogprobs(x, head, {0}, {5}, 1.0);
  EXPECT_FLOAT_EQ(stats.logprobs.item<float>(), -std::log(8.0f));
  EXPECT_FLOAT_EQ(stats.entropy.item<float>(), std::log(8.0f));
}

TEST(TokenLogprobs, StayFiniteWhereAllWeightIsOnOneToken) {
  at::Tensor x = at::zeros({1, 1}).fill_(300.0).requires_grad_(true);
  const at::Tensor head = at::tensor(std::vector<float>{1.0f, 0.0f, -1.0f}, at::kFloat).view({3, 1}).requires_grad_(true);
  const TokenStats stats = ops::TokenLogprobs(x, head, {0, 0}, {0, 2}, 1.0);
  EXPECT_FLOAT_EQ(stats.logprobs[0].item<float>(), 0.0f);
  EXPECT_FLOAT_EQ(stats.logprobs[1].item<float>(), -600.0f);
  EXPECT_NEAR(stats.entropy[0].item<float>(), 0.0f, 1e-4);
  (stats.logprobs.sum() + stats.entropy.sum()).backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
  EXPECT_TRUE(head.grad().isfinite().all().item<bool>());
}

TEST(FiniteDifferences, AgreeWithTheGradientsOfEveryDefinition) {
  Rng rng(11);
  ExpectSlopes([](const Tensors& t) { return Tensors{reference::Linear(t[0], t[1], t[2])}; },
               {RandomTensor(rng, {2, 3}), RandomTensor(rng, {4, 3}), RandomTensor(rng, {4})}, rng);
  ExpectSlopes([](const Tensors& t) { return Tensors{reference::SwiGlu(t[0])}; }, {RandomTensor(rng, {2, 6})}, rng);
  ExpectSlopes([](const Tensors& t) { return Tensors{reference::RmsNorm(t[0], t[1], 0.1)}; }, {RandomTensor(rng, {2, 5}), RandomTensor(rng, {5})}, rng);
  const at::Tensor which = SomeExperts(rng, 4, 2, 3);
  ExpectSlopes([&](const Tensors& t) { return Tensors{reference::Experts(t[0], {which, t[1], {}}, t[2], t[3])}; },
               {RandomTensor(rng, {4, 3}), RandomTensor(rng, {4, 2}), RandomTensor(rng, {4, 4, 3}), RandomTensor(rng, {4, 3, 2})}, rng);
  AttentionCase c = MakeAttention(rng, {2, 3, 2, 2, 0.7}, {{0, 2, -1}, {2, 4, 0}, {4, 5, -1}});
  c.rotation = {c.rotation.cosines.to(at::kDouble), c.rotation.sines.to(at::kDouble)};
  ExpectSlopes(PlainAttention(c), c.inputs, rng);
  ExpectSlopes(Stats(Way::kDefinition, {1, 0, 1}, {3, 0, 2}, 0.8), {RandomTensor(rng, {2, 3}), RandomTensor(rng, {5, 3})}, rng);
  // Far from any tie, so that the small steps do not change the choice.
  const at::Tensor logits = at::tensor(std::vector<float>{2.0f, -1.0f, 0.5f, -2.0f}, at::kFloat).view({1, 4});
  const RouterRule rule{4, 2, 1, 1, true, 1.5f};
  ExpectSlopes([&](const Tensors& t) {
    const Routes routes = reference::Route(t[0], at::zeros({4}), rule);
    return Tensors{routes.weights, routes.scores};
  }, {logits}, rng);
}

// ---- Balance of the experts, on the reference's routing cases.

struct RoutingCase {
  nlohmann::json json;
  RouterRule rule;
  at::Tensor logits, bias;
};
at::Tensor Matrix(const nlohmann::json& rows) {
  std::vector<float> values;
  for (const auto& row : rows) for (const auto& v : row) values.push_back(v.get<float>());
  return at::tensor(values, at::kFloat).view({static_cast<std::int64_t>(rows.size()), -1});
}
std::vector<RoutingCase> StoredRoutingCases() {
  std::vector<RoutingCase> cases;
  const nlohmann::json file = parity::ReadJson(parity::Root() + "/routing/cases.json");
  for (const auto& c : file["cases"]) {
    cases.push_back({c, {c["n_routed_experts"], c["num_experts_per_tok"], c["n_group"], c["topk_group"], c["norm_topk_prob"], c["routed_scaling_factor"]},
                     Matrix(c["router_logits"]), at::tensor(c["e_score_correction_bias"].get<std::vector<float>>(), at::kFloat)});
  }
  return cases;
}

TEST(Route, EqualsEveryReferenceCase) {
  for (const RoutingCase& c : StoredRoutingCases()) {
    for (const Routes& routes : {ops::Route(c.logits, c.bias, c.rule), reference::Route(c.logits, c.bias, c.rule)}) {
      EXPECT_TRUE(at::equal(routes.experts, Matrix(c.json["topk_sorted_by_expert"]).to(at::kInt)));
      EXPECT_TRUE(Near(routes.weights, Matrix(c.json["weights"]), 0, 1e-6));
    }
  }
}

void ExpectBalance(const RoutingCase& c, const at::Tensor& scores, const at::Tensor& experts, const char* key) {
  const double alpha = c.json["alpha"];
  std::vector<Segment> all;
  double mean = 0.0;
  const auto& sequences = c.json["sequences"];
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const Segment segment{sequences[i][0], sequences[i][1], -1};
    const double want = c.json[key][i];
    const auto own = [&](const at::Tensor& t) { return t.narrow(0, segment.begin, segment.size()); };
    const double got = BalanceLoss(own(scores), own(experts), {{0, segment.size(), -1}}, alpha).item<double>();
    EXPECT_NEAR(got, want, 1e-6 * want) << key << ", sequence " << i;
    all.push_back(segment);
    mean += want / static_cast<double>(sequences.size());
  }
  EXPECT_NEAR(BalanceLoss(scores, experts, all, alpha).item<double>(), mean, 1e-6 * mean) << key << ", mean over sequences";
}

TEST(BalanceLoss, EqualsTheReferenceForTheExpertsSelectedAndForThoseOfTheBareScores) {
  for (const RoutingCase& c : StoredRoutingCases()) {
    const Routes routes = ops::Route(c.logits, c.bias, c.rule);
    ExpectBalance(c, routes.scores, routes.experts, "balance_loss_per_sequence_selected");
    const RouterRule bare{c.rule.experts, c.rule.chosen};
    ExpectBalance(c, routes.scores, ops::Route(c.logits, at::zeros_like(c.bias), bare).experts, "balance_loss_per_sequence_unbiased");
  }
}

TEST(BalanceLoss, OfAnEvenLoadIsAlphaAndScalesWithIt) {
  const at::Tensor scores = at::ones({4, 4}).mul_(0.5);
  const at::Tensor experts = at::arange(4, at::kInt).view({4, 1});
  for (const double alpha : {1e-4, 0.25, 3.0}) {
    EXPECT_FLOAT_EQ(BalanceLoss(scores, experts, {{0, 4, -1}}, alpha).item<float>(), static_cast<float>(alpha));
  }
}

TEST(BalanceLoss, PullsThroughTheAffinitiesAndNotThroughTheCounts) {
  Rng rng(12);
  const at::Tensor experts = SomeExperts(rng, 6, 2, 5);
  const std::vector<Segment> segments{{0, 2, -1}, {2, 6, -1}};
  ExpectSlopes([&](const Tensors& t) { return Tensors{BalanceLoss(at::sigmoid(t[0]), experts, segments, 2.0)}; }, {RandomTensor(rng, {6, 5})}, rng);
}

TEST(UpdateBiases, EqualsTheReferenceRule) {
  for (const RoutingCase& c : StoredRoutingCases()) {
    at::Tensor biases = c.bias.unsqueeze(0).clone();
    const auto counts = c.json["load"].get<std::vector<std::int64_t>>();
    UpdateBiases(biases, at::tensor(counts, at::kLong).unsqueeze(0), c.json["gamma"]);
    const at::Tensor want = at::tensor(c.json["bias_after_update"].get<std::vector<float>>(), at::kFloat).unsqueeze(0);
    EXPECT_TRUE(Near(biases, want, 1e-7, 2e-7));  // a rounding of float32
  }
}

TEST(UpdateBiases, MovesEveryLayerByItsOwnMeanAndLeavesTheMeanItselfAlone) {
  at::Tensor biases = at::zeros({2, 3});
  UpdateBiases(biases, at::tensor(std::vector<std::int64_t>{4, 2, 0, 9, 9, 9}, at::kLong).view({2, 3}), 0.5);
  EXPECT_TRUE(at::equal(biases, at::tensor(std::vector<float>{-0.5f, 0.0f, 0.5f, 0.0f, 0.0f, 0.0f}, at::kFloat).view({2, 3})));
  at::Tensor none = at::zeros({0, 1});
  UpdateBiases(none, at::zeros({0, 1}, at::kLong), 0.5);  // a dense model has none
}

}  // namespace
}  // namespace cogent
