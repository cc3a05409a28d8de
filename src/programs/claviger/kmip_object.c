#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/json.h"
#include "base/file.h"
#include "base/hex.h"
#include "crypto/pem.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/kmip.h"

/* Objects with their value: in from files, out into files. */

static const struct {
    const char *label;  /* PEM */
    const char *type;   /* Object Type */
    const char *format; /* Key Format Type or Certificate Type */
} pem_kinds[] = {
    {"PRIVATE KEY", "PrivateKey", "PKCS_8"},          {"RSA PRIVATE KEY", "PrivateKey", "PKCS_1"},
    {"EC PRIVATE KEY", "PrivateKey", "ECPrivateKey"}, {"PUBLIC KEY", "PublicKey", "X_509"},
    {"RSA PUBLIC KEY", "PublicKey", "PKCS_1"},        {"CERTIFICATE", "Certificate", "X_509"},
};

/* What `register` calls the object types. */
static const struct {
    const char *word, *type;
} words[] = {
    {"key", "SymmetricKey"},  {"private", "PrivateKey"},
    {"public", "PublicKey"},  {"certificate", "Certificate"},
    {"secret", "SecretData"}, {"opaque", "OpaqueObject"},
    {"pgp", "PGPKey"},
};

/* ---- register ---- */

static enum err object_type(struct cli *cli, const char *word, const char **ret_type)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (strcasecmp(words[i].word, word) == 0 || strcasecmp(words[i].type, word) == 0) {
            *ret_type = words[i].type;
            return ERR_OK;
        }
    }
    return err_set(&cli->detail, ERR_ARGUMENT,
                   "'%.32s': key, private, public, certificate, secret, opaque or pgp is wanted",
                   word);
}

/* PEM of the type that is registered becomes DER, and tells its format; the rest stays. */
static enum err unwrap_pem(struct cli *cli, struct ckmip_object *object, struct buf *content)
{
    for (size_t i = 0; i < ARRAY_LEN(pem_kinds); i++) {
        AUTO(buf_done) struct buf der = {0};
        struct bytes text = buf_view(content);
        if (strcmp(pem_kinds[i].type, object->type) != 0)
            continue;
        enum err err = pem_decode(pem_kinds[i].label, &text, &der, &cli->detail);
        if (err == ERR_NOT_FOUND)
            continue;
        TRY(err);
        if (object->format == NULL)
            object->format = pem_kinds[i].format;
        buf_done(content);
        *content = der;
        der = (struct buf){0};
        return ERR_OK;
    }
    return ERR_OK;
}

static enum err unwrap_hex(struct cli *cli, struct buf *content)
{
    size_t len = content->len, out = 0;
    while (len > 0 && isspace(content->data[len - 1]) != 0)
        len--;
    if (hex_decode(bytes_of(content->data, len), content->data, content->len, &out) != ERR_OK)
        return err_set(&cli->detail, ERR_SYNTAX, "--hex: hexadecimal digits are wanted");
    explicit_bzero(content->data + out, content->len - out);
    content->len = out;
    return ERR_OK;
}

static enum err add_key_attributes(struct cli *cli, const struct ckmip_object *object,
                                   char length[16], struct kmip_attrs *attrs)
{
    if (object->algorithm != NULL)
        TRY(kmip_attrs_add(cli, attrs, "Cryptographic Algorithm", object->algorithm));
    (void)snprintf(length, 16, "%u", (unsigned)object->bits);
    return object->bits != 0 ? kmip_attrs_add(cli, attrs, "Cryptographic Length", length) : ERR_OK;
}

enum err command_kmip_register(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_attrs_done) struct kmip_attrs attrs = {0};
    AUTO(buf_done) struct buf content = {0};
    struct ckmip_object object = {.format = cli_option(cli, "format"),
                                  .algorithm = cli_option(cli, "algorithm")};
    struct ckmip_error error = {0};
    ckmip_uid uid;
    char length[16];
    uint64_t bits = 0;
    TRY(object_type(cli, cli_arg(cli, 0), &object.type));
    TRY(cli_number(cli, "bits", 65536, 0, &bits));
    TRY(kmip_read_input(cli, cli_arg(cli, 1), &content));
    TRY(cli_option(cli, "hex") != NULL ? unwrap_hex(cli, &content)
                                       : unwrap_pem(cli, &object, &content));
    bool symmetric = strcmp(object.type, "SymmetricKey") == 0;
    object.bits = bits != 0 ? (uint32_t)bits : symmetric ? (uint32_t)content.len * 8 : 0;
    if (symmetric && object.algorithm == NULL)
        object.algorithm = "AES";
    if (symmetric && cli_option(cli, "usage") == NULL)
        TRY(kmip_attrs_add(cli, &attrs, "Cryptographic Usage Mask", "Encrypt|Decrypt"));
    TRY(add_key_attributes(cli, &object, length, &attrs));
    TRY(kmip_attrs_of_options(cli, &attrs));
    object.value = (struct ckmip_data){content.data, content.len};
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_register(kmip, &object, attrs.item, attrs.len, uid, &error), &error));
    if (cli_option(cli, "activate") != NULL)
        TRY(kmip_done(cli, ckmip_activate(kmip, uid, &error), &error));
    return kmip_print_uid(cli, uid);
}

