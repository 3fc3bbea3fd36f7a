#include "policies/tokenizer_split.h"

#include <re2/re2.h>

#include <string>

#include "core/error.h"
#include "policies/tokenizer_bytes.h"

namespace cogent {
namespace {

// RE2 has no look-ahead, so the two white-space branches are one here and Gpt2Word() gives back the
// last character. RE2's \s is ASCII only: \t-\r, U+0085 and category Z are White_Space.
const RE2& Gpt2Pattern() {
  static const RE2 pattern = [] {
    RE2::Options options;
    options.set_max_mem(64 << 20);  // room for the automaton of the Unicode classes
    return RE2(
        R"('s|'t|'re|'ve|'m|'ll|'d| ?\pL+| ?\pN+| ?[^\t-\r\x{85}\pZ\pL\pN]+|[\t-\r\x{85}\pZ]+)",
        options);
  }();
  Check(pattern.ok(), "the word pattern does not compile");
  return pattern;
}

// Length of the word at the start of `rest` (not empty).
std::size_t Gpt2Word(const RE2& pattern, std::string_view rest) {
  re2::StringPiece match;
  const re2::StringPiece text(rest.data(), rest.size());
  if (!pattern.Match(text, 0, rest.size(), RE2::ANCHOR_START, &match, 1)) {
    return ReadUtf8(rest).length;  // no character is outside the pattern; only a safe way on
  }
  const std::size_t length = match.size();
  if (length == rest.size()) return length;
  const Utf8Char last = LastUtf8(rest.substr(0, length));
  // \s+(?!\S): a run of white space before more text leaves its last character to the next word.
  const bool gives_back = IsSpace(last.code_point) && length > last.length;
  return gives_back ? length - last.length : length;
}

void SplitDigits(std::string_view piece, bool individual, const WordSink& sink) {
  std::size_t start = 0;  // of the run not yet handed out
  bool run_is_digits = false;
  for (std::size_t at = 0; at < piece.size();) {
    const Utf8Char c = ReadUtf8(piece.substr(at));
    const bool digit = IsNumeric(c.code_point);
    if (at > start && (digit != run_is_digits || (digit && individual))) {
      sink(piece.substr(start, at - start));
      start = at;
    }
    run_is_digits = digit;
    at += c.length;
  }
  if (start < piece.size()) sink(piece.substr(start));
}

void SplitByteLevel(std::string_view piece, const ByteLevelStage& stage, const WordSink& sink) {
  std::string spaced;
  if (stage.add_prefix_space && !piece.empty() && !piece.starts_with(' ')) {
    spaced.append(" ").append(piece);
    piece = spaced;
  }
  if (stage.use_regex) {
    SplitGpt2(piece, sink);
  } else if (!piece.empty()) {
    sink(piece);
  }
}

}  // namespace

void SplitGpt2(std::string_view piece, const WordSink& sink) {
  const RE2& pattern = Gpt2Pattern();
  while (!piece.empty()) {
    const std::size_t length = Gpt2Word(pattern, piece);
    sink(piece.substr(0, length));
    piece.remove_prefix(length);
  }
}

void PreTokenizer::Run(std::size_t stage, std::string_view piece, const WordSink& sink) const {
  if (stage == stages_.size()) {
    if (!piece.empty()) sink(piece);
    return;
  }
  const WordSink next = [&](std::string_view word) { Run(stage + 1, word, sink); };
  if (const auto* digits = std::get_if<DigitsStage>(&stages_[stage])) {
    SplitDigits(piece, digits->individual_digits, next);
  } else {
    SplitByteLevel(piece, std::get<ByteLevelStage>(stages_[stage]), next);
  }
}

}  // namespace cogent
