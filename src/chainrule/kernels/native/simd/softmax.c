/* Softmax with cross-entropy, row by row, and its gradient over the logits. */
#include "gemm.h"

#include <math.h>

#define IN_FLIGHT (1 << 22) /* logits at once; each block of rows adds to all of the weight's gradient */

/* Logits [N, V] become scale (softmax - onehot(label)); returns the summed nats. */
double NAME(cross_entropy)(int64_t rows, int64_t vocab, float *logits, const int64_t *labels, float scale) {
    unsigned before = flush_denormals();
    double nats = 0;
    for (int64_t row = 0; row < rows; row++) {
        float *restrict o = logits + row * vocab;
        float top = o[0];
#pragma omp simd reduction(max : top)
        for (int64_t v = 0; v < vocab; v++) top = o[v] > top ? o[v] : top;
        float chosen = o[labels[row]] - top, total = 0;
#pragma omp simd reduction(+ : total)
        for (int64_t v = 0; v < vocab; v++) {
            o[v] = exp_(o[v] - top);
            total += o[v];
        }
        nats += log((double)total) - (double)chosen;
        float share = scale / total;
        for (int64_t v = 0; v < vocab; v++) o[v] *= share;
        o[labels[row]] -= scale;
    }
    restore(before);
    return nats;
}

/* An output layer forwards and back: nats of the labels, and gradients of share * nats by the vectors [N, D], the
 * weight [D, V], of any strides, and the bias. */
int NAME(softmax_layer)(int64_t rows, int64_t width, int64_t vocab, const float *vectors, const float *weight,
                        int64_t down, int64_t across, const float *bias, const int64_t *labels, float share,
                        double *nats, float *d_vectors, float *d_weight, float *d_bias) {
    int64_t most = IN_FLIGHT / vocab < 1 ? 1 : IN_FLIGHT / vocab;
    float *logits = aligned_floats((most < rows ? most : rows) * vocab);
    int status = !logits;
    *nats = 0;
    memset(d_bias, 0, (size_t)vocab * sizeof(float));
    if (!rows) memset(d_weight, 0, (size_t)(width * vocab) * sizeof(float));
    for (int64_t at = 0; at < rows && !status; at += most) {
        int64_t some = rows - at < most ? rows - at : most;
        const float *read = vectors + at * width;
        status = NAME(sgemm)(some, vocab, width, read, width, 1, weight, down, across, logits, 0);
        if (status) break;
        for (int64_t row = 0; row < some; row++)
            for (int64_t v = 0; v < vocab; v++) logits[row * vocab + v] += bias[v];
        *nats += NAME(cross_entropy)(some, vocab, logits, labels + at, share);
        for (int64_t row = 0; row < some; row++)
            for (int64_t v = 0; v < vocab; v++) d_bias[v] += logits[row * vocab + v];
        status = NAME(sgemm)(some, width, vocab, logits, vocab, 1, weight, across, down, d_vectors + at * width, 0) ||
                 NAME(sgemm)(width, vocab, some, read, 1, width, logits, vocab, 1, d_weight, at > 0);
    }
    free(logits);
    return status;
}

/* log softmax(hidden W + b) at the labels, over columns in blocks whose sums of exponentials are carried on: N x V is
 * never held, and W [D, V], of any strides, is copied once. */
int NAME(label_log_probs)(int64_t rows, int64_t width, int64_t vocab, const float *hidden, const float *weight,
                          int64_t down, int64_t across, const float *bias, const int64_t *labels, double *out) {
    enum { COLUMNS = 16 * NARROW, SOME = 64 };
    float *packed = aligned_floats(width * COLUMNS), *logits = aligned_floats(SOME * COLUMNS);
    float *tops = aligned_floats(rows);
    double *totals = calloc((size_t)(rows ? rows : 1), sizeof *totals);
    int status = !packed || !logits || !tops || !totals;
    unsigned before = flush_denormals();
    for (int64_t at = 0; at < vocab && !status; at += COLUMNS) {
        int64_t wide = vocab - at < COLUMNS ? vocab - at : COLUMNS;
        NAME(pack)(width, wide, weight + at * across, down, across, packed);
        for (int64_t from = 0; from < rows; from += SOME) {
            int64_t some = rows - from < SOME ? rows - from : SOME;
            NAME(multiply)(some, wide, width, hidden + from * width, width, 1, packed, logits, wide, 0);
            for (int64_t row = from; row < from + some; row++) {
                float *restrict o = logits + (row - from) * wide;
                float top = at ? tops[row] : o[0] + bias[at], total = 0;
#pragma omp simd reduction(max : top)
                for (int64_t v = 0; v < wide; v++) {
                    o[v] += bias[at + v];
                    top = o[v] > top ? o[v] : top;
                }
                if (at) totals[row] *= exp((double)tops[row] - (double)top);
                int64_t label = labels[row] - at;
                if (label >= 0 && label < wide) out[row] = (double)o[label];
#pragma omp simd reduction(+ : total)
                for (int64_t v = 0; v < wide; v++) total += exp_(o[v] - top);
                totals[row] += (double)total;
                tops[row] = top;
            }
        }
    }
    for (int64_t row = 0; row < rows && !status; row++) out[row] -= (double)tops[row] + log(totals[row]);
    restore(before);
    free(packed), free(logits), free(tops), free(totals);
    return status;
}
