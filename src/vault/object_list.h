#pragma once

#include "vault/objects.h"

/* Objects as an administrator sees them: of every group, newest first, a page at a time. What a
 * page costs does not grow with the number of objects: an index leads to them, and where none does
 * at once, VAULT_LIST_EFFORT objects are looked at and the rest is left to the next page. Inside
 * store_reader_begin/_end of the caller, on a worker: not for a loop. */

#define VAULT_LIST_EFFORT    20000
#define VAULT_LIST_TERMS_MAX 8

struct vault_list {
    uint32_t group;                 /* 0: of all */
    uint32_t placement;             /* enum vault_placement; 0: both */
    const struct vault_term *terms; /* VAULT_EQUAL, of attributes that an object has once; all
                                       must hold */
    size_t terms_len;
    const char *uid;                 /* what the identifier begins with, or ... */
    const struct vault_term *search; /* ... VAULT_EQUAL or VAULT_PREFIX, one of which must hold;
                                        `uid` NULL: none of both is asked for */
    size_t search_len;
    uint64_t below; /* only lower row numbers: what ret_next was; 0: from the newest on */
    unsigned limit;
    unsigned effort; /* objects that are looked at for one page; 0: VAULT_LIST_EFFORT */
};

/* What a list shows of one. `entries` is borrowed until the callback returns. */
struct vault_listed {
    uint64_t id;
    char uid[VAULT_UID_MAX + 1];
    uint32_t type, state, group, placement, alg, bits; /* `state` as its dates make it `now` */
    bool archived;
    int64_t initial, activation, deactivation, last_change; /* VAULT_NO_DATE */
    struct bytes entries;                                   /* of the index: vault_key_read */
};
typedef enum err vault_listed_fn(void *ctx, const struct vault_listed *object);
/* `ret_next`: where the next page goes on (`below`); 0: that was all. A page may have fewer than
 * `limit` rows, none even, and a next one. ERR_LIMIT above VAULT_LIST_TERMS_MAX. */
MUST_CHECK enum err vault_object_list(struct store_conn *conn, const struct vault_list *list,
                                      int64_t now, vault_listed_fn *each, void *ctx,
                                      uint64_t *ret_next, struct err_detail *detail);

/* Reads one entry of a blob that is being walked; false at its end or where it is no such blob. */
bool vault_key_read(struct reader *reader, uint32_t *ret_attribute, struct bytes *ret_value);

/* One object whatever its group; its key, sealed, is left out. As vault_object_get. */
MUST_CHECK enum err vault_object_look(struct store_conn *conn, struct bytes uid,
                                      struct arena *arena, struct vault_object *ret_object,
                                      struct err_detail *detail);
/* Whether it was given out; false where the service does not run and nobody knows. */
bool vault_object_was_served(struct vault *vault, uint64_t id, bool *ret_served);

/* How many objects of each group have each value of an attribute that is a number. Walks the
 * index of that attribute: tenths of a second for a million objects. */
typedef enum err vault_count_fn(void *ctx, uint32_t group, int64_t value, uint64_t count);
MUST_CHECK enum err vault_object_count(struct store_conn *conn, uint32_t attribute,
                                       vault_count_fn *each, void *ctx, struct err_detail *detail);
