#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "keeper/audit_verify.h"

struct audit_reader {
    int dir;
    int fd;
    struct segment_scan scan;
    uint64_t last; /* number of the last segment with a header */
    uint64_t from_seq;
    uint64_t entering; /* the segment whose header is being checked; 0: none */
    enum err failed;   /* ERR_AUDIT sticks */
    struct err_detail failure;
};

/* Opens segment `number` and reads its header's place; ret_blank for a spare. */
static enum err open_segment(int dir, uint64_t number, int *ret_fd, bool *ret_blank,
                             uint8_t start[SEGMENT_HEADER_SIZE], struct err_detail *detail)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    AUTO(file_closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(detail, "%s: can't open", name);
    ssize_t got = pread(fd, start, SEGMENT_HEADER_SIZE, 0);
    if (got < 0)
        return err_errno(detail, "%s: can't read", name);
    if (got < SEGMENT_HEADER_SIZE)
        return err_set(detail, ERR_AUDIT, "%s: only %zd bytes", name, got);
    *ret_blank = segment_header_blank(start);
    *ret_fd = file_take(&fd);
    return ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static enum err collect(DIR *dir, struct buf *numbers)
{
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        uint64_t number;
        if (segment_name_parse(entry->d_name, &number))
            TRY(buf_append(numbers, bytes_of(&number, sizeof number)));
    }
    return ERR_OK;
}

/* All segment numbers in order, without the spare (or spares) at the end. */
static enum err list_segments(int dir_fd, struct buf *numbers, struct err_detail *detail)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        enum err err = err_errno(detail, "can't read the audit folder");
        file_closep(&fd);
        return err;
    }
    enum err err = collect(dir, numbers);
    (void)closedir(dir);
    TRY(err);
    size_t count = numbers->len / sizeof(uint64_t);
    uint64_t *sorted = (uint64_t *)(void *)numbers->data;
    if (count != 0)
        qsort(sorted, count, sizeof *sorted, by_number);
    for (; count != 0; count--) {
        AUTO(file_closep) int spare = -1;
        bool blank = false;
        uint8_t start[SEGMENT_HEADER_SIZE];
        /* what is wrong with it is said when its turn comes */
        if (open_segment(dir_fd, sorted[count - 1], &spare, &blank, start, NULL) != ERR_OK ||
            !blank)
            break;
    }
    numbers->len = count * sizeof *sorted;
    if (count == 0)
        return err_set(detail, ERR_NOT_FOUND, "there is no audit segment in the folder");
    return ERR_OK;
}

static enum err find_last(struct audit_reader *reader, struct err_detail *detail)
{
    AUTO(buf_done) struct buf numbers = {0};
    TRY(list_segments(reader->dir, &numbers, detail));
    const uint64_t *number = (const uint64_t *)(const void *)numbers.data;
    if (number == NULL)
        return ERR_NOT_FOUND;
    reader->last = number[numbers.len / sizeof *number - 1];
    return ERR_OK;
}

static enum err enter_segment(struct audit_reader *reader, uint64_t number,
                              struct err_detail *detail)
{
    AUTO(file_closep) int fd = -1;
    bool blank = false;
    uint8_t start[SEGMENT_HEADER_SIZE];
    reader->entering = number;
    enum err err = open_segment(reader->dir, number, &fd, &blank, start, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, ERR_AUDIT, "segment %llu is missing", (unsigned long long)number);
    TRY(err);
    if (blank)
        return err_set(detail, ERR_AUDIT, "segment %llu is empty, but there are later ones",
                       (unsigned long long)number);
    struct segment_scan scan;
    struct err_detail why = {0};
    err = segment_scan_init(&scan, fd, number == reader->last, &why);
    if (err != ERR_OK)
        return err_set(detail, err, "segment %llu: %.200s", (unsigned long long)number, why.text);
    if (scan.header.number != number) {
        err = err_set(detail, ERR_AUDIT, "the file of segment %llu holds segment %llu",
                      (unsigned long long)number, (unsigned long long)scan.header.number);
        segment_scan_done(&scan);
        return err;
    }
    segment_scan_done(&reader->scan);
    file_closep(&reader->fd);
    reader->scan = scan;
    reader->fd = file_take(&fd);
    return ERR_OK;
}

static bool is_finding(enum err err)
{
    return err == ERR_AUDIT || err == ERR_UNSUPPORTED;
}

/* The newest segment that begins at or before the wanted record. */
static enum err find_first(struct audit_reader *reader, const struct buf *numbers,
                           struct err_detail *detail)
{
    const uint64_t *number = (const uint64_t *)(const void *)numbers->data;
    size_t at = numbers->len / sizeof *number - 1;
    reader->last = number[at];
    if (reader->from_seq == 0)
        at = 0;
    for (; at != 0; at--) {
        AUTO(file_closep) int fd = -1;
        bool blank = false;
        uint8_t start[SEGMENT_HEADER_SIZE];
        struct segment_header header;
        if (open_segment(reader->dir, number[at], &fd, &blank, start, NULL) == ERR_OK && !blank &&
            segment_header_decode(start, &header, NULL) == ERR_OK &&
            header.first_seq <= reader->from_seq)
            break;
    }
    TRY(enter_segment(reader, number[at], detail));
    static const uint8_t none[AUDIT_HASH_SIZE];
    if (number[at] == 1 && (reader->scan.header.first_seq != 1 ||
                            memcmp(reader->scan.header.prev_hash, none, sizeof none) != 0))
        return err_set(detail, ERR_AUDIT, "the first segment does not begin a chain");
    reader->entering = 0;
    return ERR_OK;
}

