#pragma once

#include "audit_kinds.h"
#include "base/bytes.h"

/* The keeper's audit chain: records in segment files of fixed size, each carrying the hash of the
 * one before it (the format: keeper/segment.h). The keeper can't open files; descriptors come from
 * the supervisor, and one spare is always held. One thread. */

#define AUDIT_HASH_SIZE  32
#define AUDIT_CHAIN_SIZE 16
#define AUDIT_ACTOR_MAX  64
#define AUDIT_TEXT_MAX   1200

struct audit;

/* What a kind of record is called; from data/audit.toml. */
struct audit_kind_row {
    const char *name; /* "release"; NULL: no such kind */
    const char *about;
    bool note; /* the engine may have it written */
};
extern const struct audit_kind_row audit_kind_rows[AUDIT_KIND_END];
/* NULL for an unknown number. */
const struct audit_kind_row *audit_kind_row(unsigned number);
/* ERR_NOT_FOUND for an unknown name. */
MUST_CHECK enum err audit_kind_find(const char *name, enum audit_kind *ret_kind);

/* What happened. Fields that mean nothing for the kind are zero. Longer actors and texts are cut;
 * control characters in them become '?'. */
struct audit_event {
    enum audit_kind kind;
    enum err result;
    uint32_t domain;
    uint8_t table;
    uint8_t purpose;
    uint64_t row;
    uint32_t epoch;
    struct bytes actor;
    struct bytes text;
};

/* A place in the chain: the last record's sequence number (from 1) and hash. */
struct audit_head {
    uint64_t seq;
    uint8_t hash[AUDIT_HASH_SIZE];
};

struct audit_setup {
    int current;                       /* the last segment that has a header; -1: a new chain */
    int spare;                         /* an empty segment; -1 for none (only with current) */
    const struct audit_head *at_least; /* the chain reaches this record at least; NULL: unknown */
    uint64_t sign_interval_us;         /* head signatures while something happens */
};

/* Check the current segment and find its end, or begin a chain in the spare. A tail that a crash
 * left half written is cut, and a `recovered` record appended. ERR_AUDIT where anything else is
 * wrong (the detail names segment, offset and record), and nothing was changed then. Takes the
 * descriptors, on failure too. */
MUST_CHECK enum err audit_open(const struct audit_setup *setup, struct audit **ret_audit,
                               struct err_detail *detail);
/* Closes the descriptors; commits nothing. NULL is allowed. */
void audit_free(struct audit *audit);

/* Takes `fd`, an empty segment; ERR_STATE where a spare is there, ERR_ARGUMENT where its size is
 * wrong or it is not empty (closed then). */
MUST_CHECK enum err audit_add_spare(struct audit *audit, int fd, struct err_detail *detail);
bool audit_wants_spare(const struct audit *audit);
/* Number of the segment that is being written. */
uint64_t audit_segment(const struct audit *audit);
/* ERR_AUDIT unless record `seq` has this hash: the engine's recorded head against the chain. A
 * record of an earlier segment is only known to exist. */
MUST_CHECK enum err audit_expect(struct audit *audit, const struct audit_head *at_least,
                                 struct err_detail *detail);

/* Append to the buffer; durable after audit_commit. ERR_BUSY where the segment is full and no spare
 * has come (nothing was appended: ask the supervisor, try later). Any other error is for good:
 * after it all calls fail, and the keeper has to stop answering. */
MUST_CHECK enum err audit_append(struct audit *audit, const struct audit_event *event);
/* Write what is buffered and wait for the disk. Nothing to do costs nothing. */
MUST_CHECK enum err audit_commit(struct audit *audit, struct err_detail *detail);
/* Write without waiting for the disk (reads = buffered); commit at least every 100 ms. */
MUST_CHECK enum err audit_flush_buffered(struct audit *audit, struct err_detail *detail);
/* The last record appended, and the last one that is durable. */
void audit_head(const struct audit *audit, struct audit_head *ret_head);
uint64_t audit_durable(const struct audit *audit);

/* Signing the head. Due when something but signatures was recorded and the interval is over, or a
 * segment was closed since the last one; false while one is under way. */
bool audit_sign_due(const struct audit *audit, uint64_t now_us);
/* Append a `head` record and give the digest the token has to sign (RSASSA-PKCS1-v1_5 over SHA-256,
 * audit_head_digest). Other records may be appended until the signature is there. */
MUST_CHECK enum err audit_sign_begin(struct audit *audit, uint8_t ret_digest[AUDIT_HASH_SIZE]);
/* Append the signature with the SHA-256 fingerprint of the key that made it. */
MUST_CHECK enum err audit_sign_end(struct audit *audit, struct bytes signature,
                                   const uint8_t fingerprint[AUDIT_HASH_SIZE]);
/* The token could not; due again after the interval. */
void audit_sign_failed(struct audit *audit, uint64_t now_us);

/* What is signed: SHA-256 of "claviger audit head v1", a zero byte, chain id, seq (u64 BE), hash.
 */
MUST_CHECK enum err audit_head_digest(const uint8_t chain_id[AUDIT_CHAIN_SIZE],
                                      const struct audit_head *head,
                                      uint8_t ret_digest[AUDIT_HASH_SIZE]);
