// A vocabulary of scored pieces, as SentencePiece and GGUF keep one, as the parts of a tokenizer.
// Thread rule: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policies/tokenizer_parts.h"

namespace cogent {

// Numbers as in both formats.
enum class PieceKind : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

// By id.
struct PieceList {
  std::vector<std::string> texts;  // with U+2581 for a space
  std::vector<PieceKind> kinds;
  std::vector<double> scores = {};  // SetPieces only
  std::string unknown = {};         // the text of the unknown piece; empty: none
  bool space_prefix = true;         // a text begins with a space of its own
};

// Takes the pieces into the vocabulary, and control and user-defined ones as added tokens, too; unused ones are left out.
// DataError when a text occurs twice.
void SetVocabulary(const PieceList& pieces, TokenizerParts& parts);

// The same, and all else that SentencePiece's byte-pair model does with text that it does not normalise: joins the pair whose
// whole has the best score, writes what it does not know byte by byte. Source: Kudo and Richardson, arXiv 1808.06226.
void SetPieces(const PieceList& pieces, TokenizerParts& parts);

// Reads a tokenizer.model of SentencePiece through its library. DataError when it cannot be read, is of another kind than
// byte pairs, or changes its text before it cuts it, naming which.
TokenizerParts ReadSentencePiece(const std::string& path);

}  // namespace cogent
