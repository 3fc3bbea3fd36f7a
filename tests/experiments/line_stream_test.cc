// Lines through threads: order, numbers, bounded memory, failures.
#include "experiments/line_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/error.h"

namespace cogent {
namespace {

using ::testing::ElementsAre;

// A pipe that a thread of its own fills.
class Fed {
 public:
  explicit Fed(std::string text) {
    if (::pipe(ends_) != 0) throw DataError("no pipe");
    writer_ = std::thread([this, text = std::move(text)] {
      for (std::size_t at = 0; at < text.size();) {
        const ssize_t count = ::write(ends_[1], text.data() + at, text.size() - at);
        if (count <= 0) break;
        at += static_cast<std::size_t>(count);
      }
      ::close(ends_[1]);
    });
  }
  ~Fed() {
    writer_.join();
    ::close(ends_[0]);
  }
  int descriptor() const { return ends_[0]; }

 private:
  int ends_[2];
  std::thread writer_;
};

std::vector<std::string> AllLines(const std::string& text) {
  Fed fed(text);
  LineReader reader(fed.descriptor(), "pipe");
  std::vector<std::string> lines;
  for (LineChunk chunk; !(chunk = reader.Next(3)).lines.empty();) {
    EXPECT_EQ(chunk.first, static_cast<std::int64_t>(lines.size()) + 1);
    EXPECT_LE(chunk.lines.size(), 3u);
    lines.insert(lines.end(), chunk.lines.begin(), chunk.lines.end());
  }
  return lines;
}

TEST(LineReader, RefusesWhatIsNoText) {
  Fed fed("PAR1\n");
  LineReader reader(fed.descriptor(), "rows.parquet");
  try {
    reader.Next(3);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("rows.parquet: this is a Parquet file"));
  }
  EXPECT_THAT(AllLines("a\nPAR1\n"), ElementsAre("a", "PAR1"));
}

TEST(LineReader, GivesEveryLineOnceEmptyOnesAndAnUnendedLastOneIncluded) {
  EXPECT_THAT(AllLines(""), ElementsAre());
  EXPECT_THAT(AllLines("\n"), ElementsAre(""));
  EXPECT_THAT(AllLines("a\n\nb"), ElementsAre("a", "", "b"));
  EXPECT_THAT(AllLines("a\nb\nc\nd\n"), ElementsAre("a", "b", "c", "d"));
  const std::string wide(200000, 'x');  // longer than one read
  EXPECT_THAT(AllLines(wide + "\n" + wide), ElementsAre(wide, wide));
}

TEST(LineReader, ALineAboveTheLimitIsNamedAndTheNextIsRead) {
  Fed fed(std::string(LineReader::kMaxLineBytes + 1, 'x') + "\nnext\n");
  LineReader reader(fed.descriptor(), "pipe");
  const LineChunk first = reader.Next(1);
  EXPECT_THAT(first.lines, ElementsAre(""));
  EXPECT_THAT(first.too_long, ElementsAre(0u));
  EXPECT_THAT(reader.Next(1).lines, ElementsAre("next"));
}

TEST(LineReader, DoesNotWaitForMoreThanWhatIsThere) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "a\nb", 3), 3);  // stays open
  LineReader reader(ends[0], "pipe");
  EXPECT_THAT(reader.Next(100).lines, ElementsAre("a"));
  ::close(ends[1]);
  EXPECT_THAT(reader.Next(100).lines, ElementsAre("b"));
  ::close(ends[0]);
}

TEST(LineReader, EndsWhereItIsStoppedEvenWhileItWaits) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::atomic<bool> stop = false;
  LineReader reader(ends[0], "pipe", &stop);
  std::thread stopper([&] { stop = true; });
  EXPECT_TRUE(reader.Next(1).lines.empty());
  stopper.join();
  ::close(ends[0]);
  ::close(ends[1]);
}

std::string Numbers(int count) {
  std::string text;
  for (int i = 1; i <= count; ++i) text += std::to_string(i) + "\n";
  return text;
}

TEST(ForEachChunk, KeepsTheOrderOnAnyNumberOfThreads) {
  const std::string text = Numbers(5000);
  for (const int threads : {1, 2, 7}) {
    Fed fed(text);
    LineReader reader(fed.descriptor(), "pipe");
    std::string out;
    ForEachChunk(reader, {.threads = threads, .lines_at_once = 3}, [&](const LineChunk& chunk) {
      // Early chunks take longer than late ones.
      if (chunk.first < 100) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return [&out, chunk] {
        for (const std::string& line : chunk.lines) out += line + "\n";
      };
    });
    EXPECT_EQ(out, text) << threads;
  }
}

TEST(ForEachChunk, HoldsFourChunksAThreadAtMost) {
  Fed fed(Numbers(400));
  LineReader reader(fed.descriptor(), "pipe");
  std::atomic<int> held = 0;
  std::atomic<int> most = 0;
  ForEachChunk(reader, {.threads = 2, .lines_at_once = 1}, [&](const LineChunk& chunk) {
    const int now = ++held;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    if (chunk.first == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return [&held] { --held; };
  });
  EXPECT_LE(most, 8);
  EXPECT_EQ(held, 0);
}

TEST(ForEachChunk, ThrowsOnWhatTheWorkOrTheDeliveryThrew) {
  for (const bool in_work : {true, false}) {
    Fed fed(Numbers(300));
    LineReader reader(fed.descriptor(), "pipe");
    int delivered = 0;
    const auto work = [&](const LineChunk& chunk) -> std::function<void()> {
      if (in_work && chunk.first == 100) throw DataError("work");
      return [&, first = chunk.first] {
        if (!in_work && first == 100) throw DataError("delivery");
        ++delivered;
      };
    };
    EXPECT_THROW(ForEachChunk(reader, {.threads = 3, .lines_at_once = 1}, work), DataError);
    EXPECT_LE(delivered, 99);
  }
}

TEST(ResultFile, HasItsNameOnlyWhenItIsWhole) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("line_stream_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string path = folder / "out.jsonl";
  std::ofstream(path) << "old";
  {
    ResultFile file(path);
    file.Write("half");
  }
  EXPECT_EQ(std::filesystem::file_size(path), 3u);
  {
    ResultFile file(path);
    file.Write("whole\n");
    file.Commit();
    EXPECT_EQ(file.name(), path);
  }
  EXPECT_EQ(std::filesystem::file_size(path), 6u);
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  EXPECT_THROW(ResultFile(folder / "no" / "such" / "folder"), DataError);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace cogent
