#include "keeper/object_wrap.h"

/* Tags and types of KMIP 2.1, 11.60 and 9.1.1: the little of TTLV that is wrapped with a key. */
#define TAG_KEY          0x42003fu
#define TAG_KEY_MATERIAL 0x420043u
#define TAG_KEY_VALUE    0x420045u
#define TYPE_STRUCTURE   0x01
#define TYPE_BYTES       0x08
#define ITEM_HEAD        8

static size_t padded(size_t len)
{
    return (len + 7) / 8 * 8;
}

static void put_item(struct writer *w, uint32_t tag, uint8_t type, size_t len)
{
    writer_u32(w, tag << 8 | type);
    writer_u32(w, (uint32_t)len);
}

enum err wrap_ttlv_make(struct bytes material, struct bytes after, struct secret **ret_value)
{
    static const uint8_t zeros[8];
    size_t inner = ITEM_HEAD + padded(material.len) + after.len;
    AUTO(secret_freep) struct secret *value = NULL;
    TRY(secret_new(ITEM_HEAD + inner, &value));
    struct writer w = writer_of(secret_data(value), secret_len(value));
    put_item(&w, TAG_KEY_VALUE, TYPE_STRUCTURE, inner);
    put_item(&w, TAG_KEY_MATERIAL, TYPE_BYTES, material.len);
    writer_bytes(&w, material);
    writer_bytes(&w, bytes_of(zeros, padded(material.len) - material.len));
    writer_bytes(&w, after);
    TRY(writer_status(&w));
    *ret_value = TAKE(value);
    return ERR_OK;
}

/* The next item, padding passed over; fails the reader where it isn't of this tag. */
static struct bytes get_item(struct reader *r, uint32_t tag, uint8_t *ret_type)
{
    uint32_t head = reader_u32(r);
    size_t len = reader_u32(r);
    struct bytes value = reader_bytes(r, len);
    if (r->err == ERR_OK && len % 8 != 0)
        (void)reader_bytes(r, padded(len) - len);
    *ret_type = (uint8_t)head;
    if (head >> 8 != tag || (*ret_type != TYPE_STRUCTURE && *ret_type != TYPE_BYTES))
        reader_fail(r, ERR_DECRYPT);
    return r->err == ERR_OK ? value : bytes_of(NULL, 0);
}

enum err wrap_ttlv_read(struct bytes value, struct bytes *ret_material, struct bytes *ret_after)
{
    struct reader whole = reader_of(value);
    uint8_t type;
    struct bytes inner = get_item(&whole, TAG_KEY_VALUE, &type);
    if (reader_end(&whole) != ERR_OK || type != TYPE_STRUCTURE)
        return ERR_DECRYPT;
    struct reader r = reader_of(inner);
    struct bytes material = get_item(&r, TAG_KEY_MATERIAL, &type);
    if (r.err == ERR_OK && type == TYPE_STRUCTURE) {
        struct reader key = reader_of(material);
        material = get_item(&key, TAG_KEY, &type);
        if (reader_end(&key) != ERR_OK || type != TYPE_BYTES)
            return ERR_DECRYPT;
    }
    if (r.err != ERR_OK || material.len == 0)
        return ERR_DECRYPT;
    *ret_material = material;
    *ret_after = reader_bytes(&r, reader_left(&r));
    return ERR_OK;
}

void wrap_put_fields(struct writer *w, const struct keeper_wrap *wrap)
{
    unsigned what = (wrap->encrypt != NULL ? WRAP_ENCRYPT_KEY : 0u) |
                    (wrap->mac != NULL ? WRAP_MAC_KEY : 0u) |
                    (wrap->mac_then_encrypt ? WRAP_MAC_FIRST : 0u) | (wrap->ttlv ? WRAP_TTLV : 0u);
    writer_u8(w, (uint8_t)what);
    if (wrap->encrypt != NULL)
        message_put_object(w, wrap->encrypt);
    writer_bytes16(w, wrap->encrypt_spki);
    message_put_params(w, &wrap->encrypt_params);
    if (wrap->mac != NULL)
        message_put_object(w, wrap->mac);
    writer_bytes16(w, wrap->mac_spki);
    message_put_params(w, &wrap->mac_params);
    writer_bytes16(w, wrap->iv);
    writer_bytes16(w, wrap->mac_value);
    writer_u32(w, wrap->format);
    writer_bytes32(w, wrap->after);
}

struct wrap_fields wrap_get_fields(struct reader *r)
{
    struct wrap_fields fields = {.what = reader_u8(r)};
    if ((fields.what & WRAP_ENCRYPT_KEY) != 0)
        fields.encrypt = message_get_object_there(r);
    fields.encrypt_spki = reader_bytes16(r);
    fields.encrypt_params = message_get_params(r);
    if ((fields.what & WRAP_MAC_KEY) != 0)
        fields.mac = message_get_object_there(r);
    fields.mac_spki = reader_bytes16(r);
    fields.mac_params = message_get_params(r);
    fields.iv = reader_bytes16(r);
    fields.mac_value = reader_bytes16(r);
    fields.format = reader_u32(r);
    fields.after = reader_bytes32(r);
    bool two_encrypt = (fields.what & WRAP_ENCRYPT_KEY) != 0 && fields.encrypt_spki.len != 0;
    bool two_mac = (fields.what & WRAP_MAC_KEY) != 0 && fields.mac_spki.len != 0;
    if (two_encrypt || two_mac || fields.what > (WRAP_TTLV << 1) - 1)
        reader_fail(r, ERR_ARGUMENT);
    return fields;
}
