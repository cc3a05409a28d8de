#include "kmc/cache.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "support/test.h"

#define NOW 1800000000

static char *dir, *file, *key_file;
static char last_report[600];
static unsigned reports;

static void on_report(void *ctx, const char *text)
{
    (void)ctx;
    reports++;
    (void)snprintf(last_report, sizeof last_report, "%s", text);
}

static int begin(void **state)
{
    (void)state;
    dir = test_tempdir();
    file = test_path(dir, "cache");
    key_file = test_path(dir, "key");
    reports = 0;
    clock_fake_us((uint64_t)NOW * 1000000u);
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_fake_us(0);
    test_tempdir_remove(dir);
    free(file);
    free(key_file);
    return 0;
}

static struct kmc_cache *open_cache(void)
{
    struct kmc_cache *cache = NULL;
    struct kmc_cache_config config = {.file = file, .key_file = key_file, .report = on_report};
    assert_ok(kmc_cache_new(&config, NULL, &cache));
    return cache;
}

static enum err put(struct kmc_cache *cache, uint64_t node, uint32_t version, bool newest, int life,
                    uint8_t fill)
{
    uint8_t key[16];
    memset(key, fill, sizeof key);
    struct kmc_entry entry = {
        .kind = KMC_NODE,
        .newest = newest,
        .node = node,
        .version = version,
        .fetched = clock_now_s(),
        .expires = clock_now_s() + life,
        .realm = "Metro-East.example",
    };
    return kmc_cache_put(cache, &entry, BYTES(key));
}

/* Its first byte, or -1 where the cache has it not. */
static int find(struct kmc_cache *cache, uint64_t node, const uint32_t *version,
                struct kmc_entry *ret_entry)
{
    uint8_t key[KMC_KEY_MAX];
    size_t len = 0;
    struct kmc_entry entry;
    struct kmc_selector selector = {.realm = "metro-east.example", .kind = KMC_NODE, .node = node};
    enum err err = kmc_cache_find(cache, &selector, version, &entry, key, &len, NULL);
    if (err == ERR_NOT_FOUND)
        return -1;
    assert_ok(err);
    assert_int_equal(len, 16);
    for (size_t i = 1; i < len; i++)
        assert_int_equal(key[i], key[0]);
    if (ret_entry != NULL)
        *ret_entry = entry;
    return key[0];
}

static void what_was_put_is_found_until_it_expires(void **state)
{
    (void)state;
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    struct kmc_entry entry;
    assert_ok(put(cache, 0x10200, 1, true, 60, 0xa1));
    assert_ok(put(cache, 0x10201, 1, true, 600, 0xa2));
    assert_int_equal(find(cache, 0x10200, NULL, &entry), 0xa1);
    assert_int_equal(entry.expires, NOW + 60);
    assert_string_equal(entry.realm, "metro-east.example");
    assert_int_equal(find(cache, 0x10299, NULL, NULL), -1);
    clock_fake_us((uint64_t)(NOW + 59) * 1000000u);
    assert_int_equal(find(cache, 0x10200, NULL, NULL), 0xa1);
    clock_fake_us((uint64_t)(NOW + 60) * 1000000u);
    assert_int_equal(find(cache, 0x10200, NULL, NULL), -1);
    assert_int_equal(find(cache, 0x10201, NULL, NULL), 0xa2);
}

static void a_clock_that_was_set_back_lengthens_nothing(void **state)
{
    (void)state;
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    assert_ok(put(cache, 1, 1, true, 60, 7));
    clock_fake_us((uint64_t)(NOW - KMC_SKEW - 1) * 1000000u);
    assert_int_equal(find(cache, 1, NULL, NULL), -1);
    /* and what is fetched now is not refused for being older than that */
    assert_ok(put(cache, 1, 2, true, 60, 8));
    assert_int_equal(find(cache, 1, NULL, NULL), 8);
}

static void versions_live_beside_the_newest(void **state)
{
    (void)state;
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    uint32_t one = 1, two = 2, three = 3;
    assert_ok(put(cache, 5, 1, false, 60, 0x11));
    assert_int_equal(find(cache, 5, NULL, NULL), -1);
    assert_ok(put(cache, 5, 2, true, 60, 0x12));
    assert_int_equal(find(cache, 5, NULL, NULL), 0x12);
    assert_int_equal(find(cache, 5, &one, NULL), 0x11);
    assert_int_equal(find(cache, 5, &two, NULL), 0x12);
    assert_ok(put(cache, 5, 3, true, 60, 0x13));
    assert_int_equal(find(cache, 5, NULL, NULL), 0x13);
    assert_int_equal(find(cache, 5, &two, NULL), -1);
    struct kmc_selector selector = {.realm = "METRO-EAST.EXAMPLE", .kind = KMC_NODE, .node = 5};
    assert_ok(kmc_cache_remove(cache, &selector, &one));
    assert_int_equal(find(cache, 5, &one, NULL), -1);
    assert_int_equal(find(cache, 5, &three, NULL), 0x13);
    assert_ok(kmc_cache_remove(cache, &selector, NULL));
    assert_int_equal(find(cache, 5, NULL, NULL), -1);
}

