// A few threads that share short pieces of work, thousands of times a second: the products and heads of one decoding step.
//
//   Team team(2);
//   team.Share(panels, 4, [&](int first, int last) { ... });   // every piece of 0..panels once; returns when all is done
//
// Members take parts as they come: on a busy machine, who is not awake gets none, and the caller does not wait for him. Parts
// depend on the numbers alone and share no sums, so that what comes out is the same whoever does them. Between two pieces
// of work a member waits awake for some microseconds and then sleeps.
//
// Thread rule: one caller at a time, who is a member himself. The others end with the team.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace cogent {

class Team {
 public:
  explicit Team(int members);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  int size() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls work(first, last) for parts of 0..count of at least `least` pieces (two parts a member, where there are so many): fewer
  // are not worth the meeting. What work throws is thrown on, the first of several, after all are done.
  template <typename Work>
  void Share(int count, int least, const Work& work) {
    const int parts = std::min(2 * size(), count / std::max(1, least));
    if (parts <= 1 || size() == 1) {
      if (count > 0) work(0, count);
      return;
    }
    const auto part = [&](int i) {
      const auto bound = [&](int b) { return static_cast<int>(static_cast<long long>(count) * b / parts); };
      work(bound(i), bound(i + 1));
    };
    Meet(parts, [](const void* p, int i) { (*static_cast<const decltype(part)*>(p))(i); }, &part);
  }

 private:
  using Call = void (*)(const void* work, int part);
  void Meet(int parts, Call call, const void* work);  // every part once
  void Follow();                                      // what a thread does all its life
  void TakeParts();                                   // does parts until none is left

  // The number of the meeting above, below it how many of its parts nobody has taken. Who takes one may read call_ and work_: they
  // change when all parts are done.
  std::atomic<std::uint64_t> open_{0};
  Call call_ = nullptr;
  const void* work_ = nullptr;
  std::atomic<std::uint32_t> meeting_{0};  // the number again, to wait for
  std::atomic<int> left_{0};               // parts that are not done
  std::atomic<bool> over_{false};
  std::mutex guard_;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;
};

}  // namespace cogent
