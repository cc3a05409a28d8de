#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "hsm/hsm.h"
#include "keeper/sandbox.h"
#include "net/listener.h"
#include "programs/clavigerd/commands.h"
#include "programs/clavigerd/engine.h"
#include "programs/clavigerd/keeper_process.h"
#include "programs/clavigerd/pin.h"
#include "programs/clavigerd/service.h"
#include "programs/clavigerd/supervisor.h"

#define LISTENERS_MAX 32
#define PORT_DIAMETER 3868
#define PORT_TLS      5658
#define PORT_METRICS  9464
#define PORT_KMIP     5696
#define PORT_HTTPS    8085
#define PORT_LINE     8080

/* What the supervisor knows and hands to its children by fork. Listeners stand in this order: API,
 * metrics (if any), Diameter over TCP, Diameter over TLS, KMIP, HTTPS, the line's plain HTTP. */
struct run {
    const char *config_path;
    bool accept_chain;
    struct settings settings;
    int listeners[LISTENERS_MAX];
    unsigned listeners_len;
    bool has_metrics;
    unsigned tcp_len, tls_len, kmip_len, https_len, line_len;
    struct pin_hold
        *pin; /* from the environment or the terminal; NULL where the keeper reads it by itself */
};

static enum err listen_on(struct run *run, const char *address, uint16_t port, const char *what,
                          struct err_detail *detail)
{
    char host[256];
    if (run->listeners_len == LISTENERS_MAX)
        return err_set(detail, ERR_CONFIG, "more than %d addresses to listen on", LISTENERS_MAX);
    if (net_address_parse(address, port, host, &port) != ERR_OK)
        return err_set(detail, ERR_CONFIG, "%s: '%s' is no address", what, address);
    struct err_detail why = {0};
    enum err err = net_listen_socket(host, port, &run->listeners[run->listeners_len], &why);
    if (err != ERR_OK)
        return err_set(detail, err, "%s: %.200s", what, why.text);
    run->listeners_len++;
    return ERR_OK;
}

static enum err listen_list(struct run *run, const struct settings_list *list, uint16_t port,
                            const char *what, unsigned *ret_len, struct err_detail *detail)
{
    for (size_t i = 0; i < list->len; i++)
        TRY(listen_on(run, list->items[i], port, what, detail));
    *ret_len = (unsigned)list->len;
    return ERR_OK;
}

static enum err open_listeners(struct run *run, struct err_detail *detail)
{
    const struct settings *s = &run->settings;
    TRY(file_mkdirs_of(s->daemon.socket, 0755, detail));
    TRY(net_listen_unix(s->daemon.socket, *s->daemon.socket_group != '\0' ? 0666 : 0600,
                        &run->listeners[run->listeners_len], detail));
    run->listeners_len++;
    if (*s->metrics.listen != '\0') {
        TRY(listen_on(run, s->metrics.listen, PORT_METRICS, "[metrics] listen", detail));
        run->has_metrics = true;
    }
    if (*s->diameter.properties != '\0') {
        TRY(listen_list(run, &s->diameter.listen, PORT_DIAMETER, "[diameter] listen", &run->tcp_len,
                        detail));
        TRY(listen_list(run, &s->diameter.listen_tls, PORT_TLS, "[diameter] listen_tls",
                        &run->tls_len, detail));
    }
    TRY(listen_list(run, &s->kmip.listen, PORT_KMIP, "[kmip] listen", &run->kmip_len, detail));
    TRY(listen_list(run, &s->https.listen, PORT_HTTPS, "[https] listen", &run->https_len, detail));
    if (!s->factory.enabled)
        return ERR_OK;
    return listen_list(run, &s->factory.http_listen, PORT_LINE, "[factory] http_listen",
                       &run->line_len, detail);
}

static int child_status(const char *what, enum err err, const struct err_detail *detail)
{
    if (err == ERR_OK)
        return EXIT_SUCCESS;
    if (err == ERR_CLOSED)
        log_info("%s: the other side is gone", what);
    else
        log_failure(LOG_LEVEL_ERROR, what, err, detail);
    switch (err) {
    /* starting anew would show the token the same PIN again, or read the same damage */
    case ERR_PIN_REFUSED:
    case ERR_AUDIT:
    case ERR_CONFIG:
    case ERR_CORRUPT:
    case ERR_LOCKED:
    case ERR_DENIED:
    case ERR_UNSUPPORTED: return SUPERVISED_FATAL;
    default: return EXIT_FAILURE;
    }
}

