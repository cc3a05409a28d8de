#include "keeper/token.h"

#include "hsm/object.h"
#include "support/test.h"
#include "support/token.h"

/* The keeper's operations on SoftHSM2; the fake of the other tests must mean the same. */

static void all_operations(void **state)
{
    (void)state;
    struct test_token token;
    const char *reason = NULL;
    if (!test_token_up("softhsm", &token, &reason)) {
        print_message("%s\n", reason);
        skip();
    }
    struct hsm *hsm = NULL;
    assert_ok(hsm_open(&token.config, test_token_pin(&token), &hsm, NULL));
    struct keeper_token_hsm *keys = NULL;
    struct err_detail detail = {.code = ERR_OK};
    assert_err(keeper_token_new(hsm, &keys, &detail), ERR_NOT_FOUND);
    struct hsm_key *root = NULL, *server = NULL, *ca = NULL;
    assert_ok(hsm_aes_generate(hsm, KEEPER_LABEL_ROOT, &root, NULL));
    assert_ok(hsm_rsa_generate(hsm, KEEPER_LABEL_SERVER, 2048, &server, NULL));

    /* without a CA all else works */
    assert_ok(keeper_token_new(hsm, &keys, &detail));
    struct keeper_token ops = keeper_token_of(keys);
    assert_null(ops.ops->public_key(ops.ctx, KEEPER_KEY_CA));
    struct buf out = {0};
    static const uint8_t digest[32] = {1, 2, 3};
    assert_err(ops.ops->sign(ops.ctx, KEEPER_KEY_CA, digest, &out, &detail), ERR_NOT_FOUND);
    keeper_token_free(keys);

    assert_ok(hsm_rsa_generate(hsm, KEEPER_LABEL_CA, 2048, &ca, NULL));
    assert_ok(keeper_token_new(hsm, &keys, &detail));
    ops = keeper_token_of(keys);
    static const enum keeper_key which[] = {KEEPER_KEY_SERVER, KEEPER_KEY_CA};
    for (size_t i = 0; i < ARRAY_LEN(which); i++) {
        out.len = 0;
        assert_ok(ops.ops->sign(ops.ctx, which[i], digest, &out, NULL));
        assert_ok(rsa_verify_sha256(ops.ops->public_key(ops.ctx, which[i]), digest, buf_view(&out),
                                    NULL));
    }
    uint8_t plain[64];
    assert_ok(ops.ops->random(ops.ctx, plain, sizeof plain, NULL));
    out.len = 0;
    assert_ok(ops.ops->wrap(ops.ctx, BYTES(plain), &out, NULL));
    assert_true(out.len <= KEEPER_WRAPPED_MAX);
    struct secret *secret = NULL;
    assert_ok(ops.ops->unwrap(ops.ctx, buf_view(&out), &secret, NULL));
    assert_true(secret_equal(secret_view(secret), BYTES(plain)));
    secret_freep(&secret);
    out.data[out.len / 2] ^= 1;
    assert_err(ops.ops->unwrap(ops.ctx, buf_view(&out), &secret, NULL), ERR_SEAL);
    out.len = 0;
    assert_ok(rsa_oaep_encrypt(ops.ops->public_key(ops.ctx, KEEPER_KEY_SERVER), OAEP_SHA1,
                               bytes_of(plain, 32), &out, NULL));
    assert_ok(ops.ops->oaep_decrypt(ops.ctx, OAEP_SHA1, buf_view(&out), &secret, NULL));
    assert_true(secret_equal(secret_view(secret), bytes_of(plain, 32)));
    secret_freep(&secret);
    struct keeper_token_status status;
    ops.ops->status(ops.ctx, &status);
    assert_true(status.ready);
    assert_non_null(strstr(status.text, "serial"));
    buf_done(&out);
    keeper_token_free(keys);
    hsm_key_free(root);
    hsm_key_free(server);
    hsm_key_free(ca);
    hsm_close(hsm);
    test_token_down(&token);
}

TEST_MAIN(cmocka_unit_test(all_operations))
