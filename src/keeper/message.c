#include "keeper/message.h"

void message_put_head(struct writer *w, uint8_t verb, uint16_t count, uint64_t id)
{
    writer_u8(w, KEEPER_PROTOCOL);
    writer_u8(w, verb);
    writer_u16(w, count);
    writer_u64(w, id);
}

struct keeper_head_fields message_get_head(struct reader *r)
{
    struct keeper_head_fields head;
    uint8_t protocol = reader_u8(r);
    head.verb = reader_u8(r);
    head.count = reader_u16(r);
    head.id = reader_u64(r);
    if (protocol != KEEPER_PROTOCOL)
        reader_fail(r, ERR_UNSUPPORTED);
    return head;
}

void message_put_row(struct writer *w, const struct keeper_row *row)
{
    writer_u32(w, row->domain);
    writer_u8(w, row->table);
    writer_u64(w, row->row);
    writer_u32(w, row->epoch);
}

struct keeper_row message_get_row(struct reader *r)
{
    struct keeper_row row;
    row.domain = reader_u32(r);
    row.table = reader_u8(r);
    row.row = reader_u64(r);
    row.epoch = reader_u32(r);
    if (row.table == 0 || row.table >= KEEPER_TABLES)
        reader_fail(r, ERR_ARGUMENT);
    return row;
}

void message_put_sealed(struct writer *w, struct bytes sealed)
{
    writer_u8(w, (uint8_t)sealed.len);
    writer_bytes(w, sealed);
}

struct bytes message_get_sealed(struct reader *r)
{
    size_t len = reader_u8(r);
    struct bytes sealed = reader_bytes(r, len);
    if (len <= KEEPER_SEALED_OVERHEAD || len > KEEPER_SEALED_MAX)
        reader_fail(r, ERR_ARGUMENT);
    return sealed;
}

void message_put_made(struct writer *w, const struct keeper_made *made)
{
    writer_bytes(w, BYTES(made->fingerprint));
    message_put_sealed(w, keeper_sealed_view(&made->sealed));
}

struct keeper_made message_get_made(struct reader *r)
{
    struct keeper_made made = {.sealed.len = 0};
    reader_copy(r, made.fingerprint, sizeof made.fingerprint);
    struct bytes sealed = message_get_sealed(r);
    if (r->err == ERR_OK) {
        made.sealed.len = (uint8_t)sealed.len;
        memcpy(made.sealed.data, sealed.data, sealed.len);
    }
    return made;
}

bool message_actor_ok(struct bytes actor)
{
    if (actor.len == 0 || actor.len > KEEPER_ACTOR_MAX)
        return false;
    for (size_t i = 0; i < actor.len; i++)
        if (actor.data[i] < 0x20 || actor.data[i] > 0x7e)
            return false;
    return true;
}

void message_put_actor(struct writer *w, struct bytes actor)
{
    writer_u8(w, (uint8_t)actor.len);
    writer_bytes(w, actor);
}

struct bytes message_get_actor(struct reader *r)
{
    struct bytes actor = reader_bytes(r, reader_u8(r));
    if (!message_actor_ok(actor))
        reader_fail(r, ERR_ARGUMENT);
    return actor;
}

struct bytes message_get_text(struct reader *r, size_t max)
{
    struct bytes text = reader_bytes16(r);
    if (text.len == 0 || text.len > max)
        reader_fail(r, ERR_ARGUMENT);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            reader_fail(r, ERR_ARGUMENT);
            break;
        }
    return text;
}

void message_put_pwhash(struct writer *w, const struct keeper_pwhash *pwhash)
{
    writer_u32(w, pwhash->t_cost);
    writer_u32(w, pwhash->m_kib);
    writer_u32(w, pwhash->lanes);
    writer_bytes(w, BYTES(pwhash->salt));
}

struct keeper_pwhash message_get_pwhash(struct reader *r)
{
    struct keeper_pwhash pwhash;
    pwhash.t_cost = reader_u32(r);
    pwhash.m_kib = reader_u32(r);
    pwhash.lanes = reader_u32(r);
    reader_copy(r, pwhash.salt, sizeof pwhash.salt);
    return pwhash;
}

void message_put_versions(struct writer *w, const struct keeper_versions *versions)
{
    writer_u32(w, versions->gateway);
    writer_u32(w, versions->cdld);
    writer_u32(w, versions->base);
    writer_u32(w, versions->passphrase);
}

struct keeper_versions message_get_versions(struct reader *r)
{
    struct keeper_versions versions;
    versions.gateway = reader_u32(r);
    versions.cdld = reader_u32(r);
    versions.base = reader_u32(r);
    versions.passphrase = reader_u32(r);
    return versions;
}

void message_get_name(struct reader *r, char ret_name[KEEPER_NAME_MAX + 1])
{
    struct bytes name = message_get_text(r, KEEPER_NAME_MAX);
    if (r->err == ERR_OK) {
        memcpy(ret_name, name.data, name.len);
        ret_name[name.len] = '\0';
    } else {
        ret_name[0] = '\0';
    }
}
