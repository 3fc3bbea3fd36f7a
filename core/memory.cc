#include "core/memory.h"

#include <malloc.h>

namespace cogent {

void KeepMemory() {
  mallopt(M_ARENA_MAX, 1);  // other threads' arenas have no blocks above 64 MB, and are unmapped when they are empty
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
}

}  // namespace cogent
