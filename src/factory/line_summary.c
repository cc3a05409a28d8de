#include "factory/line_summary.h"

#include <stdio.h>
#include <stdlib.h>

#include "factory/internal.h"

#define PLACES 1024 /* a quarter of them is used at most */
#define BUSY_S 3600 /* a run that began longer ago was given up by its station */

enum err line_counted(struct store_conn *conn, const struct factory_run *run,
                      struct err_detail *detail)
{
    static const char *const statements[] = {
        "UPDATE line_minute SET runs = runs + 1, last = ? WHERE minute = ? AND station = ? AND "
        "batch = ? AND return_code = ?",
        "INSERT INTO line_minute (last, minute, station, batch, return_code, runs) "
        "VALUES (?, ?, ?, ?, ?, 1)",
    };
    for (size_t i = 0; i < 2; i++) {
        AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
        TRY(store_prepare(conn, statements[i], &stmt, detail));
        store_bind_i64(stmt, 1, run->ended);
        store_bind_i64(stmt, 2, run->ended / 60);
        store_bind_text(stmt, 3, run->station);
        store_bind_i64(stmt, 4, run->batch);
        store_bind_i64(stmt, 5, run->return_code);
        TRY(store_exec_stmt(stmt, detail));
        if (store_changes(conn) > 0)
            break;
    }
    return ERR_OK;
}

/* Where to look for rows first, by what they are about: with hundreds of rows and a hundred
 * thousand counts, looking through the rows would take longer than reading the counts. */
struct places {
    uint16_t of[PLACES]; /* 1 + the row; 0: none yet */
};

static size_t place_of(const char *name, uint32_t number)
{
    uint32_t hash = number * UINT32_C(2654435761);
    for (; *name != '\0'; name++)
        hash = (hash ^ (uint8_t)*name) * UINT32_C(16777619);
    return (hash ^ hash >> 16) % PLACES;
}

/* The row of that name or number, a new one where there is room; NULL. */
static struct factory_line_row *row_of(struct factory_line_row *rows, size_t *len,
                                       struct places *places, const char *name, uint32_t number)
{
    size_t place = place_of(name, number);
    for (; places->of[place] != 0; place = (place + 1) % PLACES) {
        struct factory_line_row *row = &rows[places->of[place] - 1];
        if (row->number == number && strcmp(row->name, name) == 0)
            return row;
    }
    if (*len == FACTORY_SUMMARY_ROWS)
        return NULL;
    struct factory_line_row *row = &rows[(*len)++];
    places->of[place] = (uint16_t)*len;
    (void)snprintf(row->name, sizeof row->name, "%s", name);
    row->number = number;
    return row;
}

static void count(struct factory_line_row *row, bool passed, int64_t last, uint64_t runs)
{
    if (row == NULL)
        return;
    *(passed ? &row->passed : &row->failed) += runs;
    if (last > row->last)
        row->last = last;
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

/* What is counted into. */
struct counting {
    struct factory_line *line;
    struct places stations, batches, codes;
};

/* The newest first: where there are more batches than have room, the oldest are left out. */
static enum err read_ended(struct store_conn *conn, int64_t from, struct counting *counting,
                           struct err_detail *detail)
{
    struct factory_line *line = counting->line;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT minute, station, batch, return_code, runs, last FROM line_minute "
                      "WHERE minute >= ? ORDER BY minute DESC",
                      &stmt, detail));
    store_bind_i64(stmt, 1, from);
    for (bool has = true;;) {
        TRY(store_step(stmt, &has, detail));
        if (!has)
            return ERR_OK;
        int64_t code = store_column_i64(stmt, 3), last = store_column_i64(stmt, 5);
        uint64_t runs = store_column_u64(stmt, 4);
        bool passed = code == 0;
        count(row_of(line->stations, &line->stations_len, &counting->stations, column_text(stmt, 1),
                     0),
              passed, last, runs);
        count(row_of(line->batches, &line->batches_len, &counting->batches, "",
                     (uint32_t)store_column_i64(stmt, 2)),
              passed, last, runs);
        count(row_of(line->codes, &line->codes_len, &counting->codes, "", (uint32_t)code), false,
              last, runs);
        count_minute(line, store_column_i64(stmt, 0) * 60, passed, runs);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct factory_line_row *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int by_time(const void *a, const void *b)
{
    const struct factory_line_row *x = a, *y = b;
    return x->last < y->last ? -1 : x->last > y->last;
}

static int most_first(const void *a, const void *b)
{
    const struct factory_line_row *x = a, *y = b;
    return x->failed != y->failed ? (x->failed < y->failed ? 1 : -1)
                                  : (x->number > y->number) - (x->number < y->number);
}

static void sort(struct factory_line *line)
{
    qsort(line->stations, line->stations_len, sizeof *line->stations, by_name);
    qsort(line->codes, line->codes_len, sizeof *line->codes, most_first);
    qsort(line->chart, line->chart_len, sizeof *line->chart, by_time);
}

/* A '+', or the database walks through all runs there are, to have stations in order. */
static enum err read_open(struct store_conn *conn, int64_t now, struct counting *counting,
                          struct err_detail *detail)
{
    struct factory_line *line = counting->line;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "SELECT station, count(*), max(begun) FROM factory_run WHERE ended IS NULL "
                      "AND begun >= ? GROUP BY +station",
                      &stmt, detail));
    store_bind_i64(stmt, 1, now - BUSY_S);
    for (bool has = true;;) {
        TRY(store_step(stmt, &has, detail));
        if (!has)
            return ERR_OK;
        struct factory_line_row *row = row_of(line->stations, &line->stations_len,
                                              &counting->stations, column_text(stmt, 0), 0);
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
    struct counting counting = {.line = line};
    TRY(read_ended(read.conn, from / 60 + 1, &counting, detail));
    TRY(read_open(read.conn, now, &counting, detail));
    sort(line);
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
