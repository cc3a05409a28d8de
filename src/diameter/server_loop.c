#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/log.h"
#include "diameter/server_private.h"

#define TICK_MS         1000u
#define LOG_LINES_PER_S 20u

uint64_t server_loop_now_ms(const struct server_loop *loop)
{
    return net_loop_now_ns(loop->net) / 1000000u;
}

bool server_loop_may_log(struct server_loop *loop)
{
    uint64_t second = server_loop_now_ms(loop) / 1000u;
    if (loop->log_second != second) {
        loop->log_second = second;
        loop->logged = 0;
    }
    return loop->logged++ < LOG_LINES_PER_S;
}

enum err server_loop_look(struct server_loop *loop)
{
    if (loop->looking)
        return ERR_OK;
    TRY(fleet_lookup_begin(loop->lookup, NULL));
    loop->looking = true;
    return ERR_OK;
}

/* ---- keeper ---- */

static void watch_keeper(struct server_loop *loop)
{
    unsigned want = NET_READABLE;
    if (keeper_client_wants_write(loop->keeper))
        want |= NET_WRITABLE;
    if (loop->watching == 0 || loop->watching == want)
        return; /* 0: the keeper is gone */
    loop->watching = want;
    net_watch_want(loop->watch, want);
}

static void on_keeper(void *ctx, unsigned ready)
{
    struct server_loop *loop = ctx;
    if ((ready & NET_WRITABLE) != 0)
        keeper_client_flush(loop->keeper);
    if (keeper_client_receive(loop->keeper) == ERR_OK)
        return;
    /* Every later release is refused at once; the supervisor starts both anew. */
    log_error("diameter: the keeper is gone");
    loop->watching = 0;
    net_watch_want(loop->watch, 0);
}

static void on_iteration(void *ctx)
{
    struct server_loop *loop = ctx;
    if (loop->looking) {
        fleet_lookup_end(loop->lookup);
        loop->looking = false;
    }
    if (loop->watching != 0) {
        keeper_client_flush(loop->keeper);
        watch_keeper(loop);
    }
}

static void on_tick(void *ctx)
{
    struct server_loop *loop = ctx;
    uint64_t now_ms = server_loop_now_ms(loop);
    /* Closing takes effect at the end of the iteration, so the list stays. */
    for (struct server_conn *c = loop->conns; c != NULL; c = c->next)
        server_conn_tick(c, now_ms);
}

void server_loop_goodbye(struct server_loop *loop, enum diameter_disconnect cause, const char *host)
{
    uint64_t now_ms = server_loop_now_ms(loop);
    for (struct server_conn *c = loop->conns; c != NULL; c = c->next) {
        if (!net_conn_is_open(c->conn) || (host != NULL && strcasecmp(host, c->peer.host) != 0))
            continue;
        struct writer out = writer_of(loop->out, loop->out_len);
        enum diameter_event event = diameter_peer_disconnect(&c->peer, cause, now_ms, &out);
        server_conn_after(c, event, bytes_of(NULL, 0), &out);
    }
}

/* ---- what the key application stands on ---- */

static enum err op_peer(void *ctx, struct bytes host, struct keyapp_peer *ret_peer)
{
    struct server_loop *loop = ctx;
    const struct fleet_peer_view *view = NULL;
    TRY(server_loop_look(loop));
    TRY(fleet_lookup_peer(loop->lookup, host, &view));
    /* A pinned certificate protects nothing on a link that shows none. */
    *ret_peer =
        (struct keyapp_peer){.require_tls = view->peer.require_tls || view->peer.has_certificate,
                             .has_secret = view->peer.has_secret};
    return ERR_OK;
}

static enum err op_find(void *ctx, struct bytes host, const struct keyapp_ask *ask, unsigned which,
                        struct fleet_found *ret_found)
{
    struct server_loop *loop = ctx;
    const struct fleet_peer_view *peer = NULL;
    const struct fleet_network_view *network = NULL;
    TRY(server_loop_look(loop));
    TRY(fleet_lookup_peer(loop->lookup, host, &peer));
    TRY(fleet_lookup_network(loop->lookup, bytes_of(ask->realm, ask->realm_len), &network));
    TRY(fleet_lookup_allowed(loop->lookup, peer, network));
    if (ask->node)
        return fleet_lookup_node(loop->lookup, network, ask->id, ret_found, NULL);
    return fleet_lookup_key(loop->lookup, network, which == 0 ? FLEET_KEY_GATEWAY : FLEET_KEY_CDLD,
                            ask->has_version ? ask->version : 0, ret_found);
}

static enum err op_release(void *ctx, struct keeper_release *release, struct bytes actor,
                           struct bytes sealed)
{
    struct server_loop *loop = ctx;
    return keeper_client_release(loop->keeper, release, actor, sealed);
}

static void unlink_check(struct server_loop *loop, struct clerk_check *check)
{
    if (check->prev != NULL)
        check->prev->next = check->next;
    else
        loop->checks = check->next;
    if (check->next != NULL)
        check->next->prev = check->prev;
}

struct check_owner {
    struct server_loop *loop; /* NULL once it is gone */
    struct keyapp_request *request;
};

static void on_checked(void *arg)
{
    struct clerk_check *check = arg;
    struct check_owner *owner = check->arg;
    if (owner->loop != NULL) {
        unlink_check(owner->loop, check);
        keyapp_verified(owner->request, check->err);
    }
    free(owner);
    free(check);
}

