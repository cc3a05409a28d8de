#include "hsm/session.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "hsm/key.h"

static struct timespec after_ms(unsigned ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static enum err err_of(CK_RV rv)
{
    switch (rv) {
    case CKR_OUR_NOT_FOUND: return ERR_NOT_FOUND;
    case CKR_OUR_AMBIGUOUS: return ERR_CONFLICT;
    case CKR_OUR_EXISTS: return ERR_EXISTS;
    case CKR_OUR_UNGUARDED:
    case CKR_OUR_UNABLE: return ERR_TOKEN_UNABLE;
    case CKR_OUR_NOT_SEALED: return ERR_SEAL;
    case CKR_OUR_CRYPTO_FAIL: return ERR_CRYPTO;
    case CKR_HOST_MEMORY: return ERR_NO_MEMORY;
    case CKR_SESSION_COUNT: return ERR_BUSY;
    default: break;
    }
    switch (ckr_group(rv)) {
    case CKR_GROUP_PIN: return ERR_PIN_REFUSED;
    case CKR_GROUP_UNABLE: return ERR_TOKEN_UNABLE;
    case CKR_GROUP_HANDLE: return ERR_NOT_FOUND;
    case CKR_GROUP_DEVICE:
    case CKR_GROUP_LOGIN:
    case CKR_GROUP_SESSION: return ERR_TOKEN_GONE;
    default: return ERR_TOKEN;
    }
}

static const char *our_text(CK_RV rv)
{
    switch (rv) {
    case CKR_OUR_NOT_FOUND: return "no such key in the token";
    case CKR_OUR_AMBIGUOUS: return "several keys have this label";
    case CKR_OUR_EXISTS: return "a key with this label is in the token already";
    case CKR_OUR_BAD_ANSWER: return "the token's answer is outside the standard";
    case CKR_OUR_UNGUARDED: return "the token would let the key out";
    case CKR_OUR_UNABLE: return "the token has no way to do this";
    case CKR_OUR_NOT_SEALED: return "altered, or made with another root key";
    case CKR_OUR_CRYPTO_FAIL: return "failed outside the token";
    default: return NULL;
    }
}

enum err hsm_fail(CK_RV rv, const char *what, struct err_detail *detail)
{
    const char *ours = our_text(rv);
    (void)err_set(detail, err_of(rv), "%s: %s", what, ours != NULL ? ours : hsm_ckr_name(rv));
    if (detail != NULL)
        detail->ckr = ours != NULL ? 0 : rv;
    return err_of(rv);
}

static enum err say_gone(const struct hsm *hsm, struct err_detail *detail)
{
    (void)err_set(detail, ERR_TOKEN_GONE, "token \"%s\": %s", hsm->info.label,
                  hsm_ckr_name(hsm->last_ckr));
    if (detail != NULL)
        detail->ckr = hsm->last_ckr;
    return ERR_TOKEN_GONE;
}

/* With the lock held: the caller becomes the one that recovers, once all others have left the
 * module. Waits where it must; ERR_OK means look again. */
static enum err recover_or_wait(struct hsm *hsm, const struct timespec *until,
                                struct err_detail *detail)
{
    if (hsm->state == HSM_GONE && !hsm->recovering && clock_mono_ns() < hsm->retry_at_ns)
        return say_gone(hsm, detail);
    if (hsm->recovering || hsm->busy > 0) {
        if (pthread_cond_timedwait(&hsm->changed, &hsm->lock, until) == ETIMEDOUT)
            return say_gone(hsm, detail);
        return ERR_OK;
    }
    hsm->recovering = true;
    (void)pthread_mutex_unlock(&hsm->lock);
    enum err err = hsm_recover(hsm, detail);
    (void)pthread_mutex_lock(&hsm->lock);
    hsm->recovering = false;
    (void)pthread_cond_broadcast(&hsm->changed);
    return err;
}

static bool is_loss(CK_RV rv)
{
    enum ckr_group group = ckr_group(rv);
    return group == CKR_GROUP_SESSION || group == CKR_GROUP_LOGIN || group == CKR_GROUP_DEVICE;
}

/* With the lock held, which is let go while the token works; `busy` keeps recovery away. ERR_OK
 * with *ret_session CK_INVALID_HANDLE means look again. */
static enum err open_one(struct hsm *hsm, CK_SESSION_HANDLE *ret_session, struct err_detail *detail)
{
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    hsm->busy++;
    (void)pthread_mutex_unlock(&hsm->lock);
    CK_RV rv = hsm->module->f->C_OpenSession(hsm->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
                                             NULL, &session);
    (void)pthread_mutex_lock(&hsm->lock);
    if (rv == CKR_OK) {
        *ret_session = session;
        return ERR_OK;
    }
    hsm->busy--;
    (void)pthread_cond_broadcast(&hsm->changed);
    hsm->last_ckr = rv;
    if (is_loss(rv)) {
        hsm->state = hsm->state == HSM_READY ? HSM_LOST : hsm->state;
        return ERR_OK;
    }
    if (rv == CKR_SESSION_COUNT && hsm->busy > 0) {
        /* The token allows fewer: keep to what is open. */
        hsm->config.sessions_max = hsm->busy + hsm->idle_count;
        return ERR_OK;
    }
    return hsm_fail(rv, "C_OpenSession", detail);
}

static enum err borrow_locked(struct hsm *hsm, CK_SESSION_HANDLE *ret_session,
                              struct err_detail *detail)
{
    const struct timespec until = after_ms(HSM_WAIT_MS);
    for (;;) {
        if (hsm->state == HSM_PIN_REFUSED)
            return err_set(detail, ERR_PIN_REFUSED, "token \"%s\": %s", hsm->info.label,
                           hsm_ckr_name(hsm->last_ckr));
        if (hsm->state != HSM_READY || hsm->recovering) {
            TRY(recover_or_wait(hsm, &until, detail));
            continue;
        }
        if (hsm->idle_count > 0) {
            *ret_session = hsm->idle[--hsm->idle_count];
            hsm->busy++;
            return ERR_OK;
        }
        if (hsm->busy < hsm->config.sessions_max) {
            *ret_session = CK_INVALID_HANDLE;
            TRY(open_one(hsm, ret_session, detail));
            if (*ret_session != CK_INVALID_HANDLE)
                return ERR_OK;
            continue;
        }
        if (pthread_cond_timedwait(&hsm->changed, &hsm->lock, &until) == ETIMEDOUT)
            return err_set(detail, ERR_BUSY, "all %u sessions are busy", hsm->config.sessions_max);
    }
}

static enum err session_borrow(struct hsm *hsm, CK_SESSION_HANDLE *ret_session,
                               struct err_detail *detail)
{
    if (hsm->pid != getpid())
        return err_set(detail, ERR_STATE, "the token was opened by the process that forked this");
    (void)pthread_mutex_lock(&hsm->lock);
    hsm->calls++;
    enum err err = borrow_locked(hsm, ret_session, detail);
    if (err != ERR_OK)
        hsm->failures++;
    (void)pthread_mutex_unlock(&hsm->lock);
    return err;
}

/* Some modules answer these for bad input as well as for a lost device; and to who is no longer
 * logged in, openCryptoki hides its private keys without another word. */
static bool is_doubtful(CK_RV rv)
{
    return rv == CKR_DEVICE_ERROR || rv == CKR_GENERAL_ERROR || rv == CKR_FUNCTION_FAILED ||
           rv == CKR_OUR_NOT_FOUND || ckr_group(rv) == CKR_GROUP_HANDLE;
}

/* Gives the session back; true where something was lost. */
static bool session_return(struct hsm *hsm, CK_SESSION_HANDLE session, CK_RV rv)
{
    bool lost = is_doubtful(rv) ? !hsm_healthy(hsm, session) : is_loss(rv);
    if (rv == CKR_USER_NOT_LOGGED_IN && !hsm->login_wanted)
        lost = false;
    bool keep = rv == CKR_OK;
    /* A failed operation may still be active in its session. */
    if (!keep && !lost)
        (void)hsm->module->f->C_CloseSession(session);
    (void)pthread_mutex_lock(&hsm->lock);
    if (rv != CKR_OK) {
        hsm->last_ckr = rv;
        hsm->failures++;
    }
    if (lost && hsm->state == HSM_READY)
        hsm->state = HSM_LOST;
    if (keep && hsm->state == HSM_READY)
        hsm->idle[hsm->idle_count++] = session;
    hsm->busy--;
    (void)pthread_cond_broadcast(&hsm->changed);
    (void)pthread_mutex_unlock(&hsm->lock);
    return lost;
}

/* A key that was in the token before is not there now. SoftHSM2 answers so for a token whose files
 * are out of reach, and goes on to when they are back: only a module that is loaded anew looks.
 * True where that is to be done; a key that is still missing then was destroyed. */
static bool look_anew(struct hsm *hsm)
{
    uint64_t now = clock_mono_ns();
    (void)pthread_mutex_lock(&hsm->lock);
    bool due = hsm->state == HSM_READY && now >= hsm->restart_at_ns;
    if (due) {
        hsm->restart_at_ns = now + (uint64_t)HSM_MISSING_MS * 1000000;
        hsm->restart_wanted = true;
        hsm->state = HSM_LOST;
    }
    (void)pthread_mutex_unlock(&hsm->lock);
    return due;
}

enum err hsm_run(struct hsm *hsm, struct hsm_key *key, hsm_op *op, void *ctx, const char *what,
                 struct err_detail *detail)
{
    CK_RV rv = CKR_OK;
    bool lost = false;
    for (int attempts = 2; attempts > 0; attempts--) {
        struct hsm_call call = {.hsm = hsm, .f = hsm->module->f};
        TRY(session_borrow(hsm, &call.session, detail));
        rv = key != NULL ? key_locate(&call, key) : CKR_OK;
        bool missing = rv == CKR_OUR_NOT_FOUND && !key->destroyed;
        if (rv == CKR_OK)
            rv = op(&call, ctx);
        lost = session_return(hsm, call.session, rv);
        if (rv == CKR_OK)
            return ERR_OK;
        bool stale = key != NULL && ckr_group(rv) == CKR_GROUP_HANDLE;
        if (stale)
            key_forget(hsm, key);
        if (!lost && missing && look_anew(hsm))
            attempts = 2;
        else if (!lost && !stale)
            break;
    }
    enum err err = hsm_fail(rv, what, detail);
    if (lost)
        err = ERR_TOKEN_GONE;
    else if (err == ERR_TOKEN_GONE)
        err = ERR_TOKEN; /* it answers, so it is there */
    if (detail != NULL)
        detail->code = err;
    return err;
}
