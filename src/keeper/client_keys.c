#include "audit_kinds.h"
#include "keeper/client_call.h"

enum err keeper_status(struct keeper_client *client, struct keeper_status *ret_status,
                       struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_STATUS);
    TRY(client_call_run(&call, detail));
    struct reader *in = &call.in;
    struct keeper_status status = {.started_us = reader_u64(in)};
    status.released = reader_u64(in);
    status.exported = reader_u64(in);
    status.imported = reader_u64(in);
    status.generated = reader_u64(in);
    status.refused = reader_u64(in);
    status.malformed = reader_u64(in);
    status.records = reader_u64(in);
    status.syncs = reader_u64(in);
    reader_copy(in, status.head, sizeof status.head);
    status.domains = reader_u32(in);
    status.domain_keys = reader_u32(in);
    status.sessions = reader_u32(in);
    status.token_ready = reader_u8(in) != 0;
    status.token_ckr = reader_u32(in);
    struct bytes token = reader_bytes16(in);
    if (token.len >= sizeof status.token)
        reader_fail(in, ERR_LIMIT);
    else
        memcpy(status.token, token.len != 0 ? (const char *)token.data : "", token.len);
    TRY(client_call_end(&call));
    *ret_status = status;
    return ERR_OK;
}

enum err keeper_audit_expect(struct keeper_client *client, uint64_t seq, const uint8_t hash[32],
                             struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_EXPECT);
    writer_u64(&call.out, seq);
    writer_bytes(&call.out, bytes_of(hash, 32));
    return client_call_run_empty(&call, detail);
}

static void domain_begin(struct client_call *call, struct keeper_client *client, uint8_t verb,
                         const char *actor, uint32_t domain, const char *name)
{
    client_call_begin(call, client, verb);
    client_call_actor(call, actor);
    writer_u32(&call->out, domain);
    writer_bytes16(&call->out, bytes_str(name));
}

static enum err wrapped_end(struct client_call *call, uint16_t *ret_version, struct buf *wrapped,
                            struct err_detail *detail)
{
    TRY(client_call_run(call, detail));
    uint16_t version = reader_u16(&call->in);
    struct bytes blob = reader_bytes16(&call->in);
    TRY(reader_status(&call->in));
    TRY(buf_append(wrapped, blob));
    TRY(client_call_end(call));
    *ret_version = version;
    return ERR_OK;
}

enum err keeper_domain_create(struct keeper_client *client, const char *actor, uint32_t domain,
                              const char *name, struct buf *wrapped, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    domain_begin(&call, client, KEEPER_DOMAIN_CREATE, actor, domain, name);
    uint16_t version;
    return wrapped_end(&call, &version, wrapped, detail);
}

enum err keeper_domain_rotate(struct keeper_client *client, const char *actor, uint32_t domain,
                              const char *name, uint16_t *ret_version, struct buf *wrapped,
                              struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    domain_begin(&call, client, KEEPER_DOMAIN_ROTATE, actor, domain, name);
    return wrapped_end(&call, ret_version, wrapped, detail);
}

enum err keeper_domain_load(struct keeper_client *client, const char *actor, uint32_t domain,
                            const char *name, uint16_t version, struct bytes wrapped,
                            struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    domain_begin(&call, client, KEEPER_DOMAIN_LOAD, actor, domain, name);
    writer_u16(&call.out, version);
    writer_bytes16(&call.out, wrapped);
    return client_call_run_empty(&call, detail);
}

enum err keeper_domain_drop(struct keeper_client *client, const char *actor, uint32_t domain,
                            uint16_t version, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_DOMAIN_DROP);
    client_call_actor(&call, actor);
    writer_u32(&call.out, domain);
    writer_u16(&call.out, version);
    return client_call_run_empty(&call, detail);
}

static enum err made_end(struct client_call *call, struct keeper_made *ret_made, size_t count,
                         struct err_detail *detail)
{
    TRY(client_call_run(call, detail));
    for (size_t i = 0; i < count; i++)
        ret_made[i] = message_get_made(&call->in);
    return client_call_end(call);
}

enum err keeper_generate(struct keeper_client *client, const char *actor, struct keeper_row row,
                         struct keeper_made *ret_made, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_GENERATE);
    client_call_actor(&call, actor);
    message_put_row(&call.out, &row);
    struct keeper_made made;
    TRY(made_end(&call, &made, 1, detail));
    *ret_made = made;
    return ERR_OK;
}

enum err keeper_generate_nodes(struct keeper_client *client, const char *actor, uint32_t domain,
                               uint32_t epoch, const struct keeper_row *base,
                               const struct keeper_sealed *sealed_base, const char *realm,
                               const struct keeper_node *nodes, size_t count,
                               struct keeper_made *ret_made, struct err_detail *detail)
{
    if (count == 0 || count > KEEPER_NODES_MAX)
        return ERR_ARGUMENT;
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_GENERATE_NODES);
    call.count = (uint16_t)count;
    client_call_actor(&call, actor);
    writer_u32(&call.out, domain);
    writer_u32(&call.out, epoch);
    writer_u8(&call.out, base != NULL);
    if (base != NULL) {
        message_put_row(&call.out, base);
        message_put_sealed(&call.out, keeper_sealed_view(sealed_base));
        writer_bytes16(&call.out, bytes_str(realm));
    }
    for (size_t i = 0; i < count; i++) {
        writer_u64(&call.out, nodes[i].id);
        writer_u32(&call.out, nodes[i].reprovisioned);
    }
    return made_end(&call, ret_made, count, detail);
}

