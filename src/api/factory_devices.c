#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/factory_json.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/clock.h"
#include "base/line_code.h"
#include "factory/export.h"
#include "factory/line_summary.h"

#define MEMORY          ((size_t)16 * 1024 * 1024)
#define LIMIT_DEFAULT   100
#define MINUTES_DEFAULT 60
#define CODE_MAX        255
#define ACTION_MAX      1024

/* A number of the query that may be absent. */
static enum err query_number(const struct api_call *call, const char *name, uint64_t max,
                             bool *ret_there, uint64_t *ret_number, struct err_detail *detail)
{
    const char *text = net_http_query(call->http, name);
    *ret_there = text != NULL && *text != '\0';
    return *ret_there ? api_query_number(call, name, max, 0, ret_number, detail) : ERR_OK;
}

/* ---- devices ---- */

/* A filter and what its pointers point to. */
struct wanted {
    struct factory_device_filter filter;
    uint64_t config;
    uint32_t batch;
    enum factory_device_state state;
    bool exported;
    int code;
};

/* An id, a range of ids, or the first digits of one: "0x0001" are those of 0x00010000-0x0001ffff.
 */
static enum err search_of(const char *text, struct factory_device_filter *filter,
                          struct err_detail *detail)
{
    size_t digits = strspn(text + 2 * (strncmp(text, "0x", 2) == 0), "0123456789abcdefABCDEF");
    if (strncmp(text, "0x", 2) == 0 && text[2 + digits] == '\0' && digits > 0 && digits <= 16) {
        uint64_t id = strtoull(text + 2, NULL, 16);
        unsigned missing = (unsigned)(digits <= 8 ? 8 - digits : 16 - digits) * 4;
        filter->from = id << missing;
        filter->to = filter->from | (((uint64_t)1 << missing) - 1);
        return ERR_OK;
    }
    struct factory_range ranges[FACTORY_RANGES_MAX];
    size_t len = 0;
    enum err err = factory_ranges_of("q", text, UINT64_MAX, ranges, &len, NULL);
    if (err != ERR_OK || len != 1)
        return err_set(detail, ERR_ARGUMENT,
                       "q: a node id such as 0x00010200, its first digits, or a range is wanted");
    filter->from = ranges[0].first;
    filter->to = ranges[0].last;
    return ERR_OK;
}

static enum err state_of(const char *text, struct wanted *wanted, struct err_detail *detail)
{
    for (unsigned i = 0; i < FACTORY_DEVICE_STATES; i++) {
        if (strcmp(text, factory_device_state_name((enum factory_device_state)i)) == 0) {
            wanted->state = (enum factory_device_state)i;
            wanted->filter.state = &wanted->state;
            return ERR_OK;
        }
    }
    return err_set(detail, ERR_ARGUMENT, "state: provisioned, keyed or pretested is wanted");
}

static enum err read_words(const struct api_call *call, struct wanted *wanted,
                           struct err_detail *detail)
{
    const char *q = net_http_query(call->http, "q"), *state = net_http_query(call->http, "state"),
               *exported = net_http_query(call->http, "exported");
    if (q != NULL && *q != '\0')
        TRY(search_of(q, &wanted->filter, detail));
    if (state != NULL && *state != '\0')
        TRY(state_of(state, wanted, detail));
    if (exported == NULL || *exported == '\0')
        return ERR_OK;
    wanted->exported = strcmp(exported, "yes") == 0;
    wanted->filter.exported = &wanted->exported;
    return wanted->exported || strcmp(exported, "no") == 0
               ? ERR_OK
               : err_set(detail, ERR_ARGUMENT, "exported: yes or no is wanted");
}

static enum err read_filter(const struct api_call *call, struct wanted *wanted,
                            struct err_detail *detail)
{
    bool there = false;
    uint64_t number = 0;
    struct factory_device_filter *filter = &wanted->filter;
    TRY(read_words(call, wanted, detail));
    TRY(factory_query_id(call, "config", &there, &wanted->config, detail));
    filter->config_id = there ? &wanted->config : NULL;
    TRY(query_number(call, "batch", UINT32_MAX, &there, &number, detail));
    wanted->batch = (uint32_t)number;
    filter->batch = there ? &wanted->batch : NULL;
    TRY(query_number(call, "code", CODE_MAX, &there, &number, detail));
    wanted->code = (int)number;
    filter->return_code = there ? &wanted->code : NULL;
    uint64_t from = 0;
    TRY(factory_query_id(call, "from", &there, &from, detail));
    if (there && from > filter->from)
        filter->from = from;
    TRY(api_query_number(call, "limit", FACTORY_PAGE_MAX, LIMIT_DEFAULT, &number, detail));
    filter->limit = (unsigned)number;
    return ERR_OK;
}

