/* One stream drawn from a recurrent network: every step multiplies a vector by all weights, which takes as long as
 * reading them, so threads read a share of the units each and keep time by spinning: a step is too short to sleep. */
#include "gemm.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { RNN = 1, GRU = 3, LSTM = 4 }; /* a cell is known by its number of gates */
#define PATIENCE 4000                /* looks before a waiting thread lets others have the processor */

/* A layer as it is handed in: the input weight is of the layer below (none for the first: the table has it). */
typedef struct {
    const float *input, *bias, *recurrent, *candidate_bias;
    float *hidden, *cell; /* the state: [2, H], from the first row to the other at each step and back; and [H] */
} layer;

typedef struct {
    int64_t gates, layers, hidden, vocab, steps, threads;
    const layer *stack;
    const float *table, *output, *output_bias;
    double temperature;
    const double *uniforms;
    const uint8_t *banned;
    int64_t *ids;
    float *logits;
    atomic_llong arrived;
} stream;

/* What one thread owns: the units low .. high of every layer, their weights copied side by side. */
typedef struct {
    stream *all;
    int64_t number, low, high;
    float *packed, *sums;
} share;

static void meet(stream *all, int64_t *rounds) {
    long long wanted = (long long)(++*rounds * all->threads);
    atomic_fetch_add_explicit(&all->arrived, 1, memory_order_acq_rel);
    for (int64_t looks = 0; atomic_load_explicit(&all->arrived, memory_order_acquire) < wanted; looks++)
        if (looks > PATIENCE) sched_yield();
}

static int64_t packed_gate(const share *own, int64_t hidden) { return packed_size(hidden, own->high - own->low); }

/* The cell's equations for the thread's units; sums hold the products by the past, then (upper layers) from below. */
static void units(const share *own, const layer *l, const float *x, const float *past, float *next) {
    int64_t hidden = own->all->hidden, n = own->high - own->low, gates = own->all->gates;
    const float *restrict a = own->sums;
    if (gates == RNN) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) next[own->low + i] = tanh_(a[i] + x[own->low + i]);
    } else if (gates == GRU) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            int64_t j = own->low + i;
            float r = sigmoid_(a[i] + x[j]), z = sigmoid_(a[n + i] + x[hidden + j]);
            float c = tanh_(x[2 * hidden + j] + r * (a[2 * n + i] + l->candidate_bias[j]));
            next[j] = c + z * (past[j] - c);
        }
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            int64_t j = own->low + i;
            float in = sigmoid_(a[i] + x[j]), keep = sigmoid_(a[n + i] + x[hidden + j]);
            float g = tanh_(a[2 * n + i] + x[2 * hidden + j]), out = sigmoid_(a[3 * n + i] + x[3 * hidden + j]);
            l->cell[j] = keep * l->cell[j] + in * g;
            next[j] = out * tanh_(l->cell[j]);
        }
    }
}

/* Where the uniform number falls among the summed masses exp(logit / temperature); at 0 the likeliest. */
static int64_t choose(const stream *all, double uniform) {
    double top = -INFINITY, total = 0;
    int64_t best = 0;
    for (int64_t v = 0; v < all->vocab; v++)
        if (!all->banned[v] && (double)all->logits[v] > top) top = (double)all->logits[v], best = v;
    if (all->temperature == 0) return best;
    for (int64_t v = 0; v < all->vocab; v++)
        if (!all->banned[v]) total += exp(((double)all->logits[v] - top) / all->temperature);
    double left = uniform * total, sum = 0;
    for (int64_t v = 0; v < all->vocab; v++) {
        if (all->banned[v]) continue;
        sum += exp(((double)all->logits[v] - top) / all->temperature);
        if (sum > left) return v;
    }
    return best;
}

