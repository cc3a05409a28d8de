#include "api/object_counts.h"

#include <pthread.h>
#include <stdlib.h>

#include "api/json.h"
#include "base/clock.h"
#include "kmip/attr/show.h"
#include "kmip/codec/table.h"
#include "vault/object_list.h"

#define GROUPS_SHOWN 1000
#define PAUSE        100 /* times what it took */
#define STATES       8

struct object_counts {
    pthread_mutex_t lock;
    json_t *last; /* NULL: never */
    uint64_t since, took_ns;
};

enum err object_counts_new(struct object_counts **ret_counts)
{
    struct object_counts *counts = calloc(1, sizeof *counts);
    if (counts == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_init(&counts->lock, NULL);
    *ret_counts = counts;
    return ERR_OK;
}

void object_counts_free(struct object_counts *counts)
{
    if (counts == NULL)
        return;
    json_decref(counts->last);
    (void)pthread_mutex_destroy(&counts->lock);
    free(counts);
}

struct sums {
    json_t *types, *states, *groups;
    struct vault_clients *clients;
    uint64_t state[STATES];
    uint64_t total;
    uint32_t group; /* of the last of `groups` */
};

static enum err add_type(void *ctx, uint32_t group, int64_t value, uint64_t count)
{
    struct sums *sums = ctx;
    char text[16];
    (void)group;
    const char *name = kmip_show_enum(KMIP_TAG_OBJECT_TYPE, (uint32_t)value, text);
    json_int_t before = json_integer_value(json_object_get(sums->types, name));
    return json_object_set_new(sums->types, name, json_integer(before + (json_int_t)count)) == 0
               ? ERR_OK
               : ERR_NO_MEMORY;
}

static enum err add_group(struct sums *sums, uint32_t group, uint64_t count)
{
    char name[VAULT_CLIENT_NAME_MAX + 1];
    size_t len = json_array_size(sums->groups);
    if (group == sums->group && len > 0) {
        json_t *last = json_array_get(sums->groups, len - 1);
        json_int_t before = json_integer_value(json_object_get(last, "objects"));
        return json_object_set_new(last, "objects", json_integer(before + (json_int_t)count)) == 0
                   ? ERR_OK
                   : ERR_NO_MEMORY;
    }
    sums->group = group;
    if (len == GROUPS_SHOWN)
        return ERR_OK;
    vault_group_name(sums->clients, group, name);
    return json_array_append_new(sums->groups, json_pack("{s:s s:I}", "name", name, "objects",
                                                         (json_int_t)count)) == 0
               ? ERR_OK
               : ERR_NO_MEMORY;
}

static enum err add_state(void *ctx, uint32_t group, int64_t value, uint64_t count)
{
    struct sums *sums = ctx;
    if (value >= 0 && value < STATES)
        sums->state[value] += count;
    sums->total += count;
    return add_group(sums, group, count);
}

static enum err count_all(struct store *store, struct sums *sums, struct err_detail *detail)
{
    char text[16];
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err =
        vault_object_count(store_reader_conn(reader), KMIP_TAG_OBJECT_TYPE, add_type, sums, detail);
    if (err == ERR_OK)
        err =
            vault_object_count(store_reader_conn(reader), VAULT_KEY_STATE, add_state, sums, detail);
    store_reader_end(reader);
    TRY(err);
    for (uint32_t i = 0; i < STATES; i++) {
        const char *name = i == 0 ? "none" : kmip_show_enum(KMIP_TAG_STATE, i, text);
        if (sums->state[i] != 0 &&
            json_object_set_new(sums->states, name, json_integer((json_int_t)sums->state[i])) != 0)
            return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

static enum err renew(struct object_counts *counts, struct store *store,
                      struct vault_clients *clients, struct err_detail *detail)
{
    AUTO(json_freep) json_t *types = json_object();
    AUTO(json_freep) json_t *states = json_object();
    AUTO(json_freep) json_t *groups = json_array();
    struct sums sums = {.types = types, .states = states, .groups = groups, .clients = clients};
    uint64_t begun = clock_mono_ns();
    TRY(count_all(store, &sums, detail));
    json_t *json =
        json_pack("{s:o s:I s:O s:O s:O}", "counted", json_of_time(clock_now_s()), "total",
                  (json_int_t)sums.total, "types", types, "states", states, "groups", groups);
    if (json == NULL)
        return ERR_NO_MEMORY;
    json_decref(counts->last);
    counts->last = json;
    counts->since = clock_mono_ns();
    counts->took_ns = counts->since - begun;
    return ERR_OK;
}

enum err object_counts_get(struct object_counts *counts, struct store *store,
                           struct vault_clients *clients, json_t **ret_json,
                           struct err_detail *detail)
{
    enum err err = ERR_OK;
    (void)pthread_mutex_lock(&counts->lock);
    if (counts->last == NULL || clock_mono_ns() - counts->since > counts->took_ns * PAUSE)
        err = renew(counts, store, clients, detail);
    if (err == ERR_OK)
        *ret_json = json_deep_copy(counts->last);
    (void)pthread_mutex_unlock(&counts->lock);
    return err == ERR_OK && *ret_json == NULL ? ERR_NO_MEMORY : err;
}
