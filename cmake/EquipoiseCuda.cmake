# Looks for a CUDA compiler and says in one line what was found and what becomes of it. A build
# without one is a full build: GPU code is a plug-in of its own (equipoise_cuda_plugin below).
set(_default AUTO)
if(NOT PROJECT_IS_TOP_LEVEL)
  set(_default OFF)  # check_language leaves CMAKE_CUDA_* entries in the cache of the project around us
endif()
set(EQUIPOISE_CUDA ${_default} CACHE STRING "Build the CUDA plug-in: AUTO, ON (an error if impossible) or OFF")
set_property(CACHE EQUIPOISE_CUDA PROPERTY STRINGS AUTO ON OFF)

set(EQUIPOISE_CUDA_FOUND OFF)
set(_line "switched off; CPU only.")
if(EQUIPOISE_CUDA STREQUAL "AUTO" OR EQUIPOISE_CUDA)
  # check_language alone would look in PATH only, where NVIDIA's installers do not put nvcc.
  find_program(EQUIPOISE_NVCC nvcc
               HINTS ENV CUDACXX PATHS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda PATH_SUFFIXES bin)
  mark_as_advanced(EQUIPOISE_NVCC)
  set(_line "not found; CPU only.")
  set(_missing "no working nvcc was found. Install the CUDA toolkit, name its compiler in the "
               "environment variable CUDACXX")
  if(EQUIPOISE_NVCC)
    if(NOT DEFINED ENV{CUDACXX})
      set(ENV{CUDACXX} ${EQUIPOISE_NVCC})
    endif()
    execute_process(COMMAND ${EQUIPOISE_NVCC} --version OUTPUT_VARIABLE _version ERROR_QUIET)
    string(REGEX MATCH "release ([0-9.]+)" _version "${_version}")
    set(_version ${CMAKE_MATCH_1})
    set(_nvcc "nvcc ${_version} at ${EQUIPOISE_NVCC}")
    # Code for Ampere, Hopper and Blackwell as far as this nvcc knows them, and PTX of the last one,
    # which the driver translates for chips that come later.
    set(_processors 80)
    if(_version VERSION_GREATER_EQUAL 11.8)
      list(APPEND _processors 90)
    endif()
    if(_version VERSION_GREATER_EQUAL 12.8)
      list(APPEND _processors 100)
    endif()
    list(TRANSFORM _processors APPEND -real OUTPUT_VARIABLE _architectures)
    list(GET _processors -1 _last)
    list(APPEND _architectures ${_last}-virtual)
    if(NOT CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES ${_architectures})
    endif()
    include(CheckLanguage)
    set(CMAKE_MESSAGE_LOG_LEVEL WARNING)  # of check_language's own lines
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER AND _version VERSION_GREATER_EQUAL 11.4)
      enable_language(CUDA)
      find_package(CUDAToolkit QUIET)
    endif()
    unset(CMAKE_MESSAGE_LOG_LEVEL)
    if(NOT CMAKE_CUDA_COMPILER)
      set(_line "${_nvcc} found, but it cannot compile here; CPU only.")
    elseif(_version VERSION_LESS 11.4)
      set(_line "${_nvcc} found, but 11.4 or newer is needed; CPU only.")
      set(_missing "${_nvcc} is too old. Install CUDA 11.4 or newer")
    elseif(NOT TARGET CUDA::cublas OR NOT TARGET CUDA::cudart_static)
      set(_line "${_nvcc} found, but not cuBLAS and the CUDA runtime; CPU only.")
      set(_missing "cuBLAS or the CUDA runtime was not found. Install the whole CUDA toolkit")
    else()
      set(EQUIPOISE_CUDA_FOUND ON)
      list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "^([0-9]+)-real" "sm_\\1" OUTPUT_VARIABLE _line)
      list(TRANSFORM _line REPLACE "^([0-9]+)-virtual" "PTX \\1")
      list(JOIN _line ", " _line)
      set(_line "${_nvcc}; building libequipoise_cuda.so for ${_line}.")
    endif()
  endif()
  if(EQUIPOISE_CUDA STREQUAL "ON" AND NOT EQUIPOISE_CUDA_FOUND)
    message(FATAL_ERROR "EQUIPOISE_CUDA=ON, but " ${_missing} ", or configure with "
                        "EQUIPOISE_CUDA=AUTO.")
  endif()
endif()
message(STATUS "CUDA: ${_line}")

# equipoise_cuda_plugin(FOLDER): the target equipoise_cuda, libequipoise_cuda.so, from FOLDER/cuda;
# nothing where no CUDA compiler works. It is never linked, only opened at run time, and lies beside
# the programs, where they look for it first.
function(equipoise_cuda_plugin folder)
  if(NOT EQUIPOISE_CUDA_FOUND)
    return()
  endif()
  # Apart from the rest: nvcc does not take the host compiler's warning flags.
  add_library(equipoise_cuda_kernels OBJECT ${folder}/cuda/kernels.cu)
  target_include_directories(equipoise_cuda_kernels PRIVATE ${folder})
  target_compile_options(equipoise_cuda_kernels PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
  set_target_properties(equipoise_cuda_kernels PROPERTIES
    CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON
    CUDA_VISIBILITY_PRESET hidden
    POSITION_INDEPENDENT_CODE ON)

  add_library(equipoise_cuda MODULE
    ${folder}/cuda/item_set.cc
    ${folder}/cuda/plugin.cc
    ${folder}/cuda/workspace.cc
    $<TARGET_OBJECTS:equipoise_cuda_kernels>)
  target_include_directories(equipoise_cuda PRIVATE ${folder})
  target_compile_features(equipoise_cuda PRIVATE cxx_std_20)
  target_link_libraries(equipoise_cuda PRIVATE equipoise_flags CUDA::cudart_static CUDA::cublas)
  # What the archive of the CUDA runtime defines stays inside: one symbol goes out.
  target_link_options(equipoise_cuda PRIVATE LINKER:--version-script=${folder}/cuda/plugin.map)
  set_target_properties(equipoise_cuda PROPERTIES
    LINKER_LANGUAGE CXX
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    CXX_EXTENSIONS OFF
    CXX_CLANG_TIDY ""
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin
    LINK_DEPENDS ${folder}/cuda/plugin.map
    # And the toolkit's folder, where no system search finds cuBLAS.
    INSTALL_RPATH "$ORIGIN"
    INSTALL_RPATH_USE_LINK_PATH ON)
endfunction()
