#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "programs/claviger/commands.h"

#define PAGE 1000

enum err command_node_generate(struct cli *cli)
{
    uint64_t batch = 0;
    TRY(cli_number(cli, "batch", UINT32_MAX, 0, &batch));
    json_t *spec = json_pack("{s:s s:I s:b s:b}", "ids", cli_option(cli, "ids"), "batch",
                             (json_int_t)batch, "random", cli_option(cli, "random") != NULL,
                             "reprovision", cli_option(cli, "reprovision") != NULL);
    AUTO(json_freep) json_t *result = NULL;
    TRY(cli_job(cli, spec, NULL, &result, "/v1/networks/%s/nodes", cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, result))
        cli_say(cli, "batch %" PRIu64 " of '%s': %s made, %s reprovisioned\n", batch,
                cli_arg(cli, 0), cli_count(cli_int(result, "created"), "node", "nodes"),
                cli_grouped(cli_int(result, "reprovisioned")));
    return ERR_OK;
}

/* The id behind `id`, in the same width; false at the end of the number space. */
static bool next_id(const char *id, char *to, size_t cap)
{
    uint64_t number = strtoull(id, NULL, 16);
    unsigned digits = (unsigned)strlen(id) - 2;
    if (number == UINT64_MAX || (digits == 8 && number == UINT32_MAX))
        return false;
    (void)snprintf(to, cap, "0x%0*" PRIx64, (int)digits, number + 1);
    return true;
}

static enum err get_page(struct cli *cli, const char *from, uint64_t batch, uint64_t limit,
                         json_t **ret_answer)
{
    const char *state = cli_option(cli, "state");
    char by_batch[32] = "";
    if (cli_option(cli, "batch") != NULL)
        (void)snprintf(by_batch, sizeof by_batch, "&batch=%" PRIu64, batch);
    return cli_call(cli, NET_HTTP_GET, NULL, ret_answer,
                    "/v1/networks/%s/nodes?limit=%" PRIu64 "%s%s%s%s%s",
                    cli_escape(cli_arg(cli, 0)), limit, by_batch, from != NULL ? "&from=" : "",
                    from != NULL ? cli_escape(from) : "", state != NULL ? "&state=" : "",
                    state != NULL ? cli_escape(state) : "");
}

static void print_nodes(const struct cli *cli, const json_t *nodes, bool with_title)
{
    if (cli->quiet)
        return;
    if (with_title)
        (void)printf("%-19s%-11s%-9s%s\n", "node", "state", "batch", "reprovisioned");
    size_t i;
    const json_t *node;
    json_array_foreach(nodes, i, node)
    {
        (void)printf("%-19s%-11s%-9" JSON_INTEGER_FORMAT "%" JSON_INTEGER_FORMAT "\n",
                     cli_text(node, "id"), cli_text(node, "state"), cli_int(node, "batch"),
                     cli_int(node, "reprovisioned"));
    }
}

/* Pages are printed as they come: a network may have a hundred million nodes. */
enum err command_node_list(struct cli *cli)
{
    uint64_t limit = 100, shown = 0, batch = 0;
    char from[32];
    const char *start = cli_option(cli, "from");
    AUTO(json_freep) json_t *all = cli->json ? json_array() : NULL;
    TRY(cli_number(cli, "limit", INT64_MAX, 100, &limit));
    TRY(cli_number(cli, "batch", UINT32_MAX, 0, &batch));
    for (;;) {
        uint64_t wanted = limit == 0 || limit - shown > PAGE ? PAGE : limit - shown;
        AUTO(json_freep) json_t *answer = NULL;
        TRY(get_page(cli, start, batch, wanted, &answer));
        const json_t *nodes = json_object_get(answer, "nodes");
        size_t len = json_array_size(nodes);
        if (all != NULL)
            (void)json_array_extend(all, (json_t *)nodes);
        else
            print_nodes(cli, nodes, shown == 0);
        shown += len;
        if (len < wanted || shown == limit ||
            !next_id(cli_text(json_array_get(nodes, len - 1), "id"), from, sizeof from))
            break;
        start = from;
    }
    if (all != NULL) {
        AUTO(json_freep) json_t *answer = json_pack("{s:O}", "nodes", all);
        (void)cli_print_json(cli, answer);
    } else if (limit != 0 && shown == limit) {
        cli_say(cli, "the first %s; more with --limit or --from\n", cli_grouped((json_int_t)shown));
    }
    return ERR_OK;
}

enum err command_node_show(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/networks/%s/nodes/%s",
                 cli_escape(cli_arg(cli, 0)), cli_escape(cli_arg(cli, 1))));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    cli_say(cli,
            "node       %s\nstate      %s\nbatch      %" JSON_INTEGER_FORMAT
            "\ncount      reprovisioned %s\nwritten    %s by %s (%s)\n",
            cli_text(answer, "id"), cli_text(answer, "state"), cli_int(answer, "batch"),
            cli_count(cli_int(answer, "reprovisioned"), "time", "times"),
            cli_text(answer, "written"), cli_text(answer, "actor"), cli_text(answer, "operation"));
    size_t i;
    const json_t *version;
    json_array_foreach(json_object_get(answer, "history"), i, version)
    {
        cli_say(cli,
                "before     reprovision count %" JSON_INTEGER_FORMAT ", batch %" JSON_INTEGER_FORMAT
                ", replaced %s\n",
                cli_int(version, "reprovisioned"), cli_int(version, "batch"),
                cli_text(version, "replaced"));
    }
    return ERR_OK;
}

static enum err change(struct cli *cli, const char *step, const char *done)
{
    json_t *body = json_pack("{s:s s:s s:s*}", "change", step, "ids", cli_arg(cli, 1), "reason",
                             cli_option(cli, "reason"));
    if (body == NULL)
        return err_set(&cli->detail, ERR_SYNTAX, "the id or reason is not UTF-8 text");
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_POST, body, &answer, "/v1/networks/%s/nodes/change",
                 cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        cli_say(cli, "%s of '%s': %s %s\n", cli_arg(cli, 1), cli_arg(cli, 0),
                cli_count(cli_int(answer, "changed"), "node", "nodes"), done);
    return ERR_OK;
}

enum err command_node_revoke(struct cli *cli)
{
    return change(cli, "revoke", "revoked; gateways that cached a key keep it for its lifetime");
}

enum err command_node_reinstate(struct cli *cli)
{
    return change(cli, "reinstate", "reinstated");
}

enum err command_node_destroy(struct cli *cli)
{
    TRY(cli_confirm(cli, "This destroys the keys for good.", cli_arg(cli, 1)));
    return change(cli, "destroy", "destroyed");
}
