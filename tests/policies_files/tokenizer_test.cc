#include "policies/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "policies/tokenizer_bpe.h"
#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_split.h"
#include "tests/policies_files/files_test_util.h"

namespace cogent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

const std::vector<Tokenizer::AddedToken> kAdded = {
    {"<|end|>", true}, {"<|pad|>", true}, {"<think>"}, {"</think>"}, {"<answer>"}, {"</answer>"}};

std::vector<std::string> Corpus() {
  std::vector<std::string> lines;
  std::istringstream text(ReadText(Stored("tokenizers/trained/corpus.txt")));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

// The tokenizers that tests/oracles/make_tokenizer_cases.py gives to the reference package.
std::map<std::string, Tokenizer> TrainAll() {
  std::map<std::string, Tokenizer> all;
  all.emplace("digits", Tokenizer::Train(Corpus(), {.vocab_size = 420, .added_tokens = kAdded}));
  all.emplace("words",
              Tokenizer::Train(Corpus(),
                               {.vocab_size = 700, .added_tokens = kAdded, .split_digits = false}));
  all.emplace("bytes", Tokenizer::Train({}, {.vocab_size = 262, .added_tokens = kAdded}));
  all.emplace("alphabet", Tokenizer::Train(Corpus(), {.added_tokens = kAdded,
                                                      .alphabet = "0123456789+-*/=()., \né数"}));
  return all;
}

const Tokenizer& ByteTokenizer() {
  static const Tokenizer tokenizer =
      Tokenizer::Train({}, {.vocab_size = 262, .added_tokens = kAdded});
  return tokenizer;
}

const Tokenizer& Words() {
  static const Tokenizer tokenizer = Tokenizer::Load(Stored("tokenizers/trained/words.json"));
  return tokenizer;
}

TEST(Tokenizer, TrainsTheStoredFilesAgain) {
  for (const auto& [name, tokenizer] : TrainAll()) {
    const std::string path = Stored("tokenizers/trained/" + name + ".json");
    if (std::getenv("COGENT_UPDATE_GOLDEN") != nullptr) WriteText(path, tokenizer.ToJson());
    EXPECT_EQ(tokenizer.ToJson(), ReadText(path)) << name;
  }
}

TEST(Tokenizer, GivesTheIdsThatTheReferencePackageGives) {
  for (const std::string name : {"digits", "words", "bytes", "alphabet"}) {
    const Tokenizer tokenizer = Tokenizer::Load(Stored("tokenizers/trained/" + name + ".json"));
    const auto cases =
        nlohmann::json::parse(ReadText(Stored("tokenizers/trained/" + name + ".cases.json")));
    ASSERT_GT(cases["encode"].size(), 200u);
    for (const auto& item : cases["encode"]) {
      EXPECT_EQ(tokenizer.Encode(item["text"].get<std::string>()), item["ids"].get<Ids>())
          << name << item["text"];
    }
    for (const auto& item : cases["decode"]) {
      EXPECT_EQ(tokenizer.Decode(item["ids"].get<Ids>()), item["text"].get<std::string>())
          << name << item["ids"];
      EXPECT_EQ(tokenizer.Decode(item["ids"].get<Ids>(), true),
                item["without_special"].get<std::string>())
          << name;
    }
  }
}

TEST(Tokenizer, ReadsFilesOfOtherMakersWithEqualIds) {
  for (const std::string name : {"gpt2", "smollm"}) {
    const Tokenizer tokenizer = Tokenizer::Load(Stored("tokenizers/" + name + "/tokenizer.json"));
    const Tokenizer again = Tokenizer::Parse(tokenizer.ToJson(), name);
    const auto cases =
        nlohmann::json::parse(ReadText(Stored("tokenizers/" + name + "/cases.json")));
    EXPECT_EQ(tokenizer.vocab_size(), cases["vocab_size"].get<int>());
    ASSERT_GT(cases["cases"].size(), 300u);
    for (const auto& item : cases["cases"]) {
      const Ids ids = item["ids"].get<Ids>();
      EXPECT_EQ(tokenizer.Encode(item["text"].get<std::string>()), ids) << name << item["text"];
      EXPECT_EQ(again.Encode(item["text"].get<std::string>()), ids) << name << item["text"];
      EXPECT_EQ(tokenizer.Decode(ids), item["decoded"].get<std::string>());
      EXPECT_EQ(tokenizer.Decode(ids, true), item["decoded_skip_special"].get<std::string>());
    }
    for (const auto& item : cases["decode_cases"]) {
      EXPECT_EQ(tokenizer.Decode(item["ids"].get<Ids>()), item["decoded"].get<std::string>())
          << name << item["ids"];
      EXPECT_EQ(tokenizer.Decode(item["ids"].get<Ids>(), true),
                item["decoded_skip_special"].get<std::string>());
    }
    for (const auto& item : cases["chat_cases"]) {
      EXPECT_EQ(tokenizer.Encode(item["rendered"].get<std::string>()), item["ids"].get<Ids>())
          << item["rendered"];
    }
  }
}

TEST(Tokenizer, AddedTokensGetTheFirstIdsAndAreOneIdWhereverTheyStand) {
  const Tokenizer& t = ByteTokenizer();
  EXPECT_EQ(t.vocab_size(), 262);
  EXPECT_EQ(t.eos_id(), 0);
  EXPECT_EQ(t.pad_id(), 1);
  const std::int32_t x = *t.TokenToId("x");
  EXPECT_THAT(t.Encode("<think>x</think><answer>x</answer>x<|end|>"),
              ElementsAre(2, x, 3, 4, x, 5, x, 0));
  EXPECT_EQ(t.Decode(Ids{2, x, 0, 1}), "<think>x<|end|><|pad|>");
  EXPECT_EQ(t.Decode(Ids{2, x, 0, 1}, true), "<think>x");
  EXPECT_EQ(t.TokenBytes(2), "<think>");
}

TEST(Tokenizer, TheLongestAddedTokenAtThePlaceWins) {
  std::vector<Tokenizer::AddedToken> added = kAdded;
  added.push_back({"<think>2"});
  added.push_back({"k>2+"});
  const Tokenizer t = Tokenizer::Train({}, {.vocab_size = 300, .added_tokens = added});
  EXPECT_THAT(t.Encode("<think>2+"), ElementsAre(6, *t.TokenToId("+")));
  EXPECT_THAT(t.Encode("k>2+"), ElementsAre(7));
}

TEST(Tokenizer, SplitDigitsMakesEveryDigitAToken) {
  const std::vector<std::string> corpus(50, "1234 1234 1234");
  const Tokenizer split = Tokenizer::Train(corpus, {.vocab_size = 300, .added_tokens = kAdded});
  const Tokenizer joined =
      Tokenizer::Train(corpus, {.vocab_size = 300, .added_tokens = kAdded, .split_digits = false});
  EXPECT_EQ(split.Encode("1234").size(), 4u);
  EXPECT_EQ(joined.Encode("1234").size(), 1u);
}

TEST(Tokenizer, JoinsTheMostFrequentPairFirstAndEqualOnesBySmallerIds) {
  // "ab" 3 times, "cd" 3 times, "ef" 4 times: ef, then ab, then cd. "xy" once: never.
  const Tokenizer t =
      Tokenizer::Train({"ab", "cd", "ef", "cd", "ab", "ef", "ef", "ab", "cd", "ef", "xy"},
                       {.vocab_size = 400, .added_tokens = kAdded});
  EXPECT_EQ(t.TokenToId("ef"), 262);
  EXPECT_EQ(t.TokenToId("ab"), 263);
  EXPECT_EQ(t.TokenToId("cd"), 264);
  EXPECT_EQ(t.TokenToId("xy"), std::nullopt);
  EXPECT_EQ(t.vocab_size(), 265);
}

TEST(Tokenizer, TrainingDoesNotDependOnTheOrderOfTheCorpus) {
  std::vector<std::string> corpus = Corpus();
  const std::string forward =
      Tokenizer::Train(corpus, {.vocab_size = 500, .added_tokens = kAdded}).ToJson();
  std::reverse(corpus.begin(), corpus.end());
  EXPECT_EQ(Tokenizer::Train(corpus, {.vocab_size = 500, .added_tokens = kAdded}).ToJson(),
            forward);
}

TEST(Tokenizer, AddedTokensInTheCorpusTeachNoMerges) {
  const std::vector<std::string> corpus(20, "<think><think></think>");
  EXPECT_EQ(Tokenizer::Train(corpus, {.vocab_size = 400, .added_tokens = kAdded}).vocab_size(),
            262);
}

TEST(Tokenizer, AMergeNeverMakesTheNameOfAnAddedToken) {
  std::vector<Tokenizer::AddedToken> added = kAdded;
  added.push_back({"\u0120abc"});  // the vocabulary's way to write " abc"
  const Tokenizer t = Tokenizer::Train(std::vector<std::string>(20, "x abc"),
                                       {.vocab_size = 400, .added_tokens = added});
  EXPECT_EQ(t.TokenToId("\u0120abc"), 6);
  EXPECT_EQ(t.Decode(t.Encode("x abc")), "x abc");
  for (const std::int32_t id : t.Encode("x abc")) EXPECT_GE(id, 7);
}

TEST(Tokenizer, WithAnAlphabetOtherCharactersVanish) {
  const Tokenizer t = Tokenizer::Train({}, {.added_tokens = kAdded, .alphabet = "0123456789+ "});
  EXPECT_EQ(t.vocab_size(), 6 + 12);
  EXPECT_EQ(t.Decode(t.Encode("1 +a2é<think>x3")), "1 +2<think>3");
  const Tokenizer again = Tokenizer::Parse(t.ToJson(), "again");
  EXPECT_EQ(again.Encode("1 +a2<think>"), t.Encode("1 +a2<think>"));
}

TEST(Tokenizer, OptionsThatContradictEachOtherAreRefused) {
  const auto refusal = [](const Tokenizer::TrainOptions& options) -> std::string {
    try {
      Tokenizer::Train({}, options);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal({.vocab_size = 300}),
              HasSubstr("eos_token '<|end|>' is not among added_tokens"));
  EXPECT_THAT(refusal({.added_tokens = kAdded, .pad_token = "<p>"}), HasSubstr("pad_token '<p>'"));
  EXPECT_THAT(refusal({.vocab_size = 261, .added_tokens = kAdded}), HasSubstr("not within 262"));
  EXPECT_THAT(refusal({.vocab_size = -1, .added_tokens = kAdded}), HasSubstr("not within 262"));
  auto added = kAdded;
  added.push_back({"<think>"});
  EXPECT_THAT(refusal({.added_tokens = added}), HasSubstr("'<think>' is listed twice"));
  added.back().text = "a";
  EXPECT_THAT(refusal({.added_tokens = added}), HasSubstr("name of a byte"));
  added.back().text = "";
  EXPECT_THAT(refusal({.added_tokens = added}), HasSubstr("empty"));
  added.back().text = "\xFF\xFF";
  EXPECT_THAT(refusal({.added_tokens = added}), HasSubstr("no UTF-8"));
}

TEST(Tokenizer, EachMaximalIllFormedPartBecomesOneReplacementCharacter) {
  const Tokenizer& t = ByteTokenizer();
  const auto decode = [&](std::string_view bytes) {
    Ids ids;
    for (const char c : bytes) ids.push_back(*t.TokenToId(StandIn(static_cast<unsigned char>(c))));
    return t.Decode(ids);
  };
  EXPECT_EQ(decode("a\xE2\x82"), "a\uFFFD");  // cut short
  EXPECT_EQ(decode("\xE2\x82z"), "\uFFFDz");  // two bytes of three: one part
  EXPECT_EQ(decode("\xF0\x9F\x91\xF0\x9F\x91\x8D"), "\uFFFD\U0001F44D");
  EXPECT_EQ(decode("\xC0\xAF"), "\uFFFD\uFFFD");                      // overlong
  EXPECT_EQ(decode("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");            // a surrogate
  EXPECT_EQ(decode("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");  // beyond U+10FFFF
  EXPECT_EQ(decode("\x80\xBF"), "\uFFFD\uFFFD");
  EXPECT_EQ(t.Decode(Ids{-1, 262, 1 << 30, *t.TokenToId("a")}), "a");
  EXPECT_EQ(t.TokenBytes(-1), "");
  EXPECT_EQ(t.TokenBytes(262), "");
}

TEST(Tokenizer, DecodingNeverShowsHalfACharacter) {
  const Tokenizer& t = ByteTokenizer();
  StreamDecoder stream(t);
  std::string shown;
  const std::string text = "a é 数 👍🏽!";
  for (const std::int32_t id : t.Encode(text)) {
    shown += stream.Add(id);
    EXPECT_TRUE(IsUtf8(shown));
    EXPECT_EQ(shown.find("\uFFFD"), std::string::npos);
    EXPECT_EQ(text.substr(0, shown.size()), shown);
  }
  EXPECT_EQ(shown, text);
  EXPECT_EQ(stream.Finish(), "");
  EXPECT_EQ(stream.Add(*t.TokenToId(StandIn(0xE2))), "");
  EXPECT_EQ(stream.Finish(), "\uFFFD");
}

TEST(Tokenizer, SaveAndLoadKeepEverything) {
  ScratchFolder folder;
  const Tokenizer t = Tokenizer::Train(Corpus(), {.vocab_size = 400,
                                                  .added_tokens = kAdded,
                                                  .eos_token = "</answer>",
                                                  .pad_token = "<|end|>"});
  WriteText(folder / "tokenizer_config.json",
            R"({"chat_template": "{{ x }}", "eos_token": {"content": "old"}})");
  t.Save(folder / "tokenizer.json");
  const Tokenizer again = Tokenizer::Load(folder / "tokenizer.json");
  EXPECT_EQ(again.ToJson(), t.ToJson());
  EXPECT_EQ(again.eos_id(), t.eos_id());
  EXPECT_EQ(again.pad_id(), t.pad_id());
  EXPECT_EQ(again.eos_id(), 5);
  EXPECT_THAT(ReadText(folder / "tokenizer_config.json"),
              HasSubstr(R"("chat_template": "{{ x }}")"));
  EXPECT_EQ(folder.CountFiles(), 2u);
}

TEST(Tokenizer, AFullDiskLeavesTheOldFileWhole) {
  ScratchFolder folder;
  WriteText(folder / "tokenizer.json", "old");
  rlimit unlimited{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, unlimited.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(ByteTokenizer().Save(folder / "tokenizer.json"), DataError);
  ::setrlimit(RLIMIT_FSIZE, &unlimited);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(ReadText(folder / "tokenizer.json"), "old");
  EXPECT_EQ(folder.CountFiles(), 1u);
}

// A quadratic way would take hours here; the tests' own time limit stops it.
TEST(Tokenizer, AMegabyteOfOneKindOfCharacterIsNoAttack) {
  for (const std::string unit : {"a", "ab", " ", "1", "'", "é", "\n", "<think", "\xFF"}) {
    std::string text;
    while (text.size() < kALot) text += unit;
    EXPECT_EQ(Words().Decode(Words().Encode(text)), RepairUtf8(text)) << unit;
  }
}

TEST(TokenizerParts, TheHeapGivesTheIdsOfTheScan) {
  rc::check([] {
    BpeSpec spec;
    for (int i = 0; i < 3; ++i)
      spec.vocab.emplace_back(std::string(1, static_cast<char>('a' + i)), i);
    const int merges = *rc::gen::inRange(0, 30);
    for (int i = 0; i < merges; ++i) {
      const int tokens = 3 + i;
      spec.merges.push_back({*rc::gen::inRange(0, tokens), *rc::gen::inRange(0, tokens), tokens});
    }
    const auto word = *rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c'));
    Bpe::Scratch scratch;
    Ids by_scan, by_heap;
    Bpe(spec, 1 << 20).Encode(word, scratch, by_scan);
    Bpe(spec, 0).Encode(word, scratch, by_heap);
    RC_ASSERT(by_scan == by_heap);
  });
}

TEST(TokenizerParts, WordsAreThoseOfTheGpt2Pattern) {
  const auto words = [](std::string_view text) {
    std::vector<std::string> list;
    SplitGpt2(text, [&](std::string_view word) { list.emplace_back(word); });
    return list;
  };
  EXPECT_THAT(words("it's 42  days\n\n x"),
              ElementsAre("it", "'s", " 42", " ", " days", "\n\n", " x"));
  EXPECT_THAT(words("  "), ElementsAre("  "));
  EXPECT_THAT(words("a \u3000\u3000b"), ElementsAre("a", " \u3000", "\u3000", "b"));
  EXPECT_THAT(words("a\x1c\u180e"), ElementsAre("a", "\x1c\u180e"));  // no white space
}

RC_GTEST_PROP(Tokenizer, AnyTextSurvivesEncodingAndDecoding, (const std::string& bytes)) {
  RC_ASSERT(Words().Decode(Words().Encode(bytes)) == RepairUtf8(bytes));
  RC_ASSERT(ByteTokenizer().Decode(ByteTokenizer().Encode(bytes)) == RepairUtf8(bytes));
}

RC_GTEST_PROP(Tokenizer, AStreamShowsWhatDecodingShows, ()) {
  const auto ids = *rc::gen::container<Ids>(rc::gen::inRange<std::int32_t>(-2, 264));
  StreamDecoder stream(ByteTokenizer());
  std::string shown;
  for (const std::int32_t id : ids) shown += stream.Add(id);
  RC_ASSERT(shown + stream.Finish() == ByteTokenizer().Decode(ids));
}

}  // namespace
}  // namespace cogent
