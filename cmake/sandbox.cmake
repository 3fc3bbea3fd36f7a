# Beside libcogent, the sandbox is two small things without LibTorch: the program cogent-sandbox, which starts
# workers and cleans up behind them, and libcogent_zygote.so, which is loaded into a worker's interpreter
# and has no C++ runtime.
set(python_texts "")
foreach(name driver values candidate judge session)
  set(file ${PROJECT_SOURCE_DIR}/sandbox/zygote/${name}.py)
  set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} text)
  string(APPEND python_texts "  if (name == \"${name}\") return R\"__PY(${text})__PY\";\n")
endforeach()
set(COGENT_PYTHON_TEXTS "${python_texts}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/python_text.cc.in ${PROJECT_BINARY_DIR}/python_text.cc @ONLY)

file(GLOB helper_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/sandbox ${PROJECT_SOURCE_DIR}/sandbox/helper/*.cc ${PROJECT_SOURCE_DIR}/sandbox/helper/*.h)
file(GLOB zygote_sources CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/sandbox ${PROJECT_SOURCE_DIR}/sandbox/zygote/*.cc ${PROJECT_SOURCE_DIR}/sandbox/zygote/*.h)
cogent_check_includes(${PROJECT_SOURCE_DIR} sandbox "${helper_sources};${zygote_sources}" "core" "")

pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)

list(FILTER helper_sources INCLUDE REGEX "\\.cc$")
list(TRANSFORM helper_sources PREPEND sandbox/)
add_executable(cogent_sandbox_program ${helper_sources} ${PROJECT_BINARY_DIR}/python_text.cc)
set_target_properties(cogent_sandbox_program PROPERTIES OUTPUT_NAME cogent-sandbox)
target_compile_features(cogent_sandbox_program PUBLIC cxx_std_20)
target_include_directories(cogent_sandbox_program PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_options(cogent_sandbox_program PRIVATE -Wall -Wextra $<$<BOOL:${COGENT_WERROR}>:-Werror>)
target_link_libraries(cogent_sandbox_program PRIVATE Boost::filesystem PkgConfig::seccomp Threads::Threads)

list(FILTER zygote_sources INCLUDE REGEX "\\.cc$")
list(TRANSFORM zygote_sources PREPEND sandbox/)
add_library(cogent_zygote MODULE ${zygote_sources})
target_compile_features(cogent_zygote PUBLIC cxx_std_20)
target_include_directories(cogent_zygote PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_options(cogent_zygote PRIVATE -Wall -Wextra -fno-exceptions -fno-rtti -fvisibility=hidden -fno-threadsafe-statics
                       -fno-sanitize=all $<$<BOOL:${COGENT_WERROR}>:-Werror>)
target_link_options(cogent_zygote PRIVATE -nodefaultlibs -fno-sanitize=all)
target_link_libraries(cogent_zygote PRIVATE c gcc)
set_target_properties(cogent_zygote PROPERTIES LINKER_LANGUAGE CXX)
add_dependencies(cogent_sandbox_program cogent_zygote)

install(TARGETS cogent_sandbox_program RUNTIME DESTINATION ${CMAKE_INSTALL_LIBDIR}/cogent)
install(TARGETS cogent_zygote LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/cogent)
target_sources(cogent_sandbox PRIVATE ${PROJECT_BINARY_DIR}/python_text.cc)  # a session's
add_dependencies(cogent cogent_sandbox_program)
