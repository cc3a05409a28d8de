#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "kmc/claviger-kmc.h"
#include "line/gateway_message.h"
#include "net/listener.h"
#include "programs/claviger-sim/node_status.h"
#include "programs/claviger-sim/protocol.h"
#include "programs/claviger-sim/sim.h"

#define CONNECTIONS_MAX 256
#define IDLE_MS         5000 /* between two frames of a node */
#define CACHE_DELAY_MS  1000
#define KEY_TIMEOUT_MS  5000 /* for a key from the server; everything waits meanwhile */

struct gateway {
    struct ckmc *kmc;
    struct net_loop *loop;
    struct net_listener *listener;
    struct net_watch *signals;
    struct net_timer *flush;
    unsigned long joins_max, joins; /* 0: no end */
    bool json, quiet;
    struct node_statuses statuses;
    struct ckmc_key last; /* what is to be said of the key of the conversation that ends; wiped */
};

struct visitor {
    struct gateway *gateway;
    struct join_gateway side;
};

static enum err key_of(void *ctx, uint64_t node, bool again, uint8_t ret_key[JOIN_KEY])
{
    struct gateway *gateway = ctx;
    struct ckmc_error error = {0};
    struct ckmc_key *key = &gateway->last;
    /* What came from the server just now is the newest; what was cached may be older. */
    if (again &&
        (key->source != CKMC_FROM_CACHE || !node_statuses_may_ask(&gateway->statuses, node)))
        return ERR_NOT_FOUND;
    int status = ckmc_get(gateway->kmc, CKMC_NODE, node, CKMC_NEWEST, again ? CKMC_F_REFRESH : 0,
                          key, &error);
    if (status == CKMC_OK && key->length == JOIN_KEY)
        memcpy(ret_key, key->key, JOIN_KEY);
    explicit_bzero(key->key, sizeof key->key);
    if (status == CKMC_OK)
        return ERR_OK;
    if (status == CKMC_REFUSED || status == CKMC_NO_KEY)
        return ERR_DENIED;
    (void)fprintf(stderr, "claviger-sim: %s: %s\n", ckmc_status_text(status), error.text);
    return ERR_BUSY;
}

static const char *outcome_text(enum join_outcome outcome)
{
    switch (outcome) {
    case JOIN_JOINED: return "joined";
    case JOIN_UNKNOWN_NODE: return "refused: the key server does not give its key";
    case JOIN_WRONG_PROOF: return "refused: its proof is wrong";
    case JOIN_NO_KEYS: return "refused: the key server can't be asked";
    default: return "gave up";
    }
}

static void ended(struct gateway *gateway, uint64_t node, enum join_outcome outcome)
{
    bool joined = outcome == JOIN_JOINED;
    if (outcome != JOIN_GOES_ON && outcome != JOIN_NO_KEYS)
        node_statuses_note(&gateway->statuses, node, joined);
    struct sim_result result = {.node = node,
                                .joined = joined,
                                .text = outcome_text(outcome),
                                .source = !joined                                   ? NULL
                                          : gateway->last.source == CKMC_FROM_CACHE ? "cache"
                                                                                    : "server",
                                .key_version = gateway->last.version};
    if (!gateway->quiet)
        sim_print(gateway->json, &result);
    gateway->joins++;
    if (gateway->joins == gateway->joins_max)
        net_loop_stop(gateway->loop);
}

static void on_open(struct net_conn *conn, void *ctx)
{
    struct visitor *visitor = calloc(1, sizeof *visitor);
    if (visitor == NULL) {
        net_conn_set_ctx(conn, NULL);
        net_conn_abort(conn);
        return;
    }
    visitor->gateway = ctx;
    net_conn_set_ctx(conn, visitor);
}

