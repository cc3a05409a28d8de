#include "line/wrapper/wrapper.h"

/* A stub to begin a wrapper of one's own from (provisioning guide, B.1): everything passes. */

struct orw {
    struct claviger_line_io io;
};

static void init(void *state, const struct claviger_line_config *config,
                 const struct claviger_line_io *io, uint64_t now)
{
    struct orw *orw = state;
    (void)config, (void)now;
    orw->io = *io;
}

static int egress(void *state, const uint8_t *message, size_t len, uint64_t now)
{
    struct orw *orw = state;
    (void)now;
    if (len == 0 || len > CLAVIGER_LINE_MESSAGE_MAX)
        return CLAVIGER_LINE_SIZE;
    orw->io.write(orw->io.ctx, message, len);
    return CLAVIGER_LINE_OK;
}

static void ingress(void *state, const uint8_t *data, size_t len, uint64_t now)
{
    struct orw *orw = state;
    (void)now;
    if (len != 0)
        orw->io.read(orw->io.ctx, data, len);
}

static uint64_t poll_orw(void *state, uint64_t now)
{
    (void)state, (void)now;
    return CLAVIGER_LINE_NEVER;
}

static int status(const void *state)
{
    (void)state;
    return CLAVIGER_LINE_OK;
}

const struct claviger_line_wrapper line_wrapper_orw = {
    .abi = CLAVIGER_LINE_WRAPPER_ABI,
    .message_max = CLAVIGER_LINE_MESSAGE_MAX,
    .window = 1,
    .name = "orw",
    .state_size = sizeof(struct orw),
    .init = init,
    .egress = egress,
    .ingress = ingress,
    .poll = poll_orw,
    .status = status,
};
