#include "crypto/padding.h"

#include "crypto/random.h"

bool padding_of_block(uint32_t padding)
{
    return padding == PADDING_PKCS5 || padding == PADDING_SSL3 || padding == PADDING_ZEROS ||
           padding == PADDING_ANSI_X9_23 || padding == PADDING_ISO_10126;
}

enum err padding_put(uint32_t padding, size_t partial, size_t block, uint8_t *to, size_t *ret_len)
{
    size_t len = block - partial;
    *ret_len = len;
    switch (padding) {
    case PADDING_PKCS5: /* RFC 5652, 6.3 */ memset(to, (int)len, len); return ERR_OK;
    case PADDING_ZEROS:
        memset(to, 0, len);
        if (partial == 0)
            *ret_len = 0;
        return ERR_OK;
    case PADDING_ANSI_X9_23:
        memset(to, 0, len);
        to[len - 1] = (uint8_t)len;
        return ERR_OK;
    case PADDING_ISO_10126:
        TRY(random_bytes(to, len));
        to[len - 1] = (uint8_t)len;
        return ERR_OK;
    case PADDING_SSL3: /* RFC 6101, 5.2.3.2: the length counts without its own byte */
        memset(to, 0, len);
        to[len - 1] = (uint8_t)(len - 1);
        return ERR_OK;
    default: return ERR_UNSUPPORTED;
    }
}

/* All ones where a < b, both below 2^31. */
static uint32_t below(uint32_t a, uint32_t b)
{
    return (uint32_t)0 - ((a - b) >> 31);
}

static uint32_t equal(uint32_t a, uint32_t b)
{
    return ~(below(a, b) | below(b, a));
}

/* All zeros at the end of the block. */
static size_t strip_zeros(const uint8_t *last, size_t block)
{
    uint32_t len = 0;
    for (uint32_t i = 0; i < block; i++) {
        uint32_t zero = equal(last[i], 0);
        len = (len & zero) | ((i + 1) & ~zero);
    }
    return len;
}

bool padding_strip(uint32_t padding, const uint8_t *last, size_t block, size_t *ret_len)
{
    if (padding == PADDING_ZEROS) {
        *ret_len = strip_zeros(last, block);
        return true;
    }
    uint32_t size = (uint32_t)block;
    uint32_t count = last[block - 1] + (padding == PADDING_SSL3 ? 1U : 0U);
    uint32_t good = ~below(count, 1) & ~below(size, count);
    for (uint32_t i = 0; i + 1 < size; i++) {
        uint32_t inside = ~below(i + count, size);
        if (padding == PADDING_PKCS5)
            good &= ~inside | equal(last[i], count);
        else if (padding == PADDING_ANSI_X9_23)
            good &= ~inside | equal(last[i], 0);
    }
    *ret_len = (size - count) & good;
    return good != 0;
}
