#pragma once

#include "base/settings.h"
#include "hsm/hsm.h"

/* What init, run and check-config all need to know of a configuration. */

#define SERVICE_CONFIG_PATH  "/etc/claviger/clavigerd.conf"
#define SERVICE_STORE_FILE   "store/store.db"
#define SERVICE_AUDIT_DIR    "audit"
#define SERVICE_SPOOL_DIR    "spool"
#define SERVICE_BACKUP_DIR   "backup"
#define SERVICE_KMIP_LOG     "kmip-log"
#define SERVICE_PACKAGES     "packages"
#define SERVICE_PROFILE_FILE "token-profile.json"
#define SERVICE_CA_FILE      "tls/ca.pem"
#define SERVICE_CERT_FILE    "tls/server.pem"
#define SERVICE_KEY_FILE     "tls/server.key"

/* "sqlite:/..." of [store] url, or its default. */
MUST_CHECK enum err service_store_url(const struct settings *settings, char *to, size_t cap);
/* The folder it is in, which is the store's alone: the engine may write all of it. */
MUST_CHECK enum err service_store_dir(const struct settings *settings, char *to, size_t cap);
/* [audit] directory and [backup] directory, or their defaults in the state directory. */
MUST_CHECK enum err service_audit_dir(const struct settings *settings, char *to, size_t cap);
MUST_CHECK enum err service_backup_dir(const struct settings *settings, char *to, size_t cap);
MUST_CHECK enum err service_kmip_log_dir(const struct settings *settings, char *to, size_t cap);
/* [factory] directory, or its default. */
MUST_CHECK enum err service_packages_dir(const struct settings *settings, char *to, size_t cap);
MUST_CHECK enum err service_spool_dir(const struct settings *settings, char *to, size_t cap);
/* "<state directory>/name". */
MUST_CHECK enum err service_state_path(const struct settings *settings, const char *name, char *to,
                                       size_t cap);
/* Which token: strings stay the settings'. `brief` leaves out what takes a second to probe and
 * nobody waits for. */
struct hsm_config service_hsm_config(const struct settings *settings, bool brief);
/* Put [token] environment into the process's environment. */
MUST_CHECK enum err service_token_environment(const struct settings *settings,
                                              struct err_detail *detail);
