#include "keeper/server.h"

#include "rig.h"

static void keys_are_made_and_released(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 0x10200);
    assert_int_equal(node.made.sealed.len, KEEPER_SEALED_NODE);
    uint8_t key[KEEPER_KEY_MAX], again[KEEPER_KEY_MAX];
    size_t len = 0;
    assert_ok(rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), key, &len));
    assert_int_equal(len, 16);
    assert_ok(rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), again, &len));
    assert_memory_equal(key, again, len);
    struct rig_key gateway = rig_generate(&rig, KEEPER_GATEWAY, 1);
    assert_ok(rig_release(&rig, &gateway.row, keeper_sealed_view(&gateway.made.sealed), key, &len));
    assert_int_equal(len, 24);

    struct keeper_status status;
    assert_ok(keeper_status(rig_client(&rig, 1), &status, NULL));
    assert_int_equal(status.released, 3);
    assert_int_equal(status.generated, 2);
    assert_int_equal(status.domains, 1);
    assert_int_equal(status.malformed, 0);
    assert_true(status.token_ready);
    assert_true(status.syncs > 0);

    struct audit_verify_result result;
    rig_chain(&rig, &result);
    assert_int_equal(result.kinds[AUDIT_RELEASE], 3);
    assert_int_equal(result.kinds[AUDIT_GENERATE], 2);
    assert_int_equal(result.kinds[AUDIT_START], 1);
    assert_int_equal(result.kinds[AUDIT_STOP], 1);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_RELEASE, ERR_OK, &event), 3);
    assert_true(bytes_equal(event.actor, bytes_str("gw1.test")));
    assert_int_equal(event.purpose, KEEPER_DIAMETER);
    assert_int_equal(event.table, KEEPER_GATEWAY);
    assert_ok(rig_end(&rig));
}

static void domains_are_stored_before_they_serve(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct buf wrapped = {0};
    assert_err(keeper_domain_create(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, &wrapped, NULL),
               ERR_EXISTS);
    uint16_t version = 0;
    assert_err(
        keeper_domain_rotate(client, RIG_ACTOR, RIG_DOMAIN, "network/8", &version, &wrapped, NULL),
        ERR_MISMATCH);
    assert_ok(
        keeper_domain_rotate(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, &version, &wrapped, NULL));
    assert_int_equal(version, 2);
    /* under another id, name or version the same blob is nothing */
    assert_err(keeper_domain_load(client, RIG_ACTOR, 8, RIG_NAME, 2, buf_view(&wrapped), NULL),
               ERR_SEAL);
    assert_err(
        keeper_domain_load(client, RIG_ACTOR, RIG_DOMAIN, "other", 2, buf_view(&wrapped), NULL),
        ERR_SEAL);
    assert_err(
        keeper_domain_load(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, 3, buf_view(&wrapped), NULL),
        ERR_SEAL);
    assert_ok(
        keeper_domain_load(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, 2, buf_view(&wrapped), NULL));
    assert_ok(
        keeper_domain_load(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, 2, buf_view(&wrapped), NULL));

    struct keeper_reseal reseal = {.row = node.row,
                                   .sealed = keeper_sealed_view(&node.made.sealed)};
    assert_ok(keeper_reseal(client, RIG_ACTOR, &reseal, 1, NULL));
    assert_ok(reseal.err);
    assert_int_equal(be16_load(reseal.made.sealed.data + 1), 2);
    assert_memory_equal(reseal.made.fingerprint, node.made.fingerprint, KEEPER_FINGERPRINT);

    assert_err(keeper_domain_drop(client, RIG_ACTOR, RIG_DOMAIN, 2, NULL), ERR_STATE);
    assert_ok(keeper_domain_drop(client, RIG_ACTOR, RIG_DOMAIN, 1, NULL));
    assert_err(rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), NULL, NULL),
               ERR_NOT_FOUND);
    assert_ok(rig_release(&rig, &node.row, keeper_sealed_view(&reseal.made.sealed), NULL, NULL));
    assert_ok(keeper_domain_drop(client, RIG_ACTOR, RIG_DOMAIN, 0, NULL));
    assert_err(keeper_domain_drop(client, RIG_ACTOR, RIG_DOMAIN, 0, NULL), ERR_NOT_FOUND);
    buf_done(&wrapped);
    assert_ok(rig_end(&rig));
}

