#include "fake/http_script.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MAX  65536
#define REQUESTS_MAX 256

struct request {
    char method[8], path[1024];
    char *body;
};

struct http_script {
    const struct http_line *lines;
    int fd, stop[2];
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct request requests[REQUESTS_MAX];
    size_t len;
    char *room;
};

static bool path_fits(const char *pattern, const char *path)
{
    const char *star = strchr(pattern, '*');
    return star != NULL ? strncmp(pattern, path, (size_t)(star - pattern)) == 0
                        : strcmp(pattern, path) == 0;
}

static bool fits(const struct request *request, const char *method, const char *path)
{
    return strcmp(request->method, method) == 0 && path_fits(path, request->path);
}

static unsigned count(struct http_script *script, const char *method, const char *path)
{
    unsigned n = 0;
    for (size_t i = 0; i < script->len; i++)
        n += fits(&script->requests[i], method, path);
    return n;
}

unsigned http_script_count(struct http_script *script, const char *method, const char *path)
{
    (void)pthread_mutex_lock(&script->lock);
    unsigned n = count(script, method, path);
    (void)pthread_mutex_unlock(&script->lock);
    return n;
}

const char *http_script_body(struct http_script *script, const char *method, const char *path)
{
    const char *body = "";
    (void)pthread_mutex_lock(&script->lock);
    for (size_t i = 0; i < script->len; i++)
        body = fits(&script->requests[i], method, path) ? script->requests[i].body : body;
    (void)pthread_mutex_unlock(&script->lock);
    return body;
}

/* The whole request into `script->room`; 0 where it does not come. */
static size_t receive(struct http_script *script, int fd, const char **ret_body)
{
    size_t len = 0, want = SIZE_MAX;
    while (len < want && len < REQUEST_MAX - 1) {
        ssize_t n = recv(fd, script->room + len, REQUEST_MAX - 1 - len, 0);
        if (n <= 0)
            return 0;
        len += (size_t)n;
        script->room[len] = '\0';
        char *end = strstr(script->room, "\r\n\r\n");
        if (end != NULL && want == SIZE_MAX) {
            const char *length = strcasestr(script->room, "\r\ncontent-length:");
            *ret_body = end + 4;
            want = (size_t)(end + 4 - script->room) +
                   (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
        }
    }
    return len;
}

static void answer(int fd, const struct http_line *line)
{
    static const struct http_line none = {.status = 404, .body = "{}"};
    char head[256];
    if (line == NULL)
        line = &none;
    const char *body = line->body != NULL ? line->body : "{}";
    size_t len = line->body_len != 0 ? line->body_len : strlen(body);
    if (line->delay_ms != 0)
        (void)nanosleep(&(struct timespec){.tv_sec = line->delay_ms / 1000,
                                           .tv_nsec = (long)(line->delay_ms % 1000) * 1000000},
                        NULL);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: "
                     "%zu\r\nConnection: close\r\n\r\n",
                     line->status, len);
    if (line->cut != 0 && line->cut < len)
        len = line->cut;
    if (send(fd, head, (size_t)n, MSG_NOSIGNAL) == n)
        (void)!send(fd, body, len, MSG_NOSIGNAL);
}

static void serve(struct http_script *script, int fd)
{
    const char *body = "";
    const struct http_line *found = NULL;
    if (receive(script, fd, &body) == 0 || script->len == REQUESTS_MAX)
        return;
    (void)pthread_mutex_lock(&script->lock);
    struct request *request = &script->requests[script->len];
    request->body = strdup(body);
    if (sscanf(script->room, "%7s %1023s", request->method, request->path) == 2)
        script->len++;
    for (const struct http_line *line = script->lines; line->method != NULL && found == NULL;
         line++) {
        if (fits(request, line->method, line->path) &&
            (line->only_first == 0 || count(script, line->method, line->path) <= line->only_first))
            found = line;
    }
    (void)pthread_mutex_unlock(&script->lock);
    answer(fd, found);
    (void)shutdown(fd, SHUT_WR);
    (void)!recv(fd, script->room, REQUEST_MAX, 0);
}

static void *run(void *arg)
{
    struct http_script *script = arg;
    for (;;) {
        struct pollfd fds[2] = {{.fd = script->fd, .events = POLLIN},
                                {.fd = script->stop[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 || fds[1].revents != 0)
            return NULL;
        int fd = accept(script->fd, NULL, NULL);
        struct timeval most = {.tv_sec = 5};
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
        serve(script, fd);
        (void)close(fd);
    }
}

struct http_script *http_script_new(const struct http_line *lines)
{
    struct http_script *script = calloc(1, sizeof *script);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    if (script == NULL)
        abort();
    script->lines = lines;
    script->room = calloc(1, REQUEST_MAX);
    script->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (script->room == NULL || script->fd < 0 || pipe(script->stop) != 0 ||
        bind(script->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(script->fd, 16) != 0 ||
        getsockname(script->fd, (struct sockaddr *)&address, &len) != 0)
        abort();
    script->port = ntohs(address.sin_port);
    (void)pthread_mutex_init(&script->lock, NULL);
    if (pthread_create(&script->thread, NULL, run, script) != 0)
        abort();
    return script;
}

void http_script_free(struct http_script *script)
{
    if (script == NULL)
        return;
    (void)!write(script->stop[1], "x", 1);
    (void)pthread_join(script->thread, NULL);
    (void)pthread_mutex_destroy(&script->lock);
    (void)close(script->fd);
    (void)close(script->stop[0]);
    (void)close(script->stop[1]);
    for (size_t i = 0; i < script->len; i++)
        free(script->requests[i].body);
    free(script->room);
    free(script);
}

uint16_t http_script_port(const struct http_script *script)
{
    return script->port;
}
