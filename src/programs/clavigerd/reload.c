#include "programs/clavigerd/reload.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/file.h"

#define ASK_TIMEOUT_S 30

struct reload {
    int control;
    int files[RELOAD_FILES];
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t ended;
    uint64_t count;
    bool closed;
    enum err err;
    char text[CONTROL_TEXT_MAX + 1];
};

enum err reload_new(int control, struct reload **ret_reload)
{
    struct reload *reload = calloc(1, sizeof *reload);
    if (reload == NULL)
        return ERR_NO_MEMORY;
    reload->control = control;
    for (unsigned i = 0; i < RELOAD_FILES; i++)
        reload->files[i] = -1;
    pthread_condattr_t monotonic;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&reload->lock, NULL);
    (void)pthread_cond_init(&reload->ended, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    *ret_reload = reload;
    return ERR_OK;
}

void reload_free(struct reload *reload)
{
    if (reload == NULL)
        return;
    for (unsigned i = 0; i < RELOAD_FILES; i++)
        file_closep(&reload->files[i]);
    (void)pthread_cond_destroy(&reload->ended);
    (void)pthread_mutex_destroy(&reload->lock);
    free(reload);
}

void reload_take(struct reload *reload, struct control_message *message)
{
    if (message->value >= RELOAD_FILES)
        return;
    file_closep(&reload->files[message->value]);
    reload->files[message->value] = file_take(&message->fd);
}

enum err reload_read(struct reload *reload, enum reload_file file, const char *name, size_t limit,
                     struct buf *to, struct err_detail *detail)
{
    AUTO(file_closep) int fd = file_take(&reload->files[file]);
    if (fd < 0)
        return err_set(detail, ERR_STATE, "%s: the supervisor did not send it", name);
    return file_read_open(fd, name, limit, to, detail);
}

void reload_over(struct reload *reload, enum err err, const char *text)
{
    (void)pthread_mutex_lock(&reload->lock);
    reload->count++;
    reload->err = err;
    size_t len = strnlen(text, CONTROL_TEXT_MAX);
    memcpy(reload->text, text, len);
    reload->text[len] = '\0';
    (void)pthread_cond_broadcast(&reload->ended);
    (void)pthread_mutex_unlock(&reload->lock);
}

void reload_close(struct reload *reload)
{
    (void)pthread_mutex_lock(&reload->lock);
    reload->closed = true;
    (void)pthread_cond_broadcast(&reload->ended);
    (void)pthread_mutex_unlock(&reload->lock);
}

enum err reload_ask(struct reload *reload, struct err_detail *detail)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ASK_TIMEOUT_S;
    (void)pthread_mutex_lock(&reload->lock);
    uint64_t before = reload->count;
    enum err err = control_tell(reload->control, CONTROL_RELOAD_WANTED, 0, NULL);
    int waited = 0;
    while (err == ERR_OK && reload->count == before && !reload->closed && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&reload->ended, &reload->lock, &until);
    if (err == ERR_OK && reload->count == before)
        err = reload->closed ? ERR_CLOSED
                             : err_set(detail, ERR_TIMEOUT, "the supervisor does not answer");
    else if (err == ERR_OK && reload->err != ERR_OK)
        err = err_set(detail, reload->err, "%s", reload->text);
    (void)pthread_mutex_unlock(&reload->lock);
    return err;
}
