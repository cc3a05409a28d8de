#include "kmip/server/metrics.h"

#include <pthread.h>
#include <stdio.h>

#include "base/metrics.h"
#include "kmip/codec/table.h"

#define OPERATIONS 64 /* 0: messages that name none, or one beyond */

static struct metric requests[OPERATIONS], failures[OPERATIONS];
static char request_labels[OPERATIONS][64], failure_labels[OPERATIONS][64];

static struct metric seconds = {
    .name = "claviger_kmip_request_seconds",
    .help = "From the last byte of a request to its answer",
    .kind = METRIC_HISTOGRAM,
};
static struct metric items = {
    .name = "claviger_kmip_items_total",
    .help = "Batch items answered",
    .kind = METRIC_COUNTER,
};
static struct metric refused = {
    .name = "claviger_kmip_unanswered_total",
    .help = "Requests that could not be answered; their connections were closed",
    .kind = METRIC_COUNTER,
};
static struct metric connections = {
    .name = "claviger_kmip_connections",
    .help = "Open connections of KMIP clients",
    .kind = METRIC_GAUGE,
};
static struct metric dropped = {
    .name = "claviger_kmip_log_dropped_total",
    .help = "Messages that the message log could not follow",
    .kind = METRIC_COUNTER,
};
static struct metric logins = {
    .name = "claviger_kmip_logins_failed_total",
    .help = "Credentials that proved nothing",
    .kind = METRIC_COUNTER,
};

static void register_operations(struct metric *metrics, char labels[][64], const char *name,
                                const char *help)
{
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        const char *operation = i != 0 ? kmip_enum_name(KMIP_TAG_OPERATION, i) : "Other";
        if (operation == NULL)
            continue;
        (void)snprintf(labels[i], sizeof labels[i], "operation=\"%s\"", operation);
        metrics[i] = (struct metric){
            .name = name, .labels = labels[i], .help = help, .kind = METRIC_COUNTER};
        metric_register(&metrics[i]);
    }
}

static void register_all(void)
{
    register_operations(requests, request_labels, "claviger_kmip_requests_total",
                        "Requests by their first operation");
    register_operations(failures, failure_labels, "claviger_kmip_failures_total",
                        "Requests with an item that failed, by their first operation");
    metric_register(&items);
    metric_register(&refused);
    metric_register(&seconds);
    metric_register(&connections);
    metric_register(&logins);
    metric_register(&dropped);
}

void kmip_metrics_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, register_all);
}

void kmip_metrics_count(const struct kmip_processed *processed, enum err err, uint64_t took_ns)
{
    uint32_t operation = processed->operation < OPERATIONS ? processed->operation : 0;
    if (requests[operation].name == NULL)
        operation = 0;
    if (err != ERR_OK) {
        metric_add(&refused, 1);
        return;
    }
    metric_add(&requests[operation], 1);
    if (processed->failed != 0)
        metric_add(&failures[operation], 1);
    metric_add(&items, processed->items);
    metric_observe(&seconds, took_ns);
}

void kmip_metrics_connections(int by)
{
    metric_add(&connections, by);
}

void kmip_metrics_log_dropped(void)
{
    metric_add(&dropped, 1);
}

void kmip_metrics_login_failed(void)
{
    metric_add(&logins, 1);
}
