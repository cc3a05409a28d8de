#include "programs/claviger-kmc/kmc_print.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"

#define KEY_TEXT (2 * CKMC_KEY_MAX + 1)

struct kmc_printer {
    bool json, show_key, headed;
    json_t *list;
};

struct kmc_printer *kmc_printer_new(bool json, bool show_key)
{
    struct kmc_printer *printer = calloc(1, sizeof *printer);
    if (printer == NULL)
        abort();
    printer->json = json;
    printer->show_key = show_key;
    printer->list = json_array();
    return printer;
}

static const char *kind_name(enum ckmc_kind kind)
{
    switch (kind) {
    case CKMC_GATEWAY: return "gateway";
    case CKMC_CDLD: return "cdld";
    case CKMC_NODE: return "node";
    }
    return "?";
}

static const char *title(enum ckmc_kind kind, uint64_t node, char room[64])
{
    switch (kind) {
    case CKMC_GATEWAY: return "gateway key";
    case CKMC_CDLD: return "code download key";
    case CKMC_NODE: (void)snprintf(room, 64, "node 0x%08" PRIx64, node); return room;
    }
    return "?";
}

static json_t *json_time(int64_t seconds)
{
    char text[32];
    if (seconds == 0)
        return json_null();
    clock_format(seconds, text);
    return json_string(text);
}

static void key_as_json(struct kmc_printer *printer, const struct ckmc_key *key)
{
    char check[7], id[32];
    json_t *object = json_object();
    hex_encode(bytes_of(key->check, sizeof key->check), check);
    (void)json_object_set_new(object, "kind", json_string(kind_name(key->kind)));
    if (key->kind == CKMC_NODE) {
        (void)snprintf(id, sizeof id, "0x%08" PRIx64, key->node);
        (void)json_object_set_new(object, "node", json_string(id));
    }
    (void)json_object_set_new(object, "version", json_integer(key->version));
    (void)json_object_set_new(object, "length", json_integer(key->length));
    (void)json_object_set_new(object, "check_value", json_string(check));
    bool cached = key->source == CKMC_FROM_CACHE;
    (void)json_object_set_new(object, "source", json_string(cached ? "cache" : "server"));
    if (!cached)
        (void)json_object_set_new(object, "server", json_string(key->server));
    (void)json_object_set_new(object, "cached_until", json_time(key->expires));
    if (printer->show_key) {
        char text[KEY_TEXT];
        hex_encode(bytes_of(key->key, key->length), text);
        (void)json_object_set_new(object, "key", json_string(text));
        explicit_bzero(text, sizeof text);
    }
    (void)json_array_append_new(printer->list, object);
}

void kmc_print_key(struct kmc_printer *printer, const struct ckmc_key *key)
{
    char room[64], check[7], until[32] = "not cached";
    if (printer->json) {
        key_as_json(printer, key);
        return;
    }
    hex_encode(bytes_of(key->check, sizeof key->check), check);
    if (key->expires != 0)
        clock_format(key->expires, until);
    (void)printf("%s: version %u, %u bytes, check value %s, from %s, %s%s\n",
                 title(key->kind, key->node, room), key->version, key->length, check,
                 key->source == CKMC_FROM_CACHE ? "the cache" : key->server,
                 key->expires != 0 ? "cached until " : "", until);
    if (printer->show_key) {
        char text[KEY_TEXT];
        hex_encode(bytes_of(key->key, key->length), text);
        (void)printf("  0x%s\n", text);
        explicit_bzero(text, sizeof text);
    }
}

void kmc_print_failure(struct kmc_printer *printer, const char *what,
                       const struct ckmc_error *error)
{
    if (!printer->json) {
        (void)fprintf(stderr, "claviger-kmc: %s: %s\n", ckmc_status_text(error->status),
                      error->text);
        return;
    }
    json_t *object = json_object();
    (void)json_object_set_new(object, "wanted", json_string(what));
    (void)json_object_set_new(object, "status", json_integer(error->status));
    (void)json_object_set_new(object, "error", json_string(ckmc_status_text(error->status)));
    (void)json_object_set_new(object, "detail", json_string(error->text));
    (void)json_array_append_new(printer->list, object);
}

void kmc_print_entry(struct kmc_printer *printer, const struct ckmc_entry *entry)
{
    char room[64], until[32];
    clock_format(entry->expires, until);
    if (!printer->json) {
        if (!printer->headed)
            (void)printf("%-24s %-28s %-9s %s\n", "REALM", "KEY", "VERSION", "CACHED UNTIL");
        printer->headed = true;
        (void)printf("%-24s %-28s %u%-8s %s%s\n", entry->realm,
                     title(entry->kind, entry->node, room), entry->version,
                     entry->newest != 0 ? "" : " asked", until,
                     entry->expired != 0 ? " (expired)" : "");
        return;
    }
    json_t *object = json_object();
    (void)json_object_set_new(object, "realm", json_string(entry->realm));
    (void)json_object_set_new(object, "kind", json_string(kind_name(entry->kind)));
    if (entry->kind == CKMC_NODE) {
        (void)snprintf(room, sizeof room, "0x%08" PRIx64, entry->node);
        (void)json_object_set_new(object, "node", json_string(room));
    }
    (void)json_object_set_new(object, "version", json_integer(entry->version));
    (void)json_object_set_new(object, "newest", json_boolean(entry->newest));
    (void)json_object_set_new(object, "fetched", json_time(entry->fetched));
    (void)json_object_set_new(object, "cached_until", json_time(entry->expires));
    (void)json_object_set_new(object, "expired", json_boolean(entry->expired));
    (void)json_array_append_new(printer->list, object);
}

bool kmc_printer_end(struct kmc_printer *printer)
{
    bool good = true;
    if (printer->json)
        good = json_dumpf(printer->list, stdout, JSON_INDENT(2)) == 0 && printf("\n") == 1;
    good = fflush(stdout) == 0 && ferror(stdout) == 0 && good;
    json_decref(printer->list);
    free(printer);
    return good;
}
