#include "programs/clavigerd/supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "keeper/audit_verify.h"
#include "keeper/control.h"
#include "support/test.h"

#define SEGMENT 8192
#define WAIT_MS 20000

/* What test, supervisor and children see of each other. */
struct stage {
    _Atomic int keeper, engine, supervisor; /* pids */
    _Atomic unsigned keepers, engines;      /* started so far */
    _Atomic unsigned ready, reloads, reload_calls, keeper_stops, engine_stops;
    _Atomic unsigned keeper_after_engine; /* the keeper was told to stop when the engine was gone */
    _Atomic unsigned records;             /* to be written by the keeper */
    _Atomic unsigned written;
    _Atomic int keeper_status; /* >= 0: exit with it at once */
    _Atomic int hang;          /* do not stop when told */
    _Atomic int mute;          /* give no sign of life */
    _Atomic int refuse_reload;
    _Atomic int want_reload; /* the engine asks for one */
    _Atomic int file;        /* the number in the file that came with a reload */
    _Atomic unsigned refused;
    _Atomic int wrong; /* a check in a child failed: its line */
    _Atomic unsigned uid;
};

static struct stage *stage;

#define CHILD_CHECK(condition)                                                                     \
    do {                                                                                           \
        if (!(condition))                                                                          \
            atomic_store(&stage->wrong, __LINE__);                                                 \
    } while (0)

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) /* not dumpable and no longer root */
        return 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(dir);
    return count - 1;
}

static void check_inheritance(const struct supervised *given, unsigned listeners)
{
    unsigned count = open_descriptors();
    CHILD_CHECK(given->link_count == 2);
    CHILD_CHECK(given->listener_count == listeners);
    CHILD_CHECK(count == 0 || count == 3 + 1 + 2 + listeners);
    sigset_t mask;
    CHILD_CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGTERM) == 0);
}

static void maybe_hang(void)
{
    while (atomic_load(&stage->hang) != 0)
        (void)usleep(1000);
}

static struct audit *toy_audit(int control)
{
    struct control_message first, spare;
    enum err err = control_wait(control, WAIT_MS, &first);
    if (err == ERR_OK)
        err = control_wait(control, WAIT_MS, &spare);
    if (err == ERR_CLOSED) /* the supervisor gave up */
        _exit(1);
    CHILD_CHECK(err == ERR_OK);
    CHILD_CHECK(first.type == CONTROL_SEGMENT || first.type == CONTROL_NO_SEGMENT);
    CHILD_CHECK(spare.type == CONTROL_SPARE && spare.value == SEGMENT && spare.fd >= 0);
    struct audit_setup setup = {.current = first.fd, .spare = spare.fd};
    struct audit *audit = NULL;
    struct err_detail detail = {0};
    if (audit_open(&setup, &audit, &detail) != ERR_OK) {
        CHILD_CHECK(false);
        _exit(SUPERVISED_FATAL);
    }
    return audit;
}

static void toy_write(struct audit *audit, int control)
{
    static bool asked;
    if (audit_wants_spare(audit) && !asked) {
        enum err told = control_tell(control, CONTROL_SPARE_WANTED, 0, NULL);
        if (told == ERR_CLOSED) /* the supervisor is ending this keeper */
            _exit(1);
        CHILD_CHECK(told == ERR_OK);
        asked = true;
    }
    if (!audit_wants_spare(audit))
        asked = false;
    if (atomic_load(&stage->records) == 0)
        return;
    struct audit_event event = {.kind = AUDIT_RELEASE, .actor = bytes_str("toy")};
    enum err err = audit_append(audit, &event);
    if (err == ERR_BUSY)
        return;
    CHILD_CHECK(err == ERR_OK && audit_commit(audit, NULL) == ERR_OK);
    atomic_fetch_sub(&stage->records, 1);
    atomic_fetch_add(&stage->written, 1);
}

