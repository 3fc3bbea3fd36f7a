# Finds LibTorch 2.11 as the PyPI wheel has it, without importing it and without TorchConfig.cmake
# (which fails where no CUDA toolkit is). Looked for, in this order: -DTorch_ROOT or the environment's
# Torch_ROOT (the `torch` folder itself), an active virtual environment, .venv, .deps, python3.
# Gives the target Torch::Torch, Torch_VERSION, Torch_DIR_FOUND, and Torch_CUDA: true when the wheel's
# CUDA part and the libraries it needs are all there; then Torch::CUDA is a target, too.
include(FindPackageHandleStandardArgs)

set(_tried "")
set(_candidates "")
foreach(root "${Torch_ROOT}" "$ENV{Torch_ROOT}")
  if(root)
    list(APPEND _candidates "${root}")
  endif()
endforeach()
foreach(venv "$ENV{VIRTUAL_ENV}" "$ENV{CONDA_PREFIX}" "${CMAKE_CURRENT_SOURCE_DIR}/.venv" "${CMAKE_CURRENT_SOURCE_DIR}/.deps")
  if(venv)
    file(GLOB found "${venv}/lib/python3*/site-packages/torch" "${venv}/torch")
    list(APPEND _candidates ${found})
    list(APPEND _tried "${venv}")
  endif()
endforeach()
find_program(_python3 python3)
if(_python3)
  execute_process(COMMAND ${_python3} -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(found)
    list(APPEND _candidates "${found}")
  endif()
  list(APPEND _tried "${_python3}")
endif()

set(Torch_DIR_FOUND "")
foreach(dir ${_candidates})
  if(EXISTS "${dir}/include/ATen/core/Tensor.h" AND EXISTS "${dir}/include/torch/headeronly/version.h")
    file(STRINGS "${dir}/include/torch/headeronly/version.h" lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH)")
    string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3" version "${lines}")
    if(version VERSION_GREATER_EQUAL 2.11 AND version VERSION_LESS 2.12)
      set(Torch_DIR_FOUND "${dir}")
      set(Torch_VERSION "${version}")
      break()
    endif()
    list(APPEND _tried "${dir} (version ${version}; 2.11 is needed)")
  endif()
endforeach()

if(NOT Torch_DIR_FOUND)
  list(JOIN _tried "\n    " _tried)
  message(FATAL_ERROR "LibTorch 2.11 was not found. Tried:\n    ${_tried}\n"
    "  ./setup.sh puts it into .venv; or give -DTorch_ROOT=.../site-packages/torch")
endif()

find_package_handle_standard_args(Torch REQUIRED_VARS Torch_DIR_FOUND VERSION_VAR Torch_VERSION)
if(NOT TARGET Torch::Torch)
  add_library(Torch::Torch INTERFACE IMPORTED)
  # Behind all other headers: the wheel carries its own fmt and protobuf.
  target_compile_options(Torch::Torch INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${Torch_DIR_FOUND}/include>"
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${Torch_DIR_FOUND}/include/torch/csrc/api/include>")
  target_link_libraries(Torch::Torch INTERFACE ${Torch_DIR_FOUND}/lib/libtorch_cpu.so ${Torch_DIR_FOUND}/lib/libc10.so)
endif()

set(Torch_CUDA TRUE)
foreach(library torch/lib/libtorch_cuda.so torch/lib/libc10_cuda.so nvidia/cu13/lib/libcublas.so.13
        nvidia/cu13/lib/libcusparse.so.12 nvidia/cudnn/lib/libcudnn.so.9 nvidia/nccl/lib/libnccl.so.2)
  if(NOT EXISTS ${Torch_DIR_FOUND}/../${library})
    set(Torch_CUDA FALSE)
  endif()
endforeach()
if(Torch_CUDA AND NOT TARGET Torch::CUDA)
  add_library(Torch::CUDA INTERFACE IMPORTED)
  target_link_libraries(Torch::CUDA INTERFACE Torch::Torch ${Torch_DIR_FOUND}/lib/libtorch_cuda.so
                        ${Torch_DIR_FOUND}/lib/libc10_cuda.so)
  # Nothing of ours names a symbol of it: it registers its operators when it is loaded.
  target_link_options(Torch::CUDA INTERFACE "-Wl,--no-as-needed")
endif()
