#include "kmip/op/tell.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keys.h"
#include "kmip/server/notify.h"

/* Notify: a client that listens is told what changed; one that does not is not. Without TLS: what
 * travels is looked at here, how is net's. */

struct ear {
    struct world w;
    struct net_loop *loop;
    pthread_t thread;
    int fd;
};

static void *run_loop(void *arg)
{
    assert_ok(net_loop_run(arg));
    return NULL;
}

static void ear_begin(struct ear *e)
{
    struct err_detail detail = {0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    world_begin(&e->w);
    e->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(e->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(e->fd, 4), 0);
    assert_int_equal(getsockname(e->fd, (struct sockaddr *)&address, &len), 0);
    const struct vault_client_new change = {
        .notify = world_text("127.0.0.1:%u", (unsigned)ntohs(address.sin_port))};
    assert_ok(vault_client_change(e->w.site.clients, "alice", &change, &detail));
    assert_ok(net_loop_new(&e->loop));
    assert_ok(kmip_notify_new(e->loop, e->w.site.clients, NULL, &e->w.env.notify));
    assert_int_equal(pthread_create(&e->thread, NULL, run_loop, e->loop), 0);
}

static void ear_end(struct ear *e)
{
    net_loop_stop(e->loop);
    assert_int_equal(pthread_join(e->thread, NULL), 0);
    kmip_notify_free(e->w.env.notify);
    e->w.env.notify = NULL;
    net_loop_free(e->loop);
    (void)close(e->fd);
    world_end(&e->w);
}

/* The next message that comes. */
static const struct kmip_node *hear_op(struct ear *e, uint32_t operation)
{
    struct timeval patience = {.tv_sec = 10};
    assert_int_equal(setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    int conn = accept(e->fd, NULL, NULL);
    assert_true(conn >= 0);
    uint8_t *data = arena_take(e->w.kept, 65536);
    size_t have = 0, need = 8;
    while (have < need) {
        ssize_t got = read(conn, data + have, 65536 - have);
        assert_true(got > 0);
        have += (size_t)got;
        if (have >= 8)
            assert_ok(kmip_frame_len(bytes_of(data, have), 65536, &need));
    }
    (void)close(conn);
    struct kmip_node *root = NULL;
    assert_ok(kmip_decode(KMIP_TTLV, bytes_of(data, have), NULL, e->w.kept, &root, NULL));
    assert_int_equal(root->tag, KMIP_TAG_REQUEST_MESSAGE);
    const struct kmip_node *item = kmip_child(root, KMIP_TAG_BATCH_ITEM);
    assert_int_equal(kmip_enum(item, KMIP_TAG_OPERATION, 0), operation);
    return kmip_child(item, KMIP_TAG_REQUEST_PAYLOAD);
}

static const struct kmip_node *hear(struct ear *e)
{
    return hear_op(e, KMIP_OP_NOTIFY);
}

/* Where the server has a fiber for it, the test runs it after the request. */
static struct {
    void (*run)(void *arg);
    void *arg;
} spawned[4];
static unsigned spawned_len;

static enum err spawn_later(struct kmip_env *env, unsigned delay_ms, void (*run)(void *arg),
                            void *arg)
{
    (void)env;
    assert_int_equal(delay_ms, 0);
    assert_true(spawned_len < ARRAY_LEN(spawned));
    spawned[spawned_len].run = run;
    spawned[spawned_len++].arg = arg;
    return ERR_OK;
}

static void run_spawned(struct ear *e)
{
    for (unsigned i = 0; i < spawned_len; i++) {
        spawned[i].run(spawned[i].arg);
        if (e->w.reading)
            store_reader_end(e->w.site.reader);
        e->w.reading = false;
    }
    spawned_len = 0;
}

/* Nothing more is on its way. */
static void silence(struct ear *e)
{
    struct pollfd poll_fd = {.fd = e->fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 200), 0);
}

static void ear_change(struct ear *e, const struct vault_client_new *change)
{
    struct err_detail detail = {0};
    net_loop_stop(e->loop);
    assert_int_equal(pthread_join(e->thread, NULL), 0);
    kmip_notify_free(e->w.env.notify);
    net_loop_free(e->loop);
    assert_ok(vault_client_change(e->w.site.clients, "alice", change, &detail));
    assert_ok(net_loop_new(&e->loop));
    assert_ok(kmip_notify_new(e->loop, e->w.site.clients, NULL, &e->w.env.notify));
    assert_int_equal(pthread_create(&e->thread, NULL, run_loop, e->loop), 0);
}

static void who_listens_is_told(void **state)
{
    (void)state;
    struct ear e;
    ear_begin(&e);
    const uint32_t group = e.w.clients[0].eyes.groups[0];
    assert_true(kmip_notify_wants(e.w.env.notify, e.w.clients[0].id, group));
    assert_false(kmip_notify_wants(e.w.env.notify, e.w.clients[1].id, group));
    assert_false(kmip_notify_wants(NULL, e.w.clients[0].id, group));
    /* of objects that it can't see any more it is not told */
    assert_false(kmip_notify_wants(e.w.env.notify, e.w.clients[0].id, group + 100));
    const char *uid = keys_keep(&e.w, world_aes(&e.w, "told", ""));
    world_must(&e.w, "Activate", UID(uid));
    const struct kmip_node *payload = hear(&e);
    assert_true(bytes_equal(kmip_bytes(payload, KMIP_TAG_UNIQUE_IDENTIFIER), bytes_str(uid)));
    const struct kmip_node *attributes = kmip_child(payload, KMIP_TAG_ATTRIBUTES);
    assert_int_equal(kmip_enum(attributes, KMIP_TAG_STATE, 0), KMIP_STATE_ACTIVE);
    assert_non_null(kmip_child(attributes, KMIP_TAG_ACTIVATION_DATE));
    assert_null(kmip_child(attributes, KMIP_TAG_NAME));
    assert_null(kmip_child(attributes, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM));
    /* an attribute that goes is named */
    world_must(&e.w, "DeleteAttribute",
               world_text("%s" ENUM("AttributeReference", "Name"), UID(uid)));
    payload = hear(&e);
    const struct kmip_node *gone = kmip_child(payload, KMIP_TAG_ATTRIBUTE_REFERENCE);
    assert_non_null(gone);
    assert_int_equal(gone->num, KMIP_TAG_NAME);
    /* what a client sends is refused */
    world_refused(&e.w, KMIP_REASON_OPERATION_NOT_SUPPORTED, "Notify", UID(uid));
    world_refused(&e.w, KMIP_REASON_OPERATION_NOT_SUPPORTED, "Put", UID(uid));
    /* bob does not listen */
    e.w.who = 1;
    uid = keys_keep(&e.w, world_aes(&e.w, "untold", ""));
    world_must(&e.w, "Activate", UID(uid));
    assert_true(kmip_notify_count(e.w.env.notify) <= 2);
    ear_end(&e);
}

/* A Notify that `uid` has a link of this type to `target`. */
static void hear_link(struct ear *e, const char *uid, uint32_t type, const char *target)
{
    const struct kmip_node *payload = hear(e);
    assert_true(bytes_equal(kmip_bytes(payload, KMIP_TAG_UNIQUE_IDENTIFIER), bytes_str(uid)));
    const struct kmip_node *link =
        kmip_child(kmip_child(payload, KMIP_TAG_ATTRIBUTES), KMIP_TAG_LINK);
    assert_int_equal(kmip_enum(link, KMIP_TAG_LINK_TYPE, 0), type);
    const struct kmip_node *to = kmip_child(link, KMIP_TAG_LINKED_OBJECT_IDENTIFIER);
    assert_true(bytes_equal(to->bytes, bytes_str(target)));
}

static const char *derive(struct ear *e, const char *base)
{
    return world_uid(
        &e->w,
        world_must(
            &e->w, "DeriveKey",
            world_text(
                ENUM("ObjectType", "SymmetricKey") "%s" ENUM(
                    "DerivationMethod",
                    "HASH") "<DerivationParameters>" PARAMS(ENUM("HashingAlgorithm",
                                                                 "SHA_256")) "</"
                                                                             "DerivationParameters>"
                                                                             "<Attributes>" ENUM(
                                                                                 "CryptographicAlgo"
                                                                                 "rithm",
                                                                                 "AES")
                                                                                 INT("Cryptographic"
                                                                                     "Length",
                                                                                     "128") "</"
                                                                                            "Attrib"
                                                                                            "utes>",
                UID(base))));
}

/* What is made out of a client's key is new to it, whoever asked; and its key has a link more. */
static void what_is_derived_is_put(void **state)
{
    (void)state;
    struct ear e;
    ear_begin(&e);
    e.w.env.spawn = spawn_later;
    const char *base = keys_secret(&e.w, "70617373776f7264", MASK("DeriveKey") ACTIVE);
    const char *uid = derive(&e, base);
    hear_link(&e, base, KMIP_LINK_TYPE_DERIVED_KEY_LINK, uid);
    assert_int_equal(spawned_len, 0);
    const bool yes = true;
    ear_change(&e, &(struct vault_client_new){.put = &yes});
    uid = derive(&e, base);
    hear_link(&e, base, KMIP_LINK_TYPE_DERIVED_KEY_LINK, uid);
    assert_int_equal(spawned_len, 1);
    run_spawned(&e);
    const struct kmip_node *payload = hear_op(&e, KMIP_OP_PUT);
    assert_true(bytes_equal(kmip_bytes(payload, KMIP_TAG_UNIQUE_IDENTIFIER), bytes_str(uid)));
    assert_int_equal(kmip_enum(payload, KMIP_TAG_PUT_FUNCTION, 0), KMIP_PUT_FUNCTION_NEW);
    assert_null(kmip_child(payload, KMIP_TAG_REPLACED_UNIQUE_IDENTIFIER));
    assert_non_null(kmip_child(payload, KMIP_TAG_SYMMETRIC_KEY));
    ear_end(&e);
}

static void what_replaces_is_put(void **state)
{
    (void)state;
    struct ear e;
    ear_begin(&e);
    e.w.env.spawn = spawn_later;
    /* who listens but does not want it gets none */
    const char *old = keys_keep(&e.w, world_aes(&e.w, "disk", ""));
    const char *uid = world_uid(&e.w, world_must(&e.w, "ReKey", UID(old)));
    assert_int_equal(spawned_len, 0);
    hear_link(&e, old, KMIP_LINK_TYPE_REPLACEMENT_OBJECT_LINK, uid);
    const bool yes = true, no = false;
    ear_change(&e, &(struct vault_client_new){.put = &yes});
    const char *next = world_uid(&e.w, world_must(&e.w, "ReKey", UID(uid)));
    assert_int_equal(spawned_len, 1);
    run_spawned(&e);
    const struct kmip_node *payload = hear_op(&e, KMIP_OP_PUT);
    assert_true(bytes_equal(kmip_bytes(payload, KMIP_TAG_UNIQUE_IDENTIFIER), bytes_str(next)));
    assert_int_equal(kmip_enum(payload, KMIP_TAG_PUT_FUNCTION, 0), KMIP_PUT_FUNCTION_REPLACE);
    assert_true(
        bytes_equal(kmip_bytes(payload, KMIP_TAG_REPLACED_UNIQUE_IDENTIFIER), bytes_str(uid)));
    assert_non_null(kmip_child(kmip_child(payload, KMIP_TAG_ATTRIBUTES), KMIP_TAG_NAME));
    /* the key is the one that Get gives */
    const struct kmip_node *got = world_must(&e.w, "Get", UID(next));
    assert_true(kmip_equal(kmip_child(payload, KMIP_TAG_SYMMETRIC_KEY),
                           kmip_child(got, KMIP_TAG_SYMMETRIC_KEY)));
    /* nor what it may not read */
    const struct vault_client_new blind = {.may = VAULT_MAY_ALL & ~VAULT_MAY_READ};
    ear_change(&e, &blind);
    next = world_uid(&e.w, world_must(&e.w, "ReKey", UID(next)));
    run_spawned(&e);
    silence(&e);
    /* nor after it does not want it any more */
    ear_change(&e, &(struct vault_client_new){.put = &no, .may = VAULT_MAY_ALL});
    world_must(&e.w, "ReKey", UID(next));
    assert_int_equal(spawned_len, 0);
    ear_end(&e);
}

#define ITEM(id, operation, payload)                                                               \
    world_text("<BatchItem><Operation type=\"Enumeration\" value=\"" operation                     \
               "\"/><UniqueBatchItemID type=\"ByteString\" value=\"" id                            \
               "\"/><RequestPayload>%s</RequestPayload></BatchItem>",                              \
               payload)

/* Of a batch with Undo nothing is told before it is committed, and nothing if it is not. */
static void a_batch_is_told_when_it_stands(void **state)
{
    (void)state;
    struct ear e;
    ear_begin(&e);
    e.w.env.spawn = spawn_later;
    const bool yes = true;
    ear_change(&e, &(struct vault_client_new){.put = &yes});
    const char *uid = keys_keep(&e.w, world_aes(&e.w, "undone", ""));
    e.w.header = ENUM("BatchErrorContinuationOption", "Undo");
    world_batch(&e.w, 3,
                world_text("%s%s%s", ITEM("01", "Activate", UID(uid)),
                           ITEM("02", "ReKey", UID(uid)), ITEM("03", "Activate", UID("nothing"))));
    assert_int_not_equal(world_status(&e.w), KMIP_STATUS_SUCCESS);
    assert_int_equal(spawned_len, 0);
    silence(&e);
    world_batch(
        &e.w, 2,
        world_text("%s%s", ITEM("01", "Activate", UID(uid)), ITEM("02", "ReKey", UID(uid))));
    assert_int_equal(world_status(&e.w), KMIP_STATUS_SUCCESS);
    const struct kmip_node *payload = hear(&e);
    assert_true(bytes_equal(kmip_bytes(payload, KMIP_TAG_UNIQUE_IDENTIFIER), bytes_str(uid)));
    assert_int_equal(spawned_len, 1);
    run_spawned(&e);
    payload = hear_op(&e, KMIP_OP_PUT);
    assert_true(
        bytes_equal(kmip_bytes(payload, KMIP_TAG_REPLACED_UNIQUE_IDENTIFIER), bytes_str(uid)));
    e.w.header = NULL;
    ear_end(&e);
}

TEST_MAIN(cmocka_unit_test(who_listens_is_told), cmocka_unit_test(what_replaces_is_put),
          cmocka_unit_test(what_is_derived_is_put),
          cmocka_unit_test(a_batch_is_told_when_it_stands))
