#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/random.h"
#include "kmc/claviger-kmc.h"
#include "programs/claviger-sim/keyring.h"
#include "programs/claviger-sim/protocol.h"
#include "programs/claviger-sim/sim.h"

#define ANSWER_SECONDS 15 /* the gateway may have to fetch the key */
#define RANGE_MAX      ((uint64_t)1000000)

struct nodes {
    char host[256];
    uint16_t port;
    int fd; /* -1: not connected */
    struct keyring *keyring;
    bool json, forge;
    unsigned long joined, refused, failed;
};

static enum err connect_gateway(struct nodes *nodes, struct err_detail *detail)
{
    char service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    int on = 1;
    (void)snprintf(service, sizeof service, "%u", nodes->port);
    if (getaddrinfo(nodes->host, service, &hints, &list) != 0)
        return err_set(detail, ERR_CLOSED, "%s: no such host", nodes->host);
    for (struct addrinfo *at = list; at != NULL && nodes->fd < 0; at = at->ai_next) {
        int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
            nodes->fd = fd;
        else
            (void)close(fd);
    }
    freeaddrinfo(list);
    if (nodes->fd < 0)
        return err_set(detail, ERR_CLOSED, "%s:%u: nobody listens there", nodes->host, nodes->port);
    return ERR_OK;
}

static enum err receive(int fd, uint8_t room[JOIN_FRAME_MAX], struct bytes *ret_frame)
{
    size_t have = 0, need = 2;
    while (have < need) {
        ssize_t got = recv(fd, room + have, need - have, 0);
        if (got <= 0)
            return got == 0 ? ERR_CLOSED : ERR_TIMEOUT;
        have += (size_t)got;
        if (have >= 2)
            TRY(join_frame_len(room, have, &need));
    }
    *ret_frame = bytes_of(room, have);
    return ERR_OK;
}

static enum err converse(struct nodes *nodes, uint64_t node, const uint8_t *key,
                         enum join_outcome *ret_outcome, struct err_detail *detail)
{
    struct join_node side;
    uint8_t out[JOIN_FRAME_MAX], in[JOIN_FRAME_MAX];
    struct writer w = writer_of(out, sizeof out);
    struct bytes frame;
    if (nodes->fd < 0)
        TRY(connect_gateway(nodes, detail));
    TRY(join_node_begin(&side, node, &w));
    for (;;) {
        if (w.len != 0 && send(nodes->fd, w.buf, w.len, MSG_NOSIGNAL) != (ssize_t)w.len)
            return err_set(detail, ERR_CLOSED, "the gateway closed the connection");
        w = writer_of(out, sizeof out);
        enum err err = receive(nodes->fd, in, &frame);
        if (err != ERR_OK)
            return err_set(detail, err, "the gateway %s",
                           err == ERR_CLOSED    ? "closed the connection"
                           : err == ERR_TIMEOUT ? "does not answer"
                                                : "does not speak the join protocol");
        TRY(join_node_frame(&side, key, frame, &w, ret_outcome));
        if (*ret_outcome != JOIN_GOES_ON)
            return ERR_OK;
    }
}

static enum err join_one(struct nodes *nodes, uint64_t node, struct err_detail *detail)
{
    AUTO(secret_block32_wipe) struct secret_block32 guess;
    enum join_outcome outcome = JOIN_VIOLATION;
    const uint8_t *key = NULL;
    if (nodes->forge) {
        TRY(random_bytes(guess.data, JOIN_KEY));
        key = guess.data;
    } else {
        key = keyring_key(nodes->keyring, node);
    }
    if (key == NULL)
        return err_set(detail, ERR_NOT_FOUND, "0x%08" PRIx64 " is not in the keyring", node);
    bool reused = nodes->fd >= 0;
    enum err err = converse(nodes, node, key, &outcome, detail);
    if (err == ERR_CLOSED && reused) {
        file_closep(&nodes->fd); /* it may have ended while nobody used it */
        err = converse(nodes, node, key, &outcome, detail);
    }
    TRY(err);
    struct sim_result result = {.node = node, .joined = outcome == JOIN_JOINED};
    switch (outcome) {
    case JOIN_JOINED: result.text = "joined"; break;
    case JOIN_REFUSED: result.text = "refused"; break;
    case JOIN_RETRY_LATER: result.text = "refused for now: the gateway has no key server"; break;
    case JOIN_FALSE_PEER: result.text = "turned away: the gateway does not have its key"; break;
    default: return err_set(detail, ERR_PEER, "the gateway does not speak the join protocol");
    }
    nodes->joined += outcome == JOIN_JOINED;
    nodes->refused += outcome == JOIN_REFUSED || outcome == JOIN_FALSE_PEER;
    nodes->failed += outcome == JOIN_RETRY_LATER;
    sim_print(nodes->json, &result);
    return ERR_OK;
}

/* "0x00010200" or "0x00010200-0x000105e7". */
static enum err join_range(struct nodes *nodes, const char *text, struct err_detail *detail)
{
    char first_text[48];
    uint64_t first = 0, last = 0;
    const char *dash = strchr(text, '-');
    (void)snprintf(first_text, sizeof first_text, "%.*s",
                   dash != NULL ? (int)(dash - text) : (int)strlen(text), text);
    if (ckmc_parse_node(first_text, &first, NULL) != CKMC_OK ||
        ckmc_parse_node(dash != NULL ? dash + 1 : first_text, &last, NULL) != CKMC_OK ||
        last < first || last - first >= RANGE_MAX)
        return err_set(detail, ERR_ARGUMENT, "'%.60s' is no node id and no range of them", text);
    for (uint64_t left = last - first + 1; left != 0; left--)
        TRY(join_one(nodes, first++, detail));
    return ERR_OK;
}

static enum err join_all(struct nodes *nodes, const struct options *options,
                         struct err_detail *detail)
{
    const char *keyring = options_get(options, "keyring");
    TRY(sim_address(options, "gateway", nodes->host, &nodes->port, detail));
    if ((keyring == NULL) != nodes->forge)
        return err_set(detail, ERR_ARGUMENT, "either --keyring or --forge is wanted");
    if (keyring != NULL)
        TRY(keyring_read(keyring, detail, &nodes->keyring));
    for (int i = 0; i < options->args_len; i++)
        TRY(join_range(nodes, options->args[i], detail));
    return ERR_OK;
}

enum exit_status sim_join(const struct options *options)
{
    struct err_detail detail = {0};
    struct nodes nodes = {
        .fd = -1, .json = options_has(options, "json"), .forge = options_has(options, "forge")};
    enum err err = join_all(&nodes, options, &detail);
    file_closep(&nodes.fd);
    keyring_free(nodes.keyring);
    if (err != ERR_OK)
        return sim_fail("join", err, &detail);
    return nodes.refused != 0 ? EXIT_REFUSED : nodes.failed != 0 ? EXIT_UNREACHABLE : EXIT_DONE;
}
