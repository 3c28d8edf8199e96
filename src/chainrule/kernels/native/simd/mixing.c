/* Context mixing in integers: see kernels/mixing.py for what it computes and models/contexts/ for what it is for.

   Everything that is learned stands in one piece of memory without a pointer in it, so that it can be copied.
   Within a symbol nothing is learned: its bits are all predicted from what was known before it, and what they
   teach is learned when it has ended. So the probabilities of all symbols sum to 1, and the one that came has
   the probability that it was predicted with. */

#include "vector.h"

enum {
    CONTEXTS = 14,
    INPUTS = 48, /* three of each context, two of the match, two of order 1, a constant, and one that is 0 */
    SETS = 6,
    DEPTH = 16,      /* bits of a symbol, at most */
    HISTORIES = 8192,
    SYMBOLS = 65536,
    RING = 1 << 22,  /* symbols that the match looks back */
    MATCHES = 1 << 20,
    MATCHED = 6,     /* symbols that it is found by */
    LONGEST = 65535, /* length of a match or a word that is told from longer ones */
    LIMIT = 2047,    /* of a stretched probability, 256 a nat */
    HEAVIEST = 524287,
    ONE = 65536      /* of a probability and of a weight */
};
static const int32_t set_sizes[SETS] = {256, 2048, 4096, 2048, 1024, 256};
#define WEIGHT_ROWS (256 + 2048 + 4096 + 2048 + 1024 + 256)

typedef struct {
    uint16_t history, direct; /* counts of zeros and ones and the last bit; a probability and its count */
} Node;

typedef struct {
    uint16_t check, uses;
    Node nodes[15]; /* of four bits */
} Bucket;

typedef struct {
    int64_t position, line, line_before, match;
    int32_t vocab_size, depth, table_bits, length, word_length, more;
    uint32_t part, word, word_before, word_before_that, opened, units[8];
    uint32_t kinds[SYMBOLS];
    uint16_t ring[RING];
    uint32_t matches[MATCHES];
    uint32_t maps[CONTEXTS][HISTORIES], match_maps[64], order1[SYMBOLS]; /* 22 bits of probability, 10 of count */
    int32_t weights[WEIGHT_ROWS][INPUTS], final[128][8];
    uint32_t refine1[SYMBOLS][33], refine2[SYMBOLS][33];
    uint32_t follow1[SYMBOLS], follow2[SYMBOLS];
    int16_t stretch[4096];
    int32_t squash[4096], share[1024];
    uint8_t pad[20];
    Bucket table[];
} Mix;

typedef struct {
    int32_t in[INPUTS] __attribute__((aligned(64)));
    Node *nodes[CONTEXTS];
    int32_t rows[SETS], outs[SETS], probabilities[SETS];
    int32_t match_at, order1_at, final_at, mixed, refine_at[2], nearer, bit;
} Bit;

typedef struct { /* what is known at a symbol's beginning */
    uint32_t hashes[CONTEXTS];
    int32_t expected, length, word_length;
    Bucket *buckets[DEPTH / 4][CONTEXTS];
    Bucket fresh[DEPTH / 4][CONTEXTS];
    uint32_t slots[DEPTH / 4][CONTEXTS];
    uint16_t checks[DEPTH / 4][CONTEXTS];
} Symbol;

static inline uint32_t mixed(uint32_t x) {
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    return x ^ x >> 16;
}

static inline int32_t within(int32_t x) { return x > LIMIT ? LIMIT : x < -LIMIT ? -LIMIT : x; }

static inline int32_t probability(uint32_t map) { return (int32_t)(map >> 16); }

static inline uint32_t small(const Mix *m, uint32_t symbol) { /* a symbol in eight bits */
    return m->vocab_size <= 256 ? symbol : mixed(symbol) >> 24;
}

static inline uint32_t prefix(uint32_t node) { return node < 256 ? node : mixed(node) >> 24; }

static inline uint32_t back(const Mix *m, int64_t n) {
    return m->position >= n ? m->ring[(m->position - n) & (RING - 1)] : 0;
}

