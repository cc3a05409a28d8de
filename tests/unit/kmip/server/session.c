#include "kmip/server/session.h"

#include <stdio.h>
#include <string.h>

#include "base/workers.h"
#include "crypto/pwhash.h"
#include "kmip/codec/table.h"
#include "kmip/op/tickets.h"
#include "kmip/server/config.h"
#include "kmip/server/gate.h"
#include "support/test.h"

/* ---- two clients and one ticket, in place of the vault ---- */

#define RIGHT "correct horse"

static const struct vault_client db = {.id = 1, .name = "db", .kind = VAULT_CLIENT_KMIP};
static const struct vault_client fred = {
    .id = 2, .name = "fred", .kind = VAULT_CLIENT_KMIP, .has_password = true};
static char verifier[PWHASH_VERIFIER_MAX + 1];
static bool fred_is_disabled;

enum err vault_client_by_name(struct vault_clients *clients, struct bytes name,
                              struct vault_client *ret_client)
{
    (void)clients;
    if (bytes_equal(name, bytes_str("db")))
        *ret_client = db;
    else if (bytes_equal(name, bytes_str("fred")) && !fred_is_disabled)
        *ret_client = fred;
    else
        return ERR_NOT_FOUND;
    return ERR_OK;
}

enum err vault_client_password(struct vault_clients *clients, uint64_t id, char ret_verifier[256])
{
    (void)clients;
    if (id != fred.id)
        return ERR_NOT_FOUND;
    memcpy(ret_verifier, verifier, sizeof verifier);
    return ERR_OK;
}

static uint64_t ticket_of; /* whose ticket it is */

enum err kmip_ticket_open(struct kmip_tickets *tickets, const struct kmip_node *value, int64_t now,
                          char ret_client[VAULT_CLIENT_NAME_MAX + 1], uint64_t *ret_id,
                          uint64_t *ret_ticket)
{
    (void)tickets;
    (void)now;
    const struct kmip_node *ticket = kmip_child(value, KMIP_TAG_TICKET);
    if (!bytes_equal(kmip_bytes(ticket, KMIP_TAG_TICKET_VALUE), bytes_str("good")))
        return ERR_UNAUTHENTICATED;
    memcpy(ret_client, "fred", 5);
    *ret_id = ticket_of;
    *ret_ticket = 77;
    return ERR_OK;
}

/* ---- what the tests share ---- */

static struct arena *arena;
static struct kmip_build build;
static struct kmip_gate *gate;
static struct kmip_session *session;
static struct kmip_config config;
static struct kmip_env env;
static struct kmip_who who;
static struct err_detail detail;

static int set_up(void **state)
{
    (void)state;
    static int tickets;
    fred_is_disabled = false;
    ticket_of = fred.id;
    config = (struct kmip_config){0};
    env = (struct kmip_env){.config = &config};
    if (verifier[0] == '\0' && pwhash_verifier_make(bytes_str(RIGHT), verifier, NULL) != ERR_OK)
        return -1;
    if (arena_new((size_t)1024 * 1024, &arena) != ERR_OK ||
        kmip_gate_new((struct kmip_tickets *)(void *)&tickets, &gate) != ERR_OK ||
        kmip_session_new(gate, "192.0.2.1:40112", 7, &session) != ERR_OK)
        return -1;
    build = (struct kmip_build){.arena = arena};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kmip_session_free(session);
    kmip_gate_free(gate);
    arena_freep(&arena);
    return 0;
}

static struct kmip_node *credential(struct kmip_node *authentication, uint32_t type)
{
    struct kmip_node *c = kmip_put_struct(&build, authentication, KMIP_TAG_CREDENTIAL);
    kmip_put_enum(&build, c, KMIP_TAG_CREDENTIAL_TYPE, type);
    return kmip_put_struct(&build, c, KMIP_TAG_CREDENTIAL_VALUE);
}

static struct kmip_node *password(struct kmip_node *authentication, const char *name,
                                  const char *text)
{
    if (authentication == NULL)
        authentication = kmip_put_struct(&build, NULL, KMIP_TAG_AUTHENTICATION);
    struct kmip_node *value =
        credential(authentication, KMIP_CREDENTIAL_TYPE_USERNAME_AND_PASSWORD);
    kmip_put_text(&build, value, KMIP_TAG_USERNAME, name);
    if (text != NULL)
        kmip_put_text(&build, value, KMIP_TAG_PASSWORD, text);
    return authentication;
}

static enum err ask(const struct vault_client *certificate, const struct kmip_node *authentication,
                    int64_t now)
{
    return kmip_session_who(session, &env, certificate, authentication, now, &who, &detail);
}

/* ---- ---- */

