#include "vault/domains.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define CHUNK KEEPER_RESEAL_MAX

void vault_add_source(struct vault *vault, struct vault_source source)
{
    pthread_mutex_lock(&vault->mutex);
    if (vault->source_count < VAULT_SOURCES_MAX)
        vault->sources[vault->source_count++] = source;
    pthread_mutex_unlock(&vault->mutex);
}

void vault_drop_source(struct vault *vault, const void *ctx)
{
    pthread_mutex_lock(&vault->mutex);
    for (size_t i = vault->source_count; i-- > 0;) {
        if (vault->sources[i].ctx == ctx)
            vault->sources[i] = vault->sources[--vault->source_count];
    }
    pthread_mutex_unlock(&vault->mutex);
}

size_t vault_domains_unfinished(struct vault *vault, uint32_t *ids, size_t max)
{
    size_t count = 0;
    pthread_mutex_lock(&vault->mutex);
    for (size_t i = 0; i < vault->count; i++) {
        const struct vault_domain *domain = &vault->entries[i].domain;
        if (domain->oldest != domain->version && count < max)
            ids[count++] = domain->id;
    }
    pthread_mutex_unlock(&vault->mutex);
    return count;
}

struct reseal {
    struct vault *vault;
    struct keeper_client *keeper;
    const char *actor;
    struct vault_domain domain;
    bool (*progress)(void *ctx, uint64_t done);
    void *ctx;
    uint64_t done;
    uint64_t damaged;
    struct vault_record before[CHUNK];
    struct vault_record after[CHUNK];
    struct keeper_reseal rows[CHUNK];
};

static void reseal_freep(struct reseal **reseal)
{
    free(*reseal);
}

static enum err count_chunk(struct reseal *r, size_t count, size_t damaged)
{
    r->done += count;
    r->damaged += damaged;
    return r->progress && !r->progress(r->ctx, r->done) ? ERR_CANCELLED : ERR_OK;
}

static enum err reseal_chunk(struct reseal *r, const struct vault_source *source, size_t count,
                             struct err_detail *detail)
{
    for (size_t i = 0; i < count; i++)
        r->rows[i] = (struct keeper_reseal){
            .row = r->before[i].row, .sealed = keeper_sealed_view(&r->before[i].made.sealed)};
    TRY(keeper_reseal(r->keeper, r->actor, r->rows, count, detail));
    /* A record that does not open stays as it is, and so does the old version of the key; the
     * others go on. */
    size_t good = 0;
    for (size_t i = 0; i < count; i++) {
        if (r->rows[i].err != ERR_OK) {
            if (r->damaged++ == 0)
                (void)err_set(detail, r->rows[i].err, "domain %s: table %s, row 0x%" PRIx64,
                              r->domain.name, keeper_table_name(r->before[i].row.table),
                              r->before[i].row.row);
            continue;
        }
        r->after[good] = r->before[i];
        r->after[good].made = r->rows[i].made;
        r->before[good++] = r->before[i];
    }
    if (good)
        TRY(source->put(source->ctx, r->domain.id, r->before, r->after, good, detail));
    return count_chunk(r, count, 0);
}

/* A source that does it itself. */
static enum err reseal_own(struct reseal *r, const struct vault_source *source,
                           struct err_detail *detail)
{
    uint64_t cursor[4] = {0};
    for (;;) {
        size_t count = 0, damaged = 0;
        TRY(source->reseal(source->ctx, r->keeper, r->actor, &r->domain, cursor, detail, &count,
                           &damaged));
        if (count == 0)
            return ERR_OK;
        TRY(count_chunk(r, count, damaged));
    }
}

/* All records that are there now. */
static enum err reseal_all(struct reseal *r, struct err_detail *detail)
{
    for (size_t s = 0; s < r->vault->source_count; s++) {
        const struct vault_source *source = &r->vault->sources[s];
        uint64_t cursor[4] = {0};
        if (source->reseal)
            TRY(reseal_own(r, source, detail));
        while (!source->reseal) {
            size_t count = 0;
            TRY(source->next(source->ctx, r->domain.id, r->domain.version, cursor, r->before, CHUNK,
                             detail, &count));
            if (count == 0)
                break;
            TRY(reseal_chunk(r, source, count, detail));
        }
    }
    return r->damaged ? ERR_SEAL : ERR_OK;
}

/* Waits until nobody holds the domain and keeps new holders waiting. */
static enum err close_domain(struct reseal *r)
{
    struct vault *vault = r->vault;
    enum err err = ERR_OK;
    pthread_mutex_lock(&vault->mutex);
    for (;;) {
        struct vault_entry *entry = vault_entry_find(vault, r->domain.id);
        if (!entry)
            err = ERR_NOT_FOUND;
        else if (entry->closing)
            err = ERR_BUSY;
        else if (entry->holds == 0)
            entry->closing = true;
        else {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_sec++;
            pthread_cond_timedwait(&vault->changed, &vault->mutex, &until);
            if (r->progress && !r->progress(r->ctx, r->done))
                err = ERR_CANCELLED;
            if (err == ERR_OK)
                continue;
        }
        break;
    }
    pthread_mutex_unlock(&vault->mutex);
    return err;
}

static void reopen_domain(struct reseal *r)
{
    pthread_mutex_lock(&r->vault->mutex);
    struct vault_entry *entry = vault_entry_find(r->vault, r->domain.id);
    if (entry)
        entry->closing = false;
    pthread_cond_broadcast(&r->vault->changed);
    pthread_mutex_unlock(&r->vault->mutex);
}

static void wait_grace(const struct reseal *r)
{
    struct timespec grace = {r->vault->grace_ms / 1000,
                             (long)(r->vault->grace_ms % 1000) * 1000000};
    nanosleep(&grace, NULL);
}

static bool any_refuses(const struct vault *vault)
{
    for (size_t s = 0; s < vault->source_count; s++)
        if (vault->sources[s].refuse_below)
            return true;
    return false;
}

/* Who had something sealed before the rotation and writes it later, without a hold. */
static enum err refuse_old(struct reseal *r, struct err_detail *detail)
{
    if (!any_refuses(r->vault))
        return ERR_OK;
    wait_grace(r);
    for (size_t s = 0; s < r->vault->source_count; s++) {
        const struct vault_source *source = &r->vault->sources[s];
        if (source->refuse_below)
            TRY(source->refuse_below(source->ctx, &r->domain, detail));
    }
    return ERR_OK;
}

static enum err finish(struct reseal *r, struct err_detail *detail)
{
    TRY(refuse_old(r, detail));
    TRY(reseal_all(r, detail)); /* what holders and others brought meanwhile */
    wait_grace(r);
    return vault_forget_old(r->vault, r->keeper, r->actor, &r->domain, detail);
}

enum err vault_domain_reseal(struct vault *vault, struct keeper_client *keeper, const char *actor,
                             uint32_t id, bool (*progress)(void *ctx, uint64_t done), void *ctx,
                             struct err_detail *detail)
{
    struct vault_domain domain;
    TRY(vault_domain_get(vault, id, &domain));
    if (domain.oldest == domain.version)
        return ERR_OK;
    AUTO(reseal_freep) struct reseal *r = calloc(1, sizeof(*r));
    if (!r)
        return ERR_NO_MEMORY;
    r->vault = vault;
    r->keeper = keeper;
    r->actor = actor;
    r->domain = domain;
    r->progress = progress;
    r->ctx = ctx;
    TRY(reseal_all(r, detail));
    TRY(close_domain(r));
    enum err err = finish(r, detail);
    reopen_domain(r);
    return err;
}
