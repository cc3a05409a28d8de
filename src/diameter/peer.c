#include "diameter/peer.h"

#include <stdio.h>

#include "diameter/capabilities.h"

#define JITTER_MS    2000u /* RFC 3539, 3.4.1 */
#define PROBE_MS     6000u
#define GOODBYE_MS   5000u
#define MISSED_LIMIT 2u

static uint32_t next_noise(struct diameter_peer *peer)
{
    uint32_t x = peer->noise;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    peer->noise = x;
    return x;
}

static void set_timer(struct diameter_peer *peer, uint64_t now_ms, uint32_t ms)
{
    peer->base_ms = now_ms;
    peer->timer_ms = ms;
}

static void set_watchdog(struct diameter_peer *peer, uint64_t now_ms)
{
    uint32_t tw = peer->node->watchdog_ms;
    uint32_t jitter = JITTER_MS < tw / 2 ? JITTER_MS : tw / 2;
    set_timer(peer, now_ms, tw - jitter + next_noise(peer) % (2 * jitter + 1));
}

static enum diameter_event end(struct diameter_peer *peer, enum diameter_event event,
                               const char *why)
{
    peer->state = DIAMETER_PEER_CLOSED;
    if (peer->why == NULL)
        peer->why = why;
    return event;
}

static enum diameter_event open_up(struct diameter_peer *peer, uint64_t now_ms)
{
    peer->state = DIAMETER_PEER_OPEN;
    peer->missed = 0;
    set_watchdog(peer, now_ms);
    return DIAMETER_EVENT_OPEN;
}

void diameter_peer_init(struct diameter_peer *peer, struct diameter_node *node, bool responder,
                        bool secure, uint32_t noise, uint64_t now_ms)
{
    *peer = (struct diameter_peer){
        .node = diameter_node_ref(node),
        .state = responder ? DIAMETER_PEER_WAIT_CER : DIAMETER_PEER_WAIT_CEA,
        .responder = responder,
        .secure = secure,
        .noise = noise * 2654435761u | 1u,
    };
    peer->hop_by_hop = next_noise(peer);
    /* RFC 6733, 3: the high 12 bits of the first End-to-End Identifier come from the time. */
    peer->end_to_end = (uint32_t)(now_ms / 1000) << 20 | (next_noise(peer) & 0xfffff);
    set_timer(peer, now_ms, node->handshake_ms);
}

void diameter_peer_done(struct diameter_peer *peer)
{
    diameter_node_unref(peer->node);
    peer->node = NULL;
}

uint32_t diameter_peer_next_hop(struct diameter_peer *peer)
{
    return peer->hop_by_hop++;
}

uint32_t diameter_peer_next_end(struct diameter_peer *peer)
{
    return peer->end_to_end++;
}

static size_t begin_request(struct diameter_peer *peer, struct writer *out, uint32_t command)
{
    size_t begin = diameter_begin(out, DIAMETER_FLAG_R, command, DIAMETER_APP_BASE,
                                  diameter_peer_next_hop(peer), diameter_peer_next_end(peer));
    if (command != DIAMETER_CE) {
        avp_put_str(out, AVP_ORIGIN_HOST, peer->node->host);
        avp_put_str(out, AVP_ORIGIN_REALM, peer->node->realm);
    }
    return begin;
}

void diameter_peer_start(struct diameter_peer *peer, uint64_t now_ms, struct writer *out)
{
    size_t begin = begin_request(peer, out, DIAMETER_CE);
    diameter_put_capabilities(out, peer->node, true, !peer->secure && peer->node->inband_tls);
    diameter_end(out, begin);
    set_timer(peer, now_ms, peer->node->handshake_ms);
}

static void put_watchdog(struct diameter_peer *peer, struct writer *out)
{
    size_t begin = begin_request(peer, out, DIAMETER_DW);
    if (peer->node->state_id != 0)
        avp_put_u32(out, AVP_ORIGIN_STATE_ID, peer->node->state_id);
    diameter_end(out, begin);
}

static void put_fault(const struct diameter_peer *peer, const struct diameter_message *request,
                      const struct diameter_fault *fault, struct writer *out)
{
    diameter_put_error(out, request, fault, bytes_str(peer->node->host),
                       bytes_str(peer->node->realm));
}

static void put_error(const struct diameter_peer *peer, const struct diameter_message *request,
                      uint32_t result, const char *text, struct writer *out)
{
    put_fault(peer, request, &(struct diameter_fault){.result = result, .text = text}, out);
}

