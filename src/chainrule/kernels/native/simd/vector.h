/* Compiled once for each instruction set: names carry it, widths follow it. */
#ifndef CHAINRULE_VECTOR_H
#define CHAINRULE_VECTOR_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_(name, set) chainrule_##name##_##set
#define JOIN(name, set) JOIN_(name, set)
#define NAME(name) JOIN(name, SET)

/* A tile of ROWS x VECTORS sums stays in registers: 8 x 3 of 32, 4 x 3 of 16, 4 x 2 without fused multiply. */
#if defined(__AVX512F__)
#define LANES 16
#define ROWS 8
#define VECTORS 3
#elif defined(__AVX2__)
#define LANES 8
#define ROWS 4
#define VECTORS 3
#elif defined(__aarch64__)
#define LANES 4
#define ROWS 8
#define VECTORS 2
#else
#define LANES 4
#define ROWS 4
#define VECTORS 2
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4)));

/* exp x to 1 part in 10^7, by 2^n (1 + r + r^2/2! + ...), |r| <= ln 2 / 2; clamped where float32 ends. */
static inline float exp_(float x) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    x = x < -87.0f ? -87.0f : x;     /* written so that nan stays nan */
    x = x > 88.0f ? 88.0f : x;
    float n = (x * 1.44269504f + magic) - magic;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static inline float sigmoid_(float x) { return 1.0f / (1.0f + exp_(-x)); }

static inline float tanh_(float x) { return 2.0f / (1.0f + exp_(-2.0f * x)) - 1.0f; }

/* Numbers below 1e-38, as a vanishing gradient has them, take a hundred cycles each unless they are zeros. */
#if defined(__SSE__)
#include <xmmintrin.h>
static inline unsigned flush_denormals(void) {
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
}
static inline void restore(unsigned before) { _mm_setcsr(before); }
#else
static inline unsigned flush_denormals(void) { return 0; }
static inline void restore(unsigned before) { (void)before; }
#endif

/* An input product: the row of a table that an id chooses, or one row a step. */
static inline const float *input_of(const float *inputs, const int64_t *ids, int64_t row, int64_t gates) {
    return inputs + (ids ? ids[row] : row) * gates;
}

static inline float *aligned_floats(int64_t count) {
    size_t bytes = ((size_t)count * sizeof(float) + 63) / 64 * 64;
    return aligned_alloc(64, bytes ? bytes : 64);
}

#endif
