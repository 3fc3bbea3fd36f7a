#include "verifiers/language_model.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"

namespace cogent {
namespace {

constexpr int kMost = LanguageModel::kMost;
constexpr int kSymbols = 64;              // 0: the end of a word, 63: a letter of no language here
constexpr std::size_t kLongestWord = 40;  // letters
constexpr double kUnit = 256.0;           // of a nat
constexpr double kOtherLetter = 2.7,
                 kOtherWord = 3.0;  // nats that a word of no language here costs
constexpr double kKnownShare = 0.5;

using Row = std::array<std::int16_t, kMost>;
using Word = std::string;  // of symbols

std::int16_t Fixed(double nats) {
  return static_cast<std::int16_t>(std::max(-30000.0, std::round(nats * kUnit)));
}

// ---- letters as symbols -------------------------------------------------------------------------

constexpr const char16_t kAccented[] = u"àáâãäçèéêëìíîïñòóôõöùúûüœæß'";

// Letter and combining mark to one character; 0 where there is none of ours.
char16_t Composed(char16_t letter, UChar32 mark) {
  struct Accents {
    UChar32 mark;
    const char16_t* plain;
    const char16_t* with;
  };
  constexpr Accents kAccents[] = {{0x300, u"aeiou", u"àèìòù"}, {0x301, u"aeiou", u"áéíóú"},
                                  {0x302, u"aeiou", u"âêîôû"}, {0x303, u"aon", u"ãõñ"},
                                  {0x308, u"aeiou", u"äëïöü"}, {0x327, u"c", u"ç"}};
  for (const Accents& accents : kAccents) {
    if (accents.mark != mark) continue;
    for (int i = 0; accents.plain[i] != 0; ++i) {
      if (accents.plain[i] == letter) return accents.with[i];
    }
  }
  return 0;
}

// 0 for what is no letter of ours.
int SymbolOf(char16_t c) {
  if (c >= 'a' && c <= 'z') return c - 'a' + 1;
  for (int i = 0; kAccented[i] != 0; ++i) {
    if (kAccented[i] == c) return 27 + i;
  }
  return 0;
}

// Symbols of the characters below U+0180 that prose is made of; 63 elsewhere.
const std::array<std::uint8_t, 0x180>& SymbolTable() {
  static const auto table = [] {
    std::array<std::uint8_t, 0x180> symbols{};
    for (char16_t c = 0; c < symbols.size(); ++c) {
      const int symbol = SymbolOf(static_cast<char16_t>(u_tolower(c)));
      symbols[c] = static_cast<std::uint8_t>(symbol ? symbol : kSymbols - 1);
    }
    return symbols;
  }();
  return table;
}

// The word's symbols, at most kLongestWord, into `out`; returns how many.
int Symbols(std::string_view word, std::uint8_t* out) {
  const auto& table = SymbolTable();
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(word.data());
  std::size_t count = 0;
  char16_t last = 0;
  for (std::size_t i = 0; i < word.size() && count < kLongestWord;) {
    UChar32 c = bytes[i];
    if (c < 0x80) {
      ++i;
    } else {
      U8_NEXT(bytes, i, word.size(), c);
    }
    if (c >= 0x300 && c < 0x370) {  // a combining mark changes the letter before it
      const char16_t whole = count > 0 ? Composed(static_cast<char16_t>(u_tolower(last)), c) : 0;
      if (count > 0)
        out[count - 1] = static_cast<std::uint8_t>(whole ? SymbolOf(whole) : kSymbols - 1);
      continue;
    }
    if (c == 0x2019) c = '\'';
    if (c >= 0xFF21 && c <= 0xFF5A) c -= 0xFF21 - 'A';  // full width
    if (c == 0xAD) continue;
    out[count++] = c >= 0 && c < static_cast<UChar32>(table.size())
                       ? table[static_cast<std::size_t>(c)]
                       : kSymbols - 1;
    last = static_cast<char16_t>(c);
  }
  return static_cast<int>(count);
}

std::uint64_t Hash(const std::uint8_t* symbols, int count) {
  std::uint64_t hash = 14695981039346656037ull;
  for (int i = 0; i < count; ++i) hash = (hash ^ symbols[i]) * 1099511628211ull;
  return hash ? hash : 1;
}

// ---- counting -----------------------------------------------------------------------------------

// Words between spaces and marks, with how often they stand in the text.
void CountWords(std::string_view text, std::map<Word, int>& counts) {
  std::size_t begin = 0;
  const auto take = [&](std::size_t end) {
    while (begin < end && (text[begin] == '\'')) ++begin;
    while (end > begin && (text[end - 1] == '\'')) --end;
    std::uint8_t symbols[kLongestWord];
    if (const int count = Symbols(text.substr(begin, end - begin), symbols))
      ++counts[Word(symbols, symbols + count)];
  };
  for (std::size_t i = 0; i <= text.size(); ++i) {
    const bool inside =
        i < text.size() && (static_cast<unsigned char>(text[i]) >= 0x80 ||
                            std::isalpha(static_cast<unsigned char>(text[i])) || text[i] == '\'');
    // ¿ and ¡ are the only marks above ASCII in the texts.
    const bool mark = i + 1 < text.size() && text[i] == '\xC2' &&
                      (text[i + 1] == '\xBF' || text[i + 1] == '\xA1');
    if (inside && !mark) continue;
    take(i);
    begin = i + (mark ? 2 : 1);
    if (mark) ++i;
  }
}

// Letters that follow each other in one language, by Witten and Bell.
class Letters {
 public:
  explicit Letters(const std::map<Word, int>& words)
      : pairs_(kSymbols * kSymbols), singles_(kSymbols) {
    // Every word once: the frequent ones are known, and this is for those that are not.
    for (const auto& [word, count] : words) {
      const Word whole = std::string(2, '\0') + word + '\0';
      for (std::size_t i = 2; i < whole.size(); ++i) Count(whole[i - 2], whole[i - 1], whole[i]);
    }
    for (const auto& [key, count] : triples_) Seen(pair_context_, key / kSymbols, count);
    for (int i = 0; i < kSymbols * kSymbols; ++i) {
      if (pairs_[i] > 0) Seen(single_context_, i / kSymbols, pairs_[i]);
      total_ += pairs_[i];
    }
    for (int i = 0; i < kSymbols * kSymbols; ++i) singles_[i % kSymbols] += pairs_[i];
  }

