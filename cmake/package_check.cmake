# Run by CPack before packages are made: a package without man pages is not made in silence.
file(GLOB_RECURSE pages "${CPACK_TEMPORARY_DIRECTORY}/rowhouse.1.gz" "${CPACK_TEMPORARY_DIRECTORY}/*/rowhouse.1.gz")
if(NOT pages)
  message(FATAL_ERROR "the package has no man pages: install help2man and try again")
endif()
