#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "line/lib.h"

/* ---- a configuration ---- */

/* The public structure first: its pointers lead into what stands behind it. */
struct lib_target {
    char *public_key;
    char firmware[PATH_MAX], field[PATH_MAX], factory[PATH_MAX];
};
struct lib_config {
    struct cline_config public;
    struct line_package package;
    struct lib_target targets[1 + LINE_APPS_MAX];
    struct cline_target apps[LINE_APPS_MAX];
};

static void config_free(struct lib_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < ARRAY_LEN(config->targets); i++)
        free(config->targets[i].public_key);
    line_package_done(&config->package);
    free(config);
}

static void config_freep(struct lib_config **config)
{
    config_free(*config);
}

void cline_config_free(const struct cline_config *config)
{
    config_free((struct lib_config *)(uintptr_t)config);
}

static enum err give_key(const struct rsa_public *key, struct lib_target *room,
                         const char **ret_text, struct line_fault *fault)
{
    AUTO(buf_done) struct buf pem = {0};
    if (key == NULL)
        return ERR_OK;
    TRY(line_fail_err(fault, LINE_UNKNOWN, "public key", rsa_public_to_pem(key, &pem), NULL));
    room->public_key = strndup((const char *)pem.data, pem.len);
    if (room->public_key == NULL)
        return line_fail(fault, LINE_UNKNOWN, "out of memory");
    *ret_text = room->public_key;
    return ERR_OK;
}

static enum err give_file(struct line_server *server, const struct line_package *package,
                          const struct line_file *file, char room[PATH_MAX], const char **ret_path,
                          struct line_fault *fault)
{
    AUTO(buf_done) struct buf content = {0};
    if (!line_file_is(file))
        return ERR_OK;
    TRY(server->ops->file(server, package, file, &content, room, fault));
    *ret_path = room;
    return ERR_OK;
}

static enum err give_files(struct line_server *server, const struct line_package *package,
                           const struct line_files *files, struct lib_target *room,
                           struct cline_target *target, struct line_fault *fault)
{
    TRY(give_file(server, package, &files->firmware, room->firmware, &target->firmware_path,
                  fault));
    TRY(give_file(server, package, &files->field_config, room->field, &target->field_config_path,
                  fault));
    return give_file(server, package, &files->factory_config, room->factory,
                     &target->factory_config_path, fault);
}

static enum err fill(struct line_server *server, bool files, struct lib_config *config,
                     struct line_fault *fault)
{
    const struct line_package *package = &config->package;
    struct cline_config *public = &config->public;
    *public = (struct cline_config){
        .config_id = package->config_id,
        .revision = package->revision,
        .label = package->label,
        .network = package->network,
        .node = {.name = package->node.type, .version = package->node.version},
        .apps = config->apps,
        .apps_len = package->apps_len,
    };
    TRY(give_key(package->kms_key, &config->targets[0], &public->node.public_key, fault));
    if (files)
        TRY(give_files(server, package, &package->node.files, &config->targets[0], &public->node,
                       fault));
    for (size_t i = 0; i < package->apps_len; i++) {
        const struct line_app *app = &package->apps[i];
        struct cline_target *target = &config->apps[i];
        struct lib_target *room = &config->targets[i + 1];
        *target = (struct cline_target){.name = app->name, .version = app->version};
        TRY(give_key(app->key, room, &target->public_key, fault));
        if (files)
            TRY(give_files(server, package, &app->files, room, target, fault));
    }
    return ERR_OK;
}

int cline_config_get(struct cline_server *server, uint64_t config_id, const char *alias, int files,
                     const struct cline_config **ret_config, struct cline_error *error)
{
    struct line_fault fault = {0};
    const struct line_choice choice = {.id = config_id, .alias = alias};
    AUTO(config_freep) struct lib_config *config = calloc(1, sizeof *config);
    if (server == NULL || ret_config == NULL) {
        (void)line_fail(&fault, LINE_ARGUMENTS, "a server and a place for the result are wanted");
        return lib_fail(error, &fault);
    }
    *ret_config = NULL;
    if (config == NULL) {
        (void)line_fail(&fault, LINE_UNKNOWN, "out of memory");
        return lib_fail(error, &fault);
    }
    struct line_server *from = server->server;
    if (from->ops->config(from, &choice, &config->package, &fault) != ERR_OK ||
        fill(from, files != 0, config, &fault) != ERR_OK)
        return lib_fail(error, &fault);
    *ret_config = &TAKE(config)->public;
    return lib_done(error);
}

/* ---- what a tool did to a host ---- */

/* All digits of all applications in one room. */
struct app_room {
    uint8_t id[LINE_APP_ID_MAX], key[LINE_SEALED_MAX], extra[LINE_EXTRA_MAX];
};

