#include "fuzz/target.h"

#include <stdlib.h>

#include "line/package.h"

/* What is accepted keeps its promises: texts end, files have names and hashes. */
static void check_file(const struct line_file *file)
{
    if (line_file_is(file) && (memchr(file->name, '/', sizeof file->name) != NULL ||
                               (!file->has_sha256 && !file->has_md5) || file->path[0] == '\0'))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line_package *package = calloc(1, sizeof *package);
    struct err_detail detail = {0};
    if (package == NULL)
        return 0;
    if (line_package_parse(bytes_of(data, size), package, &detail) == ERR_OK) {
        if (package->kms_key == NULL || package->apps_len > LINE_APPS_MAX)
            abort();
        check_file(&package->node.files.firmware);
        for (size_t i = 0; i < package->apps_len; i++)
            check_file(&package->apps[i].files.field_config);
    } else if (package->kms_key != NULL) {
        abort();
    }
    line_package_done(package);
    free(package);
    return 0;
}
