#include "programs/clavigerd/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "keeper/control.h"
#include "keeper/sandbox.h"
#include "programs/clavigerd/notify.h"
#include "programs/clavigerd/process.h"
#include "programs/clavigerd/segments.h"

#define TICK_MS         1000
#define SPARE_RETRY_MS  5000
#define RELOAD_MS       30000 /* after which a reload counts as done */
#define BACKOFF_MAX_MS  30000
#define KEEPER_GRACE_MS 2000
#define LINK_BUFFER     (512 * 1024) /* several messages of the largest size */
#define SIGNALS_AT_ONCE 8

enum state { RUNNING, WAITING, STOPPING_ENGINE, STOPPING_KEEPER, ENDED };

struct supervisor {
    struct supervisor_config config; /* with its defaults filled in */
    struct privileges privileges;
    struct segments segments;
    struct process keeper, engine;
    int signals;
    int epoll;
    enum state state;
    enum err end; /* of it all */
    struct err_detail detail;
    uint64_t started_ms;    /* both were forked */
    uint64_t ready_ms;      /* both were ready; 0: not yet */
    uint64_t due_ms;        /* WAITING: start again; STOPPING: kill */
    uint64_t spare_due_ms;  /* try again to make a spare; 0: no */
    uint64_t reload_due_ms; /* 0: none under way */
    uint64_t watchdog_due_ms;
    unsigned quick; /* failures in a row */
};

static uint64_t now_ms(void)
{
    return clock_mono_ns() / 1000000U;
}

static enum err watch(struct supervisor *s, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? ERR_OK : ERR_IO;
}

/* The keeper is not killed while it may be inside the token's module: SoftHSM2 writes a token's
 * file anew at every login, and one that is cut off there has lost the token. */
static void end_both(struct supervisor *s)
{
    process_kill(&s->engine);
    process_end(&s->keeper, KEEPER_GRACE_MS);
}

static void end_with(struct supervisor *s, enum err err)
{
    end_both(s);
    s->end = err;
    s->state = ENDED;
}

/* ---- audit segments ---- */

static enum err send_segment(struct supervisor *s, enum control_type type, uint64_t value, int fd)
{
    struct control_message message = {.type = type, .value = value, .fd = fd};
    return control_send(s->keeper.control, &message);
}

/* The keeper goes on with its last segment while this fails, and refuses when that is full. */
static void supply_spare(struct supervisor *s)
{
    AUTO(file_closep) int spare = -1;
    struct err_detail why = {0};
    enum err err = segments_make(&s->segments, &spare, &why);
    s->spare_due_ms = 0;
    if (err == ERR_OK)
        err = send_segment(s, CONTROL_SPARE, s->segments.size, spare);
    if (err == ERR_OK)
        return;
    log_failure(LOG_LEVEL_ERROR, "can't make the next audit segment", err, &why);
    notify_send("STATUS=can't make the next audit segment: %s", why.text);
    (void)!control_tell(s->keeper.control, CONTROL_SPARE_FAILED, (uint64_t)err, why.text);
    s->spare_due_ms = now_ms() + SPARE_RETRY_MS;
}

static enum err supply_first(struct supervisor *s)
{
    AUTO(file_closep) int last = -1;
    AUTO(file_closep) int spare = -1;
    TRY(segments_find(&s->segments, &last, &spare, &s->detail));
    if (spare < 0)
        TRY(segments_make(&s->segments, &spare, &s->detail));
    if (last >= 0)
        TRY(send_segment(s, CONTROL_SEGMENT, s->segments.last, last));
    else
        TRY(send_segment(s, CONTROL_NO_SEGMENT, 0, -1));
    return send_segment(s, CONTROL_SPARE, s->segments.size, spare);
}

/* ---- starting ---- */

struct pairs {
    int *keeper; /* link ends */
    int *engine;
    unsigned made;
};

