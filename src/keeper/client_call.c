#include "keeper/client_call.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "keeper/client_private.h"

void client_calls_init(struct keeper_client *client)
{
    client->backlog_last = &client->backlog;
    client->slow_last = &client->slow_backlog;
    client->packets_last = &client->packets;
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        client->free_slots[client->free_count++] = (uint16_t)(SLOTS_MAX - 1 - i);
}

static void packet_free(struct keeper_client *client, struct packet *packet)
{
    explicit_bzero(packet->data, packet->len);
    if (client->spare == NULL)
        client->spare = packet;
    else
        free(packet);
}

static void packets_drop(struct keeper_client *client)
{
    while (client->packets != NULL) {
        struct packet *packet = client->packets;
        client->packets = packet->next;
        packet_free(client, packet);
    }
    client->packets_last = &client->packets;
    client->tail = NULL;
}

void client_calls_free(struct keeper_client *client)
{
    packets_drop(client);
    free(client->spare);
    client->spare = NULL;
}

/* A packet at the end of the list. */
static struct packet *packet_open(struct keeper_client *client)
{
    struct packet *packet = client->spare;
    client->spare = NULL;
    if (packet == NULL)
        packet = malloc(sizeof *packet);
    if (packet == NULL)
        return NULL;
    packet->next = NULL;
    packet->len = KEEPER_HEAD_SIZE;
    packet->count = 0;
    *client->packets_last = packet;
    client->packets_last = &packet->next;
    client->tail = packet;
    return packet;
}

/* With its head by now. */
static enum err packet_add(struct keeper_client *client, struct bytes message)
{
    struct packet *packet = client->tail;
    bool alone = message.len > BUNDLE_MESSAGE_MAX;
    if (packet == NULL || alone || packet->count == 0 || packet->count == KEEPER_BUNDLE_MAX ||
        packet->len + BUNDLE_MESSAGE_HEAD + message.len > KEEPER_MESSAGE_MAX)
        packet = packet_open(client);
    if (packet == NULL)
        return ERR_NO_MEMORY;
    if (alone) {
        memcpy(packet->data, message.data, message.len);
        packet->len = message.len;
        return ERR_OK;
    }
    be32_store(packet->data + packet->len, (uint32_t)message.len);
    memcpy(packet->data + packet->len + BUNDLE_MESSAGE_HEAD, message.data, message.len);
    packet->len += BUNDLE_MESSAGE_HEAD + message.len;
    packet->count++;
    return ERR_OK;
}

enum err client_calls_flush(struct keeper_client *client)
{
    while (client->packets != NULL) {
        struct packet *packet = client->packets;
        if (packet->count != 0) {
            struct writer head = writer_of(packet->data, KEEPER_HEAD_SIZE);
            message_put_head(&head, KEEPER_BUNDLE, (uint16_t)packet->count, 0);
        }
        enum err err = client_send(client, packet->data, packet->len);
        if (err == ERR_BUSY)
            return ERR_BUSY;
        /* A lost keeper shows at the next receive, outside of the caller's own work. */
        client->packets = packet->next;
        if (client->packets == NULL) {
            client->packets_last = &client->packets;
            client->tail = NULL;
        }
        packet_free(client, packet);
    }
    return ERR_OK;
}

static enum err slot_take(struct keeper_client *client, struct client_call *call)
{
    if (client->free_count == 0)
        return ERR_BUSY;
    unsigned slot = client->free_slots[--client->free_count];
    client->slots[slot] = call;
    call->id = client_next_id(client, slot);
    if (call->fiber != NULL) {
        client->calls++;
        client->slow += call->slow;
    }
    return ERR_OK;
}

static void slot_give(struct keeper_client *client, struct client_call *call)
{
    if (call->id == 0)
        return;
    unsigned slot = call->id & NO_SLOT;
    client->slots[slot] = NULL;
    client->free_slots[client->free_count++] = (uint16_t)slot;
    call->id = 0;
    if (call->fiber != NULL) {
        client->calls--;
        client->slow -= call->slow;
    }
}

