#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "diameter/server_private.h"

static struct writer out_of(struct server_loop *loop)
{
    return writer_of(loop->out, loop->out_len);
}

static struct server_loop *loop_of(struct diameter_server *server, const struct net_loop *net)
{
    for (unsigned i = 0; i < server->loops_len; i++) {
        if (server->loop[i].net == net)
            return &server->loop[i];
    }
    return NULL;
}

static void unlink_conn(struct server_conn *conn)
{
    struct server_loop *loop = conn->loop;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        loop->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    conn->prev = NULL;
    conn->next = NULL;
}

void server_conn_detach(struct server_conn *conn)
{
    if (conn->loop == NULL)
        return;
    diameter_registry_release(conn->loop->server->registry, &conn->claim);
    unlink_conn(conn);
    conn->loop = NULL;
}

static void on_open(struct net_conn *net, void *ctx)
{
    struct diameter_server *server = ctx;
    struct server_loop *loop = loop_of(server, net_conn_loop(net));
    struct server_conn *conn = loop != NULL ? calloc(1, sizeof *conn) : NULL;
    net_conn_set_ctx(net, conn);
    if (conn == NULL) {
        net_conn_abort(net);
        return;
    }
    conn->loop = loop;
    conn->conn = net;
    conn->since = clock_now_s();
    conn->next = loop->conns;
    if (conn->next != NULL)
        conn->next->prev = conn;
    loop->conns = conn;
    bool tls = net_conn_is_tls(net);
    atomic_init(&conn->tls, tls);
    diameter_peer_init(&conn->peer, loop->setup->node, true, tls, (uint32_t)clock_mono_ns(),
                       server_loop_now_ms(loop));
    conn->link = (struct keyapp_link){.conn = conn, .host = conn->peer.host, .secure = tls};
}

/* RFC 6733, 13.1: the certificate must name the Origin-Host; and be the one that was pinned. */
static bool certificate_fits(struct server_conn *conn, const struct fleet_peer *peer)
{
    const struct net_peer_cert *cert = net_conn_peer_cert(conn->conn);
    if (cert == NULL || !cert->verified || !net_peer_cert_names(cert, conn->peer.host))
        return false;
    return !peer->has_certificate ||
           memcmp(cert->fingerprint, peer->certificate, sizeof peer->certificate) == 0;
}

static enum err find_peer(struct server_conn *conn, const struct fleet_peer_view **ret_view)
{
    TRY(server_loop_look(conn->loop));
    return fleet_lookup_peer(conn->loop->lookup, bytes_str(conn->peer.host), ret_view);
}

static enum err claim(struct server_conn *conn)
{
    return diameter_registry_claim(conn->loop->server->registry, &conn->claim, conn->peer.host,
                                   conn->peer.secure);
}

static uint32_t judge(struct server_conn *conn, const char **ret_text)
{
    const struct fleet_peer_view *view = NULL;
    enum err err = find_peer(conn, &view);
    if (err == ERR_NOT_FOUND || err == ERR_DENIED) {
        *ret_text = "this Origin-Host is not in the peer table";
        return DIAMETER_UNKNOWN_PEER;
    }
    if (err != ERR_OK) {
        *ret_text = "too busy";
        return DIAMETER_TOO_BUSY;
    }
    if (conn->peer.secure && !certificate_fits(conn, &view->peer)) {
        *ret_text = "the certificate does not belong to this Origin-Host";
        return DIAMETER_UNKNOWN_PEER;
    }
    /* Where TLS is still to come the name is claimed once it is proven. */
    if (!conn->peer.to_secure && claim(conn) != ERR_OK) {
        *ret_text = "another connection of this Origin-Host is open";
        return DIAMETER_UNABLE_TO_COMPLY;
    }
    size_t len = strlen(conn->peer.host);
    conn->link.actor = bytes_of(conn->peer.host, len < KEEPER_ACTOR_MAX ? len : KEEPER_ACTOR_MAX);
    return DIAMETER_SUCCESS;
}

static enum diameter_event admit(struct server_conn *conn, struct writer *out)
{
    struct server_loop *loop = conn->loop;
    const char *text = NULL;
    uint32_t result = judge(conn, &text);
    if (result != DIAMETER_SUCCESS && server_loop_may_log(loop))
        log_warn("diameter: %s from %s refused with %u: %s", conn->peer.host,
                 net_conn_peer(conn->conn), result, text);
    return diameter_peer_admit(&conn->peer, result, text, server_loop_now_ms(loop), &loop->message,
                               out);
}

static void on_request(struct server_conn *conn, struct bytes frame, struct writer *out)
{
    struct server_loop *loop = conn->loop;
    if (keyapp_request(loop->app, &conn->link, frame, &loop->message, out)) {
        if (net_conn_write(conn->conn, writer_view(out)) != ERR_OK)
            net_conn_abort(conn->conn);
    } else {
        net_conn_hold(conn->conn);
    }
}

