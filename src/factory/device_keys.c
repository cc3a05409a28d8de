#include "factory/device_keys.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"

#define PIECE ((size_t)256 * 1024)

static enum err flush(struct device_keys *keys, struct err_detail *detail)
{
    TRY(file_write_all(keys->fd, buf_view(&keys->text), detail));
    TRY(keeper_sign_devices_update(keys->keeper, keys->session, buf_view(&keys->text), detail));
    keys->bytes += keys->text.len;
    keys->text.len = 0;
    return ERR_OK;
}

enum err device_keys_open(struct device_keys *keys, const struct fleet_call *call, const char *path,
                          uint64_t export, int64_t made, struct err_detail *detail)
{
    char when[32], what[32];
    (void)snprintf(what, sizeof what, "export %" PRIu64, export);
    keys->keeper = call->keeper;
    TRY(keeper_sign_devices_begin(keys->keeper, call->actor.name, what, &keys->session, detail));
    keys->signing = true;
    keys->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (keys->fd < 0)
        return err_errno(detail, "%s", path);
    clock_format(made, when);
    return buf_printf(&keys->text, KEEPER_DEVICES_FORM "export=\"%" PRIu64 "\" created=\"%s\">\n",
                      export, when);
}

void device_keys_done(struct device_keys *keys)
{
    if (keys->signing)
        (void)(keeper_session_drop(keys->keeper, keys->session, NULL) == ERR_OK);
    file_closep(&keys->fd);
    buf_done(&keys->text);
}

static enum err add_text(struct device_keys *keys, const char *text)
{
    return buf_append(&keys->text, bytes_str(text));
}

static enum err add_hex(struct device_keys *keys, struct bytes value)
{
    TRY(buf_reserve(&keys->text, value.len * 2 + 1));
    hex_encode(value, (char *)keys->text.data + keys->text.len);
    keys->text.len += value.len * 2;
    return ERR_OK;
}

/* XML 1.0, 2.2 and 3.3.3: what stands in an attribute; a line break only survives as a reference.
 */
static enum err add_escaped(struct device_keys *keys, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t *c = text.data + i;
        const char *with = NULL;
        switch (*c) {
        case '&': with = "&amp;"; break;
        case '<': with = "&lt;"; break;
        case '>': with = "&gt;"; break;
        case '"': with = "&quot;"; break;
        case '\n': with = "&#10;"; break;
        case '\t': with = "&#9;"; break;
        default: break;
        }
        /* U+FFFE and U+FFFF are no characters of XML */
        if (*c == 0xef && text.len - i >= 3 && c[1] == 0xbf && c[2] >= 0xbe) {
            with = "?";
            i += 2;
        }
        TRY(with != NULL ? add_text(keys, with) : buf_append(&keys->text, bytes_of(c, 1)));
    }
    return ERR_OK;
}

static enum err look_up(struct store_conn *conn, uint64_t config_id, uint32_t revision,
                        struct device_keys_recipient *to, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT kms_fingerprint FROM package WHERE config_id = ? AND revision = ?",
                      &stmt, detail));
    bind_id(stmt, 1, config_id);
    store_bind_i64(stmt, 2, revision);
    enum err err = store_get_row(stmt, detail);
    if (err == ERR_NOT_FOUND)
        return err_set(detail, ERR_CORRUPT, "no package 0x%016" PRIx64 " revision %" PRIu32,
                       config_id, revision);
    TRY(err);
    struct bytes fingerprint = store_column_bytes(stmt, 0);
    if (fingerprint.len * 2 >= sizeof to->fingerprint)
        return err_set(detail, ERR_CORRUPT, "table package: a fingerprint");
    to->config_id = config_id;
    to->revision = revision;
    hex_encode(fingerprint, to->fingerprint);
    return ERR_OK;
}

static enum err recipient_of(struct device_keys *keys, struct store_conn *conn, uint64_t config_id,
                             uint32_t revision, const char **ret_fingerprint,
                             struct err_detail *detail)
{
    for (size_t i = 0; i < keys->recipients_len; i++) {
        const struct device_keys_recipient *known = &keys->recipients[i];
        if (known->config_id == config_id && known->revision == revision) {
            *ret_fingerprint = known->fingerprint;
            return ERR_OK;
        }
    }
    struct device_keys_recipient fresh = {0};
    TRY(look_up(conn, config_id, revision, &fresh, detail));
    struct device_keys_recipient *place = &keys->recipients[keys->next];
    keys->next = (keys->next + 1) % ARRAY_LEN(keys->recipients);
    if (keys->recipients_len < ARRAY_LEN(keys->recipients))
        keys->recipients_len++;
    *place = fresh;
    *ret_fingerprint = place->fingerprint;
    return ERR_OK;
}

