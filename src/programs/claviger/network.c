#include <string.h>
#include <time.h>

#include "api/json.h"
#include "programs/claviger/commands.h"

static void print_network(const struct cli *cli, const json_t *network)
{
    cli_say(cli,
            "network    %s\nrealm      %s\nnode ids   %" JSON_INTEGER_FORMAT
            " bits\ncreated    %s\n",
            cli_text(network, "name"), cli_text(network, "realm"), cli_int(network, "id_bits"),
            cli_text(network, "created"));
    cli_say(cli,
            "passphrase version %" JSON_INTEGER_FORMAT
            "\nsealed by  domain key version %" JSON_INTEGER_FORMAT "%s\n",
            cli_int(network, "passphrase_version"), cli_int(network, "domain_version"),
            json_is_true(json_object_get(network, "resealing")) ? " (records are being sealed anew)"
                                                                : "");
    const json_t *nodes = json_object_get(network, "nodes");
    if (nodes != NULL)
        cli_say(cli, "nodes      %s active, %s revoked, %s destroyed\n",
                cli_grouped(cli_int(nodes, "active")), cli_grouped(cli_int(nodes, "revoked")),
                cli_grouped(cli_int(nodes, "destroyed")));
    static const char *const titles[] = {"key", "version", "state", "activates"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *key;
    json_array_foreach(json_object_get(network, "keys"), i, key)
    {
        const char *cells[] = {cli_text(key, "key"), cli_grouped(cli_int(key, "version")),
                               cli_text(key, "state"), cli_text(key, "activates")};
        table_row(table, cells);
    }
    cli_say(cli, "\n");
    cli_table(cli, table);
}

enum err command_network_create(struct cli *cli)
{
    uint64_t id_bits = 32;
    TRY(cli_number(cli, "id-bits", 64, 32, &id_bits));
    AUTO(secret_freep) struct secret *passphrase = NULL;
    TRY(cli_passphrase(cli, true, &passphrase));
    json_t *body = json_pack("{s:s s:s s:I}", "name", cli_arg(cli, 0), "realm",
                             cli_option(cli, "realm"), "id_bits", (json_int_t)id_bits);
    if (body == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "the name or realm is not UTF-8 text");
    enum err err = cli_set_secret(cli, body, "passphrase", passphrase);
    if (err != ERR_OK) {
        json_decref(body);
        return err;
    }
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_POST, body, &answer, "/v1/networks"));
    if (!cli_print_json(cli, answer)) {
        cli_say(cli, "network '%s' is made, with its gateway, code download and base keys\n\n",
                cli_arg(cli, 0));
        print_network(cli, answer);
    }
    return ERR_OK;
}

enum err command_network_list(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    bool counts = cli_option(cli, "counts") != NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/networks%s", counts ? "?counts" : ""));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"network", "realm",   "ids",      "created",
                                         "active",  "revoked", "destroyed"};
    struct table *table = table_new(titles, ARRAY_LEN(titles) - (counts ? 0 : 3));
    size_t i;
    const json_t *network;
    json_array_foreach(json_object_get(answer, "networks"), i, network)
    {
        const json_t *nodes = json_object_get(network, "nodes");
        const char *cells[] = {cli_text(network, "name"),
                               cli_text(network, "realm"),
                               cli_int(network, "id_bits") == 64 ? "64 bits" : "32 bits",
                               cli_text(network, "created"),
                               cli_grouped(cli_int(nodes, "active")),
                               cli_grouped(cli_int(nodes, "revoked")),
                               cli_grouped(cli_int(nodes, "destroyed"))};
        table_row(table, cells);
    }
    cli_table(cli, table);
    return ERR_OK;
}

enum err command_network_show(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/networks/%s?counts",
                 cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        print_network(cli, answer);
    return ERR_OK;
}

/* "2027-01-01T00:00:00Z" or "2027-01-01". */
static enum err parse_time(struct cli *cli, const char *text, json_int_t *ret_seconds)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, formats[i], &tm);
        if (end != NULL && *end == '\0') {
            struct tm real = tm;
            *ret_seconds = timegm(&real);
            if (real.tm_mday == tm.tm_mday) /* no 31st of February */
                return ERR_OK;
        }
    }
    return err_set(&cli->detail, ERR_ARGUMENT,
                   "--at %s: a time such as 2027-01-01T00:00:00Z is wanted", text);
}

enum err command_network_rotate(struct cli *cli)
{
    json_int_t activates = 0;
    if (cli_option(cli, "at") != NULL)
        TRY(parse_time(cli, cli_option(cli, "at"), &activates));
    json_t *body = json_pack("{s:s s:I}", "key", cli_option(cli, "key"), "activates", activates);
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_POST, body, &answer, "/v1/networks/%s/rotate",
                 cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        cli_say(cli,
                "%s key of '%s': version %" JSON_INTEGER_FORMAT
                " %s %s; the version before stays readable until it "
                "is retired\nnext: send the factory a new gateway key file (claviger network "
                "export-gateway-keys)\n",
                cli_text(answer, "key"), cli_arg(cli, 0), cli_int(answer, "version"),
                activates != 0 ? "becomes active at" : "is active",
                activates != 0 ? cli_option(cli, "at") : "now");
    return ERR_OK;
}

enum err command_network_retire(struct cli *cli)
{
    uint64_t version = 0;
    TRY(cli_number(cli, "version", UINT32_MAX, 0, &version));
    bool destroy = cli_option(cli, "destroy") != NULL;
    json_t *body = json_pack("{s:s s:I s:b}", "key", cli_option(cli, "key"), "version",
                             (json_int_t)version, "destroy", destroy);
    TRY(cli_call(cli, NET_HTTP_POST, body, NULL, "/v1/networks/%s/retire",
                 cli_escape(cli_arg(cli, 0))));
    cli_say(cli, "%s key of '%s': version %llu is %s\n", cli_option(cli, "key"), cli_arg(cli, 0),
            (unsigned long long)version, destroy ? "destroyed" : "retired");
    return ERR_OK;
}

enum err command_network_set_passphrase(struct cli *cli)
{
    AUTO(secret_freep) struct secret *passphrase = NULL;
    TRY(cli_passphrase(cli, true, &passphrase));
    json_t *body = json_object();
    enum err err = cli_set_secret(cli, body, "passphrase", passphrase);
    if (err != ERR_OK) {
        json_decref(body);
        return err;
    }
    TRY(cli_call(cli, NET_HTTP_PUT, body, NULL, "/v1/networks/%s/passphrase",
                 cli_escape(cli_arg(cli, 0))));
    cli_say(
        cli,
        "the passphrase of '%s' is changed; batch files signed under the old one are refused from "
        "now on\n"
        "next: send the factory a new gateway key file (claviger network export-gateway-keys)\n",
        cli_arg(cli, 0));
    return ERR_OK;
}

enum err command_network_destroy(struct cli *cli)
{
    const char *name = cli_arg(cli, 0);
    TRY(cli_confirm(
        cli, "This destroys the network, its keys and the keys of all its nodes for good.", name));
    TRY(cli_call(cli, NET_HTTP_DELETE, NULL, NULL, "/v1/networks/%s?confirm=%s", cli_escape(name),
                 cli_escape(name)));
    cli_say(cli, "network '%s' is destroyed\n", name);
    return ERR_OK;
}
