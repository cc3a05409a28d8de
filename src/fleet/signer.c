#include "fleet/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit_kinds.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "fleet/internal.h"
#include "fleet/name.h"

#define EVERY_NETWORK 0
#define PIECE         ((size_t)64 * 1024)

struct signer_row {
    const char *name, *actor;
    uint32_t network;
    struct bytes spki, fingerprint;
};

/* ---- who is believed ---- */

static enum err find_either(struct store_conn *conn, const struct signer_row *row,
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT name FROM device_signer WHERE name = ? OR (fingerprint = ? AND "
                      "network IN (0, ?)) LIMIT 1",
                      &stmt, detail));
    store_bind_text(stmt, 1, row->name);
    store_bind_bytes(stmt, 2, row->fingerprint);
    store_bind_i64(stmt, 3, row->network);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    const char *known = store_column_text(stmt, 0);
    return err_set(detail, ERR_EXISTS,
                   strcmp(known, row->name) == 0 ? "signer '%s'" : "this is the key of signer '%s'",
                   known);
}

static enum err insert(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct signer_row *row = ctx;
    TRY(find_either(conn, row, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO device_signer (name, network, public_key, fingerprint, created, "
                      "created_by) VALUES (?, ?, ?, ?, ?, ?)",
                      &stmt, detail));
    store_bind_text(stmt, 1, row->name);
    store_bind_i64(stmt, 2, row->network);
    store_bind_bytes(stmt, 3, row->spki);
    store_bind_bytes(stmt, 4, row->fingerprint);
    store_bind_i64(stmt, 5, clock_now_s());
    store_bind_text(stmt, 6, row->actor);
    return store_exec_stmt(stmt, detail);
}

static enum err read_network(const struct fleet_call *call, const char *network, uint32_t *ret_id,
                             struct err_detail *detail)
{
    AUTO(net_freep) struct net *net = NULL;
    if (network != NULL)
        TRY(net_read(call->fleet, network, detail, &net));
    *ret_id = net != NULL ? net->id : EVERY_NETWORK;
    return ERR_OK;
}

static enum err note(const struct fleet_call *call, uint16_t kind, uint32_t network,
                     const char *text, struct err_detail *detail)
{
    const struct keeper_note note = {.kind = kind, .row = {.domain = network}, .text = text};
    return keeper_note_event(call->keeper, call->actor.name, &note, detail);
}

enum err fleet_signer_add(const struct fleet_call *call, const char *name, const char *network,
                          struct bytes pem, uint8_t ret_fingerprint[32], struct err_detail *detail)
{
    AUTO(rsa_public_freep) struct rsa_public *key = NULL;
    struct signer_row row = {.name = name, .actor = call->actor.name};
    TRY(vault_may(&call->actor, VAULT_NETWORK_MANAGE, detail));
    if (fleet_name_check(bytes_str(name), NULL) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT,
                       "name: 1 to %d of a-z, 0-9 and \"-\" (not at its ends) are wanted",
                       FLEET_NAME_MAX);
    TRY(read_network(call, network, &row.network, detail));
    if (pem.len > RSA_PEM_MAX || rsa_public_from_pem(pem, &key, NULL) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT,
                       "public_key: a PEM with an RSA public key of %d bits or more is wanted",
                       RSA_BITS_MIN);
    row.spki = rsa_public_spki(key);
    row.fingerprint = rsa_public_fingerprint(key);
    TRY(store_run(call->fleet->store, insert, &row, detail));
    char hex[65], text[KEEPER_NOTE_MAX + 1];
    hex_encode(row.fingerprint, hex);
    (void)snprintf(text, sizeof text, "%s for %s, SHA-256 of the key %s", name,
                   network != NULL ? network : "all networks", hex);
    memcpy(ret_fingerprint, row.fingerprint.data, 32);
    return note(call, AUDIT_SIGNER_ADDED, row.network, text, detail);
}

static enum err delete_row(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct signer_row *row = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, "DELETE FROM device_signer WHERE name = ?", &stmt, detail));
    store_bind_text(stmt, 1, row->name);
    TRY(store_exec_stmt(stmt, detail));
    return store_changes(conn) > 0 ? ERR_OK
                                   : err_set(detail, ERR_NOT_FOUND, "signer '%.63s'", row->name);
}

enum err fleet_signer_remove(const struct fleet_call *call, const char *name,
                             struct err_detail *detail)
{
    struct signer_row row = {.name = name};
    TRY(vault_may(&call->actor, VAULT_NETWORK_MANAGE, detail));
    TRY(store_run(call->fleet->store, delete_row, &row, detail));
    return note(call, AUDIT_SIGNER_REMOVED, EVERY_NETWORK, name, detail);
}

