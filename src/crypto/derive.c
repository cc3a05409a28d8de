#include "crypto/derive.h"

#include "crypto/hmac.h"
#include "crypto/keyform.h"
#include "crypto/pkey.h"

#define SHARED_MAX 1024 /* bytes of a Diffie-Hellman secret */
#define BLOCK_MAX  HASH_ALG_MAX

static enum err too_long(size_t len, size_t most, struct err_detail *detail)
{
    return err_set(detail, ERR_LIMIT, "%zu bytes are wanted, the method gives %zu", len, most);
}

static enum err pbkdf2(const struct derive_input *in, uint8_t *to, size_t len,
                       struct err_detail *detail)
{
    uint32_t hash = in->params.hash != 0 ? in->params.hash : HASH_SHA_1;
    const char *name = evp_md_name(hash);
    if (name == NULL)
        return err_set(detail, ERR_UNSUPPORTED, "hashing algorithm %u", hash);
    if (in->iterations == 0)
        return err_set(detail, ERR_ARGUMENT, "an iteration count is wanted");
    if (in->iterations > DERIVE_ITERATIONS_MAX)
        return err_set(detail, ERR_LIMIT, "more than %u iterations", DERIVE_ITERATIONS_MAX);
    unsigned iterations = in->iterations;
    int lax = 1; /* RFC 8018, without the lower bounds of SP 800-132 */
    static const uint8_t none[1];
    const uint8_t *salt = in->salt.len != 0 ? in->salt.data : none;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)name, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
                                          (void *)(uintptr_t)in->key.material.data,
                                          in->key.material.len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt,
                                          in->salt.len),
        OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &iterations),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_PKCS5, &lax),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(evp_pbkdf2());
    int good = ctx != NULL ? EVP_KDF_derive(ctx, to, len, params) : 0;
    EVP_KDF_CTX_free(ctx);
    return good == 1 ? ERR_OK : evp_fail(detail, ERR_CRYPTO, "PBKDF2");
}

/* The leading bytes of one block. */
static enum err give_block(uint8_t block[BLOCK_MAX], size_t block_len, uint8_t *to, size_t len,
                           struct err_detail *detail)
{
    enum err err = len <= block_len ? ERR_OK : too_long(len, block_len, detail);
    if (err == ERR_OK)
        memcpy(to, block, len);
    explicit_bzero(block, BLOCK_MAX);
    return err;
}

static uint32_t hash_of(const struct derive_input *in)
{
    uint32_t own = evp_hmac_hash(in->key.alg);
    return own != 0 ? own : in->params.hash != 0 ? in->params.hash : HASH_SHA_256;
}

static enum err no_hash(enum err err, uint32_t hash, struct err_detail *detail)
{
    return err == ERR_UNSUPPORTED ? err_set(detail, err, "hashing algorithm %u", hash) : err;
}

static enum err hash_method(const struct derive_input *in, uint8_t *to, size_t len,
                            struct err_detail *detail)
{
    uint8_t block[BLOCK_MAX];
    size_t block_len = 0;
    uint32_t hash = in->params.hash != 0 ? in->params.hash : HASH_SHA_256;
    struct bytes data = in->data.len != 0 ? in->data : in->key.material;
    enum err err = hash_alg(hash, &data, 1, block, &block_len);
    if (err != ERR_OK)
        return no_hash(err, hash, detail);
    return give_block(block, block_len, to, len, detail);
}

static enum err hmac_method(const struct derive_input *in, uint8_t *to, size_t len,
                            struct err_detail *detail)
{
    uint8_t block[BLOCK_MAX];
    size_t block_len = 0;
    uint32_t hash = hash_of(in);
    enum err err = hmac_parts(hash, in->key.material, &in->data, 1, block, &block_len);
    if (err != ERR_OK)
        return no_hash(err, hash, detail);
    return give_block(block, block_len, to, len, detail);
}

