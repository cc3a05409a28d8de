#include "kmip/op/tickets.h"

#include "base/clock.h"
#include "keys.h"

/* Login, Delegated Login, Logout, and PKCS#11. Requests come with the ticket in their header, as
 * over a connection. */

struct desk {
    struct world w;
};

static void desk_begin(struct desk *d)
{
    world_begin(&d->w);
    assert_ok(kmip_tickets_new(&d->w.env.tickets));
    assert_ok(kmip_streams_new(d->w.site.keeper, &d->w.env.streams));
}

static void desk_end(struct desk *d)
{
    kmip_tickets_free(d->w.env.tickets);
    kmip_streams_free(d->w.env.streams);
    world_end(&d->w);
}

static const char *ticket_of(struct desk *d, const struct kmip_node *out)
{
    const struct kmip_node *ticket = kmip_child(out, KMIP_TAG_TICKET);
    assert_int_equal(kmip_enum(ticket, KMIP_TAG_TICKET_TYPE, 0), KMIP_TICKET_TYPE_LOGIN);
    assert_int_equal(kmip_bytes(ticket, KMIP_TAG_TICKET_VALUE).len, KMIP_TICKET_LEN);
    return keys_keep(&d->w, keys_hex(ticket, KMIP_TAG_TICKET_VALUE));
}

static const char *ticket_xml(const char *value)
{
    return world_text("<Ticket><TicketType type=\"Enumeration\" value=\"Login\"/>"
                      "<TicketValue type=\"ByteString\" value=\"%s\"/></Ticket>",
                      value);
}

/* Opens a ticket as the session does, and gives the request it belongs to. */
static enum err open_ticket(struct desk *d, const char *value, int64_t now, uint64_t *ret_ticket)
{
    struct kmip_build b = {.arena = d->w.kept};
    struct kmip_node *credential = kmip_put_struct(&b, NULL, KMIP_TAG_CREDENTIAL_VALUE);
    struct kmip_node *ticket = kmip_put_struct(&b, credential, KMIP_TAG_TICKET);
    uint8_t bytes[KMIP_TICKET_LEN];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(value + 2 * i, "%2x", &byte), 1);
        bytes[i] = (uint8_t)byte;
    }
    kmip_put_enum(&b, ticket, KMIP_TAG_TICKET_TYPE, KMIP_TICKET_TYPE_LOGIN);
    kmip_put_bytes_copy(&b, ticket, KMIP_TAG_TICKET_VALUE, KMIP_BYTE_STRING, BYTES(bytes));
    char name[VAULT_CLIENT_NAME_MAX + 1];
    uint64_t id = 0;
    TRY(kmip_ticket_open(d->w.env.tickets, credential, now, name, &id, ret_ticket));
    assert_int_equal(id, d->w.clients[d->w.who].id);
    assert_string_equal(name, d->w.clients[0].name);
    return ERR_OK;
}

/* May the holder do this to that object? */
static enum err allowed(struct desk *d, uint64_t ticket, uint32_t operation, const char *uid)
{
    struct kmip_request request = {.env = &d->w.env,
                                   .client = &d->w.clients[0],
                                   .arena = d->w.kept,
                                   .build = {.arena = d->w.kept},
                                   .version = KMIP_2_1,
                                   .now = clock_now_s(),
                                   .ticket = ticket};
    struct kmip_call call = {.request = &request, .operation = operation};
    if (uid != NULL) {
        struct kmip_node *in = kmip_put_struct(&request.build, NULL, KMIP_TAG_REQUEST_PAYLOAD);
        kmip_put_text(&request.build, in, KMIP_TAG_UNIQUE_IDENTIFIER, uid);
        call.in = in;
    }
    return kmip_ticket_allows(&call);
}

