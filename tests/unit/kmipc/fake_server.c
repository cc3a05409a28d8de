#include "fake_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/conn.h"
#include "net/listener.h"

struct fake_server {
    struct net_loop *loop;
    struct net_listener *listener;
    struct net_tls *tls;
    pthread_t thread;
    bool http;
    uint16_t port;
    pthread_mutex_t lock; /* of what follows */
    struct fake_script script;
    struct buf request; /* XML */
    unsigned requests, connections;
};

static void put_version(struct kmip_build *b, struct kmip_node *parent, uint16_t version)
{
    struct kmip_node *node = kmip_put_struct(b, parent, KMIP_TAG_PROTOCOL_VERSION);
    (void)kmip_put_int(b, node, KMIP_TAG_PROTOCOL_VERSION_MAJOR, version >> 8);
    (void)kmip_put_int(b, node, KMIP_TAG_PROTOCOL_VERSION_MINOR, version & 0xff);
}

static uint16_t version_of(const struct kmip_node *request)
{
    const struct kmip_node *header = kmip_child(request, KMIP_TAG_REQUEST_HEADER);
    const struct kmip_node *version = kmip_child(header, KMIP_TAG_PROTOCOL_VERSION);
    return (uint16_t)(kmip_num(version, KMIP_TAG_PROTOCOL_VERSION_MAJOR, 0) << 8 |
                      kmip_num(version, KMIP_TAG_PROTOCOL_VERSION_MINOR, 0));
}

static void put_result(struct kmip_build *b, struct kmip_node *item, uint32_t status,
                       uint32_t reason, const char *message)
{
    (void)kmip_put_enum(b, item, KMIP_TAG_RESULT_STATUS, status);
    if (status == KMIP_STATUS_OPERATION_FAILED)
        (void)kmip_put_enum(b, item, KMIP_TAG_RESULT_REASON, reason);
    if (message != NULL)
        (void)kmip_put_text(b, item, KMIP_TAG_RESULT_MESSAGE, message);
}

static void put_payload(struct kmip_build *b, struct kmip_node *item, const char *xml)
{
    struct kmip_node *payload = NULL;
    if (xml == NULL)
        return;
    assert_ok(kmip_decode(KMIP_XML, bytes_str(xml), NULL, b->arena, &payload, NULL));
    kmip_append(item, payload);
}

static void build_answer(const struct fake_script *script, const struct kmip_node *request,
                         struct kmip_build *b, struct kmip_node *root)
{
    const struct kmip_node *asked = kmip_child(request, KMIP_TAG_BATCH_ITEM);
    uint32_t operation = kmip_enum(asked, KMIP_TAG_OPERATION, 0);
    struct kmip_node *header = kmip_put_struct(b, root, KMIP_TAG_RESPONSE_HEADER);
    put_version(b, header, script->only_in != 0 ? script->only_in : version_of(request));
    (void)kmip_put_date(b, header, KMIP_TAG_TIME_STAMP, 1700000000);
    (void)kmip_put_int(b, header, KMIP_TAG_BATCH_COUNT, 1);
    struct kmip_node *item = kmip_put_struct(b, root, KMIP_TAG_BATCH_ITEM);
    if (script->only_in != 0 && script->only_in != version_of(request)) {
        put_result(b, item, KMIP_STATUS_OPERATION_FAILED, KMIP_REASON_INVALID_MESSAGE,
                   "not this version");
        return;
    }
    (void)kmip_put_enum(b, item, KMIP_TAG_OPERATION, operation);
    if (operation != KMIP_OP_DISCOVER_VERSIONS) {
        put_result(b, item, script->status, script->reason, script->message);
        put_payload(b, item, script->payload);
    } else if (script->versions[0] == 0) {
        put_result(b, item, KMIP_STATUS_OPERATION_FAILED, KMIP_REASON_OPERATION_NOT_SUPPORTED,
                   NULL);
    } else {
        put_result(b, item, KMIP_STATUS_SUCCESS, 0, NULL);
        struct kmip_node *payload = kmip_put_struct(b, item, KMIP_TAG_RESPONSE_PAYLOAD);
        for (size_t i = 0; i < ARRAY_LEN(script->versions) && script->versions[i] != 0; i++)
            put_version(b, payload, script->versions[i]);
    }
}

