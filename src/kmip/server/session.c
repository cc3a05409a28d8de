#include "kmip/server/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/workers.h"
#include "crypto/pwhash.h"
#include "kmip/codec/table.h"
#include "kmip/op/tickets.h"
#include "kmip/server/config.h"
#include "kmip/server/gate.h"
#include "kmip/server/metrics.h"

#define PEER_MAX        64
#define CREDENTIALS_MAX 8 /* of one message */

struct kmip_session {
    struct kmip_gate *gate;
    char peer[PEER_MAX];
    size_t address_len; /* of `peer` without the port */
    uint64_t number, since_us;
    /* The last password that was verified here: a keyed hash of it, its owner and verifier. */
    bool proven;
    uint8_t proof[32];
};

enum err kmip_session_new(struct kmip_gate *gate, const char *peer, uint64_t number,
                          struct kmip_session **ret_session)
{
    struct kmip_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return ERR_NO_MEMORY;
    session->gate = gate;
    session->number = number;
    session->since_us = clock_now_us();
    size_t len = strnlen(peer, PEER_MAX - 1);
    memcpy(session->peer, peer, len);
    const char *colon = strrchr(session->peer, ':');
    session->address_len = colon != NULL ? (size_t)(colon - session->peer) : len;
    *ret_session = session;
    return ERR_OK;
}

void kmip_session_free(struct kmip_session *session)
{
    if (session == NULL)
        return;
    explicit_bzero(session, sizeof *session);
    free(session);
}

const char *kmip_session_peer(const struct kmip_session *session)
{
    return session->peer;
}

uint64_t kmip_session_number(const struct kmip_session *session)
{
    return session->number;
}

uint64_t kmip_session_since_us(const struct kmip_session *session)
{
    return session->since_us;
}

/* ---- passwords ---- */

/* One login: what the steps below share. */
struct login {
    struct kmip_session *session;
    struct kmip_env *env;
    const struct vault_client *certificate;
    int64_t now;
    struct kmip_who *who;
    struct err_detail *detail;
};

/* The verifier is the registered one, or where there is none, one that nothing fits: whether a name
 * exists must not show in the time that the answer takes. */
static const char nobody[] = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$"
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

struct check {
    const char *verifier;
    struct bytes password;
    enum err err;
};

static void run_check(void *arg)
{
    struct check *check = arg;
    check->err = pwhash_verifier_check(check->verifier, check->password, NULL);
}

static struct bytes address_of(const struct kmip_session *session)
{
    return bytes_of(session->peer, session->address_len);
}

static enum err refuse(struct login *login, struct bytes name, const char *why)
{
    login->who->pause_ms =
        gate_wrong(login->session->gate, name, address_of(login->session), login->now);
    kmip_metrics_login_failed();
    return err_set(login->detail, ERR_UNAUTHENTICATED, "%.*s from %s: %s",
                   (int)(name.len < 64 ? name.len : 64), (const char *)name.data,
                   login->session->peer, why);
}

static enum err prove(struct login *login, struct bytes name, const char *verifier, bool exists,
                      struct bytes password)
{
    struct kmip_session *session = login->session;
    const struct bytes parts[] = {name, bytes_str(verifier), password};
    uint8_t hash[32];
    TRY(gate_hash(session->gate, parts, ARRAY_LEN(parts), hash));
    if (exists && session->proven && secret_equal(BYTES(session->proof), BYTES(hash)))
        return ERR_OK;
    TRY(gate_check(session->gate, name, address_of(session), login->now, login->detail));
    struct check check = {.verifier = verifier, .password = password, .err = ERR_INTERNAL};
    TRY(workers_run(login->env->workers, run_check, &check));
    if (check.err == ERR_CORRUPT || check.err == ERR_NO_MEMORY)
        return err_set(login->detail, ERR_BUSY, "the password could not be verified: %s",
                       err_text(check.err));
    if (check.err != ERR_OK || !exists)
        return refuse(login, name, "wrong name or password");
    /* Many at once all came past the gate before the first was found wrong. */
    TRY(gate_check(session->gate, name, address_of(session), login->now, login->detail));
    gate_right(session->gate, name, address_of(session), login->now);
    memcpy(session->proof, hash, sizeof hash);
    session->proven = true;
    return ERR_OK;
}

static enum err by_password(struct login *login, struct bytes name, struct bytes password,
                            struct vault_client *ret_client)
{
    char verifier[256];
    struct vault_client client;
    if (name.len == 0 || name.len > VAULT_CLIENT_NAME_MAX || password.len > KMIP_CREDENTIAL_MAX)
        return refuse(login, bytes_str("?"), "no such name or password can be");
    bool exists = vault_client_by_name(login->env->clients, name, &client) == ERR_OK &&
                  client.kind == VAULT_CLIENT_KMIP &&
                  vault_client_password(login->env->clients, client.id, verifier) == ERR_OK;
    TRY(prove(login, name, exists ? verifier : nobody, exists, password));
    *ret_client = client;
    return ERR_OK;
}

