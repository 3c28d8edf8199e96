/* One-step errors of linear recursions over a series, for many settings of their rates; see kernels/series.py. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* squares [K, K], the upper triangle: += e e'. */
static void add_squares(int64_t K, const double *restrict e, double *restrict squares) {
    for (int64_t i = 0; i < K; i++) {
        double *restrict row = squares + i * K, one = e[i];
        if (one == 0) continue;
        for (int64_t j = i; j < K; j++) row[j] += one * e[j];
    }
}

static void mirror(int64_t K, double *squares) {
    for (int64_t i = 0; i < K; i++)
        for (int64_t j = 0; j < i; j++) squares[i * K + j] = squares[j * K + i];
}

/* Exponential smoothing of z [T] in column 0 and of nothing in the others, from first states level, trend [K] and
 * season [m, K]: squares [P, K, K] of the errors' columns. rates [4, P]: alpha, beta, gamma, phi. */
int chainrule_smooth_squares(int64_t T, int64_t m, int64_t P, int64_t K, const double *z, const double *rates,
                             const double *level0, const double *trend0, const double *season0, double *squares) {
    double *level = malloc((size_t)(K * (m + 3)) * sizeof(double));
    if (!level) return 1;
    double *trend = level + K, *e = trend + K, *season = e + K;
    memset(squares, 0, (size_t)(P * K * K) * sizeof(double));
    for (int64_t p = 0; p < P; p++) {
        const double alpha = rates[p], beta = rates[P + p], gamma = rates[2 * P + p], phi = rates[3 * P + p];
        memcpy(level, level0, (size_t)K * sizeof(double));
        memcpy(trend, trend0, (size_t)K * sizeof(double));
        memcpy(season, season0, (size_t)(m * K) * sizeof(double));
        for (int64_t t = 0; t < T; t++) {
            double *restrict place = season + (m ? t % m : 0) * K;
            for (int64_t k = 0; k < K; k++) {
                trend[k] *= phi;
                level[k] += trend[k];
                e[k] = -level[k];
            }
            e[0] += z[t];
            if (m)
                for (int64_t k = 0; k < K; k++) {
                    e[k] -= place[k];
                    place[k] += gamma * e[k];
                }
            for (int64_t k = 0; k < K; k++) {
                level[k] += alpha * e[k];
                trend[k] += beta * e[k];
            }
            add_squares(K, e, squares + p * K * K);
        }
        mirror(K, squares + p * K * K);
    }
    free(level);
    return 0;
}

static void turn(int64_t K, double a0, double a1, const double *restrict e, double *restrict l, double *restrict c) {
    for (int64_t k = 0; k < K; k++) {
        const double level = l[k], potential = c[k];
        l[k] = level - (1 - a1) * potential + (a0 - a1) * e[k];
        c[k] = level + (1 - a0) * potential + (a0 + a1) * e[k];
    }
}

/* The same of complex smoothing; the first state is level, potential [K], seasons and their potentials [m, K].
 * rates [4, P]: a0, a1, b0, b1. */
int chainrule_complex_squares(int64_t T, int64_t m, int64_t P, int64_t K, const double *z, const double *rates,
                              const double *first, double *squares) {
    const size_t size = (size_t)(K * (2 + 2 * m)) * sizeof(double);
    double *level = malloc(size + (size_t)K * sizeof(double));
    if (!level) return 1;
    double *potential = level + K, *season = potential + K, *potentials = season + m * K, *e = potentials + m * K;
    memset(squares, 0, (size_t)(P * K * K) * sizeof(double));
    for (int64_t p = 0; p < P; p++) {
        memcpy(level, first, size);
        for (int64_t t = 0; t < T; t++) {
            const int64_t place = (m ? t % m : 0) * K;
            for (int64_t k = 0; k < K; k++) e[k] = -level[k];
            e[0] += z[t];
            if (m) {
                for (int64_t k = 0; k < K; k++) e[k] -= season[place + k];
                turn(K, rates[2 * P + p], rates[3 * P + p], e, season + place, potentials + place);
            }
            turn(K, rates[p], rates[P + p], e, level, potential);
            add_squares(K, e, squares + p * K * K);
        }
        mirror(K, squares + p * K * K);
    }
    free(level);
    return 0;
}

/* e_t = z_t - sum_k ar_k z_{t - lag_k} - sum_k ma_k e_{t - lag_k}, errors [P, T], for ar [P, A], ma [P, M]; nothing
 * was before the first value, of z or of e. */
void chainrule_arma_errors(int64_t T, int64_t P, int64_t A, int64_t M, const int64_t *ar_lags, const int64_t *ma_lags,
                           const double *ar, const double *ma, const double *z, double *errors) {
    for (int64_t p = 0; p < P; p++, ar += A, ma += M, errors += T)
        for (int64_t t = 0; t < T; t++) {
            double e = z[t];
            for (int64_t k = 0; k < A && ar_lags[k] <= t; k++) e -= ar[k] * z[t - ar_lags[k]];
            for (int64_t k = 0; k < M && ma_lags[k] <= t; k++) e -= ma[k] * errors[t - ma_lags[k]];
            errors[t] = e;
        }
}
