#include "policies/dequantize.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "core/error.h"

namespace cogent {
namespace {

template <typename T>
T Read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// A small float of the given bits behind the sign, with the usual exponent bias; exact in float32.
float WidenSmall(std::uint32_t bits, int exponent_bits, int mantissa_bits, bool has_infinity) {
  const std::uint32_t sign = bits >> (exponent_bits + mantissa_bits) & 1, mantissa = bits & ((1u << mantissa_bits) - 1);
  const std::uint32_t exponent = bits >> mantissa_bits & ((1u << exponent_bits) - 1), top = (1u << exponent_bits) - 1;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  std::uint32_t wide = 0;
  if (exponent == top && (has_infinity || mantissa == (1u << mantissa_bits) - 1)) {
    wide = 0x7F800000u | mantissa << (23 - mantissa_bits);
    if (!has_infinity) wide = 0x7FC00000u;
  } else if (exponent != 0) {
    wide = (exponent + static_cast<std::uint32_t>(127 - bias)) << 23 | mantissa << (23 - mantissa_bits);
  } else {
    // A subnormal: mantissa * 2^(1 - bias - mantissa_bits).
    const float scale = std::bit_cast<float>(static_cast<std::uint32_t>(127 + 1 - bias - mantissa_bits) << 23);
    wide = std::bit_cast<std::uint32_t>(static_cast<float>(mantissa) * scale);
  }
  return std::bit_cast<float>(wide | sign << 31);
}

float Half(const std::byte* at) { return WidenSmall(Read<std::uint16_t>(at), 5, 10, true); }
float Brain(const std::byte* at) { return std::bit_cast<float>(static_cast<std::uint32_t>(Read<std::uint16_t>(at)) << 16); }
int Byte(const std::byte* at) { return std::to_integer<int>(*at); }

// 16 bytes of nibbles: the low ones are values 0-15, the high ones 16-31. `fifth` adds bit i of value i.
template <typename Value>
void Nibbles(const std::byte* at, std::uint32_t fifth, float* out, const Value& value) {
  for (int i = 0; i < 16; ++i) {
    const auto bit = [&](int which) { return static_cast<int>(fifth >> which & 1u) << 4; };
    out[i] = value((Byte(at + i) & 15) | bit(i));
    out[16 + i] = value((Byte(at + i) >> 4) | bit(16 + i));
  }
}

// One block of 32.
void SmallBlock(GgufType type, const std::byte* at, float* out) {
  const float d = Half(at);
  switch (type) {
    case GgufType::kQ4_0:
      return Nibbles(at + 2, 0, out, [=](int q) { return d * static_cast<float>(q - 8); });
    case GgufType::kQ5_0:
      return Nibbles(at + 6, Read<std::uint32_t>(at + 2), out, [=](int q) { return d * static_cast<float>(q - 16); });
    case GgufType::kQ4_1: {
      const float m = Half(at + 2);
      return Nibbles(at + 4, 0, out, [=](int q) { return d * static_cast<float>(q) + m; });
    }
    case GgufType::kQ5_1: {
      const float m = Half(at + 2);
      return Nibbles(at + 8, Read<std::uint32_t>(at + 4), out, [=](int q) { return d * static_cast<float>(q) + m; });
    }
    default:
      for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(Read<std::int8_t>(at + 2 + i));
  }
}

// Q4_K and Q5_K: eight runs of 32, each with a scale and a minimum of six bits.
void ScaledBlock(bool five, const std::byte* at, float* out) {
  const float d = Half(at), least = Half(at + 2);
  const std::byte *scales = at + 4, *high = at + 16, *low = high + (five ? 32 : 0);
  for (int j = 0; j < 8; ++j) {
    const int scale = j < 4 ? Byte(scales + j) & 63 : (Byte(scales + j + 4) & 15) | (Byte(scales + j - 4) >> 6) << 4;
    const int minimum = j < 4 ? Byte(scales + j + 4) & 63 : (Byte(scales + j + 4) >> 4) | (Byte(scales + j) >> 6) << 4;
    const float step = d * static_cast<float>(scale), offset = least * static_cast<float>(minimum);
    for (int i = 0; i < 32; ++i) {
      const int byte = Byte(low + 32 * (j / 2) + i), nibble = j % 2 == 0 ? byte & 15 : byte >> 4;
      const int q = nibble | (five ? (Byte(high + i) >> j & 1) << 4 : 0);
      out[32 * j + i] = step * static_cast<float>(q) - offset;
    }
  }
}

void SixBitBlock(const std::byte* at, float* out) {
  const std::byte *low = at, *high = at + 128, *scales = at + 192;
  const float d = Half(at + 208);
  for (int j = 0; j < 256; ++j) {
    const int half = j / 128, w = j % 128, byte = Byte(low + 64 * half + w % 64);
    const int q = (w < 64 ? byte & 15 : byte >> 4) | (Byte(high + 32 * half + w % 32) >> 2 * (w / 32) & 3) << 4;
    out[j] = d * static_cast<float>(Read<std::int8_t>(scales + j / 16)) * static_cast<float>(q - 32);
  }
}

void Block(GgufType type, const std::byte* at, float* out) {
  switch (type) {
    case GgufType::kQ4_K: return ScaledBlock(false, at, out);
    case GgufType::kQ5_K: return ScaledBlock(true, at, out);
    case GgufType::kQ6_K: return SixBitBlock(at, out);
    default: return SmallBlock(type, at, out);
  }
}

}  // namespace

bool IsFloat(DType dtype) {
  return dtype == DType::kF64 || dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF8E4M3 ||
         dtype == DType::kF8E5M2;
}

bool IsWeight(GgufType type) {
  return type != GgufType::kI8 && type != GgufType::kI16 && type != GgufType::kI32 && type != GgufType::kI64;
}

void WidenFloats(DType dtype, std::span<const std::byte> bytes, float* out) {
  const std::size_t size = SizeOf(dtype), count = bytes.size() / size;
  if (dtype == DType::kF32) return (void)std::memcpy(out, bytes.data(), bytes.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* at = bytes.data() + i * size;
    switch (dtype) {
      case DType::kF64: out[i] = static_cast<float>(Read<double>(at)); break;
      case DType::kF16: out[i] = Half(at); break;
      case DType::kBF16: out[i] = Brain(at); break;
      case DType::kF8E4M3: out[i] = WidenSmall(Read<std::uint8_t>(at), 4, 3, false); break;
      case DType::kF8E5M2: out[i] = WidenSmall(Read<std::uint8_t>(at), 5, 2, true); break;
      default: throw InternalError("integers are no weights");
    }
  }
}

void DequantizeGguf(GgufType type, std::span<const std::byte> bytes, float* out) {
  switch (type) {
    case GgufType::kF32: return WidenFloats(DType::kF32, bytes, out);
    case GgufType::kF16: return WidenFloats(DType::kF16, bytes, out);
    case GgufType::kBF16: return WidenFloats(DType::kBF16, bytes, out);
    case GgufType::kF64: return WidenFloats(DType::kF64, bytes, out);
    default: break;
  }
  Check(IsWeight(type), "integers are no weights");
  const GgufBlock& block = BlockOf(type);
  for (std::size_t at = 0; at < bytes.size(); at += block.bytes, out += block.values) Block(type, bytes.data() + at, out);
}

}  // namespace cogent
