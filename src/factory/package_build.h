#pragma once

#include "factory/package_import.h"
#include "factory/package_sign.h"

/* Making a package of a manifest and the files that it names, for the packaging side. Nothing of a
 * package is there before all of it was checked as an import would. */
struct package_build {
    const char *manifest; /* path; files are found from its folder */
    const char *output;   /* path of the tar.gz, replaced at the end */
    const struct package_signer *signer;
    int64_t now; /* created, where the manifest doesn't say */
};

/* ERR_SYNTAX with the manifest's line; ERR_SIGNATURE, ERR_KEY_FORM where the keys don't belong
 * together; ERR_IO, ERR_LIMIT. Of `ret_built` everything is set as if imported. */
MUST_CHECK enum err package_build(const struct package_build *request, struct arena *arena,
                                  struct package_imported *ret_built, struct err_detail *detail);
