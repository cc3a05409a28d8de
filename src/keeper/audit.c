#include "keeper/audit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/random.h"
#include "keeper/segment.h"

/* What one write takes; a cycle of the keeper rarely makes more. */
#define BUF_SIZE ((size_t)1024 * 1024)
_Static_assert(2 * BUF_SIZE <= SEGMENT_TORN_MAX, "a crash could tear more than recovery allows");

#define SIGNED_PREFIX "claviger audit head v1"

struct audit {
    int fd;
    int spare;
    uint64_t spare_size;
    struct segment_header header;
    struct hash *hash;
    enum err failed; /* sticks */
    struct err_detail failure;

    uint8_t *memory; /* the last hash, then `data` */
    uint8_t *data;   /* not yet written */
    size_t len;
    uint64_t offset;   /* in the segment, of data[0] */
    uint64_t unsynced; /* bytes written, perhaps not on the disk */
    uint64_t seq;
    uint64_t written;
    uint64_t durable;

    uint64_t sign_interval_us;
    uint64_t sign_not_before;
    bool dirty;   /* something happened since the last signature */
    bool closed;  /* a segment was closed since */
    bool signing; /* `marked` waits for its signature */
    struct audit_head marked;
};

static const uint8_t *last_hash(const struct audit *audit)
{
    return audit->data + audit->len - AUDIT_HASH_SIZE;
}

/* After a failed write nobody knows what is on the disk (fdatasync reports once), so nothing may be
 * answered any more. */
static enum err fail(struct audit *audit, enum err err)
{
    audit->failed = err;
    return err;
}

