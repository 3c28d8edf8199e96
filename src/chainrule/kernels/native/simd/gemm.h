/* Products of float32 matrices in the calling thread; see gemm.c. */
#ifndef CHAINRULE_GEMM_H
#define CHAINRULE_GEMM_H

#include "vector.h"

#define NARROW (LANES * VECTORS) /* columns of a panel */

/* Numbers that a packed K x N matrix takes. */
static inline int64_t packed_size(int64_t k, int64_t n) { return k * ((n + LANES - 1) / LANES * LANES); }

/* B [K, N], B_kn at b[k * down + n * across], into panels of columns that the product reads in order. */
void NAME(pack)(int64_t k, int64_t n, const float *b, int64_t down, int64_t across, float *packed);

/* C [M, N] = A B (+ C where added); A_mk at a[m * down + k * across], C_mn at c[m * wide + n]. */
void NAME(multiply)(int64_t m, int64_t n, int64_t k, const float *a, int64_t down, int64_t across,
                    const float *packed, float *c, int64_t wide, int added);

/* The same for a few rows, which do not pay for packing: B row by row, B_kn at b[k * n_all + n]. */
void NAME(multiply_few)(int64_t m, int64_t n, int64_t k, const float *a, int64_t down, const float *b, float *c,
                        int64_t wide);

/* C [M, N] = A B (+ C where added), both of any strides, C in rows; 1 where memory is short. */
int NAME(sgemm)(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_down, int64_t a_across, const float *b,
                int64_t b_down, int64_t b_across, float *c, int64_t added);

#endif
