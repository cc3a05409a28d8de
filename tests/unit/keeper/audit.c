#include "keeper/audit.h"

#include <sys/resource.h>
#include <signal.h>

#include "base/clock.h"
#include "chain.h"

static void kinds_have_names(void **state)
{
    (void)state;
    enum audit_kind kind;
    assert_ok(audit_kind_find("release", &kind));
    assert_int_equal(kind, AUDIT_RELEASE);
    assert_err(audit_kind_find("nonsense", &kind), ERR_NOT_FOUND);
    assert_null(audit_kind_row(0));
    assert_null(audit_kind_row(AUDIT_KIND_END));
    assert_false(audit_kind_row(AUDIT_RELEASE)->note);
    assert_true(audit_kind_row(AUDIT_NETWORK_CREATED)->note);
}

static void records_come_back(void **state)
{
    (void)state;
    struct chain chain = chain_begin();
    clock_fake_us(1234567890);
    chain_record(&chain, 0x10200, "");
    chain_record(&chain, 0x10201, "line\nbreak");
    clock_fake_us(0);
    struct audit_head head;
    audit_head(chain.audit, &head);
    assert_int_equal(head.seq, 3);
    assert_int_equal(audit_durable(chain.audit), 1);
    assert_ok(audit_commit(chain.audit, NULL));
    assert_int_equal(audit_durable(chain.audit), 3);

    AUTO(audit_reader_freep) struct audit_reader *reader = NULL;
    assert_ok(audit_reader_open(chain.dir, 2, &reader, NULL));
    struct audit_record record;
    bool end;
    assert_ok(audit_read_next(reader, &record, &end, NULL));
    assert_false(end);
    assert_int_equal(record.seq, 2);
    assert_int_equal(record.time_us, 1234567890);
    assert_int_equal(record.event.kind, AUDIT_RELEASE);
    assert_int_equal(record.event.row, 0x10200);
    assert_int_equal(record.event.domain, 3);
    assert_int_equal(record.event.epoch, 7);
    assert_true(bytes_equal(record.event.actor, bytes_str("gw1.metro-east.example")));
    assert_ok(audit_read_next(reader, &record, &end, NULL));
    assert_true(bytes_equal(record.event.text, bytes_str("line?break")));
    assert_memory_equal(record.hash, head.hash, sizeof head.hash);
    assert_ok(audit_read_next(reader, &record, &end, NULL));
    assert_true(end);

    /* the reader follows a chain that grows, also into the next segment */
    for (unsigned i = 0; i < 200; i++)
        chain_record(&chain, i, "more");
    assert_ok(audit_commit(chain.audit, NULL));
    assert_true(audit_segment(chain.audit) > 2);
    unsigned seen = 0;
    for (;;) {
        assert_ok(audit_read_next(reader, &record, &end, NULL));
        if (end)
            break;
        seen += record.event.kind == AUDIT_RELEASE;
    }
    assert_int_equal(seen, 200);
    chain_end(&chain);
}

static void goes_on_after_a_restart(void **state)
{
    (void)state;
    struct chain chain = chain_begin();
    uint64_t want = 0;
    for (unsigned i = 0; i < 40; i++) {
        for (unsigned j = 0; j < i; j++, want++)
            chain_record(&chain, j, "some text to fill the segment with");
        assert_ok(audit_commit(chain.audit, NULL));
        struct audit_head head;
        audit_head(chain.audit, &head);
        uint64_t current = audit_segment(chain.audit);
        chain_close(&chain);
        assert_ok(chain_reopen(&chain, current, &head, NULL));
        assert_ok(audit_expect(chain.audit, &head, NULL));
    }
    chain_close(&chain);
    struct audit_verify_result result;
    assert_ok(chain_verify(&chain, &result));
    assert_int_equal(result.kinds[AUDIT_RELEASE], want);
    assert_int_equal(result.kinds[AUDIT_RECOVERED], 0);
    assert_int_equal(result.kinds[AUDIT_SEGMENT_OPENED], result.segments);
    assert_int_equal(result.torn_bytes, 0);
    chain_end(&chain);
}