static void pairs_done(struct pairs *pairs)
{
    for (unsigned i = 0; i < pairs->made; i++) {
        file_closep(&pairs->keeper[i]);
        file_closep(&pairs->engine[i]);
    }
    free(pairs->keeper);
    free(pairs->engine);
}

static enum err make_pair(int pair[2], int flags, struct err_detail *detail)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, pair) != 0)
        return err_errno(detail, "can't make a socket pair");
    int size = LINK_BUFFER;
    for (int i = 0; i < 2; i++) {
        /* beyond net.core.wmem_max as root; without, the system's limit will have to do */
        if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
            (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    return ERR_OK;
}

static enum err make_links(struct supervisor *s, struct pairs *pairs)
{
    pairs->keeper = calloc(s->config.links + 1, sizeof(int));
    pairs->engine = calloc(s->config.links + 1, sizeof(int));
    if (pairs->keeper == NULL || pairs->engine == NULL)
        return ERR_NO_MEMORY;
    for (; pairs->made < s->config.links; pairs->made++) {
        int pair[2];
        TRY(make_pair(pair, SOCK_NONBLOCK, &s->detail));
        pairs->keeper[pairs->made] = pair[0];
        pairs->engine[pairs->made] = pair[1];
    }
    return ERR_OK;
}

static enum err start_one(struct supervisor *s, struct process *process, supervised_main *main,
                          struct supervised *given)
{
    AUTO(file_closep) int theirs = -1;
    int pair[2];
    TRY(make_pair(pair, SOCK_NONBLOCK, &s->detail));
    process->control = pair[0];
    theirs = pair[1];
    given->control = theirs;
    TRY(process_start(process, main, given, s->config.ctx, &s->privileges, &s->detail));
    return watch(s, process->control);
}

static enum err start_with(struct supervisor *s, const struct pairs *pairs)
{
    struct supervised keeper = {.links = pairs->keeper, .link_count = pairs->made};
    struct supervised engine = {.links = pairs->engine,
                                .link_count = pairs->made,
                                .listeners = s->config.listeners,
                                .listener_count = s->config.listener_count};
    TRY(start_one(s, &s->keeper, s->config.keeper_main, &keeper));
    enum err err = supply_first(s);
    /* a keeper that is gone already left a status that says more */
    if (err != ERR_OK && err != ERR_CLOSED)
        return err;
    TRY(start_one(s, &s->engine, s->config.engine_main, &engine));
    s->started_ms = now_ms();
    s->ready_ms = s->spare_due_ms = s->reload_due_ms = 0;
    s->state = RUNNING;
    return ERR_OK;
}

static enum err start_both(struct supervisor *s)
{
    struct pairs pairs = {0};
    enum err err = make_links(s, &pairs);
    if (err == ERR_OK)
        err = start_with(s, &pairs);
    pairs_done(&pairs);
    return err;
}

/* ---- failing and starting anew ---- */

static void wait_and_restart(struct supervisor *s)
{
    uint64_t now = now_ms();
    bool quick = s->ready_ms == 0 || now - s->ready_ms < s->config.quick_ms;
    s->quick = quick ? s->quick + 1 : 1;
    if (s->quick > s->config.quick_max) {
        end_with(s, err_set(&s->detail, ERR_STATE, "gave up after %u failures in a row",
                            s->config.quick_max));
        return;
    }
    unsigned shift = s->quick - 1 < 10 ? s->quick - 1 : 10;
    uint64_t pause = (uint64_t)s->config.backoff_ms << shift;
    if (pause > BACKOFF_MAX_MS)
        pause = BACKOFF_MAX_MS;
    s->state = WAITING;
    s->due_ms = now + pause;
    log_warn("keeper and engine start again in %llu ms", (unsigned long long)pause);
    notify_send("STATUS=keeper and engine start again");
}

/* Fail closed: an engine without keeper, or a keeper without engine, serves nobody. */
static void fail_both(struct supervisor *s)
{
    end_both(s);
    wait_and_restart(s);
}

static void try_start(struct supervisor *s)
{
    enum err err = start_both(s);
    if (err == ERR_OK)
        return;
    /* missing segments do not come back by waiting */
    if (err == ERR_AUDIT || err == ERR_CONFIG) {
        end_with(s, err);
        return;
    }
    log_failure(LOG_LEVEL_ERROR, "can't start keeper and engine", err, &s->detail);
    fail_both(s);
}

static void child_died(struct supervisor *s, const struct process *process, int status)
{
    char how[96];
    process_describe(status, how, sizeof how);
    log_error("%s %s", process->name, how);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SUPERVISED_FATAL) {
        end_with(s, err_set(&s->detail, ERR_STATE, "%s can't run like this; see the log",
                            process->name));
        return;
    }
    fail_both(s);
}

