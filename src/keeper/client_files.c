#include "keeper/client_call.h"

static void session_begin(struct client_call *call, struct keeper_client *client, uint8_t verb,
                          uint32_t session)
{
    client_call_begin(call, client, verb);
    writer_u32(&call->out, session);
}

enum err keeper_mac_begin(struct keeper_client *client, const char *actor, struct keeper_row row,
                          struct bytes sealed, uint32_t *ret_session, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_MAC_BEGIN);
    client_call_actor(&call, actor);
    message_put_row(&call.out, &row);
    message_put_sealed(&call.out, sealed);
    TRY(client_call_run(&call, detail));
    uint32_t session = reader_u32(&call.in);
    TRY(client_call_end(&call));
    *ret_session = session;
    return ERR_OK;
}

enum err keeper_mac_update(struct keeper_client *client, uint32_t session, struct bytes part,
                           struct err_detail *detail)
{
    while (part.len != 0) {
        size_t len = part.len < KEEPER_MAC_CHUNK_MAX ? part.len : KEEPER_MAC_CHUNK_MAX;
        AUTO(client_call_done) struct client_call call = {0};
        session_begin(&call, client, KEEPER_MAC_UPDATE, session);
        writer_bytes16(&call.out, bytes_of(part.data, len));
        TRY(client_call_run_empty(&call, detail));
        part = bytes_of(part.data + len, part.len - len);
    }
    return ERR_OK;
}

/* An answer of `len` bytes. */
static enum err fixed_end(struct client_call *call, uint8_t *to, size_t len,
                          struct err_detail *detail)
{
    TRY(client_call_run(call, detail));
    reader_copy(&call->in, to, len);
    return client_call_end(call);
}

enum err keeper_mac_end(struct keeper_client *client, uint32_t session,
                        uint8_t ret_mac[KEEPER_MAC_SIZE], struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_MAC_END, session);
    return fixed_end(&call, ret_mac, KEEPER_MAC_SIZE, detail);
}

enum err keeper_mac_verify(struct keeper_client *client, uint32_t session, struct bytes mac,
                           struct err_detail *detail)
{
    if (mac.len != KEEPER_MAC_SIZE) {
        enum err err = keeper_session_drop(client, session, detail);
        return err != ERR_OK ? err
                             : err_set(detail, ERR_SIGNATURE, "a MAC of %zu bytes, %d are wanted",
                                       mac.len, KEEPER_MAC_SIZE);
    }
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_MAC_VERIFY, session);
    writer_u8(&call.out, (uint8_t)mac.len);
    writer_bytes(&call.out, mac);
    return client_call_run_empty(&call, detail);
}

enum err keeper_export_begin(struct keeper_client *client, const char *actor,
                             enum keeper_purpose purpose, uint32_t domain, struct bytes recipient,
                             uint32_t *ret_session, struct keeper_cms *ret_cms,
                             struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_EXPORT_BEGIN);
    client_call_actor(&call, actor);
    writer_u8(&call.out, (uint8_t)purpose);
    writer_u32(&call.out, domain);
    writer_bytes16(&call.out, recipient);
    TRY(client_call_run(&call, detail));
    uint32_t session = reader_u32(&call.in);
    struct keeper_cms cms;
    reader_copy(&call.in, cms.key_id, sizeof cms.key_id);
    reader_copy(&call.in, cms.nonce, sizeof cms.nonce);
    struct bytes key = reader_bytes16(&call.in);
    if (key.len > sizeof cms.encrypted_key)
        return ERR_INTERNAL;
    if (key.len != 0)
        memcpy(cms.encrypted_key, key.data, key.len);
    cms.encrypted_key_len = key.len;
    TRY(client_call_end(&call));
    *ret_session = session;
    *ret_cms = cms;
    return ERR_OK;
}

static enum err ciphertext_end(struct client_call *call, struct buf *to, struct err_detail *detail)
{
    TRY(client_call_run(call, detail));
    struct bytes ciphertext = reader_bytes16(&call->in);
    TRY(reader_status(&call->in));
    TRY(buf_append(to, ciphertext));
    return client_call_end(call);
}

static void put_keys(struct writer *w, const struct keeper_network_keys *keys)
{
    writer_u32(w, keys->gateway.epoch);
    message_put_sealed(w, keys->gateway.sealed);
    writer_u32(w, keys->cdld.epoch);
    message_put_sealed(w, keys->cdld.sealed);
    writer_u32(w, keys->base.epoch);
    message_put_sealed(w, keys->base.sealed);
    writer_u32(w, keys->pwdh.epoch);
    message_put_sealed(w, keys->pwdh.sealed);
}

