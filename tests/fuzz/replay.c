#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"

/* Stands in for libFuzzer: every file of a folder, and of the small ones every truncation and every
 * flipped bit. Each input lies in a block of its own size, so that a sanitizer sees a read past it.
 */

#define FILE_MAX   ((size_t)16 * 1024 * 1024)
#define MUTATE_MAX ((size_t)4096)

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size != 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size != 0)
        memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void run_all(uint8_t *data, size_t size)
{
    run(data, size);
    if (size > MUTATE_MAX)
        return;
    for (size_t len = 0; len < size; len++)
        run(data, len);
    for (size_t bit = 0; bit < size * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        run(data, size);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    uint8_t *data = malloc(FILE_MAX);
    if (data == NULL)
        abort();
    size_t size = fread(data, 1, FILE_MAX, file);
    int bad = ferror(file);
    (void)fclose(file);
    if (!bad)
        run_all(data, size);
    free(data);
    return bad != 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        perror(argv[1]);
        return 1;
    }
    int bad = 0;
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char path[PATH_MAX];
        int len = snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        if (len < 0 || (size_t)len >= sizeof path)
            return 1;
        bad |= replay_file(path);
        count++;
    }
    (void)closedir(dir);
    (void)printf("%u files\n", count);
    return bad != 0 || count == 0;
}
