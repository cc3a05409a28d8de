/* Load generator for KMIP: some TLS connections, each with one request outstanding, on one thread.
 * Prints rate, latency percentiles and, for the processes named, CPU per request.
 *
 * usage: bench_kmip_load --port N --tls CA,CERT,KEY [--op
 * get|discover|query|create|locate|encrypt|sign| activate|connect] [--connections 32] [--seconds
 * 10] [--count N] [--batch 1] [--first 0]
 *        [--names N] [--uids FILE] [--uids-out FILE] [--pids PID,...]
 * With --count it ends after that many requests. get, encrypt, sign and activate draw from the uids
 * of the file (activate takes them in order); locate draws one of --names; connect makes a TLS
 * connection for each "request".
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "kmip_message.h"

#define CONNECTIONS_MAX 1024
#define BATCH_MAX       500
#define SAMPLES_MAX     ((size_t)64 << 20)

struct connection {
    int fd;
    SSL *ssl;
    uint8_t *in, *out;
    size_t in_len, in_cap, out_len, out_done;
    uint64_t sent_ns;
    bool busy, shaking;
};

static struct {
    const char *tls, *pids, *uids, *uids_out;
    unsigned port, connections, batch;
    uint64_t count, first, names;
    double seconds;
    enum kmip_kind kind;
    bool connect;
} settings = {.port = 5696, .connections = 32, .batch = 1, .seconds = 10, .names = 1000000};

static struct connection connections[CONNECTIONS_MAX];
static SSL_CTX *tls;
static char (*uids)[KMIP_UID_MAX];
static size_t uids_len;
static FILE *uids_out;
static uint32_t *samples; /* latencies in 100 ns */
static size_t samples_len;
static uint64_t asked, answered, failed, end_ns, state = 88172645463325252U;

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

static uint64_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* ---- set-up ---- */

