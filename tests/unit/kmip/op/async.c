#include "kmip/op/async.h"

#include "base/clock.h"
#include "keys.h"
#include "vault/operations.h"

/* Asynchronous items: Poll, Cancel, Process, Query Asynchronous Requests, restarts. The test runs
 * what was spawned when it wants to. */

struct later {
    void (*run)(void *arg);
    void *arg;
};
static struct later spawned[8];
static unsigned spawned_len;

static enum err spawn(struct kmip_env *env, unsigned delay_ms, void (*run)(void *arg), void *arg)
{
    (void)env;
    assert_int_equal(delay_ms, KMIP_ASYNC_DELAY_MS);
    assert_true(spawned_len < ARRAY_LEN(spawned));
    spawned[spawned_len++] = (struct later){run, arg};
    return ERR_OK;
}

static void run_spawned(void)
{
    for (unsigned i = 0; i < spawned_len; i++)
        spawned[i].run(spawned[i].arg);
    spawned_len = 0;
}

static void async_begin(struct world *w)
{
    struct err_detail detail = {0};
    world_begin(w);
    w->env.spawn = spawn;
    assert_ok(kmip_async_new(w->site.store, clock_now_s(), &w->env.async, &detail));
}

static void async_end(struct world *w)
{
    run_spawned();
    kmip_async_free(w->env.async);
    world_end(w);
}

static const char *value_of(struct world *w)
{
    return keys_keep(w, keys_hex(w->item, KMIP_TAG_ASYNCHRONOUS_CORRELATION_VALUE));
}

/* One item that goes on; gives its correlation value as XML. */
static const char *submit(struct world *w, const char *operation, const char *payload)
{
    w->header = ENUM("AsynchronousIndicator", "Mandatory");
    assert_null(world_ask(w, operation, payload));
    w->header = NULL;
    assert_int_equal(world_status(w), KMIP_STATUS_OPERATION_PENDING);
    assert_null(kmip_child(w->item, KMIP_TAG_RESPONSE_PAYLOAD));
    return keys_keep(w, world_text("<AsynchronousCorrelationValue type=\"ByteString\" "
                                   "value=\"%s\"/>",
                                   value_of(w)));
}

#define CREATE                                                                                     \
    "<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/><Attributes>" ENUM(                  \
        "CryptographicAlgorithm", "AES") INT("CryptographicLength", "128") MASK("Encrypt") ACTIVE  \
        "</Attributes>"

static void results_wait_for_their_client(void **state)
{
    (void)state;
    struct world w;
    async_begin(&w);
    const char *value = submit(&w, "Create", CREATE);
    assert_int_equal(kmip_async_active(w.env.async), 1);
    run_spawned();
    assert_int_equal(kmip_async_active(w.env.async), 0);
    /* nobody else's */
    w.who = 1;
    world_refused(&w, KMIP_REASON_INVALID_ASYNCHRONOUS_CORRELATION_VALUE, "Poll", value);
    w.who = 0;
    struct kmip_node *out = world_must(&w, "Poll", value);
    assert_int_equal(kmip_enum(w.item, KMIP_TAG_OPERATION, 0), KMIP_OP_CREATE);
    assert_int_equal(kmip_enum(out, KMIP_TAG_OBJECT_TYPE, 0), KMIP_OBJECT_SYMMETRIC_KEY);
    assert_int_equal(world_state(&w, world_uid(&w, out)), KMIP_STATE_ACTIVE);
    world_refused(&w, KMIP_REASON_INVALID_ASYNCHRONOUS_CORRELATION_VALUE, "Poll", value);
    /* a failure is a result, too */
    value = submit(&w, "GetAttributes", UID("nobody"));
    run_spawned();
    world_refused(&w, KMIP_REASON_OBJECT_NOT_FOUND, "Poll", value);
    /* who polls at once need not wait */
    value = submit(&w, "Create", CREATE);
    world_must(&w, "Poll", value);
    run_spawned();
    assert_int_equal(kmip_async_active(w.env.async), 0);
    async_end(&w);
}

