# equipoise_module(NAME SOURCES ... PUBLIC modules... PRIVATE libraries...)
#
# One module M is one target equipoise::M with the headers M/include/equipoise/M/*.h. A target sees
# only what it links, so that an include against the direction of the arrows does not compile. The
# modules are assembled into one installed library by EquipoiseLibrary.cmake.
set_property(GLOBAL PROPERTY EQUIPOISE_MODULES "")
set_property(GLOBAL PROPERTY EQUIPOISE_PRIVATE_LIBRARIES "")

function(equipoise_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(equipoise_${name} STATIC ${arg_SOURCES})
  add_library(equipoise::${name} ALIAS equipoise_${name})
  target_include_directories(equipoise_${name}
    PUBLIC ${CMAKE_CURRENT_SOURCE_DIR}/include
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_link_libraries(equipoise_${name} PUBLIC ${arg_PUBLIC}
    PRIVATE $<BUILD_INTERFACE:equipoise_flags> ${arg_PRIVATE})
  target_compile_features(equipoise_${name} PUBLIC cxx_std_20)
  set_target_properties(equipoise_${name} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    CXX_EXTENSIONS OFF)
  set_property(GLOBAL APPEND PROPERTY EQUIPOISE_MODULES ${name})
  set_property(GLOBAL APPEND PROPERTY EQUIPOISE_PRIVATE_LIBRARIES ${arg_PRIVATE})
endfunction()
