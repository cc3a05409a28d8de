#include "fake_kms.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "diameter/peer.h"
#include "support/test.h"

#define CONNS 16

struct talk {
    int fd;
    struct diameter_peer peer;
};

struct fake_kms {
    struct fake_script script;
    struct diameter_node *node;
    pthread_t thread;
    int listen_fd, stop_fd;
    uint16_t port;
    struct talk talks[CONNS];
};

static void must(bool is_so, const char *what)
{
    if (!is_so) {
        perror(what);
        abort();
    }
}

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000u;
}

void fake_key(int kind, uint64_t node, unsigned version, uint8_t *to, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        to[i] = (uint8_t)((unsigned)kind * 16 + version * 7 + i + (unsigned)(node >> (i % 8)));
}

static void put_msa(struct fake_kms *fake, struct writer *w, bool ha, int kind, uint64_t node)
{
    uint8_t key[64];
    unsigned version = fake->script.version;
    unsigned len = fake->script.key_len;
    if (fake->script.last_spi != 0)
        version = fake->script.last_spi - 256;
    if (len == 0)
        len = kind == 1 ? 24 : 16;
    fake_key(kind, node, version, key, len);
    size_t group = avp_group_begin(w, ha ? AVP_MIP_FA_TO_HA_MSA : AVP_MIP_FA_TO_MN_MSA);
    avp_put_u32(w, ha ? AVP_MIP_FA_TO_HA_SPI : AVP_MIP_FA_TO_MN_SPI, 256 + version);
    avp_put_u32(w, AVP_MIP_ALGORITHM_TYPE, 2);
    avp_put(w, AVP_MIP_SESSION_KEY, bytes_of(key, len));
    avp_group_end(w, group);
}

static void answer(struct fake_kms *fake, const struct diameter_message *m, struct writer *w)
{
    char user[300] = "";
    memcpy(user, m->avp[AVP_USER_NAME].data, m->avp[AVP_USER_NAME].len);
    unsigned want = avp_u32(m->avp[AVP_MIP_FEATURE_VECTOR]);
    bool gateway = strncmp(user, "gateway@", 8) == 0;
    uint64_t node = gateway ? 0 : strtoull(user, NULL, 16);
    fake->script.last_want = want;
    fake->script.last_spi =
        diameter_has(m, AVP_MIP_HA_TO_FA_SPI) ? avp_u32(m->avp[AVP_MIP_HA_TO_FA_SPI]) : 0;
    uint32_t result = fake->script.result;
    if (result == 0)
        result = node != 0 && (node >= FAKE_UNKNOWN || node == fake->script.revoked) ? 5003 : 2001;
    size_t begin = diameter_begin_answer(w, &m->header, diameter_is_protocol_error(result));
    avp_put(w, AVP_SESSION_ID, m->avp[AVP_SESSION_ID]);
    if (!diameter_is_protocol_error(result))
        avp_put_u32(w, AVP_AUTH_APPLICATION_ID, DIAMETER_APP_MIP4);
    avp_put_u32(w, AVP_RESULT_CODE, result);
    avp_put_str(w, AVP_ORIGIN_HOST, "kms1.metro-east.example");
    avp_put_str(w, AVP_ORIGIN_REALM, "metro-east.example");
    if (result == 2001) {
        if ((want & 32) != 0)
            put_msa(fake, w, false, gateway ? 1 : 3, node);
        if ((want & 64) != 0)
            put_msa(fake, w, true, 2, 0);
        avp_put_u32(w, AVP_MIP_MSA_LIFETIME, fake->script.lifetime);
    }
    diameter_end(w, begin);
}

/* False: the conversation is over. */
static bool on_frame(struct fake_kms *fake, struct talk *talk, struct bytes frame)
{
    /* each server has a thread of its own */
    static _Thread_local struct diameter_message message;
    static _Thread_local uint8_t out[DIAMETER_MESSAGE_MAX + DIAMETER_ANSWER_EXTRA];
    struct writer w = writer_of(out, sizeof out);
    struct diameter_fault fault = {0};
    enum diameter_event event = diameter_peer_frame(&talk->peer, frame, now_ms(), &message, &w);
    if (event == DIAMETER_EVENT_ADMIT)
        event = diameter_peer_admit(&talk->peer, 2001, NULL, now_ms(), &message, &w);
    if (event == DIAMETER_EVENT_REQUEST) {
        fake->script.requests++;
        if (fake->script.hang_up)
            return false;
        struct diameter_header header = message.header;
        must(diameter_message_read(frame, &header, GRAMMAR_AMR, &message, &fault), "AMR");
        if (!fake->script.silent)
            answer(fake, &message, &w);
    }
    if (w.len != 0 && send(talk->fd, w.buf, w.len, MSG_NOSIGNAL) != (ssize_t)w.len)
        return false;
    return event != DIAMETER_EVENT_CLOSE && event != DIAMETER_EVENT_ABORT;
}

