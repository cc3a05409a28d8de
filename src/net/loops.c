#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "net/loop_priv.h"

struct net_loops {
    unsigned len;
    unsigned started;
    _Atomic unsigned turn;
    struct net_loop **loops;
    pthread_t *threads;
};

enum err net_loops_new(unsigned n, struct net_loops **ret_loops)
{
    if (n == 0 || n > 1024)
        return ERR_ARGUMENT;
    struct net_loops *loops = calloc(1, sizeof *loops);
    if (loops == NULL)
        return ERR_NO_MEMORY;
    loops->loops = calloc(n, sizeof(struct net_loop *));
    loops->threads = calloc(n, sizeof *loops->threads);
    enum err err = loops->loops != NULL && loops->threads != NULL ? ERR_OK : ERR_NO_MEMORY;
    for (; err == ERR_OK && loops->len < n; loops->len += err == ERR_OK)
        err = net_loop_new(&loops->loops[loops->len]);
    if (err != ERR_OK) {
        net_loops_free(loops);
        return err;
    }
    *ret_loops = loops;
    return ERR_OK;
}

unsigned net_loops_len(const struct net_loops *loops)
{
    return loops->len;
}

struct net_loop *net_loops_get(struct net_loops *loops, unsigned i)
{
    return loops->loops[i];
}

struct net_loop *net_loops_next(struct net_loops *loops)
{
    unsigned turn = atomic_fetch_add_explicit(&loops->turn, 1, memory_order_relaxed);
    return loops->loops[turn % loops->len];
}

static void *run(void *arg)
{
    /* Only fails where epoll itself does; the thread's end is then all there is to say. */
    enum err err = net_loop_run(arg);
    (void)err;
    return NULL;
}

enum err net_loops_start(struct net_loops *loops)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (loops->started < loops->len && pthread_create(&loops->threads[loops->started], NULL, run,
                                                         loops->loops[loops->started]) == 0)
        loops->started++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (loops->started < loops->len) {
        net_loops_stop(loops);
        return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

void net_loops_stop(struct net_loops *loops)
{
    for (unsigned i = 0; i < loops->started; i++)
        net_loop_stop(loops->loops[i]);
    for (unsigned i = 0; i < loops->started; i++)
        (void)pthread_join(loops->threads[i], NULL);
    loops->started = 0;
}

void net_loops_free(struct net_loops *loops)
{
    if (loops == NULL)
        return;
    net_loops_stop(loops);
    for (unsigned i = 0; i < loops->len; i++)
        net_loop_free(loops->loops[i]);
    free(loops->loops);
    free(loops->threads);
    free(loops);
}