static void make_tables(Mix *m) {
    /* 65536 / (1 + exp(-x / 2)) for x = -16..16; between them straight lines */
    static const int32_t knots[33] = {22,    36,    60,    98,    162,   267,   439,   720,   1179,  1921,  3108,
                                      4971,  7812,  11955, 17625, 24743, 32768, 40793, 47911, 53581, 57724, 60565,
                                      62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514};
    for (int32_t i = 0; i < 4096; i++) {
        int32_t at = i >> 7, past = i & 127;
        m->squash[i] = (knots[at] * (128 - past) + knots[at + 1] * past + 64) >> 7;
    }
    for (int32_t i = 0, x = 0; i < 4096; i++) { /* the inverse: the first x whose probability is that of i */
        while (x < 4095 && m->squash[x] < i * 16 + 8) x++;
        m->stretch[i] = (int16_t)within(x - 2048);
    }
    for (int32_t n = 0; n < 1024; n++) m->share[n] = 10 * ONE / (10 * n + 16);
}

/* kinds [vocab_size]: see kernels/mixing.py. */
void NAME(mixing_start)(Mix *m, int64_t vocab_size, int64_t table_bits, const uint32_t *kinds) {
    m->vocab_size = (int32_t)vocab_size;
    m->table_bits = (int32_t)table_bits;
    for (m->depth = 1; (int64_t)1 << m->depth < vocab_size;) m->depth++;
    memcpy(m->kinds, kinds, (size_t)vocab_size * sizeof *kinds);
    make_tables(m);
    for (int32_t h = 0; h < HISTORIES; h++) {
        int64_t zeros = h & 63, ones = h >> 6 & 63;
        m->maps[0][h] = (uint32_t)(4194303 * (10 * ones + 4) / (10 * (zeros + ones) + 8)) << 10;
    }
    for (int32_t i = 1; i < CONTEXTS; i++) memcpy(m->maps[i], m->maps[0], sizeof m->maps[0]);
    for (int32_t i = 0; i < 64; i++) m->match_maps[i] = 1u << 31;
    for (int32_t i = 0; i < SYMBOLS; i++) m->order1[i] = 1u << 31;
    for (int32_t r = 0; r < WEIGHT_ROWS; r++)
        for (int32_t i = 0; i < INPUTS; i++) m->weights[r][i] = ONE * 18 / 100;
    for (int32_t r = 0; r < 128; r++)
        for (int32_t s = 0; s < SETS; s++) m->final[r][s] = ONE / SETS;
    for (int32_t i = 0; i < SYMBOLS; i++)
        for (int32_t j = 0; j < 33; j++)
            m->refine1[i][j] = m->refine2[i][j] = (uint32_t)m->squash[j == 32 ? 4095 : j * 128] << 16;
}

/* The contexts of the symbol to come: orders 0 to 5 and 7, the word with what stands before it, what followed
   the last one and two units, what stands above. A unit is a symbol or, in UTF-8, the bytes of a character. */
static void contexts_of(const Mix *m, uint32_t *hashes) {
    const uint32_t *u = m->units, salt = m->part * 7919;
    uint32_t sum = mixed(m->part * 0x9E3779B1u + 77), above = 0;
    int k = 0;
    hashes[k++] = sum;
    for (uint32_t o = 1; o <= 5; o++) hashes[k++] = sum = mixed(sum * 31 + u[o - 1] + o * 0x1000193u);
    for (uint32_t o = 6; o <= 7; o++) sum = mixed(sum * 31 + u[o - 1] + o);
    hashes[k++] = sum;
    hashes[k++] = mixed(m->word * 3 + salt + 0x51);
    hashes[k++] = mixed(m->word * 5 + m->word_before * 0x2F0B4C47u + salt + 0x52);
    hashes[k++] = mixed(m->word * 5 + m->word_before_that * 0x2F0B4C47u + salt + 0x59);
    hashes[k++] = mixed(m->word_before * 9 + u[0] * 0x85EBCA6Bu + salt + 0x54);
    hashes[k++] = mixed(u[0] * 0x9E3779B1u + m->follow1[mixed(u[0]) >> 16] * 0x85EBCA6Bu + salt + 0x57);
    uint32_t pair = m->follow2[mixed(u[0] * 31 + u[1] * 0x85EBCA6Bu) >> 16];
    hashes[k++] = mixed(u[0] * 0x9E3779B1u + u[1] * 31 + pair * 0x85EBCA6Bu + salt + 0x58);
    int64_t column = m->position - m->line, over = m->line_before + column;
    if (m->line > 0 && over < m->line && m->position - over < RING) above = m->ring[over & (RING - 1)];
    hashes[k++] = mixed(above * 65536 + back(m, 1) + salt * 3 + 0x5A11);
    for (int i = 0; i < CONTEXTS; i++) hashes[i] += (uint32_t)i * 0x3C6EF372u;
}

