#include "crypto/split.h"

#include "crypto/bn.h"
#include "crypto/gf.h"
#include "crypto/random.h"
#include "crypto/split_prime.h"

static enum err check_spec(const struct split_spec *spec, struct err_detail *detail)
{
    if (spec->method < SPLIT_XOR || spec->method > SPLIT_GF_2_8)
        return err_set(detail, ERR_UNSUPPORTED, "split key method %u", spec->method);
    if (spec->parts < 2 || spec->parts > SPLIT_PARTS_MAX)
        return err_set(detail, ERR_LIMIT, "%u parts, allowed are 2 to %d", spec->parts,
                       SPLIT_PARTS_MAX);
    if (spec->threshold < 2 || spec->threshold > spec->parts)
        return err_set(detail, ERR_ARGUMENT, "a threshold of %u for %u parts", spec->threshold,
                       spec->parts);
    if (spec->method == SPLIT_XOR && spec->threshold != spec->parts)
        return err_set(detail, ERR_ARGUMENT, "XOR wants all parts");
    return ERR_OK;
}

static void add_to(uint8_t *to, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        to[i] ^= from[i];
}

/* to = to * x, element by element. */
static void scale(uint32_t method, uint8_t *to, size_t len, uint32_t x)
{
    if (method == SPLIT_GF_2_8) {
        for (size_t i = 0; i < len; i++)
            to[i] = gf8_mul(to[i], (uint8_t)x, GF8_KMIP);
        return;
    }
    for (size_t i = 0; i < len; i += 2)
        be16_store(to + i, gf16_mul(be16_load(to + i), (uint16_t)x));
}

static enum err make_xor(const struct split_spec *spec, struct bytes secret, struct secret *parts[])
{
    TRY(secret_dup(secret, &parts[0]));
    for (uint32_t i = 1; i < spec->parts; i++) {
        TRY(random_secret(secret.len, &parts[i]));
        add_to(secret_data(parts[0]), secret_data(parts[i]), secret.len);
    }
    return ERR_OK;
}

/* Shamir, coefficient by coefficient from the highest (Horner). */
static enum err make_binary(const struct split_spec *spec, struct bytes secret,
                            struct secret *parts[])
{
    size_t len = secret.len + (spec->method == SPLIT_GF_2_16 ? secret.len % 2 : 0);
    for (uint32_t i = 0; i < spec->parts; i++)
        TRY(secret_new(len, &parts[i]));
    for (uint32_t degree = spec->threshold - 1; degree >= 1; degree--) {
        AUTO(secret_freep) struct secret *coefficient = NULL;
        TRY(random_secret(len, &coefficient));
        for (uint32_t i = 0; i < spec->parts; i++) {
            add_to(secret_data(parts[i]), secret_data(coefficient), len);
            scale(spec->method, secret_data(parts[i]), len, i + 1);
        }
    }
    for (uint32_t i = 0; i < spec->parts; i++)
        add_to(secret_data(parts[i]), secret.data, secret.len);
    return ERR_OK;
}

enum err split_make(const struct split_spec *spec, struct bytes secret, struct secret *ret_parts[],
                    struct err_detail *detail)
{
    struct secret *parts[SPLIT_PARTS_MAX] = {NULL};
    TRY(check_spec(spec, detail));
    if (secret.len == 0 || secret.len > SPLIT_SECRET_MAX)
        return err_set(detail, ERR_LIMIT, "a secret of %zu bytes", secret.len);
    enum err err = spec->method == SPLIT_XOR     ? make_xor(spec, secret, parts)
                   : spec->method == SPLIT_PRIME ? split_prime_make(spec, secret, parts, detail)
                                                 : make_binary(spec, secret, parts);
    for (uint32_t i = 0; i < spec->parts; i++) {
        if (err == ERR_OK)
            ret_parts[i] = parts[i];
        else
            secret_free(parts[i]);
    }
    return err;
}

static enum err check_parts(const struct split_spec *spec, const struct split_part *parts,
                            size_t count, struct err_detail *detail)
{
    if (count < spec->threshold)
        return err_set(detail, ERR_ARGUMENT, "%zu parts, %u are wanted", count, spec->threshold);
    if (count > SPLIT_PARTS_MAX)
        return err_set(detail, ERR_LIMIT, "more than %d parts", SPLIT_PARTS_MAX);
    size_t len = parts[0].share.len;
    size_t most = spec->method == SPLIT_PRIME ? SPLIT_PRIME_MAX : SPLIT_SECRET_MAX + 1;
    if (len == 0 || len > most || (spec->method == SPLIT_GF_2_16 && len % 2 != 0))
        return err_set(detail, ERR_ARGUMENT, "a part of %zu bytes", len);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].number < 1 || parts[i].number > (spec->method == SPLIT_GF_2_8 ? 255U : 65535U))
            return err_set(detail, ERR_ARGUMENT, "a part with number %u", parts[i].number);
        if (parts[i].share.len != len)
            return err_set(detail, ERR_ARGUMENT, "the parts are not of one length");
        for (size_t j = 0; j < i; j++)
            if (parts[j].number == parts[i].number)
                return err_set(detail, ERR_ARGUMENT, "part %u is there twice", parts[i].number);
    }
    return ERR_OK;
}

/* Lagrange's coefficient at zero; the numbers of parts are no secret. */
static uint32_t weight(uint32_t method, const struct split_part *parts, size_t count, size_t at)
{
    uint32_t product = 1;
    for (size_t j = 0; j < count; j++) {
        if (j == at)
            continue;
        uint32_t x = parts[j].number;
        uint32_t difference = x ^ parts[at].number;
        if (method == SPLIT_GF_2_8) {
            uint8_t factor =
                gf8_mul((uint8_t)x, gf8_inverse((uint8_t)difference, GF8_KMIP), GF8_KMIP);
            product = gf8_mul((uint8_t)product, factor, GF8_KMIP);
        } else {
            uint16_t factor = gf16_mul((uint16_t)x, gf16_inverse((uint16_t)difference));
            product = gf16_mul((uint16_t)product, factor);
        }
    }
    return product;
}

static enum err join_binary(const struct split_spec *spec, const struct split_part *parts,
                            struct secret **ret_secret)
{
    size_t len = parts[0].share.len;
    AUTO(secret_freep) struct secret *sum = NULL;
    TRY(secret_new(len, &sum));
    for (uint32_t i = 0; i < spec->threshold; i++) {
        AUTO(secret_freep) struct secret *term = NULL;
        TRY(secret_dup(parts[i].share, &term));
        if (spec->method != SPLIT_XOR)
            scale(spec->method, secret_data(term), len,
                  weight(spec->method, parts, spec->threshold, i));
        add_to(secret_data(sum), secret_data(term), len);
    }
    *ret_secret = TAKE(sum);
    return ERR_OK;
}

enum err split_join(const struct split_spec *spec, const struct split_part *parts, size_t count,
                    size_t len, struct secret **ret_secret, struct err_detail *detail)
{
    TRY(check_spec(spec, detail));
    TRY(check_parts(spec, parts, count, detail));
    if (spec->method == SPLIT_PRIME)
        return split_prime_join(spec, parts, len, ret_secret, detail);
    size_t have = parts[0].share.len;
    bool fits = len == 0 || len == have || (spec->method == SPLIT_GF_2_16 && len + 1 == have);
    if (!fits)
        return err_set(detail, ERR_ARGUMENT, "parts of %zu bytes make no secret of %zu", have, len);
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(join_binary(spec, parts, &secret));
    if (len != 0)
        secret_shrink(secret, len);
    *ret_secret = TAKE(secret);
    return ERR_OK;
}
