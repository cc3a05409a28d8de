#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/import.h"

/* From the CMS to staged rows. The keeper reads the file twice: it tells nothing of what is in it
 * before it has seen the whole and its tag. */

#define MARKS_MAX ((size_t)64 * 1024 * 1024)

struct decrypt {
    struct import *import;
    uint8_t key_id[20]; /* of the server */
    uint8_t encrypted_key[RSA_BYTES_MAX];
    size_t encrypted_key_len;
    enum oaep_hash hash;
    uint32_t session;
    bool in_session;
    bool checking;    /* the first time */
    struct buf marks; /* KEEPER_MARK_SIZE bytes of each piece */
    size_t marks_used;
    uint8_t tag[CMS_TAG_SIZE];
    size_t tag_len;
    bool ended;
    struct err_detail *detail; /* of the line that stopped it */
};

/* The next id of the manifest; false at its end. */
static enum err manifest_next(struct import *im, bool *ret_more, uint64_t *ret_id,
                              struct err_detail *detail)
{
    for (;;) {
        enum manifest_event event;
        TRY(manifest_reader_next(&im->manifest, &im->manifest_left, &event, ret_id, detail));
        if (event == MANIFEST_ID || event == MANIFEST_END) {
            *ret_more = event == MANIFEST_ID;
            return ERR_OK;
        }
        if (event == MANIFEST_HEADER)
            continue;
        ssize_t len = read(im->manifest_fd, im->manifest_piece, sizeof(im->manifest_piece));
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return err_errno(detail, "manifest");
        if (len == 0)
            return err_set(detail, ERR_TRUNCATED, "manifest");
        im->manifest_left = bytes_of(im->manifest_piece, (size_t)len);
    }
}

static enum err compare_line(struct import *im, const struct keeper_import_line *line,
                             struct err_detail *detail)
{
    bool more;
    uint64_t id;
    char got[FLEET_NODE_ID_TEXT], want[FLEET_NODE_ID_TEXT];
    TRY(manifest_next(im, &more, &id, detail));
    if (more && id == line->row)
        return ERR_OK;
    fleet_node_id_format(line->row, im->net->id_bits, got);
    if (!more)
        return err_set(detail, ERR_MISMATCH, "line %" PRIu32 ": node %s is not in the manifest",
                       line->line, got);
    fleet_node_id_format(id, im->net->id_bits, want);
    return err_set(detail, ERR_MISMATCH, "line %" PRIu32 ": node %s, the manifest has %s",
                   line->line, got, want);
}

static enum err take_node(struct import *im, const struct keeper_import_line *line,
                          struct err_detail *detail)
{
    if (im->net->id_bits == 32 && line->row > UINT32_MAX) {
        import_refuse(im, line->line, &line->row, "the node id is wider than 32 bits");
        im->malformed++;
        return ERR_OK;
    }
    if (line->made.sealed.len != KEEPER_SEALED_NODE)
        return ERR_INTERNAL;
    /* Where a line is malformed its id is not known, so the two no longer run side by side. */
    if (im->manifest_fd >= 0 && im->malformed == 0)
        TRY(compare_line(im, line, detail));
    struct stage_row row = {.id = line->row,
                            .line = line->line,
                            .batch = line->batch,
                            .reprovisioned = line->reprovisioned};
    memcpy(row.fingerprint, line->made.fingerprint, sizeof(row.fingerprint));
    memcpy(row.sealed, line->made.sealed.data, sizeof(row.sealed));
    return stage_add(&im->stage, &row, detail);
}

static enum err take_line(void *arg, const struct keeper_import_line *line)
{
    struct decrypt *d = arg;
    struct import *im = d->import;
    im->result.lines = line->line;
    if (line->table == 0) {
        import_refuse(im, line->line, NULL, line->text);
        im->malformed++;
        return ERR_OK;
    }
    if (line->table == KEEPER_NODE)
        return take_node(im, line, d->detail);
    if (line->table >= KEEPER_TABLES || !im->keyring)
        return err_set(d->detail, ERR_SYNTAX, "line %" PRIu32 ": not a node", line->line);
    im->head[line->table] = line->made;
    return ERR_OK;
}

static enum err begin(struct decrypt *d, const struct cms_item *item, struct err_detail *detail)
{
    struct import *im = d->import;
    if (d->encrypted_key_len == 0)
        return err_set(detail, ERR_DECRYPT, "%s is not encrypted to this server's key",
                       im->request->source);
    struct keeper_import request = {.domain = im->net->id,
                                    .epoch = im->op.serial,
                                    .head = !im->keyring        ? KEEPER_HEAD_NONE
                                            : im->head_required ? KEEPER_HEAD_REQUIRED
                                                                : KEEPER_HEAD_OPTIONAL,
                                    .versions = im->versions,
                                    .id_width = (uint8_t)im->net->id_bits,
                                    .oaep_sha256 = d->hash == OAEP_SHA256,
                                    .nonce = BYTES(item->nonce),
                                    .encrypted_key = {d->encrypted_key, d->encrypted_key_len}};
    TRY(keeper_import_begin(im->call->keeper, im->call->actor.name, &request, &d->session, detail));
    d->in_session = true;
    return ERR_OK;
}

