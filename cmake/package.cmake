# The Debian packages, made by `cpack -G DEB` in a built tree: rowhouse (server and command line), librowhouse0.1, librowhouse-dev.
set(debian ${PROJECT_SOURCE_DIR}/deploy/debian)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME rowhouse)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")      # each package has its own
set(CPACK_PACKAGE_VENDOR "The Rowhouse Authors")
set(CPACK_PACKAGE_CONTACT "The Rowhouse Authors <maintainers@rowhouse.invalid>" CACHE STRING "Maintainer of the packages")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_STRIP_FILES ON)
# With DESTDIR the install rules see the prefix /usr as it will be, so that paths in files are those of the target machine.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_COMPONENTS_ALL server library development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_check.cmake)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)

set(CPACK_DEBIAN_SERVER_PACKAGE_NAME rowhouse)
set(CPACK_DEBIAN_SERVER_PACKAGE_SECTION net)
set(CPACK_DEBIAN_SERVER_DESCRIPTION "parameter server for embedding tables
Rowhouse keeps the embedding rows of recommendation models on servers, in
memory and on disk, applies optimizers there, and loses or repeats no push.
This package has the server, its systemd unit and the command line.")
set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "adduser, procps")      # procps: the kill of ExecReload
set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm ${debian}/postrm)
if(EXISTS ${PROJECT_SOURCE_DIR}/deploy/config/rowhouse.yaml)
  list(APPEND CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA ${debian}/conffiles)
endif()

set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME librowhouse${ROWHOUSE_SOVERSION})
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "client library of the Rowhouse parameter server
Pulls rows and pushes gradients that are applied exactly once; has a server
for use inside of one process.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME librowhouse-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "librowhouse${ROWHOUSE_SOVERSION} (= ${PROJECT_VERSION}), libabsl-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "client library of the Rowhouse parameter server, headers
Headers, CMake package, pkg-config file and the proto files of the protocol.")

# Debian asks each package for its copyright file; an install without packages has LICENSE.
foreach(component server library development)
  string(TOUPPER ${component} upper)
  install(FILES ${debian}/copyright DESTINATION share/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME} COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
include(CPack)