static enum err from_hex(const char *app, const char *text, uint8_t *room, size_t cap,
                         struct bytes *ret_bytes, struct line_fault *fault)
{
    size_t len = 0;
    *ret_bytes = (struct bytes){0};
    if (text == NULL || *text == '\0')
        return ERR_OK;
    if (hex_decode(bytes_str(text), room, cap, &len) != ERR_OK)
        return line_fail(fault, LINE_ARGUMENTS, "%s: not hexadecimal, or more than %zu bytes", app,
                         cap);
    *ret_bytes = bytes_of(room, len);
    return ERR_OK;
}

static enum err take_apps(const struct cline_app_data *apps, size_t len, struct app_room *rooms,
                          struct line_report_app *to, struct line_fault *fault)
{
    if (len > LINE_APPS_MAX || (len > 0 && apps == NULL))
        return line_fail(fault, LINE_ARGUMENTS, "at most %d applications", LINE_APPS_MAX);
    for (size_t i = 0; i < len; i++) {
        const struct cline_app_data *app = &apps[i];
        struct app_room *room = &rooms[i];
        if (app->name == NULL || *app->name == '\0')
            return line_fail(fault, LINE_ARGUMENTS, "an application without a name");
        to[i].name = app->name;
        TRY(from_hex(app->name, app->id, room->id, sizeof room->id, &to[i].id, fault));
        TRY(from_hex(app->name, app->key, room->key, sizeof room->key, &to[i].key, fault));
        TRY(from_hex(app->name, app->extra, room->extra, sizeof room->extra, &to[i].extra, fault));
    }
    return ERR_OK;
}

/* The server records what a run did, so this is one: it changes nothing at the device. */
static enum err tell(struct line_server *server, const struct line_report *told,
                     struct line_fault *fault)
{
    char run[LINE_RUN_MAX];
    struct line_report report = *told;
    struct line_package package = {0};
    const struct line_choice choice = {.id = report.config_id};
    TRY(line_run_id(run, fault));
    TRY(server->ops->config(server, &choice, &package, fault));
    report.revision = package.revision;
    report.run = run;
    line_package_done(&package);
    const struct line_begin begin = {.run = run,
                                     .operation = LINE_CHECKCONFIG,
                                     .config_id = report.config_id,
                                     .revision = report.revision,
                                     .batch = report.batch,
                                     .node_id = report.node_id};
    TRY(server->ops->begin(server, &begin, fault));
    enum err err = server->ops->report(server, &report, fault);
    const struct line_end end = {.run = run,
                                 .code = err == ERR_OK ? (int)LINE_OK : (int)fault->code,
                                 .node_id = report.node_id};
    struct line_fault second = {0};
    enum err ended = server->ops->end(server, &end, &second);
    if (err == ERR_OK && ended != ERR_OK)
        *fault = second;
    return err != ERR_OK ? err : ended;
}

int cline_set_dut_params(struct cline_server *server, int64_t timestamp, uint64_t config_id,
                         uint32_t batch, uint64_t node_id, const struct cline_app_data *apps,
                         size_t apps_len, struct cline_error *error)
{
    struct line_fault fault = {0};
    struct line_report_app list[LINE_APPS_MAX] = {0};
    struct line_report report = {.node_id = node_id,
                                 .config_id = config_id,
                                 .batch = batch,
                                 .time = timestamp,
                                 .apps = list,
                                 .apps_len = apps_len};
    if (server == NULL || node_id == 0) {
        (void)line_fail(&fault, LINE_ARGUMENTS, "a server and the node's id are wanted");
        return lib_fail(error, &fault);
    }
    struct app_room *rooms = calloc(LINE_APPS_MAX, sizeof *rooms);
    enum err err = rooms == NULL ? line_fail(&fault, LINE_UNKNOWN, "out of memory")
                                 : take_apps(apps, apps_len, rooms, list, &fault);
    if (err == ERR_OK)
        err = tell(server->server, &report, &fault);
    free(rooms);
    return err == ERR_OK ? lib_done(error) : lib_fail(error, &fault);
}

int cline_encrypt_key(const char *public_key, const void *key, size_t len, char *to, size_t cap,
                      struct cline_error *error)
{
    struct line_fault fault = {0};
    struct err_detail detail = {0};
    struct rsa_public *backend = NULL;
    AUTO(buf_done) struct buf sealed = {0};
    if (public_key == NULL || key == NULL || to == NULL) {
        (void)line_fail(&fault, LINE_ARGUMENTS, "a public key, a key and a place are wanted");
        return lib_fail(error, &fault);
    }
    enum err err = rsa_public_from_pem(bytes_str(public_key), &backend, &detail);
    if (err == ERR_OK)
        err = rsa_oaep_encrypt(backend, OAEP_SHA1, bytes_of(key, len), &sealed, &detail);
    rsa_public_free(backend);
    if (err == ERR_OK && cap < 2 * sealed.len + 1)
        err = err_set(&detail, ERR_LIMIT, "%zu bytes of room are wanted", 2 * sealed.len + 1);
    if (line_fail_err(&fault, LINE_ARGUMENTS, "", err, &detail) != ERR_OK)
        return lib_fail(error, &fault);
    hex_encode(buf_view(&sealed), to);
    return lib_done(error);
}
