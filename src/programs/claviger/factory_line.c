#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "base/buf.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/factory.h"

#define LIMIT_DEFAULT   100
#define MINUTES_DEFAULT 60
#define EVERY_DEFAULT   2
#define FILE_DEFAULT    "device_keys.xml"

/* Appends "&name=value" for each option that was given; --config may be an alias. */
static enum err add_filters(struct cli *cli, const char *const *names, size_t len, struct buf *to)
{
    for (size_t i = 0; i < len; i += 2) {
        const char *value = cli_option(cli, names[i]);
        if (strcmp(names[i], "config") == 0)
            TRY(factory_config(cli, value, &value));
        if (value != NULL)
            TRY(buf_printf(to, "&%s=%s", names[i + 1], cli_escape(value)));
    }
    return buf_append(to, bytes_of("", 1));
}

/* A number that names something: not grouped. The last 8 live. */
static const char *plain_number(const json_t *object, const char *name)
{
    static char texts[8][24];
    static unsigned next;
    char *text = texts[next++ % 8];
    (void)snprintf(text, sizeof texts[0], "%lld", (long long)cli_int(object, name));
    return text;
}

static const char *number_or_dash(const json_t *object, const char *name)
{
    return json_is_integer(json_object_get(object, name)) ? cli_grouped(cli_int(object, name))
                                                          : "-";
}

enum err command_factory_devices(struct cli *cli)
{
    static const char *const filters[] = {
        "search",   "q",        "config", "config", "batch", "batch", "state", "state",
        "exported", "exported", "code",   "code",   "from",  "from",  "limit", "limit"};
    AUTO(buf_done) struct buf query = {0};
    AUTO(json_freep) json_t *answer = NULL;
    TRY(add_filters(cli, filters, ARRAY_LEN(filters), &query));
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/factory/devices?%s",
                 (const char *)query.data));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"node",          "state",    "batch",
                                         "configuration", "revision", "station",
                                         "code",          "exported", "time"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *device;
    json_array_foreach(json_object_get(answer, "devices"), i, device)
    {
        const char *cells[] = {cli_text(device, "node_id"),
                               cli_text(device, "state"),
                               plain_number(device, "batch"),
                               cli_text(device, "config_id"),
                               plain_number(device, "revision"),
                               cli_text(device, "station"),
                               number_or_dash(device, "return_code"),
                               json_is_true(json_object_get(device, "exported")) ? "yes" : "no",
                               cli_text(device, "time")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    if (cli_int(answer, "total") != 0)
        cli_say(cli, "%s in all\n", cli_count(cli_int(answer, "total"), "device", "devices"));
    if (json_is_string(json_object_get(answer, "next")))
        cli_say(cli, "more: --from %s\n", cli_text(answer, "next"));
    return ERR_OK;
}

enum err command_factory_runs(struct cli *cli)
{
    static const char *const filters[] = {"station", "station", "batch", "batch", "code",
                                          "code",    "after",   "after", "limit", "limit"};
    AUTO(buf_done) struct buf query = {0};
    AUTO(json_freep) json_t *answer = NULL;
    TRY(add_filters(cli, filters, ARRAY_LEN(filters), &query));
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/factory/runs?%s",
                 (const char *)query.data));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"begun", "station", "operation", "node",
                                         "batch", "code",    "text"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *run;
    json_array_foreach(json_object_get(answer, "runs"), i, run)
    {
        const char *cells[] = {cli_text(run, "begun"),     cli_text(run, "station"),
                               cli_text(run, "operation"), cli_text(run, "node_id"),
                               plain_number(run, "batch"), number_or_dash(run, "return_code"),
                               cli_text(run, "text")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    if (json_is_integer(json_object_get(answer, "next")))
        cli_say(cli, "more: --after %lld\n", (long long)cli_int(answer, "next"));
    return ERR_OK;
}

/* ---- exports ---- */

static enum err fetch_both(struct cli *cli, uint64_t download, const char *path)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.sig", path) >= (int)sizeof beside)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", path);
    TRY(cli_download(cli, download, "", path, 0600));
    return cli_download(cli, download, ".sig", beside, 0600);
}

