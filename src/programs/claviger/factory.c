#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "base/file.h"
#include "programs/claviger/commands.h"
#include "programs/claviger/factory.h"
#include "programs/common/prompt.h"

#define PEM_MAX    ((size_t)64 * 1024)
#define PUBLIC_KEY "-----BEGIN PUBLIC KEY-----"

/* "emcm 2.4, meter 1.0" of a list of applications; names alone of a list of texts. */
const char *factory_list_text(const json_t *list, char to[FACTORY_LIST_MAX])
{
    size_t i, used = 0;
    const json_t *item;
    to[0] = '\0';
    json_array_foreach(list, i, item)
    {
        const char *name = json_is_string(item) ? json_string_value(item) : cli_text(item, "name");
        const char *version = json_is_string(item) ? "" : cli_text(item, "version");
        int len = snprintf(to + used, FACTORY_LIST_MAX - used, "%s%s%s%s", i > 0 ? ", " : "", name,
                           *version != '\0' ? " " : "", version);
        if (len < 0 || (size_t)len >= FACTORY_LIST_MAX - used)
            break;
        used += (size_t)len;
    }
    return to;
}

static void print_set(const struct cli *cli, const json_t *from)
{
    static const char *const parts[] = {"firmware", "field_configuration", "factory_configuration",
                                        "public_key"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (json_is_string(json_object_get(from, parts[i])))
            cli_say(cli, "  %-22s %s\n", parts[i], cli_text(from, parts[i]));
    }
}

static void print_files(const struct cli *cli, const json_t *package)
{
    static const char *const titles[] = {"file", "role", "bytes", "SHA-256"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *file;
    json_array_foreach(json_object_get(package, "files"), i, file)
    {
        const char *cells[] = {cli_text(file, "name"), cli_text(file, "role"),
                               cli_grouped(cli_int(file, "size")), cli_text(file, "sha256")};
        table_row(table, cells);
    }
    cli_table(cli, table);
}

static void print_package(const struct cli *cli, const json_t *package)
{
    char aliases[FACTORY_LIST_MAX];
    const json_t *kms = json_object_get(package, "kms_key");
    const json_t *keys = json_object_get(package, "gateway_keys");
    const json_t *versions = json_object_get(keys, "versions"), *node, *application;
    node = json_object_get(package, "node");
    cli_say(cli, "configuration  %s\nlabel          %s\nmade           %s by %s\n",
            cli_text(package, "config_id"), cli_text(package, "label"),
            cli_text(package, "created"), cli_text(package, "packager"));
    cli_say(cli, "aliases        %s\ncomment        %s\npackage        %s bytes, SHA-256 %s\n",
            factory_list_text(json_object_get(package, "aliases"), aliases),
            cli_text(package, "comment"), cli_grouped(cli_int(package, "size")),
            cli_text(package, "sha256"));
    cli_say(cli, "KMS key        %lld bits, %s\n", (long long)cli_int(kms, "bits"),
            cli_text(kms, "fingerprint"));
    cli_say(cli, "gateway keys   network %s, gateway key %lld, code download key %lld\n",
            cli_text(keys, "network"), (long long)cli_int(versions, "gateway"),
            (long long)cli_int(versions, "cdld"));
    cli_say(cli, "node           %s %s%s%s\n", cli_text(node, "type"), cli_text(node, "version"),
            *cli_text(package, "hardware") != '\0' ? ", hardware " : "",
            cli_text(package, "hardware"));
    print_set(cli, node);
    size_t i;
    json_array_foreach(json_object_get(package, "applications"), i, application)
    {
        cli_say(cli, "application    %s %s\n", cli_text(application, "name"),
                cli_text(application, "version"));
        print_set(cli, application);
    }
    print_files(cli, package);
}

/* ---- import ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static enum err stage(struct cli *cli, json_t **ret_result)
{
    const char *comment = cli_option(cli, "comment"), *path = cli_arg(cli, 0);
    uint64_t upload = 0;
    AUTO(secret_freep) struct secret *passphrase = NULL;
    /* before anybody is asked for a passphrase */
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(&cli->detail, "%s: can't open", path);
    TRY(cli_passphrase(cli, false, &passphrase));
    AUTO(json_freep)
    json_t *spec =
        json_pack("{s:s s:s}", "file", base_name(path), "comment", comment != NULL ? comment : "");
    if (spec == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "the file's name or the comment is not UTF-8");
    TRY(cli_set_secret(cli, spec, "passphrase", passphrase));
    TRY(cli_upload_fd(cli, fd, &upload));
    (void)json_object_set_new(spec, "upload", json_integer((json_int_t)upload));
    enum err err = cli_job(cli, json_incref(spec), NULL, ret_result, "/v1/factory/imports");
    if (err != ERR_OK)
        cli_uploads_done(cli, spec);
    if (err == ERR_SIGNATURE)
        cli_hint(cli, "claviger package inspect says who signed it; claviger factory packager add "
                      "NAME NAME.pub.pem trusts that key");
    if (err == ERR_DECRYPT)
        cli_hint(cli, "the passphrase is the one that the operator's network has");
    return err;
}

