#include "core/rng.h"

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace cogent {
namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits.
inline std::uint64_t Mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// The n-th draw of a stream.
inline std::uint64_t Draw(std::uint64_t key, std::uint64_t n) { return Mix(key ^ Mix(n)); }

}  // namespace

Rng::Rng(std::uint64_t seed) : key_(Mix(seed)) {}

Rng Rng::Fork(std::string_view label) const {
  std::uint64_t hash = 0xCBF29CE484222325ull;  // FNV-1a
  for (const unsigned char c : label) hash = (hash ^ c) * 0x100000001B3ull;
  return Rng(Mix(key_ ^ Mix(hash ^ 0x6C6162656Cull)), 0);
}

Rng Rng::Fork(std::uint64_t label) const { return Rng(Mix(key_ + Mix(label)), 0); }

std::uint64_t Rng::At(std::uint64_t n) const { return Draw(key_, n); }

std::int64_t Rng::Range(std::int64_t low, std::int64_t high) {
  Check(low <= high, "Rng::Range needs low <= high");
  const std::uint64_t span = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
  std::uint64_t draw = Draw(key_, counter_++);
  if (span == 0) return static_cast<std::int64_t>(draw);
  // Divisions are most of what a draw costs, so that they are left out where nothing depends on them: a power of two divides 2^64, and else
  // rejection, which keeps every value equally likely, can only hit the last `span` draws.
  if ((span & (span - 1)) == 0) return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + (draw & (span - 1)));
  if (draw > ~std::uint64_t{0} - span) {
    const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % span + 1) % span;
    while (draw > limit) draw = Draw(key_, counter_++);
  }
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + draw % span);
}

double Rng::Normal() {
  const double u = 1.0 - Uniform();
  const double v = Uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

std::string Rng::Letters(int count) {
  std::string word(static_cast<std::size_t>(count), 'a');
  for (char& c : word) c = static_cast<char>('a' + Range(0, 25));
  return word;
}

}  // namespace cogent
