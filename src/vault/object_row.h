#pragma once

#include "vault/object_tx.h"

/* Rows and index entries, for the vault's own files. */

/* Entries of one object, sorted and each once, as the column `entries` keeps them:
 * u32 attribute | u8 length | value, one after the other. */
struct key_list {
    struct vault_key *keys;
    size_t count;
};
/* At most VAULT_KEYS_MAX and one for State, which is made of `state` and replaces what is given. */
MUST_CHECK enum err key_list_make(const struct vault_key *keys, size_t count, uint32_t state,
                                  struct arena *arena, struct key_list *ret_list);
MUST_CHECK enum err key_list_encode(const struct key_list *list, struct arena *arena,
                                    struct bytes *ret_blob);
MUST_CHECK enum err key_list_decode(struct bytes blob, struct arena *arena,
                                    struct key_list *ret_list);
/* As memcmp: attribute, then value, a shorter one before what it begins. */
int key_compare(const struct vault_key *a, const struct vault_key *b);
/* Whether an entry of the term's attribute is what it asks for. */
bool term_holds(const struct vault_term *term, struct bytes value);
/* The end of the range of values that begin with `key`'s: the next one that does not; false: none.
 */
bool key_after_prefix(const struct vault_key *key, struct vault_key *ret_end);

/* The row with this uid for these eyes (NULL: any). As vault_object_get. */
MUST_CHECK enum err object_read(struct store_conn *conn, const struct vault_eyes *eyes,
                                struct bytes uid, struct arena *arena,
                                struct vault_object *ret_object, struct err_detail *detail);
/* ERR_EXISTS for a uid or id. ERR_STATE where it is sealed under a version of the domain's key that
 * is about to go, here and below. */
MUST_CHECK enum err object_insert(const struct vault_objects *objects, struct store_conn *conn,
                                  const struct vault_object *object, const struct vault_key *keys,
                                  size_t count, struct arena *arena, struct err_detail *detail);
/* The row becomes what `object` says, with version object->version + 1. ERR_STATE where the row
 * has another version than `object` or is not there. */
MUST_CHECK enum err object_update(const struct vault_objects *objects, struct store_conn *conn,
                                  const struct vault_object *object, const struct vault_key *keys,
                                  size_t count, struct arena *arena, struct err_detail *detail);
/* The state its dates give it at `now`, in the row and in the index. */
MUST_CHECK enum err object_transit(struct store_conn *conn, uint64_t id, int64_t now,
                                   struct arena *arena, struct err_detail *detail);
MUST_CHECK enum err object_use(struct store_conn *conn, uint64_t id, int64_t units,
                               struct err_detail *detail);
/* What is left; INT64_MAX where it has no limit. */
MUST_CHECK enum err object_left(struct store_conn *conn, uint64_t id, int64_t *ret_left,
                                struct err_detail *detail);
/* When its dates change its state next; VAULT_NO_DATE: never. */
int64_t object_due(uint32_t state, int64_t activation, int64_t deactivation);
/* In the transaction that writes the object: its promise is kept, what is doomed is written down.
 */
MUST_CHECK enum err object_promises(struct store_conn *conn, const struct vault_object *object,
                                    struct err_detail *detail);
bool eyes_see(const struct vault_eyes *eyes, uint32_t group);
/* Memory of one change: entries of an object before and after, and what transactions read. */
#define OBJECT_TX_MEMORY ((size_t)256 * 1024 * 1024)
