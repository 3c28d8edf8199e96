/* Lines of an ARPA file, written and read: log10 probability, tab, words, and a tab and a backoff where it has one.

   A file from a stranger may hold anything: text is read up to its last line end and no further, and no word, number
   or line that is not what it should be is stored. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 64, DIGITS = 9, POWERS = 61 };
enum { NO_NUMBER = -1, POSITIVE = -2, NO_WORD = -3, FIELDS = -4, TOO_MANY = -5, TOO_LONG = -6 };

static const double LN10 = 2.302585092994046, LARGEST = 1e37; /* that is a single in nats too */
static const double TENS[POWERS] = {
    1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31,
    1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39, 1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47,
    1e48, 1e49, 1e50, 1e51, 1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58, 1e59, 1e60};

/* log10 of exp(nats) in nine digits, which lead back to the same single; no more than 16 bytes. */
static uint8_t *put_number(uint8_t *out, float nats) {
    double value = fabs((double)nats) / LN10;
    if (!isfinite(nats)) {
        memcpy(out, "-99", 3);
        return out + 3;
    }
    if (nats < 0) *out++ = '-';
    if (value == 0) {
        *out++ = '0';
        return out;
    }
    int e = value < 1 ? -1 : 0; /* 10^e <= value < 10^(e+1) */
    if (e)
        while (value * TENS[-e] < 1) e--;
    else
        while (value >= TENS[e + 1]) e++;
    double scaled = e < DIGITS ? value * TENS[DIGITS - 1 - e] : value / TENS[e - DIGITS + 1];
    int64_t whole = (int64_t)floor(scaled + 0.5);
    if (whole == 1000000000) {
        whole = 100000000;
        e++;
    }
    char digits[DIGITS];
    for (int i = DIGITS - 1; i >= 0; i--, whole /= 10) digits[i] = (char)('0' + whole % 10);
    int written = DIGITS, fixed = e >= -5 && e < DIGITS, point = fixed ? e : 0; /* the point stands after this one */
    while (written > 1 && digits[written - 1] == '0') written--;
    if (point < 0) {
        memcpy(out, "0.0000", 6);
        out += 1 - point;
    }
    for (int i = 0; i < written || i <= point; i++) {
        if (i && i == point + 1) *out++ = '.';
        *out++ = (uint8_t)digits[i];
    }
    if (!fixed) {
        *out++ = 'e';
        *out++ = e < 0 ? '-' : '+';
        *out++ = (uint8_t)('0' + abs(e) / 10);
        *out++ = (uint8_t)('0' + abs(e) % 10);
    }
    return out;
}

/* Lines of n-grams: rows [U, k] of words, log_probs [U], backoffs [U] or NULL, in nats; word w is blob[starts[w] ..
   starts[w + 1]]. Returns the bytes written; out is long enough. */