static void long_fields_are_cut(void **state)
{
    (void)state;
    struct chain chain = chain_begin();
    uint8_t big[70000];
    memset(big, 'x', sizeof big);
    struct audit_event event = {.kind = AUDIT_SEAL, .actor = BYTES(big), .text = BYTES(big)};
    assert_ok(audit_append(chain.audit, &event));
    chain_close(&chain);
    AUTO(audit_reader_freep) struct audit_reader *reader = NULL;
    assert_ok(audit_reader_open(chain.dir, 2, &reader, NULL));
    struct audit_record record;
    bool end;
    assert_ok(audit_read_next(reader, &record, &end, NULL));
    assert_int_equal(record.event.actor.len, AUDIT_ACTOR_MAX);
    assert_int_equal(record.event.text.len, AUDIT_TEXT_MAX);
    chain_end(&chain);
}

static void without_a_spare_nothing_is_lost(void **state)
{
    (void)state;
    struct chain chain = chain_begin();
    struct audit_event event = {.kind = AUDIT_RELEASE, .actor = bytes_str("a")};
    uint64_t count = 0;
    enum err err;
    while ((err = audit_append(chain.audit, &event)) == ERR_OK)
        count++;
    assert_err(err, ERR_BUSY);
    assert_ok(audit_commit(chain.audit, NULL));
    assert_err(audit_append(chain.audit, &event), ERR_BUSY);
    struct err_detail detail = {0};
    assert_err(audit_add_spare(chain.audit, chain_open_file(&chain, 1, O_RDWR), &detail),
               ERR_ARGUMENT);
    assert_err(audit_add_spare(chain.audit, chain_new_file(&chain, 100), &detail), ERR_ARGUMENT);
    chain.next--;
    char *path = chain_path(&chain, chain.next);
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_ok(audit_add_spare(chain.audit, chain_new_file(&chain, CHAIN_SEGMENT), &detail));
    int extra = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_err(audit_add_spare(chain.audit, extra, &detail), ERR_STATE);
    assert_int_equal(close(extra), 0);
    assert_ok(audit_append(chain.audit, &event));
    chain_close(&chain);
    struct audit_verify_result result;
    assert_ok(chain_verify(&chain, &result));
    assert_int_equal(result.kinds[AUDIT_RELEASE], count + 1);
    assert_int_equal(result.segments, 2);
    chain_end(&chain);
}

