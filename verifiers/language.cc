#include "verifiers/language.h"

#include <unicode/brkiter.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/uset.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include "core/error.h"
#include "verifiers/language_model.h"
#include "verifiers/prose.h"

namespace cogent {
namespace {

enum WordLanguage : std::uint8_t {
  kEn,
  kEs,
  kFr,
  kPt,
  kDe,
  kIt,
  kNl,
  kRu,
  kAr,
  kHi,
  kKo,
  kJa,
  kZh,
  kOther
};
static_assert(kOther + 1 == kLanguages.size());

// What a change of language costs, in 1/256 nats, by what stands between the words.
constexpr int kChange[] = {7 * 256, 5 * 256, 5 * 256 / 2};
// One word says no more than this; less with a capital inside a sentence, as a name has it.
constexpr int kMostEvidence = 12 * 256, kMostEvidenceOfName = 3 * 256;

template <typename Visit>
void EachCharacter(std::string_view text, const Visit& visit) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(bytes, i, text.size(), c);
    visit(c);
  }
}

// ---- Latin script -------------------------------------------------------------------------------

// One capital and no more: "Anna", not "ANNA".
bool IsCapitalised(std::string_view word) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(word.data());
  std::size_t i = 0;
  UChar32 first = 0, second = 0;
  U8_NEXT(bytes, i, word.size(), first);
  if (!u_isupper(first) || i >= word.size()) return false;
  U8_NEXT(bytes, i, word.size(), second);
  return !u_isupper(second);
}

// The most likely language of each word (Viterbi). The last lane of the model is "other".
class LatinPath {
 public:
  explicit LatinPath(std::size_t words) { steps_.reserve(words); }

  void Add(const ProseWord& word, Break before) {
    Step step;
    const int best = Best();
    const int entry = score_[best] - (steps_.empty() ? 0 : kChange[static_cast<int>(before)]);
    step.from = static_cast<std::uint8_t>(best);
    for (int l = 0; l < kLanes; ++l) {
      if (score_[l] < entry) {
        score_[l] = entry;
        step.changed |= static_cast<std::uint8_t>(1 << l);
      }
    }
    steps_.push_back(step);
    if (word.lone_letter) return;
    const LanguageModel::Scores scores = model_.Score(word.text);
    const int most = before != Break::kSentence && IsCapitalised(word.text) ? kMostEvidenceOfName
                                                                            : kMostEvidence;
    const int floor = *std::max_element(scores.begin(), scores.end()) - most;
    for (int l = 0; l < kLanes; ++l) score_[l] += std::max(scores[l], floor);
  }

  std::vector<WordLanguage> Languages() const {
    std::vector<WordLanguage> languages(steps_.size());
    int lane = Best();
    for (std::size_t i = steps_.size(); i-- > 0;) {
      languages[i] = lane == kLanes - 1 ? kOther : static_cast<WordLanguage>(lane);
      if ((steps_[i].changed >> lane) & 1) lane = steps_[i].from;
    }
    return languages;
  }

 private:
  static constexpr int kLanes = LanguageModel::kMost;
  struct Step {
    std::uint8_t from = 0;     // the lane that a change came from
    std::uint8_t changed = 0;  // a bit for each lane that was entered by a change
  };
  int Best() const {
    return static_cast<int>(std::max_element(score_.begin(), score_.end()) - score_.begin());
  }

  const LanguageModel& model_ = LanguageModel::Get();
  std::array<std::int64_t, kLanes> score_{};
  std::vector<Step> steps_;
};

// Whether one letter is a word there and not a variable.
bool IsWord(const ProseWord& word, WordLanguage language) {
  constexpr std::string_view kWords[] = {"a", "a e o u y", "a y à ô", "a e o à é",
                                         "",  "a e i o è", "u"};
  if (language > kNl) return language != kOther;
  if (language == kEn && word.text == "I") return true;
  const bool capital = word.text[0] >= 'A' && word.text[0] <= 'Z';
  if (capital && word.before != Break::kSentence) return false;
  std::string lower(word.text);
  if (capital) lower[0] = static_cast<char>(lower[0] - 'A' + 'a');
  if (lower == "À" || lower == "É" || lower == "È") lower[1] = static_cast<char>(lower[1] + 0x20);
  return kWords[language].find(lower) != std::string_view::npos;
}

