#pragma once

#include <stdbool.h>

/* A small PKCS#11 module with one token in memory and faults by script: AES keys, key wrap with
 * padding (CKM_AES_KEY_WRAP_KWP), random bytes. Load it, then steer it through what
 * dlsym(handle, "fake_script") gives. The token's PIN is "1234". */

struct fake_script {
    const char *fail_function; /* "C_WrapKey": the next `fail_count` calls of it ... */
    unsigned long fail_rv;     /* ... answer this */
    unsigned fail_count;
    bool removed;         /* no token is in the slot; what goes on answers CKR_DEVICE_REMOVED */
    bool pin_changed;     /* the PIN is another one by now */
    bool crash_at_finish; /* C_Finalize runs into SIGSEGV */
    const char *serial;   /* "0001" unless told */
    unsigned logins;      /* calls of C_Login */
    unsigned initializes;
    unsigned finalizes;
    unsigned slow_ms; /* C_UnwrapKey takes this long */
};

/* Drops every session, and with them the login. */
void fake_drop_sessions(void);
/* Handles of objects change, as when a token was restored from its backup. */
void fake_renumber(void);
/* Forget all objects and counters. */
void fake_reset(void);
extern struct fake_script fake_script;
