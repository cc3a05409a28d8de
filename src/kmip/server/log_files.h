#pragma once

#include "base/buf.h"

/* The folder of the message log and its bound. One thread. */
struct log_files {
    char dir[4096];
    uint64_t max;  /* bytes */
    uint64_t used; /* as known */
};

/* Makes the folder and counts what is there. */
MUST_CHECK enum err log_files_open(struct log_files *files, const char *dir, uint64_t max,
                                   struct err_detail *detail);
/* Append to DIR/ADDRESS/server/kmip-SINCE-CONNECTION.EXTENSION; where the folder holds too much
 * then, the oldest files go. `peer` is an address with port. */
MUST_CHECK enum err log_files_append(struct log_files *files, const char *peer, uint64_t since_us,
                                     uint64_t connection, const char *extension, struct bytes text,
                                     struct err_detail *detail);
