# The libraries that are not ours, each found once. Debian and Ubuntu package names: see ./dev.
#
# A program that links the installed static library needs them too, so each one that is linked says
# here how it is found again: equipoise_dependency(TARGET FIND arguments of find_package
# REQUIRES pkg-config modules LIBS linker arguments). EquipoiseInstall.cmake writes the package
# files from it. The order is that of a linker's command line.
set_property(GLOBAL PROPERTY EQUIPOISE_DEPENDENCIES "")
function(equipoise_dependency target)
  cmake_parse_arguments(arg "" "FIND;REQUIRES;LIBS" "" ${ARGN})
  set_property(GLOBAL APPEND PROPERTY EQUIPOISE_DEPENDENCIES ${target})
  foreach(key FIND REQUIRES LIBS)
    set_property(GLOBAL PROPERTY EQUIPOISE_DEPENDENCY_${key}_${target} "${arg_${key}}")
  endforeach()
endfunction()

find_package(fmt CONFIG REQUIRED)
equipoise_dependency(fmt::fmt FIND "fmt CONFIG" REQUIRES "fmt")

find_package(ICU REQUIRED COMPONENTS uc i18n)
equipoise_dependency(ICU::i18n FIND "ICU COMPONENTS uc i18n" REQUIRES "icu-i18n")
equipoise_dependency(ICU::uc FIND "ICU COMPONENTS uc i18n" REQUIRES "icu-uc")

find_path(EQUIPOISE_STEMMER_INCLUDE libstemmer.h REQUIRED)
find_library(EQUIPOISE_STEMMER_LIBRARY stemmer REQUIRED)
equipoise_dependency(${EQUIPOISE_STEMMER_LIBRARY} LIBS "-lstemmer")

find_path(EQUIPOISE_ROARING_INCLUDE roaring/roaring.h REQUIRED)
find_library(EQUIPOISE_ROARING_LIBRARY roaring REQUIRED)
equipoise_dependency(${EQUIPOISE_ROARING_LIBRARY} LIBS "-lroaring")

find_package(SQLite3 REQUIRED)
equipoise_dependency(SQLite::SQLite3 FIND "SQLite3" REQUIRES "sqlite3")

find_package(faiss CONFIG REQUIRED)
equipoise_dependency(faiss FIND "faiss CONFIG" LIBS "-lfaiss -llapack")
find_package(BLAS REQUIRED)
equipoise_dependency(BLAS::BLAS FIND "BLAS" LIBS "-lblas")

# Always, also where EQUIPOISE_STD_THREADS keeps our own code off it: FAISS's package names it.
find_package(OpenMP REQUIRED COMPONENTS CXX)
equipoise_dependency(OpenMP::OpenMP_CXX FIND "OpenMP COMPONENTS CXX" LIBS "${OpenMP_CXX_FLAGS}")
find_package(Threads REQUIRED)
equipoise_dependency(Threads::Threads FIND "Threads" LIBS "-pthread")

# Headers alone: compiled in, nothing left to find for whoever links us.
find_package(nlohmann_json CONFIG REQUIRED)
find_package(Eigen3 CONFIG REQUIRED)
find_path(EQUIPOISE_XXHASH_INCLUDE xxhash.h REQUIRED)
mark_as_advanced(EQUIPOISE_STEMMER_INCLUDE EQUIPOISE_STEMMER_LIBRARY EQUIPOISE_ROARING_INCLUDE
                 EQUIPOISE_ROARING_LIBRARY EQUIPOISE_XXHASH_INCLUDE)