static int keeper_toy(const struct supervised *given, void *ctx)
{
    (void)ctx;
    check_inheritance(given, 0);
    atomic_fetch_add(&stage->keepers, 1);
    if (atomic_load(&stage->keeper_status) >= 0)
        return atomic_load(&stage->keeper_status);
    struct audit *audit = toy_audit(given->control);
    atomic_store(&stage->uid, (unsigned)getuid());
    atomic_store(&stage->keeper, getpid());
    (void)!control_tell(given->control, CONTROL_READY, 0, NULL);
    for (;;) {
        toy_write(audit, given->control);
        struct control_message message;
        if (atomic_load(&stage->mute) == 0)
            (void)!control_tell(given->control, CONTROL_ALIVE, 0, NULL);
        enum err err = control_wait(given->control, 5, &message);
        if (err == ERR_CLOSED)
            return 1;
        if (err != ERR_OK)
            continue;
        if (message.type == CONTROL_SPARE)
            CHILD_CHECK(audit_add_spare(audit, message.fd, NULL) == ERR_OK);
        if (message.type == CONTROL_RELOAD)
            (void)!control_tell(given->control, CONTROL_RELOADED, 0, NULL);
        if (message.type != CONTROL_STOP)
            continue;
        maybe_hang();
        struct audit_event event = {.kind = AUDIT_STOP};
        CHILD_CHECK(audit_append(audit, &event) == ERR_OK && audit_commit(audit, NULL) == ERR_OK);
        atomic_fetch_add(&stage->keeper_stops, 1);
        atomic_fetch_add(&stage->keeper_after_engine, atomic_load(&stage->engine_stops) != 0);
        audit_free(audit);
        return 0;
    }
}

