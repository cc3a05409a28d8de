#include "crypto/keyform.h"
#include "crypto/keygen.h"

#include "tools.h"

static const struct keygen_pair pairs[] = {
    {.alg = ALG_RSA, .bits = 1024},
    {.alg = ALG_RSA, .bits = 2048, .exponent = 3},
    {.alg = ALG_EC},
    {.alg = ALG_ECDSA, .bits = 384},
    {.alg = ALG_ECDH, .curve = CURVE_P_521},
    {.alg = ALG_EC, .curve = CURVE_P_192},
    {.alg = ALG_EC, .curve = CURVE_P_224},
    {.alg = ALG_EC, .curve = CURVE_SECP256K1},
    {.alg = ALG_EC, .curve = CURVE_SECP224K1},
    {.alg = ALG_EC, .curve = CURVE_SECP160R1},
    {.alg = ALG_EC, .curve = CURVE_BRAINPOOLP256R1},
    {.alg = ALG_EC, .curve = CURVE_BRAINPOOLP512T1},
    {.alg = ALG_ED25519},
    {.alg = ALG_ED448},
    {.alg = ALG_ECDH, .curve = CURVE_CURVE25519},
    {.alg = ALG_EC, .curve = CURVE_CURVE448},
    {.alg = ALG_DSA, .bits = 1024},
    {.alg = ALG_DH, .bits = 2048},
};

struct made {
    struct secret *pkcs8;
    struct buf spki;
    struct keyform_info info;
};

static void made_done(struct made *made)
{
    secret_free(made->pkcs8);
    buf_done(&made->spki);
}

static void make(const struct keygen_pair *pair, struct made *made)
{
    assert_ok(keygen_pair(pair, &made->pkcs8, &made->spki, NULL));
    assert_ok(keyform_private_info(secret_view(made->pkcs8), &made->info, NULL));
}

static void expect_private(const struct made *made, uint32_t format)
{
    AUTO(secret_freep) struct secret *out = NULL;
    AUTO(secret_freep) struct secret *back = NULL;
    struct keyform_info info;
    assert_ok(keyform_private_out(secret_view(made->pkcs8), format, &out, NULL));
    uint32_t alg = made->info.alg;
    uint32_t curve = made->info.curve;
    if (format == FORMAT_RAW && alg == ALG_EC)
        return;
    assert_ok(keyform_private_in(format, alg, curve, secret_view(out), &back, &info, NULL));
    assert_true(bytes_equal(secret_view(back), secret_view(made->pkcs8)));
    assert_int_equal(info.bits, made->info.bits);
    back = (secret_free(back), NULL);
    assert_ok(keyform_private_in(0, alg, curve, secret_view(out), &back, &info, NULL));
    assert_true(bytes_equal(secret_view(back), secret_view(made->pkcs8)));
    /* Announced as something else. */
    uint32_t other = alg == ALG_RSA ? ALG_EC : ALG_RSA;
    struct secret *none = NULL;
    assert_err(
        keyform_private_in(FORMAT_PKCS8, other, 0, secret_view(made->pkcs8), &none, &info, NULL),
        ERR_KEY_FORM);
}

static void expect_public(const struct made *made, uint32_t format, uint32_t point)
{
    AUTO(buf_done) struct buf out = {0};
    AUTO(buf_done) struct buf back = {0};
    struct keyform_info info;
    assert_ok(keyform_public_out(buf_view(&made->spki), format, point, &out, NULL));
    assert_ok(keyform_public_in(format, made->info.alg, made->info.curve, buf_view(&out), &back,
                                &info, NULL));
    assert_true(bytes_equal(buf_view(&back), buf_view(&made->spki)));
    assert_int_equal(info.alg, made->info.alg);
}

