#pragma once

#include <jansson.h>

#include "keeper/audit_verify.h"

/* The audit chain as JSON, for the API and for the command line's offline work on a folder. */

struct audit_filter {
    uint64_t last;     /* only the last so many; 0: all, up to AUDIT_SHOW_MAX */
    const char *kind;  /* NULL: any */
    const char *actor; /* NULL: any; else the whole name */
    const char *text;  /* NULL: any; else what is looked for in all that a record says, in small or
                          capital letters */
    int64_t from, to;  /* seconds, both included; 0: any */
    uint64_t before;   /* only records with a smaller sequence number; 0: any */
    uint64_t head;     /* sequence number of the last record where known, so that the start can be
                          skipped; 0: unknown */
};
/* As JSON of at most 700 bytes each within what a client takes (16 MiB). */
#define AUDIT_SHOW_MAX 20000

/* {"records":[...]} oldest first. ERR_ARGUMENT for an unknown kind. */
MUST_CHECK enum err audit_show_json(const char *dir, const struct audit_filter *filter,
                                    json_t **ret_json, struct err_detail *detail);
/* ["start","stop",...]: what `kind` may be. */
json_t *audit_kinds_json(void);
/* What audit_verify found, with its problem if there is one. */
json_t *audit_verify_json(const struct audit_verify_result *result);
