#include "programs/claviger-sim/node_radio.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"

#define AGAIN_MS 5000 /* a node that joined says so again */
#define RETRY_MS 1000

struct radio {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    struct radio_node *nodes;
    struct join_client client;
    radio_said_fn *said;
    void *ctx;
};

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* The node whose turn is next; with the lock. */
static struct radio_node *next_node(struct radio *radio)
{
    struct radio_node *next = NULL;
    for (struct radio_node *at = radio->nodes; at != NULL; at = at->next) {
        if (at->wanted && (next == NULL || at->due_ms < next->due_ms))
            next = at;
    }
    return next;
}

static void wait_for_change(struct radio *radio, uint64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&radio->changed, &radio->lock, &until);
}

/* With the lock, which is free while the gateway is spoken with. */
static void join_one(struct radio *radio, struct radio_node *node)
{
    AUTO(secret_block32_wipe) struct secret_block32 key;
    enum join_outcome outcome = JOIN_VIOLATION;
    uint64_t id = node->node_id;
    memcpy(key.data, node->key, JOIN_KEY);
    (void)pthread_mutex_unlock(&radio->lock);
    enum err err = join_client_run(&radio->client, id, key.data, &outcome, NULL);
    (void)pthread_mutex_lock(&radio->lock);
    bool same = secret_equal(bytes_of(node->key, JOIN_KEY), bytes_of(key.data, JOIN_KEY));
    if (!same || node->join == NODE_NOT_JOINED) {
        /* It has another key by now, or its state was cleared meanwhile. */
        node->join = NODE_JOINING;
        node->due_ms = now_ms();
        return;
    }
    bool joined = err == ERR_OK && outcome == JOIN_JOINED;
    bool refused = err == ERR_OK && (outcome == JOIN_REFUSED || outcome == JOIN_FALSE_PEER);
    enum node_join join = joined ? NODE_JOINED : refused ? NODE_JOIN_REFUSED : NODE_JOINING;
    node->due_ms = now_ms() + (joined ? AGAIN_MS : RETRY_MS);
    if (join != node->join && radio->said != NULL)
        radio->said(radio->ctx, id, join);
    node->join = join;
}

static void *run(void *arg)
{
    struct radio *radio = arg;
    (void)pthread_mutex_lock(&radio->lock);
    while (!radio->stop) {
        struct radio_node *node = next_node(radio);
        uint64_t now = now_ms();
        if (node != NULL && node->due_ms <= now) {
            if (node->join == NODE_NOT_JOINED)
                node->join = NODE_JOINING;
            join_one(radio, node);
        } else {
            wait_for_change(radio, node == NULL ? AGAIN_MS : node->due_ms - now);
        }
    }
    (void)pthread_mutex_unlock(&radio->lock);
    return NULL;
}

enum err radio_new(const char *host, uint16_t port, radio_said_fn *said, void *ctx,
                   struct radio **ret_radio)
{
    pthread_condattr_t attr;
    struct radio *radio = calloc(1, sizeof *radio);
    if (radio == NULL)
        return ERR_NO_MEMORY;
    (void)snprintf(radio->client.host, sizeof radio->client.host, "%s", host);
    radio->client.port = port;
    radio->client.fd = -1;
    radio->said = said;
    radio->ctx = ctx;
    (void)pthread_mutex_init(&radio->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&radio->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (pthread_create(&radio->thread, NULL, run, radio) != 0) {
        free(radio);
        return ERR_NO_MEMORY;
    }
    *ret_radio = radio;
    return ERR_OK;
}

void radio_free(struct radio *radio)
{
    if (radio == NULL)
        return;
    (void)pthread_mutex_lock(&radio->lock);
    radio->stop = true;
    (void)pthread_cond_signal(&radio->changed);
    (void)pthread_mutex_unlock(&radio->lock);
    (void)pthread_join(radio->thread, NULL);
    for (struct radio_node *at = radio->nodes; at != NULL; at = at->next)
        explicit_bzero(at->key, sizeof at->key);
    file_closep(&radio->client.fd);
    free(radio);
}

void radio_on(struct radio *radio, struct radio_node *node, const uint8_t key[JOIN_KEY])
{
    bool known = false;
    (void)pthread_mutex_lock(&radio->lock);
    for (struct radio_node *at = radio->nodes; at != NULL; at = at->next)
        known = known || at == node;
    if (!known) {
        node->next = radio->nodes;
        radio->nodes = node;
    }
    memcpy(node->key, key, JOIN_KEY);
    node->wanted = true;
    node->join = NODE_NOT_JOINED;
    node->due_ms = now_ms();
    (void)pthread_cond_signal(&radio->changed);
    (void)pthread_mutex_unlock(&radio->lock);
}

void radio_clear(struct radio *radio, struct radio_node *node)
{
    (void)pthread_mutex_lock(&radio->lock);
    node->join = NODE_NOT_JOINED;
    node->due_ms = now_ms() + RETRY_MS;
    (void)pthread_mutex_unlock(&radio->lock);
}

enum node_join radio_state(struct radio *radio, struct radio_node *node)
{
    (void)pthread_mutex_lock(&radio->lock);
    enum node_join join = node->join;
    (void)pthread_mutex_unlock(&radio->lock);
    return join;
}
