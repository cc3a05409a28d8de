#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/object_counts.h"
#include "api/resources.h"
#include "base/clock.h"
#include "kmip/attr/show.h"
#include "kmip/attr/stored.h"
#include "kmip/codec/table.h"
#include "vault/object_list.h"
#include "vault/vault.h"

/* KMIP objects of all groups for who may see that they are there: what their attributes say, never
 * what is in them. Nothing here asks the keeper. */

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     500
#define MEMORY        ((size_t)64 * 1024 * 1024) /* of one object's attributes */
#define VALUE_MAX     4096                       /* bytes of one that are shown */
#define NAMES_MAX     16                         /* of one object in a list */
#define TERMS_MAX     3

static const char *placement_name(uint32_t placement)
{
    return placement == VAULT_IN_TOKEN ? "token" : "vault";
}

/* Dates are whatever clients say: null for one that no calendar has. */
static json_t *date_json(int64_t seconds)
{
    char text[32];
    if (seconds < INT64_C(-62135596800) || seconds > INT64_C(253402300799))
        return json_null();
    clock_format(seconds, text);
    return json_string(text);
}

static json_t *enum_json(uint32_t tag, uint32_t value)
{
    char text[16];
    return value != 0 ? json_string(kmip_show_enum(tag, value, text)) : json_null();
}

static json_t *group_json(struct api *api, uint32_t group)
{
    char name[VAULT_CLIENT_NAME_MAX + 1];
    vault_group_name(api_clients(api), group, name);
    return json_string(name);
}

/* What list and details have in common; takes `names`. */
static json_t *row_json(struct api *api, const struct vault_listed *row, json_t *names)
{
    return json_pack(
        "{s:o s:o s:o s:i s:o s:o s:o s:s s:b s:o s:o s:o s:o}", "id",
        json_of_text(bytes_str(row->uid)), "type", enum_json(KMIP_TAG_OBJECT_TYPE, row->type),
        "algorithm", enum_json(KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, row->alg), "length",
        (int)row->bits, "state", enum_json(KMIP_TAG_STATE, row->state), "names", names, "group",
        group_json(api, row->group), "placement", placement_name(row->placement), "archived",
        row->archived, "created", date_json(row->initial), "activation", date_json(row->activation),
        "deactivation", date_json(row->deactivation), "last_change", date_json(row->last_change));
}

/* ---- the list ---- */

/* A filter and what its pointers point to. */
struct wanted {
    struct vault_list list;
    struct vault_term terms[TERMS_MAX];
    struct vault_term search[KMIP_SHOW_TERMS];
};

/* NULL where the query does not have it, or has it empty. */
static const char *query_text(const struct api_call *call, const char *name)
{
    const char *text = net_http_query(call->http, name);
    return text != NULL && *text != '\0' ? text : NULL;
}

static enum err read_enum(const struct api_call *call, const char *name, uint32_t tag,
                          struct wanted *wanted, struct err_detail *detail)
{
    const char *text = query_text(call, name);
    uint32_t value = 0;
    if (text == NULL)
        return ERR_OK;
    if (!kmip_show_enum_find(tag, text, &value))
        return err_set(detail, ERR_ARGUMENT, "%s '%.32s': a name of KMIP's is wanted", name, text);
    wanted->terms[wanted->list.terms_len++] =
        (struct vault_term){.compare = VAULT_EQUAL, .key = vault_key_number(tag, value)};
    return ERR_OK;
}

static enum err read_place(const struct api_call *call, struct vault_list *list,
                           struct err_detail *detail)
{
    const char *placement = query_text(call, "placement"), *group = query_text(call, "group");
    if (placement != NULL && strcmp(placement, "vault") != 0 && strcmp(placement, "token") != 0)
        return err_set(detail, ERR_ARGUMENT, "placement '%.32s': vault or token is wanted",
                       placement);
    if (placement != NULL)
        list->placement = strcmp(placement, "token") == 0 ? VAULT_IN_TOKEN : VAULT_IN_STORE;
    if (group != NULL && vault_group_find(api_clients(call->api), group, &list->group) != ERR_OK)
        return err_set(detail, ERR_NOT_FOUND, "no group '%.64s'", group);
    return ERR_OK;
}

