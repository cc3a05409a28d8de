#include "keeper/keyring_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "base/hex.h"
#include "crypto/des.h"

static const struct {
    const char *name;
    uint8_t table;
} heads[] = {
    {"pwdh", KEEPER_PWDH},
    {"base", KEEPER_BASE},
    {"gateway", KEEPER_GATEWAY},
    {"gateway_cdld", KEEPER_CDLD},
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && is_blank(text.data[0]))
        text = bytes_of(text.data + 1, text.len - 1);
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

bool keyring_blank(struct bytes line)
{
    return trim(line).len == 0;
}

__attribute__((format(printf, 2, 3))) static enum err refuse(char *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, KEYRING_TEXT_MAX, format, args);
    va_end(args);
    return ERR_SYNTAX;
}

/* The next column; false where none is left. */
static bool column(struct bytes *rest, struct bytes *ret_column)
{
    if (rest->data == NULL)
        return false;
    const uint8_t *comma = rest->len == 0 ? NULL : memchr(rest->data, ',', rest->len);
    size_t len = comma != NULL ? (size_t)(comma - rest->data) : rest->len;
    *ret_column = trim(bytes_of(rest->data, len));
    *rest = comma != NULL ? bytes_of(comma + 1, rest->len - len - 1) : bytes_of(NULL, 0);
    return true;
}

static bool hex_prefix(struct bytes *text)
{
    if (text->len < 2 || text->data[0] != '0' || (text->data[1] | 0x20) != 'x')
        return false;
    *text = bytes_of(text->data + 2, text->len - 2);
    return true;
}

static enum err parse_key(struct bytes *rest, struct keyring_line *line, char *text)
{
    struct bytes digits;
    if (!column(rest, &digits) || digits.len == 0)
        return refuse(text, "the key is missing");
    if (!hex_prefix(&digits))
        return refuse(text, "the key does not start with 0x");
    size_t want = 2 * keeper_key_size(line->table);
    if (digits.len != want)
        return refuse(text, "key has %zu digits%s, %zu are wanted", digits.len,
                      digits.len % 2 != 0 ? " (an odd number)" : "", want);
    size_t len = 0;
    if (hex_decode(digits, line->key, sizeof line->key, &len) != ERR_OK)
        return refuse(text, "the key has a character that is no hexadecimal digit");
    line->key_len = (uint8_t)len;
    if (line->table != KEEPER_GATEWAY)
        return ERR_OK;
    struct err_detail detail = {.text = ""};
    if (des3_check(bytes_of(line->key, len), &detail) != ERR_OK)
        return refuse(text, "gateway key: %.80s", detail.text);
    return ERR_OK;
}

static enum err parse_id(struct bytes digits, unsigned id_width, uint64_t *ret_id, char *text)
{
    if (!hex_prefix(&digits))
        return refuse(text, "the line starts neither with a node id (0x...) nor with a known name");
    if (digits.len == 0)
        return refuse(text, "the node id has no digits");
    uint64_t id = 0;
    for (size_t i = 0; i < digits.len; i++) {
        uint8_t c = digits.data[i];
        uint8_t lower = c | 0x20;
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            digit = (unsigned)(lower - 'a') + 10;
        else
            return refuse(text, "the node id has a character that is no hexadecimal digit");
        if (id >> 60 != 0)
            return refuse(text, "the node id is out of range (64 bits)");
        id = id << 4 | digit;
    }
    if (id == 0)
        return refuse(text, "node id 0 is reserved");
    if (id_width < 64 && id >> id_width != 0)
        return refuse(text, "the node id is out of range (%u bits)", id_width);
    *ret_id = id;
    return ERR_OK;
}

static enum err parse_number(struct bytes *rest, const char *what, uint32_t *ret_number, char *text)
{
    struct bytes digits;
    if (!column(rest, &digits) || digits.len == 0)
        return refuse(text, "the %s is missing", what);
    uint64_t number = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return refuse(text, "the %s has a character that is no digit", what);
        number = number * 10 + (uint64_t)(digits.data[i] - '0');
        if (number > UINT32_MAX)
            return refuse(text, "the %s is out of range (32 bits)", what);
    }
    *ret_number = (uint32_t)number;
    return ERR_OK;
}

/* 0: not the name of a first line. */
static uint8_t head_table(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        if (name.len == strlen(heads[i].name) &&
            strncasecmp((const char *)name.data, heads[i].name, name.len) == 0)
            return heads[i].table;
    return 0;
}

