#include "keeper/server.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "keeper/bundle.h"
#include "keeper/control.h"
#include "keeper/core.h"
#include "keeper/server_conn.h"

#define MESSAGES_PER_CYCLE 48 /* of one connection: nobody waits long for the disk */
#define TICK_NS            ((uint64_t)1000000000)
#define ALIVE_NS           ((uint64_t)5000000000)
#define BUFFERED_NS        ((uint64_t)80000000) /* under the promised 100 ms */
#define EVENTS_MAX         64
#define LOOKS              3
#define WORKERS_DEFAULT    2

/* What epoll gives back beside the number of a connection. */
#define TAG_CONTROL UINT32_MAX
#define TAG_WAKE    (UINT32_MAX - 1)

struct keeper_server {
    struct conn *conns;
    unsigned conn_count;
    unsigned open;
    int epoll;
    int wake;
    int control;
    struct core *core;
    struct workers *workers;
    struct audit *audit;
    struct answer_pool pool;
    struct secret *in;
    struct secret *one; /* answer on its way into a bundle */
    bool buffered;
    bool spare_asked;
    bool stop; /* the main thread's */
    bool told; /* to stop, by the supervisor */
    volatile int asked_to_stop;
    uint64_t tick_ns;
    uint64_t alive_ns;
    uint64_t unsynced_ns; /* since when something waits for the disk; 0: nothing */
    enum err ended;
};

static void wake_write(int fd)
{
    uint64_t one = 1;
    ssize_t ignored = write(fd, &one, sizeof one);
    (void)ignored;
}

static void wake_server(void *arg)
{
    const struct keeper_server *server = arg;
    wake_write(server->wake);
}

void keeper_server_stop(struct keeper_server *server)
{
    __atomic_store_n(&server->asked_to_stop, 1, __ATOMIC_RELEASE);
    wake_write(server->wake);
}

static enum err watch(struct keeper_server *server, int fd, uint32_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};
    return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? ERR_OK : ERR_IO;
}

static void rewatch(struct keeper_server *server, unsigned number, uint32_t events)
{
    struct conn *conn = &server->conns[number];
    if (conn->fd < 0 || conn->events == events)
        return;
    struct epoll_event event = {.events = events, .data.u32 = number};
    if (epoll_ctl(server->epoll, EPOLL_CTL_MOD, conn->fd, &event) == 0)
        conn->events = events;
}

static enum err take_conns(struct keeper_server *server, const struct keeper_server_config *config)
{
    for (unsigned i = 0; i < server->conn_count; i++) {
        TRY(watch(server, server->conns[i].fd, i));
        server->conns[i].events = EPOLLIN;
    }
    TRY(watch(server, server->wake, TAG_WAKE));
    if (config->control >= 0)
        TRY(watch(server, config->control, TAG_CONTROL));
    return ERR_OK;
}

static enum err server_init(struct keeper_server *server, const struct keeper_server_config *config)
{
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->epoll < 0 || server->wake < 0)
        return ERR_IO;
    TRY(secret_new(KEEPER_MESSAGE_MAX, &server->in));
    TRY(secret_new(KEEPER_MESSAGE_MAX, &server->one));
    TRY(answer_pool_init(&server->pool, (size_t)server->conn_count * CONN_ANSWERS_MAX + 1));
    unsigned threads = config->workers != 0 ? config->workers : WORKERS_DEFAULT;
    /* one more for each: a job of the keeper itself, and luck */
    unsigned jobs = (server->conn_count + 1) * (KEEPER_CALLS_MAX + 1);
    TRY(workers_new(threads, jobs, &server->workers));
    struct core_config core = {.token = config->token,
                               .policy = config->policy,
                               .audit = config->audit,
                               .workers = server->workers,
                               .conns = server->conn_count,
                               .wake = wake_server,
                               .wake_arg = server};
    TRY(core_new(&core, &server->core));
    return take_conns(server, config);
}

