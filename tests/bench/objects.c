/* Managed objects in the store, without keeper and protocol: objects [OBJECTS] [FOLDER]. Prints
 * numbers, judges none. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "vault/object_domain.h"
#include "vault/object_tx.h"

#define FIBERS  128
#define READS   300000
#define LOCATES 100000
#define SECONDS 5

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != ERR_OK) {                                                                    \
            (void)fprintf(stderr, "%s: %s\n", #call, detail.text);                                 \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct err_detail detail;
static struct vault_objects objects = {.domain = 1, .mutex = PTHREAD_MUTEX_INITIALIZER};
static const struct vault_eyes eyes = {.client = 1, .groups = {1}, .count = 1};
static char (*uids)[37];

static uint64_t next_random(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static struct bytes name_of(uint64_t number, char to[40])
{
    /* spread over the index, as names of many machines are */
    (void)snprintf(to, 40, "%08x-disk-%llu", (uint32_t)(number * 2654435761u),
                   (unsigned long long)number);
    return bytes_str(to);
}

#define KEYS 11
static void make_keys(const struct vault_object *object, struct vault_key keys[KEYS])
{
    char name[40];
    uint64_t digest[4] = {next_random(), next_random(), next_random(), next_random()};
    keys[0] = vault_key_bytes(0x420053, name_of(object->id, name));
    keys[1] = vault_key_bytes(0x420034, BYTES(digest));
    keys[2] = vault_key_number(0x420057, object->type);
    keys[3] = vault_key_number(0x420028, object->alg);
    keys[4] = vault_key_number(0x42002a, object->bits);
    keys[5] = vault_key_number(0x42002c, object->mask);
    keys[6] = vault_key_number(0x420042, 1);
    keys[7] = vault_key_number(0x420039, object->initial);
    keys[8] = vault_key_number(0x420048, object->last_change);
    keys[9] = vault_key_number(0x4200bc, object->original_created);
    keys[10] = vault_key_number(0x42003a, 1);
}

static enum err make_object(struct vault_object *object)
{
    static const uint8_t sealed[77] = {1, 0, 1}, attributes[400] = {0x42};
    *object = (struct vault_object){.type = 2,
                                    .state = 2,
                                    .group = 1,
                                    .owner = 1,
                                    .placement = VAULT_IN_STORE,
                                    .alg = 3,
                                    .bits = 256,
                                    .mask = 12,
                                    .domain = 1,
                                    .epoch = 1,
                                    .sealed = BYTES(sealed),
                                    .attributes = BYTES(attributes),
                                    .initial = clock_now_s(),
                                    .activation = VAULT_NO_DATE,
                                    .process_start = VAULT_NO_DATE,
                                    .protect_stop = VAULT_NO_DATE,
                                    .deactivation = VAULT_NO_DATE,
                                    .destroyed = VAULT_NO_DATE,
                                    .compromised = VAULT_NO_DATE,
                                    .compromise_occurred = VAULT_NO_DATE,
                                    .archive_date = VAULT_NO_DATE,
                                    .last_change = clock_now_s(),
                                    .original_created = clock_now_s(),
                                    .usage_total = -1,
                                    .usage_left = -1};
    return vault_object_next(&objects, &object->id, object->uid);
}

struct one {
    struct vault_object object;
    struct vault_key keys[KEYS];
};

static enum err insert_fn(struct vault_tx *tx, void *ctx, struct err_detail *why)
{
    const struct one *one = ctx;
    return vault_tx_insert(tx, &one->object, one->keys, KEYS, why);
}

static enum err create(uint64_t *ret_id, char uid[37])
{
    struct one one;
    TRY(make_object(&one.object));
    make_keys(&one.object, one.keys);
    TRY(vault_objects_run(&objects, NULL, &eyes, insert_fn, &one, &detail));
    *ret_id = one.object.id;
    memcpy(uid, one.object.uid, 37);
    return ERR_OK;
}

