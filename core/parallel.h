// Work that mostly waits (for the sandbox, for a server), done on a few threads.
//
//   ForEachOnThreads(runs.size(), 4, [&](std::size_t i) { results[i] = Ask(runs[i]); });
//
// Thread rule: a free function that returns when all is done; `work` is called from several threads, once for each i.
// Whatever `work` throws is thrown on, the first of several, after the others came to their end.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace cogent {

template <typename Work>
void ForEachOnThreads(std::size_t count, std::size_t threads, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr failure;
  std::mutex guard;
  {
    std::vector<std::jthread> pool;
    for (std::size_t t = 0; t < std::min(count, threads); ++t) {
      pool.emplace_back([&] {
        try {
          for (std::size_t i; (i = next++) < count;) work(i);
        } catch (...) {
          const std::lock_guard lock(guard);
          if (!failure) failure = std::current_exception();
        }
      });
    }
  }
  if (failure) std::rethrow_exception(failure);
}

// Threads for work that waits for this machine's own processes.
inline std::size_t ThreadsThatWait() { return 2 * std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace cogent
