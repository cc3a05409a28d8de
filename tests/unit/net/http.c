#include "net/http.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/workers.h"
#include "net/http_client.h"
#include "net/listener.h"
#include "support/test.h"

#define STREAM_LEN ((size_t)3 * 1024 * 1024 + 17)

static struct net_loops *loops;
static struct net_http *http;
static struct net_client *client;
static struct workers *workers;
static struct net_client_answer answer;
static struct err_detail detail;
static char *dir, *path;
static size_t uploaded;
static size_t streamed;
static _Atomic unsigned streams_done;

static void get_name(struct net_http_request *r, void *ctx)
{
    assert_ptr_equal(ctx, &uploaded);
    const char *name = net_http_param(r, "name");
    if (strcmp(name, "nobody") == 0) {
        struct err_detail d = {0};
        enum err err = err_set(&d, ERR_NOT_FOUND, "network \"%s\"", name);
        net_http_fail(r, err, &d);
        return;
    }
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t pid = 0;
    bool local = net_http_peer(r, &uid, &gid, &pid);
    char text[256];
    (void)snprintf(text, sizeof text, "{\"name\":\"%s\",\"q\":\"%s\",\"me\":%d}", name,
                   net_http_query(r, "q") != NULL ? net_http_query(r, "q") : "-",
                   local && uid == getuid() && pid == getpid());
    net_http_answer_json(r, 200, text);
}

static void echo_later(void *arg)
{
    struct net_http_request *r = arg;
    net_http_answer(r, 201, "application/json", net_http_body(r));
}

static void post_echo(struct net_http_request *r, void *ctx)
{
    (void)ctx;
    assert_ok(workers_submit(workers, echo_later, r));
}

static void put_part(struct net_http_request *r, void *ctx)
{
    (void)ctx;
    const char *offset = net_http_query(r, "offset");
    if (offset == NULL || strtoull(offset, NULL, 10) != uploaded) {
        net_http_fail(r, ERR_ARGUMENT, NULL);
        return;
    }
    uploaded += net_http_body(r).len;
    net_http_answer(r, 204, NULL, (struct bytes){0});
}

static enum err read_piece(void *ctx, uint8_t *to, size_t cap, size_t *ret_len)
{
    size_t left = STREAM_LEN - streamed;
    size_t len = left < cap ? left : cap;
    if (ctx != NULL && streamed > STREAM_LEN / 2)
        return ERR_IO;
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)((streamed + i) % 251);
    streamed += len;
    *ret_len = len;
    return ERR_OK;
}

static void stream_done(void *ctx)
{
    (void)ctx;
    streams_done++;
}

static void get_stream(struct net_http_request *r, void *ctx)
{
    streamed = 0;
    const struct net_http_source source = {.read = read_piece,
                                           .done = stream_done,
                                           .ctx = net_http_query(r, "fail") != NULL ? ctx : NULL};
    net_http_stream(r, 200, "application/octet-stream", &source);
}

static const struct net_http_route routes[] = {
    {NET_HTTP_GET, "/v1/networks/{name}", get_name, 0},
    {NET_HTTP_POST, "/v1/echo", post_echo, 65536},
    {NET_HTTP_PUT, "/v1/uploads/{id}", put_part, NET_CLIENT_CHUNK},
    {NET_HTTP_GET, "/v1/stream", get_stream, 0},
};

/* ---- a second table, with a context of its own ---- */

static unsigned others;

static void get_other(struct net_http_request *r, void *ctx)
{
    assert_ptr_equal(ctx, &others);
    assert_ok(net_http_set_header(r, "Cache-Control", "max-age=7"));
    net_http_answer(r, net_http_query(r, "known") != NULL ? 304 : 200, "text/plain",
                    bytes_str("other"));
}

static void get_any(struct net_http_request *r, void *ctx)
{
    assert_ptr_equal(ctx, &others);
    if (strncmp(net_http_path(r), "/v1/", 4) == 0)
        net_http_fail(r, ERR_NOT_FOUND, NULL);
    else
        net_http_answer(r, 200, "text/plain", bytes_str(net_http_path(r)));
}

