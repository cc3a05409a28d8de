#include "keeper/audit_verify.h"

#include "chain.h"

/* Three segments, a signature in the second; the last one is live. */
struct signed_chain {
    struct chain chain;
    struct rsa_private *key;
    uint64_t records;
    struct audit_head head;
};

static void sign(struct audit *audit, const struct rsa_private *key)
{
    uint8_t digest[AUDIT_HASH_SIZE];
    AUTO(buf_done) struct buf signature = {0};
    assert_ok(audit_sign_begin(audit, digest));
    assert_ok(rsa_sign_sha256(key, digest, &signature, NULL));
    assert_ok(audit_sign_end(audit, buf_view(&signature),
                             rsa_public_fingerprint(rsa_private_public(key)).data));
}

static struct rsa_private *shared_key(void)
{
    static struct rsa_private *key;
    if (key == NULL)
        assert_ok(rsa_private_generate(2048, &key, NULL));
    return key;
}

static struct signed_chain make(void)
{
    struct signed_chain made = {.chain = chain_begin(), .key = shared_key()};
    struct chain *chain = &made.chain;
    while (audit_segment(chain->audit) < 2)
        chain_record(chain, made.records++, "first");
    sign(chain->audit, made.key);
    while (audit_segment(chain->audit) < 3)
        chain_record(chain, made.records++, "second");
    for (unsigned i = 0; i < 3; i++)
        chain_record(chain, made.records++, "third");
    audit_head(chain->audit, &made.head);
    chain_close(chain);
    return made;
}

static enum err verify(const struct signed_chain *made, const struct audit_head *at_least,
                       struct audit_verify_result *ret_result)
{
    const struct rsa_public *keys[] = {rsa_private_public(made->key)};
    struct audit_verify_options options = {
        .keys = keys, .key_count = 1, .whole = true, .at_least = at_least};
    struct err_detail detail = {0};
    return audit_verify(made->chain.dir, &options, ret_result, &detail);
}

static void load(const struct chain *chain, uint64_t number, uint8_t to[CHAIN_SEGMENT])
{
    int fd = chain_open_file(chain, number, O_RDONLY);
    assert_int_equal(pread(fd, to, CHAIN_SEGMENT, 0), CHAIN_SEGMENT);
    assert_int_equal(close(fd), 0);
}

static void store(const struct chain *chain, uint64_t number, const uint8_t *from)
{
    int fd = chain_open_file(chain, number, O_WRONLY);
    assert_int_equal(pwrite(fd, from, CHAIN_SEGMENT, 0), CHAIN_SEGMENT);
    assert_int_equal(close(fd), 0);
}

static void a_good_chain_is_counted(void **state)
{
    (void)state;
    struct signed_chain made = make();
    struct audit_verify_result result;
    assert_ok(verify(&made, &made.head, &result));
    assert_int_equal(result.segments, 3);
    assert_int_equal(result.first_segment, 1);
    assert_int_equal(result.last_segment, 3);
    assert_int_equal(result.kinds[AUDIT_RELEASE], made.records);
    assert_int_equal(result.signatures, 1);
    assert_int_equal(result.head.seq, made.head.seq);
    assert_memory_equal(result.head.hash, made.head.hash, AUDIT_HASH_SIZE);
    assert_true(result.signed_head.seq != 0 && result.signed_head.seq < result.head.seq);
    assert_int_equal(result.problem.err, ERR_OK);
    /* without a key, and as a copy that begins later */
    struct audit_verify_options options = {0};
    assert_ok(audit_verify(made.chain.dir, &options, &result, NULL));
    assert_int_equal(result.signatures, 1);
    char *path = chain_path(&made.chain, 1);
    assert_int_equal(unlink(path), 0);
    free(path);
    assert_ok(audit_verify(made.chain.dir, &options, &result, NULL));
    assert_int_equal(result.first_segment, 2);
    assert_err(verify(&made, NULL, &result), ERR_AUDIT);
    chain_end(&made.chain);
}

static void nothing_is_no_chain(void **state)
{
    (void)state;
    struct chain chain = {.dir = test_tempdir(), .next = 1};
    struct audit_verify_result result;
    assert_err(chain_verify(&chain, &result), ERR_NOT_FOUND);
    assert_int_equal(close(chain_new_file(&chain, CHAIN_SEGMENT)), 0);
    assert_err(chain_verify(&chain, &result), ERR_NOT_FOUND);
    struct audit_verify_options options = {0};
    assert_err(audit_verify("/nonexistent", &options, &result, NULL), ERR_NOT_FOUND);
    chain_end(&chain);
}

/* Bytes of the live segment that hold its header and records. */
static size_t used_bytes(const uint8_t *segment)
{
    size_t used = CHAIN_SEGMENT;
    while (segment[used - 1] == 0)
        used--;
    return (used + 3) / 4 * 4;
}