static enum err append_device(void *ctx, const struct factory_device *device)
{
    return json_array_append_new(ctx, json_of_device(device)) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

/* Where it is known without counting: null else. */
static enum err total_of(struct factory *factory, const struct factory_device_filter *f,
                         json_t **ret_total, struct err_detail *detail)
{
    struct factory_device_counts counts;
    uint64_t total = 0;
    if (f->config_id != NULL || f->batch != NULL || f->return_code != NULL || f->to != 0) {
        *ret_total = json_null();
        return ERR_OK;
    }
    TRY(factory_device_count(factory, &counts, detail));
    for (unsigned state = 0; state < FACTORY_DEVICE_STATES; state++) {
        bool keyless = state == FACTORY_DEVICE_PRETESTED;
        if (f->state != NULL && *f->state != (enum factory_device_state)state)
            continue;
        if (f->exported == NULL || *f->exported)
            total += counts.of[state][1];
        if (f->exported == NULL || (!*f->exported && !keyless))
            total += counts.of[state][0];
    }
    *ret_total = json_integer((json_int_t)total);
    return ERR_OK;
}

static enum err list_devices(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    struct wanted wanted = {0};
    bool more = false;
    uint64_t next = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(read_filter(call, &wanted, detail));
    AUTO(json_freep) json_t *array = json_array();
    AUTO(json_freep) json_t *total = NULL;
    TRY(factory_device_list(factory, &wanted.filter, append_device, array, &more, &next, detail));
    TRY(total_of(factory, &wanted.filter, &total, detail));
    return api_give(json_pack("{s:O s:o s:O}", "devices", array, "next",
                              more ? json_of_node(next) : json_null(), "total", total),
                    ret_answer);
}
API_HANDLER(list_devices)

static enum err take_device(void *ctx, const struct factory_device *device)
{
    json_t **json = ctx;
    *json = json_of_device(device);
    if (*json != NULL && device->keying != 0)
        (void)json_object_set_new(*json, "kcv", json_of_hex(device->kcv, sizeof device->kcv));
    return *json != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err append_run(void *ctx, const struct factory_run *run)
{
    return json_array_append_new(ctx, json_of_run(run)) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

struct keyings {
    json_t *all, *applications;
};

static enum err append_keying(void *ctx, uint64_t serial, int64_t received,
                              const struct factory_keying *k)
{
    struct keyings *keyings = ctx;
    json_t *json = json_pack("{s:I s:o s:o s:o s:s s:o s:i s:I s:o}", "serial", (json_int_t)serial,
                             "run", json_of_run_id(k->run), "time", json_of_time(k->time),
                             "received", json_of_time(received), "station", k->station, "config_id",
                             json_of_config(k->config_id), "revision", (int)k->revision, "batch",
                             (json_int_t)k->batch, "kcv", json_of_hex(k->kcv, sizeof k->kcv));
    bool newest = json_array_size(keyings->all) == 0;
    for (size_t i = 0; newest && i < k->applications_len; i++) {
        const struct factory_device_application *a = &k->applications[i];
        (void)json_array_append_new(keyings->applications,
                                    json_pack("{s:s s:s s:o}", "name", a->name, "id", a->id,
                                              "extra", json_of_hex(a->extra.data, a->extra.len)));
    }
    return json_array_append_new(keyings->all, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err append_export(void *ctx, const struct factory_export_info *info)
{
    json_t *json = json_pack("{s:I s:o s:s}", "id", (json_int_t)info->id, "time",
                             json_of_time(info->made), "by", info->made_by);
    return json_array_append_new(ctx, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err device_history(struct factory *factory, uint64_t node_id, json_t *device,
                               struct err_detail *detail)
{
    const struct factory_run_filter runs = {.node_id = &node_id, .limit = LIMIT_DEFAULT};
    struct keyings keyings = {json_array(), json_array()};
    json_t *run_list = json_array(), *exports = json_array();
    uint64_t next = 0;
    (void)json_object_set_new(device, "runs", run_list);
    (void)json_object_set_new(device, "applications", keyings.applications);
    (void)json_object_set_new(device, "keyings", keyings.all);
    (void)json_object_set_new(device, "exports", exports);
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(MEMORY, &arena));
    TRY(factory_run_list(factory, &runs, append_run, run_list, &next, detail));
    TRY(factory_keying_list(factory, node_id, arena, append_keying, &keyings, detail));
    return factory_export_list(factory, 0, LIMIT_DEFAULT, &node_id, append_export, exports, detail);
}

static enum err show_device(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    uint64_t node_id = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(factory_parse_id("node id", net_http_param(call->http, "node"), &node_id, detail));
    AUTO(json_freep) json_t *json = NULL;
    TRY(factory_device_get(factory, node_id, take_device, &json, detail));
    TRY(device_history(factory, node_id, json, detail));
    return api_give(TAKE(json), ret_answer);
}
API_HANDLER(show_device)

/* ---- runs ---- */

static enum err list_runs(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    bool there = false;
    uint64_t number = 0, next = 0;
    uint32_t batch = 0;
    int code = 0;
    struct factory_run_filter filter = {0};
    TRY(api_factory(call, &factory, detail));
    TRY(api_query_number(call, "after", INT64_MAX, 0, &filter.before, detail));
    const char *station = net_http_query(call->http, "station");
    filter.station = station != NULL && *station != '\0' ? station : NULL;
    TRY(query_number(call, "batch", UINT32_MAX, &there, &number, detail));
    batch = (uint32_t)number;
    filter.batch = there ? &batch : NULL;
    TRY(query_number(call, "code", CODE_MAX, &there, &number, detail));
    code = (int)number;
    filter.return_code = there ? &code : NULL;
    TRY(api_query_number(call, "limit", FACTORY_PAGE_MAX, LIMIT_DEFAULT, &number, detail));
    filter.limit = (unsigned)number;
    AUTO(json_freep) json_t *array = json_array();
    TRY(factory_run_list(factory, &filter, append_run, array, &next, detail));
    return api_give(json_pack("{s:O s:o}", "runs", array, "next",
                              next != 0 ? json_integer((json_int_t)next) : json_null()),
                    ret_answer);
}
API_HANDLER(list_runs)

/* ---- the line ---- */

static json_t *stations_json(const struct factory_line *line)
{
    json_t *list = json_array();
    for (size_t i = 0; i < line->stations_len; i++) {
        const struct factory_line_row *row = &line->stations[i];
        (void)json_array_append_new(
            list,
            json_pack("{s:s s:s s:o s:I s:I s:I}", "name", row->name, "operator", row->operator,
                      "last", json_of_time(row->last), "passed", (json_int_t)row->passed, "failed",
                      (json_int_t)row->failed, "busy", (json_int_t)row->busy));
    }
    return list;
}

static json_t *batches_json(const struct factory_line *line)
{
    json_t *list = json_array();
    for (size_t i = 0; i < line->batches_len; i++) {
        const struct factory_line_row *row = &line->batches[i];
        (void)json_array_append_new(
            list, json_pack("{s:I s:I s:I}", "batch", (json_int_t)row->number, "passed",
                            (json_int_t)row->passed, "failed", (json_int_t)row->failed));
    }
    return list;
}

static json_t *codes_json(const struct factory_line *line)
{
    json_t *list = json_array();
    for (size_t i = 0; i < line->codes_len; i++) {
        const struct factory_line_row *row = &line->codes[i];
        char action[ACTION_MAX];
        int code = (int)row->number;
        (void)json_array_append_new(list, json_pack("{s:i s:I s:s s:s}", "code", code, "count",
                                                    (json_int_t)row->failed, "text",
                                                    line_code_text(code), "action",
                                                    line_code_action(code, action, sizeof action)));
    }
    return list;
}

/* Points in which nothing happened are there too. The newest ends with this minute; the oldest may
 * begin before the others' minutes. */
static json_t *chart_json(const struct factory_line *line, unsigned minutes, unsigned points,
                          int64_t now)
{
    json_t *list = json_array();
    size_t at = 0;
    const int64_t step = (int64_t)((minutes + points - 1) / points) * 60;
    const int64_t end = now - now % 60 + 60;
    int64_t from = end - ((int64_t)minutes * 60 + step - 1) / step * step;
    for (; from < end; from += step) {
        uint64_t passed = 0, failed = 0;
        for (; at < line->chart_len && line->chart[at].last < from + step; at++) {
            passed += line->chart[at].passed;
            failed += line->chart[at].failed;
        }
        (void)json_array_append_new(list,
                                    json_pack("{s:o s:I s:I}", "time", json_of_time(from), "passed",
                                              (json_int_t)passed, "failed", (json_int_t)failed));
    }
    return list;
}

static void line_freep(struct factory_line **line)
{
    free(*line);
}

static enum err show_line(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct factory *factory = NULL;
    uint64_t minutes = 0, points = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(api_query_number(call, "minutes", FACTORY_SUMMARY_MINUTES, MINUTES_DEFAULT, &minutes,
                         detail));
    TRY(api_query_number(call, "points", FACTORY_SUMMARY_MINUTES, FACTORY_SUMMARY_MINUTES, &points,
                         detail));
    if (points == 0)
        return err_set(detail, ERR_ARGUMENT, "points: 1 to %d", FACTORY_SUMMARY_MINUTES);
    AUTO(line_freep) struct factory_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return ERR_NO_MEMORY;
    int64_t now = clock_now_s();
    TRY(factory_line_summary(factory, (unsigned)minutes, now, line, detail));
    return api_give(json_pack("{s:o s:o s:o s:o}", "stations", stations_json(line), "batches",
                              batches_json(line), "codes", codes_json(line), "chart",
                              chart_json(line, (unsigned)minutes, (unsigned)points, now)),
                    ret_answer);
}
API_HANDLER(show_line)
