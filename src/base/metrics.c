#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#define FIRST_BUCKET_NS 10000U

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *first;

void metric_register(struct metric *metric)
{
    (void)pthread_mutex_lock(&lock);
    struct metric **at = &first;
    while (*at != NULL && *at != metric)
        at = &(*at)->next;
    if (*at == NULL) {
        metric->next = NULL;
        *at = metric;
    }
    (void)pthread_mutex_unlock(&lock);
}

void metric_observe(struct metric *metric, uint64_t ns)
{
    unsigned bucket = 0;
    for (uint64_t bound = FIRST_BUCKET_NS; bucket < METRIC_BUCKETS && ns > bound; bound *= 2)
        bucket++;
    atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&metric->sum_ns, ns, memory_order_relaxed);
}

static enum err format_histogram(const struct metric *m, struct buf *to)
{
    const char *labels = m->labels != NULL ? m->labels : "";
    const char *comma = *labels != '\0' ? "," : "";
    uint64_t count = 0;
    uint64_t bound = FIRST_BUCKET_NS;
    for (unsigned i = 0; i < METRIC_BUCKETS; i++, bound *= 2) {
        count += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        TRY(buf_printf(to, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", m->name, labels, comma,
                       (double)bound / 1e9, count));
    }
    count += atomic_load_explicit(&m->buckets[METRIC_BUCKETS], memory_order_relaxed);
    TRY(buf_printf(to, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", m->name, labels, comma, count));
    TRY(buf_printf(to, "%s_sum{%s} %.9f\n", m->name, labels,
                   (double)atomic_load_explicit(&m->sum_ns, memory_order_relaxed) / 1e9));
    return buf_printf(to, "%s_count{%s} %" PRIu64 "\n", m->name, labels, count);
}

static enum err format_one(const struct metric *m, const char *previous, struct buf *to)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    if (previous == NULL || strcmp(previous, m->name) != 0)
        TRY(buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
                       kinds[m->kind]));
    if (m->kind == METRIC_HISTOGRAM)
        return format_histogram(m, to);
    int64_t value = atomic_load_explicit(&m->value, memory_order_relaxed);
    if (m->labels != NULL)
        return buf_printf(to, "%s{%s} %" PRId64 "\n", m->name, m->labels, value);
    return buf_printf(to, "%s %" PRId64 "\n", m->name, value);
}

enum err metrics_format(struct buf *to)
{
    (void)pthread_mutex_lock(&lock);
    const struct metric *m = first;
    (void)pthread_mutex_unlock(&lock);
    const char *previous = NULL;
    for (; m != NULL; m = m->next) {
        TRY(format_one(m, previous, to));
        previous = m->name;
    }
    return ERR_OK;
}
