// tokenizer.model of SentencePiece. The library reads and checks the file and tells of pieces, scores and ids; what it
// keeps to itself (kind of model, normaliser, what the user defined) stands in its message, which is read here field by field.
#include <sentencepiece_processor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_pieces.h"

namespace cogent {
namespace {

// Field by field through a message in Protocol Buffers' wire format, as the library has written it a moment ago.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  bool Next() {
    if (rest_.empty()) return false;
    const std::uint64_t key = Varint();
    field_ = static_cast<int>(key >> 3);
    number_ = 0, bytes_ = {};
    switch (key & 7) {
      case 0: number_ = Varint(); break;
      case 1: bytes_ = Take(8); break;
      case 2: bytes_ = Take(Varint()); break;
      case 5: bytes_ = Take(4); break;
      default: rest_ = {};
    }
    return true;
  }
  int field() const { return field_; }
  std::uint64_t number() const { return number_; }
  std::string_view bytes() const { return bytes_; }

 private:
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }
  std::string_view Take(std::uint64_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_, bytes_;
  int field_ = 0;
  std::uint64_t number_ = 0;
};

// Fields and defaults of sentencepiece_model.proto.
struct About {
  std::uint64_t model_type = 1;  // unigram
  bool space_behind = false;
  std::string_view normalizer_name = {}, normalizer_table = {};
  bool space_prefix = true, removes_spaces = true, marks_spaces = true;
  std::vector<PieceKind> kinds;
};

About ReadAbout(std::string_view bytes) {
  About about;
  for (Message model(bytes); model.Next();) {
    Message part(model.bytes());
    if (model.field() == 1) {
      about.kinds.push_back(PieceKind::kNormal);
      while (part.Next()) {
        if (part.field() == 3) about.kinds.back() = static_cast<PieceKind>(part.number());
      }
    } else if (model.field() == 2) {  // trainer_spec
      while (part.Next()) {
        if (part.field() == 3) about.model_type = part.number();
        if (part.field() == 24) about.space_behind = part.number() != 0;
      }
    } else if (model.field() == 3) {  // normalizer_spec
      while (part.Next()) {
        if (part.field() == 1) about.normalizer_name = part.bytes();
        if (part.field() == 2) about.normalizer_table = part.bytes();
        if (part.field() == 3) about.space_prefix = part.number() != 0;
        if (part.field() == 4) about.removes_spaces = part.number() != 0;
        if (part.field() == 5) about.marks_spaces = part.number() != 0;
      }
    }
  }
  return about;
}

// What our byte-pair model would do differently; empty when nothing.
std::string WhyNot(const About& about) {
  if (about.model_type != 2) {
    const char* const names[] = {"?", "unigram", "bpe", "word", "char"};
    return std::string("is a model of kind ") + names[about.model_type < 5 ? about.model_type : 0] + "; only bpe can be read";
  }
  if (!about.normalizer_table.empty()) {
    return "normalises its text by " + QuoteText(std::string(about.normalizer_name)) + "; only models that leave it as it is (identity) can be read";
  }
  if (about.removes_spaces) return "removes spaces that it thinks are too many (remove_extra_whitespaces); only models that keep them can be read";
  if (!about.marks_spaces) return "does not mark spaces (escape_whitespaces is false)";
  if (about.space_behind) return "puts the mark of a space behind a word (treat_whitespace_as_suffix)";
  return {};
}

}  // namespace

TokenizerParts ReadSentencePiece(const std::string& path) {
  sentencepiece::SentencePieceProcessor library;
  const auto status = library.Load(path);
  if (!status.ok()) throw DataError(path + ": no tokenizer.model of SentencePiece: " + status.ToString());
  const std::string bytes = library.serialized_model_proto();
  const About about = ReadAbout(bytes);
  if (const std::string why = WhyNot(about); !why.empty()) {
    throw DataError(path + ": " + why + ". Give a tokenizer.json in its place");
  }
  TokenizerParts parts;
  parts.name = path;
  PieceList pieces{.texts = {}, .kinds = about.kinds, .scores = {}, .unknown = library.IdToPiece(library.unk_id()), .space_prefix = about.space_prefix};
  for (int id = 0; id < library.GetPieceSize(); ++id) {
    pieces.texts.push_back(library.IdToPiece(id));
    pieces.scores.push_back(library.GetScore(id));
  }
  SetPieces(pieces, parts);
  std::get<MetaspaceStage>(parts.pre_tokenizer.front()).prefix_before_space = true;
  const auto text = [&](int id) { return id < 0 ? std::string() : library.IdToPiece(id); };
  parts.bos_token = text(library.bos_id());
  parts.eos_token = text(library.eos_id());
  parts.pad_token = text(library.pad_id());
  if (library.bos_id() >= 0) parts.before.push_back(library.bos_id());
  return parts;
}

}  // namespace cogent
