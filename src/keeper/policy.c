#include "keeper/policy.h"

#define TABLE(table) (1u << (table))

/* Fixed: only rates are configured. */
static const unsigned tables[KEEPER_PURPOSES] = {
    [KEEPER_DIAMETER] = TABLE(KEEPER_NODE) | TABLE(KEEPER_GATEWAY) | TABLE(KEEPER_CDLD),
    [KEEPER_EXPORT_BATCH] = TABLE(KEEPER_NODE),
    [KEEPER_EXPORT_KEYRING] = TABLE(KEEPER_NODE) | TABLE(KEEPER_GATEWAY) | TABLE(KEEPER_CDLD) |
                              TABLE(KEEPER_BASE) | TABLE(KEEPER_PWDH),
    [KEEPER_EXPORT_GATEWAY] = TABLE(KEEPER_GATEWAY) | TABLE(KEEPER_CDLD) | TABLE(KEEPER_BASE) |
                              TABLE(KEEPER_PWDH) | TABLE(KEEPER_PASSPHRASE),
    [KEEPER_BACKUP] = TABLE(KEEPER_NODE) | TABLE(KEEPER_GATEWAY) | TABLE(KEEPER_CDLD) |
                      TABLE(KEEPER_BASE) | TABLE(KEEPER_PWDH),
    [KEEPER_CERTIFICATE] = TABLE(0), /* no row: a token's key */
    [KEEPER_MAC] = TABLE(KEEPER_PASSPHRASE) | TABLE(KEEPER_PEER_SECRET),
    [KEEPER_KMIP_RELEASE] = TABLE(KEEPER_OBJECT),
    [KEEPER_KMIP_USE] = TABLE(KEEPER_OBJECT),
    [KEEPER_KMIP_CREATE] = TABLE(KEEPER_OBJECT),
    [KEEPER_EXPORT_LINE] = TABLE(KEEPER_GATEWAY) | TABLE(KEEPER_CDLD),
    [KEEPER_SIGN_DEVICES] = TABLE(0),
};

struct keeper_policy keeper_policy_default(void)
{
    return (struct keeper_policy){.rates = {
                                      [KEEPER_DIAMETER] = {5000, 200000},
                                      [KEEPER_EXPORT_BATCH] = {500000, 500000},
                                      [KEEPER_EXPORT_KEYRING] = {100000, 100000},
                                      [KEEPER_EXPORT_GATEWAY] = {100, 1000},
                                      [KEEPER_BACKUP] = {500000, 500000},
                                      [KEEPER_CERTIFICATE] = {10, 1000},
                                      [KEEPER_MAC] = {100, 1000},
                                      [KEEPER_KMIP_RELEASE] = {200000, 1000000},
                                      [KEEPER_KMIP_USE] = {500000, 1000000},
                                      [KEEPER_KMIP_CREATE] = {100000, 1000000},
                                      [KEEPER_EXPORT_LINE] = {1000, 2000},
                                      [KEEPER_SIGN_DEVICES] = {10, 1000},
                                  }};
}

static double capacity_of(const struct keeper_rate *rate)
{
    return (double)(rate->burst > rate->rate ? rate->burst : rate->rate);
}

void policy_init(struct policy *policy, const struct keeper_policy *set, uint64_t now_ns)
{
    policy->set = *set;
    for (unsigned i = 0; i < KEEPER_PURPOSES; i++) {
        policy->buckets[i].level = capacity_of(&set->rates[i]);
        policy->buckets[i].at_ns = now_ns;
    }
}

bool policy_allows(const struct policy *policy, uint8_t purpose, uint8_t table)
{
    return purpose < KEEPER_PURPOSES && table < KEEPER_TABLES &&
           (tables[purpose] & TABLE(table)) != 0 && policy->set.rates[purpose].rate > 0;
}

enum err policy_take(struct policy *policy, uint8_t purpose, uint8_t table, unsigned keys,
                     uint64_t now_ns)
{
    if (!policy_allows(policy, purpose, table))
        return ERR_DENIED;
    const struct keeper_rate *rate = &policy->set.rates[purpose];
    if (rate->rate == KEEPER_UNLIMITED)
        return ERR_OK;
    if (now_ns > policy->buckets[purpose].at_ns) {
        double passed = (double)(now_ns - policy->buckets[purpose].at_ns) / 1e9;
        double level = policy->buckets[purpose].level + passed * (double)rate->rate;
        double capacity = capacity_of(rate);
        policy->buckets[purpose].level = level < capacity ? level : capacity;
        policy->buckets[purpose].at_ns = now_ns;
    }
    if (policy->buckets[purpose].level < keys)
        return ERR_RATE;
    policy->buckets[purpose].level -= keys;
    return ERR_OK;
}