static void make_context(void)
{
    char spec[1024], *rest = NULL, *files[3];
    (void)snprintf(spec, sizeof spec, "%s", settings.tls != NULL ? settings.tls : "");
    for (int i = 0; i < 3; i++)
        if ((files[i] = strtok_r(i == 0 ? spec : NULL, ",", &rest)) == NULL)
            exit(2);
    tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_load_verify_locations(tls, files[0], NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(tls, files[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, files[2], SSL_FILETYPE_PEM) != 1) {
        (void)fprintf(stderr, "TLS files %s, %s, %s\n", files[0], files[1], files[2]);
        exit(1);
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(tls,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (settings.connect)
        (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
}

static void read_uids(void)
{
    FILE *f = fopen(settings.uids, "re");
    if (f == NULL)
        die(settings.uids);
    size_t room = 0;
    char line[KMIP_UID_MAX];
    while (fgets(line, sizeof line, f) != NULL) {
        if (uids_len == room) {
            room = room * 2 + 1024;
            uids = realloc(uids, room * sizeof *uids);
            if (uids == NULL)
                die("memory");
        }
        line[strcspn(line, "\n")] = '\0';
        memcpy(uids[uids_len++], line, sizeof line);
    }
    (void)fclose(f);
}

static void open_connection(struct connection *c)
{
    const int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)settings.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->ssl = SSL_new(tls);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
        die("SSL");
    int flags = 1;
    (void)ioctl(c->fd, FIONBIO, &flags);
    SSL_set_connect_state(c->ssl);
    c->shaking = true;
    c->in_len = 0;
}

static void interest(struct connection *c, int epoll, int op, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(epoll, op, c->fd, &event) != 0)
        die("epoll_ctl");
}

/* ---- requests ---- */

static bool more(void)
{
    return settings.count != 0 ? asked < settings.count : now_ns() < end_ns;
}

static void ask(struct connection *c)
{
    const char *chosen[BATCH_MAX];
    for (unsigned i = 0; i < settings.batch && uids_len != 0; i++)
        chosen[i] =
            uids[settings.kind == KMIP_KIND_ACTIVATE ? (asked + i) % uids_len : draw() % uids_len];
    uint64_t number =
        settings.kind == KMIP_KIND_LOCATE ? draw() % settings.names : settings.first + asked;
    c->out_len =
        kmip_request(c->out, settings.kind, settings.batch, uids_len != 0 ? chosen : NULL, number);
    c->out_done = 0;
    c->busy = true;
    asked += settings.batch;
    c->sent_ns = now_ns();
}

static void save_uid(const uint8_t *uid, size_t len)
{
    (void)fprintf(uids_out, "%.*s\n", (int)len, (const char *)uid);
}

static void sample(uint64_t since)
{
    answered++;
    if (samples_len < SAMPLES_MAX)
        samples[samples_len++] = (uint32_t)((now_ns() - since) / 100);
}

static void on_answer(struct connection *c, size_t len)
{
    failed += kmip_failures(c->in, len);
    if (uids_out != NULL)
        kmip_each_uid(c->in, len, save_uid);
    sample(c->sent_ns);
    c->in_len -= len;
    memmove(c->in, c->in + len, c->in_len);
    c->busy = false;
}

static void lost(const struct connection *c, int got)
{
    (void)fprintf(stderr, "connection %td was closed (%d)\n", c - connections,
                  SSL_get_error(c->ssl, got));
    exit(1);
}

static bool wants(struct connection *c, int got)
{
    int why = SSL_get_error(c->ssl, got);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
        lost(c, got);
    return why == SSL_ERROR_WANT_WRITE;
}

static bool send_rest(struct connection *c)
{
    while (c->out_done < c->out_len) {
        int put = SSL_write(c->ssl, c->out + c->out_done, (int)(c->out_len - c->out_done));
        if (put <= 0)
            return wants(c, put);
        c->out_done += (size_t)put;
    }
    return false;
}

static void receive(struct connection *c)
{
    for (;;) {
        if (c->in_cap - c->in_len < 32768) {
            c->in_cap = c->in_cap * 2 + 65536;
            c->in = realloc(c->in, c->in_cap);
            if (c->in == NULL)
                die("memory");
        }
        int got = SSL_read(c->ssl, c->in + c->in_len, (int)(c->in_cap - c->in_len));
        if (got <= 0) {
            (void)wants(c, got);
            return;
        }
        c->in_len += (size_t)got;
        for (size_t len; (len = kmip_message_len(c->in, c->in_len)) != 0;)
            on_answer(c, len);
    }
}

/* One step of a connection; true: it waits for room to write. */
static bool step(struct connection *c, int epoll)
{
    if (c->shaking) {
        int done = SSL_connect(c->ssl);
        if (done != 1)
            return wants(c, done);
        c->shaking = false;
        if (settings.connect) {
            sample(c->sent_ns);
            (void)SSL_shutdown(c->ssl);
            SSL_free(c->ssl);
            (void)close(c->fd);
            c->ssl = NULL;
            c->busy = false;
            if (!more())
                return false;
            asked++;
            c->busy = true;
            c->sent_ns = now_ns();
            open_connection(c);
            interest(c, epoll, EPOLL_CTL_ADD, true);
            return true;
        }
    } else {
        receive(c);
    }
    if (!c->busy && more())
        ask(c);
    return send_rest(c);
}

/* ---- figures ---- */

static double cpu_seconds(void)
{
    double sum = 0;
    char list[256], *rest = NULL;
    (void)snprintf(list, sizeof list, "%s", settings.pids != NULL ? settings.pids : "");
    for (char *pid = strtok_r(list, ",", &rest); pid != NULL; pid = strtok_r(NULL, ",", &rest)) {
        char path[64];
        unsigned long user = 0, kernel = 0;
        (void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
        FILE *f = fopen(path, "re");
        if (f == NULL)
            die(path);
        if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &kernel) == 2)
            sum += (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
        (void)fclose(f);
    }
    return sum;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double p)
{
    return samples_len == 0 ? 0 : samples[(size_t)((double)(samples_len - 1) * p)] / 10.0;
}

static void parse(int argc, char **argv)
{
    static const struct option rows[] = {{"port", 1, 0, 'p'},
                                         {"connections", 1, 0, 'c'},
                                         {"seconds", 1, 0, 's'},
                                         {"count", 1, 0, 'n'},
                                         {"batch", 1, 0, 'b'},
                                         {"first", 1, 0, 'f'},
                                         {"names", 1, 0, 'N'},
                                         {"uids", 1, 0, 'u'},
                                         {"uids-out", 1, 0, 'o'},
                                         {"tls", 1, 0, 't'},
                                         {"pids", 1, 0, 'P'},
                                         {"op", 1, 0, 'O'},
                                         {0}};
    for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) != -1;) {
        switch (c) {
        case 'p': settings.port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': settings.connections = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': settings.seconds = strtod(optarg, NULL); break;
        case 'n': settings.count = strtoull(optarg, NULL, 10); break;
        case 'b': settings.batch = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'f': settings.first = strtoull(optarg, NULL, 10); break;
        case 'N': settings.names = strtoull(optarg, NULL, 10); break;
        case 'u': settings.uids = optarg; break;
        case 'o': settings.uids_out = optarg; break;
        case 't': settings.tls = optarg; break;
        case 'P': settings.pids = optarg; break;
        case 'O':
            settings.connect = strcmp(optarg, "connect") == 0;
            settings.kind = settings.connect ? KMIP_KIND_DISCOVER : kmip_kind_of(optarg);
            break;
        default: exit(2);
        }
    }
    if (settings.kind == KMIP_KINDS || settings.connections < 1 || settings.names < 1 ||
        settings.connections > CONNECTIONS_MAX || settings.batch < 1 || settings.batch > BATCH_MAX)
        exit(2);
}

