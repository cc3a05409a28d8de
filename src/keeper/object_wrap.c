#include "keeper/object_wrap.h"

#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/keyform.h"

/* OBJECT_WRAP    actor | object | wrap -> u32 length, wrapped | u8 length, IV | u16 length, MAC
 * OBJECT_UNWRAP  actor | object (to be made) | wrap | u32 length, wrapped | spec
 *                -> made | u32 length, what followed the material
 *
 * A key that never leaves in clear may leave wrapped; one that is not extractable may not. */

struct wrap_job {
    struct object_job base;
    struct wrap_fields fields;
    struct crypto_key encrypt, mac; /* class 0: none */
    struct object object;           /* what is wrapped, or came of it */
    struct keeper_row row;
    struct keeper_object_spec spec;
    struct bytes input;    /* wrapped */
    struct secret *formed; /* material in the wanted form, or what was unwrapped */
    struct secret *value;  /* with TTLV around it, or in the keeper's form */
    struct buf wrapped;
    struct buf mac_made;
    struct bytes rest;
    uint8_t iv[CRYPTO_IV_MAX];
    size_t iv_len;
};

static void wrap_done(struct object_job *base)
{
    struct wrap_job *job = (struct wrap_job *)base;
    secret_free(job->formed);
    secret_free(job->value);
    buf_done(&job->wrapped);
    buf_done(&job->mac_made);
}

static enum err make_mac(struct wrap_job *job, struct bytes data)
{
    struct crypto_input input = {.op = job->mac.class == CRYPTO_PRIVATE ? CRYPTO_SIGN : CRYPTO_MAC,
                                 .params = job->fields.mac_params,
                                 .data = data};
    struct crypto_output output = {.data = &job->mac_made};
    return crypto_use(&job->mac, &input, &output, &job->base.job.detail);
}

static enum err check_mac(struct wrap_job *job, struct bytes data)
{
    struct crypto_input input = {.op = job->mac.class == CRYPTO_SYMMETRIC ||
                                               job->mac.class == CRYPTO_SECRET
                                           ? CRYPTO_MAC_VERIFY
                                           : CRYPTO_VERIFY,
                                 .params = job->fields.mac_params,
                                 .data = data,
                                 .tag = job->fields.mac_value};
    struct crypto_output output = {.data = &job->mac_made};
    TRY(crypto_use(&job->mac, &input, &output, &job->base.job.detail));
    return output.valid ? ERR_OK : ERR_DECRYPT;
}

static bool mac_on_plain(const struct wrap_job *job)
{
    return job->mac.class != 0 &&
           (job->encrypt.class == 0 || (job->fields.what & WRAP_MAC_FIRST) != 0);
}

static bool mac_on_wrapped(const struct wrap_job *job)
{
    return job->mac.class != 0 && !mac_on_plain(job);
}

/* What is wrapped: the material as the client wants it, perhaps with TTLV around it. */
static enum err plain_of(struct wrap_job *job, struct bytes *ret_plain)
{
    struct bytes plain = job->object.material;
    uint32_t format = job->fields.format;
    if (job->object.class == CRYPTO_PRIVATE && format != 0 && format != FORMAT_PKCS8) {
        TRY(keyform_private_out(plain, format, &job->formed, &job->base.job.detail));
        plain = secret_view(job->formed);
    }
    if ((job->fields.what & WRAP_TTLV) != 0) {
        TRY(wrap_ttlv_make(plain, job->fields.after, &job->value));
        plain = secret_view(job->value);
    }
    *ret_plain = plain;
    return ERR_OK;
}

static enum err wrap_work(struct core_job *base)
{
    struct wrap_job *job = (struct wrap_job *)base;
    struct bytes plain;
    TRY(plain_of(job, &plain));
    if (mac_on_plain(job))
        TRY(make_mac(job, plain));
    if (job->encrypt.class == 0)
        return buf_append(&job->wrapped, plain);
    TRY(keywrap_wrap(&job->encrypt, &job->fields.encrypt_params, job->fields.iv, plain,
                     &job->wrapped, job->iv, &job->iv_len, &base->detail));
    return mac_on_wrapped(job) ? make_mac(job, buf_view(&job->wrapped)) : ERR_OK;
}

