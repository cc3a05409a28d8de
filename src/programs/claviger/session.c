#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/cli.h"
#include "programs/common/prompt.h"

#define SOCKET_DEFAULT "/run/claviger/claviger.sock"
#define PATH_LEN_MAX   2048
#define PASSPHRASE_MAX ((size_t)1024)

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static enum err connect_daemon(struct cli *cli)
{
    if (cli->client != NULL)
        return ERR_OK;
    if (cli_is_remote(cli))
        return cli_connect_remote(cli);
    const char *path = options_get(cli->options, "socket");
    if (path == NULL)
        path = getenv("CLAVIGER_SOCKET");
    if (path == NULL || *path == '\0')
        path = SOCKET_DEFAULT;
    const struct net_client_config config = {.base = path};
    return net_client_new(&config, &cli->client, &cli->detail);
}

const char *cli_escape(const char *text)
{
    struct buf escaped = {0};
    if (net_client_escape(&escaped, text) != ERR_OK ||
        buf_append(&escaped, bytes_of("", 1)) != ERR_OK)
        abort();
    return (const char *)escaped.data;
}

/* A transport that failed means one thing to the caller: the daemon can't be reached. */
static enum err transport(struct cli *cli, enum err err)
{
    if (err == ERR_IO || err == ERR_CLOSED || err == ERR_NOT_FOUND || err == ERR_DENIED)
        cli->detail.code = err = ERR_UNREACHABLE;
    if (err == ERR_TLS)
        cli_hint(cli, "--ca FILE names the authority of the daemon's certificate: claviger server "
                      "ca, run there, writes it");
    if (err == ERR_UNREACHABLE && !cli_is_remote(cli))
        (void)snprintf(cli->hint, sizeof cli->hint,
                       "--socket PATH or CLAVIGER_SOCKET says where it listens: [daemon] socket of "
                       "its configuration");
    return err;
}

/* The daemon's refusal as an error of ours. */
static enum err refusal(struct cli *cli, const struct net_client_answer *answer)
{
    json_t *json = json_loadb((const char *)answer->body.data, answer->body.len, 0, NULL);
    const json_t *error = json_object_get(json, "error");
    const char *detail = cli_text(error, "detail");
    enum err err = answer->err != ERR_OK ? answer->err : ERR_PEER;
    if (*detail != '\0')
        err = err_set(&cli->detail, err, "%s", detail);
    else
        err = err_set(&cli->detail, err, "%s", "");
    json_decref(json);
    return err;
}

static enum err parse_answer(struct cli *cli, const struct net_client_answer *answer,
                             json_t **ret_answer)
{
    if (answer->err != ERR_OK || answer->status >= 400)
        return refusal(cli, answer);
    json_t *json = NULL;
    if (answer->body.len != 0) {
        json = json_loadb((const char *)answer->body.data, answer->body.len, 0, NULL);
        if (json == NULL)
            return err_set(&cli->detail, ERR_PEER, "the daemon's answer is not JSON");
    }
    if (ret_answer != NULL)
        *ret_answer = json;
    else
        json_decref(json);
    return ERR_OK;
}

static enum err exchange(struct cli *cli, enum net_http_method method, const json_t *body,
                         const char *path, json_t **ret_answer)
{
    AUTO(net_client_answer_done) struct net_client_answer answer = {0};
    TRY(connect_daemon(cli));
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    enum err err =
        net_client_call(cli->client, method, path, text != NULL ? bytes_str(text) : bytes_of("", 0),
                        &answer, &cli->detail);
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    TRY(transport(cli, err));
    return parse_answer(cli, &answer, ret_answer);
}

enum err cli_call(struct cli *cli, enum net_http_method method, json_t *body, json_t **ret_answer,
                  const char *format, ...)
{
    char path[PATH_LEN_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    enum err err = len > 0 && (size_t)len < sizeof path
                       ? exchange(cli, method, body, path, ret_answer)
                       : ERR_LIMIT;
    json_decref(body);
    return err;
}

/* One look at the job; its new lines are handed on. */
static enum err poll_job(struct cli *cli, json_int_t id, json_int_t *next,
                         struct progress *progress, cli_line_fn *line, json_t **ret_job)
{
    json_t *job = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &job,
                 "/v1/jobs/%" JSON_INTEGER_FORMAT "?from=%" JSON_INTEGER_FORMAT, id, *next));
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(job, "lines"), i, item)
    {
        if (line == NULL)
            continue;
        progress_end(progress); /* the line takes its place */
        line(cli, item);
    }
    *next = cli_int(job, "next");
    *ret_job = job;
    return ERR_OK;
}

static enum err job_error(struct cli *cli, const json_t *error)
{
    const char *code = cli_text(error, "code");
    enum err err = ERR_PEER;
    for (unsigned i = 0; i < ERR_COUNT; i++) {
        if (strcmp(err_rows[i].name, code) == 0)
            err = (enum err)i;
    }
    return err_set(&cli->detail, err, "%s", cli_text(error, "detail"));
}

