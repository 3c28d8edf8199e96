/* Adam's step over one array (Kingma & Ba 2015, algorithm 1; decay: Loshchilov 2019). */
#include "vector.h"

#include <math.h>

void NAME(adam)(int64_t size, float *restrict weight, const float *restrict gradient, float *restrict mean,
                float *restrict square, float keep1, float keep2, float rate, float correction, float eps,
                float decay) {
    unsigned before = flush_denormals();
    for (int64_t i = 0; i < size; i++) {
        float g = gradient[i];
        float m = mean[i] + keep1 * (g - mean[i]);
        float v = square[i] + keep2 * (g * g - square[i]);
        mean[i] = m, square[i] = v;
        weight[i] = weight[i] * decay - rate * m / (sqrtf(v) * correction + eps);
    }
    restore(before);
}

/* The sum of squares, in double precision. */
double NAME(squares)(int64_t size, const float *restrict x) {
    double total = 0;
    for (int64_t from = 0; from < size; from += 4096) {
        int64_t to = from + 4096 < size ? from + 4096 : size;
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t i = from; i < to; i++) part += x[i] * x[i];
        total += (double)part;
    }
    return total;
}
