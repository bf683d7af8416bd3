// Vector types of kLanes lanes by the vector extension that g++ and clang++ share, so that one text
// serves every instruction set. Included inside the anonymous namespace of each feedback_LEVEL.cc.

// Typedefs: an attribute is not allowed in a using-declaration of these compilers' older versions.
typedef double Doubles __attribute__((vector_size(kLanes * 8)));            // NOLINT
typedef float Floats __attribute__((vector_size(kLanes * 4)));              // NOLINT
typedef long long Mask __attribute__((vector_size(kLanes * 8)));            // NOLINT
typedef unsigned long long Words __attribute__((vector_size(kLanes * 8)));  // NOLINT
