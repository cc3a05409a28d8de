#pragma once

#include "base/arena.h"
#include "keeper/client.h"
#include "store/store.h"

/* Managed objects: their rows, their core columns, the index that finds them. What the attributes
 * mean is the protocol's business: the vault keeps them as a blob, and index entries beside it.
 * Reads run on the calling thread's reader; changes are functions run inside store_run. An object
 * belongs to a group; who asks names the groups it may see, and for anybody else it does not exist.
 */

#define VAULT_UID_MAX         128
#define VAULT_OBJECT_BLOB_MAX ((size_t)1024 * 1024) /* attributes, and a value in clear, each */
#define VAULT_GROUPS_MAX      16                    /* groups of one client */
#define VAULT_KEYS_MAX        512                   /* index entries of one object */

enum vault_placement { VAULT_IN_STORE = 1, VAULT_IN_TOKEN };

/* One object as it is now. From vault_object_get its bytes are in the caller's arena. Dates are
 * seconds since 1970, VAULT_NO_DATE where there is none. Enumerations carry KMIP's numbers. */
#define VAULT_NO_DATE INT64_MIN
struct vault_object {
    uint64_t id; /* row; never used again */
    char uid[VAULT_UID_MAX + 1];
    uint32_t type;  /* Object Type */
    uint32_t state; /* State as stored; vault_object_state gives what the dates make of it */
    uint32_t group; /* who sees it */
    uint64_t owner; /* client that made it */
    uint32_t placement;
    uint32_t alg, bits, mask; /* Cryptographic Algorithm, Length, Usage Mask; 0: none */
    uint32_t domain, epoch;   /* of the sealed record */
    uint32_t version;         /* counts changes of the row */
    bool archived;
    struct bytes sealed;     /* key, for the keeper; empty where destroyed or not secret */
    struct bytes value;      /* what is not secret: certificate, SubjectPublicKeyInfo, template */
    struct bytes attributes; /* all that has no column, in the protocol's own form */
    int64_t initial, activation, process_start, protect_stop, deactivation, destroyed, compromised,
        compromise_occurred, archive_date, last_change, original_created;
    int64_t usage_total, usage_left; /* -1: no limit */
    uint32_t usage_unit;
    /* Of a change only, for what is in the token: the promise that it keeps (vault_token_promise),
     * and the record of the key that the object had before, which is to be destroyed. */
    uint64_t promise;
    struct bytes doomed;
    uint32_t doomed_epoch;
};
/* State at `now`: Pre-Active whose activation is past counts as Active, Active whose deactivation
 * is past as Deactivated (KMIP 2.1, 4.57). */
uint32_t vault_object_state(const struct vault_object *object, int64_t now);

/* An index entry: an attribute's number (the protocol's: a KMIP tag, or VAULT_KEY_CUSTOM for custom
 * ones) and an order-preserving form of its value. What is longer than VAULT_KEY_MAX is cut at
 * VAULT_KEY_CUT and finished with a hash: still found by its whole value; a prefix that is asked
 * for has at most VAULT_KEY_CUT bytes. The entry of VAULT_KEY_STATE is the vault's own, made of the
 * object's `state`: no one needs to give it. */
#define VAULT_KEY_MAX    64
#define VAULT_KEY_CUT    48
#define VAULT_KEY_CUSTOM 1
#define VAULT_KEY_STATE  0x42008Du
struct vault_key {
    uint32_t attribute;
    uint8_t len;
    uint8_t value[VAULT_KEY_MAX];
};
struct vault_key vault_key_bytes(uint32_t attribute, struct bytes value);
struct vault_key vault_key_number(uint32_t attribute, int64_t value); /* dates, enumerations */
/* The same for the custom attribute of this name; eight bytes of the key stand for the name. */
struct vault_key vault_key_custom(struct bytes name, struct bytes value);
struct vault_key vault_key_custom_number(struct bytes name, int64_t value);

struct vault;
struct vault_objects;

/* Any thread afterwards. Makes a domain of this group (vault_domain_list) on the first start. To be
 * closed before the vault. */
#define VAULT_OBJECTS_GROUP "objects"
MUST_CHECK enum err vault_objects_open(struct vault *vault, struct store *store,
                                       struct keeper_client *keeper, struct err_detail *detail,
                                       struct vault_objects **ret_objects);
void vault_objects_close(struct vault_objects *objects); /* NULL is allowed */
/* What new records are sealed under. */
uint32_t vault_objects_domain(const struct vault_objects *objects);
/* Who was given out already (vault/served.h). */
struct vault_served;
struct vault_served *vault_objects_served(const struct vault_objects *objects);
/* A row number and a UUID (version 7, RFC 9562) for a new object. Once in many thousand times it
 * pauses the fiber or blocks the thread, to reserve more numbers. */
MUST_CHECK enum err vault_object_next(struct vault_objects *objects, uint64_t *ret_id,
                                      char ret_uid[VAULT_UID_MAX + 1]);
struct keeper_row vault_object_row(const struct vault_object *object);

/* Whose eyes: the groups of the client that asks, the first is its primary one. */
struct vault_eyes {
    uint64_t client;
    uint32_t groups[VAULT_GROUPS_MAX];
    unsigned count;
};

/* ---- reading, inside store_reader_begin/_end of the caller ---- */

/* ERR_NOT_FOUND where it is not there or not for these eyes. Copies into the arena. */
MUST_CHECK enum err vault_object_get(struct store_conn *conn, const struct vault_eyes *eyes,
                                     struct bytes uid, struct arena *arena,
                                     struct vault_object *ret_object, struct err_detail *detail);

enum vault_compare { VAULT_EQUAL, VAULT_RANGE /* from..to, both included */, VAULT_PREFIX };
struct vault_term {
    enum vault_compare compare;
    struct vault_key key; /* or the lower end */
    struct vault_key to;
};
struct vault_query {
    const struct vault_term *terms; /* all must hold */
    size_t count;
    unsigned selective; /* index of the term that finds the fewest, as the protocol guesses */
    bool online, archived, destroyed; /* storage status wanted: destroyed ones by their state */
    uint32_t offset, max;             /* max 0: VAULT_LOCATE_MAX */
    bool total;                       /* count all, for Located Items */
    uint64_t below;  /* only objects with a lower row number, to go on from a page; 0: all */
    uint32_t effort; /* candidates looked at, then ERR_BUSY; 0: as many as it takes */
};
#define VAULT_LOCATE_MAX 10000
#define VAULT_TERMS_MAX  64
struct vault_located {
    uint64_t id;
    const char *uid; /* in the arena */
};
#define VAULT_LOCATE_EFFORT 10000 /* what a loop can spare: some 30 ms */
/* Newest first. No terms: everything of these groups. ERR_LIMIT above VAULT_TERMS_MAX. */
MUST_CHECK enum err vault_object_locate(struct store_conn *conn, const struct vault_eyes *eyes,
                                        const struct vault_query *query, struct arena *arena,
                                        struct vault_located **ret_found, size_t *ret_count,
                                        size_t *ret_total, struct err_detail *detail);

/* The same with a reader of its own on one of the threads, while the calling fiber is paused (or at
 * once on a plain thread): for what was ERR_BUSY above. */
struct workers;
MUST_CHECK enum err vault_object_locate_apart(struct store *store, struct workers *workers,
                                              const struct vault_eyes *eyes,
                                              const struct vault_query *query, struct arena *arena,
                                              struct vault_located **ret_found, size_t *ret_count,
                                              size_t *ret_total, struct err_detail *detail);

/* Changing: vault/object_tx.h */
