#include "kmip/server/gate.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/random.h"

#define KEY_LEN       32
#define PARTS_MAX     6
#define WAYS          4
#define ADDRESS_TRIES 20  /* of one address, whatever the names */
#define FORGET_S      900 /* without a further wrong one */
#define PAUSE_MS      500 /* for each wrong one in a row */
#define PAUSE_MAX_MS  5000

struct place {
    uint64_t tag; /* of name and address; 0: free */
    unsigned wrong;
    int64_t last, until; /* seconds */
};

struct kmip_gate {
    struct kmip_tickets *tickets;
    uint8_t key[KEY_LEN];
    pthread_mutex_t lock; /* guards places */
    struct place places[KMIP_GATE_PLACES];
    /* From where a name was right. By itself, so that wrong ones, however many, drive none out. */
    struct place known[KMIP_GATE_PLACES];
};

enum err kmip_gate_new(struct kmip_tickets *tickets, struct kmip_gate **ret_gate)
{
    struct kmip_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL)
        return ERR_NO_MEMORY;
    gate->tickets = tickets;
    (void)pthread_mutex_init(&gate->lock, NULL);
    enum err err = random_bytes(gate->key, sizeof gate->key);
    if (err != ERR_OK) {
        kmip_gate_free(gate);
        return err;
    }
    *ret_gate = gate;
    return ERR_OK;
}

void kmip_gate_free(struct kmip_gate *gate)
{
    if (gate == NULL)
        return;
    (void)pthread_mutex_destroy(&gate->lock);
    explicit_bzero(gate->key, sizeof gate->key);
    free(gate);
}

struct kmip_tickets *gate_tickets(const struct kmip_gate *gate)
{
    return gate->tickets;
}

/* SHA-256 over the key, then each part behind its length, so that no two lists run together. */
enum err gate_hash(const struct kmip_gate *gate, const struct bytes *parts, size_t count,
                   uint8_t ret_hash[32])
{
    struct bytes all[1 + 2 * PARTS_MAX];
    uint64_t lens[PARTS_MAX];
    size_t len = 0;
    if (count > PARTS_MAX)
        return ERR_ARGUMENT;
    all[len++] = bytes_of(gate->key, sizeof gate->key);
    for (size_t i = 0; i < count; i++) {
        lens[i] = parts[i].len;
        all[len++] = bytes_of(&lens[i], sizeof lens[i]);
        all[len++] = parts[i];
    }
    return hash_sha256(all, len, ret_hash);
}

/* Where it is, or where it may go: the oldest of its set. */
static struct place *find_in(const struct kmip_gate *gate, struct place *places, struct bytes name,
                             struct bytes address, uint64_t *ret_tag)
{
    const struct bytes parts[] = {name, address};
    uint8_t hash[32] = {0};
    if (gate_hash(gate, parts, ARRAY_LEN(parts), hash) != ERR_OK)
        return NULL;
    uint64_t tag, set;
    memcpy(&tag, hash, sizeof tag);
    memcpy(&set, hash + sizeof tag, sizeof set);
    tag |= 1;
    struct place *first = &places[set % (KMIP_GATE_PLACES / WAYS) * WAYS], *oldest = first;
    for (unsigned i = 0; i < WAYS; i++) {
        if (first[i].tag == tag) {
            oldest = &first[i];
            break;
        }
        if (first[i].last < oldest->last)
            oldest = &first[i];
    }
    *ret_tag = tag;
    return oldest;
}

static struct place *find_place(struct kmip_gate *gate, struct bytes name, struct bytes address,
                                uint64_t *ret_tag)
{
    return find_in(gate, gate->places, name, address, ret_tag);
}

static bool is_known(struct kmip_gate *gate, struct bytes name, struct bytes address)
{
    uint64_t tag = 0;
    const struct place *place = find_in(gate, gate->known, name, address, &tag);
    return place != NULL && place->tag == tag;
}

static bool must_wait(struct kmip_gate *gate, struct bytes name, struct bytes address, int64_t now)
{
    uint64_t tag = 0;
    const struct place *place = find_place(gate, name, address, &tag);
    return place != NULL && place->tag == tag && now < place->until;
}

enum err gate_check(struct kmip_gate *gate, struct bytes name, struct bytes address, int64_t now,
                    struct err_detail *detail)
{
    (void)pthread_mutex_lock(&gate->lock);
    const struct bytes any = {0};
    bool wait = must_wait(gate, name, address, now) || must_wait(gate, any, address, now) ||
                (must_wait(gate, name, any, now) && !is_known(gate, name, address));
    (void)pthread_mutex_unlock(&gate->lock);
    return wait ? err_set(detail, ERR_UNAUTHENTICATED, "too many wrong ones; it has to wait")
                : ERR_OK;
}

static unsigned count_wrong(struct kmip_gate *gate, struct bytes name, struct bytes address,
                            unsigned tries, int64_t now)
{
    uint64_t tag = 0;
    struct place *place = find_place(gate, name, address, &tag);
    if (place == NULL)
        return tries;
    if (place->tag != tag || now - place->last > FORGET_S)
        *place = (struct place){.tag = tag};
    place->wrong++;
    place->last = now;
    if (place->wrong >= tries) {
        unsigned shift = place->wrong - tries;
        int64_t wait = shift < 4 ? (int64_t)KMIP_GATE_WAIT << shift : KMIP_GATE_WAIT_MAX;
        place->until = now + (wait < KMIP_GATE_WAIT_MAX ? wait : KMIP_GATE_WAIT_MAX);
    }
    return place->wrong;
}

/* Guesses that are spread over addresses. Short, so that who comes from a new address with the
 * right password gets through, and never longer. */
static void slow_name(struct kmip_gate *gate, struct bytes name, int64_t now)
{
    uint64_t tag = 0;
    struct place *place = find_place(gate, name, bytes_of(NULL, 0), &tag);
    if (place == NULL)
        return;
    if (place->tag != tag || now - place->last > FORGET_S)
        *place = (struct place){.tag = tag};
    place->wrong++;
    place->last = now;
    if (place->wrong >= KMIP_GATE_NAME_TRIES)
        place->until = now + KMIP_GATE_NAME_WAIT;
}

int64_t gate_wrong(struct kmip_gate *gate, struct bytes name, struct bytes address, int64_t now)
{
    (void)pthread_mutex_lock(&gate->lock);
    unsigned wrong = count_wrong(gate, name, address, KMIP_GATE_TRIES, now);
    (void)count_wrong(gate, bytes_of(NULL, 0), address, ADDRESS_TRIES, now);
    slow_name(gate, name, now);
    (void)pthread_mutex_unlock(&gate->lock);
    int64_t pause = (int64_t)wrong * PAUSE_MS;
    return pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
}

void gate_right(struct kmip_gate *gate, struct bytes name, struct bytes address, int64_t now)
{
    uint64_t tag = 0;
    (void)pthread_mutex_lock(&gate->lock);
    struct place *place = find_place(gate, name, address, &tag);
    if (place != NULL && place->tag == tag)
        *place = (struct place){0};
    place = find_in(gate, gate->known, name, address, &tag);
    if (place != NULL)
        *place = (struct place){.tag = tag, .last = now};
    (void)pthread_mutex_unlock(&gate->lock);
}
