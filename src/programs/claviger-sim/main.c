#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "net/listener.h"
#include "programs/claviger-sim/sim.h"

enum exit_status sim_fail(const char *what, enum err err, const struct err_detail *detail)
{
    (void)fprintf(stderr, "claviger-sim: %s: %s%s%s%s\n", what, err_text(err),
                  detail->text[0] != '\0' ? " (" : "", detail->text,
                  detail->text[0] != '\0' ? ")" : "");
    return exit_status_of(err);
}

enum err sim_address(const struct options *options, const char *name, char *host,
                     uint16_t *ret_port, struct err_detail *detail)
{
    const char *text = options_get(options, name);
    if (text == NULL)
        text = "127.0.0.1:4021";
    if (net_address_parse(text, SIM_PORT, host, ret_port) != ERR_OK || host[0] == '\0')
        return err_set(detail, ERR_ARGUMENT, "--%s: '%.80s' is no HOST:PORT", name, text);
    return ERR_OK;
}

void sim_print(bool json, const struct sim_result *result)
{
    char id[32];
    (void)snprintf(id, sizeof id, "0x%08" PRIx64, result->node);
    if (!json) {
        (void)printf("%s %s", id, result->text);
        if (result->source != NULL)
            (void)printf(" (key version %u from the %s)", result->key_version, result->source);
        (void)printf("\n");
        return;
    }
    json_t *object = json_object();
    (void)json_object_set_new(object, "node", json_string(id));
    (void)json_object_set_new(object, "joined", json_boolean(result->joined));
    (void)json_object_set_new(object, "result", json_string(result->text));
    if (result->source != NULL) {
        (void)json_object_set_new(object, "key_version", json_integer(result->key_version));
        (void)json_object_set_new(object, "key_source", json_string(result->source));
    }
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)printf("\n");
    json_decref(object);
}

int main(int argc, char **argv)
{
    struct options options;
    /* Keys pass through this process: no core dump. */
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    options_parse(&program_row, argc, argv, &options);
    (void)setvbuf(stdout, NULL, _IOLBF, 8192);
    if (strcmp(options.command->name, "gateway") == 0)
        return (int)sim_gateway(&options);
    if (strcmp(options.command->name, "node") == 0)
        return (int)sim_node(&options);
    return (int)sim_join(&options);
}