static void a_failing_token_is_named(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    rig.token.fail = ERR_TOKEN_GONE;
    struct buf wrapped = {0};
    struct err_detail detail = {.code = ERR_OK};
    assert_err(keeper_domain_create(client, RIG_ACTOR, 9, "network/9", &wrapped, &detail),
               ERR_TOKEN_GONE);
    assert_int_equal(detail.ckr, 0x32);
    assert_string_equal(detail.text, "the fake token fails as told");
    struct keeper_status status;
    assert_ok(keeper_status(client, &status, NULL));
    assert_false(status.token_ready);
    assert_err(keeper_sign_audit(client, RIG_ACTOR, NULL), ERR_TOKEN_GONE);
    rig.token.fail = ERR_OK;
    assert_ok(keeper_sign_audit(client, RIG_ACTOR, NULL));
    assert_ok(keeper_domain_create(client, RIG_ACTOR, 9, "network/9", &wrapped, &detail));
    buf_done(&wrapped);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    assert_int_equal(result.signatures, 1);
    assert_ok(rig_end(&rig));
}

static unsigned answered;
static void count_answer(struct keeper_release *release, enum err err, struct bytes key)
{
    (void)release;
    assert_int_equal(err, ERR_KEEPER_GONE);
    assert_int_equal(key.len, 0);
    answered++;
}

static void a_lost_keeper_fails_all_at_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct keeper_client *client = rig_client(&rig, 0);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct keeper_release releases[3];
    answered = 0;
    for (unsigned i = 0; i < 3; i++) {
        releases[i] = (struct keeper_release){
            .row = node.row, .purpose = KEEPER_DIAMETER, .done = count_answer};
        assert_ok(keeper_client_release(client, &releases[i], bytes_str("gw"),
                                        keeper_sealed_view(&node.made.sealed)));
    }
    keeper_client_flush(client);
    assert_err(keeper_client_receive(client), ERR_KEEPER_GONE);
    assert_int_equal(answered, 3);
    assert_int_equal(keeper_client_outstanding(client), 0);
    struct keeper_status status;
    assert_err(keeper_status(client, &status, NULL), ERR_KEEPER_GONE);
    assert_err(keeper_client_release(client, &releases[0], bytes_str("gw"),
                                     keeper_sealed_view(&node.made.sealed)),
               ERR_KEEPER_GONE);
    assert_ok(rig_end(&rig));
}

static void notes_have_their_kinds(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    assert_ok(keeper_note(client, RIG_ACTOR, "something happened", NULL));
    struct keeper_note note = {
        .kind = AUDIT_BATCH_IMPORTED, .row = {.domain = RIG_DOMAIN, .row = 7}, .text = "1000 new"};
    assert_ok(keeper_note_event(client, RIG_ACTOR, &note, NULL));
    note.kind = AUDIT_RELEASE;
    assert_err(keeper_note_event(client, RIG_ACTOR, &note, NULL), ERR_DENIED);
    note.kind = 9999;
    assert_err(keeper_note_event(client, RIG_ACTOR, &note, NULL), ERR_DENIED);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_BATCH_IMPORTED, ERR_OK, &event), 1);
    assert_int_equal(event.row, 7);
    assert_true(bytes_equal(event.text, bytes_str("1000 new")));
    assert_ok(rig_end(&rig));
}

static void a_full_chain_refuses(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, &(struct rig_options){.policy = rig_open_policy(), .segment_size = 8192});
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    unsigned released = 0;
    enum err err = ERR_OK;
    while (err == ERR_OK && released < 1000) {
        err = rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), NULL, NULL);
        released += err == ERR_OK;
    }
    assert_err(err, ERR_BUSY);
    struct keeper_status status;
    assert_ok(keeper_status(rig_client(&rig, 0), &status, NULL));
    assert_int_equal(status.released, released);
    keeper_server_stop(rig.server);
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    keeper_server_free(rig.server);
    rig.server = NULL;
    assert_int_equal(rig_records(&rig, AUDIT_RELEASE, ERR_OK, NULL), released);
    assert_err(rig_end(&rig), ERR_BUSY); /* no room for the record of the stop */
}

static void buffered_reads_are_durable_in_the_end(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, &(struct rig_options){.policy = rig_open_policy(), .buffered = true});
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct keeper_status before, after;
    assert_ok(keeper_status(rig_client(&rig, 1), &before, NULL));
    for (unsigned i = 0; i < 50; i++)
        assert_ok(rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), NULL, NULL));
    assert_ok(keeper_status(rig_client(&rig, 1), &after, NULL));
    assert_true(after.syncs - before.syncs < 50);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    assert_int_equal(result.kinds[AUDIT_RELEASE], 50);
    assert_ok(rig_end(&rig));
}

TEST_MAIN(cmocka_unit_test(keys_are_made_and_released),
          cmocka_unit_test(domains_are_stored_before_they_serve),
          cmocka_unit_test(a_failing_token_is_named),
          cmocka_unit_test(a_lost_keeper_fails_all_at_once),
          cmocka_unit_test(notes_have_their_kinds), cmocka_unit_test(a_full_chain_refuses),
          cmocka_unit_test(buffered_reads_are_durable_in_the_end))
