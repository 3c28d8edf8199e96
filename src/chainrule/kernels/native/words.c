/* White-space words of a UTF-8 text as numbers, in order of first appearance; a hash table finds them again. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t key;
    int32_t word; /* -1: free */
} Slot;

enum { SHORT = 7 }; /* bytes that a key holds themselves, their number in its highest byte */

static uint64_t mixed(uint64_t key) {
    key = (key ^ key >> 32) * 0xBF58476D1CE4E5B9u;
    return key ^ key >> 29;
}

/* What a word is found by: of a short one its bytes, which no other has; of a longer one a hash. */
static uint64_t key_of(const uint8_t *bytes, int64_t n) {
    uint64_t piece = 0, hash;
    if (n <= SHORT) {
        for (int64_t i = 0; i < n; i++) piece = piece << 8 | bytes[i];
        return piece | (uint64_t)n << 56;
    }
    hash = (uint64_t)n * 0x9E3779B97F4A7C15u;
    for (; n >= 8; bytes += 8, n -= 8) {
        memcpy(&piece, bytes, 8);
        hash = mixed(hash ^ piece);
    }
    piece = 0;
    memcpy(&piece, bytes, (size_t)n);
    return mixed(hash ^ piece) | (uint64_t)0xFF << 56;
}

static Slot *new_table(int64_t size) {
    Slot *table = malloc((size_t)size * sizeof(Slot));
    for (int64_t i = 0; table && i < size; i++) table[i].word = -1;
    return table;
}

static Slot *grown(Slot *table, int64_t size) {
    Slot *larger = new_table(2 * size);
    for (int64_t i = 0; larger && i < size; i++) {
        if (table[i].word < 0) continue;
        int64_t at = (int64_t)(mixed(table[i].key) & (uint64_t)(2 * size - 1));
        while (larger[at].word >= 0) at = (at + 1) & (2 * size - 1);
        larger[at] = table[i];
    }
    free(table);
    return larger;
}

/* ids [n + 1]: the number of each word; with line_ends, -1 after the last word of every line.
   starts [n / 2 + 2], spelled [n + 1]: word w is spelled[starts[w] .. starts[w + 1]]. counts [2]: how many ids,
   how many words. Returns 0, or -1 when memory ran out. */
int32_t chainrule_split_words(const uint8_t *text, int64_t n, int32_t line_ends, int32_t *ids, int64_t *starts,
                              uint8_t *spelled, int64_t *counts) {
    static const uint8_t blank[256] = {['\t'] = 1, ['\n'] = 1, ['\v'] = 1, ['\f'] = 1, ['\r'] = 1, [' '] = 1};
    int64_t size = 1 << 14, words = 0, made = 0, at = 0;
    Slot *table = new_table(size);
    starts[0] = 0;
    while (table && at < n) {
        if (blank[text[at]]) {
            if (line_ends && text[at] == '\n') ids[made++] = -1;
            at++;
            continue;
        }
        int64_t start = at;
        while (at < n && !blank[text[at]]) at++;
        int64_t length = at - start;
        uint64_t key = key_of(text + start, length);
        int64_t slot = (int64_t)(mixed(key) & (uint64_t)(size - 1));
        for (; table[slot].word >= 0; slot = (slot + 1) & (size - 1)) {
            if (table[slot].key != key) continue;
            const int64_t *place = starts + table[slot].word;
            if (length <= SHORT || (place[1] - place[0] == length &&
                                    !memcmp(spelled + place[0], text + start, (size_t)length)))
                break;
        }
        if (table[slot].word < 0) {
            table[slot] = (Slot){key, (int32_t)words};
            memcpy(spelled + starts[words], text + start, (size_t)length);
            starts[words + 1] = starts[words] + length;
            words++;
        }
        ids[made++] = table[slot].word;
        if (2 * words > size) {
            table = grown(table, size);
            size *= 2;
        }
    }
    if (line_ends && n && text[n - 1] != '\n') ids[made++] = -1;
    counts[0] = made;
    counts[1] = words;
    if (!table) return -1;
    free(table);
    return 0;
}

/* Hashes of every window of `width` codes whose hash is a multiple of `modulus`, a power of two: see data/overlap.py.
   inverse: multiplier * inverse = 1. Returns how many stand in out. */
int64_t chainrule_window_hashes(const uint32_t *codes, int64_t n, int64_t width, uint64_t multiplier,
                                uint64_t inverse, uint64_t modulus, uint64_t *out) {
    uint64_t sum = 0, power = 1, last = 1;
    int64_t kept = 0;
    for (int64_t j = 0; j < width - 1 && j < n; j++, power *= inverse) sum += (codes[j] + (uint64_t)1) * power;
    last = power; /* inverse ^ (width - 1) */
    for (int64_t i = 0; i + width <= n; i++) {
        sum += (codes[i + width - 1] + (uint64_t)1) * last;
        uint64_t hash = sum;
        hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
        hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
        hash ^= hash >> 31;
        if (!(hash & (modulus - 1))) out[kept++] = hash;
        sum = (sum - (codes[i] + (uint64_t)1)) * multiplier;
    }
    return kept;
}
