/* A backoff model in a trie: one level an order, the n-grams that extend a context side by side.

   log p(w | h) = log_prob(h w) where h w is listed, else backoff(h) + log p(w | h without its first token)

   A file from a stranger may hold anything: every index read from an array is checked before it is used. */

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MOST = 255 }; /* orders */

typedef struct {
    const int32_t *tokens;   /* [U] the last token of each n-gram, rising within a context */
    const uint32_t *first;   /* [C + 1] the n-grams of context c: first[c] .. first[c + 1] */
    const float *log_probs;  /* [U], or [256] where codes are given */
    const float *backoffs;   /* the same; NULL in the highest level */
    const uint8_t *prob_codes, *backoff_codes; /* [U] or NULL */
    int64_t size, contexts;
} Level;

typedef struct {
    const Level *levels;
    int32_t order;
    int64_t vocab_size;
    int64_t end; /* the token after which a sentence begins anew, or -1 */
} Model;

static double log_prob(const Level *level, int64_t at) {
    return level->prob_codes ? level->log_probs[level->prob_codes[at]] : level->log_probs[at];
}

static double backoff(const Level *level, int64_t at) {
    if (!level->backoffs) return 0;
    return level->backoff_codes ? level->backoffs[level->backoff_codes[at]] : level->backoffs[at];
}

static void children(const Level *level, int64_t context, int64_t *low, int64_t *high) {
    *low = *high = 0;
    if (context < 0 || context >= level->contexts) return;
    *low = level->first[context];
    *high = level->first[context + 1];
    if (*high > level->size) *high = level->size;
    if (*low > *high) *low = *high;
}

/* The n-gram of a context that ends in token, or -1. */
static int64_t find(const Level *level, int64_t context, int64_t token) {
    int64_t low, high;
    children(level, context, &low, &high);
    int64_t n = high - low;
    if (n <= 0) return -1;
    const int32_t *tokens = level->tokens + low;
    while (n > 1) { /* the last entry that is not above token is in tokens[0 .. n] */
        int64_t half = n / 2;
        tokens += tokens[half] <= token ? half : 0;
        n -= half;
    }
    return *tokens == token ? tokens - level->tokens : -1;
}

/* ends[k], k = 0 .. order: the k-gram that ends with token after contexts before[0 .. order - 1]. */
static void step(const Model *m, const int64_t *before, int64_t token, int64_t *ends) {
    ends[0] = 0;
    ends[1] = token >= 0 && token < m->levels[0].size ? token : -1;
    for (int32_t k = 2; k <= m->order; k++)
        ends[k] = before[k - 1] < 0 ? -1 : find(&m->levels[k - 1], before[k - 1], token);
}

/* The contexts of length 0 .. order - 1 that end a history [order - 1] of tokens, the latest last. */
static void read_history(const Model *m, const int32_t *history, int64_t *contexts) {
    int64_t ends[MOST + 1];
    contexts[0] = 0;
    for (int32_t k = 1; k <= m->order; k++) contexts[k] = -1;
    for (int32_t i = 0; i < m->order - 1; i++) {
        if (history[i] < 0) continue;
        step(m, contexts, history[i], ends);
        memcpy(contexts, ends, (size_t)m->order * sizeof *ends);
    }
}

static void begin_sentence(const Model *m, int64_t *contexts) {
    contexts[0] = 0;
    for (int32_t k = 1; k < m->order; k++) contexts[k] = -1;
    if (m->order > 1) contexts[1] = m->vocab_size;
}

/* Log-probabilities of rows of tokens [B, T] after histories [B, order - 1]; matched [B, T] is the order of the
   n-gram that each was found in. A row's tokens begin `stride` after those of the row before. */
void chainrule_score(const Level *levels, int32_t order, int64_t vocab_size, int64_t end, const int32_t *history,
                     const int32_t *tokens, int64_t rows, int64_t n, int64_t stride, double *log_probs,
                     uint8_t *matched) {
    Model m = {levels, order, vocab_size, end};
    int64_t contexts[MOST + 1], ends[MOST + 1];
    for (int64_t row = 0; row < rows; row++) {
        read_history(&m, history + row * (order - 1), contexts);
        for (int64_t at = row * stride; at < row * stride + n; at++) {
            step(&m, contexts, tokens[at], ends);
            int32_t k = order;
            double sum = 0;
            for (; k > 1 && ends[k] < 0; k--)
                if (contexts[k - 1] >= 0) sum += backoff(&levels[k - 2], contexts[k - 1]);
            log_probs[at] = ends[k] < 0 ? -INFINITY : sum + log_prob(&levels[k - 1], ends[k]);
            matched[at] = (uint8_t)k;
            memcpy(contexts, ends, (size_t)order * sizeof *ends);
            if (tokens[at] == end) begin_sentence(&m, contexts);
        }
    }
}