static bool on_readable(struct fake_kms *fake, struct talk *talk)
{
    static _Thread_local uint8_t frame[DIAMETER_MESSAGE_MAX];
    size_t need = 0;
    if (recv(talk->fd, frame, DIAMETER_HEADER_LEN, MSG_WAITALL) != DIAMETER_HEADER_LEN ||
        diameter_frame_len(frame, DIAMETER_HEADER_LEN, &need) != ERR_OK || need > sizeof frame)
        return false;
    size_t rest = need - DIAMETER_HEADER_LEN;
    if (recv(talk->fd, frame + DIAMETER_HEADER_LEN, rest, MSG_WAITALL) != (ssize_t)rest)
        return false;
    return on_frame(fake, talk, bytes_of(frame, need));
}

static void hang_up(struct talk *talk)
{
    if (talk->fd < 0)
        return;
    (void)close(talk->fd);
    diameter_peer_done(&talk->peer);
    talk->fd = -1;
}

static void welcome(struct fake_kms *fake)
{
    int fd = accept(fake->listen_fd, NULL, NULL);
    if (fd < 0)
        return;
    fake->script.connections++;
    for (int i = 0; i < CONNS; i++) {
        if (fake->talks[i].fd < 0) {
            fake->talks[i].fd = fd;
            diameter_peer_init(&fake->talks[i].peer, fake->node, true, false, 1, now_ms());
            return;
        }
    }
    (void)close(fd);
}

static void *serve(void *arg)
{
    struct fake_kms *fake = arg;
    for (;;) {
        struct pollfd fds[2 + CONNS] = {{.fd = fake->stop_fd, .events = POLLIN},
                                        {.fd = fake->listen_fd, .events = POLLIN}};
        for (int i = 0; i < CONNS; i++)
            fds[2 + i] = (struct pollfd){.fd = fake->talks[i].fd, .events = POLLIN};
        if (poll(fds, 2 + CONNS, -1) < 0)
            continue;
        if (fds[0].revents != 0)
            return NULL;
        for (int i = 0; i < CONNS; i++) {
            if (fds[2 + i].revents != 0 && !on_readable(fake, &fake->talks[i]))
                hang_up(&fake->talks[i]);
        }
        if (fds[1].revents != 0)
            welcome(fake);
    }
}

struct fake_kms *fake_kms_start(uint16_t port)
{
    static const char conf[] =
        "StackType=SERVER\nURI=aaa://kms1.metro-east.example\nRealm=metro-east.example\n";
    struct fake_kms *fake = calloc(1, sizeof *fake);
    struct diameter_properties props = {0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof address;
    int on = 1;
    must(fake != NULL, "memory");
    must(diameter_properties_parse("fake", bytes_str(conf), &props, NULL) == ERR_OK, "conf");
    must(diameter_node_new(&props, 1, false, &fake->node) == ERR_OK, "node");
    diameter_properties_done(&props);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fake->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fake->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(bind(fake->listen_fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    must(listen(fake->listen_fd, 16) == 0, "listen");
    must(getsockname(fake->listen_fd, (struct sockaddr *)&address, &len) == 0, "getsockname");
    fake->port = ntohs(address.sin_port);
    fake->stop_fd = eventfd(0, EFD_CLOEXEC);
    fake->script.lifetime = 3600;
    fake->script.version = 3;
    for (int i = 0; i < CONNS; i++)
        fake->talks[i].fd = -1;
    must(pthread_create(&fake->thread, NULL, serve, fake) == 0, "thread");
    return fake;
}

void fake_kms_stop(struct fake_kms *fake)
{
    if (fake == NULL)
        return;
    must(eventfd_write(fake->stop_fd, 1) == 0, "stop");
    (void)pthread_join(fake->thread, NULL);
    for (int i = 0; i < CONNS; i++)
        hang_up(&fake->talks[i]);
    (void)close(fake->listen_fd);
    (void)close(fake->stop_fd);
    diameter_node_unref(fake->node);
    free(fake);
}

struct fake_script *fake_kms_script(struct fake_kms *fake)
{
    return &fake->script;
}

uint16_t fake_kms_port(const struct fake_kms *fake)
{
    return fake->port;
}

char *fake_client_conf(const char *dir, const char *name, const uint16_t *ports)
{
    char *path = test_path(dir, name);
    FILE *f = fopen(path, "w");
    must(f != NULL, path);
    (void)fprintf(f,
                  "StackType=CLIENT\nURI=aaa://127.0.0.1\nRealm=metro-east.example\n"
                  "Cache.File=%s/kmc.cache\nCache.KeyFile=%s/kmc.key\n"
                  "Limits.HandshakeTimeout=2\nLimits.AnswerTimeout=1\n",
                  dir, dir);
    for (unsigned i = 0; ports[i] != 0; i++)
        (void)fprintf(f, "PeerTable.%u.URI=aaa://127.0.0.1:%u\nPeerTable.%u.PeerConnecting=true\n",
                      i, ports[i], i);
    must(fclose(f) == 0, path);
    return path;
}
