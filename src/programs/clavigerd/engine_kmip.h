#pragma once

#include "base/workers.h"
#include "fleet/fleet.h"
#include "kmip/op/ca.h"
#include "kmip/server/server.h"
#include "programs/clavigerd/engine.h"

/* The KMIP service inside the engine. Zero-initialise; engine_kmip_free at the end. Main thread. */
struct engine_kmip {
    const struct engine_config *config;
    struct vault_objects *objects;
    struct kmip_server *server; /* NULL: [kmip] and [https] listen on nothing */
    struct kmip_ca *ca;         /* what Certify signs with */
    struct store *store;
    struct workers *background;   /* borrowed, has a keeper connection of its own */
    struct keeper_client *keeper; /* borrowed, the background thread's */
    enum err token_error;         /* of the last sweep, said once */
    struct net_timer *sweep;
    char cert_file[4096], key_file[4096], ca_file[4096], log_dir[4096];
};

/* What it is made of; borrowed but for `keepers`. */
struct engine_kmip_config {
    const struct engine_config *engine;
    struct store *store;
    struct vault *vault;
    struct vault_clients *clients;
    struct net_loops *loops;
    struct keeper_client *keeper;        /* used until it returns */
    const int *keepers;                  /* one connection per loop, taken over */
    const struct net_http_table *tables; /* what else the HTTPS sockets serve */
    unsigned tables_len;
    const char *headers; /* of all answers there */
};

/* Do the settings want it at all? */
bool engine_kmip_wanted(const struct settings *settings);
/* Before the loops run; ERR_OK without doing anything where it is not wanted. */
MUST_CHECK enum err engine_kmip_start(struct engine_kmip *kmip,
                                      const struct engine_kmip_config *config,
                                      struct err_detail *detail);
/* Objects whose dates have come get their state, and destroyed keys leave the token; from the
 * control loop's timer on `background`, whose connection `keeper` is. */
MUST_CHECK enum err engine_kmip_sweep_on(struct engine_kmip *kmip, struct net_loop *control_loop,
                                         struct workers *background, struct keeper_client *keeper);
MUST_CHECK enum err engine_kmip_reload(struct engine_kmip *kmip, const struct settings *settings,
                                       struct err_detail *detail);
/* Stop accepting. True while something is still to be answered. */
void engine_kmip_stop(struct engine_kmip *kmip);
bool engine_kmip_busy(const struct engine_kmip *kmip);
/* For `claviger status`: the n-th line, false beyond the last. */
bool engine_kmip_service(const struct engine_kmip *kmip, unsigned n, const char **ret_name,
                         char *ret_text, size_t cap);
/* The timer, while its loop is there. */
void engine_kmip_timer_free(struct engine_kmip *kmip);
/* After net_loops_stop, before net_loops_free. */
void engine_kmip_free(struct engine_kmip *kmip);
