#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Confinement of the keeper and the engine. Each call is for good and can't be undone: call it once
 * everything is open and threads that need more are started. */

enum sandbox_sockets { SANDBOX_SOCKETS_NONE, SANDBOX_SOCKETS_UNIX, SANDBOX_SOCKETS_INET };

/* What the PKCS#11 module may need. SoftHSM2: its token folder, its configuration file. */
struct sandbox_config {
    const char *const *module_paths; /* absolute; files or folders with all below them, read and
                                        write. None: nothing can be opened at all */
    size_t module_path_count;
    const char *const *read_paths; /* the same, for reading only */
    size_t read_path_count;
    enum sandbox_sockets module_sockets; /* UNIX and INET allow connections going out */
    bool lock_memory;                    /* mlockall; best effort */
    bool
        required; /* fail (ERR_UNSUPPORTED) where the kernel can't confine; else log it and go on */
};

/* "none", "unix", "inet"; ERR_ARGUMENT. */
MUST_CHECK enum err sandbox_sockets_parse(const char *text, enum sandbox_sockets *ret_sockets);

/* The keeper: no new privileges, not dumpable, no core, no capabilities, few descriptors; Landlock
 * confines files to the paths given, seccomp allows what the keeper does (descriptors it holds,
 * memory, clocks, threads, signals) and answers EPERM to all else: no program, no ptrace, no
 * socket, no open beyond the configuration. Holds for all threads of the process. */
MUST_CHECK enum err keeper_sandbox_enter(const struct sandbox_config *config,
                                         struct err_detail *detail);

/* What the engine reaches of the file system. It may run as the same user as the keeper, so what is
 * not named here (the PIN, the token's files, writing to audit segments) is denied by Landlock and
 * not by owners. */
struct engine_sandbox_config {
    const char *const *write_paths; /* folders with all below them, read and write */
    size_t write_path_count;
    const char *const *read_paths; /* files or folders; one that is not there is left out */
    size_t read_path_count;
    bool required; /* as above */
};

/* The engine: sockets stay, files are those that are named; no program can be started, no process
 * signalled, traced, looked into or limited, no owner or mode changed by path, no mount, module,
 * BPF, io_uring, key ring, user namespace. */
MUST_CHECK enum err engine_sandbox_enter(const struct engine_sandbox_config *config,
                                         struct err_detail *detail);

/* The supervisor, before it forks: no new privileges, no core dump. */
MUST_CHECK enum err supervisor_sandbox_enter(struct err_detail *detail);
