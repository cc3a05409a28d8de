#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/keeper_objects.h"
#include "fake/token.h"
#include "keeper/audit.h"
#include "keeper/client.h"
#include "keeper/segment.h"
#include "keeper/server.h"

/* Releases a second through a whole keeper in a process of its own: socket, GCM, chained record,
 * one fdatasync a batch.  usage: bench_keeper [seconds] [folder for the segments] */

#define DOMAIN  KEEPER_BENCH_DOMAIN
#define RECORDS 4096

static unsigned seconds = 3;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Written in full like the supervisor's: growing a file at every sync would be measured instead. */
static int segment_file(const char *dir, unsigned number)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/bench_keeper.%d.%u", dir, (int)getpid(), number);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    static uint8_t zeros[1 << 20];
    if (fd < 0)
        die(path);
    (void)unlink(path);
    for (unsigned i = 0; i < SEGMENT_SIZE_MAX / sizeof zeros; i++)
        if (write(fd, zeros, sizeof zeros) != sizeof zeros)
            die(path);
    if (fdatasync(fd) != 0)
        die(path);
    return fd;
}

static void keep(int fd, int segment, bool buffered)
{
    struct audit_setup setup = {
        .current = -1, .spare = segment, .sign_interval_us = (uint64_t)3600000000};
    struct audit *audit = NULL;
    struct fake_token token;
    struct keeper_server *server = NULL;
    struct keeper_policy policy = keeper_policy_default();
    for (unsigned i = 0; i < KEEPER_PURPOSES; i++)
        policy.rates[i].rate = KEEPER_UNLIMITED;
    if (audit_open(&setup, &audit, NULL) != ERR_OK || fake_token_init(&token) != ERR_OK)
        exit(1);
    struct keeper_server_config config = {.fds = &fd,
                                          .fd_count = 1,
                                          .control = -1,
                                          .token = fake_token_of(&token),
                                          .policy = policy,
                                          .audit = audit,
                                          .buffered = buffered};
    if (keeper_server_new(&config, &server, NULL) != ERR_OK)
        exit(1);
    enum err err = keeper_server_run(server, NULL);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("  keeper: %s, %.1f s CPU, %ld KiB resident\n", err_row(err)->name,
           (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
           usage.ru_maxrss);
    (void)fflush(stdout);
    _exit(0);
}

struct load {
    struct keeper_client *client;
    struct keeper_made made[RECORDS];
    struct keeper_release *releases;
    uint64_t *started;
    uint64_t *latencies;
    uint64_t count;
    uint64_t cap;
    uint64_t failed;
    uint64_t until;
    unsigned next;
};

static void again(struct load *load, struct keeper_release *release);

static void done(struct keeper_release *release, enum err err, struct bytes key)
{
    struct load *load = release->arg;
    size_t at = (size_t)(release - load->releases);
    uint64_t now = clock_mono_ns();
    if (err != ERR_OK || key.len != 16)
        load->failed++;
    if (load->count < load->cap)
        load->latencies[load->count] = now - load->started[at];
    load->count++;
    if (now < load->until)
        again(load, release);
}

static void again(struct load *load, struct keeper_release *release)
{
    unsigned at = load->next++ % RECORDS;
    release->row = (struct keeper_row){DOMAIN, KEEPER_NODE, at + 1, 1};
    load->started[release - load->releases] = clock_mono_ns();
    if (keeper_client_release(load->client, release, bytes_str("gw1.metro-east.example"),
                              keeper_sealed_view(&load->made[at].sealed)) != ERR_OK)
        load->failed++;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void run(struct load *load, unsigned outstanding)
{
    load->releases = calloc(outstanding, sizeof *load->releases);
    load->started = calloc(outstanding, sizeof *load->started);
    load->count = load->failed = 0;
    uint64_t start = clock_mono_ns();
    load->until = start + (uint64_t)seconds * 1000000000;
    for (unsigned i = 0; i < outstanding; i++) {
        load->releases[i] =
            (struct keeper_release){.purpose = KEEPER_DIAMETER, .done = done, .arg = load};
        again(load, &load->releases[i]);
    }
    while (keeper_client_outstanding(load->client) != 0) {
        keeper_client_flush(load->client);
        struct pollfd fd = {.fd = keeper_client_fd(load->client), .events = POLLIN};
        if (keeper_client_wants_write(load->client))
            fd.events |= POLLOUT;
        (void)poll(&fd, 1, 1000);
        if (keeper_client_receive(load->client) != ERR_OK)
            die("keeper");
    }
    double took = (double)(clock_mono_ns() - start) / 1e9;
    uint64_t kept = load->count < load->cap ? load->count : load->cap;
    qsort(load->latencies, kept, sizeof *load->latencies, compare);
    printf("  %4u outstanding: %9.0f releases/s, p50 %6.0f us, p99 %6.0f us, failed %llu\n",
           outstanding, (double)load->count / took, (double)load->latencies[kept / 2] / 1e3,
           (double)load->latencies[kept * 99 / 100] / 1e3, (unsigned long long)load->failed);
    (void)fflush(stdout);
    free(load->releases);
    free(load->started);
}

static void prepare(struct load *load)
{
    struct buf wrapped = {0};
    struct keeper_node nodes[KEEPER_NODES_MAX];
    enum err err = keeper_domain_create(load->client, "bench", DOMAIN, "bench", &wrapped, NULL);
    if (err == ERR_OK)
        err =
            keeper_domain_load(load->client, "bench", DOMAIN, "bench", 1, buf_view(&wrapped), NULL);
    buf_done(&wrapped);
    for (unsigned i = 0; i < RECORDS && err == ERR_OK; i += 512) {
        for (unsigned k = 0; k < 512; k++)
            nodes[k] = (struct keeper_node){i + k + 1, 0};
        err = keeper_generate_nodes(load->client, "bench", DOMAIN, 1, NULL, NULL, NULL, nodes, 512,
                                    load->made + i, NULL);
    }
    if (err != ERR_OK)
        die(err_text(err));
}

static pid_t keeper_pid;

/* Of the keeper's process, in hundredths. */
static double keeper_cpu(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)keeper_pid);
    FILE *file = fopen(path, "re");
    unsigned long user = 0, system = 0;
    if (file == NULL || fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                               &user, &system) != 2)
        die(path);
    (void)fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void bench(const char *dir, bool buffered)
{
    printf("audit.reads = %s\n", buffered ? "buffered" : "durable");
    (void)fflush(stdout);
    int pair[2];
    int segment = segment_file(dir, buffered);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        die("socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(pair[0]);
        keep(pair[1], segment, buffered);
    }
    (void)close(pair[1]);
    (void)close(segment);
    static struct load load;
    load.cap = (uint64_t)4 << 20;
    load.latencies = calloc(load.cap, sizeof *load.latencies);
    if (pid < 0 || load.latencies == NULL || keeper_client_new(pair[0], &load.client) != ERR_OK)
        die("start");
    prepare(&load);
    static const unsigned outstanding[] = {1, 32, 200, 400};
    for (unsigned i = 0; i < sizeof outstanding / sizeof outstanding[0]; i++)
        run(&load, outstanding[i]);
    keeper_pid = pid;
    keeper_bench_objects(load.client, seconds, keeper_cpu);
    keeper_client_free(load.client);
    (void)waitpid(pid, NULL, 0);
    free(load.latencies);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seconds = (unsigned)strtoul(argv[1], NULL, 10);
    const char *dir = argc > 2 ? argv[2] : ".";
    bench(dir, false);
    bench(dir, true);
    return 0;
}