/* ---- stopping ---- */

static void tell_to_stop(struct supervisor *s, struct process *process, enum state state)
{
    s->state = state;
    s->due_ms = now_ms() + s->config.stop_timeout_ms;
    if (control_tell(process->control, CONTROL_STOP, 0, NULL) != ERR_OK)
        s->due_ms = now_ms();
}

static void stop_keeper(struct supervisor *s)
{
    if (s->keeper.pid == 0)
        end_with(s, ERR_OK);
    else
        tell_to_stop(s, &s->keeper, STOPPING_KEEPER);
}

static void begin_stop(struct supervisor *s)
{
    log_info("stopping");
    notify_send("STOPPING=1\nSTATUS=stopping");
    if (s->state == WAITING)
        end_with(s, ERR_OK);
    else
        tell_to_stop(s, &s->engine, STOPPING_ENGINE);
}

static void stop_took_too_long(struct supervisor *s)
{
    struct process *process = s->state == STOPPING_ENGINE ? &s->engine : &s->keeper;
    log_error("%s did not stop in time: killed", process->name);
    process_kill(process);
    if (process == &s->engine)
        stop_keeper(s);
    else
        end_with(s, ERR_OK);
}

static void check_children(struct supervisor *s)
{
    struct process *const both[] = {&s->keeper, &s->engine};
    for (size_t i = 0; i < ARRAY_LEN(both) && s->state != ENDED; i++) {
        int status;
        if (!process_ended(both[i], &status))
            continue;
        if (s->state == RUNNING) {
            child_died(s, both[i], status);
            continue;
        }
        if (status != 0) {
            char how[96];
            process_describe(status, how, sizeof how);
            log_warn("%s %s while it was stopped", both[i]->name, how);
        }
        if (both[i] == &s->engine)
            stop_keeper(s);
        else if (s->state == STOPPING_KEEPER)
            end_with(s, ERR_OK);
        else /* the keeper went first: what the engine still has to do can't be done */
            end_with(s, ERR_OK);
    }
}

/* ---- reloading ---- */

static void reload_done(struct supervisor *s, const char *status)
{
    s->reload_due_ms = 0;
    notify_send("READY=1\nSTATUS=%s", status);
}

