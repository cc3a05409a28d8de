#include "programs/clavigerd/service.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static enum err print(char *to, size_t cap, const char *prefix, const char *dir, const char *name)
{
    int len = snprintf(to, cap, "%s%s%s%s", prefix, dir, *name != '\0' ? "/" : "", name);
    return len > 0 && (size_t)len < cap ? ERR_OK : ERR_LIMIT;
}

enum err service_store_url(const struct settings *s, char *to, size_t cap)
{
    if (*s->store.url != '\0')
        return print(to, cap, s->store.url, "", "");
    return print(to, cap, "sqlite:", s->daemon.state_directory, SERVICE_STORE_FILE);
}

enum err service_store_dir(const struct settings *s, char *to, size_t cap)
{
    char url[PATH_MAX];
    TRY(service_store_url(s, url, sizeof url));
    char *path = strchr(url, ':');
    if (path == NULL)
        return ERR_CONFIG;
    char *slash = strrchr(++path, '/');
    if (slash != NULL)
        *slash = '\0';
    return print(to, cap, "", slash == NULL ? "." : slash == path ? "/" : path, "");
}

static enum err or_in_state(const struct settings *s, const char *given, const char *name, char *to,
                            size_t cap)
{
    if (*given != '\0')
        return print(to, cap, "", given, "");
    return print(to, cap, "", s->daemon.state_directory, name);
}

enum err service_audit_dir(const struct settings *s, char *to, size_t cap)
{
    return or_in_state(s, s->audit.directory, SERVICE_AUDIT_DIR, to, cap);
}

enum err service_backup_dir(const struct settings *s, char *to, size_t cap)
{
    return or_in_state(s, s->backup.directory, SERVICE_BACKUP_DIR, to, cap);
}

enum err service_kmip_log_dir(const struct settings *s, char *to, size_t cap)
{
    return or_in_state(s, s->kmip.log_directory, SERVICE_KMIP_LOG, to, cap);
}

enum err service_packages_dir(const struct settings *s, char *to, size_t cap)
{
    return or_in_state(s, s->factory.directory, SERVICE_PACKAGES, to, cap);
}

enum err service_spool_dir(const struct settings *s, char *to, size_t cap)
{
    return or_in_state(s, "", SERVICE_SPOOL_DIR, to, cap);
}

enum err service_state_path(const struct settings *s, const char *name, char *to, size_t cap)
{
    return print(to, cap, "", s->daemon.state_directory, name);
}

struct hsm_config service_hsm_config(const struct settings *s, bool brief)
{
    return (struct hsm_config){
        .module = s->token.module,
        .init_args = s->token.init_args,
        .token_label = s->token.label,
        .token_serial = s->token.serial,
        .slot = (long)s->token.slot,
        .sessions_max = (unsigned)s->token.sessions,
        .brief = brief,
    };
}

enum err service_token_environment(const struct settings *s, struct err_detail *detail)
{
    for (size_t i = 0; i < s->token.environment.len; i++) {
        const char *item = s->token.environment.items[i];
        const char *equals = strchr(item, '=');
        char name[128];
        if (equals == NULL || equals == item || (size_t)(equals - item) >= sizeof name)
            return err_set(detail, ERR_CONFIG, "[token] environment: '%s' is not NAME=value", item);
        (void)snprintf(name, sizeof name, "%.*s", (int)(equals - item), item);
        if (setenv(name, equals + 1, 1) != 0)
            return err_errno(detail, "[token] environment: can't set %s", name);
    }
    return ERR_OK;
}