/* With its descriptors, so that freeing it closes them; NULL: they are closed. */
static struct keeper_server *server_alloc(const struct keeper_server_config *config)
{
    struct keeper_server *server = calloc(1, sizeof *server);
    struct conn *conns = calloc(config->fd_count + 1, sizeof *conns);
    if (server == NULL || conns == NULL) {
        for (size_t i = 0; i < config->fd_count; i++)
            (void)close(config->fds[i]);
        free(conns);
        free(server);
        return NULL;
    }
    server->conns = conns;
    server->conn_count = (unsigned)config->fd_count;
    server->open = server->conn_count;
    for (unsigned i = 0; i < server->conn_count; i++)
        conns[i].fd = config->fds[i];
    server->epoll = server->wake = -1;
    server->control = config->control;
    server->audit = config->audit;
    server->buffered = config->buffered;
    return server;
}

enum err keeper_server_new(const struct keeper_server_config *config,
                           struct keeper_server **ret_server, struct err_detail *detail)
{
    struct keeper_server *server = server_alloc(config);
    if (server == NULL)
        return err_set(detail, ERR_NO_MEMORY, "keeper");
    enum err err = server_init(server, config);
    if (err == ERR_OK) {
        *ret_server = server;
        return ERR_OK;
    }
    err = err == ERR_IO ? err_errno(detail, "keeper: descriptors")
                        : err_set(detail, err, "keeper: start");
    keeper_server_free(server);
    return err;
}

void keeper_server_free(struct keeper_server *server)
{
    if (server == NULL)
        return;
    workers_free(server->workers);
    core_free(server->core);
    for (unsigned i = 0; i < server->conn_count; i++)
        conn_close(&server->conns[i], &server->pool);
    free(server->conns);
    answer_pool_done(&server->pool);
    secret_free(server->in);
    secret_free(server->one);
    file_closep(&server->epoll);
    file_closep(&server->wake);
    free(server);
}

static void close_conn(struct keeper_server *server, unsigned number)
{
    struct conn *conn = &server->conns[number];
    if (conn->fd < 0)
        return;
    core_conn_closed(server->core, number);
    conn_close(conn, &server->pool); /* epoll forgets a closed descriptor */
    if (--server->open == 0) {
        server->stop = true;
        server->ended = ERR_CLOSED;
    }
}

/* Jobs under way have their places beside. */
static bool may_read(const struct keeper_server *server, unsigned number)
{
    return server->conns[number].count < CONN_ANSWERS_MAX;
}

static void no_memory(struct keeper_server *server, unsigned number)
{
    log_error("keeper: no locked memory for an answer; hint: raise LimitMEMLOCK=");
    close_conn(server, number);
}

static bool answer_plain(struct keeper_server *server, unsigned number, struct bytes request)
{
    struct secret *buf = answer_take(&server->pool);
    if (buf == NULL) {
        no_memory(server, number);
        return false;
    }
    struct writer out = writer_of(secret_data(buf), KEEPER_MESSAGE_MAX);
    if (core_request(server->core, number, request, false, &out))
        conn_queue(&server->conns[number], buf, out.len);
    else
        answer_give(&server->pool, buf, out.len);
    return true;
}

/* `one` into the connection's bundle. */
static bool gather(struct keeper_server *server, unsigned number, size_t len)
{
    uint8_t *one = secret_data(server->one);
    enum err err = conn_gather(&server->conns[number], &server->pool, bytes_of(one, len));
    explicit_bzero(one, len);
    if (err != ERR_OK)
        no_memory(server, number);
    return err == ERR_OK;
}

/* All of a bundle, or where it is none that an honest client sends, the one refusal of it. */
static bool answer_bundle(struct keeper_server *server, unsigned number, struct bytes packet)
{
    struct reader ahead = reader_of(packet);
    unsigned count = message_get_head(&ahead).count;
    struct reader r = ahead;
    for (unsigned i = 0; i < count && ahead.err == ERR_OK; i++)
        (void)bundle_next(&ahead);
    if (reader_end(&ahead) != ERR_OK || count == 0 || count > KEEPER_BUNDLE_MAX)
        return answer_plain(server, number, packet);
    for (unsigned i = 0; i < count; i++) {
        struct bytes request = bundle_next(&r);
        struct writer out = writer_of(secret_data(server->one), KEEPER_MESSAGE_MAX);
        bool ready = true;
        if (server->conns[number].count < CONN_BUNDLED_MAX)
            ready = core_request(server->core, number, request, true, &out);
        else /* small requests with large answers: only a hostile engine's */
            core_error_answer(request, ERR_BUSY, &out);
        if (ready && !gather(server, number, out.len))
            return false;
    }
    return true;
}

