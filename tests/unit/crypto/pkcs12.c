#include "crypto/pkcs12.h"

#include "crypto/keyform.h"
#include "crypto/keygen.h"

#include "tools.h"

static char *make_files(void)
{
    char *dir = test_tempdir();
    assert_int_equal(
        shell("cd %s && exec 2>/dev/null && "
              "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=own -days 300 "
              "-out cert.pem && "
              "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
              "other.pem -subj /CN=other -days 300 -out ca.pem && "
              "openssl x509 -in cert.pem -outform DER -out cert.der && "
              "openssl x509 -in ca.pem -outform DER -out ca.der && "
              "openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out key.der",
              dir),
        0);
    return dir;
}

static void wrap_them(const char *dir)
{
    assert_int_equal(
        shell("cd %s && exec 2>/dev/null && "
              "openssl pkcs12 -export -inkey key.pem -in cert.pem -certfile ca.pem -passout "
              "pass:secret -out all.p12 && "
              "openssl pkcs12 -export -inkey key.pem -in cert.pem -passout pass:secret -keypbe "
              "PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1 -out old.p12 && "
              "openssl pkcs12 -export -inkey key.pem -in cert.pem -passout pass: -out empty.p12 && "
              "openssl pkcs12 -export -inkey key.pem -in cert.pem -passout pass:secret -iter "
              "1000001 -out slow.p12 && "
              "openssl pkcs8 -topk8 -in key.pem -passout pass:secret -outform DER -out key.p8 && "
              "openssl pkcs8 -topk8 -in key.pem -passout pass:secret -scrypt -outform DER -out "
              "scrypt.p8 && "
              "openssl pkcs8 -topk8 -in key.pem -passout pass:secret -iter 1000001 -outform DER "
              "-out slow.p8",
              dir),
        0);
}

static void open_those_of_openssl(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = make_files();
    wrap_them(dir);
    AUTO(buf_done) struct buf key = {0};
    AUTO(buf_done) struct buf cert = {0};
    AUTO(buf_done) struct buf ca = {0};
    AUTO(buf_done) struct buf file = {0};
    get_file(dir, "key.der", &key);
    get_file(dir, "cert.der", &cert);
    get_file(dir, "ca.der", &ca);
    static const char *const names[] = {"all.p12", "old.p12", "empty.p12"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        AUTO(pkcs12_content_done) struct pkcs12_content content = {0};
        struct pkcs12_content none = {0};
        get_file(dir, names[i], &file);
        struct bytes password = bytes_str(i == 2 ? "" : "secret");
        assert_ok(pkcs12_open(buf_view(&file), password, &content, NULL));
        assert_true(bytes_equal(secret_view(content.pkcs8), buf_view(&key)));
        assert_true(bytes_equal(content.cert, buf_view(&cert)));
        assert_int_equal(content.others_count, i == 0);
        if (i == 0)
            assert_true(bytes_equal(content.others[0], buf_view(&ca)));
        assert_err(pkcs12_open(buf_view(&file), bytes_str("wrong"), &none, NULL), ERR_DENIED);
        for (size_t len = 0; len < file.len; len += 1 + len / 8)
            assert_err(pkcs12_open(bytes_of(file.data, len), password, &none, NULL), ERR_KEY_FORM);
    }
    struct pkcs12_content none = {0};
    get_file(dir, "slow.p12", &file);
    assert_err(pkcs12_open(buf_view(&file), bytes_str("secret"), &none, NULL), ERR_LIMIT);
    assert_err(pkcs12_open(buf_view(&file), BYTES("a\0b"), &none, NULL), ERR_ARGUMENT);
    AUTO(secret_freep) struct secret *opened = NULL;
    struct secret *nothing = NULL;
    get_file(dir, "key.p8", &file);
    assert_ok(pkcs8_open(buf_view(&file), bytes_str("secret"), &opened, NULL));
    assert_true(bytes_equal(secret_view(opened), buf_view(&key)));
    assert_err(pkcs8_open(buf_view(&file), bytes_str("wrong"), &nothing, NULL), ERR_DENIED);
    assert_err(pkcs8_open(buf_view(&key), bytes_str("secret"), &nothing, NULL), ERR_KEY_FORM);
    assert_err(pkcs12_open(buf_view(&file), bytes_str("secret"), &none, NULL), ERR_KEY_FORM);
    get_file(dir, "scrypt.p8", &file);
    assert_err(pkcs8_open(buf_view(&file), bytes_str("secret"), &nothing, NULL), ERR_UNSUPPORTED);
    get_file(dir, "slow.p8", &file);
    assert_err(pkcs8_open(buf_view(&file), bytes_str("secret"), &nothing, NULL), ERR_LIMIT);
    static uint8_t large[PKCS12_DER_MAX + 1];
    assert_err(pkcs12_open(BYTES(large), bytes_str("secret"), &none, NULL), ERR_LIMIT);
    test_tempdir_remove(dir);
}

