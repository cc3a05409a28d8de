#include "keeper/keyring_line.h"

#include "support/test.h"

/* KMS User Guide, A.4.2, as printed there: the base line has an odd number of digits. */
static const char guide[] = "pwdh, 0xa39b3510d0ef8d3b5a2e701bf568c491\n"
                            "base, 0xf08916b6f998ad78ee31079c9afca0f\n"
                            "gateway, 0x015723c7196862208f6bfb1a5219f725ae041a79a1673ebc\n"
                            "gateway_cdld, 0x2cd4cea3efe06e6ce9541954000cc055\n"
                            "0x00010200, 0x370ed34aef1835709b7eedf259d83fc5,1,0\n";

static struct keyring_line good(const char *text, unsigned width)
{
    struct keyring_line line;
    char reason[KEYRING_TEXT_MAX] = "";
    enum err err = keyring_parse(bytes_str(text), width, &line, reason);
    if (err != ERR_OK)
        print_error("%s: %s\n", text, reason);
    assert_int_equal(err, ERR_OK);
    return line;
}

static void bad(const char *text, unsigned width, const char *want)
{
    struct keyring_line line;
    char reason[KEYRING_TEXT_MAX] = "";
    assert_err(keyring_parse(bytes_str(text), width, &line, reason), ERR_SYNTAX);
    if (strstr(reason, want) == NULL)
        fail_msg("%s", reason);
}

#define KEY "0x370ed34aef1835709b7eedf259d83fc5"

static void lines_of_the_guide(void **state)
{
    (void)state;
    struct keyring_line line = good("0x00010200, " KEY ",1,0", 32);
    assert_int_equal(line.table, KEEPER_NODE);
    assert_int_equal(line.id, 0x10200);
    assert_int_equal(line.key_len, 16);
    assert_int_equal(line.key[0], 0x37);
    assert_int_equal(line.batch, 1);
    assert_int_equal(line.reprovisioned, 0);
    assert_int_equal(good("pwdh, 0xa39b3510d0ef8d3b5a2e701bf568c491", 32).table, KEEPER_PWDH);
    assert_int_equal(good("gateway_cdld, 0x2cd4cea3efe06e6ce9541954000cc055", 32).table,
                     KEEPER_CDLD);
    assert_int_equal(
        good("gateway, 0x015723c7196862208f6bfb1a5219f725ae041a79a1673ebc", 32).key_len, 24);
    bad("base, 0xf08916b6f998ad78ee31079c9afca0f", 32, "31 digits (an odd number)");
}

static void what_is_tolerated(void **state)
{
    (void)state;
    struct keyring_line line =
        good("  0X1020A\t ,\t0X370ED34AEF1835709B7EEDF259D83FC5 , 7 ,3  \r", 32);
    assert_int_equal(line.id, 0x1020a);
    assert_int_equal(line.key[15], 0xc5);
    assert_int_equal(line.batch, 7);
    assert_int_equal(line.reprovisioned, 3);
    assert_int_equal(good("PWDH,0xa39b3510d0ef8d3b5a2e701bf568c491", 32).table, KEEPER_PWDH);
    assert_true(good("0xfedcba9876543210," KEY ",1,0", 64).id == 0xfedcba9876543210);
    assert_true(keyring_blank(bytes_str(" \t\r")));
    assert_false(keyring_blank(bytes_str(" x")));
}

static void what_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "first column"},
        {",", "first column"},
        {"0x1", "the key is missing"},
        {"0x1,", "the key is missing"},
        {"0x1,370ed34aef1835709b7eedf259d83fc5,1,0", "does not start with 0x"},
        {"0x1," KEY "0,1,0", "33 digits (an odd number), 32 are wanted"},
        {"0x1," KEY "00,1,0", "34 digits, 32 are wanted"},
        {"0x1,0x370ed34aef1835709b7eedf259d83fcg,1,0", "no hexadecimal digit"},
        {"0x1,0x370ed34aef1835709b7eedf259d 3fc5,1,0", "no hexadecimal digit"},
        {"0x1," KEY, "batch number is missing"},
        {"0x1," KEY ",", "batch number is missing"},
        {"0x1," KEY ",1", "reprovision count is missing"},
        {"0x1," KEY ",1,0,", "more behind"},
        {"0x1," KEY ",1,0,x", "more behind"},
        {"0x1," KEY ",1 2,0", "no digit"},
        {"0x1," KEY ",-1,0", "no digit"},
        {"0x1," KEY ",4294967296,0", "out of range"},
        {"0x1," KEY ",1,99999999999999999999", "out of range"},
        {"0x0," KEY ",1,0", "node id 0"},
        {"0x," KEY ",1,0", "no digits"},
        {"0xg," KEY ",1,0", "no hexadecimal digit"},
        {"0x100000000," KEY ",1,0", "out of range (32 bits)"},
        {"0x1fedcba9876543210," KEY ",1,0", "out of range (64 bits)"},
        {"node," KEY ",1,0", "neither"},
        {"pwdh," KEY ",1", "more behind"},
        {"gateway," KEY, "32 digits, 48 are wanted"},
        {"gateway,0x000000000000000000000000000000000000000000000000", "gateway key:"},
        {"gateway,0x015723c719686220015723c719686220ae041a79a1673ebc", "gateway key:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        bad(cases[i][0], 32, cases[i][1]);
}

