#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/json.h"
#include "base/file.h"
#include "crypto/cms.h"
#include "crypto/rsa.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/import.h"

/* A plaintext keyring is in clear in this process only: on export the daemon encrypts it to a key
 * that lives as long as this command, on import it is encrypted to the server's key before it
 * leaves (docs/decisions/0003-keyring-in-plaintext.md). */

#define EPHEMERAL_BITS 2048
#define DER_SEQUENCE   0x30 /* how a sealed backup starts, and no line of a keyring does */

struct pipe_ends {
    int from;
    int to;
};

static enum err read_from(void *arg, uint8_t *to, size_t cap, size_t *ret_len,
                          struct err_detail *detail)
{
    const struct pipe_ends *ends = arg;
    ssize_t got;
    do {
        got = read(ends->from, to, cap);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(detail, "can't read");
    *ret_len = (size_t)got;
    return ERR_OK;
}

static enum err write_to(void *arg, struct bytes data, struct err_detail *detail)
{
    const struct pipe_ends *ends = arg;
    return file_write_all(ends->to, data, detail);
}

/* A file without a name for ciphertext on its way. */
static enum err open_nameless(int *ret_fd, struct err_detail *detail)
{
    const char *dir = getenv("TMPDIR");
    int fd = open(dir != NULL ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(detail, "can't make a temporary file");
    *ret_fd = fd;
    return ERR_OK;
}

/* Decrypt into `path`, which appears whole or not at all. */
static enum err decrypt_file(const struct rsa_private *key, int ciphertext, const char *path,
                             struct err_detail *detail)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid()) >= (int)sizeof beside)
        return err_set(detail, ERR_LIMIT, "%s: path too long", path);
    AUTO(file_closep)
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_errno(detail, "%s: can't create", path);
    struct pipe_ends ends = {.from = ciphertext, .to = fd};
    const struct cms_io io = {.arg = &ends, .source = read_from, .sink = write_to};
    enum err err = cms_decrypt(key, &io, detail);
    if (err == ERR_OK && (fchmod(fd, 0600) != 0 || fsync(fd) != 0 || rename(beside, path) != 0))
        err = err_errno(detail, "%s: can't write", path);
    if (err != ERR_OK)
        (void)unlink(beside);
    else
        err = file_sync_dir_of(path, detail);
    return err;
}

static enum err start_export(struct cli *cli, const struct rsa_private *key, json_t **ret_result)
{
    uint64_t batch = 0;
    AUTO(buf_done) struct buf pem = {0};
    TRY(cli_number(cli, "batch", UINT32_MAX, 0, &batch));
    TRY(rsa_public_to_pem(rsa_private_public(key), &pem));
    json_t *spec = json_pack("{s:s#}", "recipient", (const char *)pem.data, pem.len);
    if (cli_option(cli, "batch") != NULL)
        (void)json_object_set_new(spec, "batch", json_integer((json_int_t)batch));
    return cli_job(cli, spec, NULL, ret_result, "/v1/networks/%s/keyring/export",
                   cli_escape(cli_arg(cli, 0)));
}

enum err command_keyring_export(struct cli *cli)
{
    const char *path = cli_option(cli, "output");
    TRY(cli_confirm(cli, "This writes the keys of the network in plaintext.", cli_arg(cli, 0)));
    AUTO(rsa_private_freep) struct rsa_private *key = NULL;
    AUTO(file_closep) int ciphertext = -1;
    AUTO(json_freep) json_t *result = NULL;
    TRY(rsa_private_generate(EPHEMERAL_BITS, &key, &cli->detail));
    TRY(open_nameless(&ciphertext, &cli->detail));
    TRY(start_export(cli, key, &result));
    uint64_t id = (uint64_t)cli_int(result, "download");
    enum err err = cli_download_fd(cli, id, "", ciphertext);
    cli_download_done(cli, id);
    TRY(err);
    if (lseek(ciphertext, 0, SEEK_SET) != 0)
        return err_errno(&cli->detail, "can't read back");
    TRY(decrypt_file(key, ciphertext, path, &cli->detail));
    if (!cli_print_json(cli, result))
        cli_say(cli,
                "keyring of '%s' with %s, in plaintext: %s (mode 0600)\nkeep it no longer "
                "than you need it\n",
                cli_arg(cli, 0), cli_count(cli_int(result, "nodes"), "node", "nodes"), path);
    return ERR_OK;
}