static void a_certificate_is_its_client(void **state)
{
    (void)state;
    assert_ok(ask(&db, NULL, 100));
    assert_true(who.known);
    assert_string_equal(who.client.name, "db");
    assert_ok(ask(NULL, NULL, 100));
    assert_false(who.known);
    config.require_login = true;
    assert_ok(ask(&db, NULL, 100));
    assert_false(who.known);
}

static void a_password_is_verified_once_for_a_session(void **state)
{
    (void)state;
    const struct kmip_node *right = password(NULL, "fred", RIGHT);
    assert_ok(ask(NULL, right, 100));
    assert_true(who.known);
    assert_int_equal(who.client.id, fred.id);
    assert_int_equal(who.pause_ms, 0);
    /* known again: Argon2id would take half a minute for these */
    for (int i = 0; i < 500; i++)
        assert_ok(ask(&db, right, 100));
    /* but not once the client is disabled, or has another password */
    fred_is_disabled = true;
    assert_err(ask(NULL, right, 100), ERR_UNAUTHENTICATED);
    fred_is_disabled = false;
    char before[sizeof verifier];
    memcpy(before, verifier, sizeof before);
    assert_ok(pwhash_verifier_make(bytes_str("another"), verifier, NULL));
    assert_err(ask(NULL, right, 100), ERR_UNAUTHENTICATED);
    memcpy(verifier, before, sizeof before);
}

static void what_proves_nothing_is_refused_whatever_the_certificate(void **state)
{
    (void)state;
    assert_err(ask(&db, password(NULL, "fred", "wrong"), 100), ERR_UNAUTHENTICATED);
    assert_false(who.known);
    assert_true(who.pause_ms > 0);
    assert_err(ask(&db, password(NULL, "nobody", RIGHT), 100), ERR_UNAUTHENTICATED);
    assert_err(ask(&db, password(NULL, "db", RIGHT), 100), ERR_UNAUTHENTICATED); /* has none */
    assert_err(ask(&db, password(NULL, "fred", NULL), 100), ERR_UNAUTHENTICATED);
    assert_err(ask(&db, password(NULL, "", ""), 100), ERR_UNAUTHENTICATED);
    assert_err(ask(&db, kmip_put_struct(&build, NULL, KMIP_TAG_AUTHENTICATION), 100),
               ERR_UNAUTHENTICATED);
    static const uint32_t types[] = {KMIP_CREDENTIAL_TYPE_ATTESTATION,
                                     KMIP_CREDENTIAL_TYPE_ONE_TIME_PASSWORD,
                                     KMIP_CREDENTIAL_TYPE_HASHED_PASSWORD, 0x80000001u};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct kmip_node *authentication = kmip_put_struct(&build, NULL, KMIP_TAG_AUTHENTICATION);
        (void)credential(authentication, types[i]);
        assert_err(ask(&db, authentication, 100), ERR_UNAUTHENTICATED);
    }
}

static void all_credentials_of_a_message_hold_and_name_one(void **state)
{
    (void)state;
    struct kmip_node *both = password(password(NULL, "fred", RIGHT), "fred", RIGHT);
    assert_ok(ask(NULL, both, 100));
    assert_err(ask(NULL, password(password(NULL, "fred", RIGHT), "fred", "wrong"), 100),
               ERR_UNAUTHENTICATED);
}

static void a_device_is_its_serial_number(void **state)
{
    (void)state;
    struct kmip_node *authentication = kmip_put_struct(&build, NULL, KMIP_TAG_AUTHENTICATION);
    struct kmip_node *value = credential(authentication, KMIP_CREDENTIAL_TYPE_DEVICE);
    kmip_put_text(&build, value, KMIP_TAG_DEVICE_SERIAL_NUMBER, "fred");
    assert_err(ask(&db, authentication, 100), ERR_UNAUTHENTICATED); /* another's certificate */
    assert_err(ask(NULL, authentication, 100), ERR_UNAUTHENTICATED);
    assert_ok(ask(&fred, authentication, 100));
    assert_int_equal(who.client.id, fred.id);
    kmip_put_text(&build, value, KMIP_TAG_PASSWORD, RIGHT);
    assert_ok(ask(&db, authentication, 100));
    assert_int_equal(who.client.id, fred.id);
}

static void a_ticket_is_who_logged_in(void **state)
{
    (void)state;
    for (int good = 0; good < 3; good++) {
        struct kmip_node *authentication = kmip_put_struct(&build, NULL, KMIP_TAG_AUTHENTICATION);
        struct kmip_node *value = credential(authentication, KMIP_CREDENTIAL_TYPE_TICKET);
        /* of another client, who had the name before */
        ticket_of = fred.id + (good == 1);
        struct kmip_node *ticket = kmip_put_struct(&build, value, KMIP_TAG_TICKET);
        kmip_put_bytes(&build, ticket, KMIP_TAG_TICKET_VALUE, KMIP_BYTE_STRING,
                       bytes_str(good ? "good" : "bad!"));
        assert_err(ask(&db, authentication, 100), good == 2 ? ERR_OK : ERR_UNAUTHENTICATED);
        assert_int_equal(who.ticket, good == 2 ? 77 : 0);
    }
    assert_string_equal(who.client.name, "fred");
}

