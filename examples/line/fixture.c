/* A fixture: provision the device on a port and show the files that its host needs.
 *
 *     cc fixture.c $(pkg-config --cflags --libs claviger-line) -o fixture
 *     ./fixture /dev/ttyUSB0 192.168.0.10:8085 ~/.config/claviger/station 0x12345678abc 1000
 */
#include <claviger-line.h>

#include <stdio.h>
#include <stdlib.h>

static void on_progress(void *context, const char *stage, uint32_t done, uint32_t total)
{
    (void)context;
    if (total != 0)
        printf("%s: %u of %u\n", stage, (unsigned)done, (unsigned)total);
}

/* What the code means and what to do about it. */
static int ended(int code, const char *text)
{
    const char *action;
    fprintf(stderr, "return code %d: %s\n  %s\n", code, cline_code_text(code), text);
    for (unsigned n = 0; (action = cline_code_action(code, n)) != NULL; n++)
        fprintf(stderr, "  %s\n", action);
    return code;
}

static int show_hosts(struct cline_server *server, uint64_t config_id)
{
    const struct cline_config *config;
    struct cline_error error;
    if (cline_config_get(server, config_id, NULL, 1, &config, &error) != CLINE_OK)
        return ended(error.code, error.text);
    for (size_t i = 0; i < config->apps_len; i++)
        printf("%s %s: %s\n", config->apps[i].name, config->apps[i].version,
               config->apps[i].firmware_path != NULL ? config->apps[i].firmware_path : "-");
    cline_config_free(config);
    return CLINE_OK;
}

int main(int argc, char **argv)
{
    struct cline_server *server;
    struct cline_error error;
    struct cline_outcome outcome;
    if (argc != 6) {
        fprintf(stderr, "usage: %s PORT SERVER PROFILE CONFIG-ID BATCH\n", argv[0]);
        return CLINE_ARGUMENTS;
    }
    uint64_t config_id = strtoull(argv[4], NULL, 0);
    struct cline_server_config config = {.size = sizeof config,
                                         .host = argv[2],
                                         .profile = argv[3],
                                         .cache = "/var/tmp/fixture-files"};
    if (cline_server_open(&config, &server, &error) != CLINE_OK)
        return ended(error.code, error.text);
    struct cline_job job = {.size = sizeof job,
                            .device = argv[1],
                            .config_id = config_id,
                            .batch = (uint32_t)strtoul(argv[5], NULL, 10),
                            .progress = on_progress};
    int code = cline_provision(server, &job, &outcome);
    if (code != CLINE_OK)
        ended(code, outcome.text);
    else
        printf("node 0x%08llx: done in %.1f s\n", (unsigned long long)outcome.node_id,
               outcome.seconds);
    if (code == CLINE_OK)
        code = show_hosts(server, config_id);
    cline_server_close(server);
    return code;
}
