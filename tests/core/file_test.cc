// Files survive a full disk and a killed writer.
#include "core/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>

#include "tests/core/core_test_util.h"

namespace cogent {
namespace {

// While it lives, no file of this process may grow beyond `bytes`: a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_;
  void (*old_handler_)(int);
};

TEST(File, WhatWasWrittenIsRead) {
  TestFolder folder;
  std::string bytes = "line\n";
  for (int i = 0; i < 100'000; ++i) bytes += static_cast<char>(i);
  WriteFileAtomic(folder / "a", bytes);
  EXPECT_EQ(ReadFile(folder / "a"), bytes);
  WriteFileAtomic(folder / "a", "");
  EXPECT_EQ(ReadFile(folder / "a"), "");
  EXPECT_EQ(folder.Count(), 1u);
}

TEST(File, APathWithoutAFolderIsWrittenHere) {
  TestFolder folder;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder / ".");
  WriteFileAtomic("plain", "x");
  std::filesystem::current_path(before);
  EXPECT_EQ(ReadFile(folder / "plain"), "x");
}

TEST(File, ReadingSaysWhyItFailed) {
  TestFolder folder;
  EXPECT_EQ(ErrorOf<DataError>([&] { ReadFile(folder / "gone"); }), (folder / "gone") + ": cannot open: No such file or directory");
  EXPECT_EQ(ErrorOf<DataError>([&] { ReadFile(folder / "."); }), (folder / ".") + ": cannot read: Is a directory");
}

TEST(TextFile, APackedOneIsRefusedWithTheCommandThatUnpacksIt) {
  TestFolder folder;
  const std::string parquet = folder / "train.parquet", zipped = folder / "HumanEval.jsonl.gz", nameless = folder / "data";
  WriteFileAtomic(parquet, "PAR1\x15\x04 and columns");
  WriteFileAtomic(zipped, "\x1F\x8B\x08");
  WriteFileAtomic(nameless, "PAR1");
  const auto refusal = [](const std::string& path) { return ErrorOf<DataError>([&] { ForEachLineIn(path, [](int, std::string_view) { ADD_FAILURE() << "a line"; }); }); };
  EXPECT_TRUE(refusal(parquet).starts_with(parquet + ": this is a Parquet file")) << refusal(parquet);
  EXPECT_NE(refusal(parquet).find("pip install pyarrow"), std::string::npos);
  EXPECT_TRUE(refusal(parquet).ends_with("\"" + parquet + "\" > \"" + (folder / "train.jsonl") + "\"")) << refusal(parquet);
  EXPECT_TRUE(refusal(nameless).ends_with("\"" + nameless + "\" > \"" + nameless + ".jsonl\"")) << refusal(nameless);
  EXPECT_TRUE(refusal(zipped).ends_with("gunzip -c \"" + zipped + "\" > \"" + (folder / "HumanEval.jsonl") + "\"")) << refusal(zipped);
  WriteFileAtomic(nameless, "PAR");
  EXPECT_EQ(ReadTextFile(nameless), "PAR");
}

TEST(TextFile, EveryLineThatIsNotBlankComesWithItsNumber) {
  TestFolder folder;
  WriteFileAtomic(folder / "a", "one\n\n \t\r\nfour");
  std::string seen;
  ForEachLineIn(folder / "a", [&](int number, std::string_view line) { seen += std::to_string(number) + std::string(line) + ";"; });
  EXPECT_EQ(seen, "1one;4four;");
}

TEST(File, ALongerFileThanTheLimitIsRefused) {
  TestFolder folder;
  WriteFileAtomic(folder / "a", "12345");
  EXPECT_EQ(ReadFile(folder / "a", 5), "12345");
  EXPECT_EQ(ErrorOf<DataError>([&] { ReadFile(folder / "a", 4); }),
            (folder / "a") + ": the file is longer than 4 bytes, the most that is read here");
  EXPECT_NE(ErrorOf<DataError>([&] { ReadFile("/dev/zero", 1000); }), "");  // its size is not known before
}

TEST(File, AFullDeviceIsReported) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  EXPECT_EQ(ErrorOf<DataError>([] { WriteFileAtomic("/dev/full", "x"); }), "/dev/full: cannot write: No space left on device");
  EXPECT_EQ(ErrorOf<DataError>([] { LineFile("/dev/full").Append("x"); }), "/dev/full: cannot append a line: No space left on device");
}

