#include "crypto/der.h"

#include "crypto/pem.h"
#include "tools.h"

static void lengths_are_shortest(void **state)
{
    (void)state;
    static uint8_t content[70000];
    static const struct {
        size_t len;
        const char *head;
    } rows[] = {{0, "0400"},         {1, "0401"},           {127, "047f"},
                {128, "048180"},     {255, "0481ff"},       {256, "04820100"},
                {65535, "0482ffff"}, {65536, "0483010000"}, {70000, "0483011170"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (int nested = 0; nested < 2; nested++) {
            struct der_writer w = {0};
            if (nested) {
                der_begin(&w, DER_OCTET_STRING);
                der_put_raw(&w, bytes_of(content, rows[i].len));
                der_end(&w);
            } else {
                der_put(&w, DER_OCTET_STRING, bytes_of(content, rows[i].len));
            }
            assert_ok(der_status(&w));
            assert_hex(w.out.data, rows[i].head);
            struct der r = der_of(buf_view(&w.out));
            struct bytes back;
            assert_ok(der_take(&r, DER_OCTET_STRING, &back));
            assert_int_equal(back.len, rows[i].len);
            assert_ok(der_finish(&r));
            der_done(&w);
        }
}

static void numbers(void **state)
{
    (void)state;
    static const uint32_t values[] = {0, 1, 127, 128, 255, 256, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct der_writer w = {0};
        uint32_t back = 1;
        der_put_small(&w, values[i]);
        assert_ok(der_status(&w));
        struct der r = der_of(buf_view(&w.out));
        assert_ok(der_small(&r, &back));
        assert_int_equal(back, values[i]);
        der_done(&w);
    }
}

static void times(void **state)
{
    (void)state;
    static const int64_t values[] = {-631152000, 0,          951782400,   1763693521,
                                     2524607999, 2524608000, 253402300799};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct der_writer w = {0};
        int64_t back = 1;
        der_put_time(&w, values[i]);
        assert_ok(der_status(&w));
        /* RFC 5280, 4.1.2.5: UTCTime until 2049. */
        assert_int_equal(w.out.data[0],
                         values[i] < 2524608000 ? DER_UTC_TIME : DER_GENERALIZED_TIME);
        struct der r = der_of(buf_view(&w.out));
        assert_ok(der_time(&r, &back));
        assert_true(back == values[i]);
        der_done(&w);
    }
    static const char *const bad[] = {"9902310000", "9913010000",  "9901012400",
                                      "990101006",  "99010100000", "9901010000001"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[32];
        int len = snprintf(text + 2, sizeof text - 2, "%s00Z", bad[i]);
        text[0] = DER_UTC_TIME;
        text[1] = (char)len;
        struct der r = der_of(bytes_of(text, (size_t)len + 2));
        int64_t back = 1;
        assert_err(der_time(&r, &back), ERR_SYNTAX);
    }
}

static void what_is_not_der_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *der;
        enum err want;
    } rows[] = {
        {"", ERR_TRUNCATED},
        {"04", ERR_TRUNCATED},
        {"0401", ERR_TRUNCATED},
        {"0481", ERR_TRUNCATED},
        {"048201", ERR_TRUNCATED},
        {"0480", ERR_SYNTAX},
        {"04810100", ERR_SYNTAX},
        {"0482008000", ERR_SYNTAX},
        {"1f0100", ERR_SYNTAX},
        {"0000", ERR_SYNTAX},
        {"0485010000000000", ERR_SYNTAX},
        {"0484ffffffff", ERR_LIMIT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct der r = der_of(unhex(rows[i].der));
        assert_err(der_any(&r, NULL, NULL, NULL), rows[i].want);
    }
    static const char *const integers[] = {"0200", "0201ff", "02020001", "02028000"};
    for (size_t i = 0; i < ARRAY_LEN(integers); i++) {
        struct der r = der_of(unhex(integers[i]));
        struct bytes v;
        assert_err(der_uint(&r, &v), ERR_SYNTAX);
    }
    struct der r = der_of(unhex("3003040500"));
    struct der inner;
    struct bytes v;
    assert_ok(der_enter(&r, DER_SEQUENCE, &inner));
    assert_err(der_take(&inner, DER_OCTET_STRING, &v), ERR_SYNTAX); /* past its parent's end */
    r = der_of(unhex("03020100"));
    assert_err(der_bits(&r, &v), ERR_SYNTAX);
    bool yes;
    r = der_of(unhex("010101"));
    assert_err(der_bool(&r, &yes), ERR_SYNTAX);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    struct der_writer w = {0};
    for (unsigned i = 0; i < DER_DEPTH_MAX; i++)
        der_begin(&w, DER_SEQUENCE);
    for (unsigned i = 0; i < DER_DEPTH_MAX; i++)
        der_end(&w);
    assert_ok(der_status(&w));
    struct der r = der_of(buf_view(&w.out));
    enum err err = ERR_OK;
    unsigned depth = 0;
    while (err == ERR_OK && depth < 100) {
        struct der inner;
        err = der_enter(&r, DER_SEQUENCE, &inner);
        r = inner;
        depth++;
    }
    assert_err(err, ERR_LIMIT);
    der_done(&w);
    for (unsigned i = 0; i <= DER_DEPTH_MAX; i++)
        der_begin(&w, DER_SEQUENCE);
    assert_err(der_status(&w), ERR_LIMIT);
    der_done(&w);
}