static void who_guesses_has_to_wait(void **state)
{
    (void)state;
    struct bytes name = bytes_str("fred"), address = bytes_str("192.0.2.1");
    int64_t now = 1000, pause = 0;
    for (int i = 0; i < KMIP_GATE_TRIES; i++) {
        assert_ok(gate_check(gate, name, address, now, NULL));
        int64_t next = gate_wrong(gate, name, address, now);
        assert_true(next > pause); /* later and later */
        pause = next;
    }
    assert_err(gate_check(gate, name, address, now, NULL), ERR_UNAUTHENTICATED);
    /* not from elsewhere, and not for ever */
    assert_ok(gate_check(gate, name, bytes_str("192.0.2.2"), now, NULL));
    assert_ok(gate_check(gate, name, address, now + KMIP_GATE_WAIT, NULL));
    for (int i = 0; i < 20; i++)
        (void)gate_wrong(gate, name, address, now);
    assert_err(gate_check(gate, name, address, now + KMIP_GATE_WAIT_MAX - 1, NULL),
               ERR_UNAUTHENTICATED);
    /* by now the address itself waits, whatever the name */
    assert_err(gate_check(gate, bytes_str("db"), address, now, NULL), ERR_UNAUTHENTICATED);
    assert_ok(gate_check(gate, name, address, now + KMIP_GATE_WAIT_MAX, NULL));
    gate_right(gate, name, address, now);
    assert_ok(gate_check(gate, name, bytes_str("192.0.2.3"), now, NULL));
}

/* From ever new addresses: strangers wait a little, where the name was right before nobody does. */
static void guesses_from_everywhere_are_slowed_down(void **state)
{
    (void)state;
    const struct bytes name = bytes_str("fred"), home = bytes_str("192.0.2.1");
    const struct bytes stranger = bytes_str("203.0.113.9");
    const int64_t now = 1000;
    gate_right(gate, name, home, now);
    for (int i = 0; i < KMIP_GATE_NAME_TRIES; i++) {
        char address[32];
        (void)snprintf(address, sizeof address, "198.51.100.%d", i);
        assert_ok(gate_check(gate, name, stranger, now, NULL));
        (void)gate_wrong(gate, name, bytes_str(address), now);
    }
    assert_err(gate_check(gate, name, stranger, now, NULL), ERR_UNAUTHENTICATED);
    assert_ok(gate_check(gate, name, home, now, NULL));
    assert_ok(gate_check(gate, bytes_str("db"), stranger, now, NULL));
    /* who has the right one gets through, and is none from then on */
    assert_ok(gate_check(gate, name, stranger, now + KMIP_GATE_NAME_WAIT, NULL));
    gate_right(gate, name, stranger, now + KMIP_GATE_NAME_WAIT);
    (void)gate_wrong(gate, name, bytes_str("198.51.100.77"), now + KMIP_GATE_NAME_WAIT);
    assert_ok(gate_check(gate, name, stranger, now + KMIP_GATE_NAME_WAIT, NULL));
    assert_err(gate_check(gate, name, bytes_str("203.0.113.10"), now + KMIP_GATE_NAME_WAIT, NULL),
               ERR_UNAUTHENTICATED);
}

static void a_full_gate_forgets_the_oldest(void **state)
{
    (void)state;
    for (int i = 0; i < 3 * KMIP_GATE_PLACES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "n%d", i);
        (void)gate_wrong(gate, bytes_str(name), bytes_str("a"), 1000 + i);
    }
    assert_err(gate_check(gate, bytes_str("x"), bytes_str("a"), 1000, NULL), ERR_UNAUTHENTICATED);
    assert_ok(gate_check(gate, bytes_str("n1"), bytes_str("b"), 1000, NULL));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
TEST_MAIN(CASE(a_certificate_is_its_client), CASE(a_password_is_verified_once_for_a_session),
          CASE(what_proves_nothing_is_refused_whatever_the_certificate),
          CASE(all_credentials_of_a_message_hold_and_name_one), CASE(a_device_is_its_serial_number),
          CASE(a_ticket_is_who_logged_in), CASE(who_guesses_has_to_wait),
          CASE(guesses_from_everywhere_are_slowed_down), CASE(a_full_gate_forgets_the_oldest))
