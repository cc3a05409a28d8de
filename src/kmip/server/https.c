#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "kmip/server/job.h"

/* KMIP over HTTPS (KMIP Additional Message Encodings 1.0, 2): POST /kmip, one message each way, the
 * encoding by the content type. Each loop accepts for itself, so that a request stays on one. */

#define HEADERS_MAX 8192 /* of a request, in the log */

static const struct {
    const char *type;
    enum kmip_format format;
    const char *answer;
} types[] = {
    {"application/octet-stream", KMIP_TTLV, "application/octet-stream"},
    {"application/json", KMIP_JSON, "application/json"},
    {"text/xml", KMIP_XML, "text/xml"},
    {"application/xml", KMIP_XML, "application/xml"},
};

/* Index of the type without its parameters, or -1. */
static int find_type(const char *content_type)
{
    size_t len = content_type != NULL ? strcspn(content_type, "; \t") : 0;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (len != 0 && strlen(types[i].type) == len &&
            strncasecmp(types[i].type, content_type, len) == 0)
            return (int)i;
    }
    return -1;
}

static const char *type_of(enum kmip_format format)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].format == format)
            return types[i].answer;
    }
    return types[0].answer;
}

static void free_slot(void *slot)
{
    kmip_session_free(slot);
}

static enum err session_of(struct kmip_loop *loop, struct net_http_request *request,
                           struct kmip_session **ret_session)
{
    void **slot = net_http_slot(request);
    if (*slot == NULL) {
        struct kmip_session *session = NULL;
        uint64_t number = atomic_fetch_add(&loop->server->numbers, 1) + 1;
        TRY(kmip_session_new(loop->server->gate, net_http_address(request), number, &session));
        *slot = session;
    }
    *ret_session = *slot;
    return ERR_OK;
}

/* For the log: what may be shown of the request's head. */
static const char *list_headers(struct kmip_job *job, const struct net_http_request *request)
{
    char *text = arena_take(job->arena, HEADERS_MAX);
    size_t len = 0;
    const char *name, *value;
    for (unsigned i = 0; text != NULL && net_http_field(request, i, &name, &value); i++) {
        bool secret = strcasecmp(name, "Authorization") == 0 || strcasecmp(name, "Cookie") == 0;
        int n =
            snprintf(text + len, HEADERS_MAX - len, "%s: %s\n", name, secret ? "(masked)" : value);
        if (n < 0 || (size_t)n >= HEADERS_MAX - len)
            break;
        len += (size_t)n;
    }
    return text;
}

static void answer(struct kmip_job *job, enum err err)
{
    struct net_http_request *request = job->ctx;
    if (err == ERR_OK)
        net_http_answer(request, 200, type_of(job->format), buf_view(&job->out));
    else
        net_http_fail(request, err, NULL);
}

static void on_post(struct net_http_request *request, void *ctx)
{
    struct kmip_loop *loop = ctx;
    /* the others on this port may come without */
    if (net_http_peer_cert(request) == NULL) {
        struct err_detail detail = {0};
        enum err err = err_set(&detail, ERR_UNAUTHENTICATED, "a client certificate is wanted");
        net_http_fail(request, err, &detail);
        return;
    }
    int type = find_type(net_http_header(request, "Content-Type"));
    if (type < 0) {
        net_http_answer(request, 415, "text/plain",
                        bytes_str("wanted: application/octet-stream, application/json or "
                                  "text/xml\n"));
        return;
    }
    struct kmip_session *session = NULL;
    struct kmip_job *job = NULL;
    enum err err = session_of(loop, request, &session);
    if (err == ERR_OK && (job = kmip_job_take(loop)) == NULL)
        err = ERR_NO_MEMORY;
    if (err != ERR_OK) {
        net_http_fail(request, err, NULL);
        return;
    }
    job->session = session;
    job->cert = net_http_peer_cert(request);
    job->format = types[type].format;
    job->body = net_http_body(request);
    job->answer = answer;
    job->ctx = request;
    if (kmip_log_headers(loop->server->log))
        job->headers = list_headers(job, request);
    kmip_job_start(job);
}

static enum err listen_one(struct kmip_loop *loop, struct kmip_setup *setup, unsigned i,
                           struct err_detail *detail)
{
    const struct kmip_server *server = loop->server;
    unsigned share = setup->https_connections / server->loops_len;
    struct net_http_table tables[NET_HTTP_TABLES_MAX] = {
        {.routes = &setup->route, .routes_len = 1, .ctx = loop}};
    for (unsigned k = 0; k < server->tables_len; k++)
        tables[k + 1] = server->tables[k];
    struct net_http_config config = {
        .tables = tables,
        .tables_len = server->tables_len + 1,
        .headers = server->headers,
        .tls = setup->https_tls,
        .connections_max = share > 0 ? share : 1,
        .per_address_max = setup->per_address,
        .timeout_s = setup->https_idle_s,
        .handshake_ms = setup->limits.handshake_ms,
        .free_slot = free_slot,
    };
    config.fd = fcntl(server->https_fds[i], F_DUPFD_CLOEXEC, 3);
    if (config.fd < 0)
        return err_errno(detail, "dup");
    enum err err = loop->https[i] != NULL
                       ? net_http_renew(loop->https[i], &config, detail)
                       : net_http_new(loop->net, &config, &loop->https[i], detail);
    if (err != ERR_OK)
        (void)close(config.fd);
    return err;
}

struct net_http_route kmip_https_route(size_t body_max)
{
    return (struct net_http_route){NET_HTTP_POST, "/kmip", on_post, body_max};
}

enum err kmip_https_listen(struct kmip_loop *loop, struct kmip_setup *setup,
                           struct err_detail *detail)
{
    for (unsigned i = 0; i < loop->server->https_len; i++)
        TRY(listen_one(loop, setup, i, detail));
    return ERR_OK;
}

void kmip_https_close(struct kmip_loop *loop)
{
    for (unsigned i = 0; i < loop->server->https_len; i++)
        net_http_goodbye(loop->https[i]);
}
