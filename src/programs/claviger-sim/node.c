#include "programs/claviger-sim/node.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "kmc/claviger-kmc.h"
#include "net/listener.h"
#include "programs/claviger-sim/keyring.h"
#include "programs/claviger-sim/sim.h"

#define COUNT_MAX  1000
#define FIRST_ID   0x00a00001u
#define PATH_ROOM  256
#define TEXT_ROOM  (NODE_TEXT_MAX + 1)
#define HOSTS_MAX  (NODE_TARGETS - 1)
#define REVISION   1
#define WINDOW     8
#define STACK_SIZE ((size_t)512 * 1024)

/* What the command line says of all nodes. */
struct plan {
    const struct options *options;
    unsigned count;
    uint64_t first_id;
    struct sim_line_config line;
    char host[PATH_ROOM];
    const struct claviger_line_wrapper *wrapper;
    unsigned faults;
    uint64_t silent_after;
    const char *state;
    struct device_profile profile;
    char host_name[HOSTS_MAX][TEXT_ROOM], host_version[HOSTS_MAX][TEXT_ROOM];
};

struct play {
    struct plan plan;
    struct keyring *keyring;
    struct radio *radio;
    struct sim_node *nodes;
    pthread_t *threads;
    char (*paths)[PATH_ROOM];
    unsigned opened, running;
    atomic_bool stop;
    bool json;
};

/* ---------------------------------------------------------------- the command line */

static enum err number_of(const struct options *options, const char *name, uint64_t max,
                          uint64_t *value, struct err_detail *detail)
{
    const char *text = options_get(options, name);
    char *end = NULL;
    if (text == NULL)
        return ERR_OK;
    errno = 0;
    unsigned long long got = strtoull(text, &end, 0);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || got > max)
        return err_set(detail, ERR_ARGUMENT, "--%s wants a number up to %" PRIu64, name, max);
    *value = got;
    return ERR_OK;
}

static enum err share_of(const struct options *options, const char *name, double *value,
                         struct err_detail *detail)
{
    const char *text = options_get(options, name);
    char *end = NULL;
    if (text == NULL)
        return ERR_OK;
    *value = strtod(text, &end);
    if (end == text || *end != '\0' || !(*value >= 0 && *value <= 1))
        return err_set(detail, ERR_ARGUMENT, "--%s wants a share from 0 to 1", name);
    return ERR_OK;
}

static enum err text_of(const struct options *options, const char *name, const char **text,
                        struct err_detail *detail)
{
    const char *got = options_get(options, name);
    if (got == NULL)
        return ERR_OK;
    if (got[0] == '\0' || strlen(got) > NODE_TEXT_MAX)
        return err_set(detail, ERR_ARGUMENT, "--%s: at most %d characters", name, NODE_TEXT_MAX);
    *text = got;
    return ERR_OK;
}

/* --host NAME[:VERSION], several times. */
static enum err hosts_of(struct plan *plan, struct err_detail *detail)
{
    const char *text;
    for (size_t i = 0; (text = options_get_nth(plan->options, "host", i)) != NULL; i++) {
        const char *colon = strchr(text, ':');
        size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
        const char *version = colon != NULL ? colon + 1 : "1.0.0.0";
        if (i >= HOSTS_MAX || len == 0 || len >= TEXT_ROOM || strlen(version) >= TEXT_ROOM)
            return err_set(detail, ERR_ARGUMENT, "--host: up to %d of NAME[:VERSION]", HOSTS_MAX);
        (void)snprintf(plan->host_name[i], TEXT_ROOM, "%.*s", (int)len, text);
        (void)snprintf(plan->host_version[i], TEXT_ROOM, "%s", version);
        plan->profile.hosts++;
        plan->profile.host[i + 1].name = plan->host_name[i];
        plan->profile.host[i + 1].version = plan->host_version[i];
    }
    return ERR_OK;
}

static enum err faults_of(struct plan *plan, struct err_detail *detail)
{
    const struct options *options = plan->options;
    static const char *const flags[] = {"bad-hardware", "bad-calibration", "failing-host"};
    struct sim_faults *faults = &plan->line.faults;
    uint64_t delay = 0;
    const char *name;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        plan->faults |= options_has(options, flags[i]) ? sim_fault_of(flags[i]) : 0;
    for (size_t i = 0; (name = options_get_nth(options, "fault", i)) != NULL; i++) {
        if (sim_fault_of(name) == 0)
            return err_set(detail, ERR_ARGUMENT, "--fault: there is no '%.40s'", name);
        plan->faults |= sim_fault_of(name);
    }
    TRY(share_of(options, "noise", &faults->noise, detail));
    TRY(share_of(options, "lose", &faults->lose, detail));
    TRY(share_of(options, "double", &faults->doubled, detail));
    TRY(number_of(options, "delay", 60000, &delay, detail));
    faults->delay_ms = (unsigned)delay;
    TRY(number_of(options, "cut", UINT64_MAX, &faults->cut, detail));
    return number_of(options, "silent-after", UINT64_MAX, &plan->silent_after, detail);
}

