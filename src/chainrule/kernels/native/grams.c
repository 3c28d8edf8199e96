/* All n-grams of a text in one sort: positions ordered by the tokens from there on, then neighbours compared.

   room[p] tokens, `order` at most, may be read from position p before its row ends. What lies beyond reads
   as 0, below every token (a token t reads as t + 1), so that a shorter n-gram stands before its extensions. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Raised whenever a function here changes what it takes: native.py must know the same number. */
int32_t chainrule_version(void) { return 6; }

enum { SMALL = 2048, RUN = 12, AHEAD = 16 };

typedef struct {
    uint64_t key;
    uint32_t position;
} Item;

typedef struct {
    const int32_t *line;
    const uint8_t *room;
    int32_t order, bits, group; /* tokens a key holds: group, of so many bits */
    uint32_t *positions;
    uint8_t *shared; /* with the neighbour before */
    Item *items, *other;
} Sorter;

/* Positions by their first token, in the order of the text. ends [V + 1] comes as zeros and leaves as offsets:
   token t has positions ends[t] .. ends[t + 1]. */
void chainrule_bucket(const int32_t *line, int64_t n, int64_t vocab_size, int64_t *ends, uint32_t *positions) {
    for (int64_t p = 0; p < n; p++) ends[line[p]]++;
    int64_t before = 0;
    for (int64_t t = 0; t <= vocab_size; t++) {
        int64_t here = t < vocab_size ? ends[t] : 0;
        ends[t] = before;
        before += here;
    }
    for (int64_t p = 0; p < n; p++) positions[ends[line[p]]++] = (uint32_t)p;
    for (int64_t t = vocab_size; t > 0; t--) ends[t] = ends[t - 1];
    ends[0] = 0;
}

static uint64_t key_at(const Sorter *s, uint32_t position, int32_t depth) {
    uint64_t key = 0;
    int32_t end = depth + s->group, room = s->room[position], d = depth;
    for (; d < end && d < room; d++) key = key << s->bits | ((uint64_t)s->line[position + d] + 1);
    return d < end && key ? key << s->bits * (end - d) : key;
}

static void insert_sort(Item *items, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        Item item = items[i];
        int64_t j = i;
        for (; j && items[j - 1].key > item.key; j--) items[j] = items[j - 1];
        items[j] = item;
    }
}

/* Stable merge sort of runs; the result is in items. */
static void merge_sort(Item *items, Item *other, int64_t n) {
    for (int64_t at = 0; at < n; at += RUN) insert_sort(items + at, n - at < RUN ? n - at : RUN);
    Item *from = items, *to = other;
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t at = 0; at < n; at += 2 * width) {
            int64_t a = at, middle = at + width < n ? at + width : n, b = middle;
            int64_t end = at + 2 * width < n ? at + 2 * width : n;
            for (int64_t out = at; out < end; out++)
                to[out] = b >= end || (a < middle && from[a].key <= from[b].key) ? from[a++] : from[b++];
        }
        Item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, (size_t)n * sizeof(Item));
}

/* Stable least-significant-digit radix sort by bytes; bytes that are all alike are passed over. */
static void radix_sort(Item *items, Item *other, int64_t n) {
    static const int BYTES = 8;
    int64_t counts[8][256];
    memset(counts, 0, sizeof counts);
    for (int64_t i = 0; i < n; i++)
        for (int b = 0; b < BYTES; b++) counts[b][items[i].key >> 8 * b & 255]++;
    Item *from = items, *to = other;
    for (int b = 0; b < BYTES; b++) {
        if (counts[b][from[0].key >> 8 * b & 255] == n) continue;
        int64_t before = 0;
        for (int digit = 0; digit < 256; digit++) {
            int64_t here = counts[b][digit];
            counts[b][digit] = before;
            before += here;
        }
        for (int64_t i = 0; i < n; i++) to[counts[b][from[i].key >> 8 * b & 255]++] = from[i];
        Item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, (size_t)n * sizeof(Item));
}

/* Sort positions[at .. at + n], which share `depth` tokens, by the tokens after. */
static void sort_run(const Sorter *s, int64_t at, int64_t n, int32_t depth) {
    Item *items = s->items + at, *other = s->other + at;
    for (int64_t i = 0; i < n; i++) {
        if (i + AHEAD < n) { /* the next positions lie anywhere in the text */
            __builtin_prefetch(s->line + s->positions[at + i + AHEAD] + depth);
            __builtin_prefetch(s->room + s->positions[at + i + AHEAD]);
        }
        items[i] = (Item){key_at(s, s->positions[at + i], depth), s->positions[at + i]};
    }
    if (n < SMALL)
        merge_sort(items, other, n);
    else
        radix_sort(items, other, n);
    for (int64_t i = 0; i < n; i++) s->positions[at + i] = items[i].position;
    int32_t unused = 64 - s->group * s->bits;
    for (int64_t i = 1; i < n; i++) {
        uint64_t differ = items[i].key ^ items[i - 1].key;
        int32_t alike = differ ? (__builtin_clzll(differ) - unused) / s->bits : s->group;
        s->shared[at + i] = (uint8_t)(depth + alike < s->order ? depth + alike : s->order);
    }
    if (depth + s->group >= s->order) return;
    uint64_t last = ((uint64_t)1 << s->bits) - 1; /* 0 there: the row has ended, and so has the comparison */
    for (int64_t i = 0; i < n;) {
        int64_t end = i + 1;
        while (end < n && items[end].key == items[i].key) end++;
        if (end - i > 1 && items[i].key & last) sort_run(s, at + i, end - i, depth + s->group);
        i = end;
    }
}

