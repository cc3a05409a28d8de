#include "line/device/device.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"

/* The bytes are what a device reads from its port; flash and cryptography are a few bytes. */

#define FIRMWARE_MAX DEVICE_SECTOR
#define FLASH_MAX    (2 * DEVICE_SECTOR + NODE_TARGETS * (2 * FIRMWARE_MAX + 2 * DEVICE_CONFIG_MAX))

static uint8_t flash[FLASH_MAX];
static uint32_t digest;

static int flash_read(void *ctx, uint32_t at, void *to, uint32_t len)
{
    (void)ctx;
    if (at > FLASH_MAX || len > FLASH_MAX - at)
        abort();
    memcpy(to, flash + at, len);
    return 0;
}

static int flash_erase(void *ctx, uint32_t at)
{
    (void)ctx;
    if (at % DEVICE_SECTOR != 0 || at >= FLASH_MAX)
        abort();
    memset(flash + at, 0xff, DEVICE_SECTOR);
    return 0;
}

static int flash_write(void *ctx, uint32_t at, const void *data, uint32_t len)
{
    (void)ctx;
    if (at > FLASH_MAX || len > FLASH_MAX - at)
        abort();
    memcpy(flash + at, data, len);
    return 0;
}

static int random_of(void *ctx, void *to, uint32_t len)
{
    (void)ctx;
    memset(to, 1, len);
    return 0;
}

static int cmac_of(void *ctx, const uint8_t key[16], const uint8_t *data, uint32_t len,
                   uint8_t ret_mac[DEVICE_MAC])
{
    uint32_t sum = node_crc32(node_crc32(0, key, 16), data, len);
    (void)ctx;
    for (unsigned i = 0; i < DEVICE_MAC; i++)
        ret_mac[i] = (uint8_t)(sum >> (i % 4 * 8));
    return 0;
}

static int hash_begin_of(void *ctx)
{
    (void)ctx;
    digest = 0;
    return 0;
}

static int hash_update_of(void *ctx, const uint8_t *data, uint32_t len)
{
    (void)ctx;
    digest = node_crc32(digest, data, len);
    return 0;
}

static int hash_end_of(void *ctx, uint8_t ret_hash[DEVICE_HASH])
{
    (void)ctx;
    memset(ret_hash, (int)(digest & 0xff), DEVICE_HASH);
    return 0;
}

static void on_send(void *ctx, const uint8_t *message, uint32_t len)
{
    (void)ctx;
    struct node_stream stream = {0};
    struct node_message answer;
    if (len > DEVICE_ANSWER_MAX || node_stream_take(&stream, message, len) != len ||
        !node_stream_next(&stream, &answer) || (answer.type & NODE_ANSWER) == 0)
        abort(); /* what leaves is a message */
}

static uint32_t uptime_of(void *ctx)
{
    (void)ctx;
    return 1;
}

static int host_of(void *ctx, unsigned target, uint8_t *ret_link)
{
    (void)ctx;
    *ret_link = target == 2;
    return NODE_DONE;
}

static void on_reset(void *ctx)
{
    (void)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct device_profile profile = {
        .node_id = 1,
        .type = "unode",
        .version = "1",
        .hardware = "h",
        .firmware_max = FIRMWARE_MAX,
        .message_max = NODE_MESSAGE_MAX,
        .window = 8,
        .hosts = 2,
        .host = {[1] = {.name = "emcm", .version = "1"}, [2] = {.name = "zigbee", .version = "2"}}};
    static const struct device_ops ops = {.flash_read = flash_read,
                                          .flash_erase = flash_erase,
                                          .flash_write = flash_write,
                                          .random = random_of,
                                          .cmac = cmac_of,
                                          .sha256_begin = hash_begin_of,
                                          .sha256_update = hash_update_of,
                                          .sha256_end = hash_end_of,
                                          .send = on_send,
                                          .uptime = uptime_of,
                                          .host = host_of,
                                          .reset = on_reset};
    static struct device device;
    memset(flash, 0xff, 2 * DEVICE_SECTOR);
    if (!device_init(&device, &ops, &profile) || !device_start(&device))
        abort();
    for (size_t at = 0; at < size; at += 100)
        device_receive(&device, data + at, size - at < 100 ? size - at : 100);
    device_silence(&device);
    /* What it keeps can be read again. */
    if (!device_init(&device, &ops, &profile) || !device_start(&device))
        abort();
    return 0;
}
