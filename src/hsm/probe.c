#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "hsm/generate.h"
#include "hsm/key.h"
#include "hsm/rsa_op.h"
#include "hsm/wrap_method.h"

/* Keys of the probe belong to the anchor session, so a failing row, which costs its own session,
 * leaves them alone. */
struct probe {
    CK_OBJECT_HANDLE aes;
    CK_OBJECT_HANDLE rsa, rsa_public;
    struct rsa_public *numbers; /* of `rsa` */
    struct rsa_private *own;    /* for the import rows */
    struct rsa_parts parts;
    struct secret *pkcs8;
    const struct probe_row *row;
    CK_RV rv; /* of the row that ran last */
    enum hsm_form form;
};

typedef CK_RV probe_fn(struct hsm_call *call, struct probe *probe);

struct probe_row {
    enum hsm_row row;
    bool brief; /* wrapping needs it */
    probe_fn *fn;
};

static struct hsm_call at_anchor(const struct hsm_call *call)
{
    struct hsm_call other = *call;
    other.session = call->hsm->anchor;
    return other;
}

static CK_RV row_random(struct hsm_call *call, struct probe *probe)
{
    (void)probe;
    uint8_t a[32] = {0}, b[32] = {0};
    CK_RV rv = call->f->C_GenerateRandom(call->session, a, sizeof a);
    if (rv == CKR_OK)
        rv = call->f->C_GenerateRandom(call->session, b, sizeof b);
    return rv == CKR_OK && memcmp(a, b, sizeof a) == 0 ? CKR_OUR_BAD_ANSWER : rv;
}

static CK_RV row_aes_keygen(struct hsm_call *call, struct probe *probe)
{
    struct hsm_call anchor = at_anchor(call);
    bool extractable = true;
    CK_RV rv = make_aes(&anchor, &(struct place){0}, &probe->aes);
    if (rv == CKR_OK)
        rv = object_bool(call, probe->aes, CKA_EXTRACTABLE, &extractable);
    return rv == CKR_OK && extractable ? CKR_OUR_UNGUARDED : rv;
}

/* There and back, and no altered body is believed. */
static CK_RV try_wrap(struct hsm_call *call, const struct wrap_method *method, enum hsm_form form,
                      CK_OBJECT_HANDLE root)
{
    uint8_t secret[56], room[BODY_MAX], plain[PLAIN_MAX];
    size_t len = 0;
    struct writer body = writer_of(room, sizeof room);
    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (uint8_t)(i * 7 + 48);
    CK_RV rv = wrap_seal(call, method, form, root, BYTES(secret), &body);
    if (rv == CKR_OK)
        rv = wrap_open(call, method, form, root, writer_view(&body), plain, &len);
    if (rv != CKR_OK)
        return rv;
    if (!bytes_equal(bytes_of(plain, len), BYTES(secret)))
        return CKR_OUR_BAD_ANSWER;
    const size_t places[] = {0, body.len / 2, body.len - 1};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        room[places[i]] ^= 1;
        rv = wrap_open(call, method, form, root, writer_view(&body), plain, &len);
        room[places[i]] ^= 1;
        if (rv == CKR_OK)
            return CKR_OUR_UNABLE;
        if (ckr_group(rv) == CKR_GROUP_SESSION || ckr_group(rv) == CKR_GROUP_LOGIN)
            return rv;
    }
    return CKR_OK;
}

static CK_RV row_wrap(struct hsm_call *call, struct probe *probe)
{
    const struct wrap_method *method = NULL;
    for (unsigned i = 0; i < wrap_method_count; i++)
        if (wrap_methods[i].row == probe->row->row)
            method = &wrap_methods[i];
    if (method == NULL || probe->aes == CK_INVALID_HANDLE)
        return CKR_OUR_UNABLE;
    return try_wrap(call, method, probe->form, probe->aes);
}

