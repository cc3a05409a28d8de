#include <string.h>

#include "line/device/device_priv.h"

/* Keys come in and never go out: what is told of one is its check value. */

#define ROOT 0

/* The place of a key, or DEVICE_KEYS. */
static unsigned place_of(const struct device *device, const struct node_message *in,
                         unsigned *ret_len, enum node_result *ret_result)
{
    uint8_t kind = 0;
    unsigned target = 0;
    *ret_result = NODE_BAD_MESSAGE;
    if (!node_field_u8(in, NODE_T_KIND, &kind) || kind == 0 || kind >= NODE_KEYS)
        return DEVICE_KEYS;
    if (!device_target_of(device, in, &target)) {
        *ret_result = NODE_NO_TARGET;
        return DEVICE_KEYS;
    }
    if ((kind == NODE_HOST_KEY) != (target != 0))
        return DEVICE_KEYS;
    *ret_len = kind == NODE_GATEWAY_KEY ? 24 : 16;
    return kind == NODE_HOST_KEY ? 2 + target : (unsigned)kind - 1;
}

static bool hmac_sha256(struct device *device, const struct device_key *key, const uint8_t *data,
                        uint32_t len, uint8_t ret_mac[DEVICE_HASH])
{
    const struct device_ops *ops = device->ops;
    uint8_t pad[64] = {0}, inner[DEVICE_HASH];
    memcpy(pad, key->key, key->len);
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    bool good =
        ops->sha256_begin(ops->ctx) == 0 && ops->sha256_update(ops->ctx, pad, sizeof pad) == 0 &&
        ops->sha256_update(ops->ctx, data, len) == 0 && ops->sha256_end(ops->ctx, inner) == 0;
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    good = good && ops->sha256_begin(ops->ctx) == 0 &&
           ops->sha256_update(ops->ctx, pad, sizeof pad) == 0 &&
           ops->sha256_update(ops->ctx, inner, sizeof inner) == 0 &&
           ops->sha256_end(ops->ctx, ret_mac) == 0;
    device_wipe(pad, sizeof pad);
    return good;
}

bool device_check_value(struct device *device, const struct device_key *key,
                        uint8_t ret_value[NODE_CHECK])
{
    static const char label[] = "claviger kcv 1";
    uint8_t mac[DEVICE_HASH];
    bool good = key->len == 16
                    ? device->ops->cmac(device->ops->ctx, key->key, (const uint8_t *)label,
                                        sizeof label - 1, mac) == 0
                    : hmac_sha256(device, key, (const uint8_t *)label, sizeof label - 1, mac);
    if (good)
        memcpy(ret_value, mac, NODE_CHECK);
    return good;
}

static bool tell(struct device *device, const struct device_key *key, enum node_tag tag,
                 struct node_writer *out)
{
    uint8_t value[NODE_CHECK];
    if (key->len == 0)
        return true;
    if (!device_check_value(device, key, value))
        return false;
    node_write_bytes(out, tag, value, sizeof value);
    return true;
}

enum node_result device_key_write(struct device *device, const struct node_message *in,
                                  struct node_writer *out)
{
    enum node_result result;
    unsigned len = 0;
    unsigned place = place_of(device, in, &len, &result);
    if (place == DEVICE_KEYS)
        return result;
    if (device->settings.locked)
        return NODE_LOCKED;
    struct device_settings next = device->settings;
    struct device_key *key = &next.pending[place];
    /* What an earlier run left does not become active along with this one's. */
    if (place == ROOT)
        memset(next.pending, 0, sizeof next.pending);
    memset(key, 0, sizeof *key);
    if (!node_field_fixed(in, NODE_T_KEY, key->key, len))
        return NODE_BAD_MESSAGE;
    key->len = (uint8_t)len;
    result = device_commit(device, &next, true) ? NODE_DONE : NODE_FLASH;
    device_wipe(&next, sizeof next);
    if (result == NODE_DONE && !tell(device, &device->settings.pending[place], NODE_T_PENDING, out))
        return NODE_INTERNAL;
    return result;
}

static bool is_key(struct device *device, const struct device_key *key,
                   const uint8_t wanted[NODE_CHECK])
{
    uint8_t value[NODE_CHECK];
    return key->len != 0 && device_check_value(device, key, value) &&
           device_equal(value, wanted, sizeof value);
}

