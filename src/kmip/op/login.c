#include "kmip/op/crypto_ops.h"
#include "kmip/op/ticket_rights.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Login, Delegated Login and Logout (KMIP 2.1, 6.1.30, 6.1.12 and 6.1.31). */

static enum err read_terms(struct kmip_call *call, struct kmip_ticket_terms *terms)
{
    const struct kmip_node *lease = kmip_child(call->in, KMIP_TAG_LEASE_TIME);
    int64_t now = call->request->now;
    int64_t life = KMIP_TICKET_LIFE_S;
    if (lease != NULL && lease->type == KMIP_INTERVAL)
        life = lease->num;
    else if (lease != NULL && lease->type == KMIP_DATE_TIME)
        life = lease->num > now ? lease->num - now : 0;
    if (life <= 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the Lease Time is over already");
    if (life > KMIP_TICKET_LIFE_MAX_S)
        life = KMIP_TICKET_LIFE_MAX_S;
    int64_t requests = kmip_num(call->in, KMIP_TAG_REQUEST_COUNT, -1);
    if (kmip_child(call->in, KMIP_TAG_REQUEST_COUNT) != NULL && requests <= 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "Request Count is at least 1");
    *terms = (struct kmip_ticket_terms){
        .expires = now + life,
        .requests = requests,
        .limit = kmip_limit_read(kmip_child(call->in, KMIP_TAG_USAGE_LIMITS))};
    return ERR_OK;
}

static enum err give(struct kmip_call *call, struct kmip_ticket_terms *terms)
{
    uint8_t value[KMIP_TICKET_LEN];
    TRY(kmip_ticket_make(call, terms, value));
    terms->rights = NULL;
    struct kmip_build *b = kmip_out(call);
    struct kmip_node *ticket = kmip_put_struct(b, call->out, KMIP_TAG_TICKET);
    (void)kmip_put_enum(b, ticket, KMIP_TAG_TICKET_TYPE, KMIP_TICKET_TYPE_LOGIN);
    struct kmip_node *node =
        kmip_put_bytes_copy(b, ticket, KMIP_TAG_TICKET_VALUE, KMIP_BYTE_STRING, BYTES(value));
    if (node != NULL)
        node->secret = true;
    explicit_bzero(value, sizeof(value));
    return b->err;
}

static enum err check_served(struct kmip_call *call)
{
    if (call->request->env->tickets == NULL)
        return kmip_fail(call, KMIP_REASON_OPERATION_NOT_SUPPORTED, "tickets are not served here");
    if (call->request->client == NULL)
        return kmip_fail(call, KMIP_REASON_AUTHENTICATION_NOT_SUCCESSFUL, "not authenticated");
    return ERR_OK;
}

enum err kmip_op_login(struct kmip_call *call)
{
    struct kmip_ticket_terms terms;
    TRY(check_served(call));
    TRY(read_terms(call, &terms));
    return give(call, &terms);
}

enum err kmip_op_delegated_login(struct kmip_call *call)
{
    struct kmip_ticket_terms terms;
    TRY(check_served(call));
    TRY(read_terms(call, &terms));
    TRY(kmip_rights_read(call, kmip_child(call->in, KMIP_TAG_RIGHTS), &terms.rights));
    enum err err = give(call, &terms);
    if (err != ERR_OK)
        kmip_rights_free(terms.rights);
    return err;
}

enum err kmip_op_logout(struct kmip_call *call)
{
    TRY(check_served(call));
    return kmip_ticket_end(call, kmip_child(call->in, KMIP_TAG_TICKET));
}