/* What the supervisor sent is what stands at the path now, though this process can't open it. */
static void take_file(struct control_message *message)
{
    char text[16] = "";
    CHILD_CHECK(message->value == 0 && message->fd >= 0);
    CHILD_CHECK(read(message->fd, text, sizeof text - 1) >= 0);
    CHILD_CHECK((fcntl(message->fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
    atomic_store(&stage->file, atoi(text));
    file_closep(&message->fd);
}

static int engine_toy(const struct supervised *given, void *ctx)
{
    (void)ctx;
    check_inheritance(given, 1);
    atomic_fetch_add(&stage->engines, 1);
    atomic_store(&stage->engine, getpid());
    (void)!control_tell(given->control, CONTROL_READY, 0, NULL);
    for (;;) {
        struct control_message message;
        (void)!control_tell(given->control, CONTROL_ALIVE, 0, NULL);
        enum err err = control_wait(given->control, 5, &message);
        if (err == ERR_CLOSED)
            return 1;
        if (err == ERR_OK && message.type == CONTROL_FILE)
            take_file(&message);
        if (err == ERR_OK && message.type == CONTROL_RELOAD_REFUSED)
            atomic_fetch_add(&stage->refused, strcmp(message.text, "line 3: nonsense") == 0);
        if (atomic_exchange(&stage->want_reload, 0) != 0)
            CHILD_CHECK(control_tell(given->control, CONTROL_RELOAD_WANTED, 0, NULL) == ERR_OK);
        if (err == ERR_OK && message.type == CONTROL_RELOAD) {
            atomic_fetch_add(&stage->reloads, 1);
            (void)!control_tell(given->control, CONTROL_RELOADED, 0, NULL);
        }
        if (err == ERR_OK && message.type == CONTROL_STOP) {
            maybe_hang();
            atomic_fetch_add(&stage->engine_stops, 1);
            return 0;
        }
    }
}

static enum err reload_toy(void *ctx, struct err_detail *detail)
{
    (void)ctx;
    atomic_fetch_add(&stage->reload_calls, 1);
    return atomic_load(&stage->refuse_reload) != 0 ? err_set(detail, ERR_CONFIG, "line 3: nonsense")
                                                   : ERR_OK;
}

/* ---- the test's side ---- */

struct run {
    char *dir;
    char *audit;
    pid_t pid;
    int manager; /* what systemd would read */
    char told[4096];
};

static void open_manager(struct run *run)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/notify", run->dir);
    run->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(run->manager, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "200000", 1), 0);
}

/* Runs the supervisor in a process of its own; its exit status is the enum err it ended with. */
static void put_number(const struct run *run, const char *number)
{
    char *path = test_path(run->dir, "file");
    assert_ok(file_write(path, bytes_str(number), 0600, NULL));
    free(path);
}

static void begin(struct run *run, const char *user)
{
    *run = (struct run){.dir = test_tempdir()};
    run->audit = test_path(run->dir, "audit");
    if (stage == NULL)
        stage =
            mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset((void *)stage, 0, sizeof *stage);
    atomic_store(&stage->keeper_status, -1);
    open_manager(run);
    put_number(run, "1");
    run->pid = fork();
    assert_true(run->pid >= 0);
    if (run->pid != 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    const char *const files[] = {test_path(run->dir, "file")};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct supervisor_config config = {
        .keeper_main = keeper_toy,
        .engine_main = engine_toy,
        .links = 2,
        .listeners = &listener,
        .listener_count = 1,
        .audit_dir = run->audit,
        .segment_size = SEGMENT,
        .files = files,
        .file_count = ARRAY_LEN(files),
        .user = user,
        .reload = reload_toy,
        .stop_timeout_ms = 500,
        .alive_timeout_ms = 3000,
        .backoff_ms = 5,
        .quick_max = 5,
    };
    log_init("supervisor", LOG_LEVEL_ERROR);
    if (getenv("SUPERVISOR_LOG") == NULL)
        (void)!freopen("/dev/null", "we", stderr);
    _exit((int)supervisor_run(&config, NULL));
}

/* Reads what the supervisor tells, as a service manager does. */
static void hear(struct run *run, int timeout_ms)
{
    struct pollfd wait = {.fd = run->manager, .events = POLLIN};
    if (poll(&wait, 1, timeout_ms) != 1)
        return;
    size_t used = strlen(run->told);
    if (used > sizeof run->told / 2 && strstr(run->told, "READY=1") == NULL)
        used = 0;
    ssize_t got = recv(run->manager, run->told + used, sizeof run->told - used - 1, 0);
    assert_true(got >= 0);
    run->told[used + (size_t)got] = '\0';
}

#define wait_for(condition)                                                                        \
    do {                                                                                           \
        uint64_t until = clock_mono_ns() + WAIT_MS * 1000000ULL;                                   \
        while (!(condition) && clock_mono_ns() < until)                                            \
            hear(&run, 1);                                                                         \
        if (!(condition))                                                                          \
            fail_msg("waited in vain for %s", #condition);                                         \
    } while (0)

static void wait_serving(struct run *to, unsigned keepers)
{
    struct run run = *to;
    wait_for(strstr(run.told, "READY=1") != NULL);
    to->told[0] = '\0';
    assert_int_equal(atomic_load(&stage->keepers), keepers);
    assert_int_equal(atomic_load(&stage->engines), keepers);
}

/* A zombie that nobody has collected yet is dead. */
static bool alive(int pid)
{
    char path[64], text[512] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = pid != 0 ? fopen(path, "re") : NULL;
    if (file == NULL)
        return false;
    size_t got = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    const char *name_end = strrchr(text, ')');
    return got != 0 && name_end != NULL && name_end[2] != 'Z';
}

/* The supervisor's end, and what it left. */
static void end(struct run *run, enum err want)
{
    int status = 0;
    assert_int_equal(waitpid(run->pid, &status, 0), run->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), want);
    assert_int_equal(atomic_load(&stage->wrong), 0);
    assert_false(alive(atomic_load(&stage->keeper)));
    assert_false(alive(atomic_load(&stage->engine)));
}

static void clean(struct run *run)
{
    assert_int_equal(close(run->manager), 0);
    free(run->audit);
    test_tempdir_remove(run->dir);
}

static void verify_chain(const struct run *run, struct audit_verify_result *ret_result)
{
    struct audit_verify_options options = {.whole = true};
    struct err_detail detail = {0};
    assert_ok(audit_verify(run->audit, &options, ret_result, &detail));
}

static void serves_and_stops_in_order(void **state)
{
    (void)state;
    struct run run;
    begin(&run, NULL);
    wait_serving(&run, 1);
    /* the audit folder is taken */
    struct supervisor_config second = {.audit_dir = run.audit, .segment_size = SEGMENT};
    pid_t pid = fork();
    if (pid == 0)
        _exit((int)supervisor_run(&second, NULL));
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), ERR_LOCKED);

    atomic_store(&stage->records, 500);
    wait_for(atomic_load(&stage->written) == 500);
    assert_int_equal(kill(run.pid, SIGTERM), 0);
    end(&run, ERR_OK);
    assert_int_equal(atomic_load(&stage->keeper_stops), 1);
    assert_int_equal(atomic_load(&stage->engine_stops), 1);
    assert_int_equal(atomic_load(&stage->keeper_after_engine), 1);
    struct audit_verify_result result;
    verify_chain(&run, &result);
    assert_true(result.segments > 5);
    assert_int_equal(result.kinds[AUDIT_RELEASE], 500);
    assert_int_equal(result.kinds[AUDIT_STOP], 1);
    clean(&run);
}

