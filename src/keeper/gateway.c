#include "crypto/hash.h"
#include "keeper/call.h"
#include "keeper/gwfile.h"

/* GATEWAY_EXPORT  actor | u32 domain | u16 length, network | u16 length, realm | pwhash | versions
 * | u8 id width | gateway, cdld, base, pwdh, passphrase: u32 epoch | sealed
 *                 -> u16 length, file | u16 length, signature
 * GATEWAY_IMPORT  actor | u32 domain | u32 epoch | u16 length, passphrase | u16 length, file
 *                 -> u16 length, network | u16 length, realm | pwhash | versions | u8 id width |
 *                 passphrase, pwdh, gateway, cdld, base: made
 *
 * The server's key signs only a file that was made here: there is no verb to sign a digest. */

struct gateway_job {
    struct core_job job;
    struct keeper_gateway_file head;
    struct secret *passphrase;
    struct secret *derived;
    struct secret *keys; /* struct gwfile_keys */
    uint32_t domain;
    uint32_t epoch;
    struct buf file;
    struct buf signature;
};

static void gateway_release(struct core_job *base)
{
    struct gateway_job *job = (struct gateway_job *)base;
    secret_free(job->passphrase);
    secret_free(job->derived);
    secret_free(job->keys);
    buf_done(&job->file);
    buf_done(&job->signature);
}

static enum err gateway_job_new(struct core_call *call, struct gateway_job **ret_job)
{
    struct core_job *made = NULL;
    TRY(job_new(call, sizeof(struct gateway_job), &made));
    AUTO(job_freep) struct core_job *base = made;
    base->release = gateway_release;
    struct gateway_job *job = (struct gateway_job *)base;
    TRY(secret_new(sizeof(struct gwfile_keys), &job->keys));
    *ret_job = (struct gateway_job *)TAKE(base);
    return ERR_OK;
}

static struct gwfile_keys *keys_of(struct gateway_job *job)
{
    return (struct gwfile_keys *)(void *)secret_data(job->keys);
}

static void read_head(struct reader *r, struct keeper_gateway_file *head)
{
    message_get_name(r, head->network);
    message_get_name(r, head->realm);
    head->pwhash = message_get_pwhash(r);
    head->versions = message_get_versions(r);
    head->id_width = reader_u8(r);
    if (head->id_width != 32 && head->id_width != 64)
        reader_fail(r, ERR_ARGUMENT);
}

static enum err sign_work(struct core_job *base)
{
    struct gateway_job *job = (struct gateway_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    uint8_t digest[HASH_SHA256_SIZE];
    struct bytes file = buf_view(&job->file);
    TRY(hash_sha256(&file, 1, digest));
    return token->ops->sign(token->ctx, KEEPER_KEY_SERVER, digest, &job->signature, &base->detail);
}

static enum err export_finish(struct core_call *call, struct core_job *base)
{
    struct gateway_job *job = (struct gateway_job *)base;
    writer_bytes16(call->out, buf_view(&job->file));
    writer_bytes16(call->out, buf_view(&job->signature));
    call->recorded = true; /* row by row, when the keys were opened */
    struct audit_event event = call->event;
    event.kind = AUDIT_SIGN;
    call->core->counters.exported += 4;
    return core_record(call->core, &event);
}

/* Open the key of one table into its line. */
static enum err open_line(struct core_call *call, const struct keeper_row *row, struct bytes sealed,
                          struct keyring_line *line)
{
    call->event.table = row->table;
    call->event.row = row->row;
    call->event.epoch = row->epoch;
    TRY(call_allow(call, KEEPER_EXPORT_GATEWAY, row->table, 1));
    AUTO(secret_freep) struct secret *key = NULL;
    TRY(secret_new(KEEPER_KEY_MAX, &key));
    size_t len = 0;
    TRY(call_open(call, row, sealed, secret_data(key), &len));
    line->table = row->table;
    line->key_len = (uint8_t)len;
    memcpy(line->key, secret_data(key), len);
    return core_record(call->core, &call->event);
}

struct sealed_key {
    struct keeper_row row;
    struct bytes sealed;
};

/* The file is worth what its passphrase is: which one it was belongs on the record. */
static enum err record_passphrase(struct core_call *call, const struct keeper_row *row)
{
    struct audit_event event = call->event;
    event.kind = AUDIT_USE;
    event.table = row->table;
    event.row = row->row;
    event.epoch = row->epoch;
    return core_record(call->core, &event);
}

static enum err export_open(struct core_call *call, const struct sealed_key keys[5],
                            struct gateway_job *job)
{
    struct gwfile_keys *lines = keys_of(job);
    TRY(open_line(call, &keys[0].row, keys[0].sealed, &lines->gateway));
    TRY(open_line(call, &keys[1].row, keys[1].sealed, &lines->cdld));
    TRY(open_line(call, &keys[2].row, keys[2].sealed, &lines->base));
    TRY(open_line(call, &keys[3].row, keys[3].sealed, &lines->pwdh));
    AUTO(secret_freep) struct secret *derived = NULL;
    TRY(secret_new(KEEPER_KEY_MAX, &derived));
    size_t len = 0;
    TRY(call_open(call, &keys[4].row, keys[4].sealed, secret_data(derived), &len));
    TRY(record_passphrase(call, &keys[4].row));
    uint8_t pwdh[KEEPER_MAC_SIZE];
    TRY(keeper_pwdh(secret_view(derived), pwdh));
    if (!secret_equal(BYTES(pwdh), bytes_of(lines->pwdh.key, lines->pwdh.key_len)))
        return ERR_MISMATCH;
    return gwfile_make(&job->head, secret_view(derived), lines, &job->file, &call->detail);
}

enum err verb_gateway_export(struct core_call *call)
{
    (void)call_actor(call);
    struct reader *in = &call->in;
    call->event.domain = reader_u32(in);
    struct keeper_gateway_file head = {.id_width = 0};
    read_head(in, &head);
    const struct keeper_versions *versions = &head.versions;
    struct sealed_key keys[5] = {
        {{.table = KEEPER_GATEWAY, .row = versions->gateway}, {NULL, 0}},
        {{.table = KEEPER_CDLD, .row = versions->cdld}, {NULL, 0}},
        {{.table = KEEPER_BASE, .row = versions->base}, {NULL, 0}},
        {{.table = KEEPER_PWDH, .row = versions->passphrase}, {NULL, 0}},
        {{.table = KEEPER_PASSPHRASE, .row = versions->passphrase}, {NULL, 0}},
    };
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        keys[i].row.domain = call->event.domain;
        keys[i].row.epoch = reader_u32(in);
        keys[i].sealed = message_get_sealed(in);
    }
    TRY(call_read(call));
    call->event.purpose = KEEPER_EXPORT_GATEWAY;
    struct gateway_job *job = NULL;
    TRY(gateway_job_new(call, &job));
    AUTO(job_freep) struct core_job *base = &job->job;
    job->head = head;
    TRY(export_open(call, keys, job));
    base->work = sign_work;
    base->finish = export_finish;
    return job_submit(call, TAKE(base));
}

