#include "line/port.h"

#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <limits.h>
#include <linux/serial.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define HOST_MAX 256

struct line_port {
    int fd;
    bool socket;
    uint32_t baud;
    struct sp_port *serial; /* owns fd where it is there */
};

/* Left of a time limit that began at `begun`, for poll. */
static int left_ms(uint64_t begun, unsigned timeout_ms)
{
    uint64_t gone = (clock_mono_ns() - begun) / 1000000;
    return gone >= timeout_ms ? 0 : (int)(timeout_ms - gone);
}

static enum err wait_for(int fd, short events, int ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int ready;
    do {
        ready = poll(&poll_fd, 1, ms);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return ERR_TIMEOUT;
    /* Hung up, and nothing left to be read: it would be ready for ever. */
    return ready > 0 && (poll_fd.revents & events) != 0 ? ERR_OK : ERR_IO;
}

/* ---------------------------------------------------------------- TCP */

static enum err connect_one(int fd, const struct addrinfo *at, unsigned timeout_ms)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
        return ERR_OK;
    if (errno != EINPROGRESS)
        return ERR_UNREACHABLE;
    TRY(wait_for(fd, POLLOUT, (int)timeout_ms));
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
        return ERR_UNREACHABLE;
    return ERR_OK;
}

/* "host:port", "[::1]:port". */
static bool split_address(const char *name, char host[HOST_MAX], const char **ret_service)
{
    const char *colon = strrchr(name, ':');
    size_t len = colon != NULL ? (size_t)(colon - name) : 0;
    if (len == 0 || strchr(name, '/') != NULL || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    if (name[0] == '[' && len > 2 && name[len - 1] == ']') {
        name++;
        len -= 2;
    } else if (memchr(name, ':', len) != NULL) {
        return false;
    }
    if (len >= HOST_MAX)
        return false;
    memcpy(host, name, len);
    host[len] = '\0';
    *ret_service = colon + 1;
    return true;
}

static enum err open_tcp(struct line_port *port, const char *host, const char *service,
                         unsigned timeout_ms, struct err_detail *detail)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    enum err err = ERR_UNREACHABLE;
    int on = 1;
    if (getaddrinfo(host, service, &hints, &list) != 0)
        return err_set(detail, ERR_NOT_FOUND, "%s: no such host", host);
    for (struct addrinfo *at = list; at != NULL && err != ERR_OK; at = at->ai_next) {
        AUTO(file_closep)
        int fd =
            socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
        if (fd < 0)
            continue;
        err = connect_one(fd, at, timeout_ms);
        if (err == ERR_OK) {
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            port->fd = file_take(&fd);
        }
    }
    freeaddrinfo(list);
    port->socket = true;
    return err == ERR_OK ? ERR_OK
                         : err_set(detail, err, "%s:%s: nobody listens there", host, service);
}

/* ---------------------------------------------------------------- serial ports */

static enum err lock_port(int fd, const char *name, struct err_detail *detail)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(detail, ERR_LOCKED, "%s: another program uses it", name);
    return ERR_OK;
}

static enum err serial_fail(const char *name, enum sp_return code, struct err_detail *detail)
{
    if (code == SP_ERR_FAIL)
        return err_errno(detail, "%s", name);
    return err_set(detail, code == SP_ERR_SUPP ? ERR_ARGUMENT : ERR_NOT_FOUND, "%s: %s", name,
                   code == SP_ERR_SUPP ? "can't be set as wanted" : "no such serial port");
}

/* Provisioning guide, D.1: the smallest latency that the driver has. Not every driver knows it. */
static void want_low_latency(int fd)
{
    struct serial_struct serial;
    if (ioctl(fd, TIOCGSERIAL, &serial) != 0)
        return;
    serial.flags = (int)((unsigned)serial.flags | ASYNC_LOW_LATENCY);
    (void)ioctl(fd, TIOCSSERIAL, &serial);
}

static enum sp_return configure(struct sp_port *serial, uint32_t baud)
{
    enum sp_return code = sp_set_baudrate(serial, (int)baud);
    if (code == SP_OK)
        code = sp_set_bits(serial, 8);
    if (code == SP_OK)
        code = sp_set_parity(serial, SP_PARITY_NONE);
    if (code == SP_OK)
        code = sp_set_stopbits(serial, 1);
    if (code == SP_OK)
        code = sp_set_flowcontrol(serial, SP_FLOWCONTROL_NONE);
    return code;
}

