#pragma once

#include "crypto/hash.h"
#include "keeper/audit.h"

/* The format of audit segments, and a scanner that checks one. All integers are big-endian.
 *
 * A segment file is "%010llu.audit" with its number; its size is fixed, its unused rest is zero.
 *
 *   header    magic "CLVAUDIT" | u16 version = 1 | u16 header length = 128 | u32 zero | chain id 16
 * | u64 number (from 1) | u64 first sequence number | 32 hash of the last record of the segment
 * before (zero in the first) | u64 created, µs | u64 file size | 32 SHA-256 of all this record u16
 * ~length | u16 length | u64 seq | u64 time, µs | u16 kind | u16 result | u32 domain | u8 table |
 * u8 purpose | u64 row | u32 epoch | u8 actor length, actor | u16 text length, text | zero to three
 * zero bytes | 32 SHA-256(hash before || all before this)
 *
 * The hash before a segment's first record is the last field of the header, so every hash covers
 * the 32 bytes in front of its record. Lengths are multiples of 4: a length never lies across two
 * sectors, so what a crash leaves (whole sectors of zeros) can be told from an edited record. */

#define SEGMENT_HEADER_SIZE  128
#define SEGMENT_VERSION      1
#define SEGMENT_SECTOR       512
#define SEGMENT_SIZE_MIN     ((uint64_t)8 * 1024)
#define SEGMENT_SIZE_MAX     ((uint64_t)1024 * 1024 * 1024)
#define SEGMENT_SIZE_DEFAULT ((uint64_t)64 * 1024 * 1024)
/* Records that may be unsynced at a time, and so the longest tail a crash can tear, in bytes. */
#define SEGMENT_TORN_MAX   ((size_t)4 * 1024 * 1024)
#define SEGMENT_RECORD_MIN 80
#define SEGMENT_RECORD_MAX (77 + AUDIT_ACTOR_MAX + AUDIT_TEXT_MAX + 3)
#define SEGMENT_NAME_SIZE  32

struct segment_header {
    uint8_t chain_id[AUDIT_CHAIN_SIZE];
    uint64_t number;
    uint64_t first_seq;
    uint8_t prev_hash[AUDIT_HASH_SIZE];
    uint64_t created_us;
    uint64_t size;
    uint8_t digest[AUDIT_HASH_SIZE]; /* set by encode and decode */
};

/* "0000000001.audit" */
void segment_name(uint64_t number, char to[SEGMENT_NAME_SIZE]);
/* The number in a file's name; false for other names. */
bool segment_name_parse(const char *name, uint64_t *ret_number);

MUST_CHECK enum err segment_header_encode(struct segment_header *header,
                                          uint8_t to[SEGMENT_HEADER_SIZE]);
/* ERR_AUDIT for what is no header or an altered one, ERR_UNSUPPORTED for a later version. */
MUST_CHECK enum err segment_header_decode(const uint8_t from[SEGMENT_HEADER_SIZE],
                                          struct segment_header *ret_header,
                                          struct err_detail *detail);
/* Whether all of the header's place is zero: a spare. */
bool segment_header_blank(const uint8_t from[SEGMENT_HEADER_SIZE]);

/* A record as it was read; `event.actor` and `event.text` are views that hold until the next read.
 */
struct audit_record {
    struct audit_event event; /* kind may be a number this version does not know */
    uint64_t seq;
    uint64_t time_us;
    uint8_t hash[AUDIT_HASH_SIZE];
    uint64_t segment; /* where it stands */
    uint64_t offset;
};

/* Bytes a record of these lengths takes. */
size_t segment_record_size(size_t actor_len, size_t text_len);
/* Encode at `to`, where the hash before it stands in the 32 bytes in front of `to`. `to` has room
 * for segment_record_size(). Actor and text within their limits. */
MUST_CHECK enum err segment_record_encode(struct hash *hash, const struct audit_event *event,
                                          uint64_t seq, uint64_t time_us, uint8_t *to);

/* Whether a record's length stands at `at` (4 bytes). */
bool segment_record_length(const uint8_t *at, size_t *ret_length);
/* A record of that length whose hash was checked; sets all but segment and offset. ERR_SYNTAX,
 * ERR_TRUNCATED. */
MUST_CHECK enum err segment_record_decode(const uint8_t *at, size_t length,
                                          struct audit_record *ret_record);

/* Reads one segment from its start, checking everything. Embedded; segment_scan_done at the end. */
struct segment_scan {
    int fd; /* borrowed */
    struct segment_header header;
    bool live; /* the last of its chain: may end early, may be torn */
    struct hash *hash;
    uint8_t *buf; /* buf_len bytes of the file from buf_offset on */
    uint64_t buf_offset;
    size_t buf_len;
    uint64_t offset; /* of the next record */
    uint64_t next_seq;
    uint8_t last_hash[AUDIT_HASH_SIZE]; /* of the last record, or of the header */
    uint64_t records;
    bool tail_checked;
    uint64_t torn_bytes; /* after the end: from `offset` to the last byte that is not zero */
};

/* `live` as above. ERR_AUDIT, ERR_UNSUPPORTED, ERR_IO. */
MUST_CHECK enum err segment_scan_init(struct segment_scan *scan, int fd, bool live,
                                      struct err_detail *detail);
void segment_scan_done(struct segment_scan *scan);
/* ret_end is true after the last record; in a live segment a later call sees what was appended
 * since. ERR_AUDIT: what stands at `offset` is neither a record nor
 * what a crash leaves. */
MUST_CHECK enum err segment_scan_next(struct segment_scan *scan, struct audit_record *ret_record,
                                      bool *ret_end, struct err_detail *detail);
