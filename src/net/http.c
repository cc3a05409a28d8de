#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "net/conn_priv.h"
#include "net/http_head.h"
#include "net/listener.h"

#define PIECE       ((size_t)64 * 1024)
#define PIECES      4 /* of a stream per iteration */
#define HEADERS_OUT 8

struct net_http {
    struct net_loop *loop;
    struct net_listener *listener;
    struct net_http_config config;
    struct http_conn *conns;
    bool orphan; /* net_http_free was called; the last connection frees it */
};

struct http_conn {
    struct net_http *http;
    struct net_conn *conn;
    struct net_http_request *request; /* the one being worked on, in order of arrival */
    struct http_conn *next, *prev;
    bool closed;
    void *slot; /* the handlers' */
};

struct net_http_request {
    struct http_conn *hc; /* held, so it lives as long as the request */
    struct net_loop *loop;
    uint64_t id;
    char *text; /* copy of the head; all views point into it, each with a NUL behind */
    size_t text_len;
    struct net_http_head head;
    struct net_http_target target;
    uint8_t *body;
    size_t body_len;
    bool has_peer;
    struct ucred peer;
    bool close;
    /* the answer */
    struct net_post post;
    struct buf headers;
    unsigned headers_len;
    struct buf out;
    struct net_http_source source;
    bool streaming, chunked, waiting;
};

static enum err head_need(size_t body_max, const uint8_t *data, size_t have, size_t *ret_need)
{
    size_t len = net_http_head_len(bytes_of(data, have));
    if (len == 0 && have < NET_HTTP_HEADER_MAX) {
        *ret_need = have + 1;
        return ERR_OK;
    }
    /* What is malformed is handed on as it is, to be answered before the connection closes. */
    *ret_need = have;
    struct net_http_head head;
    if (len == 0 || len > NET_HTTP_HEADER_MAX ||
        net_http_head_parse(bytes_of(data, len), &head) != ERR_OK || head.content_length > body_max)
        return ERR_OK;
    *ret_need = len + head.content_length;
    return ERR_OK;
}

static enum err frame_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    return head_need(NET_HTTP_BODY_MAX, data, have, ret_need);
}

static enum err frame_len_no_body(const uint8_t *data, size_t have, size_t *ret_need)
{
    return head_need(0, data, have, ret_need);
}

static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "Status";
}

static void request_free(struct net_http_request *r)
{
    if (r->text != NULL)
        explicit_bzero(r->text, r->text_len);
    free(r->text);
    if (r->body != NULL)
        explicit_bzero(r->body, r->body_len);
    free(r->body);
    buf_done(&r->headers);
    buf_done(&r->out);
    explicit_bzero(&r->target, sizeof r->target);
    free(r);
}

/* The exchange is over, whether or not all was sent. */
static void finish(struct net_http_request *r)
{
    struct http_conn *hc = r->hc;
    struct net_conn *conn = hc->conn;
    if (r->streaming && r->source.done != NULL)
        r->source.done(r->source.ctx);
    hc->request = NULL;
    if (r->close)
        net_conn_close(conn);
    request_free(r);
    net_conn_release(conn);
}

static void send_answer(void *arg)
{
    struct net_http_request *r = arg;
    enum err err = net_conn_write(r->hc->conn, buf_view(&r->out));
    (void)err; /* the client is gone: its answer goes nowhere */
    finish(r);
}

/* On the loop's thread at once, else by way of it. */
static void on_loop(struct net_http_request *r, net_fn *fn)
{
    if (loop_runs_here(r->loop)) {
        fn(r);
        return;
    }
    r->post = (struct net_post){NULL, fn, r};
    net_loop_post_item(r->loop, &r->post);
}

static enum err write_head(struct net_http_request *r, int status, const char *type,
                           const char *length)
{
    TRY(buf_printf(&r->out,
                   "HTTP/1.1 %d %s\r\n%sCache-Control: no-store\r\nX-Content-Type-Options: "
                   "nosniff\r\n%s%.*s",
                   status, phrase(status), length, r->close ? "Connection: close\r\n" : "",
                   (int)r->headers.len, r->headers.data != NULL ? (char *)r->headers.data : ""));
    if (type != NULL)
        TRY(buf_printf(&r->out, "Content-Type: %s\r\n", type));
    return buf_append(&r->out, bytes_str("\r\n"));
}

