#include "crypto/rsa.h"

#include <limits.h>
#include <stdlib.h>

#include "crypto/der.h"
#include "crypto/pem.h"
#include "crypto/rsa_key.h"

const uint8_t oid_rsa[9] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1};
const uint8_t oid_oaep[9] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 7};
const uint8_t oid_mgf1[9] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8};
const uint8_t oid_rsa_sha256[9] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11};
const uint8_t oid_sha1[5] = {0x2b, 0x0e, 3, 2, 0x1a};
const uint8_t oid_sha256[9] = {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1};

#define EXPONENT_MAX 8 /* bytes */

static struct bytes strip(struct bytes number)
{
    while (number.len != 0 && number.data[0] == 0)
        number = bytes_of(number.data + 1, number.len - 1);
    return number;
}

static size_t bits_of(struct bytes number)
{
    if (number.len == 0)
        return 0;
    size_t bits = number.len * 8;
    for (unsigned top = number.data[0]; top < 0x80; top <<= 1)
        bits--;
    return bits;
}

static enum err check_parts(struct bytes modulus, struct bytes exponent, struct err_detail *detail)
{
    size_t bits = modulus.len > RSA_BYTES_MAX ? RSA_BITS_MAX + 1 : bits_of(modulus);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        return err_set(detail, ERR_LIMIT, "RSA modulus outside %d to %d bits", RSA_BITS_MIN,
                       RSA_BITS_MAX);
    if ((modulus.data[modulus.len - 1] & 1) == 0)
        return err_set(detail, ERR_SYNTAX, "RSA modulus is even");
    if (exponent.len == 0 || exponent.len > EXPONENT_MAX ||
        (exponent.data[exponent.len - 1] & 1) == 0 || (exponent.len == 1 && exponent.data[0] < 3))
        return err_set(detail, ERR_LIMIT, "RSA exponent is even, below 3 or above 64 bits");
    return ERR_OK;
}

/* RFC 3279, 2.3.1. */
static enum err write_spki(struct bytes modulus, struct bytes exponent, struct buf *to)
{
    AUTO(der_done) struct der_writer w = {0};
    AUTO(der_done) struct der_writer key = {0};
    der_begin(&key, DER_SEQUENCE);
    der_put_uint(&key, modulus);
    der_put_uint(&key, exponent);
    der_end(&key);
    TRY(der_status(&key));
    der_begin(&w, DER_SEQUENCE);
    der_begin(&w, DER_SEQUENCE);
    der_put(&w, DER_OID, BYTES(oid_rsa));
    der_put_null(&w);
    der_end(&w);
    der_put_bits(&w, buf_view(&key.out));
    der_end(&w);
    TRY(der_status(&w));
    return buf_append(to, buf_view(&w.out));
}

/* Views of RSAPublicKey (RFC 8017, A.1.1). */
static enum err read_key(struct bytes der, struct bytes *ret_modulus, struct bytes *ret_exponent)
{
    struct der outer = der_of(der);
    struct der key;
    TRY(der_enter(&outer, DER_SEQUENCE, &key));
    TRY(der_uint(&key, ret_modulus));
    TRY(der_uint(&key, ret_exponent));
    TRY(der_finish(&key));
    return der_finish(&outer);
}

static enum err read_spki(struct bytes der, struct bytes *ret_key)
{
    struct der outer = der_of(der);
    struct der info;
    struct der algorithm;
    TRY(der_enter(&outer, DER_SEQUENCE, &info));
    TRY(der_enter(&info, DER_SEQUENCE, &algorithm));
    TRY(der_expect_oid(&algorithm, BYTES(oid_rsa)));
    struct bytes null;
    TRY(der_take(&algorithm, DER_NULL, &null));
    if (null.len != 0)
        return ERR_SYNTAX;
    TRY(der_finish(&algorithm));
    TRY(der_bits(&info, ret_key));
    TRY(der_finish(&info));
    return der_finish(&outer);
}

enum err rsa_public_from_parts(struct bytes modulus, struct bytes exponent,
                               struct rsa_public **ret_key, struct err_detail *detail)
{
    modulus = strip(modulus);
    exponent = strip(exponent);
    TRY(check_parts(modulus, exponent, detail));
    AUTO(rsa_public_freep) struct rsa_public *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_NO_MEMORY;
    TRY(write_spki(modulus, exponent, &key->spki));
    struct bytes spki = buf_view(&key->spki);
    struct bytes inner;
    TRY(read_spki(spki, &inner));
    TRY(read_key(inner, &key->modulus, &key->exponent));
    TRY(hash_sha256(&spki, 1, key->fingerprint));
    TRY(hash_sha1(&inner, 1, key->key_id));
    const unsigned char *at = spki.data;
    key->pkey = d2i_PUBKEY(NULL, &at, (long)spki.len);
    if (key->pkey == NULL)
        return evp_fail(detail, ERR_CRYPTO, "RSA public key");
    *ret_key = TAKE(key);
    return ERR_OK;
}

static enum err malformed(enum err err, struct err_detail *detail)
{
    if (err == ERR_UNSUPPORTED)
        return err_set(detail, err, "public key is not of the kind rsaEncryption");
    return err_set(detail, err, "RSA public key: %s", err_text(err));
}

