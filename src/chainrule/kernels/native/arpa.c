/* Lines of an ARPA file, written and read: log10 probability, tab, words, and a tab and a backoff where it has one. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 40, NO_NUMBER = -1, TOO_FEW = -2, TOO_MANY = -3, NO_WORD = -4, NO_MEMORY = -5 };

static uint8_t *put_number(uint8_t *out, double value) {
    if (value == -INFINITY || value <= -99) {
        memcpy(out, "-99", 3);
        return out + 3;
    }
    if (value < 0) *out++ = '-';
    int64_t scaled = llround(fabs(value) * 1e7), whole = scaled / 10000000, rest = scaled % 10000000;
    if (whole >= 10) *out++ = (uint8_t)('0' + whole / 10 % 10);
    *out++ = (uint8_t)('0' + whole % 10);
    *out++ = '.';
    for (int i = 6; i >= 0; i--, rest /= 10) out[i] = (uint8_t)('0' + rest % 10);
    return out + 7;
}

/* Lines of n-grams: rows [U, k] of words, log10 probs [U], backoffs [U] or NULL; word w is blob[starts[w] ..
   starts[w + 1]]. Returns the bytes written; out is long enough. */
int64_t chainrule_arpa_write(const int32_t *rows, int64_t n, int32_t k, const double *probs, const double *backoffs,
                             const uint8_t *blob, const int64_t *starts, uint8_t *out) {
    uint8_t *begin = out;
    for (int64_t i = 0; i < n; i++) {
        out = put_number(out, probs[i]);
        for (int32_t j = 0; j < k; j++) {
            int64_t word = rows[i * k + j], length = starts[word + 1] - starts[word];
            *out++ = j ? ' ' : '\t';
            memcpy(out, blob + starts[word], (size_t)length);
            out += length;
        }
        if (backoffs) {
            *out++ = '\t';
            out = put_number(out, backoffs[i]);
        }
        *out++ = '\n';
    }
    return out - begin;
}

static uint64_t hash_word(const uint8_t *bytes, int64_t n) {
    uint64_t hash = 0xCBF29CE484222325u; /* Fowler, Noll & Vo */
    for (int64_t i = 0; i < n; i++) hash = (hash ^ bytes[i]) * 0x100000001B3u;
    return hash ^ hash >> 32;
}

static int blank(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

/* A decimal number, and nothing else. */
static int read_number(const uint8_t *text, int64_t n, double *value) {
    char copy[LONGEST_NUMBER + 1], *end;
    if (!n || n > LONGEST_NUMBER) return 0;
    for (int64_t i = 0; i < n; i++) /* strtod would take hexadecimal, infinity and nan */
        if (!((text[i] >= '0' && text[i] <= '9') || strchr("+-.eE", text[i]))) return 0;
    int64_t at = text[0] == '-', whole = 0, digits = 0, decimals = -1;
    for (int64_t i = at; i < n && digits < 16; i++) {
        if (text[i] == '.' && decimals < 0)
            decimals = 0;
        else if (text[i] >= '0' && text[i] <= '9') {
            whole = whole * 10 + text[i] - '0';
            digits++;
            decimals += decimals >= 0;
        } else
            break;
        if (i == n - 1 && digits) {
            static const double tens[] = {1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7, 1e8,
                                          1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16};
            *value = (double)whole / tens[decimals > 0 ? decimals : 0];
            if (at) *value = -*value;
            return 1;
        }
    }
    memcpy(copy, text, (size_t)n);
    copy[n] = 0;
    *value = strtod(copy, &end);
    return end == copy + n && isfinite(*value);
}

/* Read at most `most` lines of k-grams from text [n], which ends in a line end; blank lines are passed over, a
   line that begins with a backslash ends the section. rows [most, k], probs, backoffs [most] (0 where a line has
   none). found [4]: lines read, bytes read, and of a line that is wrong what is wrong with it and where it
   begins. Returns 0, or NO_MEMORY. */
int32_t chainrule_arpa_read(const uint8_t *text, int64_t n, int32_t k, int64_t most, const uint8_t *blob,
                            const int64_t *starts, int64_t words, int32_t *rows, double *probs, double *backoffs,
                            int64_t *found) {
    int64_t size = 4;
    while (size < 2 * words) size *= 2;
    int32_t *table = malloc((size_t)size * sizeof *table);
    memset(found, 0, 4 * sizeof *found);
    if (!table) return NO_MEMORY;
    for (int64_t i = 0; i < size; i++) table[i] = -1;
    for (int64_t w = 0; w < words; w++) {
        int64_t slot = (int64_t)(hash_word(blob + starts[w], starts[w + 1] - starts[w]) & (uint64_t)(size - 1));
        while (table[slot] >= 0) slot = (slot + 1) & (size - 1);
        table[slot] = (int32_t)w;
    }
    int64_t at = 0, made = 0, wrong = 0, line = 0;
    while (at < n && text[at] != '\\' && !wrong) {
        line = at;
        int32_t field = 0;
        while (text[at] != '\n' && !wrong) {
            if (blank(text[at])) {
                at++;
                continue;
            }
            int64_t start = at;
            while (!blank(text[at])) at++;
            if (made == most) {
                wrong = TOO_MANY;
            } else if (field == 0) {
                backoffs[made] = 0;
                if (!read_number(text + start, at - start, &probs[made])) wrong = NO_NUMBER;
            } else if (field <= k) {
                uint64_t hash = hash_word(text + start, at - start);
                int64_t slot = (int64_t)(hash & (uint64_t)(size - 1)), w;
                while ((w = table[slot]) >= 0 && (starts[w + 1] - starts[w] != at - start ||
                                                  memcmp(blob + starts[w], text + start, (size_t)(at - start))))
                    slot = (slot + 1) & (size - 1);
                rows[made * k + field - 1] = (int32_t)w;
                if (w < 0) wrong = NO_WORD;
            } else if (field > k + 1 || !read_number(text + start, at - start, &backoffs[made])) {
                wrong = field > k + 1 ? TOO_FEW : NO_NUMBER;
            }
            field++;
        }
        if (wrong) break;
        if (field && field <= k) wrong = TOO_FEW;
        made += field > k;
        at++;
    }
    free(table);
    found[0] = made;
    found[1] = at;
    found[2] = wrong;
    found[3] = line;
    return 0;
}
