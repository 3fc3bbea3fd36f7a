// Labelled examples read from JSONL: every form, and every mistake with its file and line.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "experiments/dataset.h"

namespace cogent {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Dataset : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(dir_); }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string File(const std::string& text, const std::string& name = "data.jsonl") const {
    std::ofstream(dir_ + "/" + name, std::ios::binary) << text;
    return dir_ + "/" + name;
  }
  std::vector<TextExample> Demonstrations(const std::string& text) const { return ReadExamples({File(text)}, TextKind::kDemonstration); }
  std::string MistakesOf(const std::string& text, TextKind kind = TextKind::kDemonstration) const {
    try {
      ReadExamples({File(text)}, kind);
      return "no mistake was found";
    } catch (const DataError& error) {
      return error.what();
    }
  }
  const std::string dir_ = testing::TempDir() + "/cogent_dataset_test." + std::to_string(getpid());
};

std::string Plain(const Dialogue& dialogue) {
  const char* const names[] = {"system", "user", "assistant", "tool"};
  std::string text;
  for (const Message& m : dialogue) text += std::string(names[static_cast<int>(m.role)]) + ":" + m.text + "|";
  return text;
}

TEST_F(Dataset, AParquetFileIsRefusedWithWhatMakesLinesOfIt) {
  EXPECT_THAT(MistakesOf("PAR1 columns"), AllOf(HasSubstr("data.jsonl: this is a Parquet file"), HasSubstr("pyarrow")));
}

TEST_F(Dataset, EveryFormOfADemonstrationIsRead) {
  const auto examples = Demonstrations(
      "{\"prompt\": \"2+3?\", \"completion\": \"5\", \"rewards\": {\"accuracy\": 1}}\n"
      "\n"
      "{\"messages\": [{\"role\": \"system\", \"content\": \"Add.\"}, {\"role\": \"user\", \"content\": \"2+3?\"},"
      " {\"role\": \"assistant\", \"content\": \"5\"}, {\"role\": \"tool\", \"content\": \"ok\"}, {\"role\": \"assistant\", \"content\": \"done\"}]}\r\n"
      "{\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}], \"completion\": [{\"role\": \"assistant\", \"content\": \"b\"}]}");
  ASSERT_EQ(examples.size(), 3u);
  EXPECT_EQ(Plain(examples[0].conversations.at(0)), "user:2+3?|assistant:5|");
  EXPECT_EQ(Plain(examples[1].conversations.at(0)), "system:Add.|user:2+3?|assistant:5|tool:ok|assistant:done|");
  EXPECT_EQ(Plain(examples[2].conversations.at(0)), "user:a|assistant:b|");
  EXPECT_THAT(examples[1].where, HasSubstr("data.jsonl:3"));  // blank lines are lines
}

TEST_F(Dataset, APreferenceHasTwoConversationsAndPerhapsAMargin) {
  const auto examples = ReadExamples({File("{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\"}\n"
                                           "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\", \"margin\": 0.5}\n")},
                                     TextKind::kPreference);
  ASSERT_EQ(examples.size(), 2u);
  ASSERT_EQ(examples[0].conversations.size(), 2u);
  EXPECT_EQ(Plain(examples[0].conversations[0]), "user:p|assistant:c|");
  EXPECT_EQ(Plain(examples[0].conversations[1]), "user:p|assistant:r|");
  EXPECT_EQ(examples[0].margin, 0.0);
  EXPECT_EQ(examples[1].margin, 0.5);
}

TEST_F(Dataset, SeveralFilesFollowEachOther) {
  const auto examples = ReadExamples({File("{\"prompt\": \"a\", \"completion\": \"1\"}\n", "one"), File("{\"prompt\": \"b\", \"completion\": \"2\"}\n", "two")},
                                     TextKind::kDemonstration);
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[1].conversations[0][0].text, "b");
}

TEST_F(Dataset, AllMistakesAreToldAtOnceEachWithItsLine) {
  const std::string text = MistakesOf(
      "{\"prompt\": \"a\", \"completion\": \"1\"}\n"
      "{\"prompt\": \"a\"\n"
      "[1, 2]\n"
      "{\"prompt\": \"a\"}\n"
      "{\"prompt\": 3, \"completion\": \"1\"}\n"
      "{\"prompt\": \"a\", \"completion\": \"\"}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n"
      "{\"messages\": [{\"role\": \"boss\", \"content\": \"a\"}]}\n"
      "{\"messages\": [\"a\"]}\n");
  EXPECT_THAT(text, HasSubstr("data.jsonl:2: this is no JSON"));
  EXPECT_THAT(text, HasSubstr("data.jsonl:3: a line must be an object {...}, found array"));
  EXPECT_THAT(text, HasSubstr("data.jsonl:4: a demonstration needs"));
  EXPECT_THAT(text, HasSubstr("data.jsonl:5: 'prompt' must be a text, found number"));
  EXPECT_THAT(text, HasSubstr("data.jsonl:6: 'completion' is empty"));
  EXPECT_THAT(text, HasSubstr("data.jsonl:7: the last message must be the assistant's"));
  EXPECT_THAT(text, HasSubstr("data.jsonl:8: unknown role 'boss'"));
  EXPECT_THAT(text, HasSubstr("data.jsonl:9: each of 'messages' must be"));
  EXPECT_THAT(text, Not(HasSubstr("data.jsonl:1:")));
}

TEST_F(Dataset, MoreThanTenMistakesAreNotAllTold) {
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += "{}\n";
  const std::string text = MistakesOf(lines);
  EXPECT_THAT(text, AllOf(HasSubstr(":10:"), Not(HasSubstr(":11:")), HasSubstr("the first ten")));
}

TEST_F(Dataset, TheOtherKindOfExampleIsNamed) {
  EXPECT_THAT(MistakesOf("{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\"}\n"), HasSubstr("dpo"));
  EXPECT_THAT(MistakesOf("{\"prompt\": \"p\", \"completion\": \"c\"}\n", TextKind::kPreference), HasSubstr("needs \"prompt\", \"chosen\" and \"rejected\""));
  EXPECT_THAT(MistakesOf("{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\", \"margin\": \"big\"}\n", TextKind::kPreference),
              HasSubstr("'margin' must be a number, found string"));
}

TEST_F(Dataset, AFileWithoutAnExampleOrWithoutBeingThereIsSaid) {
  EXPECT_THAT(MistakesOf("\n  \n"), HasSubstr("there is no example in it"));
  EXPECT_THROW(ReadExamples({dir_ + "/absent.jsonl"}, TextKind::kDemonstration), DataError);
}

TEST_F(Dataset, HostileLinesAreMistakesAndNothingElse) {
  EXPECT_THAT(MistakesOf(std::string(100000, '[') + "\n"), HasSubstr("this is no JSON"));
  EXPECT_THAT(MistakesOf("{\"prompt\": \"\xff\", \"completion\": \"1\"}\n"), HasSubstr("this is no JSON"));
  EXPECT_THAT(MistakesOf("null\n"), HasSubstr("found null"));
}

}  // namespace
}  // namespace cogent