static int keeper_main(const struct supervised *given, void *ctx)
{
    struct run *run = ctx;
    log_init("keeper", (enum log_level)run->settings.daemon.log_level);
    struct keeper_process config = {.settings = &run->settings,
                                    .control = given->control,
                                    .engines = given->links,
                                    .engines_len = given->link_count};
    struct err_detail detail = {0};
    enum err err = run->pin != NULL ? pin_hold_take(run->pin, &config.pin) : ERR_OK;
    pin_hold_free(run->pin);
    if (err == ERR_OK)
        err = keeper_process_run(&config, &detail);
    hsm_leave(child_status("keeper", err, &detail));
}

static int engine_main(const struct supervised *given, void *ctx)
{
    struct run *run = ctx;
    pin_hold_free(run->pin);
    log_init("engine", (enum log_level)run->settings.daemon.log_level);
    const int *next = given->listeners;
    struct engine_config config = {.settings = &run->settings,
                                   .config_path = run->config_path,
                                   .accept_chain = run->accept_chain,
                                   .control = given->control,
                                   .keepers = given->links,
                                   .keepers_len = given->link_count,
                                   .metrics_fd = -1};
    config.api_fd = *next++;
    if (run->has_metrics)
        config.metrics_fd = *next++;
    config.tcp_fds = next;
    config.tcp_len = run->tcp_len;
    config.tls_fds = next + run->tcp_len;
    config.tls_len = run->tls_len;
    config.kmip_fds = config.tls_fds + run->tls_len;
    config.kmip_len = run->kmip_len;
    config.https_fds = config.kmip_fds + run->kmip_len;
    config.https_len = run->https_len;
    config.line_fds = config.https_fds + run->https_len;
    config.line_len = run->line_len;
    struct err_detail detail = {0};
    enum err err = engine_run(&config, &detail);
    return child_status("engine", err, &detail);
}

/* Only what can change while it runs is taken over; the children read the rest at their next start.
 */
static enum err reload(void *ctx, struct err_detail *detail)
{
    struct run *run = ctx;
    struct settings fresh;
    TRY(settings_read(run->config_path, &fresh, detail));
    log_init("supervisor", (enum log_level)fresh.daemon.log_level);
    settings_done(&fresh);
    return ERR_OK;
}

static enum err hold_pin(struct run *run, struct err_detail *detail)
{
    if (pin_is_lasting(run->settings.token.pin))
        return ERR_OK;
    AUTO(secret_freep) struct secret *pin = NULL;
    TRY(pin_read(run->settings.token.pin, &pin, detail));
    return pin_hold_new(pin, &run->pin);
}

static enum err prepare(struct run *run, struct err_detail *detail)
{
    const struct rlimit no_core = {0}, no_limit = {RLIM_INFINITY, RLIM_INFINITY};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)setrlimit(RLIMIT_MEMLOCK, &no_limit); /* as root; under systemd the unit says it */
    TRY(settings_read(run->config_path, &run->settings, detail));
    log_init("supervisor", (enum log_level)run->settings.daemon.log_level);
    TRY(hold_pin(run, detail));
    TRY(open_listeners(run, detail));
    return supervisor_sandbox_enter(detail);
}

static enum err supervise(struct run *run, struct err_detail *detail)
{
    char audit_dir[PATH_MAX];
    TRY(prepare(run, detail));
    TRY(service_audit_dir(&run->settings, audit_dir, sizeof audit_dir));
    const char *const files[] = {run->config_path, run->settings.diameter.properties};
    const struct supervisor_config config = {.keeper_main = keeper_main,
                                             .engine_main = engine_main,
                                             .ctx = run,
                                             .links = engine_links(&run->settings),
                                             .listeners = run->listeners,
                                             .listener_count = run->listeners_len,
                                             .audit_dir = audit_dir,
                                             .segment_size =
                                                 (uint64_t)run->settings.audit.segment_size,
                                             .files = files,
                                             .file_count = *files[1] != '\0' ? 2 : 1,
                                             .user = run->settings.daemon.user,
                                             .reload = reload};
    return supervisor_run(&config, detail);
}

int command_run(const struct options *options)
{
    (void)umask(077);
    struct run run = {.config_path = options_get(options, "config"),
                      .accept_chain = options_has(options, "accept-audit-chain")};
    if (run.config_path == NULL)
        run.config_path = SERVICE_CONFIG_PATH;
    struct err_detail detail = {0};
    enum err err = supervise(&run, &detail);
    if (err == ERR_NOT_FOUND && access(run.config_path, F_OK) != 0)
        (void)err_set(&detail, err, "%s: clavigerd init --config FILE makes one that works",
                      run.config_path);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_ERROR, "can't serve", err, &detail);
    for (unsigned i = 0; i < run.listeners_len; i++)
        (void)close(run.listeners[i]);
    if (run.listeners_len != 0)
        (void)unlink(run.settings.daemon.socket);
    pin_hold_free(run.pin);
    settings_done(&run.settings);
    return (int)exit_status_of(err);
}
