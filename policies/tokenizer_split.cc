#include "policies/tokenizer_split.h"

#include <algorithm>
#include <string>

#include "policies/tokenizer_bytes.h"

namespace cogent {
namespace {

constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

void SplitByPattern(std::string_view piece, const WordPattern& pattern, bool removed, bool invert, const WordSink& sink) {
  for (std::size_t at = 0; at < piece.size();) {
    const WordPattern::Match match = pattern.Find(piece, at);
    const std::string_view gap = piece.substr(at, match.begin - at), word = piece.substr(match.begin, match.end - match.begin);
    if (!gap.empty() && !(removed && invert)) sink(gap);
    if (!word.empty() && !(removed && !invert)) sink(word);
    at = match.end;
  }
}

void SplitMetaspace(std::string_view piece, const MetaspaceStage& stage, bool at_start, const WordSink& sink) {
  const std::string& mark = stage.replacement;
  std::string text;
  for (const char c : piece) c == ' ' ? void(text += mark) : text.push_back(c);
  const bool prepend = stage.prepend_scheme == "always" || (stage.prepend_scheme == "first" && at_start);
  if (prepend && !text.empty() && (stage.prefix_before_space || !text.starts_with(mark))) text.insert(0, mark);
  if (!stage.split) return text.empty() ? void() : sink(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(mark, at + 1), text.size());
    sink(std::string_view(text).substr(at, end - at));
    at = end;
  }
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
  static const WordPattern pattern(kGpt2, "GPT-2's words");
  SplitByPattern(piece, pattern, false, false, sink);
}

void PreTokenizer::Run(std::size_t stage, std::string_view piece, bool at_start, const WordSink& sink) const {
  if (stage == stages_.size()) {
    if (!piece.empty()) sink(piece);
    return;
  }
  // The first piece of what begins the text begins it, too.
  bool first = at_start;
  const WordSink next = [&](std::string_view word) { Run(stage + 1, word, std::exchange(first, false), sink); };
  const PreTokenizerStage& kind = stages_[stage];
  if (const auto* digits = std::get_if<DigitsStage>(&kind)) {
    SplitDigits(piece, digits->individual_digits, next);
  } else if (const auto* split = std::get_if<SplitStage>(&kind)) {
    SplitByPattern(piece, *split->compiled, split->removed, split->invert, next);
  } else if (const auto* spaces = std::get_if<MetaspaceStage>(&kind)) {
    SplitMetaspace(piece, *spaces, at_start, next);
  } else {
    SplitByteLevel(piece, std::get<ByteLevelStage>(kind), next);
  }
}

}  // namespace cogent
