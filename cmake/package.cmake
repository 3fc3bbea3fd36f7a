# What others see: the installed library, and `find_package(Cogent)` from it or from this build folder.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
include(version)

set(headers ${CMAKE_INSTALL_INCLUDEDIR}/cogent)
if(NOT COGENT_ENGINE_RPATH AND Torch_DIR_FOUND)
  set(COGENT_ENGINE_RPATH ${Torch_DIR_FOUND}/lib)
endif()
foreach(library ${COGENT_LIBRARIES})
  target_compile_features(${library} INTERFACE cxx_std_20)
  target_include_directories(${library} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                             $<INSTALL_INTERFACE:${headers}>)
  set_target_properties(${library} PROPERTIES INSTALL_RPATH "$ORIGIN"
                        BUILD_WITH_INSTALL_RPATH ON)
  # Objects alone make the library; the linker still has to be told that it is C++.
  set_target_properties(${library} PROPERTIES LINKER_LANGUAGE CXX)
endforeach()
if(COGENT_ENGINE)
  set_target_properties(cogent_engine PROPERTIES EXPORT_NAME engine INSTALL_RPATH "$ORIGIN;${COGENT_ENGINE_RPATH}")
endif()

export(TARGETS ${COGENT_LIBRARIES} NAMESPACE Cogent:: FILE ${PROJECT_BINARY_DIR}/CogentTargets.cmake)
install(TARGETS ${COGENT_LIBRARIES} EXPORT CogentTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT CogentTargets NAMESPACE Cogent:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Cogent)
foreach(folder core sandbox verifiers envs agents policies algorithms experiments)
  install(DIRECTORY ${folder}/ DESTINATION ${headers}/${folder} FILES_MATCHING PATTERN "*.h"
          PATTERN "configs" EXCLUDE)
endforeach()

configure_file(cmake/CogentConfig.cmake.in CogentConfig.cmake @ONLY)
configure_file(cmake/FindTorch.cmake FindTorch.cmake COPYONLY)
write_basic_package_version_file(CogentConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/CogentConfig.cmake ${PROJECT_BINARY_DIR}/CogentConfigVersion.cmake
        cmake/FindTorch.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Cogent)

# The program, made in CMakeLists.txt before this file is read.
if(TARGET cogent_program)
  set_target_properties(cogent_program PROPERTIES BUILD_WITH_INSTALL_RPATH ON
                        INSTALL_RPATH "$ORIGIN;$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  install(TARGETS cogent_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
