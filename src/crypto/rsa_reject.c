#include "crypto/rsa_reject.h"

#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/rsa.h"

#define CANDIDATES 128

/* All ones where a < b, both below 2^31. */
static uint32_t below(uint32_t a, uint32_t b)
{
    return (uint32_t)0 - ((a - b) >> 31);
}

static uint32_t equal(uint32_t a, uint32_t b)
{
    return ~(below(a, b) | below(b, a));
}

static uint32_t choose(uint32_t mask, uint32_t a, uint32_t b)
{
    return (a & mask) | (b & ~mask);
}

static enum err expand(struct bytes key, const char *label, uint8_t *to, size_t len)
{
    for (size_t at = 0; at < len; at += HASH_SHA256_SIZE) {
        uint8_t counter[2];
        uint8_t bits[2];
        uint8_t mac[HASH_ALG_MAX];
        size_t mac_len = 0;
        be16_store(counter, (uint16_t)(at / HASH_SHA256_SIZE));
        be16_store(bits, (uint16_t)(len * 8));
        const struct bytes parts[] = {BYTES(counter), bytes_str(label), BYTES(bits)};
        TRY(hmac_parts(HASH_SHA_256, key, parts, ARRAY_LEN(parts), mac, &mac_len));
        memcpy(to + at, mac, len - at < mac_len ? len - at : mac_len);
    }
    return ERR_OK;
}

/* What stands for the message where the padding is wrong: the last *ret_len bytes of `to`. */
static enum err synthetic(const struct crypto_key *key, struct bytes sealed, uint8_t *to,
                          uint32_t *ret_len)
{
    uint8_t secret[32];
    uint8_t derived[HASH_ALG_MAX];
    uint8_t lengths[CANDIDATES * 2];
    size_t derived_len = 0;
    TRY(hash_sha256(&key->material, 1, secret));
    TRY(hmac_parts(HASH_SHA_256, BYTES(secret), &sealed, 1, derived, &derived_len));
    struct bytes seed = bytes_of(derived, derived_len);
    TRY(expand(seed, "length", lengths, sizeof lengths));
    TRY(expand(seed, "message", to, sealed.len));
    uint32_t limit = (uint32_t)sealed.len - 10;
    uint32_t mask = limit;
    for (unsigned shift = 1; shift < 32; shift <<= 1)
        mask |= mask >> shift;
    uint32_t len = 0;
    for (size_t i = 0; i < CANDIDATES; i++) {
        uint32_t candidate = be16_load(lengths + 2 * i) & mask;
        len = choose(below(candidate, limit), candidate, len);
    }
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(derived, sizeof derived);
    *ret_len = len;
    return ERR_OK;
}

static enum err decrypt_raw(EVP_PKEY *pkey, struct bytes sealed, uint8_t *to)
{
    AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    size_t len = sealed.len;
    if (ctx == NULL || EVP_PKEY_decrypt_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) != 1)
        return evp_fail(NULL, ERR_CRYPTO, "RSA");
    if (EVP_PKEY_decrypt(ctx, to, &len, sealed.data, sealed.len) != 1 || len != sealed.len)
        return evp_fail(NULL, ERR_DECRYPT, "RSA");
    return ERR_OK;
}

enum err rsa_pkcs1_decrypt(const struct crypto_key *key, EVP_PKEY *pkey, struct bytes sealed,
                           struct buf *to)
{
    size_t size = (size_t)EVP_PKEY_get_size(pkey);
    if (sealed.len != size || size > RSA_BYTES_MAX || size < 32)
        return ERR_DECRYPT;
    AUTO(secret_freep) struct secret *room = NULL;
    TRY(secret_new(2 * size, &room));
    uint8_t *text = secret_data(room);
    uint8_t *other = text + size;
    uint32_t other_len = 0;
    TRY(decrypt_raw(pkey, sealed, text));
    TRY(synthetic(key, sealed, other, &other_len));
    /* RFC 8017, 7.2.2: 0x00 0x02, at least eight bytes that are not zero, 0x00, the message. */
    uint32_t found = 0;
    uint32_t zero_at = 0;
    for (uint32_t i = 2; i < size; i++) {
        uint32_t first = equal(text[i], 0) & ~found;
        zero_at = choose(first, i, zero_at);
        found |= first;
    }
    uint32_t good = equal(text[0], 0) & equal(text[1], 2) & found & ~below(zero_at, 10);
    for (size_t i = 0; i < size; i++)
        text[i] = (uint8_t)choose(good, text[i], other[i]);
    uint32_t len = choose(good, (uint32_t)size - 1 - zero_at, other_len);
    return buf_append(to, bytes_of(text + size - len, len));
}