static enum err read_filter(const struct api_call *call, struct wanted *wanted,
                            struct err_detail *detail)
{
    struct vault_list *list = &wanted->list;
    uint64_t limit = 0;
    const char *q = query_text(call, "q");
    if (q != NULL && strlen(q) > VAULT_UID_MAX)
        return err_set(detail, ERR_ARGUMENT, "q: at most %d bytes", VAULT_UID_MAX);
    if (q != NULL) {
        list->uid = q;
        list->search = wanted->search;
        list->search_len = kmip_show_search(bytes_str(q), wanted->search);
    }
    list->terms = wanted->terms;
    TRY(read_enum(call, "type", KMIP_TAG_OBJECT_TYPE, wanted, detail));
    TRY(read_enum(call, "state", KMIP_TAG_STATE, wanted, detail));
    TRY(read_enum(call, "algorithm", KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, wanted, detail));
    TRY(read_place(call, list, detail));
    TRY(api_query_number(call, "from", INT64_MAX, 0, &list->below, detail));
    TRY(api_query_number(call, "limit", LIMIT_MAX, LIMIT_DEFAULT, &limit, detail));
    list->limit = (unsigned)limit;
    return ERR_OK;
}

struct rows {
    struct api *api;
    json_t *array;
};

static json_t *indexed_names(struct bytes entries)
{
    json_t *names = json_array();
    struct reader reader = reader_of(entries);
    uint32_t attribute = 0;
    struct bytes value = {0}, name = {0};
    bool cut = false;
    while (json_array_size(names) < NAMES_MAX && vault_key_read(&reader, &attribute, &value)) {
        if (!kmip_show_indexed_name(attribute, value, &name, &cut))
            continue;
        AUTO(json_freep) json_t *text = json_of_text(name);
        (void)json_array_append_new(names,
                                    json_sprintf("%s%s", json_string_value(text), cut ? "…" : ""));
    }
    return names;
}

