// The decoder against the reference library's numbers: every deepseek_v3 fixture, every tensor in it.
#include "tests/policies/parity.h"

namespace cogent {
namespace {

using parity::Fixture;
using parity::Near;

// A model's fixture by our kernels, and by what other devices run.
class Parity : public ::testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  Fixture Load() const { return Fixture(std::get<0>(GetParam()), std::get<1>(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(Transformer, Parity, ::testing::Combine(::testing::ValuesIn(parity::Models()), ::testing::Bool()),
                         [](const auto& info) { return std::get<0>(info.param) + (std::get<1>(info.param) ? "_elsewhere" : ""); });

PackedTokens One(const std::vector<std::int64_t>& ids) { return {ids, {{0, static_cast<int>(ids.size()), -1}}}; }

void ExpectLogits(const Fixture& f, const at::Tensor& got, const at::Tensor& want) {
  EXPECT_TRUE(Near(got, want, f.Tolerance("logits_atol"), f.Tolerance("logits_rtol")));
}

TEST_P(Parity, HoldsForEveryLayerOfEachSequence) {
  const Fixture f = Load();
  c10::NoGradGuard no_grad;
  const Transformer model = f.Model();
  for (const std::string seq : {"seq0.", "seq1."}) {
    const auto ids = f.Ids(seq + "input_ids");
    std::map<std::string, at::Tensor> trace;
    const ForwardResult out = model.Forward(One(ids), {.trace = &trace});
    int compared = 0;
    for (const auto& [name, got] : trace) {
      if (!f.expected.Has(seq + name)) continue;
      ++compared;
      const at::Tensor want = f.Get(seq + name);
      if (name.ends_with("router_topk")) {
        EXPECT_TRUE(at::equal(got.cpu(), want)) << seq << name;
      } else if (name.ends_with("router_weights")) {
        EXPECT_TRUE(Near(got, want, f.Tolerance("router_weight_atol"), 0)) << seq << name;
      } else {
        EXPECT_TRUE(Near(got, want, f.Tolerance("hidden_atol"), f.Tolerance("hidden_rtol"))) << seq << name;
      }
    }
    EXPECT_GE(compared, f.config.num_hidden_layers + 2);
    ExpectLogits(f, model.Logits(out.hidden), f.Get(seq + "logits"));
    std::vector<std::int64_t> rows(ids.size()), next(ids.begin() + 1, ids.end());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<std::int64_t>(i);
    next.push_back(0);
    const TokenStats stats = model.Logprobs(out.hidden, rows, next, 1.0);
    const double tolerance = f.Tolerance("logprob_atol");
    EXPECT_TRUE(Near(stats.logprobs.narrow(0, 0, ids.size() - 1), f.Get(seq + "logprobs"), tolerance, 0));
    EXPECT_TRUE(Near(stats.entropy, f.Get(seq + "entropy"), tolerance, 0));
  }
}

TEST_P(Parity, HoldsForSequencesPackedEndToEnd) {
  const Fixture f = Load();
  c10::NoGradGuard no_grad;
  const at::Tensor borders = f.Get("packed.cu_seqlens");
  PackedTokens packed{f.Ids("packed.input_ids"), {}};
  for (int i = 0; i + 1 < borders.numel(); ++i) packed.segments.push_back({borders[i].item<int>(), borders[i + 1].item<int>(), -1});
  const Transformer model = f.Model();
  ExpectLogits(f, model.Logits(model.Forward(packed, {}).hidden), at::cat({f.Get("seq0.logits"), f.Get("seq1.logits")}));
}

TEST_P(Parity, HoldsForPaddedBatchesOnceTheirPaddingIsDropped) {
  const Fixture f = Load();
  c10::NoGradGuard no_grad;
  const Transformer model = f.Model();
  for (const std::string side : {"left.", "right."}) {
    const PackedTokens packed = PackPadded(f.Get(side + "input_ids"), f.Get(side + "attention_mask"));
    ExpectLogits(f, model.Logits(model.Forward(packed, {}).hidden), at::cat({f.Get("seq0.logits"), f.Get("seq1.logits")}));
  }
}

TEST_P(Parity, HoldsForAContinuationThatSharesItsPrompt) {
  const Fixture f = Load();
  c10::NoGradGuard no_grad;
  const auto ids = f.Ids("seq0.input_ids");
  const int n = static_cast<int>(ids.size()), split = n / 3;
  // The prompt once, its continuation twice.
  PackedTokens shared{ids, {{0, split, -1}, {split, n, 0}, {n, 2 * n - split, 0}}};
  shared.ids.insert(shared.ids.end(), ids.begin() + split, ids.end());
  const Transformer model = f.Model();
  const at::Tensor logits = model.Logits(model.Forward(shared, {}).hidden), want = f.Get("seq0.logits");
  ExpectLogits(f, logits.narrow(0, 0, n), want);
  ExpectLogits(f, logits.narrow(0, n, n - split), want.narrow(0, split, n - split));
}

TEST_P(Parity, HoldsForThePredictionModule) {
  const Fixture f = Load();
  if (!f.expected.Has("seq0.mtp_logits")) GTEST_SKIP() << "this fixture has no prediction module";
  c10::NoGradGuard no_grad;
  const Transformer model = f.Model();
  for (const std::string seq : {"seq0.", "seq1."}) {
    const PackedTokens tokens = One(f.Ids(seq + "input_ids"));
    const at::Tensor hidden = model.Predict(tokens, model.Forward(tokens, {}).hidden, {}).hidden;
    const std::int64_t n = hidden.size(0) - 1;
    ExpectLogits(f, model.Logits(hidden).narrow(0, 0, n), f.Get(seq + "mtp_logits"));
  }
}

TEST_P(Parity, HoldsForTheLossAndEveryGradient) {
  const Fixture f = Load();
  if (!f.expected.Has("grad_batch.labels")) GTEST_SKIP() << "this fixture has no gradients";
  const at::Tensor ids = f.Get("grad_batch.input_ids"), mask = f.Get("grad_batch.attention_mask"), labels = f.Get("grad_batch.labels");
  const PackedTokens packed = PackPadded(ids, mask);
  std::vector<std::int64_t> rows, targets;
  for (std::size_t b = 0, row = 0; b < packed.segments.size(); ++b) {
    const auto at = static_cast<std::int64_t>(b);
    for (std::int64_t t = 0, last = -1; t < ids.size(1); ++t) {
      if (mask[at][t].item<int>() == 0) continue;
      const auto label = labels[at][t].item<std::int64_t>();
      if (last >= 0 && label != -100) rows.push_back(last), targets.push_back(label);
      last = static_cast<std::int64_t>(row++);
    }
  }
  at::Tensor grad = at::zeros_like(f.weights.flat());
  const Transformer model = f.Model(grad);
  const at::Tensor loss = -model.Logprobs(model.Forward(packed, {}).hidden, rows, targets, 1.0).logprobs.mean();
  EXPECT_EQ(rows.size(), f.summary["gradients"]["loss_tokens"].get<std::size_t>());
  EXPECT_NEAR(loss.item<double>(), f.summary["gradients"]["loss"].get<double>(), f.Tolerance("loss_atol"));
  loss.backward();
  const auto named = f.weights.Named(grad);
  EXPECT_NEAR(grad.norm().item<double>() / f.summary["gradients"]["total_norm"].get<double>(), 1.0, f.Tolerance("grad_norm_rtol"));
  for (const auto& [name, want] : f.summary["gradients"]["parameters"].items()) {
    const double norm = want["norm"].get<double>();
    EXPECT_NEAR(named.at(name).norm().item<double>(), norm, f.Tolerance("grad_norm_rtol") * norm + 1e-9) << name;
    if (!f.expected.Has("grad." + name)) continue;
    const double largest = want["absmax"].get<double>();
    EXPECT_TRUE(Near(named.at(name), f.Get("grad." + name), f.Tolerance("grad_atol_rel_to_max") * largest + 1e-12, 0)) << name;
  }
}

}  // namespace
}  // namespace cogent