static enum err send_files(struct supervisor *s, struct err_detail *why)
{
    for (unsigned i = 0; i < s->config.file_count; i++) {
        AUTO(file_closep) int fd = open(s->config.files[i], O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return err_errno(why, "%s: can't open", s->config.files[i]);
        const struct control_message message = {.type = CONTROL_FILE, .value = i, .fd = fd};
        TRY(control_send(s->engine.control, &message));
    }
    return ERR_OK;
}

static void begin_reload(struct supervisor *s)
{
    if (s->state != RUNNING && s->state != WAITING)
        return;
    notify_send("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
                (unsigned long long)(clock_mono_ns() / 1000U));
    struct err_detail why = {0};
    enum err err = s->config.reload != NULL ? s->config.reload(s->config.ctx, &why) : ERR_OK;
    if (err == ERR_OK && s->state == RUNNING)
        err = send_files(s, &why);
    if (err != ERR_OK) {
        log_failure(LOG_LEVEL_ERROR, "the configuration was not taken", err, &why);
        reload_done(s, "the new configuration was not taken; see the log");
        if (s->state == RUNNING)
            (void)!control_tell(s->engine.control, CONTROL_RELOAD_REFUSED, (uint64_t)err, why.text);
        return;
    }
    if (s->state != RUNNING) {
        reload_done(s, "reloaded");
        return;
    }
    s->keeper.reloaded = s->engine.reloaded = false;
    s->reload_due_ms = now_ms() + RELOAD_MS;
    if (control_tell(s->keeper.control, CONTROL_RELOAD, 0, NULL) != ERR_OK ||
        control_tell(s->engine.control, CONTROL_RELOAD, 0, NULL) != ERR_OK)
        log_error("a child could not be told to reload");
}

/* ---- messages and signals ---- */

static void became_ready(struct supervisor *s, struct process *process)
{
    process->ready = true;
    if (!s->keeper.ready || !s->engine.ready || s->ready_ms != 0)
        return;
    s->ready_ms = now_ms();
    log_info("serving");
    notify_send("READY=1\nSTATUS=serving");
}

static void one_reloaded(struct supervisor *s, struct process *process,
                         const struct control_message *message)
{
    process->reloaded = true;
    if (message->value != ERR_OK)
        log_error("%s did not take the new configuration: %s", process->name, message->text);
    if (s->reload_due_ms != 0 && s->keeper.reloaded && s->engine.reloaded)
        reload_done(s, "serving");
}

static void take_message(struct supervisor *s, struct process *process,
                         struct control_message *message)
{
    process->heard_ms = now_ms();
    file_closep(&message->fd); /* none comes from a child */
    switch (message->type) {
    case CONTROL_READY: became_ready(s, process); break;
    case CONTROL_RELOADED: one_reloaded(s, process, message); break;
    case CONTROL_STATUS: notify_send("STATUS=%s", message->text); break;
    case CONTROL_SPARE_WANTED:
        if (process == &s->keeper && s->state != ENDED)
            supply_spare(s);
        break;
    case CONTROL_RELOAD_WANTED:
        if (process == &s->engine)
            begin_reload(s);
        break;
    default: break;
    }
}

/* Bounded, so that a child that floods its link can't keep the supervisor from the other. */
static void read_messages(struct supervisor *s, struct process *process)
{
    for (int i = 0; i < 64 && process->control >= 0; i++) {
        struct control_message message;
        enum err err = control_receive(process->control, &message);
        if (err == ERR_CLOSED)
            (void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, process->control, NULL);
        if (err != ERR_OK && err != ERR_SYNTAX)
            return;
        if (err == ERR_OK)
            take_message(s, process, &message);
    }
}

static void take_signal(struct supervisor *s, unsigned number)
{
    switch (number) {
    case SIGHUP: begin_reload(s); break;
    case SIGTERM:
    case SIGINT:
        if (s->state == RUNNING || s->state == WAITING) {
            begin_stop(s);
        } else if (s->state != ENDED) {
            log_warn("stopped by force");
            end_with(s, ERR_OK);
        }
        break;
    default: break; /* SIGCHLD: children are looked at in every round */
    }
}

static void read_signals(struct supervisor *s)
{
    struct signalfd_siginfo info[SIGNALS_AT_ONCE];
    ssize_t got = read(s->signals, info, sizeof info);
    for (size_t i = 0; got > 0 && i < (size_t)got / sizeof info[0]; i++)
        take_signal(s, info[i].ssi_signo);
}

/* ---- time ---- */

static void check_signs_of_life(struct supervisor *s, uint64_t now)
{
    const struct process *const both[] = {&s->keeper, &s->engine};
    if (s->ready_ms == 0) {
        if (now - s->started_ms > s->config.start_timeout_ms) {
            log_error("keeper and engine were not ready in time");
            fail_both(s);
        }
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        if (now - both[i]->heard_ms > s->config.alive_timeout_ms) {
            log_error("%s gives no sign of life", both[i]->name);
            fail_both(s);
            return;
        }
    }
}

static void check_time(struct supervisor *s)
{
    uint64_t now = now_ms();
    if (s->state == RUNNING)
        check_signs_of_life(s, now);
    if (s->state == RUNNING && s->spare_due_ms != 0 && now >= s->spare_due_ms)
        supply_spare(s);
    if (s->state == RUNNING && s->reload_due_ms != 0 && now >= s->reload_due_ms) {
        log_error("a child did not say in time whether it took the new configuration");
        reload_done(s, "serving");
    }
    if (s->state == WAITING && now >= s->due_ms)
        try_start(s);
    else if ((s->state == STOPPING_ENGINE || s->state == STOPPING_KEEPER) && now >= s->due_ms)
        stop_took_too_long(s);
    if (notify_watchdog_ms() != 0 && now >= s->watchdog_due_ms) {
        notify_send("WATCHDOG=1");
        s->watchdog_due_ms = now + notify_watchdog_ms();
    }
}

static int next_wait(const struct supervisor *s)
{
    uint64_t now = now_ms(), until = now + TICK_MS;
    if (s->state != RUNNING && s->due_ms < until)
        until = s->due_ms;
    if (notify_watchdog_ms() != 0 && s->watchdog_due_ms < until)
        until = s->watchdog_due_ms;
    return until > now ? (int)(until - now) : 0;
}

static void one_round(struct supervisor *s)
{
    struct epoll_event events[4];
    int count = epoll_wait(s->epoll, events, ARRAY_LEN(events), next_wait(s));
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == s->signals)
            read_signals(s);
        else if (events[i].data.fd == s->keeper.control)
            read_messages(s, &s->keeper);
        else if (events[i].data.fd == s->engine.control)
            read_messages(s, &s->engine);
    }
    check_children(s);
    if (s->state != ENDED)
        check_time(s);
}

