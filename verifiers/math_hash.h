// Hashes of names and trees: which point a symbol stands for, which trees may be the same. The same everywhere, as verdicts are.
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace cogent {

// Any bit of x changes half of the result's. Source: Stafford's 13th mix, as in SplitMix64.
inline std::uint64_t Mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// FNV-1a, on from `hash`.
inline std::uint64_t HashOn(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}
inline std::uint64_t HashOf(std::string_view text) { return HashOn(0xcbf29ce484222325ull, text); }

}  // namespace cogent
