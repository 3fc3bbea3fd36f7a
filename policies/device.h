// Where networks run: the CPU, by our kernels, or a GPU, by LibTorch's operators (ops.h and device_decoder.h say how).
//
//   parameters.MoveTo(DeviceNamed("cuda"));   // from here on what reads them computes there
//
// Thread rule: a free function.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace cogent {

// "cpu", or "cuda": the first GPU that CUDA shows. ConfigError for other names; MachineError where this build or this machine has no GPU.
at::Device DeviceNamed(const std::string& name);

}  // namespace cogent
