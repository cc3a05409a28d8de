/* Many gateways that are connected over TLS and ask nothing: what each costs the server.
 *
 * usage: bench_idle_peers --make-ca DIR
 *            makes DIR/ca.pem and DIR/ca.key, an authority that is thrown away
 *        bench_idle_peers --port N --count N --ca DIR --server-ca PEM [--host peer#.bench.example]
 *                         [--realm bench.example]
 *            each peer has a certificate of that authority for its own Origin-Host; when all are
 *            connected it prints one line, answers watchdogs until its standard input ends, and
 *            prints another
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ERR_STATE openssl_err_state /* a name of OpenSSL's, and one of ours */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "message.h"

#define HOUR      3600L
#define FDS_SPARE 64

struct peer {
    SSL *ssl;
    unsigned number;
    uint8_t in[MESSAGE_MAX];
    size_t in_len;
};

static struct {
    const char *host, *realm, *ca, *server_ca, *make_ca;
    unsigned port, count;
} settings = {.host = "peer#.bench.example", .realm = "bench.example"};

static uint64_t watchdogs, lost;

__attribute__((noreturn)) static void die(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
    exit(1);
}

/* ---- certificates ---- */

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    if (extension == NULL || X509_add_ext(cert, extension, -1) != 1)
        die("certificate extension");
    X509_EXTENSION_free(extension);
}

static X509 *make_cert(const char *name, long serial, EVP_PKEY *key, X509 *issuer)
{
    X509 *cert = X509_new();
    if (cert == NULL)
        die("certificate");
    X509_NAME *subject = X509_get_subject_name(cert);
    if (X509_set_version(cert, 2) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(cert), serial) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(cert), -HOUR) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(cert), 48 * HOUR) == NULL ||
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                                   0) != 1 ||
        X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : subject) != 1 ||
        X509_set_pubkey(cert, key) != 1)
        die("certificate");
    return cert;
}

static void sign_cert(X509 *cert, EVP_PKEY *key)
{
    if (X509_sign(cert, key, EVP_sha256()) == 0)
        die("sign");
}

static FILE *open_beside(const char *name, const char *mode)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", settings.ca != NULL ? settings.ca : settings.make_ca,
                   name);
    FILE *f = fopen(path, mode);
    if (f == NULL)
        die(path);
    return f;
}

static void make_ca(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = make_cert("bench throw-away CA", 1, key, NULL);
    extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
    extend(cert, cert, NID_key_usage, "critical,keyCertSign");
    extend(cert, cert, NID_subject_key_identifier, "hash");
    sign_cert(cert, key);
    FILE *pem = open_beside("ca.pem", "wex"), *secret = open_beside("ca.key", "wex");
    if (PEM_write_X509(pem, cert) != 1 ||
        PEM_write_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) != 1)
        die("ca.pem");
    (void)fclose(pem);
    (void)fclose(secret);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static X509 *make_peer_cert(const char *host, long serial, EVP_PKEY *key, X509 *ca,
                            EVP_PKEY *ca_key)
{
    char names[300];
    (void)snprintf(names, sizeof names, "DNS:%s", host);
    X509 *cert = make_cert(host, serial, key, ca);
    extend(cert, ca, NID_basic_constraints, "critical,CA:FALSE");
    extend(cert, ca, NID_key_usage, "critical,digitalSignature");
    extend(cert, ca, NID_ext_key_usage, "clientAuth");
    extend(cert, ca, NID_authority_key_identifier, "keyid");
    extend(cert, ca, NID_subject_alt_name, names);
    sign_cert(cert, ca_key);
    return cert;
}

/* ---- peers ---- */

static int dial(void)
{
    const int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)settings.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Blocking: handshake, then the capabilities. */
static void greet(struct peer *peer, const char *host)
{
    uint8_t message[MESSAGE_MAX];
    size_t len = message_cer(host, settings.realm, message);
    if (SSL_connect(peer->ssl) != 1 || SSL_write(peer->ssl, message, (int)len) != (int)len)
        die("TLS handshake");
    size_t have = 0;
    while ((len = message_len(message, have)) == 0) {
        int got = SSL_read(peer->ssl, message + have, (int)(sizeof message - have));
        if (got <= 0)
            die("the server closed the connection");
        have += (size_t)got;
    }
    if (message_result(message, len) != 2001) {
        (void)fprintf(stderr, "%s: CEA with Result-Code %u\n", host, message_result(message, len));
        exit(1);
    }
}

