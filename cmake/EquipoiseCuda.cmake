# Says in one line whether a CUDA compiler was found. Nothing is compiled with it: this version has
# no GPU code, and a build without nvcc is a full build.
set(_default AUTO)
if(NOT PROJECT_IS_TOP_LEVEL)
  set(_default OFF)  # check_language leaves CMAKE_CUDA_* entries in the cache of the project around us
endif()
set(EQUIPOISE_CUDA ${_default} CACHE STRING "Look for CUDA: AUTO, ON (an error if absent) or OFF")
set_property(CACHE EQUIPOISE_CUDA PROPERTY STRINGS AUTO ON OFF)

set(_line "switched off; CPU only.")
if(EQUIPOISE_CUDA STREQUAL "AUTO" OR EQUIPOISE_CUDA)
  # check_language alone would look in PATH only, where NVIDIA's installers do not put nvcc.
  find_program(EQUIPOISE_NVCC nvcc
               HINTS ENV CUDACXX PATHS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin)
  mark_as_advanced(EQUIPOISE_NVCC)
  set(_line "not found; CPU only.")
  if(EQUIPOISE_NVCC)
    if(NOT DEFINED ENV{CUDACXX})
      set(ENV{CUDACXX} ${EQUIPOISE_NVCC})
    endif()
    include(CheckLanguage)
    set(CMAKE_MESSAGE_LOG_LEVEL WARNING)  # of check_language's own lines
    check_language(CUDA)
    unset(CMAKE_MESSAGE_LOG_LEVEL)
    execute_process(COMMAND ${EQUIPOISE_NVCC} --version OUTPUT_VARIABLE _version ERROR_QUIET)
    string(REGEX MATCH "release ([0-9.]+)" _version "${_version}")
    set(_nvcc "nvcc ${CMAKE_MATCH_1} at ${EQUIPOISE_NVCC}")
    if(CMAKE_CUDA_COMPILER)
      set(_line "${_nvcc} found; this version has no GPU code yet.")
    else()
      set(_line "${_nvcc} found, but it cannot compile here; CPU only.")
    endif()
  endif()
  if(EQUIPOISE_CUDA STREQUAL "ON" AND NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "EQUIPOISE_CUDA=ON, but no working nvcc was found. Install the CUDA toolkit, "
                        "name its compiler in the environment variable CUDACXX, or configure with "
                        "EQUIPOISE_CUDA=AUTO.")
  endif()
endif()
message(STATUS "CUDA: ${_line}")
