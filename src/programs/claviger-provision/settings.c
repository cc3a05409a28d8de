#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "line/port.h"
#include "programs/claviger-provision/provision.h"

#define SERVER_PORT 8085

/* ---- spellings ---- */

static bool same_name(const char *name, const char *word, size_t len)
{
    if (strlen(name) != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char a = name[i] == '_' ? '-' : name[i], b = word[i] == '_' ? '-' : word[i];
        if (a != b)
            return false;
    }
    return true;
}

static const struct option_row *find(const struct program_row *program, const char *word,
                                     size_t len)
{
    for (const struct option_row *row = program->commands[0].options; row->name != NULL; row++) {
        if (same_name(row->name, word, len))
            return row;
    }
    return NULL;
}

/* Guides print these with one dash, and no option has their first letter. */
static bool has_one_dash(const struct option_row *row)
{
    return strcmp(row->name, "wrapper") == 0 || strcmp(row->name, "config-id") == 0 ||
           strcmp(row->name, "config-alias") == 0;
}

void spell(const struct program_row *program, int argc, char **argv)
{
    /* They live as long as the process; "used", lest a compiler drop what is only written. */
    static char *made[OPTIONS_MAX] __attribute__((used));
    static size_t made_len;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        bool two = strncmp(argv[i], "--", 2) == 0;
        char *word = argv[i] + (two ? 2 : 1), *whole = NULL;
        if (argv[i][0] != '-' || *word == '\0')
            continue;
        size_t len = strcspn(word, "=");
        const struct option_row *row = find(program, word, len);
        if (row == NULL)
            continue;
        if (two)
            memcpy(word, row->name, len);
        else if (has_one_dash(row) && made_len < OPTIONS_MAX &&
                 asprintf(&whole, "--%s%s", row->name, word + len) > 0)
            argv[i] = made[made_len++] = whole;
    }
}

/* ---- values ---- */

static enum err wrong(struct line_fault *fault, const char *name, const char *text, const char *why)
{
    return line_fail(fault, LINE_ARGUMENTS, "--%s: '%s': %s", name, text, why);
}

/* Digits alone: no sign, no blanks. */
static enum err number(const char *name, const char *text, int base, uint64_t least, uint64_t most,
                       uint64_t *ret_value, struct line_fault *fault)
{
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, base);
    if (!isxdigit((unsigned char)text[0]) || *end != '\0')
        return wrong(fault, name, text, "no number");
    if (errno != 0 || value < least || value > most)
        return line_fail(fault, LINE_ARGUMENTS, "--%s: '%s' is not from %llu to %llu", name, text,
                         (unsigned long long)least, (unsigned long long)most);
    *ret_value = value;
    return ERR_OK;
}

static bool is_hex(const char *text)
{
    return text[0] == '0' && (text[1] | 32) == 'x' && isxdigit((unsigned char)text[2]);
}

enum err batch_read(const char *text, uint32_t *ret_batch, char ret_note[128],
                    struct line_fault *fault)
{
    uint64_t value = 0;
    bool hex = is_hex(text), octal = !hex && text[0] == '0' && text[1] != '\0';
    ret_note[0] = '\0';
    if (octal && text[strspn(text, "01234567")] != '\0')
        return wrong(fault, "batch", text, "it begins with 0, so it is octal, and this is not");
    TRY(number("batch", text + (hex ? 2 : 0),
               hex     ? 16
               : octal ? 8
                       : 10,
               0, UINT32_MAX, &value, fault));
    if (hex || octal)
        (void)snprintf(ret_note, 128, "batch %.20s was read as %s: it is %u in decimal", text,
                       hex ? "hexadecimal" : "octal", (unsigned)value);
    *ret_batch = (uint32_t)value;
    return ERR_OK;
}

