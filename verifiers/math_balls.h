// A tree's value between bounds, real or complex, by Arb. Internal to math_balls*.cc.
//
//   BallPoint point{.seed = 3};
//   Ball ball;  EvaluateBall(node, 128, point, work, ball);
//
// Thread rule: a Ball belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "verifiers/math_values.h"

namespace cogent {

// Two words of midpoint, exponent and radius a part are Arb's own; the .cc files know them.
class Ball {
 public:
  Ball();
  ~Ball();
  Ball(const Ball&) = delete;
  Ball& operator=(const Ball&) = delete;
  void* raw() { return storage_; }
  const void* raw() const { return storage_; }

 private:
  alignas(16) unsigned char storage_[96];
};

// Where the variables stand. Values depend on the variable's name alone.
struct BallPoint {
  int index = 0;
  bool all_negative = false;
  bool positive = true;                                     // else signs are mixed
  const std::vector<std::string_view>* integers = nullptr;  // variables that take whole numbers
};

struct BallResult {
  bool real = true;         // no part of the tree left the reals
  std::int64_t extent = 0;  // the largest power of two, up or down, that a part of it was near
};

// Nothing when the tree has no finite value there, or the work is used up.
std::optional<BallResult> EvaluateBall(const MathNode& node, int precision, const BallPoint& point,
                                       Work& work, Ball& out);

}  // namespace cogent
