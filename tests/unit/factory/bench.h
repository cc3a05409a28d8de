#pragma once

#include "factory/internal.h"
#include "support/test.h"
#include "unit/keeper/rig.h"

/* A factory's state in a temporary folder, over a real store, with a keeper as a thread and
 * packages that are rows only. */

#define BENCH_CONFIG UINT64_C(0x12345678abc)
#define BENCH_KEY    256 /* bytes of a device's encrypted key */

struct bench {
    char *dir, *url, *packages;
    struct store *store;
    struct factory *factory;
    struct fleet_call call;
    struct rig rig;
};

void bench_begin(struct bench *bench);
void bench_end(struct bench *bench);
/* As after a stop. */
void bench_close(struct bench *bench);
void bench_open(struct bench *bench);
/* A revision with a KMS key of 2048 bits; it becomes the newest. */
void bench_package(struct bench *bench, uint64_t config_id, uint32_t revision);
/* The first column of the first row. */
int64_t bench_ask(struct bench *bench, const char *sql);
enum err bench_exec(struct bench *bench, const char *sql);

/* Run `n` of station "line-1", batch 1000; and as it is to be changed. */
struct factory_run_begin bench_run(unsigned n);
struct factory_run_end bench_run_ended(unsigned n, int code, const uint64_t *node_id);
/* The key of a device in run `n`. */
struct factory_keying bench_keying(unsigned n, uint64_t node_id);
/* All of it: begin, key, end with 0; in `batch`. */
void bench_provision(struct bench *bench, unsigned n, uint64_t node_id, uint32_t batch);
