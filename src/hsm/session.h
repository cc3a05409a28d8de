#pragma once

#include <pthread.h>

#include "hsm/ckr.h"
#include "hsm/module.h"
#include "hsm/profile.h"

/* The inside of struct hsm, for this folder only. */

#define HSM_BACKOFF_FIRST_MS 100
#define HSM_BACKOFF_LAST_MS  10000
#define HSM_MISSING_MS       2000 /* between two looks for a key that is not there any more */
#define HSM_WAIT_MS          5000 /* for a session, and for others to leave the module */
#define HSM_SLOTS_MAX        256

struct hsm {
    struct module *module;
    struct {
        char *label;  /* these two, once found, are the token's own: another one never */
        char *serial; /* takes its place */
        long slot;
        unsigned sessions_max;
        bool brief;
    } config;
    bool known; /* found once */
    pid_t pid;
    struct hsm_profile profile; /* written while hsm_open is alone */

    pthread_mutex_t make_lock; /* one creation of a token object at a time; taken before `lock` */
    pthread_mutex_t lock;      /* guards what follows, and the handles inside keys */
    pthread_cond_t changed;
    enum hsm_state state;
    bool recovering;     /* one thread is alone inside the module */
    uint64_t generation; /* raised whenever handles are lost */
    uint64_t retry_at_ns;
    unsigned backoff_ms;
    bool restart_wanted;    /* the next recovery begins with the module itself */
    uint64_t restart_at_ns; /* not before this for a missing key */
    bool login_wanted;
    bool logged_in;
    struct secret *pin; /* NULL once refused */
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE anchor; /* keeps the login while the pool is empty */
    bool anchored;
    CK_SESSION_HANDLE idle[HSM_SESSIONS_MAX];
    unsigned idle_count;
    unsigned busy;
    struct hsm_token_info info;
    struct managed_cache *managed; /* managed_op.h; made when first wanted */
    unsigned long last_ckr;
    uint64_t recoveries, calls, failures;
};

/* What an operation gets. */
struct hsm_call {
    struct hsm *hsm;
    CK_FUNCTION_LIST *f;
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
};

/* Values of our own, for what an operation finds out itself. */
#define CKR_OUR_NOT_FOUND   (CKR_VENDOR_DEFINED | 0x434c5601UL)
#define CKR_OUR_AMBIGUOUS   (CKR_VENDOR_DEFINED | 0x434c5602UL)
#define CKR_OUR_EXISTS      (CKR_VENDOR_DEFINED | 0x434c5603UL)
#define CKR_OUR_BAD_ANSWER  (CKR_VENDOR_DEFINED | 0x434c5604UL) /* outside the standard */
#define CKR_OUR_UNGUARDED   (CKR_VENDOR_DEFINED | 0x434c5605UL) /* a key can leave the token */
#define CKR_OUR_UNABLE      (CKR_VENDOR_DEFINED | 0x434c5606UL)
#define CKR_OUR_NOT_SEALED  (CKR_VENDOR_DEFINED | 0x434c5607UL)
#define CKR_OUR_CRYPTO_FAIL (CKR_VENDOR_DEFINED | 0x434c5608UL)

struct hsm_key;
typedef CK_RV hsm_op(struct hsm_call *call, void *ctx);

/* Run `op` in a session of the pool, with the handle of `key` (may be NULL), and once more where
 * something was lost and came back. `op` must be harmless to run twice. ERR_TOKEN: the token
 * refused and is well; ERR_TOKEN_GONE: it is not; ERR_TOKEN_UNABLE, ERR_PIN_REFUSED, ERR_NOT_FOUND,
 * ERR_CONFLICT, ERR_EXISTS, ERR_BUSY. `what` stands in `detail`. */
MUST_CHECK enum err hsm_run(struct hsm *hsm, struct hsm_key *key, hsm_op *op, void *ctx,
                            const char *what, struct err_detail *detail);

/* `what: CKR_...`, mapped to the error. */
enum err hsm_fail(CK_RV rv, const char *what, struct err_detail *detail);

/* recover.c. The caller is alone inside the module and does not hold `lock`. */
MUST_CHECK enum err hsm_attach(struct hsm *hsm, struct err_detail *detail);
MUST_CHECK enum err hsm_recover(struct hsm *hsm, struct err_detail *detail);
/* Is the session logged in, and does the token answer? */
bool hsm_healthy(struct hsm *hsm, CK_SESSION_HANDLE session);
void hsm_pin_wipe(struct hsm *hsm);

/* slot.c: the one token that fits. On success fills slot and info. */
MUST_CHECK enum err hsm_slot_find(CK_FUNCTION_LIST *f, const char *label, const char *serial,
                                  long slot, CK_SLOT_ID *ret_slot, struct hsm_token_info *ret_info,
                                  struct err_detail *detail);
/* Drop the blanks that pad a fixed field; `to` has room for len + 1. */
void hsm_trim(const CK_UTF8CHAR *from, size_t len, char *to);

/* object.c: the handle of `key` in this generation, found anew where it was lost. */
MUST_CHECK CK_RV key_locate(struct hsm_call *call, struct hsm_key *key);
void key_forget(struct hsm *hsm, struct hsm_key *key);

/* probe.c */
MUST_CHECK enum err hsm_probe(struct hsm *hsm, struct err_detail *detail);
