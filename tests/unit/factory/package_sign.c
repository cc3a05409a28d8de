#include "factory/package_sign.h"

#include "crypto/keygen.h"
#include "crypto/pem.h"
#include "crypto/rsa.h"
#include "support/test.h"

/* A public key of another kind, as PEM. */
static void public_of(uint32_t alg, uint32_t bits, uint32_t curve, struct buf *pem,
                      struct buf *spki)
{
    AUTO(secret_freep) struct secret *pkcs8 = NULL;
    struct keygen_pair pair = {.alg = alg, .bits = bits, .curve = curve};
    spki->len = pem->len = 0;
    assert_ok(keygen_pair(&pair, &pkcs8, spki, NULL));
    assert_ok(pem_encode("PUBLIC KEY", buf_view(spki), pem));
}

static void a_new_key_signs(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *pem = NULL;
    AUTO(buf_done) struct buf public_pem = {0}, spki = {0}, signature = {0};
    AUTO(package_signer_freep) struct package_signer *signer = NULL;
    struct bytes text = bytes_str("text");
    assert_ok(package_key_make(&pem, &public_pem, NULL));
    assert_ok(package_signer_open(secret_view(pem), &signer, NULL));
    assert_ok(package_public_key(buf_view(&public_pem), &spki, NULL));
    assert_true(bytes_equal(buf_view(&spki), package_signer_spki(signer)));
    assert_ok(package_sign(signer, text, &signature, NULL));
    assert_true(signature.len <= PACKAGE_SIGNATURE_MAX);
    assert_ok(package_signature_check(buf_view(&spki), text, buf_view(&signature), NULL));
    assert_err(
        package_signature_check(buf_view(&spki), bytes_str("Text"), buf_view(&signature), NULL),
        ERR_SIGNATURE);
    for (size_t i = 0; i < signature.len; i++) {
        signature.data[i] ^= 1;
        assert_true(package_signature_check(buf_view(&spki), text, buf_view(&signature), NULL) !=
                    ERR_OK);
        signature.data[i] ^= 1;
        assert_true(package_signature_check(buf_view(&spki), text, bytes_of(signature.data, i),
                                            NULL) != ERR_OK);
    }
}

static void an_rsa_key_signs(void **state)
{
    (void)state;
    AUTO(rsa_private_freep) struct rsa_private *key = NULL;
    AUTO(secret_freep) struct secret *pem = NULL;
    AUTO(buf_done) struct buf signature = {0};
    AUTO(package_signer_freep) struct package_signer *signer = NULL;
    assert_ok(rsa_private_generate(2048, &key, NULL));
    assert_ok(rsa_private_to_pem(key, &pem));
    assert_ok(package_signer_open(secret_view(pem), &signer, NULL));
    assert_ok(package_sign(signer, bytes_str("text"), &signature, NULL));
    assert_int_equal(signature.len, 256);
    assert_ok(package_signature_check(package_signer_spki(signer), bytes_str("text"),
                                      buf_view(&signature), NULL));
    signature.data[255] ^= 1;
    assert_err(package_signature_check(package_signer_spki(signer), bytes_str("text"),
                                       buf_view(&signature), NULL),
               ERR_SIGNATURE);
}

static void keys_that_do_not_sign_packages(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf pem = {0}, spki = {0}, to = {0};
    struct err_detail detail = {.code = ERR_OK};
    static const struct {
        uint32_t alg, bits, curve;
    } others[] = {{ALG_RSA, 1024, 0}, {ALG_EC, 0, CURVE_P_384}, {ALG_ED25519, 0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        public_of(others[i].alg, others[i].bits, others[i].curve, &pem, &spki);
        assert_err(package_public_key(buf_view(&pem), &to, &detail), ERR_UNSUPPORTED);
        assert_err(package_public_key_check(buf_view(&spki), NULL), ERR_UNSUPPORTED);
        assert_err(package_signature_check(buf_view(&spki), bytes_str("t"), bytes_str("s"), NULL),
                   ERR_UNSUPPORTED);
    }
    static const char *const bad[] = {
        "", "no key", "-----BEGIN PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(package_public_key(bytes_str(bad[i]), &to, &detail), ERR_KEY_FORM);
    AUTO(secret_freep) struct secret *private_pem = NULL;
    AUTO(package_signer_freep) struct package_signer *signer = NULL;
    pem.len = 0;
    assert_ok(package_key_make(&private_pem, &pem, NULL));
    assert_err(package_public_key(secret_view(private_pem), &to, &detail), ERR_KEY_FORM);
    assert_int_equal(to.len, 0);
    assert_true(package_signer_open(buf_view(&pem), &signer, NULL) != ERR_OK);
    assert_null(signer);
}

TEST_MAIN(cmocka_unit_test(a_new_key_signs), cmocka_unit_test(an_rsa_key_signs),
          cmocka_unit_test(keys_that_do_not_sign_packages))
