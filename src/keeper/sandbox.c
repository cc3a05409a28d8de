#include "keeper/sandbox.h"

#include <dirent.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/sandbox_private.h"

#define KEEPER_FILES_MAX 256

enum err sandbox_sockets_parse(const char *text, enum sandbox_sockets *ret_sockets)
{
    static const char *const names[] = {"none", "unix", "inet"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_sockets = (enum sandbox_sockets)i;
            return ERR_OK;
        }
    }
    return ERR_ARGUMENT;
}

/* Lower a limit; what is lower already stays. */
static enum err limit(__rlimit_resource_t resource, rlim_t most, struct err_detail *detail)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return err_errno(detail, "can't read a resource limit");
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > most)
        limit.rlim_max = most;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(resource, &limit) != 0)
        return err_errno(detail, "can't lower a resource limit");
    return ERR_OK;
}

static enum err close_up(struct err_detail *detail)
{
    TRY(limit(RLIMIT_CORE, 0, detail));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_errno(detail, "can't give up new privileges");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_errno(detail, "can't forbid memory dumps");
    return ERR_OK;
}

static enum err drop_capabilities(struct err_detail *detail)
{
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* without CAP_SETPCAP there is none to gain */
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capset, &header, none) != 0)
        return err_errno(detail, "can't drop capabilities");
    return ERR_OK;
}

/* All or nothing: where the limit is not off, whole mappings would use up what the keys' own pages
 * need. */
static void lock_memory(void)
{
    struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &most) != 0 ||
        mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
        log_info("only keys are locked in memory, not all of it; hint: LimitMEMLOCK=infinity");
}

static size_t count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL)
        return 0;
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    return count;
}

/* What the kernel lacks is an error where the sandbox is required, else a line in the log. */
static enum err settle(enum err err, bool required, const char *what, struct err_detail *why,
                       struct err_detail *detail)
{
    if (err == ERR_OK)
        return ERR_OK;
    if (err == ERR_UNSUPPORTED && !required) {
        log_warn("sandbox is weaker than it should be: %s: %s; hint: sandbox = required refuses to "
                 "run like this",
                 what, why->text);
        return ERR_OK;
    }
    if (detail != NULL)
        *detail = *why;
    return err;
}

static enum err confine_files(const struct sandbox_files *files, struct err_detail *detail)
{
    /* Landlock does not reach threads that run already. Without granted paths seccomp denies them
     * every open, so nothing hangs on it then. */
    if (files->write_count + files->read_count != 0 && count_threads() > 1)
        return err_set(detail, ERR_UNSUPPORTED,
                       "threads are running that Landlock can't confine any more");
    return sandbox_landlock(files, detail);
}

enum err keeper_sandbox_enter(const struct sandbox_config *config, struct err_detail *detail)
{
    if (config->lock_memory)
        lock_memory();
    TRY(close_up(detail));
    TRY(limit(RLIMIT_NOFILE, KEEPER_FILES_MAX, detail));
    TRY(drop_capabilities(detail));
    struct err_detail why = {0};
    const struct sandbox_files files = {.write = config->module_paths,
                                        .write_count = config->module_path_count,
                                        .read = config->read_paths,
                                        .read_count = config->read_path_count,
                                        .sockets = config->module_sockets};
    enum err err = confine_files(&files, &why);
    bool needed = config->module_path_count + config->read_path_count != 0;
    if (err == ERR_OK || needed || err != ERR_UNSUPPORTED)
        TRY(settle(err, config->required, "file system", &why, detail));
    err = sandbox_seccomp_keeper(config, &why);
    return settle(err, config->required, "system calls", &why, detail);
}

enum err engine_sandbox_enter(const struct engine_sandbox_config *config, struct err_detail *detail)
{
    TRY(close_up(detail));
    TRY(drop_capabilities(detail));
    struct err_detail why = {0};
    const struct sandbox_files files = {.write = config->write_paths,
                                        .write_count = config->write_path_count,
                                        .read = config->read_paths,
                                        .read_count = config->read_path_count,
                                        .skip_missing = true,
                                        .sockets = SANDBOX_SOCKETS_INET};
    enum err err = confine_files(&files, &why);
    TRY(settle(err, config->required, "file system of the engine", &why, detail));
    err = sandbox_seccomp_engine(&why);
    return settle(err, config->required, "system calls of the engine", &why, detail);
}

enum err supervisor_sandbox_enter(struct err_detail *detail)
{
    return close_up(detail);
}