static void on_frame(struct net_conn *conn, void *ctx, struct bytes frame)
{
    struct visitor *visitor = ctx;
    struct gateway *gateway = visitor->gateway;
    uint8_t room[JOIN_FRAME_MAX];
    struct writer w = writer_of(room, sizeof room);
    enum join_outcome outcome = JOIN_VIOLATION;
    if (gateway->joins_max != 0 && gateway->joins >= gateway->joins_max)
        return;
    enum err err = ERR_OK;
    if (gateway_frame_type(frame) >= GATEWAY_FIRST) {
        outcome = JOIN_GOES_ON;
        if (node_statuses_answer(&gateway->statuses, frame, &w) != ERR_OK)
            outcome = JOIN_VIOLATION;
    } else {
        err = join_gateway_frame(&visitor->side, frame, key_of, gateway, &w, &outcome);
    }
    if (err == ERR_OK && w.len != 0)
        err = net_conn_write(conn, writer_view(&w));
    if (err != ERR_OK || outcome == JOIN_VIOLATION) {
        (void)fprintf(stderr, "claviger-sim: %s: %s\n", net_conn_peer(conn),
                      err != ERR_OK ? err_text(err) : "does not speak the join protocol");
        net_conn_close(conn);
        return;
    }
    if (outcome != JOIN_GOES_ON)
        ended(gateway, visitor->side.node, outcome);
}

static void on_close(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    struct visitor *visitor = ctx;
    (void)detail;
    if (reason == NET_CLOSE_FRAME)
        (void)fprintf(stderr, "claviger-sim: %s: does not speak the join protocol\n",
                      net_conn_peer(conn));
    /* Not when we end ourselves: nobody gave up then. */
    if (visitor != NULL && visitor->side.challenged && reason != NET_CLOSE_LOCAL)
        ended(visitor->gateway, visitor->side.node, JOIN_GOES_ON);
}

static void on_free(void *ctx)
{
    struct visitor *visitor = ctx;
    if (visitor != NULL)
        explicit_bzero(visitor, sizeof *visitor);
    free(visitor);
}

static const struct net_conn_ops ops = {
    .frame_len = join_frame_len,
    .on_frame = on_frame,
    .on_open = on_open,
    .on_close = on_close,
    .on_free = on_free,
};

static void on_signal(void *ctx, unsigned ready)
{
    struct gateway *gateway = ctx;
    (void)ready;
    net_loop_stop(gateway->loop);
}

static void on_flush(void *ctx)
{
    struct gateway *gateway = ctx;
    struct ckmc_error error = {0};
    if (ckmc_flush(gateway->kmc, &error) != CKMC_OK)
        (void)fprintf(stderr, "claviger-sim: the cache can't be written: %s\n", error.text);
}

static void on_report(void *context, const char *text)
{
    (void)context;
    (void)fprintf(stderr, "claviger-sim: warning: %s\n", text);
}

static enum exit_status exit_of(int status)
{
    switch (status) {
    case CKMC_OK: return EXIT_DONE;
    case CKMC_ARGUMENT:
    case CKMC_CONFIG: return EXIT_USAGE;
    case CKMC_UNREACHABLE:
    case CKMC_BUSY: return EXIT_UNREACHABLE;
    case CKMC_REFUSED:
    case CKMC_NO_KEY:
    case CKMC_UNPROTECTED:
    case CKMC_UNAUTHENTICATED: return EXIT_REFUSED;
    default: return EXIT_FAILED;
    }
}

static void say_key(const char *what, const struct ckmc_key *key)
{
    char check[2 * sizeof key->check + 1];
    hex_encode(BYTES(key->check), check);
    (void)fprintf(stderr, "claviger-sim: %s: version %u, check value %s, from the %s\n", what,
                  key->version, check, key->source == CKMC_FROM_CACHE ? "cache" : "server");
}

