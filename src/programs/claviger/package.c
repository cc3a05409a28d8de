#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/json.h"
#include "base/clock.h"
#include "base/file.h"
#include "factory/package_build.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/package.h"

/* The packaging side. It needs no daemon: whoever makes packages has no key server. */

#define TRUSTED_MAX 16

static void hint(struct cli *cli, const char *text)
{
    (void)snprintf(cli->hint, sizeof cli->hint, "%s", text);
}

static enum err show_progress(void *ctx, const char *file, uint64_t done, uint64_t total)
{
    progress_show(ctx, file, done, total);
    return ERR_OK;
}

enum err package_open(struct cli *cli, const char *path, const struct package_packager *packagers,
                      size_t count, struct arena *arena, struct package_imported *ret_imported)
{
    struct progress progress;
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(&cli->detail, "%s", path);
    progress_begin(&progress, cli);
    struct package_import request = {.fd = fd,
                                     .name = path,
                                     .size_max = UINT64_MAX,
                                     .packagers = packagers,
                                     .packagers_len = count,
                                     .unproven = packagers == NULL,
                                     .progress = show_progress,
                                     .ctx = &progress};
    enum err err = package_import(&request, arena, ret_imported, &cli->detail);
    progress_end(&progress);
    return err;
}

/* What is there is somebody's key. */
static enum err refuse_existing(struct cli *cli, const char *path)
{
    if (access(path, F_OK) != 0)
        return ERR_OK;
    hint(cli, "keep it, or move it away; packages that it signed need its public half at the "
              "factory");
    return err_set(&cli->detail, ERR_EXISTS, "%s", path);
}

enum err command_package_key(struct cli *cli)
{
    const char *name = cli_option(cli, "output");
    char private_path[PATH_MAX], public_path[PATH_MAX];
    AUTO(secret_freep) struct secret *pem = NULL;
    AUTO(buf_done) struct buf public_pem = {0};
    if (snprintf(private_path, sizeof private_path, "%s.key", name) >= PATH_MAX ||
        snprintf(public_path, sizeof public_path, "%s.pub.pem", name) >= PATH_MAX)
        return err_set(&cli->detail, ERR_LIMIT, "%s: path too long", name);
    TRY(refuse_existing(cli, private_path));
    TRY(refuse_existing(cli, public_path));
    TRY(package_key_make(&pem, &public_pem, &cli->detail));
    TRY(file_write(private_path, secret_view(pem), 0600, &cli->detail));
    TRY(file_write(public_path, buf_view(&public_pem), 0644, &cli->detail));
    json_t *answer = json_pack("{s:s, s:s}", "key", private_path, "public_key", public_path);
    if (!cli_print_json(cli, answer))
        cli_say(cli,
                "%s signs packages: it stays here\n%s goes to every factory, which trusts packages "
                "signed with it\n",
                private_path, public_path);
    json_decref(answer);
    return ERR_OK;
}

static void print_summary(struct cli *cli, const struct package_imported *imported,
                          const char *what)
{
    json_t *json = package_json(imported);
    if (!cli_print_json(cli, json))
        cli_say(cli, "%s: configuration %s, version %s, %s, %s bytes\n", what,
                cli_text(json, "config_id"), cli_grouped(cli_int(json, "version")),
                cli_count((json_int_t)imported->package.files_len, "file", "files"),
                cli_grouped(cli_int(json, "size")));
    json_decref(json);
}

/* --key, or packager.key beside the manifest. */
static enum err find_key(struct cli *cli, char to[PATH_MAX])
{
    const char *said = cli_option(cli, "key");
    const char *manifest = cli_arg(cli, 0);
    const char *slash = strrchr(manifest, '/');
    int len = said != NULL ? snprintf(to, PATH_MAX, "%s", said)
                           : snprintf(to, PATH_MAX, "%.*spackager.key",
                                      slash != NULL ? (int)(slash + 1 - manifest) : 0, manifest);
    return len < PATH_MAX ? ERR_OK
                          : err_set(&cli->detail, ERR_LIMIT, "%s: path too long", manifest);
}

enum err command_package_build(struct cli *cli)
{
    char key_path[PATH_MAX];
    AUTO(arena_freep) struct arena *arena = NULL;
    AUTO(secret_freep) struct secret *pem = NULL;
    AUTO(package_signer_freep) struct package_signer *signer = NULL;
    struct package_imported built;
    TRY(arena_new(PACKAGE_MEMORY, &arena));
    TRY(find_key(cli, key_path));
    enum err err = file_read_key(key_path, PACKAGE_PEM_MAX, &pem, &cli->detail);
    if (err == ERR_NOT_FOUND)
        hint(cli, "claviger package key makes one; --key says where it is");
    TRY(err);
    err = package_signer_open(secret_view(pem), &signer, &cli->detail);
    if (err != ERR_OK) {
        hint(cli, "claviger package key makes one");
        return err_set(&cli->detail, err == ERR_NO_MEMORY ? err : ERR_KEY_FORM,
                       "%s: no private key that signs packages", key_path);
    }
    const char *epoch = getenv("SOURCE_DATE_EPOCH"); /* as reproducible-builds.org has it */
    int64_t now = epoch != NULL ? strtoll(epoch, NULL, 10) : 0;
    struct package_build request = {.manifest = cli_arg(cli, 0),
                                    .output = cli_option(cli, "output"),
                                    .signer = signer,
                                    .now = now > 0 ? now : clock_now_s()};
    err = package_build(&request, arena, &built, &cli->detail);
    if (err == ERR_SIGNATURE)
        hint(cli, "the gateway key file, its signature and the KMS public key come from one "
                  "operator's server, and together");
    TRY(err);
    print_summary(cli, &built, request.output);
    return ERR_OK;
}

