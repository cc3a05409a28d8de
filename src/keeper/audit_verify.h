#pragma once

#include "crypto/rsa.h"
#include "keeper/audit.h"
#include "keeper/segment.h"

/* Reading and verifying a chain without the daemon: a folder of segment files, the live one or a
 * copy, and the server's public key. Blocking; one thread. */

/* Reads records in order, checking each: header, chain, order of segments. */
struct audit_reader;

/* `from_seq` 0: from the first segment there is. Otherwise from the segment that has the record,
 * and records before it are checked and left out. ERR_NOT_FOUND where the folder has no segment. */
MUST_CHECK enum err audit_reader_open(const char *dir, uint64_t from_seq,
                                      struct audit_reader **ret_reader, struct err_detail *detail);
void audit_reader_free(struct audit_reader *reader); /* NULL is allowed */
void audit_reader_freep(struct audit_reader **reader);
/* ret_end: no more records now; a later call goes on where the live segment has grown (or another
 * has come). ERR_AUDIT at the first record that is wrong, and for ever after. */
MUST_CHECK enum err audit_read_next(struct audit_reader *reader, struct audit_record *ret_record,
                                    bool *ret_end, struct err_detail *detail);

/* Where it stands: the next record, or the one that is wrong. */
void audit_reader_position(const struct audit_reader *reader, uint64_t *ret_segment,
                           uint64_t *ret_offset, uint64_t *ret_seq);
/* Header of the segment it stands in; borrowed. */
const struct segment_header *audit_reader_segment(const struct audit_reader *reader);
/* Bytes after the last record that a crash left half written; known at the end. */
uint64_t audit_reader_torn(const struct audit_reader *reader);
/* Number of the last segment there is. */
uint64_t audit_reader_last(const struct audit_reader *reader);

/* What a `head-signature` record says; views into its text. ERR_SYNTAX. */
struct audit_signature {
    struct audit_head head;
    struct bytes fingerprint; /* SHA-256 of the key's SubjectPublicKeyInfo */
    struct bytes signature;
};
MUST_CHECK enum err audit_signature_decode(const struct audit_record *record,
                                           struct audit_signature *ret_signature);

struct audit_verify_progress {
    uint64_t bytes_done;
    uint64_t bytes_total;
    uint64_t records;
};

struct audit_verify_options {
    const struct rsa_public *const *keys; /* the server's, and what it used before */
    size_t key_count;                     /* 0: signatures are counted, not checked */
    bool whole;                           /* the chain must be there from its first segment */
    const struct audit_head *at_least;    /* a record known from elsewhere; NULL: none */
    /* Called about every 16 MiB; false cancels (ERR_CANCELLED). NULL: none. */
    bool (*progress)(const struct audit_verify_progress *progress, void *ctx);
    void *ctx;
};

/* The first thing that is wrong. */
struct audit_problem {
    enum err err; /* ERR_OK: nothing */
    uint64_t segment;
    uint64_t offset; /* in the segment's file */
    uint64_t seq;    /* of the record, or the one that should stand there */
    char text[256];
};

struct audit_verify_result {
    uint8_t chain_id[AUDIT_CHAIN_SIZE];
    uint64_t first_segment, last_segment, segments;
    uint64_t first_seq, records;
    uint64_t first_us, last_us;
    uint64_t kinds[AUDIT_KIND_END]; /* unknown kinds are counted in [0] */
    uint64_t signatures;            /* that verified; all there are, where no key was given */
    struct audit_head head;         /* of the whole */
    struct audit_head signed_head;  /* last one signed; seq 0: none */
    uint64_t signed_us;
    uint64_t torn_bytes; /* a half-written tail of the live segment: no problem after a crash */
    struct audit_problem problem;
};

/* Verify a folder. Fills `ret_result` on success and where something in the chain is wrong: then
 * the error is also in its `problem`. ERR_AUDIT, ERR_SIGNATURE, ERR_UNSUPPORTED, ERR_IO,
 * ERR_CANCELLED. */
MUST_CHECK enum err audit_verify(const char *dir, const struct audit_verify_options *options,
                                 struct audit_verify_result *ret_result, struct err_detail *detail);
