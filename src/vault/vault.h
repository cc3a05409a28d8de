#pragma once

#include "keeper/client.h"
#include "store/store.h"

#include "vault/access.h"
#include "vault/state.h"

/* Domains: each has an AES-256 key that seals the records of one network (or another group of
 * records). The key lives in the keeper; the store holds it wrapped by the token's root key, one
 * row per version, in table `domain`. This module makes, loads, rotates and drops them. Any thread;
 * a keeper_client belongs to the calling thread. */
struct vault;

#define VAULT_DOMAIN_NAME_MAX 80

struct vault_domain {
    uint32_t id;
    char name[VAULT_DOMAIN_NAME_MAX + 1]; /* "network/7" */
    uint16_t version;                     /* the newest: what is sealed from now on */
    uint16_t oldest;                      /* < version while a rotation is not finished */
    int64_t created;                      /* of the newest version, seconds */
};

/* Loads every domain of the store into the keeper. `store` is borrowed and outlives the vault. */
MUST_CHECK enum err vault_open(struct store *store, struct keeper_client *keeper,
                               struct err_detail *detail, struct vault **ret_vault);
void vault_close(struct vault *vault); /* NULL is allowed */
void vault_closep(struct vault **vault);

/* A new domain with a new key, durable when this returns. Its name is "<group>/<id>"; ids are never
 * used again. ERR_LIMIT past KEEPER_DOMAINS_MAX. */
MUST_CHECK enum err vault_domain_create(struct vault *vault, struct keeper_client *keeper,
                                        const char *actor, const char *group,
                                        struct err_detail *detail, uint32_t *ret_id);
/* Ids of the domains of a group, rising; at most `max`. Returns how many there are. */
size_t vault_domain_list(struct vault *vault, const char *group, uint32_t *ids, size_t max);
MUST_CHECK enum err vault_domain_get(struct vault *vault, uint32_t id,
                                     struct vault_domain *ret_domain);
/* Destroys every version in store and keeper: what was sealed under it can never be opened again.
 */
MUST_CHECK enum err vault_domain_destroy(struct vault *vault, struct keeper_client *keeper,
                                         const char *actor, uint32_t id, struct err_detail *detail);

/* A new version of the key, in use at once for what is sealed from now on; older versions stay
 * readable until vault_domain_reseal is through. ERR_STATE while an earlier rotation is not
 * finished. */
MUST_CHECK enum err vault_domain_rotate(struct vault *vault, struct keeper_client *keeper,
                                        const char *actor, uint32_t id, struct err_detail *detail,
                                        uint16_t *ret_version);

/* One sealed record on its way through a reseal. */
struct vault_record {
    struct keeper_row row;
    uint64_t key; /* the source's own */
    struct keeper_made made;
};

/* Whoever stores records under a domain tells the vault how to walk them. `next` gives up to `max`
 * records of the domain that are sealed under a version below `version`, in an order of its own
 * which `cursor` (zeroed at the start; its use is the source's) remembers; none: 0. `put`
 * stores the new form, where the record still is what `next` gave (a record changed in between is
 * left alone: it was sealed anew). A source whose records have other lengths than vault_record's
 * does the whole chunk itself in `reseal` (NULL otherwise), and says how many it found and how many
 * of them did not open. `refuse_below` (may be NULL): from its return on no record under an older
 * version than the domain's newest is written any more, and what was written before is found. */
struct vault_source {
    enum err (*next)(void *ctx, uint32_t domain, uint16_t version, uint64_t cursor[4],
                     struct vault_record *records, size_t max, struct err_detail *detail,
                     size_t *ret_count);
    enum err (*put)(void *ctx, uint32_t domain, const struct vault_record *before,
                    const struct vault_record *after, size_t count, struct err_detail *detail);
    enum err (*reseal)(void *ctx, struct keeper_client *keeper, const char *actor,
                       const struct vault_domain *domain, uint64_t cursor[4],
                       struct err_detail *detail, size_t *ret_count, size_t *ret_damaged);
    enum err (*refuse_below)(void *ctx, const struct vault_domain *domain,
                             struct err_detail *detail);
    void *ctx;
};

/* Before any reseal, by the modules above. */
void vault_add_source(struct vault *vault, struct vault_source source);
/* One whose `ctx` it is, before that goes. No reseal is under way. */
void vault_drop_source(struct vault *vault, const void *ctx);

/* Seals all records of the domain under its newest version, in chunks of their own transactions,
 * then drops the older versions. Can be interrupted anywhere, by SIGKILL too, and called again.
 * `progress` (nullable) returns false to stop with ERR_CANCELLED. ERR_OK at once where there is
 * nothing to do. Blocks: for a worker. */
MUST_CHECK enum err vault_domain_reseal(struct vault *vault, struct keeper_client *keeper,
                                        const char *actor, uint32_t id,
                                        bool (*progress)(void *ctx, uint64_t done), void *ctx,
                                        struct err_detail *detail);
/* Domains whose reseal is not finished, for start-up; at most `max` ids. */
size_t vault_domains_unfinished(struct vault *vault, uint32_t *ids, size_t max);

/* Who carries sealed records outside the store (an import's staging file, an export's snapshot)
 * holds the domain meanwhile, so that a rotation does not drop the version under it. Held by the
 * thread that calls; many at a time. */
MUST_CHECK enum err vault_domain_hold(struct vault *vault, uint32_t id);
void vault_domain_release(struct vault *vault, uint32_t id);
/* How long requests that are under way have to write what they had sealed under an old version, and
 * then to use what they read; 2,000 ms unless set. */
void vault_set_grace_ms(struct vault *vault, unsigned milliseconds);