static void pem_round_trip(void **state)
{
    (void)state;
    static const uint8_t data[200] = {1, 2, 3};
    for (size_t len = 1; len <= sizeof data; len++) {
        struct buf pem = {0};
        struct buf back = {0};
        assert_ok(buf_append(&pem, bytes_str("text before\n")));
        assert_ok(pem_encode("THING", bytes_of(data, len), &pem));
        struct bytes text = buf_view(&pem);
        assert_ok(pem_decode("THING", &text, &back, NULL));
        assert_int_equal(back.len, len);
        assert_memory_equal(back.data, data, len);
        assert_err(pem_decode("THING", &text, &back, NULL), ERR_NOT_FOUND);
        buf_done(&pem);
        buf_done(&back);
    }
}

static void bad_pem_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *pem;
        enum err want;
    } rows[] = {
        {"", ERR_NOT_FOUND},
        {"-----BEGIN B-----\nAAAA\n-----END B-----\n", ERR_NOT_FOUND},
        {" -----BEGIN A-----\nAAAA\n-----END A-----\n", ERR_NOT_FOUND},
        {"-----BEGIN A-----\nAAAA\n", ERR_TRUNCATED},
        {"-----BEGIN A-----\n-----END A-----\n", ERR_SYNTAX},
        {"-----BEGIN A-----\nAAA\n-----END A-----\n", ERR_SYNTAX},
        {"-----BEGIN A-----\nAA=A\n-----END A-----\n", ERR_SYNTAX},
        {"-----BEGIN A-----\nA===\n-----END A-----\n", ERR_SYNTAX},
        {"-----BEGIN A-----\nA-_A\n-----END A-----\n", ERR_SYNTAX},
        {"-----BEGIN A-----\r\nAAAA\r\n-----END A-----\r\n", ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf back = {0};
        struct bytes text = bytes_str(rows[i].pem);
        assert_err(pem_decode("A", &text, &back, NULL), rows[i].want);
        buf_done(&back);
    }
}

TEST_MAIN(cmocka_unit_test(lengths_are_shortest), cmocka_unit_test(numbers),
          cmocka_unit_test(times), cmocka_unit_test(what_is_not_der_is_refused),
          cmocka_unit_test(depth_is_bounded), cmocka_unit_test(pem_round_trip),
          cmocka_unit_test(bad_pem_is_refused))