static CK_RV row_cmac(struct hsm_call *call, struct probe *probe)
{
    (void)probe;
    static const CK_ULONG length = 32;
    uint8_t text[40] = "claviger", mac[16];
    CK_ULONG len = sizeof mac;
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    CK_MECHANISM generate = {CKM_AES_KEY_GEN, NULL, 0};
    CK_MECHANISM cmac = {CKM_AES_CMAC, NULL, 0};
    struct template t = {.count = 0};
    template_ulong(&t, CKA_VALUE_LEN, &length);
    template_bool(&t, CKA_SIGN, true);
    template_bool(&t, CKA_VERIFY, true);
    CK_RV rv = call->f->C_GenerateKey(call->session, &generate, t.at, t.count, &key);
    if (rv == CKR_OK)
        rv = call->f->C_SignInit(call->session, &cmac, key);
    if (rv == CKR_OK)
        rv = call->f->C_Sign(call->session, text, sizeof text, mac, &len);
    if (rv == CKR_OK)
        rv = call->f->C_VerifyInit(call->session, &cmac, key);
    if (rv == CKR_OK)
        rv = call->f->C_Verify(call->session, text, sizeof text, mac, len);
    object_destroy(call, key);
    return rv;
}

static CK_RV row_ecdsa(struct hsm_call *call, struct probe *probe)
{
    (void)probe;
    /* RFC 5480, 2.1.1.1: secp256r1 */
    static const uint8_t curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    uint8_t digest[32] = {1}, signature[64];
    CK_ULONG len = sizeof signature;
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE, key = CK_INVALID_HANDLE;
    CK_MECHANISM generate = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    struct template t = {.count = 0}, p = {.count = 0};
    template_bytes(&p, CKA_EC_PARAMS, BYTES(curve));
    template_bool(&p, CKA_VERIFY, true);
    template_bool(&t, CKA_SIGN, true);
    template_bool(&t, CKA_SENSITIVE, true);
    CK_RV rv = call->f->C_GenerateKeyPair(call->session, &generate, p.at, p.count, t.at, t.count,
                                          &public_key, &key);
    if (rv == CKR_OK)
        rv = call->f->C_SignInit(call->session, &ecdsa, key);
    if (rv == CKR_OK)
        rv = call->f->C_Sign(call->session, digest, sizeof digest, signature, &len);
    if (rv == CKR_OK)
        rv = call->f->C_VerifyInit(call->session, &ecdsa, public_key);
    if (rv == CKR_OK)
        rv = call->f->C_Verify(call->session, digest, sizeof digest, signature, len);
    object_destroy(call, public_key);
    object_destroy(call, key);
    return rv;
}

static CK_RV row_rsa_2048(struct hsm_call *call, struct probe *probe)
{
    struct hsm_call anchor = at_anchor(call);
    struct hsm_key key = {.generation = 0};
    CK_RV rv = make_rsa(&anchor, &(struct place){0}, 2048, &probe->rsa, &probe->rsa_public);
    if (rv == CKR_OK)
        rv = key_read(call, HSM_RSA, probe->rsa, &key);
    if (rv == CKR_OK && (key.info.extractable || !key.info.sensitive))
        rv = CKR_OUR_UNGUARDED;
    if (rv == CKR_OK &&
        rsa_public_from_parts(key.modulus, key.exponent, &probe->numbers, NULL) != ERR_OK)
        rv = CKR_OUR_BAD_ANSWER;
    key_clear(&key);
    return rv;
}

static CK_RV row_rsa_3072(struct hsm_call *call, struct probe *probe)
{
    (void)probe;
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE, public_key = CK_INVALID_HANDLE;
    CK_RV rv = make_rsa(call, &(struct place){0}, 3072, &key, &public_key);
    object_destroy(call, key);
    object_destroy(call, public_key);
    return rv;
}

static CK_RV check_signature(struct hsm_call *call, CK_OBJECT_HANDLE key,
                             const struct rsa_public *public)
{
    uint8_t digest[32] = {0x5a}, signature[512];
    size_t len = 0;
    if (public == NULL)
        return CKR_OUR_UNABLE;
    CK_RV rv = rsa_op_sign(call, key, digest, signature, sizeof signature, &len);
    if (rv == CKR_OK && rsa_verify_sha256(public, digest, bytes_of(signature, len), NULL) != ERR_OK)
        rv = CKR_OUR_BAD_ANSWER;
    return rv;
}

