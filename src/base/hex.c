#include "base/hex.h"

void hex_encode(struct bytes from, char *to)
{
    for (size_t i = 0; i < from.len; i++) {
        for (int half = 0; half < 2; half++) {
            int digit = half == 0 ? from.data[i] >> 4 : from.data[i] & 15;
            /* '0'..'9' or 'a'..'f' without a table, so without a cache trace of the key */
            *to++ = (char)(digit + '0' + (((9 - digit) >> 8) & ('a' - '0' - 10)));
        }
    }
    *to = '\0';
}

/* 0..15, or -1; no branch on the digit's value. */
static int digit_value(int c)
{
    int decimal = c - '0';
    int letter = (c | 0x20) - 'a';
    /* the top bit is set where the value is out of range */
    int no_decimal = -(int)((unsigned)(decimal | (9 - decimal)) >> 31);
    int no_letter = -(int)((unsigned)(letter | (5 - letter)) >> 31);
    return (~no_decimal & decimal) | (~no_letter & (letter + 10)) | (no_decimal & no_letter);
}

enum err hex_decode(struct bytes text, uint8_t *to, size_t cap, size_t *ret_len)
{
    if (text.len % 2 != 0)
        return ERR_SYNTAX;
    if (text.len / 2 > cap)
        return ERR_LIMIT;
    int bad = 0;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = digit_value(text.data[i]);
        int low = digit_value(text.data[i + 1]);
        bad |= high | low;
        to[i / 2] = (uint8_t)((high & 15) << 4 | (low & 15));
    }
    if (bad < 0)
        return ERR_SYNTAX;
    *ret_len = text.len / 2;
    return ERR_OK;
}
