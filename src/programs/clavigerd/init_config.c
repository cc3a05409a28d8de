#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "programs/clavigerd/init.h"
#include "programs/clavigerd/service.h"

/* The demonstration: everything beside the configuration file, SoftHSM2 as the token, loopback
 * only. */
static const char *const demonstration[] = {
    "daemon.state_directory",
    "state",
    "daemon.socket",
    "claviger.sock",
    "token.environment",
    "SOFTHSM2_CONF=./softhsm2.conf",
    "token.pin",
    "file:token-pin",
    "keeper.module_paths",
    "./token ./softhsm2.conf",
    "diameter.properties",
    "diameter_server.conf",
    "diameter.listen",
    "127.0.0.1:3868",
    "diameter.listen_tls",
    "127.0.0.1:5658",
    "kmip.listen",
    "127.0.0.1:5696",
    "https.listen",
    "127.0.0.1:8085",
};

#define SET_MAX ((OPTIONS_MAX + ARRAY_LEN(demonstration)) + 1)

/* --set SECTION.KEY=VALUE goes before ours: settings_format takes the first. */
static enum err given_settings(const struct init *init, struct arena *arena, const char **set,
                               size_t *ret_len, struct err_detail *detail)
{
    size_t len = 0;
    const char *given;
    for (size_t n = 0; (given = options_get_nth(init->options, "set", n)) != NULL; n++) {
        const char *equals = strchr(given, '=');
        if (equals == NULL || memchr(given, '.', (size_t)(equals - given)) == NULL ||
            len + 2 >= SET_MAX)
            return err_set(detail, ERR_ARGUMENT, "--set %s: wanted SECTION.KEY=VALUE", given);
        char *name = arena_strndup(arena, given, (size_t)(equals - given));
        if (name == NULL)
            return ERR_NO_MEMORY;
        bool known = false;
        for (size_t i = 0; i < settings_rows_len && !known; i++) {
            size_t section = strlen(settings_rows[i].section);
            known = strncmp(name, settings_rows[i].section, section) == 0 && name[section] == '.' &&
                    strcmp(name + section + 1, settings_rows[i].key) == 0;
        }
        if (!known)
            return err_set(detail, ERR_ARGUMENT, "--set %s: no such setting; see clavigerd.conf(5)",
                           given);
        set[len++] = name;
        set[len++] = equals + 1;
    }
    *ret_len = len;
    return ERR_OK;
}

static enum err write_demonstration(struct init *init, struct err_detail *detail)
{
    char dir[PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s", init->config_path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL && slash != dir) {
        *slash = '\0';
        TRY(file_mkdirs(dir, 0700, detail));
    }
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new((size_t)64 * 1024, &arena));
    const char *set[SET_MAX] = {NULL};
    size_t len = 0;
    TRY(given_settings(init, arena, set, &len, detail));
    memcpy(set + len, demonstration, sizeof demonstration);
    AUTO(buf_done) struct buf text = {0};
    TRY(settings_format(set, &text));
    /* read it before it is written: a bad --set leaves nothing behind */
    struct settings check;
    TRY(settings_parse(init->config_path, (const char *)text.data, text.len, &check, detail));
    settings_done(&check);
    return init_write(init->config_path, buf_view(&text), 0600, "configuration", detail);
}

static enum err make_folder(const char *path, struct err_detail *detail)
{
    bool there = access(path, F_OK) == 0;
    TRY(file_mkdirs(path, 0700, detail));
    if (!there)
        init_say(true, "folder: %s", path);
    return ERR_OK;
}

static enum err make_folders(struct init *init, struct err_detail *detail)
{
    char path[PATH_MAX];
    TRY(make_folder(init->settings.daemon.state_directory, detail));
    TRY(service_store_dir(&init->settings, path, sizeof path));
    TRY(make_folder(path, detail));
    TRY(service_audit_dir(&init->settings, path, sizeof path));
    TRY(make_folder(path, detail));
    TRY(service_backup_dir(&init->settings, path, sizeof path));
    TRY(make_folder(path, detail));
    TRY(service_spool_dir(&init->settings, path, sizeof path));
    TRY(make_folder(path, detail));
    TRY(init_state_path(init, "tls", path, sizeof path));
    return make_folder(path, detail);
}

enum err init_configuration(struct init *init, struct err_detail *detail)
{
    init->demonstration = access(init->config_path, F_OK) != 0;
    if (init->demonstration)
        TRY(write_demonstration(init, detail));
    else
        init_say(false, "configuration: %s%s", init->config_path,
                 options_has(init->options, "set") ? "; it is left as it is, --set is not applied"
                                                   : "");
    TRY(settings_read(init->config_path, &init->settings, detail));
    /* a second run finds the file: what it demonstrates shows by the property file's absence */
    const char *properties = init->settings.diameter.properties;
    init->demonstration =
        init->demonstration || (*properties != '\0' && access(properties, F_OK) != 0);
    return make_folders(init, detail);
}
