#include <string.h>

#include "line/wrapper/psem_link.h"
#include "line/wrapper/wrapper.h"

/* Node messages over a meter's optical port, in services of ANSI C12.18 (PSEM). The station is the
 * client: it identifies, negotiates the packet size, logs on; then it writes a message to table
 * 2048 and reads the answer from table 2049, which are the manufacturer's first. docs/wrappers.md.
 */

#define S_IDENTIFY  0x20u
#define S_TERMINATE 0x21u
#define S_READ      0x30u
#define S_WRITE     0x40u
#define S_LOGON     0x50u
#define S_SECURITY  0x51u
#define S_LOGOFF    0x52u
#define S_NEGOTIATE 0x60u
#define R_OK        0x00u
#define R_ERROR     0x01u
#define R_UNKNOWN   0x02u /* service not supported */
#define R_NOT_NOW   0x07u /* data not ready */
#define R_SEQUENCE  0x0au /* invalid service sequence state */

#define TABLE_OUT   2048u
#define TABLE_IN    2049u
#define PACKETS     8u
#define BAUD_9600   0x06u
#define POLL_MS     20u
#define ANSWER_MS   4000u  /* for a response, once the request was acknowledged */
#define PATIENCE_MS 20000u /* that an answer of the node may take */

enum step { DOWN, IDENTIFYING, NEGOTIATING, LOGGING_ON, UP, WRITING, READING };

struct psem {
    struct psem_link link;
    enum claviger_line_role role;
    enum step step; /* a device: DOWN, UP */
    bool lost;
    /* what is to be written, or at a device to be read */
    uint8_t message[CLAVIGER_LINE_MESSAGE_MAX];
    size_t message_len;
    bool awaited;     /* the node's answer to what was written */
    uint64_t read_at; /* look for it again */
    uint64_t due;     /* of the response under way */
    uint64_t until;   /* the node's answer is waited for */
};

static void init(void *state, const struct claviger_line_config *config,
                 const struct claviger_line_io *io, uint64_t now)
{
    struct psem *psem = state;
    psem_link_init(&psem->link, io, config->baud, now);
    psem->role = config->role;
    psem->read_at = psem->due = CLAVIGER_LINE_NEVER;
}

/* The two's complement of the sum of all bytes. */
static uint8_t checksum(const uint8_t *data, size_t len)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + data[i]);
    return (uint8_t)-sum;
}

static void forget_message(struct psem *psem)
{
    memset(psem->message, 0, sizeof psem->message); /* a key may be in it */
    psem->message_len = 0;
}

static void give_up(struct psem *psem)
{
    psem_link_reset(&psem->link);
    forget_message(psem);
    psem->step = DOWN;
    psem->awaited = false;
    psem->lost = true;
    psem->read_at = psem->due = CLAVIGER_LINE_NEVER;
}

/* ---------------------------------------------------------------- the station */

static void ask(struct psem *psem, enum step step, const uint8_t *service, size_t len, uint64_t now)
{
    psem->step = step;
    psem->due = now + ANSWER_MS;
    if (psem->link.baud != 0)
        psem->due += 2 * (uint64_t)PSEM_SERVICE_MAX * 10 * 1000 / psem->link.baud;
    psem_link_send(&psem->link, service, len, now);
}

static void write_message(struct psem *psem, uint64_t now)
{
    uint8_t service[PSEM_SERVICE_MAX];
    size_t len = psem->message_len;
    service[0] = S_WRITE;
    service[1] = TABLE_OUT >> 8;
    service[2] = TABLE_OUT & 0xff;
    service[3] = (uint8_t)(len >> 8);
    service[4] = (uint8_t)len;
    memcpy(service + 5, psem->message, len);
    service[5 + len] = checksum(psem->message, len);
    ask(psem, WRITING, service, len + 6, now);
    memset(service, 0, sizeof service);
}

static void read_answer(struct psem *psem, uint64_t now)
{
    static const uint8_t service[] = {S_READ, TABLE_IN >> 8, TABLE_IN & 0xff};
    psem->read_at = CLAVIGER_LINE_NEVER;
    ask(psem, READING, service, sizeof service, now);
}

/* The link is up and quiet: what is next? */
static void go_on(struct psem *psem, uint64_t now)
{
    psem->step = UP;
    psem->due = CLAVIGER_LINE_NEVER;
    if (psem->message_len != 0)
        write_message(psem, now);
    else if (psem->awaited && now >= psem->until)
        psem->awaited = false;
    else if (psem->awaited)
        psem->read_at = now + POLL_MS;
}

