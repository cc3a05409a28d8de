#include "vault/access.h"

#include <stdio.h>

#include <string.h>

/* Who may what: a row is a role, read from left to right. */
#define MAY(action)  (UINT64_C(1) << VAULT_##action)
#define EVERYBODY    (MAY(LOGIN) | MAY(STATUS))
#define PERSON       (EVERYBODY | MAY(SESSION))
#define READS_FLEET  (MAY(NETWORK_READ) | MAY(NODE_READ))
#define WORKS        (MAY(FILE) | MAY(JOB))
#define READS_PEOPLE (MAY(CLIENT_READ) | MAY(OBJECT_READ) | MAY(USER_READ) | MAY(AUDIT_READ))

static const uint64_t rights[VAULT_ROLE_COUNT] = {
    [VAULT_ROLE_NOBODY] = MAY(LOGIN),
    [VAULT_ROLE_PEER] = MAY(KEY_RELEASE),
    [VAULT_ROLE_CLIENT] = 0,
    [VAULT_ROLE_STATION] = EVERYBODY | MAY(LINE),
    [VAULT_ROLE_ADMINISTRATOR] = MAY(ACTION_COUNT) - 1,
    [VAULT_ROLE_OPERATOR] = PERSON | READS_FLEET | WORKS | MAY(NETWORK_MANAGE) | MAY(NODE_MANAGE) |
                            MAY(KEY_IMPORT) | MAY(KEY_EXPORT) | MAY(PEER_MANAGE) | MAY(CLIENT_READ),
    [VAULT_ROLE_FACTORY] = PERSON | WORKS | MAY(FACTORY_READ) | MAY(FACTORY_MANAGE) |
                           MAY(FACTORY_EXPORT) | MAY(CLIENT_READ),
    [VAULT_ROLE_OFFICER] = PERSON | READS_FLEET | WORKS | READS_PEOPLE | MAY(DOMAIN_ROTATE) |
                           MAY(KEY_EXPORT) | MAY(KEYRING_EXPORT) | MAY(PEER_MANAGE) |
                           MAY(CLIENT_MANAGE) | MAY(BACKUP),
    [VAULT_ROLE_AUDITOR] = PERSON | READS_FLEET | READS_PEOPLE | MAY(FACTORY_READ) | MAY(JOB),
    [VAULT_ROLE_HEADEND] = PERSON,
    [VAULT_ROLE_BACKOFFICE] = PERSON,
    [VAULT_ROLE_TECHNICIAN] = PERSON,
};

static const char *const role_names[VAULT_ROLE_COUNT] = {
    [VAULT_ROLE_ADMINISTRATOR] = "administrator",
    [VAULT_ROLE_OPERATOR] = "operator",
    [VAULT_ROLE_FACTORY] = "factory",
    [VAULT_ROLE_OFFICER] = "officer",
    [VAULT_ROLE_AUDITOR] = "auditor",
    [VAULT_ROLE_HEADEND] = "headend",
    [VAULT_ROLE_BACKOFFICE] = "backoffice",
    [VAULT_ROLE_TECHNICIAN] = "technician",
    [VAULT_ROLE_STATION] = "station",
};

static const char *const action_names[VAULT_ACTION_COUNT] = {
    [VAULT_STATUS] = "see the status",
    [VAULT_NETWORK_READ] = "see networks",
    [VAULT_NETWORK_MANAGE] = "change networks",
    [VAULT_NODE_READ] = "see nodes",
    [VAULT_NODE_MANAGE] = "change nodes",
    [VAULT_KEY_RELEASE] = "get keys",
    [VAULT_KEY_IMPORT] = "import keys",
    [VAULT_KEY_EXPORT] = "export keys",
    [VAULT_KEYRING_EXPORT] = "export a keyring",
    [VAULT_PEER_MANAGE] = "change gateways",
    [VAULT_DOMAIN_ROTATE] = "rotate domain keys",
    [VAULT_BACKUP] = "back up the store",
    [VAULT_CLIENT_READ] = "see clients",
    [VAULT_CLIENT_MANAGE] = "change clients",
    [VAULT_OBJECT_READ] = "see objects",
    [VAULT_FACTORY_READ] = "see packages and devices",
    [VAULT_FACTORY_MANAGE] = "change packages",
    [VAULT_FACTORY_EXPORT] = "export device keys",
    [VAULT_LINE] = "work on the line",
    [VAULT_AUDIT_READ] = "see the audit chain",
    [VAULT_FILE] = "send or fetch files",
    [VAULT_JOB] = "follow jobs",
    [VAULT_USER_READ] = "see users",
    [VAULT_USER_MANAGE] = "change users",
    [VAULT_SESSION] = "have a session",
    [VAULT_LOGIN] = "log in",
};

struct vault_actor vault_actor_local(unsigned uid, unsigned daemon_uid)
{
    struct vault_actor actor = {.role = uid == 0 || uid == daemon_uid ? VAULT_ROLE_ADMINISTRATOR
                                                                      : VAULT_ROLE_NOBODY};
    snprintf(actor.name, sizeof(actor.name), "uid:%u", uid);
    return actor;
}

static struct vault_actor named(enum vault_role role, struct bytes name)
{
    struct vault_actor actor = {.role = role};
    size_t len = name.len < VAULT_ACTOR_MAX ? name.len : VAULT_ACTOR_MAX;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = name.data[i];
        actor.name[i] = c > 0x20 && c < 0x7f ? (char)c : '?';
    }
    return actor;
}

struct vault_actor vault_actor_peer(struct bytes origin_host)
{
    return named(VAULT_ROLE_PEER, origin_host);
}

struct vault_actor vault_actor_client(struct bytes name)
{
    return named(VAULT_ROLE_CLIENT, name);
}

struct vault_actor vault_actor_person(const char *name, enum vault_role role)
{
    return named(role, bytes_str(name));
}

struct vault_actor vault_actor_station(const char *name)
{
    return named(VAULT_ROLE_STATION, bytes_str(name));
}

struct vault_actor vault_actor_daemon(void)
{
    return (struct vault_actor){.role = VAULT_ROLE_ADMINISTRATOR, .name = "daemon"};
}

const char *vault_role_name(enum vault_role role)
{
    return (unsigned)role < VAULT_ROLE_COUNT ? role_names[role] : NULL;
}

enum err vault_role_find(const char *name, enum vault_role *ret_role, struct err_detail *detail)
{
    for (unsigned i = 0; i < VAULT_ROLE_COUNT; i++) {
        if (role_names[i] != NULL && i != VAULT_ROLE_STATION && strcmp(role_names[i], name) == 0) {
            *ret_role = (enum vault_role)i;
            return ERR_OK;
        }
    }
    return err_set(detail, ERR_ARGUMENT,
                   "role '%.32s': one of administrator, operator, factory, officer, auditor, "
                   "headend, backoffice or technician is wanted",
                   name);
}

enum err vault_may(const struct vault_actor *actor, enum vault_action action,
                   struct err_detail *detail)
{
    if ((unsigned)action < VAULT_ACTION_COUNT && (unsigned)actor->role < VAULT_ROLE_COUNT &&
        (rights[actor->role] >> action & 1) != 0)
        return ERR_OK;
    return err_set(detail, ERR_DENIED, "%s may not %s", actor->name,
                   (unsigned)action < VAULT_ACTION_COUNT ? action_names[action] : "do this");
}
