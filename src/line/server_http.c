#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "line/cache.h"
#include "line/gateway_keys.h"
#include "line/server_json.h"
#include "net/http_client.h"

#define STATION_KEY_BITS 2048
#define PATH_ROOM        1536

struct http_server {
    struct line_server base;
    struct net_client *client;
    char where[384]; /* "factory:8085", for a person */
    char *cert, *key, *ca, *cache, *path_from, *path_to;
    unsigned retries, pause_ms;
    struct rsa_private *station; /* made when gateway keys are first asked for */
    int dir;                     /* of the cache; -1: not open yet */
};

static void http_free(struct line_server *server)
{
    struct http_server *http = (struct http_server *)server;
    net_client_free(http->client);
    free(http->cert);
    free(http->key);
    free(http->ca);
    free(http->cache);
    free(http->path_from);
    free(http->path_to);
    rsa_private_freep(&http->station);
    file_closep(&http->dir);
    free(http);
}

static void http_freep(struct http_server **http)
{
    if (*http != NULL)
        http_free(&(*http)->base);
}

/* ---- one exchange, with attempts ---- */

static void pause_for(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0)
        continue;
}

/* What another attempt may mend. Every request of the line may be sent twice: its answer is the
 * same. */
static bool is_passing(enum err err, const struct net_client_answer *answer)
{
    if (err == ERR_OK)
        return answer->status == 429 || answer->status == 502 || answer->status == 503 ||
               answer->status == 504;
    return err == ERR_IO || err == ERR_TIMEOUT || err == ERR_CLOSED || err == ERR_NOT_FOUND;
}

struct request {
    enum net_http_method method;
    const char *path;
    struct bytes json;
    net_client_sink *sink; /* a download; begins anew with every attempt */
    struct buf *to;
};

static enum err attempt(struct http_server *http, const struct request *request,
                        struct net_client_answer *answer, struct err_detail *detail)
{
    if (request->sink == NULL)
        return net_client_call(http->client, request->method, request->path, request->json, answer,
                               detail);
    request->to->len = 0;
    return net_client_download(http->client, request->path, request->sink, NULL, request->to,
                               answer, detail);
}

/* `detail` names the address already; what may be wrong with it is said for a person. */
static enum err unreachable(const struct http_server *http, enum err err,
                            const struct err_detail *detail, struct line_fault *fault)
{
    const char *perhaps = "";
    if (err == ERR_TLS)
        perhaps = "; is the profile one of this server's?";
    else if (err == ERR_CLOSED && http->cert == NULL)
        perhaps = "; does it serve plain HTTP there? ([factory] http_listen)";
    return err == ERR_OK
               ? ERR_OK
               : line_fail(fault, LINE_SERVER_UNREACHABLE, "provisioning server: %s%s",
                           detail->text[0] != '\0' ? detail->text : err_row(err)->text, perhaps);
}

/* ERR_OK: there is an answer, below 400 or 404. */
static enum err exchange(struct http_server *http, const struct request *request,
                         struct net_client_answer *answer, struct line_fault *fault)
{
    struct err_detail detail = {0};
    enum err err;
    for (unsigned n = 0;; n++) {
        detail = (struct err_detail){0};
        err = attempt(http, request, answer, &detail);
        if (n >= http->retries || !is_passing(err, answer))
            break;
        pause_for(http->pause_ms << (n < 5 ? n : 5));
    }
    if (err == ERR_LIMIT)
        return line_fail_err(fault, LINE_SERVER_ANSWER, http->where, err, &detail);
    TRY(unreachable(http, err, &detail, fault));
    if (answer->status < 400 || answer->status == 404)
        return ERR_OK;
    return line_refusal(fault, http->where, answer);
}

static enum err call(struct http_server *http, enum net_http_method method, const char *path,
                     json_t *body, struct net_client_answer *answer, struct line_fault *fault)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    if (body != NULL && text == NULL)
        return line_fail(fault, LINE_UNKNOWN, "out of memory");
    struct request request = {.method = method, .path = path};
    if (text != NULL)
        request.json = bytes_str(text);
    enum err err = exchange(http, &request, answer, fault);
    free(text);
    return err;
}

/* ---- configuration ---- */

