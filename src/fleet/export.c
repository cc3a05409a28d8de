#include "fleet/export.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/cms.h"
#include "crypto/hash.h"
#include "fleet/manifest.h"

#define RATE_PAUSE_NS 20000000
#define RATE_TRIES    3000 /* a minute */

struct exporter {
    const struct fleet_call *call;
    const struct export_files *request;
    struct net *net;
    struct store_reader *reader;
    int fd;
    struct hash *hash;
    uint32_t session;
    bool in_session;
    uint32_t mac; /* session of the file being written */
    bool in_mac;
    struct buf out;
    struct fleet_export_result result;
    struct keeper_export_node nodes[KEEPER_EXPORT_MAX];
    uint8_t sealed[KEEPER_EXPORT_MAX][KEEPER_SEALED_NODE];
};

static void exporter_freep(struct exporter **exporter)
{
    struct exporter *x = *exporter;
    if (!x)
        return;
    if (x->in_session)
        (void)(keeper_session_drop(x->call->keeper, x->session, NULL) == ERR_OK);
    if (x->in_mac)
        (void)(keeper_session_drop(x->call->keeper, x->mac, NULL) == ERR_OK);
    store_reader_close(x->reader);
    hash_free(x->hash);
    buf_done(&x->out);
    file_closep(&x->fd);
    free(x->net);
    free(x);
}

static enum err open_file(struct exporter *x, const char *suffix, struct err_detail *detail)
{
    char path[FLEET_PATH_MAX];
    if (snprintf(path, sizeof(path), "%s%s", x->request->path, suffix) >= (int)sizeof(path))
        return err_set(detail, ERR_LIMIT, "path is too long");
    x->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return x->fd < 0 ? err_errno(detail, "%s", path) : ERR_OK;
}

static enum err close_file(struct exporter *x, struct err_detail *detail)
{
    if (fsync(x->fd) != 0)
        return err_errno(detail, "%s", x->request->path);
    file_closep(&x->fd);
    x->fd = -1;
    return ERR_OK;
}

static enum err mac_begin(struct exporter *x, struct err_detail *detail)
{
    struct keeper_row row = {x->net->id, KEEPER_PASSPHRASE, x->net->pass.version,
                             x->net->pass.epoch};
    TRY(keeper_mac_begin(x->call->keeper, x->call->actor.name, row,
                         keeper_sealed_view(&x->net->pass.sealed.sealed), &x->mac, detail));
    x->in_mac = true;
    return ERR_OK;
}

static enum err mac_end(struct exporter *x, uint8_t ret_mac[KEEPER_MAC_SIZE],
                        struct err_detail *detail)
{
    x->in_mac = false;
    return keeper_mac_end(x->call->keeper, x->mac, ret_mac, detail);
}

/* What is in `out` to the file and its digests. */
static enum err write_out(struct exporter *x, struct err_detail *detail)
{
    struct bytes part = buf_view(&x->out);
    TRY(file_write_all(x->fd, part, detail));
    TRY(hash_update(x->hash, part));
    if (x->in_mac)
        TRY(keeper_mac_update(x->call->keeper, x->mac, part, detail));
    x->result.bytes += part.len;
    x->out.len = 0;
    return ERR_OK;
}

/* Ciphertext in `out` behind room for its frame. */
static enum err write_chunk(struct exporter *x, struct buf *ciphertext, struct err_detail *detail)
{
    if (ciphertext->len == 0)
        return ERR_OK;
    TRY(cms_write_chunk(buf_view(ciphertext), &x->out));
    ciphertext->len = 0;
    return write_out(x, detail);
}

/* Active nodes in the order of batch or id. */
static enum err select_nodes(struct exporter *x, struct store_stmt **ret_stmt,
                             struct err_detail *detail)
{
    TRY(store_prepare(store_reader_conn(x->reader),
                      x->request->all
                          ? "SELECT node_id, epoch, batch, reprovisioned, sealed FROM node "
                            "WHERE network = ? AND ? = 0 AND state = 1 ORDER BY node_id"
                          : "SELECT node_id, epoch, batch, reprovisioned, sealed FROM node "
                            "WHERE network = ? AND batch = ? AND state = 1 "
                            "ORDER BY network, batch, node_id",
                      ret_stmt, detail));
    store_bind_i64(*ret_stmt, 1, x->net->id);
    store_bind_i64(*ret_stmt, 2, x->request->all ? 0 : x->request->batch);
    return ERR_OK;
}

