#pragma once

#include "base/bytes.h"

/* Files on their way between the command line and a job: uploads that a client sends in pieces,
 * downloads that a job makes. They hold encrypted bytes only, mode 0600, in the spool directory;
 * gone an hour after they were last used, after their use, or when the daemon starts again. Who
 * works on a file holds it: a held file is not removed under its user. Any thread. */
struct spool;

#define SPOOL_FILES_MAX 64
#define SPOOL_BYTES_MAX ((uint64_t)8 << 30)  /* of one upload */
#define SPOOL_TOTAL_MAX ((uint64_t)16 << 30) /* of all uploads */
#define SPOOL_KEEP_S    3600
#define SPOOL_PATH_MAX  512

MUST_CHECK enum err spool_new(const char *dir, struct spool **ret_spool, struct err_detail *detail);
/* Nobody holds a file any more. */
void spool_free(struct spool *spool);

/* An upload: an empty file. ERR_BUSY where SPOOL_FILES_MAX are there. */
MUST_CHECK enum err spool_add(struct spool *spool, uint64_t *ret_id, struct err_detail *detail);
/* Append to an upload at `offset`, which must be its length so far (ERR_MISMATCH). ERR_BUSY while
 * another piece is being written or a job reads the file. */
MUST_CHECK enum err spool_write(struct spool *spool, uint64_t id, uint64_t offset,
                                struct bytes piece, struct err_detail *detail);
/* An upload's path, held until spool_release. ERR_NOT_FOUND. */
MUST_CHECK enum err spool_hold(struct spool *spool, uint64_t id, char to[SPOOL_PATH_MAX]);

/* A download: a path at which the caller makes a file (and what belongs beside it), held until
 * spool_publish or, where it fails, spool_remove and spool_release. ERR_BUSY as above. */
MUST_CHECK enum err spool_reserve(struct spool *spool, uint64_t *ret_id, char to[SPOOL_PATH_MAX],
                                  struct err_detail *detail);
/* The download is whole: clients may read it, and it is held no longer. */
void spool_publish(struct spool *spool, uint64_t id);
/* Open a download, or what a job made beside it (`part` is ".sig", ".manifest" or
 * ".packages"), for reading; the
 * caller's to close. */
MUST_CHECK enum err spool_open(struct spool *spool, uint64_t id, const char *part, int *ret_fd,
                               struct err_detail *detail);

/* How many files are here, and how many of them somebody holds. */
void spool_load(struct spool *spool, unsigned *ret_files, unsigned *ret_held);
void spool_release(struct spool *spool, uint64_t id);
/* With what stands beside it; one that is held goes when it is released. ERR_NOT_FOUND. */
enum err spool_remove(struct spool *spool, uint64_t id);
/* Remove what nobody used for an hour; `now_ns` is the monotonic clock. */
void spool_tidy(struct spool *spool, uint64_t now_ns);
