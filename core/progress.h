// One line that shows how far a long job is: a bar that redraws itself on a terminal, plain lines
// now and then elsewhere (a file, a pipe, CI, TERM=dumb).
//
//   Progress bar("pretrain", total_tokens, "tokens");
//   while (...) bar.Advance(tokens, "loss 1.23");
//   bar.Finish();
//
//   pretrain [=========>         ]  48%  1.2M/2.5M tokens  31.2k/s  0:41 left  loss 1.23
//
// For the program only. Thread rule: a Progress belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace cogent {

// Everything the line shows.
struct ProgressState {
  std::string label;
  std::string unit;
  std::string note;
  std::int64_t done = 0;
  std::int64_t total = 0;       // 0: not known, no bar and no time left
  std::int64_t first = 0;       // where this run began; the rate counts from here
  double seconds = 0.0;         // since this run began
};

// The line, at most `width` columns of it; pure. Below 60 columns the bar itself is left out.
std::string RenderProgress(const ProgressState& state, int width);

std::string FormatCount(double count);      // 950, 1.2k, 31.2M, 4.0G
std::string FormatDuration(double seconds);  // 0:07, 12:34, 3:05:09

struct ProgressOptions {
  enum class Style { kDetect, kBar, kLines, kNone };  // kNone: nothing is shown
  Style style = Style::kDetect;
  std::int64_t first = 0;              // already done when this run begins
  double seconds_between_lines = 10.0;
  double seconds_between_bars = 0.1;
  std::ostream* out = nullptr;         // null: stderr
  std::function<double()> clock;       // seconds; empty: the steady clock
};

class Progress {
 public:
  Progress(std::string label, std::int64_t total, std::string unit, ProgressOptions options = {});
  ~Progress();  // ends the line, so that an error message starts on one of its own
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Advance(std::int64_t count, const std::string& note = "");  // an empty note keeps the last one
  void Print(const std::string& line);  // a line above the bar
  void Finish();                        // draws the last state; may be called twice

  const ProgressState& state() const { return state_; }

 private:
  void Draw();
  std::string Erase() const;

  ProgressState state_;
  ProgressOptions options_;
  double begin_ = 0.0;
  double last_drawn_ = 0.0;
  std::int64_t drawn_done_ = -1;
  bool bar_ = false;
  bool on_screen_ = false;
  bool finished_ = false;
};

}  // namespace cogent
