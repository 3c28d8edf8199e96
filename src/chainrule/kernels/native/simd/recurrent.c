/* A layer's steps in time, forwards and back: equations in models/recurrent, one product and one loop a step.
 *
 * Input products, the bias in them, come as rows of a table that ids choose, as one-hot vectors do, or, without
 * ids, one row a step. Arrays over time are [T, B, ...], step after step.
 */
#include "gemm.h"

#define FEW 8 /* rows times steps up to which packing the weights costs more than it gives */

/* A weight ready for products with a batch of rows. */
typedef struct {
    int64_t k, n, few;
    const float *plain;
    float *packed;
} weight;

static int ready(weight *w, int64_t k, int64_t n, const float *plain, int64_t down, int64_t across, int64_t rows) {
    *w = (weight){k, n, across == 1 && rows <= FEW, plain, NULL};
    if (w->few) return 0;
    w->packed = aligned_floats(packed_size(k, n));
    if (!w->packed) return 1;
    NAME(pack)(k, n, plain, down, across, w->packed);
    return 0;
}

static void times(const weight *w, int64_t rows, const float *a, float *c) {
    if (w->few)
        NAME(multiply_few)(rows, w->n, w->k, a, w->k, w->plain, c, w->n);
    else
        NAME(multiply)(rows, w->n, w->k, a, w->k, 1, w->packed, c, w->n, 0);
}

/* What all steps together say of the recurrent weight: H_{t-1}^T dA_t, summed in one product. */
static int weight_gradient(int64_t steps, int64_t batch, int64_t hidden, int64_t gates, const float *hiddens,
                           const float *d_sums, float *d_recurrent) {
    return NAME(sgemm)(hidden, gates, steps * batch, hiddens, 1, hidden, d_sums, gates, 1, d_recurrent, 0);
}

int NAME(rnn_forward)(int64_t steps, int64_t batch, int64_t hidden, const float *inputs, const int64_t *ids,
                      const float *recurrent, float *hiddens) {
    weight w;
    if (ready(&w, hidden, hidden, recurrent, hidden, 1, steps * batch)) return 1;
    unsigned before = flush_denormals();
    for (int64_t t = 0; t < steps; t++) {
        const float *past = hiddens + t * batch * hidden;
        float *now = hiddens + (t + 1) * batch * hidden;
        times(&w, batch, past, now);
        for (int64_t b = 0; b < batch; b++) {
            float *restrict h = now + b * hidden;
            const float *restrict x = input_of(inputs, ids, t * batch + b, hidden);
            for (int64_t j = 0; j < hidden; j++) h[j] = tanh_(h[j] + x[j]);
        }
    }
    restore(before);
    free(w.packed);
    return 0;
}

/* d_sums [T, B, H] gets dA; flow [B, H] the gradient by the state handed in; d_recurrent that by the weight. */
int NAME(rnn_backward)(int64_t steps, int64_t batch, int64_t hidden, const float *recurrent, const float *hiddens,
                       const float *d_hidden, float *d_sums, float *flow, float *d_recurrent) {
    weight w;
    if (ready(&w, hidden, hidden, recurrent, 1, hidden, steps * batch)) return 1;
    unsigned before = flush_denormals();
    memset(flow, 0, (size_t)(batch * hidden) * sizeof(float));
    for (int64_t t = steps; t-- > 0;) {
        int64_t at = t * batch * hidden;
        const float *restrict h = hiddens + at + batch * hidden;
        const float *restrict d = d_hidden + at;
        float *restrict d_a = d_sums + at;
        for (int64_t j = 0; j < batch * hidden; j++) d_a[j] = (flow[j] + d[j]) * (1.0f - h[j] * h[j]);
        times(&w, batch, d_a, flow);
    }
    restore(before);
    free(w.packed);
    return weight_gradient(steps, batch, hidden, hidden, hiddens, d_sums, d_recurrent);
}

int NAME(gru_forward)(int64_t steps, int64_t batch, int64_t hidden, const float *inputs, const int64_t *ids,
                      const float *recurrent, const float *candidate_bias, float *hiddens,
                      float *gates, float *reset) {
    weight w;
    int64_t all = 3 * hidden;
    if (ready(&w, hidden, all, recurrent, all, 1, steps * batch)) return 1;
    unsigned before = flush_denormals();
    for (int64_t t = 0; t < steps; t++) {
        times(&w, batch, hiddens + t * batch * hidden, gates + t * batch * all);
        for (int64_t b = 0; b < batch; b++) {
            int64_t row = t * batch + b;
            const float *restrict x = input_of(inputs, ids, row, all);
            const float *restrict past = hiddens + row * hidden;
            float *restrict h = hiddens + (row + batch) * hidden;
            float *restrict a = gates + row * all;
            float *restrict back = reset + row * hidden;
#pragma omp simd /* the gates of a row do not overlap */
            for (int64_t j = 0; j < hidden; j++) {
                float r = sigmoid_(a[j] + x[j]);
                float z = sigmoid_(a[hidden + j] + x[hidden + j]);
                float product = a[2 * hidden + j] + candidate_bias[j];
                float n = tanh_(x[2 * hidden + j] + r * product);
                a[j] = r, a[hidden + j] = z, a[2 * hidden + j] = n, back[j] = product;
                h[j] = n + z * (past[j] - n);
            }
        }
    }
    restore(before);
    free(w.packed);
    return 0;
}

