#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/settings.h"
#include "programs/clavigerd/commands.h"
#include "programs/clavigerd/import_ksg.h"
#include "programs/clavigerd/service.h"

/* Where a configuration of another product stands, write one of ours. */

static enum err pin_path_of(const char *config, char *to, size_t cap, struct err_detail *detail)
{
    const char *slash = strrchr(config, '/');
    int len = slash != NULL ? snprintf(to, cap, "%.*s/token-pin", (int)(slash - config), config)
                            : snprintf(to, cap, "token-pin");
    return len > 0 && (size_t)len < cap ? ERR_OK
                                        : err_set(detail, ERR_LIMIT, "%s: too long", config);
}

static enum err refuse_existing(const char *path, struct err_detail *detail)
{
    return access(path, F_OK) == 0
               ? err_set(detail, ERR_EXISTS, "%s: nothing that exists is overwritten", path)
               : ERR_OK;
}

static enum err write_both(const struct ksg_import *import, const char *config,
                           struct err_detail *detail)
{
    char pin[PATH_MAX];
    AUTO(buf_done) struct buf text = {0};
    TRY(settings_format(import->set, &text));
    /* read it before it is written: a value that is not taken leaves nothing behind */
    struct settings check;
    TRY(settings_parse(config, (const char *)text.data, text.len, &check, detail));
    settings_done(&check);
    TRY(pin_path_of(config, pin, sizeof pin, detail));
    TRY(refuse_existing(config, detail));
    if (import->pin != NULL)
        TRY(refuse_existing(pin, detail));
    TRY(file_mkdirs_of(config, 0755, detail));
    if (import->pin != NULL)
        TRY(file_write(pin, secret_view(import->pin), 0600, detail));
    return file_write(config, buf_view(&text), 0600, detail);
}

static enum err import_ksg(const char *dir, const char *config, struct err_detail *detail)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(ksg_import_done) struct ksg_import import = {0};
    TRY(arena_new((size_t)1024 * 1024, &arena));
    import.arena = arena;
    enum err err = ksg_import_read(&import, dir, detail);
    /* a file of theirs: check-config, which the hint of the other names, can't read it */
    if (err == ERR_CONFIG)
        err = detail->code = ERR_SYNTAX;
    TRY(err);
    TRY(write_both(&import, config, detail));
    (void)printf("%.*s\n%u parameters have no equivalent\nwrote %s\n", (int)import.report.len,
                 (const char *)import.report.data, import.left_out, config);
    (void)printf("next: look it through, then clavigerd init --config %s\n", config);
    return ERR_OK;
}

int command_import_config(const struct options *options)
{
    const char *config = options_get(options, "config");
    struct err_detail detail = {0};
    enum err err = import_ksg(options_get(options, "ksg"),
                              config != NULL ? config : SERVICE_CONFIG_PATH, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_ERROR, "import-config", err, &detail);
    return (int)exit_status_of(err);
}
