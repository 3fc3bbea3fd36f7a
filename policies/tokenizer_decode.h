// Tokens back to text: `decoder` of a tokenizer.json.
//
//   TokenDecoder decoder({ReplaceStep{"\u2581", " "}, ByteFallbackStep{}, FuseStep{}, StripStep{" ", 1, 0}});
//   decoder.Decode({"\u2581a", "<0xE2>", "<0x82>", "<0xAC>"});    // "a\u20ac"
//
// Thread rule: const, may be used from several threads.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cogent {

struct ByteLevelStep {};     // stand-ins to bytes, all tokens joined, ill-formed parts as U+FFFD
struct ReplaceStep {
  std::string pattern, content;
};
struct ByteFallbackStep {};  // a run of <0x..> is text if it is UTF-8, else one U+FFFD for each
struct FuseStep {};          // all tokens joined
struct StripStep {           // so many of a character off either end of each token
  std::string content;
  int start = 0, stop = 0;
};
struct MetaspaceStep {       // the mark to a space; in the first token it goes, unless the scheme is never
  std::string replacement, prepend_scheme;
};
using DecoderStep = std::variant<ByteLevelStep, ReplaceStep, ByteFallbackStep, FuseStep, StripStep, MetaspaceStep>;

// The byte of a token <0x41>.
std::optional<unsigned char> FallbackByte(std::string_view token);

class TokenDecoder {
 public:
  explicit TokenDecoder(std::vector<DecoderStep> steps) : steps_(std::move(steps)) {}
  std::string Decode(std::vector<std::string> tokens) const;
  // One token by itself, as it stands in the middle of a text; a byte of fallback is that byte.
  std::string One(const std::string& token) const;
  // What goes at the start of the whole text, at most so many times.
  struct Leading {
    std::string text;
    int count = 0;
  };
  Leading AtStart() const;
  bool IsByteLevel() const { return steps_.size() == 1 && std::holds_alternative<ByteLevelStep>(steps_[0]); }
  bool FallsBack() const;
  const std::vector<DecoderStep>& steps() const { return steps_; }

 private:
  std::vector<DecoderStep> steps_;
};

}  // namespace cogent
