#pragma once

#include "base/bytes.h"

/* Files on their way between the command line and a job: uploads that a client sends in pieces,
 * downloads that a job made. They hold encrypted bytes only, mode 0600, in the spool directory;
 * gone after an hour, after their use, or when the daemon starts again. Any thread. */
struct spool;

#define SPOOL_FILES_MAX 64
#define SPOOL_BYTES_MAX ((uint64_t)8 << 30) /* of one file */
#define SPOOL_KEEP_S    3600
#define SPOOL_PATH_MAX  512

MUST_CHECK enum err spool_new(const char *dir, struct spool **ret_spool, struct err_detail *detail);
void spool_free(struct spool *spool);
/* A place for a file that somebody else will make at its path. ERR_BUSY where SPOOL_FILES_MAX are
 * there. */
MUST_CHECK enum err spool_reserve(struct spool *spool, uint64_t *ret_id, struct err_detail *detail);
/* The same with an empty file in it. */
MUST_CHECK enum err spool_add(struct spool *spool, uint64_t *ret_id, struct err_detail *detail);
/* Append at `offset`, which must be the file's length so far (ERR_MISMATCH). */
MUST_CHECK enum err spool_write(struct spool *spool, uint64_t id, uint64_t offset,
                                struct bytes piece, struct err_detail *detail);
/* Where it is. ERR_NOT_FOUND. */
MUST_CHECK enum err spool_path(struct spool *spool, uint64_t id, char to[SPOOL_PATH_MAX]);
/* Open it, or what a job made beside it (`part` is ".sig" or ".manifest"), for reading; the
 * caller's to close. */
MUST_CHECK enum err spool_open(struct spool *spool, uint64_t id, const char *part, int *ret_fd,
                               struct err_detail *detail);
/* With what stands beside it. */
void spool_remove(struct spool *spool, uint64_t id);
