/* A gateway's start: its own keys, then those of the nodes named on the command line.
 *
 *     cc gateway_start.c $(pkg-config --cflags --libs claviger-kmc) -o gateway_start
 *     ./gateway_start diameter_client.conf 0x00010200 0x00010201
 */
#include <claviger-kmc.h>

#include <stdio.h>

static void on_report(void *context, const char *text)
{
    (void)context;
    fprintf(stderr, "warning: %s\n", text);
}

static void show(const char *what, const struct ckmc_key *key)
{
    printf("%s: version %u, check value %02x%02x%02x, from the %s\n", what, (unsigned)key->version,
           key->check[0], key->check[1], key->check[2],
           key->source == CKMC_FROM_CACHE ? "cache" : "server");
}

static int start(struct ckmc *kmc, int nodes_len, char **nodes)
{
    struct ckmc_error error;
    struct ckmc_key gateway, cdld;
    int status = ckmc_prefetch(kmc, 0, &gateway, &cdld, &error);
    if (status == CKMC_OK) {
        show("gateway key", &gateway);
        show("code download key", &cdld);
    }
    ckmc_key_wipe(&gateway);
    ckmc_key_wipe(&cdld);
    for (int i = 0; i < nodes_len && status == CKMC_OK; i++) {
        struct ckmc_key key;
        uint64_t node;
        status = ckmc_parse_node(nodes[i], &node, &error);
        if (status != CKMC_OK)
            break;
        status = ckmc_get(kmc, CKMC_NODE, node, CKMC_NEWEST, 0, &key, &error);
        if (status == CKMC_REFUSED) {
            printf("%s: not ours, it may not join\n", nodes[i]);
            status = CKMC_OK;
        } else if (status == CKMC_OK) {
            show(nodes[i], &key);
        }
        ckmc_key_wipe(&key);
    }
    if (status != CKMC_OK)
        fprintf(stderr, "%s: %s\n", ckmc_status_text(status), error.text);
    return status;
}

int main(int argc, char **argv)
{
    struct ckmc *kmc;
    struct ckmc_error error;
    if (argc < 2) {
        fprintf(stderr, "usage: gateway_start diameter_client.conf [NODE]...\n");
        return 2;
    }
    if (ckmc_open(argv[1], &kmc, &error) != CKMC_OK) {
        fprintf(stderr, "%s: %s\n", ckmc_status_text(error.status), error.text);
        return 2;
    }
    ckmc_on_report(kmc, on_report, NULL);
    int status = start(kmc, argc - 2, argv + 2);
    ckmc_close(kmc);
    return status == CKMC_OK ? 0 : 1;
}
