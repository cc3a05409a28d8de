#pragma once

#include "../keeper/rig.h"
#include "fleet/batch.h"
#include "fleet/lookup.h"

/* A key server without its sockets: keeper as a thread, store, vault and fleet in a temporary
 * folder. */
struct site {
    struct rig rig;
    char *dir, *spool, *backup;
    struct store *store;
    struct vault *vault;
    struct fleet *fleet;
    struct fleet_call call;
    uint64_t max_bytes; /* of the store; before site_open */
};

#define PASSPHRASE "correct horse battery"

void site_begin(struct site *site, const struct rig_options *options);
void site_end(struct site *site);
/* Close and open store, vault and fleet, as after a stop. The keeper stays. */
void site_close(struct site *site);
void site_open(struct site *site);

/* "spool-<name>" in the spool; in one of a few static buffers. */
const char *site_file(const struct site *site, const char *name);
struct buf site_read(const char *path);
void site_write(const char *path, struct bytes content);
void site_copy(const char *from, const char *to);

/* The server's RSA key as PEM; the caller frees. */
struct buf site_pem(struct site *site);

void site_network(struct site *site, const char *name, const char *realm, unsigned id_bits);
void site_generate(struct site *site, const char *network, uint64_t first, uint64_t last,
                   uint32_t batch);
/* Gateway keys of `name` from one site to another. */
void site_hand_over(struct site *from, struct site *to, const char *name);
/* Batch file for `to`: <path>, .sig, .manifest. */
enum err site_export(struct site *from, struct site *to, const char *network, uint32_t batch,
                     const char *path, struct err_detail *detail);
/* <path>, .sig, .manifest */
struct fleet_import site_request(const char *network, const char *path);
enum err site_import(struct site *site, const char *network, const char *path,
                     struct err_detail *detail, struct fleet_import_result *ret_result);
uint64_t site_nodes(struct site *site, const char *network);
/* What a gateway would get. */
enum err site_node_key(struct site *site, const char *realm, uint64_t id, uint8_t key[16]);
