#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/kmip.h"

/* Attributes, and what the server says of itself. */

/* {"Name": "disk-7", "Object Group": ["a", "b"]} */
static json_t *list_json(const struct ckmip_list *list)
{
    json_t *object = json_object();
    for (size_t i = 0; i < list->len; i++) {
        const char *name = list->item[i].name;
        json_t *value = json_string(list->item[i].value), *before = json_object_get(object, name);
        if (json_is_array(before)) {
            (void)json_array_append_new(before, value);
        } else if (before != NULL) {
            json_t *both = json_pack("[O o]", before, value);
            (void)json_object_set_new(object, name, both);
        } else {
            (void)json_object_set_new(object, name, value);
        }
    }
    return object;
}

static enum err print_list(struct cli *cli, const struct ckmip_list *list)
{
    AUTO(json_freep) json_t *answer = list_json(list);
    size_t width = 0;
    if (cli_print_json(cli, answer))
        return ERR_OK;
    for (size_t i = 0; i < list->len; i++) {
        size_t len = strlen(list->item[i].name);
        width = len > width ? len : width;
    }
    for (size_t i = 0; i < list->len; i++)
        cli_say(cli, "%-*s  %s\n", (int)width, list->item[i].name, list->item[i].value);
    return ERR_OK;
}

enum err command_kmip_attributes(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_list_done) struct ckmip_list list = {0};
    struct ckmip_error error = {0};
    const char *const *names = (const char *const *)(cli->options->args + 1);
    size_t names_len = (size_t)cli->options->args_len - 1;
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli,
                  ckmip_get_attributes(kmip, cli_arg(cli, 0), names_len != 0 ? names : NULL,
                                       names_len, &list, &error),
                  &error));
    return print_list(cli, &list);
}

enum err command_kmip_set_attribute(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_attrs_done) struct kmip_attrs attrs = {0};
    struct ckmip_error error = {0};
    const char *uid = cli_arg(cli, 0);
    bool add = cli_option(cli, "add") != NULL;
    for (int i = 1; i < cli->options->args_len; i++)
        TRY(kmip_attrs_add_pair(cli, &attrs, cli_arg(cli, i)));
    TRY(kmip_open(cli, &kmip));
    for (size_t i = 0; i < attrs.len; i++) {
        int status = add ? ckmip_add_attribute(kmip, uid, &attrs.item[i], &error)
                         : ckmip_modify_attribute(kmip, uid, &attrs.item[i], &error);
        TRY(kmip_done(cli, status, &error));
        cli_say(cli, "%s of %s is %s\n", attrs.item[i].name, uid, add ? "added" : "changed");
    }
    return ERR_OK;
}

enum err command_kmip_delete_attribute(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    struct ckmip_error error = {0};
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli,
                  ckmip_delete_attribute(kmip, cli_arg(cli, 0), cli_arg(cli, 1),
                                         cli_option(cli, "value"), &error),
                  &error));
    cli_say(cli, "%s of %s is deleted\n", cli_arg(cli, 1), cli_arg(cli, 0));
    return ERR_OK;
}

enum err command_kmip_query(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_list_done) struct ckmip_list list = {0};
    struct ckmip_error error = {0};
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_query(kmip, &list, &error), &error));
    return print_list(cli, &list);
}

enum err command_kmip_versions(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(json_freep) json_t *list = json_array();
    struct ckmip_error error = {0};
    uint16_t versions[32];
    size_t len = 0;
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_discover_versions(kmip, versions, ARRAY_LEN(versions), &len, &error),
                  &error));
    for (size_t i = 0; i < len; i++) {
        (void)json_array_append_new(list,
                                    json_sprintf("%u.%u", versions[i] >> 8, versions[i] & 0xffu));
        cli_say(cli, "%s%u.%u", i > 0 ? " " : "", versions[i] >> 8, versions[i] & 0xffu);
    }
    AUTO(json_freep) json_t *answer = json_pack("{s:O}", "versions", list);
    if (!cli_print_json(cli, answer))
        cli_say(cli, "\n");
    return ERR_OK;
}
