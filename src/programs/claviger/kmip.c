#include "programs/claviger/kmip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "api/json.h"
#include "base/hex.h"

/* Result Reasons that are one of our errors, by their names. */
static const struct {
    const char *reason;
    enum err err;
} reasons[] = {
    {"ItemNotFound", ERR_NOT_FOUND},
    {"ObjectNotFound", ERR_NOT_FOUND},
    {"ObjectDestroyed", ERR_NOT_FOUND},
    {"WrappingObjectNotFound", ERR_NOT_FOUND},
    {"AuthenticationNotSuccessful", ERR_UNAUTHENTICATED},
    {"BadPassword", ERR_UNAUTHENTICATED},
    {"PermissionDenied", ERR_DENIED},
    {"NotAuthorised", ERR_DENIED},
    {"WrongKeyLifecycleState", ERR_STATE},
    {"ObjectArchived", ERR_STATE},
    {"ObjectAlreadyExists", ERR_EXISTS},
    {"InvalidField", ERR_ARGUMENT},
    {"InvalidMessage", ERR_ARGUMENT},
    {"InvalidAttribute", ERR_ARGUMENT},
    {"InvalidAttributeValue", ERR_ARGUMENT},
    {"OperationNotSupported", ERR_UNSUPPORTED},
};

static enum err err_of(const struct ckmip_error *error)
{
    switch (error->status) {
    case CKMIP_ARGUMENT: return ERR_ARGUMENT;
    case CKMIP_CONFIG: return ERR_CONFIG;
    case CKMIP_RESOURCES: return ERR_NO_MEMORY;
    case CKMIP_UNREACHABLE: return ERR_UNREACHABLE;
    case CKMIP_TLS: return ERR_TLS;
    case CKMIP_VERSION: return ERR_UNSUPPORTED;
    case CKMIP_PENDING: return ERR_BUSY;
    case CKMIP_INTERNAL: return ERR_INTERNAL;
    default: break;
    }
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (strcmp(reasons[i].reason, error->reason_name) == 0)
            return reasons[i].err;
    }
    return ERR_PEER;
}

enum err kmip_done(struct cli *cli, int status, const struct ckmip_error *error)
{
    if (status == CKMIP_OK)
        return ERR_OK;
    (void)snprintf(cli->hint, sizeof cli->hint, "%s", error->hint);
    const char *reason = error->reason_name;
    return err_set(&cli->detail, err_of(error), "%s%s%.200s", reason, *reason != '\0' ? ": " : "",
                   error->text);
}

void kmip_closep(struct ckmip **kmip)
{
    ckmip_close(*kmip);
    *kmip = NULL;
}

void kmip_data_done(struct ckmip_data *data)
{
    ckmip_data_free(data);
}

void kmip_list_done(struct ckmip_list *list)
{
    ckmip_list_free(list);
}

void kmip_object_done(struct ckmip_object *object)
{
    ckmip_object_free(object);
}

static enum err read_version(struct cli *cli, uint16_t *ret_version)
{
    const char *text = cli_option(cli, "protocol");
    if (text == NULL)
        return ERR_OK;
    if (strlen(text) != 3 || text[1] != '.' || text[0] < '1' || text[0] > '2' || text[2] < '0' ||
        text[2] > '4')
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "--protocol %.16s: 1.0 to 1.4, 2.0 or 2.1 is wanted", text);
    *ret_version = (uint16_t)((text[0] - '0') << 8 | (text[2] - '0'));
    return ERR_OK;
}

enum err kmip_open(struct cli *cli, struct ckmip **ret_kmip)
{
    struct ckmip_error error = {0};
    struct ckmip_config config = {.size = sizeof config, .profile = cli_option(cli, "profile")};
    uint64_t seconds = 0, port = 0;
    if (config.profile == NULL)
        config.profile = getenv("CLAVIGER_KMIP_PROFILE");
    if (config.profile == NULL || *config.profile == '\0')
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "--profile DIR is wanted: the folder that `claviger client create -o DIR` "
                       "made");
    TRY(cli_number(cli, "timeout", 3600, 0, &seconds));
    TRY(cli_number(cli, "https", UINT16_MAX, 0, &port));
    TRY(read_version(cli, &config.version_min));
    config.version_max = config.version_min;
    config.timeout_ms = (unsigned)seconds * 1000u;
    config.port = (uint16_t)port;
    config.https = cli_option(cli, "https") != NULL;
    return kmip_done(cli, ckmip_open_config(&config, ret_kmip, &error), &error);
}

/* ---- attributes ---- */

void kmip_attrs_done(struct kmip_attrs *attrs)
{
    for (size_t i = 0; i < attrs->len; i++)
        free(attrs->copies[i]);
}

