/* The steps of recurrent.c in double precision, for few rows: what is compressed goes step by step. Such a step takes
 * as long as reading its weights, so these stay the single precision that they were trained in, and are widened as they
 * come, once for all rows. Sums run over the units in their order: a row has the same digits alone and among others. */
#include "vector.h"

#define TOGETHER 8 /* rows of the weight whose products are added while a sum is in a register */
#define WIDE 128   /* columns at a time: with the sums of eight rows, half of the first-level cache */

/* exp x to 1 part in 10^15: 2^n (1 + r + r^2/2! + ... + r^13/13!), |r| <= ln 2 / 2. */
static inline double exp64(double x) {
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds, and the last bits are the number */
    x = x < -708.0 ? -708.0 : x;             /* written so that nan stays nan */
    x = x > 709.0 ? 709.0 : x;
    double shifted = x * 1.4426950408889634 + magic, n = shifted - magic;
    double r = x - n * 6.93147180369123816490e-01;
    r = r - n * 1.90821492927058770002e-10;
    double p = 1.0 / 6227020800;
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

static inline double sigmoid64(double x) { return 1.0 / (1.0 + exp64(-x)); }

static inline double tanh64(double x) { return 2.0 / (1.0 + exp64(-2.0 * x)) - 1.0; }

static inline const double *input_row(const double *inputs, const int64_t *ids, int64_t row, int64_t gates) {
    return inputs + (ids ? ids[row] : row) * gates;
}

/* c [R, N] = a [R, K] W [K, N] */
static void rows_times(int64_t r, int64_t k, int64_t n, const double *a, const float *w, double *c) {
    double wide[TOGETHER][WIDE];
    memset(c, 0, (size_t)(r * n) * sizeof *c);
    for (int64_t i = 0; i < k; i += TOGETHER)
        for (int64_t first = 0; first < n; first += WIDE) {
            int64_t width = n - first < WIDE ? n - first : WIDE, count = k - i < TOGETHER ? k - i : TOGETHER;
            for (int64_t t = 0; t < count; t++) {
                const float *from = w + (i + t) * n + first;
#pragma omp simd
                for (int64_t j = 0; j < width; j++) wide[t][j] = (double)from[j];
            }
            for (int64_t row = 0; row < r; row++) {
                const double *by = a + row * k + i;
                double *restrict to = c + row * n + first;
                if (count == TOGETHER) {
#pragma omp simd
                    for (int64_t j = 0; j < width; j++) {
                        double sum = to[j];
                        for (int t = 0; t < TOGETHER; t++) sum += by[t] * wide[t][j];
                        to[j] = sum;
                    }
                } else {
                    for (int64_t t = 0; t < count; t++)
#pragma omp simd
                        for (int64_t j = 0; j < width; j++) to[j] += by[t] * wide[t][j];
                }
            }
        }
}

int NAME(rnn_rows)(int64_t steps, int64_t batch, int64_t hidden, const double *inputs, const int64_t *ids,
                   const float *recurrent, double *hiddens) {
    for (int64_t row = 0; row < steps * batch; row++) {
        double *restrict h = hiddens + (row + batch) * hidden;
        const double *restrict x = input_row(inputs, ids, row, hidden);
        if (row % batch == 0) rows_times(batch, hidden, hidden, hiddens + row * hidden, recurrent, h);
#pragma omp simd
        for (int64_t j = 0; j < hidden; j++) h[j] = tanh64(h[j] + x[j]);
    }
    return 0;
}

int NAME(gru_rows)(int64_t steps, int64_t batch, int64_t hidden, const double *inputs, const int64_t *ids,
                   const float *recurrent, const double *candidate_bias, double *hiddens, double *gates,
                   double *reset) {
    int64_t all = 3 * hidden;
    for (int64_t row = 0; row < steps * batch; row++) {
        const double *restrict x = input_row(inputs, ids, row, all);
        const double *restrict past = hiddens + row * hidden;
        double *restrict h = hiddens + (row + batch) * hidden;
        double *restrict a = gates + row * all, *restrict back = reset + row * hidden;
        if (row % batch == 0) rows_times(batch, hidden, all, past, recurrent, a);
#pragma omp simd /* the gates of a row do not overlap */
        for (int64_t j = 0; j < hidden; j++) {
            double r = sigmoid64(a[j] + x[j]);
            double z = sigmoid64(a[hidden + j] + x[hidden + j]);
            double product = a[2 * hidden + j] + candidate_bias[j];
            double n = tanh64(x[2 * hidden + j] + r * product);
            a[j] = r, a[hidden + j] = z, a[2 * hidden + j] = n, back[j] = product;
            h[j] = n + z * (past[j] - n);
        }
    }
    return 0;
}

int NAME(lstm_rows)(int64_t steps, int64_t batch, int64_t hidden, const double *inputs, const int64_t *ids,
                    const float *recurrent, double *hiddens, double *cells, double *gates, double *squashed) {
    int64_t all = 4 * hidden;
    for (int64_t row = 0; row < steps * batch; row++) {
        const double *restrict x = input_row(inputs, ids, row, all);
        const double *restrict past = cells + row * hidden;
        double *restrict c = cells + (row + batch) * hidden, *restrict h = hiddens + (row + batch) * hidden;
        double *restrict a = gates + row * all, *restrict s = squashed + row * hidden;
        if (row % batch == 0) rows_times(batch, hidden, all, hiddens + row * hidden, recurrent, a);
#pragma omp simd /* the gates of a row do not overlap */
        for (int64_t j = 0; j < hidden; j++) {
            int64_t f_at = hidden + j, g_at = 2 * hidden + j, o_at = 3 * hidden + j;
            double i = sigmoid64(a[j] + x[j]);
            double f = sigmoid64(a[f_at] + x[f_at]);
            double g = tanh64(a[g_at] + x[g_at]);
            double o = sigmoid64(a[o_at] + x[o_at]);
            a[j] = i, a[f_at] = f, a[g_at] = g, a[o_at] = o;
            c[j] = f * past[j] + i * g;
            s[j] = tanh64(c[j]);
            h[j] = o * s[j];
        }
    }
    return 0;
}