enum err rsa_public_from_spki(struct bytes der, struct rsa_public **ret_key,
                              struct err_detail *detail)
{
    struct bytes key;
    struct bytes modulus = {0};
    struct bytes exponent = {0};
    enum err err = read_spki(der, &key);
    if (err == ERR_OK)
        err = read_key(key, &modulus, &exponent);
    if (err != ERR_OK)
        return malformed(err, detail);
    return rsa_public_from_parts(modulus, exponent, ret_key, detail);
}

enum err rsa_public_from_pem(struct bytes pem, struct rsa_public **ret_key,
                             struct err_detail *detail)
{
    if (pem.len > RSA_PEM_MAX)
        return err_set(detail, ERR_LIMIT, "public key file is larger than %zu bytes", RSA_PEM_MAX);
    AUTO(buf_done) struct buf der = {0};
    struct bytes text = pem;
    enum err err = pem_decode("PUBLIC KEY", &text, &der, detail);
    if (err == ERR_OK)
        return rsa_public_from_spki(buf_view(&der), ret_key, detail);
    if (err != ERR_NOT_FOUND)
        return err;
    text = pem;
    err = pem_decode("RSA PUBLIC KEY", &text, &der, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, ERR_SYNTAX, "no PEM block \"PUBLIC KEY\" or \"RSA PUBLIC KEY\"");
    TRY(err);
    struct bytes modulus = {0};
    struct bytes exponent = {0};
    err = read_key(buf_view(&der), &modulus, &exponent);
    if (err != ERR_OK)
        return malformed(err, detail);
    return rsa_public_from_parts(modulus, exponent, ret_key, detail);
}

void rsa_public_free(struct rsa_public *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    buf_done(&key->spki);
    free(key);
}

void rsa_public_freep(struct rsa_public **key)
{
    rsa_public_free(*key);
}

enum err rsa_public_to_pem(const struct rsa_public *key, struct buf *to)
{
    return pem_encode("PUBLIC KEY", buf_view(&key->spki), to);
}

struct bytes rsa_public_spki(const struct rsa_public *key)
{
    return buf_view(&key->spki);
}

struct bytes rsa_public_modulus(const struct rsa_public *key)
{
    return key->modulus;
}

struct bytes rsa_public_exponent(const struct rsa_public *key)
{
    return key->exponent;
}

struct bytes rsa_public_fingerprint(const struct rsa_public *key)
{
    return BYTES(key->fingerprint);
}

struct bytes rsa_public_key_id(const struct rsa_public *key)
{
    return BYTES(key->key_id);
}

size_t rsa_public_size(const struct rsa_public *key)
{
    return key->modulus.len;
}

EVP_PKEY_CTX *rsa_oaep_ctx(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *), enum oaep_hash hash)
{
    const struct evp_set *evp = evp_set();
    EVP_PKEY_CTX *ctx = evp != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    if (ctx == NULL)
        return NULL;
    const EVP_MD *md = hash == OAEP_SHA256 ? evp->sha256 : evp->sha1;
    if (init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

EVP_PKEY_CTX *rsa_signature_ctx(EVP_PKEY *pkey, int (*init)(EVP_PKEY_CTX *))
{
    const struct evp_set *evp = evp_set();
    EVP_PKEY_CTX *ctx = evp != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    if (ctx == NULL)
        return NULL;
    if (init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(ctx, evp->sha256) == 1)
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

enum err rsa_verify_sha256(const struct rsa_public *key, const uint8_t digest[32],
                           struct bytes signature, struct err_detail *detail)
{
    /* RFC 8017, 8.2.2, step 1. */
    if (signature.len != key->modulus.len)
        return err_set(detail, ERR_SIGNATURE, "signature has %zu bytes, the key makes %zu",
                       signature.len, key->modulus.len);
    EVP_PKEY_CTX *ctx = rsa_signature_ctx(key->pkey, EVP_PKEY_verify_init);
    if (ctx == NULL)
        return evp_fail(detail, ERR_CRYPTO, "RSA verify");
    int good = EVP_PKEY_verify(ctx, signature.data, signature.len, digest, HASH_SHA256_SIZE);
    EVP_PKEY_CTX_free(ctx);
    return good == 1 ? ERR_OK : evp_fail(detail, ERR_SIGNATURE, "RSA signature does not verify");
}

enum err rsa_oaep_encrypt(const struct rsa_public *key, enum oaep_hash hash, struct bytes plain,
                          struct buf *to, struct err_detail *detail)
{
    size_t size = rsa_public_size(key);
    size_t hash_size = hash == OAEP_SHA256 ? HASH_SHA256_SIZE : HASH_SHA1_SIZE;
    /* RFC 8017, 7.1.1, step 1b. */
    if (plain.len > size - 2 * hash_size - 2)
        return err_set(detail, ERR_LIMIT, "%zu bytes are too many for this RSA key", plain.len);
    TRY(buf_reserve(to, size));
    EVP_PKEY_CTX *ctx = rsa_oaep_ctx(key->pkey, EVP_PKEY_encrypt_init, hash);
    size_t got = size;
    int good =
        ctx != NULL ? EVP_PKEY_encrypt(ctx, to->data + to->len, &got, plain.data, plain.len) : 0;
    EVP_PKEY_CTX_free(ctx);
    if (good != 1)
        return evp_fail(detail, ERR_CRYPTO, "RSA-OAEP");
    to->len += got;
    return ERR_OK;
}