static void copy_weights(share *own) {
    const stream *all = own->all;
    float *to = own->packed;
    int64_t n = own->high - own->low, wide = all->gates * all->hidden;
    for (int64_t at = 0; at < all->layers; at++)
        for (int below = 0; below <= (at > 0); below++)
            for (int64_t g = 0; g < all->gates; g++, to += packed_gate(own, all->hidden)) {
                const float *from = below ? all->stack[at].input : all->stack[at].recurrent;
                NAME(pack)(all->hidden, n, from + g * all->hidden + own->low, wide, 1, to);
            }
}

static void *speak(void *argument) {
    share *own = argument;
    stream *all = own->all;
    unsigned before = flush_denormals();
    copy_weights(own);
    int64_t hidden = all->hidden, gates = all->gates, n = own->high - own->low, rounds = 0;
    int64_t gate = packed_gate(own, hidden);
    float *x = own->sums + gates * n; /* the input product, when it comes from below */
    for (int64_t t = 0; t < all->steps; t++) {
        int64_t old = (t & 1) * hidden, new = hidden - old;
        if (!own->number) {
            NAME(multiply_few)(1, all->vocab, hidden, all->stack[all->layers - 1].hidden + old, hidden, all->output,
                               all->logits, all->vocab);
            for (int64_t v = 0; v < all->vocab; v++) all->logits[v] += all->output_bias[v];
            all->ids[t] = choose(all, all->uniforms[t]);
        }
        meet(all, &rounds);
        const float *weights = own->packed, *inputs = all->table + all->ids[t] * gates * hidden;
        for (int64_t at = 0; at < all->layers; at++) {
            const layer *l = all->stack + at;
            for (int64_t g = 0; g < gates; g++, weights += gate)
                NAME(multiply)(1, n, hidden, l->hidden + old, hidden, 1, weights, own->sums + g * n, n, 0);
            for (int64_t g = 0; at && g < gates; g++, weights += gate) {
                float *to = x + g * hidden + own->low;
                NAME(multiply)(1, n, hidden, l[-1].hidden + new, hidden, 1, weights, to, n, 0);
                for (int64_t i = 0; i < n; i++) to[i] += l->bias[g * hidden + own->low + i];
            }
            units(own, l, at ? x : inputs, l->hidden + old, l->hidden + new);
            meet(all, &rounds);
        }
    }
    restore(before);
    return NULL;
}

/* Draws ids [T], each read before the next; uniforms [T] in 0..1. Returns 1 where memory or threads are short. */
int NAME(draw)(int64_t gates, int64_t layers, int64_t hidden, int64_t vocab, int64_t steps, int64_t threads,
               const layer *stack, const float *table, const float *output, const float *output_bias,
               const double *temperature, const double *uniforms, const uint8_t *banned, int64_t *ids) {
    if (threads > hidden) threads = hidden;
    stream all = {gates, layers, hidden, vocab, steps, threads, stack, table, output, output_bias, *temperature,
                  uniforms, banned, ids, aligned_floats(vocab), 0};
    share *shares = calloc((size_t)threads, sizeof *shares);
    pthread_t *running = calloc((size_t)threads, sizeof *running);
    int short_of = !all.logits || !shares || !running;
    for (int64_t i = 0; i < threads && !short_of; i++) {
        share *own = shares + i;
        *own = (share){&all, i, i * hidden / threads, (i + 1) * hidden / threads, NULL, NULL};
        int64_t n = own->high - own->low;
        own->packed = aligned_floats((2 * layers - 1) * gates * packed_gate(own, hidden));
        own->sums = aligned_floats(gates * n + gates * hidden);
        if (!own->packed || !own->sums) short_of = 1;
    }
    int64_t started = 1;
    while (!short_of && started < threads) {
        if (pthread_create(running + started, NULL, speak, shares + started)) {
            short_of = 1; /* those that run wait for one that never comes: let them through, their work is not used */
            atomic_store(&all.arrived, 1LL << 60);
        } else {
            started++;
        }
    }
    if (!short_of) speak(shares);
    for (int64_t i = 1; i < started; i++) pthread_join(running[i], NULL);
    for (int64_t i = 0; shares && i < threads; i++) free(shares[i].packed), free(shares[i].sums);
    free(shares), free(running), free(all.logits);
    return short_of;
}
