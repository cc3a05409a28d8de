#pragma once

#include "keeper/call.h"

/* Inside keeper only: the queue on which workers give jobs back. */
struct job_queue;

MUST_CHECK enum err job_queue_new(struct job_queue **ret_queue);
void job_queue_free(struct job_queue *queue); /* with the jobs in it; NULL is allowed */
void job_queue_put(struct job_queue *queue, struct core_job *job); /* any thread */
struct core_job *job_queue_take(struct job_queue *queue);          /* NULL: empty */
/* A job of the keeper itself. */
MUST_CHECK enum err job_new_own(struct core *core, size_t size, struct core_job **ret_job);
MUST_CHECK enum err job_start(struct core *core, struct core_job *job);
