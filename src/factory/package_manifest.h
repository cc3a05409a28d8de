#pragma once

#include "factory/package.h"

/* manifest.toml: what the packaging side writes by hand (docs/formats.md). */

#define PACKAGE_PATH_MAX 4096

struct package_manifest {
    /* sizes, hashes and packager_key are not there yet; created is 0 where it isn't said */
    struct package package;
    const char *paths[PACKAGE_FILES_MAX]; /* of the files, as the manifest has them */
};

/* Everything of the arena. ERR_SYNTAX with the line for what is malformed, missing or not known, or
 * where two files would have one name. */
MUST_CHECK enum err package_manifest_read(struct bytes text, struct arena *arena,
                                          struct package_manifest *ret_manifest,
                                          struct err_detail *detail);
