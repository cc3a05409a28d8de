#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/sandbox_private.h"

/* System calls by number of this machine, so that one the C library here has no name for is a
 * compile error and not a hole. */
static const int always[] = {
    /* descriptors that are held */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fsync),
    SCMP_SYS(fcntl),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(shutdown),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    /* memory; mmap and mprotect below */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    SCMP_SYS(mincore),
    /* threads; clone below */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(membarrier),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    /* clocks, randomness, who am I */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrusage),
    SCMP_SYS(times),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
};

/* What opening, making and removing files takes; Landlock says where. No chmod, chown, link. */
static const int files[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(creat),     SCMP_SYS(access),
    SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(stat),      SCMP_SYS(lstat),
    SCMP_SYS(newfstatat), SCMP_SYS(statx),      SCMP_SYS(statfs),    SCMP_SYS(fstatfs),
    SCMP_SYS(getdents64), SCMP_SYS(mkdir),      SCMP_SYS(mkdirat),   SCMP_SYS(rmdir),
    SCMP_SYS(unlink),     SCMP_SYS(unlinkat),   SCMP_SYS(rename),    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),  SCMP_SYS(ftruncate),  SCMP_SYS(fallocate), SCMP_SYS(flock),
    SCMP_SYS(umask),      SCMP_SYS(getcwd),     SCMP_SYS(readlink),  SCMP_SYS(readlinkat),
};

static const int sockets[] = {
    SCMP_SYS(connect),    SCMP_SYS(sendto),      SCMP_SYS(sendmmsg),    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
};

/* openCryptoki shares memory with its daemon. */
static const int shared_memory[] = {
    SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(shmdt),  SCMP_SYS(shmctl),
    SCMP_SYS(semget), SCMP_SYS(semop), SCMP_SYS(semctl),
};

/* Of Linux 6.6 and the same everywhere; libseccomp here has no name for it. */
#define SYS_FCHMODAT2 452

/* What the engine never does, though a taken-over one would like to. */
static const int engine_never[] = {
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(kcmp),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(tkill),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(personality),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(capset),
    /* by path, which Landlock does not see (truncate: before its third version) */
    SCMP_SYS(truncate),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmodat),
    SYS_FCHMODAT2,
    SCMP_SYS(chown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    SCMP_SYS(removexattr),
    SCMP_SYS(lremovexattr),
    /* another process of the same user */
    SCMP_SYS(setpriority),
    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setparam),
    SCMP_SYS(sched_setattr),
    SCMP_SYS(ioprio_set),
    SCMP_SYS(move_pages),
    SCMP_SYS(migrate_pages),
};

static void release(scmp_filter_ctx *filter)
{
    if (*filter != NULL)
        seccomp_release(*filter);
}

/* libseccomp gives a negative errno; adding up keeps the first failure from getting lost. */
static int add_all(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int failed = seccomp_rule_add(filter, action, calls[i], 0);
        if (failed != 0)
            return failed;
    }
    return 0;
}

#define ADD_ALL(filter, action, calls) add_all(filter, action, calls, ARRAY_LEN(calls))

static int allow_masked(scmp_filter_ctx filter, int call, unsigned arg, uint64_t mask,
                        uint64_t value)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                            SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value));
}

static int allow_equal(scmp_filter_ctx filter, int call, unsigned arg, uint64_t value)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_CMP(arg, SCMP_CMP_EQ, value));
}

