#include "programs/clavigerd/reach.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/file.h"
#include "diameter/properties.h"
#include "keeper/sandbox.h"
#include "programs/clavigerd/pin.h"
#include "programs/clavigerd/service.h"

#define PATHS_MAX 64
#define MEMORY    ((size_t)1024 * 1024)

/* Names and addresses, groups, time zones, random numbers, figures of its own memory. */
static const char *const of_the_system[] = {
    "/usr/lib",      "/usr/share/locale",  "/usr/share/zoneinfo", "/lib",
    "/lib64",        "/etc/nsswitch.conf", "/etc/passwd",         "/etc/group",
    "/etc/hosts",    "/etc/host.conf",     "/etc/resolv.conf",    "/etc/gai.conf",
    "/etc/services", "/etc/protocols",     "/etc/localtime",      "/etc/ld.so.cache",
    "/etc/ssl",      "/dev/null",          "/dev/urandom",        "/proc/self",
    "/proc/sys/net", "/proc/meminfo",      "/proc/stat",          "/sys/devices/system/cpu",
};

struct paths {
    const char *list[PATHS_MAX + ARRAY_LEN(of_the_system)];
    size_t len;
};

struct reach {
    struct arena *arena;
    struct paths write, read;
    struct paths secrets; /* what the engine must neither read (the audit chain: write) nor move */
};

