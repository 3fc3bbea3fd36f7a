// Event files, read back by a reader of the test's own and compared with what TensorBoard's reader
// found in the same bytes (golden_events.json, made by tests/oracles/read_events.py).
#include "experiments/tensorboard.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/file.h"

namespace cogent {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(COGENT_SOURCE_DIR) + "/tests/records/golden_run";

// CRC-32C bit by bit, by long division: shares nothing with the table of the library.
std::uint32_t SlowCrc(std::string_view bytes) {
  std::uint32_t crc = ~0u;
  for (const unsigned char c : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const bool feed = ((crc ^ static_cast<std::uint32_t>(c >> bit)) & 1u) != 0;
      crc = (crc >> 1) ^ (feed ? 0x82F63B78u : 0u);
    }
  }
  return ~crc;
}

std::uint32_t SlowMask(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u; }

template <typename T>
T Load(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.substr(at, sizeof value).data(),
              sizeof value);  // tests run little-endian
  return value;
}

// Splits a file into messages and checks every length and checksum.
std::vector<std::string> Messages(const std::string& bytes) {
  std::vector<std::string> messages;
  for (std::size_t at = 0; at < bytes.size();) {
    if (bytes.size() - at < 16) throw std::runtime_error("half a frame");
    const auto size = Load<std::uint64_t>(bytes, at);
    EXPECT_EQ(Load<std::uint32_t>(bytes, at + 8),
              SlowMask(SlowCrc(std::string_view(bytes).substr(at, 8))));
    messages.push_back(bytes.substr(at + 12, size));
    EXPECT_EQ(Load<std::uint32_t>(bytes, at + 12 + size), SlowMask(SlowCrc(messages.back())));
    at += size + 16;
  }
  return messages;
}

// A protobuf message as field number -> raw values: numbers as 64 bits, nested ones as bytes.
struct Field {
  std::uint64_t number = 0;
  std::string bytes;
};
std::multimap<int, Field> Parse(std::string_view message) {
  std::multimap<int, Field> fields;
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto c = static_cast<unsigned char>(message.at(at++));
      value |= static_cast<std::uint64_t>(c & 0x7F) << shift;
      if (!(c & 0x80)) return value;
    }
  };
  while (at < message.size()) {
    const std::uint64_t key = varint();
    Field field;
    switch (key & 7) {
      case 0:
        field.number = varint();
        break;
      case 1:
        field.number = Load<std::uint64_t>(message, at);
        at += 8;
        break;
      case 5:
        field.number = Load<std::uint32_t>(message, at);
        at += 4;
        break;
      case 2: {
        const std::uint64_t size = varint();
        field.bytes = message.substr(at, size);
        at += size;
        break;
      }
      default:
        throw std::runtime_error("unknown wire type");
    }
    fields.emplace(static_cast<int>(key >> 3), field);
  }
  return fields;
}
const Field& One(const std::multimap<int, Field>& fields, int number) {
  const auto it = fields.find(number);
  if (it == fields.end())
    throw std::runtime_error("field " + std::to_string(number) + " is missing");
  return it->second;
}

struct Events {
  std::map<std::string, std::vector<std::pair<std::int64_t, float>>> scalars;
  std::map<std::string, std::vector<std::pair<std::int64_t, std::string>>> texts;
  std::vector<double> times;
  std::optional<std::int64_t> session_start;
};

Events ReadEvents(const std::string& path) {
  Events events;
  const std::vector<std::string> messages = Messages(ReadFile(path));
  EXPECT_EQ(One(Parse(messages.at(0)), 3).bytes, "brain.Event:2");
  for (std::size_t i = 1; i < messages.size(); ++i) {
    const auto event = Parse(messages[i]);
    events.times.push_back(std::bit_cast<double>(One(event, 1).number));
    const auto step = event.count(2) ? static_cast<std::int64_t>(One(event, 2).number) : 0;
    if (event.count(7)) {
      EXPECT_EQ(One(Parse(One(event, 7).bytes), 1).number, 1u);
      events.session_start = step;
      continue;
    }
    const auto value = Parse(One(Parse(One(event, 5).bytes), 1).bytes);
    const std::string tag = One(value, 1).bytes;
    if (value.count(2)) {
      const auto bits = static_cast<std::uint32_t>(One(value, 2).number);
      events.scalars[tag].push_back({step, std::bit_cast<float>(bits)});
    } else {
      EXPECT_EQ(One(Parse(One(Parse(One(value, 9).bytes), 1).bytes), 1).bytes, "text");
      events.texts[tag].push_back({step, One(Parse(One(value, 8).bytes), 8).bytes});
    }
  }
  return events;
}

class EventFile : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = (fs::path(::testing::TempDir()) / "cogent_events").string();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string dir_;
};

