/* C = A B. The right matrix is copied into panels of VECTORS vectors a row, so that a tile of ROWS x VECTORS sums
 * reads it in order; every sum adds its terms in the order of k, whatever the shape of the matrices. */
#include "gemm.h"

#define DEEP 768 /* rows of B at a time: a panel of them stays in the second-level cache */

void NAME(pack)(int64_t k, int64_t n, const float *b, int64_t down, int64_t across, float *packed) {
    for (int64_t at = 0; at < n; at += NARROW) {
        int64_t wide = n - at < NARROW ? n - at : NARROW;
        int64_t padded = (wide + LANES - 1) / LANES * LANES;
        float *to = packed + at * k;
        if (across == 1) {
            for (int64_t i = 0; i < k; i++, to += padded) {
                memcpy(to, b + i * down + at, (size_t)wide * sizeof(float));
                memset(to + wide, 0, (size_t)(padded - wide) * sizeof(float));
            }
        } else {
            for (int64_t low = 0; low < k; low += 16) { /* a cache line of each row of the transpose at a time */
                int64_t high = low + 16 < k ? low + 16 : k;
                for (int64_t j = 0; j < padded; j++) {
                    const float *from = b + (at + j) * across;
                    for (int64_t i = low; i < high; i++) to[i * padded + j] = j < wide ? from[i * down] : 0.0f;
                }
            }
        }
    }
}

/* The tile: rows and vectors are constants once it is inlined. */
static inline __attribute__((always_inline)) void tile(int rows, int vectors, int64_t k, const float *a, int64_t down,
                                                       int64_t across, const float *b, float *c, int64_t wide,
                                                       int64_t columns, int added) {
    vec sums[ROWS][VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) sums[i][j] = (vec){0};
    for (int64_t step = 0; step < k; step++, a += across, b += vectors * LANES) {
        vec right[VECTORS];
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) right[j] = *(const vec *)(b + j * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
            for (int j = 0; j < vectors; j++) sums[i][j] += a[i * down] * right[j];
    }
    if (columns == vectors * LANES) {
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
            for (int j = 0; j < vectors; j++) {
                loose *to = (loose *)(c + i * wide + j * LANES);
                *to = added ? *to + sums[i][j] : sums[i][j];
            }
        return;
    }
    float edge[VECTORS * LANES];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) *(loose *)(edge + j * LANES) = sums[i][j];
        float *to = c + i * wide;
        for (int64_t j = 0; j < columns; j++) to[j] = added ? to[j] + edge[j] : edge[j];
    }
}

/* One function a height and width, or the registers would not be the compiler's to plan. */
#define TILE(rows, vectors)                                                                                        \
    static __attribute__((noinline)) void tile_##rows##_##vectors(int64_t k, const float *a, int64_t down,          \
                                                                  int64_t across, const float *b, float *c,         \
                                                                  int64_t wide, int64_t columns, int added) {       \
        tile(rows, vectors, k, a, down, across, b, c, wide, columns, added);                                        \
    }
typedef void (*tile_of)(int64_t, const float *, int64_t, int64_t, const float *, float *, int64_t, int64_t, int);
#define TILES(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3)
#if VECTORS == 3
#define ROW_OF(rows) {tile_##rows##_1, tile_##rows##_2, tile_##rows##_3}
#else
#undef TILES
#define TILES(rows) TILE(rows, 1) TILE(rows, 2)
#define ROW_OF(rows) {tile_##rows##_1, tile_##rows##_2}
#endif
TILES(1) TILES(2) TILES(4)
#if ROWS == 8
TILES(8)
static const tile_of tiles[][VECTORS] = {ROW_OF(8), ROW_OF(4), ROW_OF(2), ROW_OF(1)};
#else
static const tile_of tiles[][VECTORS] = {ROW_OF(4), ROW_OF(2), ROW_OF(1)};
#endif

void NAME(multiply)(int64_t m, int64_t n, int64_t k, const float *a, int64_t down, int64_t across,
                    const float *packed, float *c, int64_t wide, int added) {
    for (int64_t at = 0; at < n; at += NARROW) {
        int64_t columns = n - at < NARROW ? n - at : NARROW;
        int vectors = (int)((columns + LANES - 1) / LANES);
        const float *panel = packed + at * k;
        int height = ROWS, kind = 0;
        for (int64_t row = 0; row < m;) {
            if (m - row < height) {
                height /= 2, kind++;
                continue;
            }
            tiles[kind][vectors - 1](k, a + row * down, down, across, panel, c + row * wide + at, wide, columns, added);
            row += height;
        }
    }
}

void NAME(multiply_few)(int64_t m, int64_t n, int64_t k, const float *a, int64_t down, const float *b, float *c,
                        int64_t wide) {
    for (int64_t i = 0; i < m; i++) {
        float *restrict to = c + i * wide;
        const float *left = a + i * down;
        memset(to, 0, (size_t)n * sizeof(float));
        int64_t at = 0;
        for (; at + 4 <= k; at += 4) {
            const float *restrict row = b + at * n;
            float w0 = left[at], w1 = left[at + 1], w2 = left[at + 2], w3 = left[at + 3];
            for (int64_t j = 0; j < n; j++) {
                float sum = to[j] + w0 * row[j];
                sum += w1 * row[n + j];
                sum += w2 * row[2 * n + j];
                to[j] = sum + w3 * row[3 * n + j];
            }
        }
        for (; at < k; at++)
            for (int64_t j = 0; j < n; j++) to[j] += left[at] * b[at * n + j];
    }
}

/* A copied so that a tile's ROWS numbers of a step lie together: for a left matrix that is a transpose. */
static void pack_left(int64_t m, int64_t k, const float *a, int64_t down, int64_t across, float *packed) {
    for (int64_t row = 0; row < m; row += ROWS) {
        int64_t height = m - row < ROWS ? m - row : ROWS;
        for (int64_t step = 0; step < k; step++)
            for (int64_t i = 0; i < ROWS; i++)
                *packed++ = i < height ? a[(row + i) * down + step * across] : 0.0f;
    }
}

int NAME(sgemm)(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_down, int64_t a_across, const float *b,
                int64_t b_down, int64_t b_across, float *c, int64_t added) {
    int turned = a_across != 1;
    float *panel = aligned_floats(DEEP * NARROW);
    float *left = turned ? aligned_floats((m + ROWS - 1) / ROWS * ROWS * DEEP) : NULL;
    if (!panel || (turned && !left)) {
        free(panel), free(left);
        return 1;
    }
    unsigned before = flush_denormals();
    if (!k && !added) memset(c, 0, (size_t)(m * n) * sizeof(float));
    for (int64_t from = 0; from < k; from += DEEP) {
        int64_t deep = k - from < DEEP ? k - from : DEEP;
        const float *a_from = a + from * a_across;
        if (turned) pack_left(m, deep, a_from, a_down, a_across, left);
        for (int64_t at = 0; at < n; at += NARROW) {
            int64_t columns = n - at < NARROW ? n - at : NARROW;
            NAME(pack)(deep, columns, b + from * b_down + at * b_across, b_down, b_across, panel);
            if (!turned) {
                NAME(multiply)(m, columns, deep, a_from, a_down, 1, panel, c + at, n, added || from > 0);
                continue;
            }
            for (int64_t row = 0; row < m; row += ROWS) {
                int64_t height = m - row < ROWS ? m - row : ROWS;
                NAME(multiply)(height, columns, deep, left + row * deep, 1, ROWS, panel, c + row * n + at, n, added || from > 0);
            }
        }
    }
    restore(before);
    free(panel), free(left);
    return 0;
}