static void put_success(const struct diameter_peer *peer, const struct diameter_header *request,
                        struct writer *out)
{
    size_t begin = diameter_begin_answer(out, request, false);
    avp_put_u32(out, AVP_RESULT_CODE, DIAMETER_SUCCESS);
    avp_put_str(out, AVP_ORIGIN_HOST, peer->node->host);
    avp_put_str(out, AVP_ORIGIN_REALM, peer->node->realm);
    if (request->command == DIAMETER_DW && peer->node->state_id != 0)
        avp_put_u32(out, AVP_ORIGIN_STATE_ID, peer->node->state_id);
    diameter_end(out, begin);
}

static void put_cea(const struct diameter_peer *peer, const struct diameter_message *request,
                    const struct diameter_fault *fault, struct writer *out)
{
    if (diameter_is_protocol_error(fault->result)) {
        put_fault(peer, request, fault, out);
        return;
    }
    size_t begin = diameter_begin_answer(out, &request->header, false);
    avp_put_u32(out, AVP_RESULT_CODE, fault->result);
    diameter_put_capabilities(out, peer->node, false, peer->to_secure);
    diameter_put_fault(out, fault);
    diameter_end(out, begin);
}

static void take_name(char to[DIAMETER_NAME_MAX], struct bytes name)
{
    /* A checked DiameterIdentity has at most 255 bytes and no NUL. */
    memcpy(to, name.data, name.len);
    to[name.len] = '\0';
}

static void take_identity(struct diameter_peer *peer, const struct diameter_message *m)
{
    take_name(peer->host, m->avp[AVP_ORIGIN_HOST]);
    take_name(peer->realm, m->avp[AVP_ORIGIN_REALM]);
    if (diameter_has(m, AVP_ORIGIN_STATE_ID))
        peer->state_id = avp_u32(m->avp[AVP_ORIGIN_STATE_ID]);
}

static enum diameter_event refuse_cer(struct diameter_peer *peer,
                                      const struct diameter_message *request,
                                      const struct diameter_fault *fault, struct writer *out)
{
    peer->to_secure = false;
    peer->result = fault->result;
    put_cea(peer, request, fault, out);
    return end(peer, DIAMETER_EVENT_CLOSE, fault->text != NULL ? fault->text : "refused");
}

/* RFC 6733, 6.10 and 13.1. TLS wherever both can; false where there is nothing in common. */
static bool choose_security(struct diameter_peer *peer, const struct diameter_message *m)
{
    if (peer->secure)
        return true;
    bool plain = false;
    bool tls = false;
    diameter_offered_security(m, &plain, &tls);
    peer->to_secure = tls && peer->node->inband_tls;
    return peer->to_secure || (plain && peer->node->inband_plain);
}

static enum diameter_event on_cer(struct diameter_peer *peer, struct bytes frame,
                                  struct diameter_message *m, struct writer *out)
{
    struct diameter_fault fault = {0};
    struct diameter_header header = m->header;
    if (!diameter_message_read(frame, &header, GRAMMAR_CER, m, &fault)) {
        diameter_message_scan(frame, m);
        return refuse_cer(peer, m, &fault, out);
    }
    take_identity(peer, m);
    if (!diameter_common_application(peer->node, m)) {
        fault.result = DIAMETER_NO_COMMON_APPLICATION;
        fault.text = "no common application";
    } else if (!choose_security(peer, m)) {
        fault.result = DIAMETER_NO_COMMON_SECURITY;
        fault.text = "no common security";
    }
    if (fault.result != 0)
        return refuse_cer(peer, m, &fault, out);
    peer->state = DIAMETER_PEER_WAIT_ADMIT;
    return DIAMETER_EVENT_ADMIT;
}

enum diameter_event diameter_peer_admit(struct diameter_peer *peer, uint32_t result,
                                        const char *text, uint64_t now_ms,
                                        const struct diameter_message *message, struct writer *out)
{
    struct diameter_fault fault = {.result = result, .text = text};
    if (result != DIAMETER_SUCCESS)
        return refuse_cer(peer, message, &fault, out);
    peer->result = result;
    put_cea(peer, message, &fault, out);
    if (!peer->to_secure)
        return open_up(peer, now_ms);
    peer->state = DIAMETER_PEER_WAIT_TLS;
    set_timer(peer, now_ms, peer->node->handshake_ms);
    return DIAMETER_EVENT_SECURE;
}

