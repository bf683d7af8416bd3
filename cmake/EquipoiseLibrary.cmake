# The one library that is installed, libequipoise.a or libequipoise.so: the objects of all modules.
include(GNUInstallDirs)
get_property(_modules GLOBAL PROPERTY EQUIPOISE_MODULES)
get_property(_private GLOBAL PROPERTY EQUIPOISE_PRIVATE_LIBRARIES)
list(REMOVE_DUPLICATES _private)
list(FILTER _private EXCLUDE REGEX "^equipoise::|nlohmann_json")

add_library(equipoise)
add_library(equipoise::equipoise ALIAS equipoise)
foreach(module IN LISTS _modules)
  target_sources(equipoise PRIVATE $<TARGET_OBJECTS:equipoise_${module}>)
  target_include_directories(equipoise INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/${module}/include>)
endforeach()