static void a_failed_write_is_for_good(void **state)
{
    (void)state;
    struct chain chain = chain_begin();
    chain_record(&chain, 1, "durable");
    assert_ok(audit_commit(chain.audit, NULL));
    struct rlimit old, tiny = {.rlim_cur = 128, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tiny.rlim_max = old.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    chain_record(&chain, 2, "lost");
    struct err_detail detail = {0};
    enum err err = audit_commit(chain.audit, &detail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_err(err, ERR_DISK_FULL);
    assert_int_equal(detail.code, ERR_DISK_FULL);
    assert_int_equal(audit_durable(chain.audit), 2);
    struct audit_event event = {.kind = AUDIT_RELEASE};
    assert_err(audit_append(chain.audit, &event), ERR_DISK_FULL);
    assert_err(audit_commit(chain.audit, NULL), ERR_DISK_FULL);
    assert_err(audit_flush_buffered(chain.audit, NULL), ERR_DISK_FULL);
    assert_false(audit_sign_due(chain.audit, UINT64_MAX));
    /* what was durable is there, and the chain goes on from it */
    assert_ok(chain_reopen(&chain, 1, NULL, &detail));
    struct audit_head head;
    audit_head(chain.audit, &head);
    assert_int_equal(head.seq, 2);
    chain_end(&chain);
}

/* Write a chain whose last commit lost the sectors in `lost` (bit i: the batch's sector i). */
static void tear(unsigned lost, bool *ret_cut)
{
    struct chain chain = chain_begin();
    for (unsigned i = 0; i < 4; i++)
        chain_record(&chain, i, "before");
    assert_ok(audit_commit(chain.audit, NULL));
    struct audit_head head;
    audit_head(chain.audit, &head);
    uint8_t before[CHAIN_SEGMENT], after[CHAIN_SEGMENT];
    int fd = chain_open_file(&chain, 1, O_RDWR);
    assert_int_equal(pread(fd, before, sizeof before, 0), (ssize_t)sizeof before);
    for (unsigned i = 0; i < 14; i++)
        chain_record(&chain, i, "a longer text of the batch that a power cut tears to pieces");
    assert_ok(audit_commit(chain.audit, NULL));
    assert_int_equal(pread(fd, after, sizeof after, 0), (ssize_t)sizeof after);
    size_t first = 0;
    while (memcmp(before + first, after + first, SEGMENT_SECTOR) == 0)
        first += SEGMENT_SECTOR;
    for (unsigned i = 0; i < 5; i++) {
        size_t at = first + i * SEGMENT_SECTOR;
        if ((lost >> i & 1) != 0)
            memcpy(after + at, before + at, SEGMENT_SECTOR);
    }
    assert_int_equal(pwrite(fd, after, sizeof after, 0), (ssize_t)sizeof after);
    assert_int_equal(close(fd), 0);
    struct audit_verify_result result;
    assert_ok(chain_verify(&chain, &result));
    *ret_cut = result.torn_bytes != 0;
    struct err_detail detail = {0};
    assert_ok(chain_reopen(&chain, 1, &head, &detail));
    chain_record(&chain, 99, "after");
    chain_close(&chain);
    assert_ok(chain_verify(&chain, &result));
    assert_int_equal(result.torn_bytes, 0);
    assert_int_equal(result.kinds[AUDIT_RECOVERED], *ret_cut ? 1 : 0);
    assert_true(result.head.seq > head.seq);
    chain_end(&chain);
}

static void a_torn_batch_is_cut(void **state)
{
    (void)state;
    unsigned cuts = 0;
    for (unsigned lost = 0; lost < 32; lost++) {
        bool cut = false;
        tear(lost, &cut);
        cuts += cut;
    }
    /* losing nothing, or the end at a record's end, leaves nothing to cut */
    assert_in_range(cuts, 28, 31);
}

static void an_edited_record_is_no_torn_one(void **state)
{
    (void)state;
    struct chain chain = chain_begin();
    for (unsigned i = 0; i < 4; i++)
        chain_record(&chain, i, "text");
    assert_ok(audit_commit(chain.audit, NULL));
    int fd = chain_open_file(&chain, 1, O_RDWR);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, SEGMENT_HEADER_SIZE + 300), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, SEGMENT_HEADER_SIZE + 300), 1);
    uint8_t all[CHAIN_SEGMENT], again[CHAIN_SEGMENT];
    assert_int_equal(pread(fd, all, sizeof all, 0), (ssize_t)sizeof all);
    struct err_detail detail = {0};
    assert_err(chain_reopen(&chain, 1, NULL, &detail), ERR_AUDIT);
    assert_non_null(strstr(detail.text, "segment 1, offset "));
    assert_int_equal(pread(fd, again, sizeof again, 0), (ssize_t)sizeof again);
    assert_memory_equal(all, again, sizeof all);
    assert_int_equal(close(fd), 0);
    chain_end(&chain);
}

static void an_older_chain_is_refused(void **state)
{
    (void)state;
    struct chain chain = chain_begin();
    for (unsigned i = 0; i < 4; i++)
        chain_record(&chain, i, "text");
    assert_ok(audit_commit(chain.audit, NULL));
    struct audit_head mid, head, other;
    audit_head(chain.audit, &mid);
    chain_record(&chain, 5, "the last");
    assert_ok(audit_commit(chain.audit, NULL));
    audit_head(chain.audit, &head);
    assert_ok(audit_expect(chain.audit, &mid, NULL));
    assert_ok(audit_expect(chain.audit, &head, NULL));
    other = mid;
    other.hash[0] ^= 1;
    assert_err(audit_expect(chain.audit, &other, NULL), ERR_AUDIT);
    assert_err(chain_reopen(&chain, 1, &other, NULL), ERR_AUDIT);
    other = head;
    other.seq++;
    assert_err(chain_reopen(&chain, 1, &other, NULL), ERR_AUDIT);
    assert_ok(chain_reopen(&chain, 1, &head, NULL));
    assert_err(audit_expect(chain.audit, &other, NULL), ERR_AUDIT);
    /* a chain cannot be begun anew where one is known */
    int fd = chain_new_file(&chain, CHAIN_SEGMENT);
    struct audit_setup setup = {.current = -1, .spare = fd, .at_least = &head};
    struct audit *none = NULL;
    assert_err(audit_open(&setup, &none, NULL), ERR_AUDIT);
    assert_null(none);
    chain_end(&chain);
}