/* ---- get ---- */

static bool is_secret(const struct ckmip_object *object)
{
    return strcmp(object->type, "Certificate") != 0 && strcmp(object->type, "PublicKey") != 0 &&
           object->wrapped == 0;
}

static const char *pem_label(const struct ckmip_object *object)
{
    for (size_t i = 0; i < ARRAY_LEN(pem_kinds) && object->wrapped == 0; i++) {
        if (object->format != NULL && strcmp(pem_kinds[i].type, object->type) == 0 &&
            strcmp(pem_kinds[i].format, object->format) == 0)
            return pem_kinds[i].label;
    }
    return NULL;
}

/* As it goes into a file: PEM, hex, or the bytes. */
static enum err encode(struct cli *cli, const struct ckmip_object *object, bool pem, bool hex,
                       struct buf *to)
{
    struct bytes value = bytes_of(object->value.data, object->value.len);
    const char *label = pem_label(object);
    if (pem && label == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT, "there is no PEM form of a %s in format %s",
                       object->type, object->format != NULL ? object->format : "of its own");
    if (pem)
        return pem_encode(label, value, to);
    if (!hex)
        return buf_append(to, value);
    TRY(buf_reserve(to, 2 * value.len + 2));
    hex_encode(value, (char *)to->data);
    to->data[2 * value.len] = '\n';
    to->len = 2 * value.len + 1;
    return ERR_OK;
}

static json_t *object_json(const struct ckmip_object *object)
{
    json_t *json =
        json_pack("{s:s s:I}", "type", object->type, "bytes", (json_int_t)object->value.len);
    if (object->format != NULL)
        (void)json_object_set_new(json, "format", json_string(object->format));
    if (object->algorithm != NULL)
        (void)json_object_set_new(json, "algorithm", json_string(object->algorithm));
    if (object->bits != 0)
        (void)json_object_set_new(json, "bits", json_integer(object->bits));
    (void)json_object_set_new(json, "wrapped", json_boolean(object->wrapped));
    return json;
}

static void print_object(const struct cli *cli, const struct ckmip_object *object)
{
    cli_say(cli, "type       %s\n", object->type);
    if (object->format != NULL)
        cli_say(cli, "format     %s%s\n", object->format, object->wrapped ? ", wrapped" : "");
    if (object->algorithm != NULL)
        cli_say(cli, "algorithm  %s %u\n", object->algorithm, (unsigned)object->bits);
    cli_say(cli, "bytes      %zu\n", object->value.len);
}

/* Key bytes go to a file or, where that is asked for, to standard output; what is public may
 * always be seen. */
static enum err give_object(struct cli *cli, const struct ckmip_object *object)
{
    AUTO(buf_done) struct buf content = {0};
    AUTO(json_freep) json_t *answer = object_json(object);
    const char *path = cli_option(cli, "output");
    bool show = cli_option(cli, "show-key") != NULL || !is_secret(object);
    bool pem = cli_option(cli, "pem") != NULL || (path == NULL && pem_label(object) != NULL);
    if (path != NULL || show)
        TRY(encode(cli, object, pem, path == NULL, &content));
    if (path != NULL)
        TRY(file_write(path, buf_view(&content), 0600, &cli->detail));
    if (path == NULL && show)
        (void)json_object_set_new(
            answer, "value",
            json_stringn((const char *)content.data, content.len - (content.len != 0)));
    if (path != NULL)
        (void)json_object_set_new(answer, "file", json_string(path));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    if (path == NULL && show) {
        (void)fwrite(content.data, 1, content.len, stdout);
        return ERR_OK;
    }
    print_object(cli, object);
    cli_say(cli, path != NULL ? "file       %s\n" : "%s\n",
            path != NULL ? path : "its value: -o FILE, or --show-key");
    return ERR_OK;
}

enum err command_kmip_get(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_object_done) struct ckmip_object object = {0};
    struct ckmip_error error = {0};
    const struct ckmip_get_options options = {.format = cli_option(cli, "format"),
                                              .wrapping_key = cli_option(cli, "wrap-with")};
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_get(kmip, cli_arg(cli, 0), &options, &object, &error), &error));
    return give_object(cli, &object);
}

/* ---- export, import ---- */

enum err command_kmip_export(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_data_done) struct ckmip_data item = {0};
    struct ckmip_error error = {0};
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_export(kmip, cli_arg(cli, 0), &item, &error), &error));
    const char *path = cli_option(cli, "output");
    TRY(file_write(path, bytes_of(item.data, item.len), 0600, &cli->detail));
    cli_say(cli, "%s with its attributes: %s\n", cli_arg(cli, 0), path);
    return ERR_OK;
}

enum err command_kmip_import(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(buf_done) struct buf item = {0};
    struct ckmip_error error = {0};
    ckmip_uid uid;
    TRY(kmip_read_input(cli, cli_arg(cli, 0), &item));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(
        cli,
        ckmip_import(kmip, item.data, item.len, cli_option(cli, "replace") != NULL, uid, &error),
        &error));
    return kmip_print_uid(cli, uid);
}
