#include "programs/clavigerd/process.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define END_POLL_MS 5

static bool named(const char *name)
{
    return name != NULL && *name != '\0';
}

enum err privileges_find(const char *user, const char *group, struct privileges *ret_privileges,
                         struct err_detail *detail)
{
    struct privileges found = {.uid = (uid_t)-1, .gid = (gid_t)-1};
    if (named(user)) {
        const struct passwd *entry = getpwnam(user);
        if (entry == NULL)
            return err_set(detail, ERR_CONFIG, "there is no user %s", user);
        found.user = user;
        found.uid = entry->pw_uid;
        found.gid = entry->pw_gid;
    }
    if (named(group)) {
        const struct group *entry = getgrnam(group);
        if (entry == NULL)
            return err_set(detail, ERR_CONFIG, "there is no group %s", group);
        found.gid = entry->gr_gid;
    }
    *ret_privileges = found;
    return ERR_OK;
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Close every descriptor but 0 to 2 and these; a child must not reach what is another's. */
static enum err close_others(const struct supervised *given)
{
    size_t count = 1 + given->link_count + given->listener_count;
    int *keep = calloc(count, sizeof *keep);
    if (keep == NULL)
        return ERR_NO_MEMORY;
    size_t used = 0;
    keep[used++] = given->control;
    for (unsigned i = 0; i < given->link_count; i++)
        keep[used++] = given->links[i];
    for (unsigned i = 0; i < given->listener_count; i++)
        keep[used++] = given->listeners[i];
    qsort(keep, used, sizeof *keep, by_value);
    unsigned from = 3;
    long failed = 0;
    for (size_t i = 0; i < used; i++) {
        if ((unsigned)keep[i] > from)
            failed |= syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0);
        if ((unsigned)keep[i] >= from)
            from = (unsigned)keep[i] + 1;
    }
    failed |= syscall(SYS_close_range, from, ~0U, 0);
    free(keep);
    return failed == 0 ? ERR_OK : ERR_IO;
}

static void reset_signals(void)
{
    static const int defaults[] = {SIGCHLD, SIGUSR1, SIGUSR2, SIGALRM};
    /* what a terminal or service manager sends to the whole group is for the supervisor to see */
    static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE};
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
        (void)signal(defaults[i], SIG_DFL);
    for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
        (void)signal(ignored[i], SIG_IGN);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static enum err drop(const struct privileges *to, struct err_detail *detail)
{
    if (to->user != NULL && initgroups(to->user, to->gid) != 0)
        return err_errno(detail, "can't take the groups of %s", to->user);
    if (to->gid != (gid_t)-1 && setresgid(to->gid, to->gid, to->gid) != 0)
        return err_errno(detail, "can't take the service's group");
    if (to->user != NULL && setresuid(to->uid, to->uid, to->uid) != 0)
        return err_errno(detail, "can't become %s", to->user);
    return ERR_OK;
}

static enum err prepare_child(const struct supervised *given, const struct privileges *privileges,
                              pid_t parent, struct err_detail *detail)
{
    reset_signals();
    (void)umask(077);
    if (close_others(given) != ERR_OK)
        return err_set(detail, ERR_IO, "can't close what is not this process's");
    TRY(drop(privileges, detail));
    /* a change of user clears it, so not before; and the supervisor may be gone by now */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent)
        return err_set(detail, ERR_STATE, "the supervisor is gone");
    return ERR_OK;
}

enum err process_start(struct process *process, supervised_main *main,
                       const struct supervised *given, void *ctx,
                       const struct privileges *privileges, struct err_detail *detail)
{
    pid_t parent = getpid();
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(detail, "can't start the %s", process->name);
    if (pid == 0) {
        struct err_detail why = {0};
        enum err err = prepare_child(given, privileges, parent, &why);
        if (err != ERR_OK)
            log_failure(LOG_LEVEL_ERROR, process->name, err, &why);
        int status = err == ERR_OK ? main(given, ctx) : SUPERVISED_FATAL;
        (void)fflush(NULL);
        /* what was registered with atexit is the supervisor's */
        _exit(status);
    }
    process->pid = pid;
    process->ready = process->reloaded = false;
    process->heard_ms = clock_mono_ns() / 1000000U;
    return ERR_OK;
}

static void forget(struct process *process)
{
    process->pid = 0;
    process->ready = false;
    file_closep(&process->control);
}

bool process_ended(struct process *process, int *ret_status)
{
    if (process->pid == 0)
        return false;
    int status = 0;
    pid_t got;
    do
        got = waitpid(process->pid, &status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    forget(process);
    *ret_status = got < 0 ? 0 : status;
    return true;
}

void process_kill(struct process *process)
{
    if (process->pid != 0) {
        (void)kill(process->pid, SIGKILL);
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    forget(process);
}

void process_end(struct process *process, unsigned grace_ms)
{
    int status;
    file_closep(&process->control);
    for (unsigned waited = 0; waited < grace_ms; waited += END_POLL_MS) {
        if (process->pid == 0 || process_ended(process, &status))
            break;
        const struct timespec pause = {.tv_nsec = END_POLL_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    process_kill(process);
}

void process_describe(int status, char *to, size_t size)
{
    if (WIFSIGNALED(status))
        (void)snprintf(to, size, "was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(to, size, "ended with status %d", WEXITSTATUS(status));
}
