#include "net/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_MAX ((size_t)16 * 1024 * 1024)

struct net_client {
    CURL *curl;
    char *base; /* "https://host:port" without a slash at the end */
    char *socket;
    struct net_client_config config;
    char header[256]; /* of every request; "": none */
    char error[CURL_ERROR_SIZE];
};

/* One exchange while curl works on it. */
struct exchange {
    struct net_client *client;
    struct net_client_answer *answer;
    net_client_sink *sink;
    net_client_progress *progress;
    void *ctx;
    struct err_detail *detail;
    uint64_t done, total;
    enum err err; /* of the sink, or memory */
};

static void curl_start(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum err net_client_new(const struct net_client_config *config, struct net_client **ret_client,
                        struct err_detail *detail)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, curl_start);
    const char *base = config->base;
    bool named = strncmp(base, "unix:", 5) == 0;
    bool is_unix = named || strstr(base, "://") == NULL;
    if (*base == '\0' ||
        (!is_unix && strncmp(base, "https://", 8) != 0 && strncmp(base, "http://", 7) != 0))
        return err_set(detail, ERR_ARGUMENT,
                       "%s: neither the path of a socket nor an https:// address", base);
    AUTO(net_client_freep) struct net_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return ERR_NO_MEMORY;
    client->config = *config;
    client->curl = curl_easy_init();
    client->base = strdup(is_unix ? "http://localhost" : base);
    if (is_unix)
        client->socket = strdup(named ? base + 5 : base);
    if (client->curl == NULL || client->base == NULL || (is_unix && client->socket == NULL))
        return ERR_NO_MEMORY;
    size_t len = strlen(client->base);
    if (client->base[len - 1] == '/')
        client->base[len - 1] = '\0';
    *ret_client = TAKE(client);
    return ERR_OK;
}

void net_client_free(struct net_client *client)
{
    if (client == NULL)
        return;
    if (client->curl != NULL)
        curl_easy_cleanup(client->curl);
    free(client->base);
    free(client->socket);
    explicit_bzero(client->header, sizeof client->header);
    free(client);
}

void net_client_freep(struct net_client **client)
{
    net_client_free(*client);
}

enum err net_client_set_header(struct net_client *client, const char *name, const char *value)
{
    if (strpbrk(name, "\r\n") != NULL || strpbrk(value, "\r\n") != NULL)
        return ERR_ARGUMENT;
    char line[sizeof client->header];
    int len = snprintf(line, sizeof line, "%s: %s", name, value);
    if (len < 0 || (size_t)len >= sizeof line)
        return ERR_LIMIT;
    memcpy(client->header, line, sizeof line);
    return ERR_OK;
}

void net_client_answer_done(struct net_client_answer *answer)
{
    buf_done(&answer->body);
    *answer = (struct net_client_answer){0};
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    size_t len = size * n;
    static const char prefix[] = "X-Claviger-Error:";
    size_t skip = sizeof prefix - 1;
    if (len >= 5 && strncmp(data, "HTTP/", 5) == 0)
        x->answer->err = ERR_OK; /* a final answer after an interim one */
    if (len <= skip || strncasecmp(data, prefix, skip) != 0)
        return len;
    while (skip < len && data[skip] == ' ')
        skip++;
    while (len > skip && (data[len - 1] == '\r' || data[len - 1] == '\n'))
        len--;
    for (unsigned i = 1; i < ERR_COUNT; i++) {
        const char *name = err_rows[i].name;
        if (strlen(name) == len - skip && memcmp(name, data + skip, len - skip) == 0)
            x->answer->err = (enum err)i;
    }
    return size * n;
}