/* Says that `resource` is of no more use; where that fails the daemon finds out by itself. */
static void give_up(struct cli *cli, const char *resource, json_int_t id)
{
    struct err_detail before = cli->detail;
    enum err err =
        cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/%s/%" JSON_INTEGER_FORMAT, resource, id);
    (void)err;
    cli->detail = before;
}

static enum err follow_job(struct cli *cli, json_int_t id, struct progress *progress,
                           cli_line_fn *line, json_t **ret_result)
{
    json_int_t next = 0;
    unsigned wait_ms = 5;
    bool cancelled = false;
    for (;;) {
        AUTO(json_freep) json_t *job = NULL;
        enum err err = poll_job(cli, id, &next, progress, line, &job);
        if (err != ERR_OK && err != ERR_BUSY) /* busy with others; the job goes on meanwhile */
            return err;
        const char *state = cli_text(job, "state");
        bool failed = strcmp(state, "failed") == 0;
        if (failed || strcmp(state, "done") == 0) {
            *ret_result = json_incref(json_object_get(job, "result"));
            return failed ? job_error(cli, json_object_get(job, "error")) : ERR_OK;
        }
        if (err == ERR_OK)
            progress_show(progress, cli_text(job, "stage"), (uint64_t)cli_int(job, "done"),
                          (uint64_t)cli_int(job, "total"));
        if (interrupted != 0 && !cancelled) {
            cancelled = true;
            give_up(cli, "jobs", id);
        }
        const struct timespec pause = {.tv_nsec = (long)wait_ms * 1000000};
        (void)nanosleep(&pause, NULL);
        wait_ms = wait_ms < 100 ? wait_ms * 2 : 100;
    }
}

enum err cli_job(struct cli *cli, json_t *spec, cli_line_fn *line, json_t **ret_result,
                 const char *format, ...)
{
    char path[PATH_LEN_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(path, sizeof path, format, args);
    va_end(args);
    json_t *started = NULL;
    enum err err = len > 0 && (size_t)len < sizeof path
                       ? exchange(cli, NET_HTTP_POST, spec, path, &started)
                       : ERR_LIMIT;
    json_decref(spec);
    TRY(err);
    json_int_t id = cli_int(started, "job");
    json_decref(started);
    const struct sigaction action = {.sa_handler = on_interrupt};
    struct sigaction before;
    struct progress progress;
    (void)sigaction(SIGINT, &action, &before);
    progress_begin(&progress, cli);
    err = follow_job(cli, id, &progress, line, ret_result);
    progress_end(&progress);
    (void)sigaction(SIGINT, &before, NULL);
    return err;
}

/* A file on its way and how far it is. */
struct transfer {
    struct progress progress;
    int fd;
    bool failed; /* the file here, not the daemon */
};

static void show_transfer(void *ctx, uint64_t done, uint64_t total)
{
    struct transfer *transfer = ctx;
    progress_show(&transfer->progress, "transfer", done, total);
}

enum err cli_upload_fd(struct cli *cli, int fd, uint64_t *ret_id)
{
    json_t *made = NULL;
    TRY(cli_call(cli, NET_HTTP_POST, NULL, &made, "/v1/uploads"));
    json_int_t id = cli_int(made, "upload");
    json_decref(made);
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/uploads/%" JSON_INTEGER_FORMAT, id);
    AUTO(net_client_answer_done) struct net_client_answer answer = {0};
    struct transfer transfer = {.fd = fd};
    progress_begin(&transfer.progress, cli);
    enum err err =
        net_client_upload(cli->client, path, fd, show_transfer, &transfer, &answer, &cli->detail);
    progress_end(&transfer.progress);
    err = transport(cli, err);
    if (err == ERR_OK)
        err = parse_answer(cli, &answer, NULL);
    if (err != ERR_OK) {
        give_up(cli, "uploads", id);
        return err;
    }
    *ret_id = (uint64_t)id;
    return ERR_OK;
}

enum err cli_upload(struct cli *cli, const char *path, uint64_t *ret_id)
{
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(&cli->detail, "%s: can't open", path);
    return cli_upload_fd(cli, fd, ret_id);
}

static enum err write_piece(void *ctx, struct bytes piece, struct err_detail *detail)
{
    struct transfer *transfer = ctx;
    enum err err = file_write_all(transfer->fd, piece, detail);
    transfer->failed = err != ERR_OK;
    return err;
}

static enum err fetch(struct cli *cli, const char *resource, int fd)
{
    TRY(connect_daemon(cli));
    AUTO(net_client_answer_done) struct net_client_answer answer = {0};
    struct transfer transfer = {.fd = fd};
    progress_begin(&transfer.progress, cli);
    enum err err = net_client_download(cli->client, resource, write_piece, show_transfer, &transfer,
                                       &answer, &cli->detail);
    progress_end(&transfer.progress);
    TRY(transfer.failed ? err : transport(cli, err));
    return answer.err != ERR_OK ? refusal(cli, &answer) : ERR_OK;
}

enum err cli_fetch(struct cli *cli, const char *resource, const char *path, mode_t mode)
{
    char beside[PATH_MAX];
    int len = snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof beside)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", path);
    AUTO(file_closep)
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_errno(&cli->detail, "%s: can't create", path);
    enum err err = fetch(cli, resource, fd);
    if (err == ERR_OK && (fchmod(fd, mode) != 0 || fsync(fd) != 0 || rename(beside, path) != 0))
        err = err_errno(&cli->detail, "%s: can't write", path);
    if (err != ERR_OK) {
        (void)unlink(beside);
        return err;
    }
    return file_sync_dir_of(path, &cli->detail);
}

