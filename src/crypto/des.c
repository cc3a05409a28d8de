#include "crypto/des.h"

#include "crypto/random.h"

#define PART 8

/* SP 800-67r2, 3.3.2: four weak keys, then six pairs of semi-weak ones. */
static const uint8_t weak[][PART] = {
    {0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01},
    {0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe},
    {0xe0, 0xe0, 0xe0, 0xe0, 0xf1, 0xf1, 0xf1, 0xf1},
    {0x1f, 0x1f, 0x1f, 0x1f, 0x0e, 0x0e, 0x0e, 0x0e},
    {0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe},
    {0xfe, 0x01, 0xfe, 0x01, 0xfe, 0x01, 0xfe, 0x01},
    {0x1f, 0xe0, 0x1f, 0xe0, 0x0e, 0xf1, 0x0e, 0xf1},
    {0xe0, 0x1f, 0xe0, 0x1f, 0xf1, 0x0e, 0xf1, 0x0e},
    {0x01, 0xe0, 0x01, 0xe0, 0x01, 0xf1, 0x01, 0xf1},
    {0xe0, 0x01, 0xe0, 0x01, 0xf1, 0x01, 0xf1, 0x01},
    {0x1f, 0xfe, 0x1f, 0xfe, 0x0e, 0xfe, 0x0e, 0xfe},
    {0xfe, 0x1f, 0xfe, 0x1f, 0xfe, 0x0e, 0xfe, 0x0e},
    {0x01, 0x1f, 0x01, 0x1f, 0x01, 0x0e, 0x01, 0x0e},
    {0x1f, 0x01, 0x1f, 0x01, 0x0e, 0x01, 0x0e, 0x01},
    {0xe0, 0xfe, 0xe0, 0xfe, 0xf1, 0xfe, 0xf1, 0xfe},
    {0xfe, 0xe0, 0xfe, 0xe0, 0xfe, 0xf1, 0xfe, 0xf1},
};

static unsigned odd(unsigned byte)
{
    byte ^= byte >> 4;
    byte ^= byte >> 2;
    byte ^= byte >> 1;
    return byte & 1;
}

void des_parity_set(uint8_t *key, size_t len)
{
    for (size_t i = 0; i < len; i++)
        key[i] = (uint8_t)(key[i] ^ (odd(key[i]) ^ 1));
}

bool des_parity_ok(struct bytes key)
{
    unsigned good = 1;
    for (size_t i = 0; i < key.len; i++)
        good &= odd(key.data[i]);
    return good == 1;
}

/* Without the parity bits, and in constant time. */
static unsigned same_part(const uint8_t *a, const uint8_t *b)
{
    unsigned differs = 0;
    for (size_t i = 0; i < PART; i++)
        differs |= (unsigned)(a[i] ^ b[i]) & 0xfe;
    return differs == 0;
}

enum err des3_check(struct bytes key, struct err_detail *detail)
{
    if (key.len != DES3_KEY_SIZE)
        return err_set(detail, ERR_ARGUMENT, "key has %zu bytes, 3DES wants %d", key.len,
                       DES3_KEY_SIZE);
    if (!des_parity_ok(key))
        return err_set(detail, ERR_ARGUMENT, "3DES key without odd parity");
    const uint8_t *part[] = {key.data, key.data + PART, key.data + 2 * PART};
    unsigned same =
        same_part(part[0], part[1]) | same_part(part[1], part[2]) | same_part(part[0], part[2]);
    if (same != 0)
        return err_set(detail, ERR_ARGUMENT, "3DES key with two parts the same");
    unsigned bad = 0;
    for (size_t i = 0; i < ARRAY_LEN(weak); i++)
        for (size_t k = 0; k < ARRAY_LEN(part); k++)
            bad |= same_part(part[k], weak[i]);
    if (bad != 0)
        return err_set(detail, ERR_ARGUMENT, "3DES key with a weak part");
    return ERR_OK;
}

bool des_parts_good(struct bytes key)
{
    unsigned bad = key.len == 0 || key.len % PART != 0;
    for (size_t at = 0; at + PART <= key.len; at += PART) {
        for (size_t i = 0; i < ARRAY_LEN(weak); i++)
            bad |= same_part(key.data + at, weak[i]);
        for (size_t other = 0; other < at; other += PART)
            bad |= same_part(key.data + at, key.data + other);
    }
    return bad == 0;
}

enum err des3_generate(struct secret **ret_key)
{
    /* A refusal has a chance of about 2^-50; a second one means a broken generator. */
    enum err err = ERR_INTERNAL;
    for (unsigned tries = 0; tries < 2; tries++) {
        AUTO(secret_freep) struct secret *key = NULL;
        TRY(random_secret(DES3_KEY_SIZE, &key));
        des_parity_set(secret_data(key), DES3_KEY_SIZE);
        err = des3_check(secret_view(key), NULL);
        if (err != ERR_OK)
            continue;
        *ret_key = TAKE(key);
        return ERR_OK;
    }
    return err;
}