static void log_end(const struct server_conn *conn)
{
    if (server_loop_may_log(conn->loop))
        log_info("diameter: %s (%s) ends: %s", conn->peer.host[0] != '\0' ? conn->peer.host : "?",
                 net_conn_peer(conn->conn), conn->peer.why != NULL ? conn->peer.why : "closed");
}

void server_conn_after(struct server_conn *conn, enum diameter_event event, struct bytes frame,
                       struct writer *out)
{
    if (event == DIAMETER_EVENT_ADMIT)
        event = admit(conn, out);
    if (writer_status(out) != ERR_OK ||
        (out->len != 0 && net_conn_write(conn->conn, writer_view(out)) != ERR_OK)) {
        net_conn_abort(conn->conn);
        return;
    }
    switch (event) {
    case DIAMETER_EVENT_REQUEST: on_request(conn, frame, out); break;
    case DIAMETER_EVENT_SECURE:
        if (net_conn_starttls(conn->conn, conn->loop->setup->tls, NULL) != ERR_OK)
            net_conn_abort(conn->conn);
        break;
    case DIAMETER_EVENT_OPEN:
        if (server_loop_may_log(conn->loop))
            log_info("diameter: %s (%s) is connected%s", conn->peer.host, net_conn_peer(conn->conn),
                     conn->peer.secure ? " over TLS" : "");
        break;
    case DIAMETER_EVENT_CLOSE:
        log_end(conn);
        net_conn_close(conn->conn);
        break;
    case DIAMETER_EVENT_ABORT:
        log_end(conn);
        net_conn_abort(conn->conn);
        break;
    case DIAMETER_EVENT_NONE:
    case DIAMETER_EVENT_ADMIT:
    case DIAMETER_EVENT_ANSWER: break;
    }
}

static void on_frame(struct net_conn *net, void *ctx, struct bytes frame)
{
    struct server_conn *conn = ctx;
    (void)net;
    if (conn == NULL || conn->loop == NULL)
        return;
    struct server_loop *loop = conn->loop;
    struct writer out = out_of(loop);
    enum diameter_event event =
        diameter_peer_frame(&conn->peer, frame, server_loop_now_ms(loop), &loop->message, &out);
    server_conn_after(conn, event, frame, &out);
}

static void on_secured(struct net_conn *net, void *ctx)
{
    struct server_conn *conn = ctx;
    (void)net;
    if (conn == NULL || conn->loop == NULL)
        return;
    const struct fleet_peer_view *view = NULL;
    bool named = find_peer(conn, &view) == ERR_OK && certificate_fits(conn, &view->peer);
    struct writer out = out_of(conn->loop);
    enum diameter_event event =
        diameter_peer_secured(&conn->peer, named, server_loop_now_ms(conn->loop));
    conn->link.secure = conn->peer.secure;
    atomic_store(&conn->tls, conn->peer.secure);
    if (event == DIAMETER_EVENT_OPEN && claim(conn) != ERR_OK) {
        conn->peer.why = "another connection of this Origin-Host is open";
        event = DIAMETER_EVENT_ABORT;
    }
    server_conn_after(conn, event, bytes_of(NULL, 0), &out);
}

static void on_close(struct net_conn *net, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    struct server_conn *conn = ctx;
    if (conn == NULL || conn->loop == NULL)
        return;
    if (reason != NET_CLOSE_LOCAL && server_loop_may_log(conn->loop))
        log_info("diameter: %s (%s) is gone: %s",
                 conn->peer.host[0] != '\0' ? conn->peer.host : "?", net_conn_peer(net),
                 detail->text[0] != '\0' ? detail->text : net_close_text(reason));
    server_conn_detach(conn);
}

static void on_free(void *ctx)
{
    struct server_conn *conn = ctx;
    if (conn == NULL)
        return;
    diameter_peer_done(&conn->peer);
    free(conn);
}

void server_conn_tick(struct server_conn *conn, uint64_t now_ms)
{
    struct writer out = out_of(conn->loop);
    if (!net_conn_is_open(conn->conn))
        return;
    if (atomic_load(&conn->claim.lost)) {
        conn->peer.why = "another connection proved that it is this Origin-Host";
        server_conn_after(conn, DIAMETER_EVENT_ABORT, bytes_of(NULL, 0), &out);
        return;
    }
    if (atomic_exchange(&conn->claim.probe, false))
        diameter_peer_probe(&conn->peer, now_ms, &out);
    enum diameter_event event = diameter_peer_tick(&conn->peer, now_ms, &out);
    if (event != DIAMETER_EVENT_NONE || out.len != 0)
        server_conn_after(conn, event, bytes_of(NULL, 0), &out);
}

const struct net_conn_ops server_conn_ops = {
    .frame_len = diameter_frame_len,
    .on_frame = on_frame,
    .on_open = on_open,
    .on_secured = on_secured,
    .on_close = on_close,
    .on_free = on_free,
};