static enum diameter_event on_cea(struct diameter_peer *peer, struct bytes frame, uint64_t now_ms,
                                  struct diameter_message *m)
{
    struct diameter_fault fault = {0};
    struct diameter_header header = m->header;
    bool error = (header.flags & DIAMETER_FLAG_E) != 0;
    bool whole =
        diameter_message_read(frame, &header, error ? GRAMMAR_ANSWER : GRAMMAR_CEA, m, &fault);
    if (!whole)
        diameter_message_scan(frame, m);
    if (diameter_has(m, AVP_RESULT_CODE) && m->avp[AVP_RESULT_CODE].len == 4)
        peer->result = avp_u32(m->avp[AVP_RESULT_CODE]);
    if (peer->result != 0 && peer->result != DIAMETER_SUCCESS)
        return end(peer, DIAMETER_EVENT_ABORT, diameter_result_name(peer->result));
    if (!whole)
        return end(peer, DIAMETER_EVENT_ABORT, fault.text);
    take_identity(peer, m);
    if (!diameter_common_application(peer->node, m))
        return end(peer, DIAMETER_EVENT_ABORT, "no common application");
    if (!choose_security(peer, m))
        return end(peer, DIAMETER_EVENT_ABORT, "no common security");
    if (!peer->to_secure)
        return open_up(peer, now_ms);
    peer->state = DIAMETER_PEER_WAIT_TLS;
    set_timer(peer, now_ms, peer->node->handshake_ms);
    return DIAMETER_EVENT_SECURE;
}

enum diameter_event diameter_peer_secured(struct diameter_peer *peer, bool named, uint64_t now_ms)
{
    if (peer->state != DIAMETER_PEER_WAIT_TLS)
        return end(peer, DIAMETER_EVENT_ABORT, "TLS at the wrong time");
    if (!named)
        return end(peer, DIAMETER_EVENT_ABORT, "the certificate does not name the Origin-Host");
    peer->secure = true;
    peer->to_secure = false;
    return open_up(peer, now_ms);
}

/* Watchdog and goodbye of an open connection. */
static enum diameter_event on_base(struct diameter_peer *peer, struct bytes frame,
                                   struct diameter_message *m, struct writer *out)
{
    struct diameter_header header = m->header;
    struct diameter_fault fault = {0};
    enum diameter_grammar_id grammar = header.command == DIAMETER_DW ? GRAMMAR_DWR : GRAMMAR_DPR;
    if (!diameter_message_read(frame, &header, grammar, m, &fault)) {
        diameter_message_scan(frame, m);
        put_fault(peer, m, &fault, out);
        return DIAMETER_EVENT_NONE;
    }
    put_success(peer, &header, out);
    if (header.command == DIAMETER_DW)
        return DIAMETER_EVENT_NONE;
    return end(peer, DIAMETER_EVENT_CLOSE, "the peer disconnects");
}

static enum diameter_event on_request(struct diameter_peer *peer, struct bytes frame,
                                      struct diameter_message *m, struct writer *out)
{
    const struct diameter_header *h = &m->header;
    struct diameter_fault fault = {0};
    if (!diameter_header_check(h, &fault)) {
        diameter_message_scan(frame, m);
        put_fault(peer, m, &fault, out);
        return DIAMETER_EVENT_NONE;
    }
    bool base = h->application == DIAMETER_APP_BASE;
    if (base && (h->command == DIAMETER_DW || h->command == DIAMETER_DP))
        return on_base(peer, frame, m, out);
    if (h->application == DIAMETER_APP_MIP4 && diameter_node_serves(peer->node, h->application) &&
        (h->command == DIAMETER_AMR || h->command == DIAMETER_STR))
        return DIAMETER_EVENT_REQUEST;

    diameter_message_scan(frame, m);
    if (base && h->command == DIAMETER_CE)
        put_error(peer, m, DIAMETER_UNABLE_TO_COMPLY, "this connection is open already", out);
    else if (base || diameter_node_serves(peer->node, h->application))
        put_error(peer, m, DIAMETER_COMMAND_UNSUPPORTED, "unknown command", out);
    else
        put_error(peer, m, DIAMETER_APPLICATION_UNSUPPORTED, "unknown application", out);
    return DIAMETER_EVENT_NONE;
}

static enum diameter_event on_answer(struct diameter_peer *peer, const struct diameter_header *h)
{
    if (h->application != DIAMETER_APP_BASE)
        return peer->responder ? DIAMETER_EVENT_NONE : DIAMETER_EVENT_ANSWER;
    if (h->command == DIAMETER_DP && peer->state == DIAMETER_PEER_CLOSING)
        return end(peer, DIAMETER_EVENT_CLOSE, "disconnected");
    /* A DWA has done its work by coming. */
    return DIAMETER_EVENT_NONE;
}