static const struct net_http_route more[] = {
    {NET_HTTP_GET, "/other", get_other, 0},
    {NET_HTTP_POST, "/v1/stream", post_echo, 16},
};

/* A stream that others feed: one letter at a time. */
static struct {
    pthread_mutex_t lock;
    struct net_http_request *request; /* while it may be woken */
    char waiting[16];
    bool over;
} feed = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool feed_ready(void *ctx)
{
    (void)ctx;
    (void)pthread_mutex_lock(&feed.lock);
    bool ready = feed.over || feed.waiting[0] != '\0';
    (void)pthread_mutex_unlock(&feed.lock);
    return ready;
}

static enum err feed_read(void *ctx, uint8_t *to, size_t cap, size_t *ret_len)
{
    (void)ctx;
    (void)pthread_mutex_lock(&feed.lock);
    *ret_len = strlen(feed.waiting);
    assert_true(*ret_len <= cap);
    memcpy(to, feed.waiting, *ret_len);
    feed.waiting[0] = '\0';
    (void)pthread_mutex_unlock(&feed.lock);
    return ERR_OK;
}

static void feed_done(void *ctx)
{
    (void)ctx;
    (void)pthread_mutex_lock(&feed.lock);
    feed.request = NULL;
    (void)pthread_mutex_unlock(&feed.lock);
    streams_done++;
}

/* From any thread; false where nobody listens any more. */
static bool feed_put(char letter)
{
    (void)pthread_mutex_lock(&feed.lock);
    bool there = feed.request != NULL;
    size_t len = strlen(feed.waiting);
    if (there && letter == '\0') {
        feed.over = true;
    } else if (there && len + 1 < sizeof feed.waiting) {
        feed.waiting[len] = letter;
        feed.waiting[len + 1] = '\0';
    }
    if (there)
        net_http_wake(feed.request);
    (void)pthread_mutex_unlock(&feed.lock);
    return there;
}

static void get_feed(struct net_http_request *r, void *ctx)
{
    (void)ctx;
    (void)pthread_mutex_lock(&feed.lock);
    feed.request = r;
    feed.waiting[0] = '\0';
    feed.over = false;
    (void)pthread_mutex_unlock(&feed.lock);
    const struct net_http_source source = {
        .read = feed_read, .done = feed_done, .ready = feed_ready};
    net_http_stream(r, 200, "text/plain", &source);
}

static const struct net_http_route feeds[] = {{NET_HTTP_GET, "/feed", get_feed, 0}};

static void serve(int fd, bool is_unix, const char *base)
{
    const struct net_http_table tables[] = {
        {.routes = routes, .routes_len = ARRAY_LEN(routes), .ctx = &uploaded},
        {.routes = more, .routes_len = ARRAY_LEN(more), .ctx = &others, .fallback = get_any},
        {.routes = feeds, .routes_len = ARRAY_LEN(feeds)},
    };
    struct net_http_config config = {.fd = fd,
                                     .is_unix = is_unix,
                                     .tables = tables,
                                     .tables_len = ARRAY_LEN(tables),
                                     .headers = "X-Ours: 1\r\n",
                                     .timeout_s = 1};
    assert_ok(net_loops_new(1, &loops));
    assert_ok(net_http_new(net_loops_get(loops, 0), &config, &http, &detail));
    assert_ok(net_loops_start(loops));
    assert_ok(net_client_new(&(struct net_client_config){.base = base}, &client, &detail));
}

static int setup_unix(void **state)
{
    (void)state;
    dir = test_tempdir();
    path = test_path(dir, "api.sock");
    uploaded = 0;
    streams_done = 0;
    assert_ok(workers_new(1, 16, &workers));
    int fd = -1;
    assert_ok(net_listen_unix(path, 0600, &fd, &detail));
    serve(fd, true, path);
    return 0;
}

static int setup_tcp(void **state)
{
    (void)state;
    dir = test_tempdir();
    path = NULL;
    assert_ok(workers_new(1, 16, &workers));
    int fd = -1;
    assert_ok(net_listen_socket("127.0.0.1", 0, &fd, &detail));
    char base[64];
    (void)snprintf(base, sizeof base, "http://127.0.0.1:%u/", (unsigned)net_socket_port(fd));
    path = strdup(base);
    serve(fd, false, base);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    net_client_answer_done(&answer);
    net_client_free(client);
    workers_free(workers);
    net_loops_stop(loops);
    net_http_free(http);
    net_loops_free(loops);
    free(path);
    test_tempdir_remove(dir);
    return 0;
}

