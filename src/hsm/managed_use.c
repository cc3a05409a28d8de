#include <stdlib.h>

#include "crypto/der.h"
#include "crypto/hash_alg.h"
#include "hsm/managed_op.h"

/* Using managed objects. What the token gives as PKCS#11 has it becomes what crypto_use gives: an
 * AEAD's tag apart, ECDSA as DER, PKCS#5 padding over ECB. */

struct use {
    const struct crypto_input *input;
    struct managed_mechanism mechanism;
    struct bytes data; /* what the token gets */
    uint8_t *out;
    CK_ULONG cap, len;
};

static CK_RV once(struct hsm_call *call, const struct hsm_managed *object, void *ctx)
{
    (void)object;
    struct use *use = ctx;
    CK_FUNCTION_LIST *f = call->f;
    uint8_t *data = (uint8_t *)(uintptr_t)use->data.data;
    CK_ULONG len = use->data.len;
    CK_RV rv;
    use->len = use->cap;
    switch (use->input->op) {
    case CRYPTO_ENCRYPT:
        rv = f->C_EncryptInit(call->session, &use->mechanism.m, call->key);
        return rv != CKR_OK ? rv : f->C_Encrypt(call->session, data, len, use->out, &use->len);
    case CRYPTO_DECRYPT:
        rv = f->C_DecryptInit(call->session, &use->mechanism.m, call->key);
        return rv != CKR_OK ? rv : f->C_Decrypt(call->session, data, len, use->out, &use->len);
    default:
        rv = f->C_SignInit(call->session, &use->mechanism.m, call->key);
        return rv != CKR_OK ? rv : f->C_Sign(call->session, data, len, use->out, &use->len);
    }
}

/* DigestInfo (RFC 8017, 9.2): PKCS#1 v1.5 signatures are made over it with CKM_RSA_PKCS, which
 * every token has. */
static enum err digest_info(uint32_t hash, struct bytes digest, struct buf *to)
{
    static const struct {
        uint32_t hash;
        uint8_t oid[9];
        uint8_t len;
    } oids[] = {
        {HASH_SHA_1, {0x2b, 0x0e, 0x03, 0x02, 0x1a}, 5},
        {HASH_SHA_224, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04}, 9},
        {HASH_SHA_256, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}, 9},
        {HASH_SHA_384, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02}, 9},
        {HASH_SHA_512, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03}, 9},
    };
    for (size_t i = 0; i < ARRAY_LEN(oids); i++) {
        if (oids[i].hash != hash)
            continue;
        AUTO(der_done) struct der_writer w = {.depth = 0};
        der_begin(&w, DER_SEQUENCE);
        der_begin(&w, DER_SEQUENCE);
        der_put(&w, DER_OID, bytes_of(oids[i].oid, oids[i].len));
        der_put_null(&w);
        der_end(&w);
        der_put(&w, DER_OCTET_STRING, digest);
        der_end(&w);
        TRY(der_status(&w));
        return buf_append(to, buf_view(&w.out));
    }
    return ERR_UNSUPPORTED;
}

/* What the token signs: the data (EdDSA), their hash, or its DigestInfo. */
static enum err prepare_signature(struct use *use, struct buf *room, struct err_detail *detail)
{
    const struct signature_scheme *scheme = &use->mechanism.scheme;
    const struct crypto_input *input = use->input;
    if (scheme->kind == SIGNATURE_EDDSA) {
        if (input->digested)
            return err_set(detail, ERR_UNSUPPORTED, "EdDSA signs data, not hashes");
        return ERR_OK;
    }
    uint8_t digest[HASH_ALG_MAX];
    size_t len = hash_alg_size(scheme->hash);
    if (!input->digested) {
        TRY(hash_alg(scheme->hash, &input->data, 1, digest, &len));
    } else {
        if (input->data.len != len)
            return err_set(detail, ERR_ARGUMENT, "the hash has %zu bytes, %zu are wanted",
                           input->data.len, len);
        memcpy(digest, input->data.data, len);
    }
    if (scheme->kind == SIGNATURE_PKCS1)
        TRY(digest_info(scheme->hash, bytes_of(digest, len), room));
    else
        TRY(buf_append(room, bytes_of(digest, len)));
    use->data = buf_view(room);
    return ERR_OK;
}

