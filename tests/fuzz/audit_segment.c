#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/target.h"
#include "keeper/audit.h"
#include "keeper/segment.h"

#define SIZE 8192

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    assert(fd >= 0 && ftruncate(fd, SIZE) == 0);
    assert(pwrite(fd, data, size, 0) == (ssize_t)size);
    return fd;
}

/* All records of a segment; whether it is good, and what a crash seems to have left. */
static enum err scan(int fd, bool live, uint64_t *ret_records, uint64_t *ret_torn)
{
    struct segment_scan scan;
    enum err err = segment_scan_init(&scan, fd, live, NULL);
    if (err != ERR_OK)
        return err;
    for (bool end = false; err == ERR_OK && !end;) {
        struct audit_record record;
        err = segment_scan_next(&scan, &record, &end, NULL);
        assert(err != ERR_OK || end || record.offset + SEGMENT_RECORD_MIN <= SIZE);
    }
    *ret_records = scan.records;
    *ret_torn = scan.torn_bytes;
    segment_scan_done(&scan);
    return err;
}

/* A segment's first bytes, the rest zero. What the keeper goes on from must be good afterwards. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > SIZE)
        size = SIZE;
    uint64_t before = 0, after = 0, torn = 0;
    int fd = file_of(data, size), spare = file_of(NULL, 0);
    enum err strict = scan(fd, false, &before, &torn), live = scan(fd, true, &before, &torn);
    assert(strict != ERR_OK || (live == ERR_OK && torn == 0));
    struct audit_setup setup = {.current = dup(fd), .spare = spare};
    struct audit *audit = NULL;
    enum err opened = audit_open(&setup, &audit, NULL);
    assert((opened == ERR_OK) == (live == ERR_OK));
    if (opened == ERR_OK) {
        struct audit_event event = {.kind = AUDIT_RELEASE, .row = 1};
        assert(audit_append(audit, &event) == ERR_OK && audit_commit(audit, NULL) == ERR_OK);
        assert(scan(fd, true, &after, &torn) == ERR_OK && torn == 0 && after >= before);
    }
    audit_free(audit);
    (void)close(fd);
    return 0;
}
