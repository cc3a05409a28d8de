#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/http_priv.h"

#define PIECE       ((size_t)64 * 1024)
#define PIECES      4 /* of a stream per iteration */
#define HEADERS_OUT 8

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
        {304, "Not Modified"},
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

void http_finish(struct net_http_request *r)
{
    struct http_conn *hc = r->hc;
    struct net_conn *conn = hc->conn;
    if (r->streaming && r->source.done != NULL)
        r->source.done(r->source.ctx);
    hc->request = NULL;
    if (r->close)
        net_conn_close(conn);
    r->over = true;
    if (!atomic_load(&r->waking))
        request_free(r); /* else the wake, which nobody can send any more, does */
    net_conn_release(conn);
}

static void send_answer(void *arg)
{
    struct net_http_request *r = arg;
    enum err err = net_conn_write(r->hc->conn, buf_view(&r->out));
    (void)err; /* the client is gone: its answer goes nowhere */
    http_finish(r);
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
    const char *headers = r->hc->http->config.headers;
    TRY(buf_printf(&r->out, "HTTP/1.1 %d %s\r\n%s%sX-Content-Type-Options: nosniff\r\n%s%s%.*s",
                   status, phrase(status), length, r->cached ? "" : "Cache-Control: no-store\r\n",
                   headers != NULL ? headers : "", r->close ? "Connection: close\r\n" : "",
                   (int)r->headers.len, r->headers.data != NULL ? (char *)r->headers.data : ""));
    if (type != NULL)
        TRY(buf_printf(&r->out, "Content-Type: %s\r\n", type));
    return buf_append(&r->out, bytes_str("\r\n"));
}

void net_http_answer(struct net_http_request *r, int status, const char *type, struct bytes body)
{
    char length[48] = "";
    bool bare = status == 204 || status == 304;
    if (!bare)
        (void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", body.len);
    enum err err = write_head(r, status, body.len > 0 ? type : NULL, length);
    if (err == ERR_OK && !bare)
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
    r->cached |= strcasecmp(name, "Cache-Control") == 0;
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
    bool ready = true;
    for (unsigned i = 0; i < PIECES && err == ERR_OK && !end && ready; i++) {
        ready = r->source.ready == NULL || r->source.ready(r->source.ctx);
        if (ready)
            err = write_piece(r, &end);
    }
    if (err != ERR_OK) {
        net_conn_abort(conn);
        http_finish(r);
    } else if (end) {
        http_finish(r);
    } else if (ready) {
        pump_later(r);
    } else {
        r->asleep = true; /* a wake goes on, or on_close */
    }
}

void http_drained(struct net_http_request *r)
{
    if (r->waiting) {
        r->waiting = false;
        pump(r);
    }
}

static void wake(void *arg)
{
    struct net_http_request *r = arg;
    atomic_store(&r->waking, false);
    if (r->over) {
        request_free(r);
    } else if (r->asleep) {
        r->asleep = false;
        pump(r);
    }
}

void net_http_wake(struct net_http_request *r)
{
    if (atomic_exchange(&r->waking, true))
        return;
    r->wake = (struct net_post){NULL, wake, r};
    net_loop_post_item(r->loop, &r->wake);
}

static void start_stream(void *arg)
{
    struct net_http_request *r = arg;
    enum err err = net_conn_write(r->hc->conn, buf_view(&r->out));
    if (err != ERR_OK) {
        http_finish(r);
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
