#include "kmip_message.h"

#include <stdio.h>
#include <string.h>

enum { STRUCTURE = 1, INTEGER, ENUMERATION = 5, BOOLEAN, TEXT, BYTES };

static const struct {
    const char *name;
    uint32_t operation;
} kinds[KMIP_KINDS] = {
    [KMIP_KIND_GET] = {"get", 0x0a},       [KMIP_KIND_DISCOVER] = {"discover", 0x1e},
    [KMIP_KIND_QUERY] = {"query", 0x18},   [KMIP_KIND_CREATE] = {"create", 0x01},
    [KMIP_KIND_LOCATE] = {"locate", 0x08}, [KMIP_KIND_ENCRYPT] = {"encrypt", 0x1f},
    [KMIP_KIND_SIGN] = {"sign", 0x21},     [KMIP_KIND_ACTIVATE] = {"activate", 0x12},
};

enum kmip_kind kmip_kind_of(const char *name)
{
    unsigned kind = 0;
    while (kind < KMIP_KINDS && strcmp(kinds[kind].name, name) != 0)
        kind++;
    return (enum kmip_kind)kind;
}

static void put32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* A cursor; structures remember where they began. */
struct out {
    uint8_t *at;
};

static uint8_t *begin(struct out *out, uint32_t tag)
{
    uint8_t *start = out->at;
    put32(start, 0x42000000U | tag << 8 | STRUCTURE);
    out->at += 8;
    return start;
}

static void end(const struct out *out, uint8_t *start)
{
    put32(start + 4, (uint32_t)(out->at - start - 8));
}

static void item(struct out *out, uint32_t tag, uint32_t type, const void *value, size_t len)
{
    put32(out->at, 0x42000000U | tag << 8 | type);
    put32(out->at + 4, (uint32_t)len);
    size_t padded = (len + 7) / 8 * 8;
    memset(out->at + 8, 0, padded);
    memcpy(out->at + 8, value, len);
    out->at += 8 + padded;
}

static void number(struct out *out, uint32_t tag, uint32_t type, uint32_t value)
{
    uint8_t bytes[4];
    put32(bytes, value);
    item(out, tag, type, bytes, sizeof bytes);
}

static void text(struct out *out, uint32_t tag, const char *value)
{
    item(out, tag, TEXT, value, strlen(value));
}

static void attribute(struct out *out, const char *name, uint32_t type, uint32_t value)
{
    uint8_t *start = begin(out, 0x08);
    text(out, 0x0a, name);
    number(out, 0x0b, type, value);
    end(out, start);
}

static void name(struct out *out, uint64_t which)
{
    char value[32];
    (void)snprintf(value, sizeof value, "bench-%010llu", (unsigned long long)which);
    uint8_t *start = begin(out, 0x08);
    text(out, 0x0a, "Name");
    uint8_t *inner = begin(out, 0x0b);
    text(out, 0x55, value);
    number(out, 0x54, ENUMERATION, 1);
    end(out, inner);
    end(out, start);
}

static void create(struct out *out, uint64_t which)
{
    number(out, 0x57, ENUMERATION, 2);
    uint8_t *start = begin(out, 0x91);
    attribute(out, "Cryptographic Algorithm", ENUMERATION, 3);
    attribute(out, "Cryptographic Length", INTEGER, 256);
    attribute(out, "Cryptographic Usage Mask", INTEGER, 12);
    name(out, which);
    end(out, start);
}

static void use(struct out *out, enum kmip_kind kind, const char *uid)
{
    static const uint8_t data[KMIP_DATA];
    text(out, 0x94, uid);
    uint8_t *start = begin(out, 0x2b);
    if (kind == KMIP_KIND_ENCRYPT) {
        const uint8_t yes[8] = {[7] = 1};
        number(out, 0x11, ENUMERATION, 9); /* GCM */
        number(out, 0x28, ENUMERATION, 3); /* AES */
        item(out, 0xc5, BOOLEAN, yes, sizeof yes);
        number(out, 0xce, INTEGER, 16); /* Tag Length */
    } else {
        number(out, 0xae, ENUMERATION, 5); /* SHA-256 with RSA encryption */
    }
    end(out, start);
    item(out, 0xc2, BYTES, data, kind == KMIP_KIND_ENCRYPT ? sizeof data : 32);
}

static void payload(struct out *out, enum kmip_kind kind, const char *uid, uint64_t which)
{
    uint8_t *start = begin(out, 0x79);
    switch (kind) {
    case KMIP_KIND_GET:
    case KMIP_KIND_ACTIVATE: text(out, 0x94, uid); break;
    case KMIP_KIND_QUERY:
        number(out, 0x74, ENUMERATION, 1);
        number(out, 0x74, ENUMERATION, 2);
        break;
    case KMIP_KIND_CREATE: create(out, which); break;
    case KMIP_KIND_LOCATE: name(out, which); break;
    case KMIP_KIND_ENCRYPT:
    case KMIP_KIND_SIGN: use(out, kind, uid); break;
    default: break;
    }
    end(out, start);
}

size_t kmip_request(uint8_t *to, enum kmip_kind kind, unsigned batch, const char *const *uids,
                    uint64_t which)
{
    struct out out = {to};
    uint8_t *message = begin(&out, 0x78);
    uint8_t *header = begin(&out, 0x77);
    uint8_t *version = begin(&out, 0x69);
    number(&out, 0x6a, INTEGER, 1);
    number(&out, 0x6b, INTEGER, 4);
    end(&out, version);
    number(&out, 0x0d, INTEGER, batch);
    end(&out, header);
    for (unsigned i = 0; i < batch; i++) {
        uint8_t *one = begin(&out, 0x0f);
        number(&out, 0x5c, ENUMERATION, kinds[kind].operation);
        if (batch > 1) {
            uint8_t id[4];
            put32(id, i);
            item(&out, 0x93, BYTES, id, sizeof id);
        }
        payload(&out, kind, uids != NULL ? uids[i] : NULL, which + i);
        end(&out, one);
    }
    end(&out, message);
    return (size_t)(out.at - to);
}

size_t kmip_message_len(const uint8_t *data, size_t have)
{
    if (have < 8)
        return 0;
    size_t len = 8 + (size_t)get32(data + 4);
    return have >= len ? len : 0;
}

static void each_item(const uint8_t *data, size_t len, uint32_t tag,
                      void (*each)(const uint8_t *value, size_t len, void *ctx), void *ctx)
{
    for (size_t at = 0; at + 8 <= len;) {
        uint32_t head = get32(data + at);
        size_t size = get32(data + at + 4);
        if ((head >> 8 & 0xffff) == tag && at + 8 + size <= len)
            each(data + at + 8, size, ctx);
        at += (head & 0xff) == STRUCTURE ? 8 : 8 + (size + 7) / 8 * 8;
    }
}

static void count_failure(const uint8_t *value, size_t len, void *ctx)
{
    unsigned *failures = ctx;
    *failures += len == 4 && get32(value) != 0;
}

unsigned kmip_failures(const uint8_t *message, size_t len)
{
    unsigned failures = 0;
    each_item(message, len, 0x7f, count_failure, &failures);
    return failures;
}

static void give_uid(const uint8_t *value, size_t len, void *ctx)
{
    void (**each)(const uint8_t *, size_t) = ctx;
    (*each)(value, len);
}

void kmip_each_uid(const uint8_t *message, size_t len, void (*each)(const uint8_t *, size_t))
{
    each_item(message, len, 0x94, give_uid, &each);
}
