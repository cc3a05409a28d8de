#include "programs/clavigerd/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un manager;
static socklen_t manager_len; /* 0: nobody listens */
static uint64_t watchdog_ms;

static void take_watchdog(void)
{
    const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (interval != NULL && (pid == NULL || strtol(pid, NULL, 10) == (long)getpid()))
        watchdog_ms = strtoull(interval, NULL, 10) / 2000;
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_init(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    manager_len = 0;
    watchdog_ms = 0;
    if (path != NULL && (path[0] == '/' || path[0] == '@') &&
        strlen(path) < sizeof manager.sun_path) {
        size_t len = strlen(path);
        manager = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(manager.sun_path, path, len);
        if (path[0] == '@')
            manager.sun_path[0] = '\0';
        manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    }
    (void)unsetenv("NOTIFY_SOCKET");
    take_watchdog();
}

uint64_t notify_watchdog_ms(void)
{
    return watchdog_ms;
}

void notify_send(const char *format, ...)
{
    if (manager_len == 0)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len <= 0)
        return;
    size_t used = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* one that is busy gets a moment, lest READY=1 be lost; it is no reason to stop serving */
    struct timeval patience = {.tv_sec = 2};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)!sendto(fd, text, used, MSG_NOSIGNAL, (struct sockaddr *)&manager, manager_len);
    (void)close(fd);
}