void net_http_answer(struct net_http_request *r, int status, const char *type, struct bytes body)
{
    char length[48] = "";
    if (status != 204)
        (void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", body.len);
    enum err err = write_head(r, status, body.len > 0 ? type : NULL, length);
    if (err == ERR_OK && status != 204)
        err = buf_append(&r->out, body);
    if (err != ERR_OK) {
        buf_done(&r->out);
        r->close = true;
    }
    on_loop(r, send_answer);
}

void net_http_answer_json(struct net_http_request *r, int status, const char *json)
{
    net_http_answer(r, status, "application/json", bytes_str(json));
}

static enum err error_json(struct buf *to, enum err err, const struct err_detail *detail)
{
    const struct err_row *row = err_row(err);
    TRY(buf_printf(to, "{\"error\":{\"code\":\"%s\",\"text\":", row->name));
    TRY(net_json_string(to, row->text));
    TRY(buf_append(to, bytes_str(",\"detail\":")));
    TRY(net_json_string(to, detail != NULL ? detail->text : ""));
    TRY(buf_append(to, bytes_str(",\"hint\":")));
    TRY(net_json_string(to, row->hint));
    return buf_append(to, bytes_str("}}"));
}

void net_http_fail(struct net_http_request *r, enum err err, const struct err_detail *detail)
{
    struct buf json = {0};
    enum err failed = net_http_set_header(r, "X-Claviger-Error", err_row(err)->name);
    if (failed == ERR_OK)
        failed = error_json(&json, err, detail);
    if (failed != ERR_OK)
        buf_done(&json);
    net_http_answer(r, err_row(err)->http, "application/json", buf_view(&json));
    buf_done(&json);
}

enum err net_http_set_header(struct net_http_request *r, const char *name, const char *value)
{
    if (r->headers_len == HEADERS_OUT)
        return ERR_LIMIT;
    /* a line break would make another header of what follows */
    if (strpbrk(name, "\r\n") != NULL || strpbrk(value, "\r\n") != NULL)
        return ERR_ARGUMENT;
    r->headers_len++;
    return buf_printf(&r->headers, "%s: %s\r\n", name, value);
}

static enum err write_piece(struct net_http_request *r, bool *ret_end)
{
    uint8_t *room = NULL;
    size_t len = 0;
    char size[24];
    /* room for the size in front and the line end behind */
    TRY(net_conn_reserve(r->hc->conn, PIECE + 32, &room));
    uint8_t *at = room + (r->chunked ? 10 : 0);
    TRY(r->source.read(r->source.ctx, at, PIECE, &len));
    if (len > PIECE)
        return ERR_INTERNAL;
    *ret_end = len == 0;
    if (!r->chunked) {
        net_conn_commit(r->hc->conn, len);
        return ERR_OK;
    }
    if (len == 0) {
        static const uint8_t last[] = {'0', '\r', '\n', '\r', '\n'};
        memcpy(room, last, sizeof last);
        net_conn_commit(r->hc->conn, sizeof last);
        return ERR_OK;
    }
    (void)snprintf(size, sizeof size, "%08zx\r\n", len);
    memcpy(room, size, 10);
    at[len] = '\r';
    at[len + 1] = '\n';
    net_conn_commit(r->hc->conn, len + 12);
    return ERR_OK;
}

static void pump(void *arg);

static void pump_later(struct net_http_request *r)
{
    r->post = (struct net_post){NULL, pump, r};
    net_loop_post_item(r->loop, &r->post);
}

static void pump(void *arg)
{
    struct net_http_request *r = arg;
    struct net_conn *conn = r->hc->conn;
    bool end = false;
    enum err err = r->hc->closed ? ERR_CLOSED : ERR_OK;
    if (err == ERR_OK && conn->blocked) {
        r->waiting = true; /* on_drained or on_close goes on */
        return;
    }
    if (err == ERR_OK && net_conn_unsent(conn) > 0) {
        pump_later(r); /* this iteration's flush is still to come */
        return;
    }
    for (unsigned i = 0; i < PIECES && err == ERR_OK && !end; i++)
        err = write_piece(r, &end);
    if (err != ERR_OK) {
        net_conn_abort(conn);
        finish(r);
    } else if (end) {
        finish(r);
    } else {
        pump_later(r);
    }
}

static void start_stream(void *arg)
{
    struct net_http_request *r = arg;
    enum err err = net_conn_write(r->hc->conn, buf_view(&r->out));
    if (err != ERR_OK) {
        finish(r);
        return;
    }
    pump_later(r);
}

void net_http_stream(struct net_http_request *r, int status, const char *type,
                     const struct net_http_source *source)
{
    r->source = *source;
    r->streaming = true;
    r->chunked = r->head.minor == 1;
    r->close |= !r->chunked;
    if (write_head(r, status, type, r->chunked ? "Transfer-Encoding: chunked\r\n" : "") != ERR_OK)
        r->close = true;
    on_loop(r, start_stream);
}

static void on_drained(struct net_conn *conn, void *ctx)
{
    (void)conn;
    struct http_conn *hc = ctx;
    if (hc != NULL && hc->request != NULL && hc->request->waiting) {
        hc->request->waiting = false;
        pump(hc->request);
    }
}

static void terminate(struct bytes v)
{
    ((uint8_t *)(uintptr_t)v.data)[v.len] = '\0';
}

/* A copy of the head whose names and values are C strings: what follows each was looked at. */
static enum err copy_head(struct net_http_request *r, struct bytes head)
{
    r->text = malloc(head.len + 1);
    if (r->text == NULL)
        return ERR_NO_MEMORY;
    memcpy(r->text, head.data, head.len);
    r->text_len = head.len;
    TRY(net_http_head_parse(bytes_of(r->text, head.len), &r->head));
    for (unsigned i = 0; i < r->head.fields_len; i++) {
        terminate(r->head.fields[i].name);
        terminate(r->head.fields[i].value);
    }
    return ERR_OK;
}

static enum err check_origin(const struct net_http_request *r, struct err_detail *detail)
{
    if (r->hc->http->config.is_unix)
        return ERR_OK;
    if (net_http_header(r, "Origin") != NULL)
        return err_set(detail, ERR_DENIED, "requests of web pages are not served here");
    if (r->hc->http->config.tls != NULL)
        return ERR_OK;
    const char *host = net_http_header(r, "Host");
    if (host == NULL || !net_http_host_is_local(host))
        return err_set(detail, ERR_DENIED, "Host must be localhost");
    return ERR_OK;
}

static enum err name_allowed(struct net_http_request *r)
{
    struct buf allow = {0};
    enum err err = ERR_OK;
    for (unsigned i = 0; i < NET_HTTP_METHODS && err == ERR_OK; i++) {
        enum net_http_method method = (enum net_http_method)(1U << i);
        if ((r->target.allowed & method) != 0)
            err =
                buf_printf(&allow, "%s%s", allow.len > 0 ? ", " : "", net_http_method_name(method));
    }
    if (err == ERR_OK)
        err = net_http_set_header(r, "Allow", (const char *)allow.data);
    buf_done(&allow);
    return err;
}

static enum err read_request(struct net_http_request *r, struct bytes frame,
                             struct err_detail *detail)
{
    const struct net_http_config *config = &r->hc->http->config;
    size_t head_len = net_http_head_len(frame);
    r->close = true; /* until it is known where the next one begins */
    if (head_len == 0 || head_len > NET_HTTP_HEADER_MAX)
        return err_set(detail, ERR_HEADERS, "at most %zu bytes", NET_HTTP_HEADER_MAX);
    TRY(copy_head(r, bytes_of(frame.data, head_len)));
    if (frame.len != head_len + r->head.content_length)
        return err_set(detail, ERR_LIMIT, "body is too long");
    r->close = r->head.close;
    TRY(check_origin(r, detail));
    enum err err = net_http_match(config->routes, config->routes_len, r->head.method,
                                  r->head.target, &r->target);
    if (err == ERR_METHOD)
        TRY(name_allowed(r));
    TRY(err);
    r->body_len = frame.len - head_len;
    if (r->body_len > r->target.route->body_max) {
        size_t max = r->target.route->body_max;
        r->body_len = 0;
        return err_set(detail, ERR_LIMIT, "body has at most %zu bytes here", max);
    }
    if (r->body_len > 0) {
        r->body = malloc(r->body_len);
        if (r->body == NULL)
            return ERR_NO_MEMORY;
        memcpy(r->body, frame.data + head_len, r->body_len);
    }
    return ERR_OK;
}

static void on_frame(struct net_conn *conn, void *ctx, struct bytes frame)
{
    static _Atomic uint64_t ids;
    struct http_conn *hc = ctx;
    struct net_http_request *r = hc != NULL ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        net_conn_abort(conn);
        return;
    }
    r->hc = hc;
    r->loop = hc->http->loop;
    r->id = atomic_fetch_add(&ids, 1) + 1;
    hc->request = r;
    net_conn_hold(conn);
    socklen_t len = sizeof r->peer;
    r->has_peer = hc->http->config.is_unix &&
                  getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &r->peer, &len) == 0;
    struct err_detail detail = {0};
    enum err err = read_request(r, frame, &detail);
    if (err != ERR_OK)
        net_http_fail(r, err, &detail);
    else
        r->target.route->handler(r, hc->http->config.ctx);
}

