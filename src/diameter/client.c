#include "diameter/client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/random.h"
#include "diameter/amr.h"
#include "diameter/peer.h"
#include "net/conn.h"

#define OUT_MAX        (DIAMETER_MESSAGE_MAX + DIAMETER_ANSWER_EXTRA)
#define SECRET_LEN_MAX 64
#define REG_INPUT      24 /* time and random bytes: no two requests are alike */
#define GOODBYE_MS     1000u
#define HELD_WAIT_MS   1000u

struct diameter_client {
    struct net_loop *loop;
    struct net_timer *limit; /* of what is waited for */
    struct net_timer *tick;
    struct net_tls *tls; /* NULL: none */
    struct diameter_node *node;
    struct secret *secret; /* NULL: no authenticator */
    struct diameter_uri *servers;
    unsigned servers_len;
    unsigned connect_ms, answer_ms;
    size_t message_size;

    struct net_conn *conn; /* NULL: none */
    bool has_peer;
    struct diameter_peer peer;
    unsigned server; /* the one `conn` leads to */
    bool open;       /* capabilities were exchanged */
    bool timed_out;
    bool held;       /* a server has another connection of this Origin-Host (5012) */
    enum err failed; /* why the connection ended */
    struct err_detail why;

    uint64_t deadline_ms;           /* of the whole request */
    const struct diameter_ask *ask; /* under way */
    struct diameter_got *got;
    uint32_t hop_by_hop;
    bool answered;
    enum err answer; /* of ama_read */
    struct err_detail answer_detail;
    uint64_t sessions;
    struct diameter_message message; /* scratch, like `out` */
    uint8_t out[OUT_MAX];
};

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000u;
}

/* ---- the connection ---- */

static void forget_conn(struct diameter_client *client, enum err err, const char *text)
{
    client->conn = NULL;
    client->open = false;
    client->failed = err;
    (void)err_set(&client->why, err, "%s: %s", client->servers[client->server].host, text);
    net_loop_stop(client->loop);
}

/* A CEA without success: what the server says counts for more than what we make of it. */
static const char *refusal(struct diameter_client *client, char *text, size_t size)
{
    const uint32_t result = client->peer.result;
    char message[128] = "";
    if (diameter_has(&client->message, AVP_ERROR_MESSAGE))
        avp_text(client->message.avp[AVP_ERROR_MESSAGE], message, sizeof message);
    (void)snprintf(text, size, "%u %s%s%s", result, diameter_result_name(result),
                   message[0] != '\0' ? ": " : "", message);
    client->held = result == DIAMETER_UNABLE_TO_COMPLY;
    return text;
}

static void after(struct diameter_client *client, enum diameter_event event, struct bytes frame,
                  const struct writer *out)
{
    struct net_conn *conn = client->conn;
    char text[256];
    if (out->len != 0 &&
        (writer_status(out) != ERR_OK || net_conn_write(conn, writer_view(out)) != ERR_OK))
        event = DIAMETER_EVENT_ABORT;
    switch (event) {
    case DIAMETER_EVENT_SECURE:
        if (client->tls != NULL &&
            net_conn_starttls(conn, client->tls, client->peer.host) == ERR_OK)
            return;
        net_conn_abort(conn);
        forget_conn(client, ERR_TLS, "TLS can't begin");
        return;
    case DIAMETER_EVENT_OPEN:
        client->open = true;
        net_loop_stop(client->loop);
        return;
    case DIAMETER_EVENT_ANSWER:
        if (client->ask == NULL || client->message.header.hop_by_hop != client->hop_by_hop ||
            client->message.header.command != DIAMETER_AMR)
            return;
        client->answer =
            ama_read(frame, client->ask, &client->message, &client->answer_detail, client->got);
        client->answered = true;
        client->ask = NULL;
        net_loop_stop(client->loop);
        return;
    case DIAMETER_EVENT_CLOSE:
    case DIAMETER_EVENT_ABORT:
        if (event == DIAMETER_EVENT_CLOSE)
            net_conn_close(conn);
        else
            net_conn_abort(conn);
        if (client->peer.result > DIAMETER_SUCCESS)
            forget_conn(client, ERR_PEER, refusal(client, text, sizeof text));
        else
            forget_conn(client, ERR_CLOSED,
                        client->peer.why != NULL ? client->peer.why : "connection lost");
        return;
    default: return;
    }
}

static struct writer out_of(struct diameter_client *client)
{
    return writer_of(client->out, client->message_size + DIAMETER_ANSWER_EXTRA);
}