static enum err parse(struct bytes rest, unsigned id_width, struct keyring_line *line, char *text)
{
    struct bytes first;
    if (!column(&rest, &first) || first.len == 0)
        return refuse(text, "the first column is missing");
    line->table = head_table(first);
    if (line->table == 0) {
        line->table = KEEPER_NODE;
        TRY(parse_id(first, id_width, &line->id, text));
    }
    TRY(parse_key(&rest, line, text));
    if (line->table == KEEPER_NODE) {
        TRY(parse_number(&rest, "batch number", &line->batch, text));
        TRY(parse_number(&rest, "reprovision count", &line->reprovisioned, text));
    }
    if (rest.data != NULL)
        return refuse(text, "there is more behind the last column");
    return ERR_OK;
}

enum err keyring_parse(struct bytes line, unsigned id_width, struct keyring_line *ret_line,
                       char ret_text[KEYRING_TEXT_MAX])
{
    struct keyring_line parsed = {.table = 0};
    enum err err = parse(line, id_width, &parsed, ret_text);
    if (err == ERR_OK)
        *ret_line = parsed;
    explicit_bzero(&parsed, sizeof parsed);
    return err;
}

static void put_hex(struct writer *w, struct bytes v)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = writer_reserve(w, 2 * v.len);
    for (size_t i = 0; to != NULL && i < v.len; i++) {
        *to++ = (uint8_t)digits[v.data[i] >> 4];
        *to++ = (uint8_t)digits[v.data[i] & 15];
    }
}

static void put_number(struct writer *w, uint32_t number)
{
    uint8_t digits[10];
    size_t len = 0;
    do {
        digits[sizeof digits - ++len] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    writer_bytes(w, bytes_of(digits + sizeof digits - len, len));
}

void keyring_format(struct writer *w, const struct keyring_line *line)
{
    if (line->table == KEEPER_NODE) {
        uint8_t id[8];
        be64_store(id, line->id);
        size_t skip = line->id > UINT32_MAX ? 0 : 4;
        writer_bytes(w, bytes_str("0x"));
        put_hex(w, bytes_of(id + skip, 8 - skip));
    } else {
        for (size_t i = 0; i < ARRAY_LEN(heads); i++)
            if (heads[i].table == line->table)
                writer_bytes(w, bytes_str(heads[i].name));
    }
    writer_bytes(w, bytes_str(", 0x"));
    put_hex(w, bytes_of(line->key, line->key_len));
    if (line->table == KEEPER_NODE) {
        writer_u8(w, ',');
        put_number(w, line->batch);
        writer_u8(w, ',');
        put_number(w, line->reprovisioned);
    }
    writer_u8(w, '\n');
}

static void take(struct keyring_split *split, struct bytes part)
{
    /* One byte more than a line may have: room for the CR of a CRLF. */
    size_t room = sizeof split->line - split->len;
    if (part.len > room) {
        split->overlong = true;
        part.len = room;
    }
    if (part.len != 0)
        memcpy(split->line + split->len, part.data, part.len);
    split->len = (uint16_t)(split->len + part.len);
}

static enum keyring_piece give(struct keyring_split *split, struct bytes *ret_line)
{
    split->number++;
    split->given = true;
    size_t len = split->len;
    if (len > 0 && split->line[len - 1] == '\r')
        len--;
    if (split->overlong || len > KEYRING_LINE_MAX)
        return KEYRING_OVERLONG;
    *ret_line = bytes_of(split->line, len);
    return KEYRING_LINE;
}

static void forget(struct keyring_split *split)
{
    if (!split->given)
        return;
    explicit_bzero(split->line, split->len);
    split->len = 0;
    split->overlong = false;
    split->given = false;
}

enum keyring_piece keyring_split_next(struct keyring_split *split, struct bytes *input,
                                      struct bytes *ret_line)
{
    forget(split);
    if (input->len == 0)
        return KEYRING_MORE;
    const uint8_t *newline = memchr(input->data, '\n', input->len);
    size_t len = newline != NULL ? (size_t)(newline - input->data) : input->len;
    take(split, bytes_of(input->data, len));
    size_t used = newline != NULL ? len + 1 : len;
    *input = bytes_of(input->data + used, input->len - used);
    return newline != NULL ? give(split, ret_line) : KEYRING_MORE;
}

enum keyring_piece keyring_split_end(struct keyring_split *split, struct bytes *ret_line)
{
    forget(split);
    if (split->len == 0 && !split->overlong)
        return KEYRING_MORE;
    return give(split, ret_line);
}

void keyring_split_done(struct keyring_split *split)
{
    explicit_bzero(split, sizeof *split);
}
