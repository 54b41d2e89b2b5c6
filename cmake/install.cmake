# What `cmake --install` puts where, by component: server (program, config, unit, completions, man pages), library (librowhouse.so.0.1),
# development (headers, CMake package, pkg-config, protos), examples (the trainer and its data, for the container image).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS rowhouse RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT server)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/rowhouse COMPONENT server)
install(DIRECTORY docs/runbooks DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/rowhouse COMPONENT server OPTIONAL)
# Where these go depends on the prefix, and completions and man pages are asked from the program itself.
foreach(variable PROJECT_SOURCE_DIR PROJECT_BINARY_DIR PROJECT_VERSION CMAKE_INSTALL_BINDIR)
  install(CODE "set(${variable} \"${${variable}}\")" COMPONENT server)
endforeach()
install(SCRIPT cmake/install_config.cmake COMPONENT server)
install(SCRIPT cmake/install_generated.cmake COMPONENT server)

install(TARGETS rowhouse_shared EXPORT rowhouseTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)

set(ROWHOUSE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/rowhouse)
# Not in a folder "cmake": with the build tree's bin in PATH, find_package looks there before it looks below /usr.
set(ROWHOUSE_FOR_INSTALL ${PROJECT_BINARY_DIR}/for_install)
file(REMOVE ${PROJECT_BINARY_DIR}/cmake/rowhouseConfig.cmake)      # of a tree that was configured before
configure_package_config_file(cmake/rowhouseConfig.cmake.in ${ROWHOUSE_FOR_INSTALL}/rowhouseConfig.cmake
  INSTALL_DESTINATION ${ROWHOUSE_CMAKE_DIR})
# Before 1.0 a minor version may break what it likes.
write_basic_package_version_file(${ROWHOUSE_FOR_INSTALL}/rowhouseConfigVersion.cmake COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH ROWHOUSE_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" ROWHOUSE_PC_TO_PREFIX "${ROWHOUSE_PC_TO_PREFIX}")
configure_file(cmake/rowhouse.pc.in ${ROWHOUSE_FOR_INSTALL}/rowhouse.pc @ONLY)
install(EXPORT rowhouseTargets NAMESPACE rowhouse:: DESTINATION ${ROWHOUSE_CMAKE_DIR} COMPONENT development)
install(FILES ${ROWHOUSE_FOR_INSTALL}/rowhouseConfig.cmake ${ROWHOUSE_FOR_INSTALL}/rowhouseConfigVersion.cmake
  DESTINATION ${ROWHOUSE_CMAKE_DIR} COMPONENT development)
install(FILES ${ROWHOUSE_FOR_INSTALL}/rowhouse.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
install(DIRECTORY client/cpp/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development FILES_MATCHING PATTERN "*.h")
# The wire for other languages; internal/ is between servers of one version and stays out.
install(DIRECTORY proto/rowhouse/v1 DESTINATION ${CMAKE_INSTALL_DATADIR}/rowhouse/proto/rowhouse COMPONENT development
  FILES_MATCHING PATTERN "*.proto")

if(ROWHOUSE_EXAMPLES)
  install(TARGETS dlrm criteo_synth RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/rowhouse COMPONENT examples)
endif()
