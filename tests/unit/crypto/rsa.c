#include "crypto/rsa.h"

#include "crypto/hash.h"
#include "tools.h"

static struct rsa_private *key;

static int make_key(void **state)
{
    (void)state;
    return rsa_private_generate(2048, &key, NULL) == ERR_OK ? 0 : -1;
}

static int drop_key(void **state)
{
    (void)state;
    rsa_private_free(key);
    return 0;
}

static void public_forms_agree(void **state)
{
    (void)state;
    const struct rsa_public *own = rsa_private_public(key);
    struct buf pem = {0};
    struct rsa_public *copy = NULL;
    assert_ok(rsa_public_to_pem(own, &pem));
    assert_ok(rsa_public_from_pem(buf_view(&pem), &copy, NULL));
    assert_true(bytes_equal(rsa_public_spki(copy), rsa_public_spki(own)));
    assert_int_equal(rsa_public_size(copy), 256);
    rsa_public_free(copy);
    assert_ok(rsa_public_from_spki(rsa_public_spki(own), &copy, NULL));
    assert_true(bytes_equal(rsa_public_fingerprint(copy), rsa_public_fingerprint(own)));
    rsa_public_free(copy);
    uint8_t padded[258] = {0};
    memcpy(padded + 2, rsa_public_modulus(own).data, 256);
    assert_ok(rsa_public_from_parts(BYTES(padded), rsa_public_exponent(own), &copy, NULL));
    assert_true(bytes_equal(rsa_public_key_id(copy), rsa_public_key_id(own)));
    rsa_public_free(copy);
    buf_done(&pem);
}

static void openssl_forms_agree(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    struct secret *pem = NULL;
    struct buf file = {0};
    assert_ok(rsa_private_to_pem(key, &pem));
    put_file(dir, "key", secret_view(pem));
    secret_free(pem);
    assert_int_equal(
        shell("cd %s && openssl pkey -in key -pubout -outform DER -out spki && openssl rsa "
              "-in key -RSAPublicKey_out -out pkcs1 2>err && openssl dgst -sha256 -binary "
              "-out print spki && openssl rsa -in key -RSAPublicKey_out -outform DER "
              "2>>err | openssl dgst -sha1 -binary -out id && openssl rsa -in key "
              "-traditional -out old 2>>err && openssl pkcs8 -topk8 -in key -passout "
              "pass:geheim -out locked",
              dir),
        0);
    get_file(dir, "spki", &file);
    assert_true(bytes_equal(buf_view(&file), rsa_public_spki(rsa_private_public(key))));
    get_file(dir, "print", &file);
    assert_true(bytes_equal(buf_view(&file), rsa_public_fingerprint(rsa_private_public(key))));
    get_file(dir, "id", &file);
    assert_true(bytes_equal(buf_view(&file), rsa_public_key_id(rsa_private_public(key))));
    get_file(dir, "pkcs1", &file);
    struct rsa_public *public = NULL;
    assert_ok(rsa_public_from_pem(buf_view(&file), &public, NULL));
    assert_true(bytes_equal(rsa_public_spki(public), rsa_public_spki(rsa_private_public(key))));
    rsa_public_free(public);
    struct rsa_private *copy = NULL;
    get_file(dir, "old", &file);
    assert_ok(rsa_private_from_pem(buf_view(&file), bytes_str(""), &copy, NULL));
    rsa_private_free(copy);
    get_file(dir, "locked", &file);
    assert_err(rsa_private_from_pem(buf_view(&file), bytes_str(""), &copy, NULL), ERR_DENIED);
    assert_err(rsa_private_from_pem(buf_view(&file), bytes_str("wrong"), &copy, NULL), ERR_DENIED);
    assert_ok(rsa_private_from_pem(buf_view(&file), bytes_str("geheim"), &copy, NULL));
    rsa_private_free(copy);
    buf_done(&file);
    test_tempdir_remove(dir);
}