static void tickets_are_given_and_end(void **state)
{
    (void)state;
    struct desk d;
    desk_begin(&d);
    const char *value = ticket_of(&d, world_must(&d.w, "Login", ""));
    const char *other = ticket_of(&d, world_must(&d.w, "Login", ""));
    assert_string_not_equal(value, other);
    uint64_t ticket = 0;
    int64_t now = clock_now_s();
    assert_ok(open_ticket(&d, value, now, &ticket));
    assert_ok(allowed(&d, ticket, KMIP_OP_ENCRYPT, "any"));
    assert_err(open_ticket(&d, value, now + KMIP_TICKET_LIFE_S + 5, &ticket), ERR_UNAUTHENTICATED);
    /* somebody else can't end it, its client can, once */
    d.w.who = 1;
    world_refused(&d.w, KMIP_REASON_INVALID_TICKET, "Logout", ticket_xml(value));
    d.w.who = 0;
    world_must(&d.w, "Logout", ticket_xml(value));
    assert_err(open_ticket(&d, value, now, &ticket), ERR_UNAUTHENTICATED);
    assert_ok(open_ticket(&d, other, now, &ticket));
    world_refused(&d.w, KMIP_REASON_INVALID_TICKET, "Logout", ticket_xml(value));
    /* so many requests, and no more */
    value = ticket_of(&d, world_must(&d.w, "Login", INT("RequestCount", "2")));
    assert_ok(open_ticket(&d, value, now, &ticket));
    assert_ok(open_ticket(&d, value, now, &ticket));
    assert_err(open_ticket(&d, value, now, &ticket), ERR_UNAUTHENTICATED);
    world_refused(&d.w, KMIP_REASON_INVALID_FIELD, "Login", INT("RequestCount", "0"));
    world_refused(&d.w, KMIP_REASON_INVALID_FIELD, "Login",
                  "<LeaseTime type=\"Interval\" value=\"0\"/>");
    d.w.who = 2;
    world_refused(&d.w, KMIP_REASON_AUTHENTICATION_NOT_SUCCESSFUL, "Login", "");
    desk_end(&d);
}

static void rights_are_kept(void **state)
{
    (void)state;
    struct desk d;
    desk_begin(&d);
    const char *mine = keys_keep(&d.w, world_aes(&d.w, "mine", ""));
    const char *group = keys_keep(
        &d.w, world_aes(&d.w, "of a group", "<ObjectGroup type=\"TextString\" value=\"disks\"/>"));
    const char *value = ticket_of(
        &d, world_must(
                &d.w, "DelegatedLogin",
                world_text("<Rights><Right><UsageLimits><UsageLimitsTotal type=\"LongInteger\" "
                           "value=\"2\"/><UsageLimitsUnit type=\"Enumeration\" value=\"Object\"/>"
                           "</UsageLimits><Operations><Operation type=\"Enumeration\" "
                           "value=\"Encrypt\"/></Operations><Objects><UniqueIdentifier "
                           "type=\"TextString\" value=\"%s\"/></Objects></Right><Right><Operations>"
                           "<Operation type=\"Enumeration\" value=\"Get\"/></Operations>"
                           "<ObjectGroups><ObjectGroup type=\"TextString\" value=\"disks\"/>"
                           "</ObjectGroups></Right></Rights>",
                           mine)));
    uint64_t ticket = 0;
    assert_ok(open_ticket(&d, value, clock_now_s(), &ticket));
    assert_ok(allowed(&d, ticket, KMIP_OP_ENCRYPT, mine));
    assert_ok(allowed(&d, ticket, KMIP_OP_GET, group));
    assert_err(allowed(&d, ticket, KMIP_OP_GET, mine), ERR_ARGUMENT);
    assert_err(allowed(&d, ticket, KMIP_OP_ENCRYPT, group), ERR_ARGUMENT);
    assert_err(allowed(&d, ticket, KMIP_OP_ENCRYPT, NULL), ERR_ARGUMENT);
    assert_err(allowed(&d, ticket, KMIP_OP_DESTROY, mine), ERR_ARGUMENT);
    assert_err(allowed(&d, ticket, KMIP_OP_LOGIN, NULL), ERR_ARGUMENT);
    /* the right's limit: two objects */
    assert_ok(allowed(&d, ticket, KMIP_OP_ENCRYPT, mine));
    assert_err(allowed(&d, ticket, KMIP_OP_ENCRYPT, mine), ERR_ARGUMENT);
    assert_err(allowed(&d, ticket + 1024, KMIP_OP_GET, group), ERR_ARGUMENT);
    world_refused(&d.w, KMIP_REASON_INVALID_FIELD, "DelegatedLogin", "<Rights/>");
    world_refused(&d.w, KMIP_REASON_INVALID_FIELD, "DelegatedLogin",
                  "<Rights><Right><Objects/></Right></Rights>");
    desk_end(&d);
}

