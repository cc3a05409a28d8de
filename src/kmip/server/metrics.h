#pragma once

#include "kmip/server/process.h"

/* The service's figures for Prometheus. Any thread. */

void kmip_metrics_register(void);
/* One message: `err` is not ERR_OK where there was no answer. */
void kmip_metrics_count(const struct kmip_processed *processed, enum err err, uint64_t took_ns);
void kmip_metrics_connections(int by);
void kmip_metrics_log_dropped(void);
void kmip_metrics_login_failed(void);