static size_t take_body(char *data, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    size_t len = size * n;
    long status = 0;
    (void)curl_easy_getinfo(x->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (x->sink != NULL && status < 400) {
        x->err = x->sink(x->ctx, bytes_of(data, len), x->detail);
        x->done += len;
        if (x->progress != NULL && x->err == ERR_OK) {
            curl_off_t total = 0;
            (void)curl_easy_getinfo(x->client->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
            x->progress(x->ctx, x->done, total > 0 ? (uint64_t)total : 0);
        }
    } else {
        x->err = x->answer->body.len + len > BODY_MAX
                     ? err_set(x->detail, ERR_LIMIT, "answer is longer than %zu bytes", BODY_MAX)
                     : buf_append(&x->answer->body, bytes_of(data, len));
    }
    return x->err == ERR_OK ? len : 0;
}

static enum err explain(const struct net_client *client, CURLcode code, struct err_detail *detail)
{
    const char *where = client->socket != NULL ? client->socket : client->base;
    const char *why = client->error[0] != '\0' ? client->error : curl_easy_strerror(code);
    long sys = 0;
    (void)curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &sys);
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        if (sys == EACCES || (client->socket != NULL && access(client->socket, F_OK) == 0 &&
                              access(client->socket, W_OK) != 0))
            return err_set(detail, ERR_DENIED, "no permission for %s: use sudo?", where);
        return err_set(detail, ERR_IO, "can't reach clavigerd at %s: is it running?", where);
    case CURLE_COULDNT_RESOLVE_HOST: return err_set(detail, ERR_NOT_FOUND, "%s: %s", where, why);
    case CURLE_OPERATION_TIMEDOUT:
        return err_set(detail, ERR_TIMEOUT, "clavigerd at %s does not answer", where);
    case CURLE_SSL_CONNECT_ERROR:
        /* A connection that was cut in the handshake is no matter of certificates. */
        if (sys == ECONNRESET || strstr(why, "reset by peer") != NULL ||
            strstr(why, "SSL_ERROR_SYSCALL") != NULL)
            return err_set(detail, ERR_CLOSED, "clavigerd at %s closed the connection", where);
        return err_set(detail, ERR_TLS, "%s: %s", where, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE: return err_set(detail, ERR_TLS, "%s: %s", where, why);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        /* TLS 1.3: what is wrong with our certificate is told after the handshake. */
        if (strstr(why, "SSL") != NULL && strstr(why, " alert ") != NULL)
            return err_set(detail, ERR_TLS, "%s: %s", where, why);
        return err_set(detail, ERR_CLOSED, "clavigerd at %s closed the connection", where);
    default: return err_set(detail, ERR_IO, "%s: %s", where, why);
    }
}

static void set_common(struct exchange *x, const char *url, struct curl_slist *headers)
{
    struct net_client *client = x->client;
    CURL *curl = client->curl;
    const struct net_client_config *c = &client->config;
    curl_easy_reset(curl); /* keeps the connection */
    client->error[0] = '\0';
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->error);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                           c->connect_ms != 0 ? (long)c->connect_ms : 5000L);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                           c->timeout_ms != 0 ? (long)(c->timeout_ms + 999) / 1000 : 60L);
    if (c->cookies)
        (void)curl_easy_setopt(curl, CURLOPT_COOKIEFILE, ""); /* in memory */
    if (client->socket != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->ca_file != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, c->ca_file);
    if (c->cert_file != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_SSLCERT, c->cert_file);
        (void)curl_easy_setopt(curl, CURLOPT_SSLKEY, c->key_file);
    }
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
}

static enum err perform(struct exchange *x)
{
    CURL *curl = x->client->curl;
    struct net_client_answer *answer = x->answer;
    CURLcode code = curl_easy_perform(curl);
    if (x->err != ERR_OK)
        return x->err;
    if (code != CURLE_OK)
        return explain(x->client, code, x->detail);
    long status = 0;
    const char *type = NULL;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    answer->status = (int)status;
    (void)snprintf(answer->type, sizeof answer->type, "%s", type != NULL ? type : "");
    if (status < 400)
        answer->err = ERR_OK;
    else if (answer->err == ERR_OK)
        answer->err = ERR_PEER;
    return ERR_OK;
}

