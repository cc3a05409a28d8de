#include "keeper/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/client_private.h"

#define TIMEOUT_DEFAULT_MS 60000
/* Beyond this many messages of releases the next one waits and grows: batches form by themselves.
 */
#define IN_FLIGHT_MAX 8

static enum err client_init(struct keeper_client *client)
{
    client->timeout_ms = TIMEOUT_DEFAULT_MS;
    client->out = malloc(KEEPER_MESSAGE_MAX);
    client->in = malloc(KEEPER_MESSAGE_MAX);
    if (client->out == NULL || client->in == NULL)
        return ERR_NO_MEMORY;
    int flags = fcntl(client->fd, F_GETFL);
    return flags >= 0 && fcntl(client->fd, F_SETFL, flags | O_NONBLOCK) == 0 ? ERR_OK : ERR_IO;
}

enum err keeper_client_new(int fd, struct keeper_client **ret_client)
{
    struct keeper_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        (void)close(fd);
        return ERR_NO_MEMORY;
    }
    client->fd = fd;
    client_calls_init(client);
    enum err err = client_init(client);
    if (err != ERR_OK)
        keeper_client_free(client);
    else
        *ret_client = client;
    return err;
}

static struct flight *flight_at(struct keeper_client *client, unsigned at)
{
    return &client->flights[(client->oldest + at) % FLIGHTS_MAX];
}

static void answer_one(struct keeper_client *client, struct flight *flight, enum err err,
                       struct bytes key)
{
    struct keeper_release *release = flight->first;
    flight->first = release->next;
    release->next = NULL;
    client->outstanding--;
    release->done(release, err, key);
}

/* Every row of every message gets `err`. New releases that a `done` queues are refused. */
void client_fail_all(struct keeper_client *client, enum err err)
{
    client->gone = true;
    client_calls_fail(client, err);
    while (client->count != 0) {
        struct flight *flight = flight_at(client, 0);
        while (flight->first != NULL)
            answer_one(client, flight, err, bytes_of(NULL, 0));
        client->oldest = (client->oldest + 1) % FLIGHTS_MAX;
        client->count--;
    }
    client->filling = false;
    client->blocked = false;
    client->waiting = false;
}

void keeper_client_free(struct keeper_client *client)
{
    if (client == NULL)
        return;
    client_fail_all(client, ERR_CANCELLED);
    if (client->fd >= 0)
        (void)close(client->fd);
    for (unsigned i = 0; i < FLIGHTS_MAX; i++)
        free(client->flights[i].message);
    if (client->in != NULL)
        explicit_bzero(client->in, KEEPER_MESSAGE_MAX);
    client_calls_free(client);
    free(client->in);
    free(client->out);
    free(client);
}

void keeper_client_freep(struct keeper_client **client)
{
    keeper_client_free(*client);
    *client = NULL;
}

int keeper_client_fd(const struct keeper_client *client)
{
    return client->fd;
}

void keeper_client_set_timeout(struct keeper_client *client, unsigned milliseconds)
{
    client->timeout_ms = milliseconds;
}

bool keeper_client_wants_write(const struct keeper_client *client)
{
    return client->blocked && !client->gone;
}

size_t keeper_client_outstanding(const struct keeper_client *client)
{
    return client->outstanding + client->calls;
}

uint64_t client_next_id(struct keeper_client *client, unsigned slot)
{
    return ++client->last_id << 16 | slot;
}

/* A new message at the end of the ring. */
static enum err flight_open(struct keeper_client *client, enum keeper_purpose purpose,
                            struct flight **ret_flight)
{
    if (client->count == FLIGHTS_MAX)
        return ERR_BUSY;
    struct flight *flight = flight_at(client, client->count);
    if (flight->message == NULL)
        flight->message = malloc(KEEPER_MESSAGE_MAX);
    if (flight->message == NULL)
        return ERR_NO_MEMORY;
    flight->id = client_next_id(client, NO_SLOT);
    flight->len = KEEPER_HEAD_SIZE;
    flight->message[flight->len++] = (uint8_t)purpose;
    flight->purpose = purpose;
    flight->count = 0;
    flight->sent = false;
    flight->first = NULL;
    flight->last = &flight->first;
    flight->actor_len = 0;
    client->count++;
    client->filling = true;
    *ret_flight = flight;
    return ERR_OK;
}

#define ROW_MAX (1 + KEEPER_ACTOR_MAX + KEEPER_ROW_SIZE + 1 + KEEPER_SEALED_MAX)

enum err keeper_client_release(struct keeper_client *client, struct keeper_release *release,
                               struct bytes actor, struct bytes sealed)
{
    if (client->gone)
        return ERR_KEEPER_GONE;
    if (!message_actor_ok(actor) || sealed.len <= KEEPER_SEALED_OVERHEAD ||
        sealed.len > KEEPER_SEALED_MAX || release->row.table == 0 ||
        release->row.table >= KEEPER_TABLES)
        return ERR_ARGUMENT;
    if (client->outstanding >= KEEPER_OUTSTANDING_MAX)
        return ERR_BUSY;
    struct flight *flight = client->filling ? flight_at(client, client->count - 1) : NULL;
    if (flight == NULL || flight->purpose != release->purpose ||
        flight->count == KEEPER_RELEASE_MAX || flight->len + ROW_MAX > KEEPER_MESSAGE_MAX)
        TRY(flight_open(client, release->purpose, &flight));
    struct writer w = {.buf = flight->message, .len = flight->len, .cap = KEEPER_MESSAGE_MAX};
    if (bytes_equal(actor, bytes_of(flight->actor, flight->actor_len))) {
        writer_u8(&w, 0);
    } else {
        message_put_actor(&w, actor);
        memcpy(flight->actor, actor.data, actor.len);
        flight->actor_len = (uint8_t)actor.len;
    }
    message_put_row(&w, &release->row);
    message_put_sealed(&w, sealed);
    flight->len = w.len;
    flight->count++;
    release->next = NULL;
    *flight->last = release;
    flight->last = &release->next;
    client->outstanding++;
    return ERR_OK;
}

