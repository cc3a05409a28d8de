#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "programs/claviger-kmc/kmc_print.h"
#include "programs/common/options.h"

#define DEFAULT_CONFIG  "/etc/claviger/diameter_client.conf"
#define DEFAULT_TIMEOUT 10
#define TIMEOUT_MAX     3600

struct tool {
    struct options options;
    struct ckmc *kmc;
    struct kmc_printer *printer;
    uint32_t version;
    unsigned flags;
};

static enum exit_status exit_of(int status)
{
    switch (status) {
    case CKMC_OK: return EXIT_DONE;
    case CKMC_ARGUMENT:
    case CKMC_CONFIG: return EXIT_USAGE;
    case CKMC_OFFLINE:
    case CKMC_UNREACHABLE:
    case CKMC_BUSY: return EXIT_UNREACHABLE;
    case CKMC_REFUSED:
    case CKMC_NO_KEY:
    case CKMC_UNPROTECTED:
    case CKMC_UNAUTHENTICATED: return EXIT_REFUSED;
    default: return EXIT_FAILED;
    }
}

static void on_report(void *context, const char *text)
{
    (void)context;
    (void)fprintf(stderr, "claviger-kmc: warning: %s\n", text);
}

/* JSON strings are copied by an allocator that does not wipe: ours does. */
static void *json_take(size_t size)
{
    size_t *at = malloc(size + 2 * sizeof(size_t));
    if (at == NULL)
        return NULL;
    at[0] = size;
    return at + 2;
}

static void json_give(void *pointer)
{
    if (pointer == NULL)
        return;
    size_t *at = (size_t *)pointer - 2;
    explicit_bzero(pointer, at[0]);
    free(at);
}

/* A number from 0 to `most`, or the program ends. */
static uint32_t number_option(const struct options *options, const char *name, uint32_t standard,
                              uint32_t most)
{
    const char *text = options_get(options, name);
    if (text == NULL)
        return standard;
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value > most) {
        (void)fprintf(stderr, "claviger-kmc: --%s: '%s' is no number from 0 to %u\n", name, text,
                      most);
        exit(EXIT_USAGE);
    }
    return (uint32_t)value;
}

static int one_key(struct tool *tool, enum ckmc_kind kind, uint64_t node, const char *name)
{
    struct ckmc_key key;
    struct ckmc_error error;
    int status = ckmc_get(tool->kmc, kind, node, tool->version, tool->flags, &key, &error);
    if (status == CKMC_OK)
        kmc_print_key(tool->printer, &key);
    else
        kmc_print_failure(tool->printer, name, &error);
    ckmc_key_wipe(&key);
    return status;
}

/* All are tried; the first failure is the program's. */
static int nodes(struct tool *tool)
{
    int first = CKMC_OK;
    ckmc_set_write_delay(tool->kmc, tool->options.args_len > 1 ? 1000 : 0);
    for (int i = 0; i < tool->options.args_len; i++) {
        uint64_t node = 0;
        struct ckmc_error error;
        int status = ckmc_parse_node(tool->options.args[i], &node, &error);
        if (status != CKMC_OK)
            kmc_print_failure(tool->printer, tool->options.args[i], &error);
        else
            status = one_key(tool, CKMC_NODE, node, tool->options.args[i]);
        if (first == CKMC_OK)
            first = status;
        if (status == CKMC_UNREACHABLE || status == CKMC_TLS || status == CKMC_CONFIG)
            break; /* the others would wait as long for nothing */
    }
    return first;
}

static int prefetch(struct tool *tool)
{
    struct ckmc_key gateway, cdld;
    struct ckmc_error error;
    int status = ckmc_prefetch(tool->kmc, tool->flags, &gateway, &cdld, &error);
    if (status == CKMC_OK) {
        kmc_print_key(tool->printer, &gateway);
        kmc_print_key(tool->printer, &cdld);
    } else {
        kmc_print_failure(tool->printer, "prefetch", &error);
    }
    ckmc_key_wipe(&gateway);
    ckmc_key_wipe(&cdld);
    return status;
}

static void on_entry(void *context, const struct ckmc_entry *entry)
{
    kmc_print_entry(context, entry);
}

static int cache(struct tool *tool)
{
    struct ckmc_error error;
    int status = options_has(&tool->options, "clear")
                     ? ckmc_cache_clear(tool->kmc, &error)
                     : ckmc_cache_list(tool->kmc, on_entry, tool->printer, &error);
    if (status != CKMC_OK)
        kmc_print_failure(tool->printer, "cache", &error);
    return status;
}

static int run(struct tool *tool)
{
    const char *name = tool->options.command->name;
    if (strcmp(name, "gateway") == 0)
        return one_key(tool, CKMC_GATEWAY, 0, name);
    if (strcmp(name, "cdld") == 0)
        return one_key(tool, CKMC_CDLD, 0, name);
    if (strcmp(name, "node") == 0)
        return nodes(tool);
    if (strcmp(name, "prefetch") == 0)
        return prefetch(tool);
    return cache(tool);
}

static int open_client(struct tool *tool)
{
    struct ckmc_error error;
    const struct options *options = &tool->options;
    const char *config = options_get(options, "config");
    const char *realm = options_get(options, "realm");
    uint32_t timeout = number_option(options, "timeout", DEFAULT_TIMEOUT, TIMEOUT_MAX);
    tool->version = number_option(options, "key-version", CKMC_NEWEST, CKMC_NEWEST - 257);
    if (tool->version != CKMC_NEWEST && (strcmp(options->command->name, "prefetch") == 0 ||
                                         strcmp(options->command->name, "cache") == 0)) {
        (void)fprintf(stderr, "claviger-kmc: --key-version goes with gateway, cdld and node\n");
        exit(EXIT_USAGE);
    }
    int status = ckmc_open(config != NULL ? config : DEFAULT_CONFIG, &tool->kmc, &error);
    if (status == CKMC_OK && realm != NULL)
        status = ckmc_set_realm(tool->kmc, realm, &error);
    if (status != CKMC_OK) {
        (void)fprintf(stderr, "claviger-kmc: %s: %s\n", ckmc_status_text(status), error.text);
        return status;
    }
    ckmc_set_timeout(tool->kmc, timeout * 1000);
    ckmc_on_report(tool->kmc, on_report, NULL);
    return CKMC_OK;
}

int main(int argc, char **argv)
{
    struct tool tool = {0};
    /* Keys pass through this process: no core dump. */
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    json_set_alloc_funcs(json_take, json_give);
    options_parse(&program_row, argc, argv, &tool.options);
    if (options_has(&tool.options, "offline"))
        tool.flags |= CKMC_F_OFFLINE;
    if (options_has(&tool.options, "refresh"))
        tool.flags |= CKMC_F_REFRESH;
    int status = open_client(&tool);
    if (status == CKMC_OK) {
        tool.printer = kmc_printer_new(options_has(&tool.options, "json"),
                                       options_has(&tool.options, "show-key"));
        status = run(&tool);
        if (!kmc_printer_end(tool.printer) && status == CKMC_OK)
            status = CKMC_INTERNAL;
    }
    ckmc_close(tool.kmc);
    return (int)exit_of(status);
}