static void assert_body(const char *text)
{
    assert_true(bytes_equal(buf_view(&answer.body), bytes_str(text)));
}

static void get(const char *target)
{
    assert_ok(net_client_call(client, NET_HTTP_GET, target, (struct bytes){0}, &answer, &detail));
}

static void requests_are_answered(void **state)
{
    (void)state;
    get("/v1/networks/metro%20east?q=a%22");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.type, "application/json");
    assert_body("{\"name\":\"metro east\",\"q\":\"a\"\",\"me\":1}");
    for (int i = 0; i < 3; i++) {
        assert_ok(net_client_call(client, NET_HTTP_POST, "/v1/echo", bytes_str("{\"a\":1}"),
                                  &answer, &detail));
        assert_int_equal(answer.status, 201);
        assert_body("{\"a\":1}");
    }
}

static void refusals_say_why(void **state)
{
    (void)state;
    get("/v1/networks/nobody");
    assert_int_equal(answer.status, 404);
    assert_int_equal(answer.err, ERR_NOT_FOUND);
    assert_body("{\"error\":{\"code\":\"NOT_FOUND\",\"text\":\"not found\",\"detail\":\"network "
                "\\\"nobody\\\"\",\"hint\":\"\"}}");
    assert_ok(net_client_call(client, NET_HTTP_POST, "/v2", (struct bytes){0}, &answer, &detail));
    assert_int_equal(answer.status, 404);
    get("/v1/networks/%00");
    assert_int_equal(answer.status, 400);
    assert_ok(net_client_call(client, NET_HTTP_DELETE, "/v1/networks/x", (struct bytes){0}, &answer,
                              &detail));
    assert_int_equal(answer.status, 405);
    assert_int_equal(answer.err, ERR_METHOD);
    static uint8_t body[70000];
    assert_ok(net_client_call(client, NET_HTTP_POST, "/v1/echo", BYTES(body), &answer, &detail));
    assert_int_equal(answer.status, 413);
    assert_int_equal(answer.err, ERR_LIMIT);
    get("/v1/networks/still-here");
    assert_int_equal(answer.status, 200);
}

/* Send `text` as it is; gives the status of the answer and waits for the end of the connection. */
static int raw(const char *text, size_t len)
{
    int fd;
    struct timeval patience = {.tv_sec = 5};
    if (*path == '/') {
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
        fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    } else {
        struct sockaddr_in addr = {.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)atoi(strrchr(path, ':') + 1)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
    (void)shutdown(fd, SHUT_WR);
    char reply[4096] = "";
    size_t got = 0;
    for (ssize_t n;
         got < sizeof reply - 1 && (n = recv(fd, reply + got, sizeof reply - 1 - got, 0)) > 0;)
        got += (size_t)n;
    (void)close(fd);
    int status = 0;
    (void)sscanf(reply, "HTTP/1.1 %d", &status);
    return status;
}

static void malformed_requests_are_answered_and_closed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET /v1/networks/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        {"GET /v1/networks/a HTTP/1.0\r\n\r\n", 200},
        {"GET /v1/networks/a HTTP/1.1\r\n\r\n", 400},
        {"GET /v1/networks/a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"BREW /v1/networks/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 405},
        {"GET /v1/networks/a HTTP/3.1\r\nHost: localhost\r\n\r\n", 501},
        {"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         501},
        {"POST /v1/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nx", 413},
        {"\x16\x03\x01", 0},
        {"GET / HT", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(raw(cases[i].text, strlen(cases[i].text)), cases[i].status);
    static char lots[20000];
    memset(lots, 'a', sizeof lots);
    memcpy(lots, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(raw(lots, sizeof lots), 431);
}

static void files_go_up_in_chunks(void **state)
{
    (void)state;
    char *file = test_path(dir, "big");
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)(2 * NET_CLIENT_CHUNK + 5)), 0);
    assert_ok(net_client_upload(client, "/v1/uploads/7", fd, NULL, NULL, &answer, &detail));
    assert_int_equal(answer.status, 204);
    assert_int_equal(uploaded, 2 * NET_CLIENT_CHUNK + 5);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_ok(net_client_upload(client, "/v1/uploads/7", fd, NULL, NULL, &answer, &detail));
    assert_int_equal(answer.status, 400);
    (void)close(fd);
    free(file);
}