static enum err fill(struct exporter *x, struct store_stmt *stmt, size_t *ret_count,
                     struct err_detail *detail)
{
    size_t count = 0;
    while (count < KEEPER_EXPORT_MAX) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        struct bytes sealed = store_column_bytes(stmt, 4);
        uint64_t id = node_row_id(store_column_u64(stmt, 0), x->net->id_bits);
        if (sealed.len != KEEPER_SEALED_NODE)
            return err_set(detail, ERR_CORRUPT, "node 0x%" PRIx64 ": sealed key of %zu bytes", id,
                           sealed.len);
        memcpy(x->sealed[count], sealed.data, sealed.len);
        x->nodes[count] =
            (struct keeper_export_node){.id = id,
                                        .epoch = (uint32_t)store_column_i64(stmt, 1),
                                        .batch = (uint32_t)store_column_i64(stmt, 2),
                                        .reprovisioned = (uint32_t)store_column_i64(stmt, 3),
                                        .sealed = BYTES(x->sealed[count])};
        count++;
    }
    *ret_count = count;
    return ERR_OK;
}

/* Above the keeper's rate: wait for it, and ask for less where even that does not help. */
static enum err export_some(struct exporter *x, const struct keeper_export_node *nodes,
                            size_t *ret_count, struct buf *ciphertext, struct err_detail *detail)
{
    static const struct timespec pause = {0, RATE_PAUSE_NS};
    size_t count = *ret_count;
    for (unsigned tries = 0;; tries++) {
        enum err err =
            keeper_export_nodes(x->call->keeper, x->session, nodes, count, ciphertext, detail);
        if (err != ERR_RATE || tries == RATE_TRIES) {
            *ret_count = count;
            return err;
        }
        if (tries % 16 == 15 && count > 1)
            count /= 2;
        TRY(progress_tell(x->call, "export", x->result.nodes, 0));
        nanosleep(&pause, NULL);
    }
}

static enum err write_nodes(struct exporter *x, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    AUTO(buf_done) struct buf ciphertext = {0};
    TRY(select_nodes(x, &stmt, detail));
    for (size_t count = KEEPER_EXPORT_MAX; count == KEEPER_EXPORT_MAX;) {
        TRY(fill(x, stmt, &count, detail));
        if (count == 0)
            break;
        for (size_t done = 0; done < count;) {
            size_t some = count - done;
            TRY(export_some(x, x->nodes + done, &some, &ciphertext, detail));
            TRY(write_chunk(x, &ciphertext, detail));
            done += some;
        }
        x->result.nodes += count;
        TRY(progress_tell(x->call, "export", x->result.nodes, 0));
    }
    return ERR_OK;
}

static enum err write_head(struct exporter *x, struct err_detail *detail)
{
    struct keeper_network_keys keys;
    AUTO(buf_done) struct buf ciphertext = {0};
    TRY(net_export_keys(x->net, false, &keys, detail));
    TRY(keeper_export_head(x->call->keeper, x->session, &keys, &ciphertext, detail));
    return write_chunk(x, &ciphertext, detail);
}

static enum err write_cms(struct exporter *x, struct err_detail *detail)
{
    struct keeper_cms cms;
    TRY(keeper_export_begin(x->call->keeper, x->call->actor.name, x->request->purpose, x->net->id,
                            x->request->recipient, &x->session, &cms, detail));
    x->in_session = true;
    struct cms_header header = {.key_id = BYTES(cms.key_id),
                                .encrypted_key = {cms.encrypted_key, cms.encrypted_key_len},
                                .hash = OAEP_SHA1,
                                .nonce = BYTES(cms.nonce)};
    TRY(cms_write_header(&header, &x->out));
    TRY(write_out(x, detail));
    if (x->request->head)
        TRY(write_head(x, detail));
    TRY(write_nodes(x, detail));
    if (x->result.nodes == 0 && !x->request->head)
        return err_set(detail, ERR_NOT_FOUND, "there are no active nodes to export");
    uint8_t tag[KEEPER_TAG_SIZE];
    x->in_session = false;
    TRY(keeper_export_end(x->call->keeper, x->session, tag, detail));
    TRY(cms_write_trailer(tag, &x->out));
    return write_out(x, detail);
}

