#pragma once

#include <stdbool.h>

#include "line/wrapper/claviger-line-wrapper.h"

/* Packets of ANSI C12.18: one service (a request or a response) at a time in each direction, in
 * packets that are acknowledged one by one. Inside this folder, for both ends. */

#define PSEM_OVERHEAD    8u /* ee, identity, control, sequence, length (u16), CRC (u16) */
#define PSEM_PACKET_MAX  256u
#define PSEM_PACKET_MIN  64u /* until something else is negotiated */
#define PSEM_SERVICE_MAX (CLAVIGER_LINE_MESSAGE_MAX + 8)

struct psem_link {
    struct claviger_line_io io;
    uint32_t baud;
    uint16_t packet_size; /* of those that are sent, with overhead */
    /* sending */
    uint8_t service[PSEM_SERVICE_MAX];
    size_t service_len, sent; /* `sent`: bytes in packets that were acknowledged */
    uint8_t packet[PSEM_PACKET_MAX];
    size_t packet_len; /* 0: none is waiting for its acknowledgement */
    uint8_t toggle;
    unsigned repeats;
    uint64_t repeat_at;
    bool failed; /* no acknowledgement came, many times */
    /* receiving */
    uint8_t room[PSEM_PACKET_MAX];
    size_t len;
    uint64_t silent_at;
    bool taken; /* a packet was: with this toggle and CRC */
    uint8_t taken_control;
    uint16_t taken_crc;
    uint8_t got[PSEM_SERVICE_MAX];
    size_t got_len;
    bool whole; /* `got` is a service; the owner clears it */
};

void psem_link_init(struct psem_link *link, const struct claviger_line_io *io, uint32_t baud,
                    uint64_t now);
/* Forget what is under way, and that packets came before. */
void psem_link_reset(struct psem_link *link);
void psem_link_send(struct psem_link *link, const uint8_t *service, size_t len, uint64_t now);
/* One byte that came; look at link->whole after it. */
void psem_link_byte(struct psem_link *link, uint8_t byte, uint64_t now);
/* When it wants to be called again. */
uint64_t psem_link_poll(struct psem_link *link, uint64_t now);
static inline bool psem_link_sending(const struct psem_link *link)
{
    return link->packet_len != 0;
}
/* A packet of `len` bytes of data, which are at packet + 6; gives its whole length. */
size_t psem_packet_end(uint8_t *packet, uint8_t control, uint8_t sequence, size_t len);