static enum err line_of(struct plan *plan, struct err_detail *detail)
{
    const char *pty = options_get(plan->options, "pty");
    const char *listen = options_get(plan->options, "listen");
    uint64_t baud = 0;
    if ((pty == NULL) == (listen == NULL))
        return err_set(detail, ERR_ARGUMENT, "either --pty or --listen is wanted");
    TRY(number_of(plan->options, "baud", 10000000, &baud, detail));
    plan->line.baud = (uint32_t)baud;
    plan->line.pty = pty;
    plan->line.host = plan->host;
    if (pty != NULL && strlen(pty) > PATH_ROOM - 16)
        return err_set(detail, ERR_ARGUMENT, "--pty: too long");
    if (listen != NULL && net_address_parse(listen, 0, plan->host, &plan->line.port) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "--listen: '%.80s' is no HOST:PORT", listen);
    return line_wrapper_choose(options_get(plan->options, "wrapper"), &plan->wrapper, detail);
}

static enum err plan_of(struct plan *plan, struct err_detail *detail)
{
    const struct options *options = plan->options;
    uint64_t count = 1;
    const char *id = options_get(options, "id");
    plan->profile = (struct device_profile){.type = "unode",
                                            .version = "1.0.0.0",
                                            .hardware = "unode-1",
                                            .revision = REVISION,
                                            .calibration_revision = REVISION,
                                            .message_max = NODE_MESSAGE_MAX,
                                            .window = WINDOW};
    plan->first_id = FIRST_ID;
    plan->state = options_get(options, "state");
    TRY(number_of(options, "count", COUNT_MAX, &count, detail));
    plan->count = (unsigned)count;
    if (plan->count == 0)
        return err_set(detail, ERR_ARGUMENT, "--count: at least one");
    if (id != NULL && ckmc_parse_node(id, &plan->first_id, NULL) != CKMC_OK)
        return err_set(detail, ERR_ARGUMENT, "--id: '%.40s' is no node id", id);
    TRY(text_of(options, "type", &plan->profile.type, detail));
    TRY(text_of(options, "hardware", &plan->profile.hardware, detail));
    TRY(text_of(options, "firmware-version", &plan->profile.version, detail));
    TRY(hosts_of(plan, detail));
    TRY(faults_of(plan, detail));
    return line_of(plan, detail);
}

/* ---------------------------------------------------------------- the nodes */

/* "./dut0", and "./dut1" for the next one; without a number at its end one is put there. */
static void path_of(const char *first, unsigned i, unsigned count, char path[PATH_ROOM])
{
    size_t len = strlen(first), digits = 0;
    while (digits < len && digits < 9 && first[len - digits - 1] >= '0' &&
           first[len - digits - 1] <= '9')
        digits++;
    if (digits == 0 && count == 1)
        (void)snprintf(path, PATH_ROOM, "%s", first);
    else
        (void)snprintf(path, PATH_ROOM, "%.*s%lu", (int)(len - digits), first,
                       strtoul(first + len - digits, NULL, 10) + i);
}

/* A host's own identifier: its number, and the node's id behind it. */
static void identify_hosts(struct device_profile *profile)
{
    for (unsigned i = 1; i <= profile->hosts; i++) {
        be32_store(profile->host[i].identifier, i);
        be32_store(profile->host[i].identifier + 4, (uint32_t)profile->node_id);
        profile->host[i].identifier_len = 8;
    }
}

/* A key that the module came with from its maker, so that it can join a test network. */
static enum err preset_key(struct play *play, struct sim_node *node, struct err_detail *detail)
{
    uint8_t there[16];
    bool keyed = device_root_key(&node->image.device, there);
    explicit_bzero(there, sizeof there);
    if (play->keyring == NULL || keyed)
        return ERR_OK;
    const uint8_t *key = keyring_key(play->keyring, node->image.profile.node_id);
    if (key != NULL && !device_preset_root(&node->image.device, key))
        return err_set(detail, ERR_IO, "the flash of a device");
    if (key != NULL && node->radio != NULL)
        radio_on(node->radio, &node->radio_node, key);
    return ERR_OK;
}

