#define CHAINRULE_ISA avx2
#define CHAINRULE_ISA_NAME "avx2"
#include "kernels.inl"
