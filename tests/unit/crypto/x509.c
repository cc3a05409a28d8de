#include "crypto/x509.h"

#include "crypto/pem.h"
#include "tools.h"

#define DAY ((int64_t)86400)
#define NOW ((int64_t)1763700000)

static struct rsa_private *ca_key;
static struct rsa_private *wrong_key;
static struct buf ca_cert;

/* Stands where a token would. */
static enum err sign(void *arg, const uint8_t digest[32], struct buf *to, struct err_detail *detail)
{
    return rsa_sign_sha256(arg, digest, to, detail);
}

static struct x509_signer signer(void)
{
    return (struct x509_signer){.sign = sign, .arg = ca_key};
}

static struct x509_request ca_request(void)
{
    return (struct x509_request){.profile = X509_CA,
                                 .cn = "Claviger CA, Süd",
                                 .spki = rsa_public_spki(rsa_private_public(ca_key)),
                                 .not_before = NOW - DAY,
                                 .not_after = NOW + 36500 * DAY};
}

static int make_ca(void **state)
{
    (void)state;
    if (rsa_private_generate(2048, &ca_key, NULL) != ERR_OK ||
        rsa_private_generate(2048, &wrong_key, NULL) != ERR_OK)
        return -1;
    struct x509_request request = ca_request();
    struct x509_signer ca = signer();
    return x509_issue(&request, &ca, &ca_cert, NULL) == ERR_OK ? 0 : -1;
}

static int drop_ca(void **state)
{
    (void)state;
    rsa_private_free(ca_key);
    rsa_private_free(wrong_key);
    buf_done(&ca_cert);
    return 0;
}

static void put_pem(const char *dir, const char *name, const char *label, struct bytes der)
{
    struct buf pem = {0};
    assert_ok(pem_encode(label, der, &pem));
    put_file(dir, name, buf_view(&pem));
    buf_done(&pem);
}

static struct x509_request leaf_request(const struct x509_key *key, enum x509_profile profile)
{
    static const uint8_t loopback[] = {127, 0, 0, 1};
    return (struct x509_request){
        .profile = profile,
        .cn = "kms.metro-east.example",
        .spki = x509_key_spki(key),
        .names = {.dns = {"kms.metro-east.example", "*.gw.metro-east.example"},
                  .dns_count = 2,
                  .ip = {BYTES(loopback)},
                  .ip_count = 1},
        .not_before = NOW - DAY,
        .not_after = NOW + 365 * DAY,
        .issuer_cert = buf_view(&ca_cert)};
}

static void ca_is_read_back(void **state)
{
    (void)state;
    struct x509_info info;
    assert_ok(x509_cert_parse(buf_view(&ca_cert), &info, NULL));
    assert_true(info.is_ca);
    assert_true(bytes_equal(info.cn, bytes_str("Claviger CA, Süd")));
    assert_true(bytes_equal(info.issuer, info.subject));
    assert_true(bytes_equal(info.key_id, rsa_public_key_id(rsa_private_public(ca_key))));
    assert_true(info.not_before == NOW - DAY && info.not_after == NOW + 36500 * DAY);
    assert_true(info.serial.len >= 12 && info.serial.len <= 16);
}

static void leafs_are_read_back(void **state)
{
    (void)state;
    struct x509_key *key = NULL;
    struct buf cert = {0};
    struct x509_info info;
    struct x509_signer ca = signer();
    static const uint8_t serial[] = {0xff, 1, 2};
    assert_ok(x509_key_generate(&key, NULL));
    struct x509_request request = leaf_request(key, X509_PEER);
    request.serial = BYTES(serial);
    assert_ok(x509_issue(&request, &ca, &cert, NULL));
    assert_ok(x509_cert_parse(buf_view(&cert), &info, NULL));
    assert_false(info.is_ca);
    assert_int_equal(info.dns_count, 2);
    assert_true(bytes_equal(info.dns[0], bytes_str("kms.metro-east.example")));
    assert_int_equal(info.ip_count, 1);
    assert_true(bytes_equal(info.serial, BYTES(serial)));
    assert_true(bytes_equal(info.spki, x509_key_spki(key)));
    for (size_t len = 0; len < cert.len; len++)
        assert_true(x509_cert_parse(bytes_of(cert.data, len), &info, NULL) != ERR_OK);
    buf_done(&cert);
    x509_key_free(key);
}

