# An inline function or template that two translation units share is kept once by the linker, compiled for whichever
# instruction set came first: for AVX-512, say, in code that any machine runs. So kernels of an instruction set that not
# every machine has must define no such function (weak symbols, nm's V, W and u) but in the namespace of this instruction
# set; of the standard library, nothing is left that was not inlined.
#   cmake -DNM=nm -DARCHIVE=libchainrule_core.a -P kernels_are_apart.cmake
execute_process(COMMAND "${NM}" --defined-only --demangle --print-file-name "${ARCHIVE}"
                OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]*kernels_(avx2|avx512)[^\n]* [VWu] [^\n]*" weak "${symbols}")
list(FILTER weak EXCLUDE REGEX "kernels_(avx2|avx512).* [VWu] .*::(avx2|avx512)::")
if(weak)
  list(JOIN weak "\n  " weak)
  message(FATAL_ERROR "kernels of one instruction set define functions that the linker may give to all:\n  ${weak}")
endif()
