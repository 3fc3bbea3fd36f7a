#include "policies/tiles.h"

#ifdef __AMX_BF16__

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace cogent {
namespace {

static_assert(kLanes == kTile);

// LDTILECFG's operand. Tiles 0 to 3 hold sums, 4 and 5 rows of the left matrix, 6 and 7 units of a panel.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t bytes[16] = {};
  std::uint8_t rows[16] = {};
};

void SetTiles(int rows) {
  TileShapes shapes;
  for (int i = 0; i < 8; ++i) shapes.bytes[i] = 64, shapes.rows[i] = static_cast<std::uint8_t>(i < 6 ? rows : kTile);
  // GCC's instructions on tiles do not say which memory they read: all of it is written before they run.
  asm volatile("" : : "r"(&shapes) : "memory");
  _tile_loadconfig(&shapes);
}

// Some rows of the left matrix, as many as the tiles are set to, and where their products go.
struct TileRows {
  const float* left;
  float* y;
  int done;  // the first of them, which the tile before has stored
};

// How far ahead of its use a panel is fetched, in units: weights larger than the caches pass once a product.
constexpr int kAhead = 2048;

// One or two tiles of rows by a panel of V tiles of columns. `kFetch`: the panel comes from memory.
template <int R, int V, bool kFetch>
void MultiplyTile(const TileRows* rows, int height, std::ptrdiff_t stride, const float* panel, int units, const Target& to, int column) {
  const std::ptrdiff_t left_bytes = stride * static_cast<std::ptrdiff_t>(sizeof(float)), panel_bytes = V * 64;
  _tile_zero(0);
  if constexpr (V == 2) _tile_zero(1);
  if constexpr (R == 2) _tile_zero(2);
  if constexpr (R == 2 && V == 2) _tile_zero(3);
  for (int k = 0; k < units; k += kTile, panel += kTile * V * kTile) {
    if constexpr (kFetch) {
      for (int line = 0; line < V * kTile; ++line) __builtin_prefetch(panel + kAhead + line * kTile);
    }
    _tile_loadd(6, panel, panel_bytes);
    if constexpr (V == 2) _tile_loadd(7, panel + kTile, panel_bytes);
    _tile_loadd(4, rows[0].left + k, left_bytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (V == 2) _tile_dpbf16ps(1, 4, 7);
    if constexpr (R == 2) _tile_loadd(5, rows[1].left + k, left_bytes);
    if constexpr (R == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (R == 2 && V == 2) _tile_dpbf16ps(3, 5, 7);
  }
  alignas(64) float sums[kTile * kTile];
  const bool plain = !to.bias && !to.accumulate && column + V * kTile <= to.out;
  const std::ptrdiff_t y_bytes = to.stride * static_cast<std::ptrdiff_t>(sizeof(float));
  // A macro, for a tile's number is a part of the instruction.
#define COGENT_STORE(tile, r, v)                                                    \
  do {                                                                              \
    _tile_stored(tile, plain ? rows[r].y + column + v * kTile : sums, plain ? y_bytes : 64); \
    for (int i = rows[r].done; !plain && i < height; ++i) {                                  \
      StoreSum(Load(sums + i * kTile), rows[r].y + i * to.stride, column + v * kTile, to);   \
    }                                                                                        \
  } while (false)
  COGENT_STORE(0, 0, 0);
  if constexpr (V == 2) COGENT_STORE(1, 0, 1);
  if constexpr (R == 2) COGENT_STORE(2, 1, 0);
  if constexpr (R == 2 && V == 2) COGENT_STORE(3, 1, 1);
#undef COGENT_STORE
}

}  // namespace

bool HasTiles() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool allowed = syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  return allowed;
}

void MultiplyTiles(const float* left, std::ptrdiff_t stride, int rows, const float* panels, int units, const Target& to) {
  constexpr int kBlock = 256;  // rows that stay in the second cache level while the panels pass
  const std::size_t panel_size = static_cast<std::size_t>(units) * PackedMatrix::kPanel;
  for (int first = 0; first < rows;) {
    const int block = rows - first <= kBlock + 2 * kTile ? rows - first : kBlock;
    // Tiles of equal height, in pairs; the last of them reaches back over rows that are done where the number does not divide.
    const int count = block <= kTile ? 1 : 2 * ((block + 2 * kTile - 1) / (2 * kTile)), height = (block + count - 1) / count;
    SetTiles(height);
    const float* panel = panels;
    for (int column = to.first; column < to.out; column += PackedMatrix::kPanel, panel += panel_size) {
      const bool two = column + kTile < to.out;
      for (int i = 0; i < count; i += 2) {
        TileRows part[2];
        for (int t = 0; t < 2; ++t) {
          const int begin = std::min((i + t) * height, block - height), row = first + begin;
          part[t] = {left + row * stride, to.y + row * to.stride, (i + t) * height - begin};
        }
        const auto multiply = !two         ? (count == 1 ? MultiplyTile<1, 1, true> : MultiplyTile<2, 1, true>)
                              : count == 1 ? MultiplyTile<1, 2, true>
                              : i == 0     ? MultiplyTile<2, 2, true>
                                           : MultiplyTile<2, 2, false>;
        multiply(part, height, stride, panel, units, to, column);
      }
    }
    first += block;
  }
  _tile_release();
}

}  // namespace cogent

#else

#include <cstdlib>

namespace cogent {

bool HasTiles() { return false; }
void MultiplyTiles(const float*, std::ptrdiff_t, int, const float*, int, const Target&) { std::abort(); }

}  // namespace cogent

#endif
