#include "keeper/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret.h"
#include "support/test.h"

#define MODULE "/usr/lib/softhsm/libsofthsm2.so"

/* The sanitizers' own runtime opens files and maps memory as the keeper never does. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

typedef int child_fn(void *arg); /* 0: as it should be; otherwise the number of the check */

/* Runs fn in a child; its result, or 1000 + signal. */
static int in_child(child_fn *fn, void *arg)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int result = fn(arg);
        (void)fflush(NULL);
        _exit(result);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static bool refused(long result)
{
    return result == -1 && (errno == EPERM || errno == EACCES);
}

struct place {
    const char *outside; /* a file that can't be had */
    const char *inside;  /* a folder that was granted */
    struct sandbox_config config;
};

static int enter(const struct sandbox_config *config)
{
    struct err_detail detail = {0};
    enum err err = keeper_sandbox_enter(config, &detail);
    if (err != ERR_OK)
        print_message("enter: %s: %s\n", err_text(err), detail.text);
    return err == ERR_OK ? 0 : 200;
}

#define MUST_REFUSE(number, call)                                                                  \
    do {                                                                                           \
        if (!refused(call))                                                                        \
            return number;                                                                         \
    } while (0)
#define MUST_DO(number, condition)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return number;                                                                         \
    } while (0)

