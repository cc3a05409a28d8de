#include "api/compress.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "support/test.h"

static void browsers_take_gzip(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "gzip",           "gzip, deflate, br, zstd", "br;q=1.0, gzip;q=0.8", "deflate ,\tGZIP",
        "gzip ; q=0.001", "gzip;q=0.5, identity;q=0"};
    static const char *const no[] = {"",        "identity", "br, deflate", "x-gzip",
                                     "gzipped", "gzip;q=0", "gzip; q=0.0", "gzip ;q=0.000, br",
                                     "br;gzip", "gzi,p",    ",,;,"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!api_takes_gzip(yes[i]))
            fail_msg("'%s' takes gzip", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (api_takes_gzip(no[i]))
            fail_msg("'%s' takes no gzip", no[i]);
    assert_false(api_takes_gzip(NULL));
}

static void check(struct bytes plain)
{
    AUTO(buf_done) struct buf small = {0};
    uint8_t *back = malloc(plain.len + 1);
    z_stream z = {0};
    assert_non_null(back);
    assert_ok(buf_append(&small, bytes_str("before")));
    assert_ok(api_compress(plain, &small));
    assert_memory_equal(small.data, "before", 6);
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = small.data + 6;
    z.avail_in = (uInt)(small.len - 6);
    z.next_out = back;
    z.avail_out = (uInt)(plain.len + 1);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    assert_int_equal(z.total_out, plain.len);
    assert_memory_equal(back, plain.data, plain.len);
    (void)inflateEnd(&z);
    free(back);
}

static void what_is_compressed_comes_back(void **state)
{
    (void)state;
    static uint8_t big[1 << 20];
    check(bytes_of("", 0));
    check(bytes_of("a", 1));
    memset(big, 'x', sizeof big);
    check(BYTES(big));
    uint32_t n = 1; /* as bad as it gets */
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)((n = n * 1664525 + 1013904223) >> 24);
    check(BYTES(big));
    AUTO(buf_done) struct buf none = {0};
    assert_err(api_compress(bytes_of(big, API_COMPRESS_MAX + 1), &none), ERR_LIMIT);
    assert_int_equal(none.len, 0);
}

TEST_MAIN(cmocka_unit_test(browsers_take_gzip), cmocka_unit_test(what_is_compressed_comes_back))
