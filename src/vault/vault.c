#include "vault/vault.h"

#include "vault/domains.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "vault/object_domain.h"

static const struct vault_entry *find(const struct vault *vault, uint32_t id)
{
    for (size_t i = 0; i < vault->count; i++) {
        if (vault->entries[i].domain.id == id)
            return &vault->entries[i];
    }
    return NULL;
}

struct vault_entry *vault_entry_find(struct vault *vault, uint32_t id)
{
    return (struct vault_entry *)(uintptr_t)find(vault, id);
}

static enum err entry_add(struct vault *vault, const struct vault_domain *domain)
{
    if (vault->count == KEEPER_DOMAINS_MAX)
        return ERR_LIMIT;
    struct vault_entry *entries =
        reallocarray(vault->entries, vault->count + 1, sizeof(*vault->entries));
    if (!entries)
        return ERR_NO_MEMORY;
    vault->entries = entries;
    entries[vault->count++] = (struct vault_entry){.domain = *domain};
    return ERR_OK;
}

static enum err load_row(struct vault *vault, struct keeper_client *keeper, struct store_stmt *stmt,
                         struct err_detail *detail)
{
    uint32_t id = (uint32_t)store_column_i64(stmt, 0);
    uint16_t version = (uint16_t)store_column_i64(stmt, 1);
    const char *name = store_column_text(stmt, 2);
    int64_t state = store_column_i64(stmt, 3);
    if (id > vault->last_id)
        vault->last_id = id;
    if (state == VAULT_DESTROYED)
        return ERR_OK;
    if (!name || strlen(name) > VAULT_DOMAIN_NAME_MAX || id == 0 || version == 0)
        return err_set(detail, ERR_CORRUPT, "table domain: id %" PRIu32, id);
    struct err_detail why = {0};
    enum err err =
        keeper_domain_load(keeper, "daemon", id, name, version, store_column_bytes(stmt, 5), &why);
    if (err != ERR_OK)
        return err_set(detail, err, "domain %s version %u: %s", name, version,
                       why.text[0] ? why.text : err_text(err));
    struct vault_entry *entry = vault_entry_find(vault, id);
    if (!entry) {
        struct vault_domain domain = {.id = id, .oldest = version};
        memcpy(domain.name, name, strlen(name) + 1);
        TRY(entry_add(vault, &domain));
        entry = &vault->entries[vault->count - 1];
    }
    entry->domain.version = version;
    entry->domain.created = store_column_i64(stmt, 4);
    return ERR_OK;
}

static enum err load(struct vault *vault, struct keeper_client *keeper, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(vault->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(store_reader_conn(reader),
                      "SELECT id, version, name, state, created, wrapped FROM domain "
                      "ORDER BY id, version",
                      &stmt, detail));
    for (;;) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        TRY(load_row(vault, keeper, stmt, detail));
    }
    return ERR_OK;
}

enum err vault_open(struct store *store, struct keeper_client *keeper, struct err_detail *detail,
                    struct vault **ret_vault)
{
    AUTO(vault_closep) struct vault *vault = calloc(1, sizeof(*vault));
    if (!vault)
        return ERR_NO_MEMORY;
    vault->store = store;
    vault->grace_ms = 2000;
    pthread_mutex_init(&vault->mutex, NULL);
    pthread_mutex_init(&vault->change, NULL);
    pthread_cond_init(&vault->changed, NULL);
    vault_add_source(vault, object_reseal_source(vault));
    TRY(load(vault, keeper, detail));
    *ret_vault = TAKE(vault);
    return ERR_OK;
}

void vault_close(struct vault *vault)
{
    if (!vault)
        return;
    pthread_mutex_destroy(&vault->mutex);
    pthread_mutex_destroy(&vault->change);
    pthread_cond_destroy(&vault->changed);
    free(vault->entries);
    free(vault);
}

void vault_closep(struct vault **vault)
{
    vault_close(*vault);
}

void vault_set_grace_ms(struct vault *vault, unsigned milliseconds)
{
    vault->grace_ms = milliseconds;
}

struct domain_row {
    const struct vault_domain *domain;
    struct bytes wrapped;
};

