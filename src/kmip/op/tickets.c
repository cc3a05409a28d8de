#include "kmip/op/tickets.h"

#include <pthread.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "crypto/random.h"
#include "kmip/op/ticket_rights.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

#define BUCKETS 1024

struct ticket {
    uint8_t hash[HASH_SHA256_SIZE]; /* of the value, which nobody keeps but the client */
    uint64_t number, parent;        /* parent: what a delegated one was made with; 0 */
    uint64_t client;
    char name[VAULT_CLIENT_NAME_MAX + 1];
    int64_t expires, ends; /* ends: rotating does not go on past that */
    int64_t requests;      /* left; -1: no limit */
    struct kmip_limit limit;
    struct kmip_rights *rights; /* NULL: all of the client's */
    struct ticket *next;
};

struct kmip_tickets {
    pthread_mutex_t lock;
    struct ticket *buckets[BUCKETS];
    uint64_t last;
    size_t count;
};

enum err kmip_tickets_new(struct kmip_tickets **ret_tickets)
{
    struct kmip_tickets *tickets = calloc(1, sizeof(*tickets));
    if (tickets == NULL)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&tickets->lock, NULL);
    *ret_tickets = tickets;
    return ERR_OK;
}

static void ticket_free(struct ticket *ticket)
{
    kmip_rights_free(ticket->rights);
    explicit_bzero(ticket, sizeof(*ticket));
    free(ticket);
}

typedef bool pick_fn(const struct ticket *ticket, int64_t arg);

static void drop_picked(struct kmip_tickets *tickets, pick_fn *pick, int64_t arg)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct ticket **at = &tickets->buckets[i];
        while (*at != NULL) {
            struct ticket *ticket = *at;
            if (!pick(ticket, arg)) {
                at = &ticket->next;
                continue;
            }
            *at = ticket->next;
            tickets->count--;
            ticket_free(ticket);
        }
    }
}

static bool always(const struct ticket *ticket, int64_t arg)
{
    (void)ticket;
    (void)arg;
    return true;
}

static bool expired(const struct ticket *ticket, int64_t now)
{
    return ticket->expires <= now || ticket->requests == 0;
}

static bool family(const struct ticket *ticket, int64_t number)
{
    return ticket->number == (uint64_t)number || ticket->parent == (uint64_t)number;
}

void kmip_tickets_free(struct kmip_tickets *tickets)
{
    if (tickets == NULL)
        return;
    drop_picked(tickets, always, 0);
    pthread_mutex_destroy(&tickets->lock);
    free(tickets);
}

static struct ticket **bucket_of(struct kmip_tickets *tickets, const uint8_t *hash)
{
    return &tickets->buckets[be16_load(hash) % BUCKETS];
}

/* Lock held. */
static struct ticket *find_value(struct kmip_tickets *tickets, const struct kmip_node *ticket)
{
    struct bytes value = kmip_bytes(ticket, KMIP_TAG_TICKET_VALUE);
    uint8_t hash[HASH_SHA256_SIZE];
    if (kmip_enum(ticket, KMIP_TAG_TICKET_TYPE, 0) != KMIP_TICKET_TYPE_LOGIN ||
        value.len != KMIP_TICKET_LEN || hash_sha256(&value, 1, hash) != ERR_OK)
        return NULL;
    struct ticket *t = *bucket_of(tickets, hash);
    while (t != NULL && !secret_equal(BYTES(t->hash), BYTES(hash)))
        t = t->next;
    return t;
}

/* Lock held. The number ends with the bucket's. */
static struct ticket *find_number(struct kmip_tickets *tickets, uint64_t number)
{
    struct ticket *t = number != 0 ? tickets->buckets[number % BUCKETS] : NULL;
    while (t != NULL && t->number != number)
        t = t->next;
    return t;
}

static unsigned of_client(const struct kmip_tickets *tickets, uint64_t client)
{
    unsigned count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct ticket *t = tickets->buckets[i]; t != NULL; t = t->next)
            count += t->client == client;
    return count;
}

enum err kmip_ticket_open(struct kmip_tickets *tickets, const struct kmip_node *credential_value,
                          int64_t now, char ret_client[VAULT_CLIENT_NAME_MAX + 1], uint64_t *ret_id,
                          uint64_t *ret_ticket)
{
    pthread_mutex_lock(&tickets->lock);
    struct ticket *ticket = find_value(tickets, kmip_child(credential_value, KMIP_TAG_TICKET));
    enum err err = ticket == NULL || expired(ticket, now) ? ERR_UNAUTHENTICATED : ERR_OK;
    if (err == ERR_OK) {
        if (ticket->requests > 0)
            ticket->requests--;
        memcpy(ret_client, ticket->name, sizeof(ticket->name));
        *ret_id = ticket->client;
        *ret_ticket = ticket->number;
    }
    pthread_mutex_unlock(&tickets->lock);
    return err;
}

/* ---- making and ending them: Login, Delegated Login, Logout ---- */