enum err keeper_export_head(struct keeper_client *client, uint32_t session,
                            const struct keeper_network_keys *keys, struct buf *to,
                            struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_EXPORT_HEAD, session);
    message_put_versions(&call.out, &keys->versions);
    put_keys(&call.out, keys);
    return ciphertext_end(&call, to, detail);
}

enum err keeper_export_nodes(struct keeper_client *client, uint32_t session,
                             const struct keeper_export_node *nodes, size_t count, struct buf *to,
                             struct err_detail *detail)
{
    if (count == 0 || count > KEEPER_EXPORT_MAX)
        return ERR_ARGUMENT;
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_EXPORT_NODES, session);
    call.count = (uint16_t)count;
    for (size_t i = 0; i < count; i++) {
        writer_u64(&call.out, nodes[i].id);
        writer_u32(&call.out, nodes[i].epoch);
        writer_u32(&call.out, nodes[i].batch);
        writer_u32(&call.out, nodes[i].reprovisioned);
        message_put_sealed(&call.out, nodes[i].sealed);
    }
    return ciphertext_end(&call, to, detail);
}

enum err keeper_export_end(struct keeper_client *client, uint32_t session,
                           uint8_t ret_tag[KEEPER_TAG_SIZE], struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_EXPORT_END, session);
    return fixed_end(&call, ret_tag, KEEPER_TAG_SIZE, detail);
}

enum err keeper_export_gateway(struct keeper_client *client, const char *actor, uint32_t domain,
                               const struct keeper_gateway_file *head,
                               const struct keeper_network_keys *keys, struct buf *file,
                               struct buf *signature, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_GATEWAY_EXPORT);
    client_call_actor(&call, actor);
    writer_u32(&call.out, domain);
    writer_bytes16(&call.out, bytes_str(head->network));
    writer_bytes16(&call.out, bytes_str(head->realm));
    message_put_pwhash(&call.out, &head->pwhash);
    message_put_versions(&call.out, &head->versions);
    writer_u8(&call.out, head->id_width);
    put_keys(&call.out, keys);
    writer_u32(&call.out, keys->passphrase.epoch);
    message_put_sealed(&call.out, keys->passphrase.sealed);
    TRY(client_call_run(&call, detail));
    struct bytes made = reader_bytes16(&call.in);
    struct bytes signed_by = reader_bytes16(&call.in);
    TRY(reader_status(&call.in));
    TRY(buf_append(file, made));
    TRY(buf_append(signature, signed_by));
    return client_call_end(&call);
}

enum err keeper_import_gateway(struct keeper_client *client, const char *actor, uint32_t domain,
                               uint32_t epoch, struct bytes file, struct bytes passphrase,
                               struct keeper_gateway_file *ret_head,
                               struct keeper_gateway_keys *ret_keys, struct err_detail *detail)
{
    if (passphrase.len == 0 || passphrase.len > KEEPER_PASSPHRASES)
        return ERR_ARGUMENT;
    if (file.len > KEEPER_GWFILE_MAX)
        return err_set(detail, ERR_LIMIT, "gateway key file has more than %d bytes",
                       KEEPER_GWFILE_MAX);
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_GATEWAY_IMPORT);
    call.secret = true;
    client_call_actor(&call, actor);
    writer_u32(&call.out, domain);
    writer_u32(&call.out, epoch);
    writer_bytes16(&call.out, passphrase);
    writer_bytes16(&call.out, file);
    TRY(client_call_run(&call, detail));
    struct keeper_gateway_file head;
    message_get_name(&call.in, head.network);
    message_get_name(&call.in, head.realm);
    head.pwhash = message_get_pwhash(&call.in);
    head.versions = message_get_versions(&call.in);
    head.id_width = reader_u8(&call.in);
    struct keeper_gateway_keys keys;
    keys.passphrase = message_get_made(&call.in);
    keys.pwdh = message_get_made(&call.in);
    keys.gateway = message_get_made(&call.in);
    keys.cdld = message_get_made(&call.in);
    keys.base = message_get_made(&call.in);
    TRY(client_call_end(&call));
    if (ret_head != NULL)
        *ret_head = head;
    if (ret_keys != NULL)
        *ret_keys = keys;
    return ERR_OK;
}