void NameLatin(const std::vector<ProseWord>& words, std::vector<WordLanguage>& languages) {
  std::vector<std::size_t> places;
  Break before = Break::kNone;
  LatinPath path(words.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    before = std::max(before, words[i].before);
    if (words[i].script != Script::kLatin) {
      before = std::max(before, Break::kClause);  // another script stands between
      continue;
    }
    path.Add(words[i], before);
    before = Break::kNone;
    places.push_back(i);
  }
  const std::vector<WordLanguage> named = path.Languages();
  for (std::size_t i = 0; i < places.size(); ++i) languages[places[i]] = named[i];
}

// ---- scripts of one language here ---------------------------------------------------------------

// Letters that tell a language apart from others in its script.
struct Alphabet {
  Script script;
  WordLanguage language;
  std::u16string_view foreign, own;
};
constexpr Alphabet kAlphabets[] = {
    {Script::kCyrillic, kRu, u"іїєґўјљњћђџѓќѕ", u"ыэё"},
    {Script::kArabic, kAr, u"پچژگکیٹڈڑںھہے", u"ةىكيأإ"},
    {Script::kDevanagari, kHi, u"ळ", u""},
    {Script::kHangul, kKo, u"", u""},
};

void NameByAlphabet(const std::vector<ProseWord>& words, std::size_t begin, std::size_t end,
                    std::vector<WordLanguage>& languages) {
  for (const Alphabet& alphabet : kAlphabets) {
    int foreign = 0, own = 0;
    bool any = false;
    for (std::size_t i = begin; i < end; ++i) {
      if (words[i].script != alphabet.script) continue;
      any = true;
      if (alphabet.foreign.empty()) continue;
      EachCharacter(words[i].text, [&](UChar32 c) {
        const char16_t lower = c > 0 && c < 0x10000 ? static_cast<char16_t>(u_tolower(c)) : u'\0';
        foreign += alphabet.foreign.find(lower) != std::u16string_view::npos;
        own += alphabet.own.find(lower) != std::u16string_view::npos;
      });
    }
    if (!any) continue;
    for (std::size_t i = begin; i < end; ++i) {
      if (words[i].script == alphabet.script)
        languages[i] = foreign > own ? kOther : alphabet.language;
    }
  }
}

// ---- Chinese and Japanese -----------------------------------------------------------------------

enum Writer : std::uint8_t { kBoth = 0, kChineseOnly = 1, kJapaneseOnly = 2 };

constexpr UChar32 kFirstHan = 0x4E00, kLastHan = 0x9FFF;

// Which of the two writes a character, by the character sets of their computers: GB 2312 and Big5
// on one side, JIS X 0208 on the other.
const std::vector<std::uint8_t>& Writers() {
  static const std::vector<std::uint8_t> writers = [] {
    std::vector<std::uint8_t> found(kLastHan - kFirstHan + 1, kBoth);
    struct Set {
      USet* set = uset_openEmpty();
      explicit Set(std::initializer_list<const char*> encodings) {
        for (const char* encoding : encodings) {
          UErrorCode status = U_ZERO_ERROR;
          UConverter* converter = ucnv_open(encoding, &status);
          USet* part = uset_openEmpty();
          if (U_SUCCESS(status)) ucnv_getUnicodeSet(converter, part, UCNV_ROUNDTRIP_SET, &status);
          if (U_SUCCESS(status)) uset_addAll(set, part);
          uset_close(part);
          ucnv_close(converter);
        }
      }
      ~Set() { uset_close(set); }
    };
    const Set chinese{"GB2312", "Big5"}, japanese{"Shift_JIS"};
    for (UChar32 c = kFirstHan; c <= kLastHan; ++c) {
      const bool zh = uset_contains(chinese.set, c), ja = uset_contains(japanese.set, c);
      found[static_cast<std::size_t>(c - kFirstHan)] = zh && !ja   ? kChineseOnly
                                                       : ja && !zh ? kJapaneseOnly
                                                                   : kBoth;
    }
    return found;
  }();
  return writers;
}

struct HanSigns {
  int kana = 0, chinese = 0, japanese = 0;
  void Add(const HanSigns& other) {
    kana += other.kana;
    chinese += other.chinese;
    japanese += other.japanese;
  }
};

HanSigns SignsOf(std::string_view run) {
  const auto& writers = Writers();
  HanSigns signs;
  EachCharacter(run, [&](UChar32 c) {
    if (c >= kFirstHan && c <= kLastHan) {
      const std::uint8_t writer = writers[static_cast<std::size_t>(c - kFirstHan)];
      signs.chinese += writer == kChineseOnly;
      signs.japanese += writer == kJapaneseOnly;
    } else {
      signs.kana += (c >= 0x3041 && c <= 0x30FF) || (c >= 0xFF66 && c <= 0xFF9D);
    }
  });
  return signs;
}