/* What the ticket that the request came with leaves to one that is made with it. Lock held. */
static enum err inherit(struct kmip_call *call, struct ticket *ticket)
{
    struct ticket *old = find_number(call->request->env->tickets, call->request->ticket);
    if (old == NULL)
        return call->request->ticket == 0
                   ? ERR_OK
                   : kmip_fail(call, KMIP_REASON_INVALID_TICKET, "the ticket has ended");
    /* A delegated one that made others would hand on more than it has. */
    if (old->rights != NULL)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "a delegated ticket makes no others");
    ticket->ends = old->ends;
    if (ticket->expires > old->ends)
        ticket->expires = old->ends;
    if (old->requests >= 0 && (ticket->requests < 0 || ticket->requests > old->requests))
        ticket->requests = old->requests;
    kmip_limit_inherit(&ticket->limit, &old->limit);
    if (ticket->rights != NULL)
        ticket->parent = old->number;
    else
        drop_picked(call->request->env->tickets, family, (int64_t)old->number);
    return ERR_OK;
}

static enum err insert(struct kmip_call *call, struct ticket *ticket)
{
    struct kmip_tickets *tickets = call->request->env->tickets;
    drop_picked(tickets, expired, call->request->now);
    if (tickets->count >= KMIP_TICKETS_MAX ||
        of_client(tickets, ticket->client) >= KMIP_TICKETS_OF_CLIENT)
        return kmip_fail(call, KMIP_REASON_SERVER_LIMIT_EXCEEDED, "too many tickets");
    TRY(inherit(call, ticket));
    struct ticket **bucket = bucket_of(tickets, ticket->hash);
    ticket->number = ++tickets->last * BUCKETS + (uint64_t)(bucket - tickets->buckets);
    ticket->next = *bucket;
    *bucket = ticket;
    tickets->count++;
    return ERR_OK;
}

enum err kmip_ticket_make(struct kmip_call *call, const struct kmip_ticket_terms *terms,
                          uint8_t ret_value[KMIP_TICKET_LEN])
{
    struct kmip_request *request = call->request;
    uint8_t value[KMIP_TICKET_LEN];
    TRY(random_bytes(value, sizeof(value)));
    struct ticket *ticket = calloc(1, sizeof(*ticket));
    if (ticket == NULL)
        return ERR_NO_MEMORY;
    ticket->client = request->client->id;
    memcpy(ticket->name, request->client->name, sizeof(ticket->name));
    ticket->expires = terms->expires;
    ticket->ends = request->now + KMIP_TICKET_LIFE_MAX_S;
    ticket->requests = terms->requests;
    ticket->limit = terms->limit;
    ticket->rights = terms->rights;
    struct bytes view = BYTES(value);
    enum err err = hash_sha256(&view, 1, ticket->hash);
    if (err == ERR_OK) {
        pthread_mutex_lock(&request->env->tickets->lock);
        err = insert(call, ticket);
        pthread_mutex_unlock(&request->env->tickets->lock);
    }
    if (err == ERR_OK) {
        memcpy(ret_value, value, sizeof(value));
    } else {
        ticket->rights = NULL; /* still the caller's */
        ticket_free(ticket);
    }
    explicit_bzero(value, sizeof(value));
    return err;
}

enum err kmip_ticket_end(struct kmip_call *call, const struct kmip_node *node)
{
    struct kmip_tickets *tickets = call->request->env->tickets;
    pthread_mutex_lock(&tickets->lock);
    const struct ticket *ticket = find_value(tickets, node);
    bool mine = ticket != NULL && ticket->client == call->request->client->id;
    if (mine)
        drop_picked(tickets, family, (int64_t)ticket->number);
    pthread_mutex_unlock(&tickets->lock);
    if (!mine)
        return kmip_fail(call, KMIP_REASON_INVALID_TICKET, "the ticket is not valid");
    return ERR_OK;
}

/* ---- using them ---- */

static bool is_free(uint32_t operation)
{
    return operation == KMIP_OP_QUERY || operation == KMIP_OP_DISCOVER_VERSIONS ||
           operation == KMIP_OP_PING || operation == KMIP_OP_LOGOUT;
}

enum err kmip_ticket_allows(struct kmip_call *call)
{
    struct kmip_tickets *tickets = call->request->env->tickets;
    uint64_t number = call->request->ticket;
    if (number == 0 || is_free(call->operation))
        return ERR_OK;
    if (tickets == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_TICKET, "the ticket is not valid");
    struct kmip_wish wish = {.operation = call->operation,
                             .bytes = (int64_t)kmip_bytes(call->in, KMIP_TAG_DATA).len};
    TRY(kmip_wish_objects(call, &wish));
    pthread_mutex_lock(&tickets->lock);
    struct ticket *ticket = find_number(tickets, number);
    bool groups = ticket != NULL && kmip_rights_by_group(ticket->rights);
    pthread_mutex_unlock(&tickets->lock);
    if (groups)
        TRY(kmip_wish_groups(call, &wish));
    pthread_mutex_lock(&tickets->lock);
    ticket = find_number(tickets, number);
    bool there = ticket != NULL && ticket->expires > call->request->now;
    bool limit = there && kmip_limit_has(&ticket->limit, &wish);
    bool right = limit && (ticket->rights == NULL || kmip_rights_take(ticket->rights, &wish));
    if (right)
        kmip_limit_take(&ticket->limit, &wish);
    pthread_mutex_unlock(&tickets->lock);
    if (!there)
        return kmip_fail(call, KMIP_REASON_INVALID_TICKET, "the ticket has ended");
    if (!limit)
        return kmip_fail(call, KMIP_REASON_USAGE_LIMIT_EXCEEDED, "the ticket is used up");
    if (!right)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED,
                         "the ticket does not give this right");
    return ERR_OK;
}
