# cmake -S kernels -B build/kernels: the kernels, the CUDA plug-in and their tests with a compiler and
# CMake alone, for machines where the libraries of the other modules are not installed.
set(_project ${CMAKE_CURRENT_SOURCE_DIR}/..)
list(APPEND CMAKE_MODULE_PATH ${_project}/cmake)
include(EquipoiseOptions)
include(EquipoiseCuda)
include(EquipoiseModule)

# Of core only what the kernels use.
find_package(Threads REQUIRED)
find_package(OpenMP QUIET COMPONENTS CXX)
add_library(equipoise_core STATIC ${_project}/core/src/parallel.cc ${_project}/core/src/status.cc)
add_library(equipoise::core ALIAS equipoise_core)
target_include_directories(equipoise_core PUBLIC ${_project}/core/include)
target_compile_features(equipoise_core PUBLIC cxx_std_20)
target_link_libraries(equipoise_core PRIVATE equipoise_flags Threads::Threads)
set_target_properties(equipoise_core PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
if(OpenMP_CXX_FOUND AND NOT EQUIPOISE_STD_THREADS)
  target_link_libraries(equipoise_core PRIVATE OpenMP::OpenMP_CXX)
else()
  target_compile_definitions(equipoise_core PRIVATE EQUIPOISE_STD_THREADS)
endif()

enable_testing()

# Every test of the kernels, as one program.
function(equipoise_standalone_tests)
  if(NOT EQUIPOISE_BUILD_TESTS)
    return()
  endif()
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    message(STATUS "Tests: GoogleTest was not found; none are built.")
    return()
  endif()
  message(STATUS "Tests: kernels_test, with GoogleTest ${GTest_VERSION}.")
  include(GoogleTest)
  set(tests ${CMAKE_CURRENT_SOURCE_DIR}/../tests)
  file(GLOB sources CONFIGURE_DEPENDS ${tests}/unit/kernels/*_test.cc)
  add_executable(kernels_test ${sources})
  target_link_libraries(kernels_test PRIVATE equipoise_flags equipoise::kernels GTest::gtest_main
                        GTest::gmock)
  target_include_directories(kernels_test PRIVATE ${tests})
  target_compile_definitions(kernels_test PRIVATE
    EQUIPOISE_SOURCE_DIR="${CMAKE_CURRENT_SOURCE_DIR}/..")
  include(${tests}/unit/kernels/gpu_tests.cmake)
  equipoise_gpu_tests(kernels_test)
  gtest_discover_tests(kernels_test NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()