/* KMS user guide, 3: the gateway starts with its own keys. */
static int start_keys(struct gateway *gateway, const struct options *options)
{
    struct ckmc_error error = {0};
    struct ckmc_key own, cdld;
    const char *realm = options_get(options, "realm");
    int status = ckmc_open(options_get(options, "config"), &gateway->kmc, &error);
    if (status == CKMC_OK && realm != NULL)
        status = ckmc_set_realm(gateway->kmc, realm, &error);
    if (status == CKMC_OK) {
        ckmc_on_report(gateway->kmc, on_report, NULL);
        ckmc_set_timeout(gateway->kmc, KEY_TIMEOUT_MS);
        status = ckmc_prefetch(gateway->kmc, 0, &own, &cdld, &error);
    }
    if (status != CKMC_OK) {
        (void)fprintf(stderr, "claviger-sim: %s: %s\n", ckmc_status_text(status), error.text);
        return status;
    }
    ckmc_set_write_delay(gateway->kmc, CACHE_DELAY_MS);
    say_key("gateway key", &own);
    say_key("code download key", &cdld);
    ckmc_key_wipe(&own);
    ckmc_key_wipe(&cdld);
    return CKMC_OK;
}

static enum err listen_here(struct gateway *gateway, const struct options *options,
                            struct err_detail *detail)
{
    char host[256];
    uint16_t port = 0;
    AUTO(file_closep) int fd = -1;
    TRY(sim_address(options, "listen", host, &port, detail));
    TRY(net_listen_socket(host, port, &fd, detail));
    struct net_listener_config config = {
        .name = "join",
        .fd = fd,
        .setup = {.ops = &ops,
                  .ctx = gateway,
                  .limits = {.frame_max = JOIN_FRAME_MAX,
                             .idle_ms = IDLE_MS,
                             .write_ms = IDLE_MS,
                             .write_buffer_max = 4096}},
        .connections_max = CONNECTIONS_MAX,
    };
    TRY(net_listener_new(gateway->loop, NULL, &config, &gateway->listener, detail));
    (void)file_take(&fd);
    (void)fprintf(stderr, "claviger-sim: listening on %s:%u\n", host,
                  net_listener_port(gateway->listener));
    return ERR_OK;
}

static enum err serve(struct gateway *gateway, const struct options *options, int signal_fd,
                      struct err_detail *detail)
{
    TRY(net_loop_new(&gateway->loop));
    TRY(net_watch_new(gateway->loop, signal_fd, on_signal, gateway, &gateway->signals));
    net_watch_want(gateway->signals, NET_READABLE);
    TRY(net_timer_new(gateway->loop, on_flush, gateway, &gateway->flush));
    net_timer_every(gateway->flush, CACHE_DELAY_MS);
    TRY(listen_here(gateway, options, detail));
    return net_loop_run(gateway->loop);
}

static bool parse_joins(const struct options *options, unsigned long *ret_joins)
{
    const char *text = options_get(options, "joins");
    char *end = NULL;
    if (text == NULL)
        return true;
    errno = 0;
    *ret_joins = strtoul(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *ret_joins != 0;
}

enum exit_status sim_gateway(const struct options *options)
{
    struct gateway gateway = {.json = options_has(options, "json"),
                              .quiet = options_has(options, "quiet")};
    struct err_detail detail = {0};
    sigset_t signals;
    if (!parse_joins(options, &gateway.joins_max)) {
        (void)err_set(&detail, ERR_ARGUMENT, "--joins wants a number");
        return sim_fail("gateway", ERR_ARGUMENT, &detail);
    }
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    AUTO(file_closep) int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    int status = start_keys(&gateway, options);
    enum exit_status exit_status = exit_of(status);
    if (status == CKMC_OK) {
        enum err err = serve(&gateway, options, signal_fd, &detail);
        exit_status = err == ERR_OK ? EXIT_DONE : sim_fail("gateway", err, &detail);
    }
    net_listener_free(gateway.listener);
    net_timer_free(gateway.flush);
    net_watch_free(gateway.signals);
    net_loop_freep(&gateway.loop);
    ckmc_close(gateway.kmc);
    node_statuses_done(&gateway.statuses);
    return exit_status;
}
