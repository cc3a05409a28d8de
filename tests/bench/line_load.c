/* Stations that report devices as fast as the server takes them: bench_line_load BASE CONFIG
 * KEY_BYTES STATIONS SECONDS [FOLDER...]. BASE is a Unix socket, or https://host:port with one
 * FOLDER (cert.pem, client.key, ca.pem) per station, used in turn. A result is a run begun, a
 * device keyed, the run ended. */

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/random.h"
#include "base/hex.h"
#include "net/http_client.h"

struct station {
    pthread_t thread;
    const char *base, *config, *folder;
    size_t key_bytes;
    unsigned number;
    uint64_t results;
    double slowest;
};

static _Atomic bool stop;

static void must(enum err err, const char *what, const struct net_client_answer *answer,
                 const struct err_detail *detail)
{
    if (err == ERR_OK && answer->err == ERR_OK)
        return;
    fprintf(stderr, "%s: %s %.*s\n", what, detail->text, (int)answer->body.len,
            (const char *)answer->body.data);
    exit(1);
}

static void call(struct net_client *client, enum net_http_method method, const char *path,
                 const char *body, struct net_client_answer *answer)
{
    struct err_detail detail = {0};
    must(net_client_call(client, method, path, bytes_str(body), answer, &detail), path, answer,
         &detail);
}

static void one(struct station *s, struct net_client *client, struct net_client_answer *answer,
                const char *key)
{
    uint8_t random[16];
    char hex[33], run[40], path[128], body[4096];
    if (random_bytes(random, sizeof random) != ERR_OK)
        exit(1);
    hex_encode(BYTES(random), hex);
    (void)snprintf(run, sizeof run, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                   hex + 20);
    uint64_t node = UINT64_C(0x1000000) * (s->number + 1) + s->results;
    (void)snprintf(
        body, sizeof body,
        "{\"run\":\"%s\",\"operation\":\"PROVISION\",\"config_id\":\"%s\",\"revision\":1,"
        "\"batch\":%u,\"operator\":\"mira\",\"port\":\"/dev/ttyUSB0\"}",
        run, s->config, 1000 + s->number);
    call(client, NET_HTTP_POST, "/v1/line/runs", body, answer);
    (void)snprintf(body, sizeof body,
                   "{\"run\":\"%s\",\"config_id\":\"%s\",\"revision\":1,\"batch\":%u,"
                   "\"time\":\"2026-11-21T12:00:00Z\",\"kcv\":\"0011223344556677\",\"key\":\"%s\","
                   "\"applications\":[]}",
                   run, s->config, 1000 + s->number, key);
    (void)snprintf(path, sizeof path, "/v1/line/devices/0x%08" PRIx64, node);
    call(client, NET_HTTP_PUT, path, body, answer);
    (void)snprintf(body, sizeof body,
                   "{\"return_code\":0,\"node_id\":\"0x%08" PRIx64 "\",\"node_type\":\"UNODE\","
                   "\"hardware\":\"B\",\"versions_before\":{\"node\":\"1.0\"},"
                   "\"versions_after\":{\"node\":\"1.1\"},\"locked\":true,\"seconds\":3.5}",
                   node);
    (void)snprintf(path, sizeof path, "/v1/line/runs/%s/end", run);
    call(client, NET_HTTP_POST, path, body, answer);
}

static void *work(void *arg)
{
    struct station *s = arg;
    struct net_client *client = NULL;
    struct net_client_answer answer = {0};
    struct err_detail detail = {0};
    char ca[4096], cert[4096], private[4096];
    struct net_client_config config = {.base = s->base};
    if (s->folder != NULL) {
        (void)snprintf(ca, sizeof ca, "%s/ca.pem", s->folder);
        (void)snprintf(cert, sizeof cert, "%s/cert.pem", s->folder);
        (void)snprintf(private, sizeof private, "%s/key.pem", s->folder);
        config.ca_file = ca;
        config.cert_file = cert;
        config.key_file = private;
    }
    char *key = calloc(1, 2 * s->key_bytes + 1);
    if (key == NULL || net_client_new(&config, &client, &detail) != ERR_OK) {
        fprintf(stderr, "%s\n", detail.text);
        exit(1);
    }
    memset(key, 'a', 2 * s->key_bytes);
    while (!atomic_load(&stop)) {
        uint64_t began = clock_mono_ns();
        one(s, client, &answer, key);
        double took = (double)(clock_mono_ns() - began) / 1e9;
        if (took > s->slowest)
            s->slowest = took;
        s->results++;
    }
    net_client_answer_done(&answer);
    net_client_free(client);
    free(key);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr,
                "usage: bench_line_load BASE CONFIG KEY_BYTES STATIONS SECONDS [FOLDER...]\n");
        return 2;
    }
    unsigned count = (unsigned)strtoul(argv[4], NULL, 10);
    double duration = strtod(argv[5], NULL);
    struct station *stations = calloc(count, sizeof *stations);
    if (stations == NULL)
        return 1;
    uint64_t began = clock_mono_ns(), results = 0;
    for (unsigned i = 0; i < count; i++) {
        stations[i] =
            (struct station){.base = argv[1],
                             .config = argv[2],
                             .key_bytes = strtoul(argv[3], NULL, 10),
                             .number = i,
                             .folder = argc > 6 ? argv[6 + i % (unsigned)(argc - 6)] : NULL};
        if (pthread_create(&stations[i].thread, NULL, work, &stations[i]) != 0)
            return 1;
    }
    const struct timespec pause = {(time_t)duration, (long)((duration - (long)duration) * 1e9)};
    (void)nanosleep(&pause, NULL);
    atomic_store(&stop, true);
    double slowest = 0;
    for (unsigned i = 0; i < count; i++) {
        (void)pthread_join(stations[i].thread, NULL);
        results += stations[i].results;
        slowest = stations[i].slowest > slowest ? stations[i].slowest : slowest;
    }
    double took = (double)(clock_mono_ns() - began) / 1e9;
    printf("%u stations: %.0f results/s, slowest %.0f ms\n", count, (double)results / took,
           slowest * 1000);
    free(stations);
    return 0;
}