enum err kmip_attrs_add(struct cli *cli, struct kmip_attrs *attrs, const char *name,
                        const char *value)
{
    if (value == NULL)
        return ERR_OK;
    if (attrs->len == KMIP_ATTRIBUTES_MAX)
        return err_set(&cli->detail, ERR_LIMIT, "more than %d attributes", KMIP_ATTRIBUTES_MAX);
    attrs->copies[attrs->len] = NULL;
    attrs->item[attrs->len++] = (struct ckmip_attribute){name, value};
    return ERR_OK;
}

enum err kmip_attrs_add_pair(struct cli *cli, struct kmip_attrs *attrs, const char *pair)
{
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair)
        return err_set(&cli->detail, ERR_ARGUMENT, "'%.64s': NAME=VALUE is wanted", pair);
    char *name = strndup(pair, (size_t)(equals - pair));
    if (name == NULL)
        return ERR_NO_MEMORY;
    enum err err = kmip_attrs_add(cli, attrs, name, equals + 1);
    if (err != ERR_OK)
        free(name);
    else
        attrs->copies[attrs->len - 1] = name;
    return err;
}

enum err kmip_attrs_of_options(struct cli *cli, struct kmip_attrs *attrs)
{
    const char *text = NULL;
    TRY(kmip_attrs_add(cli, attrs, "Name", cli_option(cli, "name")));
    TRY(kmip_attrs_add(cli, attrs, "Cryptographic Usage Mask", cli_option(cli, "usage")));
    for (size_t n = 0; (text = options_get_nth(cli->options, "group", n)) != NULL; n++)
        TRY(kmip_attrs_add(cli, attrs, "Object Group", text));
    for (size_t n = 0; (text = options_get_nth(cli->options, "attr", n)) != NULL; n++)
        TRY(kmip_attrs_add_pair(cli, attrs, text));
    return ERR_OK;
}

/* ---- what goes in and comes out ---- */

enum err kmip_read_input(struct cli *cli, const char *path, struct buf *to)
{
    if (path != NULL && strcmp(path, "-") != 0)
        return file_read(path, KMIP_FILE_MAX, to, &cli->detail);
    return file_read_open(STDIN_FILENO, "standard input", KMIP_FILE_MAX, to, &cli->detail);
}

enum err kmip_read_hex(struct cli *cli, const char *option, struct buf *to)
{
    const char *text = cli_option(cli, option);
    size_t len = 0;
    if (text == NULL)
        return ERR_OK;
    TRY(buf_reserve(to, strlen(text) / 2 + 1));
    if (hex_decode(bytes_str(text), to->data, to->cap, &len) != ERR_OK)
        return err_set(&cli->detail, ERR_ARGUMENT, "--%s: hexadecimal digits are wanted", option);
    to->len = len;
    return ERR_OK;
}

enum err kmip_give(struct cli *cli, json_t *answer, const char *title, const char *field,
                   const struct ckmip_data *data, mode_t mode)
{
    const char *path = cli_option(cli, "output");
    struct bytes bytes = bytes_of(data->data, data->len);
    if (path != NULL) {
        TRY(file_write(path, bytes, mode, &cli->detail));
        cli_say(cli, "%s: %s bytes in %s\n", title, cli_grouped((json_int_t)data->len), path);
        (void)json_object_set_new(answer, "file", json_string(path));
        return ERR_OK;
    }
    char *hex = malloc(2 * data->len + 1);
    if (hex == NULL)
        return ERR_NO_MEMORY;
    hex_encode(bytes, hex);
    if (!cli->json)
        (void)printf("%s\n", hex);
    (void)json_object_set_new(answer, field, json_string(hex));
    explicit_bzero(hex, 2 * data->len);
    free(hex);
    return ERR_OK;
}

enum err kmip_print_uid(struct cli *cli, const char *uid)
{
    AUTO(json_freep) json_t *answer = json_pack("{s:s}", "uid", uid);
    if (!cli_print_json(cli, answer))
        (void)printf("%s\n", uid); /* with --quiet too: it is the answer */
    return ERR_OK;
}

struct ckmip_params kmip_params_of_options(const struct cli *cli)
{
    return (struct ckmip_params){
        .mode = cli_option(cli, "mode"),
        .padding = cli_option(cli, "padding"),
        .hash = cli_option(cli, "hash"),
        .algorithm = cli_option(cli, "algorithm"),
        .signature_algorithm = cli_option(cli, "signature-algorithm"),
    };
}

struct ckmip_bytes kmip_bytes_of(const struct buf *buf)
{
    return (struct ckmip_bytes){buf->data, buf->len};
}
