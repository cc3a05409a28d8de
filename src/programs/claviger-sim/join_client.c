#include "programs/claviger-sim/join_client.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/file.h"

#define ANSWER_SECONDS 15 /* the gateway may have to fetch the key */

static enum err connect_gateway(struct join_client *client, struct err_detail *detail)
{
    char service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    int on = 1;
    (void)snprintf(service, sizeof service, "%u", client->port);
    if (getaddrinfo(client->host, service, &hints, &list) != 0)
        return err_set(detail, ERR_CLOSED, "%s: no such host", client->host);
    for (struct addrinfo *at = list; at != NULL && client->fd < 0; at = at->ai_next) {
        int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
            client->fd = fd;
        else
            (void)close(fd);
    }
    freeaddrinfo(list);
    if (client->fd < 0)
        return err_set(detail, ERR_CLOSED,
                       "%s:%u: nobody listens there; 'claviger-sim gateway' would", client->host,
                       client->port);
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

static enum err converse(struct join_client *client, uint64_t node, const uint8_t *key,
                         enum join_outcome *ret_outcome, struct err_detail *detail)
{
    struct join_node side;
    uint8_t out[JOIN_FRAME_MAX], in[JOIN_FRAME_MAX];
    struct writer w = writer_of(out, sizeof out);
    struct bytes frame;
    if (client->fd < 0)
        TRY(connect_gateway(client, detail));
    TRY(join_node_begin(&side, node, &w));
    for (;;) {
        if (w.len != 0 && send(client->fd, w.buf, w.len, MSG_NOSIGNAL) != (ssize_t)w.len)
            return err_set(detail, ERR_CLOSED, "the gateway closed the connection");
        w = writer_of(out, sizeof out);
        enum err err = receive(client->fd, in, &frame);
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

enum err join_client_run(struct join_client *client, uint64_t node, const uint8_t key[JOIN_KEY],
                         enum join_outcome *ret_outcome, struct err_detail *detail)
{
    bool reused = client->fd >= 0;
    enum err err = converse(client, node, key, ret_outcome, detail);
    if (err == ERR_CLOSED && reused) {
        file_closep(&client->fd); /* it may have ended while nobody used it */
        err = converse(client, node, key, ret_outcome, detail);
    }
    if (err != ERR_OK)
        file_closep(&client->fd); /* in the middle of a conversation */
    return err;
}