static void begin(const Mix *m, Symbol *s) {
    contexts_of(m, s->hashes);
    s->length = m->length;
    s->expected = m->length ? m->ring[m->match & (RING - 1)] : 0;
    s->word_length = m->word_length > 15 ? 15 : m->word_length;
}

/* The buckets of the four bits after a node; one that is not there yet is made apart, see `settle`. */
static void look_up(Mix *m, Symbol *s, int32_t quarter, uint32_t node) {
    uint32_t *slots = s->slots[quarter];
    for (int i = 0; i < CONTEXTS; i++) {
        uint32_t hash = mixed(s->hashes[i] + node * 0x9E3779B1u);
        s->checks[quarter][i] = (uint16_t)(hash >> 16 | 1);
        slots[i] = hash * 2654435761u >> (32 - m->table_bits);
        __builtin_prefetch(&m->table[slots[i] & ~3u]);
    }
    for (int i = 0; i < CONTEXTS; i++) {
        Bucket *found = 0;
        for (uint32_t k = 0; k < 4 && !found; k++) {
            Bucket *b = &m->table[slots[i] ^ k];
            if (b->check == s->checks[quarter][i]) found = b;
        }
        if (!found) {
            found = &s->fresh[quarter][i];
            memset(found, 0, sizeof *found);
        }
        s->buckets[quarter][i] = found;
    }
}

/* What is new goes to a free place, or to that of the least used of four. */
static void settle(Mix *m, Symbol *s, int32_t quarters) {
    for (int32_t q = 0; q < quarters; q++)
        for (int i = 0; i < CONTEXTS; i++) {
            if (s->buckets[q][i] != &s->fresh[q][i]) continue;
            Bucket *to = 0;
            for (uint32_t k = 0; k < 4; k++) {
                Bucket *b = &m->table[s->slots[q][i] ^ k];
                if (!to || b->uses < to->uses) to = b;
            }
            *to = s->fresh[q][i];
            to->check = s->checks[q][i];
        }
}

static int32_t dot(const int32_t *restrict in, const int32_t *restrict weights) {
    int32_t sum = 0;
    for (int i = 0; i < INPUTS; i++) sum += in[i] * weights[i] >> 8;
    return within(sum >> 8);
}

/* A probability of 16 bits that the next bit is 1, at a node of the symbol's tree whose depth is `at`. */
static int32_t predict(const Mix *m, const Symbol *s, Bit *b, uint32_t node, int32_t at) {
    uint32_t inner = node & ((1u << (at & 3)) - 1), place = inner + (1u << (at & 3)) - 1;
    int32_t seen = 0, *in = b->in;
    for (int i = 0; i < CONTEXTS; i++, in += 3) {
        Node *n = b->nodes[i] = &s->buckets[at >> 2][i]->nodes[place];
        in[0] = in[1] = in[2] = 0;
        if (!n->history) continue;
        int32_t zeros = n->history & 63, ones = n->history >> 6 & 63;
        int32_t p = probability(m->maps[i][n->history]);
        in[0] = m->stretch[p >> 4];
        in[1] = (p - ONE / 2) >> (zeros && ones ? 6 : 4);
        in[2] = m->stretch[n->direct >> 4];
        if (i < 7) seen = i;
    }
    int32_t length = 0;
    in[0] = in[1] = 0;
    b->match_at = -1;
    if (s->length && (uint32_t)(s->expected | 1 << m->depth) >> (m->depth - at) == node) {
        int32_t l = s->length, next = s->expected >> (m->depth - 1 - at) & 1;
        int32_t step = l < 16 ? l : l < 32 ? 16 + (l - 16) / 4 : l < 64 ? 20 + (l - 32) / 8 : 24;
        length = l < 16 ? 1 + l / 4 : l < 32 ? 6 : 7;
        b->match_at = step * 2 + next;
        int32_t p = probability(m->match_maps[b->match_at]);
        in[0] = m->stretch[p >> 4];
        in[1] = (p - ONE / 2) >> 4;
    }
    uint32_t last = small(m, back(m, 1)), before = small(m, back(m, 2)), top = prefix(node);
    b->order1_at = (int32_t)(last * 256 + top);
    int32_t p = probability(m->order1[b->order1_at]);
    in[2] = m->stretch[p >> 4];
    in[3] = (p - ONE / 2) >> 5;
    in[4] = 256;
    in[5] = 0;
    const int32_t sets[SETS] = {
        (int32_t)top,
        length * 256 + (int32_t)top,
        at * 256 + (int32_t)last,
        (seen * 16 + s->word_length) * 16 + at,
        (int32_t)((last >> 5) * 8 + (before >> 5)) * 16 + at,
        (int32_t)(small(m, back(m, 3)) >> 4) * 16 + at,
    };
    b->final_at = length * 16 + at;
    int32_t sum = 0;
    for (int k = 0, first = 0; k < SETS; first += set_sizes[k++]) {
        b->rows[k] = first + sets[k];
        b->outs[k] = dot(b->in, m->weights[b->rows[k]]);
        b->probabilities[k] = m->squash[b->outs[k] + 2048];
        sum += b->outs[k] * m->final[b->final_at][k] >> 8;
    }
    int32_t x = within(sum >> 8) + 2048, low = x >> 7, past = x & 127;
    b->mixed = m->squash[x];
    b->nearer = low + (past > 64);
    b->refine_at[0] = b->order1_at;
    b->refine_at[1] = (int32_t)(mixed(last * 0x9E3779B1u + before * 0x85EBCA6Bu + node) >> 16);
    const uint32_t *r1 = m->refine1[b->refine_at[0]], *r2 = m->refine2[b->refine_at[1]];
    int32_t q1 = (probability(r1[low]) * (128 - past) + probability(r1[low + 1]) * past) >> 7;
    int32_t q2 = (probability(r2[low]) * (128 - past) + probability(r2[low + 1]) * past) >> 7;
    int32_t out = (b->mixed + q1 + 2 * q2) >> 2;
    return out < 16 ? 16 : out > ONE - 16 ? ONE - 16 : out;
}

