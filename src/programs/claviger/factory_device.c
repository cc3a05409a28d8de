#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/factory.h"

/* "node 1.0, emcm 2.3" of an object of versions. */
static const char *versions_text(const json_t *versions, char to[FACTORY_LIST_MAX])
{
    const char *name;
    json_t *version;
    size_t used = 0;
    to[0] = '\0';
    json_object_foreach((json_t *)versions, name, version)
    {
        int len = snprintf(to + used, FACTORY_LIST_MAX - used, "%s%s %s", used > 0 ? ", " : "",
                           name, json_is_string(version) ? json_string_value(version) : "");
        if (len < 0 || (size_t)len >= FACTORY_LIST_MAX - used)
            break;
        used += (size_t)len;
    }
    return to;
}

static void print_runs(const struct cli *cli, const json_t *runs)
{
    static const char *const titles[] = {"begun", "station", "operator", "operation", "batch",
                                         "code",  "before",  "after",    "text"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *run;
    json_array_foreach(runs, i, run)
    {
        char before[FACTORY_LIST_MAX], after[FACTORY_LIST_MAX], batch[24], code[24] = "-";
        (void)snprintf(batch, sizeof batch, "%lld", (long long)cli_int(run, "batch"));
        if (json_is_integer(json_object_get(run, "return_code")))
            (void)snprintf(code, sizeof code, "%lld", (long long)cli_int(run, "return_code"));
        const char *cells[] = {cli_text(run, "begun"),
                               cli_text(run, "station"),
                               cli_text(run, "operator"),
                               cli_text(run, "operation"),
                               batch,
                               code,
                               versions_text(json_object_get(run, "versions_before"), before),
                               versions_text(json_object_get(run, "versions_after"), after),
                               cli_text(run, "text")};
        table_row(table, cells);
    }
    cli_table(cli, table);
}

static void print_keyings(const struct cli *cli, const json_t *keyings)
{
    static const char *const titles[] = {"key given",     "station",  "batch",
                                         "configuration", "revision", "check value"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *keying;
    json_array_foreach(keyings, i, keying)
    {
        char batch[24], revision[24];
        (void)snprintf(batch, sizeof batch, "%lld", (long long)cli_int(keying, "batch"));
        (void)snprintf(revision, sizeof revision, "%lld", (long long)cli_int(keying, "revision"));
        const char *cells[] = {cli_text(keying, "time"),
                               cli_text(keying, "station"),
                               batch,
                               cli_text(keying, "config_id"),
                               revision,
                               cli_text(keying, "kcv")};
        table_row(table, cells);
    }
    cli_table(cli, table);
}

static void print_exports(const struct cli *cli, const json_t *exports)
{
    size_t i;
    const json_t *export;
    if (json_array_size(exports) == 0)
        cli_say(cli, "never exported\n");
    json_array_foreach(exports, i, export)
    {
        cli_say(cli, "export %lld  %s by %s\n", (long long)cli_int(export, "id"),
                cli_text(export, "time"), cli_text(export, "by"));
    }
}

enum err command_factory_device(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    enum err err = cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/factory/devices/%s",
                            cli_escape(cli_arg(cli, 0)));
    if (err == ERR_NOT_FOUND)
        (void)snprintf(cli->hint, sizeof cli->hint, "claviger factory devices lists them");
    TRY(err);
    if (cli_print_json(cli, answer))
        return ERR_OK;
    size_t i;
    const json_t *application;
    cli_say(cli, "node           %s\nstate          %s\n", cli_text(answer, "node_id"),
            cli_text(answer, "state"));
    cli_say(cli, "configuration  %s revision %lld\nbatch          %lld\n",
            cli_text(answer, "config_id"), (long long)cli_int(answer, "revision"),
            (long long)cli_int(answer, "batch"));
    json_array_foreach(json_object_get(answer, "applications"), i, application)
    {
        cli_say(cli, "application    %s, id %s\n", cli_text(application, "name"),
                cli_text(application, "id"));
    }
    cli_say(cli, "\n");
    print_runs(cli, json_object_get(answer, "runs"));
    cli_say(cli, "\n");
    print_keyings(cli, json_object_get(answer, "keyings"));
    cli_say(cli, "\n");
    print_exports(cli, json_object_get(answer, "exports"));
    return ERR_OK;
}

enum err command_factory_file(struct cli *cli)
{
    char resource[512];
    uint64_t revision = 0;
    const char *config = cli_arg(cli, 0), *name = cli_arg(cli, 1), *to = cli_option(cli, "output");
    if (strchr(name, '/') != NULL)
        return err_set(&cli->detail, ERR_ARGUMENT, "files of a package have no '/' in their names");
    TRY(cli_number(cli, "revision", UINT32_MAX, 0, &revision));
    int len = snprintf(resource, sizeof resource, "/v1/factory/packages/%s/files/%s?revision=%llu",
                       cli_escape(config), cli_escape(name), (unsigned long long)revision);
    if (len < 0 || (size_t)len >= sizeof resource)
        return err_set(&cli->detail, ERR_ARGUMENT, "the file's name is too long");
    enum err err = cli_fetch(cli, resource, to != NULL ? to : name, 0644);
    if (err == ERR_NOT_FOUND)
        (void)snprintf(cli->hint, sizeof cli->hint, "claviger factory show %s lists its files",
                       config);
    TRY(err);
    if (!cli_print_json(cli, NULL))
        cli_say(cli, "%s\n", to != NULL ? to : name);
    return ERR_OK;
}