enum err server_read(const char *text, char ret_host[256], uint16_t *ret_port,
                     struct line_fault *fault)
{
    const char *host = text, *port = NULL;
    size_t len = strlen(text);
    uint64_t value = SERVER_PORT;
    if (text[0] == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL || (end[1] != ':' && end[1] != '\0'))
            return wrong(fault, "server", text, "no address");
        host = text + 1;
        len = (size_t)(end - host);
        port = end[1] == ':' ? end + 2 : NULL;
    } else {
        const char *colon = strchr(text, ':');
        if (colon != NULL && strchr(colon + 1, ':') == NULL) {
            len = (size_t)(colon - text);
            port = colon + 1;
        }
    }
    if (len == 0 || len > 255)
        return wrong(fault, "server", text, "no address");
    if (port != NULL)
        TRY(number("server", port, 10, 1, UINT16_MAX, &value, fault));
    memcpy(ret_host, host, len);
    ret_host[len] = '\0';
    *ret_port = (uint16_t)value;
    return ERR_OK;
}

static enum err optional(const struct options *options, const char *name, uint64_t least,
                         uint64_t most, uint64_t standard, uint64_t *ret_value,
                         struct line_fault *fault)
{
    const char *text = options_get(options, name);
    *ret_value = standard;
    return text == NULL ? ERR_OK : number(name, text, 10, least, most, ret_value, fault);
}

/* ---- groups of options ---- */

static enum err read_ports(const struct options *options, struct settings *s,
                           struct line_fault *fault)
{
    const char *port;
    for (size_t n = 0; (port = options_get_nth(options, "device", n)) != NULL; n++) {
        if (n == PORTS_MAX)
            return line_fail(fault, LINE_ARGUMENTS, "more than %d ports", PORTS_MAX);
        for (size_t i = 0; i < n; i++) {
            if (strcmp(s->ports[i], port) == 0)
                return wrong(fault, "device", port, "named twice");
        }
        if (*port == '\0')
            return wrong(fault, "device", port, "no port");
        s->ports[n] = port;
        s->ports_len = n + 1;
    }
    return ERR_OK;
}

static enum err read_choice(const struct options *options, struct settings *s,
                            struct line_fault *fault)
{
    const char *id = options_get(options, "config-id");
    s->choice.alias = options_get(options, "config-alias");
    if ((id == NULL) == (s->choice.alias == NULL))
        return line_fail(fault, LINE_ARGUMENTS, "one of --config-id and --config-alias is wanted%s",
                         id != NULL ? ", not both" : "");
    if (id == NULL)
        return *s->choice.alias != '\0' ? ERR_OK : wrong(fault, "config-alias", "", "no name");
    bool hex = is_hex(id);
    return number("config-id", id + (hex ? 2 : 0), hex ? 16 : 10, 1, UINT64_MAX, &s->choice.id,
                  fault);
}

static enum err read_server(const struct options *options, struct settings *s,
                            struct line_fault *fault)
{
    const char *server = options_get(options, "server"), *other = options_get(options, "prov_srvr");
    if (server != NULL && other != NULL && strcmp(server, other) != 0)
        return line_fail(fault, LINE_ARGUMENTS, "--server and --prov_srvr name two servers");
    if (server == NULL)
        server = other;
    if (server == NULL)
        return line_fail(fault, LINE_ARGUMENTS, "option '--server HOST[:PORT]' is missing");
    TRY(server_read(server, s->host, &s->port, fault));
    s->plain = options_has(options, "disable-ssl");
    if (s->plain && options_has(options, "enable-ssl"))
        return line_fail(fault, LINE_ARGUMENTS, "--disable-ssl and --enable-ssl contradict");
    s->path_from = options_get(options, "path_trans_from");
    s->path_to = options_get(options, "path_trans_to");
    if ((s->path_from == NULL) != (s->path_to == NULL))
        return line_fail(fault, LINE_ARGUMENTS,
                         "--path_trans_from and --path_trans_to go together");
    return ERR_OK;
}

static enum err read_operation(const struct options *options, struct settings *s,
                               struct line_fault *fault)
{
    s->operation = LINE_PROVISION;
    if (options->args_len == 0)
        return ERR_OK;
    for (int i = LINE_PRETEST; i <= LINE_POSTTEST; i++) {
        if (strcasecmp(options->args[0], line_operation_name((enum line_operation)i)) == 0)
            s->operation = (enum line_operation)i;
    }
    if (s->operation == LINE_PROVISION)
        return line_fail(fault, LINE_ARGUMENTS, "'%s' is none of PRETEST, CHECKCONFIG and POSTTEST",
                         options->args[0]);
    if (options_has(options, "factory-config") || options_has(options, "skip-keys"))
        return line_fail(fault, LINE_ARGUMENTS,
                         "--factory-config and --skip-keys are for a single stage; %s says itself "
                         "what it applies",
                         line_operation_name(s->operation));
    return ERR_OK;
}

