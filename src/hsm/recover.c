#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "hsm/session.h"

void hsm_pin_wipe(struct hsm *hsm)
{
    /* In a forked child the pages behind it are zeroes already; freeing is harmless. */
    secret_free(TAKE(hsm->pin));
}

static enum err refuse_pin(struct hsm *hsm, CK_RV rv, struct err_detail *detail)
{
    hsm_pin_wipe(hsm);
    (void)pthread_mutex_lock(&hsm->lock);
    hsm->state = HSM_PIN_REFUSED;
    hsm->logged_in = false;
    hsm->last_ckr = rv;
    (void)pthread_mutex_unlock(&hsm->lock);
    (void)err_set(detail, ERR_PIN_REFUSED, "token \"%s\": %s", hsm->info.label, hsm_ckr_name(rv));
    if (detail != NULL)
        detail->ckr = rv;
    return ERR_PIN_REFUSED;
}

/* `ret_tried` tells whether the token has seen the PIN: it must not see it twice for one incident
 * unless the device was lost meanwhile. */
static enum err login(struct hsm *hsm, bool *ret_tried, struct err_detail *detail)
{
    if (!hsm->login_wanted)
        return ERR_OK;
    if (hsm->pin == NULL)
        return refuse_pin(hsm, CKR_PIN_INCORRECT, detail);
    if (hsm->info.flags & CKF_USER_PIN_LOCKED)
        return refuse_pin(hsm, CKR_PIN_LOCKED, detail);
    CK_RV rv =
        hsm->module->f->C_Login(hsm->anchor, CKU_USER, secret_data(hsm->pin), secret_len(hsm->pin));
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
        hsm->logged_in = true;
        return ERR_OK;
    }
    enum ckr_group group = ckr_group(rv);
    if (group == CKR_GROUP_PIN)
        return refuse_pin(hsm, rv, detail);
    *ret_tried = group != CKR_GROUP_DEVICE && group != CKR_GROUP_SESSION;
    return hsm_fail(rv, "C_Login", detail);
}

static enum err attach(struct hsm *hsm, bool *ret_tried, struct err_detail *detail)
{
    CK_FUNCTION_LIST *f = hsm->module->f;
    struct hsm_token_info info = {0};
    CK_SLOT_ID slot = 0;
    enum err err = hsm_slot_find(f, hsm->config.label, hsm->config.serial, hsm->config.slot, &slot,
                                 &info, detail);
    /* SoftHSM2 and others may give the same token another slot when it comes back. */
    if (err != ERR_OK && hsm->known && hsm->config.slot >= 0)
        err = hsm_slot_find(f, hsm->config.label, hsm->config.serial, -1, &slot, &info, detail);
    if (err != ERR_OK)
        return err;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    CK_RV rv = f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
    if (rv != CKR_OK)
        return hsm_fail(rv, "C_OpenSession", detail);
    (void)pthread_mutex_lock(&hsm->lock);
    hsm->slot = slot;
    hsm->info = info;
    hsm->anchor = session;
    hsm->anchored = true;
    (void)pthread_mutex_unlock(&hsm->lock);
    return login(hsm, ret_tried, detail);
}

static enum err remember(char **to, const char *text)
{
    if (*to == NULL && (*to = strdup(text)) == NULL)
        return ERR_NO_MEMORY;
    return ERR_OK;
}

enum err hsm_attach(struct hsm *hsm, struct err_detail *detail)
{
    bool tried = false;
    TRY(attach(hsm, &tried, detail));
    TRY(remember(&hsm->config.label, hsm->info.label));
    TRY(remember(&hsm->config.serial, hsm->info.serial));
    hsm->known = true;
    return ERR_OK;
}

static void drop_sessions(struct hsm *hsm)
{
    (void)hsm->module->f->C_CloseAllSessions(hsm->slot);
    (void)pthread_mutex_lock(&hsm->lock);
    hsm->generation++;
    hsm->idle_count = 0;
    hsm->anchored = false;
    hsm->logged_in = false;
    (void)pthread_mutex_unlock(&hsm->lock);
}

static void gone(struct hsm *hsm, CK_RV rv)
{
    unsigned next = hsm->backoff_ms == 0 ? HSM_BACKOFF_FIRST_MS : hsm->backoff_ms * 2;
    hsm->backoff_ms = next < HSM_BACKOFF_LAST_MS ? next : HSM_BACKOFF_LAST_MS;
    hsm->retry_at_ns = clock_mono_ns() + (uint64_t)hsm->backoff_ms * 1000000;
    hsm->state = HSM_GONE;
    hsm->last_ckr = rv != CKR_OK ? rv : CKR_TOKEN_NOT_PRESENT;
}

enum err hsm_recover(struct hsm *hsm, struct err_detail *detail)
{
    bool tried = false;
    struct err_detail why = {.ckr = CKR_OK};
    drop_sessions(hsm);
    enum err err = hsm->restart_wanted && module_restart(hsm->module) != CKR_OK
                       ? ERR_TOKEN_GONE
                       : attach(hsm, &tried, &why);
    hsm->restart_wanted = false;
    if (err != ERR_OK && err != ERR_PIN_REFUSED && !tried &&
        module_restart(hsm->module) == CKR_OK) {
        why = (struct err_detail){.ckr = CKR_OK};
        drop_sessions(hsm);
        err = attach(hsm, &tried, &why);
    }
    (void)pthread_mutex_lock(&hsm->lock);
    if (err == ERR_OK) {
        hsm->state = HSM_READY;
        hsm->backoff_ms = 0;
        hsm->recoveries++;
    } else if (err != ERR_PIN_REFUSED) {
        gone(hsm, why.ckr);
        err = why.code = ERR_TOKEN_GONE;
    }
    (void)pthread_mutex_unlock(&hsm->lock);
    if (err != ERR_OK && detail != NULL)
        *detail = why;
    return err;
}

bool hsm_healthy(struct hsm *hsm, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info;
    uint8_t byte;
    if (hsm->module->f->C_GetSessionInfo(session, &info) != CKR_OK)
        return false;
    if (hsm->login_wanted && info.state != CKS_RW_USER_FUNCTIONS &&
        info.state != CKS_RO_USER_FUNCTIONS)
        return false;
    /* Session information is often answered by the module alone; this is not. */
    CK_RV rv = hsm->module->f->C_GenerateRandom(session, &byte, 1);
    return rv == CKR_OK || ckr_group(rv) == CKR_GROUP_UNABLE || rv == CKR_RANDOM_NO_RNG;
}

enum err hsm_adopt(struct hsm *hsm, struct secret *pin, struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *mine = pin;
    if (hsm->pid == getpid())
        return err_set(detail, ERR_STATE, "this process has opened the token itself");
    /* Another thread of the parent may have held them when it forked. */
    (void)pthread_mutex_init(&hsm->lock, NULL);
    (void)pthread_mutex_init(&hsm->make_lock, NULL);
    (void)pthread_cond_init(&hsm->changed, NULL);
    hsm->pid = getpid();
    hsm->busy = hsm->idle_count = 0;
    hsm->anchored = hsm->logged_in = hsm->recovering = false;
    hsm->generation++;
    hsm->backoff_ms = 0;
    hsm_pin_wipe(hsm);
    hsm->login_wanted = mine != NULL;
    hsm->pin = TAKE(mine);
    hsm->state = HSM_LOST;
    CK_RV rv = module_restart(hsm->module);
    if (rv != CKR_OK)
        return hsm_fail(rv, "C_Initialize after fork", detail);
    bool tried = false;
    TRY(attach(hsm, &tried, detail));
    hsm->state = HSM_READY;
    return ERR_OK;
}
