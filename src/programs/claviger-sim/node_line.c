#include "programs/claviger-sim/node_line.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/listener.h"

#define BITS       10   /* on a serial line for one byte: start, eight, stop */
#define CHUNK      16   /* bytes moved at once where the line has a speed */
#define LAG_US     4000 /* that a late thread may make up for */
#define PLUG_MS    300  /* a pulled cable is plugged in again */
#define QUEUE_MAX  ((size_t)1024 * 1024)
#define NEVER_US   UINT64_MAX
#define PER_SECOND ((uint64_t)1000 * 1000)

struct sim_line {
    struct sim_line_config config;
    char name[300];
    int listen_fd;
    int fd;    /* master of the terminal, or the connection; -1: unplugged, nobody there */
    int slave; /* kept open, so that the terminal stays when a station leaves it */
    struct buf queue;
    uint64_t hold_us, send_us, receive_us, plug_us; /* not before these */
    uint64_t passed;                                /* bytes, for the cut */
    bool was_cut;
    uint64_t random;
};

static uint64_t now_us(void)
{
    return clock_mono_ns() / 1000;
}

/* xorshift64: the same faults with the same seed. */
static bool happens(struct sim_line *line, double probability)
{
    if (probability <= 0)
        return false;
    uint64_t x = line->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    line->random = x;
    return (double)(x >> 11) / (double)(1ull << 53) < probability;
}

/* What the line makes of some bytes: at most twice as many. */
static size_t spoil(struct sim_line *line, const uint8_t *from, size_t len, uint8_t *to)
{
    const struct sim_faults *faults = &line->config.faults;
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        if (happens(line, faults->lose))
            continue;
        uint8_t byte = from[i];
        if (happens(line, faults->noise))
            byte ^= (uint8_t)(1u << (line->random >> 32 & 7));
        to[out++] = byte;
        if (happens(line, faults->doubled))
            to[out++] = byte;
    }
    return out;
}

/* ---------------------------------------------------------------- plugging */

