#include <string.h>

#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/commands.h"

#define PEM_MAX ((size_t)64 * 1024)

static enum err list_signers(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/signers"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"factory", "network", "SHA-256 of the key", "added", "by"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(answer, "signers"), i, row)
    {
        const char *network = cli_text(row, "network");
        const char *cells[] = {cli_text(row, "name"), *network != '\0' ? network : "all",
                               cli_text(row, "fingerprint"), cli_text(row, "created"),
                               cli_text(row, "created_by")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

static enum err add_signer(struct cli *cli, const char *name, const char *path)
{
    const char *network = cli_option(cli, "network");
    AUTO(buf_done) struct buf pem = {0};
    AUTO(json_freep) json_t *answer = NULL;
    TRY(file_read(path, PEM_MAX, &pem, &cli->detail));
    json_t *body =
        json_pack("{s:s s:s#}", "name", name, "public_key", (const char *)pem.data, pem.len);
    if (body == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "%s: not a PEM file", path);
    if (network != NULL)
        (void)json_object_set_new(body, "network", json_string(network));
    TRY(cli_call(cli, NET_HTTP_POST, body, &answer, "/v1/signers"));
    if (!cli_print_json(cli, answer))
        cli_say(cli,
                "device keys signed by factory '%s' are taken, SHA-256 of the key %s\n"
                "unsigned ones are refused from now on%s%s\n",
                name, cli_text(answer, "fingerprint"), network != NULL ? " for network " : "",
                network != NULL ? network : "");
    return ERR_OK;
}

enum err command_batch_signer(struct cli *cli)
{
    const char *word = cli_arg(cli, 0), *name = cli_arg(cli, 1), *path = cli_arg(cli, 2);
    if (strcmp(word, "list") == 0 && name == NULL)
        return list_signers(cli);
    if (strcmp(word, "add") == 0 && path != NULL)
        return add_signer(cli, name, path);
    if (strcmp(word, "remove") != 0 || name == NULL || path != NULL)
        return err_set(&cli->detail, ERR_ARGUMENT, "wanted: list, add NAME PEM, or remove NAME");
    TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/signers/%s", cli_escape(name)));
    cli_say(cli, "factory '%s' is not believed any more\n", name);
    return ERR_OK;
}
