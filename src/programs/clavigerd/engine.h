#pragma once

#include "base/settings.h"

/* The engine: network loops, protocols, API, store. It holds no key at rest. */

struct engine_config {
    const struct settings *settings; /* borrowed; read again by itself on reload */
    const char *config_path;
    bool accept_chain;  /* take the audit chain as it is */
    int control;        /* link to the supervisor (keeper/control.h) */
    const int *keepers; /* engine_links() connections to the keeper */
    unsigned keepers_len;
    int api_fd;                   /* listening Unix socket */
    int metrics_fd;               /* listening TCP socket; -1: none */
    const int *tcp_fds, *tls_fds; /* listening sockets of Diameter */
    unsigned tcp_len, tls_len;
    const int *kmip_fds, *https_fds; /* listening sockets of KMIP */
    unsigned kmip_len, https_len;
    const int *line_fds; /* listening sockets of the factory line's plain HTTP */
    unsigned line_len;
};

/* How many keeper connections the settings ask for. */
unsigned engine_links(const struct settings *settings);
/* How many network loops. */
unsigned engine_loops(const struct settings *settings);
/* Serve until the supervisor says stop (ERR_OK) or something is lost. Takes the descriptors. */
MUST_CHECK enum err engine_run(const struct engine_config *config, struct err_detail *detail);
