# One target a folder, and only the includes that the table of layers allows.
#
#   cogent_layer(verifiers DEPENDS core sandbox)              every .cc of the folder, no LibTorch
#   cogent_layer(policies DEPENDS core TORCH deepseek_v3.cc)  these files may use LibTorch: target policies_torch
#   cogent_layer(experiments DEPENDS core OPTIONS -O1)        compiled with these options, too
#
# A folder makes the target cogent_<folder> (no LibTorch) and, with TORCH, cogent_<folder>_torch.
# An include of a folder that is not in DEPENDS, of LibTorch in a file that is not in TORCH, or of a
# third-party library in a header stops the configuration with file and line.
include_guard(GLOBAL)

function(cogent_layer folder)
  cmake_parse_arguments(arg "" "" "DEPENDS;TORCH;OPTIONS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/${folder}
       ${PROJECT_SOURCE_DIR}/${folder}/*.cc)
  file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/${folder}
       ${PROJECT_SOURCE_DIR}/${folder}/*.h)
  set(free ${sources})
  list(REMOVE_ITEM free ${arg_TORCH} main.cc)
  set(torch ${sources})
  list(REMOVE_ITEM torch ${free} main.cc)
  foreach(file ${sources} ${headers})
    set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
                 ${PROJECT_SOURCE_DIR}/${folder}/${file})
  endforeach()
  cogent_check_includes(${PROJECT_SOURCE_DIR} ${folder} "${sources};${headers}" "${arg_DEPENDS}" "${torch}")
  cogent_note_torch_headers(${folder} "${headers}" "${torch}")

  if(free)
    list(TRANSFORM free PREPEND ${folder}/)
    add_library(cogent_${folder} OBJECT ${free})
    cogent_target(cogent_${folder})
    target_compile_options(cogent_${folder} PRIVATE ${arg_OPTIONS})
    cogent_precompile(cogent_${folder} fmt/format.h)
    target_sources(cogent PRIVATE $<TARGET_OBJECTS:cogent_${folder}>)
  endif()
  if(torch AND COGENT_ENGINE)
    list(TRANSFORM torch PREPEND ${folder}/)
    add_library(cogent_${folder}_torch OBJECT ${torch})
    cogent_target(cogent_${folder}_torch)
    target_compile_options(cogent_${folder}_torch PRIVATE ${arg_OPTIONS})
    target_link_libraries(cogent_${folder}_torch PRIVATE Torch::Torch)
    cogent_precompile(cogent_${folder}_torch ATen/ATen.h)
    target_sources(cogent_engine PRIVATE $<TARGET_OBJECTS:cogent_${folder}_torch>)
  endif()
endfunction()

# What every target of ours is compiled with. Some warnings are off: GCC 12 sees overlapping and endless copies in
# "text" + std::string where there are none (its bug 105651), and uninitialized values in its own headers of vector instructions;
# members that a designated initializer leaves out have their defaults.
function(cogent_target target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic
                         -Wno-missing-field-initializers $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds -Wno-maybe-uninitialized>
                         $<$<BOOL:${COGENT_WERROR}>:-Werror> ${COGENT_ARCH_FLAGS}>)
  target_link_libraries(${target} PRIVATE cogent_libraries)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

# Compiles these headers, and that of JSON, once for all targets that ask for the same ones with the same options: reading LibTorch's takes longer than
# most files that use it. What is in cmake/json_templates.h is made in libcogent, which the target has to link.
function(cogent_precompile target)
  if(NOT COGENT_PRECOMPILE)
    return()
  endif()
  get_target_property(type ${target} TYPE)
  get_target_property(options ${target} COMPILE_OPTIONS)
  string(MD5 options_hash "${options}")
  string(SUBSTRING ${options_hash} 0 6 options_hash)
  string(MAKE_C_IDENTIFIER "precompiled_${type}_${ARGN}_${options_hash}" holder)
  if(NOT TARGET ${holder})
    file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/${holder}.cc CONTENT "int main() {}\n")
    if(type STREQUAL "EXECUTABLE")  # position-independent in another way than a library
      add_executable(${holder} ${PROJECT_BINARY_DIR}/${holder}.cc)
    else()
      add_library(${holder} OBJECT ${PROJECT_BINARY_DIR}/${holder}.cc)
    endif()
    cogent_target(${holder})
    get_target_property(libraries ${target} LINK_LIBRARIES)
    set_target_properties(${holder} PROPERTIES COMPILE_OPTIONS "${options}" LINK_LIBRARIES "${libraries}")
    list(APPEND ARGN cmake/json_templates.h)
    list(TRANSFORM ARGN PREPEND "<")
    list(TRANSFORM ARGN APPEND ">")
    target_precompile_headers(${holder} PRIVATE ${ARGN})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${holder})
endfunction()

function(cogent_check_includes root folder files depends torch)
  set(libraries "yaml-cpp|CLI|spdlog|fmt|nlohmann|re2|unicode|boost|gtest|gmock|rapidcheck")
  foreach(file ${files})
    file(STRINGS ${root}/${folder}/${file} lines REGEX "^ *# *include")
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
      elseif(file MATCHES "\\.h$" AND line MATCHES "<((${libraries})/|gmp|flint|arb|acb|sentencepiece)")
        message(FATAL_ERROR "${folder}/${file}: ${line}\n  a header must not show a third-party "
                            "library: include it in the .cc file and hide it behind our own types")
      endif()
    endforeach()
  endforeach()
endfunction()

# Remembers which headers belong to the engine, so that tests of the rest build without LibTorch.
function(cogent_note_torch_headers folder headers torch)
  foreach(header ${headers})
    string(REGEX REPLACE "\\.h$" ".cc" source ${header})
    if(source IN_LIST torch OR header IN_LIST COGENT_TORCH_HEADERS)
      set_property(GLOBAL APPEND PROPERTY COGENT_ENGINE_HEADERS ${folder}/${header})
    endif()
  endforeach()
endfunction()

# True when the file, or a header of tests/ that it includes, needs the engine.
function(cogent_needs_engine path result)
  get_property(engine_headers GLOBAL PROPERTY COGENT_ENGINE_HEADERS)
  file(STRINGS ${path} lines REGEX "^ *# *include")
  set(needs FALSE)
  foreach(line ${lines})
    if(line MATCHES "<(ATen|torch|c10)/")
      set(needs TRUE)
    elseif(line MATCHES "\"([^\"]+)\"")
      set(header ${CMAKE_MATCH_1})
      if(header IN_LIST engine_headers)
        set(needs TRUE)
      elseif(header MATCHES "^tests/" AND EXISTS ${PROJECT_SOURCE_DIR}/${header})
        cogent_needs_engine(${PROJECT_SOURCE_DIR}/${header} needs_inner)
        if(needs_inner)
          set(needs TRUE)
        endif()
      endif()
    endif()
  endforeach()
  set(${result} ${needs} PARENT_SCOPE)
endfunction()