enum err client_send(struct keeper_client *client, const uint8_t *message, size_t len)
{
    for (;;) {
        ssize_t sent = send(client->fd, message, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0)
            return ERR_OK;
        if (errno == EINTR)
            continue;
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? ERR_BUSY
                                                                           : ERR_KEEPER_GONE;
    }
}

void keeper_client_flush(struct keeper_client *client)
{
    client->blocked = false;
    client->waiting = false;
    if (!client->gone && client_calls_flush(client) != ERR_OK) {
        client->blocked = client->waiting = true;
        return;
    }
    for (unsigned i = 0; i < client->count && !client->gone; i++) {
        struct flight *flight = flight_at(client, i);
        if (flight->sent)
            continue;
        if (i >= IN_FLIGHT_MAX) {
            client->waiting = true;
            return;
        }
        struct writer head = writer_of(flight->message, KEEPER_HEAD_SIZE);
        message_put_head(&head, KEEPER_RELEASE, (uint16_t)flight->count, flight->id);
        enum err err = client_send(client, flight->message, flight->len);
        if (err != ERR_OK) {
            /* A lost keeper shows at the next receive, outside of the caller's own work. */
            client->blocked = client->waiting = err == ERR_BUSY;
            return;
        }
        flight->sent = true;
        if (i + 1 == client->count)
            client->filling = false;
    }
}

static void whole_message_failed(struct keeper_client *client, struct flight *flight, enum err err)
{
    while (flight->first != NULL)
        answer_one(client, flight, err, bytes_of(NULL, 0));
}

/* The answer to the oldest message: the keeper answers releases in order. */
static enum err take_release(struct keeper_client *client, const struct keeper_head_fields *head,
                             struct reader *r)
{
    struct flight *flight = flight_at(client, 0);
    if (client->count == 0 || flight->id != head->id || !flight->sent)
        return ERR_KEEPER_GONE;
    if (head->count != ERR_OK) {
        whole_message_failed(client, flight,
                             head->count < ERR_COUNT ? (enum err)head->count : ERR_INTERNAL);
    } else {
        for (unsigned i = 0; i < flight->count; i++) {
            uint16_t err = reader_u16(r);
            struct bytes key = reader_bytes(r, reader_u8(r));
            if (r->err != ERR_OK)
                return ERR_KEEPER_GONE;
            answer_one(client, flight, err < ERR_COUNT ? (enum err)err : ERR_INTERNAL, key);
        }
        if (reader_end(r) != ERR_OK)
            return ERR_KEEPER_GONE;
    }
    client->oldest = (client->oldest + 1) % FLIGHTS_MAX;
    client->count--;
    return ERR_OK;
}

static enum err take_one(struct keeper_client *client, struct bytes message)
{
    struct reader r = reader_of(message);
    struct keeper_head_fields head = message_get_head(&r);
    if (r.err != ERR_OK)
        return ERR_KEEPER_GONE;
    if (head.verb == (KEEPER_RELEASE | KEEPER_ANSWER))
        return take_release(client, &head, &r);
    client_calls_answer(client, head.id, message);
    return ERR_OK;
}

static enum err take_bundle(struct keeper_client *client, struct bytes packet)
{
    struct reader r = reader_of(packet);
    unsigned count = message_get_head(&r).count;
    for (unsigned i = 0; i < count; i++) {
        struct bytes message = bundle_next(&r);
        if (r.err != ERR_OK)
            return ERR_KEEPER_GONE;
        TRY(take_one(client, message));
    }
    return reader_end(&r) == ERR_OK ? ERR_OK : ERR_KEEPER_GONE;
}

enum err client_receive_one(struct keeper_client *client)
{
    ssize_t got = recv(client->fd, client->in, KEEPER_MESSAGE_MAX, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return ERR_BUSY;
    if (got <= 0 || got > KEEPER_MESSAGE_MAX)
        return ERR_KEEPER_GONE;
    client->in_len = (size_t)got;
    struct bytes packet = bytes_of(client->in, client->in_len);
    enum err err = bundle_is(packet, KEEPER_BUNDLE | KEEPER_ANSWER) ? take_bundle(client, packet)
                                                                    : take_one(client, packet);
    explicit_bzero(client->in, client->in_len);
    return err;
}

enum err keeper_client_receive(struct keeper_client *client)
{
    enum err err = client->gone ? ERR_KEEPER_GONE : ERR_OK;
    while (err == ERR_OK)
        err = client_receive_one(client);
    if (err != ERR_BUSY) {
        client_fail_all(client, ERR_KEEPER_GONE);
        return ERR_KEEPER_GONE;
    }
    if (client->waiting)
        keeper_client_flush(client);
    return ERR_OK;
}
