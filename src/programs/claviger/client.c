#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/client_folder.h"
#include "programs/claviger/commands.h"
#include "programs/common/prompt.h"

#define PASSWORD_MAX    ((size_t)1024)
#define CERTIFICATE_MAX ((size_t)64 * 1024)
#define DAYS_MAX        3650u

/* "read create use" of a list of texts. */
static void words(const json_t *list, char *to, size_t cap)
{
    size_t i, used = 0;
    const json_t *item;
    *to = '\0';
    json_array_foreach(list, i, item)
    {
        int n = snprintf(to + used, cap - used, "%s%s", i > 0 ? " " : "", json_string_value(item));
        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

static const char *state_of(const json_t *client)
{
    return json_is_true(json_object_get(client, "enabled")) ? "enabled" : "disabled";
}

static void print_end(const struct cli *cli, const json_t *client)
{
    if (*cli_text(client, "not_after") != '\0')
        cli_say(cli, "valid until  %s\n", cli_text(client, "not_after"));
}

/* All that a station or browser has. */
static void print_bare(const struct cli *cli, const json_t *client)
{
    cli_say(cli, "client       %s\nkind         %s\nstate        %s\ncertificate  SHA-256 %s\n",
            cli_text(client, "name"), cli_text(client, "kind"), state_of(client),
            cli_text(client, "certificate"));
    print_end(cli, client);
}

static void print_client(const struct cli *cli, const json_t *client)
{
    if (strcmp(cli_text(client, "kind"), "kmip") != 0) {
        print_bare(cli, client);
        return;
    }
    char may[128], groups[1200];
    words(json_object_get(client, "permissions"), may, sizeof may);
    words(json_object_get(client, "groups"), groups, sizeof groups);
    cli_say(cli,
            "client       %s\nkind         %s\nstate        %s\nmay          %s\n"
            "groups       %s\nplacement    %s\n",
            cli_text(client, "name"), cli_text(client, "kind"), state_of(client), may, groups,
            cli_text(client, "placement"));
    const char *certificate = cli_text(client, "certificate");
    cli_say(cli, "certificate  %s%s\n", *certificate != '\0' ? "SHA-256 " : "none", certificate);
    print_end(cli, client);
    cli_say(cli, "password     %s\n",
            json_is_true(json_object_get(client, "has_password")) ? "yes" : "none");
    if (*cli_text(client, "notify") != '\0')
        cli_say(cli, "notify       %s%s\n", cli_text(client, "notify"),
                json_is_true(json_object_get(client, "put")) ? ", with Put" : "");
}

/* ---- what the options say, as the body of a request ---- */

static enum err put_text(struct cli *cli, json_t *body, const char *field, const char *text)
{
    if (json_object_set_new(body, field, json_string(text)) != 0)
        return err_set(&cli->detail, ERR_SYNTAX, "%s: not UTF-8 text", field);
    return ERR_OK;
}

static enum err put_option(struct cli *cli, json_t *body, const char *option)
{
    const char *text = cli_option(cli, option);
    return text != NULL ? put_text(cli, body, option, text) : ERR_OK;
}

static enum err put_permissions(struct cli *cli, json_t *body)
{
    const char *at = cli_option(cli, "permissions");
    if (at == NULL)
        return ERR_OK;
    json_t *list = json_array();
    while (*at != '\0') {
        size_t len = strcspn(at, ", ");
        if (len != 0)
            (void)json_array_append_new(list, json_stringn(at, len));
        at += len + (at[len] != '\0');
    }
    return json_object_set_new(body, "permissions", list) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err put_groups(struct cli *cli, json_t *body)
{
    const char *group = options_get_nth(cli->options, "group", 0);
    if (group == NULL)
        return ERR_OK;
    json_t *list = json_array();
    for (size_t n = 0; (group = options_get_nth(cli->options, "group", n)) != NULL; n++)
        (void)json_array_append_new(list, json_string(group));
    return json_object_set_new(body, "groups", list) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err put_file(struct cli *cli, json_t *body, const char *option, const char *field)
{
    const char *path = cli_option(cli, option);
    AUTO(buf_done) struct buf text = {0};
    if (path == NULL)
        return ERR_OK;
    TRY(file_read(path, CERTIFICATE_MAX, &text, &cli->detail));
    TRY(buf_append(&text, bytes_of("", 1)));
    return put_text(cli, body, field, (const char *)text.data);
}

static enum err put_password(struct cli *cli, json_t *body)
{
    AUTO(secret_freep) struct secret *password = NULL;
    if (cli_option(cli, "password-file") != NULL || cli_option(cli, "password") != NULL)
        TRY(cli_secret(cli, "password-file", "password of the client", true, PASSWORD_MAX,
                       &password));
    return password != NULL ? cli_set_secret(cli, body, "password", password) : ERR_OK;
}

static enum err put_days(struct cli *cli, json_t *body)
{
    uint64_t days = 0;
    TRY(cli_number(cli, "days", DAYS_MAX, 0, &days));
    if (cli_option(cli, "days") == NULL)
        return ERR_OK;
    return json_object_set_new(body, "days", json_integer((json_int_t)days)) == 0 ? ERR_OK
                                                                                  : ERR_NO_MEMORY;
}

static enum err put_put(struct cli *cli, json_t *body)
{
    const bool put = cli_option(cli, "put") != NULL, none = cli_option(cli, "no-put") != NULL;
    if (put && none)
        return err_set(&cli->detail, ERR_ARGUMENT, "--put or --no-put: only one is wanted");
    if (!put && !none)
        return ERR_OK;
    return json_object_set_new(body, "put", json_boolean(put)) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err put_record(struct cli *cli, json_t *body)
{
    TRY(put_permissions(cli, body));
    TRY(put_groups(cli, body));
    TRY(put_option(cli, body, "placement"));
    TRY(put_option(cli, body, "notify"));
    TRY(put_put(cli, body));
    TRY(put_file(cli, body, "certificate", "certificate"));
    return put_password(cli, body);
}

static enum err put_request(struct cli *cli, json_t *body, const struct client_folder *folder)
{
    TRY(put_days(cli, body));
    if (folder->request.len == 0)
        return ERR_OK;
    json_t *pem = json_stringn((const char *)folder->request.data, folder->request.len);
    if (json_object_set_new(body, "request", pem) != 0)
        return err_set(&cli->detail, ERR_SYNTAX, "the certificate request is not PEM");
    return ERR_OK;
}

/* ---- commands ---- */

enum err command_client_create(struct cli *cli)
{
    AUTO(client_folder_done) struct client_folder folder = {.name = cli_arg(cli, 0)};
    AUTO(json_freep) json_t *body = json_object();
    AUTO(json_freep) json_t *answer = NULL;
    if (cli_option(cli, "output") != NULL && cli_option(cli, "certificate") != NULL)
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "--output writes a certificate of this server's authority, --certificate "
                       "brings one of another: only one is wanted");
    if (cli_option(cli, "csr") != NULL && cli_option(cli, "output") == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "--csr wants --output: a folder for the certificate");
    if (cli_option(cli, "output") == NULL && cli_option(cli, "certificate") == NULL &&
        cli_option(cli, "password") == NULL && cli_option(cli, "password-file") == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "how will it be known? -o DIR makes a key and a certificate; or name its "
                       "--certificate or --password-file");
    TRY(put_text(cli, body, "name", folder.name));
    TRY(put_option(cli, body, "kind"));
    TRY(put_record(cli, body));
    TRY(client_folder_is_free(cli));
    TRY(client_folder_prepare(cli, &folder));
    TRY(put_request(cli, body, &folder));
    TRY(cli_call(cli, NET_HTTP_POST, TAKE(body), &answer, "/v1/clients"));
    if (!cli_print_json(cli, answer))
        print_client(cli, answer);
    return client_folder_write(cli, &folder, answer);
}

enum err command_client_renew(struct cli *cli)
{
    AUTO(client_folder_done) struct client_folder folder = {.name = cli_arg(cli, 0)};
    AUTO(json_freep) json_t *body = json_object();
    AUTO(json_freep) json_t *answer = NULL;
    TRY(client_folder_prepare(cli, &folder));
    TRY(put_request(cli, body, &folder));
    TRY(cli_call(cli, NET_HTTP_POST, TAKE(body), &answer, "/v1/clients/%s/certificate",
                 cli_escape(folder.name)));
    if (!cli_print_json(cli, answer))
        print_client(cli, answer);
    return client_folder_write(cli, &folder, answer);
}

enum err command_client_list(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/clients"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"client", "kind",      "state",      "may",
                                         "groups", "placement", "valid until"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *client;
    json_array_foreach(json_object_get(answer, "clients"), i, client)
    {
        char may[128], groups[1200];
        words(json_object_get(client, "permissions"), may, sizeof may);
        words(json_object_get(client, "groups"), groups, sizeof groups);
        const char *cells[] = {cli_text(client, "name"),
                               cli_text(client, "kind"),
                               state_of(client),
                               may,
                               groups,
                               cli_text(client, "placement"),
                               cli_text(client, "not_after")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_client_show(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/clients/%s", cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        print_client(cli, answer);
    return ERR_OK;
}

enum err command_client_change(struct cli *cli)
{
    AUTO(json_freep) json_t *body = json_object();
    AUTO(json_freep) json_t *answer = NULL;
    TRY(put_record(cli, body));
    if (json_object_size(body) == 0)
        return err_set(&cli->detail, ERR_ARGUMENT, "nothing to change is named");
    TRY(cli_call(cli, NET_HTTP_PATCH, TAKE(body), &answer, "/v1/clients/%s",
                 cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        print_client(cli, answer);
    return ERR_OK;
}

static enum err set_state(struct cli *cli, const char *verb)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_POST, NULL, &answer, "/v1/clients/%s/%s",
                 cli_escape(cli_arg(cli, 0)), verb));
    if (!cli_print_json(cli, answer))
        cli_say(cli, "client '%s' is %s\n", cli_arg(cli, 0), state_of(answer));
    return ERR_OK;
}

enum err command_client_disable(struct cli *cli)
{
    return set_state(cli, "disable");
}

enum err command_client_enable(struct cli *cli)
{
    return set_state(cli, "enable");
}

enum err command_client_remove(struct cli *cli)
{
    TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/clients/%s", cli_escape(cli_arg(cli, 0))));
    cli_say(cli, "client '%s' is removed\n", cli_arg(cli, 0));
    return ERR_OK;
}
