#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "crypto/random.h"
#include "kmc/claviger-kmc.h"
#include "programs/claviger-sim/image.h"
#include "programs/claviger-sim/join_client.h"
#include "programs/claviger-sim/keyring.h"
#include "programs/claviger-sim/sim.h"

#define RANGE_MAX ((uint64_t)1000000)

struct nodes {
    struct join_client client;
    struct keyring *keyring;
    bool json, forge;
    unsigned long joined, refused, failed;
};

static enum err join_with(struct nodes *nodes, uint64_t node, const uint8_t *key,
                          struct err_detail *detail)
{
    enum join_outcome outcome = JOIN_VIOLATION;
    TRY(join_client_run(&nodes->client, node, key, &outcome, detail));
    struct sim_result result = {.node = node, .joined = outcome == JOIN_JOINED};
    switch (outcome) {
    case JOIN_JOINED: result.text = "joined"; break;
    case JOIN_REFUSED: result.text = "refused"; break;
    case JOIN_RETRY_LATER: result.text = "refused for now: the gateway has no key server"; break;
    case JOIN_FALSE_PEER: result.text = "turned away: the gateway does not have its key"; break;
    default: return err_set(detail, ERR_PEER, "the gateway does not speak the join protocol");
    }
    nodes->joined += outcome == JOIN_JOINED;
    nodes->refused += outcome == JOIN_REFUSED || outcome == JOIN_FALSE_PEER;
    nodes->failed += outcome == JOIN_RETRY_LATER;
    sim_print(nodes->json, &result);
    return ERR_OK;
}

static enum err join_one(struct nodes *nodes, uint64_t node, struct err_detail *detail)
{
    AUTO(secret_block32_wipe) struct secret_block32 guess;
    const uint8_t *key = NULL;
    if (nodes->forge) {
        TRY(random_bytes(guess.data, JOIN_KEY));
        key = guess.data;
    } else {
        key = keyring_key(nodes->keyring, node);
    }
    if (key == NULL)
        return err_set(detail, ERR_NOT_FOUND, "0x%08" PRIx64 " is not in the keyring", node);
    return join_with(nodes, node, key, detail);
}

/* "0x00010200" or "0x00010200-0x000105e7". */
static enum err join_range(struct nodes *nodes, const char *text, struct err_detail *detail)
{
    char first_text[48];
    uint64_t first = 0, last = 0;
    const char *dash = strchr(text, '-');
    (void)snprintf(first_text, sizeof first_text, "%.*s",
                   dash != NULL ? (int)(dash - text) : (int)strlen(text), text);
    if (ckmc_parse_node(first_text, &first, NULL) != CKMC_OK ||
        ckmc_parse_node(dash != NULL ? dash + 1 : first_text, &last, NULL) != CKMC_OK ||
        last < first || last - first >= RANGE_MAX)
        return err_set(detail, ERR_ARGUMENT, "'%.60s' is no node id and no range of them", text);
    for (uint64_t left = last - first + 1; left != 0; left--)
        TRY(join_one(nodes, first++, detail));
    return ERR_OK;
}

/* Simulated devices that were provisioned: their keys are in their flash, where the factory's
 * station wrote them. */
static enum err join_image(void *ctx, struct image *image, struct err_detail *detail)
{
    AUTO(secret_block32_wipe) struct secret_block32 key;
    struct nodes *nodes = ctx;
    if (device_root_key(&image->device, key.data))
        return join_with(nodes, image->profile.node_id, key.data, detail);
    struct sim_result result = {.node = image->profile.node_id, .text = "has no root key"};
    nodes->refused++;
    sim_print(nodes->json, &result);
    return ERR_OK;
}

static enum err join_all(struct nodes *nodes, const struct options *options,
                         struct err_detail *detail)
{
    const char *keyring = options_get(options, "keyring");
    TRY(sim_address(options, "gateway", nodes->client.host, &nodes->client.port, detail));
    const char *state = options_get(options, "state");
    if ((keyring != NULL) + (state != NULL) + nodes->forge != 1)
        return err_set(detail, ERR_ARGUMENT, "one of --keyring, --state and --forge is wanted");
    if (state != NULL && options->args_len != 0)
        return err_set(detail, ERR_ARGUMENT, "--state says which nodes join");
    if (state != NULL)
        return image_each(state, join_image, nodes, detail);
    if (options->args_len == 0)
        return err_set(detail, ERR_ARGUMENT, "ids of nodes are wanted");
    if (keyring != NULL)
        TRY(keyring_read(keyring, detail, &nodes->keyring));
    for (int i = 0; i < options->args_len; i++)
        TRY(join_range(nodes, options->args[i], detail));
    return ERR_OK;
}

enum exit_status sim_join(const struct options *options)
{
    struct err_detail detail = {0};
    struct nodes nodes = {.client = {.fd = -1},
                          .json = options_has(options, "json"),
                          .forge = options_has(options, "forge")};
    enum err err = join_all(&nodes, options, &detail);
    file_closep(&nodes.client.fd);
    keyring_free(nodes.keyring);
    if (err != ERR_OK)
        return sim_fail("join", err, &detail);
    return nodes.refused != 0 ? EXIT_REFUSED : nodes.failed != 0 ? EXIT_UNREACHABLE : EXIT_DONE;
}