/* It may go on; its memory is its own. */
static void finish(struct client_call *call, enum err err)
{
    call->err = err;
    call->done = true;
    if (call->fiber != NULL)
        fiber_wake(call->fiber);
}

static void put_head(const struct client_call *call, uint8_t *at)
{
    struct writer head = writer_of(at, KEEPER_HEAD_SIZE);
    message_put_head(&head, call->verb, call->count, call->id);
}

static void request_free(struct client_call *call)
{
    if (call->request.data == NULL)
        return;
    uint8_t *request = (uint8_t *)(uintptr_t)call->request.data;
    explicit_bzero(request, call->request.len);
    free(request);
    call->request = bytes_of(NULL, 0);
}

static bool must_wait(const struct keeper_client *client, const struct client_call *call)
{
    return client->calls >= KEEPER_CALLS_MAX || (call->slow && client->slow >= SLOW_MAX);
}

/* Those that waited, in their order, as far as there is room. */
static void backlog_run(struct keeper_client *client, struct client_call **first,
                        struct client_call ***last)
{
    while (*first != NULL && !must_wait(client, *first)) {
        struct client_call *call = *first;
        *first = call->next;
        if (*first == NULL)
            *last = first;
        enum err err = slot_take(client, call);
        if (err == ERR_OK) {
            put_head(call, (uint8_t *)(uintptr_t)call->request.data);
            err = packet_add(client, call->request);
            client->waiting = true;
        }
        request_free(call);
        if (err != ERR_OK) {
            slot_give(client, call);
            finish(call, err);
        }
    }
}

void client_calls_answer(struct keeper_client *client, uint64_t id, struct bytes answer)
{
    unsigned slot = id & NO_SLOT;
    struct client_call *call = slot < SLOTS_MAX ? client->slots[slot] : NULL;
    if (call == NULL || call->id != id)
        return;
    slot_give(client, call);
    enum err err = ERR_OK;
    call->answer = answer.len <= sizeof call->small ? call->small : malloc(answer.len);
    if (call->answer != NULL) {
        memcpy(call->answer, answer.data, answer.len);
        call->answer_len = answer.len;
    } else {
        err = ERR_NO_MEMORY;
    }
    finish(call, err);
    backlog_run(client, &client->slow_backlog, &client->slow_last);
    backlog_run(client, &client->backlog, &client->backlog_last);
}

static void backlog_fail(struct client_call **first, struct client_call ***last, enum err err)
{
    while (*first != NULL) {
        struct client_call *call = *first;
        *first = call->next;
        request_free(call);
        finish(call, err);
    }
    *last = first;
}

void client_calls_fail(struct keeper_client *client, enum err err)
{
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        struct client_call *call = client->slots[i];
        if (call == NULL)
            continue;
        slot_give(client, call);
        finish(call, err);
    }
    backlog_fail(&client->slow_backlog, &client->slow_last, err);
    backlog_fail(&client->backlog, &client->backlog_last, err);
    packets_drop(client);
}

void client_call_begin(struct client_call *call, struct keeper_client *client, uint8_t verb)
{
    call->client = client;
    call->verb = verb;
    call->out = writer_of(client->out, KEEPER_MESSAGE_MAX);
    (void)writer_reserve(&call->out, KEEPER_HEAD_SIZE);
}

void client_call_actor(struct client_call *call, const char *actor)
{
    struct bytes text = bytes_str(actor);
    if (!message_actor_ok(text))
        call->out.err = ERR_ARGUMENT;
    else
        message_put_actor(&call->out, text);
}

static enum err wait_for(struct keeper_client *client, short events, uint64_t until_ns)
{
    uint64_t now = clock_mono_ns();
    if (now >= until_ns)
        return ERR_TIMEOUT;
    struct pollfd fd = {.fd = client->fd, .events = events};
    int ready = poll(&fd, 1, (int)((until_ns - now) / 1000000) + 1);
    return ready < 0 && errno != EINTR ? ERR_IO : ERR_OK;
}