static void take_answer(struct psem *psem, const uint8_t *data, size_t len, uint64_t now)
{
    if (data[0] == R_NOT_NOW) {
        go_on(psem, now);
        return;
    }
    size_t count = len >= 4 ? (size_t)data[1] << 8 | data[2] : 0;
    if (data[0] != R_OK || count == 0 || len != count + 4 ||
        data[3 + count] != checksum(data + 3, count)) {
        give_up(psem);
        return;
    }
    psem->awaited = false;
    psem->link.io.read(psem->link.io.ctx, data + 3, count);
    go_on(psem, now);
}

static void take_response(struct psem *psem, const uint8_t *data, size_t len, uint64_t now)
{
    static const uint8_t negotiate[] = {S_NEGOTIATE, PSEM_PACKET_MAX >> 8, PSEM_PACKET_MAX & 0xff,
                                        PACKETS};
    static const uint8_t logon[] = {S_LOGON, 0,   1,   'c', 'l', 'a', 'v',
                                    'i',     'g', 'e', 'r', ' ', ' '};
    bool ok = data[0] == R_OK;
    switch (psem->step) {
    case IDENTIFYING:
        if (ok)
            ask(psem, NEGOTIATING, negotiate, sizeof negotiate, now);
        else
            give_up(psem);
        break;
    case NEGOTIATING: {
        size_t size = ok && len >= 3 ? (size_t)data[1] << 8 | data[2] : 0;
        if (size >= PSEM_PACKET_MIN)
            psem->link.packet_size = (uint16_t)(size < PSEM_PACKET_MAX ? size : PSEM_PACKET_MAX);
        ask(psem, LOGGING_ON, logon, sizeof logon, now);
        break;
    }
    case LOGGING_ON:
        if (ok)
            go_on(psem, now);
        else
            give_up(psem);
        break;
    case WRITING:
        forget_message(psem);
        if (!ok) {
            give_up(psem);
            break;
        }
        psem->awaited = true;
        psem->until = now + PATIENCE_MS;
        go_on(psem, now);
        break;
    case READING: take_answer(psem, data, len, now); break;
    default: break;
    }
}

/* ---------------------------------------------------------------- the device */

static void respond(struct psem *psem, const uint8_t *data, size_t len, uint64_t now)
{
    psem_link_send(&psem->link, data, len, now);
}

static void respond_table(struct psem *psem, uint64_t now)
{
    uint8_t service[PSEM_SERVICE_MAX];
    size_t len = psem->message_len;
    service[0] = R_OK;
    service[1] = (uint8_t)(len >> 8);
    service[2] = (uint8_t)len;
    memcpy(service + 3, psem->message, len);
    service[3 + len] = checksum(psem->message, len);
    forget_message(psem);
    respond(psem, service, len + 4, now);
}

static bool is_table(const uint8_t *data, size_t len, unsigned table)
{
    return len >= 3 && data[1] == table >> 8 && data[2] == (table & 0xff);
}

/* A message to the node; its response leaves before the node sees it. */
static uint8_t take_write(struct psem *psem, const uint8_t *data, size_t len)
{
    size_t count = len >= 6 ? (size_t)data[3] << 8 | data[4] : 0;
    if (psem->step != UP)
        return R_SEQUENCE;
    if (!is_table(data, len, TABLE_OUT) || count == 0 || len != count + 6 ||
        data[5 + count] != checksum(data + 5, count))
        return R_ERROR;
    return R_OK;
}