static enum err encrypt_method(const struct derive_input *in, uint8_t *to, size_t len,
                               struct err_detail *detail)
{
    AUTO(buf_done) struct buf sealed = {0};
    struct crypto_output output = {.data = &sealed};
    struct crypto_input input = {
        .op = CRYPTO_ENCRYPT, .params = in->params, .data = in->data, .iv = in->iv};
    /* A random IV would make a key nobody can derive again. */
    input.params.random_iv = false;
    if (in->key.class != CRYPTO_SYMMETRIC)
        return err_set(detail, ERR_ARGUMENT, "the method wants a symmetric key");
    TRY(crypto_use(&in->key, &input, &output, detail));
    if (sealed.len < len)
        return too_long(len, sealed.len, detail);
    memcpy(to, sealed.data, len);
    return ERR_OK;
}

static enum err prf_ctx(const struct derive_input *in, EVP_MAC_CTX **ret_ctx,
                        struct err_detail *detail)
{
    bool cmac = in->params.mode == MODE_CMAC || (in->key.alg == ALG_AES && in->params.hash == 0);
    if (cmac)
        return cmac_ctx(in->key.alg, in->key.material, ret_ctx, detail);
    uint32_t hash = hash_of(in);
    return no_hash(hmac_ctx(hash, in->key.material, ret_ctx), hash, detail);
}

static enum err prf(const EVP_MAC_CTX *keyed, const struct bytes *parts, size_t count,
                    uint8_t block[BLOCK_MAX], size_t *ret_len, struct err_detail *detail)
{
    AUTO(mac_ctx_freep) EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(keyed);
    bool good = ctx != NULL;
    for (size_t i = 0; i < count && good; i++)
        good = EVP_MAC_update(ctx, parts[i].data, parts[i].len) == 1;
    good = good && EVP_MAC_final(ctx, block, ret_len, BLOCK_MAX) == 1;
    return good ? ERR_OK : evp_fail(detail, ERR_CRYPTO, "PRF");
}

/* SP 800-108, 5.1 to 5.3. `chain` is K(i-1) in feedback mode, A(i) in double-pipeline mode. */
static enum err kbkdf(const struct derive_input *in, uint8_t *to, size_t len,
                      struct err_detail *detail)
{
    AUTO(mac_ctx_freep) EVP_MAC_CTX *keyed = NULL;
    uint8_t counter[4];
    uint8_t bits[4];
    uint8_t chain[BLOCK_MAX];
    uint8_t block[BLOCK_MAX];
    struct bytes before = {0};
    size_t block_len = 0;
    enum err err = ERR_OK;
    TRY(prf_ctx(in, &keyed, detail));
    be32_store(bits, (uint32_t)len * 8);
    if (in->method == DERIVE_NIST800_108_F)
        before = in->iv;
    for (size_t at = 0, i = 1; at < len && err == ERR_OK; i++) {
        be32_store(counter, (uint32_t)i);
        if (in->method == DERIVE_NIST800_108_DPI) {
            size_t chain_len = 0;
            uint8_t next[BLOCK_MAX];
            const struct bytes first[] = {in->data, BYTES(bits)};
            err = i == 1 ? prf(keyed, first, 2, next, &chain_len, detail)
                         : prf(keyed, &before, 1, next, &chain_len, detail);
            memcpy(chain, next, sizeof chain);
            explicit_bzero(next, sizeof next);
            before = bytes_of(chain, chain_len);
        }
        const struct bytes parts[] = {before, BYTES(counter), in->data, BYTES(bits)};
        if (err == ERR_OK)
            err = prf(keyed, parts, ARRAY_LEN(parts), block, &block_len, detail);
        if (err != ERR_OK)
            break;
        size_t now = len - at < block_len ? len - at : block_len;
        memcpy(to + at, block, now);
        at += now;
        if (in->method == DERIVE_NIST800_108_F) {
            memcpy(chain, block, block_len);
            before = bytes_of(chain, block_len);
        }
    }
    explicit_bzero(chain, sizeof chain);
    explicit_bzero(block, sizeof block);
    return err;
}

