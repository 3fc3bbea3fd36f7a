// Threads that share pieces of work: each piece once, nothing left running, nothing swallowed.
#include "policies/team.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>

namespace cogent {
namespace {

TEST(Team, DoesEveryPieceOnceWhateverItsSizeAndTheirNumber) {
  for (const int members : {1, 2, 3, 7}) {
    Team team(members);
    ASSERT_EQ(team.size(), members);
    for (int count = 0; count < 40; ++count) {
      for (const int least : {0, 1, 5, 100}) {
        std::vector<int> done(static_cast<std::size_t>(count), 0);  // members write apart, so plain numbers will do
        team.Share(count, least, [&](int first, int last) {
          EXPECT_LT(first, last);
          for (int i = first; i < last; ++i) ++done[static_cast<std::size_t>(i)];
        });
        EXPECT_EQ(done, std::vector<int>(static_cast<std::size_t>(count), 1)) << members << " members, " << count << " pieces, at least " << least;
      }
    }
  }
}

TEST(Team, GivesFewPiecesToFewMembers) {
  Team team(4);
  std::atomic<int> parts{0};
  team.Share(11, 5, [&](int first, int last) {
    ++parts;
    EXPECT_GE(last - first, 5);
  });
  EXPECT_EQ(parts, 2);
  const auto caller = std::this_thread::get_id();
  team.Share(9, 5, [&](int first, int last) {
    EXPECT_EQ(std::this_thread::get_id(), caller) << "one part needs no meeting";
    EXPECT_EQ(last - first, 9);
  });
}

TEST(Team, SeesInOnePieceOfWorkWhatTheOneBeforeWrote) {
  Team team(3);
  std::vector<long> values(300), next(300);
  std::iota(values.begin(), values.end(), 0L);
  for (int round = 0; round < 2000; ++round) {  // each place takes what another member may have written
    team.Share(300, 1, [&](int first, int last) {
      for (int i = first; i < last; ++i) next[static_cast<std::size_t>(i)] = values[static_cast<std::size_t>((i + 101) % 300)] + 1;
    });
    values.swap(next);
  }
  for (int i = 0; i < 300; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], (i + 2000 * 101) % 300 + 2000);
}

TEST(Team, WakesMembersThatFellAsleep) {
  Team team(2);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> pieces{0};
    team.Share(2, 1, [&](int first, int last) {
      std::this_thread::sleep_for(std::chrono::milliseconds(first > 0 ? 20 : 1));  // whoever waits falls asleep, too
      pieces += last - first;
    });
    EXPECT_EQ(pieces, 2);
  }
}

TEST(Team, LeavesAllOtherPartsToWhoIsFree) {
  Team team(2);
  // One member is held by one part while the other does all that is left.
  std::atomic<bool> held{false}, go{false};
  std::atomic<int> done{0};
  team.Share(4, 1, [&](int, int) {
    if (!held.exchange(true)) {
      while (!go) std::this_thread::yield();
    } else if (++done == 3) {
      go = true;
    }
  });
  EXPECT_EQ(done, 3);
}

TEST(Team, ThrowsOnWhatAMemberThrewAndGoesOn) {
  Team team(3);
  for (const int bad : {0, 1, 2}) {
    std::atomic<int> done{0};
    try {
      team.Share(3, 1, [&](int first, int) {
        if (first == bad) throw std::runtime_error("piece " + std::to_string(first));
        ++done;
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "piece " + std::to_string(bad));
    }
    EXPECT_EQ(done, 2) << "the others came to their end";
  }
  int pieces = 0;
  team.Share(1, 1, [&](int, int) { ++pieces; });
  EXPECT_EQ(pieces, 1);
}

}  // namespace
}  // namespace cogent
