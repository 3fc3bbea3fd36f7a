# Kernels: policies/*.cu. They include no LibTorch header, so that they compile in a second or two
# wherever an nvcc is; a build without CUDA compiles them to see that they are sound and leaves them
# aside. With COGENT_CUDA they are linked into the engine, with LibTorch's CUDA part where it is whole.
include(CheckLanguage)

if(COGENT_CUDA AND NOT COGENT_ENGINE)
  message(FATAL_ERROR "COGENT_CUDA=ON needs COGENT_ENGINE=ON")
endif()
file(GLOB kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/policies/*.cu)
if(kernels OR COGENT_CUDA)
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(COGENT_NVCC nvcc HINTS ${Torch_DIR_FOUND}/../nvidia/cu13/bin PATHS /usr/local/cuda/bin)
    mark_as_advanced(COGENT_NVCC)
    if(COGENT_NVCC)
      set(CMAKE_CUDA_COMPILER ${COGENT_NVCC})
    endif()
  endif()
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90)
  endif()
  check_language(CUDA)
  if(COGENT_CUDA AND NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "COGENT_CUDA=ON, but no nvcc that works was found (PATH, CUDACXX, /usr/local/cuda/bin, .venv).\n"
      "  ./setup.sh --cuda puts one into .venv; or give -DCMAKE_CUDA_COMPILER=/path/to/nvcc")
  endif()
endif()

if(CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_STANDARD 17)  # all that CMake 3.25 knows of nvcc 13; kernels need no more
  enable_language(CUDA)
  if(kernels)
    add_library(cogent_kernels OBJECT ${kernels})
    target_include_directories(cogent_kernels PRIVATE ${PROJECT_SOURCE_DIR})
    set_target_properties(cogent_kernels PROPERTIES POSITION_INDEPENDENT_CODE ON)
  endif()
endif()

if(COGENT_CUDA)
  find_package(CUDAToolkit REQUIRED)
  if(kernels)
    target_sources(cogent_engine PRIVATE $<TARGET_OBJECTS:cogent_kernels>)
  endif()
  target_link_libraries(cogent_engine PRIVATE CUDA::cudart)
  if(Torch_CUDA)
    target_link_libraries(cogent_engine PRIVATE Torch::CUDA)
    # Where LibTorch's tensors are on the GPU, these use it beyond LibTorch's operators.
    set_source_files_properties(policies/device.cc policies/device_decoder.cc policies/ops_device.cc PROPERTIES
      COMPILE_DEFINITIONS COGENT_TORCH_CUDA INCLUDE_DIRECTORIES "${CUDAToolkit_INCLUDE_DIRS}" SKIP_PRECOMPILE_HEADERS ON)
  else()
    message(STATUS "LibTorch's CUDA part is not installed whole (./setup.sh --cuda does that): "
                   "kernels are built, tensors stay on the CPU")
  endif()
endif()
