#include "diameter/registry.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#define BUCKETS 4096

struct diameter_registry {
    pthread_mutex_t lock;
    unsigned len;
    struct diameter_claim *buckets[BUCKETS];
};

enum err diameter_registry_new(struct diameter_registry **ret_registry)
{
    struct diameter_registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL)
        return ERR_NO_MEMORY;
    if (pthread_mutex_init(&registry->lock, NULL) != 0) {
        free(registry);
        return ERR_NO_MEMORY;
    }
    *ret_registry = registry;
    return ERR_OK;
}

void diameter_registry_free(struct diameter_registry *registry)
{
    if (registry == NULL)
        return;
    (void)pthread_mutex_destroy(&registry->lock);
    free(registry);
}

static struct diameter_claim **bucket_of(struct diameter_registry *registry, const char *host)
{
    uint32_t hash = 2166136261u;
    for (const char *p = host; *p != '\0'; p++)
        hash = (hash ^ ((uint8_t)*p | 0x20u)) * 16777619u;
    return &registry->buckets[hash % BUCKETS];
}

enum err diameter_registry_claim(struct diameter_registry *registry, struct diameter_claim *claim,
                                 const char *host, bool proven)
{
    enum err err = ERR_OK;
    (void)pthread_mutex_lock(&registry->lock);
    struct diameter_claim **bucket = bucket_of(registry, host);
    struct diameter_claim **at = bucket;
    while (*at != NULL && strcasecmp((*at)->host, host) != 0)
        at = &(*at)->next;
    struct diameter_claim *other = *at;
    if (other != NULL && proven && !other->proven) {
        *at = other->next;
        registry->len--;
        atomic_store(&other->lost, true);
    } else if (other != NULL) {
        atomic_store(&other->probe, true);
        err = ERR_EXISTS;
    }
    if (err == ERR_OK) {
        claim->host = host;
        claim->proven = proven;
        atomic_store(&claim->lost, false);
        atomic_store(&claim->probe, false);
        claim->next = *bucket;
        *bucket = claim;
        registry->len++;
    }
    (void)pthread_mutex_unlock(&registry->lock);
    return err;
}

void diameter_registry_release(struct diameter_registry *registry, struct diameter_claim *claim)
{
    if (claim->host == NULL)
        return;
    (void)pthread_mutex_lock(&registry->lock);
    struct diameter_claim **at = bucket_of(registry, claim->host);
    while (*at != NULL && *at != claim)
        at = &(*at)->next;
    if (*at == claim) {
        *at = claim->next;
        registry->len--;
    }
    (void)pthread_mutex_unlock(&registry->lock);
    claim->host = NULL;
    claim->next = NULL;
}

unsigned diameter_registry_len(struct diameter_registry *registry)
{
    (void)pthread_mutex_lock(&registry->lock);
    unsigned len = registry->len;
    (void)pthread_mutex_unlock(&registry->lock);
    return len;
}

void diameter_registry_each(struct diameter_registry *registry,
                            void (*each)(void *ctx, struct diameter_claim *claim), void *ctx)
{
    (void)pthread_mutex_lock(&registry->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct diameter_claim *c = registry->buckets[i]; c != NULL; c = c->next)
            each(ctx, c);
    }
    (void)pthread_mutex_unlock(&registry->lock);
}