/* One packet; false where nothing more is to be read now. */
static bool read_one(struct keeper_server *server, unsigned number)
{
    struct conn *conn = &server->conns[number];
    uint8_t *in = secret_data(server->in);
    ssize_t got = recv(conn->fd, in, KEEPER_MESSAGE_MAX, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && errno == EINTR)
        return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return false;
    if (got <= 0) {
        close_conn(server, number);
        return false;
    }
    /* One that is too long is refused like one that is empty. */
    size_t len = got <= KEEPER_MESSAGE_MAX ? (size_t)got : 0;
    struct bytes packet = bytes_of(in, len);
    bool more = bundle_is(packet, KEEPER_BUNDLE) ? answer_bundle(server, number, packet)
                                                 : answer_plain(server, number, packet);
    explicit_bzero(secret_data(server->in), len != 0 ? len : KEEPER_MESSAGE_MAX);
    return more;
}

static void read_conn(struct keeper_server *server, unsigned number)
{
    for (unsigned i = 0; i < MESSAGES_PER_CYCLE && may_read(server, number); i++)
        if (!read_one(server, number))
            return;
}

static void finish_plain(struct keeper_server *server, struct core_job *job)
{
    unsigned number = core_job_conn(job);
    struct secret *buf = answer_take(&server->pool);
    uint8_t refuse[KEEPER_HEAD_SIZE + 2 + 4 + KEEPER_ERROR_TEXT];
    struct writer out = buf != NULL ? writer_of(secret_data(buf), KEEPER_MESSAGE_MAX)
                                    : writer_of(refuse, sizeof refuse);
    core_job_finish(server->core, job, &out);
    bool wanted = number != CORE_CONN_NONE && server->conns[number].fd >= 0;
    if (buf == NULL && wanted)
        close_conn(server, number);
    else if (buf != NULL && wanted)
        conn_queue(&server->conns[number], buf, out.len);
    else if (buf != NULL)
        answer_give(&server->pool, buf, out.len);
}

static void finish_bundled(struct keeper_server *server, struct core_job *job)
{
    unsigned number = core_job_conn(job);
    struct writer out = writer_of(secret_data(server->one), KEEPER_MESSAGE_MAX);
    core_job_finish(server->core, job, &out);
    if (server->conns[number].fd >= 0)
        (void)gather(server, number, out.len);
    else
        explicit_bzero(out.buf, out.len);
}

static void finish_jobs(struct keeper_server *server)
{
    struct core_job *job;
    while ((job = core_job_take(server->core)) != NULL) {
        if (core_job_bundled(job))
            finish_bundled(server, job);
        else
            finish_plain(server, job);
    }
}

/* ERR_OK or ERR_BUSY (it is said again later); without a supervisor there is nothing to serve for.
 */
static enum err tell(struct keeper_server *server, enum control_type type, const char *text)
{
    enum err err = control_tell(server->control, type, ERR_OK, text);
    if (err != ERR_OK && err != ERR_BUSY) {
        server->stop = true;
        server->ended = ERR_CLOSED;
    }
    return err;
}

static void ask_for_spare(struct keeper_server *server)
{
    if (server->control < 0 || server->spare_asked || !audit_wants_spare(server->audit))
        return;
    server->spare_asked = tell(server, CONTROL_SPARE_WANTED, NULL) == ERR_OK;
}