/* RFC 6733, 13.1: who is at the other end must be who the certificate names. */
static bool named(struct diameter_client *client)
{
    const struct net_peer_cert *cert = net_conn_peer_cert(client->conn);
    return cert != NULL && cert->verified && net_peer_cert_names(cert, client->peer.host);
}

static void on_open(struct net_conn *conn, void *ctx)
{
    struct diameter_client *client = ctx;
    if (conn != client->conn)
        return;
    diameter_peer_init(&client->peer, client->node, false, net_conn_is_tls(conn),
                       (uint32_t)clock_mono_ns(), now_ms());
    client->has_peer = true;
    struct writer out = out_of(client);
    diameter_peer_start(&client->peer, now_ms(), &out);
    after(client, DIAMETER_EVENT_NONE, bytes_of(NULL, 0), &out);
}

static void on_frame(struct net_conn *conn, void *ctx, struct bytes frame)
{
    struct diameter_client *client = ctx;
    if (conn != client->conn)
        return;
    struct writer out = out_of(client);
    enum diameter_event event =
        diameter_peer_frame(&client->peer, frame, now_ms(), &client->message, &out);
    if (event == DIAMETER_EVENT_OPEN && net_conn_is_tls(conn) && !named(client)) {
        client->peer.why = "the certificate does not name the server's Origin-Host";
        event = DIAMETER_EVENT_ABORT;
    }
    after(client, event, frame, &out);
}

static void on_secured(struct net_conn *conn, void *ctx)
{
    struct diameter_client *client = ctx;
    if (conn != client->conn)
        return;
    struct writer out = out_of(client);
    enum diameter_event event = diameter_peer_secured(&client->peer, named(client), now_ms());
    after(client, event, bytes_of(NULL, 0), &out);
}

static void on_close(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    struct diameter_client *client = ctx;
    if (conn != client->conn)
        return;
    enum err err = reason == NET_CLOSE_TLS       ? ERR_TLS
                   : reason == NET_CLOSE_TIMEOUT ? ERR_TIMEOUT
                                                 : ERR_CLOSED;
    forget_conn(client, err, detail->text[0] != '\0' ? detail->text : net_close_text(reason));
}

static const struct net_conn_ops client_ops = {
    .frame_len = diameter_frame_len,
    .on_frame = on_frame,
    .on_open = on_open,
    .on_secured = on_secured,
    .on_close = on_close,
};

static void on_limit(void *ctx)
{
    struct diameter_client *client = ctx;
    client->timed_out = true;
    net_loop_stop(client->loop);
}

