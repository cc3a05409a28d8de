#include <stdio.h>

#include "factory/internal.h"

/* Applications of a keying are one blob: their number, then name, id, key and extra of each with
 * two bytes of length before it. */

static enum err add16(struct buf *to, struct bytes part)
{
    uint8_t len[2];
    be16_store(len, (uint16_t)part.len);
    TRY(buf_append(to, BYTES(len)));
    return buf_append(to, part);
}

static enum err check(const struct factory_device_application *a, struct err_detail *detail)
{
    TRY(check_text("applications: name", a->name, FACTORY_NAME_MAX, false, detail));
    TRY(check_text("applications: id", a->id, FACTORY_NAME_MAX, true, detail));
    if (a->key.len > FACTORY_APPLICATION_KEY_MAX)
        return err_set(detail, ERR_ARGUMENT, "applications: key: at most %d bytes",
                       FACTORY_APPLICATION_KEY_MAX);
    if (a->extra.len > FACTORY_EXTRA_MAX)
        return err_set(detail, ERR_ARGUMENT, "applications: extra: at most %d bytes",
                       FACTORY_EXTRA_MAX);
    return ERR_OK;
}

enum err applications_encode(const struct factory_keying *keying, struct buf *to,
                             struct err_detail *detail)
{
    if (keying->applications_len > FACTORY_DEVICE_APPLICATIONS_MAX)
        return err_set(detail, ERR_ARGUMENT, "applications: at most %d",
                       FACTORY_DEVICE_APPLICATIONS_MAX);
    uint8_t count = (uint8_t)keying->applications_len;
    TRY(buf_append(to, bytes_of(&count, 1)));
    for (size_t i = 0; i < keying->applications_len; i++) {
        const struct factory_device_application *a = &keying->applications[i];
        TRY(check(a, detail));
        TRY(add16(to, bytes_str(a->name)));
        TRY(add16(to, bytes_str(a->id)));
        TRY(add16(to, a->key));
        TRY(add16(to, a->extra));
    }
    return ERR_OK;
}

enum err applications_decode(struct bytes blob, struct application_view *ret_views, size_t *ret_len)
{
    struct reader r = reader_of(blob);
    size_t len = reader_u8(&r);
    if (len > FACTORY_DEVICE_APPLICATIONS_MAX)
        return ERR_CORRUPT;
    for (size_t i = 0; i < len; i++) {
        ret_views[i].name = reader_bytes16(&r);
        ret_views[i].id = reader_bytes16(&r);
        ret_views[i].key = reader_bytes16(&r);
        ret_views[i].extra = reader_bytes16(&r);
    }
    if (reader_end(&r) != ERR_OK)
        return ERR_CORRUPT;
    *ret_len = len;
    return ERR_OK;
}

/* ---- all keyings of a device ---- */

static enum err dup_text(struct bytes from, struct arena *arena, const char **ret)
{
    *ret = arena_strndup(arena, from.data, from.len);
    return *ret != NULL ? ERR_OK : ERR_NO_MEMORY;
}

enum err applications_read(struct bytes blob, struct arena *arena, struct factory_keying *keying)
{
    struct application_view views[FACTORY_DEVICE_APPLICATIONS_MAX];
    size_t len = 0;
    TRY(applications_decode(blob, views, &len));
    struct factory_device_application *list = arena_take(arena, len * sizeof *list + 1);
    if (list == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < len; i++) {
        TRY(dup_text(views[i].name, arena, &list[i].name));
        TRY(dup_text(views[i].id, arena, &list[i].id));
        TRY(arena_copy(arena, views[i].key, &list[i].key));
        TRY(arena_copy(arena, views[i].extra, &list[i].extra));
    }
    keying->applications = list;
    keying->applications_len = len;
    return ERR_OK;
}

enum err factory_keying_list(struct factory *factory, uint64_t node_id, struct arena *arena,
                             factory_keying_fn *each, void *ctx, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(read.conn,
                      "SELECT id, received, run, config_id, revision, batch, time, station, kcv, "
                      "encrypted, applications FROM device_keying WHERE node_id = ? "
                      "ORDER BY id DESC LIMIT ?",
                      &stmt, detail));
    bind_id(stmt, 1, node_id);
    store_bind_i64(stmt, 2, FACTORY_PAGE_MAX);
    for (bool row = true;;) {
        TRY(store_step(stmt, &row, detail));
        if (!row)
            return ERR_OK;
        struct factory_keying keying = {.node_id = node_id,
                                        .config_id = column_id(stmt, 3),
                                        .revision = (uint32_t)store_column_i64(stmt, 4),
                                        .batch = (uint32_t)store_column_i64(stmt, 5),
                                        .time = store_column_i64(stmt, 6),
                                        .station = column_text(stmt, 7),
                                        .encrypted = store_column_bytes(stmt, 9)};
        column_copy(stmt, 2, keying.run, sizeof keying.run);
        column_copy(stmt, 8, keying.kcv, sizeof keying.kcv);
        TRY(applications_read(store_column_bytes(stmt, 10), arena, &keying));
        TRY(each(ctx, store_column_u64(stmt, 0), store_column_i64(stmt, 1), &keying));
    }
}

static bool has_name(const struct factory_keying *keying, const char *name)
{
    for (size_t i = 0; i < keying->applications_len; i++) {
        if (strcmp(keying->applications[i].name, name) == 0)
            return true;
    }
    return false;
}

enum err applications_merge(const struct factory_keying *before, struct arena *arena,
                            struct factory_keying *keying, struct err_detail *detail)
{
    size_t len = 0, most = before->applications_len + keying->applications_len;
    struct factory_device_application *list = arena_take(arena, most * sizeof *list + 1);
    if (list == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < before->applications_len; i++) {
        if (!has_name(keying, before->applications[i].name))
            list[len++] = before->applications[i];
    }
    for (size_t i = 0; i < keying->applications_len; i++)
        list[len++] = keying->applications[i];
    if (len > FACTORY_DEVICE_APPLICATIONS_MAX)
        return err_set(detail, ERR_ARGUMENT, "applications: at most %d with those of before",
                       FACTORY_DEVICE_APPLICATIONS_MAX);
    keying->applications = list;
    keying->applications_len = len;
    return ERR_OK;
}
