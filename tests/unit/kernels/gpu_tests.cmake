# equipoise_gpu_tests(TARGET): what the tests gpu_*_test.cc need in a test program: the kernels' own
# headers, and libraries to open that are not what they should be.
set(_gpu_tests ${CMAKE_CURRENT_LIST_DIR})
function(equipoise_gpu_tests target)
  foreach(name wrong_version nvml)
    add_library(gpu_fake_${name} MODULE ${_gpu_tests}/gpu_fake_${name}.cc)
    target_link_libraries(gpu_fake_${name} PRIVATE equipoise_flags)
    target_include_directories(gpu_fake_${name} PRIVATE
                               $<TARGET_PROPERTY:equipoise_kernels,SOURCE_DIR>/src)
    set_target_properties(gpu_fake_${name} PROPERTIES CXX_CLANG_TIDY "")
    add_dependencies(${target} gpu_fake_${name})
    string(TOUPPER ${name} upper)
    target_compile_definitions(${target} PRIVATE
      GPU_FAKE_${upper}="$<TARGET_FILE:gpu_fake_${name}>")
  endforeach()
  if(TARGET equipoise_cuda)
    add_dependencies(${target} equipoise_cuda)
    target_compile_definitions(${target} PRIVATE GPU_PLUGIN="$<TARGET_FILE:equipoise_cuda>")
  endif()
  # The plug-in's own host code on a CUDA runtime of the tests': needs the toolkit's headers.
  if(TARGET equipoise_cuda)
    set(source $<TARGET_PROPERTY:equipoise_kernels,SOURCE_DIR>/src)
    add_library(gpu_emulated MODULE
      ${source}/cuda/item_set.cc ${source}/cuda/plugin.cc ${source}/cuda/workspace.cc
      ${_gpu_tests}/emulated_kernels.cc ${_gpu_tests}/fake_cuda.cc)
    target_compile_features(gpu_emulated PRIVATE cxx_std_20)
    target_compile_options(gpu_emulated PRIVATE -ffp-contract=off $<$<CONFIG:Debug>:-O1>)
    target_include_directories(gpu_emulated PRIVATE ${source} ${_gpu_tests})
    target_include_directories(gpu_emulated SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
    target_link_libraries(gpu_emulated PRIVATE equipoise_flags)
    # Symbols of its own, whatever else the process has loaded.
    target_link_options(gpu_emulated PRIVATE LINKER:-Bsymbolic)
    set_target_properties(gpu_emulated PROPERTIES CXX_CLANG_TIDY "" CXX_VISIBILITY_PRESET hidden)
    add_dependencies(${target} gpu_emulated)
    target_compile_definitions(${target} PRIVATE GPU_EMULATED="$<TARGET_FILE:gpu_emulated>")
  endif()
  target_include_directories(${target} PRIVATE ${_gpu_tests}
                             $<TARGET_PROPERTY:equipoise_kernels,INCLUDE_DIRECTORIES>)
  # The kernels' bodies run as plain C++: what the device rounds twice must not be fused here.
  set(sources ${_gpu_tests}/gpu_select_test.cc ${_gpu_tests}/gpu_rows_test.cc)
  set_source_files_properties(${sources} PROPERTIES
    COMPILE_OPTIONS "-ffp-contract=off;$<$<CONFIG:Debug>:-O1>")
endfunction()
