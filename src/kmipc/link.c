#include "kmipc/link.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "kmipc/http.h"
#include "net/conn.h"

#define TIMEOUT_MS 30000u

struct kmipc_link {
    struct net_loop *loop;
    struct net_timer *limit;
    struct net_tls *tls;
    char *host, *server_name, *path;
    uint16_t port;
    unsigned timeout_ms;

    struct net_conn *conn; /* NULL: none */
    bool open, answered, timed_out;
    bool keep; /* the server lets the connection live */
    enum err failed;
    struct err_detail why;
    struct buf *response; /* where the answer goes; NULL while none is awaited */
};

bool kmipc_link_is_http(const struct kmipc_link *link)
{
    return link->path != NULL;
}

/* ---- what a connection reports ---- */

static void on_open(struct net_conn *conn, void *ctx)
{
    struct kmipc_link *link = ctx;
    (void)conn;
    link->open = true;
    net_loop_stop(link->loop);
}

static void fail(struct kmipc_link *link, enum err err, const char *text)
{
    link->failed = err;
    (void)err_set(&link->why, err, "%s", text);
    net_loop_stop(link->loop);
}

static void on_frame(struct net_conn *conn, void *ctx, struct bytes frame)
{
    struct kmipc_link *link = ctx;
    if (conn != link->conn)
        return;
    if (link->response == NULL || link->answered) {
        fail(link, ERR_PEER, "the server sent what nobody asked for");
        return;
    }
    link->keep = true;
    struct err_detail detail = {0};
    struct bytes body = frame;
    enum err err = ERR_OK;
    if (link->path != NULL)
        err = kmipc_http_body(frame, &body, &link->keep, &detail);
    if (err == ERR_OK)
        err = buf_append(link->response, body);
    if (err != ERR_OK) {
        fail(link, err, detail.text[0] != '\0' ? detail.text : err_text(err));
        return;
    }
    link->answered = true;
    net_loop_stop(link->loop);
}

static void on_close(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    struct kmipc_link *link = ctx;
    if (conn != link->conn)
        return;
    enum err err = reason == NET_CLOSE_TLS       ? ERR_TLS
                   : reason == NET_CLOSE_TIMEOUT ? ERR_TIMEOUT
                   : reason == NET_CLOSE_CONNECT ? ERR_UNREACHABLE
                   : reason == NET_CLOSE_FRAME   ? ERR_PEER
                                                 : ERR_CLOSED;
    link->conn = NULL;
    link->open = false;
    if (!link->answered)
        fail(link, err, detail->text[0] != '\0' ? detail->text : net_close_text(reason));
    net_loop_stop(link->loop);
}

static enum err ttlv_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    if (have < 8) {
        *ret_need = 8;
        return ERR_OK;
    }
    return kmip_frame_len(bytes_of(data, have), KMIP_MESSAGE_MAX, ret_need);
}

static const struct net_conn_ops ttlv_ops = {
    .frame_len = ttlv_len, .on_frame = on_frame, .on_open = on_open, .on_close = on_close};
static const struct net_conn_ops http_ops = {
    .frame_len = kmipc_http_len, .on_frame = on_frame, .on_open = on_open, .on_close = on_close};

static void on_limit(void *ctx)
{
    struct kmipc_link *link = ctx;
    link->timed_out = true;
    net_loop_stop(link->loop);
}

/* Until something happens, or the time is over. */
static enum err wait(struct kmipc_link *link, uint64_t ms)
{
    link->timed_out = false;
    net_timer_set(link->limit, ms);
    enum err err = net_loop_run(link->loop);
    net_timer_stop(link->limit);
    return err;
}

static void drop(struct kmipc_link *link)
{
    if (link->conn != NULL)
        net_conn_abort(link->conn);
    link->conn = NULL;
    link->open = false;
}

/* ---- an exchange ---- */

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000u;
}

static enum err explain(const struct kmipc_link *link, struct err_detail *detail)
{
    return err_set(detail, link->failed, "%.100s:%u: %.140s", link->host, link->port,
                   link->why.text);
}

static enum err connect_server(struct kmipc_link *link, struct err_detail *detail)
{
    struct net_conn_setup setup = {
        .ops = link->path != NULL ? &http_ops : &ttlv_ops,
        .ctx = link,
        .limits = {.frame_max = KMIP_MESSAGE_MAX, .handshake_ms = link->timeout_ms},
        .tls = link->tls,
    };
    struct net_target target = {
        .host = link->host, .port = link->port, .tls_name = link->server_name};
    link->failed = ERR_OK;
    TRY(net_connect(link->loop, &target, &setup, &link->conn));
    uint64_t until = now_ms() + 2u * (uint64_t)link->timeout_ms;
    while (link->conn != NULL && !link->open && now_ms() < until)
        TRY(wait(link, until - now_ms()));
    if (link->open)
        return ERR_OK;
    if (link->conn == NULL)
        return explain(link, detail);
    drop(link);
    return err_set(detail, ERR_TIMEOUT, "%.150s:%u: no connection in time", link->host, link->port);
}

/* A server closes connections that were idle for long: better found out before a request that may
 * not be sent twice. */
static enum err look_at_open(struct kmipc_link *link)
{
    if (link->conn == NULL)
        return ERR_OK;
    link->failed = ERR_OK;
    TRY(wait(link, 0));
    if (link->failed != ERR_OK)
        drop(link);
    return ERR_OK;
}