static enum err insert_version(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct domain_row *new = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "UPDATE domain SET state = ? WHERE id = ? AND state = ?", &stmt,
                      detail));
    store_bind_i64(stmt, 1, VAULT_DEACTIVATED);
    store_bind_i64(stmt, 2, new->domain->id);
    store_bind_i64(stmt, 3, VAULT_ACTIVE);
    TRY(store_exec_stmt(stmt, detail));
    AUTO(store_stmt_freep) struct store_stmt *insert = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO domain (id, version, name, state, created, wrapped) "
                      "VALUES (?, ?, ?, ?, ?, ?)",
                      &insert, detail));
    store_bind_i64(insert, 1, new->domain->id);
    store_bind_i64(insert, 2, new->domain->version);
    store_bind_text(insert, 3, new->domain->name);
    store_bind_i64(insert, 4, VAULT_ACTIVE);
    store_bind_i64(insert, 5, new->domain->created);
    store_bind_bytes(insert, 6, new->wrapped);
    return store_exec_stmt(insert, detail);
}

/* Under vault->change. */
static enum err create_locked(struct vault *vault, struct keeper_client *keeper, const char *actor,
                              const char *group, struct err_detail *detail, uint32_t *ret_id)
{
    if (vault->count == KEEPER_DOMAINS_MAX)
        return err_set(detail, ERR_LIMIT, "there are %d domains", KEEPER_DOMAINS_MAX);
    struct vault_domain domain = {
        .id = vault->last_id + 1, .version = 1, .oldest = 1, .created = clock_now_s()};
    int len = snprintf(domain.name, sizeof(domain.name), "%s/%" PRIu32, group, domain.id);
    if (len < 0 || (size_t)len >= sizeof(domain.name))
        return ERR_ARGUMENT;
    AUTO(buf_done) struct buf wrapped = {0};
    TRY(keeper_domain_create(keeper, actor, domain.id, domain.name, &wrapped, detail));
    struct domain_row row = {&domain, buf_view(&wrapped)};
    TRY(store_run(vault->store, insert_version, &row, detail));
    vault->last_id = domain.id;
    TRY(keeper_domain_load(keeper, actor, domain.id, domain.name, 1, buf_view(&wrapped), detail));
    pthread_mutex_lock(&vault->mutex);
    enum err err = entry_add(vault, &domain);
    pthread_mutex_unlock(&vault->mutex);
    if (err == ERR_OK)
        *ret_id = domain.id;
    return err;
}

enum err vault_domain_create(struct vault *vault, struct keeper_client *keeper, const char *actor,
                             const char *group, struct err_detail *detail, uint32_t *ret_id)
{
    pthread_mutex_lock(&vault->change);
    enum err err = create_locked(vault, keeper, actor, group, detail, ret_id);
    pthread_mutex_unlock(&vault->change);
    return err;
}

size_t vault_domain_list(struct vault *vault, const char *group, uint32_t *ids, size_t max)
{
    size_t len = strlen(group), count = 0;
    pthread_mutex_lock(&vault->mutex);
    for (size_t i = 0; i < vault->count; i++) {
        const struct vault_domain *domain = &vault->entries[i].domain;
        if (strncmp(domain->name, group, len) == 0 && domain->name[len] == '/') {
            if (count < max)
                ids[count] = domain->id;
            count++;
        }
    }
    pthread_mutex_unlock(&vault->mutex);
    return count;
}

enum err vault_domain_get(struct vault *vault, uint32_t id, struct vault_domain *ret_domain)
{
    pthread_mutex_lock(&vault->mutex);
    const struct vault_entry *entry = find(vault, id);
    if (entry)
        *ret_domain = entry->domain;
    pthread_mutex_unlock(&vault->mutex);
    return entry ? ERR_OK : ERR_NOT_FOUND;
}

struct wipe {
    uint32_t id;
    uint16_t below; /* versions below it; 0: all */
};

/* The key is overwritten in its place before the row goes: deleting alone leaves it in a free page.
 */
static enum err wipe_versions(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    static const uint8_t zeros[KEEPER_WRAPPED_MAX];
    const struct wipe *wipe = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE domain SET state = ?, wrapped = substr(?, 1, length(wrapped)) "
                      "WHERE id = ? AND version < ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, VAULT_DESTROYED);
    store_bind_bytes(stmt, 2, BYTES(zeros));
    store_bind_i64(stmt, 3, wipe->id);
    store_bind_i64(stmt, 4, wipe->below ? wipe->below : (int64_t)UINT16_MAX + 1);
    return store_exec_stmt(stmt, detail);
}

