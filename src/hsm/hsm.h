#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/secret.h"

/* One token of one PKCS#11 module: loaded, logged in, probed, and brought back by itself when a
 * session, the login or the device is lost. Every function may be called from any thread unless it
 * says otherwise; a call blocks for as long as the token takes. */
struct hsm;

#define HSM_SESSIONS_MAX 64
#define HSM_LABEL_MAX    32

/* Which token. Strings are copied; NULL or "" means "any". */
struct hsm_config {
    const char *module;       /* path of the PKCS#11 module */
    const char *init_args;    /* handed to C_Initialize in pReserved; NSS wants "configdir=..." */
    const char *token_label;  /* without the blanks that pad it */
    const char *token_serial; /* the same */
    long slot;             /* CK_SLOT_ID, -1 for any; label and serial are compared all the same */
    unsigned sessions_max; /* 0: 8; at most HSM_SESSIONS_MAX. One more is open as an anchor. */
    bool brief;            /* probe only what wrapping needs (no RSA and ECDSA rows) */
};

/* Load, initialise, find the token, log in, probe. Takes `pin` in any case; NULL opens without a
 * login. ERR_PIN_REFUSED (the PIN is wiped; don't open again with the same one, tokens lock),
 * ERR_TOKEN_GONE (no such token), ERR_TOKEN, ERR_CONFIG (module doesn't load). */
MUST_CHECK enum err hsm_open(const struct hsm_config *config, struct secret *pin,
                             struct hsm **ret_hsm, struct err_detail *detail);

/* Log out, close the sessions, C_Finalize where nobody else uses the module, wipe the PIN. No other
 * thread may be in a call. The module stays mapped (no dlclose), and a crash inside C_Finalize is
 * caught: modules that crash at exit are common. Its destructors and atexit handlers are beyond
 * reach: a program that used a token ends with hsm_leave. */
void hsm_close(struct hsm *hsm);
void hsm_closep(struct hsm **hsm);

/* Flush stdio and end the process at once with `status`: no atexit handler and no destructor runs,
 * so a module's crash there can't turn a success into a failure. */
__attribute__((noreturn)) void hsm_leave(int status);

/* In a child after fork: every call on the inherited `hsm` answers ERR_STATE until this one has
 * initialised the module anew and logged in with `pin` (taken; the parent's copy doesn't survive a
 * fork). Only while the child has one thread. */
MUST_CHECK enum err hsm_adopt(struct hsm *hsm, struct secret *pin, struct err_detail *detail);

struct hsm_token_info {
    char label[33]; /* these are NUL-terminated, blanks at the end dropped */
    char serial[17];
    char manufacturer[33];
    char model[17];
    char firmware[8]; /* "2.6" */
    char hardware[8];
    char library[33]; /* of the module */
    unsigned long slot;
    unsigned long flags;       /* CKF_* */
    unsigned long memory_free; /* bytes of private memory; UINT64_MAX where the token doesn't say */
    unsigned long memory_total;
};
/* As seen when the token was attached last; asks nothing of the token. */
void hsm_token_info(struct hsm *hsm, struct hsm_token_info *ret_info);

enum hsm_state {
    HSM_READY,
    HSM_LOST,       /* something was lost; the next call brings it back */
    HSM_GONE,       /* bringing it back failed; tried again with back-off */
    HSM_PIN_REFUSED /* for good */
};

struct hsm_status {
    enum hsm_state state;
    bool logged_in;
    unsigned sessions_open; /* with the anchor */
    unsigned sessions_busy;
    unsigned long last_ckr; /* last one that was not CKR_OK */
    uint64_t recoveries;    /* successful ones */
    uint64_t calls;
    uint64_t failures;
};
void hsm_status(struct hsm *hsm, struct hsm_status *ret_status);
const char *hsm_state_name(enum hsm_state state);

/* Random bytes of the token. */
MUST_CHECK enum err hsm_random(struct hsm *hsm, void *to, size_t len, struct err_detail *detail);

/* "CKR_PIN_INCORRECT"; "CKR_0x80000001" in a buffer of the thread for what has no name. */
const char *hsm_ckr_name(unsigned long ckr);