static void secrets_are_not_written_down(void **state)
{
    (void)state;
    struct world w;
    async_begin(&w);
    const char *uid = keys_keep(&w, keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt")));
    const char *value = submit(&w, "Get", UID(uid));
    assert_int_equal(spawned_len, 0);
    struct kmip_node *out = world_must(&w, "Poll", value);
    assert_int_equal(kmip_enum(w.item, KMIP_TAG_OPERATION, 0), KMIP_OP_GET);
    const struct kmip_node *block =
        kmip_child(kmip_child(out, KMIP_TAG_SYMMETRIC_KEY), KMIP_TAG_KEY_BLOCK);
    assert_hex(kmip_child(block, KMIP_TAG_KEY_VALUE), KMIP_TAG_KEY_MATERIAL, AES_KEY);
    async_end(&w);
}

static uint32_t cancel(struct world *w, const char *value)
{
    return kmip_enum(world_must(w, "Cancel", value), KMIP_TAG_CANCELLATION_RESULT, 0);
}

static void items_are_cancelled_and_hurried(void **state)
{
    (void)state;
    struct world w;
    async_begin(&w);
    const char *value = submit(&w, "Create", CREATE);
    struct kmip_node *out = world_must(&w, "QueryAsynchronousRequests", "");
    const struct kmip_node *listed = kmip_child(out, KMIP_TAG_ASYNCHRONOUS_REQUEST);
    assert_int_equal(kmip_enum(listed, KMIP_TAG_PROCESSING_STAGE, 0),
                     KMIP_PROCESSING_STAGE_SUBMITTED);
    assert_int_equal(cancel(&w, value), KMIP_CANCELLATION_RESULT_CANCELED);
    run_spawned();
    world_refused(&w, KMIP_REASON_OPERATION_CANCELED_BY_REQUESTER, "Poll", value);
    value = submit(&w, "Create", CREATE);
    world_must(&w, "Process", value);
    assert_int_equal(cancel(&w, value), KMIP_CANCELLATION_RESULT_COMPLETED);
    world_refused(&w, KMIP_REASON_DUPLICATE_PROCESS_REQUEST, "Process", value);
    world_must(&w, "Poll", value);
    assert_int_equal(cancel(&w, "<AsynchronousCorrelationValue type=\"ByteString\" "
                                "value=\"0102\"/>"),
                     KMIP_CANCELLATION_RESULT_UNAVAILABLE);
    out = world_must(&w, "QueryAsynchronousRequests", "");
    assert_null(kmip_child(out, KMIP_TAG_ASYNCHRONOUS_REQUEST));
    /* not what goes on in pieces, and not what asks for the others */
    w.header = ENUM("AsynchronousIndicator", "Mandatory");
    world_refused(&w, KMIP_REASON_FEATURE_NOT_SUPPORTED, "Poll", value);
    w.header = ENUM("AsynchronousIndicator", "Optional");
    world_must(&w, "Create", CREATE);
    async_end(&w);
}

static void a_restart_fails_what_it_cut_off(void **state)
{
    (void)state;
    struct world w;
    struct err_detail detail = {0};
    async_begin(&w);
    const char *done = submit(&w, "Create", CREATE);
    run_spawned();
    const char *cut = submit(&w, "Create", CREATE);
    spawned_len = 0; /* its fiber dies with the process */
    kmip_async_free(w.env.async);
    assert_ok(kmip_async_new(w.site.store, clock_now_s(), &w.env.async, &detail));
    world_refused(&w, KMIP_REASON_GENERAL_FAILURE, "Poll", cut);
    world_must(&w, "Poll", done);
    for (unsigned i = 0; i < KMIP_ASYNC_OF_CLIENT; i++) {
        (void)submit(&w, "Create", CREATE);
        spawned_len = 0;
    }
    w.header = ENUM("AsynchronousIndicator", "Mandatory");
    world_refused(&w, KMIP_REASON_SERVER_LIMIT_EXCEEDED, "Create", CREATE);
    async_end(&w);
}

TEST_MAIN(cmocka_unit_test(results_wait_for_their_client),
          cmocka_unit_test(secrets_are_not_written_down),
          cmocka_unit_test(items_are_cancelled_and_hurried),
          cmocka_unit_test(a_restart_fails_what_it_cut_off))