static enum err fetch(struct cli *cli, json_t *spec, const char *resource)
{
    const char *path = cli_option(cli, "output");
    AUTO(json_freep) json_t *result = NULL;
    TRY(cli_job(cli, spec, NULL, &result, "%s", resource));
    uint64_t download = (uint64_t)cli_int(result, "download");
    if (path == NULL)
        path = FILE_DEFAULT;
    enum err err = fetch_both(cli, download, path);
    cli_download_done(cli, download);
    TRY(err);
    if (!cli_print_json(cli, result))
        cli_say(cli,
                "export %lld: %s in %s\nsignature: %s.sig\n"
                "next: take both files to the operator\n",
                (long long)cli_int(result, "export"),
                cli_count(cli_int(result, "devices"), "device", "devices"), path, path);
    return ERR_OK;
}

static enum err repeat(struct cli *cli, const char *export)
{
    char path[128];
    if (snprintf(path, sizeof path, "/v1/factory/exports/%s/repeat", cli_escape(export)) >=
        (int)sizeof path)
        return err_set(&cli->detail, ERR_ARGUMENT, "--repeat: the number of an export is wanted");
    enum err err = fetch(cli, json_object(), path);
    if (err == ERR_NOT_FOUND)
        cli_hint(cli, "claviger factory exports lists them");
    return err;
}

enum err command_factory_export(struct cli *cli)
{
    static const char *const texts[] = {"config", "config_id", "batches", "batches", "nodes",
                                        "nodes",  "from",      "from",    "to",      "to"};
    const char *export = cli_option(cli, "repeat");
    if (export != NULL)
        return repeat(cli, export);
    json_t *spec = json_pack("{s:b s:b}", "only_new", cli_option(cli, "only-new") != NULL,
                             "count_only", cli_option(cli, "count") != NULL);
    for (size_t i = 0; i < ARRAY_LEN(texts); i += 2) {
        const char *value = cli_option(cli, texts[i]);
        enum err err =
            strcmp(texts[i], "config") == 0 ? factory_config(cli, value, &value) : ERR_OK;
        if (err != ERR_OK) {
            json_decref(spec);
            return err;
        }
        if (value != NULL)
            (void)json_object_set_new(spec, texts[i + 1], json_string(value));
    }
    if (cli_option(cli, "count") == NULL) {
        enum err err = fetch(cli, spec, "/v1/factory/exports");
        if (err == ERR_NOT_FOUND && cli_option(cli, "only-new") != NULL)
            cli_hint(cli,
                     "--only-new leaves out what was exported before: claviger factory exports "
                     "lists when, --repeat N writes one again");
        return err;
    }
    AUTO(json_freep) json_t *result = NULL;
    TRY(cli_job(cli, spec, NULL, &result, "/v1/factory/exports"));
    if (!cli_print_json(cli, result))
        cli_say(cli, "%s\n", cli_count(cli_int(result, "devices"), "device", "devices"));
    return ERR_OK;
}

static const char *text_or(const json_t *object, const char *name, const char *otherwise)
{
    const char *text = cli_text(object, name);
    return *text != '\0' ? text : otherwise;
}

