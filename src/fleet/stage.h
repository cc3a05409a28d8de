#pragma once

#include "fleet/internal.h"

/* Sealed node rows on their way from the keeper into the store: a flat file in the spool directory
 * that has no name, so that nothing is left of it after a crash. Added in any order, read in order
 * of ids. One thread at a time. */

struct stage_row {
    uint64_t id;
    uint32_t line; /* of the file; 0 where there is none */
    uint32_t batch;
    uint32_t reprovisioned;
    uint8_t fingerprint[KEEPER_FINGERPRINT];
    uint8_t sealed[KEEPER_SEALED_NODE];
};

struct stage {
    int fd;
    struct buf pending;
    uint64_t count;
    uint64_t last_id;
    bool unsorted;
    const struct stage_row *rows; /* mapped by stage_close */
    uint32_t *order;              /* NULL where the rows came in order */
};

MUST_CHECK enum err stage_open(struct stage *stage, const char *spool_dir,
                               struct err_detail *detail);
/* ERR_LIMIT past FLEET_NODES_MAX, ERR_DISK_FULL. */
MUST_CHECK enum err stage_add(struct stage *stage, const struct stage_row *row,
                              struct err_detail *detail);
/* No more rows; from now on stage_at. */
MUST_CHECK enum err stage_close(struct stage *stage, struct err_detail *detail);
void stage_done(struct stage *stage);
/* In order of ids; those with the same id in order of lines. */
static inline const struct stage_row *stage_at(const struct stage *stage, uint64_t index)
{
    return &stage->rows[stage->order ? stage->order[index] : index];
}
