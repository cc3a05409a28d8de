#include "crypto/cms_parse.h"

#include "crypto/cms_oids.h"
#include "crypto/der.h"
#include "crypto/rsa_key.h"

#define KEY_ID_MAX 64

/* AlgorithmIdentifier of a hash, parameters NULL or absent (RFC 8017, A.2.1 and B.1). */
static enum err parse_hash(struct der *r, enum oaep_hash *ret_hash)
{
    struct der algorithm;
    struct bytes oid;
    TRY(der_enter(r, DER_SEQUENCE, &algorithm));
    TRY(der_take(&algorithm, DER_OID, &oid));
    if (der_left(&algorithm)) {
        struct bytes null;
        TRY(der_take(&algorithm, DER_NULL, &null));
        if (null.len != 0)
            return ERR_SYNTAX;
    }
    TRY(der_finish(&algorithm));
    if (bytes_equal(oid, BYTES(oid_sha1)))
        *ret_hash = OAEP_SHA1;
    else if (bytes_equal(oid, BYTES(oid_sha256)))
        *ret_hash = OAEP_SHA256;
    else
        return ERR_UNSUPPORTED;
    return ERR_OK;
}

static enum err parse_mgf(struct der *r, enum oaep_hash *ret_hash)
{
    struct der explicit;
    struct der algorithm;
    TRY(der_enter(r, DER_CONTEXT_OPEN(1), &explicit));
    TRY(der_enter(&explicit, DER_SEQUENCE, &algorithm));
    TRY(der_expect_oid(&algorithm, BYTES(oid_mgf1)));
    TRY(parse_hash(&algorithm, ret_hash));
    TRY(der_finish(&algorithm));
    return der_finish(&explicit);
}

/* RSAES-OAEP-params (RFC 8017, A.2.1). */
static enum err parse_oaep(struct der *r, enum oaep_hash *ret_hash)
{
    struct der params;
    enum oaep_hash hash = OAEP_SHA1;
    enum oaep_hash mgf = OAEP_SHA1;
    TRY(der_enter(r, DER_SEQUENCE, &params));
    if (der_is(&params, DER_CONTEXT_OPEN(0))) {
        struct der explicit;
        TRY(der_enter(&params, DER_CONTEXT_OPEN(0), &explicit));
        TRY(parse_hash(&explicit, &hash));
        TRY(der_finish(&explicit));
    }
    if (der_is(&params, DER_CONTEXT_OPEN(1)))
        TRY(parse_mgf(&params, &mgf));
    if (der_is(&params, DER_CONTEXT_OPEN(2)))
        return ERR_UNSUPPORTED; /* a label */
    TRY(der_finish(&params));
    if (hash != mgf)
        return ERR_UNSUPPORTED;
    *ret_hash = hash;
    return ERR_OK;
}

static enum err parse_identifier(struct der *r, struct cms_recipient *found)
{
    if (der_is(r, DER_CONTEXT(0))) {
        TRY(der_take(r, DER_CONTEXT(0), &found->key_id));
        return found->key_id.len != 0 && found->key_id.len <= KEY_ID_MAX ? ERR_OK : ERR_SYNTAX;
    }
    struct der both;
    uint8_t tag;
    TRY(der_enter(r, DER_SEQUENCE, &both));
    TRY(der_any(&both, &tag, NULL, &found->issuer));
    if (tag != DER_SEQUENCE)
        return ERR_SYNTAX;
    TRY(der_take(&both, DER_INTEGER, &found->serial));
    return found->serial.len != 0 ? der_finish(&both) : ERR_SYNTAX;
}

enum err cms_parse_recipient(struct bytes content, struct cms_recipient *ret_recipient)
{
    /* The element is whole, so an end of input inside it is not a truncated file. */
    struct der r = der_of(content);
    r.depth = 1;
    struct cms_recipient found = {0};
    uint32_t version = 0;
    TRY(der_small(&r, &version));
    TRY(parse_identifier(&r, &found));
    if (version != (found.key_id.len != 0 ? 2U : 0U))
        return ERR_SYNTAX;
    struct der algorithm;
    TRY(der_enter(&r, DER_SEQUENCE, &algorithm));
    TRY(der_expect_oid(&algorithm, BYTES(oid_oaep)));
    TRY(parse_oaep(&algorithm, &found.hash));
    TRY(der_finish(&algorithm));
    TRY(der_take(&r, DER_OCTET_STRING, &found.encrypted_key));
    TRY(der_finish(&r));
    if (found.encrypted_key.len == 0 || found.encrypted_key.len > RSA_BYTES_MAX)
        return ERR_SYNTAX;
    *ret_recipient = found;
    return ERR_OK;
}

enum err cms_parse_algorithm(struct bytes content, uint8_t ret_nonce[CMS_NONCE_SIZE],
                             uint8_t *ret_tag_len)
{
    struct der r = der_of(content);
    r.depth = 1;
    TRY(der_expect_oid(&r, BYTES(oid_aes256_gcm)));
    struct der params;
    struct bytes nonce;
    uint32_t tag_len = CMS_TAG_MIN; /* the default */
    TRY(der_enter(&r, DER_SEQUENCE, &params));
    TRY(der_take(&params, DER_OCTET_STRING, &nonce));
    if (der_left(&params))
        TRY(der_small(&params, &tag_len));
    TRY(der_finish(&params));
    TRY(der_finish(&r));
    if (nonce.len != CMS_NONCE_SIZE)
        return ERR_UNSUPPORTED;
    if (tag_len < CMS_TAG_MIN || tag_len > CMS_TAG_SIZE)
        return ERR_SYNTAX;
    memcpy(ret_nonce, nonce.data, CMS_NONCE_SIZE);
    *ret_tag_len = (uint8_t)tag_len;
    return ERR_OK;
}
