#pragma once

#include "fleet/node.h"

/* Batch key files: `.csv.rsa` (CMS) + `.sig` (AES-CMAC) + `.manifest`, and plaintext keyrings on
 * their way (a CMS whose other end is the command line). Files are read and written as streams;
 * node keys are in clear in the keeper only. docs/formats.md has the bytes. */

struct fleet_batch {
    uint32_t batch;
    uint64_t nodes; /* that are in it now, whatever their state */
    int64_t when;   /* of the last operation that put nodes into it */
    char actor[VAULT_ACTOR_MAX + 1];
    char operation[32];                /* "generate", "import", "keyring-import" */
    char source[FLEET_SOURCE_MAX + 1]; /* file name */
};
typedef enum err fleet_batch_fn(void *ctx, const struct fleet_batch *batch,
                                struct err_detail *detail);
MUST_CHECK enum err fleet_batch_list(const struct fleet_call *call, const char *network,
                                     fleet_batch_fn *each, void *ctx, struct err_detail *detail);

struct fleet_export {
    const char *network;
    bool all; /* every batch; else `batch` */
    uint32_t batch;
    struct bytes recipient_pem; /* RSA public key that may open it */
    const char *path; /* in the spool directory: `path`, `path`.sig, `path`.manifest are made, */
    const char *name; /* how the manifest calls the file: "batch7.csv.rsa" */
};
struct fleet_export_result {
    uint64_t nodes; /* active ones: revoked and destroyed nodes are left out */
    uint64_t bytes;
    uint8_t sha256[32];
};
/* ERR_NOT_FOUND where the batch has no active node. On failure no file is left. */
MUST_CHECK enum err fleet_batch_export(const struct fleet_call *call,
                                       const struct fleet_export *request,
                                       struct err_detail *detail,
                                       struct fleet_export_result *ret_result);
/* keyring.csv as a CMS for `recipient_pem` (the command line's own key), with its first four lines;
 * only `path` is written, no signature or manifest. VAULT_KEYRING_EXPORT is wanted. */
MUST_CHECK enum err fleet_keyring_export(const struct fleet_call *call,
                                         const struct fleet_export *request,
                                         struct err_detail *detail,
                                         struct fleet_export_result *ret_result);

enum fleet_verdict {
    FLEET_NEW,
    FLEET_UNCHANGED,
    FLEET_REPROVISIONED,
    FLEET_REFUSED, /* see its text */
    FLEET_VERDICTS,
};
const char *fleet_verdict_name(enum fleet_verdict verdict);

/* One line of a file and what became of it. `text` says why it was refused, else "". */
struct fleet_line {
    uint64_t line; /* from 1, of the plaintext keyring.csv */
    uint64_t id;   /* 0 where the line could not be read */
    bool has_id;
    enum fleet_verdict verdict;
    const char *text;
};
/* Called for refused lines, and with `verbose` for every line but unchanged ones; in no certain
 * order. Borrowed for the call. At most FLEET_REPORT_MAX refused lines are told; all are counted.
 */
typedef void fleet_line_fn(void *ctx, const struct fleet_line *line, unsigned id_bits);
#define FLEET_REPORT_MAX 1000

struct fleet_import {
    const char *network;
    const char *path;     /* .csv.rsa, in the spool directory */
    const char *sig_path; /* .sig and .manifest; both NULL for a keyring; of device_keys.xml
                             .sig only, which may be NULL */
    const char *manifest_path;
    const char *source; /* name for the record: "batch7.csv.rsa" */
    bool dry_run;
    bool backup;
    bool skip_refused; /* merge what can be merged although other lines are refused for the state of
                          their node; malformed lines always refuse the file */
    bool verbose;
    fleet_line_fn *line; /* nullable */
    void *line_ctx;
};
struct fleet_import_result {
    uint64_t lines;
    uint64_t count[FLEET_VERDICTS];
    bool merged;    /* false for dry runs and refused files */
    uint32_t epoch; /* serial of the operation */
    uint64_t batches;
    char backup_path[FLEET_PATH_MAX];   /* "" without a backup */
    char signed_by[FLEET_NAME_MAX + 1]; /* device_keys.xml: who was found to have made it, or "" */
};
/* In this order: manifest is for this network and its passphrase, MAC over the whole file, decrypt,
 * compare with the manifest, merge in one transaction. `ret_result` is filled on ERR_OK and where
 * lines were refused (ERR_REFUSED: nothing was merged); untouched otherwise. One import per
 * network at a time: others wait. */
MUST_CHECK enum err fleet_batch_import(const struct fleet_call *call,
                                       const struct fleet_import *request,
                                       struct err_detail *detail,
                                       struct fleet_import_result *ret_result);

/* A whole keyring.csv as CMS to the server's own key, into an existing network: nodes as above; the
 * file's gateway, cdld and base lines must be the network's active keys or come as new versions.
 * Or, with `create` filled, into a new network which takes them as version 1. `sig_path` and
 * `manifest_path` are optional: a backup has them. */
MUST_CHECK enum err fleet_keyring_import(const struct fleet_call *call,
                                         const struct fleet_import *request,
                                         const struct fleet_network_create *create,
                                         struct err_detail *detail,
                                         struct fleet_import_result *ret_result);