static enum err open_one(struct play *play, unsigned i, int stop_fd, struct err_detail *detail)
{
    const struct plan *plan = &play->plan;
    struct sim_node *node = &play->nodes[i];
    struct sim_line_config line = plan->line;
    node->image.fd = -1;
    node->image.profile = plan->profile;
    node->image.profile.node_id = plan->first_id + i;
    identify_hosts(&node->image.profile);
    node->faults = plan->faults;
    node->silent_after = plan->silent_after;
    node->wrapper = plan->wrapper;
    node->baud = plan->line.baud;
    node->radio = play->radio;
    node->radio_node.node_id = node->image.profile.node_id;
    node->stop = &play->stop;
    node->json = play->json;
    line.seed = node->image.profile.node_id;
    line.stop_fd = stop_fd;
    if (line.pty != NULL) {
        path_of(plan->line.pty, i, plan->count, play->paths[i]);
        line.pty = play->paths[i];
    } else if (line.port != 0) {
        line.port = (uint16_t)(line.port + i);
    }
    play->opened = i + 1;
    TRY(sim_line_open(&line, &node->line, detail));
    TRY(sim_node_open(node, plan->state, detail));
    TRY(preset_key(play, node, detail));
    sim_node_say(play->json, node->image.profile.node_id, "ready", sim_line_name(node->line));
    return ERR_OK;
}

static void on_radio(void *ctx, uint64_t node_id, enum node_join join)
{
    const struct play *play = ctx;
    sim_node_say(play->json, node_id,
                 join == NODE_JOINED         ? "joined"
                 : join == NODE_JOIN_REFUSED ? "refused"
                                             : "joining",
                 "");
}

static enum err open_all(struct play *play, int stop_fd, struct err_detail *detail)
{
    const struct options *options = play->plan.options;
    const char *keyring = options_get(options, "keyring");
    char host[PATH_ROOM];
    uint16_t port = 0;
    TRY(plan_of(&play->plan, detail));
    if (keyring != NULL)
        TRY(keyring_read(keyring, detail, &play->keyring));
    if (options_has(options, "gateway")) {
        TRY(sim_address(options, "gateway", host, &port, detail));
        TRY(radio_new(host, port, on_radio, play, &play->radio));
    }
    play->nodes = calloc(play->plan.count, sizeof *play->nodes);
    play->threads = calloc(play->plan.count, sizeof *play->threads);
    play->paths = calloc(play->plan.count, sizeof *play->paths);
    if (play->nodes == NULL || play->threads == NULL || play->paths == NULL)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < play->plan.count; i++)
        TRY(open_one(play, i, stop_fd, detail));
    return ERR_OK;
}

static enum err run_all(struct play *play, struct err_detail *detail)
{
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_SIZE);
    for (; play->running < play->plan.count; play->running++) {
        if (pthread_create(&play->threads[play->running], &attr, sim_node_run,
                           &play->nodes[play->running]) != 0) {
            (void)pthread_attr_destroy(&attr);
            return err_set(detail, ERR_NO_MEMORY, "no thread for a device");
        }
    }
    (void)pthread_attr_destroy(&attr);
    return ERR_OK;
}

static void end_all(struct play *play, int stop_fd)
{
    atomic_store(&play->stop, true);
    (void)eventfd_write(stop_fd, 1);
    for (unsigned i = 0; i < play->running; i++)
        (void)pthread_join(play->threads[i], NULL);
    radio_free(play->radio);
    for (unsigned i = 0; i < play->opened; i++)
        sim_node_close(&play->nodes[i]);
    keyring_free(play->keyring);
    free(play->nodes);
    free(play->threads);
    free(play->paths);
}

enum exit_status sim_node(const struct options *options)
{
    struct err_detail detail = {0};
    struct play play = {.plan = {.options = options}, .json = options_has(options, "json")};
    sigset_t signals;
    int which = 0;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    AUTO(file_closep) int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum err err = stop_fd >= 0 ? open_all(&play, stop_fd, &detail) : ERR_IO;
    if (err == ERR_OK)
        err = run_all(&play, &detail);
    if (err == ERR_OK)
        (void)sigwait(&signals, &which);
    end_all(&play, stop_fd);
    return err == ERR_OK ? EXIT_DONE : sim_fail("node", err, &detail);
}