static void parts_there_and_back(const struct made *made)
{
    AUTO(keyform_parts_done) struct keyform_parts parts = {0};
    AUTO(keyform_parts_done) struct keyform_parts public = {0};
    AUTO(secret_freep) struct secret *back = NULL;
    AUTO(buf_done) struct buf spki = {0};
    struct keyform_info info;
    assert_ok(keyform_parts_of_private(secret_view(made->pkcs8), &parts, NULL));
    assert_ok(keyform_private_of_parts(&parts, &back, &info, NULL));
    assert_true(bytes_equal(secret_view(back), secret_view(made->pkcs8)));
    assert_ok(keyform_parts_of_public(buf_view(&made->spki), 0, &public, NULL));
    assert_ok(keyform_public_of_parts(&public, &spki, &info, NULL));
    assert_true(bytes_equal(buf_view(&spki), buf_view(&made->spki)));
    if (made->info.alg != ALG_EC)
        return;
    keyform_parts_done(&public);
    assert_ok(
        keyform_parts_of_public(buf_view(&made->spki), POINT_COMPRESSED_PRIME, &public, NULL));
    assert_true(public.point.data[0] == 2 || public.point.data[0] == 3);
    spki.len = 0;
    assert_ok(keyform_public_of_parts(&public, &spki, &info, NULL));
    assert_true(bytes_equal(buf_view(&spki), buf_view(&made->spki)));
}

static void every_kind_in_every_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        AUTO(made_done) struct made made = {0};
        AUTO(made_done) struct made other = {0};
        AUTO(buf_done) struct buf spki = {0};
        make(&pairs[i], &made);
        bool rsa = made.info.alg == ALG_RSA;
        bool ec = made.info.alg == ALG_EC;
        bool dl = made.info.alg == ALG_DSA || made.info.alg == ALG_DH;
        expect_private(&made, FORMAT_PKCS8);
        expect_public(&made, FORMAT_X_509, 0);
        if (rsa)
            expect_private(&made, FORMAT_PKCS1);
        if (rsa)
            expect_public(&made, FORMAT_PKCS1, 0);
        if (ec)
            expect_private(&made, FORMAT_ECPRIVATEKEY);
        if (!dl && !rsa)
            expect_private(&made, FORMAT_RAW);
        if (!dl)
            expect_public(&made, FORMAT_RAW, 0);
        if (ec) {
            expect_public(&made, FORMAT_X_509, POINT_COMPRESSED_PRIME);
            expect_public(&made, FORMAT_RAW, POINT_HYBRID);
            expect_public(&made, FORMAT_RAW, POINT_UNCOMPRESSED);
            assert_err(keyform_public_out(buf_view(&made.spki), FORMAT_RAW, POINT_COMPRESSED_CHAR2,
                                          &spki, NULL),
                       ERR_UNSUPPORTED);
        }
        parts_there_and_back(&made);
        assert_ok(keyform_public_of(secret_view(made.pkcs8), &spki, NULL));
        assert_true(bytes_equal(buf_view(&spki), buf_view(&made.spki)));
        assert_ok(keyform_match(secret_view(made.pkcs8), buf_view(&made.spki), NULL));
        make(&(struct keygen_pair){.alg = ALG_EC}, &other);
        assert_err(keyform_match(secret_view(made.pkcs8), buf_view(&other.spki), NULL),
                   ERR_MISMATCH);
    }
}