/* What a person should know of the revision that would count no longer. */
static void compare(struct cli *cli, const json_t *package)
{
    AUTO(json_freep) json_t *before = NULL;
    if (cli_call(cli, NET_HTTP_GET, NULL, &before, "/v1/factory/packages/%s",
                 cli_escape(cli_text(package, "config_id"))) != ERR_OK)
        return; /* it went meanwhile */
    if (strcmp(cli_text(before, "sha256"), cli_text(package, "sha256")) == 0)
        cli_say(cli, "It is the very same package.\n");
    else if (strcmp(cli_text(package, "created"), cli_text(before, "created")) < 0)
        cli_say(cli, "Look twice: it was made before the one that counts now (%s).\n",
                cli_text(before, "created"));
}

static enum err ask(struct cli *cli, const json_t *staged)
{
    const json_t *replaces = json_object_get(staged, "replaces");
    if (json_is_integer(replaces))
        cli_say(cli,
                "\nThis configuration is there as revision %lld; the import becomes a new one, "
                "which counts from then on.\n",
                (long long)json_integer_value(replaces));
    if (json_is_integer(replaces) && !cli->json)
        compare(cli, json_object_get(staged, "package"));
    if (cli_option(cli, "yes") != NULL)
        return ERR_OK;
    enum err err = prompt_confirm("import this package", "import", &cli->detail);
    if (err == ERR_STATE)
        cli_hint(cli, "--yes imports without asking");
    return err;
}

enum err command_factory_import(struct cli *cli)
{
    AUTO(json_freep) json_t *staged = NULL;
    AUTO(json_freep) json_t *done = NULL;
    TRY(stage(cli, &staged));
    const char *import = cli_escape(cli_text(staged, "import"));
    if (!cli->json)
        print_package(cli, json_object_get(staged, "package"));
    enum err err = ask(cli, staged);
    if (err == ERR_OK)
        err = cli_call(cli, NET_HTTP_POST, NULL, &done, "/v1/factory/imports/%s/commit", import);
    if (err != ERR_OK) {
        struct err_detail why = cli->detail;
        (void)(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/factory/imports/%s", import) ==
               ERR_OK);
        cli->detail = why;
        return err;
    }
    if (!cli_print_json(cli, done))
        cli_say(cli, "configuration %s is imported, revision %lld\n", cli_text(done, "config_id"),
                (long long)cli_int(done, "revision"));
    return ERR_OK;
}

/* ---- catalogue ---- */

/* All of them, page by page: what is in the second one's list goes to the first one's. */
static enum err read_packages(struct cli *cli, const char *search, json_t **ret_answer)
{
    AUTO(json_freep) json_t *all = NULL;
    const char *from = "";
    do {
        AUTO(json_freep) json_t *page = NULL;
        TRY(cli_call(cli, NET_HTTP_GET, NULL, &page, "/v1/factory/packages?limit=1000&q=%s%s%s",
                     cli_escape(search), *from != '\0' ? "&from=" : "", cli_escape(from)));
        from = cli_escape(cli_text(page, "next"));
        if (all == NULL)
            all = TAKE(page);
        else if (json_array_extend(json_object_get(all, "packages"),
                                   json_object_get(page, "packages")) != 0)
            return ERR_NO_MEMORY;
    } while (*from != '\0');
    (void)json_object_set_new(all, "next", json_null());
    *ret_answer = TAKE(all);
    return ERR_OK;
}