static void signatures_come_when_due(void **state)
{
    (void)state;
    clock_fake_us(1000000000);
    struct chain chain = chain_begin();
    uint8_t digest[AUDIT_HASH_SIZE], fingerprint[AUDIT_HASH_SIZE] = {1};
    assert_false(audit_sign_due(chain.audit, clock_now_us()));
    chain_record(&chain, 1, "");
    assert_true(audit_sign_due(chain.audit, clock_now_us()));
    assert_ok(audit_sign_begin(chain.audit, digest));
    assert_false(audit_sign_due(chain.audit, clock_now_us()));
    assert_err(audit_sign_begin(chain.audit, digest), ERR_STATE);
    chain_record(&chain, 2, "meanwhile");
    assert_ok(audit_sign_end(chain.audit, BYTES(fingerprint), fingerprint));
    assert_err(audit_sign_end(chain.audit, BYTES(fingerprint), fingerprint), ERR_STATE);
    assert_false(audit_sign_due(chain.audit, clock_now_us()));
    clock_fake_us(1000000000 + 1000000);
    assert_true(audit_sign_due(chain.audit, clock_now_us()));
    assert_ok(audit_sign_begin(chain.audit, digest));
    audit_sign_failed(chain.audit, clock_now_us());
    assert_false(audit_sign_due(chain.audit, clock_now_us()));
    /* a closed segment is signed at once */
    while (audit_segment(chain.audit) == 1)
        chain_record(&chain, 1, "fill");
    assert_true(audit_sign_due(chain.audit, clock_now_us()));
    assert_ok(audit_commit(chain.audit, NULL));
    assert_ok(chain_reopen(&chain, 2, NULL, NULL));
    assert_true(audit_sign_due(chain.audit, clock_now_us()));
    assert_ok(audit_sign_begin(chain.audit, digest));
    assert_ok(audit_sign_end(chain.audit, BYTES(fingerprint), fingerprint));
    assert_ok(audit_commit(chain.audit, NULL));
    assert_ok(chain_reopen(&chain, 2, NULL, NULL));
    assert_false(audit_sign_due(chain.audit, clock_now_us() + 2000000));
    clock_fake_us(0);
    chain_end(&chain);
}

static void buffered_records_are_synced_in_time(void **state)
{
    (void)state;
    struct chain chain = {.dir = test_tempdir(), .next = 1};
    struct audit_setup setup = {.current = -1,
                                .spare = chain_new_file(&chain, (size_t)16 * 1024 * 1024)};
    assert_ok(audit_open(&setup, &chain.audit, NULL));
    struct audit_event event = {.kind = AUDIT_RELEASE,
                                .actor = bytes_str("gw1.metro-east.example")};
    uint64_t start = clock_mono_ns();
    for (unsigned i = 0; i < 100000; i++) {
        event.row = i;
        assert_ok(audit_append(chain.audit, &event));
    }
    print_message("%.0f appends/s\n", 100000 * 1e9 / (double)(clock_mono_ns() - start));
    assert_ok(audit_flush_buffered(chain.audit, NULL));
    assert_true(audit_durable(chain.audit) > 50000);
    assert_ok(audit_commit(chain.audit, NULL));
    assert_int_equal(audit_durable(chain.audit), 100001);
    chain_end(&chain);
}

TEST_MAIN(cmocka_unit_test(kinds_have_names), cmocka_unit_test(records_come_back),
          cmocka_unit_test(goes_on_after_a_restart), cmocka_unit_test(long_fields_are_cut),
          cmocka_unit_test(without_a_spare_nothing_is_lost),
          cmocka_unit_test(a_failed_write_is_for_good), cmocka_unit_test(a_torn_batch_is_cut),
          cmocka_unit_test(an_edited_record_is_no_torn_one),
          cmocka_unit_test(an_older_chain_is_refused), cmocka_unit_test(signatures_come_when_due),
          cmocka_unit_test(buffered_records_are_synced_in_time))
