#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "programs/common/options.h"

/* One function a subcommand; what each does is in data/commands.toml. */
enum exit_status sim_gateway(const struct options *options);
enum exit_status sim_join(const struct options *options);
enum exit_status sim_node(const struct options *options);

#define SIM_PORT 4021

/* `claviger-sim: what: text (detail)` on standard error, and the exit status it means. */
enum exit_status sim_fail(const char *what, enum err err, const struct err_detail *detail);
/* --NAME as HOST:PORT, 127.0.0.1:4021 without it; `host` has room for 256. */
MUST_CHECK enum err sim_address(const struct options *options, const char *name, char *host,
                                uint16_t *ret_port, struct err_detail *detail);

struct sim_result {
    uint64_t node;
    bool joined;
    const char *text;     /* "joined", "refused: ..." */
    const char *source;   /* where the key came from: "cache", "server"; NULL: does not matter */
    uint32_t key_version; /* with `source` */
};
/* A line of text, or of JSON. */
void sim_print(bool json, const struct sim_result *result);