static enum err finish(struct decrypt *d, struct err_detail *detail)
{
    struct import *im = d->import;
    struct keeper_import_totals totals;
    d->ended = true;
    if (d->checking)
        return keeper_import_checked(im->call->keeper, d->session, bytes_of(d->tag, d->tag_len),
                                     detail);
    d->in_session = false;
    TRY(keeper_import_end(im->call->keeper, d->session, take_line, d, &totals, detail));
    im->result.lines = totals.lines;
    im->malformed += totals.unreported;
    return ERR_OK;
}

static enum err take_data(struct decrypt *d, struct bytes data, struct err_detail *detail)
{
    struct keeper_client *keeper = d->import->call->keeper;
    uint8_t mark[KEEPER_MARK_SIZE];
    if (d->checking) {
        TRY(keeper_import_check(keeper, d->session, data, mark, detail));
        if (d->marks.len >= MARKS_MAX)
            return err_set(detail, ERR_LIMIT, "%s is in too many small pieces",
                           d->import->request->source);
        return buf_append(&d->marks, BYTES(mark));
    }
    if (d->marks_used == d->marks.len)
        return err_set(detail, ERR_MISMATCH, "%s was changed while it was read",
                       d->import->request->source);
    memcpy(mark, d->marks.data + d->marks_used, sizeof mark);
    d->marks_used += sizeof mark;
    return keeper_import_chunk(keeper, d->session, mark, data, take_line, d, detail);
}

static enum err take_event(struct decrypt *d, const struct cms_item *item,
                           struct err_detail *detail)
{
    switch (item->event) {
    case CMS_RECIPIENT:
        if (bytes_equal(item->recipient.key_id, BYTES(d->key_id)) &&
            item->recipient.encrypted_key.len <= sizeof(d->encrypted_key)) {
            d->encrypted_key_len = item->recipient.encrypted_key.len;
            memcpy(d->encrypted_key, item->recipient.encrypted_key.data, d->encrypted_key_len);
            d->hash = item->recipient.hash;
        }
        return ERR_OK;
    case CMS_CONTENT: return d->checking ? begin(d, item, detail) : ERR_OK;
    case CMS_DATA: return take_data(d, item->data, detail);
    case CMS_TAG:
        d->tag_len = item->data.len < sizeof(d->tag) ? item->data.len : sizeof(d->tag);
        memcpy(d->tag, item->data.data, d->tag_len);
        return ERR_OK;
    case CMS_END: return finish(d, detail);
    default: return ERR_OK;
    }
}

static enum err take_piece(struct decrypt *d, struct bytes input, struct err_detail *detail)
{
    struct cms_item item;
    do {
        if (d->ended && input.len > 0)
            return err_set(detail, ERR_SYNTAX, "%s: something follows its end",
                           d->import->request->source);
        TRY(cms_reader_next(&d->import->cms, &input, &item, detail));
        TRY(take_event(d, &item, detail));
    } while (item.event != CMS_MORE && !(d->ended && input.len == 0));
    return ERR_OK;
}

static enum err read_file(struct decrypt *d, bool checking, struct err_detail *detail)
{
    struct import *im = d->import;
    d->checking = checking;
    d->ended = false;
    AUTO(file_closep) int fd = open(im->request->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_errno(detail, "%s", im->request->path);
    cms_reader_init(&im->cms);
    for (uint64_t done = 0;;) {
        ssize_t len = read(fd, im->piece, sizeof(im->piece));
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return err_errno(detail, "%s", im->request->path);
        if (len == 0)
            break;
        done += (uint64_t)len;
        TRY(take_piece(d, bytes_of(im->piece, (size_t)len), detail));
        TRY(progress_tell(im->call, checking ? "check" : "read", done, 0));
    }
    return cms_reader_finish(&im->cms, detail);
}

static enum err manifest_at_end(struct import *im, struct err_detail *detail)
{
    bool more;
    uint64_t id;
    TRY(manifest_next(im, &more, &id, detail));
    if (!more)
        return ERR_OK;
    char text[FLEET_NODE_ID_TEXT];
    fleet_node_id_format(id, im->net->id_bits, text);
    return err_set(detail, ERR_MISMATCH, "manifest: node %s is not in the file", text);
}

enum err import_decrypt(struct import *im, struct err_detail *detail)
{
    /* The innermost failure is the one to tell: a line's before that of the call it came through.
     */
    struct err_detail line = {0};
    struct decrypt d = {.import = im, .detail = &line};
    AUTO(buf_done) struct buf spki = {0};
    TRY(keeper_public(im->call->keeper, KEEPER_KEY_SERVER, &spki, d.key_id, detail));
    TRY(stage_open(&im->stage, im->call->fleet->spool_dir, detail));
    enum err err = read_file(&d, true, detail);
    if (err == ERR_OK)
        err = read_file(&d, false, detail);
    buf_done(&d.marks);
    if (d.in_session)
        (void)(keeper_session_drop(im->call->keeper, d.session, NULL) == ERR_OK);
    if (err != ERR_OK && line.code == err && detail)
        *detail = line;
    TRY(err);
    TRY(stage_close(&im->stage, detail));
    return im->manifest_fd >= 0 && im->malformed == 0 ? manifest_at_end(im, detail) : ERR_OK;
}