/* On a plain thread: at once, in a message of its own. */
static enum err exchange(struct client_call *call)
{
    struct keeper_client *client = call->client;
    uint64_t until = clock_mono_ns() + (uint64_t)client->timeout_ms * 1000000;
    enum err err;
    while ((err = client_send(client, client->out, call->out.len)) == ERR_BUSY)
        TRY(wait_for(client, POLLOUT, until));
    TRY(err);
    while (!call->done) {
        err = client_receive_one(client);
        if (err == ERR_BUSY)
            err = wait_for(client, POLLIN, until);
        TRY(err);
    }
    return call->err;
}

static enum err run_blocking(struct client_call *call)
{
    struct keeper_client *client = call->client;
    enum err err = slot_take(client, call);
    if (err == ERR_OK) {
        put_head(call, client->out);
        err = exchange(call);
        slot_give(client, call);
    }
    if (call->secret)
        explicit_bzero(client->out, call->out.len);
    if (err == ERR_KEEPER_GONE && !client->gone)
        client_fail_all(client, ERR_KEEPER_GONE);
    return err;
}

static enum err backlog_add(struct keeper_client *client, struct client_call *call)
{
    uint8_t *copy = malloc(call->out.len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    memcpy(copy, client->out, call->out.len);
    call->request = bytes_of(copy, call->out.len);
    call->next = NULL;
    struct client_call ***last = call->slow ? &client->slow_last : &client->backlog_last;
    **last = call;
    *last = &call->next;
    return ERR_OK;
}

/* Into the bundle that leaves at the end of the loop's iteration; others run meanwhile. */
static enum err run_in_fiber(struct client_call *call)
{
    struct keeper_client *client = call->client;
    enum err err;
    if (must_wait(client, call)) {
        err = backlog_add(client, call);
    } else {
        err = slot_take(client, call);
        if (err == ERR_OK) {
            put_head(call, client->out);
            err = packet_add(client, writer_view(&call->out));
        }
        if (err != ERR_OK)
            slot_give(client, call);
    }
    if (call->secret)
        explicit_bzero(client->out, call->out.len);
    TRY(err);
    while (!call->done)
        fiber_pause();
    return call->err;
}

static enum err refusal(struct client_call *call, uint16_t code, struct err_detail *detail)
{
    enum err err = code < ERR_COUNT ? (enum err)code : ERR_INTERNAL;
    uint32_t ckr = reader_u32(&call->in);
    struct bytes text = reader_bytes16(&call->in);
    if (reader_end(&call->in) != ERR_OK)
        return ERR_INTERNAL;
    if (detail != NULL) {
        (void)err_set(detail, err, "%.*s", (int)text.len, (const char *)text.data);
        detail->ckr = ckr;
    }
    return err;
}

enum err client_call_run(struct client_call *call, struct err_detail *detail)
{
    struct keeper_client *client = call->client;
    enum err err = client->gone ? ERR_KEEPER_GONE : writer_status(&call->out);
    if (err != ERR_OK) {
        if (call->secret)
            explicit_bzero(client->out, call->out.len);
        return err;
    }
    call->fiber = fiber_current();
    TRY(call->fiber != NULL ? run_in_fiber(call) : run_blocking(call));
    call->in = reader_of(bytes_of(call->answer, call->answer_len));
    struct keeper_head_fields got = message_get_head(&call->in);
    if (got.verb != (call->verb | KEEPER_ANSWER))
        return ERR_INTERNAL;
    return got.count == ERR_OK ? ERR_OK : refusal(call, got.count, detail);
}

void client_call_done(struct client_call *call)
{
    if (call->answer == NULL)
        return;
    explicit_bzero(call->answer, call->answer_len);
    if (call->answer != call->small)
        free(call->answer);
    call->answer = NULL;
    call->answer_len = 0;
}

enum err client_call_end(struct client_call *call)
{
    enum err err = reader_end(&call->in);
    client_call_done(call);
    return err == ERR_OK ? ERR_OK : ERR_INTERNAL;
}

enum err client_call_run_empty(struct client_call *call, struct err_detail *detail)
{
    TRY(client_call_run(call, detail));
    return client_call_end(call);
}