static enum err send_request(struct kmipc_link *link, enum kmip_format format, struct bytes request)
{
    AUTO(buf_done) struct buf head = {0};
    if (link->path != NULL) {
        TRY(kmipc_http_head(link->path, link->host, link->port, format, request.len, &head));
        TRY(net_conn_write(link->conn, buf_view(&head)));
    }
    return net_conn_write(link->conn, request);
}

static enum err exchange(struct kmipc_link *link, enum kmip_format format, struct bytes request,
                         struct err_detail *detail)
{
    TRY(look_at_open(link));
    if (link->conn == NULL)
        TRY(connect_server(link, detail));
    link->failed = ERR_OK;
    link->answered = false;
    if (send_request(link, format, request) != ERR_OK)
        return err_set(detail, ERR_CLOSED, "%.150s:%u: connection lost", link->host, link->port);
    uint64_t until = now_ms() + link->timeout_ms;
    while (!link->answered && link->failed == ERR_OK && now_ms() < until)
        TRY(wait(link, until - now_ms()));
    if (link->answered)
        return ERR_OK;
    if (link->failed != ERR_OK)
        return explain(link, detail);
    return err_set(detail, ERR_TIMEOUT, "%.150s:%u: no answer in time", link->host, link->port);
}

static void tls_hint(const struct kmipc_link *link, const char *text, char hint[256])
{
    static const struct {
        const char *sign, *hint;
    } rows[] = {
        {"hostname mismatch", "the certificate has another name: set server_name to one it has"},
        {"IP address mismatch", "the certificate has no such address: set server_name to a name it "
                                "has"},
        {"has expired", "the server's certificate has to be renewed, or a clock is wrong"},
        {"not yet valid", "the server's certificate is not yet valid, or a clock is wrong"},
        {"does not verify", "the server's certificate is not of the authority in the CA file: is "
                            "this the right server, and the right ca.pem?"},
        {"unknown ca", "the server does not know the authority of this client's certificate"},
        {"certificate required", "the server wants a client certificate: name certificate and "
                                 "private_key"},
        {"alert", "the server refuses this client's certificate: `claviger client show` says "
                  "whether it is enabled and which one it has"},
        {"wrong version number", "no TLS there: is it the right port?"},
        {"closed within", "the server ended the handshake: is it the KMIP port, and does it take "
                          "TLS 1.2 or 1.3?"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strstr(text, rows[i].sign) != NULL) {
            (void)snprintf(hint, 256, "%s", rows[i].hint);
            return;
        }
    }
    (void)snprintf(hint, 256, "openssl s_client -connect %.150s:%u shows more", link->host,
                   link->port);
}

enum err kmipc_link_exchange(struct kmipc_link *link, enum kmip_format format, struct bytes request,
                             struct buf *response, struct err_detail *detail, char hint[256])
{
    buf_done(response);
    link->response = response;
    enum err err = exchange(link, format, request, detail);
    link->response = NULL;
    if (err != ERR_OK || !link->keep)
        drop(link);
    if (err == ERR_TLS)
        tls_hint(link, detail->text, hint);
    else if (err == ERR_UNREACHABLE || err == ERR_TIMEOUT)
        (void)snprintf(hint, 256, "is the server running, and does it listen at %.150s:%u?",
                       link->host, link->port);
    else if (err == ERR_CLOSED && link->path == NULL)
        (void)snprintf(hint, 256,
                       "the server closed without an answer: its log says why; a client "
                       "certificate that it does not know is one reason");
    return err;
}

/* ---- life ---- */

static enum err prepare(struct kmipc_link *link, const struct kmipc_link_config *config)
{
    link->port = config->port;
    link->timeout_ms = config->timeout_ms != 0 ? config->timeout_ms : TIMEOUT_MS;
    link->host = strdup(config->host);
    if (config->server_name != NULL && (link->server_name = strdup(config->server_name)) == NULL)
        return ERR_NO_MEMORY;
    if (config->http_path != NULL && (link->path = strdup(config->http_path)) == NULL)
        return ERR_NO_MEMORY;
    if (link->host == NULL)
        return ERR_NO_MEMORY;
    TRY(net_loop_new(&link->loop));
    return net_timer_new(link->loop, on_limit, link, &link->limit);
}

enum err kmipc_link_new(const struct kmipc_link_config *config, struct kmipc_link **ret_link,
                        struct err_detail *detail)
{
    struct kmipc_link *link = calloc(1, sizeof *link);
    enum err err = link != NULL ? prepare(link, config) : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        kmipc_link_free(link);
        return err_set(detail, err, "%s", err_text(err));
    }
    link->tls = config->tls;
    *ret_link = link;
    return ERR_OK;
}

void kmipc_link_free(struct kmipc_link *link)
{
    if (link == NULL)
        return;
    if (link->conn != NULL) { /* an orderly end of TLS, if the server takes it at once */
        struct net_conn *conn = link->conn;
        link->conn = NULL;
        net_conn_close(conn);
        if (link->limit != NULL)
            (void)!wait(link, 5);
    }
    net_timer_free(link->limit);
    net_loop_freep(&link->loop);
    net_tls_unref(link->tls);
    free(link->host);
    free(link->server_name);
    free(link->path);
    free(link);
}