static enum err plug_pty(struct sim_line *line, struct err_detail *detail)
{
    char slave[64];
    struct stat status;
    struct termios termios = {0};
    const char *path = line->config.pty;
    if (lstat(path, &status) == 0 && !S_ISLNK(status.st_mode))
        return err_set(detail, ERR_EXISTS, "%s: something else is there", path);
    cfmakeraw(&termios);
    termios.c_cflag |= CREAD | CLOCAL;
    if (openpty(&line->fd, &line->slave, slave, &termios, NULL) != 0)
        return err_errno(detail, "no pseudo-terminal");
    (void)fcntl(line->fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(line->slave, F_SETFD, FD_CLOEXEC);
    (void)fcntl(line->fd, F_SETFL, O_RDWR | O_NONBLOCK);
    (void)unlink(path);
    if (symlink(slave, path) != 0)
        return err_errno(detail, "%s", path);
    return ERR_OK;
}

static void unplug(struct sim_line *line)
{
    if (line->config.pty != NULL && line->fd >= 0)
        (void)unlink(line->config.pty);
    file_closep(&line->fd);
    file_closep(&line->slave);
    buf_consume(&line->queue, line->queue.len);
    line->plug_us = now_us() + PLUG_MS * 1000;
}

static void accept_one(struct sim_line *line)
{
    int on = 1;
    int fd = accept4(line->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && line->fd >= 0)
        (void)close(fd); /* a device has one port */
    if (fd < 0 || line->fd >= 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    line->fd = fd;
}

enum err sim_line_open(const struct sim_line_config *config, struct sim_line **ret_line,
                       struct err_detail *detail)
{
    struct sim_line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return ERR_NO_MEMORY;
    line->config = *config;
    line->fd = line->slave = line->listen_fd = -1;
    line->random = config->seed * 0x9e3779b97f4a7c15ull + 1;
    enum err err;
    if (config->pty != NULL) {
        err = plug_pty(line, detail);
        (void)snprintf(line->name, sizeof line->name, "%s", config->pty);
    } else {
        err = net_listen_socket(config->host, config->port, &line->listen_fd, detail);
        if (err == ERR_OK)
            (void)snprintf(line->name, sizeof line->name, "%s:%u", config->host,
                           net_socket_port(line->listen_fd));
    }
    if (err == ERR_OK)
        *ret_line = line;
    else
        sim_line_close(line);
    return err;
}

void sim_line_close(struct sim_line *line)
{
    if (line == NULL)
        return;
    unplug(line);
    file_closep(&line->listen_fd);
    buf_done(&line->queue);
    free(line);
}

const char *sim_line_name(const struct sim_line *line)
{
    return line->name;
}

/* ---------------------------------------------------------------- bytes */

/* The line is busy with `len` bytes from `*ready_us` on. */
static void occupy(const struct sim_line *line, uint64_t *ready_us, uint64_t now, size_t len)
{
    if (line->config.baud == 0)
        return;
    uint64_t earliest = now > LAG_US ? now - LAG_US : 0;
    if (*ready_us < earliest)
        *ready_us = earliest;
    *ready_us += len * BITS * PER_SECOND / line->config.baud;
}

/* Counts what passes; true where the cable is pulled now. */
static bool pull(struct sim_line *line, size_t len)
{
    uint64_t cut = line->config.faults.cut;
    line->passed += len;
    if (cut == 0 || line->was_cut || line->passed < cut)
        return false;
    line->was_cut = true;
    unplug(line);
    return true;
}

void sim_line_send(struct sim_line *line, const uint8_t *data, size_t len)
{
    uint8_t piece[256], spoilt[2 * sizeof piece];
    if (line->fd < 0 || line->queue.len + 2 * len > QUEUE_MAX)
        return;
    if (line->queue.len == 0)
        line->hold_us = now_us() + (uint64_t)line->config.faults.delay_ms * 1000;
    while (len != 0) {
        size_t part = len < sizeof piece ? len : sizeof piece;
        size_t out = spoil(line, data, part, spoilt);
        if (buf_append(&line->queue, bytes_of(spoilt, out)) != ERR_OK)
            return;
        data += part;
        len -= part;
    }
}

/* True where the cable is pulled now. */
static bool send_some(struct sim_line *line, uint64_t now)
{
    if (line->fd < 0 || line->queue.len == 0 || now < line->hold_us || now < line->send_us)
        return false;
    size_t len = line->queue.len;
    if (line->config.baud != 0 && len > CHUNK)
        len = CHUNK;
    ssize_t sent = write(line->fd, line->queue.data, len);
    if (sent > 0) {
        buf_consume(&line->queue, (size_t)sent);
        occupy(line, &line->send_us, now, (size_t)sent);
        return pull(line, (size_t)sent);
    }
    if (sent < 0 && errno != EAGAIN && errno != EINTR && line->config.pty == NULL)
        unplug(line);
    return false;
}

static size_t receive_some(struct sim_line *line, uint64_t now, uint8_t *to, size_t cap,
                           bool *ret_cut)
{
    uint8_t room[1024];
    size_t want = line->config.baud != 0 ? CHUNK : sizeof room;
    if (want > cap / 2)
        want = cap / 2;
    if (line->fd < 0 || now < line->receive_us)
        return 0;
    ssize_t got = read(line->fd, room, want);
    if (got > 0) {
        occupy(line, &line->receive_us, now, (size_t)got);
        size_t out = spoil(line, room, (size_t)got, to);
        explicit_bzero(room, (size_t)got);
        *ret_cut = pull(line, (size_t)got);
        return *ret_cut ? 0 : out;
    }
    if (line->config.pty == NULL && (got == 0 || (errno != EAGAIN && errno != EINTR)))
        unplug(line);
    return 0;
}

static void wait_until(struct sim_line *line, uint64_t now, uint64_t until, bool readable)
{
    struct pollfd fds[3] = {{.fd = line->config.stop_fd, .events = POLLIN},
                            {.fd = line->listen_fd, .events = POLLIN},
                            {.fd = readable ? line->fd : -1, .events = POLLIN}};
    uint64_t left = until > now ? until - now : 0;
    struct timespec limit = {.tv_sec = (time_t)(left / PER_SECOND),
                             .tv_nsec = (long)(left % PER_SECOND * 1000)};
    if (ppoll(fds, ARRAY_LEN(fds), &limit, NULL) > 0 && (fds[1].revents & POLLIN) != 0)
        accept_one(line);
}

size_t sim_line_wait(struct sim_line *line, uint64_t until_ms, uint8_t *to, size_t cap,
                     bool *ret_cut)
{
    uint64_t until = until_ms > NEVER_US / 1000 ? NEVER_US : until_ms * 1000;
    for (bool first = true;; first = false) {
        uint64_t now = now_us();
        if (line->fd < 0 && line->config.pty != NULL && now >= line->plug_us &&
            plug_pty(line, NULL) != ERR_OK)
            unplug(line);
        *ret_cut = send_some(line, now);
        size_t got = *ret_cut ? 0 : receive_some(line, now, to, cap, ret_cut);
        if (got != 0 || *ret_cut || now >= until || !first)
            return got;
        uint64_t next = until;
        if (line->fd < 0 && line->config.pty != NULL && line->plug_us < next)
            next = line->plug_us;
        if (line->fd >= 0 && line->queue.len != 0) {
            uint64_t at = line->hold_us > line->send_us ? line->hold_us : line->send_us;
            next = at < next ? at : next;
        }
        bool readable = line->receive_us <= now;
        if (!readable && line->receive_us < next)
            next = line->receive_us;
        wait_until(line, now, next, readable);
    }
}
