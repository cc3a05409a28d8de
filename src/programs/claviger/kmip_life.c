#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/json.h"
#include "base/clock.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/kmip.h"

/* From create to destroy. */

#define BITS_MAX     65536u
#define USAGE        "Encrypt|Decrypt|WrapKey|UnwrapKey"
#define USAGE_MAC    "MACGenerate|MACVerify"
#define NAME_MAX_CAP 256

/* Without --usage: what one makes such a key for. */
static const char *usage_of(const struct cli *cli, const char *algorithm)
{
    const char *given = cli_option(cli, "usage");
    if (given != NULL)
        return given;
    return strncasecmp(algorithm, "hmac", 4) == 0 ? USAGE_MAC : USAGE;
}

static enum err activate_if_wanted(struct cli *cli, struct ckmip *kmip, const char *uid)
{
    struct ckmip_error error = {0};
    if (cli_option(cli, "activate") == NULL)
        return ERR_OK;
    return kmip_done(cli, ckmip_activate(kmip, uid, &error), &error);
}

static enum err number_arg(struct cli *cli, int n, uint32_t *ret_number)
{
    char *end = NULL;
    const char *text = cli_arg(cli, n);
    unsigned long number = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || number == 0 || number > BITS_MAX)
        return err_set(&cli->detail, ERR_ARGUMENT, "'%.32s': a length in bits is wanted", text);
    *ret_number = (uint32_t)number;
    return ERR_OK;
}

enum err command_kmip_create(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_attrs_done) struct kmip_attrs attrs = {0};
    struct ckmip_error error = {0};
    ckmip_uid uid;
    char length[16];
    uint32_t bits = 0;
    TRY(number_arg(cli, 1, &bits));
    (void)snprintf(length, sizeof length, "%u", bits);
    TRY(kmip_attrs_add(cli, &attrs, "Cryptographic Algorithm", cli_arg(cli, 0)));
    TRY(kmip_attrs_add(cli, &attrs, "Cryptographic Length", length));
    if (cli_option(cli, "usage") == NULL)
        TRY(kmip_attrs_add(cli, &attrs, "Cryptographic Usage Mask",
                           usage_of(cli, cli_arg(cli, 0))));
    TRY(kmip_attrs_of_options(cli, &attrs));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_create(kmip, "SymmetricKey", attrs.item, attrs.len, uid, &error),
                  &error));
    TRY(activate_if_wanted(cli, kmip, uid));
    return kmip_print_uid(cli, uid);
}

/* "2048" or the name of a curve. */
static void size_or_curve(const char *text, struct ckmip_pair *pair)
{
    char *end = NULL;
    unsigned long bits = strtoul(text, &end, 10);
    if (end != text && *end == '\0' && bits <= BITS_MAX)
        pair->bits = (uint32_t)bits;
    else
        pair->curve = text;
}

static enum err print_pair(struct cli *cli, const char *private_uid, const char *public_uid)
{
    AUTO(json_freep)
    json_t *answer = json_pack("{s:s s:s}", "private", private_uid, "public", public_uid);
    if (!cli_print_json(cli, answer))
        (void)printf("private  %s\npublic   %s\n", private_uid, public_uid);
    return ERR_OK;
}

enum err command_kmip_create_pair(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_attrs_done) struct kmip_attrs attrs = {0};
    struct ckmip_error error = {0};
    const char *name = cli_option(cli, "name"), *text = NULL;
    char private_name[NAME_MAX_CAP], public_name[NAME_MAX_CAP];
    ckmip_uid private_uid, public_uid;
    for (size_t n = 0; (text = options_get_nth(cli->options, "attr", n)) != NULL; n++)
        TRY(kmip_attrs_add_pair(cli, &attrs, text));
    struct ckmip_pair pair = {.algorithm = cli_arg(cli, 0),
                              .private_usage = cli_option(cli, "private-usage"),
                              .public_usage = cli_option(cli, "public-usage"),
                              .attributes = attrs.item,
                              .attributes_len = attrs.len};
    size_or_curve(cli_arg(cli, 1), &pair);
    pair.private_usage = pair.private_usage != NULL ? pair.private_usage : "Sign";
    pair.public_usage = pair.public_usage != NULL ? pair.public_usage : "Verify";
    if (name != NULL) {
        (void)snprintf(private_name, sizeof private_name, "%s-private", name);
        (void)snprintf(public_name, sizeof public_name, "%s-public", name);
        pair.private_name = private_name;
        pair.public_name = public_name;
    }
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_create_key_pair(kmip, &pair, private_uid, public_uid, &error),
                  &error));
    TRY(activate_if_wanted(cli, kmip, private_uid));
    TRY(activate_if_wanted(cli, kmip, public_uid));
    return print_pair(cli, private_uid, public_uid);
}

