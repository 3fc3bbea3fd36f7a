#include "envs/env.h"

#include <cstdint>

#include "core/error.h"

namespace cogent {

Env::Document Env::CorpusDocument(Rng&) const {
  throw ConfigError(
      "this environment writes no corpus to pre-train on; choose one that does (`cogent list` "
      "marks them), or start from a checkpoint");
}

bool InSplit(const std::string& problem, Split split) {
  // FNV-1a over the text without white space and with small ASCII letters, so that the same problem
  // in another layout stays on its side; then the finalizer of SplitMix64, since the low bits of
  // FNV-1a alone are weak.
  std::uint64_t hash = 0xCBF29CE484222325ull;
  for (unsigned char c : problem) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) continue;
    if (c >= 'A' && c <= 'Z') c = static_cast<unsigned char>(c - 'A' + 'a');
    hash = (hash ^ c) * 0x100000001B3ull;
  }
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9ull;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBull;
  hash ^= hash >> 31;
  const bool held_out = hash % 8 == 0;
  return held_out == (split == Split::kTest);
}

}  // namespace cogent
