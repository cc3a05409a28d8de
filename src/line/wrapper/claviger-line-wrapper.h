#ifndef CLAVIGER_LINE_WRAPPER_H
#define CLAVIGER_LINE_WRAPPER_H
/* Transport wrappers: how messages of a node travel inside what a host platform speaks on its port.
 * The wrappers of claviger-provision are such tables, and so is a customer's own: a shared object
 * with the function claviger_line_wrapper, named by `--wrapper ./name.so` (docs/wrappers.md;
 * examples/wrapper). Needs nothing of a system, so that the firmware of a host can use the same.
 *
 * A wrapper takes no memory, reads no clock and does not wait: it is given zeroed memory, the time
 * and the bytes. One thread at a time; nothing global, several are in use in one process. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLAVIGER_LINE_WRAPPER_ABI 1u
#define CLAVIGER_LINE_MESSAGE_MAX 1100u /* bytes of a node message, at most */
#define CLAVIGER_LINE_NEVER       UINT64_MAX

enum claviger_line_role {
    CLAVIGER_LINE_STATION = 1, /* the side of claviger-provision */
    CLAVIGER_LINE_DEVICE = 2,  /* the side of the host platform */
};

enum claviger_line_status {
    CLAVIGER_LINE_OK = 0,
    CLAVIGER_LINE_BUSY = 1, /* egress: no room; again after an ingress or a poll */
    CLAVIGER_LINE_SIZE = 2, /* egress: longer than message_max, or empty */
    CLAVIGER_LINE_LOST = 3, /* the other side does not answer; the next egress begins anew */
};

/* What the program gives a wrapper; valid as long as its state. The bytes are borrowed: gone when
 * the function returns. None of them calls the wrapper. */
struct claviger_line_io {
    void *ctx;
    /* Encapsulated bytes, to the port. */
    void (*write)(void *ctx, const uint8_t *data, size_t len);
    /* Decapsulated bytes from the other side's node layer, in order. A wrapper that keeps messages
     * apart gives each whole; one that doesn't gives what it has. */
    void (*read)(void *ctx, const uint8_t *data, size_t len);
    /* What came for the host platform and not for the node; whole, as it came. */
    void (*host)(void *ctx, const uint8_t *data, size_t len);
};

struct claviger_line_config {
    enum claviger_line_role role;
    uint32_t baud; /* of the port; 0: no serial line */
    uint32_t seed; /* another one each time: for session numbers */
};

/* `now` is in milliseconds of a clock that never jumps. */
struct claviger_line_wrapper {
    uint32_t abi;         /* CLAVIGER_LINE_WRAPPER_ABI */
    uint32_t message_max; /* bytes of one message, 256 to CLAVIGER_LINE_MESSAGE_MAX */
    uint32_t window;      /* messages that may be under way without loss: 1, or more where what is
                             written arrives, in order, once */
    uint32_t round_trip;  /* milliseconds that it adds to an answer, beyond the bytes' time */
    const char *name;     /* [a-z0-9_]{1,31} */
    size_t state_size;    /* at most 64 KiB */
    /* On zeroed memory. */
    void (*init)(void *state, const struct claviger_line_config *config,
                 const struct claviger_line_io *io, uint64_t now);
    /* Take a message to be sent. */
    int (*egress)(void *state, const uint8_t *message, size_t len, uint64_t now);
    /* Take what came from the port, as many bytes as there are. */
    void (*ingress)(void *state, const uint8_t *data, size_t len, uint64_t now);
    /* Do what is due. Gives when it wants to be called next, CLAVIGER_LINE_NEVER, or a time that
     * is past: at once. Called after each egress and ingress too. */
    uint64_t (*poll)(void *state, uint64_t now);
    /* CLAVIGER_LINE_BUSY while something sent is not acknowledged, CLAVIGER_LINE_LOST after it was
     * given up, CLAVIGER_LINE_OK. */
    int (*status)(const void *state);
};

/* The one symbol of a shared object. Its table lives as long as the object is loaded. */
const struct claviger_line_wrapper *claviger_line_wrapper(void);

#ifdef __cplusplus
}
#endif
#endif