static void every_bit_flip_is_found(void **state)
{
    (void)state;
    struct signed_chain made = make();
    struct audit_verify_result result;
    bool every = !TEST_SANITIZED;
    for (uint64_t number = 1; number <= 3; number++) {
        uint8_t segment[CHAIN_SEGMENT];
        load(&made.chain, number, segment);
        size_t used = used_bytes(segment);
        /* One bit of every byte where the segment is in use, and every bit where no sanitizer
         * makes it slow; of the rest one bit of each seventh byte. */
        for (size_t bit = 0; bit < sizeof segment * 8; bit++) {
            size_t byte = bit / 8;
            bool in_use = byte < used + 64, chosen = bit % 8 == byte % 8;
            if (!(in_use ? every || chosen : chosen && byte % 7 == 0))
                continue;
            segment[byte] ^= (uint8_t)(1U << bit % 8);
            store(&made.chain, number, segment);
            memset(&result, 0, sizeof result);
            enum err err = verify(&made, NULL, &result);
            segment[byte] ^= (uint8_t)(1U << bit % 8);
            bool in_tail = number == 3 &&
                           byte >= (used + SEGMENT_SECTOR - 1) / SEGMENT_SECTOR * SEGMENT_SECTOR;
            /* behind the sector of the live end it looks like what a crash left, and is named */
            if (in_tail ? err != ERR_OK || result.torn_bytes == 0 : err != ERR_AUDIT)
                fail_msg("segment %d byte %zu bit %zu: %s", (int)number, byte, bit % 8,
                         err_text(err));
            if (!in_tail)
                assert_in_range(result.problem.segment, number, number + 1);
        }
        store(&made.chain, number, segment);
    }
    assert_ok(verify(&made, &made.head, &result));
    chain_end(&made.chain);
}

static void truncation_is_found(void **state)
{
    (void)state;
    for (uint64_t number = 1; number <= 3; number++) {
        struct signed_chain made = make();
        struct audit_verify_result result;
        char *path = chain_path(&made.chain, number);
        for (off_t size = CHAIN_SEGMENT - 1; size >= 0; size -= 509) {
            assert_int_equal(truncate(path, size), 0);
            assert_err(verify(&made, NULL, &result), ERR_AUDIT);
        }
        assert_int_equal(truncate(path, CHAIN_SEGMENT + 4096), 0);
        assert_err(verify(&made, NULL, &result), ERR_AUDIT);
        free(path);
        chain_end(&made.chain);
    }
}

static void missing_and_swapped_segments_are_found(void **state)
{
    (void)state;
    struct signed_chain made = make();
    struct audit_verify_result result;
    uint8_t a[CHAIN_SEGMENT], b[CHAIN_SEGMENT], c[CHAIN_SEGMENT];
    load(&made.chain, 1, a);
    load(&made.chain, 2, b);
    load(&made.chain, 3, c);
    store(&made.chain, 1, b);
    store(&made.chain, 2, a);
    assert_err(verify(&made, NULL, &result), ERR_AUDIT);
    assert_int_equal(result.problem.segment, 1);
    store(&made.chain, 1, a);
    store(&made.chain, 2, c);
    assert_err(verify(&made, NULL, &result), ERR_AUDIT);
    assert_int_equal(result.problem.segment, 2);
    uint8_t zero[CHAIN_SEGMENT] = {0};
    store(&made.chain, 2, zero);
    assert_err(verify(&made, NULL, &result), ERR_AUDIT);
    assert_int_equal(result.problem.segment, 2);
    store(&made.chain, 2, b);
    assert_ok(verify(&made, NULL, &result));

    char *second = chain_path(&made.chain, 2), *last = chain_path(&made.chain, 3);
    assert_int_equal(unlink(second), 0);
    assert_err(verify(&made, NULL, &result), ERR_AUDIT);
    assert_int_equal(result.problem.segment, 2);
    int fd = chain_open_file(&made.chain, 2, O_RDWR | O_CREAT);
    assert_int_equal(close(fd), 0);
    store(&made.chain, 2, b);
    /* the last segment alone can be known to be missing from a head only */
    assert_int_equal(unlink(last), 0);
    assert_ok(verify(&made, NULL, &result));
    assert_err(verify(&made, &made.head, &result), ERR_AUDIT);
    free(second);
    free(last);
    chain_end(&made.chain);
}

/* Offset and size of record `index` of a segment. */
static size_t record_at(const uint8_t *segment, unsigned index, size_t *ret_size)
{
    size_t at = SEGMENT_HEADER_SIZE;
    for (;; index--) {
        assert_true(segment_record_length(segment + at, ret_size));
        if (index == 0)
            return at;
        at += *ret_size;
    }
}

