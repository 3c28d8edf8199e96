/* The cells whose gates look at the input alone: no product waits for the step before; see models/recurrent. */
#include "vector.h"

int NAME(mingru_forward)(int64_t steps, int64_t batch, int64_t hidden, const float *inputs, const int64_t *ids,
                         float *hiddens, float *gates) {
    unsigned before = flush_denormals();
    for (int64_t row = 0; row < steps * batch; row++) {
        const float *restrict x = input_of(inputs, ids, row, 2 * hidden);
        const float *restrict past = hiddens + row * hidden;
        float *restrict h = hiddens + (row + batch) * hidden, *restrict a = gates + row * 2 * hidden;
#pragma omp simd
        for (int64_t j = 0; j < hidden; j++) {
            float z = sigmoid_(x[j]), n = x[hidden + j];
            a[j] = z, a[hidden + j] = n;
            h[j] = past[j] + z * (n - past[j]);
        }
    }
    restore(before);
    return 0;
}

/* d_sums [T, B, 2 H]: by the gates' arguments; flow [B, H] by the state handed in. */
int NAME(mingru_backward)(int64_t steps, int64_t batch, int64_t hidden, const float *hiddens, const float *gates,
                           const float *d_hidden, float *d_sums, float *flow) {
    unsigned before = flush_denormals();
    memset(flow, 0, (size_t)(batch * hidden) * sizeof(float));
    for (int64_t row = steps * batch; row-- > 0;) {
        const float *restrict a = gates + row * 2 * hidden, *restrict past = hiddens + row * hidden;
        const float *restrict d = d_hidden + row * hidden;
        float *restrict d_a = d_sums + row * 2 * hidden, *restrict f = flow + row % batch * hidden;
#pragma omp simd
        for (int64_t j = 0; j < hidden; j++) {
            float z = a[j], into = f[j] + d[j];
            d_a[j] = into * (a[hidden + j] - past[j]) * z * (1.0f - z);
            d_a[hidden + j] = into * z;
            f[j] = into - into * z;
        }
    }
    restore(before);
    return 0;
}

/* forget [T, B, H]: F' = F / (F + I); with F = 1 / (1 + a) and I = 1 / (1 + b) it is (1 + b) / (2 + a + b). */
int NAME(minlstm_forward)(int64_t steps, int64_t batch, int64_t hidden, const float *inputs, const int64_t *ids,
                           float *hiddens, float *gates, float *forget) {
    unsigned before = flush_denormals();
    for (int64_t row = 0; row < steps * batch; row++) {
        const float *restrict x = input_of(inputs, ids, row, 3 * hidden);
        const float *restrict past = hiddens + row * hidden;
        float *restrict h = hiddens + (row + batch) * hidden, *restrict g = gates + row * 3 * hidden;
        float *restrict kept = forget + row * hidden;
#pragma omp simd
        for (int64_t j = 0; j < hidden; j++) {
            float a = exp_(-x[j]), b = exp_(-x[hidden + j]), n = x[2 * hidden + j];
            float keep = (1.0f + b) / (2.0f + a + b);
            g[j] = 1.0f / (1.0f + a), g[hidden + j] = 1.0f / (1.0f + b), g[2 * hidden + j] = n;
            kept[j] = keep;
            h[j] = n + keep * (past[j] - n);
        }
    }
    restore(before);
    return 0;
}

int NAME(minlstm_backward)(int64_t steps, int64_t batch, int64_t hidden, const float *hiddens, const float *gates,
                            const float *forget, const float *d_hidden, float *d_sums, float *flow) {
    unsigned before = flush_denormals();
    memset(flow, 0, (size_t)(batch * hidden) * sizeof(float));
    for (int64_t row = steps * batch; row-- > 0;) {
        const float *restrict g = gates + row * 3 * hidden, *restrict past = hiddens + row * hidden;
        const float *restrict kept = forget + row * hidden, *restrict d = d_hidden + row * hidden;
        float *restrict d_a = d_sums + row * 3 * hidden, *restrict f = flow + row % batch * hidden;
#pragma omp simd
        for (int64_t j = 0; j < hidden; j++) {
            float keep = kept[j], into = f[j] + d[j];
            float by_argument = into * (past[j] - g[2 * hidden + j]) * keep * (1.0f - keep);
            d_a[j] = by_argument * (1.0f - g[j]);
            d_a[hidden + j] = by_argument * (g[hidden + j] - 1.0f);
            d_a[2 * hidden + j] = into * (1.0f - keep);
            f[j] = into * keep;
        }
    }
    restore(before);
    return 0;
}
