# Writes version.cc with the version and the commit. Included, it makes the target that keeps it up to
# date; run with `cmake -P` by that target, it writes the file if anything in it changed.
if(CMAKE_SCRIPT_MODE_FILE)
  set(commit "")
  find_program(GIT git)
  if(GIT AND EXISTS ${SOURCE_DIR}/.git)
    execute_process(COMMAND ${GIT} --no-optional-locks -c safe.directory=* -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
                    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "experiments/version.h"

namespace cogent {

std::string Version() { return "@VERSION@"; }
std::string SourceCommit() { return "@commit@"; }

}  // namespace cogent
]])
  return()
endif()

set(version_cc ${PROJECT_BINARY_DIR}/generated/version.cc)
add_custom_target(cogent_version BYPRODUCTS ${version_cc}
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
          -DOUTPUT=${version_cc} -P ${PROJECT_SOURCE_DIR}/cmake/version.cmake)
add_library(cogent_version_object OBJECT ${version_cc})
add_dependencies(cogent_version_object cogent_version)
cogent_target(cogent_version_object)
target_sources(cogent PRIVATE $<TARGET_OBJECTS:cogent_version_object>)