static CK_RV row_sign(struct hsm_call *call, struct probe *probe)
{
    return check_signature(call, probe->rsa, probe->numbers);
}

static CK_RV row_sign_sha256(struct hsm_call *call, struct probe *probe)
{
    uint8_t text[] = "claviger", digest[HASH_SHA256_SIZE], signature[512];
    const struct bytes part = BYTES(text);
    CK_ULONG len = sizeof signature;
    CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, NULL, 0};
    if (probe->numbers == NULL)
        return CKR_OUR_UNABLE;
    CK_RV rv = call->f->C_SignInit(call->session, &mechanism, probe->rsa);
    if (rv == CKR_OK)
        rv = call->f->C_Sign(call->session, text, sizeof text, signature, &len);
    if (rv == CKR_OK &&
        (hash_sha256(&part, 1, digest) != ERR_OK ||
         rsa_verify_sha256(probe->numbers, digest, bytes_of(signature, len), NULL) != ERR_OK))
        rv = CKR_OUR_BAD_ANSWER;
    return rv;
}

static CK_RV check_oaep(struct hsm_call *call, const struct probe *probe, enum oaep_hash hash)
{
    uint8_t plain[512];
    size_t len = 0;
    AUTO(buf_done) struct buf sealed = {0};
    if (probe->numbers == NULL)
        return CKR_OUR_UNABLE;
    if (rsa_oaep_encrypt(probe->numbers, hash, bytes_str("claviger"), &sealed, NULL) != ERR_OK)
        return CKR_OUR_CRYPTO_FAIL;
    CK_RV rv = rsa_op_decrypt(call, probe->rsa, hash, buf_view(&sealed), plain, sizeof plain, &len);
    if (rv == CKR_OK && !bytes_equal(bytes_of(plain, len), bytes_str("claviger")))
        rv = CKR_OUR_BAD_ANSWER;
    return rv;
}

static CK_RV row_oaep_sha1(struct hsm_call *call, struct probe *probe)
{
    return check_oaep(call, probe, OAEP_SHA1);
}

static CK_RV row_oaep_sha256(struct hsm_call *call, struct probe *probe)
{
    return check_oaep(call, probe, OAEP_SHA256);
}

static CK_RV row_import_create(struct hsm_call *call, struct probe *probe)
{
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    CK_RV rv = import_create(call, &(struct place){0}, &probe->parts, &key);
    if (rv == CKR_OK)
        rv = check_signature(call, key, rsa_private_public(probe->own));
    object_destroy(call, key);
    return rv;
}

static CK_RV row_import_unwrap(struct hsm_call *call, struct probe *probe)
{
    CK_OBJECT_HANDLE key = CK_INVALID_HANDLE;
    CK_RV rv = import_unwrap(call, &(struct place){0}, secret_view(probe->pkcs8), &key);
    if (rv == CKR_OK)
        rv = check_signature(call, key, rsa_private_public(probe->own));
    object_destroy(call, key);
    return rv;
}

/* A row may use what those above it have made. */
static const struct probe_row probe_rows[] = {
    {HSM_ROW_RANDOM, true, row_random},
    {HSM_ROW_AES_KEYGEN, true, row_aes_keygen},
    {HSM_ROW_WRAP_KWP, true, row_wrap},
    {HSM_ROW_WRAP_PAD, true, row_wrap},
    {HSM_ROW_WRAP_3394, true, row_wrap},
    {HSM_ROW_WRAP_CBC_PAD, true, row_wrap},
    {HSM_ROW_WRAP_GCM, true, row_wrap},
    {HSM_ROW_AES_CMAC, false, row_cmac},
    {HSM_ROW_RSA_KEYGEN_2048, false, row_rsa_2048},
    {HSM_ROW_RSA_KEYGEN_3072, false, row_rsa_3072},
    {HSM_ROW_RSA_SIGN, false, row_sign},
    {HSM_ROW_RSA_SIGN_SHA256, false, row_sign_sha256},
    {HSM_ROW_OAEP_SHA1, false, row_oaep_sha1},
    {HSM_ROW_OAEP_SHA256, false, row_oaep_sha256},
    {HSM_ROW_RSA_IMPORT_CREATE, false, row_import_create},
    {HSM_ROW_RSA_IMPORT_UNWRAP, false, row_import_unwrap},
    {HSM_ROW_ECDSA, false, row_ecdsa},
};