static enum err write_at(int fd, const uint8_t *data, size_t len, uint64_t offset,
                         struct err_detail *detail)
{
    while (len != 0) {
        ssize_t put = pwrite(fd, data, len, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_errno(detail, "can't write the audit segment");
        data += put;
        len -= (size_t)put;
        offset += (size_t)put;
    }
    return ERR_OK;
}

static enum err sync_fd(int fd, struct err_detail *detail)
{
    if (fdatasync(fd) != 0)
        return err_errno(detail, "can't sync the audit segment");
    return ERR_OK;
}

static enum err flush(struct audit *audit)
{
    if (audit->len == 0)
        return ERR_OK;
    enum err err = write_at(audit->fd, audit->data, audit->len, audit->offset, &audit->failure);
    if (err != ERR_OK)
        return fail(audit, err);
    audit->offset += audit->len;
    audit->unsynced += audit->len;
    audit->written = audit->seq;
    memmove(audit->memory, last_hash(audit), AUDIT_HASH_SIZE);
    audit->len = 0;
    return ERR_OK;
}

static enum err sync_written(struct audit *audit)
{
    if (audit->unsynced == 0)
        return ERR_OK;
    enum err err = sync_fd(audit->fd, &audit->failure);
    if (err != ERR_OK)
        return fail(audit, err);
    audit->unsynced = 0;
    audit->durable = audit->written;
    return ERR_OK;
}

/* No event may come between a check for room and its record, hence one function for all records. */
static enum err append_one(struct audit *audit, const struct audit_event *event)
{
    size_t size = segment_record_size(event->actor.len, event->text.len);
    if (audit->len + size > BUF_SIZE) {
        TRY(flush(audit));
        if (audit->unsynced + BUF_SIZE > SEGMENT_TORN_MAX)
            TRY(sync_written(audit));
    }
    enum err err = segment_record_encode(audit->hash, event, audit->seq + 1, clock_now_us(),
                                         audit->data + audit->len);
    if (err != ERR_OK)
        return fail(audit, err);
    audit->len += size;
    audit->seq++;
    return ERR_OK;
}

static enum err begin_segment(struct audit *audit)
{
    audit->header.number++;
    audit->header.first_seq = audit->seq + 1;
    audit->header.created_us = clock_now_us();
    audit->header.size = audit->spare_size;
    audit->fd = audit->spare;
    audit->spare = -1;
    audit->offset = 0;
    enum err err = segment_header_encode(&audit->header, audit->data);
    if (err != ERR_OK)
        return fail(audit, err);
    audit->len = SEGMENT_HEADER_SIZE;
    return append_one(
        audit, &(struct audit_event){.kind = AUDIT_SEGMENT_OPENED, .row = audit->header.number});
}

/* The old segment is on the disk before the new one gets its first byte, so a torn tail can only be
 * in the last. */
static enum err roll_over(struct audit *audit)
{
    if (audit->spare < 0)
        return ERR_BUSY;
    memcpy(audit->header.prev_hash, last_hash(audit), AUDIT_HASH_SIZE);
    TRY(flush(audit));
    TRY(sync_written(audit));
    (void)close(audit->fd);
    audit->fd = -1;
    audit->closed = true;
    return begin_segment(audit);
}

static bool has_room(const struct audit *audit, size_t size)
{
    return audit->offset + audit->len + size <= audit->header.size;
}

static enum err append_checked(struct audit *audit, const struct audit_event *event)
{
    if (audit->failed != ERR_OK)
        return audit->failed;
    if (!has_room(audit, segment_record_size(event->actor.len, event->text.len)))
        TRY(roll_over(audit));
    return append_one(audit, event);
}

static struct bytes cleaned(struct bytes from, uint8_t *to, size_t max)
{
    size_t len = from.len < max ? from.len : max;
    for (size_t i = 0; i < len; i++)
        to[i] = from.data[i] < 0x20 || from.data[i] == 0x7f ? '?' : from.data[i];
    return bytes_of(to, len);
}

enum err audit_append(struct audit *audit, const struct audit_event *event)
{
    uint8_t actor[AUDIT_ACTOR_MAX], text[AUDIT_TEXT_MAX];
    struct audit_event clean = *event;
    clean.actor = cleaned(event->actor, actor, sizeof actor);
    clean.text = cleaned(event->text, text, sizeof text);
    TRY(append_checked(audit, &clean));
    audit->dirty = true;
    return ERR_OK;
}

static enum err write_out(struct audit *audit, uint64_t unsynced_max)
{
    if (audit->failed != ERR_OK)
        return audit->failed;
    TRY(flush(audit));
    return audit->unsynced > unsynced_max ? sync_written(audit) : ERR_OK;
}

static enum err explained(const struct audit *audit, enum err err, struct err_detail *detail)
{
    if (err != ERR_OK && detail != NULL)
        *detail = audit->failure;
    return err;
}

enum err audit_flush_buffered(struct audit *audit, struct err_detail *detail)
{
    return explained(audit, write_out(audit, SEGMENT_TORN_MAX - BUF_SIZE), detail);
}

enum err audit_commit(struct audit *audit, struct err_detail *detail)
{
    return explained(audit, write_out(audit, 0), detail);
}

void audit_head(const struct audit *audit, struct audit_head *ret_head)
{
    ret_head->seq = audit->seq;
    memcpy(ret_head->hash, last_hash(audit), AUDIT_HASH_SIZE);
}

uint64_t audit_durable(const struct audit *audit)
{
    return audit->durable;
}

uint64_t audit_segment(const struct audit *audit)
{
    return audit->header.number;
}

bool audit_wants_spare(const struct audit *audit)
{
    return audit->spare < 0;
}

static enum err check_spare(int fd, uint64_t *ret_size, struct err_detail *detail)
{
    struct stat st;
    uint8_t start[SEGMENT_HEADER_SIZE];
    if (fstat(fd, &st) != 0)
        return err_errno(detail, "can't stat the spare audit segment");
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)SEGMENT_SIZE_MIN ||
        st.st_size > (off_t)SEGMENT_SIZE_MAX || st.st_size % 4096 != 0)
        return err_set(detail, ERR_ARGUMENT, "a spare audit segment of %lld bytes",
                       (long long)st.st_size);
    if (pread(fd, start, sizeof start, 0) != (ssize_t)sizeof start)
        return err_errno(detail, "can't read the spare audit segment");
    if (!segment_header_blank(start))
        return err_set(detail, ERR_ARGUMENT, "the spare audit segment is not empty");
    *ret_size = (uint64_t)st.st_size;
    return ERR_OK;
}

enum err audit_add_spare(struct audit *audit, int fd, struct err_detail *detail)
{
    if (audit->spare >= 0)
        return err_set(detail, ERR_STATE, "a spare audit segment is there already");
    AUTO(file_closep) int taken = fd;
    TRY(check_spare(fd, &audit->spare_size, detail));
    audit->spare = file_take(&taken);
    return ERR_OK;
}

static enum err expect_found(const struct audit_head *want, const uint8_t *hash,
                             struct err_detail *detail)
{
    if (memcmp(want->hash, hash, AUDIT_HASH_SIZE) == 0)
        return ERR_OK;
    return err_set(detail, ERR_AUDIT, "record %llu is another one than is known to be there",
                   (unsigned long long)want->seq);
}