static enum err print_rows(struct cli *cli, json_t *rows)
{
    static const char *const titles[] = {"what", "value"};
    struct table *table = table_new(titles, 2);
    const char *name;
    json_t *value;
    json_object_foreach(rows, name, value)
    {
        const char *cells[] = {name, json_string_value(value)};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_package_inspect(struct cli *cli)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct package_imported imported;
    TRY(arena_new(PACKAGE_MEMORY, &arena));
    TRY(package_open(cli, cli_arg(cli, 0), NULL, 0, arena, &imported));
    AUTO(json_freep) json_t *json = package_json(&imported);
    if (cli_print_json(cli, json))
        return ERR_OK;
    AUTO(json_freep) json_t *rows = package_rows(&imported);
    TRY(print_rows(cli, rows));
    cli_say(cli,
            "\nwhole, and signed with the key that it names; whether that key is to be trusted: "
            "claviger package verify\n");
    return ERR_OK;
}

enum err command_package_verify(struct cli *cli)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    struct package_packager trusted[TRUSTED_MAX];
    struct buf keys[TRUSTED_MAX] = {{0}};
    struct package_imported imported;
    size_t count = 0;
    enum err err = arena_new(PACKAGE_MEMORY, &arena);
    const char *path;
    while (err == ERR_OK && (path = options_get_nth(cli->options, "packager", count)) != NULL) {
        AUTO(buf_done) struct buf pem = {0};
        struct err_detail cause = {.code = ERR_OK};
        if (count == TRUSTED_MAX) {
            err = err_set(&cli->detail, ERR_ARGUMENT, "more than %d --packager", TRUSTED_MAX);
            break;
        }
        err = file_read(path, PACKAGE_PEM_MAX, &pem, &cli->detail);
        if (err == ERR_OK) {
            err = package_public_key(buf_view(&pem), &keys[count], &cause);
            if (err != ERR_OK)
                err = err_set(&cli->detail, err, "%s: %.200s", path, cause.text);
        }
        trusted[count] =
            (struct package_packager){.name = path, .public_key = buf_view(&keys[count])};
        count++;
    }
    if (err == ERR_OK)
        err = package_open(cli, cli_arg(cli, 0), trusted, count, arena, &imported);
    if (err == ERR_OK)
        print_summary(cli, &imported, "whole, and signed by the packager");
    else if (err == ERR_SIGNATURE)
        hint(cli, "claviger package inspect says who signed it, where it is whole");
    for (size_t i = 0; i < TRUSTED_MAX; i++)
        buf_done(&keys[i]);
    return err;
}

/* Rows of `from` that `to` has not, or otherwise; those of `to` only where `added`. */
static void compare(json_t *changes, const json_t *from, const json_t *to, bool added)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, name, value)
    {
        json_t *other = json_object_get(to, name);
        if (added ? other != NULL : json_equal(value, other))
            continue;
        json_t *before = added ? json_null() : json_incref(value);
        json_t *after = added           ? json_incref(value)
                        : other != NULL ? json_incref(other)
                                        : json_null();
        (void)json_array_append_new(
            changes, json_pack("{s:s, s:o, s:o}", "what", name, "before", before, "after", after));
    }
}

enum err command_package_diff(struct cli *cli)
{
    static const char *const titles[] = {"what", "before", "after"};
    AUTO(arena_freep) struct arena *one = NULL;
    AUTO(arena_freep) struct arena *two = NULL;
    struct package_imported before, after;
    TRY(arena_new(PACKAGE_MEMORY, &one));
    TRY(arena_new(PACKAGE_MEMORY, &two));
    TRY(package_open(cli, cli_arg(cli, 0), NULL, 0, one, &before));
    TRY(package_open(cli, cli_arg(cli, 1), NULL, 0, two, &after));
    AUTO(json_freep) json_t *old = package_rows(&before);
    AUTO(json_freep) json_t *new = package_rows(&after);
    json_t *changes = json_array();
    compare(changes, old, new, false);
    compare(changes, new, old, true);
    AUTO(json_freep)
    json_t *answer =
        json_pack("{s:b, s:o}", "same", (int)(json_array_size(changes) == 0), "changes", changes);
    if (cli_print_json(cli, answer))
        return ERR_OK;
    if (json_array_size(changes) == 0) {
        cli_say(cli, "the packages say the same\n");
        return ERR_OK;
    }
    struct table *table = table_new(titles, 3);
    size_t i;
    json_t *change;
    json_array_foreach(changes, i, change)
    {
        const char *cells[] = {cli_text(change, "what"), cli_text(change, "before"),
                               cli_text(change, "after")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}
