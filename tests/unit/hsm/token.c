/* The conformance suite of hsm: token NAME [CASE]. */

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "hsm/key.h"
#include "hsm/rsa.h"
#include "hsm/wrap.h"
#include "support/test.h"
#include "support/token.h"

static struct test_token token;
static const char *token_name;
static struct hsm *hsm;
static struct hsm_key *root; /* AES */
static struct hsm_key *pair; /* RSA-2048 */

static bool is(const char *name)
{
    return strcmp(token_name, name) == 0;
}

static const uint8_t secret[48] = "a domain key of 32 bytes and 16 more on the top";

static enum err reopen(bool brief)
{
    struct hsm_config config = token.config;
    struct err_detail detail = {0};
    config.brief = brief;
    config.sessions_max = 6;
    enum err err = hsm_open(&config, test_token_pin(&token), &hsm, &detail);
    if (err != ERR_OK)
        print_error("%s\n", detail.text);
    return err;
}

static int setup(void **state)
{
    (void)state;
    assert_ok(reopen(false));
    struct err_detail detail = {0};
    if (hsm_aes_generate(hsm, "root", &root, &detail) != ERR_OK ||
        hsm_rsa_generate(hsm, "pair", 2048, &pair, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hsm_key_freep(&root);
    hsm_key_freep(&pair);
    hsm_closep(&hsm);
    return 0;
}

static void knows_the_token(void **state)
{
    (void)state;
    struct hsm_token_info info;
    struct hsm_status status;
    hsm_token_info(hsm, &info);
    hsm_status(hsm, &status);
    assert_string_equal(info.label, token.config.token_label);
    assert_true(strlen(info.serial) > 0 && strlen(info.manufacturer) > 0);
    assert_int_equal(status.state, HSM_READY);
    assert_true(status.logged_in);
    assert_int_equal(status.sessions_busy, 0);
    assert_int_equal(status.recoveries, 0);
}

/* What is known of the three, so that a probe that sees too little or too much is noticed. */
static void probes_what_is_known(void **state)
{
    (void)state;
    struct hsm_profile profile;
    hsm_profile_get(hsm, &profile);
    for (unsigned row = 0; row < HSM_ROW_COUNT; row++) {
        print_message("  %-18s %-3s form %d %s\n", hsm_row_name(row),
                      profile.rows[row].can ? "yes" : "no", profile.rows[row].form,
                      hsm_ckr_name(profile.rows[row].ckr));
        assert_true(profile.rows[row].probed);
    }
    static const enum hsm_row all[] = {
        HSM_ROW_RANDOM,   HSM_ROW_AES_KEYGEN, HSM_ROW_RSA_KEYGEN_2048,  HSM_ROW_RSA_KEYGEN_3072,
        HSM_ROW_RSA_SIGN, HSM_ROW_OAEP_SHA1,  HSM_ROW_RSA_IMPORT_CREATE};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_true(profile.rows[all[i]].can);
    bool nss = is("nss"), ock = is("opencryptoki"), soft = is("softhsm");
    assert_int_equal(profile.rows[HSM_ROW_WRAP_KWP].can, nss);
    assert_int_equal(profile.rows[HSM_ROW_WRAP_PAD].can, nss || soft);
    assert_int_equal(profile.rows[HSM_ROW_WRAP_3394].can, nss || soft);
    assert_int_equal(profile.rows[HSM_ROW_WRAP_CBC_PAD].can, true);
    assert_int_equal(profile.rows[HSM_ROW_WRAP_GCM].can, nss || soft);
    assert_int_equal(profile.rows[HSM_ROW_OAEP_SHA256].can, nss || ock);
    assert_int_equal(profile.rows[HSM_ROW_AES_CMAC].can, soft);
    assert_int_equal(profile.rows[HSM_ROW_RSA_SIGN_SHA256].can, nss || soft);
    assert_int_equal(profile.rows[HSM_ROW_ECDSA].can, nss || soft);
    assert_string_equal(hsm_wrap_method(hsm, HSM_AES), nss ? "kwp" : soft ? "pad" : "cbc-pad");
    assert_string_equal(hsm_wrap_method(hsm, HSM_RSA), "oaep");
}

static void keys_are_made_once_found_and_destroyed(void **state)
{
    (void)state;
    AUTO(hsm_key_freep) struct hsm_key *key = NULL;
    AUTO(hsm_key_freep) struct hsm_key *found = NULL;
    struct hsm_key_info a, b;
    assert_err(hsm_key_find(hsm, HSM_AES, "fresh", &key, NULL), ERR_NOT_FOUND);
    assert_ok(hsm_aes_generate(hsm, "fresh", &key, NULL));
    assert_err(hsm_aes_generate(hsm, "fresh", &found, NULL), ERR_EXISTS);
    assert_ok(hsm_key_find(hsm, HSM_AES, "fresh", &found, NULL));
    hsm_key_info(key, &a);
    hsm_key_info(found, &b);
    assert_string_equal(a.label, "fresh");
    assert_int_equal(a.bits, 256);
    assert_true(a.sensitive && !a.extractable);
    assert_int_equal(a.id_len, HSM_ID_LEN);
    assert_true(bytes_equal(bytes_of(a.id, a.id_len), bytes_of(b.id, b.id_len)));
    assert_ok(hsm_key_destroy(hsm, found, NULL));
    assert_err(hsm_key_destroy(hsm, key, NULL), ERR_NOT_FOUND);
    hsm_key_freep(&key);
    assert_err(hsm_key_find(hsm, HSM_AES, "fresh", &key, NULL), ERR_NOT_FOUND);
    assert_err(hsm_aes_generate(hsm, "", &key, NULL), ERR_ARGUMENT);
    assert_err(hsm_aes_generate(hsm, "a label of more than thirty-two bytes", &key, NULL),
               ERR_ARGUMENT);
    assert_err(hsm_rsa_generate(hsm, "weak", 1024, &key, NULL), ERR_ARGUMENT);
}

static void round_trip(struct hsm_key *under, struct bytes plain)
{
    AUTO(buf_done) struct buf blob = {0};
    AUTO(secret_freep) struct secret *got = NULL;
    struct err_detail detail = {0};
    if (hsm_wrap(hsm, under, plain, &blob, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    assert_true(blob.len <= HSM_BLOB_MAX);
    assert_ok(hsm_unwrap(hsm, under, buf_view(&blob), &got, NULL));
    assert_true(bytes_equal(secret_view(got), plain));
}

static void wraps_every_length(void **state)
{
    (void)state;
    uint8_t plain[HSM_WRAP_MAX + 1] = {0};
    AUTO(buf_done) struct buf blob = {0};
    for (size_t len = 1; len <= HSM_WRAP_MAX; len++) {
        plain[len - 1] = (uint8_t)len;
        round_trip(root, bytes_of(plain, len));
    }
    assert_err(hsm_wrap(hsm, root, bytes_of(plain, 0), &blob, NULL), ERR_LIMIT);
    assert_err(hsm_wrap(hsm, root, BYTES(plain), &blob, NULL), ERR_LIMIT);
    assert_int_equal(blob.len, 0);
}

/* Every single bit, every truncation, one byte more. */
static void refuse_alterations(struct hsm_key *under, struct buf *blob)
{
    AUTO(secret_freep) struct secret *got = NULL;
    for (size_t bit = 0; bit < blob->len * 8; bit++) {
        blob->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_err(hsm_unwrap(hsm, under, buf_view(blob), &got, NULL), ERR_SEAL);
        blob->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < blob->len; len++)
        assert_err(hsm_unwrap(hsm, under, bytes_of(blob->data, len), &got, NULL), ERR_SEAL);
    assert_ok(hsm_unwrap(hsm, under, buf_view(blob), &got, NULL));
    secret_free(TAKE(got));
    assert_ok(buf_append(blob, bytes_str("x")));
    assert_err(hsm_unwrap(hsm, under, buf_view(blob), &got, NULL), ERR_SEAL);
}

/* Each method as if it were the first the token can do; then all blobs with the real profile. */
static void every_method_opens_its_own_and_nothing_altered(void **state)
{
    (void)state;
    struct hsm_status before, status;
    hsm_status(hsm, &before);
    struct hsm_profile real = hsm->profile;
    struct buf blobs[5] = {{0}};
    static const enum hsm_row rows[] = {HSM_ROW_WRAP_KWP, HSM_ROW_WRAP_PAD, HSM_ROW_WRAP_3394,
                                        HSM_ROW_WRAP_CBC_PAD, HSM_ROW_WRAP_GCM};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!real.rows[rows[i]].can)
            continue;
        for (size_t j = 0; j < ARRAY_LEN(rows); j++)
            hsm->profile.rows[rows[j]].can = j == i;
        assert_ok(hsm_wrap(hsm, root, BYTES(secret), &blobs[i], NULL));
        hsm->profile = real;
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (blobs[i].len != 0)
            refuse_alterations(root, &blobs[i]);
        buf_done(&blobs[i]);
    }
    hsm_status(hsm, &status);
    assert_int_equal(status.recoveries, before.recoveries);
}

static void another_root_opens_nothing(void **state)
{
    (void)state;
    AUTO(hsm_key_freep) struct hsm_key *other = NULL;
    AUTO(buf_done) struct buf blob = {0};
    AUTO(secret_freep) struct secret *got = NULL;
    assert_ok(hsm_wrap(hsm, root, BYTES(secret), &blob, NULL));
    assert_ok(hsm_aes_generate(hsm, "other", &other, NULL));
    assert_err(hsm_unwrap(hsm, other, buf_view(&blob), &got, NULL), ERR_SEAL);
    assert_err(hsm_unwrap(hsm, pair, buf_view(&blob), &got, NULL), ERR_SEAL);
    assert_ok(hsm_key_destroy(hsm, other, NULL));
}

static void an_rsa_root_wraps_too(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf blob = {0};
    round_trip(pair, BYTES(secret));
    assert_ok(hsm_wrap(hsm, pair, BYTES(secret), &blob, NULL));
    refuse_alterations(pair, &blob);
}

static void check_signature(struct hsm_key *key, const struct rsa_public *public)
{
    uint8_t digest[HASH_SHA256_SIZE], signature[HSM_SIGNATURE_MAX];
    size_t len = 0;
    const struct bytes part = bytes_str("keyring");
    assert_ok(hash_sha256(&part, 1, digest));
    assert_ok(hsm_rsa_sign(hsm, key, digest, signature, &len, NULL));
    assert_ok(rsa_verify_sha256(public, digest, bytes_of(signature, len), NULL));
    digest[0] ^= 1;
    assert_err(rsa_verify_sha256(public, digest, bytes_of(signature, len), NULL), ERR_SIGNATURE);
}

static void check_oaep(struct hsm_key *key, const struct rsa_public *public, enum oaep_hash hash)
{
    AUTO(buf_done) struct buf sealed = {0};
    AUTO(secret_freep) struct secret *got = NULL;
    assert_ok(rsa_oaep_encrypt(public, hash, BYTES(secret), &sealed, NULL));
    if (hash == OAEP_SHA256 && is("softhsm")) {
        assert_err(hsm_rsa_oaep_decrypt(hsm, key, hash, buf_view(&sealed), &got, NULL),
                   ERR_TOKEN_UNABLE);
        return;
    }
    assert_ok(hsm_rsa_oaep_decrypt(hsm, key, hash, buf_view(&sealed), &got, NULL));
    assert_true(bytes_equal(secret_view(got), BYTES(secret)));
    secret_free(TAKE(got));
    sealed.data[sealed.len - 1] ^= 1;
    assert_err(hsm_rsa_oaep_decrypt(hsm, key, hash, buf_view(&sealed), &got, NULL), ERR_DECRYPT);
    sealed.len--;
    assert_err(hsm_rsa_oaep_decrypt(hsm, key, hash, buf_view(&sealed), &got, NULL), ERR_DECRYPT);
}

static void rsa_signs_and_decrypts(void **state)
{
    (void)state;
    AUTO(rsa_public_freep) struct rsa_public *public = NULL;
    assert_ok(hsm_rsa_public(hsm, pair, &public, NULL));
    assert_int_equal(rsa_public_size(public), 256);
    check_signature(pair, public);
    check_oaep(pair, public, OAEP_SHA1);
    check_oaep(pair, public, OAEP_SHA256);
    uint8_t digest[32] = {0}, signature[HSM_SIGNATURE_MAX];
    size_t len = 0;
    assert_err(hsm_rsa_sign(hsm, root, digest, signature, &len, NULL), ERR_ARGUMENT);
}

static void an_existing_rsa_key_is_imported(void **state)
{
    (void)state;
    AUTO(rsa_private_freep) struct rsa_private *own = NULL;
    AUTO(rsa_public_freep) struct rsa_public *public = NULL;
    AUTO(hsm_key_freep) struct hsm_key *key = NULL;
    AUTO(hsm_key_freep) struct hsm_key *again = NULL;
    struct hsm_key_info info;
    assert_ok(rsa_private_generate(3072, &own, NULL));
    assert_ok(hsm_rsa_import(hsm, "imported", own, &key, NULL));
    assert_err(hsm_rsa_import(hsm, "imported", own, &again, NULL), ERR_EXISTS);
    hsm_key_info(key, &info);
    assert_int_equal(info.bits, 3072);
    assert_true(info.sensitive && !info.extractable);
    assert_ok(hsm_rsa_public(hsm, key, &public, NULL));
    assert_true(bytes_equal(rsa_public_spki(public), rsa_public_spki(rsa_private_public(own))));
    check_signature(key, public);
    check_oaep(key, public, OAEP_SHA1);
    assert_ok(hsm_key_destroy(hsm, key, NULL));
    assert_err(hsm_key_find(hsm, HSM_RSA, "imported", &again, NULL), ERR_NOT_FOUND);
}

static void keys_and_blobs_outlive_the_process(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf blob = {0};
    AUTO(secret_freep) struct secret *got = NULL;
    assert_ok(hsm_wrap(hsm, root, BYTES(secret), &blob, NULL));
    hsm_key_freep(&root);
    hsm_key_freep(&pair);
    hsm_closep(&hsm);
    assert_ok(reopen(true));
    assert_ok(hsm_key_find(hsm, HSM_AES, "root", &root, NULL));
    assert_ok(hsm_key_find(hsm, HSM_RSA, "pair", &pair, NULL));
    assert_ok(hsm_unwrap(hsm, root, buf_view(&blob), &got, NULL));
    assert_true(bytes_equal(secret_view(got), BYTES(secret)));
    AUTO(rsa_public_freep) struct rsa_public *public = NULL;
    assert_ok(hsm_rsa_public(hsm, pair, &public, NULL));
    check_signature(pair, public);
}

static void comes_back_from_losses(void **state)
{
    (void)state;
    CK_FUNCTION_LIST *f = hsm->module->f;
    struct hsm_status before, status;
    hsm_status(hsm, &before);
    assert_int_equal(f->C_CloseAllSessions(hsm->slot), CKR_OK);
    round_trip(root, BYTES(secret));
    assert_int_equal(f->C_Logout(hsm->anchor), CKR_OK);
    round_trip(root, BYTES(secret));
    assert_int_equal(f->C_Finalize(NULL), CKR_OK);
    round_trip(root, BYTES(secret));
    root->handle = 0x7ffffff;
    round_trip(root, BYTES(secret));
    hsm_status(hsm, &status);
    assert_int_equal(status.recoveries, before.recoveries + 3);
    assert_true(status.logged_in);
    AUTO(rsa_public_freep) struct rsa_public *public = NULL;
    assert_ok(hsm_rsa_public(hsm, pair, &public, NULL));
    check_signature(pair, public);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint8_t a[64] = {0}, b[64] = {0};
    assert_ok(hsm_random(hsm, a, sizeof a, NULL));
    assert_ok(hsm_random(hsm, b, sizeof b, NULL));
    assert_memory_not_equal(a, b, sizeof a);
}

static void in_child(void)
{
    AUTO(buf_done) struct buf blob = {0};
    AUTO(secret_freep) struct secret *got = NULL;
    struct err_detail detail = {0};
    if (hsm_wrap(hsm, root, BYTES(secret), &blob, NULL) != ERR_STATE)
        _exit(10);
    if (hsm_adopt(hsm, test_token_pin(&token), &detail) != ERR_OK) {
        print_error("%s\n", detail.text);
        _exit(11);
    }
    if (hsm_adopt(hsm, NULL, NULL) != ERR_STATE)
        _exit(12);
    if (hsm_wrap(hsm, root, BYTES(secret), &blob, &detail) != ERR_OK ||
        hsm_unwrap(hsm, root, buf_view(&blob), &got, &detail) != ERR_OK) {
        print_error("%s\n", detail.text);
        _exit(13);
    }
    hsm_close(hsm);
    hsm_leave(0);
}

static void a_forked_child_starts_anew(void **state)
{
    (void)state;
    round_trip(root, BYTES(secret));
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        in_child();
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    round_trip(root, BYTES(secret));
    assert_err(hsm_adopt(hsm, NULL, NULL), ERR_STATE);
}

struct hammer {
    pthread_t thread;
    struct bytes blob;
    const struct rsa_public *public;
    unsigned failed;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;
    uint8_t digest[32] = {9}, signature[HSM_SIGNATURE_MAX];
    for (int i = 0; i < 25; i++) {
        struct secret *got = NULL;
        size_t len = 0;
        digest[1] = (uint8_t)i;
        if (hsm_unwrap(hsm, root, h->blob, &got, NULL) != ERR_OK ||
            !bytes_equal(secret_view(got), BYTES(secret)))
            h->failed++;
        secret_free(got);
        if (hsm_rsa_sign(hsm, pair, digest, signature, &len, NULL) != ERR_OK ||
            rsa_verify_sha256(h->public, digest, bytes_of(signature, len), NULL) != ERR_OK)
            h->failed++;
    }
    return NULL;
}

static void four_threads_sign_and_unwrap(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf blob = {0};
    AUTO(rsa_public_freep) struct rsa_public *public = NULL;
    struct hammer threads[4];
    assert_ok(hsm_wrap(hsm, root, BYTES(secret), &blob, NULL));
    assert_ok(hsm_rsa_public(hsm, pair, &public, NULL));
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        threads[i] = (struct hammer){.blob = buf_view(&blob), .public = public};
        assert_int_equal(pthread_create(&threads[i].thread, NULL, hammer, &threads[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
        assert_int_equal(threads[i].failed, 0);
    }
    struct hsm_status status;
    hsm_status(hsm, &status);
    assert_int_equal(status.sessions_busy, 0);
    assert_true(status.sessions_open <= 7);
}

/* One wrong PIN: openCryptoki locks after three. */
static void a_wrong_pin_is_refused(void **state)
{
    (void)state;
    struct secret *pin = NULL;
    struct err_detail detail = {0};
    hsm_key_freep(&root);
    hsm_key_freep(&pair);
    hsm_closep(&hsm);
    assert_ok(secret_dup(bytes_str(token.wrong_pin), &pin));
    assert_err(hsm_open(&token.config, pin, &hsm, &detail), ERR_PIN_REFUSED);
    assert_int_equal(detail.ckr, CKR_PIN_INCORRECT);
    assert_ok(reopen(true));
    struct hsm *public_only = NULL;
    hsm_closep(&hsm);
    struct hsm_config config = token.config;
    config.token_label = "another";
    assert_err(hsm_open(&config, NULL, &public_only, NULL), ERR_TOKEN_GONE);
}

/* Of the leak checker where one is linked; hsm_leave would skip it. */
void __attribute__((weak)) __lsan_do_leak_check(void);

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_token),
        cmocka_unit_test(probes_what_is_known),
        cmocka_unit_test(keys_are_made_once_found_and_destroyed),
        cmocka_unit_test(wraps_every_length),
        cmocka_unit_test(every_method_opens_its_own_and_nothing_altered),
        cmocka_unit_test(another_root_opens_nothing),
        cmocka_unit_test(an_rsa_root_wraps_too),
        cmocka_unit_test(rsa_signs_and_decrypts),
        cmocka_unit_test(an_existing_rsa_key_is_imported),
        cmocka_unit_test(random_bytes_differ),
        cmocka_unit_test(a_forked_child_starts_anew),
        cmocka_unit_test(four_threads_sign_and_unwrap),
        cmocka_unit_test(comes_back_from_losses),
        cmocka_unit_test(keys_and_blobs_outlive_the_process),
        cmocka_unit_test(a_wrong_pin_is_refused),
    };
    token_name = test_token_begin(argc, argv, &token);
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    test_token_down(&token);
    if (__lsan_do_leak_check != NULL)
        __lsan_do_leak_check();
    hsm_leave(failed == 0 ? 0 : 1);
}