static enum err wrap_finish(struct core_call *call, struct core_job *base)
{
    struct wrap_job *job = (struct wrap_job *)base;
    writer_bytes32(call->out, buf_view(&job->wrapped));
    writer_u8(call->out, (uint8_t)job->iv_len);
    writer_bytes(call->out, bytes_of(job->iv, job->iv_len));
    writer_bytes16(call->out, buf_view(&job->mac_made));
    call->core->counters.released++;
    return ERR_OK;
}

/* The keys that wrap, opened in rooms B and C. */
static enum err open_keys(struct core_call *call, const struct wrap_fields *fields,
                          struct crypto_key *ret_encrypt, struct crypto_key *ret_mac)
{
    struct object object;
    if ((fields->what & WRAP_ENCRYPT_KEY) != 0) {
        TRY(call_object_open(call, &fields->encrypt, OBJECT_ROOM_B, &object));
        TRY(object_here(&object, &call->detail));
        *ret_encrypt = object_key(&object);
    } else if (fields->encrypt_spki.len != 0) {
        *ret_encrypt =
            (struct crypto_key){.class = CRYPTO_PUBLIC, .material = fields->encrypt_spki};
    }
    if ((fields->what & WRAP_MAC_KEY) != 0) {
        TRY(call_object_open(call, &fields->mac, OBJECT_ROOM_C, &object));
        TRY(object_here(&object, &call->detail));
        *ret_mac = object_key(&object);
    } else if (fields->mac_spki.len != 0) {
        *ret_mac = (struct crypto_key){.class = CRYPTO_PUBLIC, .material = fields->mac_spki};
    }
    if (ret_encrypt->class == 0 && ret_mac->class == 0)
        return err_set(&call->detail, ERR_ARGUMENT, "wrapping takes a key that encrypts or MACs");
    return ERR_OK;
}

/* A public key's algorithm is told by itself. */
static enum err complete(struct crypto_key *key, struct err_detail *detail)
{
    if (key->class != CRYPTO_PUBLIC)
        return ERR_OK;
    struct keyform_info info;
    TRY(keyform_public_info(key->material, &info, detail));
    key->alg = info.alg;
    return ERR_OK;
}

/* Which key, on the record: whoever has its other half has what is wrapped. */
static enum err note_keys(struct core_call *call, const struct wrap_fields *fields)
{
    if ((fields->what & WRAP_ENCRYPT_KEY) != 0) {
        call_note_other(call, "under", &fields->encrypt);
    } else if (fields->encrypt_spki.len != 0) {
        uint8_t digest[HASH_SHA256_SIZE];
        TRY(hash_parts(call->core->hash, &fields->encrypt_spki, 1, digest));
        char hex[2 * sizeof digest + 1];
        hex_encode(BYTES(digest), hex);
        call_note_word(call, "under spki sha256");
        call_note_word(call, hex);
    } else if ((fields->what & WRAP_MAC_KEY) != 0) {
        call_note_other(call, "in clear, MAC by", &fields->mac);
    }
    return ERR_OK;
}

static enum err wrap_own(struct wrap_job *job)
{
    struct object_job *base = &job->base;
    struct wrap_fields *fields = &job->fields;
    if (job->object.material.len != 0)
        TRY(object_job_hold(base, &job->object.material));
    if (job->encrypt.class != 0)
        TRY(object_job_hold(base, &job->encrypt.material));
    if (job->mac.class != 0)
        TRY(object_job_hold(base, &job->mac.material));
    TRY(object_job_own_params(base, &fields->encrypt_params));
    TRY(object_job_own_params(base, &fields->mac_params));
    TRY(object_job_own(base, &fields->iv));
    TRY(object_job_own(base, &fields->mac_value));
    TRY(object_job_own(base, &fields->after));
    return object_job_own(base, &job->input);
}

static enum err wrap_job_new(struct core_call *call, const struct wrap_fields *fields,
                             const struct crypto_key *encrypt, const struct crypto_key *mac,
                             struct wrap_job **ret_job)
{
    struct object_job *base = NULL;
    TRY(object_job_new(call, sizeof(struct wrap_job), &base));
    struct wrap_job *job = (struct wrap_job *)base;
    base->done = wrap_done;
    job->fields = *fields;
    job->encrypt = *encrypt;
    job->mac = *mac;
    *ret_job = job;
    return ERR_OK;
}

static bool slow(const struct wrap_job *job)
{
    return job->object.class == CRYPTO_PRIVATE || job->spec.class == CRYPTO_PRIVATE ||
           job->encrypt.class == CRYPTO_PRIVATE || job->mac.class == CRYPTO_PRIVATE;
}

