#include "programs/clavigerd/init.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "hsm/hsm.h"
#include "programs/clavigerd/commands.h"
#include "programs/clavigerd/service.h"
#include "store/store.h"

void init_say(bool made, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)printf("%-6s ", made ? "made" : "there");
    (void)vprintf(format, args);
    (void)printf("\n");
    (void)fflush(stdout);
    va_end(args);
}

enum err init_state_path(const struct init *init, const char *name, char *to, size_t cap)
{
    return service_state_path(&init->settings, name, to, cap);
}

enum err init_write(const char *path, struct bytes content, mode_t mode, const char *what,
                    struct err_detail *detail)
{
    bool there = access(path, F_OK) == 0;
    if (!there)
        TRY(file_write(path, content, mode, detail));
    init_say(!there, "%s: %s", what, path);
    return ERR_OK;
}

static enum err make_store(struct init *init, struct err_detail *detail)
{
    char url[PATH_MAX];
    TRY(service_store_url(&init->settings, url, sizeof url));
    const char *path = strchr(url, ':') + 1;
    bool there = access(path, F_OK) == 0;
    AUTO(store_closep) struct store *store = NULL;
    const struct store_config config = {.url = url, .create = true};
    TRY(store_open(&config, &store, detail));
    init_say(!there, "store: %s", path);
    return init_administrator(store, detail);
}

static enum err run(struct init *init, struct err_detail *detail)
{
    TRY(init_configuration(init, detail));
    TRY(init_token(init, detail));
    TRY(make_store(init, detail));
    TRY(init_certificates(init, detail));
    return init_hand_over(init, detail);
}

int command_init(const struct options *options)
{
    (void)umask(077);
    struct init init = {.options = options, .config_path = options_get(options, "config")};
    if (init.config_path == NULL)
        init.config_path = SERVICE_CONFIG_PATH;
    struct err_detail detail = {0};
    enum err err = run(&init, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_ERROR, "init", err, &detail);
    else
        (void)printf("\nnext: clavigerd run --config %s\n", init.config_path);
    rsa_public_free(init.server_public);
    rsa_public_free(init.ca_public);
    hsm_key_free(init.server_key);
    hsm_key_free(init.ca_key);
    hsm_close(init.hsm);
    settings_done(&init.settings);
    hsm_leave((int)exit_status_of(err));
}
