#include "kmip/server/server.h"

#include <stdio.h>

#include "../../net/rig.h"
#include "../../vault/site.h"
#include "base/file.h"
#include "base/settings.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"

/* The whole service in one process: two loops with fibers, a keeper as a thread, a store, and TLS
 * clients on a loop of their own. What the sanitizers see of it is the point. */

#define LOOPS   2
#define CLIENTS 12
#define ROUNDS  6 /* Create, then Get */

static struct site site;
static char *certificates;
static struct net_loops *loops;
static struct kmip_server *server;
static struct settings settings;
static struct kmip_server_paths paths;
static char cert[512], key[512], ca[512], log_dir[512];
static uint16_t port;

struct caller {
    struct net_conn *conn;
    unsigned rounds;
    bool got;
};
static struct caller callers[CLIENTS];
static struct net_loop *client_loop;
static unsigned finished, opened, closed, failed;

/* ---- messages ---- */

static void encode(const char *items, struct buf *out)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(buf_done) struct buf text = {0};
    struct kmip_node *root = NULL;
    assert_ok(arena_new((size_t)1024 * 1024, &arena));
    assert_ok(buf_printf(
        &text,
        "<RequestMessage><RequestHeader><ProtocolVersion><ProtocolVersionMajor type=\"Integer\" "
        "value=\"2\"/><ProtocolVersionMinor type=\"Integer\" value=\"1\"/></ProtocolVersion>"
        "<BatchCount type=\"Integer\" value=\"1\"/></RequestHeader>%s</RequestMessage>",
        items));
    assert_ok(kmip_decode(KMIP_XML, buf_view(&text), NULL, arena, &root, NULL));
    assert_ok(kmip_encode(KMIP_TTLV, root, out));
}

static void send_items(struct net_conn *conn, const char *items)
{
    AUTO(buf_done) struct buf message = {0};
    encode(items, &message);
    assert_ok(net_conn_write(conn, buf_view(&message)));
}

static void send_create(struct net_conn *conn)
{
    send_items(conn, "<BatchItem><Operation type=\"Enumeration\" value=\"Create\"/><RequestPayload>"
                     "<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/><Attributes>"
                     "<CryptographicAlgorithm type=\"Enumeration\" value=\"AES\"/>"
                     "<CryptographicLength type=\"Integer\" value=\"256\"/>"
                     "<CryptographicUsageMask type=\"Integer\" value=\"Encrypt\"/></Attributes>"
                     "</RequestPayload></BatchItem>");
}

/* ---- clients ---- */

static enum err frame_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    if (have < 8) {
        *ret_need = 8;
        return ERR_OK;
    }
    return kmip_frame_len(bytes_of(data, have), KMIP_MESSAGE_MAX, ret_need);
}

static void on_open(struct net_conn *conn, void *ctx)
{
    struct caller *caller = ctx;
    caller->conn = conn;
    opened++;
    send_create(conn);
}

static void on_frame(struct net_conn *conn, void *ctx, struct bytes frame)
{
    struct caller *caller = ctx;
    AUTO(arena_freep) struct arena *arena = NULL;
    struct kmip_node *root = NULL;
    assert_ok(arena_new((size_t)1024 * 1024, &arena));
    assert_ok(kmip_decode(KMIP_TTLV, frame, NULL, arena, &root, NULL));
    const struct kmip_node *item = kmip_child(root, KMIP_TAG_BATCH_ITEM);
    const struct kmip_node *payload = kmip_child(item, KMIP_TAG_RESPONSE_PAYLOAD);
    if (kmip_enum(item, KMIP_TAG_RESULT_STATUS, 9) != 0)
        failed++;
    if (kmip_enum(item, KMIP_TAG_OPERATION, 0) == KMIP_OP_CREATE) {
        char get[512];
        struct bytes uid = kmip_bytes(payload, KMIP_TAG_UNIQUE_IDENTIFIER);
        (void)snprintf(get, sizeof get,
                       "<BatchItem><Operation type=\"Enumeration\" value=\"Get\"/><RequestPayload>"
                       "<UniqueIdentifier type=\"TextString\" value=\"%.*s\"/></RequestPayload>"
                       "</BatchItem>",
                       (int)uid.len, (const char *)uid.data);
        send_items(conn, get);
        return;
    }
    if (++caller->rounds < ROUNDS)
        send_create(conn);
    else
        finished++;
}

static void on_close(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    (void)conn;
    (void)reason;
    (void)detail;
    ((struct caller *)ctx)->conn = NULL;
    closed++;
}

static const struct net_conn_ops caller_ops = {
    .frame_len = frame_len, .on_frame = on_frame, .on_open = on_open, .on_close = on_close};