static inline void move_map(const Mix *m, uint32_t *map, int32_t bit, int32_t limit) {
    int32_t n = (int32_t)(*map & 1023), p = (int32_t)(*map >> 10), to = bit ? (1 << 22) - 1 : 0;
    p += (int32_t)((int64_t)(to - p) * m->share[n] >> 16);
    *map = (uint32_t)p << 10 | (uint32_t)(n < limit ? n + 1 : n);
}

static inline uint16_t next_history(uint16_t history, int32_t bit) {
    int32_t count[2] = {history & 63, history >> 6 & 63};
    if (count[bit] < 60) count[bit]++;
    if (count[!bit] > 3) count[!bit] = 3;
    return (uint16_t)(count[0] | count[1] << 6 | bit << 12);
}

static void learn_node(const Mix *m, Node *n, int32_t bit) {
    if (n->history) {
        int32_t count = n->direct & 15, p = n->direct & 0xFFF0;
        p += ((bit ? 65535 : 0) - p) * m->share[count + 1] >> 16;
        p = p < 64 ? 64 : p > 65472 ? 65472 : p;
        n->direct = (uint16_t)((p & 0xFFF0) | (count < 15 ? count + 1 : count));
    } else
        n->direct = bit ? 49152 : 16384;
    n->history = next_history(n->history, bit);
}

static void learn(Mix *m, const Bit *b) {
    int32_t bit = b->bit, target = bit << 16;
    int32_t rate = 8 + (int32_t)(4000000 / (50000 + m->position)), missed = target - b->mixed;
    for (int k = 0; k < SETS; k++) {
        int32_t w = m->final[b->final_at][k] + (int32_t)(((int64_t)b->outs[k] * missed * 4 + (1 << 19)) >> 20);
        m->final[b->final_at][k] = w > HEAVIEST ? HEAVIEST : w < -HEAVIEST ? -HEAVIEST : w;
        int32_t *restrict weights = m->weights[b->rows[k]];
        int32_t step = (target - b->probabilities[k]) * rate >> 6;
        for (int i = 0; i < INPUTS; i++) {
            int32_t w = weights[i] + ((b->in[i] * step + 32768) >> 16);
            weights[i] = w > HEAVIEST ? HEAVIEST : w < -HEAVIEST ? -HEAVIEST : w;
        }
    }
    for (int i = 0; i < CONTEXTS; i++) {
        Node *n = b->nodes[i];
        if (n->history) move_map(m, &m->maps[i][n->history], bit, 1023);
        learn_node(m, n, bit);
    }
    if (b->match_at >= 0) move_map(m, &m->match_maps[b->match_at], bit, 1023);
    move_map(m, &m->order1[b->order1_at], bit, 255);
    uint32_t *refined[2] = {&m->refine1[b->refine_at[0]][b->nearer], &m->refine2[b->refine_at[1]][b->nearer]};
    for (int k = 0; k < 2; k++) {
        int64_t now = *refined[k], to = bit ? 65535ll << 16 : 0;
        *refined[k] = (uint32_t)(now + ((to - now) >> 6));
    }
}

