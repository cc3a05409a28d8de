#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/commands.h"

static enum err write_pem(struct cli *cli, const char *resource, const char *what)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "%s", resource));
    const char *path = cli_option(cli, "output"), *pem = cli_text(answer, "pem");
    if (path == NULL) {
        if (!cli_print_json(cli, answer))
            (void)fputs(pem, stdout);
        return ERR_OK;
    }
    TRY(file_write(path, bytes_str(pem), 0644, &cli->detail));
    if (!cli_print_json(cli, answer))
        cli_say(cli, "%s: %s\n", what, path);
    if (*cli_text(answer, "fingerprint") != '\0')
        cli_say(cli, "fingerprint (SHA-256): %s\n", cli_text(answer, "fingerprint"));
    return ERR_OK;
}

enum err command_server_public_key(struct cli *cli)
{
    return write_pem(cli, "/v1/server/public-key", "this server's RSA public key");
}

enum err command_server_ca(struct cli *cli)
{
    return write_pem(cli, "/v1/server/ca", "certificate of the certification authority");
}

enum err command_server_reload(struct cli *cli)
{
    TRY(cli_call(cli, NET_HTTP_POST, NULL, NULL, "/v1/reload"));
    cli_say(cli,
            "reloaded: certificates, the peer table, log level, [kmip] and [https] but for their "
            "addresses; other settings count from the next start\n");
    return ERR_OK;
}

static enum err list_jobs(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/jobs"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"job", "kind", "by", "state", "stage", "done", "of"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *job;
    json_array_foreach(json_object_get(answer, "jobs"), i, job)
    {
        char number[24];
        (void)snprintf(number, sizeof number, "%lld", (long long)cli_int(job, "job"));
        const char *cells[] = {number,
                               cli_text(job, "kind"),
                               cli_text(job, "owner"),
                               cli_text(job, "state"),
                               cli_text(job, "stage"),
                               cli_grouped(cli_int(job, "done")),
                               cli_grouped(cli_int(job, "total"))};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_server_jobs(struct cli *cli)
{
    const char *word = cli_arg(cli, 0), *job = cli_arg(cli, 1);
    if (word == NULL)
        return list_jobs(cli);
    if (strcmp(word, "cancel") != 0 || job == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT, "wanted: nothing, or cancel JOB");
    TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/jobs/%s", cli_escape(job)));
    cli_say(cli, "job %s is told to end\n", job);
    return ERR_OK;
}

static enum err fetch_packages(struct cli *cli, uint64_t id, const char *path, json_t *packages)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.packages.tar", path) >= (int)sizeof beside)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", path);
    TRY(cli_download(cli, id, ".packages", beside, 0600));
    (void)json_object_set_new(packages, "path", json_string(beside));
    return ERR_OK;
}

/* With --output the copy is made for that file alone; else it stays at the server. */
enum err command_server_backup(struct cli *cli)
{
    const char *path = cli_option(cli, "output");
    AUTO(json_freep) json_t *result = NULL;
    TRY(cli_job(cli,
                json_pack("{s:b s:b}", "download", path != NULL, "packages",
                          cli_option(cli, "no-packages") == NULL),
                NULL, &result, "/v1/backup"));
    json_t *packages = json_object_get(result, "packages");
    if (path != NULL) {
        uint64_t id = (uint64_t)cli_int(result, "download");
        enum err err = cli_download(cli, id, "", path, 0600);
        if (err == ERR_OK && json_is_object(packages))
            err = fetch_packages(cli, id, path, packages);
        cli_download_done(cli, id);
        TRY(err);
        (void)json_object_del(result, "download");
        (void)json_object_set_new(result, "path", json_string(path));
    }
    if (!cli_print_json(cli, result))
        cli_say(cli, "copy of the store, %s: %s\nit opens with this server's token only\n",
                cli_count(cli_int(result, "bytes"), "byte", "bytes"), cli_text(result, "path"));
    if (!cli->json && json_is_object(packages))
        cli_say(cli, "files of packages, %s: %s\n",
                cli_count(cli_int(packages, "bytes"), "byte", "bytes"), cli_text(packages, "path"));
    if (cli_int(packages, "missing") > 0)
        (void)fprintf(stderr, "warning: the files of %s are not there\n",
                      cli_count(cli_int(packages, "missing"), "revision", "revisions"));
    return ERR_OK;
}

enum err command_vault_list(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/domains"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"network", "domain key", "state"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *domain;
    json_array_foreach(json_object_get(answer, "domains"), i, domain)
    {
        char version[32];
        (void)snprintf(version, sizeof version, "version %" JSON_INTEGER_FORMAT,
                       cli_int(domain, "version"));
        const char *cells[] = {
            json_is_true(json_object_get(domain, "objects"))   ? "(objects)"
            : json_is_true(json_object_get(domain, "factory")) ? "(factory)"
                                                               : cli_text(domain, "network"),
            version,
            json_is_true(json_object_get(domain, "resealing")) ? "records are being sealed anew"
                                                               : "all records are under it"};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

static enum err rotate_group(struct cli *cli, const char *resource, const char *what)
{
    AUTO(json_freep) json_t *result = NULL;
    TRY(cli_job(cli, json_object(), NULL, &result, "%s", resource));
    if (!cli_print_json(cli, result))
        cli_say(cli, "all %s are sealed under domain key version %" JSON_INTEGER_FORMAT "\n", what,
                cli_int(result, "version"));
    return ERR_OK;
}

enum err command_vault_rotate(struct cli *cli)
{
    bool objects = cli_option(cli, "objects") != NULL;
    bool factory = cli_option(cli, "factory") != NULL;
    if ((int)objects + (int)factory + (int)(cli_arg(cli, 0) != NULL) != 1)
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "name a network, or give --objects or --factory");
    if (objects)
        return rotate_group(cli, "/v1/objects/rotate", "objects");
    if (factory)
        return rotate_group(cli, "/v1/factory/rotate", "packages' gateway keys");
    AUTO(json_freep) json_t *result = NULL;
    TRY(cli_job(cli, json_object(), NULL, &result, "/v1/domains/%s/rotate",
                cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, result))
        cli_say(cli,
                "'%s': all records are sealed under domain key version %" JSON_INTEGER_FORMAT "\n",
                cli_text(result, "network"), cli_int(result, "version"));
    return ERR_OK;
}