enum err keeper_import_begin(struct keeper_client *client, const char *actor,
                             const struct keeper_import *import, uint32_t *ret_session,
                             struct err_detail *detail)
{
    if (import->nonce.len != 12)
        return err_set(detail, ERR_SYNTAX, "a nonce of %zu bytes, 12 are wanted",
                       import->nonce.len);
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_IMPORT_BEGIN);
    client_call_actor(&call, actor);
    writer_u32(&call.out, import->domain);
    writer_u32(&call.out, import->epoch);
    writer_u8(&call.out, (uint8_t)import->head);
    message_put_versions(&call.out, &import->versions);
    writer_u8(&call.out, import->id_width);
    writer_u8(&call.out, import->oaep_sha256);
    writer_bytes(&call.out, import->nonce);
    writer_bytes16(&call.out, import->encrypted_key);
    TRY(client_call_run(&call, detail));
    uint32_t session = reader_u32(&call.in);
    TRY(client_call_end(&call));
    *ret_session = session;
    return ERR_OK;
}

static enum err give_line(struct reader *in, keeper_import_fn *fn, void *arg)
{
    struct keeper_import_line line = {.line = reader_u32(in)};
    line.table = reader_u8(in);
    char text[KEEPER_ERROR_TEXT + 1] = "";
    if (line.table != 0) {
        line.row = reader_u64(in);
        line.batch = reader_u32(in);
        line.reprovisioned = reader_u32(in);
        line.made = message_get_made(in);
    } else {
        struct bytes refusal = reader_bytes16(in);
        size_t len = refusal.len < sizeof text ? refusal.len : sizeof text - 1;
        if (len != 0)
            memcpy(text, refusal.data, len);
        line.text = text;
    }
    TRY(reader_status(in));
    return fn(arg, &line);
}

static enum err give_lines(struct client_call *call, keeper_import_fn *fn, void *arg)
{
    unsigned count = reader_u16(&call->in);
    for (unsigned i = 0; i < count; i++)
        TRY(give_line(&call->in, fn, arg));
    return client_call_end(call);
}

enum err keeper_import_check(struct keeper_client *client, uint32_t session,
                             struct bytes ciphertext, uint8_t ret_mark[KEEPER_MARK_SIZE],
                             struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_IMPORT_CHECK, session);
    writer_bytes16(&call.out, ciphertext);
    TRY(client_call_run(&call, detail));
    uint8_t mark[KEEPER_MARK_SIZE];
    reader_copy(&call.in, mark, sizeof mark);
    TRY(client_call_end(&call));
    memcpy(ret_mark, mark, sizeof mark);
    return ERR_OK;
}

enum err keeper_import_checked(struct keeper_client *client, uint32_t session, struct bytes tag,
                               struct err_detail *detail)
{
    if (tag.len > KEEPER_TAG_SIZE)
        return err_set(detail, ERR_SYNTAX, "a tag of %zu bytes", tag.len);
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_IMPORT_CHECKED, session);
    writer_u8(&call.out, (uint8_t)tag.len);
    writer_bytes(&call.out, tag);
    return client_call_run_empty(&call, detail);
}

enum err keeper_import_chunk(struct keeper_client *client, uint32_t session,
                             const uint8_t mark[KEEPER_MARK_SIZE], struct bytes ciphertext,
                             keeper_import_fn *fn, void *arg, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_IMPORT_CHUNK, session);
    writer_bytes(&call.out, bytes_of(mark, KEEPER_MARK_SIZE));
    writer_bytes16(&call.out, ciphertext);
    TRY(client_call_run(&call, detail));
    return give_lines(&call, fn, arg);
}

enum err keeper_import_end(struct keeper_client *client, uint32_t session, keeper_import_fn *fn,
                           void *arg, struct keeper_import_totals *ret_totals,
                           struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_IMPORT_END, session);
    TRY(client_call_run(&call, detail));
    struct keeper_import_totals totals = {.lines = reader_u32(&call.in)};
    totals.nodes = reader_u32(&call.in);
    totals.refused = reader_u32(&call.in);
    totals.unreported = reader_u32(&call.in);
    TRY(give_lines(&call, fn, arg));
    *ret_totals = totals;
    return ERR_OK;
}

enum err keeper_session_drop(struct keeper_client *client, uint32_t session,
                             struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    session_begin(&call, client, KEEPER_SESSION_DROP, session);
    return client_call_run_empty(&call, detail);
}
