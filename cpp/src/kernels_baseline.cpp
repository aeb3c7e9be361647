#define CHAINRULE_ISA baseline
#define CHAINRULE_ISA_NAME "baseline"
#include "kernels.inl"