/* The end of a unit: the words and the units before are one further back. */
static void end_unit(Mix *m, uint32_t kind) {
    uint32_t unit = m->part, *u = m->units, class = kind >> 2 & 3;
    uint32_t *f1 = &m->follow1[mixed(u[0]) >> 16], *f2 = &m->follow2[mixed(u[0] * 31 + u[1] * 0x85EBCA6Bu) >> 16];
    *f1 = *f1 << 16 | mixed(unit) >> 16;
    *f2 = *f2 << 16 | mixed(unit) >> 16;
    memmove(u + 1, u, 7 * sizeof *u);
    u[0] = unit;
    m->part = 0;
    if (class == 1) {
        m->word = mixed(m->word * 0x2F0B4C47u + (kind >> 8 ? kind >> 8 : unit));
        if (m->word_length < LONGEST) m->word_length++;
    } else if (m->word || class == 2) {
        m->word_before_that = m->word_before;
        m->word_before = m->word ? m->word : unit;
        m->word = 0;
        m->word_length = 0;
    }
}

static void end_symbol(Mix *m, uint32_t symbol) {
    uint32_t kind = m->kinds[symbol];
    if (m->length && m->ring[m->match & (RING - 1)] == symbol) {
        if (m->length < LONGEST) m->length++;
        m->match++;
    } else
        m->length = 0;
    m->ring[m->position++ & (RING - 1)] = (uint16_t)symbol;
    if (m->position >= MATCHED) {
        uint32_t hash = 0;
        for (int i = 1; i <= MATCHED; i++) hash = (hash + back(m, i) + 1) * 0x2F0B4C47u;
        uint32_t *last = &m->matches[hash >> 12];
        int64_t from = m->position - (uint32_t)((uint32_t)m->position - *last);
        if (!m->length && *last && m->position - from < RING - 64) {
            int32_t same = 0;
            while (same < 60 && from - same > 0 && m->ring[(from - same - 1) & (RING - 1)] == back(m, same + 1)) same++;
            m->length = same >= MATCHED - 1 ? same : 0;
            m->match = from;
        }
        *last = (uint32_t)m->position;
    }
    if (m->more) {
        m->part = m->part << 8 | symbol;
        m->more--;
    } else {
        m->part = symbol;
        m->opened = kind; /* of the unit: its first symbol says what it is */
        m->more = (int32_t)(kind & 3);
    }
    if (!m->more) end_unit(m, m->opened);
    if (kind >> 4 & 1) {
        m->line_before = m->line;
        m->line = m->position;
    }
}

/* Whether a bit of 1 is possible at a node: there are symbols below it. */
static inline int both(const Mix *m, uint32_t node, int32_t at) {
    uint32_t first = (node << 1 | 1) << (m->depth - 1 - at);
    return first - (1u << m->depth) < (uint32_t)m->vocab_size;
}

typedef struct { /* of an arithmetic coder: what is coded lies in low..high */
    uint64_t low, high, code;
    uint8_t *at, *end;
} Coder;

static inline uint64_t split(const Coder *c, int32_t one) {
    uint64_t wide = c->high - c->low;
    return c->low + (wide >> 16) * (uint64_t)one + ((wide & 0xFFFF) * (uint64_t)one >> 16);
}

static inline void narrow(Coder *c, uint64_t middle, int32_t bit) {
    if (bit)
        c->high = middle;
    else
        c->low = middle + 1;
}

static int32_t next_byte(Coder *c) { return c->at < c->end ? *c->at++ : 0; }

static void shift_out(Coder *c) {
    for (; !((c->low ^ c->high) >> 56); c->low <<= 8, c->high = c->high << 8 | 255)
        if (c->at < c->end) *c->at++ = (uint8_t)(c->low >> 56);
}

static void shift_in(Coder *c) {
    for (; !((c->low ^ c->high) >> 56); c->low <<= 8, c->high = c->high << 8 | 255)
        c->code = c->code << 8 | (uint64_t)next_byte(c);
}

