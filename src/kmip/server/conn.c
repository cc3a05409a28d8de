#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "kmip/server/job.h"
#include "kmip/server/metrics.h"

/* TTLV over TLS: frames in, jobs out. */

#define HEAD 8 /* tag, type and length of the message */

static enum err frame_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    if (have < HEAD) {
        *ret_need = HEAD;
        return ERR_OK;
    }
    /* the connection's own limit is checked by net */
    return kmip_frame_len(bytes_of(data, have), KMIP_MESSAGE_MAX, ret_need);
}

static void unlink_conn(struct kmip_conn *conn)
{
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        conn->loop->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    conn->prev = NULL;
    conn->next = NULL;
}

void kmip_conn_detach(struct kmip_conn *conn)
{
    if (conn->loop == NULL)
        return;
    unlink_conn(conn);
    atomic_fetch_sub(&conn->loop->server->connections, 1);
    kmip_metrics_connections(-1);
    conn->loop = NULL;
}

static void on_open(struct net_conn *net, void *ctx)
{
    struct kmip_server *server = ctx;
    struct kmip_loop *loop = kmip_loop_of(server, net_conn_loop(net));
    struct kmip_conn *conn = loop != NULL ? calloc(1, sizeof *conn) : NULL;
    net_conn_set_ctx(net, conn);
    uint64_t number = atomic_fetch_add(&server->numbers, 1) + 1;
    if (conn == NULL ||
        kmip_session_new(server->gate, net_conn_peer(net), number, &conn->session) != ERR_OK) {
        net_conn_abort(net);
        return;
    }
    conn->loop = loop;
    conn->conn = net;
    conn->next = loop->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    loop->conns = conn;
    atomic_fetch_add(&server->connections, 1);
    kmip_metrics_connections(1);
}

static void log_unanswered(struct kmip_job *job, enum err err)
{
    if (!kmip_loop_may_log(job->loop))
        return;
    char what[160];
    (void)snprintf(what, sizeof what, "kmip: no answer for %s", kmip_session_peer(job->session));
    log_failure(LOG_LEVEL_WARN, what, err, &job->processed.detail);
}

static void answer(struct kmip_job *job, enum err err)
{
    struct kmip_conn *conn = job->ctx;
    struct net_conn *net = conn->conn;
    if (err != ERR_OK) {
        if (err != ERR_CANCELLED)
            log_unanswered(job, err);
        net_conn_abort(net);
    } else if (net_conn_write(net, buf_view(&job->out)) != ERR_OK || job->loop->stopping) {
        net_conn_close(net);
    }
    net_conn_release(net);
}

static void on_frame(struct net_conn *net, void *ctx, struct bytes frame)
{
    struct kmip_conn *conn = ctx;
    struct kmip_job *job = conn != NULL && conn->loop != NULL ? kmip_job_take(conn->loop) : NULL;
    if (job == NULL || buf_append(&job->in, frame) != ERR_OK) {
        if (job != NULL)
            kmip_job_drop(job);
        net_conn_abort(net);
        return;
    }
    job->session = conn->session;
    job->cert = net_conn_peer_cert(net);
    job->format = KMIP_TTLV;
    job->body = buf_view(&job->in);
    job->answer = answer;
    job->ctx = conn;
    net_conn_hold(net);
    kmip_job_start(job);
}

static void on_close(struct net_conn *net, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    struct kmip_conn *conn = ctx;
    if (conn == NULL || conn->loop == NULL)
        return;
    bool said = reason == NET_CLOSE_FRAME || reason == NET_CLOSE_TLS || reason == NET_CLOSE_TIMEOUT;
    if (said && kmip_loop_may_log(conn->loop))
        log_info("kmip: %s is gone: %s", net_conn_peer(net),
                 detail->text[0] != '\0' ? detail->text : net_close_text(reason));
    kmip_conn_detach(conn);
}

static void on_free(void *ctx)
{
    struct kmip_conn *conn = ctx;
    if (conn == NULL)
        return;
    kmip_session_free(conn->session);
    free(conn);
}

void kmip_loop_goodbye(struct kmip_loop *loop)
{
    loop->stopping = true;
    for (struct kmip_conn *c = loop->conns; c != NULL; c = c->next) {
        if (net_conn_outstanding(c->conn) == 0)
            net_conn_close(c->conn);
    }
}

const struct net_conn_ops kmip_conn_ops = {
    .frame_len = frame_len,
    .on_frame = on_frame,
    .on_open = on_open,
    .on_close = on_close,
    .on_free = on_free,
};
