#define CHAINRULE_ISA avx512
#define CHAINRULE_ISA_NAME "avx512"
#include "kernels.inl"
