#pragma once

#include "keeper/sandbox.h"

struct sandbox_files {
    const char *const *write;
    size_t write_count;
    const char *const *read;
    size_t read_count;
    bool skip_missing; /* of `read`; else ERR_CONFIG */
    enum sandbox_sockets sockets;
};

/* Deny all of the file system but the paths given, TCP unless inet, and signals and abstract
 * sockets to other processes. ERR_UNSUPPORTED where the kernel has no Landlock; ERR_CONFIG for a
 * path that is not there. Covers the calling thread and those it starts later. */
MUST_CHECK enum err sandbox_landlock(const struct sandbox_files *files, struct err_detail *detail);
/* The filters, for all threads. ERR_UNSUPPORTED where the kernel takes none. */
MUST_CHECK enum err sandbox_seccomp_keeper(const struct sandbox_config *config,
                                           struct err_detail *detail);
MUST_CHECK enum err sandbox_seccomp_engine(struct err_detail *detail);