static CK_RV row_op(struct hsm_call *call, void *ctx)
{
    struct probe *probe = ctx;
    probe->rv = probe->row->fn(call, probe);
    return probe->rv;
}

static enum err try_form(struct hsm *hsm, struct probe *probe, enum hsm_form form,
                         struct err_detail *detail)
{
    enum hsm_row row = probe->row->row;
    probe->form = form;
    enum err err = hsm_run(hsm, NULL, row_op, probe, hsm_row_name(row), detail);
    if (err == ERR_TOKEN_GONE || err == ERR_PIN_REFUSED || err == ERR_BUSY || err == ERR_NO_MEMORY)
        return err;
    hsm->profile.rows[row].probed = true;
    hsm->profile.rows[row].can = err == ERR_OK;
    hsm->profile.rows[row].form = err == ERR_OK ? form : HSM_FORM_NONE;
    hsm->profile.rows[row].ckr = (probe->rv & CKR_VENDOR_DEFINED) != 0 ? CKR_OK : probe->rv;
    return ERR_OK;
}

static enum err run_rows(struct hsm *hsm, struct probe *probe, struct err_detail *detail)
{
    for (size_t i = 0; i < ARRAY_LEN(probe_rows); i++) {
        probe->row = &probe_rows[i];
        enum hsm_row row = probe->row->row;
        if (hsm->config.brief && !probe->row->brief)
            continue;
        if (probe->row->fn != row_wrap) {
            TRY(try_form(hsm, probe, HSM_FORM_NONE, detail));
            continue;
        }
        if (row != HSM_ROW_WRAP_GCM)
            TRY(try_form(hsm, probe, HSM_FORM_KEY, detail));
        if (!hsm->profile.rows[row].can)
            TRY(try_form(hsm, probe, HSM_FORM_DATA, detail));
    }
    return ERR_OK;
}

static void probe_done(struct probe *probe)
{
    rsa_public_free(probe->numbers);
    rsa_parts_done(&probe->parts);
    rsa_private_free(probe->own);
    secret_free(probe->pkcs8);
}

static enum err probe_once(struct hsm *hsm, struct err_detail *detail)
{
    AUTO(probe_done) struct probe probe = {.rv = CKR_OK};
    hsm->profile = (struct hsm_profile){0};
    if (!hsm->config.brief) {
        TRY(rsa_private_generate(2048, &probe.own, detail));
        TRY(rsa_private_parts(probe.own, &probe.parts));
        TRY(rsa_private_pkcs8(probe.own, &probe.pkcs8));
    }
    enum err err = run_rows(hsm, &probe, detail);
    struct hsm_call anchor = {.hsm = hsm, .f = hsm->module->f, .session = hsm->anchor};
    object_destroy(&anchor, probe.aes);
    object_destroy(&anchor, probe.rsa);
    object_destroy(&anchor, probe.rsa_public);
    return err;
}

enum err hsm_probe(struct hsm *hsm, struct err_detail *detail)
{
    uint64_t before = hsm->generation;
    TRY(probe_once(hsm, detail));
    /* Where the token was lost on the way, the probe's keys were too. */
    if (hsm->generation != before)
        TRY(probe_once(hsm, detail));
    /* Refusals are what a probe looks for. */
    hsm->failures = 0;
    hsm->last_ckr = CKR_OK;
    if (detail != NULL)
        *detail = (struct err_detail){0};
    return ERR_OK;
}