/* ---- credentials ---- */

static enum err by_username(struct login *login, const struct kmip_node *value,
                            struct vault_client *ret_client)
{
    /* A missing password (KMIP 1.4, 2.1.2: optional) proves nothing. */
    return by_password(login, kmip_bytes(value, KMIP_TAG_USERNAME),
                       kmip_bytes(value, KMIP_TAG_PASSWORD), ret_client);
}

static enum err by_device(struct login *login, const struct kmip_node *value,
                          struct vault_client *ret_client)
{
    struct bytes name = kmip_bytes(value, KMIP_TAG_DEVICE_SERIAL_NUMBER);
    struct bytes password = kmip_bytes(value, KMIP_TAG_PASSWORD);
    if (name.data == NULL)
        name = kmip_bytes(value, KMIP_TAG_DEVICE_IDENTIFIER);
    if (password.data != NULL)
        return by_password(login, name, password, ret_client);
    const struct vault_client *shown = login->certificate;
    if (shown == NULL || name.data == NULL || !bytes_equal(name, bytes_str(shown->name)))
        return refuse(login, name.data != NULL ? name : bytes_str("device"),
                      "a device without password whose certificate is another's");
    *ret_client = *shown;
    return ERR_OK;
}

static enum err by_ticket(struct login *login, const struct kmip_node *value,
                          struct vault_client *ret_client)
{
    char name[VAULT_CLIENT_NAME_MAX + 1];
    uint64_t id = 0, ticket = 0;
    struct kmip_tickets *tickets = gate_tickets(login->session->gate);
    if (tickets == NULL)
        return refuse(login, bytes_str("ticket"), "no tickets here");
    if (kmip_ticket_open(tickets, value, login->now, name, &id, &ticket) != ERR_OK ||
        vault_client_by_name(login->env->clients, bytes_str(name), ret_client) != ERR_OK ||
        ret_client->id != id)
        return refuse(login, bytes_str("ticket"), "does not hold");
    login->who->ticket = ticket;
    return ERR_OK;
}

static enum err by_credential(struct login *login, const struct kmip_node *credential,
                              struct vault_client *ret_client)
{
    const struct kmip_node *value = kmip_child(credential, KMIP_TAG_CREDENTIAL_VALUE);
    switch (kmip_enum(credential, KMIP_TAG_CREDENTIAL_TYPE, 0)) {
    case KMIP_CREDENTIAL_TYPE_USERNAME_AND_PASSWORD: return by_username(login, value, ret_client);
    case KMIP_CREDENTIAL_TYPE_DEVICE: return by_device(login, value, ret_client);
    case KMIP_CREDENTIAL_TYPE_TICKET: return by_ticket(login, value, ret_client);
    default: return refuse(login, bytes_str("credential"), "of a type that proves nothing here");
    }
}

static enum err authenticate(struct login *login, const struct kmip_node *authentication)
{
    struct vault_client client = {.id = 0};
    unsigned count = 0;
    for (const struct kmip_node *credential = kmip_child(authentication, KMIP_TAG_CREDENTIAL);
         credential != NULL; credential = kmip_again(credential)) {
        struct vault_client one = {.id = 0};
        if (++count > CREDENTIALS_MAX)
            return refuse(login, bytes_str("credential"), "too many of them");
        TRY(by_credential(login, credential, &one));
        if (count > 1 && one.id != client.id)
            return refuse(login, bytes_str(one.name), "and another name in one message");
        client = one;
    }
    if (count == 0)
        return refuse(login, bytes_str("credential"), "none in the message");
    login->who->known = true;
    login->who->client = client;
    return ERR_OK;
}

enum err kmip_session_who(struct kmip_session *session, struct kmip_env *env,
                          const struct vault_client *certificate,
                          const struct kmip_node *authentication, int64_t now,
                          struct kmip_who *ret_who, struct err_detail *detail)
{
    *ret_who = (struct kmip_who){0};
    if (authentication == NULL) {
        if (certificate == NULL || env->config->require_login)
            return ERR_OK;
        ret_who->known = true;
        ret_who->client = *certificate;
        return ERR_OK;
    }
    struct login login = {.session = session,
                          .env = env,
                          .certificate = certificate,
                          .now = now,
                          .who = ret_who,
                          .detail = detail};
    return authenticate(&login, authentication);
}