static enum err read_gateway(const struct options *options, struct settings *s,
                             struct line_fault *fault)
{
    uint64_t value = 0;
    TRY(optional(options, "control_port", 1, UINT16_MAX, LINE_GATEWAY_PORT, &value, fault));
    s->gateway = (struct line_ota_config){
        .host = options_get(options, "gateway"),
        .port = (uint16_t)value,
        .one_x = options_has(options, "csys_1_x"),
        .library = options_get(options, "gateway_library"),
        .certs = options_get(options, "gateway_certs"),
    };
    TRY(optional(options, "timeout", 1, 86400, 600, &value, fault));
    s->join_timeout_s = (unsigned)value;
    return ERR_OK;
}

static enum err read_host_id(const struct options *options, struct settings *s,
                             struct line_fault *fault)
{
    const char *id = options_get(options, "partial_mcm_id");
    s->partial_host_id = id;
    if (id != NULL && (strlen(id) != 8 || id[strspn(id, "0123456789abcdefABCDEF")] != '\0'))
        return wrong(fault, "partial_mcm_id", id, "not 8 hexadecimal digits");
    return ERR_OK;
}

/* ---- folders ---- */

static const char *home(void)
{
    const char *dir = getenv("HOME");
    const struct passwd *user = dir == NULL ? getpwuid(getuid()) : NULL;
    return dir != NULL ? dir : user != NULL ? user->pw_dir : "/";
}

static void choose_folders(const struct options *options, struct settings *s)
{
    const char *profile = options_get(options, "profile"), *cache = options_get(options, "cache");
    const char *base = getenv("XDG_CACHE_HOME");
    struct stat st;
    if (profile == NULL)
        profile = getenv("CLAVIGER_PROFILE");
    if (profile != NULL) {
        (void)snprintf(s->profile, sizeof s->profile, "%s", profile);
    } else {
        (void)snprintf(s->profile, sizeof s->profile, "%s/.config/claviger/station", home());
        if (stat(s->profile, &st) != 0)
            (void)snprintf(s->profile, sizeof s->profile, "/etc/claviger/station");
    }
    if (cache != NULL)
        (void)snprintf(s->cache, sizeof s->cache, "%s", cache);
    else if (base != NULL && base[0] == '/')
        (void)snprintf(s->cache, sizeof s->cache, "%s/claviger/line", base);
    else
        (void)snprintf(s->cache, sizeof s->cache, "%s/.cache/claviger/line", home());
}

static const char *user_name(void)
{
    const struct passwd *user = getpwuid(getuid());
    return user != NULL ? user->pw_name : NULL;
}

enum err settings_read(const struct options *options, struct settings *ret_settings,
                       struct line_fault *fault)
{
    struct settings *s = ret_settings;
    uint64_t value = 0;
    *s = (struct settings){
        .wrapper = options_get(options, "wrapper"),
        .factory_config = options_has(options, "factory-config"),
        .skip_keys = options_has(options, "skip-keys"),
        .skip_lock = options_has(options, "skip_lock"),
        .loop = options_has(options, "loop"),
        .logfile = options_get(options, "logfile"),
        .operator= options_get(options, "operator"),
    };
    if (s->operator== NULL)
        s->operator= user_name();
    TRY(read_ports(options, s, fault));
    TRY(optional(options, "baud", 300, 4000000, LINE_BAUD_DEFAULT, &value, fault));
    s->baud = (uint32_t)value;
    TRY(optional(options, "verbosity", 0, 2, 1, &value, fault));
    s->verbosity = (int)value;
    TRY(read_server(options, s, fault));
    TRY(read_choice(options, s, fault));
    TRY(batch_read(options_get(options, "batch"), &s->batch, s->batch_note, fault));
    TRY(read_operation(options, s, fault));
    TRY(read_gateway(options, s, fault));
    TRY(read_host_id(options, s, fault));
    choose_folders(options, s);
    return ERR_OK;
}
