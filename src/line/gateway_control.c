#include "line/gateway_control.h"

#include <stdio.h>

#include "base/clock.h"
#include "line/gateway_message.h"
#include "line/port.h"

#define TIMEOUT_MS 5000

static unsigned left_of(uint64_t until)
{
    uint64_t now = clock_mono_ns() / 1000000;
    return now >= until ? 0 : (unsigned)(until - now);
}

static enum err converse(struct line_port *port, const struct gateway_message *question,
                         unsigned timeout_ms, struct gateway_message *ret_answer)
{
    uint8_t room[GATEWAY_FRAME_MAX];
    struct writer w = writer_of(room, sizeof room);
    uint64_t until = clock_mono_ns() / 1000000 + timeout_ms;
    size_t have = 0, need = 2;
    gateway_message_encode(question, &w);
    TRY(writer_status(&w));
    TRY(line_port_write(port, writer_view(&w), timeout_ms));
    while (have < need) {
        size_t got = 0;
        TRY(line_port_read(port, room + have, need - have, left_of(until), &got));
        have += got;
        if (have == 2)
            need = 2 + (size_t)be16_load(room);
        if (need > sizeof room)
            return ERR_PEER;
    }
    if (gateway_message_decode(bytes_of(room, have), ret_answer) != ERR_OK ||
        ret_answer->type != GATEWAY_STATUS || ret_answer->node != question->node ||
        ret_answer->one_x != question->one_x)
        return ERR_PEER;
    return ERR_OK;
}

static enum err ask(const struct line_gateway *gateway, enum gateway_type type, uint64_t node,
                    struct gateway_message *ret_answer, struct err_detail *detail)
{
    AUTO(line_port_closep) struct line_port *port = NULL;
    struct gateway_message question = {.type = type, .one_x = gateway->one_x, .node = node};
    char name[300];
    unsigned number = gateway->port != 0 ? gateway->port : LINE_GATEWAY_PORT;
    unsigned timeout_ms = gateway->timeout_ms != 0 ? gateway->timeout_ms : TIMEOUT_MS;
    if (node == 0 || (gateway->one_x && node > UINT32_MAX))
        return err_set(detail, ERR_ARGUMENT, "a node id that the gateway can't be asked for");
    bool bare_v6 = strchr(gateway->host, ':') != NULL && gateway->host[0] != '[';
    (void)snprintf(name, sizeof name, bare_v6 ? "[%s]:%u" : "%s:%u", gateway->host, number);
    enum err err = line_port_open(name, 0, timeout_ms, &port, detail);
    if (err != ERR_OK) /* a name that no one knows is unreachable too */
        return err == ERR_NO_MEMORY ? err : ERR_UNREACHABLE;
    err = converse(port, &question, timeout_ms, ret_answer);
    if (err != ERR_OK)
        return err_set(detail, err, "the gateway %s: %s", name,
                       err == ERR_PEER ? "does not speak the control protocol" : err_text(err));
    return ERR_OK;
}

enum err line_gateway_status(const struct line_gateway *gateway, uint64_t node,
                             struct line_gateway_status *ret_status, struct err_detail *detail)
{
    struct gateway_message answer;
    TRY(ask(gateway, GATEWAY_QUERY, node, &answer, detail));
    *ret_status = answer.status;
    return ERR_OK;
}

enum err line_gateway_clear(const struct line_gateway *gateway, uint64_t node,
                            struct err_detail *detail)
{
    struct gateway_message answer;
    return ask(gateway, GATEWAY_CLEAR, node, &answer, detail);
}
