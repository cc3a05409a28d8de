#pragma once

#include "base/metrics.h"

/* Figures of all listeners and connections of the process. */
struct net_metrics {
    struct metric open;
    struct metric accepted;
    struct metric refused_limit;
    struct metric refused_address;
    struct metric handshakes;
    struct metric handshake_failures;
    struct metric bytes_in;
    struct metric bytes_out;
};
extern struct net_metrics net_metrics;

/* Once at start. */
void net_metrics_register(void);