static enum err exchange(struct exchange *x, enum net_http_method method, const char *path,
                         struct bytes body, const char *type)
{
    net_client_answer_done(x->answer);
    char *url = NULL;
    if (asprintf(&url, "%s%s", x->client->base, path) < 0)
        return ERR_NO_MEMORY;
    /* curl would wait for "100 Continue" before a long body */
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    struct curl_slist *more = headers != NULL ? curl_slist_append(headers, type) : NULL;
    const char *own = x->client->header;
    if (more != NULL && *own != '\0')
        more = curl_slist_append(headers, own); /* the same list */
    if (more == NULL) {
        curl_slist_free_all(headers);
        free(url);
        return ERR_NO_MEMORY;
    }
    set_common(x, url, more);
    CURL *curl = x->client->curl;
    if (method != NET_HTTP_GET) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                               body.len != 0 ? (const char *)body.data : "");
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, net_http_method_name(method));
    }
    enum err err = perform(x);
    curl_slist_free_all(more);
    free(url);
    return err;
}

#define JSON "Content-Type: application/json"

enum err net_client_call(struct net_client *client, enum net_http_method method, const char *path,
                         struct bytes json, struct net_client_answer *answer,
                         struct err_detail *detail)
{
    struct exchange x = {.client = client, .answer = answer, .detail = detail};
    return exchange(&x, method, path, json, JSON);
}

static enum err read_chunk(int fd, uint8_t *to, size_t *ret_len, struct err_detail *detail)
{
    size_t len = 0;
    while (len < NET_CLIENT_CHUNK) {
        ssize_t n = read(fd, to + len, NET_CLIENT_CHUNK - len);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR)
            return err_errno(detail, "read what is to be sent");
        len += n > 0 ? (size_t)n : 0;
    }
    *ret_len = len;
    return ERR_OK;
}

static enum err upload(struct exchange *x, const char *path, int fd, uint8_t *chunk)
{
    bool last = false;
    for (uint64_t offset = 0; !last;) {
        size_t len = 0;
        TRY(read_chunk(fd, chunk, &len, x->detail));
        last = len < NET_CLIENT_CHUNK;
        if (len == 0 && offset > 0)
            break;
        char *target = NULL;
        if (asprintf(&target, "%s%soffset=%llu", path, strchr(path, '?') != NULL ? "&" : "?",
                     (unsigned long long)offset) < 0)
            return ERR_NO_MEMORY;
        enum err err = exchange(x, NET_HTTP_PUT, target, bytes_of(chunk, len),
                                "Content-Type: application/octet-stream");
        free(target);
        TRY(err);
        if (x->answer->status >= 400)
            break;
        offset += len;
        if (x->progress != NULL)
            x->progress(x->ctx, offset, x->total);
    }
    return ERR_OK;
}

enum err net_client_upload(struct net_client *client, const char *path, int fd,
                           net_client_progress *progress, void *ctx,
                           struct net_client_answer *answer, struct err_detail *detail)
{
    struct exchange x = {
        .client = client, .answer = answer, .progress = progress, .ctx = ctx, .detail = detail};
    struct stat st;
    off_t at = lseek(fd, 0, SEEK_CUR);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && at >= 0 && st.st_size > at)
        x.total = (uint64_t)(st.st_size - at);
    uint8_t *chunk = malloc(NET_CLIENT_CHUNK);
    if (chunk == NULL)
        return ERR_NO_MEMORY;
    enum err err = upload(&x, path, fd, chunk);
    explicit_bzero(chunk, NET_CLIENT_CHUNK);
    free(chunk);
    return err;
}

enum err net_client_download(struct net_client *client, const char *path, net_client_sink *sink,
                             net_client_progress *progress, void *ctx,
                             struct net_client_answer *answer, struct err_detail *detail)
{
    struct exchange x = {.client = client,
                         .answer = answer,
                         .sink = sink,
                         .progress = progress,
                         .ctx = ctx,
                         .detail = detail};
    return exchange(&x, NET_HTTP_GET, path, (struct bytes){0}, JSON);
}

enum err net_client_escape(struct buf *to, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool plain = (*p >= '0' && *p <= '9') || ((*p | 32) >= 'a' && (*p | 32) <= 'z') ||
                     strchr("-._~", *p) != NULL;
        if (plain)
            TRY(buf_append(to, bytes_of(p, 1)));
        else
            TRY(buf_printf(to, "%%%02X", *p));
    }
    return ERR_OK;
}
