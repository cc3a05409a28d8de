#pragma once

#include "factory/device.h"

/* device_keys.xml (docs/device-keys.xsd): what the operator imports. An export is recorded with the
 * devices it had, and can be repeated byte by byte. */

#define FACTORY_RANGES_MAX 64
#define FACTORY_RANGES_LEN 1000

struct factory_range {
    uint64_t first, last;
};
/* "1-3,7" or "0x10-0x1f": decimal or with 0x, both ends included. ERR_ARGUMENT; an empty text has
 * no range. ERR_ARGUMENT names `what`. */
MUST_CHECK enum err factory_ranges_of(const char *what, const char *text, uint64_t max,
                                      struct factory_range ret_ranges[FACTORY_RANGES_MAX],
                                      size_t *ret_len, struct err_detail *detail);

struct factory_export_request {
    const uint64_t *config_id;   /* NULL: all */
    const char *batches, *nodes; /* "" : all */
    const int64_t *from, *to;    /* time of the keying, by the station's clock, both included */
    bool only_new;               /* never exported */
    bool count_only;             /* write and record nothing */
};
struct factory_export_result {
    uint64_t export; /* 0 with count_only */
    uint64_t devices;
    uint64_t bytes;
};
/* Provisioned devices of the selection into a file at `path`, which must not be there, with the
 * signature by the server's key at `path`.sig. Flat memory.
 * ERR_NOT_FOUND where there is no such device; ERR_CANCELLED. On failure no file is left, and
 * nothing is recorded. One at a time: others wait. */
MUST_CHECK enum err factory_export(struct factory *factory, const struct fleet_call *call,
                                   const struct factory_export_request *request, const char *path,
                                   struct factory_export_result *ret_result,
                                   struct err_detail *detail);
/* The same file once more. ERR_NOT_FOUND. */
MUST_CHECK enum err factory_export_repeat(struct factory *factory, const struct fleet_call *call,
                                          uint64_t export, const char *path,
                                          struct factory_export_result *ret_result,
                                          struct err_detail *detail);

struct factory_export_info {
    uint64_t id;
    int64_t made;
    const char *made_by;
    bool has_config;
    uint64_t config_id;
    const char *batches, *nodes;
    bool has_from, has_to;
    int64_t from, to;
    bool only_new;
    uint64_t devices;
};
typedef enum err factory_export_fn(void *ctx, const struct factory_export_info *info);
/* The newest first, below `before` (0: all), at most `limit`; of those that had `node_id`, where it
 * is not NULL. */
MUST_CHECK enum err factory_export_list(struct factory *factory, uint64_t before, unsigned limit,
                                        const uint64_t *node_id, factory_export_fn *each, void *ctx,
                                        struct err_detail *detail);
