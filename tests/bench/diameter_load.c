/* Load generator for the Diameter key application: some connections, each with a window of
 * outstanding requests for node keys, on one thread. Prints rate, latency percentiles and, for the
 * processes named, CPU per request and resident memory.
 *
 * usage: bench_diameter_load --port N [--connections 4] [--window 100] [--seconds 10] [--nodes N]
 * [--first 0xID]
 *            [--realm R] [--host ORIGIN-HOST-PATTERN] [--tls CA,CERT,KEY] [--pids PID,...]
 *            [--wait]
 * A '#' in the pattern is the number of the connection; so it is in the TLS file names. With --wait
 * a server that does not listen yet is waited for; first_at is when the first key came, by
 * CLOCK_MONOTONIC.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ERR_STATE openssl_err_state /* a name of OpenSSL's, and one of ours */
#include <openssl/ssl.h>
#undef ERR_STATE

#include "message.h"

#define CONNECTIONS_MAX 64
#define WINDOW_MAX      4096
#define BUFFER          ((size_t)WINDOW_MAX * MESSAGE_MAX)
#define WAIT_NS         UINT64_C(120000000000)
#define SAMPLES_MAX     ((size_t)64 << 20)

struct settings {
    const char *host, *realm, *tls, *pids;
    unsigned port, connections, window;
    double seconds;
    uint64_t nodes, first;
    bool wait;
};

struct connection {
    int fd;
    SSL *ssl;
    unsigned number;
    char host[256];
    uint8_t *in, *out;
    size_t in_len, out_len, out_done;
    uint64_t sent_ns[WINDOW_MAX];
    unsigned outstanding;
    bool open;
};

static struct settings settings = {.host = "bench#.bench.example",
                                   .realm = "bench.example",
                                   .port = 3868,
                                   .connections = 4,
                                   .window = 100,
                                   .seconds = 10,
                                   .nodes = 1000000,
                                   .first = 1};
static struct connection connections[CONNECTIONS_MAX];
static uint32_t *samples; /* latencies in 100 ns */
static size_t samples_len;
static uint64_t answered, failed, first_ns, end_ns, next_id = 88172645463325252U;
static uint32_t last_result;

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

__attribute__((noreturn)) static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- connections ---- */

static void add_interest(struct connection *c, int epoll, int op)
{
    struct epoll_event event = {.events = EPOLLIN | (c->out_len > c->out_done ? EPOLLOUT : 0),
                                .data.ptr = c};
    if (epoll_ctl(epoll, op, c->fd, &event) != 0)
        die("epoll_ctl");
}

