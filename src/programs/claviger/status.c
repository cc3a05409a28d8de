#include <string.h>

#include "programs/claviger/commands.h"

static void print_services(const struct cli *cli, const json_t *services)
{
    size_t i;
    const json_t *service;
    json_array_foreach(services, i, service)
    {
        cli_say(cli, "%-10s %s\n", cli_text(service, "service"), cli_text(service, "state"));
    }
}

static void print_queues(const struct cli *cli, const json_t *queues)
{
    size_t i;
    const json_t *queue;
    cli_say(cli, "%-10s ", "waiting");
    json_array_foreach(queues, i, queue)
    {
        cli_say(cli, "%s%s %s of %s", i > 0 ? ", " : "", cli_text(queue, "queue"),
                cli_grouped(cli_int(queue, "waiting")), cli_grouped(cli_int(queue, "waiting_max")));
    }
    cli_say(cli, "\n");
}

static void print_token(const struct cli *cli, const json_t *keeper)
{
    size_t i;
    const json_t *row;
    cli_say(cli, "\nwhat the token was found to be able to do at clavigerd init:\n");
    json_array_foreach(json_object_get(keeper, "profile"), i, row)
    {
        cli_say(cli, "  %-4s %-22s %s\n", cli_text(row, "can"), cli_text(row, "name"),
                cli_text(row, "text"));
    }
}

enum err command_status(struct cli *cli)
{
    json_t *answer = NULL;
    bool token = cli_option(cli, "token") != NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/status%s", token ? "?token" : ""));
    if (!cli_print_json(cli, answer)) {
        const json_t *store = json_object_get(answer, "store");
        const json_t *keeper = json_object_get(answer, "keeper");
        const json_t *counts = json_object_get(answer, "counts");
        cli_say(cli, "%-10s clavigerd %s, pid %" JSON_INTEGER_FORMAT ", up since %s\n", "daemon",
                cli_text(answer, "version"), cli_int(answer, "pid"), cli_text(answer, "started"));
        cli_say(cli, "%-10s %s\n", "settings", cli_text(answer, "configuration"));
        cli_say(cli, "%-10s %s\n", "token", cli_text(keeper, "token"));
        cli_say(cli, "%-10s %s, schema %" JSON_INTEGER_FORMAT ", %s bytes\n", "store",
                cli_text(store, "url"), cli_int(store, "schema"),
                cli_grouped(cli_int(store, "bytes")));
        cli_say(cli, "%-10s %s, head %.16s\n", "audit",
                cli_count(cli_int(keeper, "records"), "record", "records"),
                cli_text(keeper, "head"));
        cli_say(cli, "%-10s %s; %s released, %s refused\n", "keeper",
                cli_count(cli_int(keeper, "domains"), "domain", "domains"),
                cli_count(cli_int(keeper, "released"), "key", "keys"),
                cli_grouped(cli_int(keeper, "refused")));
        print_services(cli, json_object_get(answer, "services"));
        print_queues(cli, json_object_get(answer, "queues"));
        cli_say(cli, "%-10s %s, %s (%s revoked, %s destroyed), %s\n", "counts",
                cli_count(cli_int(counts, "networks"), "network", "networks"),
                cli_count(cli_int(counts, "nodes"), "node", "nodes"),
                cli_grouped(cli_int(counts, "revoked")), cli_grouped(cli_int(counts, "destroyed")),
                cli_count(cli_int(counts, "gateways"), "gateway", "gateways"));
        if (token)
            print_token(cli, keeper);
    }
    json_decref(answer);
    return ERR_OK;
}
