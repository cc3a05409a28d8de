#include "vault/access.h"

#include <stdio.h>

#define MAY(action) (1u << (action))

static const unsigned rights[] = {
    [VAULT_ROLE_NOBODY] = 0,
    [VAULT_ROLE_PEER] = MAY(VAULT_KEY_RELEASE),
    [VAULT_ROLE_ADMINISTRATOR] = MAY(VAULT_ACTION_COUNT) - 1,
    [VAULT_ROLE_CLIENT] = 0,
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
    [VAULT_FACTORY_READ] = "see packages and devices",
    [VAULT_FACTORY_MANAGE] = "change packages",
    [VAULT_FACTORY_EXPORT] = "export device keys",
    [VAULT_LINE] = "work on the line",
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

struct vault_actor vault_actor_daemon(void)
{
    return (struct vault_actor){.role = VAULT_ROLE_ADMINISTRATOR, .name = "daemon"};
}

enum err vault_may(const struct vault_actor *actor, enum vault_action action,
                   struct err_detail *detail)
{
    if ((unsigned)action < VAULT_ACTION_COUNT && (size_t)actor->role < ARRAY_LEN(rights) &&
        (rights[actor->role] & MAY(action)))
        return ERR_OK;
    return err_set(detail, ERR_DENIED, "%s may not %s", actor->name,
                   (unsigned)action < VAULT_ACTION_COUNT ? action_names[action] : "do this");
}