static enum err encrypt_upload(struct cli *cli, int plain, uint64_t *ret_id)
{
    AUTO(json_freep) json_t *answer = NULL;
    AUTO(rsa_public_freep) struct rsa_public *server = NULL;
    AUTO(file_closep) int ciphertext = -1;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/server/public-key"));
    TRY(rsa_public_from_pem(bytes_str(cli_text(answer, "pem")), &server, &cli->detail));
    TRY(open_nameless(&ciphertext, &cli->detail));
    struct pipe_ends ends = {.from = plain, .to = ciphertext};
    const struct cms_io io = {.arg = &ends, .source = read_from, .sink = write_to};
    TRY(cms_encrypt(server, OAEP_SHA1, &io, &cli->detail));
    if (lseek(ciphertext, 0, SEEK_SET) != 0)
        return err_errno(&cli->detail, "can't read back");
    return cli_upload_fd(cli, ciphertext, ret_id);
}

/* A sealed backup comes with its signature and manifest. */
static enum err upload_backup(struct cli *cli, int fd, json_t *spec)
{
    static const struct {
        const char *field, *suffix;
    } parts[] = {{"upload_signature", ".sig"}, {"upload_manifest", ".manifest"}};
    char beside[PATH_MAX];
    uint64_t id = 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (snprintf(beside, sizeof beside, "%s%s", cli_arg(cli, 1), parts[i].suffix) >=
            (int)sizeof beside)
            return err_set(&cli->detail, ERR_LIMIT, "path too long");
        TRY(cli_upload(cli, beside, &id));
        (void)json_object_set_new(spec, parts[i].field, json_integer((json_int_t)id));
    }
    TRY(cli_upload_fd(cli, fd, &id));
    (void)json_object_set_new(spec, "upload", json_integer((json_int_t)id));
    return ERR_OK;
}

static enum err fill_spec(struct cli *cli, json_t *spec)
{
    const char *path = cli_arg(cli, 1);
    uint64_t id = 0, id_bits = 0;
    uint8_t first = 0;
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(&cli->detail, "%s: can't open", path);
    if (pread(fd, &first, 1, 0) != 1)
        return err_set(&cli->detail, ERR_TRUNCATED, "%s: empty", path);
    if (cli_option(cli, "realm") != NULL) {
        AUTO(secret_freep) struct secret *passphrase = NULL;
        TRY(cli_number(cli, "id-bits", 64, 32, &id_bits));
        TRY(cli_passphrase(cli, true, &passphrase));
        (void)json_object_set_new(spec, "realm", json_string(cli_option(cli, "realm")));
        (void)json_object_set_new(spec, "id_bits", json_integer((json_int_t)id_bits));
        TRY(cli_set_secret(cli, spec, "passphrase", passphrase));
    }
    if (first == DER_SEQUENCE && strstr(path, ".rsa") != NULL)
        return upload_backup(cli, fd, spec);
    TRY(encrypt_upload(cli, fd, &id));
    (void)json_object_set_new(spec, "upload", json_integer((json_int_t)id));
    return ERR_OK;
}

enum err command_keyring_import(struct cli *cli)
{
    const char *slash = strrchr(cli_arg(cli, 1), '/');
    AUTO(json_freep)
    json_t *spec = json_pack("{s:s s:b s:b}", "file", slash != NULL ? slash + 1 : cli_arg(cli, 1),
                             "dry_run", cli_option(cli, "dry-run") != NULL, "verbose",
                             cli_option(cli, "verbose") != NULL);
    if (spec == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "%s: not UTF-8 text", cli_arg(cli, 1));
    AUTO(json_freep) json_t *result = NULL;
    enum err err = fill_spec(cli, spec);
    if (err == ERR_OK)
        err = cli_job(cli, json_incref(spec), import_line, &result,
                      "/v1/networks/%s/keyring/import", cli_escape(cli_arg(cli, 0)));
    if (err != ERR_OK)
        cli_uploads_done(cli, spec);
    import_report(cli, result);
    return err;
}
