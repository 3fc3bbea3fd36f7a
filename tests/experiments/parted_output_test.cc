// Files of lines that a kill does not spoil.
#include "experiments/parted_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

struct PartedOutputTest : testing::Test {
  PartedOutputTest() : folder(testing::TempDir() + "/cogent_parted_" + testing::UnitTest::GetInstance()->current_test_info()->name()), path(folder + "/out.jsonl") {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  ~PartedOutputTest() override { fs::remove_all(folder); }
  std::string folder, path;
};

TEST_F(PartedOutputTest, GoesOnAfterItsLastWholePart) {
  {
    PartedOutput output(path, "a", false);
    output.Append("one");
    output.Commit(1, "{\"kept\":1}");
    output.Append("two, of a part that was killed");
  }
  PartedOutput output(path, "a", true);
  EXPECT_EQ(output.done(), 1);
  EXPECT_EQ(output.counts(), "{\"kept\":1}");
  EXPECT_EQ(ReadFile(path), "one\n");
  output.Append("two");
  output.Commit(2, "{\"kept\":2}");
  output.Finish("{}");
  EXPECT_EQ(ReadFile(path), "one\ntwo\n");
  EXPECT_TRUE(fs::exists(path + ".report.json"));
  EXPECT_FALSE(fs::exists(path + ".state.json"));
}

TEST_F(PartedOutputTest, KilledBeforeItsFirstPartItBeginsAgain) {
  { PartedOutput output(path, "a", false); }
  PartedOutput output(path, "a", true);
  EXPECT_EQ(output.done(), 0);
  EXPECT_EQ(output.counts(), "");
}

TEST_F(PartedOutputTest, NeitherOverwritesNorGoesOnWithWhatIsNotItsOwn) {
  { PartedOutput(path, "a", false).Commit(1, "{}"); }
  EXPECT_THROW(PartedOutput(path, "a", false), ConfigError);
  EXPECT_THROW(PartedOutput(path, "b", true), ConfigError);
  PartedOutput(path, "a", true).Finish("{}");
  EXPECT_THROW(PartedOutput(path, "a", true), ConfigError) << "finished";
  EXPECT_THROW(PartedOutput(folder + "/none.jsonl", "a", true), ConfigError) << "nothing to resume";
}

TEST_F(PartedOutputTest, AFileThatWasChangedIsRefused) {
  {
    PartedOutput output(path, "a", false);
    output.Append("one");
    output.Commit(1, "{}");
  }
  std::ofstream(path, std::ios::trunc);
  EXPECT_THROW(PartedOutput(path, "a", true), DataError);
  std::ofstream(path + ".state.json", std::ios::trunc) << "{";
  EXPECT_THROW(PartedOutput(path, "a", true), DataError);
}

}  // namespace
}  // namespace cogent
