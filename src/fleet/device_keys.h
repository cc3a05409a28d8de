#pragma once

#include "fleet/batch.h"

/* device_keys.xml of a factory into a network. The keys are opened by the token and never here;
 * what it has for applications is passed over. A device that can't be taken is a refused line:
 * encrypted for another key server, not opened by the key, another check value, an id too wide or
 * given twice, or what a batch is refused for; without `skip_refused` it refuses all
 * (ERR_REFUSED). What is no such file is ERR_SYNTAX.
 *
 * Of `request` the file's signature and manifest are not used: there are none. `path` may be any
 * file of the spool directory; `lines` of the result are devices, those of a report lines of the
 * XML. */
MUST_CHECK enum err fleet_device_import(const struct fleet_call *call,
                                        const struct fleet_import *request,
                                        struct err_detail *detail,
                                        struct fleet_import_result *ret_result);