#define P11(function, more) ENUM("PKCS_11Function", function) more

static uint32_t code(const struct kmip_node *out)
{
    return kmip_enum(out, KMIP_TAG_PKCS_11_RETURN_CODE, 99);
}

static void a_library_is_seen_as_pkcs11(void **state)
{
    (void)state;
    struct desk d;
    desk_begin(&d);
    struct kmip_node *out =
        world_must(&d.w, "PKCS_11", P11("C_Initialize", HEX("PKCS_11InputParameters", "01")));
    assert_int_equal(code(out), 0);
    const char *value =
        keys_keep(&d.w, world_text("<CorrelationValue type=\"ByteString\" value=\"%s\"/>",
                                   keys_hex(out, KMIP_TAG_CORRELATION_VALUE)));
    out = world_must(&d.w, "PKCS_11", world_text("%s%s", P11("C_GetInfo", ""), value));
    struct bytes info = kmip_bytes(out, KMIP_TAG_PKCS_11_OUTPUT_PARAMETERS);
    assert_int_equal(info.len, 76); /* version, 32, flags, 32, version */
    assert_int_equal(info.data[0], 2);
    assert_int_equal(info.data[1], 40);
    assert_null(kmip_child(out, KMIP_TAG_CORRELATION_VALUE));
    out = world_must(&d.w, "PKCS_11",
                     world_text("%s%s", P11("C_OpenSession", ""),
                                world_text("%s" HEX("PKCS_11InputParameters",
                                                    "00000000000000010000000000000004"),
                                           value)));
    assert_hex(out, KMIP_TAG_PKCS_11_OUTPUT_PARAMETERS, "0000000000000001");
    out = world_must(&d.w, "PKCS_11",
                     world_text("%s%s" HEX("PKCS_11InputParameters", "000000000000000100000010"),
                                P11("C_GenerateRandom", ""), value));
    assert_int_equal(kmip_bytes(out, KMIP_TAG_PKCS_11_OUTPUT_PARAMETERS).len, 16);
    out = world_must(&d.w, "PKCS_11",
                     world_text("%s%s" HEX("PKCS_11InputParameters", "000000000000000900000010"),
                                P11("C_GenerateRandom", ""), value));
    assert_int_equal(code(out), KMIP_PKCS_11_RETURN_CODE_SESSION_HANDLE_INVALID);
    out = world_must(&d.w, "PKCS_11", world_text("%s%s", P11("C_EncryptInit", ""), value));
    assert_int_equal(code(out), KMIP_PKCS_11_RETURN_CODE_FUNCTION_NOT_SUPPORTED);
    out = world_must(&d.w, "PKCS_11", P11("C_GetInfo", ""));
    assert_int_equal(code(out), KMIP_PKCS_11_RETURN_CODE_CRYPTOKI_NOT_INITIALIZED);
    /* too short, another interface, somebody else, after the end */
    world_refused(
        &d.w, KMIP_REASON_PKCS_11_CODEC_ERROR, "PKCS_11",
        world_text("%s%s" HEX("PKCS_11InputParameters", "00"), P11("C_GetSlotInfo", ""), value));
    world_refused(&d.w, KMIP_REASON_PKCS_11_INVALID_INTERFACE, "PKCS_11",
                  "<PKCS_11Interface type=\"TextString\" value=\"Vendor\"/>" P11("C_GetInfo", ""));
    d.w.who = 1;
    world_refused(&d.w, KMIP_REASON_INVALID_CORRELATION_VALUE, "PKCS_11",
                  world_text("%s%s", P11("C_GetInfo", ""), value));
    d.w.who = 0;
    out = world_must(&d.w, "PKCS_11", world_text("%s%s", P11("C_Finalize", ""), value));
    assert_int_equal(code(out), 0);
    world_refused(&d.w, KMIP_REASON_INVALID_CORRELATION_VALUE, "PKCS_11",
                  world_text("%s%s", P11("C_GetInfo", ""), value));
    desk_end(&d);
}

TEST_MAIN(cmocka_unit_test(tickets_are_given_and_end), cmocka_unit_test(rights_are_kept),
          cmocka_unit_test(a_library_is_seen_as_pkcs11))