static void read_control(struct keeper_server *server)
{
    struct control_message message;
    enum err err = control_receive(server->control, &message);
    if (err == ERR_CLOSED) {
        server->stop = true;
        server->ended = ERR_CLOSED;
    }
    if (err != ERR_OK)
        return;
    struct err_detail detail = {.code = ERR_OK};
    switch (message.type) {
    case CONTROL_SPARE:
        server->spare_asked = false;
        err = audit_add_spare(server->audit, message.fd, &detail);
        message.fd = -1;
        if (err != ERR_OK)
            log_failure(LOG_LEVEL_ERROR, "audit segment", err, &detail);
        break;
    case CONTROL_SPARE_FAILED: log_error("audit: no new segment: %s", message.text); break;
    case CONTROL_RELOAD:
        (void)tell(server, CONTROL_RELOADED, "the keeper keeps what it read when it started");
        break;
    case CONTROL_STOP: server->stop = server->told = true; break;
    default: break;
    }
    file_closep(&message.fd);
}

static void tick(struct keeper_server *server, uint64_t now)
{
    if (now < server->tick_ns)
        return;
    server->tick_ns = now + TICK_NS;
    core_tick(server->core);
    if (server->control >= 0 && now >= server->alive_ns &&
        tell(server, CONTROL_ALIVE, NULL) == ERR_OK)
        server->alive_ns = now + ALIVE_NS;
}

/* Each answer of it becomes an error; there is room, since so many errors are less than a packet.
 */
static void withdraw_bundle(struct keeper_server *server, struct answer *answer, enum err err)
{
    struct bytes packet = bytes_of(secret_data(answer->buf), answer->len);
    struct reader r = reader_of(packet);
    (void)message_get_head(&r);
    struct writer errors = writer_of(secret_data(server->one), KEEPER_MESSAGE_MAX);
    message_put_head(&errors, KEEPER_BUNDLE | KEEPER_ANSWER, (uint16_t)answer->bundled, 0);
    for (unsigned i = 0; i < answer->bundled; i++) {
        uint8_t room[KEEPER_HEAD_SIZE + 2 + 4];
        struct writer one = writer_of(room, sizeof room);
        core_error_answer(bundle_next(&r), err, &one);
        writer_bytes32(&errors, writer_view(&one));
    }
    explicit_bzero(secret_data(answer->buf), answer->len);
    memcpy(secret_data(answer->buf), errors.buf, errors.len);
    answer->len = errors.len;
}

static void withdraw_plain(struct answer *answer, enum err err)
{
    uint8_t head[KEEPER_HEAD_SIZE];
    memcpy(head, secret_data(answer->buf), sizeof head);
    explicit_bzero(secret_data(answer->buf), answer->len);
    struct writer out = writer_of(secret_data(answer->buf), KEEPER_MESSAGE_MAX);
    core_error_answer(BYTES(head), err, &out);
    answer->len = out.len;
}

/* The records of this cycle are not durable and never will be: what was answered becomes an error.
 */
static void withdraw(struct keeper_server *server, enum err err)
{
    for (unsigned i = 0; i < server->conn_count; i++) {
        struct conn *conn = &server->conns[i];
        for (unsigned k = conn->count - conn->fresh; k < conn->count; k++) {
            struct answer *answer = conn_answer(conn, k);
            if (answer->bundled != 0)
                withdraw_bundle(server, answer, err);
            else
                withdraw_plain(answer, err);
        }
    }
    core_drop_sessions(server->core);
}

/* Make the cycle's records durable, or in buffered mode let releases go ahead for a while. */
static enum err commit(struct keeper_server *server, struct err_detail *detail)
{
    bool needed = core_durable_needed(server->core) || !server->buffered;
    struct audit_head head;
    audit_head(server->audit, &head);
    if (head.seq == audit_durable(server->audit)) {
        server->unsynced_ns = 0;
        return ERR_OK;
    }
    uint64_t now = clock_mono_ns();
    if (server->unsynced_ns == 0)
        server->unsynced_ns = now;
    if (!needed && now - server->unsynced_ns < BUFFERED_NS)
        return audit_flush_buffered(server->audit, detail);
    TRY(audit_commit(server->audit, detail));
    core_synced(server->core);
    server->unsynced_ns = 0;
    return ERR_OK;
}

