#include <stdlib.h>

#include "diameter/keyapp.h"
#include "diameter/peer.h"
#include "fuzz/target.h"

/* A conversation: the first byte says how the machine is set up, the rest is the stream that the
 * peer sends. Requests go to the key application, whose keeper answers at once or later. */

#define SECURE    1
#define CAN_TLS   2
#define INITIATOR 4
#define REFUSE    8
#define LATE      16
#define SECRET    32

static unsigned setup;
static struct keeper_release *queued[64];
static unsigned queued_len;
static struct keyapp_request *verifying[64];
static unsigned verifying_len;
static uint8_t room[2 * DIAMETER_MESSAGE_MAX];

static enum err op_peer(void *ctx, struct bytes host, struct keyapp_peer *ret_peer)
{
    (void)ctx;
    (void)host;
    *ret_peer = (struct keyapp_peer){.has_secret = (setup & SECRET) != 0};
    return ERR_OK;
}

static enum err op_find(void *ctx, struct bytes host, const struct keyapp_ask *ask, unsigned which,
                        struct fleet_found *ret_found)
{
    (void)ctx;
    (void)host;
    if (ask->node && (ask->id & 1) != 0)
        return ERR_NOT_FOUND;
    *ret_found = (struct fleet_found){
        .version = 1, .key_len = which == 0 && !ask->node ? 24 : 16, .sealed_len = 47};
    return ERR_OK;
}

static enum err op_release(void *ctx, struct keeper_release *release, struct bytes actor,
                           struct bytes sealed)
{
    (void)ctx;
    (void)actor;
    (void)sealed;
    if (queued_len == ARRAY_LEN(queued))
        return ERR_BUSY;
    queued[queued_len++] = release;
    return ERR_OK;
}

static enum err op_verify(void *ctx, struct keyapp_request *request, struct bytes host,
                          struct bytes input, struct bytes mac)
{
    (void)ctx;
    (void)host;
    if (verifying_len == ARRAY_LEN(verifying))
        return ERR_BUSY;
    if (input.len == 0 || mac.len != 16 || mac.data[15] + input.data[input.len - 1] > 510)
        abort();
    verifying[verifying_len++] = request;
    return ERR_OK;
}

static void op_refused(void *ctx, const struct keyapp_link *link, struct bytes user,
                       uint32_t result, const char *why)
{
    (void)ctx;
    (void)link;
    if (user.len == 0 || result < 3000 || why == NULL)
        abort();
}

static void op_ready(void *ctx, struct keyapp_request *request)
{
    (void)ctx;
    struct diameter_header h;
    size_t max = keyapp_answer_max(request);
    if (max > sizeof room)
        abort();
    struct writer out = writer_of(room, max);
    keyapp_answer(request, &out);
    if (writer_status(&out) != ERR_OK || diameter_header_read(writer_view(&out), &h) != ERR_OK)
        abort();
    keyapp_request_free(request);
}

static const struct keyapp_ops ops = {.peer = op_peer,
                                      .find = op_find,
                                      .release = op_release,
                                      .verify = op_verify,
                                      .refused = op_refused,
                                      .ready = op_ready};

static void settle(void)
{
    static const uint8_t key[24];
    while (verifying_len != 0)
        keyapp_verified(verifying[--verifying_len], (setup & REFUSE) != 0 ? ERR_SIGNATURE : ERR_OK);
    while (queued_len != 0) {
        struct keeper_release *release = queued[--queued_len];
        release->done(release, ERR_OK, bytes_of(key, release == queued[0] ? 16 : 24));
    }
}

static void talk(struct keyapp *app, struct diameter_peer *peer, struct bytes stream)
{
    static struct diameter_message message;
    struct keyapp_link link = {.host = peer->host, .actor = bytes_str("fuzz")};
    uint64_t now = 1000;
    size_t need = 0;
    while (stream.len != 0 && diameter_frame_len(stream.data, stream.len, &need) == ERR_OK &&
           need <= stream.len && need >= DIAMETER_HEADER_LEN && need <= DIAMETER_MESSAGE_MAX) {
        struct bytes frame = bytes_of(stream.data, need);
        struct writer out = writer_of(room, need + DIAMETER_ANSWER_EXTRA);
        enum diameter_event event = diameter_peer_frame(peer, frame, now, &message, &out);
        if (event == DIAMETER_EVENT_ADMIT)
            event = diameter_peer_admit(
                peer, (setup & REFUSE) != 0 ? DIAMETER_UNKNOWN_PEER : DIAMETER_SUCCESS, "no", now,
                &message, &out);
        if (event == DIAMETER_EVENT_SECURE)
            event = diameter_peer_secured(peer, true, now);
        if (event == DIAMETER_EVENT_REQUEST)
            (void)keyapp_request(app, &link, frame, &message, &out);
        if (writer_status(&out) != ERR_OK)
            abort();
        if ((setup & LATE) == 0)
            settle();
        now += 9000;
        out = writer_of(room, sizeof room);
        (void)diameter_peer_tick(peer, now, &out);
        stream = bytes_of(stream.data + need, stream.len - need);
    }
    settle();
    struct writer out = writer_of(room, sizeof room);
    (void)diameter_peer_disconnect(peer, DIAMETER_DISCONNECT_BUSY, now, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    setup = data[0];
    struct diameter_node *node = NULL;
    struct keyapp *app = NULL;
    struct diameter_peer peer;
    struct diameter_properties props = {.uri = {.host = "127.0.0.1"},
                                        .realm = "test",
                                        .product_name = "fuzz",
                                        .inband_tls = (setup & CAN_TLS) != 0,
                                        .inband_plain = true,
                                        .watchdog_ms = 6000,
                                        .handshake_timeout_ms = 10000};
    struct keyapp_settings settings = {
        .origin_host = "127.0.0.1", .origin_realm = "test", .queue_max = 32};
    if (diameter_node_new(&props, 1, true, &node) != ERR_OK ||
        keyapp_new(&(struct keyapp_config){.ops = &ops}, &app) != ERR_OK ||
        keyapp_configure(app, &settings) != ERR_OK)
        abort();
    diameter_peer_init(&peer, node, (setup & INITIATOR) == 0, (setup & SECURE) != 0, 1, 0);
    talk(app, &peer, bytes_of(data + 1, size - 1));
    if (keyapp_outstanding(app) != 0)
        abort();
    keyapp_free(app);
    diameter_peer_done(&peer);
    diameter_node_unref(node);
    return 0;
}
