#pragma once

#include <sys/types.h>

#include "base/settings.h"
#include "base/workers.h"
#include "factory/factory.h"
#include "fleet/fleet.h"
#include "net/http.h"
#include "vault/clients.h"

/* The daemon's API: HTTP and JSON over the Unix socket (docs/api.md). A request arrives on the
 * control loop, is done on a worker with a keeper connection of its own, and is answered from
 * there. Long work is a job. */
struct api;

#define API_JOB_WORKERS 2 /* long jobs at a time; more wait */
#define API_QUICK_WORKERS                                                                          \
    64 /* of a factory line: they wait for commits, which take many at once                        \
        */

/* What the API shows of the rest of the daemon. Any thread. */
struct api_daemon {
    const struct settings *settings;
    const char *config_path;
    const char *store_url;
    const char *audit_dir;    /* of the segment files */
    const char *backup_dir;   /* copies of the store go there, mode 0700 */
    const char *profile_file; /* what init found the token to be able to do, JSON */
    const char *ca_file;      /* certificate of the built-in authority */
    const char *cert_file;    /* the server's own; NULL: none */
    int64_t started;          /* seconds since 1970 */
    void *ctx;
    enum err (*reload)(void *ctx, struct err_detail *detail); /* as SIGHUP does */
    /* One line per service ("diameter", "127.0.0.1:3868, tcp"); false at the end. */
    bool (*service)(void *ctx, unsigned n, const char **ret_name, char *ret_text, size_t cap);
    /* Whether a gateway is connected now. */
    bool (*connected)(void *ctx, const char *host);
    void (*disconnect)(void *ctx, const char *host);
};

struct api_config {
    struct fleet *fleet;
    struct vault *vault;
    struct store *store;
    struct vault_clients *clients; /* machines of the KMIP service */
    struct factory *factory;       /* NULL: this daemon serves no factory */
    const char *spool_dir;         /* mode 0700; copied */
    const int *keeper_fds;         /* workers + API_JOB_WORKERS of them; taken over on success */
    unsigned workers;              /* threads for requests; jobs have their own */
    uid_t uid;                     /* the daemon's own: administrator, as root is */
    gid_t socket_group;            /* members are administrators too; (gid_t)-1: none */
    struct api_daemon daemon;
};

/* Removes what an earlier run left in the spool directory and starts the workers. */
MUST_CHECK enum err api_new(const struct api_config *config, struct api **ret_api,
                            struct err_detail *detail);
/* Requests and jobs under way are asked to stop and waited for; no more may come. */
void api_free(struct api *api);
/* Forgets jobs and files that nobody asked for since an hour. Every few seconds, from any thread;
 * does not block. */
void api_tidy(struct api *api);
/* For net_http_new: all of /v1. */
struct net_http_table api_table(struct api *api);
