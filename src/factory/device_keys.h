#pragma once

#include "factory/internal.h"

/* Writes device_keys.xml as a stream; docs/device-keys.xsd is its form. */
struct device_keys {
    int fd;
    struct buf text; /* not yet written */
    uint64_t bytes;
    struct keeper_client *keeper;
    uint32_t session; /* at the keeper, which hashes what is written, to sign it */
    bool signing;
    /* KMS keys of packages that were looked up */
    struct device_keys_recipient {
        uint64_t config_id;
        uint32_t revision;
        char fingerprint[65];
    } recipients[64];
    size_t recipients_len, next;
};

/* `path` must not be there; mode 0600. */
MUST_CHECK enum err device_keys_open(struct device_keys *keys, const struct fleet_call *call,
                                     const char *path, uint64_t export, int64_t made,
                                     struct err_detail *detail);
/* `stmt` stands on a row of node_id, config_id, revision, batch, time, kcv, encrypted, applications
 * from column `first` on; `conn` is for the packages. */
MUST_CHECK enum err device_keys_add(struct device_keys *keys, struct store_conn *conn,
                                    struct store_stmt *stmt, unsigned first,
                                    struct err_detail *detail);
/* The rest of the file, and its signature by the server's key at `path`.sig. */
MUST_CHECK enum err device_keys_end(struct device_keys *keys, const char *path,
                                    struct err_detail *detail);
/* Removes both files. */
void device_keys_undo(const char *path);
void device_keys_done(struct device_keys *keys);
