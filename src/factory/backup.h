#pragma once

#include "factory/factory.h"

/* The files of all revisions as one tar archive (POSIX.1-1988), named as the factory's directory
 * has them: "0x0000012345678abc/2/node-1.2.3.4.bin". Unpacked there, beside a copy of the store,
 * they are the factory's packages again. */
struct factory_backup {
    uint64_t revisions, files, bytes;
    uint64_t missing; /* revisions whose files are not there */
};
/* Into a new file at `path`, mode 0600; flat memory. Nothing is written where there is no revision
 * (`ret_backup` is zeros). On failure no file is left. ERR_CANCELLED. */
MUST_CHECK enum err factory_backup(struct factory *factory, const struct fleet_call *call,
                                   const char *path, struct factory_backup *ret_backup,
                                   struct err_detail *detail);
