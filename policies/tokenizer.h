// Byte-level BPE, trained here or read from a `tokenizer.json`; the file is the one that the
// `tokenizers` package opens, with equal ids.
//
//   Tokenizer t = Tokenizer::Train(corpus, {.vocab_size = 512, .added_tokens = {"<think>", ...}});
//   t.Save("tokenizer.json");
//   std::vector<std::int32_t> ids = t.Encode("<think>2+3");
//   std::string text = t.Decode(ids);
//
// With vocab_size = 256 + added tokens there are no merges: a token a byte. Where pairs are equally
// frequent the one with the smaller ids is joined first; a pair seen only once never is, so a small
// corpus may give fewer ids than asked for.
// Thread rule: const after construction, may be used from several threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cogent {

class Tokenizer {
 public:
  // An added token is matched in the raw text before anything else (leftmost, longest at an equal
  // start) and is one id. `special` ones can be dropped when decoding.
  struct AddedToken {
    std::string text;
    bool special = false;
  };
  struct TrainOptions {
    int vocab_size = 512;  // all ids: added tokens, 256 bytes, merges; not used with `alphabet`
    std::vector<AddedToken> added_tokens = {};  // get the first ids, in order
    std::string eos_token = "<|end|>";     // must be among added_tokens
    std::string pad_token = "<|pad|>";     // likewise
    bool split_digits = true;              // every digit a token of its own: arithmetic is learned faster
    // Train no merges at all and keep only these single characters beside the added tokens (empty: all 256
    // bytes). A character outside is dropped by encode without a trace, as `tokenizers` does.
    std::string alphabet = {};
  };

  // Throws ConfigError when the options contradict each other.
  static Tokenizer Train(const std::vector<std::string>& corpus, const TrainOptions& options);
  // Reads tokenizer.json or SentencePiece's tokenizer.model (byte pairs without a normaliser), or the one of a directory, and
  // which tokens begin, end and pad from a tokenizer_config.json beside it; or the tokenizer of a GGUF file. A chat_template.jinja
  // beside it is the chat template, before that of tokenizer_config.json. DataError names the file and what in it cannot be used.
  static Tokenizer Load(const std::string& path);
  static Tokenizer Parse(std::string_view json, const std::string& name);
  // Written beside, synced, renamed. The end and padding tokens go to the tokenizer_config.json in
  // the same folder, whose other keys stay; the chat template, too, unless a chat_template.jinja is there.
  void Save(const std::string& path) const;
  std::string ToJson() const;

  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  Tokenizer(const Tokenizer&);
  Tokenizer& operator=(const Tokenizer&);

  // Adds no tokens of its own. Ill-formed UTF-8 is encoded as the U+FFFD that it would be shown as.
  // Time grows as n log n at worst.
  std::vector<std::int32_t> Encode(std::string_view text) const;
  // As a prompt: with those of them that stand before every text, but none behind.
  std::vector<std::int32_t> EncodePrompt(std::string_view text) const;
  // With the special tokens that the file puts before and behind every text (a beginning of sequence). Text that a chat
  // template made has them already.
  std::vector<std::int32_t> EncodeWithSpecial(std::string_view text) const;
  // Bytes that are no UTF-8 become U+FFFD, one for each maximal ill-formed part. Ids outside the
  // vocabulary decode to nothing.
  std::string Decode(std::span<const std::int32_t> ids, bool skip_special = false) const;
  // The bytes that one id decodes to (added tokens: their text, but characters that are stand-ins of
  // bytes, such as U+00C9, become those bytes, as in `tokenizers`). Empty for ids outside the vocabulary.
  std::string_view TokenBytes(std::int32_t id) const;
  // The token's text in the vocabulary: stand-ins, marks of spaces and all. Empty for ids outside.
  std::string_view TokenText(std::int32_t id) const;

  std::optional<std::int32_t> TokenToId(std::string_view token) const;  // added tokens and vocabulary strings
  int vocab_size() const;                                              // largest id + 1
  std::int32_t eos_id() const;  // DataError when the file names no such token
  bool has_pad() const;
  std::int32_t pad_id() const;
  std::optional<std::int32_t> bos_id() const;
  const std::string& chat_template() const;  // Jinja; empty when there is none
  // Tokens by their keys in tokenizer_config.json: unk_token, image_token, and the like; what a chat template may ask for.
  const std::map<std::string, std::string>& named_tokens() const;

 private:
  friend class StreamDecoder;
  struct Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

// Decodes a stream: holds back bytes until a character is complete, so that what is shown never
// ends in half a character.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer);
  std::string Add(std::int32_t id);  // text that became complete
  std::string Finish();              // what is left, ill-formed parts as U+FFFD

 private:
  std::string AtStart(std::string text);

  const Tokenizer* tokenizer_;
  std::string pending_;
  std::string leading_;  // goes at the start of the text, so many times
  int leading_count_ = 0;
};

}  // namespace cogent
