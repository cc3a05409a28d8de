#pragma once

#include "diameter/message.h"
#include "fleet/lookup.h"

/* The key application (docs/diameter.md): an AA-Mobile-Node-Request becomes lookups, those become
 * releases at the keeper, those become an answer. Knows no socket: what it stands on is a table of
 * functions. One application per network loop; that loop's thread only. */

struct keyapp;
struct keyapp_request;

#define KEYAPP_USER_MAX      256 /* bytes of a User-Name */
#define KEYAPP_ECHO_INLINE   448
#define KEYAPP_ANSWER_EXTRA  1024 /* of a success answer, beyond what it echoes */
#define KEYAPP_REG_INPUT_MAX 4096 /* bytes of MIP-Reg-Request under an authenticator */

/* RFC 4004, 7.5: bits of MIP-Feature-Vector that mean something here. */
#define KEYAPP_FEATURE_MN_FA_KEY 32u
#define KEYAPP_FEATURE_FA_HA_KEY 64u
#define KEYAPP_FEATURE_COLOCATED 256u

/* The peer at the other end; lives as long as its connection. */
struct keyapp_link {
    void *conn;         /* the caller's */
    const char *host;   /* Origin-Host */
    struct bytes actor; /* the same for the audit record */
    bool secure;
};

/* What a request selects. */
struct keyapp_ask {
    bool node;
    uint64_t id;
    bool want[2];     /* the key of MIP-FA-to-MN-MSA, of MIP-FA-to-HA-MSA */
    bool has_version; /* one version, else the newest */
    uint32_t version;
    uint8_t realm_len;
    char realm[FLEET_REALM_MAX];
};

struct keyapp_peer {
    bool require_tls;
    bool has_secret;
};

/* Everything below the application. Errors: as fleet/lookup.h and keeper/client.h say. */
struct keyapp_ops {
    enum err (*peer)(void *ctx, struct bytes host, struct keyapp_peer *ret_peer);
    /* Network, permission and key in one. */
    enum err (*find)(void *ctx, struct bytes host, const struct keyapp_ask *ask, unsigned which,
                     struct fleet_found *ret_found);
    enum err (*release)(void *ctx, struct keeper_release *release, struct bytes actor,
                        struct bytes sealed);
    /* Check an authenticator somewhere else, then call keyapp_verified; inputs are copied. */
    enum err (*verify)(void *ctx, struct keyapp_request *request, struct bytes host,
                       struct bytes input, struct bytes mac);
    /* For the audit log: why a request got no key. */
    void (*refused)(void *ctx, const struct keyapp_link *link, struct bytes user, uint32_t result,
                    const char *why);
    /* A request that waited is ready: call keyapp_answer, then keyapp_request_free. */
    void (*ready)(void *ctx, struct keyapp_request *request);
};

struct keyapp_config {
    const struct keyapp_ops *ops; /* borrowed */
    void *ctx;
};
/* What may change with a reload; copied. */
struct keyapp_settings {
    const char *origin_host;
    const char *origin_realm;
    uint32_t state_id;
    bool require_protection;
    unsigned queue_max; /* requests under way before 3004 */
};

MUST_CHECK enum err keyapp_new(const struct keyapp_config *config, struct keyapp **ret_app);
/* Not while requests are under way. NULL is allowed. */
void keyapp_free(struct keyapp *app);
/* ERR_LIMIT where names are too long. Requests under way are answered with the new identity. */
MUST_CHECK enum err keyapp_configure(struct keyapp *app, const struct keyapp_settings *settings);
unsigned keyapp_outstanding(const struct keyapp *app);

/* One application request, its header checked (DIAMETER_EVENT_REQUEST). True: answered in `out`,
 * which has room for frame.len + DIAMETER_ANSWER_EXTRA. False: `ready` will be called, once, never
 * from within. `message` is scratch with the header filled. */
bool keyapp_request(struct keyapp *app, const struct keyapp_link *link, struct bytes frame,
                    struct diameter_message *message, struct writer *out);
/* Result of `verify`. */
void keyapp_verified(struct keyapp_request *request, enum err err);

/* Of a request that is ready. */
const struct keyapp_link *keyapp_request_link(const struct keyapp_request *request);
size_t keyapp_answer_max(const struct keyapp_request *request); /* room that _answer needs */
void keyapp_answer(struct keyapp_request *request, struct writer *out);
/* Wipes and keeps it for the next. */
void keyapp_request_free(struct keyapp_request *request);

/* "gateway@<realm>" or "<node id>@node.<realm>". False: malformed. */
bool keyapp_selector_parse(struct bytes user, struct keyapp_ask *ret_ask);

/* Counters by Result-Code and the latency histogram. Once at start. */
void keyapp_metrics_register(void);
