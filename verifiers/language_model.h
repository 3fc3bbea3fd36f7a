// How likely a word is in each of the languages in Latin script: words known from language_text.cc,
// and for all others the letters that follow each other there.
//
//   const LanguageModel& model = LanguageModel::Get();  // learnt at the first call, in milliseconds
//   model.Score("wherefore")[0];                        // log-probability under "en", 1/256 nats
//
// Letters are three at a time, interpolated with two and one as Witten and Bell (1991) do; a word
// of the text counts half by its frequency and half by its letters. Internal to language.cc.
// Thread rule: constant after Get, which may be called from any thread. Never throws because of a
// word.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cogent {

struct LanguageText {
  std::string code;       // ISO 639-1
  std::string sentences;  // running text
  std::string words;      // common ones, each counts as if it stood there once
};
const std::vector<LanguageText>& LanguageTexts();

class LanguageModel {
 public:
  static constexpr int kMost = 8;  // languages; the scores of one word fill a vector register
  using Scores = std::array<std::int32_t, kMost>;

  static const LanguageModel& Get();
  explicit LanguageModel(const std::vector<LanguageText>& texts);
  ~LanguageModel();

  int languages() const { return languages_; }
  // Of a word in UTF-8, capitals or not, accents composed or not; letters behind the 40th do not
  // count. The last lane, kMost - 1, is for a language that is not among them: a flat price a
  // letter.
  Scores Score(std::string_view word) const;

 private:
  struct Tables;
  int languages_ = 0;
  std::unique_ptr<Tables> tables_;
};

}  // namespace cogent
