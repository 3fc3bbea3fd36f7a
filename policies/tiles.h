// Products of bfloat16 on the matrix tiles of processors that have them (AMX). Private to products.cc.
//
// A tile is 16 rows of 64 bytes. The layout is the one of all products in bfloat16: units of two neighbours on the left, panels of
// units on the right. A sum runs over k in order, 32 products at a time, whatever rows and columns stand beside it.
#pragma once

#include <algorithm>
#include <cstddef>

#include "policies/kernels.h"

namespace cogent {

// Where a block of a product goes: columns first..out of y.
struct Target {
  float* y;
  std::ptrdiff_t stride;
  int first, out;
  bool accumulate;
  const float* bias;
};
// A vector of sums, with the bias and what stands there already, to `row` of y from `column` < out on.
inline void StoreSum(Vec sum, float* row, int column, const Target& to) {
  const int n = std::min(kLanes, to.out - column);
  const bool whole = n == kLanes;
  if (to.bias) sum += whole ? Load(to.bias + column) : LoadPart(to.bias + column, n);
  if (to.accumulate) sum += whole ? Load(row + column) : LoadPart(row + column, n);
  whole ? Store(row + column, sum) : StorePart(row + column, sum, n);
}

inline constexpr int kTile = 16;  // rows, and units in a row
// Whether this processor has tiles and the system lets the process use them; asked once.
bool HasTiles();
// rows x [units] on the left, `stride` floats apart, by the panels from column to.first on. `units`: a multiple of kTile.
// Only where HasTiles().
void MultiplyTiles(const float* left, std::ptrdiff_t stride, int rows, const float* panels, int units, const Target& to);

}  // namespace cogent