/* gates become the gradients by H_{t-1} W_h, reset that by the argument of the candidate's tanh. */
int NAME(gru_backward)(int64_t steps, int64_t batch, int64_t hidden, const float *recurrent, const float *hiddens,
                       float *gates, float *reset, const float *d_hidden, float *flow, float *d_recurrent) {
    weight w;
    int64_t all = 3 * hidden;
    float *rest = aligned_floats(batch * hidden); /* of the flow: what passes the update gate */
    if (!rest) return 1;
    if (ready(&w, all, hidden, recurrent, 1, all, steps * batch)) {
        free(rest);
        return 1;
    }
    unsigned before = flush_denormals();
    memset(flow, 0, (size_t)(batch * hidden) * sizeof(float));
    for (int64_t t = steps; t-- > 0;) {
        for (int64_t b = 0; b < batch; b++) {
            int64_t row = t * batch + b;
            float *restrict a = gates + row * all, *restrict product = reset + row * hidden;
            const float *restrict past = hiddens + row * hidden, *restrict d = d_hidden + row * hidden;
            float *restrict f = flow + b * hidden, *restrict passed = rest + b * hidden;
#pragma omp simd /* the gates of a row do not overlap */
            for (int64_t j = 0; j < hidden; j++) {
                float r = a[j], z = a[hidden + j], n = a[2 * hidden + j];
                float into = f[j] + d[j];
                float d_n = into * (1.0f - z) * (1.0f - n * n);
                a[j] = d_n * product[j] * r * (1.0f - r);
                product[j] = d_n;
                a[hidden + j] = into * (past[j] - n) * z * (1.0f - z);
                a[2 * hidden + j] = d_n * r;
                passed[j] = into * z;
            }
        }
        times(&w, batch, gates + t * batch * all, flow);
        for (int64_t j = 0; j < batch * hidden; j++) flow[j] += rest[j];
    }
    restore(before);
    free(w.packed), free(rest);
    return weight_gradient(steps, batch, hidden, all, hiddens, gates, d_recurrent);
}

int NAME(lstm_forward)(int64_t steps, int64_t batch, int64_t hidden, const float *inputs, const int64_t *ids,
                       const float *recurrent, float *hiddens, float *cells, float *gates,
                       float *squashed) {
    weight w;
    int64_t all = 4 * hidden;
    if (ready(&w, hidden, all, recurrent, all, 1, steps * batch)) return 1;
    unsigned before = flush_denormals();
    for (int64_t t = 0; t < steps; t++) {
        times(&w, batch, hiddens + t * batch * hidden, gates + t * batch * all);
        for (int64_t b = 0; b < batch; b++) {
            int64_t row = t * batch + b;
            const float *restrict x = input_of(inputs, ids, row, all);
            const float *restrict past = cells + row * hidden;
            float *restrict c = cells + (row + batch) * hidden, *restrict h = hiddens + (row + batch) * hidden;
            float *restrict a = gates + row * all, *restrict s = squashed + row * hidden;
#pragma omp simd /* the gates of a row do not overlap */
            for (int64_t j = 0; j < hidden; j++) {
                int64_t f_at = hidden + j, g_at = 2 * hidden + j, o_at = 3 * hidden + j;
                float i = sigmoid_(a[j] + x[j]);
                float f = sigmoid_(a[f_at] + x[f_at]);
                float g = tanh_(a[g_at] + x[g_at]);
                float o = sigmoid_(a[o_at] + x[o_at]);
                a[j] = i, a[f_at] = f, a[g_at] = g, a[o_at] = o;
                c[j] = f * past[j] + i * g;
                s[j] = tanh_(c[j]);
                h[j] = o * s[j];
            }
        }
    }
    restore(before);
    free(w.packed);
    return 0;
}

/* gates become the gradients by the gates' arguments, so that a step touches them once; flow, cell_flow [B, H]: by the
 * state handed in. */
int NAME(lstm_backward)(int64_t steps, int64_t batch, int64_t hidden, const float *recurrent, const float *hiddens,
                        const float *cells,
                        float *gates, const float *squashed, const float *d_hidden, float *flow,
                        float *cell_flow, float *d_recurrent) {
    weight w;
    int64_t all = 4 * hidden;
    if (ready(&w, all, hidden, recurrent, 1, all, steps * batch)) return 1;
    unsigned before = flush_denormals();
    memset(flow, 0, (size_t)(batch * hidden) * sizeof(float));
    memset(cell_flow, 0, (size_t)(batch * hidden) * sizeof(float));
    for (int64_t t = steps; t-- > 0;) {
        for (int64_t b = 0; b < batch; b++) {
            int64_t row = t * batch + b;
            float *restrict a = gates + row * all;
            const float *restrict past = cells + row * hidden;
            const float *restrict s = squashed + row * hidden, *restrict d = d_hidden + row * hidden;
            float *restrict f_h = flow + b * hidden, *restrict f_c = cell_flow + b * hidden;
#pragma omp simd /* the gates of a row do not overlap */
            for (int64_t j = 0; j < hidden; j++) {
                float i = a[j], f = a[hidden + j], g = a[2 * hidden + j], o = a[3 * hidden + j];
                float by_h = f_h[j] + d[j];
                float by_c = f_c[j] + by_h * o * (1.0f - s[j] * s[j]);
                a[j] = by_c * g * i * (1.0f - i);
                a[hidden + j] = by_c * past[j] * f * (1.0f - f);
                a[2 * hidden + j] = by_c * i * (1.0f - g * g);
                a[3 * hidden + j] = by_h * s[j] * o * (1.0f - o);
                f_c[j] = by_c * f;
            }
        }
        times(&w, batch, gates + t * batch * all, flow);
    }
    restore(before);
    free(w.packed);
    return weight_gradient(steps, batch, hidden, all, hiddens, gates, d_recurrent);
}
