#include "fleet/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"

#define FLUSH_AT ((size_t)256 * 1024)

enum err stage_open(struct stage *stage, const char *spool_dir, struct err_detail *detail)
{
    *stage = (struct stage){.fd = open(spool_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
    if (stage->fd < 0) { /* not every file system has O_TMPFILE */
        char path[FLEET_PATH_MAX];
        snprintf(path, sizeof(path), "%s/" FLEET_SPOOL_PREFIX "stage-XXXXXX", spool_dir);
        stage->fd = mkostemp(path, O_CLOEXEC);
        if (stage->fd < 0)
            return err_errno(detail, "%s", spool_dir);
        (void)unlink(path);
    }
    return ERR_OK;
}

static enum err flush(struct stage *stage, struct err_detail *detail)
{
    TRY(file_write_all(stage->fd, buf_view(&stage->pending), detail));
    stage->pending.len = 0;
    return ERR_OK;
}

enum err stage_add(struct stage *stage, const struct stage_row *row, struct err_detail *detail)
{
    if (stage->count >= FLEET_NODES_MAX)
        return err_set(detail, ERR_LIMIT, "more than %llu nodes",
                       (unsigned long long)FLEET_NODES_MAX);
    if (stage->count > 0 && row->id <= stage->last_id)
        stage->unsorted = true;
    stage->last_id = row->id;
    TRY(buf_append(&stage->pending, bytes_of(row, sizeof(*row))));
    stage->count++;
    return stage->pending.len >= FLUSH_AT ? flush(stage, detail) : ERR_OK;
}

static int by_id(const void *a, const void *b, void *arg)
{
    const struct stage_row *rows = arg;
    uint32_t ia = *(const uint32_t *)a, ib = *(const uint32_t *)b;
    if (rows[ia].id != rows[ib].id)
        return rows[ia].id < rows[ib].id ? -1 : 1;
    return ia < ib ? -1 : ia > ib;
}

enum err stage_close(struct stage *stage, struct err_detail *detail)
{
    TRY(flush(stage, detail));
    buf_done(&stage->pending);
    if (stage->count == 0)
        return ERR_OK;
    void *rows = mmap(NULL, (size_t)stage->count * sizeof(struct stage_row), PROT_READ, MAP_SHARED,
                      stage->fd, 0);
    if (rows == MAP_FAILED)
        return err_errno(detail, "staging file");
    stage->rows = rows;
    if (!stage->unsorted)
        return ERR_OK;
    stage->order = reallocarray(NULL, (size_t)stage->count, sizeof(*stage->order));
    if (!stage->order)
        return ERR_NO_MEMORY;
    for (uint64_t i = 0; i < stage->count; i++)
        stage->order[i] = (uint32_t)i;
    qsort_r(stage->order, (size_t)stage->count, sizeof(*stage->order), by_id, rows);
    return ERR_OK;
}

void stage_done(struct stage *stage)
{
    if (stage->rows)
        munmap((void *)(uintptr_t)stage->rows, (size_t)stage->count * sizeof(struct stage_row));
    free(stage->order);
    buf_done(&stage->pending);
    if (stage->fd >= 0)
        close(stage->fd);
    *stage = (struct stage){.fd = -1};
}
