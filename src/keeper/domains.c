#include "keeper/domains.h"

#include <stdlib.h>

#include "crypto/cmac.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#define BINDING_AT 32
#define PRINT_AT   48

struct version {
    struct seal_key *key;
    struct secret *secret; /* the domain key, to tell a second load of the same from another's */
};

struct domain {
    uint32_t id;
    char name[KEEPER_NAME_MAX];
    size_t name_len;
    struct version *versions; /* by rising number */
    size_t count;
    struct secret *print_key;
    struct cmac *print;
};

struct domains {
    struct domain **all; /* by rising id */
    size_t count;
    size_t cap;
    struct domain *last; /* found: rows of one message are mostly of one domain */
};

enum err domains_new(struct domains **ret_domains)
{
    *ret_domains = calloc(1, sizeof **ret_domains);
    return *ret_domains != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static void version_done(struct version *version)
{
    seal_key_free(version->key);
    secret_free(version->secret);
}

static void domain_free(struct domain *domain)
{
    for (size_t i = 0; i < domain->count; i++)
        version_done(&domain->versions[i]);
    free(domain->versions);
    cmac_free(domain->print);
    secret_free(domain->print_key);
    free(domain);
}

void domains_free(struct domains *domains)
{
    if (domains == NULL)
        return;
    for (size_t i = 0; i < domains->count; i++)
        domain_free(domains->all[i]);
    free(domains->all);
    free(domains);
}

void domains_freep(struct domains **domains)
{
    domains_free(*domains);
    *domains = NULL;
}

uint32_t domains_count(const struct domains *domains)
{
    return (uint32_t)domains->count;
}

uint32_t domains_keys(const struct domains *domains)
{
    size_t keys = 0;
    for (size_t i = 0; i < domains->count; i++)
        keys += domains->all[i]->count;
    return (uint32_t)keys;
}

static enum err binding_make(uint32_t domain, uint16_t version, struct bytes name,
                             uint8_t ret_digest[HASH_SHA256_SIZE])
{
    uint8_t number[6];
    be32_store(number, domain);
    be16_store(number + 4, version);
    return hash_sha256((struct bytes[]){BYTES(number), name}, 2, ret_digest);
}

enum err domain_secret_make(uint32_t domain, uint16_t version, struct bytes name, struct bytes key,
                            struct bytes print_key, struct secret **ret_secret)
{
    if (key.len != SEAL_DOMAIN_KEY || (print_key.len != 0 && print_key.len != SEAL_PRINT_KEY))
        return ERR_ARGUMENT;
    uint8_t digest[HASH_SHA256_SIZE];
    TRY(binding_make(domain, version, name, digest));
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(secret_new(DOMAIN_SECRET_SIZE, &secret));
    uint8_t *at = secret_data(secret);
    memcpy(at, key.data, SEAL_DOMAIN_KEY);
    memcpy(at + BINDING_AT, digest, PRINT_AT - BINDING_AT);
    if (print_key.len != 0)
        memcpy(at + PRINT_AT, print_key.data, SEAL_PRINT_KEY);
    else
        TRY(random_bytes(at + PRINT_AT, SEAL_PRINT_KEY));
    *ret_secret = TAKE(secret);
    return ERR_OK;
}

/* Index of the domain, or where it would stand. */
static size_t place_of(const struct domains *domains, uint32_t id)
{
    size_t low = 0;
    size_t high = domains->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (domains->all[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct domain *domains_find(struct domains *domains, uint32_t id)
{
    if (domains->last != NULL && domains->last->id == id)
        return domains->last;
    size_t at = place_of(domains, id);
    if (at == domains->count || domains->all[at]->id != id)
        return NULL;
    domains->last = domains->all[at];
    return domains->last;
}

static size_t version_place(const struct domain *domain, uint16_t version)
{
    size_t at = domain->count;
    while (at > 0 && seal_key_version(domain->versions[at - 1].key) >= version)
        at--;
    return at;
}

struct seal_key *domain_key(struct domain *domain, uint16_t version)
{
    if (version == 0)
        return domain->versions[domain->count - 1].key;
    size_t at = version_place(domain, version);
    if (at == domain->count || seal_key_version(domain->versions[at].key) != version)
        return NULL;
    return domain->versions[at].key;
}

uint16_t domain_newest(const struct domain *domain)
{
    return seal_key_version(domain->versions[domain->count - 1].key);
}

struct bytes domain_name(const struct domain *domain)
{
    return bytes_of(domain->name, domain->name_len);
}

struct bytes domain_print_key(const struct domain *domain)
{
    return secret_view(domain->print_key);
}

static enum err version_insert(struct domain *domain, uint16_t version, struct bytes key)
{
    size_t at = version_place(domain, version);
    if (at < domain->count && seal_key_version(domain->versions[at].key) == version)
        return secret_equal(secret_view(domain->versions[at].secret), key) ? ERR_OK : ERR_EXISTS;
    struct version *grown =
        realloc(domain->versions, (domain->count + 1) * sizeof *domain->versions);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    domain->versions = grown;
    AUTO(secret_freep) struct secret *copy = NULL;
    TRY(secret_dup(key, &copy));
    struct seal_key *prepared = NULL;
    TRY(seal_key_new(key, version, &prepared));
    memmove(grown + at + 1, grown + at, (domain->count - at) * sizeof *grown);
    grown[at] = (struct version){prepared, TAKE(copy)};
    domain->count++;
    return ERR_OK;
}

static enum err domain_make(uint32_t id, struct bytes name, struct bytes print_key,
                            struct domain **ret_domain)
{
    struct domain *domain = calloc(1, sizeof *domain);
    if (domain == NULL)
        return ERR_NO_MEMORY;
    domain->id = id;
    memcpy(domain->name, name.data, name.len);
    domain->name_len = name.len;
    enum err err = secret_dup(print_key, &domain->print_key);
    if (err == ERR_OK)
        err = cmac_new(print_key, &domain->print);
    if (err != ERR_OK) {
        domain_free(domain);
        return err;
    }
    *ret_domain = domain;
    return ERR_OK;
}

static enum err domain_insert(struct domains *domains, uint32_t id, uint16_t version,
                              struct bytes name, struct bytes key, struct bytes print_key)
{
    if (domains->count == KEEPER_DOMAINS_MAX)
        return ERR_LIMIT;
    if (domains->count == domains->cap) {
        size_t cap = domains->cap == 0 ? 16 : domains->cap * 2;
        struct domain **grown = realloc(domains->all, cap * sizeof(void *));
        if (grown == NULL)
            return ERR_NO_MEMORY;
        domains->all = grown;
        domains->cap = cap;
    }
    struct domain *domain = NULL;
    TRY(domain_make(id, name, print_key, &domain));
    enum err err = version_insert(domain, version, key);
    if (err != ERR_OK) {
        domain_free(domain);
        return err;
    }
    size_t at = place_of(domains, id);
    memmove(domains->all + at + 1, domains->all + at, (domains->count - at) * sizeof(void *));
    domains->all[at] = domain;
    domains->count++;
    return ERR_OK;
}

enum err domains_add(struct domains *domains, uint32_t id, uint16_t version, struct bytes name,
                     struct bytes secret)
{
    if (secret.len != DOMAIN_SECRET_SIZE)
        return ERR_SEAL;
    if (version == 0 || name.len == 0 || name.len > KEEPER_NAME_MAX)
        return ERR_ARGUMENT;
    uint8_t digest[HASH_SHA256_SIZE];
    TRY(binding_make(id, version, name, digest));
    if (!secret_equal(bytes_of(secret.data + BINDING_AT, PRINT_AT - BINDING_AT),
                      bytes_of(digest, PRINT_AT - BINDING_AT)))
        return ERR_SEAL;
    struct bytes key = bytes_of(secret.data, SEAL_DOMAIN_KEY);
    struct bytes print_key = bytes_of(secret.data + PRINT_AT, SEAL_PRINT_KEY);
    struct domain *domain = domains_find(domains, id);
    if (domain == NULL)
        return domain_insert(domains, id, version, name, key, print_key);
    if (!secret_equal(secret_view(domain->print_key), print_key))
        return ERR_SEAL;
    if (!bytes_equal(domain_name(domain), name))
        return ERR_EXISTS;
    return version_insert(domain, version, key);
}

enum err domains_drop(struct domains *domains, uint32_t id, uint16_t version)
{
    struct domain *domain = domains_find(domains, id);
    if (domain == NULL)
        return ERR_NOT_FOUND;
    if (version != 0) {
        size_t at = version_place(domain, version);
        if (at == domain->count || seal_key_version(domain->versions[at].key) != version)
            return ERR_NOT_FOUND;
        if (at == domain->count - 1)
            return ERR_STATE;
        version_done(&domain->versions[at]);
        memmove(domain->versions + at, domain->versions + at + 1,
                (domain->count - at - 1) * sizeof *domain->versions);
        domain->count--;
        return ERR_OK;
    }
    size_t at = place_of(domains, id);
    memmove(domains->all + at, domains->all + at + 1, (domains->count - at - 1) * sizeof(void *));
    domains->count--;
    domains->last = NULL;
    domain_free(domain);
    return ERR_OK;
}

enum err domains_seal(struct domains *domains, const struct keeper_row *row, struct bytes plain,
                      struct keeper_made *ret_made)
{
    struct domain *domain = domains_find(domains, row->domain);
    if (domain == NULL)
        return ERR_NOT_FOUND;
    TRY(seal_fingerprint(domain->print, row, plain, ret_made->fingerprint));
    return seal_close(domain_key(domain, 0), row, plain, &ret_made->sealed);
}

enum err domains_open(struct domains *domains, const struct keeper_row *row, struct bytes sealed,
                      uint8_t *to, size_t *ret_len)
{
    struct domain *domain = domains_find(domains, row->domain);
    if (domain == NULL)
        return ERR_NOT_FOUND;
    uint16_t version = 0;
    TRY(seal_version(sealed, &version));
    struct seal_key *key = domain_key(domain, version);
    if (key == NULL)
        return ERR_NOT_FOUND;
    return seal_open(key, row, sealed, to, ret_len);
}

enum err domains_seal_object(struct domains *domains, const struct keeper_row *row,
                             struct bytes plain, uint8_t *to)
{
    struct domain *domain = domains_find(domains, row->domain);
    if (domain == NULL)
        return ERR_NOT_FOUND;
    return seal_object_close(domain_key(domain, 0), row, plain, to);
}

enum err domains_open_object(struct domains *domains, const struct keeper_row *row,
                             struct bytes sealed, uint8_t *to, size_t *ret_len)
{
    struct domain *domain = domains_find(domains, row->domain);
    if (domain == NULL)
        return ERR_NOT_FOUND;
    uint16_t version = 0;
    TRY(seal_object_version(sealed, &version));
    struct seal_key *key = domain_key(domain, version);
    if (key == NULL)
        return ERR_NOT_FOUND;
    return seal_object_open(key, row, sealed, to, ret_len);
}
