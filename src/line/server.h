#pragma once

#include <limits.h>

#include "base/secret.h"
#include "crypto/check_value.h"
#include "line/fault.h"
#include "line/package.h"

/* The provisioning server as the procedure sees it. Every function blocks. One thread at a time. */

#define LINE_RUN_MAX      37 /* a UUID as text, with the NUL */
#define LINE_SEALED_MAX   1024
#define LINE_EXTRA_MAX    1024
#define LINE_APP_ID_MAX   32
#define LINE_VERSIONS_MAX (LINE_APPS_MAX + 1)

enum line_operation { LINE_PROVISION, LINE_PRETEST, LINE_CHECKCONFIG, LINE_POSTTEST };
/* "PROVISION", ... */
const char *line_operation_name(enum line_operation operation);

/* Exactly one of them: `alias` is NULL, or counts. */
struct line_choice {
    uint64_t id;
    const char *alias;
};

struct line_begin {
    const char *run; /* UUID */
    enum line_operation operation;
    uint64_t config_id;
    uint32_t revision, batch;
    const char *operator, * port; /* or NULL */
    uint64_t node_id;             /* 0: not known */
};

/* Views of what was encrypted for the backends; nothing here is secret. */
struct line_report_app {
    const char *name;
    struct bytes id, key, extra; /* binary; each may be empty */
};
struct line_report {
    const char *run;
    uint64_t node_id, config_id;
    uint32_t revision, batch;
    int64_t time;     /* seconds since 1970 */
    struct bytes key; /* RSA-OAEP to the KMS key; empty: the device keeps the one it has */
    uint8_t kcv[CHECK_VALUE_SIZE];
    const struct line_report_app *apps;
    size_t apps_len;
};

/* What the server knows of a device. */
struct line_record {
    bool known;       /* else nothing below is */
    bool provisioned; /* else keyed only: its run did not end well yet */
    bool tested;      /* keyed by a POSTTEST, and no PRETEST went well since */
    uint8_t kcv[CHECK_VALUE_SIZE];
    uint64_t config_id;
    uint32_t revision;
    struct line_record_app {
        char name[LINE_TEXT_MAX];
        uint8_t kcv[CHECK_VALUE_SIZE]; /* of the host's key */
    } apps[LINE_APPS_MAX];
    size_t apps_len; /* those whose check value is known */
};

struct line_version {
    const char *name, *version; /* "node", or the application's name */
};
struct line_end {
    const char *run;
    int code;
    uint64_t node_id;                  /* 0: not known */
    const char *node_type, *hardware;  /* or NULL */
    const struct line_version *before; /* NULL version: not known */
    const struct line_version *after;
    size_t versions_len;
    bool locked;
    const uint8_t *kcv; /* of the root key that the device was seen to have; or NULL */
    double seconds;
    const char *text; /* or NULL */
};

struct line_gateway_keys {
    struct secret *gateway, *cdld; /* 24 and 16 bytes */
    uint32_t gateway_version, cdld_version;
    uint8_t gateway_kcv[CHECK_VALUE_SIZE], cdld_kcv[CHECK_VALUE_SIZE];
};
void line_gateway_keys_done(struct line_gateway_keys *keys);

struct line_server;
struct line_server_ops {
    void (*free)(struct line_server *server);
    enum err (*config)(struct line_server *server, const struct line_choice *choice,
                       struct line_package *ret_package, struct line_fault *fault);
    /* The whole file, its size and hashes checked in this very copy; appends to `to`. `ret_path`
     * (PATH_MAX, or NULL) is where it can be read until the cache is emptied. */
    enum err (*file)(struct line_server *server, const struct line_package *package,
                     const struct line_file *file, struct buf *to, char *ret_path,
                     struct line_fault *fault);
    enum err (*gateway_keys)(struct line_server *server, uint64_t config_id, uint32_t revision,
                             struct line_gateway_keys *ret_keys, struct line_fault *fault);
    enum err (*begin)(struct line_server *server, const struct line_begin *begin,
                      struct line_fault *fault);
    /* `kcv`: of the key that the device says it has, or NULL. Where the server has such a key of
     * this device, the record is about it, else about the newest. */
    enum err (*device)(struct line_server *server, uint64_t node_id, const uint8_t *kcv,
                       struct line_record *ret_record, struct line_fault *fault);
    /* Durable at the server when it gives ERR_OK. */
    enum err (*report)(struct line_server *server, const struct line_report *report,
                       struct line_fault *fault);
    enum err (*end)(struct line_server *server, const struct line_end *end,
                    struct line_fault *fault);
};
/* What every implementation begins with. */
struct line_server {
    const struct line_server_ops *ops;
};
void line_server_freep(struct line_server **server);

/* Over HTTPS, or plain HTTP where that is asked for. All texts are copied. */
struct line_http_config {
    const char *host; /* name or address; IPv6 without brackets */
    uint16_t port;
    bool plain;                      /* --disable-ssl */
    const char *profile;             /* folder with cert.pem, key.pem, ca.pem; not for plain */
    const char *cache;               /* folder of the user, made with mode 0700 where it lacks */
    const char *path_from, *path_to; /* of shared files: this in front becomes that; or NULL */
    unsigned timeout_ms;             /* 0: 30,000 without a byte of progress */
    unsigned retries;                /* further attempts where the server is away or busy */
    unsigned pause_ms;               /* before the first of them, doubled each time; 0: 500 */
};
/* LINE_ARGUMENTS, LINE_SERVER_UNREACHABLE (a profile that is not there or not whole). Nothing is
 * connected yet. */
MUST_CHECK enum err line_http_server_new(const struct line_http_config *config,
                                         struct line_server **ret_server, struct line_fault *fault);
