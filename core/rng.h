// Random draws that depend on labels, not on the order in which threads ask.
//
// An Rng is a key and a counter. Fork() makes an independent stream from a label, so that
//   rng.Fork("rollout").Fork(step).Fork(prompt).Fork(member)
// gives the same numbers in every run, on every thread, whatever else was drawn before. The n-th
// draw of a stream is a pure function of (key, n): see At().
//
// Not for cryptography. Thread rule: a value; copy it, or fork it, per thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cogent {

class Rng {
 public:
  explicit Rng(std::uint64_t seed = 0);

  // An independent stream named by the label. Does not change this one.
  Rng Fork(std::string_view label) const;
  Rng Fork(std::uint64_t label) const;

  // The next 64 bits.
  std::uint64_t Next() { return At(counter_++); }
  // The n-th 64 bits of this stream, without moving it.
  std::uint64_t At(std::uint64_t n) const;

  double Uniform() { return ToUnit(Next()); }                              // [0, 1)
  double UniformAt(std::uint64_t n) const { return ToUnit(At(n)); }        // [0, 1)
  std::int64_t Range(std::int64_t low, std::int64_t high);                 // low..high, both included
  double Normal();                                                         // mean 0, variance 1
  std::string Letters(int count);                                          // a-z

  std::uint64_t key() const { return key_; }

 private:
  Rng(std::uint64_t key, std::uint64_t counter) : key_(key), counter_(counter) {}
  static double ToUnit(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1.0p-53; }

  std::uint64_t key_ = 0;
  std::uint64_t counter_ = 0;
};

}  // namespace cogent
