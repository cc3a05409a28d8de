#pragma once

#include "keeper/seal.h"

/* The domain keys in memory, by id and version. What the token wraps for each version:
 *
 *   32 bytes key | 16 bytes binding | 16 bytes fingerprint key
 *
 * The binding is the start of SHA-256 over u32 domain | u16 version | name, so a wrapped key can't
 * be loaded under another id, version or name. The fingerprint key is the same in every version of
 * a domain. One thread. */
struct domains;

#define DOMAIN_SECRET_SIZE 64

MUST_CHECK enum err domains_new(struct domains **ret_domains);
void domains_free(struct domains *domains); /* wipes; NULL is allowed */
void domains_freep(struct domains **domains);
uint32_t domains_count(const struct domains *domains);
uint32_t domains_keys(const struct domains *domains);

/* What is wrapped, from a fresh key. `print_key` empty: a fresh one. Any thread. */
MUST_CHECK enum err domain_secret_make(uint32_t domain, uint16_t version, struct bytes name,
                                       struct bytes key, struct bytes print_key,
                                       struct secret **ret_secret);

/* Take an unwrapped key into use. ERR_SEAL where the binding or, for a later version, the
 * fingerprint key is another's; ERR_EXISTS for a loaded version with another key; ERR_LIMIT. */
MUST_CHECK enum err domains_add(struct domains *domains, uint32_t domain, uint16_t version,
                                struct bytes name, struct bytes secret);
/* version 0: the whole domain. ERR_NOT_FOUND; ERR_STATE for the newest alone. */
MUST_CHECK enum err domains_drop(struct domains *domains, uint32_t domain, uint16_t version);

/* NULL where it isn't loaded. */
struct domain;
struct domain *domains_find(struct domains *domains, uint32_t domain);
/* version 0: the newest. NULL where it isn't loaded. */
struct seal_key *domain_key(struct domain *domain, uint16_t version);
uint16_t domain_newest(const struct domain *domain);
struct bytes domain_name(const struct domain *domain);
struct bytes domain_print_key(const struct domain *domain);

/* Seal under the newest version, with fingerprint. ERR_NOT_FOUND, ERR_ARGUMENT. */
MUST_CHECK enum err domains_seal(struct domains *domains, const struct keeper_row *row,
                                 struct bytes plain, struct keeper_made *ret_made);
/* Open under the version the record names; `to` has room for KEEPER_KEY_MAX. ERR_NOT_FOUND where
 * domain or version isn't loaded, ERR_SEAL. */
MUST_CHECK enum err domains_open(struct domains *domains, const struct keeper_row *row,
                                 struct bytes sealed, uint8_t *to, size_t *ret_len);
/* The same for records of table OBJECT (seal.h). */
MUST_CHECK enum err domains_seal_object(struct domains *domains, const struct keeper_row *row,
                                        struct bytes plain, uint8_t *to);
MUST_CHECK enum err domains_open_object(struct domains *domains, const struct keeper_row *row,
                                        struct bytes sealed, uint8_t *to, size_t *ret_len);