static void on_open(struct net_conn *conn, void *ctx)
{
    struct net_http *http = ctx;
    struct http_conn *hc = http->orphan ? NULL : calloc(1, sizeof *hc);
    net_conn_set_ctx(conn, hc);
    if (hc == NULL) {
        net_conn_abort(conn);
        return;
    }
    *hc = (struct http_conn){.http = http, .conn = conn, .next = http->conns};
    if (http->conns != NULL)
        http->conns->prev = hc;
    http->conns = hc;
}

static void on_close(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    (void)conn;
    (void)reason;
    (void)detail;
    struct http_conn *hc = ctx;
    if (hc == NULL)
        return;
    hc->closed = true;
    if (hc->request != NULL && hc->request->waiting)
        finish(hc->request);
}

static void http_free_now(struct net_http *http)
{
    net_tls_unref(http->config.tls);
    free(http);
}

static void on_free(void *ctx)
{
    struct http_conn *hc = ctx;
    if (hc == NULL)
        return;
    struct net_http *http = hc->http;
    if (hc->prev != NULL)
        hc->prev->next = hc->next;
    else
        http->conns = hc->next;
    if (hc->next != NULL)
        hc->next->prev = hc->prev;
    if (hc->slot != NULL && http->config.free_slot != NULL)
        http->config.free_slot(hc->slot);
    free(hc);
    if (http->orphan && http->conns == NULL)
        http_free_now(http);
}

