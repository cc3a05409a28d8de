#pragma once

#include "fleet/internal.h"

/* Writing key files; for batch.h's exports and the backup before an import. */

struct export_files {
    enum keeper_purpose purpose;
    bool head; /* the first four lines */
    bool all;  /* every batch; else `batch` */
    uint32_t batch;
    bool with_sig;          /* `path`.sig and `path`.manifest, too */
    struct bytes recipient; /* DER SubjectPublicKeyInfo; empty: this server */
    const char *path;       /* must not exist */
    const char *name;       /* in the manifest */
};
/* Everything from one snapshot of the store. On failure no file is left. ERR_NOT_FOUND where there
 * is nothing to write but for `head`. */
MUST_CHECK enum err export_files(const struct fleet_call *call, const char *network,
                                 const struct export_files *request, struct err_detail *detail,
                                 struct fleet_export_result *ret_result);