static enum err tell_row(struct store_stmt *stmt, fleet_signer_fn *each, void *ctx,
                         struct err_detail *detail)
{
    struct fleet_signer signer = {.created = store_column_i64(stmt, 3)};
    struct bytes fingerprint = store_column_bytes(stmt, 2);
    if (fingerprint.len != sizeof signer.fingerprint)
        return err_set(detail, ERR_CORRUPT, "table device_signer: a fingerprint");
    memcpy(signer.fingerprint, fingerprint.data, fingerprint.len);
    const char *network = store_column_text(stmt, 1);
    (void)snprintf(signer.name, sizeof signer.name, "%s", store_column_text(stmt, 0));
    (void)snprintf(signer.network, sizeof signer.network, "%s", network != NULL ? network : "");
    (void)snprintf(signer.created_by, sizeof signer.created_by, "%s", store_column_text(stmt, 4));
    return each(ctx, &signer);
}

enum err fleet_signer_each(const struct fleet_call *call, fleet_signer_fn *each, void *ctx,
                           struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(vault_may(&call->actor, VAULT_NETWORK_READ, detail));
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    TRY(store_prepare(store_reader_conn(reader),
                      "SELECT s.name, n.name, s.fingerprint, s.created, s.created_by FROM "
                      "device_signer s LEFT JOIN network n ON n.id = s.network ORDER BY s.name",
                      &stmt, detail));
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        TRY(tell_row(stmt, each, ctx, detail));
    }
}

/* ---- who signed a file ---- */

static enum err hash_file(const struct fleet_call *call, const char *path, uint8_t ret_digest[32],
                          struct err_detail *detail)
{
    AUTO(buf_done) struct buf piece = {0};
    AUTO(hash_freep) struct hash *hash = NULL;
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_errno(detail, "%s", path);
    TRY(buf_reserve(&piece, PIECE));
    TRY(hash_new(&hash));
    TRY(hash_begin(hash));
    uint64_t done = 0;
    for (ssize_t len = 1; len != 0;) {
        len = read(fd, piece.data, PIECE);
        if (len < 0 && errno != EINTR)
            return err_errno(detail, "%s", path);
        if (len < 0)
            continue;
        TRY(hash_update(hash, bytes_of(piece.data, (size_t)len)));
        done += (uint64_t)len;
        TRY(progress_tell(call, "verify", done, (uint64_t)st.st_size));
    }
    return hash_end(hash, ret_digest);
}

static enum err prepare_keys(struct store_conn *conn, uint32_t network,
                             struct store_stmt **ret_stmt, struct err_detail *detail)
{
    TRY(store_prepare(conn,
                      "SELECT name, public_key FROM device_signer WHERE network IN (0, ?) "
                      "ORDER BY name",
                      ret_stmt, detail));
    store_bind_i64(*ret_stmt, 1, network);
    return ERR_OK;
}

static enum err signed_by(struct store_stmt *stmt, const uint8_t digest[32], struct bytes signature,
                          char ret_name[FLEET_NAME_MAX + 1], struct err_detail *detail)
{
    AUTO(rsa_public_freep) struct rsa_public *key = NULL;
    TRY(rsa_public_from_spki(store_column_bytes(stmt, 1), &key, detail));
    TRY(rsa_verify_sha256(key, digest, signature, NULL));
    (void)snprintf(ret_name, FLEET_NAME_MAX + 1, "%s", store_column_text(stmt, 0));
    return ERR_OK;
}

static enum err find_signer(struct store_conn *conn, uint32_t network, const uint8_t digest[32],
                            struct bytes signature, char ret_name[FLEET_NAME_MAX + 1],
                            struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(prepare_keys(conn, network, &stmt, detail));
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_SIGNATURE;
        enum err err = signed_by(stmt, digest, signature, ret_name, detail);
        if (err != ERR_SIGNATURE)
            return err;
    }
}

static enum err any_signer(struct store_conn *conn, uint32_t network, bool *ret_any,
                           struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(prepare_keys(conn, network, &stmt, detail));
    return store_step(stmt, ret_any, detail);
}

static enum err check_signed(const struct fleet_call *call, struct store_conn *conn,
                             uint32_t network, const char *path, const char *sig_path,
                             char ret_name[FLEET_NAME_MAX + 1], struct err_detail *detail)
{
    AUTO(buf_done) struct buf signature = {0};
    uint8_t digest[32];
    enum err err = file_read(sig_path, RSA_BYTES_MAX, &signature, detail);
    if (err == ERR_LIMIT)
        return ERR_SIGNATURE;
    TRY(err);
    TRY(hash_file(call, path, digest, detail));
    return find_signer(conn, network, digest, buf_view(&signature), ret_name, detail);
}

enum err fleet_signer_check(const struct fleet_call *call, uint32_t network, const char *path,
                            const char *sig_path, const char *source,
                            char ret_name[FLEET_NAME_MAX + 1], struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    bool any = false;
    TRY(store_reader_open(call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    TRY(any_signer(store_reader_conn(reader), network, &any, detail));
    if (!any) {
        ret_name[0] = '\0';
        return ERR_OK;
    }
    if (sig_path == NULL)
        return err_set(detail, ERR_SIGNATURE,
                       "%s came without a signature, and this network takes signed files only",
                       source);
    enum err err =
        check_signed(call, store_reader_conn(reader), network, path, sig_path, ret_name, detail);
    if (err == ERR_SIGNATURE)
        return err_set(detail, err,
                       "%s: the signature is of no factory that is known here: the file was "
                       "altered or cut, or another factory made it",
                       source);
    return err;
}