/* Whatever determines an RSA key is enough. */
static void rsa_from_less(void **state)
{
    (void)state;
    AUTO(made_done) struct made made = {0};
    AUTO(keyform_parts_done) struct keyform_parts all = {0};
    make(&pairs[0], &made);
    assert_ok(keyform_parts_of_private(secret_view(made.pkcs8), &all, NULL));
    const struct keyform_parts less[] = {
        {.alg = ALG_RSA,
         .modulus = all.modulus,
         .public_exponent = all.public_exponent,
         .private_exponent = all.private_exponent},
        {.alg = ALG_RSA, .modulus = all.modulus, .private_exponent = all.private_exponent},
        {.alg = ALG_RSA, .public_exponent = all.public_exponent, .p = all.p, .q = all.q},
        {.alg = ALG_RSA, .p = all.p, .q = all.q, .private_exponent = all.private_exponent},
        {.alg = ALG_RSA,
         .modulus = all.modulus,
         .p = all.p,
         .public_exponent = all.public_exponent},
    };
    for (size_t i = 0; i < ARRAY_LEN(less); i++) {
        AUTO(secret_freep) struct secret *back = NULL;
        AUTO(buf_done) struct buf spki = {0};
        struct keyform_info info;
        assert_ok(keyform_private_of_parts(&less[i], &back, &info, NULL));
        assert_int_equal(info.bits, 1024);
        assert_ok(keyform_public_of(secret_view(back), &spki, NULL));
        assert_true(bytes_equal(buf_view(&spki), buf_view(&made.spki)));
    }
    /* Numbers that don't belong together. */
    struct bytes *numbers[] = {&all.modulus, &all.public_exponent,  &all.private_exponent,
                               &all.p,       &all.prime_exponent_p, &all.prime_exponent_q,
                               &all.q,       &all.crt_coefficient};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct bytes good = *numbers[i];
        uint8_t wrong[256];
        struct secret *none = NULL;
        struct keyform_info info;
        memcpy(wrong, good.data, good.len);
        wrong[good.len / 2] ^= 0x10;
        *numbers[i] = bytes_of(wrong, good.len);
        assert_err(keyform_private_of_parts(&all, &none, &info, NULL), ERR_KEY_FORM);
        assert_null(none);
        *numbers[i] = good;
    }
    struct secret *none = NULL;
    struct keyform_info info;
    struct keyform_parts nothing = {.alg = ALG_RSA};
    assert_err(keyform_private_of_parts(&nothing, &none, &info, NULL), ERR_KEY_FORM);
    nothing.modulus = all.modulus;
    nothing.private_exponent = BYTES("\x01");
    assert_err(keyform_private_of_parts(&nothing, &none, &info, NULL), ERR_KEY_FORM);
}

static void wrong_keys(void **state)
{
    (void)state;
    struct keyform_info info;
    struct secret *none = NULL;
    AUTO(buf_done) struct buf spki = {0};
    struct keyform_parts ec = {.alg = ALG_EC, .curve = CURVE_P_256};
    uint8_t number[40];
    memset(number, 0xff, sizeof number);
    ec.d = bytes_of(number, 32);
    assert_err(keyform_private_of_parts(&ec, &none, &info, NULL), ERR_KEY_FORM);
    ec.d = bytes_of(number, 0);
    assert_err(keyform_private_of_parts(&ec, &none, &info, NULL), ERR_KEY_FORM);
    uint8_t point[65] = {4, 1, 2, 3};
    ec.point = BYTES(point);
    assert_err(keyform_public_of_parts(&ec, &spki, &info, NULL), ERR_KEY_FORM);
    ec.point = bytes_of(point, 0);
    assert_err(keyform_public_of_parts(&ec, &spki, &info, NULL), ERR_KEY_FORM);
    point[0] = 0;
    ec.point = bytes_of(point, 1);
    assert_err(keyform_public_of_parts(&ec, &spki, &info, NULL), ERR_KEY_FORM);
    ec.curve = CURVE_K_163;
    assert_err(keyform_public_of_parts(&ec, &spki, &info, NULL), ERR_UNSUPPORTED);
    struct keyform_parts ed = {.alg = ALG_ED25519, .d = bytes_of(number, 31)};
    assert_err(keyform_private_of_parts(&ed, &none, &info, NULL), ERR_KEY_FORM);
    struct keyform_parts dh = {.alg = ALG_DH, .p = bytes_of(number, 40), .g = BYTES("\x02")};
    assert_err(keyform_public_of_parts(&dh, &spki, &info, NULL), ERR_LIMIT);
    static uint8_t large[KEYFORM_DER_MAX + 1];
    assert_err(keyform_private_in(FORMAT_PKCS8, 0, 0, BYTES(large), &none, &info, NULL), ERR_LIMIT);
    assert_err(keyform_private_in(FORMAT_PKCS8, 0, 0, bytes_of(large, 0), &none, &info, NULL),
               ERR_KEY_FORM);
    assert_err(keyform_private_in(FORMAT_PKCS8, 0, 0, bytes_of(large, 9), &none, &info, NULL),
               ERR_KEY_FORM);
    assert_err(keyform_private_in(FORMAT_RAW, 0, 0, bytes_of(large, 9), &none, &info, NULL),
               ERR_KEY_FORM);
    assert_err(keyform_private_in(FORMAT_PKCS12, 0, 0, bytes_of(large, 9), &none, &info, NULL),
               ERR_UNSUPPORTED);
    assert_err(keyform_public_in(FORMAT_X_509, 0, 0, bytes_of(large, 9), &spki, &info, NULL),
               ERR_KEY_FORM);
    assert_int_equal(spki.len, 0);
    assert_null(none);
}

