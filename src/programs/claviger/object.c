#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "base/buf.h"
#include "programs/claviger/commands.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     100000
#define PAGE          500 /* of one request */

/* KMIP objects as the daemon tells of them. Their texts are clients': printed without what could
 * move a terminal. */

/* Appends the filters that were given as "&name=value". */
static enum err add_filters(struct cli *cli, struct buf *to)
{
    static const char *const filters[] = {"search",    "q",         "type",      "type",
                                          "state",     "state",     "group",     "group",
                                          "algorithm", "algorithm", "placement", "placement"};
    for (size_t i = 0; i < ARRAY_LEN(filters); i += 2) {
        const char *value = cli_option(cli, filters[i]);
        if (value != NULL)
            TRY(buf_printf(to, "&%s=%s", filters[i + 1], cli_escape(value)));
    }
    return ERR_OK;
}

/* Pages until there are as many as were asked for. */
static enum err fetch(struct cli *cli, uint64_t limit, json_t **ret_answer)
{
    uint64_t from = 0;
    AUTO(buf_done) struct buf filters = {0};
    AUTO(json_freep) json_t *all = NULL;
    TRY(cli_number(cli, "from", INT64_MAX, 0, &from));
    TRY(add_filters(cli, &filters));
    TRY(buf_append(&filters, bytes_of("", 1)));
    for (;;) {
        AUTO(json_freep) json_t *page = NULL;
        size_t have = json_array_size(json_object_get(all, "objects"));
        uint64_t left = limit - have;
        TRY(cli_call(cli, NET_HTTP_GET, NULL, &page, "/v1/objects?from=%llu&limit=%llu%s%s",
                     (unsigned long long)from, (unsigned long long)(left < PAGE ? left : PAGE),
                     all == NULL && cli_option(cli, "counts") != NULL ? "&counts" : "",
                     (const char *)filters.data));
        json_t *next = json_object_get(page, "next");
        from = (uint64_t)json_integer_value(next);
        if (all == NULL) {
            all = json_incref(page);
        } else {
            (void)json_array_extend(json_object_get(all, "objects"),
                                    json_object_get(page, "objects"));
            (void)json_object_set(all, "next", next);
        }
        if (from == 0 || json_array_size(json_object_get(all, "objects")) >= limit)
            break;
    }
    *ret_answer = TAKE(all);
    return ERR_OK;
}

static void join(const json_t *names, char *to, size_t cap)
{
    size_t i, used = 0;
    const json_t *name;
    *to = '\0';
    json_array_foreach(names, i, name)
    {
        int n =
            snprintf(to + used, cap - used, "%s%s", i != 0 ? ", " : "", json_string_value(name));
        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

static void add_row(struct table *table, const json_t *object)
{
    char names[2048], length[24];
    join(json_object_get(object, "names"), names, sizeof names);
    (void)snprintf(length, sizeof length, "%lld", (long long)cli_int(object, "length"));
    const char *cells[] = {
        cli_text(object, "id"),         cli_text(object, "type"),
        cli_text(object, "algorithm"),  cli_int(object, "length") != 0 ? length : "",
        cli_text(object, "state"),      names,
        cli_text(object, "group"),      cli_text(object, "placement"),
        cli_text(object, "last_change")};
    const char *clean[ARRAY_LEN(cells)];
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        clean[i] = cli_printable(cells[i]);
    table_row(table, clean);
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        free((void *)(uintptr_t)clean[i]);
}

static void print_counts(const struct cli *cli, json_t *counts)
{
    static const char *const kinds[] = {"types", "states"};
    if (counts == NULL)
        return;
    cli_say(cli, "%s in all\n", cli_count(cli_int(counts, "total"), "object", "objects"));
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(counts, kinds[i]), name, value)
        {
            cli_say(cli, "%16s  %s\n", cli_grouped(json_integer_value(value)), name);
        }
    }
}

enum err command_object_list(struct cli *cli)
{
    uint64_t limit = 0;
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_number(cli, "limit", LIMIT_MAX, LIMIT_DEFAULT, &limit));
    TRY(fetch(cli, limit, &answer));
    if (cli_print_json(cli, answer))
        return ERR_OK;
    static const char *const titles[] = {"object", "type",  "algorithm", "length",     "state",
                                         "names",  "group", "placement", "last change"};
    struct table *table = table_new(titles, ARRAY_LEN(titles));
    size_t i;
    const json_t *object;
    json_array_foreach(json_object_get(answer, "objects"), i, object)
    {
        add_row(table, object);
    }
    cli_table(cli, table);
    print_counts(cli, json_object_get(answer, "counts"));
    if (json_is_integer(json_object_get(answer, "next")))
        cli_say(cli, "more: --from %lld\n", (long long)cli_int(answer, "next"));
    return ERR_OK;
}

static void say(const struct cli *cli, int width, const char *name, const char *value)
{
    char *clean_name = cli_printable(name), *clean = cli_printable(value);
    cli_say(cli, "%-*s  %s\n", width, clean_name, clean);
    free(clean_name);
    free(clean);
}

static void print_object(const struct cli *cli, const json_t *object)
{
    int width = 0;
    size_t i;
    const json_t *attribute, *attributes = json_object_get(object, "attributes");
    json_array_foreach(attributes, i, attribute)
    {
        int len = (int)strlen(cli_text(attribute, "name"));
        width = len > width ? len : width;
    }
    json_array_foreach(attributes, i, attribute)
    {
        say(cli, width, cli_text(attribute, "name"), cli_text(attribute, "value"));
    }
    say(cli, width, "group", cli_text(object, "group"));
    say(cli, width, "owner", cli_text(object, "owner"));
    say(cli, width, "placement", cli_text(object, "placement"));
    if (json_is_true(json_object_get(object, "archived")))
        say(cli, width, "archived", "yes");
}

enum err command_object_show(struct cli *cli)
{
    AUTO(json_freep) json_t *answer = NULL;
    TRY(cli_call(cli, NET_HTTP_GET, NULL, &answer, "/v1/objects/%s", cli_escape(cli_arg(cli, 0))));
    if (!cli_print_json(cli, answer))
        print_object(cli, answer);
    return ERR_OK;
}
