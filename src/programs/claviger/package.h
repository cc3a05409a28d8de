#pragma once

#include "factory/package_import.h"
#include "programs/claviger/cli.h"

/* What the package commands share. */

/* `packagers` NULL: with the key that the package itself names. Everything of the arena. */
MUST_CHECK enum err package_open(struct cli *cli, const char *path,
                                 const struct package_packager *packagers, size_t count,
                                 struct arena *arena, struct package_imported *ret_imported);
/* As the API shows packages; a new reference, NULL out of memory. */
json_t *package_json(const struct package_imported *imported);
/* The package as rows of a name and a value, for reading and comparing: {"node firmware": "..."}.
 */
json_t *package_rows(const struct package_imported *imported);