enum err command_factory_exports(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/factory/exports"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"export",  "time",  "by",   "devices", "configuration",
                                         "batches", "nodes", "from", "to",      "only new"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(answer, "exports"), i, row)
    {
        const char *cells[] = {plain_number(row, "id"),
                               cli_text(row, "time"),
                               cli_text(row, "by"),
                               cli_grouped(cli_int(row, "devices")),
                               text_or(row, "config_id", "all"),
                               text_or(row, "batches", "all"),
                               text_or(row, "nodes", "all"),
                               text_or(row, "from", "-"),
                               text_or(row, "to", "-"),
                               json_is_true(json_object_get(row, "only_new")) ? "yes" : "no"};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_factory_prune(struct cli *cli)
{
    bool dry = cli_option(cli, "dry-run") != NULL;
    AUTO(json_freep) json_t *result = NULL;
    json_t *spec = json_pack("{s:s s:b}", "before", cli_option(cli, "before"), "dry_run", dry);
    if (spec == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "--before: not UTF-8 text");
    TRY(cli_job(cli, spec, NULL, &result, "/v1/factory/prune"));
    if (!cli_print_json(cli, result))
        cli_say(cli, "before %s: %s and %s %s\n", cli_text(result, "before"),
                cli_count(cli_int(result, "runs"), "run", "runs"),
                cli_count(cli_int(result, "keys"), "replaced key", "replaced keys"),
                dry ? "would be deleted" : "deleted");
    return ERR_OK;
}

/* ---- the line, live ---- */

static void print_stations(const struct cli *cli, const json_t *line)
{
    static const char *const titles[] = {"station", "operator", "passed", "failed", "busy", "last"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(line, "stations"), i, row)
    {
        const char *cells[] = {cli_text(row, "name"),
                               cli_text(row, "operator"),
                               cli_grouped(cli_int(row, "passed")),
                               cli_grouped(cli_int(row, "failed")),
                               cli_grouped(cli_int(row, "busy")),
                               cli_text(row, "last")};
        table_row(table, cells);
    }
    cli_table(cli, table);
}

static void print_batches(const struct cli *cli, const json_t *line)
{
    static const char *const titles[] = {"batch", "passed", "failed"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(line, "batches"), i, row)
    {
        const char *cells[] = {plain_number(row, "batch"), cli_grouped(cli_int(row, "passed")),
                               cli_grouped(cli_int(row, "failed"))};
        table_row(table, cells);
    }
    cli_table(cli, table);
}

static void print_codes(const struct cli *cli, const json_t *line)
{
    static const char *const titles[] = {"code", "runs", "meaning"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(line, "codes"), i, row)
    {
        const char *cells[] = {plain_number(row, "code"), cli_grouped(cli_int(row, "count")),
                               cli_text(row, "text")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    json_array_foreach(json_object_get(line, "codes"), i, row)
    {
        if (*cli_text(row, "action") != '\0')
            cli_say(cli, "\n%s: %s\n", plain_number(row, "code"), cli_text(row, "action"));
    }
}

static void print_line(const struct cli *cli, const json_t *line, uint64_t minutes)
{
    cli_say(cli, "the last %s\n\n", cli_count((json_int_t)minutes, "minute", "minutes"));
    if (json_array_size(json_object_get(line, "stations")) == 0) {
        cli_say(cli, "no run of any station\n");
        return;
    }
    print_stations(cli, line);
    cli_say(cli, "\n");
    print_batches(cli, line);
    cli_say(cli, "\n");
    print_codes(cli, line);
}

enum err command_factory_line(struct cli *cli)
{
    uint64_t minutes = 0, every = 0;
    TRY(cli_number(cli, "minutes", 1440, MINUTES_DEFAULT, &minutes));
    TRY(cli_number(cli, "every", 3600, EVERY_DEFAULT, &every));
    bool live = !cli->json && !cli->quiet && cli_option(cli, "once") == NULL && every > 0 &&
                isatty(STDOUT_FILENO) == 1;
    do {
        AUTO(json_freep) json_t *line = NULL;
        TRY(cli_call(cli, NET_HTTP_GET, NULL, &line, "/v1/factory/line?minutes=%llu",
                     (unsigned long long)minutes));
        if (cli_print_json(cli, line))
            return ERR_OK;
        if (live)
            cli_say(cli, "\033[H\033[2J"); /* from the top of an empty screen */
        print_line(cli, line, minutes);
        (void)fflush(stdout);
        if (live)
            (void)sleep((unsigned)every);
    } while (live);
    return ERR_OK;
}