static void make_one(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = make_files();
    AUTO(buf_done) struct buf key = {0};
    AUTO(buf_done) struct buf cert = {0};
    AUTO(buf_done) struct buf ca = {0};
    AUTO(buf_done) struct buf made = {0};
    AUTO(pkcs12_content_done) struct pkcs12_content content = {0};
    get_file(dir, "key.der", &key);
    get_file(dir, "cert.der", &cert);
    get_file(dir, "ca.der", &ca);
    struct bytes other = buf_view(&ca);
    assert_ok(pkcs12_make(buf_view(&key), buf_view(&cert), &other, 1, "a name", bytes_str("pass"),
                          &made, NULL));
    put_file(dir, "made.p12", buf_view(&made));
    assert_int_equal(shell("openssl pkcs12 -in %s/made.p12 -passin pass:pass -nodes 2>/dev/null | "
                           "grep -q 'friendlyName: a name'",
                           dir),
                     0);
    assert_ok(pkcs12_open(buf_view(&made), bytes_str("pass"), &content, NULL));
    assert_true(bytes_equal(secret_view(content.pkcs8), buf_view(&key)));
    assert_true(bytes_equal(content.cert, buf_view(&cert)));
    assert_int_equal(content.others_count, 1);
    made.len = 0;
    assert_err(
        pkcs12_make(buf_view(&key), buf_view(&ca), NULL, 0, NULL, bytes_str("pass"), &made, NULL),
        ERR_MISMATCH);
    assert_err(
        pkcs12_make(bytes_str("key"), buf_view(&ca), NULL, 0, NULL, bytes_str("pass"), &made, NULL),
        ERR_KEY_FORM);
    assert_int_equal(made.len, 0);
    test_tempdir_remove(dir);
}

/* A key alone, of each kind OpenSSL gives a PKCS#12 for. */
static void keys_alone(void **state)
{
    (void)state;
    static const struct keygen_pair pairs[] = {{.alg = ALG_EC}, {.alg = ALG_ED25519}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        AUTO(secret_freep) struct secret *key = NULL;
        AUTO(buf_done) struct buf spki = {0};
        AUTO(buf_done) struct buf made = {0};
        AUTO(pkcs12_content_done) struct pkcs12_content content = {0};
        assert_ok(keygen_pair(&pairs[i], &key, &spki, NULL));
        assert_ok(pkcs12_make(secret_view(key), (struct bytes){0}, NULL, 0, NULL,
                              bytes_str("\xc3\xa4"), &made, NULL));
        assert_ok(pkcs12_open(buf_view(&made), bytes_str("\xc3\xa4"), &content, NULL));
        assert_true(bytes_equal(secret_view(content.pkcs8), secret_view(key)));
        assert_int_equal(content.cert.len, 0);
    }
}

TEST_MAIN(cmocka_unit_test(open_those_of_openssl), cmocka_unit_test(make_one),
          cmocka_unit_test(keys_alone))