enum diameter_event diameter_peer_frame(struct diameter_peer *peer, struct bytes frame,
                                        uint64_t now_ms, struct diameter_message *message,
                                        struct writer *out)
{
    struct diameter_header *h = &message->header;
    if (peer->state == DIAMETER_PEER_CLOSED)
        return DIAMETER_EVENT_NONE;
    if (diameter_header_read(frame, h) != ERR_OK)
        return end(peer, DIAMETER_EVENT_ABORT, "not a Diameter message");
    memset(message->count, 0, sizeof message->count);
    bool request = (h->flags & DIAMETER_FLAG_R) != 0;
    struct diameter_fault fault = {0};

    switch (peer->state) {
    case DIAMETER_PEER_WAIT_CER:
        /* RFC 6733, 5.6: whatever comes first and is no CER ends the connection. */
        if (!diameter_header_check(h, &fault) || !request || h->command != DIAMETER_CE ||
            h->application != DIAMETER_APP_BASE)
            return end(peer, DIAMETER_EVENT_ABORT, "the first message is not a CER");
        return on_cer(peer, frame, message, out);
    case DIAMETER_PEER_WAIT_CEA:
        if (!diameter_header_check(h, &fault) || request || h->command != DIAMETER_CE)
            return end(peer, DIAMETER_EVENT_ABORT, "the first message is not a CEA");
        return on_cea(peer, frame, now_ms, message);
    case DIAMETER_PEER_OPEN:
    case DIAMETER_PEER_CLOSING:
        if (peer->state == DIAMETER_PEER_OPEN) {
            /* RFC 3539, 3.4.1: any traffic is a sign of life. */
            peer->base_ms = now_ms;
            if (peer->missed != 0) {
                peer->missed = 0;
                set_watchdog(peer, now_ms);
            }
        }
        if (request)
            return on_request(peer, frame, message, out);
        if (!diameter_header_check(h, &fault))
            return DIAMETER_EVENT_NONE;
        return on_answer(peer, h);
    case DIAMETER_PEER_WAIT_ADMIT:
    case DIAMETER_PEER_WAIT_TLS:
    case DIAMETER_PEER_CLOSED: break;
    }
    return end(peer, DIAMETER_EVENT_ABORT, "a message in clear where TLS was to begin");
}

enum diameter_event diameter_peer_tick(struct diameter_peer *peer, uint64_t now_ms,
                                       struct writer *out)
{
    if (peer->state == DIAMETER_PEER_CLOSED || now_ms < peer->base_ms + peer->timer_ms)
        return DIAMETER_EVENT_NONE;
    switch (peer->state) {
    case DIAMETER_PEER_OPEN:
        if (peer->missed >= MISSED_LIMIT)
            return end(peer, DIAMETER_EVENT_ABORT, "no answer to two watchdog requests");
        peer->missed++;
        put_watchdog(peer, out);
        set_watchdog(peer, now_ms);
        return DIAMETER_EVENT_NONE;
    case DIAMETER_PEER_CLOSING: return end(peer, DIAMETER_EVENT_CLOSE, "no answer to the goodbye");
    case DIAMETER_PEER_WAIT_TLS: return end(peer, DIAMETER_EVENT_ABORT, "TLS takes too long");
    default: return end(peer, DIAMETER_EVENT_ABORT, "no capabilities exchange in time");
    }
}

void diameter_peer_probe(struct diameter_peer *peer, uint64_t now_ms, struct writer *out)
{
    if (peer->state != DIAMETER_PEER_OPEN || peer->missed >= MISSED_LIMIT)
        return;
    peer->missed = MISSED_LIMIT;
    put_watchdog(peer, out);
    set_timer(peer, now_ms, PROBE_MS);
}

enum diameter_event diameter_peer_disconnect(struct diameter_peer *peer,
                                             enum diameter_disconnect cause, uint64_t now_ms,
                                             struct writer *out)
{
    if (peer->state != DIAMETER_PEER_OPEN) {
        if (peer->state == DIAMETER_PEER_CLOSING || peer->state == DIAMETER_PEER_CLOSED)
            return DIAMETER_EVENT_NONE;
        return end(peer, DIAMETER_EVENT_ABORT, "ended before it was open");
    }
    size_t begin = begin_request(peer, out, DIAMETER_DP);
    avp_put_u32(out, AVP_DISCONNECT_CAUSE, (uint32_t)cause);
    diameter_end(out, begin);
    peer->state = DIAMETER_PEER_CLOSING;
    set_timer(peer, now_ms, GOODBYE_MS);
    return DIAMETER_EVENT_NONE;
}
