#include "hsm/hsm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/session.h"

#define SESSIONS_DEFAULT 8

static char *copy_text(const char *text, bool *ok)
{
    if (text == NULL || text[0] == '\0')
        return NULL;
    char *copy = strdup(text);
    if (copy == NULL)
        *ok = false;
    return copy;
}

static void inside_free(struct hsm *hsm)
{
    if (hsm == NULL)
        return;
    hsm_pin_wipe(hsm);
    module_put(hsm->module);
    (void)pthread_cond_destroy(&hsm->changed);
    (void)pthread_mutex_destroy(&hsm->lock);
    (void)pthread_mutex_destroy(&hsm->make_lock);
    free(hsm->config.label);
    free(hsm->config.serial);
    free(hsm->managed);
    free(hsm);
}

static enum err inside_new(const struct hsm_config *config, struct hsm **ret_hsm)
{
    struct hsm *hsm = calloc(1, sizeof *hsm);
    if (hsm == NULL)
        return ERR_NO_MEMORY;
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&hsm->lock, NULL);
    (void)pthread_mutex_init(&hsm->make_lock, NULL);
    (void)pthread_cond_init(&hsm->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    bool ok = true;
    hsm->config.label = copy_text(config->token_label, &ok);
    hsm->config.serial = copy_text(config->token_serial, &ok);
    hsm->config.slot = config->slot;
    hsm->config.sessions_max = config->sessions_max != 0 ? config->sessions_max : SESSIONS_DEFAULT;
    if (hsm->config.sessions_max > HSM_SESSIONS_MAX)
        hsm->config.sessions_max = HSM_SESSIONS_MAX;
    hsm->config.brief = config->brief;
    hsm->pid = getpid();
    hsm->generation = 1;
    if (!ok) {
        inside_free(hsm);
        return ERR_NO_MEMORY;
    }
    *ret_hsm = hsm;
    return ERR_OK;
}

enum err hsm_open(const struct hsm_config *config, struct secret *pin, struct hsm **ret_hsm,
                  struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *mine = pin;
    AUTO(hsm_closep) struct hsm *hsm = NULL;
    TRY(inside_new(config, &hsm));
    hsm->login_wanted = mine != NULL;
    hsm->pin = TAKE(mine);
    TRY(module_get(config->module, config->init_args, &hsm->module, detail));
    TRY(hsm_attach(hsm, detail));
    TRY(hsm_probe(hsm, detail));
    *ret_hsm = TAKE(hsm);
    return ERR_OK;
}

static void leave_token(struct hsm *hsm)
{
    CK_FUNCTION_LIST *f = hsm->module->f;
    if (module_users(hsm->module) == 1) {
        if (hsm->anchored && hsm->logged_in)
            (void)f->C_Logout(hsm->anchor);
        (void)f->C_CloseAllSessions(hsm->slot);
        return;
    }
    /* The login belongs to the whole process: others need it still. */
    for (unsigned i = 0; i < hsm->idle_count; i++)
        (void)f->C_CloseSession(hsm->idle[i]);
    if (hsm->anchored)
        (void)f->C_CloseSession(hsm->anchor);
}

void hsm_close(struct hsm *hsm)
{
    if (hsm == NULL)
        return;
    /* A forked child that hasn't adopted the token leaves the parent's sessions alone. */
    if (hsm->module != NULL && hsm->pid == getpid())
        leave_token(hsm);
    inside_free(hsm);
}

void hsm_closep(struct hsm **hsm)
{
    hsm_close(*hsm);
    *hsm = NULL;
}

void hsm_leave(int status)
{
    (void)fflush(NULL);
    _exit(status);
}

void hsm_token_info(struct hsm *hsm, struct hsm_token_info *ret_info)
{
    (void)pthread_mutex_lock(&hsm->lock);
    *ret_info = hsm->info;
    (void)pthread_mutex_unlock(&hsm->lock);
}

void hsm_status(struct hsm *hsm, struct hsm_status *ret_status)
{
    (void)pthread_mutex_lock(&hsm->lock);
    *ret_status = (struct hsm_status){
        .state = hsm->state,
        .logged_in = hsm->logged_in && hsm->state == HSM_READY,
        .sessions_open = hsm->busy + hsm->idle_count + (hsm->anchored ? 1 : 0),
        .sessions_busy = hsm->busy,
        .last_ckr = hsm->last_ckr,
        .recoveries = hsm->recoveries,
        .calls = hsm->calls,
        .failures = hsm->failures,
    };
    (void)pthread_mutex_unlock(&hsm->lock);
}

const char *hsm_state_name(enum hsm_state state)
{
    switch (state) {
    case HSM_READY: return "ready";
    case HSM_LOST: return "lost";
    case HSM_GONE: return "gone";
    case HSM_PIN_REFUSED: return "PIN refused";
    }
    return "unknown";
}

static CK_RV random_op(struct hsm_call *call, void *ctx)
{
    struct bytes *to = ctx;
    return call->f->C_GenerateRandom(call->session, (uint8_t *)(uintptr_t)to->data, to->len);
}

enum err hsm_random(struct hsm *hsm, void *to, size_t len, struct err_detail *detail)
{
    struct bytes view = bytes_of(to, len);
    return hsm_run(hsm, NULL, random_op, &view, "C_GenerateRandom", detail);
}