/* ---- a loop of fibers ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some = PTHREAD_COND_INITIALIZER;
static struct fiber *woken[FIBERS];
static unsigned woken_len;
static uint64_t made, wanted, until;

static void on_wake(void *ctx, struct fiber *fiber)
{
    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    woken[woken_len++] = fiber;
    if (woken_len == 1)
        (void)pthread_cond_signal(&some);
    (void)pthread_mutex_unlock(&lock);
}

static void create_many(void *arg)
{
    (void)arg;
    while (made < wanted && (until == 0 || clock_mono_ns() < until)) {
        uint64_t id = 0, place = made++;
        char uid[37];
        MUST(create(&id, uid));
        if (place < wanted && until == 0)
            memcpy(uids[place], uid, 37);
    }
}

static double run_fibers(unsigned count, uint64_t objects_wanted, unsigned seconds)
{
    struct fiber_pool *pool = NULL;
    MUST(fiber_pool_new((struct fiber_owner){on_wake, NULL}, count, count, &pool));
    made = 0;
    wanted = objects_wanted;
    uint64_t start = clock_mono_ns();
    until = seconds > 0 ? start + seconds * UINT64_C(1000000000) : 0;
    for (unsigned i = 0; i < count; i++)
        MUST(fiber_start(pool, create_many, NULL));
    while (fiber_pool_active(pool) > 0) {
        struct fiber *now[FIBERS];
        (void)pthread_mutex_lock(&lock);
        while (woken_len == 0)
            (void)pthread_cond_wait(&some, &lock);
        unsigned len = woken_len;
        memcpy(now, woken, len * sizeof(struct fiber *));
        woken_len = 0;
        (void)pthread_mutex_unlock(&lock);
        for (unsigned i = 0; i < len; i++)
            fiber_resume(now[i]);
    }
    fiber_pool_free(pool);
    return (double)(clock_mono_ns() - start) / 1e9;
}

static void bench_create(struct store *store, unsigned fibers, uint64_t count, unsigned seconds)
{
    struct store_stats before, after;
    struct rusage from, to;
    store_stats(store, &before);
    (void)getrusage(RUSAGE_SELF, &from);
    double took = run_fibers(fibers, count, seconds);
    store_stats(store, &after);
    (void)getrusage(RUSAGE_SELF, &to);
    double cpu = (double)(to.ru_utime.tv_sec - from.ru_utime.tv_sec) +
                 (double)(to.ru_utime.tv_usec - from.ru_utime.tv_usec) / 1e6 +
                 (double)(to.ru_stime.tv_sec - from.ru_stime.tv_sec) +
                 (double)(to.ru_stime.tv_usec - from.ru_stime.tv_usec) / 1e6;
    printf(
        "create, %u fibers: %.0f/s (%.1f us of processor each), %.0f to a commit, file %llu MiB\n",
        fibers, (double)made / took, cpu * 1e6 / (double)made,
        (double)(after.transactions - before.transactions) /
            (double)(after.commits - before.commits),
        (unsigned long long)after.file_bytes >> 20);
    (void)fflush(stdout);
}

/* ---- reading ---- */

static void bench_get(struct store_reader *reader, struct arena *arena, uint64_t count)
{
    struct store_conn *conn = store_reader_conn(reader);
    for (int round = 0; round < 2; round++) {
        uint64_t start = clock_mono_ns();
        for (unsigned i = 0; i < READS; i++) {
            struct vault_object object;
            if (i % 32 == 0)
                MUST(store_reader_begin(reader, &detail));
            MUST(vault_object_get(conn, &eyes, bytes_of(uids[next_random() % count], 36), arena,
                                  &object, &detail));
            if (i % 32 == 31)
                store_reader_end(reader);
            arena_reset(arena);
        }
        if (round == 1)
            printf("get: %.2f us\n", (double)(clock_mono_ns() - start) / 1e3 / READS);
    }
}