static enum err append_row(void *ctx, const struct vault_listed *row)
{
    const struct rows *rows = ctx;
    json_t *json = row_json(rows->api, row, indexed_names(row->entries));
    return json_array_append_new(rows->array, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err read_page(const struct api_call *call, const struct vault_list *list, json_t *array,
                          uint64_t *ret_next, struct err_detail *detail)
{
    struct rows rows = {call->api, array};
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(api_store(call->api), STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err = vault_object_list(store_reader_conn(reader), list, clock_now_s(), append_row,
                                     &rows, ret_next, detail);
    store_reader_end(reader);
    return err;
}

static enum err list_objects(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    struct wanted wanted = {0};
    uint64_t next = 0;
    AUTO(json_freep) json_t *array = json_array();
    AUTO(json_freep) json_t *counts = NULL;
    TRY(read_filter(call, &wanted, detail));
    if (wanted.list.limit != 0)
        TRY(read_page(call, &wanted.list, array, &next, detail));
    if (net_http_query(call->http, "counts") != NULL)
        TRY(object_counts_get(api_object_counts(call->api), api_store(call->api),
                              api_clients(call->api), &counts, detail));
    return api_give(json_pack("{s:O s:o s:O*}", "objects", array, "next",
                              next != 0 ? json_integer((json_int_t)next) : json_null(), "counts",
                              counts),
                    ret_answer);
}
API_HANDLER(list_objects)

/* ---- one ---- */

struct shown {
    struct api *api;
    struct vault_object object;
    struct kmip_attrs attrs;
    struct arena *arena;
};

static enum err read_object(struct shown *shown, const char *uid, struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(api_store(shown->api), STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    enum err err = vault_object_look(store_reader_conn(reader), bytes_str(uid), shown->arena,
                                     &shown->object, detail);
    store_reader_end(reader);
    return err == ERR_NOT_FOUND ? err_set(detail, err, "no object '%.*s'", VAULT_UID_MAX, uid)
                                : err;
}

static enum err read_attributes(struct shown *shown, int64_t now, struct err_detail *detail)
{
    bool served = false;
    shown->attrs.arena = shown->arena;
    TRY(kmip_stored_add(&shown->attrs, &shown->object, now, 0));
    TRY(kmip_attrs_decode(shown->arena, shown->object.attributes, &shown->attrs, detail));
    if (!vault_object_was_served(api_vault(shown->api), shown->object.id, &served))
        kmip_attr_remove_all(&shown->attrs, KMIP_TAG_FRESH);
    else if (served && kmip_attr_find(&shown->attrs, KMIP_TAG_FRESH) != NULL)
        TRY(kmip_attr_set_num(&shown->attrs, KMIP_TAG_FRESH, KMIP_BOOLEAN, 0));
    return ERR_OK;
}

static enum err text_of(struct buf *text, json_t **ret_json)
{
    *ret_json = json_of_text(buf_view(text));
    return *ret_json != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err append_attribute(const struct shown *shown, const struct kmip_attr *attr,
                                 json_t *array)
{
    AUTO(buf_done) struct buf name = {0};
    AUTO(buf_done) struct buf value = {0};
    AUTO(json_freep) json_t *name_json = NULL;
    AUTO(json_freep) json_t *value_json = NULL;
    TRY(kmip_show_name(attr, &name));
    TRY(kmip_show_value(attr, shown->object.type, VALUE_MAX, &value));
    TRY(text_of(&name, &name_json));
    TRY(text_of(&value, &value_json));
    return json_array_append_new(
               array, json_pack("{s:O s:O}", "name", name_json, "value", value_json)) == 0
               ? ERR_OK
               : ERR_NO_MEMORY;
}

static enum err attributes_json(const struct shown *shown, json_t *array)
{
    for (const struct kmip_attr *a = shown->attrs.first; a != NULL; a = a->next)
        if (kmip_show_is(a))
            TRY(append_attribute(shown, a, array));
    return ERR_OK;
}

static json_t *names_json(const struct shown *shown)
{
    json_t *names = json_array();
    for (const struct kmip_attr *a = kmip_attr_find(&shown->attrs, KMIP_TAG_NAME); a != NULL;
         a = kmip_attr_again(a))
        (void)json_array_append_new(names, json_of_text(kmip_bytes(a->value, KMIP_TAG_NAME_VALUE)));
    return names;
}

static json_t *links_json(const struct shown *shown)
{
    json_t *links = json_array();
    for (const struct kmip_attr *a = kmip_attr_find(&shown->attrs, KMIP_TAG_LINK); a != NULL;
         a = kmip_attr_again(a)) {
        uint32_t type = kmip_enum(a->value, KMIP_TAG_LINK_TYPE, 0);
        struct bytes to = kmip_bytes(a->value, KMIP_TAG_LINKED_OBJECT_IDENTIFIER);
        (void)json_array_append_new(links, json_pack("{s:o s:o}", "type",
                                                     enum_json(KMIP_TAG_LINK_TYPE, type), "id",
                                                     json_of_text(to)));
    }
    return links;
}

static json_t *usage_json(const struct vault_object *object)
{
    if (object->usage_total < 0)
        return json_null();
    return json_pack("{s:I s:I s:o}", "total", (json_int_t)object->usage_total, "left",
                     (json_int_t)object->usage_left, "unit",
                     enum_json(KMIP_TAG_USAGE_LIMITS_UNIT, object->usage_unit));
}

/* What happened to it and what is to come, by the dates that are kept; the earliest first. */
struct event {
    int64_t time;
    uint32_t tag;
};

static int rising(const void *a, const void *b)
{
    int64_t x = ((const struct event *)a)->time, y = ((const struct event *)b)->time;
    return x < y ? -1 : x > y;
}

static json_t *history_json(const struct vault_object *o)
{
    struct event events[] = {
        {o->original_created, KMIP_TAG_ORIGINAL_CREATION_DATE},
        {o->initial, KMIP_TAG_INITIAL_DATE},
        {o->activation, KMIP_TAG_ACTIVATION_DATE},
        {o->process_start, KMIP_TAG_PROCESS_START_DATE},
        {o->protect_stop, KMIP_TAG_PROTECT_STOP_DATE},
        {o->deactivation, KMIP_TAG_DEACTIVATION_DATE},
        {o->compromise_occurred, KMIP_TAG_COMPROMISE_OCCURRENCE_DATE},
        {o->compromised, KMIP_TAG_COMPROMISE_DATE},
        {o->archive_date, KMIP_TAG_ARCHIVE_DATE},
        {o->destroyed, KMIP_TAG_DESTROY_DATE},
        {o->last_change, KMIP_TAG_LAST_CHANGE_DATE},
    };
    json_t *list = json_array();
    qsort(events, ARRAY_LEN(events), sizeof events[0], rising);
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const struct kmip_tag_row *row = kmip_tag_row(events[i].tag);
        if (events[i].time != VAULT_NO_DATE && row != NULL)
            (void)json_array_append_new(list, json_pack("{s:s s:o}", "date", row->title, "time",
                                                        date_json(events[i].time)));
    }
    return list;
}

struct owner {
    uint64_t id;
    char name[VAULT_CLIENT_NAME_MAX + 1];
};

static void find_owner(void *ctx, const struct vault_client *client)
{
    struct owner *owner = ctx;
    if (client->id == owner->id)
        memcpy(owner->name, client->name, sizeof owner->name);
}

static enum err object_json(const struct shown *shown, int64_t now, json_t **ret_json)
{
    const struct vault_object *o = &shown->object;
    struct owner owner = {.id = o->owner};
    struct vault_listed row = {.id = o->id,
                               .type = o->type,
                               .state = vault_object_state(o, now),
                               .group = o->group,
                               .placement = o->placement,
                               .alg = o->alg,
                               .bits = o->bits,
                               .archived = o->archived,
                               .initial = o->initial,
                               .activation = o->activation,
                               .deactivation = o->deactivation,
                               .last_change = o->last_change};
    memcpy(row.uid, o->uid, sizeof row.uid);
    vault_client_each(api_clients(shown->api), find_owner, &owner);
    AUTO(json_freep) json_t *attributes = json_array();
    TRY(attributes_json(shown, attributes));
    AUTO(json_freep) json_t *json = row_json(shown->api, &row, names_json(shown));
    AUTO(json_freep)
    json_t *more = json_pack("{s:o s:o s:o s:o s:O}", "owner",
                             owner.name[0] != '\0' ? json_string(owner.name) : json_null(), "usage",
                             usage_json(o), "history", history_json(o), "links", links_json(shown),
                             "attributes", attributes);
    if (json == NULL || more == NULL || json_object_update(json, more) != 0)
        return ERR_NO_MEMORY;
    *ret_json = TAKE(json);
    return ERR_OK;
}

static enum err show_object(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    int64_t now = clock_now_s();
    struct shown shown = {.api = call->api};
    AUTO(arena_freep) struct arena *arena = NULL;
    json_t *json = NULL;
    TRY(arena_new(MEMORY, &arena));
    shown.arena = arena;
    TRY(read_object(&shown, net_http_param(call->http, "id"), detail));
    TRY(read_attributes(&shown, now, detail));
    TRY(object_json(&shown, now, &json));
    return api_give(json, ret_answer);
}
API_HANDLER(show_object)