static enum err import_work(struct core_job *base)
{
    struct gateway_job *job = (struct gateway_job *)base;
    struct keeper_gateway_file head;
    struct gwfile file;
    TRY(gwfile_parse(buf_view(&job->file), &head, &file, &base->detail));
    TRY(keeper_pwhash_derive(&head.pwhash, secret_view(job->passphrase), &job->derived,
                             &base->detail));
    return gwfile_open(&file, secret_view(job->derived), head.id_width, keys_of(job),
                       &base->detail);
}

static enum err seal_one(struct core_call *call, struct gateway_job *job, uint8_t table,
                         uint32_t version, struct bytes key)
{
    struct keeper_row row = {job->domain, table, version, job->epoch};
    struct keeper_made made;
    TRY(domains_seal(call->core->domains, &row, key, &made));
    message_put_made(call->out, &made);
    call->event.table = table;
    call->event.row = version;
    return core_record(call->core, &call->event);
}

static enum err import_finish(struct core_call *call, struct core_job *base)
{
    struct gateway_job *job = (struct gateway_job *)base;
    const struct gwfile_keys *keys = keys_of(job);
    const struct keeper_versions *versions = &job->head.versions;
    call->recorded = true;
    writer_bytes16(call->out, bytes_str(job->head.network));
    writer_bytes16(call->out, bytes_str(job->head.realm));
    message_put_pwhash(call->out, &job->head.pwhash);
    message_put_versions(call->out, versions);
    writer_u8(call->out, job->head.id_width);
    TRY(seal_one(call, job, KEEPER_PASSPHRASE, versions->passphrase, secret_view(job->derived)));
    TRY(seal_one(call, job, KEEPER_PWDH, versions->passphrase,
                 bytes_of(keys->pwdh.key, keys->pwdh.key_len)));
    TRY(seal_one(call, job, KEEPER_GATEWAY, versions->gateway,
                 bytes_of(keys->gateway.key, keys->gateway.key_len)));
    TRY(seal_one(call, job, KEEPER_CDLD, versions->cdld,
                 bytes_of(keys->cdld.key, keys->cdld.key_len)));
    TRY(seal_one(call, job, KEEPER_BASE, versions->base,
                 bytes_of(keys->base.key, keys->base.key_len)));
    call->core->counters.imported += 4;
    return ERR_OK;
}

enum err verb_gateway_import(struct core_call *call)
{
    (void)call_actor(call);
    uint32_t domain = call->event.domain = reader_u32(&call->in);
    uint32_t epoch = call->event.epoch = reader_u32(&call->in);
    struct bytes passphrase = reader_bytes16(&call->in);
    struct bytes file = reader_bytes16(&call->in);
    if (passphrase.len == 0 || passphrase.len > KEEPER_PASSPHRASES)
        reader_fail(&call->in, ERR_ARGUMENT);
    TRY(call_read(call));
    if (domains_find(call->core->domains, domain) == NULL)
        return ERR_NOT_FOUND;
    struct gateway_job *job = NULL;
    struct keeper_gateway_file head;
    struct gwfile parsed;
    TRY(gwfile_parse(file, &head, &parsed, &call->detail));
    TRY(gateway_job_new(call, &job));
    AUTO(job_freep) struct core_job *base = &job->job;
    job->domain = domain;
    job->epoch = epoch;
    job->head = head;
    TRY(secret_dup(passphrase, &job->passphrase));
    TRY(buf_append(&job->file, file));
    base->work = import_work;
    base->finish = import_finish;
    return job_submit(call, TAKE(base));
}
