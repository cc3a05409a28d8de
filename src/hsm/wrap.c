#include "hsm/wrap.h"

#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "hsm/key.h"
#include "hsm/rsa_op.h"
#include "hsm/wrap_method.h"

struct plain {
    uint8_t data[PLAIN_MAX];
    size_t len;
};

static void plain_wipe(struct plain *plain)
{
    explicit_bzero(plain, sizeof *plain);
}

/* RFC 3394 wants two blocks of 8 bytes at least. */
static size_t plain_size(size_t secret_len)
{
    size_t size = (1 + secret_len + 7) / 8 * 8;
    return size < 16 ? 16 : size;
}

static void plain_pack(struct bytes secret, struct plain *to)
{
    *to = (struct plain){.len = plain_size(secret.len)};
    to->data[0] = (uint8_t)secret.len;
    memcpy(to->data + 1, secret.data, secret.len);
}

static enum err plain_unpack(const struct plain *plain, struct secret **ret_secret)
{
    size_t len = plain->data[0];
    if (len == 0 || len > HSM_WRAP_MAX || plain->len != plain_size(len))
        return ERR_SEAL;
    uint8_t rest = 0;
    for (size_t i = 1 + len; i < plain->len; i++)
        rest |= plain->data[i];
    if (rest != 0)
        return ERR_SEAL;
    return secret_dup(bytes_of(plain->data + 1, len), ret_secret);
}

static const struct wrap_method *preferred(const struct hsm *hsm)
{
    for (unsigned i = 0; i < wrap_method_count; i++)
        if (hsm->profile.rows[wrap_methods[i].row].can)
            return &wrap_methods[i];
    return NULL;
}

const char *hsm_wrap_method(struct hsm *hsm, enum hsm_class root)
{
    if (root == HSM_RSA) {
        bool unable = (hsm->profile.rows[HSM_ROW_OAEP_SHA1].probed &&
                       !hsm->profile.rows[HSM_ROW_OAEP_SHA1].can) ||
                      (hsm->profile.rows[HSM_ROW_RSA_SIGN].probed &&
                       !hsm->profile.rows[HSM_ROW_RSA_SIGN].can);
        return unable ? NULL : "oaep";
    }
    const struct wrap_method *method = preferred(hsm);
    return method != NULL ? method->name : NULL;
}

struct aes {
    const struct wrap_method *method;
    enum hsm_form form;
    struct bytes body;
    struct plain *plain;
    struct writer *to;
};

static CK_RV seal_op(struct hsm_call *call, void *ctx)
{
    struct aes *aes = ctx;
    aes->to->len = 1; /* a rerun starts behind the method again */
    CK_RV rv = wrap_seal(call, aes->method, aes->form, call->key,
                         bytes_of(aes->plain->data, aes->plain->len), aes->to);
    return rv != CKR_OK || aes->to->err == ERR_OK ? rv : CKR_OUR_BAD_ANSWER;
}

static CK_RV open_op(struct hsm_call *call, void *ctx)
{
    struct aes *aes = ctx;
    return wrap_open(call, aes->method, aes->form, call->key, aes->body, aes->plain->data,
                     &aes->plain->len);
}

/* The same key signs files: with these words in front no file's signature fits a blob. */
static enum err digest_of(struct bytes signed_part, uint8_t digest[HASH_SHA256_SIZE])
{
    const struct bytes parts[] = {bytes_str(HSM_WRAP_CONTEXT), signed_part};
    return hash_sha256(parts, ARRAY_LEN(parts), digest);
}

struct sign {
    uint8_t digest[HASH_SHA256_SIZE];
    uint8_t signature[HSM_RSA_BITS_MAX / 8];
    size_t len;
};

static CK_RV sign_op(struct hsm_call *call, void *ctx)
{
    struct sign *sign = ctx;
    return rsa_op_sign(call, call->key, sign->digest, sign->signature, sizeof sign->signature,
                       &sign->len);
}

static enum err seal_oaep(struct hsm *hsm, struct hsm_key *root, const struct plain *plain,
                          struct writer *to, struct err_detail *detail)
{
    AUTO(rsa_public_freep) struct rsa_public *public = NULL;
    AUTO(buf_done) struct buf sealed = {0};
    struct sign sign = {.len = 0};
    TRY(hsm_rsa_public(hsm, root, &public, detail));
    TRY(rsa_oaep_encrypt(public, OAEP_SHA1, bytes_of(plain->data, plain->len), &sealed, detail));
    writer_bytes(to, buf_view(&sealed));
    TRY(writer_status(to));
    TRY(digest_of(writer_view(to), sign.digest));
    TRY(hsm_run(hsm, root, sign_op, &sign, "C_Sign", detail));
    writer_bytes(to, bytes_of(sign.signature, sign.len));
    return writer_status(to);
}

struct oaep {
    struct bytes sealed;
    uint8_t room[HSM_RSA_BITS_MAX / 8];
    size_t len;
};

