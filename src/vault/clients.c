#include "vault/clients.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "vault/client_rows.h"

struct vault_clients {
    struct store *store;
    pthread_mutex_t change; /* one renewal at a time, so that the last one sees all */
    pthread_rwlock_t lock;
    struct client_table *table; /* under `lock` */
};

static enum err renew(struct vault_clients *clients, struct err_detail *detail)
{
    struct client_table *table = NULL, *old = NULL;
    pthread_mutex_lock(&clients->change);
    enum err err = client_table_read(clients->store, &table, detail);
    if (err == ERR_OK) {
        pthread_rwlock_wrlock(&clients->lock);
        old = clients->table;
        clients->table = table;
        pthread_rwlock_unlock(&clients->lock);
    }
    pthread_mutex_unlock(&clients->change);
    client_table_free(old);
    return err;
}

enum err vault_clients_open(struct store *store, struct vault_clients **ret_clients,
                            struct err_detail *detail)
{
    struct vault_clients *clients = calloc(1, sizeof(*clients));
    if (!clients)
        return ERR_NO_MEMORY;
    clients->store = store;
    pthread_mutex_init(&clients->change, NULL);
    pthread_rwlock_init(&clients->lock, NULL);
    enum err err = renew(clients, detail);
    if (err == ERR_OK)
        *ret_clients = clients;
    else
        vault_clients_close(clients);
    return err;
}

void vault_clients_close(struct vault_clients *clients)
{
    if (!clients)
        return;
    pthread_mutex_destroy(&clients->change);
    pthread_rwlock_destroy(&clients->lock);
    client_table_free(clients->table);
    free(clients);
}

static const struct client_entry *find_name(const struct client_table *table, struct bytes name)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct bytes there = bytes_str(table->clients[middle].client.name);
        size_t shorter = there.len < name.len ? there.len : name.len;
        int order = shorter > 0 ? memcmp(there.data, name.data, shorter) : 0;
        if (order == 0 && there.len == name.len)
            return &table->clients[middle];
        if (order < 0 || (order == 0 && there.len < name.len))
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const struct client_entry *find_certificate(const struct client_table *table,
                                                   const uint8_t sha256[32])
{
    size_t low = 0, high = table->certificates;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct client_entry *entry = &table->clients[table->by_certificate[middle]];
        int order = memcmp(entry->client.certificate, sha256, sizeof(entry->client.certificate));
        if (order == 0)
            return entry;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static enum err give(struct vault_clients *clients, const struct client_entry *entry,
                     struct vault_client *ret_client)
{
    enum err err = ERR_NOT_FOUND;
    if (entry && entry->client.disabled == VAULT_NO_DATE) {
        *ret_client = entry->client;
        err = ERR_OK;
    }
    pthread_rwlock_unlock(&clients->lock);
    return err;
}

enum err vault_client_by_certificate(struct vault_clients *clients, const uint8_t sha256[32],
                                     struct vault_client *ret_client)
{
    pthread_rwlock_rdlock(&clients->lock);
    return give(clients, find_certificate(clients->table, sha256), ret_client);
}

enum err vault_client_by_name(struct vault_clients *clients, struct bytes name,
                              struct vault_client *ret_client)
{
    pthread_rwlock_rdlock(&clients->lock);
    return give(clients, find_name(clients->table, name), ret_client);
}

enum err vault_client_password(struct vault_clients *clients, uint64_t id, char ret_verifier[256])
{
    enum err err = ERR_NOT_FOUND;
    pthread_rwlock_rdlock(&clients->lock);
    const struct client_table *table = clients->table;
    for (size_t i = 0; i < table->count; i++) {
        if (table->clients[i].client.id != id || !table->clients[i].client.has_password)
            continue;
        memcpy(ret_verifier, table->clients[i].password, sizeof(table->clients[i].password));
        err = ERR_OK;
        break;
    }
    pthread_rwlock_unlock(&clients->lock);
    return err;
}

void vault_client_each(struct vault_clients *clients, vault_client_fn *each, void *ctx)
{
    pthread_rwlock_rdlock(&clients->lock);
    for (size_t i = 0; i < clients->table->count; i++)
        each(ctx, &clients->table->clients[i].client);
    pthread_rwlock_unlock(&clients->lock);
}

void vault_group_name(struct vault_clients *clients, uint32_t group,
                      char ret_name[VAULT_CLIENT_NAME_MAX + 1])
{
    ret_name[0] = '\0';
    pthread_rwlock_rdlock(&clients->lock);
    for (size_t i = 0; i < clients->table->groups_len; i++)
        if (clients->table->groups[i].id == group)
            memcpy(ret_name, clients->table->groups[i].name, VAULT_CLIENT_NAME_MAX + 1);
    pthread_rwlock_unlock(&clients->lock);
}

enum err vault_group_find(struct vault_clients *clients, const char *name, uint32_t *ret_group)
{
    enum err err = ERR_NOT_FOUND;
    pthread_rwlock_rdlock(&clients->lock);
    for (size_t i = 0; i < clients->table->groups_len; i++) {
        if (strcmp(clients->table->groups[i].name, name) == 0) {
            *ret_group = clients->table->groups[i].id;
            err = ERR_OK;
        }
    }
    pthread_rwlock_unlock(&clients->lock);
    return err;
}

enum err vault_client_look(struct vault_clients *clients, const char *name,
                           struct vault_client *ret_client)
{
    pthread_rwlock_rdlock(&clients->lock);
    const struct client_entry *entry = find_name(clients->table, bytes_str(name));
    if (entry)
        *ret_client = entry->client;
    pthread_rwlock_unlock(&clients->lock);
    return entry ? ERR_OK : ERR_NOT_FOUND;
}

static enum err work(struct vault_clients *clients, store_fn *fn, struct client_work *work,
                     struct err_detail *detail)
{
    TRY(store_run(clients->store, fn, work, detail));
    return renew(clients, detail);
}

enum err vault_client_create(struct vault_clients *clients, const struct vault_client_new *spec,
                             struct vault_client *ret_client, struct err_detail *detail)
{
    struct client_work new = {.spec = spec, .now = clock_now_s()};
    TRY(client_spec_check(spec, true, detail));
    TRY(work(clients, client_row_insert, &new, detail));
    return vault_client_look(clients, spec->name, ret_client);
}

enum err vault_client_change(struct vault_clients *clients, const char *name,
                             const struct vault_client_new *spec, struct err_detail *detail)
{
    struct client_work change = {.spec = spec, .name = name};
    TRY(client_spec_check(spec, false, detail));
    return work(clients, client_row_change, &change, detail);
}

enum err vault_client_disable(struct vault_clients *clients, const char *name, bool disable,
                              struct err_detail *detail)
{
    struct client_work change = {.name = name, .now = disable ? clock_now_s() : VAULT_NO_DATE};
    return work(clients, client_row_disable, &change, detail);
}

enum err vault_client_remove(struct vault_clients *clients, const char *name,
                             struct err_detail *detail)
{
    struct vault_client client;
    struct client_work gone = {.name = name};
    if (vault_client_look(clients, name, &client) != ERR_OK)
        return err_set(detail, ERR_NOT_FOUND, "client %.64s", name);
    TRY(client_owns_nothing(clients->store, client.id, detail));
    return work(clients, client_row_remove, &gone, detail);
}
