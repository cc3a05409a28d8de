#include "programs/clavigerd/engine.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/plain.h"
#include "api/api.h"
#include "api/json.h"
#include "api/pages.h"
#include "audit_kinds.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/metrics.h"
#include "diameter/properties.h"
#include "diameter/server.h"
#include "factory/gateway_keys.h"
#include "factory/prune.h"
#include "fleet/network.h"
#include "keeper/client.h"
#include "keeper/control.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "programs/clavigerd/engine_kmip.h"
#include "programs/clavigerd/reach.h"
#include "programs/clavigerd/reload.h"
#include "programs/clavigerd/service.h"
#include "vault/chain.h"

#define REMEMBER_S     60   /* how often the store is told how far the audit chain is */
#define ALIVE_MS       5000 /* the supervisor wants a sign every 10 s */
#define GOODBYE_MS     1500 /* for DPR and answers under way when it stops */
#define GOODBYE_STEP   50
#define LOOPS_MAX      64
#define BACKGROUND_MAX 16
#define CONFIG_MAX     ((size_t)1024 * 1024)

#define LINE_LISTENERS_MAX   8
#define LINE_CONNECTIONS_MAX 1000
#define PRUNE_S              600
#define PRUNE_SLICE_S        5
#define OWN_LINKS            2 /* one for start-up and background work, one for Diameter's clerk */

struct engine {
    const struct engine_config *config;
    struct store *store;
    struct vault *vault;
    struct fleet *fleet;
    struct factory *factory; /* NULL where it is not enabled */
    struct vault_clients *clients;
    struct keeper_client *keeper; /* start-up, then background work */
    struct net_loops *loops;
    struct net_loop *control_loop; /* runs on the main thread: API, metrics, supervisor */
    struct net_watch *watch;
    struct net_timer *alive;
    struct net_timer *goodbye;
    struct net_timer *remember;
    struct net_timer *prune;
    uint64_t prune_cursor[2]; /* of the background thread */
    struct vault_chain chain;
    struct diameter_server *diameter;
    struct engine_kmip kmip;
    unsigned goodbye_ms; /* waited so far */
    struct api *api;
    struct net_http *http, *metrics, *line[LINE_LISTENERS_MAX];
    struct workers *background;
    struct reload *reload;
    _Atomic int reload_result; /* of the last one, for its record */
    enum err end;              /* why it stops */
    char audit_dir[PATH_MAX], spool_dir[PATH_MAX], backup_dir[PATH_MAX], store_url[PATH_MAX],
        ca_file[PATH_MAX], profile_file[PATH_MAX];
    char cert_file[PATH_MAX], key_file[PATH_MAX];
    char identity[DIAMETER_NAME_MAX + 32]; /* what a gateway's peer table has for this server */
};

unsigned engine_loops(const struct settings *settings)
{
    long wanted = (long)settings->daemon.loops;
    if (wanted == 0)
        wanted = sysconf(_SC_NPROCESSORS_ONLN);
    return wanted < 1 ? 1 : wanted > LOOPS_MAX ? LOOPS_MAX : (unsigned)wanted;
}

unsigned engine_links(const struct settings *settings)
{
    unsigned loops = engine_loops(settings);
    return OWN_LINKS + (unsigned)settings->daemon.workers + API_JOB_WORKERS + loops +
           (engine_kmip_wanted(settings) ? loops : 0);
}

static enum err find_paths(struct engine *e)
{
    const struct settings *s = e->config->settings;
    TRY(service_audit_dir(s, e->audit_dir, sizeof e->audit_dir));
    TRY(service_spool_dir(s, e->spool_dir, sizeof e->spool_dir));
    TRY(service_backup_dir(s, e->backup_dir, sizeof e->backup_dir));
    TRY(service_store_url(s, e->store_url, sizeof e->store_url));
    TRY(service_state_path(s, SERVICE_PROFILE_FILE, e->profile_file, sizeof e->profile_file));
    TRY(service_state_path(s, SERVICE_CA_FILE, e->ca_file, sizeof e->ca_file));
    TRY(service_state_path(s, SERVICE_CERT_FILE, e->cert_file, sizeof e->cert_file));
    return service_state_path(s, SERVICE_KEY_FILE, e->key_file, sizeof e->key_file);
}

