#include "programs/claviger/client_folder.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/pem.h"
#include "crypto/pkcs12.h"
#include "crypto/x509.h"
#include "programs/common/prompt.h"

#define REQUEST_MAX      ((size_t)64 * 1024)
#define KMIP_PORT        5696
#define P12_PASSWORD_MAX ((size_t)256)

void client_folder_done(struct client_folder *folder)
{
    secret_free(folder->key);
    secret_free(folder->p12);
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
    if (snprintf(path, sizeof path, "%s%s%s", dir, cli_slash(dir), name) >= (int)sizeof path)
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
    if (snprintf(path, sizeof path, "%s%s%s", dir, cli_slash(dir), name) >= (int)sizeof path)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", dir);
    if (access(path, F_OK) != 0)
        return ERR_OK;
    (void)snprintf(cli->hint, sizeof cli->hint,
                   "give --output another folder; a new key and certificate for a client that "
                   "exists: claviger client renew");
    return err_set(&cli->detail, ERR_EXISTS, "%s: it may be another client's, and is not replaced",
                   path);
}

/* A KMIP client's files have names of their own. */
static bool is_kmip(const char *kind)
{
    return kind == NULL || *kind == '\0' || strcmp(kind, "kmip") == 0;
}

static const char *cert_name(const char *kind)
{
    return is_kmip(kind) ? "client.pem" : "cert.pem";
}

static const char *key_name(const char *kind)
{
    return is_kmip(kind) ? "client.key" : "key.pem";
}

enum err client_folder_is_free(struct cli *cli)
{
    const char *dir = cli_option(cli, "output");
    const char *kind = cli_option(cli, "kind");
    if (dir == NULL)
        return ERR_OK;
    TRY(refuse_existing(cli, dir, cert_name(kind)));
    /* with --csr the machine's own key may lie there already */
    return cli_option(cli, "csr") != NULL ? ERR_OK : refuse_existing(cli, dir, key_name(kind));
}

/* Asked for before anything is made. */
static enum err take_p12_password(struct cli *cli, struct client_folder *folder)
{
    const char *path = cli_option(cli, "p12-password-file");
    if (path == NULL && cli_option(cli, "p12") == NULL)
        return ERR_OK;
    if (folder->dir == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT, "--p12 wants --output: a folder for the file");
    return cli_secret(cli, "p12-password-file", "password of client.p12", true, P12_PASSWORD_MAX,
                      &folder->p12);
}

static enum err write_p12(struct cli *cli, const struct client_folder *folder, const char *dir,
                          const json_t *answer)
{
    AUTO(buf_done) struct buf pkcs8 = {0};
    AUTO(buf_done) struct buf cert = {0};
    AUTO(buf_done) struct buf ca = {0};
    AUTO(buf_done) struct buf p12 = {0};
    struct bytes key_pem = secret_view(folder->key);
    struct bytes cert_pem = bytes_str(cli_text(answer, "certificate_pem"));
    struct bytes ca_pem = bytes_str(cli_text(answer, "ca_pem"));
    TRY(pem_decode("PRIVATE KEY", &key_pem, &pkcs8, &cli->detail));
    TRY(pem_decode("CERTIFICATE", &cert_pem, &cert, &cli->detail));
    TRY(pem_decode("CERTIFICATE", &ca_pem, &ca, &cli->detail));
    const struct bytes others[] = {buf_view(&ca)};
    TRY(pkcs12_make(buf_view(&pkcs8), buf_view(&cert), others, 1, folder->name,
                    secret_view(folder->p12), &p12, &cli->detail));
    return write_file(cli, dir, "client.p12", buf_view(&p12), 0600);
}

enum err client_folder_prepare(struct cli *cli, struct client_folder *folder)
{
    const char *csr = cli_option(cli, "csr");
    folder->dir = cli_option(cli, "output");
    if (folder->dir != NULL)
        TRY(check_folder(cli, folder->dir));
    TRY(take_p12_password(cli, folder));
    if (csr == NULL)
        return folder->dir != NULL ? make_key(cli, folder) : ERR_OK;
    TRY(file_read(csr, REQUEST_MAX, &folder->request, &cli->detail));
    if (folder->p12 != NULL)
        return err_set(&cli->detail, ERR_ARGUMENT,
                       "--p12 wants the key, which --csr does not have");
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
    const char *kind = cli_text(answer, "kind");
    if (is_kmip(kind))
        TRY(server_address(cli, answer, host, &port));
    if (realpath(folder->dir, real) == NULL)
        return err_errno(&cli->detail, "%s", folder->dir);
    if (folder->key != NULL)
        TRY(write_file(cli, real, key_name(kind), secret_view(folder->key), 0600));
    TRY(write_file(cli, real, cert_name(kind), bytes_str(cli_text(answer, "certificate_pem")),
                   0644));
    TRY(write_file(cli, real, "ca.pem", bytes_str(cli_text(answer, "ca_pem")), 0644));
    if (folder->p12 != NULL)
        TRY(write_p12(cli, folder, real, answer));
    if (is_kmip(kind))
        TRY(write_profile(cli, folder, real, host, port));
    cli_say(cli, "%s%scertificate%s: %s\n", folder->p12 != NULL ? "client.p12, " : "",
            folder->key != NULL ? "key, " : "", is_kmip(kind) ? " and profile.conf" : "",
            folder->dir);
    return ERR_OK;
}