static const struct {
    const char *make, *format_option;
    uint32_t format, alg, bits;
} peers[] = {
    {"openssl genrsa -traditional 1024", "rsa", FORMAT_PKCS1, ALG_RSA, 1024},
    {"openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "pkcs8 -topk8 -nocrypt",
     FORMAT_PKCS8, ALG_RSA, 2048},
    {"openssl ecparam -name secp384r1 -genkey -noout", "ec", FORMAT_ECPRIVATEKEY, ALG_EC, 384},
    {"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521", "pkcs8 -topk8 -nocrypt",
     FORMAT_PKCS8, ALG_EC, 521},
    {"openssl genpkey -algorithm ED448", "pkcs8 -topk8 -nocrypt", FORMAT_PKCS8, ALG_ED448, 456},
    {"openssl genpkey -algorithm X25519", "pkcs8 -topk8 -nocrypt", FORMAT_PKCS8, ALG_ECDH, 256},
    {"openssl genpkey -algorithm DH -pkeyopt group:ffdhe2048", "pkcs8 -topk8 -nocrypt",
     FORMAT_PKCS8, ALG_DH, 2048},
    {"openssl genpkey -algorithm DHX -pkeyopt group:dh_2048_256", "pkcs8 -topk8 -nocrypt",
     FORMAT_PKCS8, ALG_DH, 2048},
};

static void keys_of_openssl(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        AUTO(buf_done) struct buf der = {0};
        AUTO(buf_done) struct buf spki = {0};
        AUTO(buf_done) struct buf own = {0};
        AUTO(secret_freep) struct secret *pkcs8 = NULL;
        struct keyform_info info;
        bool traditional = peers[i].format != FORMAT_PKCS8;
        assert_int_equal(shell("%s > %s/key.pem 2>/dev/null && openssl %s -in %s/key.pem -outform "
                               "DER -out %s/key.der %s 2>/dev/null && openssl pkey -in "
                               "%s/key.pem -pubout -outform DER -out %s/public.der",
                               peers[i].make, dir, peers[i].format_option, dir, dir,
                               traditional && peers[i].alg == ALG_RSA ? "-traditional" : "", dir,
                               dir),
                         0);
        get_file(dir, "key.der", &der);
        get_file(dir, "public.der", &spki);
        assert_ok(keyform_private_in(peers[i].format, peers[i].alg, 0, buf_view(&der), &pkcs8,
                                     &info, NULL));
        assert_int_equal(info.bits, peers[i].bits);
        assert_ok(keyform_match(secret_view(pkcs8), buf_view(&spki), NULL));
        assert_ok(keyform_public_of(secret_view(pkcs8), &own, NULL));
        if (peers[i].alg != ALG_DH)
            assert_true(bytes_equal(buf_view(&own), buf_view(&spki)));
        /* And openssl reads ours. */
        put_file(dir, "ours.der", secret_view(pkcs8));
        assert_int_equal(shell("openssl pkey -in %s/ours.der -inform DER -noout -check "
                               ">/dev/null 2>&1",
                               dir),
                         0);
        /* Cut short anywhere, or longer. */
        for (size_t len = 0; len < der.len; len += 1 + len / 16) {
            struct secret *none = NULL;
            assert_int_not_equal(keyform_private_in(peers[i].format, 0, 0, bytes_of(der.data, len),
                                                    &none, &info, NULL),
                                 ERR_OK);
        }
        assert_ok(buf_append(&der, BYTES("\x00")));
        struct secret *none = NULL;
        assert_err(keyform_private_in(peers[i].format, 0, 0, buf_view(&der), &none, &info, NULL),
                   ERR_KEY_FORM);
    }
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(every_kind_in_every_form), cmocka_unit_test(rsa_from_less),
          cmocka_unit_test(wrong_keys), cmocka_unit_test(keys_of_openssl))