static void send_answer(struct fake_server *server, struct net_conn *conn, struct bytes body)
{
    struct buf out = {0};
    if (server->http && server->script.chunked) {
        size_t half = body.len / 2;
        assert_ok(
            buf_printf(&out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", half));
        assert_ok(buf_append(&out, bytes_of(body.data, half)));
        assert_ok(buf_printf(&out, "\r\n%zX; last=no\r\n", body.len - half));
        assert_ok(buf_append(&out, bytes_of(body.data + half, body.len - half)));
        assert_ok(buf_printf(&out, "\r\n0\r\n\r\n"));
    } else {
        if (server->http)
            assert_ok(buf_printf(&out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body.len));
        assert_ok(buf_append(&out, body));
    }
    assert_ok(net_conn_write(conn, buf_view(&out)));
    buf_done(&out);
}

static enum kmip_format format_of(struct bytes head)
{
    if (memmem(head.data, head.len, "application/json", 16) != NULL)
        return KMIP_JSON;
    return memmem(head.data, head.len, "text/xml", 8) != NULL ? KMIP_XML : KMIP_TTLV;
}

static void answer(struct fake_server *server, struct net_conn *conn, struct bytes frame)
{
    struct arena *arena = NULL;
    struct kmip_node *request = NULL;
    struct buf out = {0};
    struct bytes body = frame;
    enum kmip_format format = KMIP_TTLV;
    if (server->http) {
        const uint8_t *end = memmem(frame.data, frame.len, "\r\n\r\n", 4);
        size_t head = (size_t)(end - frame.data) + 4;
        format = format_of(bytes_of(frame.data, head));
        body = bytes_of(frame.data + head, frame.len - head);
    }
    assert_ok(arena_new(1 << 20, &arena));
    assert_ok(kmip_decode(format, body, NULL, arena, &request, NULL));
    buf_done(&server->request);
    assert_ok(kmip_encode(KMIP_XML, request, &server->request));
    struct kmip_build b = {.arena = arena};
    struct kmip_node *root = kmip_put_struct(&b, NULL, KMIP_TAG_RESPONSE_MESSAGE);
    build_answer(&server->script, request, &b, root);
    assert_ok(b.err);
    assert_ok(kmip_encode(format, root, &out));
    send_answer(server, conn, buf_view(&out));
    buf_done(&out);
    arena_free(arena);
}

static void on_frame(struct net_conn *conn, void *ctx, struct bytes frame)
{
    struct fake_server *server = ctx;
    (void)pthread_mutex_lock(&server->lock);
    const struct fake_script *script = &server->script;
    server->requests++;
    if (script->hang_up) {
        net_conn_close(conn);
    } else if (script->bytes != NULL) {
        assert_ok(net_conn_write(conn, bytes_str(script->bytes)));
    } else if (!script->silent) {
        answer(server, conn, frame);
        if (script->hang_up_after)
            net_conn_close(conn);
    }
    (void)pthread_mutex_unlock(&server->lock);
}

static void on_open(struct net_conn *conn, void *ctx)
{
    struct fake_server *server = ctx;
    (void)conn;
    (void)pthread_mutex_lock(&server->lock);
    server->connections++;
    (void)pthread_mutex_unlock(&server->lock);
}

static void on_close(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    (void)conn;
    (void)ctx;
    (void)reason;
    (void)detail;
}

static enum err ttlv_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    *ret_need = 8;
    return have < 8 ? ERR_OK : kmip_frame_len(bytes_of(data, have), 1 << 20, ret_need);
}

static enum err http_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    const uint8_t *end = memmem(data, have, "\r\n\r\n", 4);
    const char *length = memmem(data, have, "Content-Length: ", 16);
    *ret_need = have + 1;
    if (end != NULL && length != NULL)
        *ret_need = (size_t)(end - data) + 4 + strtoul(length + 16, NULL, 10);
    return ERR_OK;
}

static const struct net_conn_ops ttlv_ops = {
    .frame_len = ttlv_len, .on_frame = on_frame, .on_open = on_open, .on_close = on_close};
static const struct net_conn_ops http_ops = {
    .frame_len = http_len, .on_frame = on_frame, .on_open = on_open, .on_close = on_close};

static void *run(void *arg)
{
    struct fake_server *server = arg;
    assert_ok(net_loop_run(server->loop));
    return NULL;
}

struct fake_server *fake_server_start(const char *certificates, bool http)
{
    struct fake_server *server = calloc(1, sizeof *server);
    struct err_detail detail = {0};
    char cert[512], key[512], ca[512];
    (void)snprintf(cert, sizeof cert, "%s/server.pem", certificates);
    (void)snprintf(key, sizeof key, "%s/server.key", certificates);
    (void)snprintf(ca, sizeof ca, "%s/ca.pem", certificates);
    server->http = http;
    (void)pthread_mutex_init(&server->lock, NULL);
    const struct net_tls_config tls = {.server = true,
                                       .verify = NET_TLS_VERIFY_REQUIRED,
                                       .cert_file = cert,
                                       .key_file = key,
                                       .ca_file = ca,
                                       .service = "kmip"};
    if (net_tls_new(&tls, &server->tls, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    struct net_listener_config config = {
        .name = "fake",
        .setup = {.ops = http ? &http_ops : &ttlv_ops, .ctx = server, .tls = server->tls}};
    assert_ok(net_loop_new(&server->loop));
    assert_ok(net_listen_socket("127.0.0.1", 0, &config.fd, &detail));
    assert_ok(net_listener_new(server->loop, NULL, &config, &server->listener, &detail));
    server->port = net_listener_port(server->listener);
    assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
    return server;
}

void fake_server_stop(struct fake_server *server)
{
    if (server == NULL)
        return;
    net_loop_stop(server->loop);
    (void)pthread_join(server->thread, NULL);
    net_listener_free(server->listener);
    net_loop_free(server->loop);
    net_tls_unref(server->tls);
    buf_done(&server->request);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

uint16_t fake_server_port(const struct fake_server *server)
{
    return server->port;
}

void fake_server_script(struct fake_server *server, const struct fake_script *script)
{
    (void)pthread_mutex_lock(&server->lock);
    server->script = *script;
    (void)pthread_mutex_unlock(&server->lock);
}

const char *fake_server_request(struct fake_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    if (server->request.len == 0 || server->request.data[server->request.len - 1] != '\0')
        assert_ok(buf_append(&server->request, bytes_of("", 1)));
    (void)pthread_mutex_unlock(&server->lock);
    return (const char *)server->request.data;
}

unsigned fake_server_requests(struct fake_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    unsigned requests = server->requests;
    (void)pthread_mutex_unlock(&server->lock);
    return requests;
}

unsigned fake_server_connections(struct fake_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    unsigned connections = server->connections;
    (void)pthread_mutex_unlock(&server->lock);
    return connections;
}
