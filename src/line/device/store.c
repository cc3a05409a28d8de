#include <string.h>

#include "line/device/device_priv.h"

#define MAGIC 0x434c5653u /* another layout of the settings is another number */

_Static_assert(sizeof(struct device_settings) + 4 <= DEVICE_SECTOR, "a bank is one sector");

uint32_t device_flash_size(const struct device_profile *profile)
{
    return 2 * DEVICE_SECTOR + NODE_TARGETS * (2 * profile->firmware_max + 2 * DEVICE_CONFIG_MAX);
}

uint32_t device_slot_at(const struct device *device, unsigned target, enum node_kind kind,
                        unsigned slot)
{
    uint32_t firmware = device->profile->firmware_max;
    uint32_t at = 2 * DEVICE_SECTOR + target * (2 * firmware + 2 * DEVICE_CONFIG_MAX);
    if (kind == NODE_FIRMWARE)
        return at + slot * firmware;
    return at + 2 * firmware + slot * DEVICE_CONFIG_MAX;
}

void device_wipe(void *data, size_t len)
{
    volatile uint8_t *at = data;
    while (len-- != 0)
        *at++ = 0;
}

bool device_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint8_t differ = 0;
    for (size_t i = 0; i < len; i++)
        differ = (uint8_t)(differ | (a[i] ^ b[i]));
    return differ == 0;
}

static uint32_t crc_of(const struct device_settings *settings)
{
    return node_crc32(0, (const uint8_t *)settings, sizeof *settings);
}

/* False: the flash can't be read. *ret_good: the bank is whole. */
static bool read_bank(struct device *device, unsigned bank, struct device_settings *ret_settings,
                      bool *ret_good)
{
    const struct device_ops *ops = device->ops;
    uint32_t crc = 0;
    uint32_t at = bank * DEVICE_SECTOR;
    if (ops->flash_read(ops->ctx, at, ret_settings, sizeof *ret_settings) != 0 ||
        ops->flash_read(ops->ctx, at + sizeof *ret_settings, &crc, sizeof crc) != 0)
        return false;
    *ret_good = ret_settings->magic == MAGIC && crc == crc_of(ret_settings);
    return true;
}

/* Texts come back from flash with a correct CRC, and are ended all the same. */
static void tidy(struct device_settings *settings)
{
    for (unsigned i = 0; i < NODE_TARGETS; i++) {
        struct device_target *target = &settings->target[i];
        target->version[NODE_TEXT_MAX] = '\0';
        target->label[NODE_TEXT_MAX] = '\0';
        target->new_version[NODE_TEXT_MAX] = '\0';
        target->firmware_slot &= 1;
        target->config_slot &= 1;
    }
    for (unsigned i = 0; i < DEVICE_KEYS; i++) {
        if (settings->active[i].len > DEVICE_KEY_MAX)
            settings->active[i].len = 0;
        if (settings->pending[i].len > DEVICE_KEY_MAX)
            settings->pending[i].len = 0;
    }
}

static void text_copy(char to[NODE_TEXT_MAX + 1], const char *from)
{
    size_t len = 0;
    while (len < NODE_TEXT_MAX && from[len] != '\0')
        len++;
    memcpy(to, from, len);
    memset(to + len, 0, NODE_TEXT_MAX + 1 - len);
}

bool device_load(struct device *device)
{
    struct device_settings other;
    bool good[2] = {false, false};
    if (!read_bank(device, 0, &device->settings, &good[0]) ||
        !read_bank(device, 1, &other, &good[1]))
        return false;
    device->bank = 0;
    /* Generations run around; of two that are whole the later one counts. */
    if (good[1] && (!good[0] || (int32_t)(other.generation - device->settings.generation) > 0)) {
        device->settings = other;
        device->bank = 1;
    }
    device_wipe(&other, sizeof other);
    if (good[0] || good[1]) {
        tidy(&device->settings);
        return true;
    }
    const struct device_profile *profile = device->profile;
    memset(&device->settings, 0, sizeof device->settings);
    device->settings.magic = MAGIC;
    text_copy(device->settings.target[0].version, profile->version);
    for (unsigned i = 1; i <= profile->hosts && i < NODE_TARGETS; i++)
        text_copy(device->settings.target[i].version, profile->host[i].version);
    device->bank = 1; /* so that bank 0 is written first */
    return true;
}

bool device_commit(struct device *device, struct device_settings *next, bool wipe)
{
    const struct device_ops *ops = device->ops;
    unsigned bank = device->bank ^ 1u;
    uint32_t at = bank * DEVICE_SECTOR;
    next->generation = device->settings.generation + 1;
    uint32_t crc = crc_of(next);
    if (ops->flash_erase(ops->ctx, at) != 0 ||
        ops->flash_write(ops->ctx, at, next, sizeof *next) != 0 ||
        /* The CRC is what makes it count: it comes last. */
        ops->flash_write(ops->ctx, at + sizeof *next, &crc, sizeof crc) != 0)
        return false;
    device->settings = *next;
    device->bank = (uint8_t)bank;
    /* It counts already: where this fails, only an old key stays longer. */
    if (wipe)
        (void)ops->flash_erase(ops->ctx, (bank ^ 1u) * DEVICE_SECTOR);
    return true;
}
