#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/audit_json.h"
#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/commands.h"

#define PEM_MAX ((size_t)64 * 1024)

static void print_verdict(struct cli *cli, json_t *result)
{
    if (result == NULL || cli_print_json(cli, result))
        return;
    const json_t *problem = json_object_get(result, "problem");
    cli_say(cli, "%s in %s, %s to %s\n", cli_count(cli_int(result, "records"), "record", "records"),
            cli_count(cli_int(result, "segments"), "segment", "segments"),
            cli_text(result, "first_time"), cli_text(result, "last_time"));
    cli_say(cli, "%s of the token; the last covers record %s\n",
            cli_count(cli_int(result, "signatures"), "signature", "signatures"),
            cli_grouped(cli_int(result, "signed_seq")));
    if (problem != NULL)
        cli_say(cli,
                "WRONG: segment %" JSON_INTEGER_FORMAT ", offset %" JSON_INTEGER_FORMAT
                ", record %" JSON_INTEGER_FORMAT ": %s\n",
                cli_int(problem, "segment"), cli_int(problem, "offset"), cli_int(problem, "seq"),
                cli_text(problem, "text"));
    else
        cli_say(cli, "verified: order, hashes and signatures are as they should be; head %.16s\n",
                cli_text(result, "head"));
}

static bool on_progress(const struct audit_verify_progress *progress, void *ctx)
{
    progress_show(ctx, "verify", progress->bytes_done, progress->bytes_total);
    return true;
}

static enum err verify_folder(struct cli *cli, const char *dir, json_t **ret_result)
{
    AUTO(rsa_public_freep) struct rsa_public *key = NULL;
    if (cli_option(cli, "key") != NULL) {
        AUTO(buf_done) struct buf pem = {0};
        TRY(file_read(cli_option(cli, "key"), PEM_MAX, &pem, &cli->detail));
        TRY(rsa_public_from_pem(buf_view(&pem), &key, &cli->detail));
    }
    const struct rsa_public *const keys[] = {key};
    struct progress progress;
    progress_begin(&progress, cli);
    const struct audit_verify_options options = {.keys = keys,
                                                 .key_count = key != NULL ? 1 : 0,
                                                 .whole = true,
                                                 .progress = on_progress,
                                                 .ctx = &progress};
    struct audit_verify_result *result = calloc(1, sizeof *result);
    if (result == NULL)
        return ERR_NO_MEMORY;
    enum err err = audit_verify(dir, &options, result, &cli->detail);
    progress_end(&progress);
    if (err == ERR_OK || result->problem.err != ERR_OK)
        *ret_result = audit_verify_json(result);
    free(result);
    return err;
}

enum err command_audit_verify(struct cli *cli)
{
    AUTO(json_freep) json_t *result = NULL;
    const char *dir = cli_option(cli, "directory");
    enum err err = dir != NULL ? verify_folder(cli, dir, &result)
                               : cli_job(cli, json_object(), NULL, &result, "/v1/audit/verify");
    print_verdict(cli, result);
    return err;
}

/* "node 0x00010200 of domain 1" or "row 49". */
static void print_place(const struct cli *cli, const json_t *record)
{
    const char *table = cli_text(record, "table");
    json_int_t row = cli_int(record, "row"), domain = cli_int(record, "domain");
    if (strcmp(table, "node") == 0)
        cli_say(cli, "node %s ", cli_text(record, "node"));
    else if (*table != '\0')
        cli_say(cli, "%s version %" JSON_INTEGER_FORMAT " ", table, row);
    else if (row != 0)
        cli_say(cli, "%" JSON_INTEGER_FORMAT " ", row);
    if (domain != 0)
        cli_say(cli, "of domain %" JSON_INTEGER_FORMAT " ", domain);
    if (*cli_text(record, "purpose") != '\0')
        cli_say(cli, "for %s ", cli_text(record, "purpose"));
}

