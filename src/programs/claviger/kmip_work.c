#include <stdio.h>
#include <stdlib.h>

#include "api/json.h"
#include "base/file.h"
#include "base/hex.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/kmip.h"

/* Work with a key on the server. */

static enum err put_hex(json_t *answer, const char *field, const struct ckmip_data *data)
{
    char *hex = malloc(2 * data->len + 1);
    if (hex == NULL)
        return ERR_NO_MEMORY;
    hex_encode(bytes_of(data->data, data->len), hex);
    (void)json_object_set_new(answer, field, json_string(hex));
    free(hex);
    return ERR_OK;
}

/* "iv 0a0b...", where there is one. */
static enum err give_part(struct cli *cli, json_t *answer, const char *name,
                          const struct ckmip_data *data)
{
    if (data->len == 0)
        return ERR_OK;
    TRY(put_hex(answer, name, data));
    cli_say(cli, "%-4s %s\n", name, cli_text(answer, name));
    return ERR_OK;
}

enum err command_kmip_encrypt(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(buf_done) struct buf data = {0};
    AUTO(buf_done) struct buf iv = {0};
    AUTO(buf_done) struct buf aad = {0};
    AUTO(kmip_data_done) struct ckmip_data out = {0};
    AUTO(kmip_data_done) struct ckmip_data out_iv = {0};
    AUTO(kmip_data_done) struct ckmip_data tag = {0};
    AUTO(json_freep) json_t *answer = json_object();
    struct ckmip_error error = {0};
    const struct ckmip_params params = kmip_params_of_options(cli);
    TRY(kmip_read_hex(cli, "iv", &iv));
    TRY(kmip_read_hex(cli, "aad", &aad));
    TRY(kmip_read_input(cli, cli_arg(cli, 1), &data));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli,
                  ckmip_encrypt(kmip, cli_arg(cli, 0), &params, kmip_bytes_of(&data),
                                kmip_bytes_of(&iv), kmip_bytes_of(&aad), &out, &out_iv, &tag,
                                &error),
                  &error));
    TRY(kmip_give(cli, answer, "ciphertext", "data", &out, 0644));
    TRY(give_part(cli, answer, "iv", &out_iv));
    TRY(give_part(cli, answer, "tag", &tag));
    (void)cli_print_json(cli, answer);
    return ERR_OK;
}

enum err command_kmip_decrypt(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(buf_done) struct buf data = {0};
    AUTO(buf_done) struct buf iv = {0};
    AUTO(buf_done) struct buf aad = {0};
    AUTO(buf_done) struct buf tag = {0};
    AUTO(kmip_data_done) struct ckmip_data out = {0};
    AUTO(json_freep) json_t *answer = json_object();
    struct ckmip_error error = {0};
    const struct ckmip_params params = kmip_params_of_options(cli);
    TRY(kmip_read_hex(cli, "iv", &iv));
    TRY(kmip_read_hex(cli, "aad", &aad));
    TRY(kmip_read_hex(cli, "tag", &tag));
    TRY(kmip_read_input(cli, cli_arg(cli, 1), &data));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli,
                  ckmip_decrypt(kmip, cli_arg(cli, 0), &params, kmip_bytes_of(&data),
                                kmip_bytes_of(&iv), kmip_bytes_of(&aad), kmip_bytes_of(&tag), &out,
                                &error),
                  &error));
    TRY(kmip_give(cli, answer, "plaintext", "data", &out, 0600));
    (void)cli_print_json(cli, answer);
    return ERR_OK;
}

enum err command_kmip_sign(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(buf_done) struct buf data = {0};
    AUTO(kmip_data_done) struct ckmip_data signature = {0};
    AUTO(json_freep) json_t *answer = json_object();
    struct ckmip_error error = {0};
    const struct ckmip_params params = kmip_params_of_options(cli);
    TRY(kmip_read_input(cli, cli_arg(cli, 1), &data));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(
        cli, ckmip_sign(kmip, cli_arg(cli, 0), &params, kmip_bytes_of(&data), &signature, &error),
        &error));
    TRY(kmip_give(cli, answer, "signature", "signature", &signature, 0644));
    (void)cli_print_json(cli, answer);
    return ERR_OK;
}

