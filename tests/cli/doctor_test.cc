#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "experiments/doctor.h"

namespace cogent {
namespace {

using ::testing::HasSubstr;

// A folder that looks like the root of another machine.
class Doctor : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove_all(root_); }
  void TearDown() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string ValueOf(const std::string& name) {
    for (const Finding& finding : ExamineMachine(root_)) {
      if (finding.name == name) return finding.value;
    }
    return "absent";
  }
  const std::string root_ = testing::TempDir() + "/cogent_doctor_root";
};

TEST_F(Doctor, TheSmallestLimitOfAllGroupsAboveCounts) {
  Write("/proc/self/cgroup", "0::/a/b\n");
  Write("/sys/fs/cgroup/a/b/memory.max", "max\n");
  Write("/sys/fs/cgroup/a/memory.max", "2147483648\n");
  Write("/sys/fs/cgroup/memory.max", "4294967296\n");
  EXPECT_EQ(CgroupMemoryLimit(root_), 2147483648u);
}

TEST_F(Doctor, TheFirstVersionsNumberForNoLimitIsNone) {
  Write("/proc/self/cgroup", "5:cpu:/x\n4:memory:/x\n");
  Write("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(CgroupMemoryLimit(root_), 0u);
}

TEST_F(Doctor, NoControlGroupsMeanNoLimit) { EXPECT_EQ(CgroupMemoryLimit(root_), 0u); }

TEST_F(Doctor, ReadsSystemProcessorAndMemory) {
  Write("/etc/os-release", "NAME=\"X\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
  Write("/proc/cpuinfo", "model name\t: Some CPU\nflags\t\t: fpu avx2 avx512f avx512_bf16\n");
  Write("/proc/meminfo", "MemTotal:  8388608 kB\nMemAvailable:  4194304 kB\n");
  EXPECT_THAT(ValueOf("system"), HasSubstr("Debian GNU/Linux 12 (bookworm)"));
  EXPECT_THAT(ValueOf("processor"), HasSubstr("Some CPU"));
  EXPECT_EQ(ValueOf("instructions"), "avx2 avx512f avx512_bf16");
  EXPECT_EQ(ValueOf("memory"), "8.0 GiB, 4.0 GiB free");
}

TEST_F(Doctor, ALimitThatIsTooSmallIsANoteWithARemedy) {
  Write("/proc/meminfo", "MemTotal:  8388608 kB\nMemAvailable:  4194304 kB\n");
  Write("/proc/self/cgroup", "0::/\n");
  Write("/sys/fs/cgroup/memory.max", "536870912\n");
  EXPECT_THAT(ValueOf("memory"), HasSubstr("limited to 0.5 GiB"));
  EXPECT_THAT(FindingsText(ExamineMachine(root_)), HasSubstr("raise the limit"));
}

TEST_F(Doctor, NamesTheGpu) {
  Write("/proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA H200\nIRQ: 1\n");
  EXPECT_EQ(ValueOf("GPU"), "NVIDIA H200");
}

TEST_F(Doctor, WhatIsMissingIsSaidWithWhatToDo) {
  const std::vector<Finding> findings = {{FindingKind::kFact, "system", "Debian", ""},
                                         {FindingKind::kMissing, "LibTorch", "not there", "./setup.sh"}};
  EXPECT_FALSE(AllThere(findings));
  EXPECT_THAT(FindingsText(findings), HasSubstr("MISSING LibTorch  not there\n        -> ./setup.sh"));
}

}  // namespace
}  // namespace cogent
