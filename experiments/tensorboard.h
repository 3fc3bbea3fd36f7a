// Writes TensorBoard event files by hand: no TensorFlow, no protobuf.
//
// A file is a sequence of frames: length (8 bytes), masked CRC32C of the length, an `Event`
// message, masked CRC32C of the message; all little-endian.
//
//   EventWriter events("runs/first", UnixSeconds());
//   events.Scalar("reward", 12, 0.5, UnixSeconds());
//   events.Text("samples", 12, "2 + 3 = 5", UnixSeconds());
//
// Every event is handed to the operating system before the call returns. A writer that goes on from
// an earlier file passes `resume_step`: readers then drop what older files say of later steps.
//
// Thread rule: one thread at a time.
// Source: tensorflow/core/lib/io/record_writer and tensorflow/core/util/event.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cogent {

// CRC-32C (Castagnoli), as in RFC 3720; "123456789" gives 0xE3069283.
std::uint32_t Crc32c(std::string_view bytes);

// One frame around `message`.
std::string FrameRecord(std::string_view message);

class EventWriter {
 public:
  // Starts a new file events.out.tfevents.<seconds>.<host> in `dir`, named so that it sorts behind
  // those already there. Throws DataError when it cannot be written.
  EventWriter(const std::string& dir, double unix_seconds,
              std::optional<std::int64_t> resume_step = std::nullopt);
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  // `value` is kept as float32, as TensorBoard has it; NaN and infinities are allowed.
  void Scalar(std::string_view tag, std::int64_t step, double value, double unix_seconds);
  // Markdown, shown on the Text page. `text` must be UTF-8.
  void Text(std::string_view tag, std::int64_t step, std::string_view text, double unix_seconds);
  void Sync();  // to the disk

  const std::string& path() const { return path_; }

 private:
  void Write(std::string_view message);

  std::string path_;
  int file_ = -1;
};

}  // namespace cogent
