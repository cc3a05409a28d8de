#include "kmip/op/params.h"

#include "kmip_tags.h"

#define BITS_MAX 4096 /* of any length in Cryptographic Parameters */

static enum err read_len(const struct kmip_node *node, uint32_t tag, int64_t absent, int64_t max,
                         int32_t *ret_len, struct err_detail *detail)
{
    int64_t len = kmip_num(node, tag, absent);
    if (len != absent && (len < 0 || len > max))
        return err_set(detail, ERR_ARGUMENT, "length %lld of tag %06x", (long long)len, tag);
    *ret_len = (int32_t)len;
    return ERR_OK;
}

uint32_t kmip_hmac_hash(uint32_t alg)
{
    switch (alg) {
    case ALG_HMAC_MD5: return HASH_MD5;
    case ALG_HMAC_SHA1: return HASH_SHA_1;
    case ALG_HMAC_SHA224: return HASH_SHA_224;
    case ALG_HMAC_SHA256: return HASH_SHA_256;
    case ALG_HMAC_SHA384: return HASH_SHA_384;
    case ALG_HMAC_SHA512: return HASH_SHA_512;
    case ALG_HMAC_SHA3_224: return HASH_SHA3_224;
    case ALG_HMAC_SHA3_256: return HASH_SHA3_256;
    case ALG_HMAC_SHA3_384: return HASH_SHA3_384;
    case ALG_HMAC_SHA3_512: return HASH_SHA3_512;
    default: return 0;
    }
}

enum err kmip_params_read(const struct kmip_node *node, struct kmip_params *ret_params,
                          struct err_detail *detail)
{
    struct kmip_params p = {.alg = kmip_enum(node, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0),
                            .counter = kmip_num(node, KMIP_TAG_INITIAL_COUNTER_VALUE, -1)};
    struct crypto_params *c = &p.crypto;
    c->mode = kmip_enum(node, KMIP_TAG_BLOCK_CIPHER_MODE, 0);
    c->padding = kmip_enum(node, KMIP_TAG_PADDING_METHOD, 0);
    c->hash = kmip_enum(node, KMIP_TAG_HASHING_ALGORITHM, 0);
    c->signature = kmip_enum(node, KMIP_TAG_DIGITAL_SIGNATURE_ALGORITHM, 0);
    c->mask_hash = kmip_enum(node, KMIP_TAG_MASK_GENERATOR_HASHING_ALGORITHM, 0);
    c->random_iv = kmip_bool(node, KMIP_TAG_RANDOM_IV, false);
    c->p_source = kmip_bytes(node, KMIP_TAG_P_SOURCE);
    TRY(read_len(node, KMIP_TAG_SALT_LENGTH, -1, BITS_MAX, &c->salt_len, detail));
    TRY(read_len(node, KMIP_TAG_COUNTER_LENGTH, 0, 128, &c->counter_len, detail));
    int32_t iv_bits = 0;
    TRY(read_len(node, KMIP_TAG_IV_LENGTH, 0, BITS_MAX, &iv_bits, detail));
    if (iv_bits % 8 != 0)
        return err_set(detail, ERR_ARGUMENT, "an IV of %d bits", iv_bits);
    c->iv_len = iv_bits / 8;
    int64_t tag_len = kmip_num(node, KMIP_TAG_TAG_LENGTH, 0);
    p.tag_len_given = kmip_child(node, KMIP_TAG_TAG_LENGTH) != NULL;
    /* CS-BC-M-GCM-1: no tag of one or of 32 bytes, and the reason is General Failure. */
    if (p.tag_len_given && (tag_len < 4 || tag_len > 16))
        return err_set(detail, ERR_CRYPTO, "invalid tag length %lld", (long long)tag_len);
    c->tag_len = (int32_t)tag_len;
    uint32_t hmac = kmip_hmac_hash(p.alg);
    if (hmac != 0 && c->hash == 0)
        c->hash = hmac;
    *ret_params = p;
    return ERR_OK;
}

struct bytes kmip_params_counter_block(const struct kmip_params *params, uint32_t key_alg,
                                       struct bytes iv, uint8_t room[16])
{
    bool chacha = key_alg == ALG_CHACHA20;
    if (params->counter < 0 || iv.len == 0 || iv.len >= 16 ||
        (params->crypto.mode != MODE_CTR && !chacha))
        return iv;
    size_t width = 16 - iv.len;
    memset(room, 0, 16);
    memcpy(room + (chacha ? width : 0), iv.data, iv.len);
    /* ChaCha20's counter stands in front of the nonce and is little-endian (RFC 8439, 2.3). */
    uint64_t counter = (uint64_t)params->counter;
    for (size_t i = 0; i < width && i < 8; i++) {
        room[chacha ? i : 15 - i] = (uint8_t)counter;
        counter >>= 8;
    }
    return bytes_of(room, 16);
}
