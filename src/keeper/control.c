#include "keeper/control.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

#define MESSAGE_MAX (1 + 8 + 2 + CONTROL_TEXT_MAX)

union fd_space {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

enum err control_send(int link, const struct control_message *message)
{
    uint8_t raw[MESSAGE_MAX];
    struct writer w = writer_of(raw, sizeof raw);
    writer_u8(&w, (uint8_t)message->type);
    writer_u64(&w, message->value);
    writer_bytes16(&w, bytes_of(message->text, strnlen(message->text, CONTROL_TEXT_MAX)));
    TRY(writer_status(&w));
    struct iovec part = {raw, w.len};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
    union fd_space space;
    if (message->fd >= 0) {
        memset(&space, 0, sizeof space);
        msg.msg_control = space.space;
        msg.msg_controllen = sizeof space.space;
        struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &message->fd, sizeof(int));
    }
    for (;;) {
        if (sendmsg(link, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return ERR_OK;
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
            return ERR_BUSY;
        return errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN ? ERR_CLOSED : ERR_IO;
    }
}

enum err control_tell(int link, enum control_type type, uint64_t value, const char *text)
{
    struct control_message message = {.type = type, .value = value, .fd = -1};
    if (text != NULL) {
        size_t len = strnlen(text, CONTROL_TEXT_MAX);
        memcpy(message.text, text, len);
    }
    return control_send(link, &message);
}

/* Takes the descriptors of a message: the first is kept, others are closed. */
static int take_fd(struct msghdr *msg)
{
    int kept = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (kept < 0)
                kept = fd;
            else
                (void)close(fd);
        }
    }
    return kept;
}

static enum err decode(struct bytes raw, struct control_message *ret_message)
{
    struct control_message message = {0};
    struct reader r = reader_of(raw);
    unsigned type = reader_u8(&r);
    message.value = reader_u64(&r);
    struct bytes text = reader_bytes16(&r);
    TRY(reader_end(&r));
    if (type == 0 || type >= CONTROL_TYPES || text.len > CONTROL_TEXT_MAX)
        return ERR_SYNTAX;
    message.type = (enum control_type)type;
    /* it goes into the log and, behind STATUS=, to the service manager, line by line */
    for (size_t i = 0; i < text.len; i++)
        message.text[i] = text.data[i] < 0x20 || text.data[i] == 0x7f ? '?' : (char)text.data[i];
    *ret_message = message;
    return ERR_OK;
}

enum err control_receive(int link, struct control_message *ret_message)
{
    uint8_t raw[MESSAGE_MAX];
    struct iovec part = {raw, sizeof raw};
    union fd_space space;
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = space.space,
                         .msg_controllen = sizeof space.space};
    ssize_t got;
    do
        got = recvmsg(link, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return ERR_BUSY;
    if (got <= 0)
        return ERR_CLOSED;
    int fd = take_fd(&msg);
    struct control_message message;
    if ((msg.msg_flags & MSG_TRUNC) != 0 ||
        decode(bytes_of(raw, (size_t)got), &message) != ERR_OK) {
        if (fd >= 0)
            (void)close(fd);
        return ERR_SYNTAX;
    }
    message.fd = fd;
    *ret_message = message;
    return ERR_OK;
}

enum err control_wait(int link, int timeout_ms, struct control_message *ret_message)
{
    uint64_t until = clock_mono_ns() / 1000000U + (uint64_t)timeout_ms;
    for (;;) {
        enum err err = control_receive(link, ret_message);
        if (err != ERR_BUSY)
            return err;
        uint64_t now = clock_mono_ns() / 1000000U;
        if (now >= until)
            return ERR_TIMEOUT;
        struct pollfd wait = {.fd = link, .events = POLLIN};
        if (poll(&wait, 1, (int)(until - now)) < 0 && errno != EINTR)
            return ERR_IO;
    }
}
