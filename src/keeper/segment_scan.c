#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/segment.h"

#define BUF_SIZE ((size_t)1024 * 1024)
/* A live segment grows while it is read; what looks wrong is looked at anew before it is said. */
#define LIVE_ATTEMPTS 3

enum verdict { IS_RECORD, IS_END, IS_WRONG };

static bool all_zero(const uint8_t *at, size_t len)
{
    return len == 0 || (at[0] == 0 && memcmp(at, at + 1, len - 1) == 0);
}

static enum err read_at(int fd, uint64_t offset, uint8_t *to, size_t len, size_t *ret_len,
                        struct err_detail *detail)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = pread(fd, to + done, len - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(detail, "can't read the audit segment");
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_len = done;
    return ERR_OK;
}

static enum err scan_start(struct segment_scan *scan, struct err_detail *detail)
{
    uint8_t raw[SEGMENT_HEADER_SIZE];
    size_t len = 0;
    TRY(read_at(scan->fd, 0, raw, sizeof raw, &len, detail));
    if (len != sizeof raw)
        return err_set(detail, ERR_AUDIT, "not an audit segment: only %zu bytes", len);
    TRY(segment_header_decode(raw, &scan->header, detail));
    struct stat st;
    if (fstat(scan->fd, &st) != 0)
        return err_errno(detail, "can't stat the audit segment");
    if ((uint64_t)st.st_size != scan->header.size)
        return err_set(detail, ERR_AUDIT, "segment %llu has %lld bytes; %llu are wanted",
                       (unsigned long long)scan->header.number, (long long)st.st_size,
                       (unsigned long long)scan->header.size);
    TRY(hash_new(&scan->hash));
    scan->buf = malloc(BUF_SIZE);
    if (scan->buf == NULL)
        return ERR_NO_MEMORY;
    scan->offset = SEGMENT_HEADER_SIZE;
    scan->next_seq = scan->header.first_seq;
    memcpy(scan->last_hash, scan->header.digest, AUDIT_HASH_SIZE);
    return ERR_OK;
}

enum err segment_scan_init(struct segment_scan *scan, int fd, bool live, struct err_detail *detail)
{
    *scan = (struct segment_scan){.fd = fd, .live = live};
    enum err err = scan_start(scan, detail);
    if (err != ERR_OK)
        segment_scan_done(scan);
    return err;
}

void segment_scan_done(struct segment_scan *scan)
{
    hash_free(scan->hash);
    free(scan->buf);
    scan->hash = NULL;
    scan->buf = NULL;
}

static void forget(struct segment_scan *scan)
{
    scan->buf_len = 0;
}

/* Have the hash before, the longest record, and the rest of its last sector in the buffer. */
static enum err fill(struct segment_scan *scan, struct err_detail *detail)
{
    uint64_t start = scan->offset - AUDIT_HASH_SIZE;
    uint64_t want = scan->offset + SEGMENT_RECORD_MAX + SEGMENT_SECTOR;
    if (want > scan->header.size)
        want = scan->header.size;
    if (scan->buf_len != 0 && scan->buf_offset <= start && want <= scan->buf_offset + scan->buf_len)
        return ERR_OK;
    uint64_t len = scan->header.size - start;
    if (len > BUF_SIZE)
        len = BUF_SIZE;
    size_t got = 0;
    forget(scan);
    TRY(read_at(scan->fd, start, scan->buf, (size_t)len, &got, detail));
    if (got != len)
        return err_set(detail, ERR_AUDIT, "segment %llu was cut while it was read",
                       (unsigned long long)scan->header.number);
    /* what was checked is what the next record is checked against, not what stands there now */
    memcpy(scan->buf, scan->last_hash, AUDIT_HASH_SIZE);
    scan->buf_offset = start;
    scan->buf_len = got;
    return ERR_OK;
}

static enum err wrong(const struct segment_scan *scan, struct err_detail *detail, const char *what)
{
    return err_set(detail, ERR_AUDIT, "segment %llu, offset %llu, record %llu: %s",
                   (unsigned long long)scan->header.number, (unsigned long long)scan->offset,
                   (unsigned long long)scan->next_seq, what);
}

/* A crash leaves whole sectors unwritten. In a record without any, nothing but an edit is wrong. */
static bool lacks_a_sector(const struct segment_scan *scan, const uint8_t *at, size_t length)
{
    size_t done = 0;
    while (done < length) {
        size_t part = SEGMENT_SECTOR - (size_t)((scan->offset + done) % SEGMENT_SECTOR);
        if (part > length - done)
            part = length - done;
        if (all_zero(at + done, part))
            return true;
        done += part;
    }
    return false;
}

