#include "factory/package_tar.h"

#include <stdio.h>

#include "support/test.h"

static void put(uint8_t block[TAR_BLOCK], size_t at, const char *text, size_t len)
{
    memcpy(block + at, text, len);
    unsigned sum = 0;
    memset(block + 148, ' ', 8);
    for (size_t i = 0; i < TAR_BLOCK; i++)
        sum += block[i];
    snprintf((char *)block + 148, 8, "%06o", sum);
}

static void sample(uint8_t block[TAR_BLOCK])
{
    const struct tar_header header = {.name = "node.bin", .size = 0x1234};
    tar_header_write(&header, block);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 511, 512, 0xffffffff, 077777777777};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct tar_header header = {.size = sizes[i]}, got;
        uint8_t block[TAR_BLOCK];
        memset(header.name, 'n', 100 - i); /* the longest fills its field */
        tar_header_write(&header, block);
        assert_ok(tar_header_read(block, &got, NULL));
        assert_string_equal(got.name, header.name);
        assert_true(got.size == sizes[i]);
        assert_false(tar_block_is_zero(block));
    }
    assert_int_equal(tar_padding(0), 0);
    assert_int_equal(tar_padding(1), 511);
    assert_int_equal(tar_padding(512), 0);
    assert_int_equal(tar_padding(513), 511);
}

static void numbers_as_others_write_them(void **state)
{
    static const struct {
        char field[13];
        uint64_t size;
    } sizes[] = {{"00000000012\0", 10},
                 {"         12 ", 10},
                 {"12\0\0\0\0\0\0\0\0\0\0", 10},
                 {"000000000012", 10}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        uint8_t block[TAR_BLOCK];
        struct tar_header got;
        sample(block);
        put(block, 124, sizes[i].field, 12);
        assert_ok(tar_header_read(block, &got, NULL));
        assert_true(got.size == sizes[i].size);
    }
    uint8_t block[TAR_BLOCK];
    struct tar_header got;
    sample(block);
    put(block, 257, "ustar  ", 8); /* GNU tar's own */
    assert_ok(tar_header_read(block, &got, NULL));
    put(block, 156, "", 1); /* and the kind of before 1988 */
    assert_ok(tar_header_read(block, &got, NULL));
}

static void headers_that_are_refused(void **state)
{
    static const struct {
        size_t at;
        const char *text;
        size_t len;
        enum err err;
        const char *words;
    } bad[] = {
        {0, "", 1, ERR_SYNTAX, "''"},
        {0, "../x", 5, ERR_SYNTAX, "without a folder"},
        {0, "/x", 3, ERR_SYNTAX, "without a folder"},
        {0, "a\033[2Jb", 7, ERR_SYNTAX, "'a?[2Jb'"},
        {0, "\xff", 2, ERR_SYNTAX, "'?'"},
        {124, "            ", 12, ERR_SYNTAX, "no number"},
        {124, "00000000008", 12, ERR_SYNTAX, "no number"},
        {124, "-0000000001", 12, ERR_SYNTAX, "no number"},
        {124, "1 1", 12, ERR_SYNTAX, "no number"},
        {124, "\x80\0\0\0\0\0\0\1\0\0\0\0", 12, ERR_LIMIT, "8 GiB"},
        {124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, ERR_LIMIT, "8 GiB"},
        {156, "2", 1, ERR_SYNTAX, "a symbolic link"},
        {157, "/etc/passwd", 12, ERR_SYNTAX, "folder or link"},
        {345, "up", 3, ERR_SYNTAX, "folder or link"},
        {499, "x", 1, ERR_SYNTAX, "folder or link"},
        {257, "pax  ", 5, ERR_SYNTAX, "no header"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        uint8_t block[TAR_BLOCK];
        struct tar_header got = {.size = 7};
        struct err_detail detail = {.code = ERR_OK};
        char field[13] = "";
        sample(block);
        memcpy(field, bad[i].text, strnlen(bad[i].text, 12));
        bool whole = bad[i].at == 124 && (uint8_t)bad[i].text[0] >= 0x80;
        put(block, bad[i].at, bad[i].at == 124 && !whole ? field : bad[i].text, bad[i].len);
        assert_err(tar_header_read(block, &got, &detail), bad[i].err);
        if (strstr(detail.text, bad[i].words) == NULL)
            fail_msg("%s, wanted '%s'", detail.text, bad[i].words);
        assert_int_equal(got.size, 7);
    }
}

static void a_sum_that_does_not_fit(void **state)
{
    (void)state;
    uint8_t block[TAR_BLOCK];
    struct tar_header got;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sample(block);
        block[i] ^= 1;
        assert_err(tar_header_read(block, &got, NULL), ERR_SYNTAX);
    }
    memset(block, 0, sizeof block);
    assert_err(tar_header_read(block, &got, NULL), ERR_SYNTAX);
    assert_true(tar_block_is_zero(block));
}

TEST_MAIN(cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(numbers_as_others_write_them),
          cmocka_unit_test(headers_that_are_refused), cmocka_unit_test(a_sum_that_does_not_fit))
