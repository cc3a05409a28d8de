#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/http_priv.h"

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

/* A page that came from where it asks (RFC 6454, 7). */
static bool is_own(const char *origin, const char *host)
{
    static const char scheme[] = "https://";
    return strncasecmp(origin, scheme, sizeof scheme - 1) == 0 &&
           strcasecmp(origin + sizeof scheme - 1, host) == 0;
}

static enum err check_origin(const struct net_http_request *r, struct err_detail *detail)
{
    if (r->hc->http->config.is_unix)
        return ERR_OK;
    const char *origin = net_http_header(r, "Origin"), *host = net_http_header(r, "Host");
    bool tls = r->hc->http->config.tls != NULL;
    if (origin != NULL && !(tls && host != NULL && is_own(origin, host)))
        return err_set(detail, ERR_DENIED, "requests of web pages are not served here");
    if (tls || r->hc->http->config.any_host)
        return ERR_OK;
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

/* The table that has the path, or a fallback for pages. */
static enum err find_handler(struct net_http_request *r)
{
    const struct net_http *http = r->hc->http;
    const struct net_http_table *fallback = NULL;
    unsigned allowed = 0;
    for (unsigned i = 0; i < http->tables_len; i++) {
        r->table = &http->tables[i];
        enum err err = net_http_match(r->table->routes, r->table->routes_len, r->head.method,
                                      r->head.target, &r->target);
        if (err != ERR_NOT_FOUND && err != ERR_METHOD)
            return err;
        allowed |= r->target.allowed;
        if (fallback == NULL && r->table->fallback != NULL)
            fallback = r->table;
    }
    r->target.allowed = allowed;
    if (allowed != 0)
        return ERR_METHOD;
    r->table = fallback;
    return fallback != NULL && r->head.method == NET_HTTP_GET ? ERR_OK : ERR_NOT_FOUND;
}

static enum err read_request(struct net_http_request *r, struct bytes frame,
                             struct err_detail *detail)
{
    size_t head_len = net_http_head_len(frame);
    r->close = true; /* until it is known where the next one begins */
    if (head_len == 0 || head_len > NET_HTTP_HEADER_MAX)
        return err_set(detail, ERR_HEADERS, "at most %zu bytes", NET_HTTP_HEADER_MAX);
    TRY(copy_head(r, bytes_of(frame.data, head_len)));
    if (frame.len != head_len + r->head.content_length)
        return err_set(detail, ERR_LIMIT, "body is too long");
    r->close = r->head.close;
    TRY(check_origin(r, detail));
    enum err err = find_handler(r);
    if (err == ERR_METHOD)
        TRY(name_allowed(r));
    if (err == ERR_NOT_FOUND)
        return err_set(detail, err, "no such path");
    TRY(err);
    r->body_len = frame.len - head_len;
    size_t max = r->target.route != NULL ? r->target.route->body_max : 0;
    if (r->body_len > max) {
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
    struct http_conn *hc = ctx;
    struct net_http_request *r = hc != NULL ? calloc(1, sizeof *r) : NULL;
    if (r == NULL) {
        net_conn_abort(conn);
        return;
    }
    r->hc = hc;
    r->loop = hc->http->loop;
    hc->request = r;
    net_conn_hold(conn);
    socklen_t len = sizeof r->peer;
    r->has_peer = hc->http->config.is_unix &&
                  getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &r->peer, &len) == 0;
    struct err_detail detail = {0};
    enum err err = read_request(r, frame, &detail);
    if (err != ERR_OK)
        net_http_fail(r, err, &detail);
    else if (r->target.route != NULL)
        r->target.route->handler(r, r->table->ctx);
    else
        r->table->fallback(r, r->table->ctx);
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
    if (hc->request != NULL && (hc->request->waiting || hc->request->asleep))
        http_finish(hc->request);
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

static void on_drained(struct net_conn *conn, void *ctx)
{
    (void)conn;
    struct http_conn *hc = ctx;
    if (hc != NULL && hc->request != NULL)
        http_drained(hc->request);
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
    if (config->tables_len == 0 || config->tables_len > NET_HTTP_TABLES_MAX)
        return ERR_ARGUMENT;
    for (unsigned i = 0; i < config->tables_len; i++) {
        for (unsigned k = 0; k < config->tables[i].routes_len; k++)
            body_max |= config->tables[i].routes[k].body_max;
    }
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
    for (unsigned i = 0; i < config->tables_len; i++)
        http->tables[i] = config->tables[i];
    http->tables_len = config->tables_len;
    http->config.tables = http->tables;
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
