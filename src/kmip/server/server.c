#include "kmip/server/server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "kmip/server/job.h"
#include "kmip/server/metrics.h"

/* Argon2id takes 64 MiB for each; what else is slow shares the threads. */
#define WORKERS     3
#define WORKERS_MAX 1024
#define FIBERS_MAX  (10000 + KMIP_ASYNC_MAX)

/* ---- what a reload replaces ---- */

struct kmip_setup *kmip_setup_ref(struct kmip_setup *setup)
{
    (void)atomic_fetch_add_explicit(&setup->references, 1, memory_order_relaxed);
    return setup;
}

void kmip_setup_unref(struct kmip_setup *setup)
{
    if (setup == NULL ||
        atomic_fetch_sub_explicit(&setup->references, 1, memory_order_acq_rel) != 1)
        return;
    net_tls_unref(setup->tls);
    net_tls_unref(setup->https_tls);
    arena_free(setup->arena);
    free(setup);
}

static void setup_unrefp(struct kmip_setup **setup)
{
    kmip_setup_unref(*setup);
}

static enum err make_setup(const struct kmip_server *server, const struct settings *s,
                           const struct kmip_server_paths *paths, struct err_detail *detail,
                           struct kmip_setup **ret_setup)
{
    AUTO(setup_unrefp) struct kmip_setup *setup = calloc(1, sizeof *setup);
    if (setup == NULL)
        return ERR_NO_MEMORY;
    atomic_init(&setup->references, 1);
    TRY(arena_new((size_t)64 * 1024, &setup->arena));
    TRY(kmip_config_from_settings(s, setup->arena, &setup->config, detail));
    TRY(kmip_log_from_settings(s, paths, &setup->log, detail));
    TRY(kmip_tls_from_settings(s, paths, false, &setup->tls, detail));
    TRY(kmip_tls_from_settings(s, paths, true, &setup->https_tls, detail));
    setup->config.ca = server->ca;
    setup->config.token = setup->config.token && server->token_label != NULL;
    setup->config.token_label = server->token_label;
    setup->limits = (struct net_conn_limits){
        .frame_max = setup->config.message_max,
        .handshake_ms = (unsigned)s->kmip.handshake_timeout * 1000,
        .idle_ms = (unsigned)s->kmip.idle_timeout * 1000,
        .write_ms = (unsigned)s->kmip.write_timeout * 1000,
        .outstanding_max = 1, /* answers in order */
    };
    setup->route = kmip_https_route((size_t)s->https.body_max);
    setup->connections = (unsigned)s->kmip.connections;
    setup->per_address = (unsigned)s->kmip.connections_per_address;
    setup->requests = (unsigned)s->kmip.requests;
    setup->https_connections = (unsigned)s->https.connections;
    setup->https_idle_s = (unsigned)s->https.idle_timeout;
    *ret_setup = TAKE(setup);
    return ERR_OK;
}

/* ---- listeners: TTLV on loop 0, HTTPS on each loop ---- */

