#pragma once

#include "line/node_message.h"

/* The device's side of the node protocol (docs/node-protocol.md) for a microcontroller: no system,
 * no memory taken, everything from outside through callbacks. It is told the bytes that came, and
 * sends whole messages; a wrapper may stand between it and the port. What it keeps is in flash, in
 * two banks of which one is always whole, so that power may go at any moment. One thread.
 *
 * Flash, from 0: two sectors of settings; then for each target two slots of firmware_max and two of
 * DEVICE_CONFIG_MAX bytes. */

#define DEVICE_SECTOR     4096u
#define DEVICE_CONFIG_MAX (16u * 1024)
#define DEVICE_ID_MAX     16
#define DEVICE_KEYS       7 /* root, gateway, code download, four hosts */
#define DEVICE_KEY_MAX    24
#define DEVICE_NONCE      16
#define DEVICE_MAC        16
#define DEVICE_HASH       32
#define DEVICE_ANSWER_MAX 256 /* bytes of the longest answer */

/* Those that give an int: 0, or anything else where it went wrong. */
struct device_ops {
    void *ctx;
    int (*flash_read)(void *ctx, uint32_t at, void *to, uint32_t len);
    int (*flash_erase)(void *ctx, uint32_t at); /* one sector, to 0xff */
    int (*flash_write)(void *ctx, uint32_t at, const void *data, uint32_t len); /* in erased ones */
    int (*random)(void *ctx, void *to, uint32_t len);
    int (*cmac)(void *ctx, const uint8_t key[16], const uint8_t *data, uint32_t len,
                uint8_t ret_mac[DEVICE_MAC]); /* AES-128-CMAC */
    int (*sha256_begin)(void *ctx);           /* one digest at a time */
    int (*sha256_update)(void *ctx, const uint8_t *data, uint32_t len);
    int (*sha256_end)(void *ctx, uint8_t ret_hash[DEVICE_HASH]);
    void (*send)(void *ctx, const uint8_t *message, uint32_t len);
    uint32_t (*uptime)(void *ctx); /* seconds */
    /* How host `target` is: NODE_DONE, NODE_HOST_SILENT, NODE_HOST_FAILING; *ret_link as
     * NODE_T_LINK. */
    int (*host)(void *ctx, unsigned target, uint8_t *ret_link);
    void (*joining_cleared)(void *ctx); /* forget what was joined; may be NULL */
    void (*reset)(void *ctx);           /* after the answer left: start anew, with device_start */
};

/* What was fixed when the device was made. Texts have at most NODE_TEXT_MAX bytes; all of it has to
 * live as long as the device. */
struct device_profile {
    uint64_t node_id;
    const char *type, *version, *hardware;
    uint16_t revision;
    uint8_t self_test; /* 0: good */
    enum node_calibration calibration;
    uint16_t calibration_revision;
    uint32_t firmware_max; /* a multiple of DEVICE_SECTOR */
    uint16_t message_max;  /* NODE_MESSAGE_LEAST to NODE_MESSAGE_MAX */
    uint8_t window;
    uint8_t hosts;
    struct {
        const char *name, *version;
        uint8_t identifier[DEVICE_ID_MAX];
        uint8_t identifier_len;
    } host[NODE_TARGETS]; /* from 1 */
};

struct device_target {
    char version[NODE_TEXT_MAX + 1], label[NODE_TEXT_MAX + 1], new_version[NODE_TEXT_MAX + 1];
    uint8_t has_firmware, has_config, has_new; /* that was transferred */
    uint8_t firmware_slot, config_slot;        /* the one in use */
    uint32_t firmware_size, config_size, new_size;
    uint8_t firmware_hash[DEVICE_HASH], config_hash[DEVICE_HASH], new_hash[DEVICE_HASH];
};

struct device_key {
    uint8_t len; /* 0: none */
    uint8_t key[DEVICE_KEY_MAX];
};

/* One bank of flash has this, followed by its CRC. */
struct device_settings {
    uint32_t magic, generation;
    uint32_t locked, starts;
    struct device_target target[NODE_TARGETS];
    struct device_key active[DEVICE_KEYS], pending[DEVICE_KEYS];
};

struct device_transfer {
    bool going;
    uint8_t target, kind, slot;
    uint32_t size, offset;
    char text[NODE_TEXT_MAX + 1];
    uint8_t hash[DEVICE_HASH];
};

struct device {
    const struct device_ops *ops;
    const struct device_profile *profile;
    struct device_settings settings;
    uint8_t bank; /* that `settings` were read from */
    struct device_transfer transfer;
    enum node_join join;
    bool challenged;
    uint8_t nonce[DEVICE_NONCE];
    struct node_stream stream;
    bool answered; /* `answer` is that to the request of `type` and `sequence` */
    uint8_t last_type, last_sequence;
    uint32_t last_crc;
    uint8_t answer[DEVICE_ANSWER_MAX];
    uint32_t answer_len;
    bool restart;
};

/* Reads the settings, or those of a new device where flash has none. False: the flash can't be
 * read. */
bool device_init(struct device *device, const struct device_ops *ops,
                 const struct device_profile *profile);
/* After power came or a reset: starts new firmware where there is some. False: flash. */
bool device_start(struct device *device);
/* Bytes from the station, as they come; answers are sent meanwhile. */
void device_receive(struct device *device, const uint8_t *data, size_t len);
/* No byte came for a while: the rest of a message won't either. */
void device_silence(struct device *device);
/* For the part that speaks with the network: false where none is active. */
bool device_root_key(const struct device *device, uint8_t ret_key[16]);
void device_set_join(struct device *device, enum node_join join);
/* At manufacture only: a root key that is there from the start. */
bool device_preset_root(struct device *device, const uint8_t key[16]);
/* Bytes of flash that a device of this profile needs. */
uint32_t device_flash_size(const struct device_profile *profile);