/* As few bytes as name a number in low..high, those after them being 0. */
static void finish(Coder *c) {
    if (!c->low) return;
    for (int32_t bytes = 1; bytes <= 8; bytes++) {
        uint64_t rest = bytes == 8 ? 0 : ~(uint64_t)0 >> 8 * bytes, number = c->low + rest;
        if (number < c->low) continue;
        number &= ~rest;
        if (number > c->high) continue;
        for (int32_t i = 0; i < bytes && c->at < c->end; i++) *c->at++ = (uint8_t)(number >> (56 - 8 * i));
        return;
    }
}

enum { LEARN, ENCODE, DECODE };

/* One symbol through the tree of its bits. probs [depth] or none: of the bits that came, 0 where there was no choice. */
static uint32_t step(Mix *m, int what, uint32_t symbol, Coder *c, int32_t *probs) {
    Symbol s;
    Bit bits[DEPTH];
    int32_t taught = 0, depth = m->depth;
    uint32_t node = 1;
    begin(m, &s);
    for (int32_t at = 0; at < depth; at++) {
        int32_t bit = (int32_t)(symbol >> (depth - 1 - at) & 1);
        if (!(at & 3)) look_up(m, &s, at >> 2, node);
        if (both(m, node, at)) {
            Bit *b = &bits[taught++];
            int32_t one = predict(m, &s, b, node, at);
            if (what != LEARN) {
                uint64_t middle = split(c, one);
                if (what == DECODE) bit = c->code <= middle;
                narrow(c, middle, bit);
                if (what == DECODE)
                    shift_in(c);
                else
                    shift_out(c);
            }
            b->bit = bit;
            if (probs) probs[at] = bit ? one : ONE - one;
        } else {
            bit = 0;
            if (probs) probs[at] = 0;
        }
        node = node << 1 | (uint32_t)bit;
    }
    for (int32_t i = 0; i < taught; i++) learn(m, &bits[i]);
    for (int32_t q = 0; q * 4 < depth; q++)
        for (int i = 0; i < CONTEXTS; i++)
            if (s.buckets[q][i]->uses < 65535) s.buckets[q][i]->uses++;
    settle(m, &s, (depth + 3) / 4);
    symbol = node - (1u << depth);
    end_symbol(m, symbol);
    return symbol;
}

/* probs [n, depth]. */
void NAME(mixing_learn)(Mix *m, const int32_t *ids, int64_t n, int32_t *probs) {
    for (int64_t t = 0; t < n; t++) step(m, LEARN, (uint32_t)ids[t], 0, probs + t * m->depth);
}

/* Returns the number of bytes written to out [size], or -1 when it was too small. */
int64_t NAME(mixing_encode)(Mix *m, const uint8_t *data, int64_t n, uint8_t *out, int64_t size) {
    Coder c = {0, ~(uint64_t)0, 0, out, out + size};
    for (int64_t t = 0; t < n; t++) step(m, ENCODE, data[t], &c, 0);
    finish(&c);
    return c.at < c.end ? c.at - out : -1;
}

/* Returns how many bytes of the payload were read. */
int64_t NAME(mixing_decode)(Mix *m, uint8_t *payload, int64_t size, uint8_t *data, int64_t n) {
    Coder c = {0, ~(uint64_t)0, 0, payload, payload + size};
    for (int i = 0; i < 8; i++) c.code = c.code << 8 | (uint64_t)next_byte(&c);
    for (int64_t t = 0; t < n; t++) data[t] = (uint8_t)step(m, DECODE, 0, &c, 0);
    return c.at - payload;
}

/* probs [2 ** depth]: that the next bit is 1, at every node; 0 where it cannot be. */
void NAME(mixing_predict)(Mix *m, int32_t *probs) {
    Symbol s;
    Bit b;
    begin(m, &s);
    memset(probs, 0, sizeof *probs << m->depth);
    for (int32_t from = 0; from < m->depth; from += 4)
        for (uint32_t root = 1u << from; root < 2u << from; root++) {
            if ((root << (m->depth - from)) - (1u << m->depth) >= (uint32_t)m->vocab_size) break;
            look_up(m, &s, from >> 2, root);
            for (int32_t at = from; at < from + 4 && at < m->depth; at++)
                for (uint32_t node = root << (at - from); node < (root + 1) << (at - from); node++)
                    if (both(m, node, at)) probs[node] = predict(m, &s, &b, node, at);
        }
}
