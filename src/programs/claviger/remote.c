#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/cli.h"
#include "programs/common/prompt.h"

/* A daemon elsewhere, over HTTPS: as a user, or with a station's certificate. */

#define PASSWORD_MAX ((size_t)256)

static const char *url_of(const struct cli *cli)
{
    const char *url = cli_option(cli, "url");
    if (url == NULL)
        url = getenv("CLAVIGER_URL");
    return url != NULL && *url != '\0' ? url : NULL;
}

bool cli_is_remote(const struct cli *cli)
{
    /* --socket is the nearer word */
    return cli_option(cli, "socket") == NULL && url_of(cli) != NULL;
}

static enum err read_password(struct cli *cli, struct secret **ret_password)
{
    return cli_secret(cli, "login-password-file", "password", false, PASSWORD_MAX, ret_password);
}

static enum err log_in(struct cli *cli, const char *user)
{
    AUTO(secret_freep) struct secret *password = NULL;
    AUTO(json_freep) json_t *answer = NULL;
    AUTO(json_freep) json_t *body = json_pack("{s:s}", "user", user);
    if (body == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "--user: not UTF-8 text");
    TRY(read_password(cli, &password));
    TRY(cli_set_secret(cli, body, "password", password));
    TRY(cli_call(cli, NET_HTTP_POST, TAKE(body), &answer, "/v1/login"));
    cli->logged_in = true;
    return net_client_set_header(cli->client, "X-Claviger-CSRF", cli_text(answer, "csrf"));
}

static enum err path_in(struct cli *cli, const char *dir, const char *name, char to[PATH_MAX])
{
    int len = snprintf(to, PATH_MAX, "%s/%s", dir, name);
    return len > 0 && len < PATH_MAX
               ? ERR_OK
               : err_set(&cli->detail, ERR_LIMIT, "--identity %.100s: path too long", dir);
}

enum err cli_connect_remote(struct cli *cli)
{
    char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX];
    const char *user = cli_option(cli, "user"), *dir = cli_option(cli, "identity");
    struct net_client_config config = {
        .base = url_of(cli), .ca_file = cli_option(cli, "ca"), .cookies = true};
    if (config.base == NULL || strncmp(config.base, "https://", 8) != 0)
        return err_set(&cli->detail, ERR_ARGUMENT, "--url %.200s: https://HOST:PORT is wanted",
                       config.base != NULL ? config.base : "");
    if (user == NULL && dir == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "who asks there? --user NAME logs in, --identity DIR shows a certificate");
    if (dir != NULL) {
        TRY(path_in(cli, dir, "cert.pem", cert));
        TRY(path_in(cli, dir, "key.pem", key));
        TRY(path_in(cli, dir, "ca.pem", ca));
        config.cert_file = cert;
        config.key_file = key;
        if (config.ca_file == NULL && access(ca, R_OK) == 0)
            config.ca_file = ca;
    }
    /* the paths are the client's for as long as it lives */
    static char kept[3][PATH_MAX];
    const char **const paths[] = {&config.cert_file, &config.key_file, &config.ca_file};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (*paths[i] == NULL)
            continue;
        (void)snprintf(kept[i], sizeof kept[i], "%s", *paths[i]);
        *paths[i] = kept[i];
    }
    TRY(net_client_new(&config, &cli->client, &cli->detail));
    return user != NULL ? log_in(cli, user) : ERR_OK;
}

void cli_log_out(struct cli *cli)
{
    struct err_detail before = cli->detail;
    if (cli->logged_in && cli->client != NULL) {
        enum err err = cli_call(cli, NET_HTTP_POST, NULL, NULL, "/v1/logout");
        (void)err; /* it ends by itself, too */
    }
    cli->logged_in = false;
    cli->detail = before;
}