static enum err list_imports(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/factory/imports"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"import", "configuration", "label",
                                         "by",     "comment",       "minutes left"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *import;
    json_array_foreach(json_object_get(answer, "imports"), i, import)
    {
        const char *cells[] = {
            cli_text(import, "import"),  cli_text(import, "config_id"),
            cli_text(import, "label"),   cli_text(import, "imported_by"),
            cli_text(import, "comment"), cli_grouped((cli_int(import, "left") + 59) / 60)};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_factory_imports(struct cli *cli)
{
    const char *word = cli_arg(cli, 0), *import = cli_arg(cli, 1);
    if (word == NULL)
        return list_imports(cli);
    if (strcmp(word, "drop") != 0 || import == NULL)
        return err_set(&cli->detail, ERR_ARGUMENT, "wanted: nothing, or drop IMPORT");
    TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/factory/imports/%s", cli_escape(import)));
    cli_say(cli, "import %s is given up\n", import);
    return ERR_OK;
}

enum err command_factory_packages(struct cli *cli)
{
    const char *search = cli_option(cli, "search");
    AUTO(json_freep) json_t *answer = NULL;
    TRY(read_packages(cli, search != NULL ? search : "", &answer));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"configuration", "revision", "label",    "node",
                                         "applications",  "aliases",  "imported", "comment"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *package;
    json_array_foreach(json_object_get(answer, "packages"), i, package)
    {
        char node[160], applications[FACTORY_LIST_MAX], aliases[FACTORY_LIST_MAX];
        (void)snprintf(node, sizeof node, "%s %s", cli_text(package, "node_type"),
                       cli_text(package, "node_version"));
        const char *cells[] = {
            cli_text(package, "config_id"),
            cli_grouped(cli_int(package, "revision")),
            cli_text(package, "label"),
            node,
            factory_list_text(json_object_get(package, "applications"), applications),
            factory_list_text(json_object_get(package, "aliases"), aliases),
            cli_text(package, "imported"),
            cli_text(package, "comment")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_factory_show(struct cli *cli)
{
    const char *config = NULL;
    uint64_t revision = 0;
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_number(cli, "revision", UINT32_MAX, 0, &revision));
    TRY(factory_config(cli, cli_arg(cli, 0), &config));
    enum err err =
        cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/factory/packages/%s?revision=%llu",
                 cli_escape(config), (unsigned long long)revision);
    if (err == ERR_NOT_FOUND)
        cli_hint(cli, "claviger factory packages lists them");
    TRY(err);
    if (cli_print_json(cli, answer))
        return ERR_OK;
    print_package(cli, answer);
    static const char *const titles[] = {"revision", "imported", "by", "comment"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(answer, "revisions"), i, row)
    {
        const char *cells[] = {cli_grouped(cli_int(row, "revision")), cli_text(row, "imported"),
                               cli_text(row, "imported_by"), cli_text(row, "comment")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

/* ---- aliases and packagers: list, and what follows the first word ---- */

static bool is_number(const char *text)
{
    bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *digits = is_hex ? text + 2 : text;
    return *digits != '\0' &&
           digits[strspn(digits, is_hex ? "0123456789abcdefABCDEF" : "0123456789")] == '\0';
}

enum err factory_config(struct cli *cli, const char *text, const char **ret_config)
{
    static char found[32];
    AUTO(json_freep) json_t *answer = NULL;
    size_t i;
    const json_t *row;
    if (text == NULL || is_number(text)) {
        *ret_config = text;
        return ERR_OK;
    }
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/factory/aliases"));
    json_array_foreach(json_object_get(answer, "aliases"), i, row)
    {
        if (strcmp(cli_text(row, "alias"), text) != 0)
            continue;
        (void)snprintf(found, sizeof found, "%s", cli_text(row, "config_id"));
        *ret_config = found;
        return ERR_OK;
    }
    cli_hint(cli, "claviger factory packages lists ids and aliases");
    return err_set(&cli->detail, ERR_NOT_FOUND,
                   "'%.100s' is no configuration id (a number, decimal or 0x) and no alias", text);
}

static enum err wrong_words(struct cli *cli, const char *usage)
{
    return err_set(&cli->detail, ERR_ARGUMENT, "wanted: %s", usage);
}

static enum err list_aliases(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/factory/aliases"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"alias", "configuration", "changed", "by"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(answer, "aliases"), i, row)
    {
        const char *cells[] = {cli_text(row, "alias"), cli_text(row, "config_id"),
                               cli_text(row, "changed"), cli_text(row, "changed_by")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_factory_alias(struct cli *cli)
{
    const char *word = cli_arg(cli, 0), *alias = cli_arg(cli, 1), *config = cli_arg(cli, 2);
    AUTO(json_freep) json_t *answer = NULL;
    if (strcmp(word, "list") == 0 && alias == NULL)
        return list_aliases(cli);
    if (strcmp(word, "remove") == 0 && alias != NULL && config == NULL) {
        TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/factory/aliases/%s",
                     cli_escape(alias)));
        cli_say(cli, "alias '%s' is removed\n", alias);
        return ERR_OK;
    }
    if (strcmp(word, "set") != 0 || config == NULL)
        return wrong_words(cli, "list, set ALIAS CONFIG, or remove ALIAS");
    TRY(factory_config(cli, config, &config));
    json_t *body =
        json_pack("{s:s s:b}", "config_id", config, "replace", cli_option(cli, "replace") != NULL);
    enum err err =
        cli_call(cli, NET_HTTP_PUT, body, &answer, "/v1/factory/aliases/%s", cli_escape(alias));
    if (err == ERR_EXISTS)
        cli_hint(cli, "--replace takes it away from there");
    TRY(err);
    if (!cli_print_json(cli, answer))
        cli_say(cli, "%s: %s\n", alias, cli_text(answer, "config_id"));
    return ERR_OK;
}

static enum err list_packagers(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/packagers"));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"packager", "SHA-256 of the key", "added", "by"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(answer, "packagers"), i, row)
    {
        const char *cells[] = {cli_text(row, "name"), cli_text(row, "fingerprint"),
                               cli_text(row, "created"), cli_text(row, "created_by")};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

static enum err add_packager(struct cli *cli, const char *name, const char *path)
{
    AUTO(buf_done) struct buf pem = {0};
    AUTO(json_freep) json_t *answer = NULL;
    TRY(file_read(path, PEM_MAX, &pem, &cli->detail));
    /* a private key that was named by mistake goes nowhere */
    if (memmem(pem.data, pem.len, PUBLIC_KEY, strlen(PUBLIC_KEY)) == NULL)
        return err_set(&cli->detail, ERR_SYNTAX,
                       "%s: no PEM with a public key; wanted is the packager's NAME.pub.pem", path);
    json_t *body =
        json_pack("{s:s s:s#}", "name", name, "public_key", (const char *)pem.data, pem.len);
    if (body == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "%s: not a PEM file", path);
    TRY(cli_call(cli, NET_HTTP_POST, body, &answer, "/v1/packagers"));
    if (!cli_print_json(cli, answer))
        cli_say(cli, "packager '%s' is trusted, SHA-256 of the key %s\n", name,
                cli_text(answer, "fingerprint"));
    return ERR_OK;
}

enum err command_factory_packager(struct cli *cli)
{
    const char *word = cli_arg(cli, 0), *name = cli_arg(cli, 1), *path = cli_arg(cli, 2);
    if (strcmp(word, "list") == 0 && name == NULL)
        return list_packagers(cli);
    if (strcmp(word, "add") == 0 && path != NULL)
        return add_packager(cli, name, path);
    if (strcmp(word, "remove") != 0 || name == NULL || path != NULL)
        return wrong_words(cli, "list, add NAME PEM, or remove NAME");
    TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/packagers/%s", cli_escape(name)));
    cli_say(cli, "packager '%s' is not trusted any more\n", name);
    return ERR_OK;
}
