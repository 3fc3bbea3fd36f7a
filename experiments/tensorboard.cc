#include "experiments/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "core/error.h"

namespace cogent {
namespace {

constexpr std::string_view kPrefix = "events.out.tfevents.";

constexpr std::array<std::uint32_t, 256> MakeCrcTable() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82F63B78u : 0u);
    table[byte] = crc;
  }
  return table;
}

// Stored checksums are rotated and shifted, so that a checksum of bytes that hold checksums stays
// good.
std::uint32_t Masked(std::uint32_t crc) { return std::rotr(crc, 15) + 0xA282EAD8u; }

template <typename Number>
void AppendLittleEndian(std::string& out, Number value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out += static_cast<char>((value >> (8 * i)) & 0xFF);
}

// The four wire forms of protobuf that an Event needs.
class ProtoMessage {
 public:
  ProtoMessage& Varint(int field, std::uint64_t value) {
    Key(field, 0);
    Raw(value);
    return *this;
  }
  ProtoMessage& Fixed64(int field, double value) {
    Key(field, 1);
    AppendLittleEndian(bytes_, std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  ProtoMessage& Fixed32(int field, float value) {
    Key(field, 5);
    AppendLittleEndian(bytes_, std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  ProtoMessage& Bytes(int field, std::string_view value) {
    Key(field, 2);
    Raw(value.size());
    bytes_ += value;
    return *this;
  }
  ProtoMessage& Nested(int field, const ProtoMessage& message) { return Bytes(field, message.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void Key(int field, int wire_type) { Raw(static_cast<std::uint64_t>(field << 3 | wire_type)); }
  void Raw(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

// Field numbers of event.proto, summary.proto, tensor.proto and tensor_shape.proto.
ProtoMessage Event(double unix_seconds, std::int64_t step) {
  ProtoMessage event;
  event.Fixed64(1, unix_seconds);
  if (step != 0) event.Varint(2, static_cast<std::uint64_t>(step));
  return event;
}

ProtoMessage SummaryOf(const ProtoMessage& value) { return ProtoMessage().Nested(1, value); }

// A later file must sort behind an earlier one, also within one second: readers go by the name.
std::int64_t NextFileNumber(const std::string& dir, double unix_seconds) {
  std::int64_t number = static_cast<std::int64_t>(unix_seconds);
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t other = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), other);
    number = std::max(number, other + 1);
  }
  return number;
}

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "localhost";
}

}  // namespace

std::uint32_t Crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = MakeCrcTable();
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const unsigned char c : bytes) crc = (crc >> 8) ^ kTable[(crc ^ c) & 0xFF];
  return ~crc;
}

std::string FrameRecord(std::string_view message) {
  std::string frame;
  frame.reserve(message.size() + 16);
  AppendLittleEndian(frame, static_cast<std::uint64_t>(message.size()));
  AppendLittleEndian(frame, Masked(Crc32c(frame)));
  frame += message;
  AppendLittleEndian(frame, Masked(Crc32c(message)));
  return frame;
}

EventWriter::EventWriter(const std::string& dir, double unix_seconds,
                         std::optional<std::int64_t> resume_step) {
  path_ =
      fmt::format("{}/{}{:010}.{}", dir, kPrefix, NextFileNumber(dir, unix_seconds), HostName());
  file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file_ < 0) {
    throw DataError(fmt::format("{}: cannot be made: {}; choose a directory that can be written",
                                path_, std::strerror(errno)));
  }
  Write(Event(unix_seconds, 0).Bytes(3, "brain.Event:2").bytes());
  if (resume_step) {  // SessionLog START: events of older files from this step on no longer count
    Write(Event(unix_seconds, *resume_step + 1).Nested(7, ProtoMessage().Varint(1, 1)).bytes());
  }
}

EventWriter::~EventWriter() {
  if (file_ >= 0) close(file_);
}

void EventWriter::Scalar(std::string_view tag, std::int64_t step, double value,
                         double unix_seconds) {
  ProtoMessage scalar;
  scalar.Bytes(1, tag).Fixed32(2, static_cast<float>(value));
  Write(Event(unix_seconds, step).Nested(5, SummaryOf(scalar)).bytes());
}

void EventWriter::Text(std::string_view tag, std::int64_t step, std::string_view text,
                       double unix_seconds) {
  constexpr int kDtString = 7;
  ProtoMessage shape;
  shape.Nested(2, ProtoMessage().Varint(1, 1));  // one dimension of size 1
  ProtoMessage tensor;
  tensor.Varint(1, kDtString).Nested(2, shape).Bytes(8, text);
  ProtoMessage metadata;
  metadata.Nested(1, ProtoMessage().Bytes(1, "text"));
  ProtoMessage value;
  value.Bytes(1, tag).Nested(8, tensor).Nested(9, metadata);
  Write(Event(unix_seconds, step).Nested(5, SummaryOf(value)).bytes());
}

void EventWriter::Sync() { fsync(file_); }

void EventWriter::Write(std::string_view message) {
  const std::string frame = FrameRecord(message);
  const off_t start = lseek(file_, 0, SEEK_END);
  std::size_t done = 0;
  while (done < frame.size()) {
    const ssize_t n = write(file_, frame.data() + done, frame.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int why = errno;
      [[maybe_unused]] const int cut = ftruncate(file_, start);  // no half frame stays behind
      throw DataError(fmt::format("{}: cannot be written: {}; free some space and resume the run",
                                  path_, std::strerror(why)));
    }
    done += static_cast<std::size_t>(n);
  }
}

}  // namespace cogent
