#include "hsm/module.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsm/hsm.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct module *registry;

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
static _Thread_local volatile sig_atomic_t guarded;
static _Thread_local sigjmp_buf guard;

static void on_crash(int number)
{
    if (guarded) {
        guarded = 0;
        siglongjmp(guard, 1);
    }
    /* Not ours: let it kill the process as it would have. */
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* Modules that crash while they clean up are common; all work is done by then, and their memory is
 * not touched again, so the process goes on. */
static CK_RV finalize_guarded(CK_FUNCTION_LIST *f)
{
    struct sigaction old[ARRAY_LEN(crash_signals)];
    struct sigaction catch = {.sa_handler = on_crash};
    (void)sigemptyset(&catch.sa_mask);
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++)
        (void)sigaction(crash_signals[i], &catch, &old[i]);
    volatile CK_RV rv = CKR_FUNCTION_FAILED;
    if (sigsetjmp(guard, 1) == 0) {
        guarded = 1;
        rv = f->C_Finalize(NULL);
    }
    guarded = 0;
    for (size_t i = 0; i < ARRAY_LEN(crash_signals); i++)
        (void)sigaction(crash_signals[i], &old[i], NULL);
    return rv;
}

static CK_RV initialize(struct module *module)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK, .pReserved = module->init_args};
    CK_RV rv = module->f->C_Initialize(&args);
    if (rv == CKR_OK) {
        module->initialised = true;
        module->pid = getpid();
    }
    return rv;
}

static struct module *find(const char *path)
{
    struct module *at = registry;
    while (at != NULL && strcmp(at->path, path) != 0)
        at = at->next;
    return at;
}

static enum err load(const char *path, struct module **ret_module, struct err_detail *detail)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return err_set(detail, ERR_CONFIG, "PKCS#11 module does not load: %s", dlerror());
    CK_C_GetFunctionList get_list = NULL;
    void *symbol = dlsym(handle, "C_GetFunctionList");
    memcpy(&get_list, &symbol, sizeof get_list);
    CK_FUNCTION_LIST *f = NULL;
    if (get_list == NULL || get_list(&f) != CKR_OK || f == NULL || f->version.major < 2)
        return err_set(detail, ERR_CONFIG, "%s is not a PKCS#11 module of version 2 or later",
                       path);
    struct module *module = calloc(1, sizeof *module);
    if (module == NULL || (module->path = strdup(path)) == NULL) {
        free(module);
        return ERR_NO_MEMORY;
    }
    module->f = f;
    module->next = registry;
    registry = module;
    *ret_module = module;
    return ERR_OK;
}

static bool same_args(const char *a, const char *b)
{
    return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

static enum err first_use(struct module *module, const char *init_args, struct err_detail *detail)
{
    free(module->init_args);
    module->init_args = NULL;
    if (init_args != NULL && (module->init_args = strdup(init_args)) == NULL)
        return ERR_NO_MEMORY;
    CK_RV rv = initialize(module);
    if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && module->initialised && module->pid != getpid()) {
        /* inherited through fork */
        (void)finalize_guarded(module->f);
        rv = initialize(module);
    }
    if (rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED)
        return ERR_OK;
    (void)err_set(detail, ERR_TOKEN, "%s: C_Initialize: %s", module->path, hsm_ckr_name(rv));
    if (detail != NULL)
        detail->ckr = rv;
    return ERR_TOKEN;
}

static enum err get_locked(const char *path, const char *init_args, struct module **ret_module,
                           struct err_detail *detail)
{
    struct module *module = find(path);
    if (module == NULL)
        TRY(load(path, &module, detail));
    if (module->users == 0)
        TRY(first_use(module, init_args, detail));
    else if (!same_args(module->init_args, init_args))
        return err_set(detail, ERR_CONFIG, "%s is in use with other arguments", path);
    module->users++;
    *ret_module = module;
    return ERR_OK;
}

enum err module_get(const char *path, const char *init_args, struct module **ret_module,
                    struct err_detail *detail)
{
    if (path == NULL || path[0] == '\0')
        return err_set(detail, ERR_CONFIG, "no PKCS#11 module is configured");
    if (init_args != NULL && init_args[0] == '\0')
        init_args = NULL;
    (void)pthread_mutex_lock(&registry_lock);
    enum err err = get_locked(path, init_args, ret_module, detail);
    (void)pthread_mutex_unlock(&registry_lock);
    return err;
}

void module_put(struct module *module)
{
    if (module == NULL)
        return;
    (void)pthread_mutex_lock(&registry_lock);
    if (--module->users == 0 && module->initialised && module->pid == getpid()) {
        (void)finalize_guarded(module->f);
        module->initialised = false;
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

CK_RV module_restart(struct module *module)
{
    (void)pthread_mutex_lock(&registry_lock);
    CK_RV rv = CKR_FUNCTION_REJECTED;
    bool child = module->initialised && module->pid != getpid();
    if (child || module->users == 1) {
        /* A module that sees the fork itself must not be finalised first. */
        rv = initialize(module);
        if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && module->initialised) {
            (void)finalize_guarded(module->f);
            rv = initialize(module);
        }
    }
    (void)pthread_mutex_unlock(&registry_lock);
    return rv;
}

unsigned module_users(struct module *module)
{
    (void)pthread_mutex_lock(&registry_lock);
    unsigned users = module->users;
    (void)pthread_mutex_unlock(&registry_lock);
    return users;
}