/* Find the last byte that is not zero from `offset` on. */
static enum err measure_tail(struct segment_scan *scan, struct err_detail *detail)
{
    uint64_t at = scan->offset, last = at;
    forget(scan);
    while (at < scan->header.size) {
        uint64_t want = scan->header.size - at;
        size_t len = 0;
        TRY(read_at(scan->fd, at, scan->buf, want < BUF_SIZE ? (size_t)want : BUF_SIZE, &len,
                    detail));
        if (len == 0)
            return wrong(scan, detail, "the file was cut while it was read");
        size_t used = all_zero(scan->buf, len) ? 0 : len;
        while (used > 0 && scan->buf[used - 1] == 0)
            used--;
        if (used != 0)
            last = at + used;
        at += len;
    }
    scan->torn_bytes = last - scan->offset;
    return ERR_OK;
}

static enum err at_end(struct segment_scan *scan, enum verdict *ret_verdict,
                       struct err_detail *detail)
{
    *ret_verdict = IS_END;
    if (scan->tail_checked)
        return ERR_OK;
    TRY(measure_tail(scan, detail));
    if (scan->torn_bytes > (scan->live ? SEGMENT_TORN_MAX : 0)) {
        *ret_verdict = IS_WRONG;
        return wrong(scan, detail, "there are bytes behind the last record");
    }
    scan->tail_checked = true;
    return ERR_OK;
}

static enum err check_record(struct segment_scan *scan, const uint8_t *at, size_t length,
                             struct audit_record *ret_record, struct err_detail *detail)
{
    uint8_t hash[AUDIT_HASH_SIZE];
    TRY(hash_begin(scan->hash));
    TRY(hash_update(scan->hash, bytes_of(at - AUDIT_HASH_SIZE, length)));
    TRY(hash_end(scan->hash, hash));
    if (memcmp(hash, at + length - AUDIT_HASH_SIZE, AUDIT_HASH_SIZE) != 0)
        return wrong(scan, detail, "its hash does not fit: altered, moved, or not of this chain");
    struct audit_record record;
    if (segment_record_decode(at, length, &record) != ERR_OK)
        return wrong(scan, detail, "it is malformed");
    if (record.seq != scan->next_seq)
        return wrong(scan, detail, "it has another sequence number");
    record.segment = scan->header.number;
    record.offset = scan->offset;
    *ret_record = record;
    return ERR_OK;
}

static enum err look(struct segment_scan *scan, struct audit_record *ret_record,
                     enum verdict *ret_verdict, struct err_detail *detail)
{
    *ret_verdict = IS_WRONG;
    if (scan->offset == scan->header.size)
        return at_end(scan, ret_verdict, detail);
    TRY(fill(scan, detail));
    const uint8_t *at = scan->buf + (scan->offset - scan->buf_offset);
    uint64_t left = scan->header.size - scan->offset;
    size_t sector_left = SEGMENT_SECTOR - (size_t)(scan->offset % SEGMENT_SECTOR);
    if (be32_load(at) == 0) {
        if (!all_zero(at, sector_left < left ? sector_left : (size_t)left))
            return wrong(scan, detail,
                         "its length was removed, or something stands behind the end");
        return at_end(scan, ret_verdict, detail);
    }
    size_t length = 0;
    if (!segment_record_length(at, &length) || length > left)
        return wrong(scan, detail, "its length was altered");
    enum err err = check_record(scan, at, length, ret_record, detail);
    if (err == ERR_OK) {
        *ret_verdict = IS_RECORD;
        return ERR_OK;
    }
    if (err == ERR_AUDIT && scan->live && lacks_a_sector(scan, at, length))
        return at_end(scan, ret_verdict, detail);
    return err;
}

enum err segment_scan_next(struct segment_scan *scan, struct audit_record *ret_record,
                           bool *ret_end, struct err_detail *detail)
{
    struct audit_record record = {0};
    enum verdict verdict = IS_WRONG;
    enum err err = ERR_OK;
    for (int attempt = 0; attempt < (scan->live ? LIVE_ATTEMPTS : 1); attempt++) {
        err = look(scan, &record, &verdict, detail);
        if (err != ERR_AUDIT)
            break;
        forget(scan);
    }
    TRY(err);
    *ret_end = verdict == IS_END;
    if (verdict == IS_END) {
        forget(scan);
        return ERR_OK;
    }
    scan->offset += segment_record_size(record.event.actor.len, record.event.text.len);
    scan->next_seq++;
    scan->records++;
    scan->tail_checked = false;
    memcpy(scan->last_hash, record.hash, AUDIT_HASH_SIZE);
    *ret_record = record;
    return ERR_OK;
}
