#include "policies/team.h"

#include <utility>

namespace cogent {
namespace {

// Longer than the pieces of work that a caller does alone between two meetings; a sleeper takes longer than that to wake.
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

Team::Team(int members) : failures_(static_cast<std::size_t>(std::max(1, members))) {
  for (int member = 1; member < members; ++member) threads_.emplace_back([this, member] { Follow(member); });
}

Team::~Team() {
  call_ = nullptr;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::Follow(int member) {
  for (unsigned seen = 0;;) {
    seen = AwaitChange(round_, seen);
    if (call_ == nullptr) return;
    try {
      call_(work_, member);
    } catch (...) {
      failures_[static_cast<std::size_t>(member)] = std::current_exception();
    }
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void Team::Meet(Call call, const void* work) {
  call_ = call, work_ = work;
  busy_.store(size() - 1, std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  try {
    call(work, 0);
  } catch (...) {
    failures_[0] = std::current_exception();
  }
  for (int left; (left = busy_.load(std::memory_order_acquire)) != 0;) AwaitChange(busy_, left);
  for (std::exception_ptr& failure : failures_) {
    if (const std::exception_ptr first = std::exchange(failure, nullptr)) {
      for (std::exception_ptr& other : failures_) other = nullptr;
      std::rethrow_exception(first);
    }
  }
}

}  // namespace cogent
