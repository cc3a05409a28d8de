#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/commands.h"
#include "programs/common/prompt.h"

#define PASSWORD_MAX ((size_t)256)

/* The daemon says it once; nobody can ask for it again. */
static void print_password(const struct cli *cli, const json_t *user)
{
    const char *password = cli_text(user, "password");
    if (*password != '\0' && cli->quiet)
        (void)printf("%s\n", password); /* or nobody would ever know it */
    else if (*password != '\0')
        cli_say(cli, "password  %s   (shown this once, to be changed at the first login)\n",
                password);
}

static void print_user(const struct cli *cli, const json_t *user)
{
    cli_say(cli, "user      %s\nrole      %s\nstate     %s\n", cli_text(user, "name"),
            cli_text(user, "role"), cli_text(user, "state"));
    print_password(cli, user);
}

enum err command_user_create(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    AUTO(secret_freep) struct secret *password = NULL;
    AUTO(json_freep)
    json_t *body = json_pack("{s:s s:s}", "name", cli_arg(cli, 0), "role", cli_option(cli, "role"));
    const char *path = cli_option(cli, "password-file");
    if (body == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "name and role are UTF-8 text");
    if (path != NULL) {
        TRY(file_read_secret(path, PASSWORD_MAX, &password, &cli->detail));
        TRY(cli_set_secret(cli, body, "password", password));
    }
    TRY(cli_call(cli, NET_HTTP_POST, TAKE(body), &answer, "/v1/users"));
    if (!cli_print_json(cli, answer))
        print_user(cli, answer);
    return ERR_OK;
}

enum err command_user_list(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/users"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"user",       "role",     "state",
                                         "last login", "password", "wrong"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *user;
    json_array_foreach(json_object_get(answer, "users"), i, user)
    {
        const char *cells[] = {cli_text(user, "name"),
                               cli_text(user, "role"),
                               cli_text(user, "state"),
                               cli_text(user, "last_login"),
                               json_is_true(json_object_get(user, "must_change")) ? "to be changed"
                                                                                  : "own",
                               cli_grouped(cli_int(user, "failures"))};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

static enum err change(struct cli *cli, json_t *body)
{
    AUTO(json_freep) json_t *answer = NULL;
    if (body == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "a role is UTF-8 text");
    TRY(cli_call(cli, NET_HTTP_PATCH, body, &answer, "/v1/users/%s", cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        print_user(cli, answer);
    return ERR_OK;
}

enum err command_user_role(struct cli *cli)
{
    return change(cli, json_pack("{s:s}", "role", cli_arg(cli, 1)));
}

enum err command_user_disable(struct cli *cli)
{
    return change(cli, json_pack("{s:b}", "disabled", 1));
}

enum err command_user_enable(struct cli *cli)
{
    return change(cli, json_pack("{s:b}", "disabled", 0));
}

enum err command_user_reset(struct cli *cli)
{
    return change(cli, json_pack("{s:b}", "reset", 1));
}

enum err command_user_remove(struct cli *cli)
{
    TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/users/%s", cli_escape(cli_arg(cli, 0))));
    cli_say(cli, "user '%s' is removed\n", cli_arg(cli, 0));
    return ERR_OK;
}

static enum err new_password(struct cli *cli, struct secret **ret_password)
{
    return cli_secret(cli, "password-file", "new password", true, PASSWORD_MAX, ret_password);
}

static enum err old_password(struct cli *cli, struct secret **ret_password)
{
    return cli_secret(cli, "login-password-file", "old password", false, PASSWORD_MAX,
                      ret_password);
}

enum err command_user_password(struct cli *cli)
{
    AUTO(secret_freep) struct secret *old = NULL;
    AUTO(secret_freep) struct secret *new = NULL;
    AUTO(json_freep) json_t *body = json_object();
    if (!cli_is_remote(cli))
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "one's own password is changed with --url and --user; another's with "
                       "`claviger user reset`");
    TRY(old_password(cli, &old));
    TRY(new_password(cli, &new));
    TRY(cli_set_secret(cli, body, "old", old));
    TRY(cli_set_secret(cli, body, "new", new));
    TRY(cli_call(cli, NET_HTTP_PUT, TAKE(body), NULL, "/v1/session/password"));
    cli_say(cli, "the password is changed\n");
    return ERR_OK;
}