static unsigned start_all(int epoll)
{
    for (unsigned i = 0; i < settings.connections; i++) {
        struct connection *c = &connections[i];
        c->out = malloc(KMIP_REQUEST_MAX);
        if (c->out == NULL)
            die("memory");
        open_connection(c);
        if (settings.connect) {
            c->busy = true;
            asked++;
            c->sent_ns = now_ns();
        }
        interest(c, epoll, EPOLL_CTL_ADD, true);
    }
    return settings.connections;
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    make_context();
    if (settings.uids != NULL)
        read_uids();
    if (settings.uids_out != NULL && (uids_out = fopen(settings.uids_out, "we")) == NULL)
        die(settings.uids_out);
    samples = malloc(SAMPLES_MAX * sizeof *samples);
    int epoll = epoll_create1(0);
    if (samples == NULL || epoll < 0)
        die("start");
    uint64_t start = now_ns();
    double cpu = cpu_seconds();
    double own = (double)clock() / CLOCKS_PER_SEC;
    end_ns = start + (uint64_t)(settings.seconds * 1e9);
    for (unsigned busy = start_all(epoll); busy != 0 || more();) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, 1000);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            bool write = step(c, epoll);
            if (c->ssl != NULL && ((events[i].events & EPOLLOUT) != 0) != write)
                interest(c, epoll, EPOLL_CTL_MOD, write);
        }
        busy = 0;
        for (unsigned i = 0; i < settings.connections; i++)
            busy += connections[i].busy || connections[i].shaking;
        if (n == 0 && now_ns() > end_ns + UINT64_C(30000000000))
            break;
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    cpu = cpu_seconds() - cpu;
    own = (double)clock() / CLOCKS_PER_SEC - own;
    qsort(samples, samples_len, sizeof *samples, compare);
    (void)printf("requests=%" PRIu64 " items=%" PRIu64 " failed=%" PRIu64
                 " seconds=%.2f rate=%.0f p50_us=%.0f p99_us=%.0f p999_us=%.0f",
                 answered, answered * settings.batch, failed, seconds,
                 (double)answered * settings.batch / seconds, percentile(0.5), percentile(0.99),
                 percentile(0.999));
    if (settings.pids != NULL)
        (void)printf(" cpu_us=%.2f", answered != 0 ? cpu * 1e6 / (double)answered : 0);
    (void)printf(" own_cpu_us=%.2f\n", answered != 0 ? own * 1e6 / (double)answered : 0);
    if (uids_out != NULL)
        (void)fclose(uids_out);
    return failed != 0 || answered == 0;
}
