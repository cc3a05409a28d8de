#include "kmc/record.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

/* In the associated data of every seal: a record of another format or program never opens. */
static const char seal_label[] = "claviger-kmc cache 1";

bool kmc_entry_expired(const struct kmc_entry *entry, int64_t now)
{
    return now >= entry->expires || now + KMC_SKEW < entry->fetched;
}

struct kmc_record *kmc_record_new(const struct kmc_entry *entry)
{
    size_t len = strlen(entry->realm);
    struct kmc_record *record = calloc(1, sizeof *record + len + 1);
    if (record == NULL)
        return NULL;
    record->entry = *entry;
    for (size_t i = 0; i < len; i++)
        record->realm[i] = (char)tolower((unsigned char)entry->realm[i]);
    record->entry.realm = record->realm;
    return record;
}

struct kmc_record *kmc_record_dup(const struct kmc_record *record)
{
    size_t size = sizeof *record + strlen(record->realm) + 1;
    struct kmc_record *copy = malloc(size);
    if (copy == NULL)
        return NULL;
    memcpy(copy, record, size);
    copy->entry.realm = copy->realm;
    return copy;
}

/* What is in clear, as it stands in the file. */
static void put_clear(const struct kmc_record *record, struct writer *w)
{
    const struct kmc_entry *entry = &record->entry;
    writer_u8(w, (uint8_t)entry->kind);
    writer_u8(w, entry->newest ? 1 : 0);
    writer_u64(w, entry->node);
    writer_u32(w, entry->version);
    writer_u64(w, (uint64_t)entry->fetched);
    writer_u64(w, (uint64_t)entry->expires);
    writer_u8(w, (uint8_t)strlen(record->realm));
    writer_bytes(w, bytes_str(record->realm));
}

static struct bytes seal_context(const struct kmc_record *record, uint8_t *room, size_t cap)
{
    struct writer w = writer_of(room, cap);
    writer_bytes(&w, BYTES(seal_label));
    put_clear(record, &w);
    return writer_view(&w);
}

enum err kmc_record_seal(struct kmc_record *record, struct aead *aead, struct bytes key)
{
    uint8_t room[sizeof seal_label + KMC_RECORD_MAX];
    if (key.len == 0 || key.len > KMC_KEY_MAX)
        return ERR_ARGUMENT;
    record->key_len = (uint8_t)key.len;
    return aead_seal(aead, record->nonce, seal_context(record, room, sizeof room), key,
                     record->sealed, record->tag);
}

enum err kmc_record_open(const struct kmc_record *record, struct aead *aead,
                         uint8_t ret_key[KMC_KEY_MAX])
{
    uint8_t room[sizeof seal_label + KMC_RECORD_MAX];
    return aead_open(aead, record->nonce, seal_context(record, room, sizeof room),
                     bytes_of(record->sealed, record->key_len), record->tag, ret_key);
}

void kmc_record_encode(const struct kmc_record *record, struct writer *w)
{
    put_clear(record, w);
    writer_bytes(w, BYTES(record->nonce));
    writer_u8(w, record->key_len);
    writer_bytes(w, bytes_of(record->sealed, record->key_len));
    writer_bytes(w, BYTES(record->tag));
}

enum err kmc_record_decode(struct reader *r, struct kmc_record **ret_record)
{
    char realm[KMC_REALM_MAX + 1] = {0};
    struct kmc_entry entry = {.realm = realm};
    uint8_t kind = reader_u8(r);
    uint8_t newest = reader_u8(r);
    entry.kind = (enum kmc_kind)kind;
    entry.newest = newest == 1;
    entry.node = reader_u64(r);
    entry.version = reader_u32(r);
    uint64_t fetched = reader_u64(r), expires = reader_u64(r);
    entry.fetched = (int64_t)fetched;
    entry.expires = (int64_t)expires;
    size_t realm_len = reader_u8(r);
    reader_copy(r, realm, realm_len);
    TRY(reader_status(r));
    if (kind < KMC_GATEWAY || kind > KMC_NODE || newest > 1 || fetched > INT64_MAX / 2 ||
        expires > INT64_MAX / 2 || realm_len == 0 || strlen(realm) != realm_len)
        return ERR_SYNTAX;
    struct kmc_record *record = kmc_record_new(&entry);
    if (record == NULL)
        return ERR_NO_MEMORY;
    reader_copy(r, record->nonce, sizeof record->nonce);
    record->key_len = reader_u8(r);
    /* Only what we write: one spelling of a realm, so that no other byte opens it too. */
    if (strcmp(record->realm, realm) != 0 || record->key_len == 0 || record->key_len > KMC_KEY_MAX)
        reader_fail(r, ERR_SYNTAX);
    else
        reader_copy(r, record->sealed, record->key_len);
    reader_copy(r, record->tag, sizeof record->tag);
    enum err err = reader_status(r);
    if (err != ERR_OK) {
        free(record);
        return err;
    }
    *ret_record = record;
    return ERR_OK;
}