static void openssl_verifies_the_chain(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    put_pem(dir, "ca", "CERTIFICATE", buf_view(&ca_cert));
    static const struct {
        enum x509_profile profile;
        bool server, client;
    } rows[] = {{X509_SERVER, true, false}, {X509_CLIENT, false, true}, {X509_PEER, true, true}};
    struct x509_signer ca = signer();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct x509_key *key = NULL;
        struct secret *pem = NULL;
        struct buf cert = {0};
        assert_ok(x509_key_generate(&key, NULL));
        assert_ok(x509_key_to_pem(key, &pem));
        struct x509_request request = leaf_request(key, rows[i].profile);
        assert_ok(x509_issue(&request, &ca, &cert, NULL));
        put_pem(dir, "leaf", "CERTIFICATE", buf_view(&cert));
        put_file(dir, "key", secret_view(pem));
        const char *verify =
            "cd %s && openssl verify -x509_strict -attime %lld -CAfile ca -purpose %s "
            "%s leaf >out 2>&1";
        assert_int_equal(shell(verify, dir, (long long)NOW, "sslserver",
                               "-verify_hostname kms.metro-east.example") == 0,
                         rows[i].server);
        assert_int_equal(shell(verify, dir, (long long)NOW, "sslclient", "-verify_ip 127.0.0.1") ==
                             0,
                         rows[i].client);
        assert_int_not_equal(
            shell(verify, dir, (long long)NOW, "any", "-verify_hostname other.example"), 0);
        assert_int_not_equal(shell(verify, dir, (long long)(NOW + 366 * DAY), "any", ""), 0);
        assert_int_equal(
            shell("cd %s && openssl x509 -in leaf -pubkey -noout >a && openssl pkey -in key "
                  "-pubout >b && cmp a b",
                  dir),
            0);
        buf_done(&cert);
        secret_free(pem);
        x509_key_free(key);
    }
    test_tempdir_remove(dir);
}

static void openssl_honours_the_crl(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    struct x509_signer ca = signer();
    static const uint8_t serials[2][2] = {{0x12, 0x34}, {0xfe, 0xdc}};
    put_pem(dir, "ca", "CERTIFICATE", buf_view(&ca_cert));
    struct x509_key *key = NULL;
    assert_ok(x509_key_generate(&key, NULL));
    for (int i = 0; i < 2; i++) {
        struct buf cert = {0};
        struct x509_request request = leaf_request(key, X509_PEER);
        request.serial = BYTES(serials[i]);
        assert_ok(x509_issue(&request, &ca, &cert, NULL));
        put_pem(dir, i == 0 ? "good" : "bad", "CERTIFICATE", buf_view(&cert));
        buf_done(&cert);
    }
    x509_key_free(key);
    const struct x509_revoked revoked = {.serial = BYTES(serials[1]), .when = NOW - 60};
    for (size_t count = 0; count < 2; count++) {
        const struct x509_crl crl = {.issuer_cert = buf_view(&ca_cert),
                                     .number = 0x80 + count,
                                     .this_update = NOW - DAY,
                                     .next_update = NOW + DAY,
                                     .revoked = &revoked,
                                     .revoked_count = count};
        struct buf der = {0};
        assert_ok(x509_crl_issue(&crl, &ca, &der, NULL));
        put_pem(dir, "crl", "X509 CRL", buf_view(&der));
        buf_done(&der);
        const char *verify =
            "cd %s && openssl verify -crl_check -attime %lld -CAfile ca -CRLfile crl "
            "%s >out 2>&1";
        assert_int_equal(shell(verify, dir, (long long)NOW, "good"), 0);
        assert_int_equal(shell(verify, dir, (long long)NOW, "bad") == 0, count == 0);
    }
    test_tempdir_remove(dir);
}

