# What a person configuring the project can choose, and the flags every target shares.
if(PROJECT_IS_TOP_LEVEL)
  set(_equipoise_top ON)
else()
  set(_equipoise_top OFF)
endif()

if(_equipoise_top)
  # As a subproject the variable belongs to the project around us: read, never set.
  option(BUILD_SHARED_LIBS "Build libequipoise.so instead of libequipoise.a" OFF)
endif()
option(EQUIPOISE_BUILD_CLI "Build the program equipoise" ${_equipoise_top})
option(EQUIPOISE_BUILD_TESTS "Build the tests" ${_equipoise_top})
option(EQUIPOISE_BUILD_EXAMPLES "Build the examples" ${_equipoise_top})
option(EQUIPOISE_BUILD_BENCH "Build the micro-benchmarks" ${_equipoise_top})
option(EQUIPOISE_BUILD_FUZZ "Build the libFuzzer targets (clang only)" OFF)
option(EQUIPOISE_INSTALL "Generate install rules" ${_equipoise_top})
option(EQUIPOISE_WERROR "Treat warnings as errors" OFF)
option(EQUIPOISE_STD_THREADS "Split work over std::thread instead of OpenMP (thread sanitizer)" OFF)
set(EQUIPOISE_SANITIZE "" CACHE STRING "Sanitizers, as in -fsanitize=: address,undefined or thread")

if(_equipoise_top AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

if(_equipoise_top)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endif()

add_library(equipoise_flags INTERFACE)
target_compile_features(equipoise_flags INTERFACE cxx_std_20)
target_compile_options(equipoise_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                       -Wno-sign-conversion -Wnon-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 warns of overlapping copies inside its own std::string (GCC bug 105651).
  target_compile_options(equipoise_flags INTERFACE -Wno-restrict)
endif()
if(EQUIPOISE_WERROR)
  target_compile_options(equipoise_flags INTERFACE -Werror)
endif()
if(EQUIPOISE_SANITIZE)
  target_compile_options(equipoise_flags INTERFACE -fsanitize=${EQUIPOISE_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # What sanitizers add misleads GCC (its manual, -fsanitize=): it sees uninitialized values where there are none.
  target_compile_options(equipoise_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_options(equipoise_flags INTERFACE -fsanitize=${EQUIPOISE_SANITIZE})
endif()
if(EQUIPOISE_BUILD_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "EQUIPOISE_BUILD_FUZZ needs libFuzzer, which comes with clang++: use "
                        "cmake --preset fuzz, or set CMAKE_CXX_COMPILER.")
  endif()
  # Coverage in everything that is compiled; each fuzzer adds its main at the link.
  target_compile_options(equipoise_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(equipoise_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
