#include "vault/object_row.h"

#include "vault/object_list.h"

#include <stdlib.h>

/* Two lanes of FNV-1a, 64 bits, each finished so that all bits matter. It keeps long values apart
 * that begin alike; who makes two collide has given his object an attribute that it could have been
 * given outright. */
static uint64_t lane(uint64_t hash, struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        hash ^= value.data[i];
        hash *= 0x100000001b3;
    }
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccd;
    hash ^= hash >> 33;
    hash *= 0xc4ceb9fe1a85ec53;
    return hash ^ hash >> 33;
}

#define LANE_A 0xcbf29ce484222325
#define LANE_B 0x9ae16a3b2f90404f

static void append(struct vault_key *key, struct bytes value)
{
    if (value.len <= (size_t)(VAULT_KEY_MAX - key->len)) {
        if (value.len > 0)
            memcpy(key->value + key->len, value.data, value.len);
        key->len = (uint8_t)(key->len + value.len);
        return;
    }
    memcpy(key->value + key->len, value.data, (size_t)(VAULT_KEY_CUT - key->len));
    be64_store(key->value + VAULT_KEY_CUT, lane(LANE_A, value));
    be64_store(key->value + VAULT_KEY_CUT + 8, lane(LANE_B, value));
    key->len = VAULT_KEY_MAX;
}

static void append_number(struct vault_key *key, int64_t value)
{
    uint8_t number[8];
    /* the sign flipped, so that bytes order as the numbers do */
    be64_store(number, (uint64_t)value ^ (uint64_t)1 << 63);
    append(key, BYTES(number));
}

static struct vault_key of_name(struct bytes name)
{
    struct vault_key key = {.attribute = VAULT_KEY_CUSTOM, .len = 8};
    be64_store(key.value, lane(LANE_A, name));
    return key;
}

struct vault_key vault_key_bytes(uint32_t attribute, struct bytes value)
{
    struct vault_key key = {.attribute = attribute};
    append(&key, value);
    return key;
}

struct vault_key vault_key_number(uint32_t attribute, int64_t value)
{
    struct vault_key key = {.attribute = attribute};
    append_number(&key, value);
    return key;
}

struct vault_key vault_key_custom(struct bytes name, struct bytes value)
{
    struct vault_key key = of_name(name);
    append(&key, value);
    return key;
}

struct vault_key vault_key_custom_number(struct bytes name, int64_t value)
{
    struct vault_key key = of_name(name);
    append_number(&key, value);
    return key;
}

int key_compare(const struct vault_key *a, const struct vault_key *b)
{
    if (a->attribute != b->attribute)
        return a->attribute < b->attribute ? -1 : 1;
    int order = memcmp(a->value, b->value, a->len < b->len ? a->len : b->len);
    return order != 0 ? order : (int)a->len - (int)b->len;
}

static int compare(const void *a, const void *b)
{
    return key_compare(a, b);
}

enum err key_list_make(const struct vault_key *keys, size_t count, uint32_t state,
                       struct arena *arena, struct key_list *ret_list)
{
    if (count > VAULT_KEYS_MAX)
        return ERR_LIMIT;
    struct vault_key *all = arena_take(arena, (count + 1) * sizeof(*all));
    if (all == NULL)
        return ERR_NO_MEMORY;
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        if (keys[i].attribute != VAULT_KEY_STATE)
            all[len++] = keys[i];
    all[len++] = vault_key_number(VAULT_KEY_STATE, state);
    qsort(all, len, sizeof(*all), compare);
    size_t kept = 1;
    for (size_t i = 1; i < len; i++)
        if (key_compare(&all[kept - 1], &all[i]) != 0)
            all[kept++] = all[i];
    *ret_list = (struct key_list){all, kept};
    return ERR_OK;
}

enum err key_list_encode(const struct key_list *list, struct arena *arena, struct bytes *ret_blob)
{
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++)
        size += (size_t)5 + list->keys[i].len;
    uint8_t *blob = arena_take(arena, size);
    if (blob == NULL)
        return ERR_NO_MEMORY;
    struct writer writer = writer_of(blob, size);
    for (size_t i = 0; i < list->count; i++) {
        const struct vault_key *key = &list->keys[i];
        writer_u32(&writer, key->attribute);
        writer_u8(&writer, key->len);
        writer_bytes(&writer, bytes_of(key->value, key->len));
    }
    TRY(writer_status(&writer));
    *ret_blob = writer_view(&writer);
    return ERR_OK;
}

bool vault_key_read(struct reader *reader, uint32_t *ret_attribute, struct bytes *ret_value)
{
    if (reader_left(reader) == 0)
        return false;
    uint32_t attribute = reader_u32(reader);
    struct bytes value = reader_bytes(reader, reader_u8(reader));
    if (reader_status(reader) != ERR_OK)
        return false;
    *ret_attribute = attribute;
    *ret_value = value;
    return true;
}

enum err key_list_decode(struct bytes blob, struct arena *arena, struct key_list *ret_list)
{
    struct reader reader = reader_of(blob);
    uint32_t attribute;
    struct bytes value;
    size_t count = 0;
    while (vault_key_read(&reader, &attribute, &value))
        if (value.len <= VAULT_KEY_MAX)
            count++;
    if (reader_end(&reader) != ERR_OK)
        return ERR_CORRUPT;
    struct vault_key *keys = arena_take(arena, (count + 1) * sizeof(*keys));
    if (keys == NULL)
        return ERR_NO_MEMORY;
    reader = reader_of(blob);
    size_t len = 0;
    while (len < count && vault_key_read(&reader, &attribute, &value)) {
        if (value.len > VAULT_KEY_MAX)
            return ERR_CORRUPT;
        keys[len].attribute = attribute;
        keys[len].len = (uint8_t)value.len;
        memcpy(keys[len++].value, value.data, value.len);
    }
    *ret_list = (struct key_list){keys, len};
    return ERR_OK;
}

bool key_after_prefix(const struct vault_key *key, struct vault_key *ret_end)
{
    *ret_end = *key;
    while (ret_end->len > 0 && ret_end->value[ret_end->len - 1] == 0xff)
        ret_end->len--;
    if (ret_end->len == 0)
        return false;
    ret_end->value[ret_end->len - 1]++;
    return true;
}

static int bytes_order(struct bytes a, struct bytes b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

bool term_holds(const struct vault_term *term, struct bytes value)
{
    struct bytes from = bytes_of(term->key.value, term->key.len);
    switch (term->compare) {
    case VAULT_EQUAL: return bytes_equal(from, value);
    case VAULT_PREFIX:
        return value.len >= from.len && bytes_equal(from, bytes_of(value.data, from.len));
    case VAULT_RANGE:
        return bytes_order(from, value) <= 0 &&
               bytes_order(value, bytes_of(term->to.value, term->to.len)) <= 0;
    }
    return false;
}