enum node_result device_key_activate(struct device *device, const struct node_message *in,
                                     struct node_writer *out)
{
    uint8_t root[NODE_CHECK];
    const struct device_settings *now = &device->settings;
    bool some = false;
    if (!node_field_fixed(in, NODE_T_PENDING, root, sizeof root))
        return NODE_BAD_MESSAGE;
    for (unsigned i = 0; i < DEVICE_KEYS; i++)
        some = some || now->pending[i].len != 0;
    /* The answer of the time before got lost, or a host's key follows. */
    bool root_stays = now->pending[ROOT].len == 0 && is_key(device, &now->active[ROOT], root);
    if (!some && root_stays)
        return tell(device, &now->active[ROOT], NODE_T_ACTIVE, out) ? NODE_DONE : NODE_INTERNAL;
    if (now->locked)
        return NODE_LOCKED;
    if (!root_stays && !is_key(device, &now->pending[ROOT], root))
        return NODE_NO_KEY;
    struct device_settings next = *now;
    for (unsigned i = 0; i < DEVICE_KEYS; i++) {
        if (next.pending[i].len == 0)
            continue;
        next.active[i] = next.pending[i];
        memset(&next.pending[i], 0, sizeof next.pending[i]);
    }
    bool done = device_commit(device, &next, true);
    device_wipe(&next, sizeof next);
    if (!done)
        return NODE_FLASH;
    device->join = NODE_NOT_JOINED;
    return tell(device, &device->settings.active[ROOT], NODE_T_ACTIVE, out) ? NODE_DONE
                                                                            : NODE_INTERNAL;
}

enum node_result device_key_check(struct device *device, const struct node_message *in,
                                  struct node_writer *out)
{
    enum node_result result;
    unsigned len = 0;
    unsigned place = place_of(device, in, &len, &result);
    if (place == DEVICE_KEYS)
        return result;
    return tell(device, &device->settings.active[place], NODE_T_ACTIVE, out) &&
                   tell(device, &device->settings.pending[place], NODE_T_PENDING, out)
               ? NODE_DONE
               : NODE_INTERNAL;
}

bool device_root_key(const struct device *device, uint8_t ret_key[16])
{
    const struct device_key *key = &device->settings.active[ROOT];
    if (key->len != 16)
        return false;
    memcpy(ret_key, key->key, 16);
    return true;
}

bool device_preset_root(struct device *device, const uint8_t key[16])
{
    struct device_settings next = device->settings;
    next.active[ROOT].len = 16;
    memcpy(next.active[ROOT].key, key, 16);
    bool done = device_commit(device, &next, true);
    device_wipe(&next, sizeof next);
    return done;
}

/* ---------------------------------------------------------------- the lock */

static enum node_result set_locked(struct device *device, uint32_t locked)
{
    if (device->settings.locked == locked)
        return NODE_DONE;
    struct device_settings next = device->settings;
    next.locked = locked;
    bool done = device_commit(device, &next, false);
    device_wipe(&next, sizeof next);
    return done ? NODE_DONE : NODE_FLASH;
}

enum node_result device_lock(struct device *device, const struct node_message *in,
                             struct node_writer *out)
{
    (void)in, (void)out;
    device->transfer.going = false;
    return set_locked(device, 1);
}

enum node_result device_unlock_challenge(struct device *device, const struct node_message *in,
                                         struct node_writer *out)
{
    (void)in;
    if (device->settings.active[ROOT].len == 0)
        return NODE_NO_KEY;
    if (device->ops->random(device->ops->ctx, device->nonce, sizeof device->nonce) != 0)
        return NODE_INTERNAL;
    device->challenged = true;
    node_write_bytes(out, NODE_T_NONCE, device->nonce, sizeof device->nonce);
    return NODE_DONE;
}

enum node_result device_unlock(struct device *device, const struct node_message *in,
                               struct node_writer *out)
{
    static const char label[] = "claviger unlock 1"; /* its NUL ends it */
    uint8_t text[sizeof label + 8 + DEVICE_NONCE], got[DEVICE_MAC], want[DEVICE_MAC];
    uint64_t id = device->profile->node_id;
    (void)out;
    if (!node_field_fixed(in, NODE_T_MAC, got, sizeof got))
        return NODE_BAD_MESSAGE;
    if (!device->challenged)
        return NODE_DENIED;
    device->challenged = false; /* one proof for one challenge */
    memcpy(text, label, sizeof label);
    for (unsigned i = 0; i < 8; i++)
        text[sizeof label + i] = (uint8_t)(id >> (8 * (7 - i)));
    memcpy(text + sizeof label + 8, device->nonce, DEVICE_NONCE);
    if (device->ops->cmac(device->ops->ctx, device->settings.active[ROOT].key, text, sizeof text,
                          want) != 0)
        return NODE_INTERNAL;
    return device_equal(got, want, sizeof got) ? set_locked(device, 0) : NODE_DENIED;
}
