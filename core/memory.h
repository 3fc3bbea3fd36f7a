// How the process keeps its memory.
#pragma once

namespace cogent {

// For programs that train or generate for long: what is freed stays with the process and is used again by whichever thread asks. Without
// it large blocks go back to the kernel at every step and come again as pages that it has to clear. Where address space costs nothing (no
// `ulimit -v`, no strict accounting) memory lies in pages of 2 MB, as far as the kernel has them: the process then asks for half the
// machine's memory in addresses, and uses what it uses. Call it once, before other threads begin.
void KeepMemory();

}  // namespace cogent
