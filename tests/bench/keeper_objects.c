#include "bench/keeper_objects.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "crypto/use.h"

#define FIBERS_MAX 512
#define OBJECTS    1024
#define DATA_SIZE  1024

struct bench {
    struct keeper_client *client;
    struct fiber *woken[FIBERS_MAX];
    unsigned woken_count;
    struct buf sealed[OBJECTS];
    char names[OBJECTS][40];
    uint64_t until;
    uint64_t count, failed;
    uint64_t *latencies;
    size_t cap;
    unsigned next;
    bool use;
};

static struct bench bench;
static const uint8_t data[DATA_SIZE] = "a kilobyte";

static void wake(void *ctx, struct fiber *fiber)
{
    (void)ctx;
    bench.woken[bench.woken_count++] = fiber;
}

static struct keeper_object object_at(unsigned at)
{
    return (struct keeper_object){.row = {KEEPER_BENCH_DOMAIN, KEEPER_OBJECT, at + 1, 1},
                                  .sealed = buf_view(&bench.sealed[at]),
                                  .name = bytes_str(bench.names[at])};
}

static enum err one(struct buf *out, unsigned at)
{
    struct keeper_object object = object_at(at);
    out->len = 0;
    if (!bench.use)
        return keeper_object_release(bench.client, "mongodb-7", &object, out, NULL);
    struct crypto_input input = {
        .op = CRYPTO_ENCRYPT, .params = {.mode = MODE_GCM, .random_iv = true}, .data = BYTES(data)};
    struct crypto_output output = {.data = out};
    return keeper_object_use(bench.client, "mongodb-7", &object, &input, &output, NULL);
}

static void fiber(void *arg)
{
    (void)arg;
    struct buf out = {0};
    for (uint64_t start = clock_mono_ns(); start < bench.until;) {
        if (one(&out, bench.next++ % OBJECTS) != ERR_OK)
            bench.failed++;
        uint64_t now = clock_mono_ns();
        if (bench.count < bench.cap)
            bench.latencies[bench.count] = now - start;
        bench.count++;
        start = now;
    }
    buf_done(&out);
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void run(unsigned fibers, unsigned seconds, double (*cpu)(void))
{
    struct fiber_pool *pool = NULL;
    if (fiber_pool_new((struct fiber_owner){wake, NULL}, FIBERS_MAX, FIBERS_MAX, &pool) != ERR_OK)
        exit(1);
    bench.count = bench.failed = 0;
    uint64_t start = clock_mono_ns();
    double cpu_before = cpu();
    bench.until = start + (uint64_t)seconds * 1000000000;
    for (unsigned i = 0; i < fibers; i++)
        if (fiber_start(pool, fiber, NULL) != ERR_OK)
            exit(1);
    while (fiber_pool_active(pool) != 0) {
        keeper_client_flush(bench.client);
        struct pollfd fd = {.fd = keeper_client_fd(bench.client), .events = POLLIN};
        if (keeper_client_wants_write(bench.client))
            fd.events |= POLLOUT;
        (void)poll(&fd, 1, 1000);
        if (keeper_client_receive(bench.client) != ERR_OK)
            exit(1);
        unsigned count = bench.woken_count;
        struct fiber *woken[FIBERS_MAX];
        memcpy(woken, bench.woken, count * sizeof *woken);
        bench.woken_count = 0;
        for (unsigned i = 0; i < count; i++)
            fiber_resume(woken[i]);
    }
    double took = (double)(clock_mono_ns() - start) / 1e9;
    double used = cpu() - cpu_before;
    uint64_t kept = bench.count < bench.cap ? bench.count : bench.cap;
    qsort(bench.latencies, kept, sizeof *bench.latencies, compare);
    printf("  %4u fibers: %9.0f %s/s, p50 %6.0f us, p99 %6.0f us, failed %llu, keeper %3.0f%% of a "
           "core: %9.0f a core\n",
           fibers, (double)bench.count / took, bench.use ? "GCM 1 KiB uses" : "object releases",
           (double)bench.latencies[kept / 2] / 1e3, (double)bench.latencies[kept * 99 / 100] / 1e3,
           (unsigned long long)bench.failed, used / took * 100,
           used > 0 ? (double)bench.count / used : 0);
    (void)fflush(stdout);
    fiber_pool_free(pool);
}

void keeper_bench_objects(struct keeper_client *client, unsigned seconds, double (*cpu)(void))
{
    bench = (struct bench){.client = client, .cap = (size_t)2 << 20};
    bench.latencies = calloc(bench.cap, sizeof *bench.latencies);
    if (bench.latencies == NULL)
        exit(1);
    static const struct keeper_object_spec spec = {CRYPTO_SYMMETRIC, ALG_AES, 256, 0, 0, 0};
    for (unsigned i = 0; i < OBJECTS; i++) {
        (void)snprintf(bench.names[i], sizeof bench.names[i],
                       "0193%04x-7a3c-7e21-9f00-0123456789ab", i);
        struct keeper_object object = object_at(i);
        struct keeper_object_made made = {.sealed = &bench.sealed[i]};
        if (keeper_object_generate(client, "bench", &object, &spec, &made, NULL) != ERR_OK)
            exit(1);
    }
    static const unsigned fibers[] = {1, 16, 64, 256};
    for (unsigned use = 0; use < 2; use++) {
        bench.use = use == 1;
        for (unsigned i = 0; i < ARRAY_LEN(fibers); i++)
            run(fibers[i], seconds, cpu);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        buf_done(&bench.sealed[i]);
    free(bench.latencies);
}
