#pragma once

#include <pthread.h>

#include "diameter/client.h"
#include "kmc/cache.h"
#include "kmc/claviger-kmc.h"

/* Inside of a handle. Private to this folder. Two locks: `cache_lock` is held for moments, also for
 * what stands below it; `server_lock` while a server is asked, and always taken first. */
struct ckmc {
    pthread_mutex_t server_lock;
    struct diameter_client *client; /* NULL until a server is asked */
    struct diameter_properties props;

    pthread_mutex_t cache_lock;
    struct kmc_cache *cache;
    char realm[KMC_REALM_MAX + 1];
    unsigned timeout_ms, write_delay_ms;
    uint64_t unsaved_since_ns; /* 0: all is saved */
    ckmc_report_fn *report;
    void *report_context;
    char early_report[512]; /* what was to report before somebody listened */
};

/* A status with its text; both errors may be NULL. */
int kmc_fail(struct ckmc_error *error, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What an error of ours means to the caller; `what` stands before the detail. */
int kmc_fail_err(struct ckmc_error *error, const char *what, enum err err,
                 const struct err_detail *detail);
int kmc_status_of(enum err err);
__attribute__((format(printf, 2, 3))) void kmc_report(struct ckmc *kmc, const char *format, ...);
/* Write the cache if it is time, or `now`. Holding cache_lock. */
MUST_CHECK enum err kmc_save(struct ckmc *kmc, bool now, struct err_detail *detail);