static void keys_of_other_kinds_are_refused(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    struct buf file = {0};
    struct rsa_public *public = NULL;
    struct rsa_private *private = NULL;
    struct err_detail detail = {0};
    assert_int_equal(
        shell("cd %s && openssl genrsa -out small 1024 2>err && openssl pkey -in small "
              "-pubout -out small.pub && openssl genpkey -algorithm EC -pkeyopt "
              "ec_paramgen_curve:P-256 -out ec && openssl pkey -in ec -pubout -out ec.pub "
              "&& openssl genrsa -primes 3 -out three 2048 2>err",
              dir),
        0);
    get_file(dir, "small.pub", &file);
    assert_err(rsa_public_from_pem(buf_view(&file), &public, &detail), ERR_LIMIT);
    get_file(dir, "small", &file);
    assert_err(rsa_private_from_pem(buf_view(&file), bytes_str(""), &private, &detail), ERR_LIMIT);
    assert_err(rsa_public_from_pem(buf_view(&file), &public, &detail), ERR_SYNTAX);
    get_file(dir, "ec.pub", &file);
    assert_err(rsa_public_from_pem(buf_view(&file), &public, &detail), ERR_UNSUPPORTED);
    get_file(dir, "ec", &file);
    assert_err(rsa_private_from_pem(buf_view(&file), bytes_str(""), &private, &detail),
               ERR_UNSUPPORTED);
    get_file(dir, "three", &file);
    assert_err(rsa_private_from_pem(buf_view(&file), bytes_str(""), &private, &detail),
               ERR_UNSUPPORTED);
    assert_err(rsa_private_from_pem(bytes_str("rubbish"), bytes_str(""), &private, &detail),
               ERR_SYNTAX);
    assert_true(strstr(detail.text, "private key") != NULL);
    assert_err(rsa_private_generate(1024, &private, NULL), ERR_LIMIT);
    assert_err(rsa_private_generate(8193, &private, NULL), ERR_LIMIT);
    buf_done(&file);
    test_tempdir_remove(dir);
}