static void take_request(struct psem *psem, const uint8_t *data, size_t len, uint64_t now)
{
    static const uint8_t identity[] = {R_OK, 0, 1, 0, 0}; /* C12.18-1996 */
    uint8_t response[] = {R_OK, PSEM_PACKET_MAX >> 8, PSEM_PACKET_MAX & 0xff, PACKETS, BAUD_9600};
    size_t response_len = 1;
    switch (data[0]) {
    case S_IDENTIFY:
        psem->link.packet_size = PSEM_PACKET_MIN;
        psem->step = DOWN;
        forget_message(psem);
        respond(psem, identity, sizeof identity, now);
        return;
    case S_NEGOTIATE: {
        size_t size = len >= 4 ? (size_t)data[1] << 8 | data[2] : 0;
        if (size >= PSEM_PACKET_MIN && size < PSEM_PACKET_MAX) {
            response[1] = (uint8_t)(size >> 8);
            response[2] = (uint8_t)size;
        }
        response_len = size >= PSEM_PACKET_MIN ? sizeof response : 1;
        response[0] = (uint8_t)(size >= PSEM_PACKET_MIN ? R_OK : R_ERROR);
        respond(psem, response, response_len, now);
        if (size >= PSEM_PACKET_MIN)
            psem->link.packet_size = (uint16_t)(response[1] << 8 | response[2]);
        return;
    }
    case S_LOGON:
        response[0] = (uint8_t)(len == 13 ? R_OK : R_ERROR);
        psem->step = len == 13 ? UP : psem->step;
        break;
    case S_SECURITY: break;
    case S_READ:
        if (psem->step == UP && is_table(data, len, TABLE_IN) && psem->message_len != 0) {
            respond_table(psem, now);
            return;
        }
        response[0] = psem->step != UP                ? R_SEQUENCE
                      : is_table(data, len, TABLE_IN) ? R_NOT_NOW
                                                      : R_ERROR;
        break;
    case S_WRITE:
        response[0] = take_write(psem, data, len);
        if (response[0] == R_OK)
            forget_message(psem); /* an answer that nobody fetched */
        respond(psem, response, 1, now);
        if (response[0] == R_OK)
            psem->link.io.read(psem->link.io.ctx, data + 5, len - 6);
        return;
    case S_LOGOFF:
    case S_TERMINATE: psem->step = DOWN; break;
    default: response[0] = R_UNKNOWN; break;
    }
    respond(psem, response, response_len, now);
}

/* ---------------------------------------------------------------- both */

static int egress(void *state, const uint8_t *message, size_t len, uint64_t now)
{
    static const uint8_t identify[] = {S_IDENTIFY};
    struct psem *psem = state;
    if (len == 0 || len > CLAVIGER_LINE_MESSAGE_MAX)
        return CLAVIGER_LINE_SIZE;
    if (psem->message_len != 0)
        return CLAVIGER_LINE_BUSY;
    memcpy(psem->message, message, len);
    psem->message_len = len;
    if (psem->role == CLAVIGER_LINE_DEVICE)
        return CLAVIGER_LINE_OK;
    psem->lost = false;
    if (psem->step == DOWN) {
        psem_link_reset(&psem->link);
        ask(psem, IDENTIFYING, identify, sizeof identify, now);
    } else if (psem->step == UP) {
        psem->read_at = CLAVIGER_LINE_NEVER;
        write_message(psem, now);
    }
    return CLAVIGER_LINE_OK;
}

static void ingress(void *state, const uint8_t *data, size_t len, uint64_t now)
{
    struct psem *psem = state;
    for (size_t i = 0; i < len; i++) {
        psem_link_byte(&psem->link, data[i], now);
        if (!psem->link.whole)
            continue;
        uint8_t service[PSEM_SERVICE_MAX];
        size_t service_len = psem->link.got_len;
        memcpy(service, psem->link.got, service_len);
        memset(psem->link.got, 0, sizeof psem->link.got);
        psem->link.whole = false;
        psem->link.got_len = 0;
        if (psem->role == CLAVIGER_LINE_DEVICE)
            take_request(psem, service, service_len, now);
        else
            take_response(psem, service, service_len, now);
        memset(service, 0, sizeof service);
    }
}

static uint64_t poll_psem(void *state, uint64_t now)
{
    struct psem *psem = state;
    uint64_t due = psem_link_poll(&psem->link, now);
    if (psem->role == CLAVIGER_LINE_DEVICE)
        return due;
    if (psem->step != DOWN && (psem->link.failed || now >= psem->due)) {
        give_up(psem);
        return CLAVIGER_LINE_NEVER;
    }
    if (psem->step == UP && now >= psem->read_at)
        read_answer(psem, now);
    due = psem_link_poll(&psem->link, now);
    due = psem->due < due ? psem->due : due;
    return psem->read_at < due ? psem->read_at : due;
}

static int status(const void *state)
{
    const struct psem *psem = state;
    if (psem->lost)
        return CLAVIGER_LINE_LOST;
    return psem->message_len != 0 || psem->awaited || psem_link_sending(&psem->link)
               ? CLAVIGER_LINE_BUSY
               : CLAVIGER_LINE_OK;
}

const struct claviger_line_wrapper line_wrapper_opt_psem = {
    .abi = CLAVIGER_LINE_WRAPPER_ABI,
    .message_max = CLAVIGER_LINE_MESSAGE_MAX,
    .window = 1,
    .round_trip = 3000,
    .name = "opt_psem",
    .state_size = sizeof(struct psem),
    .init = init,
    .egress = egress,
    .ingress = ingress,
    .poll = poll_psem,
    .status = status,
};