static void bench_locate(struct store_reader *reader, struct arena *arena, const char *what,
                         struct vault_query query, struct vault_term *terms, uint64_t count,
                         unsigned rounds)
{
    struct store_conn *conn = store_reader_conn(reader);
    size_t hits = 0, all = 0;
    uint64_t start = clock_mono_ns();
    for (unsigned i = 0; i < rounds; i++) {
        struct vault_located *found;
        size_t found_count, total;
        char name[40];
        if (query.selective == 0)
            terms[0].key = vault_key_bytes(0x420053, name_of(1 + next_random() % count, name));
        MUST(store_reader_begin(reader, &detail));
        MUST(
            vault_object_locate(conn, &eyes, &query, arena, &found, &found_count, &total, &detail));
        store_reader_end(reader);
        hits += found_count;
        all += total;
        arena_reset(arena);
    }
    printf("locate %s: %.1f us, %.1f found of %.1f\n", what,
           (double)(clock_mono_ns() - start) / 1e3 / rounds, (double)hits / rounds,
           (double)all / rounds);
}

static void bench_locates(struct store_reader *reader, struct arena *arena, uint64_t count)
{
    struct vault_term terms[] = {{.compare = VAULT_EQUAL},
                                 {.compare = VAULT_EQUAL, .key = vault_key_number(0x420057, 2)},
                                 {.compare = VAULT_EQUAL, .key = vault_key_number(0x420028, 3)}};
    struct vault_query query = {.terms = terms, .count = 1, .online = true};
    bench_locate(reader, arena, "by name", query, terms, count, LOCATES);
    query.count = 3;
    bench_locate(reader, arena, "by name, type and algorithm", query, terms, count, LOCATES);
    query = (struct vault_query){
        .terms = terms + 1, .count = 2, .selective = 1, .online = true, .max = 10};
    bench_locate(reader, arena, "10 by type and algorithm", query, terms, count, 2000);
    query.max = 0;
    bench_locate(reader, arena, "10,000 by type and algorithm", query, terms, count, 20);
    query.max = 10;
    query.total = true;
    bench_locate(reader, arena, "10 and count all", query, terms, count, 2);
    terms[2].key = vault_key_number(0x420028, 9);
    query.total = false;
    bench_locate(reader, arena, "what is not there", query, terms, count, 2000);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    char dir[256];
    char path[320];
    (void)snprintf(dir, sizeof dir, "%s/objects-bench-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    uids = calloc(count + 1, sizeof *uids);
    if (count < 1000 || uids == NULL || mkdtemp(dir) == NULL) {
        (void)fprintf(stderr, "usage: objects [OBJECTS (1000 at least)] [FOLDER]\n");
        return 2;
    }
    (void)snprintf(path, sizeof path, "sqlite:%s/store.db", dir);
    struct store_config config = {.url = path, .create = true};
    struct store *store = NULL;
    struct store_reader *reader = NULL;
    struct arena *arena = NULL;
    MUST(store_open(&config, &store, &detail));
    objects.store = store;
    MUST(object_numbers_begin(&objects, &detail));
    bench_create(store, FIBERS, count, 0);
    bench_create(store, FIBERS, UINT64_MAX, SECONDS);
    bench_create(store, 32, UINT64_MAX, SECONDS);
    MUST(store_reader_open(store, STORE_READER_LOOKUP, &reader, &detail));
    MUST(arena_new((size_t)64 << 20, &arena));
    bench_get(reader, arena, count);
    bench_locates(reader, arena, count);
    arena_free(arena);
    store_reader_close(reader);
    store_close(store);
    for (const char *const *suffix = (const char *const[]){"", "-wal", "-shm", ".lock", NULL};
         *suffix != NULL; suffix++) {
        (void)snprintf(path, sizeof path, "%s/store.db%s", dir, *suffix);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    free(uids);
    return 0;
}