static enum err op_verify(void *ctx, struct keyapp_request *request, struct bytes host,
                          struct bytes input, struct bytes mac)
{
    struct server_loop *loop = ctx;
    const struct fleet_peer_view *view = NULL;
    TRY(server_loop_look(loop));
    TRY(fleet_lookup_peer(loop->lookup, host, &view));
    struct clerk_check *check = calloc(1, sizeof *check + input.len);
    struct check_owner *owner = calloc(1, sizeof *owner);
    if (check == NULL || owner == NULL || view->secret.len > sizeof check->sealed ||
        mac.len != sizeof check->mac) {
        free(check);
        free(owner);
        return ERR_NO_MEMORY;
    }
    *owner = (struct check_owner){.loop = loop, .request = request};
    check->loop = loop->net;
    check->done = on_checked;
    check->arg = owner;
    check->row = view->secret_row;
    check->sealed_len = (uint8_t)view->secret.len;
    memcpy(check->sealed, view->secret.data, view->secret.len);
    memcpy(check->mac, mac.data, mac.len);
    (void)snprintf(check->actor, sizeof check->actor, "%.*s", (int)host.len,
                   (const char *)host.data);
    check->input_len = input.len;
    memcpy(check->input, input.data, input.len);
    enum err err = clerk_check(loop->server->clerk, check);
    if (err != ERR_OK) {
        free(check);
        free(owner);
        return err;
    }
    check->next = loop->checks;
    if (check->next != NULL)
        check->next->prev = check;
    loop->checks = check;
    return ERR_OK;
}

static void op_refused(void *ctx, const struct keyapp_link *link, struct bytes user,
                       uint32_t result, const char *why)
{
    struct server_loop *loop = ctx;
    char name[65];
    char text[KEEPER_NOTE_MAX + 1];
    size_t len = user.len < sizeof name - 1 ? user.len : sizeof name - 1;
    for (size_t i = 0; i < len; i++)
        name[i] = user.data[i] > ' ' && user.data[i] < 0x7f ? (char)user.data[i] : '?';
    name[len] = '\0';
    (void)snprintf(text, sizeof text, "diameter %u for %s: %s", result, name, why);
    clerk_note(loop->server->clerk, link->actor, text);
}

static void op_ready(void *ctx, struct keyapp_request *request)
{
    (void)ctx;
    struct server_conn *conn = keyapp_request_link(request)->conn;
    struct net_conn *net = conn->conn;
    size_t max = keyapp_answer_max(request);
    uint8_t *room = NULL;
    if (net_conn_reserve(net, max, &room) == ERR_OK) {
        struct writer out = writer_of(room, max);
        keyapp_answer(request, &out);
        net_conn_commit(net, writer_status(&out) == ERR_OK ? out.len : 0);
    }
    keyapp_request_free(request);
    net_conn_release(net);
}

const struct keyapp_ops server_keyapp_ops = {
    .peer = op_peer,
    .find = op_find,
    .release = op_release,
    .verify = op_verify,
    .refused = op_refused,
    .ready = op_ready,
};

/* ---- life ---- */

enum err server_loop_configure(struct server_loop *loop, struct server_setup *setup)
{
    size_t len = setup->props.message_size + DIAMETER_ANSWER_EXTRA;
    uint8_t *out = malloc(len);
    struct keyapp_settings settings = {
        .origin_host = setup->node->host,
        .origin_realm = setup->node->realm,
        .state_id = setup->node->state_id,
        .require_protection = setup->props.require_protection,
        .queue_max = setup->props.queue,
    };
    enum err err = out == NULL ? ERR_NO_MEMORY : keyapp_configure(loop->app, &settings);
    if (err != ERR_OK) {
        free(out);
        server_setup_unref(setup);
        return err;
    }
    /* Connections from before may still send frames of the old size. */
    if (len > loop->out_len) {
        free(loop->out);
        loop->out = out;
        loop->out_len = len;
    } else {
        free(out);
    }
    server_setup_unref(loop->setup);
    loop->setup = setup;
    return ERR_OK;
}

enum err server_loop_init(struct server_loop *loop, struct diameter_server *server,
                          struct net_loop *net, int keeper_fd, struct err_detail *detail)
{
    loop->server = server;
    loop->net = net;
    TRY(keyapp_new(&(struct keyapp_config){.ops = &server_keyapp_ops, .ctx = loop}, &loop->app));
    TRY(fleet_lookup_new(server->fleet, detail, &loop->lookup));
    TRY(net_timer_new(net, on_tick, loop, &loop->timer));
    TRY(net_watch_new(net, keeper_fd, on_keeper, loop, &loop->watch));
    TRY(net_loop_on_iteration(net, on_iteration, loop));
    TRY(keeper_client_new(keeper_fd, &loop->keeper));
    loop->watching = NET_READABLE;
    net_watch_want(loop->watch, loop->watching);
    net_timer_every(loop->timer, TICK_MS);
    return ERR_OK;
}

void server_loop_done(struct server_loop *loop)
{
    while (loop->checks != NULL) {
        struct clerk_check *check = loop->checks;
        struct check_owner *owner = check->arg;
        unlink_check(loop, check);
        owner->loop = NULL;
        keyapp_verified(owner->request, ERR_CANCELLED);
    }
    net_watch_free(loop->watch);
    net_timer_free(loop->timer);
    keeper_client_freep(&loop->keeper); /* answers what is outstanding */
    if (loop->looking)
        fleet_lookup_end(loop->lookup);
    fleet_lookup_freep(&loop->lookup);
    while (loop->conns != NULL)
        server_conn_detach(loop->conns);
    keyapp_free(loop->app);
    server_setup_unref(loop->setup);
    free(loop->out);
}