  double One(int c) const { return (singles_[c] + 0.5) / (total_ + 0.5 * kSymbols); }
  double Two(int b, int c) const {
    return Mixed(single_context_, b, pairs_[b * kSymbols + c], One(c));
  }
  double Three(int a, int b, int c) const {
    const auto it = triples_.find((a * kSymbols + b) * kSymbols + c);
    return Mixed(pair_context_, a * kSymbols + b, it == triples_.end() ? 0 : it->second, Two(b, c));
  }
  // What a third letter that was never seen behind two costs beside Two.
  double Backoff(int a, int b) const { return Mixed(pair_context_, a * kSymbols + b, 0, 1.0); }
  const std::map<int, int>& triples() const { return triples_; }

 private:
  struct Context {
    int count = 0, kinds = 0;
  };
  void Count(int a, int b, int c) {
    ++triples_[(a * kSymbols + b) * kSymbols + c];
    ++pairs_[b * kSymbols + c];
  }
  static void Seen(std::map<int, Context>& contexts, int key, int count) {
    contexts[key].count += count;
    ++contexts[key].kinds;
  }
  static double Mixed(const std::map<int, Context>& contexts, int key, int count, double lower) {
    const auto it = contexts.find(key);
    if (it == contexts.end()) return lower;
    return (count + it->second.kinds * lower) / (it->second.count + it->second.kinds);
  }
  std::map<int, int> triples_;
  std::vector<int> pairs_, singles_;
  std::map<int, Context> pair_context_, single_context_;
  int total_ = 0;
};

}  // namespace

struct LanguageModel::Tables {
  struct Known {
    std::uint64_t hash = 0;
    Row row{};
  };
  std::vector<std::uint16_t> triple_place =
      std::vector<std::uint16_t>(kSymbols * kSymbols * kSymbols);  // 0: never seen
  std::vector<Row> triples{1};
  std::vector<Row> pairs = std::vector<Row>(kSymbols * kSymbols),
                   backoff = std::vector<Row>(kSymbols * kSymbols);
  std::vector<Known> known;  // open addressing, a power of two

  const Row* Find(std::uint64_t hash) const {
    const std::size_t mask = known.size() - 1;
    for (std::size_t i = hash & mask; known[i].hash != 0; i = (i + 1) & mask) {
      if (known[i].hash == hash) return &known[i].row;
    }
    return nullptr;
  }