static void it_is_there_after_a_restart_and_for_others(void **state)
{
    (void)state;
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    AUTO(kmc_cache_freep) struct kmc_cache *other = open_cache();
    struct stat st;
    assert_ok(put(cache, 1, 1, true, 60, 0x21));
    assert_int_equal(find(other, 1, NULL, NULL), -1);
    assert_false(kmc_cache_is_saved(cache));
    assert_ok(kmc_cache_save(cache, NULL));
    assert_true(kmc_cache_is_saved(cache));
    assert_int_equal(find(other, 1, NULL, NULL), 0x21);
    /* Both change without knowing of each other: both changes stay. */
    assert_ok(put(cache, 2, 1, true, 60, 0x22));
    assert_ok(put(other, 3, 1, true, 60, 0x23));
    assert_ok(kmc_cache_save(cache, NULL));
    assert_ok(kmc_cache_save(other, NULL));
    assert_int_equal(find(cache, 3, NULL, NULL), 0x23);
    assert_int_equal(find(other, 2, NULL, NULL), 0x22);
    assert_ok(kmc_cache_clear(other));
    assert_ok(kmc_cache_save(other, NULL));
    assert_int_equal(find(cache, 1, NULL, NULL), -1);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(key_file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(reports, 0);
}

static void overwrite(const struct buf *content, size_t len)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(content->data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void no_flipped_bit_gives_a_key(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf content = {0};
    {
        AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
        assert_ok(put(cache, 0x10200, 1, true, 60, 0x31));
        assert_ok(kmc_cache_save(cache, NULL));
    }
    assert_ok(file_read(file, 4096, &content, NULL));
    for (size_t bit = 0; bit < 8 * content.len; bit++) {
        content.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        overwrite(&content, content.len);
        content.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        reports = 0;
        AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
        size_t at = 0;
        struct kmc_entry entry;
        bool is_count = bit / 8 >= 12 && bit / 8 < 16;
        if (is_count) { /* the entry is whole, only more are promised, or none */
            int got = find(cache, 0x10200, NULL, NULL);
            assert_true(got == -1 || got == 0x31);
        } else {
            assert_int_equal(find(cache, 0x10200, NULL, NULL), -1);
            assert_false(kmc_cache_next(cache, &at, &entry));
        }
        assert_int_equal(reports, 1);
    }
    for (size_t len = 0; len < content.len; len++) {
        overwrite(&content, len);
        AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
        assert_int_equal(find(cache, 0x10200, NULL, NULL), -1);
        /* It is usable all the same. */
        assert_ok(put(cache, 7, 1, true, 60, 0x77));
    }
    overwrite(&content, content.len);
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    assert_int_equal(find(cache, 0x10200, NULL, NULL), 0x31);
}

static void a_damaged_entry_leaves_the_others(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf content = {0};
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    assert_ok(put(cache, 1, 1, true, 60, 0x41));
    assert_ok(put(cache, 2, 1, true, 60, 0x42));
    assert_ok(kmc_cache_save(cache, NULL));
    assert_ok(file_read(file, 4096, &content, NULL));
    content.data[content.len - 1] ^= 1;
    overwrite(&content, content.len);
    assert_int_equal(find(cache, 2, NULL, NULL), -1);
    assert_int_equal(find(cache, 1, NULL, NULL), 0x41);
    assert_non_null(strstr(last_report, "1 of 2 entries are damaged"));
    /* Two sealed keys that change places open in neither: records have the same length. */
    content.data[content.len - 1] ^= 1;
    size_t record = (content.len - 32) / 2, sealed = 16 + 16 + 1 + 12;
    for (size_t i = record - sealed; i < record; i++) {
        uint8_t swap = content.data[32 + i];
        content.data[32 + i] = content.data[32 + record + i];
        content.data[32 + record + i] = swap;
    }
    overwrite(&content, content.len);
    AUTO(kmc_cache_freep) struct kmc_cache *again = open_cache();
    assert_int_equal(find(again, 1, NULL, NULL), -1);
    assert_int_equal(find(again, 2, NULL, NULL), -1);
}

static void another_key_opens_nothing_and_says_so(void **state)
{
    (void)state;
    {
        AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
        assert_ok(put(cache, 1, 1, true, 60, 0x51));
        assert_ok(kmc_cache_save(cache, NULL));
    }
    assert_int_equal(unlink(key_file), 0);
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    assert_int_equal(find(cache, 1, NULL, NULL), -1);
    assert_int_equal(reports, 1);
    assert_non_null(strstr(last_report, "another key"));
    assert_ok(put(cache, 1, 1, true, 60, 0x52));
    assert_ok(kmc_cache_save(cache, NULL));
    AUTO(kmc_cache_freep) struct kmc_cache *again = open_cache();
    assert_int_equal(find(again, 1, NULL, NULL), 0x52);
    assert_int_equal(reports, 1);
}

static void a_key_file_must_be_private_and_a_key(void **state)
{
    (void)state;
    struct kmc_cache *cache = NULL;
    struct err_detail detail = {0};
    struct kmc_cache_config config = {.file = file, .key_file = key_file};
    kmc_cache_free(open_cache());
    assert_int_equal(chmod(key_file, 0640), 0);
    assert_err(kmc_cache_new(&config, &detail, &cache), ERR_DENIED);
    assert_non_null(strstr(detail.text, "chmod 600"));
    assert_int_equal(chmod(key_file, 0600), 0);
    static const char *const bad[] = {"", "00", "zz", "not a key"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_ok(file_write(key_file, bytes_str(bad[i]), 0600, NULL));
        assert_err(kmc_cache_new(&config, &detail, &cache), ERR_SYNTAX);
    }
    config.file = "/nowhere/at/all/cache";
    assert_err(kmc_cache_new(&config, &detail, &cache), ERR_NOT_FOUND);
    assert_null(cache);
}

static void many_processes_lose_nothing(void **state)
{
    (void)state;
    enum { PROCESSES = 4, EACH = 20 };
    pid_t children[PROCESSES];
    kmc_cache_free(open_cache());
    for (unsigned p = 0; p < PROCESSES; p++) {
        children[p] = fork();
        if (children[p] != 0)
            continue;
        struct kmc_cache *cache = open_cache();
        for (unsigned i = 0; i < EACH; i++) {
            if (put(cache, 1 + p * EACH + i, 1, true, 60, (uint8_t)(p * EACH + i)) != ERR_OK ||
                kmc_cache_save(cache, NULL) != ERR_OK)
                _exit(1);
        }
        kmc_cache_free(cache);
        _exit(reports == 0 ? 0 : 2);
    }
    for (unsigned p = 0; p < PROCESSES; p++) {
        int status = 0;
        assert_int_equal(waitpid(children[p], &status, 0), children[p]);
        assert_int_equal(status, 0);
    }
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    for (unsigned i = 0; i < PROCESSES * EACH; i++)
        assert_int_equal(find(cache, 1 + i, NULL, NULL), i);
}

static void a_disk_that_fails_keeps_the_change(void **state)
{
    (void)state;
    AUTO(kmc_cache_freep) struct kmc_cache *cache = open_cache();
    struct err_detail detail = {0};
    char *moved = test_path(dir, "moved");
    assert_ok(put(cache, 1, 1, true, 60, 0x61));
    assert_int_equal(mkdir(file, 0700), 0);
    assert_true(kmc_cache_save(cache, &detail) != ERR_OK);
    assert_false(kmc_cache_is_saved(cache));
    assert_int_equal(rename(file, moved), 0);
    assert_ok(kmc_cache_save(cache, NULL));
    AUTO(kmc_cache_freep) struct kmc_cache *again = open_cache();
    assert_int_equal(find(again, 1, NULL, NULL), 0x61);
    free(moved);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
TEST_MAIN(CASE(what_was_put_is_found_until_it_expires),
          CASE(a_clock_that_was_set_back_lengthens_nothing), CASE(versions_live_beside_the_newest),
          CASE(it_is_there_after_a_restart_and_for_others), CASE(no_flipped_bit_gives_a_key),
          CASE(a_damaged_entry_leaves_the_others), CASE(another_key_opens_nothing_and_says_so),
          CASE(a_key_file_must_be_private_and_a_key), CASE(many_processes_lose_nothing),
          CASE(a_disk_that_fails_keeps_the_change))
