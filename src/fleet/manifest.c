#include "fleet/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/hex.h"

enum {
    AT_VERSION,
    AT_NETWORK,
    AT_REALM,
    AT_BATCH,
    AT_NODES,
    AT_ID_BITS,
    AT_FILE,
    AT_SHA256,
    AT_SALT,
    AT_CREATED,
    AT_BLANK,
    AT_IDS,
    AT_END,
    AT_ERROR,
};

static const char *const keys[] = {
    [AT_VERSION] = "claviger-manifest",
    [AT_NETWORK] = "network",
    [AT_REALM] = "realm",
    [AT_BATCH] = "batch",
    [AT_NODES] = "nodes",
    [AT_ID_BITS] = "id-bits",
    [AT_FILE] = "file",
    [AT_SHA256] = "sha256",
    [AT_SALT] = "passphrase-salt",
    [AT_CREATED] = "created",
};

static bool file_name_ok(struct bytes name)
{
    if (name.len == 0 || name.len > FLEET_SOURCE_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < 0x20 || name.data[i] == 0x7f || name.data[i] == '/')
            return false;
    }
    return name.data[0] != ' ' && name.data[name.len - 1] != ' ';
}

enum err manifest_write_header(const struct manifest *m, struct buf *to)
{
    if (!file_name_ok(bytes_str(m->file)))
        return ERR_ARGUMENT;
    char sha256[65], salt[2 * FLEET_SALT_SIZE + 1], created[32], batch[16] = "all";
    hex_encode(BYTES(m->sha256), sha256);
    hex_encode(BYTES(m->salt), salt);
    clock_format(m->created, created);
    if (!m->all)
        snprintf(batch, sizeof(batch), "%" PRIu32, m->batch);
    return buf_printf(to,
                      "claviger-manifest: 1\nnetwork: %s\nrealm: %s\nbatch: %s\nnodes: %" PRIu64
                      "\nid-bits: %u\nfile: %s\nsha256: %s\npassphrase-salt: %s\ncreated: %s\n\n",
                      m->network, m->realm, batch, m->nodes, m->id_bits, m->file, sha256, salt,
                      created);
}

enum err manifest_write_id(uint64_t id, unsigned id_bits, struct buf *to)
{
    static const char digits[] = "0123456789abcdef";
    unsigned count = id_bits / 4;
    TRY(buf_reserve(to, count + 3));
    uint8_t *at = to->data + to->len;
    at[0] = '0';
    at[1] = 'x';
    for (unsigned i = 0; i < count; i++)
        at[2 + i] = (uint8_t)digits[id >> (4 * (count - 1 - i)) & 15];
    at[2 + count] = '\n';
    to->len += count + 3;
    return ERR_OK;
}

enum err manifest_write_cmac(const uint8_t mac[16], struct buf *to)
{
    char text[33];
    hex_encode(bytes_of(mac, 16), text);
    return buf_printf(to, "cmac: %s\n", text);
}

/* One form only: lower case, all digits. */
static bool strict_hex(struct bytes text, uint8_t *to, size_t len)
{
    if (text.len != 2 * len)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 'A' && text.data[i] <= 'F')
            return false;
    }
    size_t got;
    return hex_decode(text, to, len, &got) == ERR_OK;
}

/* Decimal without leading zeros. */
static bool strict_number(struct bytes text, uint64_t max, uint64_t *ret_value)
{
    if (text.len == 0 || text.len > 19 || (text.len > 1 && text.data[0] == '0'))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (value > max)
        return false;
    *ret_value = value;
    return true;
}

static bool strict_id(struct bytes text, unsigned id_bits, uint64_t *ret_id)
{
    uint8_t id[8];
    if (text.len != id_bits / 4 + 2 || text.data[0] != '0' || text.data[1] != 'x' ||
        !strict_hex(bytes_of(text.data + 2, text.len - 2), id, id_bits / 8))
        return false;
    *ret_id = id_bits == 64 ? be64_load(id) : be32_load(id);
    return true;
}

static bool strict_time(const char *text, int64_t *ret_time)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!end || *end)
        return false;
    time_t when = timegm(&tm);
    char again[32];
    clock_format(when, again);
    if (strcmp(again, text) != 0)
        return false;
    *ret_time = when;
    return true;
}

static bool take_value(struct manifest *m, unsigned state, struct bytes value)
{
    uint64_t number = 0;
    const char *text = (const char *)value.data; /* NUL-terminated by the reader */
    switch (state) {
    case AT_VERSION: return bytes_equal(value, bytes_str("1"));
    case AT_NETWORK:
        if (fleet_name_check(value, NULL) != ERR_OK)
            return false;
        memcpy(m->network, text, value.len + 1);
        return true;
    case AT_REALM:
        return fleet_realm_parse(value, m->realm, NULL) == ERR_OK && strcmp(m->realm, text) == 0;
    case AT_BATCH:
        m->all = bytes_equal(value, bytes_str("all"));
        if (!m->all && !strict_number(value, UINT32_MAX, &number))
            return false;
        m->batch = (uint32_t)number;
        return true;
    case AT_NODES: return strict_number(value, FLEET_NODES_MAX, &m->nodes);
    case AT_ID_BITS:
        if (!strict_number(value, 64, &number) || (number != 32 && number != 64))
            return false;
        m->id_bits = (unsigned)number;
        return true;
    case AT_FILE:
        if (!file_name_ok(value))
            return false;
        memcpy(m->file, text, value.len + 1);
        return true;
    case AT_SHA256: return strict_hex(value, m->sha256, sizeof(m->sha256));
    case AT_SALT: return strict_hex(value, m->salt, sizeof(m->salt));
    case AT_CREATED: return strict_time(text, &m->created);
    default: return false;
    }
}