static enum err add(struct reach *reach, struct paths *to, const char *path, size_t len)
{
    if (to->len == PATHS_MAX)
        return ERR_LIMIT;
    const char *copy = arena_strndup(reach->arena, path, len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    to->list[to->len++] = copy;
    return ERR_OK;
}

static enum err add_path(struct reach *reach, struct paths *to, const char *path)
{
    return path != NULL && *path != '\0' ? add(reach, to, path, strlen(path)) : ERR_OK;
}

/* Without links and dots where it is there, as it is named where it is not. */
static void resolve(const char *path, char to[PATH_MAX])
{
    if (realpath(path, to) == NULL)
        (void)snprintf(to, PATH_MAX, "%s", path);
}

static bool holds(const char *dir, const char *path)
{
    char outer[PATH_MAX], inner[PATH_MAX];
    resolve(dir, outer);
    resolve(path, inner);
    size_t len = strlen(outer);
    while (len > 0 && outer[len - 1] == '/')
        len--;
    return strncmp(outer, inner, len) == 0 && (inner[len] == '/' || inner[len] == '\0');
}

/* The first secret under `dir`, or NULL. */
static const char *secret_under(const struct reach *reach, const char *dir)
{
    for (size_t i = 0; i < reach->secrets.len; i++)
        if (holds(dir, reach->secrets.list[i]))
            return reach->secrets.list[i];
    return NULL;
}

static enum err find_secrets(struct reach *reach, const struct settings *s, const char *audit_dir)
{
    TRY(add_path(reach, &reach->secrets, audit_dir));
    TRY(add_path(reach, &reach->secrets, pin_path(s->token.pin)));
    TRY(add_path(reach, &reach->secrets, getenv("CREDENTIALS_DIRECTORY")));
    TRY(add_path(reach, &reach->secrets, s->kmip.kek_file));
    for (size_t i = 0; i < s->keeper.module_paths.len; i++)
        TRY(add_path(reach, &reach->secrets, s->keeper.module_paths.items[i]));
    return ERR_OK;
}

static enum err add_writable(struct reach *reach, const char *dir, struct err_detail *detail)
{
    TRY(file_mkdirs(dir, 0700, detail));
    const char *secret = secret_under(reach, dir);
    if (secret != NULL)
        return err_set(detail, ERR_CONFIG, "%s is where the engine writes, so %s must not be in it",
                       dir, secret);
    return add_path(reach, &reach->write, dir);
}

static enum err find_writable(struct reach *reach, const struct settings *s,
                              struct err_detail *detail)
{
    char path[PATH_MAX];
    TRY(service_spool_dir(s, path, sizeof path));
    TRY(add_writable(reach, path, detail));
    /* sorting may need more than memory has; this is where it may be put */
    if (setenv("SQLITE_TMPDIR", path, 1) != 0)
        return ERR_NO_MEMORY;
    TRY(service_backup_dir(s, path, sizeof path));
    TRY(add_writable(reach, path, detail));
    if (s->kmip.listen.len + s->https.listen.len != 0) {
        TRY(service_kmip_log_dir(s, path, sizeof path));
        TRY(add_writable(reach, path, detail));
    }
    if (s->factory.enabled) {
        TRY(service_packages_dir(s, path, sizeof path));
        TRY(add_writable(reach, path, detail));
    }
    TRY(service_store_dir(s, path, sizeof path));
    return add_writable(reach, path, detail);
}

/* Certificates and revocation lists are replaced by others of the same name, so the folder; unless
 * it holds what must not be read. */
static enum err add_with_folder(struct reach *reach, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return add_path(reach, &reach->read, path);
    TRY(add(reach, &reach->read, path, (size_t)(slash - path)));
    if (secret_under(reach, reach->read.list[reach->read.len - 1]) == NULL)
        return ERR_OK;
    reach->read.len--;
    return add_path(reach, &reach->read, path);
}

static enum err find_tls_files(struct reach *reach, const struct settings *s,
                               struct err_detail *detail)
{
    char path[PATH_MAX];
    TRY(service_state_path(s, SERVICE_CA_FILE, path, sizeof path));
    TRY(add_with_folder(reach, path));
    const char *const kmip[] = {s->kmip.cert_file,    s->kmip.key_file, s->kmip.ca_file,
                                s->kmip.more_ca_file, s->kmip.crl_file, s->kmip.ocsp_file};
    for (size_t i = 0; i < ARRAY_LEN(kmip); i++)
        if (*kmip[i] != '\0')
            TRY(add_with_folder(reach, kmip[i]));
    if (*s->diameter.properties == '\0')
        return ERR_OK;
    AUTO(diameter_properties_done) struct diameter_properties props = {0};
    TRY(diameter_properties_read(s->diameter.properties, &props, detail));
    const char *const files[] = {props.tls_cert_file, props.tls_key_file, props.tls_ca_file,
                                 props.tls_crl_file};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (*files[i] != '\0')
            TRY(add_with_folder(reach, files[i]));
    return ERR_OK;
}

static enum err find_readable(struct reach *reach, const struct settings *s,
                              const char *config_path, const char *audit_dir,
                              struct err_detail *detail)
{
    char path[PATH_MAX];
    TRY(add_path(reach, &reach->read, audit_dir));
    TRY(add_path(reach, &reach->read, config_path));
    TRY(add_path(reach, &reach->read, s->diameter.properties));
    TRY(service_state_path(s, SERVICE_PROFILE_FILE, path, sizeof path));
    TRY(add_path(reach, &reach->read, path));
    TRY(find_tls_files(reach, s, detail));
    for (size_t i = 0; i < ARRAY_LEN(of_the_system); i++)
        reach->read.list[reach->read.len++] = of_the_system[i];
    return ERR_OK;
}

enum err reach_confine(const struct settings *settings, const char *config_path,
                       struct err_detail *detail)
{
    char audit_dir[PATH_MAX];
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(MEMORY, &arena));
    struct reach reach = {.arena = arena};
    TRY(service_audit_dir(settings, audit_dir, sizeof audit_dir));
    TRY(find_secrets(&reach, settings, audit_dir));
    TRY(find_writable(&reach, settings, detail));
    TRY(find_readable(&reach, settings, config_path, audit_dir, detail));
    const struct engine_sandbox_config sandbox = {.write_paths = reach.write.list,
                                                  .write_path_count = reach.write.len,
                                                  .read_paths = reach.read.list,
                                                  .read_path_count = reach.read.len,
                                                  .required = settings->keeper.sandbox ==
                                                              SETTINGS_KEEPER_SANDBOX_REQUIRED};
    return engine_sandbox_enter(&sandbox, detail);
}
