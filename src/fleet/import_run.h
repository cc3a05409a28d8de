#pragma once

#include "fleet/import.h"

/* The steps that a batch's and a keyring's import share. */

MUST_CHECK enum err import_new(const struct fleet_call *call, const struct fleet_import *request,
                               struct import **ret_import);
void import_freep(struct import **import);
/* Checks and stages the file. ERR_REFUSED with the result filled where lines are malformed. */
MUST_CHECK enum err import_read(struct import *import, struct err_detail *detail);
/* Refuses the rows of a stage whose node was there before. */
void import_find_duplicates(struct import *import);
/* Backup, merge, report. */
MUST_CHECK enum err import_merge(struct import *import, struct err_detail *detail);
/* The network's own keys that came with a keyring; in the transaction of the merge. */
MUST_CHECK enum err import_put_keys(struct store_conn *conn, struct import *import,
                                    struct err_detail *detail);
