#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

char *test_path(const char *dir, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0)
        abort();
    return path;
}

char *test_tempdir(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = test_path(base != NULL ? base : "/tmp", "claviger-test-XXXXXX");
    if (mkdtemp(dir) == NULL)
        abort();
    return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void test_tempdir_remove(char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

const char *test_vectors(void)
{
    const char *dir = getenv("CLAVIGER_VECTORS");
    return dir != NULL && access(dir, R_OK) == 0 ? dir : NULL;
}
