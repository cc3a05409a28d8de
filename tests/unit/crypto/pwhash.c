#include "crypto/pwhash.h"

#include "tools.h"

static void argon2_program_agrees(void **state)
{
    (void)state;
    if (!have("argon2"))
        skip();
    char *dir = test_tempdir();
    static const struct pwhash_params sets[] = {{.t_cost = 1, .m_kib = 8192, .lanes = 1},
                                                {.t_cost = 3, .m_kib = 65536, .lanes = 4}};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        struct secret *key = NULL;
        assert_ok(pwhash_derive(bytes_str("correct horse"), bytes_str("some salt here"), &sets[i],
                                64, &key, NULL));
        assert_int_equal(
            shell("printf 'correct horse' | argon2 'some salt here' -id -v 13 -t %u -k "
                  "%u -p %u -l 64 -r > %s/out",
                  sets[i].t_cost, sets[i].m_kib, sets[i].lanes, dir),
            0);
        struct buf got = {0};
        get_file(dir, "out", &got);
        char hex[129];
        hex_encode(secret_view(key), hex);
        assert_true(got.len >= 128);
        assert_memory_equal(got.data, hex, 128);
        buf_done(&got);
        secret_free(key);
    }
    test_tempdir_remove(dir);
}

static void limits(void **state)
{
    (void)state;
    static const struct pwhash_params bad[] = {
        {.t_cost = 0, .m_kib = 8192, .lanes = 1},
        {.t_cost = PWHASH_T_MAX + 1, .m_kib = 8192, .lanes = 1},
        {.t_cost = 1, .m_kib = PWHASH_M_MIN_KIB - 1, .lanes = 1},
        {.t_cost = 1, .m_kib = PWHASH_M_MAX_KIB + 1, .lanes = 1},
        {.t_cost = 1, .m_kib = UINT32_MAX, .lanes = 1},
        {.t_cost = 1, .m_kib = 8192, .lanes = 0},
        {.t_cost = 1, .m_kib = 8192, .lanes = PWHASH_LANES_MAX + 1},
    };
    static const uint8_t text[PWHASH_PASSPHRASE_MAX + 1] = {1};
    struct secret *key = NULL;
    struct err_detail detail = {0};
    struct bytes salt = bytes_of(text, 16);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_err(pwhash_derive(bytes_str("x"), salt, &bad[i], 32, &key, &detail), ERR_LIMIT);
        assert_true(detail.text[0] != '\0');
    }
    struct pwhash_params good = {.t_cost = 1, .m_kib = PWHASH_M_MIN_KIB, .lanes = 1};
    assert_err(pwhash_derive(bytes_str(""), salt, &good, 32, &key, NULL), ERR_LIMIT);
    assert_err(pwhash_derive(BYTES(text), salt, &good, 32, &key, NULL), ERR_LIMIT);
    assert_err(pwhash_derive(bytes_str("x"), bytes_of(text, 7), &good, 32, &key, NULL), ERR_LIMIT);
    assert_err(pwhash_derive(bytes_str("x"), salt, &good, 15, &key, NULL), ERR_LIMIT);
    assert_err(pwhash_derive(bytes_str("x"), salt, &good, 513, &key, NULL), ERR_LIMIT);
    assert_null(key);
    good = PWHASH_DEFAULT;
    assert_ok(pwhash_check(&good, NULL));
}

static void verifiers(void **state)
{
    (void)state;
    char verifier[PWHASH_VERIFIER_MAX + 1], other[PWHASH_VERIFIER_MAX + 1];
    assert_ok(pwhash_verifier_make(bytes_str("tr0ub4dor"), verifier, NULL));
    assert_ok(pwhash_verifier_make(bytes_str("tr0ub4dor"), other, NULL));
    assert_string_not_equal(verifier, other); /* a salt of its own */
    assert_true(strncmp(verifier, "$argon2id$v=19$m=65536,t=3,p=4$", 31) == 0);
    assert_ok(pwhash_verifier_check(verifier, bytes_str("tr0ub4dor"), NULL));
    assert_err(pwhash_verifier_check(verifier, bytes_str("tr0ub4doR"), NULL), ERR_UNAUTHENTICATED);
    assert_err(pwhash_verifier_check(verifier, bytes_str(""), NULL), ERR_UNAUTHENTICATED);
    assert_err(pwhash_verifier_make(bytes_str(""), other, NULL), ERR_LIMIT);
}

/* Made with `argon2 'somesalt' -id -v 13 -t 2 -k 8192 -p 1 -l 24 -e` of the reference
 * implementation. */
static void foreign_verifier(void **state)
{
    (void)state;
    static const char good[] =
        "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQ$4dXLZ4dkRnqa/0XBleqzvZacC8ORPOP5";
    assert_ok(pwhash_verifier_check(good, bytes_str("password"), NULL));
    assert_err(pwhash_verifier_check(good, bytes_str("Password"), NULL), ERR_UNAUTHENTICATED);
}

static void bad_verifiers(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "password",
        "$argon2i$v=19$m=8192,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=16$m=8192,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQ$AAAA",
        "$argon2id$v=19$m=8192,t=2,p=1$c29tZX!hbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8192,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA$x",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(pwhash_verifier_check(bad[i], bytes_str("x"), NULL), ERR_CORRUPT);
    assert_err(pwhash_verifier_check(
                   "$argon2id$v=19$m=4294967,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                   bytes_str("x"), NULL),
               ERR_LIMIT);
}

TEST_MAIN(cmocka_unit_test(argon2_program_agrees), cmocka_unit_test(limits),
          cmocka_unit_test(verifiers), cmocka_unit_test(foreign_verifier),
          cmocka_unit_test(bad_verifiers))
