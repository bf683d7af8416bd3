# The one library that is installed, assembled from the objects of all modules.
#
# The target `equipoise` is libequipoise.a, or libequipoise.so with BUILD_SHARED_LIBS. The install
# tests need the other kind too: equipoise_other, from the same objects (every module is compiled as
# position-independent code), so that it costs a link and not a second build. What the modules link
# (FAISS, BLAS, ICU, ...) is private: inside libequipoise.so, or a link-only dependency of
# libequipoise.a.

# Headers that lie among the public ones, because several modules use them, but are for the library's
# own sources: they show fmt or nlohmann-json, are not installed and not included by public headers.
set_property(GLOBAL PROPERTY EQUIPOISE_INTERNAL_HEADERS
  equipoise/core/atomic_file.h
  equipoise/core/check.h
  equipoise/core/json_lines.h)

get_property(_modules GLOBAL PROPERTY EQUIPOISE_MODULES)
get_property(_used GLOBAL PROPERTY EQUIPOISE_PRIVATE_LIBRARIES)
list(REMOVE_DUPLICATES _used)
list(FILTER _used EXCLUDE REGEX "^equipoise::|^nlohmann_json|^Eigen3::")

# In the order of EquipoiseDependencies.cmake, and only what a module asked for.
get_property(_known GLOBAL PROPERTY EQUIPOISE_DEPENDENCIES)
set(_linked "")
foreach(library IN LISTS _known)
  if(library IN_LIST _used)
    list(APPEND _linked ${library})
  endif()
endforeach()
list(REMOVE_ITEM _used ${_linked})
if(_used)
  message(FATAL_ERROR "A module links ${_used}, for which cmake/EquipoiseDependencies.cmake has no "
                      "equipoise_dependency: the installed package would not find it.")
endif()
# FAISS's package names OpenMP without finding it.
if("faiss" IN_LIST _linked AND NOT "OpenMP::OpenMP_CXX" IN_LIST _linked)
  list(APPEND _linked OpenMP::OpenMP_CXX)
endif()
set_property(GLOBAL PROPERTY EQUIPOISE_LINKED "${_linked}")

function(equipoise_library target kind)
  add_library(${target} ${kind})
  get_property(modules GLOBAL PROPERTY EQUIPOISE_MODULES)
  foreach(module IN LISTS modules)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:equipoise_${module}>)
    target_include_directories(${target} INTERFACE
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/${module}/include>)
  endforeach()
  target_include_directories(${target} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${target} INTERFACE cxx_std_20)

  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:equipoise_flags>)
  get_property(linked GLOBAL PROPERTY EQUIPOISE_LINKED)
  foreach(library IN LISTS linked)
    if(kind STREQUAL "SHARED")
      target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${library}>)
    elseif(IS_ABSOLUTE ${library})
      # A path of this machine must not reach the installed package.
      get_filename_component(name ${library} NAME_WE)
      string(REGEX REPLACE "^lib" "" name ${name})
      target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:${library}>
                                              $<INSTALL_INTERFACE:${name}>)
    else()
      target_link_libraries(${target} PRIVATE ${library})
    endif()
  endforeach()

  # SOVERSION carries the minor number as long as the major one is 0: 0.2 may break 0.1.
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME equipoise
    EXPORT_NAME equipoise
    LINKER_LANGUAGE CXX
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(kind STREQUAL "SHARED")
    # What comes from archives (libfaiss.a) was compiled with visible symbols: keep them inside.
    target_link_options(${target} PRIVATE LINKER:--exclude-libs,ALL)
  endif()
endfunction()

include(GNUInstallDirs)
set(_kind STATIC)
set(_other SHARED)
if(BUILD_SHARED_LIBS)
  set(_kind SHARED)
  set(_other STATIC)
endif()
equipoise_library(equipoise ${_kind})
add_library(equipoise::equipoise ALIAS equipoise)
if(TARGET equipoise_cuda)
  add_dependencies(equipoise equipoise_cuda)  # opened at run time: whoever builds one wants both
endif()
if(EQUIPOISE_BUILD_TESTS AND EQUIPOISE_INSTALL)
  equipoise_library(equipoise_other ${_other})
endif()