static enum err open_serial(struct line_port *port, const char *name, uint32_t baud,
                            struct err_detail *detail)
{
    enum sp_return code = sp_get_port_by_name(name, &port->serial);
    if (code == SP_OK)
        code = sp_open(port->serial, SP_MODE_READ_WRITE);
    if (code == SP_OK)
        code = sp_get_port_handle(port->serial, &port->fd);
    if (code != SP_OK)
        return serial_fail(name, code, detail);
    TRY(lock_port(port->fd, name, detail));
    code = configure(port->serial, baud);
    if (code != SP_OK)
        return serial_fail(name, code, detail);
    want_low_latency(port->fd);
    return ERR_OK;
}

/* A pseudo-terminal has no speed and no driver, so libserialport does not know it. */
static enum err open_pty(struct line_port *port, const char *name, struct err_detail *detail)
{
    struct termios termios;
    port->fd = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (port->fd < 0)
        return err_set(detail, ERR_NOT_FOUND, "%s: can't open it", name);
    TRY(lock_port(port->fd, name, detail));
    if (tcgetattr(port->fd, &termios) != 0)
        return err_set(detail, ERR_NOT_FOUND, "%s: no terminal", name);
    cfmakeraw(&termios);
    if (tcsetattr(port->fd, TCSANOW, &termios) != 0)
        return err_errno(detail, "%s", name);
    return ERR_OK;
}

static enum err open_named(struct line_port *port, const char *name, uint32_t baud,
                           unsigned timeout_ms, struct err_detail *detail)
{
    char host[HOST_MAX], real[PATH_MAX];
    const char *service = NULL;
    struct stat status;
    if (stat(name, &status) != 0 && split_address(name, host, &service))
        return open_tcp(port, host, service, timeout_ms, detail);
    if (baud == 0 || baud > INT_MAX)
        return err_set(detail, ERR_ARGUMENT, "%u is no baud rate", baud);
    port->baud = baud;
    if (realpath(name, real) == NULL)
        return err_set(detail, ERR_NOT_FOUND, "%s: no such port", name);
    if (strncmp(real, "/dev/pts/", 9) == 0)
        return open_pty(port, real, detail);
    return open_serial(port, real, baud, detail);
}

enum err line_port_open(const char *name, uint32_t baud, unsigned timeout_ms,
                        struct line_port **ret_port, struct err_detail *detail)
{
    AUTO(line_port_closep) struct line_port *port = calloc(1, sizeof *port);
    if (port == NULL)
        return ERR_NO_MEMORY;
    port->fd = -1;
    TRY(open_named(port, name, baud, timeout_ms, detail));
    line_port_flush(port);
    *ret_port = TAKE(port);
    return ERR_OK;
}

void line_port_close(struct line_port *port)
{
    if (port == NULL)
        return;
    if (port->serial != NULL) {
        if (port->fd >= 0)
            (void)sp_close(port->serial);
        sp_free_port(port->serial);
    } else {
        file_closep(&port->fd);
    }
    free(port);
}

void line_port_closep(struct line_port **port)
{
    line_port_close(*port);
    *port = NULL;
}

enum err line_port_read(struct line_port *port, uint8_t *to, size_t cap, unsigned timeout_ms,
                        size_t *ret_len)
{
    uint64_t begun = clock_mono_ns();
    for (;;) {
        ssize_t got = read(port->fd, to, cap);
        if (got > 0) {
            *ret_len = (size_t)got;
            return ERR_OK;
        }
        /* A terminal whose other end went away says EIO; a serial port without bytes says 0. */
        if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return ERR_CLOSED;
        if (got == 0 && port->socket)
            return ERR_CLOSED;
        int left = left_ms(begun, timeout_ms);
        if (left == 0)
            return ERR_TIMEOUT;
        enum err err = wait_for(port->fd, POLLIN, left);
        if (err != ERR_OK)
            return err == ERR_IO ? ERR_CLOSED : err;
    }
}

enum err line_port_write(struct line_port *port, struct bytes data, unsigned timeout_ms)
{
    uint64_t begun = clock_mono_ns();
    while (data.len != 0) {
        ssize_t sent = port->socket ? send(port->fd, data.data, data.len, MSG_NOSIGNAL)
                                    : write(port->fd, data.data, data.len);
        if (sent > 0) {
            data.data += sent;
            data.len -= (size_t)sent;
            continue;
        }
        if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return ERR_CLOSED;
        enum err err = wait_for(port->fd, POLLOUT, left_ms(begun, timeout_ms));
        if (err != ERR_OK)
            return err == ERR_IO ? ERR_CLOSED : err;
    }
    return ERR_OK;
}

void line_port_flush(struct line_port *port)
{
    uint8_t gone[256];
    if (!port->socket)
        (void)tcflush(port->fd, TCIFLUSH);
    else
        while (recv(port->fd, gone, sizeof gone, MSG_DONTWAIT) > 0) {}
}

uint32_t line_port_baud(const struct line_port *port)
{
    return port->baud;
}