static void connect_all(struct peer *peers, int epoll)
{
    X509 *ca = PEM_read_X509(open_beside("ca.pem", "re"), NULL, NULL, NULL);
    EVP_PKEY *ca_key = PEM_read_PrivateKey(open_beside("ca.key", "re"), NULL, NULL, NULL);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ca == NULL || ca_key == NULL || key == NULL || ctx == NULL ||
        SSL_CTX_load_verify_file(ctx, settings.server_ca) != 1)
        die("TLS settings");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    for (unsigned i = 0; i < settings.count; i++) {
        char host[256];
        struct peer *peer = &peers[i];
        peer->number = i;
        pattern_fill(settings.host, i, host, sizeof host);
        X509 *cert = make_peer_cert(host, (long)i + 2, key, ca, ca_key);
        int fd = dial();
        peer->ssl = SSL_new(ctx);
        if (peer->ssl == NULL || SSL_use_certificate(peer->ssl, cert) != 1 ||
            SSL_use_PrivateKey(peer->ssl, key) != 1 || SSL_set_fd(peer->ssl, fd) != 1)
            die("TLS connection");
        X509_free(cert);
        greet(peer, host);
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            die("epoll_ctl");
    }
}

static void answer(struct peer *peer, const uint8_t *request)
{
    char host[256];
    uint8_t message[MESSAGE_MAX];
    if (!message_is_request(request) || message_command(request) != COMMAND_WATCHDOG)
        return;
    pattern_fill(settings.host, peer->number, host, sizeof host);
    size_t len = message_dwa(host, settings.realm, request, message);
    if (SSL_write(peer->ssl, message, (int)len) == (int)len)
        watchdogs++;
}

static void listen_to(struct peer *peer, int epoll)
{
    for (;;) {
        int got =
            SSL_read(peer->ssl, peer->in + peer->in_len, (int)(sizeof peer->in - peer->in_len));
        if (got <= 0) {
            int why = SSL_get_error(peer->ssl, got);
            if (why == SSL_ERROR_WANT_READ)
                return;
            lost++;
            (void)epoll_ctl(epoll, EPOLL_CTL_DEL, SSL_get_fd(peer->ssl), NULL);
            return;
        }
        peer->in_len += (size_t)got;
        for (size_t len; (len = message_len(peer->in, peer->in_len)) != 0;) {
            answer(peer, peer->in);
            peer->in_len -= len;
            memmove(peer->in, peer->in + len, peer->in_len);
        }
    }
}

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void hold(int epoll)
{
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        die("standard input");
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            char byte;
            if (events[i].data.ptr != NULL)
                listen_to(events[i].data.ptr, epoll);
            else if (read(STDIN_FILENO, &byte, 1) <= 0)
                return;
        }
    }
}

static void parse(int argc, char **argv)
{
    static const struct option rows[] = {{"port", 1, 0, 'p'},    {"count", 1, 0, 'c'},
                                         {"ca", 1, 0, 'a'},      {"server-ca", 1, 0, 's'},
                                         {"make-ca", 1, 0, 'm'}, {"host", 1, 0, 'h'},
                                         {"realm", 1, 0, 'r'},   {0}};
    for (int c; (c = getopt_long(argc, argv, "", rows, NULL)) != -1;) {
        switch (c) {
        case 'p': settings.port = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'c': settings.count = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'a': settings.ca = optarg; break;
        case 's': settings.server_ca = optarg; break;
        case 'm': settings.make_ca = optarg; break;
        case 'h': settings.host = optarg; break;
        case 'r': settings.realm = optarg; break;
        default: exit(2);
        }
    }
    if (settings.make_ca == NULL && (settings.port == 0 || settings.count == 0 ||
                                     settings.ca == NULL || settings.server_ca == NULL))
        exit(2);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    if (settings.make_ca != NULL) {
        make_ca();
        return 0;
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    struct peer *peers = calloc(settings.count, sizeof *peers);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (peers == NULL || epoll < 0)
        die("start");
    double start = now_s();
    connect_all(peers, epoll);
    double seconds = now_s() - start;
    (void)printf("connected=%u seconds=%.2f rate=%.0f\n", settings.count, seconds,
                 (double)settings.count / seconds);
    (void)fflush(stdout);
    hold(epoll);
    (void)printf("watchdogs=%" PRIu64 " lost=%" PRIu64 "\n", watchdogs, lost);
    return lost != 0;
}
