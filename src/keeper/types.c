#include "keeper/types.h"

static const struct {
    const char *name;
    size_t key_size;
} tables[KEEPER_TABLES] = {
    [KEEPER_NODE] = {"node", 16},
    [KEEPER_GATEWAY] = {"gateway", 24},
    [KEEPER_CDLD] = {"cdld", 16},
    [KEEPER_BASE] = {"base", 16},
    [KEEPER_PASSPHRASE] = {"passphrase", 64},
    [KEEPER_PWDH] = {"pwdh", 16},
    [KEEPER_PEER_SECRET] = {"peer-secret", 0},
    [KEEPER_OBJECT] = {"object", 0},
};

static const char *const purposes[KEEPER_PURPOSES] = {
    [KEEPER_DIAMETER] = "diameter",
    [KEEPER_EXPORT_BATCH] = "export-batch",
    [KEEPER_EXPORT_KEYRING] = "export-keyring",
    [KEEPER_EXPORT_GATEWAY] = "export-gateway",
    [KEEPER_BACKUP] = "backup",
    [KEEPER_CERTIFICATE] = "certificate",
    [KEEPER_MAC] = "mac",
    [KEEPER_KMIP_RELEASE] = "kmip-release",
    [KEEPER_KMIP_USE] = "kmip-use",
    [KEEPER_KMIP_CREATE] = "kmip-create",
    [KEEPER_EXPORT_LINE] = "export-line",
    [KEEPER_SIGN_DEVICES] = "sign-devices",
};

size_t keeper_key_size(uint8_t table)
{
    return table < KEEPER_TABLES ? tables[table].key_size : 0;
}

const char *keeper_table_name(uint8_t table)
{
    return table < KEEPER_TABLES && tables[table].name != NULL ? tables[table].name : "unknown";
}

const char *keeper_purpose_name(uint8_t purpose)
{
    return purpose < KEEPER_PURPOSES && purposes[purpose] != NULL ? purposes[purpose] : "unknown";
}