static void send_all(struct keeper_server *server)
{
    for (unsigned i = 0; i < server->conn_count; i++) {
        struct conn *conn = &server->conns[i];
        if (conn->fd < 0)
            continue;
        enum err err = conn->count != 0 ? conn_send(conn, &server->pool) : ERR_OK;
        if (err == ERR_CLOSED) {
            close_conn(server, i);
            continue;
        }
        uint32_t events = may_read(server, i) ? EPOLLIN : 0;
        rewatch(server, i, err == ERR_BUSY ? events | EPOLLOUT : events);
    }
}

static enum err conclude_cycle(struct keeper_server *server, struct err_detail *detail)
{
    enum err err = commit(server, detail);
    if (err != ERR_OK)
        withdraw(server, err);
    send_all(server);
    ask_for_spare(server);
    return err;
}

static int wait_ms(const struct keeper_server *server)
{
    uint64_t now = clock_mono_ns();
    uint64_t until = server->tick_ns;
    if (server->unsynced_ns != 0 && server->unsynced_ns + BUFFERED_NS < until)
        until = server->unsynced_ns + BUFFERED_NS;
    return until > now ? (int)((until - now) / 1000000) + 1 : 0;
}

/* As net/loop.c does: some looks, giving way in between, cost less than to sleep and be woken. */
static int wait_events(const struct keeper_server *server, struct epoll_event *events)
{
    for (unsigned looks = 0; looks < LOOKS; looks++) {
        int count = epoll_wait(server->epoll, events, EVENTS_MAX, 0);
        if (count != 0)
            return count;
        (void)sched_yield();
    }
    return epoll_wait(server->epoll, events, EVENTS_MAX, wait_ms(server));
}

static enum err cycle(struct keeper_server *server, struct err_detail *detail)
{
    struct epoll_event events[EVENTS_MAX];
    int count = wait_events(server, events);
    if (count < 0 && errno != EINTR)
        return err_errno(detail, "keeper: epoll");
    for (int i = 0; i < count; i++) {
        uint32_t tag = events[i].data.u32;
        if (tag == TAG_CONTROL) {
            read_control(server);
        } else if (tag == TAG_WAKE) {
            uint64_t times;
            ssize_t ignored = read(server->wake, &times, sizeof times);
            (void)ignored;
        } else if (server->conns[tag].fd >= 0) {
            if (may_read(server, tag))
                read_conn(server, tag);
            else if ((events[i].events & (EPOLLHUP | EPOLLERR)) != 0)
                close_conn(server, tag); /* nobody reads what would fill it further */
        }
    }
    finish_jobs(server);
    tick(server, clock_mono_ns());
    if (__atomic_load_n(&server->asked_to_stop, __ATOMIC_ACQUIRE) != 0)
        server->stop = true;
    return conclude_cycle(server, detail);
}

static enum err record_now(struct keeper_server *server, enum audit_kind kind, const char *text,
                           struct err_detail *detail)
{
    struct audit_event event = {.kind = kind, .text = bytes_str(text)};
    enum err err = audit_append(server->audit, &event);
    return err == ERR_OK ? audit_commit(server->audit, detail) : err;
}

/* What the workers still do is finished, recorded and answered. */
static enum err finish(struct keeper_server *server, struct err_detail *detail)
{
    workers_free(server->workers);
    server->workers = NULL;
    finish_jobs(server);
    TRY(conclude_cycle(server, detail));
    return record_now(server, AUDIT_STOP, "", detail);
}

enum err keeper_server_run(struct keeper_server *server, struct err_detail *detail)
{
    TRY(record_now(server, AUDIT_START, "clavigerd " CLAVIGER_VERSION, detail));
    server->tick_ns = clock_mono_ns() + TICK_NS;
    server->alive_ns = clock_mono_ns() + ALIVE_NS;
    if (server->control >= 0)
        TRY(control_tell(server->control, CONTROL_READY, 0, NULL));
    ask_for_spare(server);
    while (!server->stop)
        TRY(cycle(server, detail));
    TRY(finish(server, detail));
    /* the engine's end and the supervisor's word may come in one cycle */
    return server->told ? ERR_OK : server->ended;
}