static enum err reader_start(struct audit_reader *reader, const char *path,
                             struct err_detail *detail)
{
    reader->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reader->dir < 0)
        return err_errno(detail, "%s: can't open", path);
    AUTO(buf_done) struct buf numbers = {0};
    TRY(list_segments(reader->dir, &numbers, detail));
    enum err err = find_first(reader, &numbers, &reader->failure);
    if (is_finding(err))
        reader->failed = err; /* said by the first read */
    else if (err != ERR_OK && detail != NULL)
        *detail = reader->failure;
    return is_finding(err) ? ERR_OK : err;
}

enum err audit_reader_open(const char *dir, uint64_t from_seq, struct audit_reader **ret_reader,
                           struct err_detail *detail)
{
    struct audit_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return ERR_NO_MEMORY;
    reader->dir = reader->fd = -1;
    reader->from_seq = from_seq;
    enum err err = reader_start(reader, dir, detail);
    if (err != ERR_OK)
        audit_reader_free(reader);
    else
        *ret_reader = reader;
    return err;
}

void audit_reader_free(struct audit_reader *reader)
{
    if (reader == NULL)
        return;
    segment_scan_done(&reader->scan);
    file_closep(&reader->fd);
    file_closep(&reader->dir);
    free(reader);
}

void audit_reader_freep(struct audit_reader **reader)
{
    audit_reader_free(*reader);
}

static enum err next_segment(struct audit_reader *reader, struct err_detail *detail)
{
    const struct segment_scan before = reader->scan;
    uint8_t chain_id[AUDIT_CHAIN_SIZE], hash[AUDIT_HASH_SIZE];
    memcpy(chain_id, before.header.chain_id, sizeof chain_id);
    memcpy(hash, before.last_hash, sizeof hash);
    TRY(enter_segment(reader, before.header.number + 1, detail));
    const struct segment_header *header = &reader->scan.header;
    if (memcmp(header->chain_id, chain_id, sizeof chain_id) != 0)
        return err_set(detail, ERR_AUDIT, "segment %llu is of another chain",
                       (unsigned long long)header->number);
    if (header->first_seq != before.next_seq || memcmp(header->prev_hash, hash, sizeof hash) != 0)
        return err_set(detail, ERR_AUDIT, "segment %llu does not follow the one before it",
                       (unsigned long long)header->number);
    reader->entering = 0;
    return ERR_OK;
}

static enum err read_one(struct audit_reader *reader, struct audit_record *ret_record,
                         bool *ret_end, struct err_detail *detail)
{
    for (;;) {
        bool end;
        TRY(segment_scan_next(&reader->scan, ret_record, &end, detail));
        if (!end && ret_record->seq < reader->from_seq)
            continue;
        if (!end || reader->scan.live) {
            if (end && reader->last == reader->scan.header.number)
                TRY(find_last(reader, detail));
            if (end && reader->last != reader->scan.header.number) {
                /* closed meanwhile: read what came before it was, now without leniency */
                reader->scan.live = false;
                reader->scan.tail_checked = false;
                continue;
            }
            *ret_end = end;
            return ERR_OK;
        }
        TRY(next_segment(reader, detail));
    }
}

enum err audit_read_next(struct audit_reader *reader, struct audit_record *ret_record,
                         bool *ret_end, struct err_detail *detail)
{
    if (reader->failed == ERR_OK) {
        enum err err = read_one(reader, ret_record, ret_end, &reader->failure);
        if (!is_finding(err)) {
            if (err != ERR_OK && detail != NULL)
                *detail = reader->failure;
            return err;
        }
        reader->failed = err;
    }
    if (detail != NULL)
        *detail = reader->failure;
    return reader->failed;
}

void audit_reader_position(const struct audit_reader *reader, uint64_t *ret_segment,
                           uint64_t *ret_offset, uint64_t *ret_seq)
{
    *ret_segment = reader->entering != 0 ? reader->entering : reader->scan.header.number;
    *ret_offset = reader->entering != 0 ? 0 : reader->scan.offset;
    *ret_seq = reader->scan.next_seq;
}

const struct segment_header *audit_reader_segment(const struct audit_reader *reader)
{
    return &reader->scan.header;
}

uint64_t audit_reader_torn(const struct audit_reader *reader)
{
    return reader->scan.torn_bytes;
}

uint64_t audit_reader_last(const struct audit_reader *reader)
{
    return reader->last;
}
