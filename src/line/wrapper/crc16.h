#pragma once

#include <stddef.h>
#include <stdint.h>

/* CRC-16/X-25 (ISO/IEC 13239; ANSI C12.18 too), inside this folder. Half a byte at a time. */
static inline uint16_t wrapper_crc16(const uint8_t *data, size_t len)
{
    static const uint16_t table[16] = {0x0000, 0x1081, 0x2102, 0x3183, 0x4204, 0x5285,
                                       0x6306, 0x7387, 0x8408, 0x9489, 0xa50a, 0xb58b,
                                       0xc60c, 0xd68d, 0xe70e, 0xf78f};
    uint16_t crc = 0xffff;
    for (size_t i = 0; i < len; i++) {
        crc = (uint16_t)(table[(crc ^ data[i]) & 15] ^ crc >> 4);
        crc = (uint16_t)(table[(crc ^ data[i] >> 4) & 15] ^ crc >> 4);
    }
    return (uint16_t)~crc;
}