static SSL *start_tls(const struct connection *c)
{
    char files[3][512], spec[1024];
    (void)snprintf(spec, sizeof spec, "%s", settings.tls);
    char *rest = NULL, *word = strtok_r(spec, ",", &rest);
    for (int i = 0; i < 3; i++, word = strtok_r(NULL, ",", &rest)) {
        if (word == NULL)
            exit(2);
        pattern_fill(word, c->number, files[i], sizeof files[i]);
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || SSL_CTX_load_verify_locations(ctx, files[0], NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(ctx, files[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, files[2], SSL_FILETYPE_PEM) != 1) {
        (void)fprintf(stderr, "TLS files %s, %s, %s\n", files[0], files[1], files[2]);
        exit(1);
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(ctx,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    if (ssl == NULL || SSL_set_fd(ssl, c->fd) != 1 || SSL_connect(ssl) != 1) {
        (void)fprintf(stderr, "TLS handshake failed\n");
        exit(1);
    }
    return ssl;
}

static void open_connection(struct connection *c, unsigned number)
{
    const int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)settings.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *c = (struct connection){.number = number, .fd = socket(AF_INET, SOCK_STREAM, 0)};
    c->in = malloc(BUFFER);
    c->out = malloc(BUFFER);
    if (c->in == NULL || c->out == NULL || c->fd < 0)
        die("connection");
    uint64_t until = settings.wait ? now_ns() + WAIT_NS : 0;
    while (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        if (errno != ECONNREFUSED || now_ns() > until)
            die("connect");
        (void)usleep(1000);
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (settings.tls != NULL)
        c->ssl = start_tls(c);
    pattern_fill(settings.host, number, c->host, sizeof c->host);
    c->out_len = message_cer(c->host, settings.realm, c->out);
    c->outstanding = 1;
}

static ssize_t take(struct connection *c)
{
    if (c->ssl == NULL)
        return recv(c->fd, c->in + c->in_len, BUFFER - c->in_len, MSG_DONTWAIT);
    int got = SSL_read(c->ssl, c->in + c->in_len, (int)(BUFFER - c->in_len));
    if (got > 0)
        return got;
    int why = SSL_get_error(c->ssl, got);
    errno = EAGAIN;
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -1 : 0;
}

static ssize_t give(struct connection *c)
{
    size_t len = c->out_len - c->out_done;
    if (c->ssl == NULL)
        return send(c->fd, c->out + c->out_done, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    int put = SSL_write(c->ssl, c->out + c->out_done, (int)(len < 16384 ? len : 16384));
    errno = EAGAIN;
    return put > 0 ? put : -1;
}

static void flush(struct connection *c)
{
    while (c->out_done < c->out_len) {
        ssize_t put = give(c);
        if (put < 0 && errno != EAGAIN)
            die("send");
        if (put < 0)
            break;
        c->out_done += (size_t)put;
    }
    c->out_len -= c->out_done;
    memmove(c->out, c->out + c->out_done, c->out_len);
    c->out_done = 0;
}

static void ask(struct connection *c, uint32_t slot)
{
    next_id ^= next_id << 13;
    next_id ^= next_id >> 7;
    next_id ^= next_id << 17;
    c->out_len += message_amr(c->host, settings.realm, slot,
                              settings.first + next_id % settings.nodes, c->out + c->out_len);
    c->sent_ns[slot] = now_ns();
    c->outstanding++;
}

static void on_answer(struct connection *c, const uint8_t *message, size_t len, uint64_t now)
{
    uint32_t slot = message_hop_id(message);
    if (message_is_request(message)) {
        if (message_command(message) == COMMAND_WATCHDOG)
            c->out_len += message_dwa(c->host, settings.realm, message, c->out + c->out_len);
        return;
    }
    uint32_t result = message_result(message, len);
    if (message_command(message) == COMMAND_CAPABILITIES) {
        if (result != 2001) {
            (void)fprintf(stderr, "CEA with Result-Code %u\n", result);
            exit(1);
        }
        c->outstanding--;
        c->open = true;
        for (uint32_t i = 0; i < settings.window; i++)
            ask(c, i);
        return;
    }
    c->outstanding--;
    if (answered++ == 0)
        first_ns = now;
    if (result != 2001) {
        failed++;
        last_result = result;
    }
    if (samples_len < SAMPLES_MAX)
        samples[samples_len++] = (uint32_t)((now - c->sent_ns[slot % WINDOW_MAX]) / 100);
    if (now < end_ns)
        ask(c, slot);
}

static void on_readable(struct connection *c)
{
    for (;;) {
        ssize_t got = take(c);
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            (void)fprintf(stderr, "connection %u was closed\n", c->number);
            exit(1);
        }
        c->in_len += (size_t)got;
        uint64_t now = now_ns();
        size_t used = 0;
        for (size_t len; (len = message_len(c->in + used, c->in_len - used)) != 0;) {
            on_answer(c, c->in + used, len, now);
            used += len;
        }
        memmove(c->in, c->in + used, c->in_len - used);
        c->in_len -= used;
        if (c->ssl == NULL)
            break;
    }
}

/* ---- figures ---- */

static double cpu_seconds(void)
{
    double sum = 0;
    char list[256];
    (void)snprintf(list, sizeof list, "%s", settings.pids != NULL ? settings.pids : "");
    char *rest = NULL;
    for (char *pid = strtok_r(list, ",", &rest); pid != NULL; pid = strtok_r(NULL, ",", &rest)) {
        char path[64];
        unsigned long user = 0, system = 0;
        (void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
        FILE *f = fopen(path, "re");
        if (f == NULL)
            die(path);
        if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &system) == 2)
            sum += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
        (void)fclose(f);
    }
    return sum;
}

static void print_memory(void)
{
    char list[256];
    (void)snprintf(list, sizeof list, "%s", settings.pids != NULL ? settings.pids : "");
    char *rest = NULL;
    for (char *pid = strtok_r(list, ",", &rest); pid != NULL; pid = strtok_r(NULL, ",", &rest)) {
        char path[64], line[256];
        (void)snprintf(path, sizeof path, "/proc/%s/status", pid);
        FILE *f = fopen(path, "re");
        if (f == NULL)
            die(path);
        long resident = 0, anonymous = 0;
        while (fgets(line, sizeof line, f) != NULL) {
            (void)sscanf(line, "VmRSS: %ld", &resident);
            (void)sscanf(line, "RssAnon: %ld", &anonymous);
        }
        (void)fclose(f);
        (void)printf(" rss_%s_mib=%.1f anon_%s_mib=%.1f", pid, (double)resident / 1024, pid,
                     (double)anonymous / 1024);
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double p)
{
    if (samples_len == 0)
        return 0;
    return samples[(size_t)((double)(samples_len - 1) * p)] / 10.0;
}

static void parse(int argc, char **argv)
{
    static const struct option rows[] = {
        {"port", 1, 0, 'p'},    {"connections", 1, 0, 'c'}, {"window", 1, 0, 'w'},
        {"seconds", 1, 0, 's'}, {"nodes", 1, 0, 'n'},       {"first", 1, 0, 'f'},
        {"realm", 1, 0, 'r'},   {"host", 1, 0, 'h'},        {"tls", 1, 0, 't'},
        {"pids", 1, 0, 'P'},    {"wait", 0, 0, 'W'},        {0}};
    for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) != -1;) {
        switch (c) {
        case 'p': settings.port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': settings.connections = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'w': settings.window = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': settings.seconds = strtod(optarg, NULL); break;
        case 'n': settings.nodes = strtoull(optarg, NULL, 10); break;
        case 'f': settings.first = strtoull(optarg, NULL, 16); break;
        case 'r': settings.realm = optarg; break;
        case 'h': settings.host = optarg; break;
        case 't': settings.tls = optarg; break;
        case 'P': settings.pids = optarg; break;
        case 'W': settings.wait = true; break;
        default: exit(2);
        }
    }
    if (settings.connections < 1 || settings.connections > CONNECTIONS_MAX || settings.window < 1 ||
        settings.window > WINDOW_MAX || settings.nodes < 1)
        exit(2);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    samples = malloc(SAMPLES_MAX * sizeof *samples);
    int epoll = epoll_create1(0);
    if (samples == NULL || epoll < 0)
        die("start");
    for (unsigned i = 0; i < settings.connections; i++) {
        open_connection(&connections[i], i);
        if (connections[i].ssl != NULL) {
            int flags = 1;
            (void)ioctl(connections[i].fd, FIONBIO, &flags);
        }
        add_interest(&connections[i], epoll, EPOLL_CTL_ADD);
    }
    uint64_t start = now_ns();
    double cpu = cpu_seconds(), own = (double)clock() / CLOCKS_PER_SEC;
    end_ns = start + (uint64_t)(settings.seconds * 1e9);
    for (unsigned outstanding = 1; outstanding > 0 || now_ns() < end_ns;) {
        struct epoll_event events[CONNECTIONS_MAX];
        int n = epoll_wait(epoll, events, CONNECTIONS_MAX, 1000);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if ((events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
                on_readable(c);
            flush(c);
            add_interest(c, epoll, EPOLL_CTL_MOD);
        }
        outstanding = 0;
        for (unsigned i = 0; i < settings.connections; i++)
            outstanding += connections[i].outstanding;
        if (n == 0 && now_ns() > end_ns + (settings.wait ? WAIT_NS : 5000000000U))
            break;
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    cpu = cpu_seconds() - cpu;
    own = (double)clock() / CLOCKS_PER_SEC - own;
    qsort(samples, samples_len, sizeof *samples, compare);
    (void)printf("requests=%" PRIu64 " failed=%" PRIu64
                 " seconds=%.2f rate=%.0f p50_us=%.0f p99_us=%.0f p999_us=%.0f",
                 answered, failed, seconds, (double)answered / seconds, percentile(0.5),
                 percentile(0.99), percentile(0.999));
    if (settings.pids != NULL)
        (void)printf(" cpu_us=%.2f", answered != 0 ? cpu * 1e6 / (double)answered : 0);
    (void)printf(" own_cpu_us=%.2f", answered != 0 ? own * 1e6 / (double)answered : 0);
    (void)printf(" first_at=%.6f", (double)first_ns / 1e9);
    print_memory();
    if (failed != 0)
        (void)printf(" last_result=%u", last_result);
    (void)printf("\n");
    return failed != 0 || answered == 0;
}
