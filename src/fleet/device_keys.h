#pragma once

#include "fleet/batch.h"

/* device_keys.xml of a factory into a network. The keys are opened by the token and never here;
 * what it has for applications is passed over. A device that can't be taken is a refused line:
 * encrypted for another key server, not opened by the key, another check value, an id too wide or
 * given twice, or what a batch is refused for; without `skip_refused` it refuses all
 * (ERR_REFUSED). What is no such file is ERR_SYNTAX.
 *
 * Where the network believes certain factories (fleet/signer.h), the signature has to be of one of
 * them, or nothing is read (ERR_SIGNATURE). `path` and `sig_path` of `request` may be any files of
 * the spool directory; `sig_path` may be NULL, a manifest there is none; `lines` of the result are
 * devices, those of a report lines of the XML. */
MUST_CHECK enum err fleet_device_import(const struct fleet_call *call,
                                        const struct fleet_import *request,
                                        struct err_detail *detail,
                                        struct fleet_import_result *ret_result);