static const struct net_conn_ops ops = {
    .frame_len = frame_len,
    .on_frame = on_frame,
    .on_open = on_open,
    .on_close = on_close,
    .on_free = on_free,
    .on_drained = on_drained,
};

/* Where no route takes a body none is collected. */
static const struct net_conn_ops ops_no_body = {
    .frame_len = frame_len_no_body,
    .on_frame = on_frame,
    .on_open = on_open,
    .on_close = on_close,
    .on_free = on_free,
    .on_drained = on_drained,
};

static enum err listen_for(struct net_http *http, const struct net_http_config *config,
                           struct net_listener **ret_listener, struct err_detail *detail)
{
    size_t body_max = 0;
    for (unsigned i = 0; i < config->routes_len; i++)
        body_max |= config->routes[i].body_max;
    unsigned timeout_ms = (config->timeout_s != 0 ? config->timeout_s : 30) * 1000;
    struct net_listener_config lc = {
        .name = "http",
        .fd = config->fd,
        .setup = {.ops = body_max != 0 ? &ops : &ops_no_body,
                  .ctx = http,
                  .limits = {.frame_max =
                                 NET_HTTP_HEADER_MAX + NET_HTTP_BODY_MAX + (size_t)256 * 1024,
                             .idle_ms = timeout_ms,
                             .write_ms = timeout_ms,
                             .handshake_ms = config->handshake_ms,
                             /* one at a time, so answers keep their order */
                             .outstanding_max = 1},
                  .tls = config->tls},
        .per_address_max = config->per_address_max,
        .connections_max = config->connections_max != 0 ? config->connections_max : 128,
    };
    return net_listener_new(http->loop, NULL, &lc, ret_listener, detail);
}

