#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <p11-kit/pkcs11.h>

#include "base/err.h"

/* A PKCS#11 module in this process. A module can be initialised once per process only, so all that
 * use the same path share it. It stays mapped for good. */
struct module {
    CK_FUNCTION_LIST *f;
    char *path;
    char *init_args;  /* NULL where there are none */
    unsigned users;   /* guarded by the registry's lock, as all below */
    bool initialised; /* by us: somebody else's C_Initialize is not ours to undo */
    pid_t pid;        /* who initialised it */
    struct module *next;
};

/* Load and initialise, with the operating system's locks. ERR_CONFIG where it is no module or is
 * in use with other init_args. */
MUST_CHECK enum err module_get(const char *path, const char *init_args, struct module **ret_module,
                               struct err_detail *detail);
/* The last user finalises. */
void module_put(struct module *module);
/* C_Finalize and C_Initialize, for what nothing else brings back, and for a forked child. CKR_OK,
 * or CKR_FUNCTION_REJECTED where the module is not ours alone. Nobody may be in a call. */
MUST_CHECK CK_RV module_restart(struct module *module);
unsigned module_users(struct module *module);
