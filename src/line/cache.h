#pragma once

#include "base/buf.h"
#include "line/fault.h"
#include "line/package.h"

/* Files of packages kept in a folder of the user, each under the name of its hash. What is read is
 * checked every time: a folder that somebody else wrote to costs a download, no more. Any number of
 * processes. */

/* Size and every hash that is known. LINE_SERVER_ANSWER. */
MUST_CHECK enum err line_file_check(const struct line_file *file, struct bytes content,
                                    struct line_fault *fault);

/* Makes it with mode 0700 where it lacks, with the folders above. LINE_SERVER_FILE where it can't
 * be used, or others may write to it. `ret_fd` is for file_closep. */
MUST_CHECK enum err line_cache_open(const char *dir, int *ret_fd, struct line_fault *fault);
/* False where it is not there, or is not what its name says any more. Appends to `to`. */
bool line_cache_get(int dir, const struct line_file *file, struct buf *to);
/* Checked content. LINE_SERVER_FILE. */
MUST_CHECK enum err line_cache_put(int dir, const struct line_file *file, struct bytes content,
                                   struct line_fault *fault);
/* Its name in the folder; `to` has room for LINE_CACHE_NAME bytes. */
#define LINE_CACHE_NAME 80
void line_cache_name(const struct line_file *file, char *to);