static enum err prepare_text(struct use *use, struct buf *room, struct err_detail *detail)
{
    const struct crypto_input *input = use->input;
    struct managed_mechanism *mechanism = &use->mechanism;
    if (input->op == CRYPTO_ENCRYPT && mechanism->padding != 0) {
        uint8_t pad[16];
        size_t missing = mechanism->block - input->data.len % mechanism->block;
        memset(pad, (int)missing, sizeof pad);
        TRY(buf_append(room, input->data));
        TRY(buf_append(room, bytes_of(pad, missing)));
        use->data = buf_view(room);
    } else if (input->op == CRYPTO_DECRYPT && mechanism->tag_len != 0) {
        if (input->tag.len != mechanism->tag_len)
            return err_set(detail, ERR_DECRYPT, "%s", err_text(ERR_DECRYPT));
        TRY(buf_append(room, input->data));
        TRY(buf_append(room, input->tag));
        use->data = buf_view(room);
    }
    return ERR_OK;
}

/* r | s to SEQUENCE { r, s }. */
static enum err put_ecdsa(struct bytes raw, struct buf *to)
{
    if (raw.len == 0 || raw.len % 2 != 0)
        return ERR_TOKEN;
    AUTO(der_done) struct der_writer w = {.depth = 0};
    der_begin(&w, DER_SEQUENCE);
    der_put_uint(&w, bytes_of(raw.data, raw.len / 2));
    der_put_uint(&w, bytes_of(raw.data + raw.len / 2, raw.len / 2));
    der_end(&w);
    TRY(der_status(&w));
    return buf_append(to, buf_view(&w.out));
}

static enum err strip(struct bytes *text, size_t block)
{
    uint8_t count = text->len != 0 ? text->data[text->len - 1] : 0;
    uint8_t wrong = (uint8_t)(count == 0 || count > block || text->len % block != 0);
    for (uint8_t i = 0; i < block && i < text->len; i++) {
        uint8_t inside = (uint8_t)(i < count);
        wrong |= (uint8_t)(inside & (text->data[text->len - 1 - i] != count));
    }
    if (wrong != 0)
        return ERR_DECRYPT;
    text->len -= count;
    return ERR_OK;
}

static enum err take_result(const struct use *use, struct crypto_output *output)
{
    struct bytes got = bytes_of(use->out, use->len);
    const struct managed_mechanism *mechanism = &use->mechanism;
    switch (use->input->op) {
    case CRYPTO_ENCRYPT:
        if (mechanism->tag_len != 0) {
            if (got.len < mechanism->tag_len)
                return ERR_TOKEN;
            got.len -= mechanism->tag_len;
            output->tag_len = mechanism->tag_len;
            memcpy(output->tag, got.data + got.len, mechanism->tag_len);
        }
        if (use->input->iv.len == 0 && mechanism->iv_len != 0) {
            output->iv_len = mechanism->iv_len;
            memcpy(output->iv, mechanism->iv, mechanism->iv_len);
        }
        return buf_append(output->data, got);
    case CRYPTO_DECRYPT:
        if (mechanism->padding != 0)
            TRY(strip(&got, mechanism->block));
        return buf_append(output->data, got);
    case CRYPTO_MAC_VERIFY: output->valid = secret_equal(got, use->input->tag); return ERR_OK;
    default:
        if (use->input->op == CRYPTO_SIGN && mechanism->scheme.kind == SIGNATURE_ECDSA)
            return put_ecdsa(got, output->data);
        return buf_append(output->data, got);
    }
}

enum err hsm_managed_use(struct hsm *hsm, const struct hsm_managed *object,
                         const struct crypto_input *input, struct crypto_output *output,
                         struct err_detail *detail)
{
    if (input->data.len > HSM_USE_MAX)
        return err_set(detail, ERR_LIMIT, "a key in the token takes %zu bytes at a time",
                       HSM_USE_MAX);
    AUTO(buf_done) struct buf room = {0};
    AUTO(buf_done) struct buf out = {0};
    struct use use = {.input = input, .data = input->data};
    TRY(managed_mechanism(object, input, &use.mechanism, detail));
    TRY(input->op == CRYPTO_SIGN ? prepare_signature(&use, &room, detail)
                                 : prepare_text(&use, &room, detail));
    use.cap = use.data.len + 1024; /* padding, tag, or the longest signature */
    TRY(buf_reserve(&out, use.cap));
    use.out = out.data;
    output->iv_len = 0;
    output->tag_len = 0;
    output->valid = false;
    enum err err = managed_run(hsm, object, once, &use, "use of a key in the token", detail);
    out.len = err == ERR_OK && use.len <= use.cap ? use.len : 0; /* wiped with the buffer */
    if (err == ERR_TOKEN && input->op == CRYPTO_DECRYPT)
        return err_set(detail, ERR_DECRYPT, "%s", err_text(ERR_DECRYPT));
    TRY(err);
    if (use.len > use.cap)
        return err_set(detail, ERR_TOKEN, "the token gave more than there was room for");
    err = take_result(&use, output);
    return err == ERR_OK ? ERR_OK : err_set(detail, err, "%s", err_text(err));
}