static enum err write_signature(struct exporter *x, struct err_detail *detail)
{
    uint8_t mac[KEEPER_MAC_SIZE];
    TRY(mac_end(x, mac, detail));
    TRY(open_file(x, ".sig", detail));
    TRY(file_write_all(x->fd, BYTES(mac), detail));
    return close_file(x, detail);
}

static enum err write_ids(struct exporter *x, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(select_nodes(x, &stmt, detail));
    for (uint64_t count = 0;; count++) {
        bool row;
        TRY(store_step(stmt, &row, detail));
        if (!row)
            break;
        TRY(manifest_write_id(node_row_id(store_column_u64(stmt, 0), x->net->id_bits),
                              x->net->id_bits, &x->out));
        if (x->out.len > KEEPER_MAC_CHUNK_MAX - 64)
            TRY(write_out(x, detail));
    }
    return write_out(x, detail);
}

/* The ids come from the snapshot that the keys came from. */
static enum err write_manifest(struct exporter *x, struct err_detail *detail)
{
    struct manifest manifest = {.all = x->request->all,
                                .batch = x->request->batch,
                                .nodes = x->result.nodes,
                                .id_bits = x->net->id_bits,
                                .created = clock_now_s()};
    memcpy(manifest.network, x->net->name, sizeof(manifest.network));
    memcpy(manifest.realm, x->net->realm, sizeof(manifest.realm));
    snprintf(manifest.file, sizeof(manifest.file), "%s", x->request->name);
    memcpy(manifest.sha256, x->result.sha256, sizeof(manifest.sha256));
    memcpy(manifest.salt, x->net->pass.pwhash.salt, sizeof(manifest.salt));
    uint64_t bytes = x->result.bytes;
    TRY(hash_begin(x->hash)); /* not used, but write_out feeds it */
    TRY(mac_begin(x, detail));
    TRY(open_file(x, ".manifest", detail));
    if (manifest_write_header(&manifest, &x->out) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "the file name does not fit a manifest");
    TRY(write_ids(x, detail));
    uint8_t mac[KEEPER_MAC_SIZE];
    TRY(mac_end(x, mac, detail));
    TRY(manifest_write_cmac(mac, &x->out));
    TRY(write_out(x, detail));
    x->result.bytes = bytes;
    return close_file(x, detail);
}

static enum err write_all(struct exporter *x, struct err_detail *detail)
{
    TRY(open_file(x, "", detail));
    TRY(hash_begin(x->hash));
    if (x->request->with_sig)
        TRY(mac_begin(x, detail));
    TRY(write_cms(x, detail));
    TRY(close_file(x, detail));
    TRY(hash_end(x->hash, x->result.sha256));
    if (x->request->with_sig) {
        TRY(write_signature(x, detail));
        TRY(write_manifest(x, detail));
    }
    return file_sync_dir_of(x->request->path, detail);
}

static enum err export_held(const struct fleet_call *call, const char *network,
                            const struct export_files *request, struct err_detail *detail,
                            struct fleet_export_result *ret_result)
{
    AUTO(exporter_freep) struct exporter *x = calloc(1, sizeof(*x));
    if (!x)
        return ERR_NO_MEMORY;
    x->call = call;
    x->request = request;
    x->fd = -1;
    TRY(hash_new(&x->hash));
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &x->reader, detail));
    TRY(store_reader_begin(x->reader, detail));
    TRY(net_load(store_reader_conn(x->reader), network, detail, &x->net));
    TRY(write_all(x, detail));
    *ret_result = x->result;
    return ERR_OK;
}

enum err export_files(const struct fleet_call *call, const char *network,
                      const struct export_files *request, struct err_detail *detail,
                      struct fleet_export_result *ret_result)
{
    static const char *const suffixes[] = {"", ".sig", ".manifest"};
    char path[FLEET_PATH_MAX];
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, network, detail, &net));
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        snprintf(path, sizeof(path), "%s%s", request->path, suffixes[i]);
        if (access(path, F_OK) == 0)
            return err_set(detail, ERR_EXISTS, "%s", path);
    }
    TRY(vault_domain_hold(call->fleet->vault, net->id));
    enum err err = export_held(call, network, request, detail, ret_result);
    vault_domain_release(call->fleet->vault, net->id);
    for (size_t i = 0; err != ERR_OK && i < ARRAY_LEN(suffixes); i++) {
        snprintf(path, sizeof(path), "%s%s", request->path, suffixes[i]);
        (void)unlink(path);
    }
    return err;
}