static void print_records(const struct cli *cli, const json_t *answer)
{
    size_t i;
    const json_t *record;
    json_array_foreach(json_object_get(answer, "records"), i, record)
    {
        const char *result = cli_text(record, "result");
        bool ok = result[0] == 'O' && result[1] == 'K';
        cli_say(cli, "%8" JSON_INTEGER_FORMAT "  %s  %-16s %-24s %s%s%s", cli_int(record, "seq"),
                cli_text(record, "time"), cli_text(record, "kind"), cli_text(record, "actor"),
                ok ? "" : "REFUSED ", ok ? "" : result, ok ? "" : " ");
        print_place(cli, record);
        cli_say(cli, "%s\n", cli_text(record, "text"));
    }
}

static enum err option_time(struct cli *cli, const char *name, bool end, int64_t *ret_seconds)
{
    const char *text = cli_option(cli, name);
    return text != NULL ? json_read_time(name, text, end, ret_seconds, &cli->detail) : ERR_OK;
}

static enum err show_folder(struct cli *cli, const char *dir, uint64_t last, uint64_t before,
                            json_t **ret_answer)
{
    struct audit_filter filter = {.last = last,
                                  .before = before,
                                  .kind = cli_option(cli, "kind"),
                                  .actor = cli_option(cli, "actor"),
                                  .text = cli_option(cli, "search")};
    TRY(option_time(cli, "from", false, &filter.from));
    TRY(option_time(cli, "to", true, &filter.to));
    return audit_show_json(dir, &filter, ret_answer, &cli->detail);
}

/* "&q=stolen&from=2026-11-21": what was given of the options that the API knows, too. */
static enum err filter_query(const struct cli *cli, struct buf *to)
{
    static const char *const names[][2] = {{"kind", "kind"}, {"actor", "actor"},
                                           {"search", "q"},  {"from", "from"},
                                           {"to", "to"},     {"before", "before"}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *text = cli_option(cli, names[i][0]);
        if (text != NULL)
            TRY(buf_printf(to, "&%s=%s", names[i][1], cli_escape(text)));
    }
    return ERR_OK;
}

enum err command_audit_show(struct cli *cli)
{
    uint64_t last = 20, before = 0;
    AUTO(json_freep) json_t *answer = NULL;
    AUTO(buf_done) struct buf query = {0};
    const char *dir = cli_option(cli, "directory");
    TRY(cli_number(cli, "last", AUDIT_SHOW_MAX, 20, &last));
    TRY(cli_number(cli, "before", UINT64_MAX, 0, &before));
    if (dir != NULL) {
        TRY(show_folder(cli, dir, last, before, &answer));
    } else {
        TRY(filter_query(cli, &query));
        TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/audit?last=%" PRIu64 "%.*s", last,
                     (int)query.len, query.len > 0 ? (const char *)query.data : ""));
    }
    if (!cli_print_json(cli, answer))
        print_records(cli, answer);
    return ERR_OK;
}

static enum err export_segment(struct cli *cli, const char *dir, uint64_t number)
{
    char name[SEGMENT_NAME_SIZE], path[PATH_MAX], resource[64];
    segment_name(number, name);
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", dir);
    (void)snprintf(resource, sizeof resource, "/v1/audit/segments/%" PRIu64, number);
    return cli_fetch(cli, resource, path, 0600);
}

enum err command_audit_export(struct cli *cli)
{
    const char *dir = cli_option(cli, "output");
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/audit/segments"));
    TRY(file_mkdirs(dir, 0700, &cli->detail));
    size_t i;
    const json_t *number;
    json_array_foreach(json_object_get(answer, "segments"), i, number)
    {
        TRY(export_segment(cli, dir, (uint64_t)json_integer_value(number)));
    }
    if (!cli_print_json(cli, answer))
        cli_say(cli,
                "%s: %s\nverify them anywhere: claviger audit verify --directory %s "
                "--key kms_key.pub.pem\n",
                cli_count((json_int_t)json_array_size(json_object_get(answer, "segments")),
                          "segment", "segments"),
                dir, dir);
    return ERR_OK;
}