static enum err agree(const struct derive_input *in, uint8_t *to, size_t len,
                      struct err_detail *detail)
{
    AUTO(buf_done) struct buf spki = {0};
    AUTO(pkey_freep) EVP_PKEY *own = NULL;
    AUTO(pkey_freep) EVP_PKEY *peer = NULL;
    struct keyform_info info;
    struct keyform_info own_info;
    if (in->key.class != CRYPTO_PRIVATE)
        return err_set(detail, ERR_ARGUMENT, "the method wants a private key");
    TRY(keyform_private_info(in->key.material, &own_info, detail));
    TRY(keyform_public_in(FORMAT_X_509, 0, 0, in->peer, &spki, &info, detail));
    if (own_info.alg != info.alg || own_info.curve != info.curve || own_info.bits != info.bits)
        return err_set(detail, ERR_ARGUMENT, "the keys are not of one kind");
    if (info.alg != ALG_EC && info.alg != ALG_ECDH && info.alg != ALG_DH)
        return err_set(detail, ERR_UNSUPPORTED, "algorithm %u does not agree keys", info.alg);
    struct crypto_key peer_key = {CRYPTO_PUBLIC, info.alg, buf_view(&spki)};
    TRY(pkey_open(&in->key, &own, detail));
    TRY(pkey_open(&peer_key, &peer, detail));
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    size_t got = 0;
    if (ctx == NULL || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1)
        return evp_fail(detail, ERR_ARGUMENT, "the keys are not of one kind");
    unsigned pad = 1; /* a Diffie-Hellman secret as long as the prime */
    OSSL_PARAM params[] = {OSSL_PARAM_construct_uint(OSSL_EXCHANGE_PARAM_PAD, &pad),
                           OSSL_PARAM_construct_end()};
    if (info.alg == ALG_DH && EVP_PKEY_CTX_set_params(ctx, params) != 1)
        return evp_fail(detail, ERR_CRYPTO, "key agreement");
    if (EVP_PKEY_derive(ctx, NULL, &got) != 1 || got > SHARED_MAX)
        return evp_fail(detail, ERR_CRYPTO, "key agreement");
    AUTO(secret_freep) struct secret *shared = NULL;
    TRY(secret_new(got, &shared));
    /* A point of low order: RFC 7748, 6. */
    if (EVP_PKEY_derive(ctx, secret_data(shared), &got) != 1)
        return evp_fail(detail, ERR_KEY_FORM, "key agreement");
    if (len > got)
        return too_long(len, got, detail);
    memcpy(to, secret_data(shared), len);
    return ERR_OK;
}

/* RFC 5869. */
static enum err hkdf(const struct derive_input *in, uint8_t *to, size_t len,
                     struct err_detail *detail)
{
    static const uint8_t zeros[BLOCK_MAX];
    uint32_t hash = in->params.hash != 0 ? in->params.hash : HASH_SHA_256;
    size_t size = hash_alg_size(hash);
    if (size == 0)
        return no_hash(ERR_UNSUPPORTED, hash, detail);
    if (len > 255 * size)
        return too_long(len, 255 * size, detail);
    uint8_t key[BLOCK_MAX];
    uint8_t block[BLOCK_MAX];
    size_t key_len = 0;
    struct bytes before = {0};
    struct bytes salt = in->salt.len != 0 ? in->salt : bytes_of(zeros, size);
    enum err err = hmac_parts(hash, salt, &in->key.material, 1, key, &key_len);
    uint8_t number = 1;
    for (size_t at = 0; at < len && err == ERR_OK; number++) {
        const struct bytes parts[] = {before, in->data, {&number, 1}};
        uint8_t next[BLOCK_MAX];
        size_t got = 0;
        err = hmac_parts(hash, bytes_of(key, key_len), parts, ARRAY_LEN(parts), next, &got);
        if (err != ERR_OK)
            break;
        memcpy(block, next, sizeof block);
        explicit_bzero(next, sizeof next);
        before = bytes_of(block, got);
        size_t now = len - at < got ? len - at : got;
        memcpy(to + at, block, now);
        at += now;
    }
    explicit_bzero(key, sizeof key);
    explicit_bzero(block, sizeof block);
    return err == ERR_OK ? err : err_set(detail, err, "HKDF");
}