/* Good news on standard output; else an error, whose exit status scripts see. */
static enum err tell_validity(struct cli *cli, const char *what, int valid)
{
    AUTO(json_freep) json_t *answer = json_pack("{s:b}", "valid", valid);
    if (!cli_print_json(cli, answer) && valid != 0)
        cli_say(cli, "the %s is valid\n", what);
    return valid != 0 ? ERR_OK
                      : err_set(&cli->detail, ERR_SIGNATURE,
                                "the server says that the %s is not "
                                "of these data under this key",
                                what);
}

enum err command_kmip_verify(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(buf_done) struct buf data = {0};
    AUTO(buf_done) struct buf signature = {0};
    struct ckmip_error error = {0};
    const struct ckmip_params params = kmip_params_of_options(cli);
    int valid = 0;
    TRY(file_read(cli_option(cli, "signature"), KMIP_FILE_MAX, &signature, &cli->detail));
    TRY(kmip_read_input(cli, cli_arg(cli, 1), &data));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli,
                  ckmip_verify(kmip, cli_arg(cli, 0), &params, kmip_bytes_of(&data),
                               kmip_bytes_of(&signature), &valid, &error),
                  &error));
    return tell_validity(cli, "signature", valid);
}

enum err command_kmip_mac(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(buf_done) struct buf data = {0};
    AUTO(buf_done) struct buf given = {0};
    AUTO(kmip_data_done) struct ckmip_data mac = {0};
    AUTO(json_freep) json_t *answer = json_object();
    struct ckmip_error error = {0};
    const struct ckmip_params params = kmip_params_of_options(cli);
    int valid = 0;
    TRY(kmip_read_hex(cli, "verify", &given));
    TRY(kmip_read_input(cli, cli_arg(cli, 1), &data));
    TRY(kmip_open(cli, &kmip));
    if (cli_option(cli, "verify") != NULL) {
        TRY(kmip_done(cli,
                      ckmip_mac_verify(kmip, cli_arg(cli, 0), &params, kmip_bytes_of(&data),
                                       kmip_bytes_of(&given), &valid, &error),
                      &error));
        return tell_validity(cli, "MAC", valid);
    }
    TRY(kmip_done(cli,
                  ckmip_mac(kmip, cli_arg(cli, 0), &params, kmip_bytes_of(&data), &mac, &error),
                  &error));
    TRY(kmip_give(cli, answer, "MAC", "mac", &mac, 0644));
    (void)cli_print_json(cli, answer);
    return ERR_OK;
}

enum err command_kmip_hash(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(buf_done) struct buf data = {0};
    AUTO(kmip_data_done) struct ckmip_data digest = {0};
    AUTO(json_freep) json_t *answer = json_object();
    struct ckmip_error error = {0};
    TRY(kmip_read_input(cli, cli_arg(cli, 1), &data));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_hash(kmip, cli_arg(cli, 0), kmip_bytes_of(&data), &digest, &error),
                  &error));
    TRY(kmip_give(cli, answer, "digest", "digest", &digest, 0644));
    (void)cli_print_json(cli, answer);
    return ERR_OK;
}

enum err command_kmip_random(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(kmip_data_done) struct ckmip_data data = {0};
    AUTO(json_freep) json_t *answer = json_object();
    struct ckmip_error error = {0};
    char *end = NULL;
    unsigned long len = strtoul(cli_arg(cli, 0), &end, 10);
    if (*end != '\0' || len == 0 || len > 1000000)
        return err_set(&cli->detail, ERR_ARGUMENT, "'%.32s': a number of bytes up to 1,000,000",
                       cli_arg(cli, 0));
    TRY(kmip_open(cli, &kmip));
    TRY(kmip_done(cli, ckmip_random(kmip, (uint32_t)len, &data, &error), &error));
    TRY(kmip_give(cli, answer, "random", "data", &data, 0600));
    (void)cli_print_json(cli, answer);
    return ERR_OK;
}
