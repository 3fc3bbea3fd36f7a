// Learning merges from a corpus.
//
// Words are counted once; then the most frequent adjacent pair becomes a token, again and again.
// Counts are kept up to date in the words that hold the pair, and a heap with lazy deletion gives
// the next pair, so the time is that of the changes, not of corpus times merges.
// Equal counts: the pair with the smaller left id, then the smaller right id, goes first (the rule
// of the `tokenizers` package). A pair seen once is never joined: it would learn one word by heart.
#include <algorithm>
#include <cstdint>
#include <queue>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_parts.h"

namespace cogent {
namespace {

constexpr std::int64_t kLeastCount = 2;

using Pair = std::uint64_t;  // left << 32 | right
Pair PairOf(std::int32_t left, std::int32_t right) {
  return static_cast<Pair>(left) << 32 | static_cast<std::uint32_t>(right);
}

struct Word {
  std::vector<std::int32_t> symbols;
  std::int64_t count = 0;
};

class MergeLearner {
 public:
  // `texts[id]` are the tokens so far; `reserved` texts must not come out of a merge.
  MergeLearner(std::vector<std::string> texts, std::set<std::string> reserved,
               std::vector<Word> words)
      : texts_(std::move(texts)), reserved_(std::move(reserved)), words_(std::move(words)) {
    for (std::size_t id = 0; id < texts_.size(); ++id)
      ids_[texts_[id]] = static_cast<std::int32_t>(id);
    for (std::uint32_t w = 0; w < words_.size(); ++w) {
      const auto& symbols = words_[w].symbols;
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
        Gain(w, PairOf(symbols[i], symbols[i + 1]));
    }
    OfferGained();
  }

  std::vector<BpeSpec::Merge> Learn(std::size_t vocab_size) {
    std::vector<BpeSpec::Merge> merges;
    while (texts_.size() < vocab_size && !heap_.empty()) {
      const auto [count, inverse] = heap_.top();
      const Pair pair = ~inverse;
      heap_.pop();
      const auto now = counts_.find(pair);
      if (now == counts_.end() || now->second < kLeastCount) continue;
      if (now->second != count) {  // stale: offer it again as it is
        if (now->second < count) heap_.emplace(now->second, inverse);
        continue;
      }
      if (const auto merge = Join(pair)) merges.push_back(*merge);
    }
    return merges;
  }

  const std::vector<std::string>& texts() const { return texts_; }

 private:
  std::optional<BpeSpec::Merge> Join(Pair pair) {
    const auto left = static_cast<std::int32_t>(pair >> 32);
    const auto right = static_cast<std::int32_t>(pair & 0xFFFFFFFF);
    const std::string text =
        texts_[static_cast<std::size_t>(left)] + texts_[static_cast<std::size_t>(right)];
    if (reserved_.count(text) > 0) {
      counts_.erase(pair);
      return std::nullopt;
    }
    // Two ways to one text share its id.
    const auto [at, is_new] = ids_.emplace(text, static_cast<std::int32_t>(texts_.size()));
    if (is_new) texts_.push_back(text);
    const BpeSpec::Merge merge{left, right, at->second};
    const std::vector<std::uint32_t> places = std::move(words_with_[pair]);
    words_with_.erase(pair);
    for (const std::uint32_t w : places) JoinIn(w, merge);
    counts_.erase(pair);
    OfferGained();
    return merge;
  }

  // Joins the pair in one word, left to right, and moves the counts of the borders that changed.
  void JoinIn(std::uint32_t w, const BpeSpec::Merge& merge) {
    auto& symbols = words_[w].symbols;
    const std::size_t size = symbols.size();
    joined_.clear();
    touched_.assign(size + 1, false);  // old symbols that are part of a join
    new_touched_.clear();              // new symbols that came out of one
    bool any = false;
    for (std::size_t i = 0; i < size;) {
      const bool here = i + 1 < size && symbols[i] == merge.left && symbols[i + 1] == merge.right;
      joined_.push_back(here ? merge.joined : symbols[i]);
      new_touched_.push_back(here);
      if (here) touched_[i] = touched_[i + 1] = any = true;
      i += here ? 2 : 1;
    }
    if (!any) return;
    for (std::size_t i = 0; i + 1 < size; ++i) {
      if (touched_[i] || touched_[i + 1])
        counts_[PairOf(symbols[i], symbols[i + 1])] -= words_[w].count;
    }
    for (std::size_t i = 0; i + 1 < joined_.size(); ++i) {
      if (new_touched_[i] || new_touched_[i + 1]) Gain(w, PairOf(joined_[i], joined_[i + 1]));
    }
    symbols = joined_;
  }

  void Gain(std::uint32_t w, Pair pair) {
    counts_[pair] += words_[w].count;
    auto& places = words_with_[pair];
    if (places.empty() || places.back() != w) places.push_back(w);
    gained_.push_back(pair);
  }

  void OfferGained() {
    std::sort(gained_.begin(), gained_.end());
    gained_.erase(std::unique(gained_.begin(), gained_.end()), gained_.end());
    for (const Pair pair : gained_) {
      const auto count = counts_.find(pair);
      if (count != counts_.end() && count->second >= kLeastCount)
        heap_.emplace(count->second, ~pair);
    }
    gained_.clear();
  }

