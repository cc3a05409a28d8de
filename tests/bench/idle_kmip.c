/* Many KMIP clients that are connected over TLS and ask nothing: what each costs the server, and
 * whether it still answers.
 *
 * usage: bench_idle_kmip --port N --count N --tls CA,CERT,KEY
 *            every connection asks once for versions; when all are there it prints one line, waits
 * until its standard input ends, asks on each of them again, and prints another
 */

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "kmip_message.h"

#define PER_ADDRESS 20000 /* ports of one source address */

static struct {
    unsigned port, count;
    char *ca, *cert, *key;
} settings;

__attribute__((noreturn)) static void die(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
    exit(1);
}

static int dial(unsigned number)
{
    const int one = 1;
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + number / PER_ADDRESS)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)settings.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static SSL_CTX *make_context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || SSL_CTX_load_verify_file(ctx, settings.ca) != 1 ||
        SSL_CTX_use_certificate_chain_file(ctx, settings.cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, settings.key, SSL_FILETYPE_PEM) != 1)
        die("TLS settings");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    return ctx;
}

/* One request and its answer; false where the connection is gone. */
static bool ask(SSL *ssl)
{
    static uint8_t request[KMIP_REQUEST_MAX], answer[KMIP_REQUEST_MAX];
    size_t have = 0, len = kmip_request(request, KMIP_KIND_DISCOVER, 1, NULL, 0);
    if (SSL_write(ssl, request, (int)len) != (int)len)
        return false;
    while ((len = kmip_message_len(answer, have)) == 0) {
        const int got = SSL_read(ssl, answer + have, (int)(sizeof answer - have));
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return kmip_failures(answer, len) == 0;
}

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void parse(int argc, char **argv)
{
    static const struct option rows[] = {
        {"port", 1, 0, 'p'}, {"count", 1, 0, 'c'}, {"tls", 1, 0, 't'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) != -1;) {
        switch (c) {
        case 'p': settings.port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': settings.count = (unsigned)strtoul(optarg, NULL, 10); break;
        case 't':
            settings.ca = strtok(optarg, ",");
            settings.cert = strtok(NULL, ",");
            settings.key = strtok(NULL, ",");
            break;
        default: exit(2);
        }
    }
    if (settings.port == 0 || settings.count == 0 || settings.key == NULL)
        exit(2);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    SSL_CTX *ctx = make_context();
    SSL **links = calloc(settings.count, sizeof(*links));
    if (links == NULL)
        die("start");
    const double start = now_s();
    for (unsigned i = 0; i < settings.count; i++) {
        links[i] = SSL_new(ctx);
        if (links[i] == NULL || SSL_set_fd(links[i], dial(i)) != 1 || SSL_connect(links[i]) != 1 ||
            !ask(links[i]))
            die("TLS handshake");
    }
    const double seconds = now_s() - start;
    (void)printf("connected=%u seconds=%.2f rate=%.0f\n", settings.count, seconds,
                 (double)settings.count / seconds);
    (void)fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    unsigned lost = 0;
    for (unsigned i = 0; i < settings.count; i++)
        lost += !ask(links[i]);
    (void)printf("lost=%u\n", lost);
    return lost != 0;
}