static void on_tick(void *ctx)
{
    struct diameter_client *client = ctx;
    if (client->conn == NULL || !client->has_peer)
        return;
    struct writer out = out_of(client);
    enum diameter_event event = diameter_peer_tick(&client->peer, now_ms(), &out);
    after(client, event, bytes_of(NULL, 0), &out);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Until somebody stops the loop, or the time is over. */
static enum err wait(struct diameter_client *client, unsigned ms)
{
    client->timed_out = false;
    net_timer_set(client->limit, ms);
    net_timer_every(client->tick, 500);
    enum err err = net_loop_run(client->loop);
    net_timer_stop(client->limit);
    net_timer_stop(client->tick);
    return err;
}

static void drop_peer(struct diameter_client *client)
{
    if (client->has_peer)
        diameter_peer_done(&client->peer);
    client->has_peer = false;
    client->open = false;
}

static void drop_conn(struct diameter_client *client)
{
    if (client->conn != NULL)
        net_conn_abort(client->conn);
    client->conn = NULL;
    drop_peer(client);
}

static enum err connect_to(struct diameter_client *client, unsigned server,
                           struct err_detail *detail)
{
    const struct diameter_uri *uri = &client->servers[server];
    drop_conn(client);
    client->server = server;
    if (uri->tls && client->tls == NULL)
        return err_set(detail, ERR_CONFIG, "%s: aaas:// needs TLS.CaFile", uri->host);
    struct net_conn_setup setup = {
        .ops = &client_ops,
        .ctx = client,
        .limits = {.frame_max = client->message_size, .handshake_ms = client->connect_ms},
        .tls = uri->tls ? client->tls : NULL,
    };
    struct net_target target = {.host = uri->host, .port = uri->port};
    TRY(net_connect(client->loop, &target, &setup, &client->conn));
    uint64_t until = sooner(now_ms() + 3u * (uint64_t)client->connect_ms, client->deadline_ms);
    while (client->conn != NULL && !client->open && now_ms() < until) {
        TRY(wait(client, (unsigned)(until - now_ms())));
        if (client->timed_out)
            break;
    }
    if (client->open)
        return ERR_OK;
    if (client->conn == NULL) {
        drop_peer(client);
        return err_set(detail, client->failed, "%s", client->why.text);
    }
    drop_conn(client);
    return err_set(detail, ERR_TIMEOUT, "%s: no connection in time", uri->host);
}

/* ---- requests ---- */

static enum err write_request(struct diameter_client *client, const struct diameter_ask *ask)
{
    char session[DIAMETER_NAME_MAX + 64];
    uint8_t reg[REG_INPUT + AMR_AUTHENTICATOR];
    struct diameter_peer *peer = &client->peer;
    be64_store(reg, clock_now_us());
    TRY(random_bytes(reg + 8, REG_INPUT - 8));
    if (client->secret != NULL)
        TRY(amr_authenticator(secret_view(client->secret), bytes_of(reg, REG_INPUT),
                              reg + REG_INPUT));
    (void)snprintf(session, sizeof session, "%s;%u;%llu;kmc", client->node->host,
                   client->node->state_id, (unsigned long long)++client->sessions);
    client->hop_by_hop = diameter_peer_next_hop(peer);
    struct amr amr = {
        .ask = ask,
        .session_id = session,
        .origin_host = client->node->host,
        .origin_realm = client->node->realm,
        .destination_host = peer->host,
        .destination_realm = peer->realm,
        .state_id = client->node->state_id,
        .hop_by_hop = client->hop_by_hop,
        .end_to_end = diameter_peer_next_end(peer),
        .reg_request = bytes_of(reg, client->secret != NULL ? sizeof reg : REG_INPUT),
        .auth_input = client->secret != NULL ? REG_INPUT : 0,
    };
    struct writer out = out_of(client);
    amr_put(&amr, &out);
    TRY(writer_status(&out));
    return net_conn_write(client->conn, writer_view(&out));
}

static enum err ask_connected(struct diameter_client *client, const struct diameter_ask *ask,
                              struct err_detail *detail, struct diameter_got *got)
{
    client->answered = false;
    client->got = got;
    TRY(write_request(client, ask));
    client->ask = ask;
    uint64_t until = sooner(now_ms() + client->answer_ms, client->deadline_ms);
    enum err err = ERR_OK;
    while (err == ERR_OK && !client->answered && client->conn != NULL && now_ms() < until) {
        err = wait(client, (unsigned)(until - now_ms()));
        if (client->timed_out)
            break;
    }
    client->ask = NULL;
    client->got = NULL;
    TRY(err);
    if (client->answered) {
        if (detail != NULL)
            *detail = client->answer_detail;
        return client->answer;
    }
    if (client->conn == NULL)
        return err_set(detail, client->failed, "%s", client->why.text);
    return err_set(detail, ERR_TIMEOUT, "%s: no answer in time",
                   client->servers[client->server].host);
}

/* Another server may know better. */
static bool next_may_help(enum err err)
{
    return err == ERR_BUSY || err == ERR_TIMEOUT || err == ERR_CLOSED || err == ERR_TLS ||
           err == ERR_PEER || err == ERR_IO || err == ERR_NOT_FOUND || err == ERR_CONFIG;
}

/* Ask `count` servers from `first` on that are not connected, until one of them decides. What a
 * server answered says more than that another can't be reached. */
static enum err ask_others(struct diameter_client *client, unsigned first, unsigned count,
                           enum err err, struct err_detail *detail, struct diameter_got *got,
                           const struct diameter_ask *ask)
{
    for (unsigned i = 0; i < count; i++) {
        if (i != 0 && now_ms() >= client->deadline_ms)
            break;
        struct err_detail why = {0};
        bool answered = false;
        enum err next = connect_to(client, (first + i) % client->servers_len, &why);
        if (next == ERR_OK) {
            next = ask_connected(client, ask, &why, got);
            answered = client->answered;
        }
        if (answered || got->result == 0 || !next_may_help(next)) {
            err = next;
            if (detail != NULL && err != ERR_OK)
                *detail = why;
        }
        if (next == ERR_OK || !next_may_help(next) ||
            (answered && got->result != 0 && !diameter_is_protocol_error(got->result)))
            break;
    }
    return err;
}

enum err diameter_client_ask(struct diameter_client *client, const struct diameter_ask *ask,
                             struct err_detail *detail, struct diameter_got *got)
{
    enum err err = ERR_CLOSED;
    unsigned first = client->server, count = client->servers_len;
    client->deadline_ms = ask->limit_ms != 0 ? now_ms() + ask->limit_ms : UINT64_MAX;
    if (client->open) {
        err = ask_connected(client, ask, detail, got);
        if (err == ERR_OK || !next_may_help(err) ||
            (got->result != 0 && !diameter_is_protocol_error(got->result)))
            return err;
        /* A connection that was idle may be dead: its server is asked once more; not so one that
         * answered that it is too busy (RFC 6733, 7.1.3: an alternate peer). */
        if (got->result != 0) {
            first++;
            count--;
        }
    }
    client->held = false;
    err = ask_others(client, first, count, err, detail, got, ask);
    /* What holds our name may be a connection that died; the server is finding out. */
    while (err == ERR_PEER && got->result == 0 && client->held && ask->limit_ms != 0 &&
           now_ms() + HELD_WAIT_MS < client->deadline_ms) {
        TRY(wait(client, HELD_WAIT_MS));
        client->held = false;
        err = ask_others(client, first, count, err, detail, got, ask);
    }
    return err;
}

void diameter_client_idle(struct diameter_client *client, unsigned milliseconds)
{
    if (client->conn != NULL && milliseconds != 0)
        (void)!wait(client, milliseconds);
    if (client->conn == NULL)
        drop_peer(client);
}

bool diameter_client_connected(const struct diameter_client *client)
{
    return client->open;
}

/* ---- life ---- */

static enum err take_servers(struct diameter_client *client,
                             const struct diameter_properties *props, struct err_detail *detail)
{
    bool some = false;
    for (unsigned i = 0; i < props->peers_len; i++)
        some = some || props->peers[i].connecting;
    client->servers = calloc(props->peers_len + 1u, sizeof *client->servers);
    if (client->servers == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < props->peers_len; i++) {
        if (!some || props->peers[i].connecting)
            client->servers[client->servers_len++] = props->peers[i].uri;
    }
    if (client->servers_len == 0)
        return err_set(detail, ERR_CONFIG, "PeerTable names no server");
    return ERR_OK;
}

static const char *file_or_null(const char *path)
{
    return path[0] != '\0' ? path : NULL;
}

static enum err prepare(struct diameter_client *client, const struct diameter_properties *props,
                        struct err_detail *detail)
{
    TRY(take_servers(client, props, detail));
    client->connect_ms = props->handshake_timeout_ms;
    client->answer_ms = props->answer_timeout_ms;
    client->message_size =
        props->message_size < DIAMETER_MESSAGE_MAX ? props->message_size : DIAMETER_MESSAGE_MAX;
    if (props->tls_ca_file[0] != '\0') {
        struct net_tls_config config = {
            .verify = NET_TLS_VERIFY_REQUIRED,
            .cert_file = file_or_null(props->tls_cert_file),
            .key_file = file_or_null(props->tls_key_file),
            .ca_file = props->tls_ca_file,
            .crl_file = file_or_null(props->tls_crl_file),
            .service = "diameter",
        };
        TRY(net_tls_new(&config, &client->tls, detail));
    }
    if (props->secret_file[0] != '\0')
        TRY(file_read_secret(props->secret_file, SECRET_LEN_MAX, &client->secret, detail));
    TRY(diameter_node_new(props, (uint32_t)clock_now_s(), client->tls != NULL, &client->node));
    TRY(net_loop_new(&client->loop));
    TRY(net_timer_new(client->loop, on_limit, client, &client->limit));
    return net_timer_new(client->loop, on_tick, client, &client->tick);
}

enum err diameter_client_new(const struct diameter_properties *props, struct err_detail *detail,
                             struct diameter_client **ret_client)
{
    struct diameter_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return ERR_NO_MEMORY;
    enum err err = prepare(client, props, detail);
    if (err != ERR_OK) {
        diameter_client_free(client);
        return err;
    }
    *ret_client = client;
    return ERR_OK;
}

static void say_goodbye(struct diameter_client *client)
{
    struct writer out = out_of(client);
    enum diameter_event event =
        diameter_peer_disconnect(&client->peer, DIAMETER_DISCONNECT_NOT_WANTED, now_ms(), &out);
    after(client, event, bytes_of(NULL, 0), &out);
    if (client->conn != NULL)
        (void)!wait(client, GOODBYE_MS);
}

void diameter_client_free(struct diameter_client *client)
{
    if (client == NULL)
        return;
    if (client->open && client->conn != NULL)
        say_goodbye(client);
    drop_conn(client);
    net_timer_free(client->limit);
    net_timer_free(client->tick);
    net_loop_freep(&client->loop);
    net_tls_unref(client->tls);
    diameter_node_unref(client->node);
    secret_free(client->secret);
    free(client->servers);
    explicit_bzero(client->out, sizeof client->out);
    free(client);
}
