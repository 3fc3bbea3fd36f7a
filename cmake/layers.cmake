# One target a folder, and only the includes that the table of layers allows.
#
#   cogent_layer(verifiers DEPENDS core sandbox)              every .cc of the folder, no LibTorch
#   cogent_layer(policies DEPENDS core TORCH deepseek_v3.cc)  these files may use LibTorch: target policies_torch
#
# A folder makes the target cogent_<folder> (no LibTorch) and, with TORCH, cogent_<folder>_torch.
# An include of a folder that is not in DEPENDS, or of LibTorch in a file that is not in TORCH,
# stops the configuration with file and line.
include_guard(GLOBAL)

function(cogent_layer folder)
  cmake_parse_arguments(arg "" "" "DEPENDS;TORCH" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/${folder}
       ${PROJECT_SOURCE_DIR}/${folder}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/${folder}
       ${PROJECT_SOURCE_DIR}/${folder}/*.h)
  set(free ${sources})
  list(REMOVE_ITEM free ${arg_TORCH} main.cc)
  cogent_check_includes(${folder} "${sources};${headers}" "${arg_DEPENDS}" "${arg_TORCH}")

  if(free)
    list(TRANSFORM free PREPEND ${folder}/ OUTPUT_VARIABLE files)
    add_library(cogent_${folder} OBJECT ${files})
    cogent_target(cogent_${folder})
    target_sources(cogent PRIVATE $<TARGET_OBJECTS:cogent_${folder}>)
  endif()
  if(arg_TORCH)
    list(TRANSFORM arg_TORCH PREPEND ${folder}/ OUTPUT_VARIABLE files)
    add_library(cogent_${folder}_torch OBJECT ${files})
    cogent_target(cogent_${folder}_torch)
    target_link_libraries(cogent_${folder}_torch PRIVATE Torch::Torch)
    target_sources(cogent_engine PRIVATE $<TARGET_OBJECTS:cogent_${folder}_torch>)
  endif()
endfunction()

function(cogent_target target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic
                         $<$<BOOL:${COGENT_WERROR}>:-Werror> ${COGENT_ARCH_FLAGS})
  target_link_libraries(${target} PRIVATE cogent_libraries)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

function(cogent_check_includes folder files depends torch)
  foreach(file ${files})
    set(path ${PROJECT_SOURCE_DIR}/${folder}/${file})
    set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
    file(STRINGS ${path} lines REGEX "^ *# *include")
    string(REGEX REPLACE "\\.(cc|h)$" "" stem ${file})
    set(may_use_torch FALSE)
    if("${stem}.cc" IN_LIST torch OR "${stem}.h" IN_LIST COGENT_TORCH_HEADERS)
      set(may_use_torch TRUE)
    endif()
    foreach(line ${lines})
      if(line MATCHES "\"([a-z_]+)/[^\"]*\"")
        set(target ${CMAKE_MATCH_1})
        if(NOT target STREQUAL folder AND NOT target IN_LIST depends)
          message(FATAL_ERROR "${folder}/${file}: ${line}\n  layer '${folder}' may include only: "
                              "${folder} ${depends} (see the table in CMakeLists.txt)")
        endif()
      elseif(line MATCHES "<(ATen|torch|c10)/" AND NOT may_use_torch)
        message(FATAL_ERROR "${folder}/${file}: ${line}\n  this file must not use LibTorch; list it "
                            "under TORCH of layer '${folder}' in CMakeLists.txt if it has to")
      endif()
    endforeach()
  endforeach()
endfunction()