/* Sort the positions of the tokens from `low` up to `high`; shared and rooms [N] are filled for them.
   Returns 0, or -1 when memory ran out. */
int32_t chainrule_sort(const int32_t *line, const uint8_t *room, int32_t order, int32_t bits, const int64_t *ends,
                       int64_t low, int64_t high, uint32_t *positions, uint8_t *shared, uint8_t *rooms) {
    int64_t largest = 0;
    for (int64_t t = low; t < high; t++)
        if (ends[t + 1] - ends[t] > largest) largest = ends[t + 1] - ends[t];
    Item *items = malloc((size_t)(largest + 1) * sizeof(Item));
    Item *other = malloc((size_t)(largest + 1) * sizeof(Item));
    if (items && other)
        for (int64_t t = low; t < high; t++) {
            int64_t at = ends[t], n = ends[t + 1] - at;
            if (!n) continue;
            Sorter s = {line, room, order, bits, 64 / bits, positions + at, shared + at, items, other};
            if (order > 1) {
                sort_run(&s, 0, n, 1);
            } else {
                memset(shared + at, 1, (size_t)n);
            }
            shared[at] = 0;
            for (int64_t i = at; i < at + n; i++) rooms[i] = room[positions[i]];
        }
    free(items);
    free(other);
    return items && other ? 0 : -1;
}

/* Where an n-gram of any order stands for the first time in the sorted text: it goes on longer than what it shares.
   heads [n]; sizes [order]: how many k-grams there are. Returns how many heads. */
int64_t chainrule_heads(const uint8_t *shared, const uint8_t *rooms, int64_t n, int32_t order, uint32_t *heads,
                        int64_t *sizes) {
    int64_t made = 0;
    memset(sizes, 0, (size_t)order * sizeof *sizes);
    for (int64_t j = 0; j < n; j++) {
        if (shared[j] >= rooms[j]) continue;
        heads[made++] = (uint32_t)j;
        for (int32_t k = shared[j] + 1; k <= rooms[j] && k <= order; k++) sizes[k - 1]++;
    }
    return made;
}

/* The k-grams in order: last token, count, a position where each stands, and, of the (k + 1)-grams, the first
   that extends it: first [U + 1]. A k-gram goes on until a head shares less than k. */
void chainrule_level(const int32_t *line, const uint32_t *positions, const uint8_t *shared, const uint8_t *rooms,
                     int64_t n, const uint32_t *heads, int64_t number, int32_t k, int32_t *tokens, uint32_t *counts,
                     uint32_t *stands, uint32_t *first) {
    int64_t made = 0, above = 0, open = -1;
    for (int64_t h = 0; h < number; h++) {
        int64_t j = heads[h];
        if (shared[j] > k) continue;
        if (shared[j] < k) {
            if (open >= 0) counts[made - 1] = (uint32_t)(j - open);
            open = -1;
            if (rooms[j] < k) continue;
            open = j;
            tokens[made] = line[positions[j] + k - 1];
            stands[made] = positions[j];
            first[made] = (uint32_t)above;
            made++;
        }
        above += rooms[j] > k;
    }
    if (open >= 0) counts[made - 1] = (uint32_t)(n - open);
    first[made] = (uint32_t)above;
}

/* For (k + 1)-grams that stand at `stands` [U]: which k-gram is left when the first token goes.
   Returns 0, or -1 when memory ran out. */
int32_t chainrule_links(const uint32_t *positions, const uint8_t *shared, const uint8_t *rooms, int64_t n, int32_t k,
                        const uint32_t *stands, int64_t size, uint32_t *links) {
    uint32_t *at_position = malloc((size_t)(n + 1) * sizeof *at_position);
    if (!at_position) return -1;
    uint32_t at = UINT32_MAX;
    for (int64_t j = 0; j < n; j++) {
        if (rooms[j] < k) continue;
        at += shared[j] < k;
        at_position[positions[j]] = at;
    }
    for (int64_t i = 0; i < size; i++) links[i] = at_position[stands[i] + 1];
    free(at_position);
    return 0;
}

/* out[link] += 1 for every link. */
void chainrule_tally(const uint32_t *links, int64_t n, uint32_t *out) {
    for (int64_t i = 0; i < n; i++) out[links[i]]++;
}

/* A text of sentences, each after a token that begins it and with `end` as its last: line and room, long enough
   for n tokens and a beginning for each sentence. A text that breaks off ends its last sentence there.
   Returns how long the line is. */
int64_t chainrule_sentences(const int32_t *ids, int64_t n, int32_t begin, int32_t end, int32_t order, int32_t *line,
                            uint8_t *room) {
    int64_t made = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!i || ids[i - 1] == end) line[made++] = begin;
        line[made++] = ids[i];
    }
    int32_t left = 0;
    for (int64_t p = made - 1; p >= 0; p--) {
        if (line[p] == end) left = 0;
        left += left < order;
        room[p] = (uint8_t)left;
        if (line[p] == begin) left = 0;
    }
    return made;
}
