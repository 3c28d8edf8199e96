/* Which of the builds of native/simd this processor can run. */

/* 2: the instructions of avx512, 1: of avx2, 0: those that every processor of its kind has. */
int chainrule_instructions(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

#if defined(__GLIBC__) || defined(__linux__)
#include <malloc.h>
#endif

/* Memory that is freed stays with the process: a training step needs the same again at once, and to get it from the
 * system page by page takes up to a tenth of the step. */
void chainrule_keep_memory(void) {
#if defined(M_TRIM_THRESHOLD) && defined(M_MMAP_THRESHOLD)
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}