static void bad_numbers_are_refused(void **state)
{
    (void)state;
    uint8_t n[256];
    static const uint8_t three[] = {3};
    static const uint8_t two[] = {2};
    static const uint8_t one[] = {1};
    static const uint8_t nine[9] = {1, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t huge[1025] = {1};
    struct rsa_public *public = NULL;
    memset(n, 0xff, sizeof n);
    assert_ok(rsa_public_from_parts(BYTES(n), BYTES(three), &public, NULL));
    rsa_public_freep(&public);
    public = NULL;
    assert_err(rsa_public_from_parts(BYTES(n), BYTES(two), &public, NULL), ERR_LIMIT);
    assert_err(rsa_public_from_parts(BYTES(n), BYTES(one), &public, NULL), ERR_LIMIT);
    assert_err(rsa_public_from_parts(BYTES(n), BYTES(nine), &public, NULL), ERR_LIMIT);
    assert_err(rsa_public_from_parts(BYTES(n), bytes_of(n, 0), &public, NULL), ERR_LIMIT);
    assert_err(rsa_public_from_parts(bytes_of(n, 255), BYTES(three), &public, NULL), ERR_LIMIT);
    assert_err(rsa_public_from_parts(BYTES(huge), BYTES(three), &public, NULL), ERR_LIMIT);
    n[255] = 0xfe;
    assert_err(rsa_public_from_parts(BYTES(n), BYTES(three), &public, NULL), ERR_SYNTAX);
    assert_null(public);
    /* Every truncation and every changed octet of a SubjectPublicKeyInfo is refused or a key. */
    struct bytes spki = rsa_public_spki(rsa_private_public(key));
    uint8_t copy[400];
    for (size_t len = 0; len < spki.len; len++)
        assert_true(rsa_public_from_spki(bytes_of(spki.data, len), &public, NULL) != ERR_OK);
    for (size_t i = 0; i < 40; i++) {
        memcpy(copy, spki.data, spki.len);
        copy[i] ^= 0x01;
        if (rsa_public_from_spki(bytes_of(copy, spki.len), &public, NULL) == ERR_OK)
            rsa_public_free(public);
    }
}

static void signatures(void **state)
{
    (void)state;
    uint8_t digest[32];
    struct bytes text = bytes_str("what is signed");
    struct buf signature = {0};
    const struct rsa_public *public = rsa_private_public(key);
    assert_ok(hash_sha256(&text, 1, digest));
    assert_ok(rsa_sign_sha256(key, digest, &signature, NULL));
    assert_int_equal(signature.len, 256);
    assert_ok(rsa_verify_sha256(public, digest, buf_view(&signature), NULL));
    for (size_t i = 0; i < 256; i += 17) {
        signature.data[i] ^= 0x10;
        assert_err(rsa_verify_sha256(public, digest, buf_view(&signature), NULL), ERR_SIGNATURE);
        signature.data[i] ^= 0x10;
    }
    assert_err(rsa_verify_sha256(public, digest, bytes_of(signature.data, 255), NULL),
               ERR_SIGNATURE);
    digest[0] ^= 1;
    assert_err(rsa_verify_sha256(public, digest, buf_view(&signature), NULL), ERR_SIGNATURE);
    if (have("openssl")) {
        char *dir = test_tempdir();
        struct buf pem = {0};
        assert_ok(rsa_public_to_pem(public, &pem));
        put_file(dir, "pub", buf_view(&pem));
        put_file(dir, "text", text);
        put_file(dir, "sig", buf_view(&signature));
        assert_int_equal(shell("cd %s && openssl dgst -sha256 -verify pub -signature sig text >out "
                               "2>&1",
                               dir),
                         0);
        buf_done(&pem);
        test_tempdir_remove(dir);
    }
    buf_done(&signature);
}

static void oaep(void **state)
{
    (void)state;
    const struct rsa_public *public = rsa_private_public(key);
    static const uint8_t plain[214] = {9};
    static const enum oaep_hash hashes[] = {OAEP_SHA1, OAEP_SHA256};
    static const size_t most[] = {214, 190};
    for (size_t h = 0; h < 2; h++) {
        struct buf sealed = {0};
        struct secret *back = NULL;
        assert_err(rsa_oaep_encrypt(public, hashes[h], bytes_of(plain, most[h] + 1), &sealed, NULL),
                   ERR_LIMIT);
        assert_ok(rsa_oaep_encrypt(public, hashes[h], bytes_of(plain, most[h]), &sealed, NULL));
        assert_int_equal(sealed.len, 256);
        assert_ok(rsa_oaep_decrypt(key, hashes[h], buf_view(&sealed), &back));
        assert_int_equal(secret_len(back), most[h]);
        assert_memory_equal(secret_data(back), plain, most[h]);
        secret_free(back);
        back = NULL;
        assert_err(rsa_oaep_decrypt(key, hashes[1 - h], buf_view(&sealed), &back), ERR_DECRYPT);
        assert_err(rsa_oaep_decrypt(key, hashes[h], bytes_of(sealed.data, 255), &back),
                   ERR_DECRYPT);
        sealed.data[100] ^= 1;
        assert_err(rsa_oaep_decrypt(key, hashes[h], buf_view(&sealed), &back), ERR_DECRYPT);
        assert_null(back);
        buf_done(&sealed);
    }
}

static void parts(void **state)
{
    (void)state;
    struct rsa_parts parts;
    assert_ok(rsa_private_parts(key, &parts));
    assert_true(bytes_equal(parts.n, rsa_public_modulus(rsa_private_public(key))));
    assert_true(bytes_equal(parts.e, rsa_public_exponent(rsa_private_public(key))));
    assert_int_equal(parts.p.len, 128);
    assert_int_equal(parts.q.len, 128);
    assert_true(parts.d.len > 200 && parts.dp.len > 100 && parts.dq.len > 100 &&
                parts.qi.len > 100);
    rsa_parts_done(&parts);
    struct secret *der = NULL;
    assert_ok(rsa_private_pkcs8(key, &der));
    assert_int_equal(secret_data(der)[0], 0x30);
    secret_free(der);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_forms_agree),
        cmocka_unit_test(openssl_forms_agree),
        cmocka_unit_test(keys_of_other_kinds_are_refused),
        cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(signatures),
        cmocka_unit_test(oaep),
        cmocka_unit_test(parts),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_key, drop_key);
}
