#include "line/gateway_keys.h"

#include "base/hex.h"
#include "crypto/cms.h"
#include "crypto/pem.h"
#include "sample.h"
#include "support/test.h"

#define GATEWAY "0x0123456789abcdef23456789abcdef01456789abcdef0123"
#define CDLD    "0x000102030405060708090a0b0c0d0e0f"
#define TEXT    "gateway, " GATEWAY "\ngateway_cdld, " CDLD "\n"

static struct line_gateway_keys expected, keys;
static struct line_fault fault;

static int setup(void **state)
{
    (void)state;
    uint8_t key[24];
    size_t len = 0;
    assert_ok(hex_decode(bytes_str(&GATEWAY[2]), key, sizeof key, &len));
    assert_ok(check_value_of(bytes_of(key, 24), expected.gateway_kcv));
    assert_ok(hex_decode(bytes_str(&CDLD[2]), key, sizeof key, &len));
    assert_ok(check_value_of(bytes_of(key, 16), expected.cdld_kcv));
    expected.gateway_version = 4;
    keys = (struct line_gateway_keys){0};
    fault = (struct line_fault){0};
    return 0;
}

static void the_two_lines_are_read(void **state)
{
    (void)state;
    assert_ok(line_gateway_keys_read(bytes_str(TEXT), &expected, &keys, &fault));
    assert_int_equal(secret_len(keys.gateway), 24);
    assert_int_equal(secret_len(keys.cdld), 16);
    assert_int_equal(keys.gateway_version, 4);
    assert_int_equal(secret_data(keys.cdld)[15], 15);
    line_gateway_keys_done(&keys);
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "gateway, " GATEWAY "\n",
        "gateway_cdld, " CDLD "\n",
        TEXT "gateway, " GATEWAY "\n",
        TEXT "base, " CDLD "\n",
        TEXT "0x00010200, " CDLD ",1,0\n",
        "gateway, " CDLD "\ngateway_cdld, " CDLD "\n",
        "gateway " GATEWAY "\ngateway_cdld, " CDLD "\n",
        "gateway, 0x1123456789abcdef23456789abcdef01456789abcdef0123\ngateway_cdld, " CDLD "\n",
        "gateway, " GATEWAY "\ngateway_cdld, 0xg00102030405060708090a0b0c0d0e0f\n",
        "gateway, " GATEWAY "\ngateway_cdld, 0x010102030405060708090a0b0c0d0e0f\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fault = (struct line_fault){0};
        if (line_gateway_keys_read(bytes_str(cases[i]), &expected, &keys, &fault) == ERR_OK)
            fail_msg("accepted: %s", cases[i]);
        assert_int_equal(fault.code, LINE_SERVER_ANSWER);
        assert_null(strstr(fault.text, "0123"));
        assert_null(keys.gateway);
    }
}

struct io {
    struct bytes in;
    struct buf out;
};

static enum err source(void *arg, uint8_t *to, size_t cap, size_t *ret_len,
                       struct err_detail *detail)
{
    struct io *io = arg;
    (void)detail;
    assert_true(io->in.len <= cap);
    memcpy(to, io->in.data, io->in.len);
    *ret_len = io->in.len;
    io->in.len = 0;
    return ERR_OK;
}

static enum err sink(void *arg, struct bytes data, struct err_detail *detail)
{
    (void)detail;
    return buf_append(&((struct io *)arg)->out, data);
}

/* Base64 of a CMS to the sample key, which PEM has too. */
static char *sealed(const char *text)
{
    struct io io = {.in = bytes_str(text)};
    struct buf pem = {0};
    struct cms_io cms = {.arg = &io, .source = source, .sink = sink};
    assert_ok(cms_encrypt(rsa_private_public(sample_key()), OAEP_SHA1, &cms, NULL));
    assert_ok(pem_encode("CMS", buf_view(&io.out), &pem));
    assert_ok(buf_append(&pem, bytes_of("", 1)));
    char *start = strchr((char *)pem.data, '\n') + 1;
    *strstr(start, "\n-----END") = '\0';
    char *copy = strdup(start);
    buf_done(&pem);
    buf_done(&io.out);
    return copy;
}

static void they_come_in_a_cms_to_this_process(void **state)
{
    (void)state;
    char *cms = sealed(TEXT);
    assert_ok(line_gateway_keys_open(cms, sample_key(), &expected, &keys, &fault));
    assert_int_equal(secret_data(keys.gateway)[0], 0x01);
    line_gateway_keys_done(&keys);
    struct rsa_private *other = NULL;
    assert_ok(rsa_private_generate(2048, &other, NULL));
    assert_true(line_gateway_keys_open(cms, other, &expected, &keys, &fault) != ERR_OK);
    assert_int_equal(fault.code, LINE_SERVER_ANSWER);
    rsa_private_free(other);
    cms[strlen(cms) - 30] ^= 1;
    assert_true(line_gateway_keys_open(cms, sample_key(), &expected, &keys, &fault) != ERR_OK);
    assert_true(line_gateway_keys_open("", sample_key(), &expected, &keys, &fault) != ERR_OK);
    assert_true(line_gateway_keys_open("AAAA", sample_key(), &expected, &keys, &fault) != ERR_OK);
    assert_null(keys.gateway);
    free(cms);
    char lots[1200];
    memset(lots, ' ', sizeof lots);
    lots[sizeof lots - 1] = '\0';
    cms = sealed(lots);
    assert_true(line_gateway_keys_open(cms, sample_key(), &expected, &keys, &fault) != ERR_OK);
    free(cms);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)
TEST_MAIN(CASE(the_two_lines_are_read), CASE(anything_else_is_refused),
          CASE(they_come_in_a_cms_to_this_process))