/* Calls that are fine with some arguments only. */
static int allow_narrowly(scmp_filter_ctx filter)
{
    uint64_t self = (uint64_t)getpid();
    int failed = allow_masked(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
    failed = failed ? failed : allow_masked(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
    /* threads, no processes; clone3 hides its flags in memory, and glibc falls back on ENOSYS */
    failed = failed ? failed
                    : allow_masked(filter, SCMP_SYS(clone), 0, CLONE_THREAD | CLONE_VM,
                                   CLONE_THREAD | CLONE_VM);
    failed =
        failed ? failed : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    failed = failed ? failed : allow_equal(filter, SCMP_SYS(tgkill), 0, self);
    failed = failed ? failed : allow_equal(filter, SCMP_SYS(kill), 0, self);
    failed = failed ? failed : allow_equal(filter, SCMP_SYS(prctl), 0, PR_SET_NAME);
    /* reading limits, of oneself */
    failed = failed ? failed
                    : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                                       SCMP_CMP(0, SCMP_CMP_EQ, 0), SCMP_CMP(2, SCMP_CMP_EQ, 0));
    return failed;
}

static int allow_files(scmp_filter_ctx filter, const struct sandbox_config *config)
{
    if (config->module_path_count + config->read_path_count != 0)
        return ADD_ALL(filter, SCMP_ACT_ALLOW, files);
    /* what fstat is in the C library: an empty path at a descriptor */
    return allow_masked(filter, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
}

static int allow_sockets(scmp_filter_ctx filter, enum sandbox_sockets granted)
{
    if (granted == SANDBOX_SOCKETS_NONE)
        return allow_equal(filter, SCMP_SYS(sendto), 4, 0);
    int failed = ADD_ALL(filter, SCMP_ACT_ALLOW, sockets);
    failed = failed ? failed : allow_equal(filter, SCMP_SYS(socket), 0, AF_UNIX);
    if (granted == SANDBOX_SOCKETS_UNIX)
        return failed ? failed : ADD_ALL(filter, SCMP_ACT_ALLOW, shared_memory);
    failed = failed ? failed : allow_equal(filter, SCMP_SYS(socket), 0, AF_INET);
    return failed ? failed : allow_equal(filter, SCMP_SYS(socket), 0, AF_INET6);
}

static enum err load(scmp_filter_ctx filter, int failed, struct err_detail *detail)
{
    if (failed == 0)
        failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (failed == 0)
        failed = seccomp_load(filter);
    if (failed != 0)
        return err_set(detail, ERR_UNSUPPORTED, "can't load the seccomp filter: %s",
                       strerror(-failed));
    return ERR_OK;
}

enum err sandbox_seccomp_keeper(const struct sandbox_config *config, struct err_detail *detail)
{
    AUTO(release) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return err_set(detail, ERR_UNSUPPORTED, "libseccomp can't make a filter here");
    int failed = ADD_ALL(filter, SCMP_ACT_ALLOW, always);
    failed = failed ? failed : allow_narrowly(filter);
    failed = failed ? failed : allow_files(filter, config);
    failed = failed ? failed : allow_sockets(filter, config->module_sockets);
    return load(filter, failed, detail);
}

static int refuse_masked(scmp_filter_ctx filter, int call, unsigned arg, uint64_t mask,
                         uint64_t value)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 1,
                            SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, mask, value));
}

/* Opening for anything but writing and truncating on the way, which Landlock lets through before
 * its third version. */
static int refuse_odd_truncation(scmp_filter_ctx filter)
{
    static const uint64_t modes[] = {O_RDONLY, O_ACCMODE};
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(modes) && failed == 0; i++) {
        uint64_t mask = O_ACCMODE | O_TRUNC, value = modes[i] | O_TRUNC;
        failed = refuse_masked(filter, SCMP_SYS(openat), 2, mask, value);
        failed = failed ? failed : refuse_masked(filter, SCMP_SYS(open), 1, mask, value);
    }
    /* its flags are in memory, out of a filter's sight */
    return failed ? failed : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
}

/* The kernel sends SIGIO, or any signal chosen in its place, to the owner of a descriptor: a way
 * around kill. */
static int refuse_signals_by_descriptor(scmp_filter_ctx filter)
{
    static const uint64_t commands[] = {F_SETOWN, F_SETOWN_EX, F_SETSIG};
    static const uint64_t controls[] = {FIOSETOWN, SIOCSPGRP};
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(commands) && failed == 0; i++)
        failed = refuse_masked(filter, SCMP_SYS(fcntl), 1, UINT32_MAX, commands[i]);
    for (size_t i = 0; i < ARRAY_LEN(controls) && failed == 0; i++)
        failed = refuse_masked(filter, SCMP_SYS(ioctl), 1, UINT32_MAX, controls[i]);
    return failed;
}

/* A limit of 0 bytes of file size would end the keeper at its next record. */
static int refuse_limits_of_others(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1,
                            SCMP_CMP(0, SCMP_CMP_NE, 0));
}

enum err sandbox_seccomp_engine(struct err_detail *detail)
{
    AUTO(release) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        return err_set(detail, ERR_UNSUPPORTED, "libseccomp can't make a filter here");
    const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    uint64_t self = (uint64_t)getpid();
    int failed = ADD_ALL(filter, refuse, engine_never);
    failed = failed ? failed
                    : seccomp_rule_add(filter, refuse, SCMP_SYS(clone), 1,
                                       SCMP_CMP(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    failed =
        failed ? failed : seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    failed = failed ? failed
                    : seccomp_rule_add(filter, refuse, SCMP_SYS(kill), 1,
                                       SCMP_CMP(0, SCMP_CMP_NE, self));
    failed = failed ? failed
                    : seccomp_rule_add(filter, refuse, SCMP_SYS(tgkill), 1,
                                       SCMP_CMP(0, SCMP_CMP_NE, self));
    failed = failed ? failed : refuse_odd_truncation(filter);
    failed = failed ? failed : refuse_signals_by_descriptor(filter);
    failed = failed ? failed : refuse_limits_of_others(filter);
    return load(filter, failed, detail);
}
