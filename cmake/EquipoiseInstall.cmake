# What `cmake --install` puts where: the library, the public headers, the program, and the two files
# by which others find them, lib/cmake/equipoise (CMake) and lib/pkgconfig/equipoise.pc.
#
# Components: headers, program, cuda (the plug-in, where it is built), and static or shared, whichever
# BUILD_SHARED_LIBS asks for; the install tests ask for the other one by name. Both fit into one prefix.
include(CMakePackageConfigHelpers)
set(_package ${CMAKE_INSTALL_LIBDIR}/cmake/equipoise)
set(_pkgconfig ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(_generated ${PROJECT_BINARY_DIR}/package)

get_property(_modules GLOBAL PROPERTY EQUIPOISE_MODULES)
get_property(_internal GLOBAL PROPERTY EQUIPOISE_INTERNAL_HEADERS)
set(_excluded "")
foreach(header IN LISTS _internal)
  list(APPEND _excluded PATTERN ${header} EXCLUDE)
endforeach()
foreach(module IN LISTS _modules)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${module}/include/
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT headers
          FILES_MATCHING PATTERN "*.h" ${_excluded})
endforeach()

# How the dependencies of the static library are found again, by CMake and by pkg-config.
get_property(_linked GLOBAL PROPERTY EQUIPOISE_LINKED)
set(EQUIPOISE_FIND_DEPENDENCIES "")
set(_requires "")
set(_libs "")
foreach(library IN LISTS _linked)
  get_property(_find GLOBAL PROPERTY EQUIPOISE_DEPENDENCY_FIND_${library})
  if(_find)
    list(APPEND EQUIPOISE_FIND_DEPENDENCIES "  find_dependency(${_find})")
  endif()
  get_property(_value GLOBAL PROPERTY EQUIPOISE_DEPENDENCY_REQUIRES_${library})
  list(APPEND _requires ${_value})
  get_property(_value GLOBAL PROPERTY EQUIPOISE_DEPENDENCY_LIBS_${library})
  list(APPEND _libs ${_value})
endforeach()
list(REMOVE_DUPLICATES EQUIPOISE_FIND_DEPENDENCIES)
list(JOIN EQUIPOISE_FIND_DEPENDENCIES "\n" EQUIPOISE_FIND_DEPENDENCIES)
list(JOIN _requires " " _requires)
list(JOIN _libs " " _libs)
file(RELATIVE_PATH EQUIPOISE_PC_PREFIX /${_pkgconfig} /)
string(REGEX REPLACE "/$" "" EQUIPOISE_PC_PREFIX "${EQUIPOISE_PC_PREFIX}")

set(_optional "")
foreach(target equipoise equipoise_other)
  if(NOT TARGET ${target})
    continue()
  endif()
  get_target_property(_type ${target} TYPE)
  if(_type STREQUAL "SHARED_LIBRARY")
    set(_kind shared)
    set(EQUIPOISE_PC_REQUIRES "")
    set(EQUIPOISE_PC_LIBS "")
  else()
    set(_kind static)
    set(EQUIPOISE_PC_REQUIRES "${_requires}")
    set(EQUIPOISE_PC_LIBS "${_libs}")
  endif()
  install(TARGETS ${target} EXPORT equipoise_${_kind}
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${_kind} ${_optional}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${_kind} ${_optional})
  install(EXPORT equipoise_${_kind} NAMESPACE equipoise:: FILE equipoise-${_kind}.cmake
          DESTINATION ${_package} COMPONENT ${_kind} ${_optional})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/equipoise.pc.in ${_generated}/${_kind}/equipoise.pc
                 @ONLY)
  install(FILES ${_generated}/${_kind}/equipoise.pc
          DESTINATION ${_pkgconfig} COMPONENT ${_kind} ${_optional})
  set(_optional EXCLUDE_FROM_ALL)  # the second kind: only by name
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/equipoiseConfig.cmake.in
  ${_generated}/equipoiseConfig.cmake INSTALL_DESTINATION ${_package}
  NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${_generated}/equipoiseConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${_generated}/equipoiseConfig.cmake ${_generated}/equipoiseConfigVersion.cmake
        DESTINATION ${_package} COMPONENT headers)

if(TARGET equipoise_cli)
  install(TARGETS equipoise_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
endif()
# The plug-in for GPUs, beside the library that opens it.
if(TARGET equipoise_cuda)
  install(TARGETS equipoise_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT cuda)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/data/priors.json
        DESTINATION ${CMAKE_INSTALL_DATADIR}/equipoise COMPONENT program)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/THIRD_PARTY.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT headers)