static int attempts_outside(const char *outside)
{
    char *const argv[] = {(char *)(uintptr_t) "/bin/true", NULL}, *const envp[] = {NULL};
    char params[256] = {0};
    pid_t parent = getppid();
    MUST_REFUSE(1, open(outside, O_RDONLY | O_CLOEXEC));
    MUST_REFUSE(2, open("/etc/passwd", O_RDONLY | O_CLOEXEC));
    MUST_REFUSE(3, open("/tmp/claviger-sandbox", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    MUST_REFUSE(4, execve("/bin/true", argv, envp));
    MUST_REFUSE(5, syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, envp, 0));
    MUST_REFUSE(6, ptrace(PTRACE_ATTACH, parent, NULL, NULL));
    MUST_REFUSE(7, fork());
    MUST_REFUSE(8, syscall(SYS_vfork));
    MUST_REFUSE(9, kill(parent, 0));
    MUST_REFUSE(10, syscall(SYS_tgkill, parent, parent, 0));
    MUST_REFUSE(11, syscall(SYS_open_by_handle_at, AT_FDCWD, params, 0));
    MUST_REFUSE(12, syscall(SYS_io_uring_setup, 4, params));
    MUST_REFUSE(13, syscall(SYS_bpf, 0, params, sizeof params));
    MUST_REFUSE(14, mount("none", "/mnt", "tmpfs", 0, NULL));
    MUST_REFUSE(15, chmod(outside, 0777));
    MUST_REFUSE(16, chown(outside, 0, 0));
    MUST_REFUSE(17, syscall(SYS_unshare, 0x10000000));
    MUST_REFUSE(18, syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0));
    MUST_REFUSE(19, syscall(SYS_pidfd_open, parent, 0));
    MUST_REFUSE(20, link(outside, "/tmp/claviger-sandbox-link"));
    MUST_REFUSE(21, symlink(outside, "/tmp/claviger-sandbox-link"));
    MUST_REFUSE(22, unlink(outside));
    MUST_REFUSE(23, mknod("/tmp/claviger-sandbox-dev", S_IFCHR | 0600, 0x0103));
    MUST_REFUSE(24, chroot("/"));
    MUST_REFUSE(25, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
    MUST_REFUSE(26, syscall(SYS_memfd_create, "x", 0));
    MUST_REFUSE(27, syscall(SYS_setuid, 0));
    MUST_REFUSE(28, syscall(SYS_keyctl, 0, 0, 0, 0, 0));
    MUST_REFUSE(29, syscall(SYS_userfaultfd, 0));
    MUST_DO(30, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                    MAP_FAILED);
    MUST_DO(31, syscall(SYS_clone3, params, 64) == -1 && errno == ENOSYS);
    MUST_REFUSE(32, open("/proc/1/environ", O_RDONLY | O_CLOEXEC));
    MUST_REFUSE(33, truncate(outside, 0));
    struct rlimit core = {1, 1};
    MUST_REFUSE(34, setrlimit(RLIMIT_CORE, &core));
    return 0;
}

static void *thread_main(void *arg)
{
    *(int *)arg = 1;
    return NULL;
}

/* What the keeper does all day. */
static int work_inside(int fd)
{
    int pair[2] = {-1, -1};
    char byte = 'x';
    MUST_DO(60, pwrite(fd, &byte, 1, 0) == 1 && fdatasync(fd) == 0);
    MUST_DO(61, pread(fd, &byte, 1, 0) == 1);
    struct stat st;
    MUST_DO(62, fstat(fd, &st) == 0);
    AUTO(secret_freep) struct secret *secret = NULL;
    MUST_DO(63, secret_new(5000, &secret) == ERR_OK);
    int ran = 0;
    pthread_t thread;
    MUST_DO(64, pthread_create(&thread, NULL, thread_main, &ran) == 0);
    MUST_DO(65, pthread_join(thread, NULL) == 0 && ran == 1);
    void *memory = malloc((size_t)8 * 1024 * 1024);
    MUST_DO(66, memory != NULL);
    free(memory);
    uint8_t random[8];
    MUST_DO(67, syscall(SYS_getrandom, random, sizeof random, 0) == (long)sizeof random);
    MUST_REFUSE(68, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST_DO(69, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) <= 0);
    return 0;
}

static int closed_keeper(void *arg)
{
    const struct place *place = arg;
    int held = open(place->outside, O_RDWR | O_CLOEXEC);
    int result = enter(&place->config);
    result = result ? result : attempts_outside(place->outside);
    MUST_REFUSE(40, socket(AF_INET, SOCK_STREAM, 0));
    MUST_REFUSE(41, socket(AF_UNIX, SOCK_STREAM, 0));
    MUST_REFUSE(42, socket(AF_NETLINK, SOCK_RAW, 0));
    MUST_REFUSE(43, connect(held, NULL, 0));
    MUST_REFUSE(44, bind(held, NULL, 0));
    MUST_REFUSE(45, open(place->inside, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    MUST_REFUSE(46, access(place->outside, R_OK));
    return result ? result : work_inside(held);
}

static int keeper_with_paths(void *arg)
{
    const struct place *place = arg;
    int held = open(place->outside, O_RDWR | O_CLOEXEC);
    char *file = test_path(place->inside, "file"), *other = test_path(place->inside, "other");
    char *dir = test_path(place->inside, "dir"), *out = test_path(place->inside, "../stolen");
    int result = enter(&place->config);
    result = result ? result : attempts_outside(place->outside);
    MUST_DO(result ? result : 70, result == 0);
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    MUST_DO(71, fd >= 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    MUST_DO(72, fcntl(fd, F_SETLK, &lock) == 0);
    MUST_DO(73, mkdir(dir, 0700) == 0 && rename(file, other) == 0);
    MUST_REFUSE(74, rename(other, out));
    MUST_DO(75, unlink(other) == 0 && rmdir(dir) == 0);
    MUST_REFUSE(76, chmod(place->inside, 0777));
    MUST_REFUSE(77, socket(AF_UNIX, SOCK_STREAM, 0));
    free(file);
    free(other);
    free(dir);
    free(out);
    return work_inside(held);
}

static int keeper_with_sockets(void *arg)
{
    const struct place *place = arg;
    int result = enter(&place->config);
    MUST_DO(result ? result : 80, result == 0);
    MUST_DO(81, socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
    MUST_REFUSE(82, socket(AF_NETLINK, SOCK_RAW, 0));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (place->config.module_sockets == SANDBOX_SOCKETS_INET)
        MUST_DO(83, fd >= 0);
    else
        MUST_REFUSE(84, fd);
    MUST_REFUSE(85, bind(fd, NULL, 0));
    MUST_REFUSE(86, listen(fd, 1));
    return 0;
}

/* The engine may run as the user that owns what it must not touch. */
static int engine_files(const struct place *place)
{
    char *file = test_path(place->inside, "file"), *out = test_path(place->inside, "../stolen");
    int fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST_DO(160,
            fd >= 0 && write(fd, "x", 1) == 1 && ftruncate(fd, 0) == 0 && fchmod(fd, 0640) == 0);
    MUST_REFUSE(161, rename(file, out));
    MUST_REFUSE(162, link(place->outside, out));
    MUST_REFUSE(163, unlink(place->outside));
    MUST_REFUSE(164, open(place->outside, O_WRONLY | O_CLOEXEC));
    MUST_REFUSE(165, truncate(place->outside, 0));
    MUST_REFUSE(166, open("/etc/passwd", O_RDONLY | O_TRUNC | O_CLOEXEC));
    MUST_REFUSE(167, open("/etc/passwd", O_ACCMODE | O_TRUNC | O_CLOEXEC));
    MUST_DO(168, open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0);
    MUST_REFUSE(169, open("/etc/passwd", O_WRONLY | O_CLOEXEC));
    MUST_REFUSE(170, chmod(place->outside, 0666));
    MUST_REFUSE(171, fchmodat(AT_FDCWD, place->outside, 0666, 0));
    MUST_REFUSE(172, syscall(452, AT_FDCWD, place->outside, 0666, 0));
    MUST_REFUSE(173, chown(place->outside, getuid(), getgid()));
    MUST_REFUSE(174, open("/proc/1/environ", O_RDONLY | O_CLOEXEC));
    MUST_DO(175, syscall(SYS_openat2, AT_FDCWD, place->outside, NULL, 0) == -1 && errno == ENOSYS);
    const struct rlimit none = {0, 0};
    MUST_REFUSE(176, prlimit(getppid(), RLIMIT_FSIZE, &none, NULL));
    MUST_REFUSE(177, fcntl(fd, F_SETOWN, getppid()));
    MUST_REFUSE(178, fcntl(fd, F_SETSIG, SIGKILL));
    MUST_REFUSE(179, symlink(place->outside, out));
    free(file);
    free(out);
    return 0;
}

static int engine(void *arg)
{
    const struct place *place = arg;
    struct err_detail detail = {0};
    const char *const read_paths[] = {"/etc/passwd", "/nonexistent/file"};
    const struct engine_sandbox_config config = {.write_paths = place->config.module_paths,
                                                 .write_path_count = 1,
                                                 .read_paths = read_paths,
                                                 .read_path_count = ARRAY_LEN(read_paths),
                                                 .required = true};
    MUST_DO(100, engine_sandbox_enter(&config, &detail) == ERR_OK);
    char *const argv[] = {(char *)(uintptr_t) "/bin/true", NULL}, *const envp[] = {NULL};
    char params[256] = {0};
    pid_t parent = getppid();
    MUST_REFUSE(101, execve("/bin/true", argv, envp));
    MUST_REFUSE(102, ptrace(PTRACE_ATTACH, parent, NULL, NULL));
    MUST_REFUSE(103, fork());
    MUST_REFUSE(104, kill(parent, SIGCONT));
    MUST_REFUSE(105, syscall(SYS_io_uring_setup, 4, params));
    MUST_REFUSE(106, syscall(SYS_process_vm_readv, parent, NULL, 0, NULL, 0, 0));
    MUST_REFUSE(107, mount("none", "/mnt", "tmpfs", 0, NULL));
    MUST_REFUSE(108, syscall(SYS_setuid, 0));
    MUST_REFUSE(109, open(place->outside, O_RDONLY | O_CLOEXEC));
    MUST_DO(110, socket(AF_INET, SOCK_STREAM, 0) >= 0);
    int ran = 0;
    pthread_t thread;
    MUST_DO(111, pthread_create(&thread, NULL, thread_main, &ran) == 0);
    MUST_DO(112, pthread_join(thread, NULL) == 0 && ran == 1);
    MUST_DO(113, kill(getpid(), 0) == 0);
    MUST_REFUSE(114, kill(0, 0));
    return engine_files(place);
}

/* A child that holds what a keeper does: it says so on the pipe and waits to be killed. */
static pid_t start_keeper(uid_t uid, const char *secret)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct sandbox_config config = {.required = false};
        if (setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0 &&
            keeper_sandbox_enter(&config, NULL) == ERR_OK && write(ready[1], secret, 1) == 1)
            for (;;)
                (void)poll(NULL, 0, 1000);
        _exit(1);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(close(ready[0]) | close(ready[1]), 0);
    return pid;
}

struct victim {
    pid_t pid;
    uid_t uid;
    const char *secret;
};

/* As the engine's user and without its filter: what the kernel itself denies. */
static int look_into_keeper(void *arg)
{
    const struct victim *victim = arg;
    char name[64], byte = 0;
    MUST_DO(150, setresgid(victim->uid, victim->uid, victim->uid) == 0 &&
                     setresuid(victim->uid, victim->uid, victim->uid) == 0);
    /* a process of one user can't be looked into for another reason than its own choice */
    MUST_DO(151, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
    (void)snprintf(name, sizeof name, "/proc/%d/mem", (int)victim->pid);
    MUST_REFUSE(152, open(name, O_RDONLY | O_CLOEXEC));
    (void)snprintf(name, sizeof name, "/proc/%d/maps", (int)victim->pid);
    MUST_REFUSE(153, open(name, O_RDONLY | O_CLOEXEC));
    (void)snprintf(name, sizeof name, "/proc/%d/fd", (int)victim->pid);
    MUST_REFUSE(154, open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)victim->secret, 1};
    MUST_REFUSE(155, process_vm_readv(victim->pid, &here, 1, &there, 1, 0));
    MUST_REFUSE(156, ptrace(PTRACE_ATTACH, victim->pid, NULL, NULL));
    MUST_REFUSE(157, ptrace(PTRACE_SEIZE, victim->pid, NULL, NULL));
    long pidfd = syscall(SYS_pidfd_open, victim->pid, 0);
    MUST_DO(158, pidfd >= 0);
    MUST_REFUSE(159, syscall(SYS_pidfd_getfd, pidfd, 1, 0));
    return 0;
}

static void nobody_of_its_user_looks_into_a_keeper(void **state)
{
    (void)state;
    if (SANITIZED || geteuid() != 0)
        skip();
    static const char secret[] = "k";
    struct victim victim = {.uid = 65534, .secret = secret};
    victim.pid = start_keeper(victim.uid, secret);
    int result = in_child(look_into_keeper, &victim);
    assert_int_equal(kill(victim.pid, SIGKILL), 0);
    assert_int_equal(waitpid(victim.pid, NULL, 0), victim.pid);
    if (result != 0)
        fail_msg("check %d", result);
}

static int keeper_with_missing_path(void *arg)
{
    (void)arg;
    static const char *const paths[] = {"/nonexistent/token"};
    struct sandbox_config config = {.module_paths = paths, .module_path_count = 1};
    struct err_detail detail = {0};
    return keeper_sandbox_enter(&config, &detail) == ERR_CONFIG ? 0 : 1;
}

static void run(child_fn *fn, bool paths, enum sandbox_sockets sockets)
{
    if (SANITIZED)
        skip();
    char *dir = test_tempdir();
    char *outside = test_path(dir, "outside"), *inside = test_path(dir, "inside");
    int fd = open(outside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(mkdir(inside, 0700), 0);
    const char *const granted[] = {inside};
    struct place place = {.outside = outside,
                          .inside = inside,
                          .config = {.module_paths = granted,
                                     .module_path_count = paths,
                                     .module_sockets = sockets,
                                     .required = true}};
    int result = in_child(fn, &place);
    if (result != 0)
        fail_msg("check %d", result);
    free(outside);
    free(inside);
    test_tempdir_remove(dir);
}

static void a_keeper_without_grants_is_closed(void **state)
{
    (void)state;
    run(closed_keeper, false, SANDBOX_SOCKETS_NONE);
}

static void granted_paths_and_no_others_open(void **state)
{
    (void)state;
    run(keeper_with_paths, true, SANDBOX_SOCKETS_NONE);
}

static void sockets_open_as_granted(void **state)
{
    (void)state;
    run(keeper_with_sockets, false, SANDBOX_SOCKETS_UNIX);
    run(keeper_with_sockets, true, SANDBOX_SOCKETS_INET);
}

static void an_engine_starts_nothing_and_opens_what_is_granted(void **state)
{
    (void)state;
    run(engine, false, SANDBOX_SOCKETS_NONE);
}

static void a_missing_path_is_named(void **state)
{
    (void)state;
    run(keeper_with_missing_path, false, SANDBOX_SOCKETS_NONE);
    enum sandbox_sockets sockets;
    assert_ok(sandbox_sockets_parse("inet", &sockets));
    assert_int_equal(sockets, SANDBOX_SOCKETS_INET);
    assert_err(sandbox_sockets_parse("all", &sockets), ERR_ARGUMENT);
}

static int use_token(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG size = 32, bits = 2048;
    CK_MECHANISM aes = {CKM_AES_KEY_GEN, NULL, 0}, rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE key[] = {{CKA_TOKEN, &yes, sizeof yes},
                          {CKA_ENCRYPT, &yes, sizeof yes},
                          {CKA_VALUE_LEN, &size, sizeof size}};
    CK_ATTRIBUTE pub[] = {{CKA_TOKEN, &yes, sizeof yes}, {CKA_MODULUS_BITS, &bits, sizeof bits}};
    CK_ATTRIBUTE priv[] = {{CKA_TOKEN, &yes, sizeof yes}, {CKA_SIGN, &yes, sizeof yes}};
    CK_OBJECT_HANDLE made = 0, public = 0, private = 0, found = 0;
    MUST_DO(120, p11->C_GenerateKey(session, &aes, key, 3, &made) == CKR_OK);
    MUST_DO(121,
            p11->C_GenerateKeyPair(session, &rsa, pub, 2, priv, 2, &public, &private) == CKR_OK);
    CK_ULONG count = 0;
    MUST_DO(122, p11->C_FindObjectsInit(session, priv, 2) == CKR_OK);
    MUST_DO(123, p11->C_FindObjects(session, &found, 1, &count) == CKR_OK && count == 1);
    MUST_DO(124, p11->C_FindObjectsFinal(session) == CKR_OK);
    CK_MECHANISM sign = {CKM_SHA256_RSA_PKCS, NULL, 0};
    CK_BYTE data[16] = {1}, signature[256];
    CK_ULONG signature_len = sizeof signature;
    MUST_DO(125, p11->C_SignInit(session, &sign, private) == CKR_OK);
    MUST_DO(126, p11->C_Sign(session, data, sizeof data, signature, &signature_len) == CKR_OK);
    MUST_DO(127, p11->C_DestroyObject(session, made) == CKR_OK);
    return 0;
}

static int keeper_with_softhsm(void *arg)
{
    const struct place *place = arg;
    void *module = dlopen(MODULE, RTLD_NOW);
    CK_C_GetFunctionList get = NULL;
    if (module != NULL)
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    CK_FUNCTION_LIST *p11 = NULL;
    MUST_DO(130, get != NULL && get(&p11) == CKR_OK);
    CK_SLOT_ID slots[4];
    CK_ULONG count = ARRAY_LEN(slots);
    CK_SESSION_HANDLE session = 0, later = 0;
    CK_BYTE pin[] = {'1', '2', '3', '4'};
    MUST_DO(131, p11->C_Initialize(NULL) == CKR_OK);
    MUST_DO(132, p11->C_GetSlotList(CK_TRUE, slots, &count) == CKR_OK && count != 0);
    CK_FLAGS flags = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    MUST_DO(133, p11->C_OpenSession(slots[0], flags, NULL, NULL, &session) == CKR_OK);
    MUST_DO(134, p11->C_Login(session, CKU_USER, pin, sizeof pin) == CKR_OK);
    int result = enter(&place->config);
    MUST_DO(result, result == 0);
    MUST_REFUSE(135, open(place->outside, O_RDONLY | O_CLOEXEC));
    result = use_token(p11, session);
    MUST_DO(result, result == 0);
    MUST_DO(136, p11->C_OpenSession(slots[0], flags, NULL, NULL, &later) == CKR_OK);
    result = use_token(p11, later);
    MUST_DO(result, result != 122 && result == 0);
    /* a session that was lost is had again, with a new login */
    MUST_DO(137, p11->C_CloseAllSessions(slots[0]) == CKR_OK);
    MUST_DO(138, p11->C_OpenSession(slots[0], flags, NULL, NULL, &session) == CKR_OK);
    MUST_DO(139, p11->C_Login(session, CKU_USER, pin, sizeof pin) == CKR_OK);
    return use_token(p11, session);
}

static void softhsm_works_inside(void **state)
{
    (void)state;
    if (SANITIZED || access(MODULE, R_OK) != 0)
        skip();
    char *dir = test_tempdir();
    char *outside = test_path(dir, "outside"), *tokens = test_path(dir, "tokens");
    char *conf = test_path(dir, "softhsm2.conf");
    assert_int_equal(mkdir(tokens, 0700), 0);
    FILE *file = fopen(conf, "we");
    assert_non_null(file);
    (void)fprintf(file, "directories.tokendir = %s\nobjectstore.backend = file\n", tokens);
    assert_int_equal(fclose(file), 0);
    file = fopen(outside, "we");
    assert_int_equal(fclose(file), 0);
    assert_int_equal(setenv("SOFTHSM2_CONF", conf, 1), 0);
    if (system("softhsm2-util --init-token --free --label t --so-pin 1234 --pin 1234 >/dev/null "
               "2>&1") != 0)
        skip();
    const char *const granted[] = {tokens};
    const char *const readable[] = {conf};
    struct place place = {.outside = outside,
                          .config = {.module_paths = granted,
                                     .module_path_count = 1,
                                     .read_paths = readable,
                                     .read_path_count = 1,
                                     .required = true}};
    int result = in_child(keeper_with_softhsm, &place);
    if (result != 0)
        fail_msg("check %d", result);
    free(outside);
    free(tokens);
    free(conf);
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(a_keeper_without_grants_is_closed),
          cmocka_unit_test(granted_paths_and_no_others_open),
          cmocka_unit_test(sockets_open_as_granted),
          cmocka_unit_test(an_engine_starts_nothing_and_opens_what_is_granted),
          cmocka_unit_test(nobody_of_its_user_looks_into_a_keeper),
          cmocka_unit_test(a_missing_path_is_named), cmocka_unit_test(softhsm_works_inside))
