#include "factory/package.h"

#include <inttypes.h>

static const char *const roles[PACKAGE_ROLES] = {
    [PACKAGE_KMS_KEY] = "kms-key",
    [PACKAGE_GATEWAY_KEYS] = "gateway-keys",
    [PACKAGE_GATEWAY_KEYS_SIGNATURE] = "gateway-keys-signature",
    [PACKAGE_FIRMWARE] = "firmware",
    [PACKAGE_FIELD_CONFIGURATION] = "field-configuration",
    [PACKAGE_FACTORY_CONFIGURATION] = "factory-configuration",
    [PACKAGE_BACKEND_KEY] = "backend-key",
};

const char *package_role_name(enum package_role role)
{
    return roles[role];
}

bool package_role_parse(const char *name, enum package_role *ret_role)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (strcmp(roles[i], name) == 0) {
            *ret_role = (enum package_role)i;
            return true;
        }
    }
    return false;
}

bool package_name_ok(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len > 0 && len <= PACKAGE_NAME_MAX && name[0] != '.' && strspn(name, allowed) == len;
}

/* Length of the UTF-8 character (RFC 3629) that `at` begins with; 0 where it is none. */
static size_t character(const uint8_t *at)
{
    size_t more = at[0] < 0x80                     ? 0
                  : at[0] >= 0xc2 && at[0] <= 0xdf ? 1
                  : at[0] >= 0xe0 && at[0] <= 0xef ? 2
                  : at[0] >= 0xf0 && at[0] <= 0xf4 ? 3
                                                   : SIZE_MAX;
    if (more == SIZE_MAX)
        return 0;
    for (size_t i = 1; i <= more; i++) {
        if ((at[i] & 0xc0) != 0x80) /* also the NUL at the end */
            return 0;
    }
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f) ||
        (at[0] == 0xc2 && at[1] < 0xa0) ||                 /* C1 controls */
        (at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe)) /* no characters of XML */
        return 0;
    return 1 + more;
}

static bool text_ok(const char *text, size_t max, bool lines)
{
    if (strlen(text) > max)
        return false;
    const uint8_t *at = (const uint8_t *)text;
    while (*at != 0) {
        size_t len = character(at);
        if (len == 0 || *at == 0x7f || (*at < 0x20 && !(lines && *at == '\n')))
            return false;
        at += len;
    }
    return true;
}

bool package_text_ok(const char *text, size_t max)
{
    return text[0] != 0 && text_ok(text, max, false);
}

bool package_comment_ok(const char *text)
{
    return text_ok(text, PACKAGE_COMMENT_MAX, true);
}

bool package_id_parse(const char *text, uint64_t *ret_id)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    const char *at = hex ? text + 2 : text;
    uint64_t id = 0;
    const uint64_t base = hex ? 16 : 10;
    if (*at == 0 || strlen(at) > 20)
        return false;
    for (; *at != 0; at++) {
        uint64_t digit = *at >= '0' && *at <= '9'          ? (uint64_t)(*at - '0')
                         : hex && *at >= 'a' && *at <= 'f' ? (uint64_t)(*at - 'a') + 10
                         : hex && *at >= 'A' && *at <= 'F' ? (uint64_t)(*at - 'A') + 10
                                                           : 16;
        if (digit >= base || id > (UINT64_MAX - digit) / base)
            return false;
        id = id * base + digit;
    }
    if (id == 0)
        return false;
    *ret_id = id;
    return true;
}

const struct package_file *package_file_find(const struct package *package, const char *name)
{
    for (size_t i = 0; i < package->files_len; i++) {
        if (strcmp(package->files[i].name, name) == 0)
            return &package->files[i];
    }
    return NULL;
}

uint64_t package_size(const struct package *package)
{
    uint64_t size = 0;
    for (size_t i = 0; i < package->files_len; i++)
        size += package->files[i].size;
    return size;
}

/* For messages: they go to terminals and pages. */
static const char *shown(const char *name)
{
    return package_text_ok(name, PACKAGE_NAME_MAX) ? name : "what is too long or no text";
}

/* One walk over everything that names a file. */
struct uses {
    const struct package *package;
    bool used[PACKAGE_FILES_MAX];
    struct err_detail *detail;
};

static enum err use(struct uses *u, const char *name, enum package_role role, bool wanted)
{
    if (name == NULL)
        return wanted ? err_set(u->detail, ERR_SYNTAX, "no file for the role %s", roles[role])
                      : ERR_OK;
    const struct package_file *file = package_file_find(u->package, name);
    if (file == NULL)
        return err_set(u->detail, ERR_SYNTAX, "%s: named as %s, and not among the files",
                       shown(name), roles[role]);
    if (file->role != role)
        return err_set(u->detail, ERR_SYNTAX, "%s: its role is %s, and it is used as %s", name,
                       roles[file->role], roles[role]);
    u->used[file - u->package->files] = true;
    return ERR_OK;
}

static enum err use_set(struct uses *u, const struct package_set *set, bool wanted)
{
    TRY(use(u, set->firmware, PACKAGE_FIRMWARE, wanted));
    TRY(use(u, set->field_configuration, PACKAGE_FIELD_CONFIGURATION, wanted));
    return use(u, set->factory_configuration, PACKAGE_FACTORY_CONFIGURATION, false);
}

