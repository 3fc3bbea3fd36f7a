#include "policies/tokenizer_bpe.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <functional>

#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_decode.h"

namespace cogent {

MergeTable::MergeTable(const std::vector<BpeSpec::Merge>& merges) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(2, merges.size() * 2));
  entries_.resize(size);
  shift_ = 64 - std::countr_zero(size);
  std::uint32_t rank = 0;
  for (const BpeSpec::Merge& merge : merges) {
    const std::uint64_t key =
        static_cast<std::uint64_t>(merge.left) << 32 | static_cast<std::uint32_t>(merge.right);
    entries_[Slot(key)] = {key, rank++, merge.joined};
  }
}

Bpe::Bpe(const BpeSpec& spec, std::size_t scan_limit)
    : byte_level_(spec.byte_level), byte_fallback_(spec.byte_fallback), fuse_unk_(spec.fuse_unk), merges_(spec.merges), scan_limit_(scan_limit) {
  byte_ids_.fill(-1);
  for (const auto& [text, id] : spec.vocab) {
    if (spec.ignore_merges) whole_.emplace(byte_level_ ? FromStandIns(text) : text, id);
    if (!byte_level_) {
      if (text == spec.unk_token) unk_id_ = id;
      if (const auto byte = FallbackByte(text)) byte_ids_[*byte] = id;
      if (text.empty()) continue;
      const Utf8Char c = ReadUtf8(text);
      if (c.valid && c.length == text.size()) character_ids_.emplace(c.code_point, id);
      continue;
    }
    if (text.size() > 2) continue;  // a stand-in takes one or two bytes of UTF-8
    for (int byte = 0; byte < 256; ++byte) {
      if (text == StandIn(static_cast<unsigned char>(byte)))
        byte_ids_[static_cast<std::size_t>(byte)] = id;
    }
  }
}

bool Bpe::HasAllBytes() const {
  return std::all_of(byte_ids_.begin(), byte_ids_.end(), [](std::int32_t id) { return id >= 0; });
}

void Bpe::Encode(std::string_view word, Scratch& scratch, std::vector<std::int32_t>& ids) const {
  if (!whole_.empty()) {
    if (const auto found = whole_.find(word); found != whole_.end()) return ids.push_back(found->second);
  }
  scratch.symbols.clear();
  byte_level_ ? AddBytes(word, scratch) : AddCharacters(word, scratch);
  if (scratch.symbols.size() > 1) {
    scratch.symbols.size() <= scan_limit_ ? JoinByScan(scratch) : JoinByHeap(scratch);
  }
  ids.insert(ids.end(), scratch.symbols.begin(), scratch.symbols.end());
}

void Bpe::AddBytes(std::string_view word, Scratch& scratch) const {
  for (const char c : word) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id >= 0) scratch.symbols.push_back(id);
  }
}

void Bpe::AddCharacters(std::string_view word, Scratch& scratch) const {
  bool after_unknown = false;
  while (!word.empty()) {
    const Utf8Char c = ReadUtf8(word);
    const std::string_view bytes = word.substr(0, c.length);
    word.remove_prefix(c.length);
    const auto found = character_ids_.find(c.code_point);
    const bool all_bytes = byte_fallback_ && std::all_of(bytes.begin(), bytes.end(), [&](char b) { return byte_ids_[static_cast<unsigned char>(b)] >= 0; });
    if (found != character_ids_.end()) {
      scratch.symbols.push_back(found->second);
    } else if (all_bytes) {
      for (const char b : bytes) scratch.symbols.push_back(byte_ids_[static_cast<unsigned char>(b)]);
    } else if (unk_id_ >= 0) {
      if (!(fuse_unk_ && after_unknown)) scratch.symbols.push_back(unk_id_);
      after_unknown = true;
      continue;
    }
    after_unknown = false;
  }
}

void Bpe::JoinByScan(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  auto& ranks = scratch.ranks;  // ranks[i] is that of the pair (i, i + 1)
  const auto rank_at = [&](std::size_t i) { return merges_.Find(symbols[i], symbols[i + 1]).rank; };
  ranks.resize(symbols.size() - 1);
  for (std::size_t i = 0; i < ranks.size(); ++i) ranks[i] = rank_at(i);
  while (!ranks.empty()) {
    const auto best = std::min_element(ranks.begin(), ranks.end());  // the leftmost of equals
    if (*best == MergeTable::kNone) return;
    const std::size_t i = static_cast<std::size_t>(best - ranks.begin());
    symbols[i] = merges_.Find(symbols[i], symbols[i + 1]).joined;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    ranks.erase(best);
    if (i < ranks.size()) ranks[i] = rank_at(i);
    if (i > 0) ranks[i - 1] = rank_at(i - 1);
  }
}

// Symbols form a list (next, previous); the heap holds rank << 32 | place of the left symbol. An
// entry is stale when the pair at its place has another rank by now.
void Bpe::JoinByHeap(Scratch& scratch) const {
  constexpr std::uint32_t kEnd = 0xFFFFFFFF;
  constexpr std::int32_t kGone = -1;
  auto& [symbols, ranks, next, previous, heap] = scratch;
  const std::uint32_t count = static_cast<std::uint32_t>(symbols.size());
  next.resize(count);
  previous.resize(count);
  heap.clear();
  const auto offer = [&, &symbols = symbols, &next = next, &heap = heap](std::uint32_t at) {
    if (at == kEnd || next[at] == kEnd) return;
    const std::uint32_t rank = merges_.Find(symbols[at], symbols[next[at]]).rank;
    if (rank == MergeTable::kNone) return;
    heap.push_back(std::uint64_t{rank} << 32 | at);
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    next[i] = i + 1 < count ? i + 1 : kEnd;
    previous[i] = i > 0 ? i - 1 : kEnd;
  }
  for (std::uint32_t i = 0; i < count; ++i) offer(i);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const std::uint32_t at = static_cast<std::uint32_t>(heap.back());
    const std::uint32_t rank = static_cast<std::uint32_t>(heap.back() >> 32);
    heap.pop_back();
    const std::uint32_t right = symbols[at] == kGone ? kEnd : next[at];
    if (right == kEnd) continue;
    const MergeTable::Entry& merge = merges_.Find(symbols[at], symbols[right]);
    if (merge.rank != rank) continue;
    symbols[at] = merge.joined;
    symbols[right] = kGone;
    next[at] = next[right];
    if (next[at] != kEnd) previous[next[at]] = at;
    offer(at);
    offer(previous[at]);
  }
  symbols.erase(std::remove(symbols.begin(), symbols.end(), kGone), symbols.end());
}

}  // namespace cogent
