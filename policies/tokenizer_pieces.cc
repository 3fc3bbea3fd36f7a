#include "policies/tokenizer_pieces.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "core/error.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_normalize.h"

namespace cogent {
namespace {

constexpr char kMark[] = "\u2581";

// As merges: every way to cut a piece in two, best score first.
void MakeMerges(const PieceList& pieces, TokenizerParts& parts) {
  const auto ids = VocabMap(parts.model);
  struct Candidate {
    double score;
    std::size_t left_size, right_size;
    BpeSpec::Merge merge;
  };
  // What a user defined is matched in the text, before anything is joined: it is neither made of parts nor a part.
  const auto user_defined = [&](std::int32_t id) { return pieces.kinds[static_cast<std::size_t>(id)] == PieceKind::kUserDefined; };
  std::vector<Candidate> all;
  for (const auto& [text, id] : parts.model.vocab) {
    if (user_defined(id)) continue;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      if ((static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) continue;
      const auto left = ids.find(text.substr(0, cut)), right = ids.find(text.substr(cut));
      if (left == ids.end() || right == ids.end() || user_defined(left->second) || user_defined(right->second)) continue;
      all.push_back({pieces.scores[static_cast<std::size_t>(id)], cut, text.size() - cut, {left->second, right->second, id}});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) {
    return std::tuple(a.score, a.left_size, a.right_size) > std::tuple(b.score, b.left_size, b.right_size);
  });
  for (const Candidate& one : all) parts.model.merges.push_back(one.merge);
}

}  // namespace

void SetVocabulary(const PieceList& pieces, TokenizerParts& parts) {
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < pieces.texts.size(); ++i) {
    const std::string& text = pieces.texts[i];
    const PieceKind kind = pieces.kinds[i];
    const auto id = static_cast<std::int32_t>(i);
    if (kind == PieceKind::kUnused) continue;
    if (!seen.insert(text).second) throw DataError(parts.name + ": the piece " + QuoteText(text) + " occurs twice");
    // Of a byte-level vocabulary the unknown token is one like any other.
    const bool special = kind == PieceKind::kControl || (kind == PieceKind::kUnknown && !pieces.scores.empty());
    if (special || kind == PieceKind::kUserDefined) parts.added_tokens.push_back({.text = text, .id = id, .special = special});
    parts.model.vocab.emplace_back(text, id);
  }
}

void SetPieces(const PieceList& pieces, TokenizerParts& parts) {
  SetVocabulary(pieces, parts);
  // Added tokens are looked for in a text before its spaces are marked.
  for (AddedTokenSpec& token : parts.added_tokens) token.text = ReplaceAll(token.text, kMark, " ");
  parts.model.byte_level = false;
  parts.model.byte_fallback = parts.model.fuse_unk = true;
  parts.model.unk_token = pieces.unknown;
  parts.pre_tokenizer = {MetaspaceStage{.prepend_scheme = pieces.space_prefix ? "first" : "never", .split = false}};
  parts.decoder = {ReplaceStep{kMark, " "}, ByteFallbackStep{}, FuseStep{}};
  if (pieces.space_prefix) parts.decoder.push_back(StripStep{" ", 1, 0});
  MakeMerges(pieces, parts);
}

}  // namespace cogent
