// The share of a text's words that are in a language: DeepSeek-R1's language-consistency reward
// (arXiv 2501.12948, section 2.3.2), whose implementation is not published. `language` in YAML.
//
//   LanguageFraction("So the remainder is $5$.", "en");   // 1
//   LanguageFraction("So the remainder 等于 5", "en");     // 0.75: 3 of 4 words
//   MainLanguage("Wie viele Äpfel sind es?");             // "de"
//
// What a word is says verifiers/prose.h; Chinese and Japanese runs are cut by ICU's dictionary.
// Every word is given one language:
//
//  - By its script where that decides: ko, hi, ar, ru. A sentence with letters that these do not
//    have, as of Persian or Ukrainian, is in another language.
//  - ja where a clause has kana, zh where it has none. A clause of characters alone goes by those
//    that only one of the two writes, then by the rest of its sentence and text.
//  - In Latin script by the most likely path through en es fr pt de it nl and "another language":
//    words score by verifiers/language_model.h, and a change of language has its price, small
//    between sentences and large inside a clause. So a name goes with its neighbours, and a switch
//    inside a sentence is seen when several words support it.
//
// Thread rule: free functions from any thread. Linear in the text, never throw because of it; bytes
// that are no UTF-8 part words.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "verifiers/reward.h"

namespace cogent {

// ISO 639-1; the last stands for every language that is not told apart.
inline constexpr std::array<std::string_view, 14> kLanguages = {
    "en", "es", "fr", "pt", "de", "it", "nl", "ru", "ar", "hi", "ko", "ja", "zh", "other"};

// The languages' place in kLanguages; kLanguages.size() when it is none of them, "other" included.
std::size_t LanguageIndex(std::string_view code);
std::string LanguageList();  // "en, es, ..." for messages

struct LanguageCounts {
  std::array<int, kLanguages.size()> words{};  // by place in kLanguages
  int total = 0;
};
LanguageCounts CountLanguages(std::string_view text);
// The language of most words, the first of the list where several have as many. REQUIRES total > 0.
std::size_t MainOf(const LanguageCounts& counts);

// In [0, 1]; 0 for a text without a word. REQUIRES a language of the list (throws InternalError).
double LanguageFraction(std::string_view text, std::string_view target);
// MainOf as a code; empty for a text without a word.
std::string MainLanguage(std::string_view text);

// `language`: LanguageFraction of the reasoning, in [0, 1]. Its settings: `cogent show language`.
void RegisterLanguageReward(RewardRegistry& rewards);

}  // namespace cogent
