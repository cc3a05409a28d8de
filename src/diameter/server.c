#include "diameter/server.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "diameter/server_private.h"

/* ---- what a reload replaces ---- */

struct server_setup *server_setup_ref(struct server_setup *setup)
{
    (void)__atomic_add_fetch(&setup->references, 1, __ATOMIC_RELAXED);
    return setup;
}

void server_setup_unref(struct server_setup *setup)
{
    if (setup == NULL || __atomic_sub_fetch(&setup->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    diameter_node_unref(setup->node);
    net_tls_unref(setup->tls);
    diameter_properties_done(&setup->props);
    free(setup);
}

static void setup_unrefp(struct server_setup **setup)
{
    server_setup_unref(*setup);
}

static const char *file_or(const char *own, const char *otherwise)
{
    return own[0] != '\0' ? own : otherwise;
}

static enum err make_tls(const struct diameter_server *server, struct server_setup *setup,
                         struct err_detail *detail)
{
    const struct diameter_properties *props = &setup->props;
    struct net_tls_config config = {
        .server = true,
        .verify = NET_TLS_VERIFY_REQUIRED,
        .cert_file = file_or(props->tls_cert_file, server->cert_file),
        .key_file = file_or(props->tls_key_file, server->key_file),
        .ca_file = file_or(props->tls_ca_file, server->ca_file),
        .crl_file = file_or(props->tls_crl_file, server->crl_file),
        .service = "diameter",
    };
    bool wanted = server->fds_len > server->tcp_len || (props->inband_tls && !props->inband_plain);
    if (config.cert_file != NULL && config.key_file != NULL && config.ca_file != NULL)
        return net_tls_new(&config, &setup->tls, detail);
    if (wanted)
        return err_set(detail, ERR_CONFIG,
                       "%s: TLS is wanted, but TLS.CertificateFile, TLS.PrivateKeyFile and "
                       "TLS.CaFile are not all set",
                       server->properties);
    return ERR_OK;
}

/* From the property file, or from its text where that is given. */
static enum err make_setup(const struct diameter_server *server, const struct bytes *text,
                           struct err_detail *detail, struct server_setup **ret_setup)
{
    AUTO(setup_unrefp) struct server_setup *setup = calloc(1, sizeof *setup);
    if (setup == NULL)
        return ERR_NO_MEMORY;
    setup->references = 1;
    if (text != NULL)
        TRY(diameter_properties_parse(server->properties, *text, &setup->props, detail));
    else
        TRY(diameter_properties_read(server->properties, &setup->props, detail));
    if (!setup->props.server)
        return err_set(detail, ERR_CONFIG, "%s: StackType=SERVER is wanted", server->properties);
    TRY(make_tls(server, setup, detail));
    TRY(diameter_node_new(&setup->props, server->state_id, setup->tls != NULL, &setup->node));
    *ret_setup = TAKE(setup);
    return ERR_OK;
}

static enum err give_peers(struct diameter_server *server, const struct server_setup *setup,
                           struct err_detail *detail)
{
    unsigned len = setup->props.peers_len;
    struct fleet_static_peer *peers = calloc(len + 1u, sizeof *peers);
    if (peers == NULL)
        return ERR_NO_MEMORY;
    size_t count = 0;
    for (unsigned i = 0; i < len; i++) {
        const struct diameter_peer_entry *entry = &setup->props.peers[i];
        /* Two ports of one host are one Origin-Host; the stricter entry wins. */
        size_t k = 0;
        while (k < count && strcasecmp(peers[k].host, entry->uri.host) != 0)
            k++;
        if (k == count)
            peers[count++] =
                (struct fleet_static_peer){.host = entry->uri.host, .realm = entry->realm};
        peers[k].require_tls = peers[k].require_tls || entry->uri.tls;
    }
    enum err err = fleet_peers_from_file(server->fleet, peers, count, detail);
    free(peers);
    return err;
}

/* ---- listeners: on loop 0 ---- */

static enum err make_listener(struct diameter_server *server, const struct server_setup *setup,
                              unsigned i, struct net_listener **ret_listener,
                              struct err_detail *detail)
{
    const struct diameter_properties *props = &setup->props;
    bool tls = i >= server->tcp_len;
    /* The listener closes its descriptor; a duplicate lets the next one take over without a gap. */
    int fd = fcntl(server->fds[i], F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return err_errno(detail, "dup");
    struct net_listener_config config = {
        .name = tls ? "diameter-tls" : "diameter",
        .fd = fd,
        .setup = {.ops = &server_conn_ops,
                  .ctx = server,
                  .limits = {.frame_max = props->message_size,
                             .handshake_ms = props->handshake_timeout_ms,
                             .idle_ms = props->idle_timeout_ms,
                             .outstanding_max = props->outstanding},
                  .tls = tls ? setup->tls : NULL},
        .connections_max = props->max_peers,
    };
    enum err err =
        net_listener_new(server->loop[0].net, server->loops, &config, ret_listener, detail);
    if (err != ERR_OK)
        (void)close(fd);
    return err;
}

static void free_listeners(struct diameter_server *server)
{
    for (unsigned i = 0; i < server->fds_len; i++) {
        net_listener_free(server->listeners[i]);
        server->listeners[i] = NULL;
    }
}

static enum err make_listeners(struct diameter_server *server, const struct server_setup *setup,
                               struct err_detail *detail)
{
    for (unsigned i = 0; i < server->fds_len; i++) {
        struct net_listener *listener = NULL;
        TRY(make_listener(server, setup, i, &listener, detail));
        net_listener_free(server->listeners[i]);
        server->listeners[i] = listener;
    }
    return ERR_OK;
}

/* ---- reload and stop, carried to each loop ---- */

struct swap {
    struct server_loop *loop;
    struct server_setup *setup;
};

static void run_swap(void *arg)
{
    struct swap *swap = arg;
    struct server_loop *loop = swap->loop;
    struct diameter_server *server = loop->server;
    struct err_detail detail = {0};
    enum err err = ERR_OK;
    if (loop == &server->loop[0])
        err = make_listeners(server, swap->setup, &detail);
    if (err == ERR_OK)
        err = server_loop_configure(loop, server_setup_ref(swap->setup));
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_ERROR, "diameter: a reload was not carried out in full", err,
                    &detail);
    server_setup_unref(swap->setup);
    free(swap);
}

enum err diameter_server_reload(struct diameter_server *server, struct bytes properties,
                                struct err_detail *detail)
{
    AUTO(setup_unrefp) struct server_setup *setup = NULL;
    TRY(make_setup(server, &properties, detail, &setup));
    assert(setup != NULL);
    TRY(give_peers(server, setup, detail));
    for (unsigned i = 0; i < server->loops_len; i++) {
        struct swap *swap = calloc(1, sizeof *swap);
        if (swap == NULL)
            return ERR_NO_MEMORY;
        *swap = (struct swap){.loop = &server->loop[i], .setup = server_setup_ref(setup)};
        enum err err = net_loop_post(server->loop[i].net, run_swap, swap);
        if (err != ERR_OK) {
            server_setup_unref(setup);
            free(swap);
            return err;
        }
    }
    return ERR_OK;
}

static void run_goodbye(void *arg)
{
    struct server_loop *loop = arg;
    if (loop == &loop->server->loop[0])
        free_listeners(loop->server);
    server_loop_goodbye(loop, DIAMETER_DISCONNECT_REBOOTING, NULL);
}

void diameter_server_stop(struct diameter_server *server)
{
    for (unsigned i = 0; i < server->loops_len; i++) {
        if (net_loop_post(server->loop[i].net, run_goodbye, &server->loop[i]) != ERR_OK)
            log_warn("diameter: no memory to say goodbye to peers");
    }
}

struct dismissal {
    struct server_loop *loop;
    char host[DIAMETER_NAME_MAX];
};

static void run_dismissal(void *arg)
{
    struct dismissal *d = arg;
    server_loop_goodbye(d->loop, DIAMETER_DISCONNECT_NOT_WANTED, d->host);
    free(d);
}

void diameter_server_disconnect(struct diameter_server *server, const char *host)
{
    size_t len = strlen(host);
    for (unsigned i = 0; i < server->loops_len && len < DIAMETER_NAME_MAX; i++) {
        struct dismissal *d = calloc(1, sizeof *d);
        if (d == NULL)
            return;
        d->loop = &server->loop[i];
        memcpy(d->host, host, len + 1);
        if (net_loop_post(server->loop[i].net, run_dismissal, d) != ERR_OK)
            free(d);
    }
}

unsigned diameter_server_peers(struct diameter_server *server)
{
    return diameter_registry_len(server->registry);
}

struct each {
    diameter_server_peer_fn *fn;
    void *ctx;
};

static void each_claim(void *ctx, struct diameter_claim *claim)
{
    const struct each *each = ctx;
    const struct server_conn *conn =
        (const struct server_conn *)(const void *)((const uint8_t *)claim -
                                                   offsetof(struct server_conn, claim));
    each->fn(each->ctx, &(struct diameter_server_peer){.host = conn->peer.host,
                                                       .realm = conn->peer.realm,
                                                       .address = net_conn_peer(conn->conn),
                                                       .tls = atomic_load(&conn->tls),
                                                       .since = conn->since});
}

void diameter_server_each(struct diameter_server *server, diameter_server_peer_fn *each, void *ctx)
{
    diameter_registry_each(server->registry, each_claim, &(struct each){.fn = each, .ctx = ctx});
}

/* ---- life ---- */

static enum err dup_text(const char *text, char **ret_copy)
{
    if (text == NULL || text[0] == '\0')
        return ERR_OK;
    *ret_copy = strdup(text);
    return *ret_copy != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err copy_config(struct diameter_server *server,
                            const struct diameter_server_config *config)
{
    TRY(dup_text(config->properties, &server->properties));
    TRY(dup_text(config->cert_file, &server->cert_file));
    TRY(dup_text(config->key_file, &server->key_file));
    TRY(dup_text(config->ca_file, &server->ca_file));
    TRY(dup_text(config->crl_file, &server->crl_file));
    unsigned len = config->tcp_len + config->tls_len;
    server->fds = calloc(len + 1u, sizeof *server->fds);
    server->listeners = calloc(len + 1u, sizeof(struct net_listener *));
    server->loop = calloc(net_loops_len(config->loops), sizeof *server->loop);
    if (server->fds == NULL || server->listeners == NULL || server->loop == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < len; i++)
        server->fds[i] =
            i < config->tcp_len ? config->tcp_fds[i] : config->tls_fds[i - config->tcp_len];
    server->tcp_len = config->tcp_len;
    server->fds_len = len;
    return ERR_OK;
}

static void free_server(struct diameter_server *server, bool close_fds)
{
    if (server == NULL)
        return;
    /* Its thread first: what it still posts finds its owner gone. */
    clerk_free(TAKE(server->clerk));
    if (server->listeners != NULL)
        free_listeners(server);
    for (unsigned i = 0; i < server->loops_len; i++)
        server_loop_done(&server->loop[i]);
    for (unsigned i = 0; close_fds && i < server->fds_len; i++)
        (void)close(server->fds[i]);
    diameter_registry_free(server->registry);
    free(server->loop);
    free(server->fds);
    free(server->listeners);
    free(server->properties);
    free(server->cert_file);
    free(server->key_file);
    free(server->ca_file);
    free(server->crl_file);
    free(server);
}

static enum err begin(struct diameter_server *server, const struct diameter_server_config *config,
                      struct err_detail *detail)
{
    AUTO(setup_unrefp) struct server_setup *setup = NULL;
    TRY(make_setup(server, NULL, detail, &setup));
    assert(setup != NULL);
    TRY(give_peers(server, setup, detail));
    TRY(diameter_registry_new(&server->registry));
    TRY(clerk_new(config->clerk_fd, &server->clerk));
    for (unsigned i = 0; i < net_loops_len(config->loops); i++) {
        server->loops_len = i + 1;
        TRY(server_loop_init(&server->loop[i], server, net_loops_get(config->loops, i),
                             config->keeper_fds[i], detail));
        TRY(server_loop_configure(&server->loop[i], server_setup_ref(setup)));
    }
    return make_listeners(server, setup, detail);
}

enum err diameter_server_new(const struct diameter_server_config *config, struct err_detail *detail,
                             struct diameter_server **ret_server)
{
    struct diameter_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return ERR_NO_MEMORY;
    server->fleet = config->fleet;
    server->loops = config->loops;
    server->state_id = (uint32_t)clock_now_s(); /* RFC 6733, 8.16: grows with every restart */
    enum err err = copy_config(server, config);
    if (err == ERR_OK)
        err = begin(server, config, detail);
    if (err != ERR_OK) {
        free_server(server, false);
        return err;
    }
    keyapp_metrics_register();
    *ret_server = server;
    return ERR_OK;
}

void diameter_server_free(struct diameter_server *server)
{
    free_server(server, true);
}
