// Decoding with the compressed cache: the reference library's greedy tokens and logits, equality with the
// training forward pass, and bits that depend on nothing but the row's own tokens.
#include "policies/decoder.h"

#include <cmath>

#include "policies/generate.h"
#include "tests/policies/parity.h"
#include "tests/policies/tiny_model.h"

namespace cogent {
namespace {

using parity::Fixture;
using Ids = std::vector<std::int32_t>;

using Logits = std::vector<float>;

Logits Wanted(Decoder& decoder, const ModelConfig& config, int i) {
  return {decoder.Logits(i), decoder.Logits(i) + config.vocab_size};
}

// Caches ids [first, last) of a sequence in a slot and returns the logits behind the last one.
Logits Feed(Decoder& decoder, const ModelConfig& config, int slot, const Ids& ids, int first, int last) {
  std::vector<DecodeRow> rows;
  for (int p = first; p < last; ++p) rows.push_back({slot, p, ids[p]});
  decoder.Run(rows, {last - first - 1});
  return Wanted(decoder, config, 0);
}

class DecoderParity : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Transformer, DecoderParity, ::testing::ValuesIn(parity::Models()), [](const auto& info) { return info.param; });

TEST_P(DecoderParity, GreedyTokensAreEqualAndTheirLogitsClose) {
  const Tokenizer tokenizer = tiny::Characters();
  for (const bool elsewhere : {false, true}) for (const std::string seq : {"seq0.", "seq1."}) {
    const Fixture f(GetParam(), elsewhere);
    const Generator generator(f.weights, tokenizer, {});
    const auto prompt = f.Ids(seq + "input_ids"), want = f.Ids(seq + "greedy");
    const auto got = generator.GreedyWithLogits(Ids(prompt.begin(), prompt.end()), static_cast<int>(want.size()));
    EXPECT_EQ(std::vector<std::int64_t>(got.ids.begin(), got.ids.end()), want) << seq;
    const at::Tensor logits = at::tensor(got.logits, at::kFloat).view({static_cast<std::int64_t>(want.size()), f.config.vocab_size});
    EXPECT_TRUE(parity::Near(logits, f.Get(seq + "greedy_logits"), f.Tolerance("logits_atol"), f.Tolerance("logits_rtol"))) << seq;
  }
}

TEST_P(DecoderParity, ARowHasTheSameBitsAloneAndInABatchForEveryTeamInBothPrecisions) {
  const Fixture f(GetParam());
  for (const auto& [products, cached] : {std::pair{Products::kFloat32, Cached::kFloat32}, {Products::kBfloat16, Cached::kFloat32}, {Products::kFloat32, Cached::kBfloat16}}) {
    const DecoderWeights packed(f.weights, products);
    Rng rng(21);
    constexpr int kSlots = 11;
    std::vector<Ids> sequences;
    std::vector<Logits> alone;
    for (int s = 0; s < kSlots; ++s) {
      sequences.push_back(tiny::Ids(rng, 3 + 4 * s, f.config.vocab_size));
      Decoder own(packed, 1, 64, nullptr, cached);
      const int n = static_cast<int>(sequences[s].size());
      for (int p = 0; p + 1 < n; ++p) own.Run({{0, p, sequences[s][p]}}, {});
      own.Run({{0, n - 1, sequences[s][n - 1]}}, {0});
      alone.push_back(Wanted(own, f.config, 0));
    }
    for (const int members : {1, 2, 3}) {
      Team team(members);
      Decoder decoder(packed, kSlots, 64, &team, cached);
      std::vector<DecodeRow> rows;
      std::vector<int> wanted;
      for (int s = 0; s < kSlots; ++s) {
        const int n = static_cast<int>(sequences[s].size());
        Feed(decoder, f.config, s, sequences[s], 0, n - 1);
        rows.push_back({s, n - 1, sequences[s][n - 1]});
        wanted.push_back(s);
      }
      decoder.Run(rows, wanted);
      for (int s = 0; s < kSlots; ++s) {
        EXPECT_EQ(Wanted(decoder, f.config, s), alone[s]) << "sequence " << s << ", " << members << " members, " << (products == Products::kFloat32 ? "float32" : "bfloat16") << (cached == Cached::kFloat32 ? "" : ", rounded cache");
      }
    }
  }
}

// A group: one prompt, two completions of different length, sampled token by token and learned from in one pack.
TEST_P(DecoderParity, WithExpandedLatentsItGivesTheTrainersLogprobsToTheBitInBothPrecisions) {
  const Fixture f(GetParam());
  const int vocabulary = f.config.vocab_size;
  Rng rng(23);
  const Ids prompt = tiny::Ids(rng, 19, vocabulary);
  const std::vector<Ids> completions = {tiny::Ids(rng, 30, vocabulary), tiny::Ids(rng, 7, vocabulary)};
  PackedTokens tokens{{prompt.begin(), prompt.end()}, {{0, 19, -1}}};
  std::vector<std::int64_t> rows, targets;
  for (const Ids& completion : completions) {
    const int begin = static_cast<int>(tokens.ids.size());
    for (std::size_t i = 0; i < completion.size(); ++i) rows.push_back(i == 0 ? 18 : begin + static_cast<std::int64_t>(i) - 1), targets.push_back(completion[i]);
    tokens.ids.insert(tokens.ids.end(), completion.begin(), completion.end() - 1);
    tokens.segments.push_back({begin, static_cast<int>(tokens.ids.size()), 0});
  }
  for (const Products products : {Products::kFloat32, Products::kBfloat16}) for (const double temperature : {1.0, 0.7}) {
    SCOPED_TRACE(std::string(products == Products::kFloat32 ? "float32" : "bfloat16") + ", temperature " + std::to_string(temperature));
    const float cold = static_cast<float>(1.0 / temperature);
    const DecoderWeights packed(f.weights, products, Latents::kExpanded);
    Decoder decoder(packed, 3, 64);
    const auto logprob = [&](const Logits& logits, std::int32_t id) { return LogProbability(logits[static_cast<std::size_t>(id)], cold, SumLogits(logits.data(), vocabulary, cold).log_sum); };
    std::vector<float> sampled;
    const Logits behind = Feed(decoder, f.config, 2, prompt, 0, 19);
    for (int slot = 0; slot < 2; ++slot) {
      decoder.CopySlot(2, slot, 19);
      const Ids& own = completions[static_cast<std::size_t>(slot)];
      sampled.push_back(logprob(behind, own[0]));
      for (int i = 0; i + 1 < static_cast<int>(own.size()); ++i) {
        decoder.Run({{slot, 19 + i, own[i]}}, {0});
        sampled.push_back(logprob(Wanted(decoder, f.config, 0), own[i + 1]));
      }
    }
    const Transformer model(f.config, f.weights.Leaves(), f.weights.biases());  // with gradients, as it trains
    const at::Tensor learned = model.Logprobs(model.Forward(tokens, {.products = products}).hidden, rows, targets, temperature, {products, products}).logprobs.detach();
    EXPECT_EQ(std::vector<float>(learned.const_data_ptr<float>(), learned.const_data_ptr<float>() + learned.numel()), sampled);
    EXPECT_EQ(Decoder::CacheBytes(f.config, 1, 64, Latents::kExpanded) > Decoder::CacheBytes(f.config, 1, 64), f.config.IsLatent());
  }
}

// How far the logits of 41 tokens are from those of float32, in parts of their size, the nearest first.
std::vector<double> Differences(const Fixture& f, Products products, Cached cached) {
  const DecoderWeights full(f.weights), other(f.weights, products);
  Rng rng(22);
  const Ids ids = tiny::Ids(rng, 41, f.config.vocab_size);
  Decoder wide(full, 1, 41), narrow(other, 1, 41, nullptr, cached);
  std::vector<double> relative;
  for (int p = 0; p < 41; ++p) {
    const Logits want = Feed(wide, f.config, 0, ids, p, p + 1), got = Feed(narrow, f.config, 0, ids, p, p + 1);
    double squares = 0, errors = 0;
    for (std::size_t i = 0; i < want.size(); ++i) squares += want[i] * want[i], errors += (got[i] - want[i]) * (got[i] - want[i]);
    relative.push_back(std::sqrt(errors / squares));
  }
  std::sort(relative.begin(), relative.end());
  return relative;
}

// Rounding has 8 bits: each factor is off by up to 0.4%, by chance up or down. A router near a tie may choose other experts, and
// then a row is another one: the median row says what rounding does.
TEST_P(DecoderParity, Bfloat16WeightsGiveNearlyTheLogitsOfFloat32) {
  const Fixture f(GetParam());
  EXPECT_LT(DecoderWeights(f.weights, Products::kBfloat16).MatrixBytes(), 0.6 * static_cast<double>(DecoderWeights(f.weights).MatrixBytes()));
  const std::vector<double> relative = Differences(f, Products::kBfloat16, Cached::kFloat32);
  EXPECT_GT(relative[20], 1e-4) << "nothing was rounded";
  EXPECT_LT(relative[20], 0.02);
  if (!f.config.HasExperts()) {
    EXPECT_LT(relative[40], 0.05);
  }
}

TEST_P(DecoderParity, ACacheInBfloat16GivesNearlyTheLogitsOfFloat32InHalfTheMemory) {
  const Fixture f(GetParam());
  const std::vector<double> relative = Differences(f, Products::kFloat32, Cached::kBfloat16);
  EXPECT_GT(relative[20], 1e-5) << "nothing was rounded";
  EXPECT_LT(relative[20], 0.01);
  EXPECT_EQ(2 * Decoder::CacheBytes(f.config, 3, 50, Latents::kAbsorbed, Cached::kBfloat16), Decoder::CacheBytes(f.config, 3, 50));
}

TEST(Decoder, LogitsEqualTheTrainingForwardPass) {
  for (int which = 0; which < tiny::kVariants; ++which) {
    for (const std::uint64_t seed : {1, 2}) {
      SCOPED_TRACE("variant " + std::to_string(which) + ", seed " + std::to_string(seed));
      const ModelConfig config = tiny::Variant(which);
      const ParameterSet weights = tiny::Weights(config, seed);
      Rng rng(seed + 100);
      const Ids ids = tiny::Ids(rng, 37 + which, config.vocab_size);
      const int n = static_cast<int>(ids.size());
      c10::NoGradGuard no_grad;
      const Transformer model(config, weights.Leaves(), weights.biases());
      const at::Tensor want = model.Logits(model.Forward({{ids.begin(), ids.end()}, {{0, n, -1}}}, {}).hidden);
      EXPECT_GT(want.abs().max().item<double>(), 0.5) << "logits this small would hide mistakes";
      const DecoderWeights packed(weights);
      Decoder decoder(packed, 1, n);
      // A prompt at once, then token by token.
      std::vector<DecodeRow> rows;
      std::vector<int> wanted;
      for (int p = 0; p < n / 2; ++p) rows.push_back({0, p, ids[p]}), wanted.push_back(p);
      decoder.Run(rows, wanted);
      for (int p = 0; p < n; ++p) {
        if (p >= n / 2) decoder.Run({{0, p, ids[p]}}, {0});
        const at::Tensor got = at::tensor(Wanted(decoder, config, p < n / 2 ? p : 0), at::kFloat);
        EXPECT_TRUE(parity::Near(got, want[p], 1e-4, 1e-5)) << "position " << p;
      }
    }
  }
}

TEST(Decoder, ChoosesTheExpertsOfTheTrainingForwardPass) {
  const ModelConfig config = tiny::Variant(0);
  const ParameterSet weights = tiny::Weights(config, 3);
  Rng rng(4);
  const Ids ids = tiny::Ids(rng, 20, config.vocab_size);
  c10::NoGradGuard no_grad;
  std::map<std::string, at::Tensor> trace;
  const Transformer model(config, weights.Leaves(), weights.biases());
  model.Forward({{ids.begin(), ids.end()}, {{0, 20, -1}}}, {.trace = &trace});
  const DecoderWeights packed(weights);
  Decoder decoder(packed, 1, 20);
  Feed(decoder, config, 0, ids, 0, 20);
  for (int layer = config.first_k_dense_replace; layer < config.num_hidden_layers; ++layer) {
    const at::Tensor want = trace.at("layers." + std::to_string(layer) + ".router_topk").to(at::kInt).contiguous();
    const std::int32_t* p = want.const_data_ptr<std::int32_t>();
    EXPECT_EQ(decoder.Experts(layer), Ids(p, p + want.numel())) << "layer " << layer;
  }
}

TEST(Decoder, ARowHasTheSameBitsAloneInABatchAndInAnotherSlot) {
  for (int which = 0; which < tiny::kVariants; ++which) {
    SCOPED_TRACE("variant " + std::to_string(which));
    const ModelConfig config = tiny::Variant(which);
    const ParameterSet weights = tiny::Weights(config, 5);
    const DecoderWeights packed(weights);
    Rng rng(6);
    constexpr int kSlots = 11;
    std::vector<Ids> sequences;
    std::vector<Logits> alone;
    for (int s = 0; s < kSlots; ++s) {
      sequences.push_back(tiny::Ids(rng, 5 + 3 * s, config.vocab_size));
      Decoder own(packed, 1, 64);
      const int n = static_cast<int>(sequences[s].size());
      for (int p = 0; p + 1 < n; ++p) own.Run({{0, p, sequences[s][p]}}, {});
      own.Run({{0, n - 1, sequences[s][n - 1]}}, {0});
      alone.push_back(Wanted(own, config, 0));
    }
    // Prompts in one call each, in slots counted from behind; then all last tokens in one batch.
    Decoder decoder(packed, kSlots, 48);
    std::vector<DecodeRow> rows;
    std::vector<int> wanted;
    for (int s = 0; s < kSlots; ++s) {
      const int n = static_cast<int>(sequences[s].size()), slot = kSlots - 1 - s;
      Feed(decoder, config, slot, sequences[s], 0, n - 1);
      rows.push_back({slot, n - 1, sequences[s][n - 1]});
      wanted.push_back(s);
    }
    decoder.Run(rows, wanted);
    for (int s = 0; s < kSlots; ++s) EXPECT_EQ(Wanted(decoder, config, s), alone[s]) << "sequence " << s;
  }
}

TEST(Decoder, ACopiedSlotGoesOnWithTheSameBitsWhateverItHeldBefore) {
  const ModelConfig config = tiny::Variant(0);
  const ParameterSet weights = tiny::Weights(config, 7);
  const DecoderWeights packed(weights);
  Rng rng(8);
  for (const Cached cached : {Cached::kFloat32, Cached::kBfloat16}) for (const int prompt : {1, 5, 16, 17, 33}) {
    const Ids ids = tiny::Ids(rng, prompt + 4, config.vocab_size), old = tiny::Ids(rng, 40, config.vocab_size);
    Decoder plain(packed, 1, 40, nullptr, cached), decoder(packed, 3, 40, nullptr, cached);
    Feed(plain, config, 0, ids, 0, prompt);
    const Logits want = Feed(plain, config, 0, ids, prompt, prompt + 4);
    Feed(decoder, config, 2, old, 0, 40);  // what stood in the slot before
    Feed(decoder, config, 0, ids, 0, prompt);
    decoder.CopySlot(0, 2, prompt);
    EXPECT_EQ(Feed(decoder, config, 2, ids, prompt, prompt + 4), want) << "prompt of " << prompt;
    EXPECT_EQ(Feed(decoder, config, 0, ids, prompt, prompt + 4), want) << "the original still goes on, prompt of " << prompt;
  }
}

TEST(Decoder, UpdateTakesOverChangedWeights) {
  for (int which = 0; which < tiny::kVariants; ++which) {
    const ModelConfig config = tiny::Variant(which);
    ParameterSet weights = tiny::Weights(config, 9);
    const ParameterSet other = tiny::Weights(config, 10);
    Rng rng(11);
    const Ids ids = tiny::Ids(rng, 12, config.vocab_size);
    const DecoderWeights want_weights(other);
    DecoderWeights packed(weights);
    const auto logits = [&](const DecoderWeights& w) {
      Decoder decoder(w, 1, 12);
      return Feed(decoder, config, 0, ids, 0, 12);
    };
    const Logits before = logits(packed), want = logits(want_weights);
    weights.flat().copy_(other.flat());
    weights.biases().copy_(other.biases());
    EXPECT_EQ(logits(packed), before) << "nothing changes before Update";
    packed.Update(weights);
    EXPECT_EQ(logits(packed), want) << "variant " << which;
    EXPECT_NE(want, before);
  }
}

TEST(Decoder, KeepsTheLatentAndTheSharedKeyOnlyWhateverTheHeads) {
  ModelConfig c = tiny::Config(50);
  c.num_hidden_layers = 3;
  for (const int heads : {1, 2, 16}) {
    c.num_attention_heads = heads;
    const std::size_t numbers = static_cast<std::size_t>(c.kv_lora_rank + c.qk_rope_head_dim);
    EXPECT_EQ(Decoder::CacheBytes(c, 1, 16), numbers * 16 * 3 * sizeof(float));
    EXPECT_EQ(Decoder::CacheBytes(c, 7, 160), numbers * 160 * 3 * 7 * sizeof(float));
    EXPECT_EQ(Decoder::CacheBytes(c, 1, 17), numbers * (16 + kLanes) * 3 * sizeof(float)) << "in blocks of as many positions as a vector has lanes";
  }
}

TEST(Decoder, RefusesRowsOutsideTheCacheAndTokensOutsideTheVocabulary) {
  const ModelConfig config = tiny::Config(50);
  const ParameterSet weights = tiny::Weights(config, 12);
  const DecoderWeights packed(weights);
  Decoder decoder(packed, 2, 8);
  EXPECT_THROW(decoder.Run({{0, 8, 1}}, {}), InternalError);
  EXPECT_THROW(decoder.Run({{2, 0, 1}}, {}), InternalError);
  EXPECT_THROW(decoder.Run({{0, 0, 50}}, {}), InternalError);
  EXPECT_THROW(decoder.Run({{0, 0, -1}}, {}), InternalError);
}

}  // namespace
}  // namespace cogent
