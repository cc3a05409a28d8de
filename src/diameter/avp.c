#include "diameter/avp.h"

void avp_text(struct bytes value, char *to, size_t size)
{
    size_t len = value.len < size - 1 ? value.len : size - 1;
    for (size_t i = 0; i < len; i++)
        to[i] = value.data[i] >= ' ' && value.data[i] < 0x7f ? (char)value.data[i] : '?';
    to[len] = '\0';
}

const char *diameter_result_name(uint32_t code)
{
    for (size_t i = 0; i < ARRAY_LEN(diameter_results); i++) {
        if (diameter_results[i].code == code)
            return diameter_results[i].name;
    }
    return "?";
}

static uint32_t be24_load(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

enum err avp_next(struct bytes *at, struct avp *ret_avp)
{
    *ret_avp = (struct avp){0};
    if (at->len < AVP_HEADER_LEN) {
        /* RFC 6733, 7.1.5: of a cut header, what is there counts, zeros stand for the rest. */
        uint8_t head[AVP_HEADER_LEN] = {0};
        if (at->len != 0)
            memcpy(head, at->data, at->len);
        ret_avp->code = be32_load(head);
        ret_avp->flags = head[4];
        ret_avp->id = at->len >= 4 ? avp_id_find(ret_avp->code, 0) : AVP_UNKNOWN;
        return ERR_TRUNCATED;
    }
    const uint8_t *p = at->data;
    ret_avp->code = be32_load(p);
    ret_avp->flags = p[4];
    size_t len = be24_load(p + 5);
    size_t header = AVP_HEADER_LEN;
    if ((ret_avp->flags & AVP_FLAG_V) != 0) {
        header = AVP_HEADER_LEN + 4;
        if (at->len >= header)
            ret_avp->vendor = be32_load(p + 8);
    }
    if (ret_avp->vendor == 0)
        ret_avp->id = avp_id_find(ret_avp->code, 0);
    if (len < header || len > at->len)
        return ERR_TRUNCATED;
    ret_avp->value = bytes_of(p + header, len - header);
    ret_avp->whole = bytes_of(p, len);
    size_t step = avp_padded(len);
    if (step > at->len)
        step = at->len;
    *at = bytes_of(p + step, at->len - step);
    return ERR_OK;
}

uint8_t *avp_reserve(struct writer *w, enum avp_id id, size_t len)
{
    if (len > 0xffffff - AVP_HEADER_LEN) {
        w->err = ERR_LIMIT;
        return NULL;
    }
    size_t total = AVP_HEADER_LEN + len;
    uint8_t *p = writer_reserve(w, avp_padded(total));
    if (p == NULL)
        return NULL;
    be32_store(p, avp_defs[id].code);
    be32_store(p + 4, (uint32_t)total);
    p[4] = avp_defs[id].m_rule == DIAMETER_M_MUST_NOT ? 0 : AVP_FLAG_M;
    for (size_t i = total; i < avp_padded(total); i++)
        p[i] = 0;
    return p + AVP_HEADER_LEN;
}

void avp_put(struct writer *w, enum avp_id id, struct bytes value)
{
    uint8_t *p = avp_reserve(w, id, value.len);
    if (p != NULL && value.len != 0)
        memcpy(p, value.data, value.len);
}

void avp_put_u32(struct writer *w, enum avp_id id, uint32_t value)
{
    uint8_t *p = avp_reserve(w, id, 4);
    if (p != NULL)
        be32_store(p, value);
}

void avp_put_str(struct writer *w, enum avp_id id, const char *text)
{
    avp_put(w, id, bytes_str(text));
}

void avp_put_address(struct writer *w, enum avp_id id, struct bytes address)
{
    uint8_t *p = avp_reserve(w, id, 2 + address.len);
    if (p == NULL)
        return;
    be16_store(p, address.len == 16 ? 2 : 1);
    memcpy(p + 2, address.data, address.len);
}

size_t avp_group_begin(struct writer *w, enum avp_id id)
{
    size_t begin = w->len;
    (void)avp_reserve(w, id, 0);
    return begin;
}

void avp_group_end(struct writer *w, size_t begin)
{
    if (writer_status(w) != ERR_OK)
        return;
    size_t len = w->len - begin;
    uint8_t *p = w->buf + begin;
    p[5] = (uint8_t)(len >> 16);
    be16_store(p + 6, (uint16_t)len);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool diameter_identity_equal(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    }
    return true;
}

bool diameter_identity_valid(struct bytes name)
{
    if (name.len == 0 || name.len > 255)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = lower(name.data[i]);
        bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                  c == '_' || c == ':' || c == '[' || c == ']';
        if (!ok)
            return false;
    }
    return true;
}
