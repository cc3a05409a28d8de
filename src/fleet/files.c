#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "crypto/hash.h"
#include "fleet/import.h"

#define CMAC_LINE 39 /* "cmac: ", 32 digits, LF */

static enum err open_read(const char *path, int *ret_fd, struct err_detail *detail)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(detail, "%s", path);
    *ret_fd = fd;
    return ERR_OK;
}

static enum err read_some(int fd, const char *path, uint8_t *to, size_t cap, size_t *ret_len,
                          struct err_detail *detail)
{
    ssize_t len;
    do
        len = read(fd, to, cap);
    while (len < 0 && errno == EINTR);
    if (len < 0)
        return err_errno(detail, "%s", path);
    *ret_len = (size_t)len;
    return ERR_OK;
}

/* Why a manifest with another salt is not ours: an older passphrase, or somebody else's. */
static enum err foreign_salt(const struct import *import, struct err_detail *detail)
{
    const struct net *net = import->net;
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(import->call->fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(store_reader_conn(reader),
                      "SELECT version FROM network_passphrase WHERE network = ? AND salt = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, net->id);
    store_bind_bytes(stmt, 2, BYTES(import->manifest.manifest.salt));
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, ERR_MISMATCH,
                       "manifest: passphrase-salt is not that of network %s: the file was made "
                       "under another passphrase",
                       net->name);
    TRY(err);
    return err_set(detail, ERR_MISMATCH,
                   "manifest: the file was made under version %" PRId64
                   " of the passphrase, which version %" PRIu32 " has replaced",
                   store_column_i64(stmt, 0), net->pass.version);
}

static enum err compare_header(struct import *import, struct err_detail *detail)
{
    const struct manifest *manifest = &import->manifest.manifest;
    const struct net *net = import->net;
    if (strcmp(manifest->network, net->name) != 0)
        return err_set(detail, ERR_MISMATCH, "manifest: the file is for network %s, not %s",
                       manifest->network, net->name);
    if (strcmp(manifest->realm, net->realm) != 0)
        return err_set(detail, ERR_MISMATCH, "manifest: the file is for realm %.100s, not %.100s",
                       manifest->realm, net->realm);
    if (manifest->id_bits != net->id_bits)
        return err_set(detail, ERR_MISMATCH, "manifest: node ids of %u bits, the network has %u",
                       manifest->id_bits, net->id_bits);
    if (import->adopt_salt)
        memcpy(import->net->pass.pwhash.salt, manifest->salt, sizeof(manifest->salt));
    if (memcmp(manifest->salt, net->pass.pwhash.salt, sizeof(manifest->salt)) != 0)
        return foreign_salt(import, detail);
    return ERR_OK;
}

enum err import_check_manifest(struct import *import, struct err_detail *detail)
{
    const char *path = import->request->manifest_path;
    TRY(open_read(path, &import->manifest_fd, detail));
    manifest_reader_init(&import->manifest);
    enum manifest_event event = MANIFEST_MORE;
    while (event != MANIFEST_HEADER) {
        size_t len;
        uint64_t id;
        TRY(read_some(import->manifest_fd, path, import->manifest_piece,
                      sizeof(import->manifest_piece), &len, detail));
        if (len == 0)
            return manifest_reader_finish(&import->manifest, detail);
        struct bytes input = {import->manifest_piece, len};
        TRY(manifest_reader_next(&import->manifest, &input, &event, &id, detail));
    }
    return compare_header(import, detail);
}

static enum err mac_begin(const struct import *import, uint32_t *ret_session,
                          struct err_detail *detail)
{
    const struct net *net = import->net;
    struct keeper_row row = {net->id, KEEPER_PASSPHRASE, net->pass.version, net->pass.epoch};
    return keeper_mac_begin(import->call->keeper, import->call->actor.name, row,
                            keeper_sealed_view(&net->pass.sealed.sealed), ret_session, detail);
}

/* Feeds at most `limit` bytes from the file's start to the MAC, and all of them to `hash`. */
static enum err feed(const struct import *import, int fd, const char *path, uint64_t limit,
                     uint32_t session, struct hash *hash, struct err_detail *detail)
{
    uint8_t piece[KEEPER_MAC_CHUNK_MAX];
    for (uint64_t done = 0; done < limit;) {
        size_t want = limit - done < sizeof(piece) ? (size_t)(limit - done) : sizeof(piece);
        size_t len;
        TRY(read_some(fd, path, piece, want, &len, detail));
        if (len == 0)
            return err_set(detail, ERR_TRUNCATED, "%s", path);
        TRY(keeper_mac_update(import->call->keeper, session, bytes_of(piece, len), detail));
        TRY(hash_update(hash, bytes_of(piece, len)));
        done += len;
        TRY(progress_tell(import->call, "verify", done, limit));
    }
    return ERR_OK;
}

/* The MAC over the first `limit` bytes, the SHA-256 of the same. */
static enum err check_mac(const struct import *import, int fd, const char *path, uint64_t limit,
                          struct bytes mac, uint8_t ret_sha256[32], struct err_detail *detail)
{
    AUTO(hash_freep) struct hash *hash = NULL;
    TRY(hash_new(&hash));
    TRY(hash_begin(hash));
    uint32_t session;
    TRY(mac_begin(import, &session, detail));
    enum err err = feed(import, fd, path, limit, session, hash, detail);
    if (err != ERR_OK) {
        (void)(keeper_session_drop(import->call->keeper, session, NULL) == ERR_OK);
        return err;
    }
    TRY(keeper_mac_verify(import->call->keeper, session, mac, detail));
    return hash_end(hash, ret_sha256);
}

static enum err file_size(int fd, const char *path, uint64_t *ret_size, struct err_detail *detail)
{
    off_t size = lseek(fd, 0, SEEK_END);
    if (size < 0 || lseek(fd, 0, SEEK_SET) != 0)
        return err_errno(detail, "%s", path);
    *ret_size = (uint64_t)size;
    return ERR_OK;
}

static enum err check_key_file(const struct import *import, struct err_detail *detail)
{
    const struct fleet_import *request = import->request;
    AUTO(buf_done) struct buf mac = {0};
    enum err err = file_read(request->sig_path, 64, &mac, detail);
    if (err == ERR_LIMIT || (err == ERR_OK && mac.len != KEEPER_MAC_SIZE))
        return err_set(detail, ERR_SIGNATURE, "signature: %d bytes are wanted", KEEPER_MAC_SIZE);
    TRY(err);
    AUTO(file_closep) int fd = -1;
    uint64_t size = 0;
    TRY(open_read(request->path, &fd, detail));
    TRY(file_size(fd, request->path, &size, detail));
    uint8_t sha256[32];
    err = check_mac(import, fd, request->path, size, buf_view(&mac), sha256, detail);
    if (err == ERR_SIGNATURE)
        return err_set(detail, err,
                       "%s: the MAC does not fit the file: it was altered or cut, or made with "
                       "another passphrase",
                       request->source);
    TRY(err);
    if (memcmp(sha256, import->manifest.manifest.sha256, sizeof(sha256)) != 0)
        return err_set(detail, ERR_MISMATCH, "manifest: sha256 is not that of %s", request->source);
    return ERR_OK;
}

/* Reads the manifest to its end for its form and the MAC in its last line. */
static enum err check_manifest_file(struct import *import, struct err_detail *detail)
{
    const char *path = import->request->manifest_path;
    uint64_t size = 0;
    TRY(file_size(import->manifest_fd, path, &size, detail));
    manifest_reader_init(&import->manifest);
    for (;;) {
        size_t len;
        TRY(read_some(import->manifest_fd, path, import->manifest_piece,
                      sizeof(import->manifest_piece), &len, detail));
        if (len == 0)
            break;
        struct bytes input = {import->manifest_piece, len};
        enum manifest_event event;
        do {
            uint64_t id;
            TRY(manifest_reader_next(&import->manifest, &input, &event, &id, detail));
        } while (event != MANIFEST_MORE);
    }
    TRY(manifest_reader_finish(&import->manifest, detail));
    if (import->manifest.signed_len + CMAC_LINE != size)
        return err_set(detail, ERR_SYNTAX, "manifest: its end is malformed");
    if (lseek(import->manifest_fd, 0, SEEK_SET) != 0)
        return err_errno(detail, "%s", path);
    uint8_t sha256[32];
    enum err err = check_mac(import, import->manifest_fd, path, import->manifest.signed_len,
                             BYTES(import->manifest.mac), sha256, detail);
    if (err == ERR_SIGNATURE)
        return err_set(detail, err, "manifest: its last line does not fit the rest");
    return err;
}

enum err import_check_files(struct import *import, struct err_detail *detail)
{
    TRY(check_manifest_file(import, detail));
    TRY(compare_header(import, detail)); /* of what the MAC covers */
    TRY(check_key_file(import, detail));
    if (lseek(import->manifest_fd, 0, SEEK_SET) != 0)
        return err_errno(detail, "%s", import->request->manifest_path);
    manifest_reader_init(&import->manifest);
    import->manifest_left = (struct bytes){0};
    return ERR_OK;
}