/* At every token of one row the n-grams that end there, ends [order, n]: -1 where one was never counted. */
void chainrule_walk(const Level *levels, int32_t order, int64_t vocab_size, int64_t end, const int32_t *history,
                    const int32_t *tokens, int64_t n, int64_t *ends) {
    Model m = {levels, order, vocab_size, end};
    int64_t contexts[MOST + 1], here[MOST + 1];
    read_history(&m, history, contexts);
    for (int64_t at = 0; at < n; at++) {
        step(&m, contexts, tokens[at], here);
        for (int32_t k = 1; k <= order; k++) ends[(k - 1) * n + at] = here[k];
        memcpy(contexts, here, (size_t)order * sizeof *here);
        if (tokens[at] == end) begin_sentence(&m, contexts);
    }
}

/* Log-probabilities [V] of every token after a history. */
void chainrule_predict(const Level *levels, int32_t order, int64_t vocab_size, int64_t end, const int32_t *history,
                       double *out) {
    Model m = {levels, order, vocab_size, end};
    int64_t contexts[MOST + 1], low, high;
    double weight[MOST + 1]; /* what a token found at order k + 1 pays for the longer contexts */
    read_history(&m, history, contexts);
    weight[order - 1] = 0;
    for (int32_t k = order - 1; k > 0; k--)
        weight[k - 1] = weight[k] + (contexts[k] < 0 ? 0 : backoff(&levels[k - 1], contexts[k]));
    if (levels[0].prob_codes)
        for (int64_t v = 0; v < vocab_size; v++) out[v] = log_prob(&levels[0], v) + weight[0];
    else
        for (int64_t v = 0; v < vocab_size; v++) out[v] = (double)levels[0].log_probs[v] + weight[0];
    for (int32_t k = 1; k < order; k++) {
        if (contexts[k] < 0) continue;
        const Level *level = &levels[k];
        children(level, contexts[k], &low, &high);
        for (int64_t i = low; i < high; i++)
            if (level->tokens[i] >= 0 && level->tokens[i] < vocab_size)
                out[level->tokens[i]] = log_prob(level, i) + weight[k];
    }
}

/* Interpolated probabilities of one level, context by context.

   p(w | h) = (c - D(c)) / total + backoff(h) p(w | h'),   backoff(h) = sum D(c) / total

   counts [U]; kept [U] or NULL: the n-grams that stay, the mass of the others goes to backoff; discounts [4]:
   D(0), D(1), D(2), D(3 and more); lower, links: p of the level below and the n-gram that h' w is in it;
   types: 1 for Witten-Bell, where every type seen after h adds one to the mass and to the total.
   Contexts from .. to; fills probs [U] and weights [C], the backoffs. */
void chainrule_interpolate(const uint32_t *first, int64_t from, int64_t to, const uint32_t *counts,
                           const uint8_t *kept, const double *discounts, int32_t types, const double *lower,
                           const uint32_t *links, double *probs, double *weights) {
    for (int64_t c = from; c < to; c++) {
        double total = 0, kinds = 0;
        for (uint32_t i = first[c]; i < first[c + 1]; i++) {
            total += counts[i];
            kinds += counts[i] > 0;
        }
        double mass = types ? kinds : 0;
        total += mass;
        for (uint32_t i = first[c]; i < first[c + 1]; i++) {
            double discount = kept && !kept[i] ? counts[i] : discounts[counts[i] < 3 ? counts[i] : 3];
            mass += discount;
            probs[i] = total > 0 ? (counts[i] - discount) / total : 0;
        }
        weights[c] = total > 0 ? mass / total : 1;
        for (uint32_t i = first[c]; i < first[c + 1]; i++) probs[i] += weights[c] * lower[links[i]];
    }
}

/* The slots of the contexts, the first k - 1 tokens, of rows [R, k]; -1 where one is not listed. */
void chainrule_slots(const Level *levels, const int32_t *rows, int64_t n, int32_t k, int64_t *slots) {
    for (int64_t i = 0; i < n; i++) {
        const int32_t *row = rows + i * k;
        int64_t slot = row[0] < levels[0].size ? row[0] : -1;
        for (int32_t j = 1; j < k - 1 && slot >= 0; j++) slot = find(&levels[j], slot, row[j]);
        slots[i] = slot;
    }
}