  void LearnLetters(const std::vector<Letters>& letters) {
    std::set<int> keys;
    for (const Letters& one : letters) {
      for (const auto& [key, count] : one.triples()) keys.insert(key);
    }
    Check(keys.size() < 65535, "too many triples of letters");
    for (const int key : keys) {
      Row row{};
      for (std::size_t l = 0; l < letters.size(); ++l)
        row[l] = Fixed(std::log(letters[l].Three(key / kSymbols / kSymbols,
                                                 key / kSymbols % kSymbols, key % kSymbols)));
      triple_place[static_cast<std::size_t>(key)] = static_cast<std::uint16_t>(triples.size());
      triples.push_back(row);
    }
    for (int i = 0; i < kSymbols * kSymbols; ++i) {
      for (std::size_t l = 0; l < letters.size(); ++l) {
        pairs[static_cast<std::size_t>(i)][l] =
            Fixed(std::log(letters[l].Two(i / kSymbols, i % kSymbols)));
        backoff[static_cast<std::size_t>(i)][l] =
            Fixed(std::log(letters[l].Backoff(i / kSymbols, i % kSymbols)));
      }
    }
  }

  Scores ByLetters(const std::uint8_t* symbols, int count) const {
    Scores sum{};
    std::size_t a = 0, b = 0;
    for (int i = 0; i <= count; ++i) {
      const std::size_t c = i < count ? symbols[i] : 0;
      const std::size_t place = triple_place[(a * kSymbols + b) * kSymbols + c];
      if (place != 0) {
        for (int l = 0; l < kMost; ++l) sum[l] += triples[place][l];
      } else {
        const Row& pair = pairs[b * kSymbols + c];
        const Row& weight = backoff[a * kSymbols + b];
        for (int l = 0; l < kMost; ++l) sum[l] += pair[l] + weight[l];
      }
      a = b;
      b = c;
    }
    return sum;
  }

  void LearnWords(const std::vector<std::map<Word, int>>& counts) {
    std::set<Word> words;
    std::vector<double> totals;
    for (const auto& one : counts) {
      double total = 0;
      for (const auto& [word, count] : one) {
        words.insert(word);
        total += count;
      }
      totals.push_back(total);
    }
    known.resize(1);
    while (known.size() < 2 * words.size() + 2) known.resize(2 * known.size());
    for (const Word& word : words) {
      const auto* symbols = reinterpret_cast<const std::uint8_t*>(word.data());
      const Scores letters = ByLetters(symbols, static_cast<int>(word.size()));
      Known entry{Hash(symbols, static_cast<int>(word.size())), {}};
      for (std::size_t l = 0; l < counts.size(); ++l) {
        const auto it = counts[l].find(word);
        const double known_part = it == counts[l].end() ? 0.0 : it->second / totals[l];
        entry.row[l] = Fixed(
            std::log(kKnownShare * known_part + (1 - kKnownShare) * std::exp(letters[l] / kUnit)));
      }
      std::size_t i = entry.hash & (known.size() - 1);
      while (known[i].hash != 0) i = (i + 1) & (known.size() - 1);
      known[i] = entry;
    }
  }
};

LanguageModel::LanguageModel(const std::vector<LanguageText>& texts)
    : languages_(static_cast<int>(texts.size())), tables_(std::make_unique<Tables>()) {
  Check(languages_ < kMost, "the last lane is for other languages");
  std::vector<std::map<Word, int>> counts(texts.size());
  std::vector<Letters> letters;
  for (std::size_t l = 0; l < texts.size(); ++l) {
    CountWords(texts[l].sentences, counts[l]);
    CountWords(texts[l].words, counts[l]);
    letters.emplace_back(counts[l]);
  }
  tables_->LearnLetters(letters);
  tables_->LearnWords(counts);
}

LanguageModel::~LanguageModel() = default;

const LanguageModel& LanguageModel::Get() {
  static const LanguageModel model(LanguageTexts());
  return model;
}

LanguageModel::Scores LanguageModel::Score(std::string_view word) const {
  std::uint8_t symbols[kLongestWord];
  const int count = Symbols(word, symbols);
  Scores scores{};
  if (const Row* row = tables_->Find(Hash(symbols, count))) {
    for (int l = 0; l < kMost; ++l) scores[l] = (*row)[l];
  } else {
    scores = tables_->ByLetters(symbols, count);
    for (int l = 0; l < kMost; ++l) scores[l] += Fixed(std::log(1 - kKnownShare));
  }
  for (int l = languages_; l < kMost; ++l) scores[l] = -(1 << 20);
  scores[kMost - 1] = Fixed(-kOtherWord - kOtherLetter * (count + 1));
  return scores;
}

}  // namespace cogent
