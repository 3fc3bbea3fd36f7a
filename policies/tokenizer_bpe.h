// The byte-pair model: joins the bytes, or the characters, of one word into tokens.
//
// Start from one token a byte (or character); again and again join the adjacent pair that was learned first,
// leftmost first. Time n log n in the word, so that a megabyte of one letter is no attack.
//
//   Bpe bpe(spec);
//   Bpe::Scratch scratch;
//   bpe.Encode(" hello", scratch, ids);      // appends to ids
//
// Source: Sennrich et al., arXiv 1508.07909, algorithm 1, over bytes as in GPT-2.
// Thread rule: const, may be used from several threads, each with its own Scratch.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cogent {

// What a tokenizer.json says under `model`.
struct BpeSpec {
  bool byte_level = true;      // starts from bytes by their stand-ins; false: from characters
  bool byte_fallback = false;  // a character without a token becomes <0x..> of its bytes
  bool fuse_unk = false;       // neighbouring unknown characters are one unknown token
  bool ignore_merges = false;  // a whole word of the vocabulary is taken as it is
  std::string unk_token;       // empty: unknown characters are dropped
  std::vector<std::pair<std::string, std::int32_t>>
      vocab;  // stand-in texts; ids differ, in any order
  struct Merge {
    std::int32_t left = 0;
    std::int32_t right = 0;
    std::int32_t joined = 0;
  };
  std::vector<Merge> merges;  // first learned first; of two for one pair the later holds
};

// (left, right) to (rank, joined): open addressing, made once, then only read.
class MergeTable {
 public:
  struct Entry {
    std::uint64_t key = kEmpty;
    std::uint32_t rank = kNone;
    std::int32_t joined = -1;
  };
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  MergeTable() : MergeTable(std::vector<BpeSpec::Merge>{}) {}
  explicit MergeTable(const std::vector<BpeSpec::Merge>& merges);
  // rank kNone when the pair is never joined. Ids are not negative.
  const Entry& Find(std::int32_t left, std::int32_t right) const {
    return entries_[Slot(static_cast<std::uint64_t>(left) << 32 |
                         static_cast<std::uint32_t>(right))];
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  std::size_t Slot(std::uint64_t key) const {
    std::size_t slot = key * 0x9E3779B97F4A7C15u >> shift_;
    while (entries_[slot].key != key && entries_[slot].key != kEmpty)
      slot = (slot + 1) & (entries_.size() - 1);
    return slot;
  }
  std::vector<Entry> entries_;  // a power of two, at most half full
  int shift_ = 0;
};

class Bpe {
 public:
  struct Scratch {
    std::vector<std::int32_t> symbols;
    std::vector<std::uint32_t> ranks;
    std::vector<std::uint32_t> next, previous;
    std::vector<std::uint64_t> heap;
  };
  // Words up to so many bytes are joined by a scan, longer ones with a heap; the ids are the same.
  static constexpr std::size_t kScanLimit = 48;

  explicit Bpe(const BpeSpec& spec, std::size_t scan_limit = kScanLimit);

  // Appends the ids of a word. A byte without a token of its own is dropped without a trace; of characters, see BpeSpec.
  void Encode(std::string_view word, Scratch& scratch, std::vector<std::int32_t>& ids) const;
  bool HasAllBytes() const;

 private:
  void AddBytes(std::string_view word, Scratch& scratch) const;
  void AddCharacters(std::string_view word, Scratch& scratch) const;
  void JoinByScan(Scratch& scratch) const;
  void JoinByHeap(Scratch& scratch) const;

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  std::array<std::int32_t, 256> byte_ids_{};  // of bytes, or of <0x..>; -1 = none
  std::unordered_map<char32_t, std::int32_t> character_ids_;
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> whole_;  // with ignore_merges, by the word's bytes
  bool byte_level_ = true, byte_fallback_ = false, fuse_unk_ = false;
  std::int32_t unk_id_ = -1;
  MergeTable merges_;
  std::size_t scan_limit_;
};

}  // namespace cogent
