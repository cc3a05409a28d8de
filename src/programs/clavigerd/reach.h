#pragma once

#include "base/settings.h"

/* Shut the engine in: no file but those it works with. Read and write: the folders of the store, of
 * the spool and of backups (made where they are missing); read: the audit segments, the TLS files,
 * the configuration, and what the C library wants of the system. The configuration and the property
 * file may be replaced later, so a reload gets them from the supervisor.
 *
 * ERR_CONFIG where a folder it writes in holds the PIN, the token's files or the audit chain.
 * Before any thread is started. */
MUST_CHECK enum err reach_confine(const struct settings *settings, const char *config_path,
                                  struct err_detail *detail);
