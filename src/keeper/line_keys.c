#include <stdio.h>

#include "base/hex.h"
#include "crypto/check_value.h"
#include "crypto/cms.h"
#include "crypto/random.h"
#include "keeper/call.h"
#include "keeper/client_line.h"
#include "keeper/keyring_line.h"

/* LINE_KEYS  actor | u32 domain | gateway, cdld: u32 version | u32 epoch | sealed
 *            | u16 length, SubjectPublicKeyInfo | u16 length, text
 *            -> 20 key id | 12 nonce | u16 length, encrypted content key | u16 length, ciphertext
 *            | 16 tag | 8 check value of gateway | 8 of cdld
 *
 * A station is given the keys that came with packages and no network's: the name of the domain, to
 * which its key is bound, says which those are. */

#define GROUP     "factory/"
#define LINES_MAX 512

struct line_request {
    struct keeper_row rows[2]; /* gateway, cdld */
    struct bytes sealed[2];
    struct bytes spki, text;
};

static void read_request(struct core_call *call, struct line_request *request)
{
    static const uint8_t tables[] = {KEEPER_GATEWAY, KEEPER_CDLD};
    struct reader *in = &call->in;
    uint32_t domain = call->event.domain = reader_u32(in);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t version = reader_u32(in);
        uint32_t epoch = reader_u32(in);
        request->rows[i] = (struct keeper_row){domain, tables[i], version, epoch};
        request->sealed[i] = message_get_sealed(in);
    }
    request->spki = reader_bytes16(in);
    request->text = message_get_text(in, KEEPER_LINE_MAX);
}

static bool is_factory(const struct core_call *call)
{
    const struct domain *domain = domains_find(call->core->domains, call->event.domain);
    struct bytes name = domain != NULL ? domain_name(domain) : bytes_of(NULL, 0);
    const size_t len = sizeof GROUP - 1;
    return name.len > len && memcmp(name.data, GROUP, len) == 0;
}

/* Opens a row; its line goes to `lines`, its check value to `kcv`. */
static enum err put_line(struct core_call *call, const struct line_request *request, unsigned which,
                         struct writer *lines, uint8_t kcv[CHECK_VALUE_SIZE])
{
    const struct keeper_row *row = &request->rows[which];
    uint8_t key[KEEPER_KEY_MAX];
    size_t len = 0;
    call->event.table = row->table;
    call->event.row = row->row;
    call->event.epoch = row->epoch;
    enum err err = call_open(call, row, request->sealed[which], key, &len);
    struct keyring_line line = {.table = row->table, .key_len = (uint8_t)len};
    if (err == ERR_OK && (len == 0 || len > sizeof line.key))
        err = ERR_INTERNAL;
    if (err == ERR_OK)
        err = check_value_of(bytes_of(key, len), kcv);
    if (err == ERR_OK) {
        memcpy(line.key, key, len);
        keyring_format(lines, &line);
        err = writer_status(lines);
    }
    explicit_bzero(key, sizeof key);
    explicit_bzero(line.key, sizeof line.key);
    return err;
}

static enum err record(struct core_call *call, const struct line_request *request,
                       const struct rsa_public *recipient)
{
    char hex[2 * 32 + 1], text[KEEPER_LINE_MAX + sizeof hex + 32];
    hex_encode(rsa_public_fingerprint(recipient), hex);
    int len = snprintf(text, sizeof text, "%.*s recipient sha256:%s", (int)request->text.len,
                       (const char *)request->text.data, hex);
    struct audit_event event = call->event;
    event.text = bytes_of(text, (size_t)len);
    for (unsigned i = 0; i < 2; i++) {
        event.table = request->rows[i].table;
        event.row = request->rows[i].row;
        event.epoch = request->rows[i].epoch;
        TRY(core_record(call->core, &event));
    }
    return ERR_OK;
}

static enum err answer(struct core_call *call, const struct rsa_public *recipient,
                       struct bytes lines)
{
    uint8_t nonce[CMS_NONCE_SIZE], tag[CMS_TAG_SIZE];
    AUTO(secret_freep) struct secret *key = NULL;
    AUTO(aead_stream_freep) struct aead_stream *stream = NULL;
    AUTO(buf_done) struct buf sealed = {0};
    TRY(random_secret(CMS_CEK_SIZE, &key));
    TRY(random_bytes(nonce, sizeof nonce));
    TRY(rsa_oaep_encrypt(recipient, OAEP_SHA1, secret_view(key), &sealed, &call->detail));
    TRY(aead_stream_encrypt(secret_view(key), nonce, bytes_of(NULL, 0), &stream));
    writer_bytes(call->out, rsa_public_key_id(recipient));
    writer_bytes(call->out, BYTES(nonce));
    writer_bytes16(call->out, buf_view(&sealed));
    writer_u16(call->out, (uint16_t)lines.len);
    uint8_t *to = writer_reserve(call->out, lines.len);
    if (to == NULL)
        return ERR_INTERNAL;
    TRY(aead_stream_update(stream, lines, to));
    TRY(aead_stream_tag(stream, tag));
    writer_bytes(call->out, BYTES(tag));
    return ERR_OK;
}

static enum err give(struct core_call *call, const struct line_request *request)
{
    AUTO(rsa_public_freep) struct rsa_public *recipient = NULL;
    TRY(rsa_public_from_spki(request->spki, &recipient, &call->detail));
    struct writer lines = writer_of(secret_data(call->core->scratch), LINES_MAX);
    uint8_t kcv[2][CHECK_VALUE_SIZE];
    for (unsigned i = 0; i < 2; i++)
        TRY(put_line(call, request, i, &lines, kcv[i]));
    TRY(record(call, request, recipient));
    TRY(answer(call, recipient, writer_view(&lines)));
    writer_bytes(call->out, BYTES(kcv[0]));
    writer_bytes(call->out, BYTES(kcv[1]));
    call->core->counters.exported += 2;
    return ERR_OK;
}

enum err verb_line_keys(struct core_call *call)
{
    struct line_request request;
    (void)call_actor(call);
    read_request(call, &request);
    TRY(call_read(call));
    call->recorded = true;
    call->event.purpose = KEEPER_EXPORT_LINE;
    call->event.text = request.text;
    if (domains_find(call->core->domains, call->event.domain) == NULL)
        return ERR_NOT_FOUND;
    if (!is_factory(call))
        return err_set(&call->detail, ERR_DENIED, "a station is given keys of packages only");
    TRY(call_allow(call, KEEPER_EXPORT_LINE, KEEPER_GATEWAY, 2));
    enum err err = give(call, &request);
    call_wipe_scratch(call);
    return err;
}
