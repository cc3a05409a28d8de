#ifndef CLAVIGER_LINE_H
#define CLAVIGER_LINE_H
/* libclaviger-line: what claviger-provision does, for tools of a factory: provision a device from
 * its port to the server's record, get a configuration with its files for a host, tell the server
 * of keys that a tool gave a host. docs/provisioning-client.md tells what happens when.
 *
 * Results are return codes of the line (data/line-codes.toml, cline_code_text): 0 is success. What
 * is wrong stands in `error`, where that is not NULL; never a key. Threads: any, each handle in one
 * at a time. Texts are UTF-8, ended by NUL, and borrowed for the call unless said otherwise. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLINE_API_VERSION 1
unsigned cline_api_version(void); /* that of the library that is loaded; never smaller */

enum cline_code { /* those that tools ask for; all: cline_code_text */
                  CLINE_OK = 0,
                  CLINE_ARGUMENTS = 3,
                  CLINE_NO_DEVICE = 4,
                  CLINE_SERVER_UNREACHABLE = 100,
};
/* The meaning of a return code; never NULL, static. */
const char *cline_code_text(int code);
/* Its n-th corrective action, from 0; NULL where there are no more. Static. */
const char *cline_code_action(int code, unsigned n);

struct cline_error {
    int code;
    char text[256]; /* what and where; "" where there is no more to say than the code does */
};

/* ---- the provisioning server ---- */

struct cline_server;

/* Zero-initialise, set `size` and what is needed; all is copied. */
struct cline_server_config {
    size_t size;         /* sizeof(struct cline_server_config) */
    const char *host;    /* name or address, or HOST:PORT; required */
    uint16_t port;       /* 0: 8085; not looked at where `host` has one */
    uint16_t plain;      /* 1: HTTP without TLS */
    unsigned timeout_ms; /* without a byte of progress; 0: 30,000 */
    const char *profile; /* folder with cert.pem, key.pem, ca.pem; for TLS */
    const char *cache;   /* folder for files; required */
    const char *path_trans_from, *path_trans_to; /* of files in a shared folder; or NULL */
};
/* Nothing is connected yet. */
int cline_server_open(const struct cline_server_config *config, struct cline_server **ret_server,
                      struct cline_error *error);
void cline_server_close(struct cline_server *server); /* NULL is allowed */

/* ---- a device ---- */

enum cline_operation { CLINE_PROVISION, CLINE_PRETEST, CLINE_CHECKCONFIG, CLINE_POSTTEST };
enum cline_level { CLINE_ERROR, CLINE_WARNING, CLINE_INFO, CLINE_DEBUG };

/* Zero-initialise, set `size` and what is needed. */
struct cline_job {
    size_t size;        /* sizeof(struct cline_job) */
    const char *device; /* serial port, pseudo-terminal, HOST:PORT; required */
    uint32_t baud;      /* 0: 115,200 */
    int operation;      /* enum cline_operation */
    uint64_t config_id; /* not looked at where there is an alias */
    const char *config_alias;
    const char *wrapper; /* NULL: none */
    uint32_t batch;
    int factory_config, skip_keys, skip_lock;
    const char *partial_mcm_id; /* 8 hexadecimal digits, or NULL */
    const char *gateway;        /* of PRETEST and POSTTEST; NULL: localhost */
    uint16_t control_port;      /* 0: 4021 */
    uint16_t csys_1_x;
    uint32_t timeout; /* seconds that POSTTEST waits for the device to join; 0: 600 */
    const char *operator_name;
    /* May be NULL; called from the calling thread. */
    void *context;
    void (*progress)(void *context, const char *stage, uint32_t done, uint32_t total);
    void (*log)(void *context, int level, const char *text);
};
struct cline_outcome {
    int code;
    int locked;       /* the device is, at the end */
    int keyed;        /* it got a fresh root key in this run */
    uint64_t node_id; /* 0: not known */
    double seconds;
    char run[40]; /* as the server has it; "" where it did not come so far */
    char text[256];
};
/* One run on one device; the server has a record of it. Run again after it was cut at any point, it
 * finishes what it began. `ret_outcome` is always filled; its code is returned. */
int cline_provision(struct cline_server *server, const struct cline_job *job,
                    struct cline_outcome *ret_outcome);

/* ---- for hosts ---- */

/* Paths are those of files whose size and hashes were checked; NULL where the package has none. */
struct cline_target {
    const char *name, *version; /* of the node: its type */
    const char *public_key;     /* PEM of the backend, of the node that of the KMS; or NULL */
    const char *firmware_path, *field_config_path, *factory_config_path;
};
struct cline_config {
    uint64_t config_id;
    uint32_t revision;
    const char *label, *network;
    struct cline_target node;
    const struct cline_target *apps;
    size_t apps_len;
};
/* By its id, or its alias where that is not NULL. `files` 0: no file is fetched, paths are NULL.
 * The caller's until cline_config_free. */
int cline_config_get(struct cline_server *server, uint64_t config_id, const char *alias, int files,
                     const struct cline_config **ret_config, struct cline_error *error);
void cline_config_free(const struct cline_config *config); /* NULL is allowed */

/* What a tool did to a host: texts of hexadecimal digits, each may be NULL or "". */
struct cline_app_data {
    const char *name; /* as in the configuration */
    const char *id, *key, *extra;
};
/* Add it to the record of a device that has its root key already (cline_provision); durable where 0
 * is given. `timestamp`: seconds since 1970. */
int cline_set_dut_params(struct cline_server *server, int64_t timestamp, uint64_t config_id,
                         uint32_t batch, uint64_t node_id, const struct cline_app_data *apps,
                         size_t apps_len, struct cline_error *error);
/* A key for a backend: RSA-OAEP (SHA-1) to its public key, as hexadecimal digits. CLINE_ARGUMENTS
 * where `cap` is too small (2 bytes for each of the modulus and one more), or the key too long. */
int cline_encrypt_key(const char *public_key, const void *key, size_t len, char *to, size_t cap,
                      struct cline_error *error);

#ifdef __cplusplus
}
#endif
#endif