static enum err http_config(struct line_server *server, const struct line_choice *choice,
                            struct line_package *ret_package, struct line_fault *fault)
{
    struct http_server *http = (struct http_server *)server;
    struct net_client_answer answer = {0};
    struct err_detail detail = {0};
    struct buf path = {0};
    enum err err =
        choice->alias != NULL
            ? buf_printf(&path, "/v1/line/config?alias=")
            : buf_printf(&path, "/v1/line/config?id=0x%016" PRIx64 "%c", choice->id, '\0');
    if (err == ERR_OK && choice->alias != NULL)
        err = net_client_escape(&path, choice->alias);
    if (err == ERR_OK)
        err = buf_append(&path, bytes_of("", 1));
    err = line_fail_err(fault, LINE_UNKNOWN, "configuration", err, NULL);
    if (err == ERR_OK)
        err = call(http, NET_HTTP_GET, (const char *)path.data, NULL, &answer, fault);
    if (err == ERR_OK && answer.status == 404)
        err = choice->alias != NULL
                  ? line_fail(fault, LINE_SERVER_ERROR, "the server knows no configuration '%s'",
                              choice->alias)
                  : line_fail(fault, LINE_SERVER_ERROR,
                              "the server knows no configuration 0x%016" PRIx64, choice->id);
    if (err == ERR_OK)
        err = line_fail_err(fault, LINE_SERVER_ANSWER, http->where,
                            line_package_parse(buf_view(&answer.body), ret_package, &detail),
                            &detail);
    net_client_answer_done(&answer);
    buf_done(&path);
    return err;
}

/* ---- files ---- */

static enum err take_piece(void *ctx, struct bytes piece, struct err_detail *detail)
{
    struct buf *to = ctx;
    if (piece.len > LINE_FILE_MAX - to->len)
        return err_set(detail, ERR_LIMIT, "a file of more than %llu bytes",
                       (unsigned long long)LINE_FILE_MAX);
    return buf_append(to, piece);
}

static enum err open_cache(struct http_server *http, struct line_fault *fault)
{
    return http->dir >= 0 ? ERR_OK : line_cache_open(http->cache, &http->dir, fault);
}

static enum err download(struct http_server *http, const struct line_file *file, struct buf *to,
                         struct line_fault *fault)
{
    struct net_client_answer answer = {0};
    struct buf content = {0};
    struct request request = {.path = file->path, .sink = take_piece, .to = &content};
    enum err err = ERR_OK;
    if (file->path[0] != '/' || strpbrk(file->path, " \r\n#") != NULL)
        err = line_fail(fault, LINE_SERVER_ANSWER, "%s: no path of this server", file->name);
    if (err == ERR_OK)
        err = exchange(http, &request, &answer, fault);
    if (err == ERR_OK && answer.status == 404)
        err = line_fail(fault, LINE_SERVER_FILE, "%s: the server has it not", file->name);
    if (err == ERR_OK)
        err = line_file_check(file, buf_view(&content), fault);
    if (err == ERR_OK)
        err = line_cache_put(http->dir, file, buf_view(&content), fault);
    if (err == ERR_OK)
        err = line_fail_err(fault, LINE_UNKNOWN, file->name, buf_append(to, buf_view(&content)),
                            NULL);
    buf_done(&content);
    net_client_answer_done(&answer);
    return err;
}

/* The server's view of the path, with its beginning exchanged for ours. */
static enum err shared_path(const struct http_server *http, const struct line_file *file,
                            char ret_path[PATH_MAX], struct line_fault *fault)
{
    const char *rest = file->path, *front = "";
    size_t len = http->path_from != NULL ? strlen(http->path_from) : 0;
    if (len != 0 && strncmp(file->path, http->path_from, len) == 0) {
        front = http->path_to != NULL ? http->path_to : "";
        rest += len;
    }
    int n = snprintf(ret_path, PATH_MAX, "%s%s", front, rest);
    if (n < 0 || n >= PATH_MAX)
        return line_fail(fault, LINE_SERVER_FILE, "%s: its path is too long", file->name);
    return ERR_OK;
}

static enum err read_shared(const struct http_server *http, const struct line_file *file,
                            struct buf *to, char ret_path[PATH_MAX], struct line_fault *fault)
{
    struct err_detail detail = {0};
    struct buf content = {0};
    TRY(shared_path(http, file, ret_path, fault));
    enum err err = file_read(ret_path, (size_t)LINE_FILE_MAX, &content, &detail);
    err = line_fail_err(fault, LINE_SERVER_FILE, "shared folder", err, &detail);
    if (err == ERR_OK)
        err = line_file_check(file, buf_view(&content), fault);
    if (err == ERR_OK)
        err = line_fail_err(fault, LINE_UNKNOWN, file->name, buf_append(to, buf_view(&content)),
                            NULL);
    buf_done(&content);
    return err;
}