static enum err check_files(const struct package *package, struct err_detail *detail)
{
    for (size_t i = 0; i < package->files_len; i++) {
        const struct package_file *file = &package->files[i];
        if (!package_name_ok(file->name) || strcmp(file->name, PACKAGE_XML_NAME) == 0 ||
            strcmp(file->name, PACKAGE_SIG_NAME) == 0)
            return err_set(detail, ERR_SYNTAX, "'%s' can't be the name of a file",
                           shown(file->name));
        if (package_file_find(package, file->name) != file)
            return err_set(detail, ERR_SYNTAX, "%s: listed twice", file->name);
        bool key =
            file->role <= PACKAGE_GATEWAY_KEYS_SIGNATURE || file->role == PACKAGE_BACKEND_KEY;
        uint64_t max = key ? PACKAGE_KEY_SIZE_MAX : PACKAGE_FILE_SIZE_MAX;
        if (file->size > max)
            return err_set(detail, ERR_LIMIT,
                           "%s: %" PRIu64 " bytes; a file of role %s has at most %" PRIu64,
                           file->name, file->size, roles[file->role], max);
    }
    struct uses u = {.package = package, .detail = detail};
    TRY(use(&u, package->kms_key, PACKAGE_KMS_KEY, true));
    TRY(use(&u, package->gateway_keys, PACKAGE_GATEWAY_KEYS, true));
    TRY(use(&u, package->gateway_keys_signature, PACKAGE_GATEWAY_KEYS_SIGNATURE, true));
    TRY(use_set(&u, &package->node.files, true));
    for (size_t i = 0; i < package->applications_len; i++) {
        TRY(use_set(&u, &package->applications[i].files, false));
        TRY(use(&u, package->applications[i].public_key, PACKAGE_BACKEND_KEY, false));
    }
    for (size_t i = 0; i < package->files_len; i++) {
        if (!u.used[i])
            return err_set(detail, ERR_SYNTAX, "%s: listed, and used for nothing",
                           package->files[i].name);
    }
    return ERR_OK;
}

static enum err check_word(const char *what, const char *text, size_t max,
                           struct err_detail *detail)
{
    if (!package_text_ok(text, max))
        return err_set(detail, ERR_SYNTAX, "%s: 1 to %zu bytes of text are wanted", what, max);
    return ERR_OK;
}

static enum err check_applications(const struct package *package, struct err_detail *detail)
{
    for (size_t i = 0; i < package->applications_len; i++) {
        const struct package_application *a = &package->applications[i];
        TRY(check_word("name of an application", a->name, PACKAGE_WORD_MAX, detail));
        TRY(check_word("version of an application", a->version, PACKAGE_WORD_MAX, detail));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(package->applications[j].name, a->name) == 0)
                return err_set(detail, ERR_SYNTAX, "application '%s' is there twice", a->name);
        }
    }
    for (size_t i = 0; i < package->aliases_len; i++) {
        if (!package_name_ok(package->aliases[i]))
            return err_set(detail, ERR_SYNTAX, "'%s' can't be an alias",
                           shown(package->aliases[i]));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(package->aliases[j], package->aliases[i]) == 0)
                return err_set(detail, ERR_SYNTAX, "alias '%s' is there twice",
                               package->aliases[i]);
        }
    }
    return ERR_OK;
}

enum err package_check(const struct package *package, struct err_detail *detail)
{
    if (package->applications_len > PACKAGE_APPLICATIONS_MAX ||
        package->aliases_len > PACKAGE_ALIASES_MAX || package->files_len > PACKAGE_FILES_MAX)
        return err_set(detail, ERR_LIMIT, "more than %d applications, %d aliases or %d files",
                       PACKAGE_APPLICATIONS_MAX, PACKAGE_ALIASES_MAX, PACKAGE_FILES_MAX);
    if (package->config_id == 0 || package->version == 0)
        return err_set(detail, ERR_SYNTAX, "configuration id and version begin with 1");
    TRY(check_word("label", package->label, PACKAGE_LABEL_MAX, detail));
    TRY(check_word("packager", package->packager, PACKAGE_WORD_MAX, detail));
    TRY(check_word("type of the node", package->node.type, PACKAGE_WORD_MAX, detail));
    TRY(check_word("version of the node", package->node.version, PACKAGE_WORD_MAX, detail));
    if (package->node.hardware[0] != 0)
        TRY(check_word("hardware of the node", package->node.hardware, PACKAGE_WORD_MAX, detail));
    if (!package_comment_ok(package->comment))
        return err_set(detail, ERR_SYNTAX, "comment: more than %d bytes, or control characters",
                       PACKAGE_COMMENT_MAX);
    if (package->packager_key.len == 0 || package->packager_key.len > PACKAGE_SPKI_MAX)
        return err_set(detail, ERR_LIMIT, "the packager's public key has %zu bytes",
                       package->packager_key.len);
    TRY(check_applications(package, detail));
    return check_files(package, detail);
}
