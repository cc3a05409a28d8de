#include "factory/line_summary.h"

#include <stdio.h>
#include <stdlib.h>

#include "factory/internal.h"

#define BUSY_S 3600 /* a run that began longer ago was given up by its station */

/* The row of that name or number, a new one where there is room; NULL. */
static struct factory_line_row *row_of(struct factory_line_row *rows, size_t *len, const char *name,
                                       uint32_t number)
{
    for (size_t i = 0; i < *len; i++) {
        if (rows[i].number == number && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    if (*len == FACTORY_SUMMARY_ROWS)
        return NULL;
    struct factory_line_row *row = &rows[(*len)++];
    (void)snprintf(row->name, sizeof row->name, "%s", name);
    row->number = number;
    return row;
}

static void count(struct factory_line_row *row, bool passed, int64_t ended, uint64_t runs)
{
    if (row == NULL)
        return;
    *(passed ? &row->passed : &row->failed) += runs;
    if (ended > row->last)
        row->last = ended;
}

static void count_minute(struct factory_line *line, int64_t minute, bool passed, uint64_t runs)
{
    if (line->chart_len == 0 || line->chart[line->chart_len - 1].last != minute) {
        if (line->chart_len == FACTORY_SUMMARY_MINUTES)
            return;
        line->chart[line->chart_len++].last = minute;
    }
    struct factory_line_row *row = &line->chart[line->chart_len - 1];
    *(passed ? &row->passed : &row->failed) += runs;
}

/* The index factory_run_ended has all that is read here, in the order of time. */
static enum err read_ended(struct store_conn *conn, int64_t from, struct factory_line *line,
                           struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT ended, station, batch, return_code, count(*) FROM factory_run "
                      "WHERE ended >= ? AND ended IS NOT NULL "
                      "GROUP BY ended, station, batch, return_code",
                      &stmt, detail));
    store_bind_i64(stmt, 1, from);
    for (bool has = true;;) {
        TRY(store_step(stmt, &has, detail));
        if (!has)
            return ERR_OK;
        int64_t ended = store_column_i64(stmt, 0), code = store_column_i64(stmt, 3);
        uint64_t runs = store_column_u64(stmt, 4);
        bool passed = code == 0;
        count(row_of(line->stations, &line->stations_len, column_text(stmt, 1), 0), passed, ended,
              runs);
        count(row_of(line->batches, &line->batches_len, "", (uint32_t)store_column_i64(stmt, 2)),
              passed, ended, runs);
        count(row_of(line->codes, &line->codes_len, "", (uint32_t)code), false, ended, runs);
        count_minute(line, ended - ended % 60, passed, runs);
    }
}

static enum err read_open(struct store_conn *conn, int64_t now, struct factory_line *line,
                          struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT station, count(*), max(begun) FROM factory_run WHERE ended IS NULL "
                      "AND begun >= ? GROUP BY station",
                      &stmt, detail));
    store_bind_i64(stmt, 1, now - BUSY_S);
    for (bool has = true;;) {
        TRY(store_step(stmt, &has, detail));
        if (!has)
            return ERR_OK;
        struct factory_line_row *row =
            row_of(line->stations, &line->stations_len, column_text(stmt, 0), 0);
        if (row == NULL)
            continue;
        row->busy = store_column_u64(stmt, 1);
        if (store_column_i64(stmt, 2) > row->last)
            row->last = store_column_i64(stmt, 2);
    }
}

static enum err read_operators(struct store_conn *conn, struct factory_line *line,
                               struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT operator FROM factory_run WHERE station = ? ORDER BY id DESC LIMIT 1",
                      &stmt, detail));
    for (size_t i = 0; i < line->stations_len; i++) {
        struct factory_line_row *row = &line->stations[i];
        store_bind_text(stmt, 1, row->name);
        enum err err = store_get_row(stmt, detail);
        if (err != ERR_OK && err != ERR_NOT_FOUND)
            return err;
        if (err == ERR_OK)
            (void)snprintf(row->operator, sizeof row->operator, "%s", column_text(stmt, 0));
        store_reset(stmt);
    }
    return ERR_OK;
}

static enum err summarise(struct factory *factory, unsigned minutes, int64_t now,
                          struct factory_line *line, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    int64_t from = now - (int64_t)minutes * 60;
    TRY(read_ended(read.conn, from - from % 60 + 60, line, detail));
    TRY(read_open(read.conn, now, line, detail));
    return read_operators(read.conn, line, detail);
}

static bool recall(struct factory *factory, unsigned minutes, int64_t now,
                   struct factory_line *line)
{
    (void)pthread_mutex_lock(&factory->lock);
    bool known = factory->summary != NULL && factory->summary_minutes == minutes &&
                 factory->summary_time == now;
    if (known)
        *line = *factory->summary;
    (void)pthread_mutex_unlock(&factory->lock);
    return known;
}

static void remember(struct factory *factory, unsigned minutes, int64_t now,
                     const struct factory_line *line)
{
    (void)pthread_mutex_lock(&factory->lock);
    if (factory->summary == NULL)
        factory->summary = malloc(sizeof *factory->summary);
    if (factory->summary != NULL) {
        *factory->summary = *line;
        factory->summary_minutes = minutes;
        factory->summary_time = now;
    }
    (void)pthread_mutex_unlock(&factory->lock);
}

static void line_freep(struct factory_line **line)
{
    free(*line);
}

enum err factory_line_summary(struct factory *factory, unsigned minutes, int64_t now,
                              struct factory_line *ret_line, struct err_detail *detail)
{
    if (minutes == 0 || minutes > FACTORY_SUMMARY_MINUTES)
        return err_set(detail, ERR_ARGUMENT, "minutes: 1 to %d", FACTORY_SUMMARY_MINUTES);
    if (recall(factory, minutes, now, ret_line))
        return ERR_OK;
    AUTO(line_freep) struct factory_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return ERR_NO_MEMORY;
    TRY(summarise(factory, minutes, now, line, detail));
    remember(factory, minutes, now, line);
    *ret_line = *line;
    return ERR_OK;
}
