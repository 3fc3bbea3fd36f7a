// The toolkit's type of this name, for cuda_runtime.h beside it: rounds to the nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

struct __nv_bfloat16 {
  __nv_bfloat16() = default;
  explicit __nv_bfloat16(float x) : bits(static_cast<std::uint16_t>((std::bit_cast<std::uint32_t>(x) + 0x7fff + (std::bit_cast<std::uint32_t>(x) >> 16 & 1)) >> 16)) {}
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
  std::uint16_t bits;
};
