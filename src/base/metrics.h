#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"

/* Counters, gauges and latency histograms in Prometheus' text format. A metric is a static object:
 * register it once, then count from any thread without a lock. */

#define METRIC_BUCKETS 20 /* 10 µs doubling up to 5 s, then +Inf */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    const char *name;   /* "claviger_diameter_requests_total" */
    const char *labels; /* "result=\"2001\"" or NULL; metrics of one name must be registered one
                           after the other */
    const char *help;
    enum metric_kind kind;
    _Atomic int64_t value; /* counter, gauge */
    _Atomic uint64_t buckets[METRIC_BUCKETS + 1];
    _Atomic uint64_t sum_ns;
    struct metric *next; /* owned by the registry */
};

/* `metric` lives as long as the process. Registering it again does nothing. */
void metric_register(struct metric *metric);
static inline void metric_add(struct metric *metric, int64_t by)
{
    atomic_fetch_add_explicit(&metric->value, by, memory_order_relaxed);
}
static inline void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}
/* Histograms: one observation of `ns` nanoseconds. */
void metric_observe(struct metric *metric, uint64_t ns);
/* All registered metrics, in order of registration. */
MUST_CHECK enum err metrics_format(struct buf *to);
