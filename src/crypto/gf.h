#pragma once

#include <stdint.h>

/* Inside this folder only: arithmetic in GF(2^8) and GF(2^16), in the same time for all values. */

#define GF8_AES  0x1bU /* x^8 + x^4 + x^3 + x + 1 (FIPS 197, 4.2), without its x^8 */
#define GF8_KMIP 0x1dU /* x^8 + x^4 + x^3 + x^2 + 1 (KMIP 2.1, 13.1) */

static inline uint8_t gf8_mul(uint8_t a, uint8_t b, unsigned polynomial)
{
    unsigned x = a;
    unsigned y = b;
    unsigned product = 0;
    for (unsigned i = 0; i < 8; i++) {
        product ^= x & (0U - ((y >> i) & 1U));
        x = (x << 1) ^ (polynomial & (0U - (x >> 7)));
        x &= 0xff;
    }
    return (uint8_t)product;
}

/* a^254; 0 for 0. */
static inline uint8_t gf8_inverse(uint8_t a, unsigned polynomial)
{
    uint8_t square = a;
    uint8_t product = 1;
    for (unsigned i = 0; i < 7; i++) {
        square = gf8_mul(square, square, polynomial);
        product = gf8_mul(product, square, polynomial);
    }
    return product;
}

/* KMIP 1.4, 2.2.5: uy + v with u in the high byte, y^2 + y + 0x3a over the field of FIPS 197. */
#define GF16_M 0x3aU

static inline uint16_t gf16_mul(uint16_t a, uint16_t b)
{
    uint8_t r = (uint8_t)(a >> 8);
    uint8_t s = (uint8_t)a;
    uint8_t u = (uint8_t)(b >> 8);
    uint8_t v = (uint8_t)b;
    uint8_t sv = gf8_mul(s, v, GF8_AES);
    uint8_t high = gf8_mul((uint8_t)(r ^ s), (uint8_t)(u ^ v), GF8_AES) ^ sv;
    uint8_t low = gf8_mul(gf8_mul(r, u, GF8_AES), GF16_M, GF8_AES) ^ sv;
    return (uint16_t)(high << 8 | low);
}

static inline uint16_t gf16_inverse(uint16_t a)
{
    uint8_t u = (uint8_t)(a >> 8);
    uint8_t v = (uint8_t)a;
    uint8_t uv = u ^ v;
    uint8_t d = gf8_mul(uv, v, GF8_AES) ^ gf8_mul(gf8_mul(u, u, GF8_AES), GF16_M, GF8_AES);
    uint8_t inverse = gf8_inverse(d, GF8_AES);
    return (uint16_t)(gf8_mul(u, inverse, GF8_AES) << 8 | gf8_mul(uv, inverse, GF8_AES));
}
