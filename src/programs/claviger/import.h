#pragma once

#include "programs/claviger/cli.h"

/* How an import's report looks, for batch files and keyrings. */

/* "line 12: 0x00010200 reprovisioned", refused lines on standard error. */
void import_line(struct cli *cli, const json_t *line);
/* Counts and what they mean; nothing where `result` is NULL. */
void import_report(struct cli *cli, json_t *result);
