#pragma once

#include "kmip/attr/stored.h"
#include "kmip/op/op.h"

/* New objects: what Create, Register, Import, Re-key, Derive Key, Certify, Create Split Key... have
 * in common. One after the other: begin, the keeper's work, made, then insert for all of them. */

struct kmip_new {
    struct vault_object object; /* id, uid, group, owner; columns as the attributes say */
    struct kmip_attrs attrs;    /* all attributes, those with columns too */
    struct buf sealed, spki;    /* of the keeper; kmip_new_done frees them */
    struct buf reserved;        /* the same: of a key in the token, before it is made */
    uint32_t format;            /* Key Format Type it came in, or was made as */
    bool replaces;              /* Import: instead of the object of this id */
    const struct kmip_attrs
        *like; /* for begin: what the client does not say is as there; or NULL */
};

/* Checks the permission, takes an id, reads the attributes of `containers` (Template-Attribute,
 * Attributes; NULL ones are skipped; what an earlier one has counts), applies the server's defaults
 * and constraints, and refuses what a client may not set. `new` is zeroed by the caller. */
MUST_CHECK enum err kmip_new_begin(struct kmip_call *call, uint32_t object_type,
                                   const struct kmip_node *const *containers, size_t count,
                                   struct kmip_new *new);
/* What comes later, with the object's value: the same rules; kinds that are there stay. */
MUST_CHECK enum err kmip_new_more(struct kmip_call *call, struct kmip_new *new,
                                  const struct kmip_attrs *more);
/* Usage Limits that are set begin with all of their units (KMIP 1.4, 3.21); imported ones go on
 * with their count. */
MUST_CHECK enum err kmip_usage_limits_begin(struct kmip_call *call, struct kmip_node *value,
                                            bool imported);
/* Release and extraction flags, algorithm and length as the attributes have them. Class by object
 * type. ERR_ARGUMENT (Invalid Field) where the algorithm is none. */
MUST_CHECK enum err kmip_new_spec(struct kmip_call *call, const struct kmip_new *new,
                                  struct keeper_object_spec *ret_spec);
/* A Digest (SHA-256) of the value in `format`. */
MUST_CHECK enum err kmip_new_digest(struct kmip_new *new, uint32_t format,
                                    const uint8_t sha256[32]);
/* Before a key is made: one in the token is written down, so that a crash leaves none behind. */
MUST_CHECK enum err kmip_new_promise(struct kmip_call *call, struct kmip_new *new,
                                     const struct keeper_object_spec *spec);
struct keeper_object kmip_new_object(const struct kmip_new *new);
/* Take over what the keeper made: sealed record, Digest, Cryptographic Length and Algorithm. */
MUST_CHECK enum err kmip_new_made(struct kmip_call *call, struct kmip_new *new,
                                  const struct keeper_object_made *made);
/* Server-made attributes of a key made here rather than registered: Random Number Generator,
 * Original Creation Date is now, Fresh. */
MUST_CHECK enum err kmip_new_generated(struct kmip_call *call, struct kmip_new *new);
/* All of them in one transaction; links among them were added before. `also` (nullable) runs in the
 * same transaction. */
MUST_CHECK enum err kmip_new_insert(struct kmip_call *call, struct kmip_new *news, size_t count,
                                    vault_tx_fn *also, void *ctx);
void kmip_new_done(struct kmip_new *new);
/* Undo what the keeper made outside the store; after a failure. */
void kmip_new_abandon(struct kmip_call *call, struct kmip_new *new);

/* A Template-Attribute, Attributes... as a list, appended but for kinds that were there before;
 * NULL: nothing. Names of templates are followed. Says what is wrong. */
MUST_CHECK enum err kmip_attrs_read(struct kmip_call *call, const struct kmip_node *container,
                                    struct kmip_attrs *attrs);
/* Append what `from` has of kinds that were not there before; values are shared. */
MUST_CHECK enum err kmip_attrs_fill(struct kmip_attrs *attrs, const struct kmip_attrs *from);
/* The fields of Random Number Generator, or RNG Parameters. */
struct kmip_rng;
void kmip_rng_put(struct kmip_build *build, struct kmip_node *node, const struct kmip_rng *rng);

/* An object's attributes, all of them as they are at `now` (State by the dates). */
MUST_CHECK enum err kmip_object_attrs(struct kmip_call *call, const struct vault_object *object,
                                      struct kmip_attrs *ret_attrs);
/* Only those that are kept beside the object's columns: what the value's form and its flags are
 * read from, for a fraction of the work. */
MUST_CHECK enum err kmip_object_attrs_kept(struct kmip_call *call,
                                           const struct vault_object *object,
                                           struct kmip_attrs *ret_attrs);
/* Columns and blob of an object from a list; and its index entries. In the arena. */
MUST_CHECK enum err kmip_object_pack(struct kmip_call *call, const struct kmip_attrs *attrs,
                                     struct vault_object *object, struct vault_key **ret_keys,
                                     size_t *ret_count);

/* Change one object in a transaction: fn sees it as it is there, with its attributes, and changes
 * either; both are written back, Last Change Date is now. It may run again, and on the store's
 * thread: nothing but its arguments. `call->detail` and kmip_fail may be used. */
struct kmip_change {
    struct kmip_call *call;
    struct vault_object *object;
    struct kmip_attrs *attrs;
    bool quiet;   /* set by fn: Last Change Date stays */
    bool nothing; /* set by fn: nothing to write */
};
typedef enum err kmip_change_fn(struct kmip_change *change, void *ctx);
/* Within another's transaction. `told`, nullable: for kmip_tell_after once that stands. */
struct kmip_told;
MUST_CHECK enum err kmip_object_change_in(struct kmip_call *call, struct vault_tx *tx,
                                          struct bytes uid, kmip_change_fn *fn, void *ctx,
                                          struct kmip_told *told, struct err_detail *detail);
MUST_CHECK enum err kmip_object_change(struct kmip_call *call, struct bytes uid, kmip_change_fn *fn,
                                       void *ctx);
