#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "programs/clavigerd/supervisor.h"

/* One child: forking it with nothing but its own descriptors, and learning of its end. */

struct privileges {
    const char *user; /* NULL: keep those of this process */
    uid_t uid;
    gid_t gid; /* (gid_t)-1: keep */
};

/* From names, either of which may be "" or NULL. ERR_CONFIG for unknown ones. */
MUST_CHECK enum err privileges_find(const char *user, const char *group,
                                    struct privileges *ret_privileges, struct err_detail *detail);

struct process {
    const char *name; /* "keeper" */
    pid_t pid;        /* 0: not running */
    int control;      /* this side's end; -1: none */
    bool ready;
    bool reloaded;
    uint64_t heard_ms; /* when it last gave a sign, on the clock that never jumps */
};

/* Forks. In the child: closes all but `given` and 0 to 2, resets signals, drops privileges, calls
 * main. */
MUST_CHECK enum err process_start(struct process *process, supervised_main *main,
                                  const struct supervised *given, void *ctx,
                                  const struct privileges *privileges, struct err_detail *detail);
/* Whether it has ended, without waiting. ret_status as of waitpid. */
bool process_ended(struct process *process, int *ret_status);
/* SIGKILL, and wait. Nothing where it isn't running. */
void process_kill(struct process *process);
/* Takes the control link away, which a process ends by itself for; SIGKILL after `grace_ms`. */
void process_end(struct process *process, unsigned grace_ms);
/* "ended with status 3", "was ended by signal 9 (Killed)" */
void process_describe(int status, char *to, size_t size);