/* The next part up to a slash. */
static struct bytes part(struct bytes *rest)
{
    const uint8_t *slash = rest->len != 0 ? memchr(rest->data, '/', rest->len) : NULL;
    struct bytes found = *rest;
    if (slash == NULL) {
        *rest = (struct bytes){0};
        return found;
    }
    found.len = (size_t)(slash - rest->data);
    *rest = bytes_of(slash + 1, rest->len - found.len - 1);
    return found;
}

static enum err aws4(const struct derive_input *in, uint8_t *to, size_t len,
                     struct err_detail *detail)
{
    struct bytes rest = in->data;
    struct bytes steps[4] = {part(&rest), part(&rest), part(&rest), bytes_str("aws4_request")};
    if (steps[0].len == 0 || steps[1].len == 0 || steps[2].len == 0 || rest.len != 0)
        return err_set(detail, ERR_ARGUMENT, "the derivation data are date/region/service");
    AUTO(secret_freep) struct secret *first = NULL;
    TRY(secret_new(4 + in->key.material.len, &first));
    memcpy(secret_data(first), "AWS4", 4);
    memcpy(secret_data(first) + 4, in->key.material.data, in->key.material.len);
    uint8_t block[BLOCK_MAX];
    struct bytes key = secret_view(first);
    size_t block_len = 0;
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        uint8_t next[BLOCK_MAX];
        TRY(hmac_parts(HASH_SHA_256, key, &steps[i], 1, next, &block_len));
        memcpy(block, next, sizeof block);
        explicit_bzero(next, sizeof next);
        key = bytes_of(block, block_len);
    }
    return give_block(block, block_len, to, len, detail);
}

static enum err run(const struct derive_input *in, uint8_t *to, size_t len,
                    struct err_detail *detail)
{
    switch (in->method) {
    case DERIVE_PBKDF2: return pbkdf2(in, to, len, detail);
    case DERIVE_HASH: return hash_method(in, to, len, detail);
    case DERIVE_HMAC: return hmac_method(in, to, len, detail);
    case DERIVE_ENCRYPT: return encrypt_method(in, to, len, detail);
    case DERIVE_NIST800_108_C:
    case DERIVE_NIST800_108_F:
    case DERIVE_NIST800_108_DPI: return kbkdf(in, to, len, detail);
    case DERIVE_ASYMMETRIC_KEY: return agree(in, to, len, detail);
    case DERIVE_HKDF: return hkdf(in, to, len, detail);
    case DERIVE_AWS_SIGNATURE_VERSION_4: return aws4(in, to, len, detail);
    default: return err_set(detail, ERR_UNSUPPORTED, "derivation method %u", in->method);
    }
}

enum err derive_key(const struct derive_input *input, size_t len, struct secret **ret_key,
                    struct err_detail *detail)
{
    if (len == 0)
        return err_set(detail, ERR_ARGUMENT, "a key of no bytes");
    if (len > DERIVE_MAX)
        return err_set(detail, ERR_LIMIT, "more than %zu bytes", DERIVE_MAX);
    bool hashes_data = input->method == DERIVE_HASH && input->data.len != 0;
    if (input->key.material.len == 0 && !hashes_data)
        return err_set(detail, ERR_KEY_FORM, "an empty key");
    AUTO(secret_freep) struct secret *key = NULL;
    TRY(secret_new(len, &key));
    TRY(run(input, secret_data(key), len, detail));
    *ret_key = TAKE(key);
    return ERR_OK;
}