static void kill_and_wait(struct run *of, _Atomic int *victim, unsigned keepers)
{
    struct run run = *of;
    int keeper = atomic_load(&stage->keeper), engine = atomic_load(&stage->engine);
    assert_int_equal(kill(atomic_load(victim), SIGKILL), 0);
    wait_for(!alive(keeper) && !alive(engine));
    wait_serving(&run, keepers);
    *of = run;
    assert_int_not_equal(atomic_load(&stage->keeper), keeper);
    assert_int_not_equal(atomic_load(&stage->engine), engine);
}

static void one_dies_both_start_again(void **state)
{
    (void)state;
    struct run run;
    begin(&run, NULL);
    wait_serving(&run, 1);
    atomic_store(&stage->records, 1000000);
    wait_for(atomic_load(&stage->written) > 100);
    kill_and_wait(&run, &stage->keeper, 2);
    unsigned before = atomic_load(&stage->written);
    wait_for(atomic_load(&stage->written) > before + 100);
    kill_and_wait(&run, &stage->engine, 3);
    before = atomic_load(&stage->written);
    wait_for(atomic_load(&stage->written) > before + 100);
    assert_int_equal(kill(run.pid, SIGINT), 0);
    end(&run, ERR_OK);
    struct audit_verify_result result;
    verify_chain(&run, &result);
    /* a kill may come between a record's commit and its count */
    assert_in_range(result.kinds[AUDIT_RELEASE], atomic_load(&stage->written),
                    atomic_load(&stage->written) + 2);
    clean(&run);
}

static void the_supervisor_dies_and_both_with_it(void **state)
{
    (void)state;
    struct run run;
    begin(&run, NULL);
    wait_serving(&run, 1);
    assert_int_equal(kill(run.pid, SIGKILL), 0);
    wait_for(!alive(atomic_load(&stage->keeper)) && !alive(atomic_load(&stage->engine)));
    assert_int_equal(waitpid(run.pid, NULL, 0), run.pid);
    struct audit_verify_result result;
    verify_chain(&run, &result);
    clean(&run);
}