void manifest_reader_init(struct manifest_reader *reader)
{
    memset(reader, 0, sizeof(*reader));
    reader->line = 1;
}

static enum err header_line(struct manifest_reader *r, struct bytes line, struct err_detail *detail)
{
    const char *key = keys[r->state];
    size_t len = strlen(key);
    if (line.len < len + 2 || memcmp(line.data, key, len) != 0 || line.data[len] != ':' ||
        line.data[len + 1] != ' ')
        return err_set(detail, ERR_SYNTAX, "manifest: line %" PRIu64 ": \"%s: \" is wanted",
                       r->line, key);
    struct bytes value = {line.data + len + 2, line.len - len - 2};
    if (memchr(line.data, '\0', line.len) || !take_value(&r->manifest, r->state, value))
        return err_set(detail, ERR_SYNTAX, "manifest: line %" PRIu64 ": bad value of \"%s\"",
                       r->line, key);
    r->state++;
    return ERR_OK;
}

static enum err take_line(struct manifest_reader *r, enum manifest_event *ret_event,
                          uint64_t *ret_id, struct err_detail *detail)
{
    struct bytes line = {(const uint8_t *)r->text, r->len};
    r->text[r->len] = '\0';
    *ret_event = MANIFEST_MORE;
    if (r->state < AT_BLANK)
        return header_line(r, line, detail);
    if (r->state == AT_BLANK) {
        if (line.len != 0)
            return err_set(detail, ERR_SYNTAX,
                           "manifest: line %" PRIu64 ": an empty line is wanted", r->line);
        r->state = AT_IDS;
        *ret_event = MANIFEST_HEADER;
        return ERR_OK;
    }
    static const char cmac[] = "cmac: ";
    size_t skip = sizeof(cmac) - 1;
    if (line.len == skip + 32 && memcmp(line.data, cmac, skip) == 0 &&
        strict_hex(bytes_of(line.data + skip, 32), r->mac, sizeof(r->mac))) {
        r->state = AT_END;
        *ret_event = MANIFEST_END;
        return ERR_OK;
    }
    if (!strict_id(line, r->manifest.id_bits, ret_id))
        return err_set(detail, ERR_SYNTAX,
                       "manifest: line %" PRIu64 ": neither a node id nor the cmac", r->line);
    if (++r->ids > r->manifest.nodes)
        return err_set(detail, ERR_MISMATCH,
                       "manifest: line %" PRIu64 ": more node ids than \"nodes: %" PRIu64 "\"",
                       r->line, r->manifest.nodes);
    *ret_event = MANIFEST_ID;
    return ERR_OK;
}

static enum err next(struct manifest_reader *r, struct bytes *input, enum manifest_event *ret_event,
                     uint64_t *ret_id, struct err_detail *detail)
{
    while (input->len > 0) {
        if (r->state == AT_END)
            return err_set(detail, ERR_SYNTAX, "manifest: something follows the cmac line");
        const uint8_t *eol = memchr(input->data, '\n', input->len);
        size_t take = eol ? (size_t)(eol - input->data) : input->len;
        if (r->len + take >= sizeof(r->text))
            return err_set(detail, ERR_LIMIT, "manifest: line %" PRIu64 " is longer than %d bytes",
                           r->line, MANIFEST_LINE_MAX - 1);
        memcpy(r->text + r->len, input->data, take);
        r->len += take;
        size_t used = eol ? take + 1 : take;
        input->data += used;
        input->len -= used;
        if (!eol)
            break;
        size_t whole = r->len + 1;
        enum manifest_event event;
        TRY(take_line(r, &event, ret_id, detail));
        r->len = 0;
        r->line++;
        if (event != MANIFEST_END)
            r->signed_len += whole;
        if (event != MANIFEST_MORE) {
            *ret_event = event;
            return ERR_OK;
        }
    }
    *ret_event = MANIFEST_MORE;
    return ERR_OK;
}

enum err manifest_reader_next(struct manifest_reader *r, struct bytes *input,
                              enum manifest_event *ret_event, uint64_t *ret_id,
                              struct err_detail *detail)
{
    if (r->state == AT_ERROR)
        return ERR_SYNTAX;
    enum err err = next(r, input, ret_event, ret_id, detail);
    if (err != ERR_OK)
        r->state = AT_ERROR;
    return err;
}

enum err manifest_reader_finish(const struct manifest_reader *r, struct err_detail *detail)
{
    if (r->state == AT_ERROR)
        return ERR_SYNTAX;
    if (r->state != AT_END)
        return err_set(detail, ERR_TRUNCATED, "manifest: ends in line %" PRIu64, r->line);
    if (r->ids != r->manifest.nodes)
        return err_set(detail, ERR_MISMATCH,
                       "manifest: %" PRIu64 " node ids, \"nodes: %" PRIu64 "\"", r->ids,
                       r->manifest.nodes);
    return ERR_OK;
}
