#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/json.h"
#include "base/file.h"
#include "base/hex.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/kmip.h"

/* Messages as they are, and what stands in them. */

static const char *const encodings[] = {
    [CKMIP_TTLV] = "ttlv", [CKMIP_JSON] = "json", [CKMIP_XML] = "xml"};

static enum err named(struct cli *cli, const char *option, enum ckmip_encoding fallback,
                      enum ckmip_encoding *ret_encoding)
{
    const char *text = cli_option(cli, option);
    *ret_encoding = fallback;
    for (size_t i = CKMIP_TTLV; text != NULL && i < ARRAY_LEN(encodings); i++) {
        if (strcasecmp(text, encodings[i]) == 0) {
            *ret_encoding = (enum ckmip_encoding)i;
            return ERR_OK;
        }
    }
    return text == NULL ? ERR_OK
                        : err_set(&cli->detail, ERR_ARGUMENT,
                                  "--%s %.16s: ttlv, json or xml is wanted", option, text);
}

/* TTLV begins with a tag, JSON and XML with a bracket. */
static enum ckmip_encoding guess(struct bytes message)
{
    size_t at = 0;
    while (at < message.len && isspace(message.data[at]) != 0)
        at++;
    if (at < message.len && (message.data[at] == '{' || message.data[at] == '['))
        return CKMIP_JSON;
    return at < message.len && message.data[at] == '<' ? CKMIP_XML : CKMIP_TTLV;
}

/* A dump as other tools print it: hex digits with blanks and line ends between. */
static void take_hex_dump(struct buf *message)
{
    AUTO(buf_done) struct buf digits = {0};
    size_t len = 0;
    for (size_t i = 0; i < message->len; i++) {
        uint8_t c = message->data[i];
        if (isspace(c) != 0)
            continue;
        if (isxdigit(c) == 0 || buf_append(&digits, bytes_of(&c, 1)) != ERR_OK)
            return;
    }
    if (digits.len < 16 ||
        hex_decode(buf_view(&digits), message->data, message->cap, &len) != ERR_OK)
        return;
    message->len = len;
}

static enum err read_message(struct cli *cli, struct buf *message, enum ckmip_encoding *ret_in)
{
    TRY(kmip_read_input(cli, cli_arg(cli, 0), message));
    if (guess(buf_view(message)) == CKMIP_TTLV)
        take_hex_dump(message);
    return named(cli, "encoding", guess(buf_view(message)), ret_in);
}

/* Into --output as it is, or to standard output where it is text. */
static enum err give_message(struct cli *cli, const struct ckmip_data *message)
{
    const char *path = cli_option(cli, "output");
    if (path != NULL)
        return file_write(path, bytes_of(message->data, message->len), 0600, &cli->detail);
    (void)fwrite(message->data, 1, message->len, stdout);
    if (message->len != 0 && message->data[message->len - 1] != '\n')
        (void)fputc('\n', stdout);
    return ERR_OK;
}

static enum err translate(struct cli *cli, enum ckmip_encoding in, struct bytes message)
{
    AUTO(kmip_data_done) struct ckmip_data out = {0};
    struct ckmip_error error = {0};
    enum ckmip_encoding to = CKMIP_XML;
    TRY(named(cli, "to", cli->json ? CKMIP_JSON : CKMIP_XML, &to));
    enum err err =
        kmip_done(cli, ckmip_translate(in, message.data, message.len, to, &out, &error), &error);
    if (err == ERR_ARGUMENT)
        return cli->detail.code = ERR_SYNTAX;
    TRY(err);
    cli->json = false; /* the message is the document */
    return give_message(cli, &out);
}

enum err command_kmip_decode(struct cli *cli)
{
    AUTO(buf_done) struct buf message = {0};
    enum ckmip_encoding in = CKMIP_TTLV;
    TRY(read_message(cli, &message, &in));
    return translate(cli, in, buf_view(&message));
}

enum err command_kmip_raw(struct cli *cli)
{
    AUTO(kmip_closep) struct ckmip *kmip = NULL;
    AUTO(buf_done) struct buf message = {0};
    AUTO(kmip_data_done) struct ckmip_data answer = {0};
    struct ckmip_error error = {0};
    enum ckmip_encoding in = CKMIP_TTLV;
    TRY(read_message(cli, &message, &in));
    if (cli_option(cli, "decode") != NULL)
        return translate(cli, in, buf_view(&message));
    TRY(kmip_open(cli, &kmip));
    enum err err =
        kmip_done(cli, ckmip_raw(kmip, in, message.data, message.len, &answer, &error), &error);
    if (err == ERR_ARGUMENT) /* the file's fault, not the command line's */
        return cli->detail.code = ERR_SYNTAX;
    TRY(err);
    return translate(cli, in, bytes_of(answer.data, answer.len));
}