static enum err open_factory(struct engine *e, struct err_detail *detail)
{
    char directory[PATH_MAX];
    const struct settings *s = e->config->settings;
    if (s->factory.files == SETTINGS_FACTORY_FILES_SHARED && *s->factory.client_directory == '\0')
        return err_set(detail, ERR_CONFIG, "[factory] files = shared wants client_directory, too");
    TRY(service_packages_dir(s, directory, sizeof directory));
    const struct factory_config config = {.directory = directory,
                                          .package_max = (uint64_t)s->factory.package_max};
    return factory_open(e->store, e->vault, &config, detail, &e->factory);
}

static enum err open_stores(struct engine *e, struct err_detail *detail)
{
    const struct settings *s = e->config->settings;
    const struct store_config store = {.url = e->store_url};
    const struct fleet_config fleet = {.spool_dir = e->spool_dir,
                                       .backup_dir = e->backup_dir,
                                       .lifetime_max_s = (uint32_t)s->diameter.max_lifetime};
    TRY(keeper_client_new(e->config->keepers[0], &e->keeper));
    TRY(store_open(&store, &e->store, detail));
    TRY(vault_chain_check(&e->chain, e->store, e->keeper, e->config->accept_chain, detail));
    TRY(vault_open(e->store, e->keeper, detail, &e->vault));
    TRY(vault_clients_open(e->store, &e->clients, detail));
    TRY(fleet_open(e->store, e->vault, e->keeper, &fleet, detail, &e->fleet));
    vault_add_source(e->vault, factory_reseal_source(e->store));
    return s->factory.enabled ? open_factory(e, detail) : ERR_OK;
}

/* ---- what the API shows of the daemon ---- */

static enum err take_settings(struct engine *e, struct err_detail *detail)
{
    AUTO(buf_done) struct buf text = {0};
    const char *path = e->config->config_path;
    TRY(reload_read(e->reload, RELOAD_CONFIG, path, CONFIG_MAX, &text, detail));
    struct settings fresh;
    TRY(settings_parse(path, (const char *)text.data, text.len, &fresh, detail));
    enum err err = engine_kmip_reload(&e->kmip, &fresh, detail);
    if (err == ERR_OK) {
        log_init("engine", (enum log_level)fresh.daemon.log_level);
        fleet_set_lifetime_max(e->fleet, (uint32_t)fresh.diameter.max_lifetime);
    }
    settings_done(&fresh);
    return err;
}

static enum err take_configuration(struct engine *e, struct err_detail *detail)
{
    TRY(take_settings(e, detail));
    if (e->diameter != NULL) {
        AUTO(buf_done) struct buf text = {0};
        TRY(reload_read(e->reload, RELOAD_PROPERTIES, e->config->settings->diameter.properties,
                        DIAMETER_PROPERTY_FILE_MAX, &text, detail));
        TRY(diameter_server_reload(e->diameter, buf_view(&text), detail));
    }
    log_info("configuration reloaded");
    return ERR_OK;
}

static void note_reload(void *ctx)
{
    struct engine *e = ctx;
    const struct keeper_note note = {.kind = AUDIT_CONFIG_RELOADED,
                                     .result = (enum err)atomic_load(&e->reload_result),
                                     .text = e->config->config_path};
    struct err_detail detail = {0};
    enum err err = keeper_note_event(e->keeper, vault_actor_daemon().name, &note, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "a reload could not be written to the audit chain", err,
                    &detail);
}

static enum err reload(void *ctx, struct err_detail *detail)
{
    const struct engine *e = ctx;
    return reload_ask(e->reload, detail);
}

static void join_list(const struct settings_list *list, char *to, size_t cap)
{
    to[0] = '\0';
    for (size_t i = 0; i < list->len; i++) {
        size_t used = strlen(to);
        (void)snprintf(to + used, cap - used, "%s%s", i > 0 ? " " : "", list->items[i]);
    }
}

static void factory_service(const struct settings *s, char *to, size_t cap)
{
    static const char *const files[] = {[SETTINGS_FACTORY_FILES_HTTPS] = "over HTTPS",
                                        [SETTINGS_FACTORY_FILES_HTTP] = "over HTTP",
                                        [SETTINGS_FACTORY_FILES_SHARED] = "in a shared folder"};
    char plain[256], packages[PATH_MAX];
    join_list(&s->factory.http_listen, plain, sizeof plain);
    if (s->factory.enabled && service_packages_dir(s, packages, sizeof packages) == ERR_OK)
        (void)snprintf(to, cap, "packages in %s, files %s%s%s", packages, files[s->factory.files],
                       *plain != '\0' ? ", stations without TLS at " : "", plain);
    else
        (void)snprintf(to, cap, "off");
}

