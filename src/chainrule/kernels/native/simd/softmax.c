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