static void call_all(void)
{
    const struct net_tls_config config = {.verify = NET_TLS_VERIFY_REQUIRED,
                                          .cert_file = test_path(certificates, "client.pem"),
                                          .key_file = test_path(certificates, "client.key"),
                                          .ca_file = ca};
    struct net_tls *tls = NULL;
    assert_ok(net_tls_new(&config, &tls, NULL));
    const struct net_target target = {.host = "127.0.0.1", .port = port, .tls_name = "localhost"};
    finished = opened = closed = failed = 0;
    for (unsigned i = 0; i < CLIENTS; i++) {
        callers[i] = (struct caller){0};
        const struct net_conn_setup setup = {.ops = &caller_ops, .ctx = &callers[i], .tls = tls};
        struct net_conn *conn = NULL;
        assert_ok(net_connect(client_loop, &target, &setup, &conn));
    }
    net_tls_unref(tls);
    free((void *)(uintptr_t)config.cert_file);
    free((void *)(uintptr_t)config.key_file);
}

/* ---- the service ---- */

static void register_client(void)
{
    AUTO(buf_done) struct buf pem = {0};
    AUTO(buf_done) struct buf der = {0};
    char *path = test_path(certificates, "client.pem");
    assert_ok(file_read(path, 65536, &pem, NULL));
    free(path);
    struct bytes text = buf_view(&pem);
    assert_ok(pem_decode("CERTIFICATE", &text, &der, NULL));
    uint8_t digest[32];
    struct bytes part = buf_view(&der);
    assert_ok(hash_sha256(&part, 1, digest));
    struct vault_client made;
    const struct vault_client_new spec = {.name = "gw1",
                                          .kind = VAULT_CLIENT_KMIP,
                                          .may = VAULT_MAY_ALL,
                                          .placement = VAULT_IN_STORE,
                                          .certificate = digest};
    assert_ok(vault_client_create(site.clients, &spec, &made, NULL));
}

static void read_settings(const char *more)
{
    char text[512];
    int len = snprintf(text, sizeof text, "[kmip]\n%s\n", more);
    settings_done(&settings);
    assert_ok(settings_parse("/x/y.conf", text, (size_t)len, &settings, NULL));
}

static int begin(void **state)
{
    (void)state;
    site_begin(&site);
    certificates = rig_certificates();
    (void)snprintf(cert, sizeof cert, "%s/server.pem", certificates);
    (void)snprintf(key, sizeof key, "%s/server.key", certificates);
    (void)snprintf(ca, sizeof ca, "%s/ca.pem", certificates);
    (void)snprintf(log_dir, sizeof log_dir, "%s/messages", certificates);
    paths = (struct kmip_server_paths){cert, key, ca, log_dir};
    register_client();
    read_settings("log = messages");
    int listener = -1, keepers[LOOPS];
    assert_ok(net_listen_socket("127.0.0.1", 0, &listener, NULL));
    port = net_socket_port(listener);
    for (unsigned i = 0; i < LOOPS; i++) {
        keepers[i] = site.rig.fds[RIG_CONNS - 1 - i];
        site.rig.fds[RIG_CONNS - 1 - i] = -1;
    }
    assert_ok(net_loops_new(LOOPS, &loops));
    const struct kmip_server_config config = {.settings = &settings,
                                              .paths = paths,
                                              .store = site.store,
                                              .objects = site.objects,
                                              .clients = site.clients,
                                              .loops = loops,
                                              .keeper_fds = keepers,
                                              .ttlv_fds = &listener,
                                              .ttlv_len = 1};
    struct err_detail detail = {0};
    if (kmip_server_new(&config, &detail, &server) != ERR_OK)
        fail_msg("server: %s", detail.text);
    assert_ok(rig_loop_new(&client_loop));
    assert_ok(net_loops_start(loops));
    return 0;
}

static int end(void **state)
{
    (void)state;
    net_loop_free(client_loop);
    net_loops_stop(loops);
    kmip_server_free(server);
    net_loops_free(loops);
    settings_done(&settings);
    test_tempdir_remove(certificates);
    site_end(&site);
    return 0;
}

static void many_clients_make_and_get_keys(void **state)
{
    (void)state;
    call_all();
    rig_run(client_loop, &opened, CLIENTS);
    /* in the middle of it, other settings */
    read_settings("log = basic\nvendor = Other");
    assert_ok(kmip_server_reload(server, &settings, &paths, NULL));
    for (int i = 0; i < 12 && finished < CLIENTS; i++)
        rig_pass(client_loop, 250);
    rig_run(client_loop, &finished, CLIENTS);
    assert_int_equal(failed, 0);
    assert_int_equal(closed, 0);
    assert_int_equal(kmip_server_connections(server), CLIENTS);
    for (unsigned i = 0; i < CLIENTS; i++)
        net_conn_close(callers[i].conn);
    rig_run(client_loop, &closed, CLIENTS);
}

/* Whatever waits for the keeper, the store or a timer comes to its end. */
static void it_ends_in_the_middle_of_everything(void **state)
{
    (void)state;
    call_all();
    rig_run(client_loop, &opened, CLIENTS);
    rig_pass(client_loop, 5);
    kmip_server_stop(server);
    for (int i = 0; i < 20 && closed < CLIENTS; i++)
        rig_pass(client_loop, 100);
    assert_int_equal(failed, 0);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(many_clients_make_and_get_keys, begin, end),
          cmocka_unit_test_setup_teardown(it_ends_in_the_middle_of_everything, begin, end))