static bool service(void *ctx, unsigned n, const char **ret_name, char *ret_text, size_t cap)
{
    struct engine *e = ctx;
    const struct settings *s = e->config->settings;
    char tcp[256], tls[256];
    if (n == 0) {
        *ret_name = "api";
        (void)snprintf(ret_text, cap, "%s", s->daemon.socket);
    } else if (n == 1 && e->diameter != NULL) {
        *ret_name = "diameter";
        join_list(&s->diameter.listen, tcp, sizeof tcp);
        join_list(&s->diameter.listen_tls, tls, sizeof tls);
        (void)snprintf(ret_text, cap, "tcp %s, tls %s, %u gateways connected",
                       *tcp != '\0' ? tcp : "-", *tls != '\0' ? tls : "-",
                       diameter_server_peers(e->diameter));
    } else if (n == 1) {
        *ret_name = "diameter";
        (void)snprintf(ret_text, cap, "off");
    } else if (n == 2) {
        *ret_name = "metrics";
        (void)snprintf(ret_text, cap, "%s", e->metrics != NULL ? s->metrics.listen : "off");
    } else if (n == 3 || n == 4) {
        return engine_kmip_service(&e->kmip, n - 3, ret_name, ret_text, cap);
    } else if (n == 5) {
        *ret_name = "factory";
        factory_service(s, ret_text, cap);
    } else if (n == 6 && e->diameter != NULL) {
        *ret_name = "identity";
        (void)snprintf(ret_text, cap, "%s", e->identity);
    } else {
        return false;
    }
    return true;
}

struct is_connected {
    const char *host;
    bool found;
};

static void compare_peer(void *ctx, const struct diameter_server_peer *peer)
{
    struct is_connected *wanted = ctx;
    wanted->found = wanted->found || strcasecmp(peer->host, wanted->host) == 0;
}

static bool connected(void *ctx, const char *host)
{
    struct engine *e = ctx;
    struct is_connected wanted = {.host = host};
    if (e->diameter != NULL)
        diameter_server_each(e->diameter, compare_peer, &wanted);
    return wanted.found;
}

static void disconnect(void *ctx, const char *host)
{
    struct engine *e = ctx;
    if (e->diameter != NULL)
        diameter_server_disconnect(e->diameter, host);
}

/* ---- metrics ---- */

static void get_metrics(struct net_http_request *request, void *ctx)
{
    (void)ctx;
    AUTO(buf_done) struct buf text = {0};
    if (metrics_format(&text) != ERR_OK)
        net_http_fail(request, ERR_NO_MEMORY, NULL);
    else
        net_http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_view(&text));
}

static const struct net_http_route metrics_routes[] = {{NET_HTTP_GET, "/metrics", get_metrics, 0}};

/* ---- services ---- */

static gid_t group_of(const char *name)
{
    if (*name == '\0')
        return (gid_t)-1;
    const struct group *group = getgrnam(name);
    if (group == NULL)
        log_warn("[daemon] socket_group: no group '%s'; hint: only root and the daemon's user may "
                 "connect",
                 name);
    return group != NULL ? group->gr_gid : (gid_t)-1;
}

static enum err find_identity(struct engine *e, struct err_detail *detail)
{
    AUTO(diameter_properties_done) struct diameter_properties props = {0};
    TRY(diameter_properties_read(e->config->settings->diameter.properties, &props, detail));
    bool tls = e->config->tls_len != 0;
    uint16_t port = net_socket_port(tls                       ? e->config->tls_fds[0]
                                    : e->config->tcp_len != 0 ? e->config->tcp_fds[0]
                                                              : -1);
    (void)snprintf(e->identity, sizeof e->identity, "%s://%s:%u", tls ? "aaas" : "aaa",
                   props.uri.host, port);
    return ERR_OK;
}

