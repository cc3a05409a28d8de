#include "programs/claviger/import.h"

#include <string.h>

void import_line(struct cli *cli, const json_t *line)
{
    const char *verdict = cli_text(line, "verdict"), *id = cli_text(line, "id"),
               *text = cli_text(line, "text");
    bool refused = strcmp(verdict, "refused") == 0;
    if (cli->json || (cli->quiet && !refused))
        return;
    (void)fprintf(refused ? stderr : stdout, "line %" JSON_INTEGER_FORMAT ":%s%s %s%s%s\n",
                  cli_int(line, "line"), *id != '\0' ? " " : "", id, verdict,
                  *text != '\0' ? ": " : "", text);
}

void import_report(struct cli *cli, json_t *result)
{
    if (result == NULL || cli_print_json(cli, result))
        return;
    cli_say(cli, "%s: %s new, %s unchanged, %s reprovisioned, %s refused\n",
            json_object_get(result, "devices") != NULL
                ? cli_count(cli_int(result, "devices"), "device", "devices")
                : cli_count(cli_int(result, "lines"), "line", "lines"),
            cli_grouped(cli_int(result, "new")), cli_grouped(cli_int(result, "unchanged")),
            cli_grouped(cli_int(result, "reprovisioned")), cli_grouped(cli_int(result, "refused")));
    if (json_object_get(result, "backup") != NULL)
        cli_say(cli, "sealed copy of what was here before: %s\n", cli_text(result, "backup"));
    if (json_is_true(json_object_get(result, "merged")))
        cli_say(cli, "merged; gateways see it at once\n");
    else
        cli_say(cli, "nothing was changed\n");
}