TEST(File, WhenTheDiskIsFullTheOldFileStaysAndNothingElse) {
  TestFolder folder;
  WriteFileAtomic(folder / "a", "old");
  std::string error;
  {
    FullDisk full(1000);
    error = ErrorOf<DataError>([&] { WriteFileAtomic(folder / "a", std::string(5000, 'x')); });
  }
  EXPECT_EQ(error, (folder / "a") + ": cannot write: File too large");
  EXPECT_EQ(ReadFile(folder / "a"), "old");
  EXPECT_EQ(folder.Count(), 1u);
}

TEST(File, AMissingFolderIsReported) {
  TestFolder folder;
  EXPECT_EQ(ErrorOf<DataError>([&] { WriteFileAtomic(folder / "no/a", "x"); }), (folder / "no/a") + ": cannot write: No such file or directory");
}

TEST(File, ThatAFileCannotBeWrittenIsKnownBeforehandAndNothingIsLeft) {
  TestFolder folder;
  WriteFileAtomic(folder / "a", "old");
  for (const char* name : {"a", "b"}) CheckCanWrite(folder / name);
  EXPECT_EQ(ReadFile(folder / "a"), "old");
  EXPECT_EQ(folder.Count(), 1u);
  EXPECT_EQ(ErrorOf<DataError>([&] { CheckCanWrite(folder / "no/a"); }), (folder / "no/a") + ": cannot write: No such file or directory");
  EXPECT_EQ(ErrorOf<DataError>([&] { CheckCanWrite(folder / ""); }), (folder / "") + ": is a directory; give the name of a file in it");
}

TEST(Lines, AHalfWrittenLastLineIsCut) {
  TestFolder folder;
  const std::string path = folder / "lines";
  const std::pair<std::string, std::string> kCases[] = {
      {"", ""},     {"a\n", "a\n"}, {"a\nb", "a\n"},
      {"half", ""}, {"\n", "\n"},   {"a\n" + std::string(10'000, 'x'), "a\n"},
      {std::string(4095, 'x') + "\ny", std::string(4095, 'x') + "\n"},
      {std::string(4096, 'x') + "\n" + std::string(4096, 'y'), std::string(4096, 'x') + "\n"},
  };
  for (const auto& [before, after] : kCases) {
    WriteFileAtomic(path, before);
    TruncateToWholeLines(path);
    EXPECT_EQ(ReadFile(path), after);
  }
  EXPECT_NO_THROW(TruncateToWholeLines(folder / "gone"));
}

TEST(Lines, OpeningAgainGoesOnBehindTheLastWholeLine) {
  TestFolder folder;
  const std::string path = folder / "lines";
  {
    LineFile lines(path);
    lines.Append("one");
    lines.Append("");
    lines.Sync();
  }
  WriteFileAtomic(path, ReadFile(path) + "killed her");
  LineFile lines(path);
  lines.Append("two");
  EXPECT_EQ(ReadFile(path), "one\n\ntwo\n");
  EXPECT_THROW(lines.Append("a\nb"), InternalError);
}

TEST(Lines, ALineThatDoesNotFitLeavesNothing) {
  TestFolder folder;
  LineFile lines(folder / "lines");
  lines.Append("one");
  std::string error;
  {
    FullDisk full(100);
    error = ErrorOf<DataError>([&] { lines.Append(std::string(500, 'x')); });
  }
  EXPECT_NE(error, "");
  EXPECT_EQ(ReadFile(folder / "lines"), "one\n");
}

}  // namespace
}  // namespace cogent