static void oaep_wipe(struct oaep *oaep)
{
    explicit_bzero(oaep, sizeof *oaep);
}

static CK_RV oaep_op(struct hsm_call *call, void *ctx)
{
    struct oaep *oaep = ctx;
    return rsa_op_decrypt(call, call->key, OAEP_SHA1, oaep->sealed, oaep->room, sizeof oaep->room,
                          &oaep->len);
}

static enum err not_sealed(const struct hsm_key *root, struct err_detail *detail)
{
    return err_set(detail, ERR_SEAL, "%s: altered, or made with another root key",
                   root->info.label);
}

static enum err open_oaep(struct hsm *hsm, struct hsm_key *root, struct bytes blob,
                          struct plain *plain, struct err_detail *detail)
{
    AUTO(rsa_public_freep) struct rsa_public *public = NULL;
    AUTO(oaep_wipe) struct oaep oaep = {.len = 0};
    uint8_t digest[HASH_SHA256_SIZE];
    size_t size = root->modulus.len;
    if (blob.len != 1 + 2 * size)
        return not_sealed(root, detail);
    TRY(hsm_rsa_public(hsm, root, &public, detail));
    TRY(digest_of(bytes_of(blob.data, 1 + size), digest));
    if (rsa_verify_sha256(public, digest, bytes_of(blob.data + 1 + size, size), NULL) != ERR_OK)
        return not_sealed(root, detail);
    oaep.sealed = bytes_of(blob.data + 1, size);
    TRY(hsm_run(hsm, root, oaep_op, &oaep, "C_Decrypt", detail));
    if (oaep.len > sizeof plain->data)
        return not_sealed(root, detail);
    memcpy(plain->data, oaep.room, oaep.len);
    plain->len = oaep.len;
    return ERR_OK;
}

enum err hsm_wrap(struct hsm *hsm, struct hsm_key *root, struct bytes secret, struct buf *blob,
                  struct err_detail *detail)
{
    if (secret.len == 0 || secret.len > HSM_WRAP_MAX)
        return err_set(detail, ERR_LIMIT, "1 to %zu bytes can be wrapped, not %zu", HSM_WRAP_MAX,
                       secret.len);
    uint8_t room[HSM_BLOB_MAX];
    struct writer to = writer_of(room, sizeof room);
    AUTO(plain_wipe) struct plain plain;
    plain_pack(secret, &plain);
    if (root->info.class == HSM_RSA) {
        writer_u8(&to, WRAP_OAEP);
        TRY(seal_oaep(hsm, root, &plain, &to, detail));
    } else {
        const struct wrap_method *method = preferred(hsm);
        if (method == NULL)
            return err_set(detail, ERR_TOKEN_UNABLE, "the token has no way to wrap a key");
        struct aes aes = {.method = method, .plain = &plain, .to = &to};
        aes.form = hsm->profile.rows[method->row].form;
        writer_u8(&to, method->code);
        TRY(hsm_run(hsm, root, seal_op, &aes, "wrap", detail));
    }
    return buf_append(blob, writer_view(&to));
}

static enum err open_aes(struct hsm *hsm, struct hsm_key *root, struct bytes blob,
                         struct plain *plain, struct err_detail *detail)
{
    const struct wrap_method *method = wrap_method_of(blob.data[0]);
    if (method == NULL)
        return not_sealed(root, detail);
    if (!hsm->profile.rows[method->row].can)
        return err_set(detail, ERR_TOKEN_UNABLE, "%s", hsm_row_text(method->row));
    struct aes aes = {
        .method = method,
        .form = hsm->profile.rows[method->row].form,
        .body = bytes_of(blob.data + 1, blob.len - 1),
        .plain = plain,
    };
    struct err_detail why = {.ckr = 0};
    enum err err = hsm_run(hsm, root, open_op, &aes, "unwrap", &why);
    /* Every token has another word for a blob it doesn't believe; the probe has shown that it can
     * do the method. */
    if ((err == ERR_TOKEN && why.ckr != CKR_DEVICE_MEMORY) || err == ERR_TOKEN_UNABLE)
        err = why.code = ERR_SEAL;
    if (detail != NULL && err != ERR_OK)
        *detail = why;
    return err;
}

enum err hsm_unwrap(struct hsm *hsm, struct hsm_key *root, struct bytes blob,
                    struct secret **ret_secret, struct err_detail *detail)
{
    AUTO(plain_wipe) struct plain plain = {.len = 0};
    if (blob.len < 2 || blob.len > HSM_BLOB_MAX ||
        (root->info.class == HSM_RSA) != (blob.data[0] == WRAP_OAEP))
        return not_sealed(root, detail);
    if (root->info.class == HSM_RSA)
        TRY(open_oaep(hsm, root, blob, &plain, detail));
    else
        TRY(open_aes(hsm, root, blob, &plain, detail));
    enum err err = plain_unpack(&plain, ret_secret);
    return err == ERR_SEAL ? not_sealed(root, detail) : err;
}