// What the signs say; nothing when they are silent.
std::optional<WordLanguage> SaidBy(const HanSigns& signs) {
  if (signs.kana > 0) return signs.chinese > signs.kana ? kZh : kJa;
  if (signs.chinese != signs.japanese) return signs.chinese > signs.japanese ? kZh : kJa;
  return std::nullopt;
}

// Dictionary words of a run of characters and kana.
int CountDictionaryWords(std::string_view run) {
  thread_local const std::unique_ptr<icu::BreakIterator> words = [] {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::BreakIterator> made(
        icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
    if (U_FAILURE(status)) made.reset();
    return made;
  }();
  const icu::UnicodeString text =
      icu::UnicodeString::fromUTF8(icu::StringPiece(run.data(), static_cast<int>(run.size())));
  if (!words) return std::max(1, text.countChar32());
  words->setText(text);
  int count = 0;
  for (int end = words->next(); end != icu::BreakIterator::DONE; end = words->next()) ++count;
  return std::max(1, count);
}

// A run that is all of its clause decides for itself; else its clause, its sentence, the text.
void NameHan(const std::vector<ProseWord>& words, const std::vector<std::size_t>& sentences,
             std::vector<WordLanguage>& languages) {
  std::vector<HanSigns> signs(words.size());
  HanSigns text;
  bool any = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].script != Script::kHan) continue;
    any = true;
    signs[i] = SignsOf(words[i].text);
    text.Add(signs[i]);
  }
  if (!any) return;
  const WordLanguage of_text = SaidBy(text).value_or(kZh);
  for (std::size_t s = 0; s + 1 < sentences.size(); ++s) {
    HanSigns sentence;
    for (std::size_t i = sentences[s]; i < sentences[s + 1]; ++i) sentence.Add(signs[i]);
    const WordLanguage of_sentence = SaidBy(sentence).value_or(of_text);
    for (std::size_t begin = sentences[s]; begin < sentences[s + 1];) {
      std::size_t end = begin + 1;
      HanSigns clause = signs[begin];
      for (; end < sentences[s + 1] && words[end].before == Break::kNone; ++end)
        clause.Add(signs[end]);
      const WordLanguage of_clause = SaidBy(clause).value_or(of_sentence);
      for (; begin < end; ++begin) {
        if (words[begin].script == Script::kHan) languages[begin] = of_clause;
      }
    }
  }
}

}  // namespace

// ---- all words ----------------------------------------------------------------------------------

std::size_t LanguageIndex(std::string_view code) {
  const auto known = kLanguages.end() - 1;
  const auto it = std::find(kLanguages.begin(), known, code);
  return it == known ? kLanguages.size() : static_cast<std::size_t>(it - kLanguages.begin());
}

std::string LanguageList() {
  std::string list;
  for (std::size_t i = 0; i + 1 < kLanguages.size(); ++i)
    list += (i > 0 ? ", " : "") + std::string(kLanguages[i]);
  return list;
}

LanguageCounts CountLanguages(std::string_view text) {
  const std::vector<ProseWord> words = ProseWords(text);
  std::vector<std::size_t> sentences;  // where each begins, and the end
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].before == Break::kSentence) sentences.push_back(i);
  }
  sentences.push_back(words.size());
  std::vector<WordLanguage> languages(words.size(), kOther);
  NameLatin(words, languages);
  for (std::size_t s = 0; s + 1 < sentences.size(); ++s)
    NameByAlphabet(words, sentences[s], sentences[s + 1], languages);
  NameHan(words, sentences, languages);
  LanguageCounts counts;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].lone_letter && words[i].script == Script::kLatin &&
        !IsWord(words[i], languages[i]))
      continue;
    const int count = words[i].script == Script::kHan ? CountDictionaryWords(words[i].text) : 1;
    counts.words[languages[i]] += count;
    counts.total += count;
  }
  return counts;
}

double LanguageFraction(std::string_view text, std::string_view target) {
  const std::size_t index = LanguageIndex(target);
  Check(index < kLanguages.size(), "a target language that is not told apart");
  const LanguageCounts counts = CountLanguages(text);
  return counts.total == 0 ? 0.0 : static_cast<double>(counts.words[index]) / counts.total;
}

std::size_t MainOf(const LanguageCounts& counts) {
  Check(counts.total > 0, "no words have no main language");
  return static_cast<std::size_t>(std::max_element(counts.words.begin(), counts.words.end()) -
                                  counts.words.begin());
}

std::string MainLanguage(std::string_view text) {
  const LanguageCounts counts = CountLanguages(text);
  return counts.total == 0 ? std::string() : std::string(kLanguages[MainOf(counts)]);
}

}  // namespace cogent