enum err keeper_seal(struct keeper_client *client, const char *actor, struct keeper_row row,
                     struct bytes secret, struct keeper_made *ret_made, struct err_detail *detail)
{
    if (secret.len == 0 || secret.len > KEEPER_KEY_MAX)
        return ERR_ARGUMENT;
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_SEAL);
    call.secret = true;
    client_call_actor(&call, actor);
    message_put_row(&call.out, &row);
    writer_u8(&call.out, (uint8_t)secret.len);
    writer_bytes(&call.out, secret);
    struct keeper_made made;
    TRY(made_end(&call, &made, 1, detail));
    *ret_made = made;
    return ERR_OK;
}

enum err keeper_reseal(struct keeper_client *client, const char *actor, struct keeper_reseal *rows,
                       size_t count, struct err_detail *detail)
{
    if (count == 0 || count > KEEPER_RESEAL_MAX)
        return ERR_ARGUMENT;
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_RESEAL);
    call.count = (uint16_t)count;
    client_call_actor(&call, actor);
    for (size_t i = 0; i < count; i++) {
        message_put_row(&call.out, &rows[i].row);
        message_put_sealed(&call.out, rows[i].sealed);
    }
    TRY(client_call_run(&call, detail));
    for (size_t i = 0; i < count; i++) {
        uint16_t err = reader_u16(&call.in);
        rows[i].err = err < ERR_COUNT ? (enum err)err : ERR_INTERNAL;
        if (err == ERR_OK)
            rows[i].made = message_get_made(&call.in);
    }
    return client_call_end(&call);
}

static enum err put_passphrase(struct client_call *call, const struct keeper_pwhash *pwhash,
                               struct bytes passphrase)
{
    if (passphrase.len == 0 || passphrase.len > KEEPER_PASSPHRASES)
        return ERR_ARGUMENT;
    message_put_pwhash(&call->out, pwhash);
    writer_bytes16(&call->out, passphrase);
    call->secret = true;
    return ERR_OK;
}

enum err keeper_passphrase_set(struct keeper_client *client, const char *actor, uint32_t domain,
                               uint32_t version, uint32_t epoch, const struct keeper_pwhash *pwhash,
                               struct bytes passphrase, struct keeper_made *ret_passphrase,
                               struct keeper_made *ret_pwdh, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_PASSPHRASE_SET);
    client_call_actor(&call, actor);
    writer_u32(&call.out, domain);
    writer_u32(&call.out, version);
    writer_u32(&call.out, epoch);
    TRY(put_passphrase(&call, pwhash, passphrase));
    struct keeper_made made[2];
    TRY(made_end(&call, made, ARRAY_LEN(made), detail));
    *ret_passphrase = made[0];
    *ret_pwdh = made[1];
    return ERR_OK;
}

enum err keeper_passphrase_check(struct keeper_client *client, const char *actor,
                                 struct keeper_row row, struct bytes sealed,
                                 const struct keeper_pwhash *pwhash, struct bytes passphrase,
                                 struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_PASSPHRASE_CHECK);
    client_call_actor(&call, actor);
    message_put_row(&call.out, &row);
    message_put_sealed(&call.out, sealed);
    TRY(put_passphrase(&call, pwhash, passphrase));
    return client_call_run_empty(&call, detail);
}

enum err keeper_sign_certificate(struct keeper_client *client, const char *actor,
                                 const uint8_t digest[32], const char *what, struct buf *signature,
                                 struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_SIGN_CERTIFICATE);
    client_call_actor(&call, actor);
    writer_bytes16(&call.out, bytes_str(what));
    writer_bytes(&call.out, bytes_of(digest, 32));
    TRY(client_call_run(&call, detail));
    struct bytes made = reader_bytes16(&call.in);
    TRY(reader_status(&call.in));
    TRY(buf_append(signature, made));
    return client_call_end(&call);
}

enum err keeper_sign_audit(struct keeper_client *client, const char *actor,
                           struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_SIGN_AUDIT);
    client_call_actor(&call, actor);
    return client_call_run_empty(&call, detail);
}

enum err keeper_public(struct keeper_client *client, enum keeper_key key, struct buf *spki,
                       uint8_t ret_key_id[20], struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_PUBLIC);
    writer_u8(&call.out, (uint8_t)key);
    TRY(client_call_run(&call, detail));
    struct bytes der = reader_bytes16(&call.in);
    struct bytes id = reader_bytes(&call.in, 20);
    TRY(reader_status(&call.in));
    TRY(buf_append(spki, der));
    if (ret_key_id != NULL)
        memcpy(ret_key_id, id.data, id.len);
    return client_call_end(&call);
}

enum err keeper_note(struct keeper_client *client, const char *actor, const char *text,
                     struct err_detail *detail)
{
    struct keeper_note note = {.kind = AUDIT_NOTE, .text = text};
    return keeper_note_event(client, actor, &note, detail);
}

enum err keeper_note_event(struct keeper_client *client, const char *actor,
                           const struct keeper_note *note, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_NOTE);
    client_call_actor(&call, actor);
    writer_u16(&call.out, note->kind);
    writer_u16(&call.out, (uint16_t)note->result);
    message_put_row(&call.out, &note->row);
    writer_bytes16(&call.out, bytes_str(note->text));
    return client_call_run_empty(&call, detail);
}