int64_t chainrule_arpa_write(const int32_t *rows, int64_t n, int32_t k, const float *log_probs, const float *backoffs,
                             const uint8_t *blob, const int64_t *starts, uint8_t *out) {
    uint8_t *begin = out;
    for (int64_t i = 0; i < n; i++) {
        out = put_number(out, log_probs[i]);
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

/* The slot of a word in the table [size, a power of 2, more than there are words]: taken by it, or free (-1). */
static int64_t slot_of(const uint8_t *word, int64_t n, const uint8_t *blob, const int64_t *starts,
                       const int32_t *table, int64_t size) {
    int64_t slot = (int64_t)(hash_word(word, n) & (uint64_t)(size - 1)), w;
    while ((w = table[slot]) >= 0 &&
           (starts[w + 1] - starts[w] != n || memcmp(blob + starts[w], word, (size_t)n)))
        slot = (slot + 1) & (size - 1);
    return slot;
}

/* Fill a table [size] of -1 with the numbers of different words. */
void chainrule_arpa_table(const uint8_t *blob, const int64_t *starts, int64_t words, int32_t *table, int64_t size) {
    for (int64_t w = 0; w < words; w++)
        table[slot_of(blob + starts[w], starts[w + 1] - starts[w], blob, starts, table, size)] = (int32_t)w;
}

static int digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

/* A decimal number and nothing else, or -inf. Up to 15 digits are a whole number, and a power of ten below 1e23 is
   one too, so that their quotient is the nearest double; strtod sees the others. */
static int parse_number(const uint8_t *text, int64_t n, double *value) {
    if (n == 4 && text[0] == '-' && (text[1] | 32) == 'i' && (text[2] | 32) == 'n' && (text[3] | 32) == 'f') {
        *value = -INFINITY;
        return 1;
    }
    int64_t i = text[0] == '-' || text[0] == '+', whole = 0, power = 0, exponent = 0, digits = 0, exact = 1;
    for (int point = 0; i < n && (digit(text[i]) || (text[i] == '.' && !point)); i++) {
        if (text[i] == '.') {
            point = 1;
            continue;
        }
        if (whole < 100000000000000) whole = whole * 10 + text[i] - '0';
        else exact = 0;
        digits++;
        power -= point;
    }
    if (!digits) return 0;
    if (i < n && (text[i] == 'e' || text[i] == 'E')) {
        int64_t minus = i + 1 < n && text[i + 1] == '-', begin = i + 1 + (i + 1 < n && (minus || text[i + 1] == '+'));
        for (i = begin; i < n && digit(text[i]); i++)
            if (exponent < 100000) exponent = exponent * 10 + text[i] - '0';
        if (i == begin) return 0;
        power += minus ? -exponent : exponent;
    }
    if (i < n) return 0;
    if (exact && power >= -22 && power <= 22) {
        *value = power < 0 ? (double)whole / TENS[-power] : (double)whole * TENS[power];
        if (text[0] == '-') *value = -*value;
        return 1;
    }
    char copy[LONGEST_NUMBER + 1];
    memcpy(copy, text, (size_t)n);
    copy[n] = 0;
    char *end;
    *value = strtod(copy, &end);
    return end == copy + n;
}

static int read_number(const uint8_t *text, int64_t n, double *value) {
    if (n < 1 || n > LONGEST_NUMBER || !parse_number(text, n, value)) return 0;
    return *value == -INFINITY ? text[1] == 'i' || text[1] == 'I' : fabs(*value) <= LARGEST;
}

typedef struct {
    const uint8_t *text, *blob;
    const int64_t *starts;
    const int32_t *table; /* NULL: words are not known yet, and where each begins and ends is stored instead */
    int64_t size;
    int32_t k;
} Reader;

/* One field of a line: what is wrong with it, or 0. */
static int64_t read_field(const Reader *r, int64_t start, int64_t end, int32_t field, int32_t *row, double *prob,
                          double *backoff) {
    const uint8_t *word = r->text + start;
    if (field == 0) {
        *backoff = 0;
        if (!read_number(word, end - start, prob)) return NO_NUMBER;
        return *prob > 0 ? POSITIVE : 0;
    }
    if (field > r->k + 1) return FIELDS;
    if (field == r->k + 1) return read_number(word, end - start, backoff) ? 0 : NO_NUMBER;
    if (!r->table) {
        row[0] = (int32_t)start;
        row[1] = (int32_t)end;
        return 0;
    }
    row[field - 1] = r->table[slot_of(word, end - start, r->blob, r->starts, r->table, r->size)];
    return row[field - 1] < 0 ? NO_WORD : 0;
}

/* Read at most `most` lines of k-grams from text [n], which ends in a line end and is shorter than 2^31; blank lines
   are passed over, a line that begins with a backslash ends the section. rows [most, k] of words, or [most, 2] of
   places where table is NULL (k is 1); probs, backoffs [most] in log10, a backoff of 0 where a line has none; lines
   [most]: how many lines stand before each. found [4]: n-grams, bytes and lines read, and what is wrong with the line
   that comes next, or 0. */
void chainrule_arpa_read(const uint8_t *text, int64_t n, int32_t k, int64_t most, int64_t longest,
                         const uint8_t *blob, const int64_t *starts, const int32_t *table, int64_t size,
                         int32_t *rows, double *probs, double *backoffs, int64_t *lines, int64_t *found) {
    Reader r = {text, blob, starts, table, size, k};
    int64_t at = 0, made = 0, line = 0, begin = 0, wrong = 0, width = table ? k : 2;
    while (at < n && text[at] != '\\') {
        int32_t field = 0;
        for (begin = at; text[at] != '\n' && !wrong;) {
            int64_t start = at;
            while (!blank(text[at])) at++;
            if (at == start) {
                at++;
                continue;
            }
            wrong = made == most ? TOO_MANY
                                 : read_field(&r, start, at, field, rows + made * width, probs + made, backoffs + made);
            field += field < k + 2; /* a line may have more fields than there are numbers */
        }
        if (!wrong && field && field <= k) wrong = FIELDS;
        if (!wrong && at - begin > longest) wrong = TOO_LONG;
        if (wrong) {
            at = begin;
            break;
        }
        if (field) lines[made++] = line;
        line++;
        at++;
    }
    found[0] = made;
    found[1] = at;
    found[2] = line;
    found[3] = wrong;
}

/* Where each of rows [n, k] comes when they are in order, one counting sort a column from the last to the first.
   What rows hold is below alphabet; order, spare [n], n below 2^32. Returns 0, or -1 where memory ran out. */
int32_t chainrule_arpa_sort(const int32_t *rows, int64_t n, int32_t k, int64_t alphabet, uint32_t *order,
                            uint32_t *spare) {
    int64_t *next = malloc((size_t)(alphabet + 1) * sizeof *next);
    if (!next) return -1;
    uint32_t *from = k % 2 ? spare : order, *to = k % 2 ? order : spare; /* the last column goes to order */
    for (int64_t i = 0; i < n; i++) from[i] = (uint32_t)i;
    for (int32_t j = k - 1; j >= 0; j--) {
        memset(next, 0, (size_t)(alphabet + 1) * sizeof *next);
        for (int64_t i = 0; i < n; i++) next[rows[i * k + j] + 1]++;
        for (int64_t a = 1; a < alphabet; a++) next[a] += next[a - 1];
        for (int64_t i = 0; i < n; i++) to[next[rows[(int64_t)from[i] * k + j]]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    free(next);
    return 0;
}

/* Where the first k - 1 of each of rows [n, k], in order, stand in below [m, k - 1], in order too; -1 where they
   do not. */
void chainrule_arpa_contexts(const int32_t *rows, int64_t n, int32_t k, const int32_t *below, int64_t m,
                             int64_t *contexts) {
    int64_t at = 0;
    for (int64_t i = 0; i < n; i++) {
        contexts[i] = -1;
        for (; at < m; at++) {
            const int32_t *row = rows + i * k, *other = below + at * (k - 1);
            int32_t j = 0;
            while (j < k - 1 && row[j] == other[j]) j++;
            if (j == k - 1) contexts[i] = at;
            if (j == k - 1 || row[j] < other[j]) break;
        }
    }
}
