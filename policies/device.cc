#include "policies/device.h"

#include <ATen/Context.h>

#include "core/error.h"

namespace cogent {

at::Device DeviceNamed(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  if (name != "cuda") throw ConfigError("device: '" + name + "' is neither cpu nor cuda");
#ifdef COGENT_TORCH_CUDA
  if (!at::globalContext().hasCUDA()) {
    throw MachineError("device: cuda: no GPU is to be seen on this machine (does nvidia-smi show one? is CUDA_VISIBLE_DEVICES empty?); device=cpu runs without");
  }
  return at::Device(at::kCUDA, 0);
#else
  throw MachineError("device: cuda: this build computes on the CPU alone. ./setup.sh --cuda makes build/cuda/cogent, which uses a GPU; device=cpu runs without");
#endif
}

}  // namespace cogent
