#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend_fake.h"
#include "base/log.h"
#include "diameter/server.h"

/* stub CONF TCP-PORT TLS-PORT: the Diameter server over the fakes, for real peers to talk to; until
 * SIGTERM. Loopback only. */
int main(int argc, char **argv)
{
    struct err_detail detail = {0};
    struct net_loops *loops = NULL;
    struct diameter_server *server = NULL;
    int tcp = -1;
    int tls = -1;
    if (argc != 4)
        return 2;
    log_init("stub", LOG_LEVEL_DEBUG);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int keepers[2] = {backend_keeper_fd(), backend_keeper_fd()};
    enum err err = net_loops_new(2, &loops);
    if (err == ERR_OK)
        err = net_listen_socket("127.0.0.1", (uint16_t)atoi(argv[2]), &tcp, &detail);
    if (err == ERR_OK)
        err = net_listen_socket("127.0.0.1", (uint16_t)atoi(argv[3]), &tls, &detail);
    struct diameter_server_config config = {.loops = loops,
                                            .properties = argv[1],
                                            .keeper_fds = keepers,
                                            .clerk_fd = backend_keeper_fd(),
                                            .tcp_fds = &tcp,
                                            .tls_fds = &tls,
                                            .tcp_len = 1,
                                            .tls_len = 1};
    if (err == ERR_OK)
        err = diameter_server_new(&config, &detail, &server);
    if (err == ERR_OK)
        err = net_loops_start(loops);
    if (err != ERR_OK) {
        log_failure(LOG_LEVEL_ERROR, "stub", err, &detail);
        return 1;
    }
    int number = 0;
    (void)sigwait(&set, &number);
    net_loops_stop(loops);
    diameter_server_free(server);
    net_loops_free(loops);
    return 0;
}
