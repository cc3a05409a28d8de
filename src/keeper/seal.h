#pragma once

#include "base/secret.h"
#include "keeper/types.h"

/* How a key lies in the store:
 *
 *   u8 format = 1 | u16 version of the domain key | 12 nonce | ciphertext | 16 tag
 *
 * AES-256-GCM under the version's sealing key. Associated data: u8 format | u16 version |
 * u32 domain | u8 table | u64 row | u32 epoch, so a record opens for its own row and epoch
 * only. The nonce is synthetic: the first 12 bytes of AES-CMAC under the version's nonce key over
 * domain, table, row, epoch (as above) and the key in clear. Whatever an engine asks for, one nonce
 * never serves for two plaintexts. Sealing key and nonce key come from the domain key by SP 800-108
 * with AES-256-CMAC, labels "claviger seal" and "claviger nonce", no context. */

#define SEAL_FORMAT     1
#define SEAL_DOMAIN_KEY 32
#define SEAL_PRINT_KEY  16

/* A record of table OBJECT has format 2 and any length; else it is the same. Its plaintext is a
 * header of SEAL_OBJECT_HEADER bytes (keeper/object.h) and the key. Since the format is part of the
 * associated data and the table of the nonce, neither passes for the other. */
#define SEAL_FORMAT_OBJECT 2
#define SEAL_OBJECT_HEADER 14
_Static_assert(KEEPER_OBJECT_OVERHEAD == KEEPER_SEALED_OVERHEAD + SEAL_OBJECT_HEADER, "types.h");

/* Contexts of one version of a domain's key, prepared once. One thread. */
struct seal_key;

/* `key` has SEAL_DOMAIN_KEY bytes, `version` is not 0. */
MUST_CHECK enum err seal_key_new(struct bytes key, uint16_t version, struct seal_key **ret_key);
void seal_key_free(struct seal_key *key); /* wipes; NULL is allowed */
uint16_t seal_key_version(const struct seal_key *key);

/* The version a record names; ERR_SEAL where it isn't a record at all. */
MUST_CHECK enum err seal_version(struct bytes sealed, uint16_t *ret_version);
/* ERR_ARGUMENT where `plain` has not the length of its table. */
MUST_CHECK enum err seal_close(struct seal_key *key, const struct keeper_row *row,
                               struct bytes plain, struct keeper_sealed *ret_sealed);
/* `to` has room for KEEPER_KEY_MAX. ERR_SEAL. */
MUST_CHECK enum err seal_open(struct seal_key *key, const struct keeper_row *row,
                              struct bytes sealed, uint8_t *to, size_t *ret_len);

MUST_CHECK enum err seal_object_version(struct bytes sealed, uint16_t *ret_version);
/* `to` has room for plain.len + KEEPER_SEALED_OVERHEAD. */
MUST_CHECK enum err seal_object_close(struct seal_key *key, const struct keeper_row *row,
                                      struct bytes plain, uint8_t *to);
/* `to` has room for SEAL_OBJECT_HEADER + KEEPER_OBJECT_MAX. ERR_SEAL. */
MUST_CHECK enum err seal_object_open(struct seal_key *key, const struct keeper_row *row,
                                     struct bytes sealed, uint8_t *to, size_t *ret_len);

/* Fingerprints, under a key of SEAL_PRINT_KEY bytes that stays with the domain when its key is
 * rotated: the first 8 bytes of AES-128-CMAC over u32 domain | u8 table | u64 row | key. For the
 * keys of a network `row` is 0 instead of the version. */
struct cmac;
MUST_CHECK enum err seal_fingerprint(struct cmac *print_key, const struct keeper_row *row,
                                     struct bytes plain, uint8_t ret_print[KEEPER_FINGERPRINT]);