static enum err start_diameter(struct engine *e, struct err_detail *detail)
{
    const struct engine_config *c = e->config;
    if (*c->settings->diameter.properties == '\0')
        return ERR_OK;
    TRY(find_identity(e, detail));
    const struct diameter_server_config config = {.fleet = e->fleet,
                                                  .loops = e->loops,
                                                  .properties = c->settings->diameter.properties,
                                                  .keeper_fds = c->keepers + OWN_LINKS,
                                                  .clerk_fd = c->keepers[1],
                                                  .tcp_fds = c->tcp_fds,
                                                  .tls_fds = c->tls_fds,
                                                  .tcp_len = c->tcp_len,
                                                  .tls_len = c->tls_len,
                                                  .cert_file = e->cert_file,
                                                  .key_file = e->key_file,
                                                  .ca_file = e->ca_file};
    return diameter_server_new(&config, detail, &e->diameter);
}

static enum err start_kmip(struct engine *e, struct err_detail *detail)
{
    const int *keepers = e->config->keepers + OWN_LINKS + net_loops_len(e->loops) +
                         e->config->settings->daemon.workers + API_JOB_WORKERS;
    const struct net_http_table front[] = {api_table(e->api), api_pages_table()};
    const struct engine_kmip_config config = {.engine = e->config,
                                              .store = e->store,
                                              .vault = e->vault,
                                              .clients = e->clients,
                                              .loops = e->loops,
                                              .keeper = e->keeper,
                                              .keepers = keepers,
                                              .tables = front,
                                              .tables_len = ARRAY_LEN(front),
                                              .headers = api_headers};
    return engine_kmip_start(&e->kmip, &config, detail);
}

/* On the control loop: what takes time is done by workers, and files are read a piece at a time. */
static enum err start_line(struct engine *e, struct err_detail *detail)
{
    const struct engine_config *c = e->config;
    const struct net_http_table table = api_plain_table(e->api);
    TRY(api_plain_check(&c->settings->factory.http_allow, detail));
    for (unsigned i = 0; i < c->line_len && i < LINE_LISTENERS_MAX; i++) {
        const struct net_http_config http = {.fd = c->line_fds[i],
                                             .any_host = true,
                                             .tables = &table,
                                             .tables_len = 1,
                                             .connections_max = LINE_CONNECTIONS_MAX};
        TRY(net_http_new(e->control_loop, &http, &e->line[i], detail));
    }
    return c->line_len <= LINE_LISTENERS_MAX
               ? ERR_OK
               : err_set(detail, ERR_CONFIG, "[factory] http_listen: at most %d addresses",
                         LINE_LISTENERS_MAX);
}

static enum err start_api(struct engine *e, struct err_detail *detail)
{
    const struct engine_config *c = e->config;
    const struct api_config api = {.fleet = e->fleet,
                                   .vault = e->vault,
                                   .store = e->store,
                                   .clients = e->clients,
                                   .factory = e->factory,
                                   .spool_dir = e->spool_dir,
                                   .keeper_fds = c->keepers + OWN_LINKS + net_loops_len(e->loops),
                                   .workers = (unsigned)c->settings->daemon.workers,
                                   .uid = geteuid(),
                                   .socket_group = group_of(c->settings->daemon.socket_group),
                                   .daemon = {.settings = c->settings,
                                              .config_path = c->config_path,
                                              .store_url = e->store_url,
                                              .audit_dir = e->audit_dir,
                                              .backup_dir = e->backup_dir,
                                              .profile_file = e->profile_file,
                                              .ca_file = e->ca_file,
                                              .cert_file = e->cert_file,
                                              .started = clock_now_s(),
                                              .ctx = e,
                                              .reload = reload,
                                              .service = service,
                                              .connected = connected,
                                              .disconnect = disconnect}};
    TRY(api_new(&api, &e->api, detail));
    const struct net_http_table table = api_table(e->api);
    const struct net_http_config http = {
        .fd = c->api_fd, .is_unix = true, .tables = &table, .tables_len = 1};
    TRY(net_http_new(e->control_loop, &http, &e->http, detail));
    TRY(start_line(e, detail));
    net_metrics_register();
    if (c->metrics_fd < 0)
        return ERR_OK;
    const struct net_http_table figures = {.routes = metrics_routes,
                                           .routes_len = ARRAY_LEN(metrics_routes)};
    const struct net_http_config metrics = {
        .fd = c->metrics_fd, .tables = &figures, .tables_len = 1};
    return net_http_new(e->control_loop, &metrics, &e->metrics, detail);
}

/* A rotation of a domain key that a crash cut off is finished in the background. */
static void finish_reseals(void *ctx)
{
    struct engine *e = ctx;
    struct fleet_call call = {
        .fleet = e->fleet, .keeper = e->keeper, .actor = vault_actor_daemon()};
    struct err_detail detail = {0};
    enum err err = fleet_network_reseal(&call, NULL, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "can't finish sealing records anew", err, &detail);
}

