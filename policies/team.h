// A few threads that share short pieces of work, thousands of times a second: the products and heads of one decoding step.
//
//   Team team(2);
//   team.Share(panels, 4, [&](int first, int last) { ... });   // every piece of 0..panels once; returns when all is done
//
// Which member does which pieces depends on nothing but the numbers, and members share no sums: what comes out is the same for
// any size of the team. Between two pieces of work a member waits awake for some microseconds and then sleeps.
//
// Thread rule: one caller at a time, who is a member himself. The others end with the team.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
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

  // Calls work(first, last) for parts of 0..count in order of the members, the caller first; for all of it at once where a part
  // would have fewer than `least` pieces, which is not worth the meeting. What work throws is thrown on, after all are done.
  template <typename Work>
  void Share(int count, int least, const Work& work) {
    const int parts = std::min(size(), count / std::max(1, least));
    if (parts <= 1) {
      if (count > 0) work(0, count);
      return;
    }
    const auto part = [&](int member) {
      const auto bound = [&](int i) { return static_cast<int>(static_cast<long long>(count) * i / parts); };
      if (member < parts) work(bound(member), bound(member + 1));
    };
    Meet([](const void* p, int member) { (*static_cast<const decltype(part)*>(p))(member); }, &part);
  }

 private:
  using Call = void (*)(const void* work, int member);
  void Meet(Call call, const void* work);  // every member once
  void Follow(int member);                 // what a thread does all its life

  Call call_ = nullptr;  // null ends the threads
  const void* work_ = nullptr;
  std::atomic<unsigned> round_{0};  // rises when there is work
  std::atomic<int> busy_{0};        // members who are not done with it
  std::vector<std::exception_ptr> failures_;
  std::vector<std::thread> threads_;
};

}  // namespace cogent