static void requests(void **state)
{
    (void)state;
    struct x509_key *key = NULL;
    struct buf csr = {0};
    struct x509_info info;
    static const uint8_t ip6[16] = {0x20, 1};
    const struct x509_names names = {
        .dns = {"gw1.example"}, .dns_count = 1, .ip = {BYTES(ip6)}, .ip_count = 1};
    const struct x509_names none = {0};
    assert_ok(x509_key_generate(&key, NULL));
    assert_ok(x509_csr_make(key, "gw1", &none, &csr, NULL));
    assert_ok(x509_csr_parse(buf_view(&csr), &info, NULL));
    assert_int_equal(info.dns_count, 0);
    csr.len = 0;
    assert_ok(x509_csr_make(key, "gw1", &names, &csr, NULL));
    assert_ok(x509_csr_parse(buf_view(&csr), &info, NULL));
    assert_true(bytes_equal(info.cn, bytes_str("gw1")));
    assert_int_equal(info.dns_count, 1);
    assert_true(bytes_equal(info.dns[0], bytes_str("gw1.example")));
    assert_int_equal(info.ip_count, 1);
    assert_true(bytes_equal(info.spki, x509_key_spki(key)));
    for (size_t len = 0; len < csr.len; len++)
        assert_true(x509_csr_parse(bytes_of(csr.data, len), &info, NULL) != ERR_OK);
    for (size_t bit = 0; bit < csr.len * 8; bit++) {
        csr.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(x509_csr_parse(buf_view(&csr), &info, NULL) != ERR_OK);
        csr.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_done(&csr);
    x509_key_free(key);
}

static void openssl_requests_agree(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    struct x509_key *key = NULL;
    struct buf csr = {0};
    struct x509_info info;
    const struct x509_names names = {.dns = {"gw1.example"}, .dns_count = 1};
    assert_ok(x509_key_generate(&key, NULL));
    assert_ok(x509_csr_make(key, "gw1", &names, &csr, NULL));
    put_pem(dir, "csr", "CERTIFICATE REQUEST", buf_view(&csr));
    assert_int_equal(shell("cd %s && openssl req -in csr -verify -noout -text >out 2>&1 && grep -q "
                           "DNS:gw1.example out",
                           dir),
                     0);
    x509_key_free(key);
    static const char *const kinds[] = {"rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256",
                                        "rsa:1024", "ec -pkeyopt ec_paramgen_curve:P-384"};
    static const enum err want[] = {ERR_OK, ERR_OK, ERR_LIMIT, ERR_UNSUPPORTED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(
            shell("cd %s && openssl req -new -newkey %s -nodes -keyout key -subj /O=x/CN=peer "
                  "-addext "
                  "subjectAltName=DNS:a.example,IP:10.0.0.1 -outform DER -out req 2>err",
                  dir, kinds[i]),
            0);
        get_file(dir, "req", &csr);
        assert_err(x509_csr_parse(buf_view(&csr), &info, NULL), want[i]);
        if (want[i] == ERR_OK) {
            assert_true(bytes_equal(info.cn, bytes_str("peer")));
            assert_int_equal(info.dns_count, 1);
            assert_int_equal(info.ip_count, 1);
        }
        get_file(dir, "key", &csr);
        assert_err(x509_key_from_pem(buf_view(&csr), &key, NULL), want[i]);
        if (want[i] == ERR_OK)
            x509_key_free(key);
    }
    buf_done(&csr);
    test_tempdir_remove(dir);
}

static void bad_orders_are_refused(void **state)
{
    (void)state;
    struct x509_key *key = NULL;
    struct buf cert = {0};
    struct x509_signer ca = signer();
    struct err_detail detail = {0};
    assert_ok(x509_key_generate(&key, NULL));
    static const char *const bad_names[] = {"",         "-.a b",  ".example", "a..example",
                                            "example.", "*",      "a*.b",     "höst.example",
                                            "a/b",      "a\nb.c", "*.*.b"};
    for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
        struct x509_request request = leaf_request(key, X509_SERVER);
        request.names.dns[0] = bad_names[i];
        assert_err(x509_issue(&request, &ca, &cert, &detail), ERR_ARGUMENT);
    }
    static const char *const bad_cn[] = {
        "", "a\nb", "\xff",
        "0123456789012345678901234567890123456789012345678901234567890123456789"};
    for (size_t i = 0; i < ARRAY_LEN(bad_cn); i++) {
        struct x509_request request = leaf_request(key, X509_SERVER);
        request.cn = bad_cn[i];
        assert_err(x509_issue(&request, &ca, &cert, &detail), ERR_ARGUMENT);
    }
    static const uint8_t zero[21];
    struct x509_request request = leaf_request(key, X509_SERVER);
    request.serial = bytes_of(zero, 4);
    assert_err(x509_issue(&request, &ca, &cert, &detail), ERR_ARGUMENT);
    request = leaf_request(key, X509_SERVER);
    request.not_after = request.not_before;
    assert_err(x509_issue(&request, &ca, &cert, &detail), ERR_ARGUMENT);
    request = leaf_request(key, X509_SERVER);
    request.not_after = NOW + 40000 * DAY;
    assert_err(x509_issue(&request, &ca, &cert, &detail), ERR_ARGUMENT);
    request = leaf_request(key, X509_SERVER);
    request.issuer_cert.len = 0;
    assert_err(x509_issue(&request, &ca, &cert, &detail), ERR_ARGUMENT);
    request = leaf_request(key, X509_SERVER);
    request.issuer_cert.len--;
    assert_err(x509_issue(&request, &ca, &cert, &detail), ERR_TRUNCATED);
    request = leaf_request(key, X509_SERVER);
    request.spki.len--;
    assert_err(x509_issue(&request, &ca, &cert, &detail), ERR_TRUNCATED);
    struct x509_signer wrong = {.sign = sign, .arg = wrong_key};
    request = leaf_request(key, X509_SERVER);
    assert_err(x509_issue(&request, &wrong, &cert, &detail), ERR_SIGNATURE);
    assert_ok(x509_issue(&request, &ca, &cert, &detail));
    request.issuer_cert = buf_view(&cert);
    struct buf second = {0};
    assert_err(x509_issue(&request, &ca, &second, &detail), ERR_ARGUMENT);
    assert_int_equal(second.len, 0);
    buf_done(&cert);
    x509_key_free(key);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ca_is_read_back),
        cmocka_unit_test(leafs_are_read_back),
        cmocka_unit_test(openssl_verifies_the_chain),
        cmocka_unit_test(openssl_honours_the_crl),
        cmocka_unit_test(requests),
        cmocka_unit_test(openssl_requests_agree),
        cmocka_unit_test(bad_orders_are_refused),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