static enum err http_file(struct line_server *server, const struct line_package *package,
                          const struct line_file *file, struct buf *to, char *ret_path,
                          struct line_fault *fault)
{
    struct http_server *http = (struct http_server *)server;
    char path[PATH_MAX], name[LINE_CACHE_NAME];
    if (package->transfer == LINE_SHARED) {
        TRY(read_shared(http, file, to, path, fault));
    } else {
        TRY(open_cache(http, fault));
        line_cache_name(file, name);
        int n = snprintf(path, sizeof path, "%s/%s", http->cache, name);
        if (n < 0 || (size_t)n >= sizeof path)
            return line_fail(fault, LINE_SERVER_FILE, "%s: its path is too long", http->cache);
        if (!line_cache_get(http->dir, file, to))
            TRY(download(http, file, to, fault));
    }
    if (ret_path != NULL)
        memcpy(ret_path, path, strlen(path) + 1);
    return ERR_OK;
}

/* ---- gateway keys ---- */

static enum err http_gateway_keys(struct line_server *server, uint64_t config_id, uint32_t revision,
                                  struct line_gateway_keys *ret_keys, struct line_fault *fault)
{
    struct http_server *http = (struct http_server *)server;
    struct err_detail detail = {0};
    struct net_client_answer answer = {0};
    struct buf pem = {0};
    enum err err = ERR_OK;
    if (http->station == NULL)
        err = rsa_private_generate(STATION_KEY_BITS, &http->station, &detail);
    if (err == ERR_OK)
        err = rsa_public_to_pem(rsa_private_public(http->station), &pem);
    err = line_fail_err(fault, LINE_UNKNOWN, "key of this station", err, &detail);
    if (err == ERR_OK) {
        json_t *body = line_json_gateway_keys(config_id, revision, buf_view(&pem));
        err = call(http, NET_HTTP_POST, "/v1/line/gateway-keys", body, &answer, fault);
        json_decref(body);
    }
    if (err == ERR_OK && answer.status == 404)
        err = line_refusal(fault, http->where, &answer);
    if (err == ERR_OK)
        err = line_json_open_gateway_keys(buf_view(&answer.body), http->station, ret_keys, fault);
    net_client_answer_done(&answer);
    buf_done(&pem);
    return err;
}

/* ---- runs and devices ---- */

static enum err send_record(struct http_server *http, enum net_http_method method, const char *path,
                            json_t *body, struct line_fault *fault)
{
    struct net_client_answer answer = {0};
    enum err err = call(http, method, path, body, &answer, fault);
    if (err == ERR_OK && answer.status == 404)
        err = line_refusal(fault, http->where, &answer);
    net_client_answer_done(&answer);
    json_decref(body);
    return err;
}

static enum err http_begin(struct line_server *server, const struct line_begin *begin,
                           struct line_fault *fault)
{
    return send_record((struct http_server *)server, NET_HTTP_POST, "/v1/line/runs",
                       line_json_begin(begin), fault);
}

static void device_path(uint64_t node_id, char *to, size_t cap)
{
    (void)snprintf(to, cap, "/v1/line/devices/0x%0*" PRIx64, node_id > UINT32_MAX ? 16 : 8,
                   node_id);
}

static enum err http_device(struct line_server *server, uint64_t node_id, const uint8_t *kcv,
                            struct line_record *ret_record, struct line_fault *fault)
{
    struct http_server *http = (struct http_server *)server;
    struct net_client_answer answer = {0};
    struct line_record record = {0};
    char path[96], digits[2 * CHECK_VALUE_SIZE + 1];
    device_path(node_id, path, sizeof path);
    if (kcv != NULL) {
        size_t len = strlen(path);
        hex_encode(bytes_of(kcv, CHECK_VALUE_SIZE), digits);
        (void)snprintf(path + len, sizeof path - len, "?kcv=%s", digits);
    }
    enum err err = call(http, NET_HTTP_GET, path, NULL, &answer, fault);
    if (err == ERR_OK && answer.status != 404)
        err = line_json_read_record(buf_view(&answer.body), &record, fault);
    net_client_answer_done(&answer);
    if (err == ERR_OK)
        *ret_record = record;
    return err;
}

static enum err http_report(struct line_server *server, const struct line_report *report,
                            struct line_fault *fault)
{
    char path[64];
    device_path(report->node_id, path, sizeof path);
    return send_record((struct http_server *)server, NET_HTTP_PUT, path, line_json_report(report),
                       fault);
}