/* On the background thread, which has the keeper connection of its own. */
static void remember_chain(void *ctx)
{
    struct engine *e = ctx;
    struct err_detail detail = {0};
    enum err err = vault_chain_remember(&e->chain, e->keeper, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "can't remember how far the audit chain is", err, &detail);
}

static void on_remember(void *ctx)
{
    struct engine *e = ctx;
    if (workers_submit(e->background, remember_chain, e) != ERR_OK)
        log_debug("the background thread is busy"); /* the next tick will do */
}

/* A slice of the walk: the background thread has other work, too. */
static bool prune_on(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    (void)done;
    (void)total;
    return clock_mono_ns() < *(const uint64_t *)ctx;
}

static void prune_factory(void *ctx)
{
    struct engine *e = ctx;
    uint64_t until = clock_mono_ns() + (uint64_t)PRUNE_SLICE_S * 1000000000;
    const struct fleet_call call = {.fleet = e->fleet,
                                    .keeper = e->keeper,
                                    .actor = vault_actor_daemon(),
                                    .progress = prune_on,
                                    .progress_ctx = &until};
    const struct factory_prune request = {.before = clock_now_s() -
                                                    e->config->settings->factory.keep_runs * 86400,
                                          .cursor = e->prune_cursor};
    struct factory_pruned pruned;
    struct err_detail detail = {0};
    enum err err = factory_prune(e->factory, &call, &request, &pruned, &detail);
    if (err != ERR_OK && err != ERR_CANCELLED)
        log_failure(LOG_LEVEL_WARN, "can't delete old runs", err, &detail);
}

static void on_prune(void *ctx)
{
    struct engine *e = ctx;
    if (workers_submit(e->background, prune_factory, e) != ERR_OK)
        log_debug("the background thread is busy"); /* the next tick will do */
}

/* ---- supervisor ---- */

static void stop(struct engine *e, enum err why)
{
    e->end = why;
    net_loop_stop(e->control_loop);
}

static void say_goodbye_over(void *ctx)
{
    struct engine *e = ctx;
    e->goodbye_ms += GOODBYE_STEP;
    bool peers = e->diameter != NULL && diameter_server_peers(e->diameter) != 0;
    if (e->goodbye_ms < GOODBYE_MS && (peers || engine_kmip_busy(&e->kmip)))
        net_timer_set(e->goodbye, GOODBYE_STEP);
    else
        stop(e, ERR_OK);
}

static void on_stop(struct engine *e)
{
    log_info("stopping");
    if (e->diameter != NULL)
        diameter_server_stop(e->diameter);
    engine_kmip_stop(&e->kmip);
    net_timer_set(e->goodbye, GOODBYE_STEP);
}

/* docs/decisions/0005: what the engine may read was fixed when it started. */
static void tell_of_reach(struct err_detail *detail)
{
    const size_t len = strlen(detail->text);
    if (strstr(detail->text, strerror(EACCES)) != NULL)
        (void)snprintf(detail->text + len, sizeof detail->text - len,
                       "; read are state/tls and folders named when the daemon started: put it "
                       "there, or restart");
}

static void on_reload(struct engine *e)
{
    struct err_detail detail = {0};
    enum err err = take_configuration(e, &detail);
    atomic_store(&e->reload_result, (int)err);
    if (workers_submit(e->background, note_reload, e) != ERR_OK)
        log_warn("a reload could not be written to the audit chain");
    if (err != ERR_OK)
        tell_of_reach(&detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_ERROR, "reload; what was there stays in force", err, &detail);
    reload_over(e->reload, err, detail.text);
    if (control_tell(e->config->control, CONTROL_RELOADED, (uint64_t)err, detail.text) != ERR_OK)
        stop(e, ERR_CLOSED);
}

static void on_control(void *ctx, unsigned ready)
{
    (void)ready;
    struct engine *e = ctx;
    struct control_message message;
    enum err err = control_receive(e->config->control, &message);
    if (err == ERR_CLOSED) {
        stop(e, ERR_CLOSED);
        return;
    }
    if (err != ERR_OK)
        return;
    switch (message.type) {
    case CONTROL_STOP: on_stop(e); break;
    case CONTROL_FILE: reload_take(e->reload, &message); break;
    case CONTROL_RELOAD: on_reload(e); break;
    case CONTROL_RELOAD_REFUSED:
        reload_over(e->reload, (enum err)message.value, message.text);
        break;
    default: break;
    }
    file_closep(&message.fd);
}

