#include "line/wrapper/psem_link.h"

#include <string.h>

#include "line/wrapper/crc16.h"

#define START       0xeeu
#define ACK         0x06u
#define NAK         0x15u
#define HEAD        6u
#define MULTI       0x80u
#define FIRST       0x40u
#define TOGGLE      0x20u
#define REPEATS_MAX 6u
#define SILENCE_MS  100u /* within a packet */
#define ANSWER_MS   400u /* for an acknowledgement, beside the packet's time */
#define BITS        10u

size_t psem_packet_end(uint8_t *packet, uint8_t control, uint8_t sequence, size_t len)
{
    packet[0] = START;
    packet[1] = 0;
    packet[2] = control;
    packet[3] = sequence;
    packet[4] = (uint8_t)(len >> 8);
    packet[5] = (uint8_t)len;
    uint16_t crc = wrapper_crc16(packet, HEAD + len);
    packet[HEAD + len] = (uint8_t)crc;
    packet[HEAD + len + 1] = (uint8_t)(crc >> 8);
    return len + PSEM_OVERHEAD;
}

void psem_link_init(struct psem_link *link, const struct claviger_line_io *io, uint32_t baud,
                    uint64_t now)
{
    (void)now;
    link->io = *io;
    link->baud = baud;
    psem_link_reset(link);
}

void psem_link_reset(struct psem_link *link)
{
    link->packet_size = PSEM_PACKET_MIN;
    link->packet_len = link->service_len = link->sent = link->got_len = 0;
    link->repeat_at = CLAVIGER_LINE_NEVER;
    if (link->len == 0)
        link->silent_at = CLAVIGER_LINE_NEVER;
    link->toggle = 0;
    link->taken = link->whole = link->failed = false;
}

static void put(struct psem_link *link, uint64_t now)
{
    link->io.write(link->io.ctx, link->packet, link->packet_len);
    link->repeat_at = now + ANSWER_MS;
    if (link->baud != 0)
        link->repeat_at += (uint64_t)link->packet_len * BITS * 1000 / link->baud;
}

/* C12.18, 5.5: the sequence counts down to the packets that follow; of several packets all have
 * one bit, the first another. */
static void put_next(struct psem_link *link, uint64_t now)
{
    size_t room = link->packet_size - PSEM_OVERHEAD;
    size_t left = link->service_len - link->sent;
    size_t part = left < room ? left : room;
    size_t follow = (left + room - 1) / room - 1;
    uint8_t control = link->toggle;
    if (link->service_len > room)
        control |= (uint8_t)(MULTI | (link->sent == 0 ? FIRST : 0));
    memcpy(link->packet + HEAD, link->service + link->sent, part);
    link->packet_len = psem_packet_end(link->packet, control, (uint8_t)follow, part);
    link->toggle ^= TOGGLE;
    link->repeats = 0;
    put(link, now);
}

void psem_link_send(struct psem_link *link, const uint8_t *service, size_t len, uint64_t now)
{
    memcpy(link->service, service, len);
    link->service_len = len;
    link->sent = 0;
    link->failed = false;
    put_next(link, now);
}

static void acknowledged(struct psem_link *link, uint64_t now)
{
    if (link->packet_len == 0)
        return;
    link->sent += link->packet_len - PSEM_OVERHEAD;
    link->packet_len = 0;
    link->repeat_at = CLAVIGER_LINE_NEVER;
    if (link->sent < link->service_len)
        put_next(link, now);
    else
        memset(link->service, 0, sizeof link->service); /* keys may be in it */
}

static void answer(struct psem_link *link, uint8_t byte)
{
    link->io.write(link->io.ctx, &byte, 1);
}

static void repeat(struct psem_link *link, uint64_t now)
{
    if (link->packet_len == 0)
        return;
    if (++link->repeats <= REPEATS_MAX) {
        put(link, now);
        return;
    }
    link->packet_len = 0;
    link->repeat_at = CLAVIGER_LINE_NEVER;
    link->failed = true;
}

static void take_packet(struct psem_link *link, uint64_t now)
{
    const uint8_t *room = link->room;
    size_t len = link->len - PSEM_OVERHEAD;
    uint8_t control = room[2];
    uint16_t crc = (uint16_t)(room[HEAD + len] | room[HEAD + len + 1] << 8);
    if (crc != wrapper_crc16(room, HEAD + len)) {
        answer(link, NAK);
        return;
    }
    answer(link, ACK);
    /* An identification begins anew, however often it comes. */
    bool identify = len == 1 && room[HEAD] == 0x20;
    if (link->taken && !identify && link->taken_control == control && link->taken_crc == crc)
        return;
    link->taken = true;
    link->taken_control = control;
    link->taken_crc = crc;
    /* Who answers has received: its acknowledgement was lost. */
    if (link->packet_len != 0 && link->sent + link->packet_len - PSEM_OVERHEAD == link->service_len)
        acknowledged(link, now);
    if ((control & MULTI) == 0 || (control & FIRST) != 0)
        link->got_len = 0;
    if (link->got_len + len > sizeof link->got) {
        link->got_len = 0;
        return;
    }
    memcpy(link->got + link->got_len, room + HEAD, len);
    link->got_len += len;
    link->whole = room[3] == 0 && link->got_len != 0;
}

void psem_link_byte(struct psem_link *link, uint8_t byte, uint64_t now)
{
    if (link->len == 0) {
        if (byte == ACK)
            acknowledged(link, now);
        else if (byte == NAK)
            repeat(link, now);
        if (byte != START)
            return;
    }
    link->room[link->len++] = byte;
    link->silent_at = now + SILENCE_MS;
    if (link->len < HEAD)
        return;
    size_t total = ((size_t)link->room[4] << 8 | link->room[5]) + PSEM_OVERHEAD;
    bool can_be = total <= PSEM_PACKET_MAX && total > PSEM_OVERHEAD;
    if (can_be && link->len < total)
        return;
    if (can_be)
        take_packet(link, now);
    else
        answer(link, NAK);
    link->len = 0;
    link->silent_at = CLAVIGER_LINE_NEVER;
}

uint64_t psem_link_poll(struct psem_link *link, uint64_t now)
{
    if (now >= link->silent_at) {
        link->len = 0;
        link->silent_at = CLAVIGER_LINE_NEVER;
        answer(link, NAK);
    }
    if (now >= link->repeat_at)
        repeat(link, now);
    return link->repeat_at < link->silent_at ? link->repeat_at : link->silent_at;
}