static void moved_records_are_found(void **state)
{
    (void)state;
    struct signed_chain made = make();
    struct audit_verify_result result;
    uint8_t good[CHAIN_SEGMENT], bad[CHAIN_SEGMENT];
    load(&made.chain, 3, good);
    size_t size, next_size, first = record_at(good, 2, &size);
    size_t second = record_at(good, 3, &next_size);
    assert_int_equal(size, next_size);

    memcpy(bad, good, sizeof bad);
    memcpy(bad + first, good + second, size);
    memcpy(bad + second, good + first, size);
    store(&made.chain, 3, bad);
    assert_err(verify(&made, NULL, &result), ERR_AUDIT);
    assert_int_equal(result.problem.offset, first);

    memcpy(bad, good, sizeof bad);
    memcpy(bad + second, good + first, size); /* twice the same */
    store(&made.chain, 3, bad);
    assert_err(verify(&made, NULL, &result), ERR_AUDIT);
    assert_int_equal(result.problem.offset, second);

    memcpy(bad, good, sizeof bad);
    memmove(bad + first, good + second, sizeof bad - second); /* one left out */
    memset(bad + sizeof bad - size, 0, size);
    store(&made.chain, 3, bad);
    assert_err(verify(&made, NULL, &result), ERR_AUDIT);
    chain_end(&made.chain);
}

/* Somebody who can write files goes on from an earlier record with records of their own. */
static void a_replaced_tail_is_found_by_a_head(void **state)
{
    (void)state;
    struct signed_chain made = make();
    struct audit_verify_result result;
    uint8_t segment[CHAIN_SEGMENT];
    load(&made.chain, 3, segment);
    size_t size, at = record_at(segment, 2, &size);
    AUTO(hash_freep) struct hash *hash = NULL;
    assert_ok(hash_new(&hash));
    uint64_t seq = made.head.seq - 2;
    while (seq <= made.head.seq) {
        struct audit_event event = {.kind = AUDIT_RELEASE, .actor = bytes_str("nobody")};
        assert_ok(segment_record_encode(hash, &event, seq++, 1, segment + at));
        at += segment_record_size(event.actor.len, 0);
    }
    memset(segment + at, 0, sizeof segment - at);
    store(&made.chain, 3, segment);
    assert_ok(verify(&made, NULL, &result));
    assert_true(result.signed_head.seq < result.head.seq);
    assert_err(verify(&made, &made.head, &result), ERR_AUDIT);
    assert_int_equal(result.problem.seq, made.head.seq);
    chain_end(&made.chain);
}

static void foreign_signatures_are_found(void **state)
{
    (void)state;
    struct chain chain = chain_begin();
    struct rsa_private *other = NULL;
    assert_ok(rsa_private_generate(2048, &other, NULL));
    chain_record(&chain, 1, "");
    sign(chain.audit, other);
    chain_close(&chain);
    struct signed_chain made = {.chain = chain, .key = shared_key()};
    struct audit_verify_result result;
    assert_err(verify(&made, NULL, &result), ERR_SIGNATURE);
    assert_int_equal(result.problem.err, ERR_SIGNATURE);
    assert_int_equal(result.problem.seq, 4);
    made.key = other;
    assert_ok(verify(&made, NULL, &result));

    /* the right fingerprint does not make the signature right */
    assert_ok(chain_reopen(&made.chain, 1, NULL, NULL));
    uint8_t digest[AUDIT_HASH_SIZE], wrong[256] = {1};
    assert_ok(audit_sign_begin(made.chain.audit, digest));
    assert_ok(audit_sign_end(made.chain.audit, BYTES(wrong),
                             rsa_public_fingerprint(rsa_private_public(other)).data));
    chain_close(&made.chain);
    assert_err(verify(&made, NULL, &result), ERR_SIGNATURE);
    assert_int_equal(result.problem.seq, 6);
    rsa_private_free(other);
    chain_end(&made.chain);
}

static bool stop_at_once(const struct audit_verify_progress *progress, void *ctx)
{
    (void)progress;
    ++*(unsigned *)ctx;
    return false;
}

static void progress_can_cancel(void **state)
{
    (void)state;
    struct chain chain = {.dir = test_tempdir(), .next = 1};
    struct audit_setup setup = {.current = -1,
                                .spare = chain_new_file(&chain, (size_t)32 * 1024 * 1024)};
    assert_ok(audit_open(&setup, &chain.audit, NULL));
    struct audit_event event = {.kind = AUDIT_RELEASE};
    for (unsigned i = 0; i < 300000; i++)
        assert_ok(audit_append(chain.audit, &event));
    assert_ok(audit_commit(chain.audit, NULL));
    unsigned calls = 0;
    struct audit_verify_options options = {.progress = stop_at_once, .ctx = &calls};
    struct audit_verify_result result;
    assert_err(audit_verify(chain.dir, &options, &result, NULL), ERR_CANCELLED);
    assert_int_equal(calls, 1);
    chain_end(&chain);
}

TEST_MAIN(cmocka_unit_test(a_good_chain_is_counted), cmocka_unit_test(nothing_is_no_chain),
          cmocka_unit_test(every_bit_flip_is_found), cmocka_unit_test(truncation_is_found),
          cmocka_unit_test(missing_and_swapped_segments_are_found),
          cmocka_unit_test(moved_records_are_found),
          cmocka_unit_test(a_replaced_tail_is_found_by_a_head),
          cmocka_unit_test(foreign_signatures_are_found), cmocka_unit_test(progress_can_cancel))