static void reloads(void **state)
{
    (void)state;
    struct run run;
    begin(&run, NULL);
    wait_serving(&run, 1);
    assert_int_equal(kill(run.pid, SIGHUP), 0);
    wait_for(atomic_load(&stage->reloads) == 1);
    assert_int_equal(atomic_load(&stage->reload_calls), 1);
    assert_int_equal(atomic_load(&stage->file), 1);
    wait_serving(&run, 1);
    /* asked for by the engine; the file is another one of the same name */
    put_number(&run, "2");
    atomic_store(&stage->want_reload, 1);
    wait_for(atomic_load(&stage->reloads) == 2);
    assert_int_equal(atomic_load(&stage->file), 2);
    wait_serving(&run, 1);
    /* what the supervisor does not take the children never hear of */
    atomic_store(&stage->refuse_reload, 1);
    assert_int_equal(kill(run.pid, SIGHUP), 0);
    wait_for(atomic_load(&stage->reload_calls) == 3);
    wait_for(atomic_load(&stage->refused) == 1);
    wait_serving(&run, 1);
    assert_int_equal(atomic_load(&stage->reloads), 2);
    assert_int_equal(kill(run.pid, SIGTERM), 0);
    end(&run, ERR_OK);
    clean(&run);
}

static void gives_up_in_the_end(void **state)
{
    (void)state;
    struct run run;
    begin(&run, NULL);
    wait_serving(&run, 1);
    atomic_store(&stage->keeper_status, 3);
    assert_int_equal(kill(atomic_load(&stage->keeper), SIGKILL), 0);
    end(&run, ERR_STATE);
    assert_int_equal(atomic_load(&stage->keepers), 1 + 5);
    clean(&run);

    /* what a restart can't help is not tried again */
    begin(&run, NULL);
    wait_serving(&run, 1);
    atomic_store(&stage->keeper_status, SUPERVISED_FATAL);
    assert_int_equal(kill(atomic_load(&stage->engine), SIGKILL), 0);
    end(&run, ERR_STATE);
    assert_int_equal(atomic_load(&stage->keepers), 2);
    clean(&run);
}

static void what_hangs_is_killed(void **state)
{
    (void)state;
    struct run run;
    begin(&run, NULL);
    wait_serving(&run, 1);
    atomic_store(&stage->mute, 1);
    wait_for(atomic_load(&stage->keepers) == 2);
    atomic_store(&stage->mute, 0);
    wait_serving(&run, 2);
    atomic_store(&stage->hang, 1);
    assert_int_equal(kill(run.pid, SIGTERM), 0);
    end(&run, ERR_OK);
    assert_int_equal(atomic_load(&stage->keeper_stops), 0);
    clean(&run);
}

static void children_lose_privileges(void **state)
{
    (void)state;
    if (getuid() != 0 || getpwnam("nobody") == NULL)
        skip();
    struct run run;
    begin(&run, "nobody");
    wait_serving(&run, 1);
    assert_int_equal(atomic_load(&stage->uid), getpwnam("nobody")->pw_uid);
    char *first = test_path(run.audit, "0000000001.audit");
    struct stat st;
    assert_int_equal(stat(first, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    free(first);
    assert_int_equal(kill(run.pid, SIGTERM), 0);
    end(&run, ERR_OK);
    clean(&run);
    begin(&run, "nobody-of-this-name");
    end(&run, ERR_CONFIG);
    clean(&run);
}

static void missing_segments_stop_it(void **state)
{
    (void)state;
    struct run run;
    begin(&run, NULL);
    wait_serving(&run, 1);
    atomic_store(&stage->records, 500);
    wait_for(atomic_load(&stage->written) == 500);
    char *second = test_path(run.audit, "0000000002.audit");
    assert_int_equal(unlink(second), 0);
    assert_int_equal(kill(atomic_load(&stage->keeper), SIGKILL), 0);
    end(&run, ERR_AUDIT);
    free(second);
    clean(&run);
}

TEST_MAIN(cmocka_unit_test(serves_and_stops_in_order), cmocka_unit_test(one_dies_both_start_again),
          cmocka_unit_test(the_supervisor_dies_and_both_with_it), cmocka_unit_test(reloads),
          cmocka_unit_test(gives_up_in_the_end), cmocka_unit_test(what_hangs_is_killed),
          cmocka_unit_test(children_lose_privileges), cmocka_unit_test(missing_segments_stop_it))
