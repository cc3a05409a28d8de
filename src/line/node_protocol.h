#pragma once

/* The numbers of the node protocol: docs/node-protocol.md. */

#define NODE_PROTOCOL      1 /* the version spoken here */
#define NODE_MAGIC         0xceu
#define NODE_HEAD          7 /* magic, protocol, type, sequence, result, length (u16) */
#define NODE_TAIL          4 /* CRC-32 */
#define NODE_MESSAGE_MAX   1100
#define NODE_BODY_MAX      (NODE_MESSAGE_MAX - NODE_HEAD - NODE_TAIL)
#define NODE_MESSAGE_LEAST 256 /* every device takes messages of so many bytes */
#define NODE_BLOCK_MAX     1024
#define NODE_ANSWER        0x80u /* bit of an answer's type */
#define NODE_TARGETS       5     /* 0: the node; 1 to 4: its application hosts */
#define NODE_TEXT_MAX      32    /* bytes of a name or version, without NUL */
#define NODE_CHECK         8     /* bytes of a check value */

enum node_type {
    NODE_IDENTIFY = 1,
    NODE_HARDWARE,
    NODE_CALIBRATION,
    NODE_TARGET,         /* what is on the node or on a host */
    NODE_TRANSFER_BEGIN, /* of firmware or configuration, in blocks */
    NODE_TRANSFER_BLOCK,
    NODE_TRANSFER_END,
    NODE_KEY_WRITE, /* as pending */
    NODE_KEY_ACTIVATE,
    NODE_KEY_CHECK,
    NODE_STATUS,
    NODE_STATUS_CLEAR,
    NODE_LOCK,
    NODE_UNLOCK_CHALLENGE,
    NODE_UNLOCK,
    NODE_RESET,
    NODE_TYPES,
};

enum node_result {
    NODE_DONE = 0,
    NODE_BAD_MESSAGE,  /* a field is missing, or its value can't be */
    NODE_BAD_TYPE,     /* this device has no such request */
    NODE_BAD_VERSION,  /* no protocol version in common */
    NODE_NO_TARGET,    /* no such host */
    NODE_TOO_LARGE,    /* more than there is room for */
    NODE_BAD_OFFSET,   /* not where the transfer stands: the answer says where */
    NODE_BAD_HASH,     /* what came is not what was announced */
    NODE_WRONG_TYPE,   /* firmware for another type of device */
    NODE_LOCKED,       /* not while the device is locked */
    NODE_NO_KEY,       /* nothing pending, or not the key named */
    NODE_FLASH,        /* the flash can't be written */
    NODE_HOST_SILENT,  /* the host does not answer its node */
    NODE_HOST_FAILING, /* the host reports that its hardware fails */
    NODE_DENIED,       /* the proof is wrong */
    NODE_INTERNAL,
    NODE_RESULTS,
};
const char *node_result_text(unsigned result); /* never NULL */

/* Fields of a body: tag (u8), length (u16), value. Unknown ones are passed over. */
enum node_tag {
    NODE_T_PROTOCOL = 1, /* u8: the highest one spoken; in the answer: the one in use */
    NODE_T_NODE_ID,      /* u64 */
    NODE_T_NAME,         /* text: the type of the node, the name of a host */
    NODE_T_VERSION,      /* text: of the firmware */
    NODE_T_HARDWARE,     /* text: type of the hardware */
    NODE_T_REVISION,     /* u16 */
    NODE_T_SELF_TEST,    /* u8: 0 good */
    NODE_T_MESSAGE_MAX,  /* u16 */
    NODE_T_WINDOW,       /* u8: messages it takes ahead */
    NODE_T_FLAGS,        /* u32: enum node_flag */
    NODE_T_HOSTS,        /* u8: application hosts, targets 1 to n */
    NODE_T_TARGET,       /* u8 */
    NODE_T_KIND,         /* u8: enum node_kind, enum node_key */
    NODE_T_SIZE,         /* u32 */
    NODE_T_OFFSET,       /* u32 */
    NODE_T_DATA,         /* bytes of a block */
    NODE_T_HASH,         /* SHA-256, 32 bytes: of firmware; in a begin of what is announced */
    NODE_T_CONFIG_HASH,  /* SHA-256 of the configuration */
    NODE_T_LABEL,        /* text: what the station calls this configuration */
    NODE_T_KEY,          /* 16 or 24 bytes; station to device only */
    NODE_T_ACTIVE,       /* check value of the active key */
    NODE_T_PENDING,      /* check value of the pending key */
    NODE_T_CALIBRATION,  /* u8: enum node_calibration */
    NODE_T_JOIN,         /* u8: enum node_join */
    NODE_T_COUNT,        /* u32 */
    NODE_T_UPTIME,       /* u32, seconds */
    NODE_T_IDENTIFIER,   /* 1 to 16 bytes: a host's own identifier */
    NODE_T_NONCE,        /* 16 bytes */
    NODE_T_MAC,          /* 16 bytes */
    NODE_T_LINK,         /* u8: 0 good, 1 the host can't talk to what it serves (its meter) */
};

enum node_kind { NODE_FIRMWARE = 1, NODE_CONFIG = 2 };
enum node_key { NODE_ROOT_KEY = 1, NODE_GATEWAY_KEY, NODE_CDLD_KEY, NODE_HOST_KEY, NODE_KEYS };
enum node_calibration { NODE_CALIBRATED = 0, NODE_UNCALIBRATED, NODE_BAD_CALIBRATION };
enum node_join { NODE_NOT_JOINED = 0, NODE_JOINING, NODE_JOINED, NODE_JOIN_REFUSED };
enum node_flag {
    NODE_F_LOCKED = 1,
    NODE_F_KEYED = 2,     /* a root key is active */
    NODE_F_PENDING = 4,   /* keys are pending */
    NODE_F_NEW_IMAGE = 8, /* firmware that a reset starts */
};
