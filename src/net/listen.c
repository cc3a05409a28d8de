#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "net/listener.h"

#define BACKLOG 4096

static enum err bind_listen(int fd, const struct sockaddr *addr, socklen_t len, const char *what,
                            struct err_detail *detail)
{
    if (bind(fd, addr, len) != 0)
        return err_errno(detail, "listen on %s", what);
    if (listen(fd, BACKLOG) != 0)
        return err_errno(detail, "listen on %s", what);
    return ERR_OK;
}

enum err net_listen_socket(const char *address, uint16_t port, int *ret_fd,
                           struct err_detail *detail)
{
    bool any = *address == '\0' || strcmp(address, "*") == 0;
    struct addrinfo hints = {.ai_family = any ? AF_INET6 : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[8], what[128];
    (void)snprintf(service, sizeof service, "%u", (unsigned)port);
    (void)snprintf(what, sizeof what, "%s port %s", any ? "*" : address, service);
    int failed = getaddrinfo(any ? NULL : address, service, &hints, &found);
    if (failed != 0)
        return err_set(detail, ERR_ARGUMENT, "%s: %s", what, gai_strerror(failed));
    AUTO(file_closep)
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && any) {
        /* a machine without IPv6 */
        freeaddrinfo(found);
        return net_listen_socket("0.0.0.0", port, ret_fd, detail);
    }
    int one = 1, zero = 0;
    enum err err = fd < 0 ? err_errno(detail, "listen on %s", what) : ERR_OK;
    if (err == ERR_OK) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        /* accepted sockets inherit it */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (found->ai_family == AF_INET6)
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &zero : &one, sizeof one);
        err = bind_listen(fd, found->ai_addr, found->ai_addrlen, what, detail);
    }
    freeaddrinfo(found);
    TRY(err);
    *ret_fd = file_take(&fd);
    return ERR_OK;
}

/* A socket file outlives the process that made it; only asking tells whether somebody listens. */
static enum err remove_stale(const char *path, const struct sockaddr_un *addr,
                             struct err_detail *detail)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? ERR_OK : err_errno(detail, "%s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(detail, ERR_EXISTS, "%s is there and no socket", path);
    AUTO(file_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(detail, "%s", path);
    if (connect(fd, (const struct sockaddr *)addr, sizeof *addr) == 0 || errno == EAGAIN)
        return err_set(detail, ERR_LOCKED, "%s: somebody listens there already", path);
    if (errno != ECONNREFUSED)
        return err_errno(detail, "%s", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return err_errno(detail, "%s", path);
    return ERR_OK;
}

enum err net_listen_unix(const char *path, unsigned mode, int *ret_fd, struct err_detail *detail)
{
    assert(path != NULL);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return err_set(detail, ERR_LIMIT, "%s: path of a socket has at most %zu bytes", path,
                       sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    TRY(remove_stale(path, &addr, detail));
    AUTO(file_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(detail, "%s", path);
    /* Bind makes the file with the umask; nobody can connect before listen, so chmod in between
     * leaves no gap. */
    if (bind(fd, (const struct sockaddr *)&addr, sizeof addr) != 0)
        return err_errno(detail, "listen on %s", path);
    if (chmod(path, (mode_t)mode) != 0 || listen(fd, BACKLOG) != 0) {
        enum err err = err_errno(detail, "listen on %s", path);
        (void)unlink(path);
        return err;
    }
    *ret_fd = file_take(&fd);
    return ERR_OK;
}

static enum err parse_port(const char *text, uint16_t *ret_port)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return ERR_SYNTAX;
    errno = 0;
    unsigned long port = strtoul(text, &end, 10);
    if (*end != '\0' || errno != 0 || port > 65535)
        return ERR_SYNTAX;
    *ret_port = (uint16_t)port;
    return ERR_OK;
}

enum err net_address_parse(const char *text, uint16_t default_port, char *host, uint16_t *ret_port)
{
    const char *from = text, *to, *port = NULL;
    if (*text == '[') {
        from = text + 1;
        to = strchr(from, ']');
        if (to == NULL || (to[1] != '\0' && to[1] != ':'))
            return ERR_SYNTAX;
        port = to[1] == ':' ? to + 2 : NULL;
    } else {
        const char *colon = strchr(text, ':');
        bool digits = *text != '\0' && strspn(text, "0123456789") == strlen(text);
        if (digits)
            port = to = text;
        else if (colon != NULL && strchr(colon + 1, ':') == NULL)
            to = colon, port = colon + 1;
        else
            to = text + strlen(text); /* a name, or IPv6 without a port */
    }
    size_t len = (size_t)(to - from);
    if (len >= 256)
        return ERR_LIMIT;
    uint16_t number = default_port;
    if (port != NULL)
        TRY(parse_port(port, &number));
    memcpy(host, from, len);
    host[len] = '\0';
    *ret_port = number;
    return ERR_OK;
}

uint16_t net_socket_port(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
        return 0;
    if (addr.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&addr)->sin_port);
    if (addr.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)&addr)->sin6_port);
    return 0;
}
