#include "fake/line_server.h"

#include <stdio.h>

static struct fake_server *of(struct line_server *server)
{
    return (struct fake_server *)server;
}

static bool fails(struct fake_server *fake, const char *call)
{
    return fake->fail_call != NULL && strcmp(fake->fail_call, call) == 0;
}

static enum err leave(struct fake_server *fake, const char *call, struct line_fault *fault)
{
    return fails(fake, call) ? line_fail(fault, fake->fail_code, "fake: %s", call) : ERR_OK;
}

static enum err enter(struct fake_server *fake, const char *call, struct line_fault *fault)
{
    return fake->fail_after ? ERR_OK : leave(fake, call, fault);
}

static void nothing(struct line_server *server)
{
    (void)server;
}

static enum err config(struct line_server *server, const struct line_choice *choice,
                       struct line_package *ret_package, struct line_fault *fault)
{
    struct fake_server *fake = of(server);
    struct err_detail detail = {0};
    (void)choice;
    TRY(enter(fake, "config", fault));
    return line_fail_err(fault, LINE_SERVER_ANSWER, "fake",
                         line_package_parse(bytes_str(fake->config), ret_package, &detail),
                         &detail);
}

static enum err file(struct line_server *server, const struct line_package *package,
                     const struct line_file *wanted, struct buf *to, char *ret_path,
                     struct line_fault *fault)
{
    struct fake_server *fake = of(server);
    (void)package;
    (void)ret_path;
    TRY(enter(fake, "file", fault));
    for (size_t i = 0; i < ARRAY_LEN(fake->files); i++) {
        if (fake->files[i].name != NULL && strcmp(fake->files[i].name, wanted->name) == 0)
            return buf_append(to, bytes_str(fake->files[i].content));
    }
    return line_fail(fault, LINE_SERVER_FILE, "fake: no %s", wanted->name);
}

static enum err gateway_keys(struct line_server *server, uint64_t config_id, uint32_t revision,
                             struct line_gateway_keys *ret_keys, struct line_fault *fault)
{
    struct fake_server *fake = of(server);
    struct line_gateway_keys keys = {.gateway_version = 1, .cdld_version = 1};
    (void)config_id;
    (void)revision;
    TRY(enter(fake, "gateway keys", fault));
    TRY(check_value_of(BYTES(fake->gateway), keys.gateway_kcv));
    TRY(check_value_of(BYTES(fake->cdld), keys.cdld_kcv));
    TRY(secret_dup(BYTES(fake->gateway), &keys.gateway));
    TRY(secret_dup(BYTES(fake->cdld), &keys.cdld));
    *ret_keys = keys;
    return ERR_OK;
}

static enum err begin(struct line_server *server, const struct line_begin *told,
                      struct line_fault *fault)
{
    struct fake_server *fake = of(server);
    TRY(enter(fake, "begin", fault));
    fake->begins++;
    fake->batch = told->batch;
    fake->operation = told->operation;
    return leave(fake, "begin", fault);
}

static enum err device(struct line_server *server, uint64_t node_id, const uint8_t *kcv,
                       struct line_record *ret_record, struct line_fault *fault)
{
    struct fake_server *fake = of(server);
    (void)kcv;
    TRY(enter(fake, "device", fault));
    *ret_record =
        fake->record.known && fake->node_id == node_id ? fake->record : (struct line_record){0};
    return ERR_OK;
}

static enum err report(struct line_server *server, const struct line_report *told,
                       struct line_fault *fault)
{
    struct fake_server *fake = of(server);
    struct secret *key = NULL;
    TRY(enter(fake, "report", fault));
    TRY(rsa_oaep_decrypt(fake->key, OAEP_SHA1, told->key, &key));
    if (secret_len(key) != sizeof fake->root)
        return line_fail(fault, LINE_UNKNOWN, "fake: no root key");
    memcpy(fake->root, secret_data(key), sizeof fake->root);
    secret_free(key);
    fake->reports++;
    fake->apps = (unsigned)told->apps_len;
    fake->told_kcv = false;
    fake->node_id = told->node_id;
    fake->record = (struct line_record){
        .known = true, .config_id = told->config_id, .revision = told->revision};
    memcpy(fake->record.kcv, told->kcv, sizeof told->kcv);
    fake->record.tested = fake->operation == LINE_POSTTEST;
    for (size_t i = 0; i < told->apps_len; i++) {
        struct line_record_app *app = &fake->record.apps[fake->record.apps_len];
        if (told->apps[i].extra.len != sizeof app->kcv)
            continue;
        (void)snprintf(app->name, sizeof app->name, "%s", told->apps[i].name);
        memcpy(app->kcv, told->apps[i].extra.data, sizeof app->kcv);
        fake->record.apps_len++;
    }
    return leave(fake, "report", fault);
}

static enum err end(struct line_server *server, const struct line_end *told,
                    struct line_fault *fault)
{
    struct fake_server *fake = of(server);
    TRY(enter(fake, "end", fault));
    fake->ends++;
    fake->code = told->code;
    fake->locked = told->locked;
    (void)snprintf(fake->text, sizeof fake->text, "%s", told->text != NULL ? told->text : "");
    if (told->versions_len > 0) {
        (void)snprintf(fake->before, sizeof fake->before, "%s", told->before[0].version);
        (void)snprintf(fake->after, sizeof fake->after, "%s", told->after[0].version);
    }
    fake->told_kcv = told->kcv != NULL;
    if (told->code == LINE_OK && told->node_id == fake->node_id && told->kcv != NULL &&
        memcmp(told->kcv, fake->record.kcv, sizeof fake->record.kcv) == 0)
        fake->record.provisioned = true;
    if (told->code == LINE_OK && fake->operation == LINE_PRETEST)
        fake->record.tested = false;
    return leave(fake, "end", fault);
}

static const struct line_server_ops ops = {
    .free = nothing,
    .config = config,
    .file = file,
    .gateway_keys = gateway_keys,
    .begin = begin,
    .device = device,
    .report = report,
    .end = end,
};

void fake_server_init(struct fake_server *server, const char *json, const struct rsa_private *key)
{
    *server = (struct fake_server){.base = {&ops}, .config = json, .key = key, .code = -1};
    memset(server->gateway, 0x31, sizeof server->gateway);
    memset(server->cdld, 0x32, sizeof server->cdld);
}
