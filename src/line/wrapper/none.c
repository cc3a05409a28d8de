#include "line/wrapper/wrapper.h"

/* The port has nothing but node messages, which find their own beginning and check themselves. */

struct none {
    struct claviger_line_io io;
};

static void init(void *state, const struct claviger_line_config *config,
                 const struct claviger_line_io *io, uint64_t now)
{
    struct none *none = state;
    (void)config, (void)now;
    none->io = *io;
}

static int egress(void *state, const uint8_t *message, size_t len, uint64_t now)
{
    struct none *none = state;
    (void)now;
    if (len == 0 || len > CLAVIGER_LINE_MESSAGE_MAX)
        return CLAVIGER_LINE_SIZE;
    none->io.write(none->io.ctx, message, len);
    return CLAVIGER_LINE_OK;
}

static void ingress(void *state, const uint8_t *data, size_t len, uint64_t now)
{
    struct none *none = state;
    (void)now;
    if (len != 0)
        none->io.read(none->io.ctx, data, len);
}

static uint64_t poll_none(void *state, uint64_t now)
{
    (void)state, (void)now;
    return CLAVIGER_LINE_NEVER;
}

static int status(const void *state)
{
    (void)state;
    return CLAVIGER_LINE_OK;
}

const struct claviger_line_wrapper line_wrapper_none = {
    .abi = CLAVIGER_LINE_WRAPPER_ABI,
    .message_max = CLAVIGER_LINE_MESSAGE_MAX,
    .window = 1,
    .name = "none",
    .state_size = sizeof(struct none),
    .init = init,
    .egress = egress,
    .ingress = ingress,
    .poll = poll_none,
    .status = status,
};