static enum err add_application(struct device_keys *keys, const struct application_view *a)
{
    TRY(add_text(keys, "<application name=\""));
    TRY(add_escaped(keys, a->name));
    TRY(add_text(keys, "\" id=\""));
    TRY(add_escaped(keys, a->id));
    TRY(add_text(keys, "\"><key>"));
    TRY(add_hex(keys, a->key));
    TRY(add_text(keys, "</key><extra>"));
    TRY(add_hex(keys, a->extra));
    return add_text(keys, "</extra></application>");
}

static enum err add_applications(struct device_keys *keys, struct bytes blob,
                                 struct err_detail *detail)
{
    struct application_view views[FACTORY_DEVICE_APPLICATIONS_MAX];
    size_t len = 0;
    if (applications_decode(blob, views, &len) != ERR_OK)
        return err_set(detail, ERR_CORRUPT, "table device_keying: applications");
    for (size_t i = 0; i < len; i++)
        TRY(add_application(keys, &views[i]));
    return ERR_OK;
}

enum err device_keys_add(struct device_keys *keys, struct store_conn *conn, struct store_stmt *stmt,
                         unsigned first, struct err_detail *detail)
{
    char when[32], kcv[17];
    uint8_t check[8];
    const char *recipient = NULL;
    uint64_t node_id = column_id(stmt, first), config_id = column_id(stmt, first + 1);
    uint32_t revision = (uint32_t)store_column_i64(stmt, first + 2);
    TRY(recipient_of(keys, conn, config_id, revision, &recipient, detail));
    clock_format(store_column_i64(stmt, first + 4), when);
    column_copy(stmt, first + 5, check, sizeof check);
    hex_encode(BYTES(check), kcv);
    TRY(buf_printf(&keys->text,
                   "<device nodeId=\"0x%0*" PRIx64 "\" configId=\"0x%016" PRIx64
                   "\" revision=\"%" PRIu32 "\" batch=\"%" PRIu32
                   "\" time=\"%s\" kcv=\"%s\"><key recipient=\"%s\" "
                   "algorithm=\"RSA-OAEP-SHA1\">",
                   node_id > UINT32_MAX ? 16 : 8, node_id, config_id, revision,
                   (uint32_t)store_column_i64(stmt, first + 3), when, kcv, recipient));
    TRY(add_hex(keys, store_column_bytes(stmt, first + 6)));
    TRY(add_text(keys, "</key>"));
    TRY(add_applications(keys, store_column_bytes(stmt, first + 7), detail));
    TRY(add_text(keys, "</device>\n"));
    return keys->text.len >= PIECE ? flush(keys, detail) : ERR_OK;
}

/* Beside the file, which is undone with it. */
static enum err sign(struct device_keys *keys, const char *path, struct err_detail *detail)
{
    char beside[FACTORY_PATH_MAX];
    AUTO(buf_done) struct buf signature = {0};
    if (snprintf(beside, sizeof beside, "%s.sig", path) >= (int)sizeof beside)
        return err_set(detail, ERR_LIMIT, "path of the signature is too long");
    keys->signing = false; /* whatever comes of it */
    TRY(keeper_sign_devices_end(keys->keeper, keys->session, &signature, detail));
    return file_write(beside, buf_view(&signature), 0600, detail);
}

enum err device_keys_end(struct device_keys *keys, const char *path, struct err_detail *detail)
{
    TRY(add_text(keys, "</deviceKeys>\n"));
    TRY(flush(keys, detail));
    if (fsync(keys->fd) != 0)
        return err_errno(detail, "device keys");
    return sign(keys, path, detail);
}

void device_keys_undo(const char *path)
{
    char beside[FACTORY_PATH_MAX];
    (void)unlink(path);
    if (snprintf(beside, sizeof beside, "%s.sig", path) < (int)sizeof beside)
        (void)unlink(beside);
}
