/* An input product backwards; see kernels/linear.py. */
#include "gemm.h"

static void add_up(int64_t rows, int64_t columns, const float *restrict from, float *restrict sums) {
    memset(sums, 0, (size_t)columns * sizeof(float));
    for (int64_t row = 0; row < rows; row++)
        for (int64_t j = 0; j < columns; j++) sums[j] += from[row * columns + j];
}

/* out [V, D]: row v is the sum of the rows [N, D] whose id is v, which is the transpose of a gather. */
void NAME(sum_rows)(int64_t rows, int64_t vocab, int64_t width, const int64_t *ids, const float *from, float *out) {
    memset(out, 0, (size_t)(vocab * width) * sizeof(float));
    for (int64_t row = 0; row < rows; row++) {
        float *restrict to = out + ids[row] * width;
        const float *restrict x = from + row * width;
        for (int64_t j = 0; j < width; j++) to[j] += x[j];
    }
}

/* What the input product's gradient d_sums [N, G] says of the bias, and of the rows of a table that ids chose. */
void NAME(by_ids)(int64_t rows, int64_t vocab, int64_t gates, const int64_t *ids, const float *d_sums, float *d_table,
                  float *d_bias) {
    NAME(sum_rows)(rows, vocab, gates, ids, d_sums, d_table);
    int64_t less = vocab < rows ? vocab : rows; /* either adds up to the same */
    add_up(less, gates, less == vocab ? d_table : d_sums, d_bias);
}

/* The same for input vectors [N, D]: of their weight [D, G], the bias, and the vectors. */
int NAME(by_vectors)(int64_t rows, int64_t width, int64_t gates, const float *vectors, const float *weight,
                     const float *d_sums, float *d_weight, float *d_bias, float *d_vectors) {
    add_up(rows, gates, d_sums, d_bias);
    return NAME(sgemm)(width, gates, rows, vectors, 1, width, d_sums, gates, 1, d_weight, 0) ||
           NAME(sgemm)(rows, width, gates, d_sums, gates, 1, weight, 1, gates, d_vectors, 0);
}