/* ---- the whole ---- */

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value != 0 ? value : otherwise;
}

static void fill_defaults(struct supervisor_config *config)
{
    config->start_timeout_ms = or_default(config->start_timeout_ms, 120000);
    config->stop_timeout_ms = or_default(config->stop_timeout_ms, 30000);
    config->alive_timeout_ms = or_default(config->alive_timeout_ms, 60000);
    config->backoff_ms = or_default(config->backoff_ms, 250);
    config->quick_ms = or_default(config->quick_ms, 30000);
    config->quick_max = or_default(config->quick_max, 5);
}

static enum err prepare(struct supervisor *s, const sigset_t *signals)
{
    TRY(supervisor_sandbox_enter(&s->detail));
    TRY(privileges_find(s->config.user, s->config.group, &s->privileges, &s->detail));
    TRY(segments_open(s->config.audit_dir, s->config.segment_size, s->privileges.gid, &s->segments,
                      &s->detail));
    s->signals = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->signals < 0 || s->epoll < 0)
        return err_errno(&s->detail, "can't wait for signals");
    return watch(s, s->signals);
}

enum err supervisor_run(const struct supervisor_config *config, struct err_detail *detail)
{
    struct supervisor s = {.config = *config,
                           .segments = {.dir = -1, .lock = -1},
                           .keeper = {.name = "keeper", .control = -1},
                           .engine = {.name = "engine", .control = -1},
                           .signals = -1,
                           .epoll = -1};
    fill_defaults(&s.config);
    notify_init();
    sigset_t signals, before;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &signals, &before);
    s.end = prepare(&s, &signals);
    if (s.end == ERR_OK) {
        try_start(&s);
        while (s.state != ENDED)
            one_round(&s);
    }
    notify_send("STATUS=stopped");
    if (s.end != ERR_OK && detail != NULL)
        *detail = s.detail;
    segments_done(&s.segments);
    file_closep(&s.signals);
    file_closep(&s.epoll);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return s.end;
}
