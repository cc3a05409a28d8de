#include "keeper/client_line.h"

#include "crypto/cms.h"
#include "keeper/client_call.h"

static void put_key(struct writer *w, const struct keeper_line_key *key)
{
    writer_u32(w, key->version);
    writer_u32(w, key->epoch);
    message_put_sealed(w, key->sealed);
}

enum err keeper_export_line(struct keeper_client *client, const char *actor,
                            const struct keeper_line_keys *keys, struct buf *cms,
                            uint8_t ret_gateway_kcv[KEEPER_KCV], uint8_t ret_cdld_kcv[KEEPER_KCV],
                            struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_LINE_KEYS);
    client_call_actor(&call, actor);
    writer_u32(&call.out, keys->domain);
    put_key(&call.out, &keys->gateway);
    put_key(&call.out, &keys->cdld);
    writer_bytes16(&call.out, keys->recipient);
    writer_bytes16(&call.out, bytes_str(keys->purpose));
    TRY(client_call_run(&call, detail));
    uint8_t gateway[KEEPER_KCV], cdld[KEEPER_KCV], tag[CMS_TAG_SIZE];
    struct cms_header header = {.key_id = reader_bytes(&call.in, RSA_KEY_ID_SIZE),
                                .nonce = reader_bytes(&call.in, CMS_NONCE_SIZE),
                                .hash = OAEP_SHA1};
    header.encrypted_key = reader_bytes16(&call.in);
    struct bytes ciphertext = reader_bytes16(&call.in);
    reader_copy(&call.in, tag, sizeof tag);
    reader_copy(&call.in, gateway, sizeof gateway);
    reader_copy(&call.in, cdld, sizeof cdld);
    TRY(reader_status(&call.in));
    TRY(cms_write_header(&header, cms));
    TRY(cms_write_chunk(ciphertext, cms));
    TRY(cms_write_trailer(tag, cms));
    TRY(client_call_end(&call));
    memcpy(ret_gateway_kcv, gateway, sizeof gateway);
    memcpy(ret_cdld_kcv, cdld, sizeof cdld);
    return ERR_OK;
}

enum err keeper_sign_devices_begin(struct keeper_client *client, const char *actor,
                                   const char *what, uint32_t *ret_session,
                                   struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_SIGN_DEVICES_BEGIN);
    client_call_actor(&call, actor);
    writer_bytes16(&call.out, bytes_str(what));
    TRY(client_call_run(&call, detail));
    uint32_t session = reader_u32(&call.in);
    TRY(client_call_end(&call));
    *ret_session = session;
    return ERR_OK;
}

enum err keeper_sign_devices_update(struct keeper_client *client, uint32_t session,
                                    struct bytes part, struct err_detail *detail)
{
    while (part.len != 0) {
        size_t len = part.len < KEEPER_MAC_CHUNK_MAX ? part.len : KEEPER_MAC_CHUNK_MAX;
        AUTO(client_call_done) struct client_call call = {0};
        client_call_begin(&call, client, KEEPER_SIGN_DEVICES_UPDATE);
        writer_u32(&call.out, session);
        writer_bytes16(&call.out, bytes_of(part.data, len));
        TRY(client_call_run_empty(&call, detail));
        part = bytes_of(part.data + len, part.len - len);
    }
    return ERR_OK;
}

enum err keeper_sign_devices_end(struct keeper_client *client, uint32_t session,
                                 struct buf *signature, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_SIGN_DEVICES_END);
    writer_u32(&call.out, session);
    TRY(client_call_run(&call, detail));
    struct bytes made = reader_bytes16(&call.in);
    TRY(reader_status(&call.in));
    TRY(buf_append(signature, made));
    return client_call_end(&call);
}

size_t keeper_devices_max(size_t size)
{
    const size_t head = KEEPER_HEAD_SIZE + 1 + KEEPER_ACTOR_MAX + 4 + 4 + 2;
    if (size < RSA_BITS_MIN / 8 || size > RSA_BYTES_MAX)
        return 0;
    size_t count = (KEEPER_MESSAGE_MAX - head) / (8 + KEEPER_KCV + size);
    return count < KEEPER_DEVICES_MAX ? count : KEEPER_DEVICES_MAX;
}

enum err keeper_import_devices(struct keeper_client *client, const char *actor, uint32_t domain,
                               uint32_t epoch, struct keeper_device *devices, size_t count,
                               size_t size, struct err_detail *detail)
{
    if (count == 0 || count > keeper_devices_max(size))
        return ERR_ARGUMENT;
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_DEVICES);
    client_call_actor(&call, actor);
    call.count = (uint16_t)count;
    writer_u32(&call.out, domain);
    writer_u32(&call.out, epoch);
    writer_u16(&call.out, (uint16_t)size);
    for (size_t i = 0; i < count; i++) {
        writer_u64(&call.out, devices[i].id);
        writer_bytes(&call.out, BYTES(devices[i].kcv));
        writer_bytes(&call.out, bytes_of(devices[i].ciphertext, size));
    }
    TRY(client_call_run(&call, detail));
    for (size_t i = 0; i < count; i++) {
        unsigned err = reader_u16(&call.in);
        if (err >= ERR_COUNT)
            return ERR_INTERNAL;
        devices[i].err = (enum err)err;
        if (err == ERR_OK)
            devices[i].made = message_get_made(&call.in);
    }
    return client_call_end(&call);
}