static enum err take(void *ctx, struct bytes piece, struct err_detail *d)
{
    size_t *got = ctx;
    for (size_t i = 0; i < piece.len; i++) {
        if (piece.data[i] != (*got + i) % 251)
            return err_set(d, ERR_CORRUPT, "at %zu", *got + i);
    }
    *got += piece.len;
    return ERR_OK;
}

static enum err refuse(void *ctx, struct bytes piece, struct err_detail *d)
{
    (void)ctx;
    (void)piece;
    return err_set(d, ERR_DISK_FULL, "no room");
}

static void downloads_are_streamed(void **state)
{
    (void)state;
    size_t got = 0;
    assert_ok(net_client_download(client, "/v1/stream", take, NULL, &got, &answer, &detail));
    assert_int_equal(got, STREAM_LEN);
    assert_int_equal(answer.status, 200);
    got = 0;
    assert_err(net_client_download(client, "/v1/stream?fail=1", take, NULL, &got, &answer, &detail),
               ERR_CLOSED);
    assert_true(got < STREAM_LEN);
    assert_err(net_client_download(client, "/v1/stream", refuse, NULL, NULL, &answer, &detail),
               ERR_DISK_FULL);
    assert_ok(net_client_download(client, "/v1/none", take, NULL, &got, &answer, &detail));
    assert_int_equal(answer.err, ERR_NOT_FOUND);
    for (int i = 0; i < 300 && streams_done < 3; i++)
        (void)usleep(10000);
    assert_int_equal(streams_done, 3);
}

static void web_pages_are_refused_on_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"GET /v1/networks/a HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
        {"GET /v1/networks/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403},
        {"GET /v1/networks/a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n", 403},
        {"GET /v1/networks/a HTTP/1.0\r\n\r\n", 403},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(raw(cases[i].text, strlen(cases[i].text)), cases[i].status);
    get("/v1/networks/a");
    assert_body("{\"name\":\"a\",\"q\":\"-\",\"me\":0}");
}

static void a_daemon_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct net_client *other = NULL;
    char *gone = test_path(dir, "gone.sock");
    assert_ok(net_client_new(&(struct net_client_config){.base = gone}, &other, &detail));
    assert_err(net_client_call(other, NET_HTTP_GET, "/", (struct bytes){0}, &answer, &detail),
               ERR_IO);
    assert_non_null(strstr(detail.text, "is it running?"));
    assert_non_null(strstr(detail.text, gone));
    net_client_free(other);
    free(gone);
    assert_err(net_client_new(&(struct net_client_config){.base = "ftp://x"}, &other, &detail),
               ERR_ARGUMENT);
    assert_err(net_client_new(&(struct net_client_config){.base = ""}, &other, &detail),
               ERR_ARGUMENT);
}

static void the_path_of_the_socket_may_be_relative(void **state)
{
    (void)state;
    struct net_client *other = NULL;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(here >= 0);
    assert_int_equal(chdir(dir), 0);
    assert_ok(net_client_new(&(struct net_client_config){.base = "api.sock"}, &other, &detail));
    assert_ok(net_client_call(other, NET_HTTP_GET, "/v1/networks/north", (struct bytes){0}, &answer,
                              &detail));
    assert_int_equal(answer.status, 200);
    net_client_free(other);
    assert_int_equal(fchdir(here), 0);
    (void)close(here);
}