static enum err destroy_locked(struct vault *vault, struct keeper_client *keeper, const char *actor,
                               uint32_t id, struct err_detail *detail)
{
    struct vault_domain domain;
    TRY(vault_domain_get(vault, id, &domain));
    struct wipe wipe = {.id = id};
    TRY(store_run(vault->store, wipe_versions, &wipe, detail));
    pthread_mutex_lock(&vault->mutex);
    struct vault_entry *entry = vault_entry_find(vault, id);
    size_t after = (size_t)(vault->entries + vault->count - (entry + 1));
    memmove(entry, entry + 1, after * sizeof(*entry));
    vault->count--;
    pthread_cond_broadcast(&vault->changed);
    pthread_mutex_unlock(&vault->mutex);
    return keeper_domain_drop(keeper, actor, id, 0, detail);
}

enum err vault_domain_destroy(struct vault *vault, struct keeper_client *keeper, const char *actor,
                              uint32_t id, struct err_detail *detail)
{
    pthread_mutex_lock(&vault->change);
    enum err err = destroy_locked(vault, keeper, actor, id, detail);
    pthread_mutex_unlock(&vault->change);
    return err;
}

static enum err rotate_locked(struct vault *vault, struct keeper_client *keeper, const char *actor,
                              uint32_t id, struct err_detail *detail, uint16_t *ret_version)
{
    struct vault_domain domain;
    TRY(vault_domain_get(vault, id, &domain));
    if (domain.oldest != domain.version)
        return err_set(detail, ERR_STATE, "domain %s: its last rotation is not finished",
                       domain.name);
    AUTO(buf_done) struct buf wrapped = {0};
    TRY(keeper_domain_rotate(keeper, actor, id, domain.name, &domain.version, &wrapped, detail));
    domain.created = clock_now_s();
    struct domain_row row = {&domain, buf_view(&wrapped)};
    TRY(store_run(vault->store, insert_version, &row, detail));
    pthread_mutex_lock(&vault->mutex);
    struct vault_entry *entry = vault_entry_find(vault, id);
    if (entry) {
        entry->domain.version = domain.version;
        entry->domain.created = domain.created;
    }
    pthread_mutex_unlock(&vault->mutex);
    TRY(keeper_domain_load(keeper, actor, id, domain.name, domain.version, buf_view(&wrapped),
                           detail));
    *ret_version = domain.version;
    return ERR_OK;
}

enum err vault_domain_rotate(struct vault *vault, struct keeper_client *keeper, const char *actor,
                             uint32_t id, struct err_detail *detail, uint16_t *ret_version)
{
    pthread_mutex_lock(&vault->change);
    enum err err = rotate_locked(vault, keeper, actor, id, detail, ret_version);
    pthread_mutex_unlock(&vault->change);
    return err;
}

enum err vault_forget_old(struct vault *vault, struct keeper_client *keeper, const char *actor,
                          const struct vault_domain *domain, struct err_detail *detail)
{
    struct wipe wipe = {.id = domain->id, .below = domain->version};
    TRY(store_run(vault->store, wipe_versions, &wipe, detail));
    for (uint16_t v = domain->oldest; v < domain->version; v++) {
        enum err err = keeper_domain_drop(keeper, actor, domain->id, v, detail);
        if (err != ERR_OK && err != ERR_NOT_FOUND)
            return err;
    }
    pthread_mutex_lock(&vault->mutex);
    struct vault_entry *entry = vault_entry_find(vault, domain->id);
    if (entry)
        entry->domain.oldest = domain->version;
    pthread_mutex_unlock(&vault->mutex);
    return ERR_OK;
}

enum err vault_domain_hold(struct vault *vault, uint32_t id)
{
    pthread_mutex_lock(&vault->mutex);
    struct vault_entry *entry;
    while ((entry = vault_entry_find(vault, id)) && entry->closing)
        pthread_cond_wait(&vault->changed, &vault->mutex);
    if (entry)
        entry->holds++;
    pthread_mutex_unlock(&vault->mutex);
    return entry ? ERR_OK : ERR_NOT_FOUND;
}

void vault_domain_release(struct vault *vault, uint32_t id)
{
    pthread_mutex_lock(&vault->mutex);
    struct vault_entry *entry = vault_entry_find(vault, id);
    if (entry && entry->holds > 0)
        entry->holds--;
    pthread_cond_broadcast(&vault->changed);
    pthread_mutex_unlock(&vault->mutex);
}
