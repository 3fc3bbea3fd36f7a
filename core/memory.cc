#include "core/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>

namespace cogent {
namespace {

// Address space that the process does not use counts for nothing: no limit is set on it, and the kernel promises more than it has.
bool AddressSpaceIsFree() {
  rlimit limit{};
  int strict = 0;
  std::ifstream("/proc/sys/vm/overcommit_memory") >> strict;
  return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY && strict != 2;
}

// Lets the allocator's first gigabytes, half as many as the machine has, be pages of 2 MB. They are asked for as one block, told to the
// kernel and given back untouched; what is allocated from now on lies there.
void UseLargePages() {
  constexpr std::uintptr_t kPage = 2 << 20;
  const std::size_t room = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) / 2 * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  mallopt(M_MMAP_MAX, 0);  // or so large a block would have a mapping of its own
  void* const block = std::malloc(room);
  const auto first = (reinterpret_cast<std::uintptr_t>(block) + kPage - 1) / kPage * kPage;
  if (block != nullptr) madvise(reinterpret_cast<void*>(first), room - kPage, MADV_HUGEPAGE);  // a kernel without them may refuse: nothing is lost
  std::free(block);
  mallopt(M_MMAP_MAX, 65536);  // as it was
}

}  // namespace

void KeepMemory() {
  mallopt(M_ARENA_MAX, 1);  // other threads' arenas have no blocks above 64 MB, and are unmapped when they are empty
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
  if (AddressSpaceIsFree()) UseLargePages();
}

}  // namespace cogent