static void download_resource(uint64_t id, const char *part, char to[96])
{
    (void)snprintf(to, 96, "/v1/downloads/%" PRIu64 "?part=%s", id, part);
}

enum err cli_download(struct cli *cli, uint64_t id, const char *part, const char *path, mode_t mode)
{
    char resource[96];
    download_resource(id, part, resource);
    return cli_fetch(cli, resource, path, mode);
}

enum err cli_download_fd(struct cli *cli, uint64_t id, const char *part, int fd)
{
    char resource[96];
    download_resource(id, part, resource);
    return fetch(cli, resource, fd);
}

void cli_download_done(struct cli *cli, uint64_t id)
{
    give_up(cli, "downloads", (json_int_t)id);
}

void cli_uploads_done(struct cli *cli, const json_t *spec)
{
    static const char *const fields[] = {"upload", "upload_signature", "upload_manifest"};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (json_object_get(spec, fields[i]) != NULL)
            give_up(cli, "uploads", cli_int(spec, fields[i]));
    }
}

enum err cli_secret(struct cli *cli, const char *option, const char *what, bool fresh, size_t max,
                    struct secret **ret_secret)
{
    const char *path = options_get(cli->options, option);
    if (path != NULL)
        return file_read_secret(path, max, ret_secret, &cli->detail);
    enum err err = fresh ? prompt_new_secret(what, max, ret_secret, &cli->detail)
                         : prompt_secret(what, max, ret_secret, &cli->detail);
    if (err == ERR_STATE)
        (void)snprintf(cli->hint, sizeof cli->hint, "--%s FILE gives the %s without one", option,
                       what);
    return err;
}

enum err cli_passphrase(struct cli *cli, bool fresh, struct secret **ret_passphrase)
{
    return cli_secret(cli, "passphrase-file", "shared passphrase", fresh, PASSPHRASE_MAX,
                      ret_passphrase);
}

enum err cli_set_secret(struct cli *cli, json_t *object, const char *name,
                        const struct secret *secret)
{
    struct bytes view = secret_view(secret);
    json_t *text = json_stringn((const char *)view.data, view.len);
    if (text == NULL || json_object_set_new(object, name, text) != 0)
        return err_set(&cli->detail, ERR_SYNTAX, "the passphrase is not UTF-8 text");
    return ERR_OK;
}

enum err cli_confirm(struct cli *cli, const char *what, const char *word)
{
    const char *given = options_get(cli->options, "confirm");
    if (given == NULL) {
        enum err err = prompt_confirm(what, word, &cli->detail);
        if (err == ERR_STATE)
            (void)snprintf(cli->hint, sizeof cli->hint, "--confirm %s confirms without one", word);
        return err;
    }
    if (strcmp(given, word) != 0)
        return err_set(&cli->detail, ERR_CANCELLED,
                       "--confirm %s: '%s' is wanted; nothing was done", given, word);
    return ERR_OK;
}

const char *cli_arg(const struct cli *cli, int n)
{
    return n < cli->options->args_len ? cli->options->args[n] : NULL;
}

const char *cli_option(const struct cli *cli, const char *name)
{
    return options_get(cli->options, name);
}

enum err cli_number(struct cli *cli, const char *name, uint64_t max, uint64_t fallback,
                    uint64_t *ret_number)
{
    const char *text = options_get(cli->options, name);
    if (text == NULL) {
        *ret_number = fallback;
        return ERR_OK;
    }
    char *end = NULL;
    errno = 0;
    /* no octal numbers: 010 is ten */
    bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    unsigned long long number = strtoull(text, &end, is_hex ? 16 : 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || number > max)
        return err_set(&cli->detail, ERR_ARGUMENT, "--%s %s: a number up to %" PRIu64 " is wanted",
                       name, text, max);
    *ret_number = number;
    return ERR_OK;
}