static void unix_sockets_are_replaced_only_when_stale(void **state)
{
    (void)state;
    int fd = -1;
    assert_err(net_listen_unix(path, 0600, &fd, &detail), ERR_LOCKED);
    char *stale = test_path(dir, "stale.sock"), *file = test_path(dir, "file");
    assert_ok(net_listen_unix(stale, 0660, &fd, &detail));
    struct stat st;
    assert_int_equal(stat(stale, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    (void)close(fd);
    assert_ok(net_listen_unix(stale, 0600, &fd, &detail));
    (void)close(fd);
    (void)close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_err(net_listen_unix(file, 0600, &fd, &detail), ERR_EXISTS);
    free(stale);
    free(file);
}

static void the_table_that_knows_the_path_serves_it(void **state)
{
    (void)state;
    get("/other");
    assert_int_equal(answer.status, 200);
    assert_body("other");
    get("/other?known");
    assert_int_equal(answer.status, 304);
    assert_body("");
    /* one path, two tables, two methods */
    assert_ok(
        net_client_call(client, NET_HTTP_POST, "/v1/stream", bytes_str("x"), &answer, &detail));
    assert_int_equal(answer.status, 201);
    assert_ok(
        net_client_call(client, NET_HTTP_PUT, "/v1/stream", bytes_str("x"), &answer, &detail));
    assert_int_equal(answer.status, 405);
    assert_ok(net_client_call(client, NET_HTTP_POST, "/other", bytes_str("x"), &answer, &detail));
    assert_int_equal(answer.status, 405);
}

static void what_nobody_knows_falls_back_for_get_alone(void **state)
{
    (void)state;
    get("/some/page");
    assert_int_equal(answer.status, 200);
    assert_body("/some/page");
    assert_ok(
        net_client_call(client, NET_HTTP_POST, "/some/page", bytes_str("x"), &answer, &detail));
    assert_int_equal(answer.status, 404);
    get("/some/%2e%2e/page");
    assert_int_equal(answer.status, 400);
}

struct fed {
    unsigned letters;
};

static enum err count_letters(void *ctx, struct bytes piece, struct err_detail *d)
{
    (void)d;
    struct fed *fed = ctx;
    fed->letters += (unsigned)piece.len;
    return ERR_OK;
}

static void *feed_letters(void *arg)
{
    (void)arg;
    while (!feed_put('a'))
        (void)usleep(100);
    for (int i = 0; i < 999; i++) {
        (void)feed_put('a');
        if (i % 50 == 0)
            (void)usleep(200);
        for (bool full = true; full;) { /* until it was taken */
            (void)pthread_mutex_lock(&feed.lock);
            full = strlen(feed.waiting) + 1 == sizeof feed.waiting;
            (void)pthread_mutex_unlock(&feed.lock);
        }
    }
    (void)feed_put('\0');
    return NULL;
}

static void a_stream_sleeps_until_it_is_woken(void **state)
{
    (void)state;
    struct fed fed = {0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, feed_letters, NULL), 0);
    assert_ok(net_client_download(client, "/feed", count_letters, NULL, &fed, &answer, &detail));
    (void)pthread_join(thread, NULL);
    assert_int_equal(fed.letters, 1000);
    get("/other"); /* the connection is good for more */
    assert_int_equal(answer.status, 200);
    assert_int_equal(streams_done, 1);
}

static void who_leaves_a_sleeping_stream_is_noticed(void **state)
{
    (void)state;
    static const char request[] = "GET /feed HTTP/1.0\r\n\r\n";
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    char head[16];
    assert_true(recv(fd, head, sizeof head, 0) > 0);
    (void)close(fd);
    while (feed_put('a'))
        (void)usleep(1000);
    assert_int_equal(streams_done, 1);
}

#define UNIX(test) cmocka_unit_test_setup_teardown(test, setup_unix, teardown)

TEST_MAIN(UNIX(requests_are_answered), UNIX(refusals_say_why),
          UNIX(malformed_requests_are_answered_and_closed), UNIX(files_go_up_in_chunks),
          UNIX(downloads_are_streamed), UNIX(a_daemon_that_is_not_there_is_named),
          UNIX(the_path_of_the_socket_may_be_relative),
          UNIX(the_table_that_knows_the_path_serves_it),
          UNIX(what_nobody_knows_falls_back_for_get_alone), UNIX(a_stream_sleeps_until_it_is_woken),
          UNIX(who_leaves_a_sleeping_stream_is_noticed),
          UNIX(unix_sockets_are_replaced_only_when_stale),
          cmocka_unit_test_setup_teardown(web_pages_are_refused_on_loopback, setup_tcp, teardown))