/* Same key, whatever version? */
static int compare_selector(const struct kmc_entry *a, const struct kmc_entry *b)
{
    int by_realm = strcasecmp(a->realm, b->realm);
    if (by_realm != 0)
        return by_realm;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static int compare(const struct kmc_entry *a, const struct kmc_entry *b)
{
    int by_selector = compare_selector(a, b);
    if (by_selector != 0)
        return by_selector;
    if (a->newest || b->newest)
        return (int)b->newest - (int)a->newest;
    return a->version < b->version ? -1 : a->version > b->version;
}

/* Where it stands, or would. */
static size_t place_of(const struct kmc_table *table, const struct kmc_entry *entry)
{
    size_t low = 0, high = table->len;
    /* What comes sorted, as from a file, goes to the end. */
    if (high != 0 && compare(&table->at[high - 1]->entry, entry) < 0)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&table->at[middle]->entry, entry) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void kmc_table_done(struct kmc_table *table)
{
    for (size_t i = 0; i < table->len; i++)
        free(table->at[i]);
    free(table->at);
    *table = (struct kmc_table){0};
}

enum err kmc_table_put(struct kmc_table *table, struct kmc_record *record, int64_t now)
{
    size_t place = place_of(table, &record->entry);
    if (place < table->len && compare(&table->at[place]->entry, &record->entry) == 0) {
        struct kmc_record *there = table->at[place];
        /* Another process may have asked later and written earlier. */
        if (there->entry.fetched > record->entry.fetched &&
            !kmc_entry_expired(&there->entry, now)) {
            free(record);
            return ERR_OK;
        }
        free(there);
        table->at[place] = record;
        return ERR_OK;
    }
    if (table->len >= KMC_ENTRIES_MAX)
        kmc_table_drop_expired(table, now);
    if (table->len >= KMC_ENTRIES_MAX)
        return ERR_LIMIT;
    if (table->len == table->cap) {
        size_t cap = table->cap == 0 ? 64 : 2 * table->cap;
        struct kmc_record **at = realloc(table->at, cap * sizeof(struct kmc_record *));
        if (at == NULL)
            return ERR_NO_MEMORY;
        table->at = at;
        table->cap = cap;
    }
    place = place_of(table, &record->entry);
    memmove(&table->at[place + 1], &table->at[place],
            (table->len - place) * sizeof(struct kmc_record *));
    table->at[place] = record;
    table->len++;
    return ERR_OK;
}

const struct kmc_record *kmc_table_find(const struct kmc_table *table,
                                        const struct kmc_entry *wanted)
{
    size_t place = place_of(table, wanted);
    if (place < table->len && compare(&table->at[place]->entry, wanted) == 0)
        return table->at[place];
    return NULL;
}

/* Keep what `drop` does not name. */
static void filter(struct kmc_table *table,
                   bool (*drop)(const struct kmc_entry *entry, const void *ctx), const void *ctx)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->len; i++) {
        if (drop(&table->at[i]->entry, ctx))
            free(table->at[i]);
        else
            table->at[kept++] = table->at[i];
    }
    table->len = kept;
}

static bool is_selected(const struct kmc_entry *entry, const void *ctx)
{
    return compare_selector(entry, ctx) == 0;
}

static bool is_version(const struct kmc_entry *entry, const void *ctx)
{
    const struct kmc_entry *wanted = ctx;
    return entry->version == wanted->version && compare_selector(entry, wanted) == 0;
}

static bool is_expired(const struct kmc_entry *entry, const void *ctx)
{
    const int64_t *now = ctx;
    return kmc_entry_expired(entry, *now);
}

void kmc_table_remove(struct kmc_table *table, const struct kmc_entry *entry, bool one_version)
{
    filter(table, one_version ? is_version : is_selected, entry);
}

void kmc_table_drop_expired(struct kmc_table *table, int64_t now)
{
    filter(table, is_expired, &now);
}