static void on_alive(void *ctx)
{
    struct engine *e = ctx;
    api_tidy(e->api);
    enum err err = control_tell(e->config->control, CONTROL_ALIVE, 0, NULL);
    if (err == ERR_CLOSED)
        stop(e, ERR_CLOSED);
}

static enum err watch_supervisor(struct engine *e)
{
    TRY(net_watch_new(e->control_loop, e->config->control, on_control, e, &e->watch));
    net_watch_want(e->watch, NET_READABLE);
    TRY(net_timer_new(e->control_loop, on_alive, e, &e->alive));
    TRY(net_timer_new(e->control_loop, say_goodbye_over, e, &e->goodbye));
    TRY(net_timer_new(e->control_loop, on_remember, e, &e->remember));
    net_timer_every(e->alive, ALIVE_MS);
    net_timer_every(e->remember, UINT64_C(1000) * REMEMBER_S);
    TRY(net_timer_new(e->control_loop, on_prune, e, &e->prune));
    if (e->factory != NULL && e->config->settings->factory.keep_runs > 0)
        net_timer_every(e->prune, UINT64_C(1000) * PRUNE_S);
    return control_tell(e->config->control, CONTROL_READY, 0, NULL);
}

static enum err serve(struct engine *e, struct err_detail *detail)
{
    TRY(reach_confine(e->config->settings, e->config->config_path, detail));
    TRY(find_paths(e));
    TRY(reload_new(e->config->control, &e->reload));
    TRY(open_stores(e, detail));
    TRY(net_loops_new(engine_loops(e->config->settings), &e->loops));
    TRY(net_loop_new(&e->control_loop));
    TRY(start_diameter(e, detail));
    TRY(start_api(e, detail));
    TRY(start_kmip(e, detail));
    TRY(workers_new(1, BACKGROUND_MAX, &e->background));
    TRY(workers_submit(e->background, finish_reseals, e));
    TRY(engine_kmip_sweep_on(&e->kmip, e->control_loop, e->background, e->keeper));
    TRY(net_loops_start(e->loops));
    TRY(watch_supervisor(e));
    TRY(net_loop_run(e->control_loop));
    return e->end;
}

/* At an orderly end: the token signs the head, and the store remembers it. Nobody else uses the
 * keeper connection any more. */
static void conclude_chain(struct engine *e)
{
    struct err_detail detail = {0};
    if (e->end != ERR_OK || e->chain.store == NULL)
        return;
    enum err err = keeper_sign_audit(e->keeper, "daemon", &detail);
    for (int i = 0; i < 2 && err == ERR_OK; i++)
        err = vault_chain_remember(&e->chain, e->keeper, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "can't conclude the audit chain", err, &detail);
}

static void clean_up(struct engine *e)
{
    if (e->reload != NULL)
        reload_close(e->reload);
    net_watch_free(e->watch);
    net_timer_free(e->alive);
    net_timer_free(e->goodbye);
    net_timer_free(e->remember);
    net_timer_free(e->prune);
    engine_kmip_timer_free(&e->kmip);
    net_http_free(e->metrics);
    for (unsigned i = 0; i < LINE_LISTENERS_MAX; i++)
        net_http_free(e->line[i]);
    net_http_free(e->http);
    if (e->loops != NULL)
        net_loops_stop(e->loops); /* no request comes any more; answers go nowhere */
    api_free(e->api);
    workers_free(e->background);
    conclude_chain(e);
    diameter_server_free(e->diameter);
    engine_kmip_free(&e->kmip);
    net_loops_free(e->loops);
    net_loop_free(e->control_loop);
    vault_clients_close(e->clients);
    factory_close(e->factory);
    fleet_close(e->fleet);
    vault_close(e->vault);
    store_close(e->store);
    keeper_client_free(e->keeper);
    reload_free(e->reload);
}

enum err engine_run(const struct engine_config *config, struct err_detail *detail)
{
    json_wipe_memory();
    static struct engine engine;
    engine = (struct engine){.config = config, .end = ERR_OK};
    enum err err = serve(&engine, detail);
    engine.end = err; /* a chain that was refused at the start is not concluded */
    clean_up(&engine);
    return err;
}
