#include "net/metrics.h"

struct net_metrics net_metrics = {
    .open = {"claviger_net_connections", NULL, "Connections open", METRIC_GAUGE},
    .accepted = {"claviger_net_accepted_total", NULL, "Connections accepted", METRIC_COUNTER},
    .refused_limit = {"claviger_net_refused_total", "reason=\"limit\"",
                      "Connections refused at accept", METRIC_COUNTER},
    .refused_address = {"claviger_net_refused_total", "reason=\"address\"",
                        "Connections refused at accept", METRIC_COUNTER},
    .handshakes = {"claviger_net_tls_handshakes_total", NULL, "TLS handshakes done",
                   METRIC_COUNTER},
    .handshake_failures = {"claviger_net_tls_handshake_failures_total", NULL,
                           "TLS handshakes failed or timed out", METRIC_COUNTER},
    .bytes_in = {"claviger_net_bytes_received_total", NULL, "Bytes of frames received",
                 METRIC_COUNTER},
    .bytes_out = {"claviger_net_bytes_sent_total", NULL, "Bytes of frames sent", METRIC_COUNTER},
};

void net_metrics_register(void)
{
    struct metric *const all[] = {
        &net_metrics.open,          &net_metrics.accepted,
        &net_metrics.refused_limit, &net_metrics.refused_address,
        &net_metrics.handshakes,    &net_metrics.handshake_failures,
        &net_metrics.bytes_in,      &net_metrics.bytes_out,
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        metric_register(all[i]);
}