static enum err http_end(struct line_server *server, const struct line_end *end,
                         struct line_fault *fault)
{
    char path[128];
    (void)snprintf(path, sizeof path, "/v1/line/runs/%s/end", end->run);
    return send_record((struct http_server *)server, NET_HTTP_POST, path, line_json_end(end),
                       fault);
}

/* ---- making one ---- */

static const struct line_server_ops http_ops = {
    .free = http_free,
    .config = http_config,
    .file = http_file,
    .gateway_keys = http_gateway_keys,
    .begin = http_begin,
    .device = http_device,
    .report = http_report,
    .end = http_end,
};

/* The first of two names that is there: key.pem and cert.pem of a station, client.key and
 * client.pem of other clients, as `claviger client create` writes them. */
static enum err profile_file(const char *profile, const char *name, const char *other,
                             char **ret_path, struct line_fault *fault)
{
    for (int i = 0; i < 2; i++) {
        free(*ret_path);
        if (asprintf(ret_path, "%s/%s", profile, i == 0 ? name : other) < 0) {
            *ret_path = NULL;
            return line_fail(fault, LINE_UNKNOWN, "out of memory");
        }
        if (access(*ret_path, R_OK) == 0)
            return ERR_OK;
    }
    return line_fail(
        fault, LINE_SERVER_UNREACHABLE,
        "%s/%s can't be read: the profile (--profile) is the folder that 'claviger client "
        "create --kind station' made; --disable-ssl goes without",
        profile, name);
}

static enum err copy(const char *text, char **ret_copy, struct line_fault *fault)
{
    if (text == NULL)
        return ERR_OK;
    *ret_copy = strdup(text);
    return *ret_copy != NULL ? ERR_OK : line_fail(fault, LINE_UNKNOWN, "out of memory");
}

static enum err connect_to(struct http_server *http, const struct line_http_config *config,
                           struct line_fault *fault)
{
    char base[320], port[8];
    struct err_detail detail = {0};
    const char *first = strchr(config->host, ':'), *last = strrchr(config->host, ':');
    bool six = first != last, has_port = first != NULL && !six;
    (void)snprintf(port, sizeof port, "%u", config->port);
    int n = snprintf(base, sizeof base, "%s://%s%s%s%s%s", config->plain ? "http" : "https",
                     six ? "[" : "", config->host, six ? "]" : "", has_port ? "" : ":",
                     has_port ? "" : port);
    if (n < 0 || (size_t)n >= sizeof base || strpbrk(config->host, "/ @?#\\\r\n\t") != NULL ||
        config->host[0] == '\0' ||
        (has_port && (first == config->host || first[1] == '\0' ||
                      first[1 + strspn(first + 1, "0123456789")] != '\0')))
        return line_fail(fault, LINE_ARGUMENTS, "no host name or address: '%s'", config->host);
    (void)snprintf(http->where, sizeof http->where, "provisioning server %s", base);
    struct net_client_config client = {
        .base = base,
        .ca_file = http->ca,
        .cert_file = http->cert,
        .key_file = http->key,
        .timeout_ms = config->timeout_ms != 0 ? config->timeout_ms : 30000,
    };
    return line_fail_err(fault, LINE_SERVER_UNREACHABLE, http->where,
                         net_client_new(&client, &http->client, &detail), &detail);
}

enum err line_http_server_new(const struct line_http_config *config,
                              struct line_server **ret_server, struct line_fault *fault)
{
    AUTO(http_freep) struct http_server *http = calloc(1, sizeof *http);
    if (http == NULL)
        return line_fail(fault, LINE_UNKNOWN, "out of memory");
    http->base.ops = &http_ops;
    http->dir = -1;
    http->retries = config->retries;
    http->pause_ms = config->pause_ms != 0 ? config->pause_ms : 500;
    TRY(copy(config->cache, &http->cache, fault));
    TRY(copy(config->path_from, &http->path_from, fault));
    TRY(copy(config->path_to, &http->path_to, fault));
    if (!config->plain) {
        TRY(profile_file(config->profile, "cert.pem", "client.pem", &http->cert, fault));
        TRY(profile_file(config->profile, "key.pem", "client.key", &http->key, fault));
        TRY(profile_file(config->profile, "ca.pem", "ca.pem", &http->ca, fault));
    }
    TRY(connect_to(http, config, fault));
    *ret_server = &http->base;
    http = NULL;
    return ERR_OK;
}
