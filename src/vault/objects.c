#include "vault/object_domain.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "vault/object_row.h"
#include "vault/domains.h"
#include "vault/serial.h"
#include "vault/state.h"

/* Numbers in one reservation: what a crash wastes at most. */
#define NUMBERS 65536

static enum err find_domain(struct vault_objects *objects, struct keeper_client *keeper,
                            struct err_detail *detail)
{
    uint32_t ids[1];
    if (vault_domain_list(objects->vault, VAULT_OBJECTS_GROUP, ids, ARRAY_LEN(ids)) == 0)
        TRY(vault_domain_create(objects->vault, keeper, vault_actor_daemon().name,
                                VAULT_OBJECTS_GROUP, detail, &ids[0]));
    objects->domain = ids[0];
    return ERR_OK;
}

enum err object_numbers_begin(struct vault_objects *objects, struct err_detail *detail)
{
    uint64_t last = 0;
    TRY(serial_take(objects->store, "object", 0, &last, detail));
    objects->next = objects->end = last + 1;
    return ERR_OK;
}

enum err vault_objects_open(struct vault *vault, struct store *store, struct keeper_client *keeper,
                            struct err_detail *detail, struct vault_objects **ret_objects)
{
    struct vault_objects *objects = calloc(1, sizeof(*objects));
    if (!objects)
        return ERR_NO_MEMORY;
    objects->vault = vault;
    objects->store = store;
    pthread_mutex_init(&objects->mutex, NULL);
    enum err err = find_domain(objects, keeper, detail);
    if (err == ERR_OK)
        err = vault_served_open(store, &objects->served, detail);
    if (err == ERR_OK)
        err = object_defaults_begin(objects, detail);
    if (err == ERR_OK)
        err = object_numbers_begin(objects, detail);
    if (err == ERR_OK)
        err = object_promises_begin(objects, detail);
    if (err != ERR_OK) {
        vault_objects_close(objects);
        return err;
    }
    pthread_mutex_lock(&vault->mutex);
    vault->objects = objects;
    pthread_mutex_unlock(&vault->mutex);
    *ret_objects = objects;
    return ERR_OK;
}

void vault_objects_close(struct vault_objects *objects)
{
    if (!objects)
        return;
    pthread_mutex_lock(&objects->vault->mutex);
    if (objects->vault->objects == objects)
        objects->vault->objects = NULL;
    pthread_mutex_unlock(&objects->vault->mutex);
    pthread_mutex_destroy(&objects->mutex);
    vault_served_close(objects->served);
    free(objects);
}

struct vault_served *vault_objects_served(const struct vault_objects *objects)
{
    return objects->served;
}

uint32_t vault_objects_domain(const struct vault_objects *objects)
{
    return objects->domain;
}

static bool take_number(struct vault_objects *objects, uint64_t *ret_id)
{
    pthread_mutex_lock(&objects->mutex);
    bool some = objects->next < objects->end;
    if (some)
        *ret_id = objects->next++;
    pthread_mutex_unlock(&objects->mutex);
    return some;
}

/* Many come here at once, when a block is used up: the first transaction reserves the next block,
 * the others see that it is there. */
struct reserve {
    uint64_t seen; /* the last number known to be reserved */
    uint64_t last;
};

static enum err reserve_fn(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    struct reserve *reserve = ctx;
    TRY(serial_take_in(conn, "object", 0, &reserve->last, detail));
    if (reserve->last > reserve->seen)
        return ERR_OK;
    return serial_take_in(conn, "object", NUMBERS, &reserve->last, detail);
}

static enum err next_number(struct vault_objects *objects, uint64_t *ret_id)
{
    while (!take_number(objects, ret_id)) {
        pthread_mutex_lock(&objects->mutex);
        struct reserve reserve = {.seen = objects->end - 1};
        pthread_mutex_unlock(&objects->mutex);
        TRY(store_run(objects->store, reserve_fn, &reserve, NULL));
        pthread_mutex_lock(&objects->mutex);
        uint64_t first = reserve.last - NUMBERS + 1;
        if (first >= objects->end) {
            objects->next = first;
            objects->end = reserve.last + 1;
        }
        pthread_mutex_unlock(&objects->mutex);
    }
    return ERR_OK;
}

/* RFC 9562, 5.7 and 6.2, method 3: milliseconds, then the fraction of one in twelve bits. */
static enum err make_uid(char ret_uid[VAULT_UID_MAX + 1])
{
    uint8_t u[16];
    uint64_t now = clock_now_us();
    if (getrandom(u + 8, 8, 0) != 8)
        return ERR_INTERNAL;
    uint64_t fraction = now % 1000 * 4096 / 1000;
    be64_store(u, now / 1000 << 16 | 0x7000 | fraction);
    u[8] = (uint8_t)(0x80 | (u[8] & 0x3f));
    snprintf(ret_uid, VAULT_UID_MAX + 1,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    return ERR_OK;
}

enum err vault_object_next(struct vault_objects *objects, uint64_t *ret_id,
                           char ret_uid[VAULT_UID_MAX + 1])
{
    uint64_t id = 0;
    TRY(next_number(objects, &id));
    TRY(make_uid(ret_uid));
    *ret_id = id;
    return ERR_OK;
}

struct keeper_row vault_object_row(const struct vault_object *object)
{
    return (struct keeper_row){.domain = object->domain,
                               .table = KEEPER_OBJECT,
                               .row = object->id,
                               .epoch = object->epoch};
}

/* KMIP 1.4, 3.22; KMIP 2.1, 4.57: transitions 4 and 6 happen by the dates. */
uint32_t vault_object_state(const struct vault_object *object, int64_t now)
{
    uint32_t state = object->state;
    if (state == VAULT_PRE_ACTIVE && object->activation != VAULT_NO_DATE &&
        object->activation <= now)
        state = VAULT_ACTIVE;
    if (state == VAULT_ACTIVE && object->deactivation != VAULT_NO_DATE &&
        object->deactivation <= now)
        state = VAULT_DEACTIVATED;
    return state;
}

enum err vault_object_get(struct store_conn *conn, const struct vault_eyes *eyes, struct bytes uid,
                          struct arena *arena, struct vault_object *ret_object,
                          struct err_detail *detail)
{
    return object_read(conn, eyes, uid, arena, ret_object, detail);
}
