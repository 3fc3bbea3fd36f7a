#include "core/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <utility>

namespace cogent {
namespace {

constexpr int kBarColumns = 20;
constexpr int kNarrow = 60;

double SteadySeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool IsSet(const char* name) {
  const char* value = std::getenv(name);
  return value && *value != '\0' && std::string_view(value) != "false" && std::string_view(value) != "0";
}

bool StderrRedraws() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) && !IsSet("CI") && term && std::string_view(term) != "dumb";
}

int TerminalColumns() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

// The first `width` characters of UTF-8 text.
std::string FirstColumns(const std::string& text, int width) {
  int columns = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool starts = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (starts && columns++ == width) return text.substr(0, i);
  }
  return text;
}

std::string Format(const char* form, double value) {
  char text[64];
  std::snprintf(text, sizeof text, form, value);
  return text;
}

std::string Bar(double share) {
  const int filled = static_cast<int>(share * kBarColumns);
  std::string bar(static_cast<std::size_t>(filled), '=');
  if (filled < kBarColumns) bar += '>';
  bar.resize(kBarColumns, ' ');
  return " [" + bar + "]";
}

}  // namespace

std::string FormatCount(double count) {
  if (std::abs(count) < 9.95) return count == std::floor(count) ? Format("%.0f", count) : Format("%.1f", count);
  if (std::abs(count) < 999.5) return Format("%.0f", count);
  for (const char* unit : {"k", "M", "G"}) {
    count /= 1000;
    if (std::abs(count) < 999.95 || *unit == 'G') return Format("%.1f", count) + unit;
  }
  return "";
}

std::string FormatDuration(double seconds) {
  // More than a thousand days is a guess not worth a number.
  if (!(seconds < 1000 * 86400.0)) return "?";
  const auto whole = std::max<long>(0, std::lround(seconds));
  char text[64];
  if (whole < 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return text;
}

std::string RenderProgress(const ProgressState& state, int width) {
  const auto done = static_cast<double>(state.done);
  const auto total = static_cast<double>(state.total);
  std::string line = state.label;
  if (state.total > 0) {
    const double share = std::clamp(done / total, 0.0, 1.0);
    if (width >= kNarrow) line += Bar(share);
    // Rounded down: 100% is said only when all is done.
    line += Format(" %3.0f%%", std::floor(100 * share));
  }
  line += "  " + FormatCount(done) + (state.total > 0 ? "/" + FormatCount(total) : "") + " " + state.unit;
  const double rate = state.seconds > 0 ? static_cast<double>(state.done - state.first) / state.seconds : 0;
  if (rate > 0) line += "  " + FormatCount(rate) + "/s";
  if (state.total > 0 && state.done >= state.total) {
    line += "  in " + FormatDuration(state.seconds);
  } else if (state.total > 0 && rate > 0) {
    line += "  " + FormatDuration((total - done) / rate) + " left";
  }
  if (!state.note.empty()) line += "  " + state.note;
  return FirstColumns(line, std::max(width, 0));
}

Progress::Progress(std::string label, std::int64_t total, std::string unit, ProgressOptions options)
    : options_(std::move(options)) {
  state_.label = std::move(label);
  state_.unit = std::move(unit);
  state_.total = total;
  state_.done = state_.first = options_.first;
  using Style = ProgressOptions::Style;
  bar_ = options_.style == Style::kBar || (options_.style == Style::kDetect && StderrRedraws());
  if (!options_.clock) options_.clock = SteadySeconds;
  if (!options_.out) options_.out = &std::cerr;
  begin_ = last_drawn_ = options_.clock();
  if (bar_) Draw();
}

Progress::~Progress() {
  if (on_screen_) *options_.out << "\n" << std::flush;
}

void Progress::Advance(std::int64_t count, const std::string& note) {
  state_.done += count;
  if (!note.empty()) state_.note = note;
  const double now = options_.clock();
  state_.seconds = now - begin_;
  const double wait = bar_ ? options_.seconds_between_bars : options_.seconds_between_lines;
  if (!finished_ && now - last_drawn_ >= wait) Draw();
}

void Progress::Print(const std::string& line) {
  *options_.out << Erase() << line << "\n" << std::flush;
  on_screen_ = false;
  if (bar_ && !finished_) Draw();
}

void Progress::Finish() {
  if (std::exchange(finished_, true)) return;
  state_.seconds = options_.clock() - begin_;
  if (bar_ || drawn_done_ != state_.done) Draw();
  if (bar_) *options_.out << "\n" << std::flush;
  on_screen_ = false;
}

// Clears the drawn bar: back to the first column, and erase to the end of the line.
std::string Progress::Erase() const { return on_screen_ ? "\r\x1b[K" : ""; }

void Progress::Draw() {
  if (options_.style == ProgressOptions::Style::kNone) return;
  last_drawn_ = options_.clock();
  drawn_done_ = state_.done;
  if (bar_) {
    // One column less than the terminal has, or some of them wrap.
    *options_.out << Erase() << RenderProgress(state_, TerminalColumns() - 1) << std::flush;
    on_screen_ = true;
  } else {
    *options_.out << RenderProgress(state_, 200) << "\n" << std::flush;
  }
}

}  // namespace cogent