// The two files of tests/records/golden_run: a run, and its resumption from step 2.
std::vector<std::string> WriteGolden(const std::string& dir) {
  EventWriter first(dir, 1700000000.25);
  for (std::int64_t step = 0; step < 5; ++step) {
    first.Scalar("reward", step, 0.1 * static_cast<double>(step) - 0.05,
                 1700000001.0 + static_cast<double>(step));
  }
  first.Scalar("large/step", 300000000000, 1e30, 1700000007.5);
  first.Text("samples/1", 1, "<think>2 + 3 = 5</think> \xE2\x82\xAC", 1700000008.0);
  EventWriter second(dir, 1700000000.75, 2);  // within the same second
  second.Scalar("reward", 3, 0.75, 1700000009.0);
  second.Scalar("reward", 4, 0.875, 1700000010.0);
  second.Text("samples/1", 3, std::string(300, 'x'), 1700000011.0);
  return {first.path(), second.path()};
}

TEST(Crc32c, EqualsPublishedVectors) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);    // RFC 3720, B.4
  EXPECT_EQ(Crc32c(std::string(32, '\xFF')), 0x62A8AB43u);  // RFC 3720, B.4
}

TEST_F(EventFile, HoldsWhatWasWrittenInWholeFrames) {
  const std::vector<std::string> paths = WriteGolden(dir_);
  const Events first = ReadEvents(paths[0]);
  ASSERT_EQ(first.scalars.at("reward").size(), 5u);
  EXPECT_EQ(first.scalars.at("reward")[3], (std::pair<std::int64_t, float>(3, 0.25f)));
  EXPECT_EQ(first.scalars.at("large/step")[0].first, 300000000000);
  EXPECT_EQ(first.texts.at("samples/1")[0].second, "<think>2 + 3 = 5</think> \xE2\x82\xAC");
  EXPECT_EQ(first.times[0], 1700000001.0);
  EXPECT_FALSE(first.session_start);
}

TEST_F(EventFile, OfAResumedRunSortsBehindAndTellsReadersFromWhichStepOn) {
  const std::vector<std::string> paths = WriteGolden(dir_);
  EXPECT_LT(paths[0], paths[1]);
  EXPECT_EQ(ReadEvents(paths[1]).session_start, 3);
}

// COGENT_WRITE_EVENTS=DIR keeps the files in DIR, to be read by TensorBoard and stored anew.
TEST_F(EventFile, IsByteForByteTheOneThatTensorBoardHasRead) {
  if (const char* keep = std::getenv("COGENT_WRITE_EVENTS")) WriteGolden(keep);
  const std::vector<std::string> paths = WriteGolden(dir_);
  EXPECT_EQ(ReadFile(paths[0]), ReadFile(kGolden + "/events.out.tfevents.1700000000.golden"));
  EXPECT_EQ(ReadFile(paths[1]), ReadFile(kGolden + "/events.out.tfevents.1700000001.golden"));
}

TEST_F(EventFile, OfARunAndItsResumptionReadsInTensorBoardAsOneRun) {
  const auto oracle = nlohmann::json::parse(ReadFile(kGolden + "/../golden_events.json"));
  const Events first = ReadEvents(kGolden + "/events.out.tfevents.1700000000.golden");
  const Events second = ReadEvents(kGolden + "/events.out.tfevents.1700000001.golden");
  auto expected = nlohmann::json::array();
  for (const auto& [step, value] : first.scalars.at("reward")) {
    if (step < *second.session_start) expected.push_back({step, static_cast<double>(value)});
  }
  for (const auto& [step, value] : second.scalars.at("reward"))
    expected.push_back({step, static_cast<double>(value)});
  EXPECT_EQ(oracle.at("scalars").at("reward"), expected);
  EXPECT_EQ(oracle.at("texts").at("samples/1").at(0).at(1), first.texts.at("samples/1")[0].second);
  EXPECT_EQ(oracle.at("texts").at("samples/1").at(1).at(1), std::string(300, 'x'));
}

TEST_F(EventFile, TakesNumbersThatAreNotFinite) {
  EventWriter events(dir_, 5.0);
  events.Scalar("x", 1, NAN, 5.0);
  events.Scalar("x", 2, -INFINITY, 5.0);
  const Events read = ReadEvents(events.path());
  EXPECT_TRUE(std::isnan(read.scalars.at("x")[0].second));
  EXPECT_EQ(read.scalars.at("x")[1].second, -INFINITY);
}

TEST_F(EventFile, ThatCannotBeMadeIsReportedWithItsPath) {
  try {
    EventWriter events(dir_ + "/absent", 5.0);
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("absent/events.out.tfevents."), std::string::npos);
  }
}

}  // namespace
}  // namespace cogent