static enum err make_listener(struct kmip_server *server, const struct kmip_setup *setup,
                              unsigned i, struct net_listener **ret_listener,
                              struct err_detail *detail)
{
    /* The listener closes its descriptor; a duplicate lets the next one take over without a gap. */
    int fd = fcntl(server->ttlv_fds[i], F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return err_errno(detail, "dup");
    struct net_listener_config config = {
        .name = "kmip",
        .fd = fd,
        .setup = {.ops = &kmip_conn_ops, .ctx = server, .limits = setup->limits, .tls = setup->tls},
        .connections_max = setup->connections,
        .per_address_max = setup->per_address,
    };
    enum err err =
        net_listener_new(server->loop[0].net, server->loops, &config, ret_listener, detail);
    if (err != ERR_OK)
        (void)close(fd);
    return err;
}

static void free_listeners(struct kmip_server *server)
{
    for (unsigned i = 0; i < server->ttlv_len && server->listeners != NULL; i++) {
        net_listener_free(server->listeners[i]);
        server->listeners[i] = NULL;
    }
}

static enum err make_listeners(struct kmip_server *server, const struct kmip_setup *setup,
                               struct err_detail *detail)
{
    for (unsigned i = 0; i < server->ttlv_len; i++) {
        struct net_listener *listener = NULL;
        TRY(make_listener(server, setup, i, &listener, detail));
        net_listener_free(server->listeners[i]);
        server->listeners[i] = listener;
    }
    return ERR_OK;
}

/* On the loop's thread, or before it runs. */
static enum err configure(struct kmip_loop *loop, struct kmip_setup *setup,
                          struct err_detail *detail)
{
    if (loop == &loop->server->loop[0])
        TRY(make_listeners(loop->server, setup, detail));
    TRY(kmip_https_listen(loop, setup, detail));
    kmip_loop_configure(loop, kmip_setup_ref(setup));
    return ERR_OK;
}

/* ---- reload and stop, carried to each loop ---- */

struct swap {
    struct kmip_loop *loop;
    struct kmip_setup *setup;
};

static void run_swap(void *arg)
{
    struct swap *swap = arg;
    struct err_detail detail = {0};
    enum err err = ERR_OK;
    if (!swap->loop->stopping)
        err = configure(swap->loop, swap->setup, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_ERROR, "kmip: a reload was not carried out in full", err, &detail);
    kmip_setup_unref(swap->setup);
    free(swap);
}

enum err kmip_server_reload(struct kmip_server *server, const struct settings *settings,
                            const struct kmip_server_paths *paths, struct err_detail *detail)
{
    AUTO(setup_unrefp) struct kmip_setup *setup = NULL;
    TRY(make_setup(server, settings, paths, detail, &setup));
    TRY(kmip_notify_reload(server->notify, detail));
    TRY(kmip_log_configure(server->log, &setup->log, detail));
    for (unsigned i = 0; i < server->loops_len; i++) {
        struct swap *swap = calloc(1, sizeof *swap);
        if (swap == NULL)
            return ERR_NO_MEMORY;
        *swap = (struct swap){.loop = &server->loop[i], .setup = kmip_setup_ref(setup)};
        enum err err = net_loop_post(server->loop[i].net, run_swap, swap);
        if (err != ERR_OK) {
            kmip_setup_unref(setup);
            free(swap);
            return err;
        }
    }
    return ERR_OK;
}

static void run_goodbye(void *arg)
{
    struct kmip_loop *loop = arg;
    if (loop == &loop->server->loop[0])
        free_listeners(loop->server);
    kmip_https_close(loop);
    kmip_loop_goodbye(loop);
}

void kmip_server_stop(struct kmip_server *server)
{
    for (unsigned i = 0; i < server->loops_len; i++) {
        if (net_loop_post(server->loop[i].net, run_goodbye, &server->loop[i]) != ERR_OK)
            log_warn("kmip: no memory to say goodbye to clients");
    }
}

unsigned kmip_server_connections(const struct kmip_server *server)
{
    return atomic_load_explicit(&server->connections, memory_order_relaxed);
}

unsigned kmip_server_requests(const struct kmip_server *server)
{
    return atomic_load_explicit(&server->requests, memory_order_relaxed) +
           kmip_async_active(server->async);
}

/* ---- life ---- */

static int *copy_fds(const int *fds, unsigned len)
{
    int *copy = calloc(len + 1u, sizeof *copy);
    for (unsigned i = 0; copy != NULL && i < len; i++)
        copy[i] = fds[i];
    return copy;
}

static enum err copy_config(struct kmip_server *server, const struct kmip_server_config *config,
                            struct err_detail *detail)
{
    server->loops = config->loops;
    server->clients = config->clients;
    server->ca = config->ca;
    if (config->token_label != NULL) {
        server->token_label = strdup(config->token_label);
        if (server->token_label == NULL)
            return ERR_NO_MEMORY;
    }
    if (config->https_len > KMIP_HTTPS_MAX)
        return err_set(detail, ERR_CONFIG, "[https] listen: more than %d addresses",
                       KMIP_HTTPS_MAX);
    if (config->tables_len > ARRAY_LEN(server->tables))
        return ERR_ARGUMENT;
    for (unsigned i = 0; i < config->tables_len; i++)
        server->tables[i] = config->tables[i];
    server->tables_len = config->tables_len;
    server->headers = config->headers;
    server->ttlv_fds = copy_fds(config->ttlv_fds, config->ttlv_len);
    server->https_fds = copy_fds(config->https_fds, config->https_len);
    server->listeners = calloc(config->ttlv_len + 1u, sizeof(struct net_listener *));
    server->loop = calloc(net_loops_len(config->loops), sizeof *server->loop);
    if (server->ttlv_fds == NULL || server->https_fds == NULL || server->listeners == NULL ||
        server->loop == NULL)
        return ERR_NO_MEMORY;
    server->ttlv_len = config->ttlv_len;
    server->https_len = config->https_len;
    return ERR_OK;
}

static void free_server(struct kmip_server *server, bool close_fds)
{
    if (server == NULL)
        return;
    free_listeners(server);
    for (unsigned i = 0; i < server->loops_len; i++)
        kmip_loop_done(&server->loop[i]);
    kmip_notify_free(server->notify);
    workers_free(server->workers);
    for (unsigned i = 0; close_fds && i < server->ttlv_len; i++)
        (void)close(server->ttlv_fds[i]);
    for (unsigned i = 0; close_fds && i < server->https_len; i++)
        (void)close(server->https_fds[i]);
    kmip_log_free(server->log);
    kmip_async_free(server->async);
    kmip_gate_free(server->gate);
    kmip_tickets_free(server->tickets);
    free(server->loop);
    free(server->ttlv_fds);
    free(server->https_fds);
    free(server->listeners);
    free(server->token_label);
    free(server);
}

static enum err begin_notify(struct kmip_server *server, const struct kmip_server_config *config,
                             struct err_detail *detail)
{
    AUTO(net_tls_unrefp) struct net_tls *tls = NULL;
    TRY(kmip_notify_tls(config->settings, &config->paths, &tls, detail));
    return kmip_notify_new(net_loops_get(config->loops, 0), config->clients, tls, &server->notify);
}

static enum err begin(struct kmip_server *server, const struct kmip_server_config *config,
                      struct err_detail *detail)
{
    AUTO(setup_unrefp) struct kmip_setup *setup = NULL;
    TRY(make_setup(server, config->settings, &config->paths, detail, &setup));
    TRY(kmip_log_new(&setup->log, &server->log, detail));
    TRY(kmip_tickets_new(&server->tickets));
    TRY(kmip_gate_new(server->tickets, &server->gate));
    TRY(kmip_async_new(config->store, clock_now_s(), &server->async, detail));
    TRY(workers_new(WORKERS, WORKERS_MAX, &server->workers));
    TRY(begin_notify(server, config, detail));
    for (unsigned i = 0; i < net_loops_len(config->loops); i++) {
        server->loops_len = i + 1;
        TRY(kmip_loop_init(&server->loop[i], server, net_loops_get(config->loops, i),
                           config->keeper_fds[i], config, FIBERS_MAX, detail));
    }
    for (unsigned i = 0; i < server->loops_len; i++)
        TRY(configure(&server->loop[i], setup, detail));
    return ERR_OK;
}

enum err kmip_server_new(const struct kmip_server_config *config, struct err_detail *detail,
                         struct kmip_server **ret_server)
{
    struct kmip_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return ERR_NO_MEMORY;
    kmip_metrics_register();
    enum err err = copy_config(server, config, detail);
    if (err == ERR_OK)
        err = begin(server, config, detail);
    if (err != ERR_OK) {
        free_server(server, false);
        return err;
    }
    *ret_server = server;
    return ERR_OK;
}

void kmip_server_free(struct kmip_server *server)
{
    free_server(server, true);
}
