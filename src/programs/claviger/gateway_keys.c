#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/json.h"
#include "base/file.h"
#include "base/hex.h"
#include "programs/claviger/commands.h"

#define FILE_MAX ((size_t)64 * 1024)

static enum err write_hex(struct cli *cli, const json_t *answer, const char *name, const char *path,
                          mode_t mode)
{
    const char *text = cli_text(answer, name);
    AUTO(buf_done) struct buf bytes = {0};
    TRY(buf_reserve(&bytes, strlen(text) / 2 + 1));
    if (hex_decode(bytes_str(text), bytes.data, bytes.cap, &bytes.len) != ERR_OK || bytes.len == 0)
        return err_set(&cli->detail, ERR_PEER, "the daemon's answer has no '%s'", name);
    return file_write(path, buf_view(&bytes), mode, &cli->detail);
}

enum err command_network_export_gateway_keys(struct cli *cli)
{
    const char *path = cli_option(cli, "output");
    char signature[PATH_MAX];
    if (snprintf(signature, sizeof signature, "%s.sig", path) >= (int)sizeof signature)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", path);
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_POST, NULL, &answer, "/v1/networks/%s/gateway-keys/export",
                 cli_escape(cli_arg(cli, 0))));
    TRY(write_hex(cli, answer, "file", path, 0600));
    TRY(write_hex(cli, answer, "signature", signature, 0600));
    if (!cli_print_json(cli, answer))
        cli_say(cli,
                "gateway keys of '%s', encrypted with the shared passphrase: %s\nsignature of this "
                "server:            "
                "           %s\nnext: give both to the factory, and the public key (claviger "
                "server public-key)\n",
                cli_arg(cli, 0), path, signature);
    return ERR_OK;
}

/* A small file as hexadecimal text into the body. */
static enum err add_file(struct cli *cli, json_t *body, const char *name, const char *path)
{
    AUTO(buf_done) struct buf bytes = {0};
    TRY(file_read(path, FILE_MAX, &bytes, &cli->detail));
    char *text = malloc(2 * bytes.len + 1);
    if (text == NULL)
        return ERR_NO_MEMORY;
    hex_encode(buf_view(&bytes), text);
    (void)json_object_set_new(body, name, json_string(text));
    free(text);
    return ERR_OK;
}

static enum err fill_body(struct cli *cli, json_t *body)
{
    const char *path = cli_arg(cli, 1);
    const char *signature = cli_option(cli, "signature");
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.sig", path) >= (int)sizeof beside)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", path);
    AUTO(buf_done) struct buf signer = {0};
    TRY(add_file(cli, body, "file", path));
    TRY(add_file(cli, body, "signature", signature != NULL ? signature : beside));
    TRY(file_read(cli_option(cli, "signer"), FILE_MAX, &signer, &cli->detail));
    (void)json_object_set_new(body, "signer", json_stringn((const char *)signer.data, signer.len));
    AUTO(secret_freep) struct secret *passphrase = NULL;
    TRY(cli_passphrase(cli, false, &passphrase));
    return cli_set_secret(cli, body, "passphrase", passphrase);
}

enum err command_network_import_gateway_keys(struct cli *cli)
{
    json_t *body = json_object();
    enum err err = fill_body(cli, body);
    if (err != ERR_OK) {
        json_decref(body);
        return err;
    }
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_POST, body, &answer, "/v1/networks/%s/gateway-keys/import",
                 cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        cli_say(cli, "network '%s' is %s: %s added, %s here already\n", cli_text(answer, "name"),
                json_is_true(json_object_get(answer, "created")) ? "made" : "updated",
                cli_count(cli_int(answer, "added"), "key version", "key versions"),
                cli_grouped(cli_int(answer, "unchanged")));
    return ERR_OK;
}
