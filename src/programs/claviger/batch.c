#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/import.h"

#define PEM_MAX ((size_t)64 * 1024)

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

enum err command_batch_list(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/networks/%s/batches",
                 cli_escape(cli_arg(cli, 0))));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"batch", "nodes", "when", "by", "how", "from"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *batch;
    json_array_foreach(json_object_get(answer, "batches"), i, batch)
    {
        const char *cells[] = {cli_grouped(cli_int(batch, "batch")),
                               cli_grouped(cli_int(batch, "nodes")),
                               cli_text(batch, "when"),
                               cli_text(batch, "actor"),
                               cli_text(batch, "operation"),
                               cli_text(batch, "source")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

static enum err fetch_all(struct cli *cli, uint64_t id, const char *path)
{
    /* the file itself last: where it is, all is */
    static const char *const parts[] = {".sig", ".manifest", ""};
    char beside[PATH_MAX];
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (snprintf(beside, sizeof beside, "%s%s", path, parts[i]) >= (int)sizeof beside)
            return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", path);
        TRY(cli_download(cli, id, parts[i], beside, 0600));
    }
    return ERR_OK;
}

enum err command_batch_export(struct cli *cli)
{
    uint64_t batch = 0;
    const char *path = cli_option(cli, "output");
    AUTO(buf_done) struct buf recipient = {0};
    TRY(cli_number(cli, "batch", UINT32_MAX, 0, &batch));
    TRY(file_read(cli_option(cli, "to"), PEM_MAX, &recipient, &cli->detail));
    json_t *spec = json_pack("{s:I s:s# s:s}", "batch", (json_int_t)batch, "recipient",
                             (const char *)recipient.data, recipient.len, "file", base_name(path));
    if (spec == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "%s: not a PEM file", cli_option(cli, "to"));
    AUTO(json_freep) json_t *result = NULL;
    TRY(cli_job(cli, spec, NULL, &result, "/v1/networks/%s/batches/export",
                cli_escape(cli_arg(cli, 0))));
    uint64_t id = (uint64_t)cli_int(result, "download");
    enum err err = fetch_all(cli, id, path);
    cli_download_done(cli, id);
    TRY(err);
    if (!cli_print_json(cli, result))
        cli_say(cli,
                "%s of batch %s, encrypted to the key server: %s\nsignature: "
                "%s.sig\nmanifest:  %s.manifest\n"
                "next: take the three files to the operator\n",
                cli_count(cli_int(result, "nodes"), "node", "nodes"), cli_option(cli, "batch"),
                path, path, path);
    return ERR_OK;
}

/* The file and what stands beside it, named by an option or by its own name. */
static enum err upload_beside(struct cli *cli, json_t *spec, const char *field, const char *option,
                              const char *suffix)
{
    char beside[PATH_MAX];
    uint64_t id = 0;
    const char *path = option != NULL ? cli_option(cli, option) : NULL;
    if (path == NULL) {
        if (snprintf(beside, sizeof beside, "%s%s", cli_arg(cli, 1), suffix) >= (int)sizeof beside)
            return err_set(&cli->detail, ERR_LIMIT, "path too long");
        path = beside;
    }
    TRY(cli_upload(cli, path, &id));
    (void)json_object_set_new(spec, field, json_integer((json_int_t)id));
    return ERR_OK;
}

static enum err upload_all(struct cli *cli, json_t *spec)
{
    TRY(upload_beside(cli, spec, "upload_signature", "signature", ".sig"));
    TRY(upload_beside(cli, spec, "upload_manifest", "manifest", ".manifest"));
    return upload_beside(cli, spec, "upload", NULL, "");
}

/* A factory's file may come without a signature, where no key of it is registered. */
static enum err upload_devices(struct cli *cli, json_t *spec)
{
    char beside[PATH_MAX];
    bool named = cli_option(cli, "signature") != NULL;
    if (snprintf(beside, sizeof beside, "%s.sig", cli_arg(cli, 1)) >= (int)sizeof beside)
        return err_set(&cli->detail, ERR_LIMIT, "path too long");
    if (named || access(beside, F_OK) == 0)
        TRY(upload_beside(cli, spec, "upload_signature", "signature", ".sig"));
    return upload_beside(cli, spec, "upload", NULL, "");
}

static void tell_signer(struct cli *cli, const json_t *spec, enum err err, const json_t *result)
{
    const char *by = cli_text(result, "signed_by");
    bool given = json_object_get(spec, "upload_signature") != NULL;
    if (err == ERR_SIGNATURE) {
        (void)snprintf(cli->hint, sizeof cli->hint, "%s",
                       given ? "nothing was imported; claviger batch signer list tells whose files "
                               "this server takes"
                             : "nothing was imported; take FILE.sig along, which the factory's "
                               "export writes beside FILE, or name it with --signature");
        return;
    }
    if (err != ERR_OK || cli->json)
        return;
    if (*by != '\0')
        cli_say(cli, "signed by factory '%s'\n", by);
    else
        (void)fprintf(stderr,
                      "warning: nothing proves who made %s: no factory's key is registered for "
                      "this network\nhint: claviger batch signer add NAME PEM, with the key that "
                      "claviger server public-key writes at the factory\n",
                      base_name(cli_arg(cli, 1)));
}

/* A factory's device_keys.xml begins with a tag, whatever it is called; a batch file is DER. */
static enum err is_xml(struct cli *cli, bool *ret_xml)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    uint8_t head[64];
    AUTO(file_closep) int fd = open(cli_arg(cli, 1), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(&cli->detail, "%s", cli_arg(cli, 1));
    ssize_t len = read(fd, head, sizeof head);
    if (len < 0)
        return err_errno(&cli->detail, "%s", cli_arg(cli, 1));
    size_t at = len >= 3 && memcmp(head, mark, sizeof mark) == 0 ? sizeof mark : 0;
    while (at < (size_t)len && strchr(" \t\r\n", head[at]) != NULL && head[at] != '\0')
        at++;
    *ret_xml = at < (size_t)len && head[at] == '<';
    return ERR_OK;
}

static enum err no_option(struct cli *cli, const char *name, bool devices)
{
    if (cli_option(cli, name) == NULL)
        return ERR_OK;
    return err_set(&cli->detail, ERR_ARGUMENT, "--%s is for %s", name,
                   devices ? "batch files (.csv.rsa)" : "device_keys.xml");
}

enum err command_batch_import(struct cli *cli)
{
    bool devices = false;
    TRY(is_xml(cli, &devices));
    TRY(no_option(cli, devices ? "manifest" : "skip-refused", devices));
    AUTO(json_freep)
    json_t *spec =
        json_pack("{s:s s:b s:b s:b s:b}", "file", base_name(cli_arg(cli, 1)), "backup",
                  cli_option(cli, "backup") != NULL, "dry_run", cli_option(cli, "dry-run") != NULL,
                  "verbose", cli_option(cli, "verbose") != NULL, "skip_refused",
                  cli_option(cli, "skip-refused") != NULL);
    if (spec == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "%s: not UTF-8 text", cli_arg(cli, 1));
    AUTO(json_freep) json_t *result = NULL;
    enum err err = devices ? upload_devices(cli, spec) : upload_all(cli, spec);
    if (err == ERR_OK)
        err = cli_job(cli, json_incref(spec), import_line, &result,
                      devices ? "/v1/networks/%s/batches/import-devices"
                              : "/v1/networks/%s/batches/import",
                      cli_escape(cli_arg(cli, 0)));
    if (err != ERR_OK)
        cli_uploads_done(cli, spec);
    import_report(cli, result);
    if (devices)
        tell_signer(cli, spec, err, result);
    return err;
}
