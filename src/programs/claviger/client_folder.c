#include "programs/claviger/client_folder.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/pem.h"
#include "crypto/x509.h"

#define REQUEST_MAX ((size_t)64 * 1024)
#define KMIP_PORT   5696

void client_folder_done(struct client_folder *folder)
{
    secret_free(folder->key);
    buf_done(&folder->request);
}

/* Made here: the private key never leaves this machine. */
static enum err make_key(struct cli *cli, struct client_folder *folder)
{
    AUTO(x509_key_freep) struct x509_key *key = NULL;
    AUTO(buf_done) struct buf csr = {0};
    const struct x509_names names = {0};
    TRY(x509_key_generate(&key, &cli->detail));
    TRY(x509_csr_make(key, folder->name, &names, &csr, &cli->detail));
    TRY(pem_encode("CERTIFICATE REQUEST", buf_view(&csr), &folder->request));
    return x509_key_to_pem(key, &folder->key);
}

static enum err write_file(struct cli *cli, const char *dir, const char *name, struct bytes content,
                           mode_t mode)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", dir);
    return file_write(path, content, mode, &cli->detail);
}

/* HOST, HOST:PORT, [2001:db8::1]:5696; the port stays as it was where none is given. */
static enum err parse_server(struct cli *cli, const char *text, char host[256], unsigned *port)
{
    const char *from = text, *end = text + strlen(text), *colon = strrchr(text, ':');
    if (*from == '[' && strchr(from, ']') != NULL) {
        end = strchr(++from, ']');
        colon = end[1] == ':' ? end + 1 : NULL;
    } else if (colon != NULL && strchr(from, ':') != colon) {
        colon = NULL; /* an address of version 6 without a port */
    } else if (colon != NULL) {
        end = colon;
    }
    char *last = NULL;
    unsigned long number = colon != NULL ? strtoul(colon + 1, &last, 10) : *port;
    if (end == from || end - from > 255 || number == 0 || number > UINT16_MAX ||
        (colon != NULL && (last == colon + 1 || *last != '\0')))
        return err_set(&cli->detail, ERR_ARGUMENT, "--server %.200s: HOST[:PORT] is wanted", text);
    (void)snprintf(host, 256, "%.*s", (int)(end - from), from);
    *port = (unsigned)number;
    return ERR_OK;
}

/* --server, or what the daemon says of itself. */
static enum err server_address(struct cli *cli, const json_t *answer, char host[256],
                               unsigned *ret_port)
{
    const json_t *server = json_object_get(answer, "server");
    const char *given = cli_option(cli, "server"), *known = cli_text(server, "host");
    json_int_t port = cli_int(server, "port");
    *ret_port = port > 0 && port <= UINT16_MAX ? (unsigned)port : KMIP_PORT;
    if (given != NULL)
        return parse_server(cli, given, host, ret_port);
    if (*known == '\0')
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "the daemon tells no name of its own: give --server HOST[:PORT]");
    (void)snprintf(host, 256, "%s", known);
    return ERR_OK;
}

/* What can go wrong here goes wrong before the record is made. */
static enum err check_folder(struct cli *cli, const char *dir)
{
    char host[256];
    unsigned port = KMIP_PORT;
    const char *given = cli_option(cli, "server");
    if (given != NULL)
        TRY(parse_server(cli, given, host, &port));
    TRY(file_mkdirs(dir, 0700, &cli->detail));
    return access(dir, W_OK) == 0 ? ERR_OK : err_errno(&cli->detail, "%s: can't write", dir);
}

static enum err refuse_existing(struct cli *cli, const char *dir, const char *name)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", dir);
    if (access(path, F_OK) != 0)
        return ERR_OK;
    (void)snprintf(cli->hint, sizeof cli->hint,
                   "give --output another folder; a new key and certificate for a client that "
                   "exists: claviger client renew");
    return err_set(&cli->detail, ERR_EXISTS, "%s: it may be another client's, and is not replaced",
                   path);
}

enum err client_folder_is_free(struct cli *cli)
{
    const char *dir = cli_option(cli, "output");
    if (dir == NULL)
        return ERR_OK;
    TRY(refuse_existing(cli, dir, "client.pem"));
    /* with --csr the machine's own key may lie there already */
    return cli_option(cli, "csr") != NULL ? ERR_OK : refuse_existing(cli, dir, "client.key");
}

enum err client_folder_prepare(struct cli *cli, struct client_folder *folder)
{
    const char *csr = cli_option(cli, "csr");
    folder->dir = cli_option(cli, "output");
    if (folder->dir != NULL)
        TRY(check_folder(cli, folder->dir));
    if (csr == NULL)
        return folder->dir != NULL ? make_key(cli, folder) : ERR_OK;
    TRY(file_read(csr, REQUEST_MAX, &folder->request, &cli->detail));
    return folder->request.len != 0 ? ERR_OK : err_set(&cli->detail, ERR_SYNTAX, "%s: empty", csr);
}

static enum err write_profile(struct cli *cli, const struct client_folder *folder, const char *dir,
                              const char *host, unsigned port)
{
    AUTO(buf_done) struct buf text = {0};
    TRY(buf_printf(
        &text,
        "# KMIP client %s: `claviger kmip --profile %s query` tries it; see docs/kmip.md\n"
        "[server]\nhost = %s\nport = %u\n\n"
        "[client]\nname = %s\ncertificate = client.pem\nprivate_key = client.key\n"
        "ca = ca.pem\n",
        folder->name, folder->dir, host, port, folder->name));
    return write_file(cli, dir, "profile.conf", buf_view(&text), 0644);
}

enum err client_folder_write(struct cli *cli, const struct client_folder *folder,
                             const json_t *answer)
{
    char real[PATH_MAX], host[256];
    unsigned port = 0;
    if (folder->dir == NULL)
        return ERR_OK;
    TRY(server_address(cli, answer, host, &port));
    if (realpath(folder->dir, real) == NULL)
        return err_errno(&cli->detail, "%s", folder->dir);
    if (folder->key != NULL)
        TRY(write_file(cli, real, "client.key", secret_view(folder->key), 0600));
    TRY(write_file(cli, real, "client.pem", bytes_str(cli_text(answer, "certificate_pem")), 0644));
    TRY(write_file(cli, real, "ca.pem", bytes_str(cli_text(answer, "ca_pem")), 0644));
    TRY(write_profile(cli, folder, real, host, port));
    cli_say(cli, "%scertificate and profile.conf: %s\n", folder->key != NULL ? "key, " : "",
            folder->dir);
    return ERR_OK;
}
