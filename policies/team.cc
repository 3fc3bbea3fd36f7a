#include "policies/team.h"

#include <utility>

namespace cogent {
namespace {

// About fifty microseconds: longer than what a caller does alone between two meetings, and about as long as waking takes.
constexpr int kPatience = 4000;

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until `value` is no longer `old`.
template <typename T>
T AwaitChange(const std::atomic<T>& value, T old) {
  for (int i = 0; i < kPatience; ++i, Pause()) {
    if (const T now = value.load(std::memory_order_acquire); now != old) return now;
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

Team::Team(int members) {
  for (int member = 1; member < members; ++member) threads_.emplace_back([this] { Follow(); });
}

Team::~Team() {
  over_ = true;
  meeting_.fetch_add(1, std::memory_order_release);
  meeting_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::Follow() {
  for (std::uint32_t seen = 0;;) {
    seen = AwaitChange(meeting_, seen);
    if (over_) return;
    TakeParts();
  }
}

void Team::TakeParts() {
  std::uint64_t open = open_.load(std::memory_order_acquire);
  while ((open & 0xFFFFFFFFu) != 0) {
    if (!open_.compare_exchange_weak(open, open - 1, std::memory_order_acquire)) continue;
    try {
      call_(work_, static_cast<int>((open & 0xFFFFFFFFu) - 1));
    } catch (...) {
      const std::lock_guard lock(guard_);
      if (!failure_) failure_ = std::current_exception();
    }
    if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) left_.notify_one();
    open = open_.load(std::memory_order_acquire);
  }
}

void Team::Meet(int parts, Call call, const void* work) {
  call_ = call, work_ = work;
  left_.store(parts, std::memory_order_relaxed);
  const std::uint32_t number = meeting_.load(std::memory_order_relaxed) + 1;
  open_.store(std::uint64_t{number} << 32 | static_cast<std::uint32_t>(parts), std::memory_order_release);
  meeting_.store(number, std::memory_order_release);
  meeting_.notify_all();
  TakeParts();
  for (int left; (left = left_.load(std::memory_order_acquire)) != 0;) AwaitChange(left_, left);
  if (const std::exception_ptr failure = std::exchange(failure_, nullptr)) std::rethrow_exception(failure);
}

}  // namespace cogent
