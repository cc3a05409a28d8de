#include <assert.h>

#include "factory/package_manifest.h"
#include "factory/toml.h"
#include "fuzz/target.h"

/* A manifest: as TOML, and as what it says of a package. An error names its line or what is
 * missing. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = NULL;
    struct toml toml;
    struct package_manifest manifest;
    struct err_detail detail = {.code = ERR_OK};
    enum err err = arena_new((size_t)4 * 1024 * 1024, &arena);
    assert(err == ERR_OK);
    err = toml_read(bytes_of(data, size), arena, &toml, &detail);
    assert(err == ERR_OK || detail.text[0] != '\0');
    for (size_t i = 0; err == ERR_OK && i < toml.tables_len; i++) {
        for (size_t k = 0; k < toml.tables[i].values_len; k++) {
            const struct toml_value *value = &toml.tables[i].values[k];
            assert(value->key[0] != '\0' && value->line > 0);
            assert(value->type != TOML_STRING || value->text != NULL);
        }
    }
    bool read = err == ERR_OK;
    err = package_manifest_read(bytes_of(data, size), arena, &manifest, &detail);
    assert(read || err != ERR_OK);
    assert(err == ERR_OK || detail.text[0] != '\0');
    assert(err != ERR_OK || manifest.package.files_len >= 3);
    arena_free(arena);
    return 0;
}
