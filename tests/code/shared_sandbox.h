#pragma once

#include "sandbox/sandbox.h"

namespace cogent {

inline Sandbox& Shared() {
  static Sandbox sandbox({.workers = 2});
  return sandbox;
}

}  // namespace cogent
