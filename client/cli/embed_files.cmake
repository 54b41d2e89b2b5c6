# Makes embedded_files.cc from files of the source tree: those that are there when CMake runs, each as a raw string. A file that comes,
# changes or goes makes CMake run again.
set(ROWHOUSE_EMBEDDED deploy/prometheus/prometheus.yml deploy/prometheus/alerts.yml docker-compose.yml deploy/systemd/rowhouse.service
  deploy/docker/prometheus.yml deploy/docker/prometheus.Dockerfile)

set(entries "")
foreach(path IN LISTS ROWHOUSE_EMBEDDED)
  file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${path})
  if(NOT found)
    message(STATUS "not embedded in the program, because it is not there: ${path}")
    continue()
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${found})
  file(READ ${found} text)
  string(FIND "${text}" ")rh_file\"" ends)
  if(NOT ends EQUAL -1)
    message(FATAL_ERROR "${path} holds what ends a raw string here")
  endif()
  string(APPEND entries "    {\"${path}\", R\"rh_file(${text})rh_file\"},\n")
endforeach()
if(entries STREQUAL "")      # an array must not be empty
  set(entries "    {\"\", \"\"},\n")
endif()
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/embedded_files.cc.new "// Copyright The Rowhouse Authors. SPDX-License-Identifier: Apache-2.0
// Written by client/cli/embed_files.cmake.
#include \"client/cli/embedded_files.h\"

namespace rowhouse::cli {

const EmbeddedFile* FindEmbeddedFile(std::string_view path) {
  static constexpr EmbeddedFile kFiles[] = {
${entries}  };
  for (const EmbeddedFile& file : kFiles) {
    if (file.path == path && !file.path.empty()) return &file;
  }
  return nullptr;
}

}  // namespace rowhouse::cli
")
configure_file(${CMAKE_CURRENT_BINARY_DIR}/embedded_files.cc.new ${CMAKE_CURRENT_BINARY_DIR}/embedded_files.cc COPYONLY)
target_sources(rowhouse_cli PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/embedded_files.cc)
