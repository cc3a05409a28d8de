/* A transport wrapper of one's own: each message is a line of hexadecimal digits between ':' and a
 * newline, and every other line is for the host's own software.
 *
 *     cc -shared -fPIC $(pkg-config --cflags claviger-line) hexline.c -o hexline.so
 *     claviger-provision --wrapper ./hexline.so -d /dev/ttyUSB0 ...
 */
#include <claviger-line-wrapper.h>

#include <string.h>

#define LINE_MAX (2 * CLAVIGER_LINE_MESSAGE_MAX + 2)

struct hexline {
    struct claviger_line_io io;
    uint8_t line[LINE_MAX];
    size_t len;
    int too_long;
};

static void init(void *state, const struct claviger_line_config *config,
                 const struct claviger_line_io *io, uint64_t now)
{
    struct hexline *hexline = state;
    (void)config, (void)now;
    hexline->io = *io;
}

static int egress(void *state, const uint8_t *message, size_t len, uint64_t now)
{
    static const char digits[] = "0123456789abcdef";
    struct hexline *hexline = state;
    uint8_t line[LINE_MAX];
    size_t out = 0;
    (void)now;
    if (len == 0 || len > CLAVIGER_LINE_MESSAGE_MAX)
        return CLAVIGER_LINE_SIZE;
    line[out++] = ':';
    for (size_t i = 0; i < len; i++) {
        line[out++] = (uint8_t)digits[message[i] >> 4];
        line[out++] = (uint8_t)digits[message[i] & 15];
    }
    line[out++] = '\n';
    hexline->io.write(hexline->io.ctx, line, out);
    return CLAVIGER_LINE_OK;
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void take_line(struct hexline *hexline)
{
    uint8_t message[CLAVIGER_LINE_MESSAGE_MAX];
    size_t len = 0;
    if (hexline->len < 3 || hexline->line[0] != ':' || hexline->len % 2 == 0) {
        if (hexline->len != 0 && hexline->line[0] != ':')
            hexline->io.host(hexline->io.ctx, hexline->line, hexline->len);
        return;
    }
    for (size_t i = 1; i < hexline->len; i += 2) {
        int high = digit(hexline->line[i]), low = digit(hexline->line[i + 1]);
        if (high < 0 || low < 0)
            return;
        message[len++] = (uint8_t)(high << 4 | low);
    }
    hexline->io.read(hexline->io.ctx, message, len);
}

static void ingress(void *state, const uint8_t *data, size_t len, uint64_t now)
{
    struct hexline *hexline = state;
    (void)now;
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n') {
            if (!hexline->too_long)
                take_line(hexline);
            hexline->len = 0;
            hexline->too_long = 0;
        } else if (hexline->len == LINE_MAX - 1) {
            hexline->too_long = 1;
        } else {
            hexline->line[hexline->len++] = data[i];
        }
    }
}

static uint64_t poll_nothing(void *state, uint64_t now)
{
    (void)state, (void)now;
    return CLAVIGER_LINE_NEVER;
}

static int status(const void *state)
{
    (void)state;
    return CLAVIGER_LINE_OK;
}

const struct claviger_line_wrapper *claviger_line_wrapper(void)
{
    static const struct claviger_line_wrapper wrapper = {
        .abi = CLAVIGER_LINE_WRAPPER_ABI,
        .message_max = CLAVIGER_LINE_MESSAGE_MAX,
        .window = 1,
        .name = "hexline",
        .state_size = sizeof(struct hexline),
        .init = init,
        .egress = egress,
        .ingress = ingress,
        .poll = poll_nothing,
        .status = status,
    };
    return &wrapper;
}