static void written_then_read(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "0x00010200, " KEY ",1,0\n",
        "0x0000000100000000, " KEY ",4294967295,12\n",
        "gateway, 0x015723c7196862208f6bfb1a5219f725ae041a79a1673ebc\n",
        "gateway_cdld, 0x2cd4cea3efe06e6ce9541954000cc055\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct keyring_line line;
        char reason[KEYRING_TEXT_MAX];
        assert_ok(keyring_parse(bytes_of(lines[i], strlen(lines[i]) - 1), 64, &line, reason));
        uint8_t room[KEYRING_OUT_MAX];
        struct writer w = writer_of(room, sizeof room);
        keyring_format(&w, &line);
        assert_ok(writer_status(&w));
        assert_true(bytes_equal(writer_view(&w), bytes_str(lines[i])));
    }
}

static void a_stream_splits_anywhere(void **state)
{
    (void)state;
    for (size_t chunk = 1; chunk < sizeof guide; chunk++) {
        struct keyring_split split = {.number = 0};
        unsigned lines = 0;
        for (size_t at = 0; at < sizeof guide - 1; at += chunk) {
            size_t len = sizeof guide - 1 - at < chunk ? sizeof guide - 1 - at : chunk;
            struct bytes input = bytes_of(guide + at, len);
            struct bytes line;
            enum keyring_piece piece;
            while ((piece = keyring_split_next(&split, &input, &line)) != KEYRING_MORE) {
                assert_int_equal(piece, KEYRING_LINE);
                lines++;
            }
        }
        assert_int_equal(lines, 5);
        assert_int_equal(split.number, 5);
        struct bytes line;
        assert_int_equal(keyring_split_end(&split, &line), KEYRING_MORE);
        keyring_split_done(&split);
    }
}

static void a_huge_line_takes_no_memory(void **state)
{
    (void)state;
    uint8_t piece[1024];
    memset(piece, 'a', sizeof piece);
    struct keyring_split split = {.number = 0};
    struct bytes line, input;
    for (unsigned i = 0; i < 10240; i++) {
        input = BYTES(piece);
        assert_int_equal(keyring_split_next(&split, &input, &line), KEYRING_MORE);
    }
    input = bytes_str("\n0x1\nlast");
    assert_int_equal(keyring_split_next(&split, &input, &line), KEYRING_OVERLONG);
    assert_int_equal(split.number, 1);
    assert_int_equal(keyring_split_next(&split, &input, &line), KEYRING_LINE);
    assert_true(bytes_equal(line, bytes_str("0x1")));
    assert_int_equal(keyring_split_next(&split, &input, &line), KEYRING_MORE);
    assert_int_equal(keyring_split_end(&split, &line), KEYRING_LINE);
    assert_true(bytes_equal(line, bytes_str("last")));
    keyring_split_done(&split);
    /* 256 bytes and a CR are just right, one more is not */
    input = bytes_of(piece, 256);
    assert_int_equal(keyring_split_next(&split, &input, &line), KEYRING_MORE);
    input = bytes_str("\r\n");
    assert_int_equal(keyring_split_next(&split, &input, &line), KEYRING_LINE);
    assert_int_equal(line.len, 256);
    input = bytes_of(piece, 257);
    assert_int_equal(keyring_split_next(&split, &input, &line), KEYRING_MORE);
    input = bytes_str("\n");
    assert_int_equal(keyring_split_next(&split, &input, &line), KEYRING_OVERLONG);
    keyring_split_done(&split);
}

TEST_MAIN(cmocka_unit_test(lines_of_the_guide), cmocka_unit_test(what_is_tolerated),
          cmocka_unit_test(what_is_refused), cmocka_unit_test(written_then_read),
          cmocka_unit_test(a_stream_splits_anywhere), cmocka_unit_test(a_huge_line_takes_no_memory))