static enum err may_wrap(struct core_call *call, const struct object *object, bool encrypted)
{
    if ((object->flags & KEEPER_NO_EXTRACT) != 0)
        return err_set(&call->detail, ERR_DENIED, "it was made never to leave");
    if ((object->flags & KEEPER_NO_RELEASE) != 0 && !encrypted)
        return err_set(&call->detail, ERR_DENIED, "it was made never to leave in clear");
    return object_here(object, &call->detail);
}

enum err verb_object_wrap(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_there(&call->in);
    call_note_object(call, &named);
    struct wrap_fields fields = wrap_get_fields(&call->in);
    if (fields.mac_spki.len != 0)
        reader_fail(&call->in, ERR_ARGUMENT);
    TRY(call_read(call));
    TRY(note_keys(call, &fields));
    TRY(call_allow(call, KEEPER_KMIP_RELEASE, named.row.table, 1));
    struct object object;
    TRY(call_object_open(call, &named, OBJECT_ROOM_A, &object));
    struct crypto_key encrypt = {.alg = 0}, mac = {.alg = 0};
    TRY(open_keys(call, &fields, &encrypt, &mac));
    TRY(may_wrap(call, &object, encrypt.class != 0));
    TRY(complete(&encrypt, &call->detail));
    struct wrap_job *made = NULL;
    TRY(wrap_job_new(call, &fields, &encrypt, &mac, &made));
    AUTO(object_job_freep) struct object_job *base = &made->base;
    made->object = object;
    TRY(wrap_own(made));
    base->job.work = wrap_work;
    base->job.finish = wrap_finish;
    return object_job_run(call, TAKE(base), slow(made));
}

static enum err unwrap_work(struct core_job *base)
{
    struct wrap_job *job = (struct wrap_job *)base;
    if (mac_on_wrapped(job))
        TRY(check_mac(job, job->input));
    if (job->encrypt.class != 0)
        TRY(keywrap_unwrap(&job->encrypt, &job->fields.encrypt_params, job->fields.iv, job->input,
                           &job->formed, &base->detail));
    else
        TRY(secret_dup(job->input, &job->formed));
    struct bytes plain = secret_view(job->formed);
    if (mac_on_plain(job))
        TRY(check_mac(job, plain));
    if ((job->fields.what & WRAP_TTLV) != 0)
        TRY(wrap_ttlv_read(plain, &plain, &job->rest));
    return object_check(&job->spec, job->fields.format, plain, &job->value, &job->object,
                        &base->detail);
}

static enum err unwrap_finish(struct core_call *call, struct core_job *base)
{
    struct wrap_job *job = (struct wrap_job *)base;
    TRY(call_object_make(call, &job->row, &job->object, bytes_of(NULL, 0), NULL));
    writer_bytes32(call->out, job->rest);
    return ERR_OK;
}

enum err verb_object_unwrap(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_new(&call->in);
    call_note_object(call, &named);
    struct wrap_fields fields = wrap_get_fields(&call->in);
    struct bytes wrapped = reader_bytes32(&call->in);
    struct keeper_object_spec spec = message_get_spec(&call->in);
    if (wrapped.len == 0 || wrapped.len > KEYWRAP_MAX || fields.encrypt_spki.len != 0)
        reader_fail(&call->in, ERR_ARGUMENT);
    TRY(call_read(call));
    TRY(note_keys(call, &fields));
    TRY(call_allow(call, KEEPER_KMIP_CREATE, named.row.table, 1));
    if ((spec.flags & KEEPER_IN_TOKEN) != 0)
        return err_set(&call->detail, ERR_TOKEN_UNABLE, "it can't be unwrapped into the token");
    struct crypto_key encrypt = {.alg = 0}, mac = {.alg = 0};
    TRY(open_keys(call, &fields, &encrypt, &mac));
    TRY(complete(&mac, &call->detail));
    struct wrap_job *made = NULL;
    TRY(wrap_job_new(call, &fields, &encrypt, &mac, &made));
    AUTO(object_job_freep) struct object_job *base = &made->base;
    made->row = named.row;
    made->spec = spec;
    made->input = wrapped;
    TRY(wrap_own(made));
    base->job.work = unwrap_work;
    base->job.finish = unwrap_finish;
    return object_job_run(call, TAKE(base), slow(made));
}