static enum err expect_reached(const struct audit_head *want, uint64_t seq,
                               struct err_detail *detail)
{
    if (want->seq <= seq)
        return ERR_OK;
    return err_set(detail, ERR_AUDIT,
                   "the chain ends with record %llu, but record %llu is known to have been there",
                   (unsigned long long)seq, (unsigned long long)want->seq);
}

/* Run over the current segment; gives what the chain's state needs to go on. */
static enum err scan_segment(struct audit *audit, const struct audit_head *at_least,
                             struct segment_scan *scan, struct err_detail *detail)
{
    if (at_least != NULL && at_least->seq != 0 && at_least->seq + 1 == scan->header.first_seq)
        TRY(expect_found(at_least, scan->header.prev_hash, detail));
    for (;;) {
        struct audit_record record;
        bool end;
        TRY(segment_scan_next(scan, &record, &end, detail));
        if (end)
            break;
        if (at_least != NULL && record.seq == at_least->seq)
            TRY(expect_found(at_least, record.hash, detail));
        if (record.event.kind == AUDIT_HEAD_SIGNATURE) {
            audit->dirty = false;
            audit->closed = audit->closed && record.event.row < scan->header.first_seq;
            audit->sign_not_before = record.time_us + audit->sign_interval_us;
        } else if (record.event.kind == AUDIT_SEGMENT_OPENED) {
            audit->closed = record.event.row > 1;
        } else if (record.event.kind != AUDIT_HEAD) {
            audit->dirty = true;
        }
    }
    return at_least != NULL ? expect_reached(at_least, scan->next_seq - 1, detail) : ERR_OK;
}

static void scan_donep(struct segment_scan *scan)
{
    segment_scan_done(scan);
}

enum err audit_expect(struct audit *audit, const struct audit_head *at_least,
                      struct err_detail *detail)
{
    if (audit->failed != ERR_OK)
        return audit->failed;
    TRY(expect_reached(at_least, audit->seq, detail));
    if (at_least->seq == audit->seq)
        return expect_found(at_least, last_hash(audit), detail);
    if (at_least->seq + 1 < audit->header.first_seq)
        return ERR_OK;
    TRY(explained(audit, flush(audit), detail));
    AUTO(scan_donep) struct segment_scan scan = {0};
    TRY(segment_scan_init(&scan, audit->fd, true, detail));
    struct audit unused = {0};
    return scan_segment(&unused, at_least, &scan, detail);
}

/* Zero what a crash left half written, so that it can never look like a record again. */
static enum err cut_tail(struct audit *audit, uint64_t bytes, struct err_detail *detail)
{
    static const uint8_t zero[4096];
    for (uint64_t done = 0; done < bytes; done += sizeof zero) {
        size_t part = bytes - done < sizeof zero ? (size_t)(bytes - done) : sizeof zero;
        TRY(write_at(audit->fd, zero, part, audit->offset + done, detail));
    }
    TRY(sync_fd(audit->fd, detail));
    char text[96];
    int len = snprintf(text, sizeof text, "%llu bytes after record %llu were cut",
                       (unsigned long long)bytes, (unsigned long long)audit->seq);
    return append_checked(audit, &(struct audit_event){.kind = AUDIT_RECOVERED,
                                                       .row = bytes,
                                                       .text = bytes_of(text, (size_t)len)});
}

static enum err open_current(struct audit *audit, const struct audit_head *at_least,
                             struct err_detail *detail)
{
    AUTO(scan_donep) struct segment_scan scan = {0};
    TRY(segment_scan_init(&scan, audit->fd, true, detail));
    TRY(scan_segment(audit, at_least, &scan, detail));
    audit->header = scan.header;
    audit->offset = scan.offset;
    audit->seq = audit->written = audit->durable = scan.next_seq - 1;
    memcpy(audit->memory, scan.last_hash, AUDIT_HASH_SIZE);
    if (scan.torn_bytes == 0)
        return ERR_OK;
    if (audit->spare < 0 && !has_room(audit, SEGMENT_RECORD_MAX))
        return err_set(detail, ERR_BUSY, "a spare audit segment is wanted first");
    return cut_tail(audit, scan.torn_bytes, detail);
}

static enum err open_new(struct audit *audit, const struct audit_head *at_least,
                         struct err_detail *detail)
{
    if (at_least != NULL)
        TRY(expect_reached(at_least, 0, detail));
    if (audit->spare < 0)
        return err_set(detail, ERR_ARGUMENT, "no audit segment to begin in");
    TRY(random_bytes(audit->header.chain_id, sizeof audit->header.chain_id));
    return begin_segment(audit);
}

