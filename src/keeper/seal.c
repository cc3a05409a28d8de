#include "keeper/seal.h"

#include <stdlib.h>

#include "crypto/aead.h"
#include "crypto/cmac.h"
#include "crypto/kdf.h"

#define IDENTITY_AT   3 /* in the associated data, behind format and version */
#define IDENTITY_SIZE 17
#define AAD_SIZE      (IDENTITY_AT + IDENTITY_SIZE)
#define CIPHER_AT     (IDENTITY_AT + AEAD_NONCE_SIZE)

struct seal_key {
    struct aead *aead;
    struct cmac *nonce;
    uint16_t version;
};

static enum err seal_key_init(struct seal_key *seal, struct bytes key)
{
    AUTO(kdf_freep) struct kdf *kdf = NULL;
    TRY(kdf_new(key, &kdf));
    AUTO(secret_block32_wipe) struct secret_block32 block;
    struct bytes none = {NULL, 0};
    TRY(kdf_derive(kdf, bytes_str("claviger seal"), none, block.data, sizeof block.data));
    TRY(aead_new(BYTES(block.data), &seal->aead));
    TRY(kdf_derive(kdf, bytes_str("claviger nonce"), none, block.data, sizeof block.data));
    return cmac_new(BYTES(block.data), &seal->nonce);
}

enum err seal_key_new(struct bytes key, uint16_t version, struct seal_key **ret_key)
{
    if (key.len != SEAL_DOMAIN_KEY || version == 0)
        return ERR_ARGUMENT;
    struct seal_key *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    made->version = version;
    enum err err = seal_key_init(made, key);
    if (err != ERR_OK)
        seal_key_free(made);
    else
        *ret_key = made;
    return err;
}

void seal_key_free(struct seal_key *key)
{
    if (key == NULL)
        return;
    aead_free(key->aead);
    cmac_free(key->nonce);
    free(key);
}

uint16_t seal_key_version(const struct seal_key *key)
{
    return key->version;
}

static void aad_fill(uint8_t aad[AAD_SIZE], uint8_t format, uint16_t version,
                     const struct keeper_row *row)
{
    aad[0] = format;
    be16_store(aad + 1, version);
    be32_store(aad + 3, row->domain);
    aad[7] = row->table;
    be64_store(aad + 8, row->row);
    be32_store(aad + 16, row->epoch);
}

static bool length_ok(uint8_t table, size_t len)
{
    size_t want = keeper_key_size(table);
    return want != 0 ? len == want
                     : table == KEEPER_PEER_SECRET && len > 0 && len <= KEEPER_KEY_MAX;
}

static bool object_length_ok(uint8_t table, size_t len)
{
    return table == KEEPER_OBJECT && len > SEAL_OBJECT_HEADER &&
           len <= SEAL_OBJECT_HEADER + KEEPER_OBJECT_MAX;
}

static enum err version_of(struct bytes sealed, uint8_t format, size_t max, uint16_t *ret_version)
{
    if (sealed.len <= KEEPER_SEALED_OVERHEAD || sealed.len > max || sealed.data[0] != format)
        return ERR_SEAL;
    uint16_t version = be16_load(sealed.data + 1);
    if (version == 0)
        return ERR_SEAL;
    *ret_version = version;
    return ERR_OK;
}

enum err seal_version(struct bytes sealed, uint16_t *ret_version)
{
    return version_of(sealed, SEAL_FORMAT, KEEPER_SEALED_MAX, ret_version);
}

enum err seal_object_version(struct bytes sealed, uint16_t *ret_version)
{
    return version_of(sealed, SEAL_FORMAT_OBJECT, KEEPER_OBJECT_SEALED_MAX, ret_version);
}

static enum err close_as(struct seal_key *key, uint8_t format, const struct keeper_row *row,
                         struct bytes plain, uint8_t *to)
{
    uint8_t aad[AAD_SIZE];
    aad_fill(aad, format, key->version, row);
    uint8_t nonce[CMAC_SIZE];
    struct bytes parts[] = {bytes_of(aad + IDENTITY_AT, IDENTITY_SIZE), plain};
    TRY(cmac_parts(key->nonce, parts, ARRAY_LEN(parts), nonce));
    memcpy(to, aad, IDENTITY_AT);
    memcpy(to + IDENTITY_AT, nonce, AEAD_NONCE_SIZE);
    return aead_seal(key->aead, nonce, BYTES(aad), plain, to + CIPHER_AT,
                     to + CIPHER_AT + plain.len);
}

static enum err open_as(struct seal_key *key, uint8_t format, const struct keeper_row *row,
                        struct bytes sealed, uint8_t *to)
{
    size_t len = sealed.len - KEEPER_SEALED_OVERHEAD;
    uint8_t aad[AAD_SIZE];
    aad_fill(aad, format, key->version, row);
    return aead_open(key->aead, sealed.data + IDENTITY_AT, BYTES(aad),
                     bytes_of(sealed.data + CIPHER_AT, len), sealed.data + CIPHER_AT + len, to);
}

enum err seal_close(struct seal_key *key, const struct keeper_row *row, struct bytes plain,
                    struct keeper_sealed *ret_sealed)
{
    if (!length_ok(row->table, plain.len))
        return ERR_ARGUMENT;
    struct keeper_sealed sealed = {.len = (uint8_t)(plain.len + KEEPER_SEALED_OVERHEAD)};
    TRY(close_as(key, SEAL_FORMAT, row, plain, sealed.data));
    *ret_sealed = sealed;
    return ERR_OK;
}

enum err seal_open(struct seal_key *key, const struct keeper_row *row, struct bytes sealed,
                   uint8_t *to, size_t *ret_len)
{
    uint16_t version = 0;
    TRY(seal_version(sealed, &version));
    size_t len = sealed.len - KEEPER_SEALED_OVERHEAD;
    if (version != key->version || !length_ok(row->table, len))
        return ERR_SEAL;
    TRY(open_as(key, SEAL_FORMAT, row, sealed, to));
    *ret_len = len;
    return ERR_OK;
}

enum err seal_object_close(struct seal_key *key, const struct keeper_row *row, struct bytes plain,
                           uint8_t *to)
{
    if (!object_length_ok(row->table, plain.len))
        return ERR_ARGUMENT;
    return close_as(key, SEAL_FORMAT_OBJECT, row, plain, to);
}

enum err seal_object_open(struct seal_key *key, const struct keeper_row *row, struct bytes sealed,
                          uint8_t *to, size_t *ret_len)
{
    uint16_t version = 0;
    TRY(seal_object_version(sealed, &version));
    size_t len = sealed.len - KEEPER_SEALED_OVERHEAD;
    if (version != key->version || !object_length_ok(row->table, len))
        return ERR_SEAL;
    TRY(open_as(key, SEAL_FORMAT_OBJECT, row, sealed, to));
    *ret_len = len;
    return ERR_OK;
}

enum err seal_fingerprint(struct cmac *print_key, const struct keeper_row *row, struct bytes plain,
                          uint8_t ret_print[KEEPER_FINGERPRINT])
{
    bool own_row = row->table == KEEPER_NODE || row->table == KEEPER_PEER_SECRET;
    uint8_t identity[13];
    be32_store(identity, row->domain);
    identity[4] = row->table;
    be64_store(identity + 5, own_row ? row->row : 0);
    uint8_t mac[CMAC_SIZE];
    struct bytes parts[] = {BYTES(identity), plain};
    TRY(cmac_parts(print_key, parts, ARRAY_LEN(parts), mac));
    memcpy(ret_print, mac, KEEPER_FINGERPRINT);
    return ERR_OK;
}
