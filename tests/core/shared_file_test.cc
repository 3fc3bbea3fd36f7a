#include "core/shared_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace cogent {
namespace {

struct Reading {
  int number = 0;
};

TEST(SharedFile, IsReadOnceWhileSomebodyHoldsItAndAgainWhenItWasWritten) {
  const std::string path = testing::TempDir() + "/cogent_shared." + std::to_string(getpid());
  std::ofstream(path) << "one";
  int readings = 0;
  const auto read = [&] { return Reading{++readings}; };
  auto first = SharedFile<Reading>(path, read);
  EXPECT_EQ(SharedFile<Reading>(path, read), first);
  EXPECT_NE(SharedFile<Reading>(path, read, "in another way"), first);
  EXPECT_EQ(readings, 2);
  std::ofstream(path) << "another";
  EXPECT_NE(SharedFile<Reading>(path, read), first);
  EXPECT_EQ(readings, 3);
  first.reset();
  EXPECT_EQ(SharedFile<Reading>(path, read)->number, 4);  // nobody held it
  std::remove(path.c_str());
}

TEST(SharedFile, AReadingThatThrowsIsTriedAgain) {
  const auto fails = []() -> Reading { throw std::runtime_error("no"); };
  EXPECT_THROW(SharedFile<Reading>("/no/such/file", fails), std::runtime_error);
  EXPECT_EQ(SharedFile<Reading>("/no/such/file", [] { return Reading{7}; })->number, 7);
}

}  // namespace
}  // namespace cogent
