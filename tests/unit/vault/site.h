#pragma once

#include "../keeper/rig.h"
#include "vault/clients.h"
#include "vault/object_tx.h"
#include "vault/vault.h"

/* A vault with objects and clients: keeper as a thread, store in a temporary folder. */
struct site {
    struct rig rig;
    char *dir;
    struct store *store;
    struct vault *vault;
    struct vault_objects *objects;
    struct vault_clients *clients;
    struct keeper_client *keeper;
    struct arena *arena;
    struct store_reader *reader;
};

void site_begin(struct site *site);
void site_end(struct site *site);
/* Close and open all but the keeper, as after a stop. */
void site_close(struct site *site);
void site_open(struct site *site);
/* A snapshot of the moment. */
struct store_conn *site_read(struct site *site);

#define GROUP 7u
struct vault_eyes site_eyes(uint32_t group);
/* A new object of GROUP with a number and an identifier; active, without dates. */
struct vault_object site_object(struct site *site);
enum err site_insert(struct site *site, const struct vault_object *object,
                     const struct vault_key *keys, size_t count);
enum err site_get(struct site *site, uint32_t group, const char *uid,
                  struct vault_object *ret_object);
/* Reads the object, lets `change` change it, writes it back. */
typedef void site_change_fn(struct vault_object *object);
enum err site_update(struct site *site, const char *uid, site_change_fn *change,
                     const struct vault_key *keys, size_t count);
/* Objects that one term finds. */
size_t site_count(struct site *site, uint32_t group, struct vault_key key);
/* First column of the first row. */
int64_t site_ask(struct site *site, const char *sql);
/* Every row of the index has its object and the other way round. */
void site_check(struct site *site);
