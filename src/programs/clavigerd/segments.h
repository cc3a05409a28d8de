#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* The supervisor's side of the audit chain: finds and makes segment files. Never writes into one
 * that has a header. */
struct segments {
    int dir;
    int lock; /* held as long as this lives */
    uint64_t size;
    gid_t group;   /* of new files; (gid_t)-1: as it comes */
    uint64_t last; /* number of the last segment with a header; 0: none */
    uint64_t made; /* number of the last file; `last` or a spare behind it */
};

/* Makes the folder where it is missing (0750) and locks it: ERR_LOCKED where another process has.
 * `size` is rounded up to whole pages. */
MUST_CHECK enum err segments_open(const char *path, uint64_t size, gid_t group,
                                  struct segments *ret_segments, struct err_detail *detail);
void segments_done(struct segments *segments);
/* Look what is there: the last segment, or -1 where no chain was begun; and the spare behind it, or
 * -1. ERR_AUDIT where a number is missing. Files behind the last segment that are no clean spare
 * are renamed and kept ("….set-aside"). */
MUST_CHECK enum err segments_find(struct segments *segments, int *ret_last, int *ret_spare,
                                  struct err_detail *detail);
/* Make the next spare: filled with zeros and synced before it has its name. */
MUST_CHECK enum err segments_make(struct segments *segments, int *ret_spare,
                                  struct err_detail *detail);