static enum err print_uids(struct cli *cli, const struct ckmip_list *uids, uint32_t total)
{
    AUTO(json_freep) json_t *list = json_array();
    for (size_t i = 0; i < uids->len; i++)
        (void)json_array_append_new(list, json_string(uids->item[i].value));
    AUTO(json_freep)
    json_t *answer = json_pack("{s:O s:I}", "uids", list, "located", (json_int_t)total);
    if (cli_print_json(cli, answer))
        return ERR_OK;
    for (size_t i = 0; i < uids->len; i++)
        (void)printf("%s\n", uids->item[i].value);
    if (total > uids->len && !cli->quiet)
        (void)fprintf(stderr, "%zu of %s\n", uids->len, cli_grouped((json_int_t)total));
    return ERR_OK;
}

enum err command_kmip_locate(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_attrs_done) struct kmip_attrs attrs = {0};
    AUTO(kmip_list_done) struct ckmip_list uids = {0};
    struct ckmip_error error = {0};
    struct ckmip_locate what = {.archived = cli_option(cli, "archived") != NULL};
    uint64_t maximum = 0, offset = 0;
    uint32_t total = 0;
    TRY(kmip_attrs_of_options(cli, &attrs));
    TRY(kmip_attrs_add(cli, &attrs, "Object Type", cli_option(cli, "type")));
    TRY(kmip_attrs_add(cli, &attrs, "State", cli_option(cli, "state")));
    TRY(cli_number(cli, "max", INT32_MAX, 0, &maximum));
    TRY(cli_number(cli, "offset", INT32_MAX, 0, &offset));
    what.attributes = attrs.item;
    what.attributes_len = attrs.len;
    what.maximum = (uint32_t)maximum;
    what.offset = (uint32_t)offset;
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_locate(kmip, &what, &uids, &total, &error), &error));
    return print_uids(cli, &uids, total);
}

enum err command_kmip_activate(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    struct ckmip_error error = {0};
    TRY(kmip_open(cli, &kmip));
    for (int i = 0; i < cli->options->args_len; i++) {
        TRY(kmip_done(cli, ckmip_activate(kmip, cli_arg(cli, i), &error), &error));
        cli_say(cli, "%s is active\n", cli_arg(cli, i));
    }
    return ERR_OK;
}

enum err command_kmip_revoke(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    struct ckmip_error error = {0};
    const char *reason = cli_option(cli, "reason");
    uint64_t since = 0;
    reason = reason != NULL ? reason : "CessationOfOperation";
    bool compromise = strcasestr(reason, "compromise") != NULL;
    TRY(cli_number(cli, "since", INT64_MAX, compromise ? (uint64_t)clock_now_s() : 0, &since));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli,
                  ckmip_revoke(kmip, cli_arg(cli, 0), reason, cli_option(cli, "message"),
                               (int64_t)since, &error),
                  &error));
    cli_say(cli, "%s is revoked\n", cli_arg(cli, 0));
    return ERR_OK;
}

enum err command_kmip_destroy(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    struct ckmip_error error = {0};
    TRY(cli_confirm(cli, "This destroys the object for good", cli_arg(cli, 0)));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_destroy(kmip, cli_arg(cli, 0), &error), &error));
    cli_say(cli, "%s is destroyed\n", cli_arg(cli, 0));
    return ERR_OK;
}

enum err command_kmip_rekey(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    struct ckmip_error error = {0};
    ckmip_uid uid;
    uint64_t offset = 0;
    bool given = cli_option(cli, "offset") != NULL;
    TRY(cli_number(cli, "offset", UINT32_MAX, 0, &offset));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli,
                  ckmip_rekey(kmip, cli_arg(cli, 0), given ? (int64_t)offset : -1, uid, &error),
                  &error));
    return kmip_print_uid(cli, uid);
}

enum err command_kmip_certify(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_attrs_done) struct kmip_attrs attrs = {0};
    AUTO(buf_done) struct buf request = {0};
    struct ckmip_error error = {0};
    const char *uid = cli_arg(cli, 0), *path = cli_option(cli, "request");
    ckmip_uid made;
    if (uid == NULL && path == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT, "a public key's UID or --request is wanted");
    if (path != NULL)
        TRY(kmip_read_input(cli, path, &request));
    TRY(kmip_attrs_of_options(cli, &attrs));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli,
                  ckmip_certify(kmip, uid, path != NULL ? request.data : NULL, request.len,
                                attrs.item, attrs.len, made, &error),
                  &error));
    return kmip_print_uid(cli, made);
}
