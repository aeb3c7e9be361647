#define CHAINRULE_ISA neon
#define CHAINRULE_ISA_NAME "neon"
#include "kernels.inl"
