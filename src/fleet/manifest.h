#pragma once

#include "base/buf.h"
#include "fleet/name.h"

/* The manifest of a batch key file, version 1:
 *
 *     claviger-manifest: 1
 *     network: metro-east
 *     realm: metro-east.example
 *     batch: 7                      or `all`
 *     nodes: 1000
 *     id-bits: 32
 *     file: batch7.csv.rsa
 *     sha256: <64 hex digits>       of the file
 *     passphrase-salt: <32 hex digits>
 *     created: 2026-11-21T02:39:00Z
 *
 *     0x00010200                    one per node, in the order of the file
 *     ...
 *     cmac: <32 hex digits>         AES-CMAC over every byte before this line, as in `.sig`
 *
 * Keys in this order, one blank after the colon, lower case, lines end with one LF. Nothing else is
 * accepted: every byte has one form, and every flipped bit shows. */

#define MANIFEST_LINE_MAX 300

struct manifest {
    char network[FLEET_NAME_MAX + 1];
    char realm[FLEET_REALM_MAX + 1];
    bool all;
    uint32_t batch;
    uint64_t nodes;
    unsigned id_bits;
    char file[FLEET_SOURCE_MAX + 1];
    uint8_t sha256[32];
    uint8_t salt[FLEET_SALT_SIZE];
    int64_t created;
};

/* Header and blank line; appends. The file name must fit a line and hold no control bytes. */
MUST_CHECK enum err manifest_write_header(const struct manifest *manifest, struct buf *to);
MUST_CHECK enum err manifest_write_id(uint64_t id, unsigned id_bits, struct buf *to);
MUST_CHECK enum err manifest_write_cmac(const uint8_t mac[16], struct buf *to);

/* Reads as a stream: pieces may be split anywhere. Embedded; manifest_reader_init, nothing to free.
 */
struct manifest_reader {
    struct manifest manifest; /* complete once `state` is past the header */
    uint8_t mac[16];          /* of the last line */
    uint64_t ids;             /* seen so far */
    uint64_t line;            /* number of the line being read, from 1 */
    uint64_t signed_len;      /* bytes before the cmac line */
    unsigned state;
    size_t len;
    char text[MANIFEST_LINE_MAX];
};
enum manifest_event {
    MANIFEST_MORE,   /* the input is used up */
    MANIFEST_HEADER, /* reader->manifest is filled */
    MANIFEST_ID,
    MANIFEST_END, /* the cmac line; nothing may follow */
};
void manifest_reader_init(struct manifest_reader *reader);
/* Advances *input. ERR_SYNTAX and ERR_LIMIT name the line. */
MUST_CHECK enum err manifest_reader_next(struct manifest_reader *reader, struct bytes *input,
                                         enum manifest_event *ret_event, uint64_t *ret_id,
                                         struct err_detail *detail);
/* At the end of the file: ERR_TRUNCATED without the cmac line, ERR_MISMATCH where `nodes` is not
 * the number of ids. */
MUST_CHECK enum err manifest_reader_finish(const struct manifest_reader *reader,
                                           struct err_detail *detail);