static enum err open_with(struct audit *audit, const struct audit_setup *setup,
                          struct err_detail *detail)
{
    audit->memory = malloc(AUDIT_HASH_SIZE + BUF_SIZE);
    if (audit->memory == NULL)
        return ERR_NO_MEMORY;
    audit->data = audit->memory + AUDIT_HASH_SIZE;
    TRY(hash_new(&audit->hash));
    if (audit->spare >= 0)
        TRY(check_spare(audit->spare, &audit->spare_size, detail));
    if (audit->fd >= 0)
        TRY(open_current(audit, setup->at_least, detail));
    else
        TRY(open_new(audit, setup->at_least, detail));
    return audit_commit(audit, detail);
}

enum err audit_open(const struct audit_setup *setup, struct audit **ret_audit,
                    struct err_detail *detail)
{
    AUTO(file_closep) int current = setup->current;
    AUTO(file_closep) int spare = setup->spare;
    struct audit *audit = calloc(1, sizeof *audit);
    if (audit == NULL)
        return ERR_NO_MEMORY;
    audit->fd = file_take(&current);
    audit->spare = file_take(&spare);
    audit->sign_interval_us = setup->sign_interval_us;
    enum err err = open_with(audit, setup, detail);
    if (err != ERR_OK)
        audit_free(audit);
    else
        *ret_audit = audit;
    return err;
}

void audit_free(struct audit *audit)
{
    if (audit == NULL)
        return;
    file_closep(&audit->fd);
    file_closep(&audit->spare);
    hash_free(audit->hash);
    free(audit->memory);
    free(audit);
}

bool audit_sign_due(const struct audit *audit, uint64_t now_us)
{
    if (audit->signing || audit->failed != ERR_OK)
        return false;
    /* a clock that was set back must not put signatures off for long */
    bool over = now_us >= audit->sign_not_before ||
                audit->sign_not_before - now_us > audit->sign_interval_us;
    return audit->closed || (audit->dirty && over);
}

enum err audit_sign_begin(struct audit *audit, uint8_t ret_digest[AUDIT_HASH_SIZE])
{
    if (audit->signing)
        return ERR_STATE;
    TRY(append_checked(audit, &(struct audit_event){.kind = AUDIT_HEAD}));
    audit_head(audit, &audit->marked);
    audit->signing = true;
    audit->dirty = audit->closed = false;
    return audit_head_digest(audit->header.chain_id, &audit->marked, ret_digest);
}

enum err audit_sign_end(struct audit *audit, struct bytes signature,
                        const uint8_t fingerprint[AUDIT_HASH_SIZE])
{
    if (!audit->signing)
        return ERR_STATE;
    uint8_t text[AUDIT_TEXT_MAX];
    struct writer w = writer_of(text, sizeof text);
    writer_u64(&w, audit->marked.seq);
    writer_bytes(&w, BYTES(audit->marked.hash));
    writer_bytes(&w, bytes_of(fingerprint, AUDIT_HASH_SIZE));
    writer_bytes16(&w, signature);
    TRY(writer_status(&w));
    TRY(append_checked(audit, &(struct audit_event){.kind = AUDIT_HEAD_SIGNATURE,
                                                    .row = audit->marked.seq,
                                                    .text = writer_view(&w)}));
    audit->signing = false;
    audit->sign_not_before = clock_now_us() + audit->sign_interval_us;
    return ERR_OK;
}

void audit_sign_failed(struct audit *audit, uint64_t now_us)
{
    /* dirty, not closed: with `closed` it would be tried again at once */
    audit->signing = false;
    audit->dirty = true;
    audit->sign_not_before = now_us + audit->sign_interval_us;
}

enum err audit_head_digest(const uint8_t chain_id[AUDIT_CHAIN_SIZE], const struct audit_head *head,
                           uint8_t ret_digest[AUDIT_HASH_SIZE])
{
    uint8_t seq[8];
    be64_store(seq, head->seq);
    const struct bytes parts[] = {{(const uint8_t *)SIGNED_PREFIX, sizeof SIGNED_PREFIX},
                                  {chain_id, AUDIT_CHAIN_SIZE},
                                  BYTES(seq),
                                  BYTES(head->hash)};
    return hash_sha256(parts, ARRAY_LEN(parts), ret_digest);
}