  std::vector<std::string> texts_;
  std::set<std::string> reserved_;
  std::vector<Word> words_;
  std::unordered_map<std::string, std::int32_t> ids_;
  std::unordered_map<Pair, std::int64_t> counts_;
  std::unordered_map<Pair, std::vector<std::uint32_t>>
      words_with_;  // may name words that lost the pair
  std::priority_queue<std::pair<std::int64_t, Pair>>
      heap_;  // count, then ~pair: the smaller pair first
  std::vector<Pair> gained_;
  std::vector<std::int32_t> joined_;
  std::vector<bool> touched_, new_touched_;
};

void CheckOptions(const Tokenizer::TrainOptions& options) {
  std::set<std::string> seen;
  for (const auto& token : options.added_tokens) {
    if (token.text.empty()) throw ConfigError("tokenizer: an added token is empty");
    if (!IsUtf8(token.text)) throw ConfigError("tokenizer: an added token is no UTF-8");
    if (!seen.insert(token.text).second) {
      throw ConfigError("tokenizer: added token '" + token.text + "' is listed twice");
    }
    for (int byte = 0; byte < 256; ++byte) {
      if (token.text == StandIn(static_cast<unsigned char>(byte))) {
        throw ConfigError("tokenizer: added token '" + token.text +
                          "' is the name of a byte; take a longer text");
      }
    }
  }
  for (const auto& [key, text] :
       {std::pair{"eos_token", options.eos_token}, {"pad_token", options.pad_token}}) {
    if (seen.count(text) == 0) {
      throw ConfigError(std::string("tokenizer: ") + key + " '" + text +
                        "' is not among added_tokens; add it there");
    }
  }
  if (!IsUtf8(options.alphabet)) throw ConfigError("tokenizer: alphabet is no UTF-8");
  const std::size_t least = options.added_tokens.size() + 256;
  const auto size = static_cast<std::int64_t>(options.vocab_size);
  if (options.alphabet.empty() && (size < static_cast<std::int64_t>(least) || size > kMaxTokenId)) {
    throw ConfigError("tokenizer: vocab_size " + std::to_string(size) + " is not within " +
                      std::to_string(least) + " (the added tokens and 256 bytes) to " +
                      std::to_string(kMaxTokenId));
  }
}

std::vector<Word> CountWords(const std::vector<std::string>& corpus, const TokenizerParts& parts) {
  const AddedTokens added(parts.added_tokens);
  const PreTokenizer words(parts.pre_tokenizer);
  const Bpe bytes(parts.model);  // no merges yet: one id a byte
  std::unordered_map<std::string, std::int64_t> counts;
  std::string key;
  const WordSink count_word = [&](std::string_view word) { ++counts[key.assign(word)]; };
  for (const std::string& text : corpus) {
    const std::string repaired = IsUtf8(text) ? std::string() : RepairUtf8(text);
    added.Split(repaired.empty() ? std::string_view(text) : repaired, [&](const AddedPiece& piece) {
      if (piece.id < 0) words.Split(piece.text, count_word);
    });
  }
  std::vector<Word> result;
  Bpe::Scratch scratch;
  for (const auto& [word, count] : counts) {
    if (word.size() < 2) continue;
    result.push_back({{}, count});
    bytes.Encode(word, scratch, result.back().symbols);
  }
  return result;
}

}  // namespace

TokenizerParts TrainTokenizer(const std::vector<std::string>& corpus,
                              const Tokenizer::TrainOptions& options) {
  CheckOptions(options);
  TokenizerParts parts;
  parts.name = "tokenizer";
  parts.eos_token = options.eos_token;
  parts.pad_token = options.pad_token;
  if (options.split_digits) parts.pre_tokenizer.push_back(DigitsStage{});
  parts.pre_tokenizer.push_back(ByteLevelStage{});

  std::vector<std::string> texts;
  std::set<std::string> reserved;
  for (const auto& token : options.added_tokens) {
    parts.added_tokens.push_back({.text = token.text,
                                  .id = static_cast<std::int32_t>(texts.size()),
                                  .special = token.special});
    reserved.insert(token.text);
    texts.push_back(token.text);
  }
  for (int i = 0; i < 256; ++i) {
    const unsigned char byte = BytesByStandIn()[i];
    const bool kept = options.alphabet.empty() ||
                      options.alphabet.find(static_cast<char>(byte)) != std::string::npos;
    if (kept) texts.emplace_back(StandIn(byte));
  }
  const auto list_vocab = [&parts](const std::vector<std::string>& all) {
    parts.model.vocab.clear();
    for (const std::string& text : all) {
      parts.model.vocab.emplace_back(text, static_cast<std::int32_t>(parts.model.vocab.size()));
    }
  };
  list_vocab(texts);
  if (!options.alphabet.empty()) return parts;
  MergeLearner learner(texts, reserved, CountWords(corpus, parts));
  parts.model.merges = learner.Learn(static_cast<std::size_t>(options.vocab_size));
  list_vocab(learner.texts());
  return parts;
}

}  // namespace cogent