static void take_config(struct net_http *http, const struct net_http_config *config)
{
    struct net_tls *before = http->config.tls;
    http->config = *config;
    if (config->tls != NULL)
        (void)net_tls_ref(config->tls);
    net_tls_unref(before);
}

enum err net_http_new(struct net_loop *loop, const struct net_http_config *config,
                      struct net_http **ret_http, struct err_detail *detail)
{
    struct net_http *http = calloc(1, sizeof *http);
    if (http == NULL)
        return ERR_NO_MEMORY;
    http->loop = loop;
    enum err err = listen_for(http, config, &http->listener, detail);
    if (err != ERR_OK) {
        free(http);
        return err;
    }
    take_config(http, config);
    *ret_http = http;
    return ERR_OK;
}

enum err net_http_renew(struct net_http *http, const struct net_http_config *config,
                        struct err_detail *detail)
{
    struct net_listener *listener = NULL;
    TRY(listen_for(http, config, &listener, detail));
    net_listener_free(http->listener);
    http->listener = listener;
    take_config(http, config);
    return ERR_OK;
}

void net_http_goodbye(struct net_http *http)
{
    net_listener_free(http->listener);
    http->listener = NULL;
    for (struct http_conn *hc = http->conns; hc != NULL; hc = hc->next) {
        if (hc->request != NULL)
            hc->request->close = true;
        else
            net_conn_close(hc->conn);
    }
}

void net_http_free(struct net_http *http)
{
    if (http == NULL)
        return;
    net_listener_free(http->listener);
    http->orphan = true;
    /* accepted, but not opened yet: these know nothing but the server */
    for (struct net_conn *conn = http->loop->all; conn != NULL; conn = conn->all.next) {
        if (conn->ctx == http)
            net_conn_abort(conn);
    }
    for (struct http_conn *hc = http->conns; hc != NULL; hc = hc->next)
        net_conn_abort(hc->conn);
    if (http->conns == NULL)
        http_free_now(http);
}

enum net_http_method net_http_method(const struct net_http_request *r)
{
    return r->head.method;
}

const char *net_http_path(const struct net_http_request *r)
{
    return r->target.path;
}

static const char *find(const struct net_http_pair *pairs, unsigned len, const char *name)
{
    for (unsigned i = 0; i < len; i++) {
        if (strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    }
    return NULL;
}

const char *net_http_param(const struct net_http_request *r, const char *name)
{
    return find(r->target.params, r->target.params_len, name);
}

const char *net_http_query(const struct net_http_request *r, const char *name)
{
    return find(r->target.query, r->target.query_len, name);
}

const char *net_http_header(const struct net_http_request *r, const char *name)
{
    for (unsigned i = 0; i < r->head.fields_len; i++) {
        if (strcasecmp((const char *)r->head.fields[i].name.data, name) == 0)
            return (const char *)r->head.fields[i].value.data;
    }
    return NULL;
}

bool net_http_field(const struct net_http_request *r, unsigned n, const char **ret_name,
                    const char **ret_value)
{
    if (n >= r->head.fields_len)
        return false;
    *ret_name = (const char *)r->head.fields[n].name.data;
    *ret_value = (const char *)r->head.fields[n].value.data;
    return true;
}

void **net_http_slot(struct net_http_request *r)
{
    return &r->hc->slot;
}

const char *net_http_address(const struct net_http_request *r)
{
    return net_conn_peer(r->hc->conn);
}

const struct net_peer_cert *net_http_peer_cert(struct net_http_request *r)
{
    return net_conn_peer_cert(r->hc->conn);
}

struct bytes net_http_body(const struct net_http_request *r)
{
    return bytes_of(r->body, r->body_len);
}

bool net_http_peer(const struct net_http_request *r, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid)
{
    if (!r->has_peer)
        return false;
    *ret_uid = r->peer.uid;
    *ret_gid = r->peer.gid;
    *ret_pid = r->peer.pid;
    return true;
}

struct net_loop *net_http_loop(const struct net_http_request *r)
{
    return r->loop;
}

uint64_t net_http_request_id(const struct net_http_request *r)
{
    return r->id;
}
