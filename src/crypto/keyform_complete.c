#include "crypto/bn.h"
#include "crypto/keyform_parts.h"
#include "crypto/keygen.h"
#include "crypto/keyform_rsa.h"
#include "crypto/pkey.h"

#include <openssl/ec.h>
#include <openssl/objects.h>

#define DL_BITS_MIN 512 /* kept and given back; nobody here makes one as short */
#define DL_BITS_MAX 8192
#define POINT_MAX   (1 + 2 * 66)

bool keyform_put(struct keyform_room *room, const BIGNUM *number, size_t width,
                 struct bytes *ret_view)
{
    size_t len = (size_t)BN_num_bytes(number);
    if (width < len)
        width = len;
    if (width > room->left || BN_bn2binpad(number, room->at, (int)width) < 0)
        return false;
    *ret_view = bytes_of(room->at, width);
    room->at += width;
    room->left -= width;
    return true;
}

static bool put_bytes(struct keyform_room *room, struct bytes from, struct bytes *ret_view)
{
    if (from.len > room->left)
        return false;
    if (from.len != 0)
        memcpy(room->at, from.data, from.len);
    *ret_view = bytes_of(room->at, from.len);
    room->at += from.len;
    room->left -= from.len;
    return true;
}

static void group_freep(EC_GROUP **group)
{
    EC_GROUP_free(*group);
}

static void point_freep(EC_POINT **point)
{
    EC_POINT_clear_free(*point);
}

static EC_GROUP *group_of(const struct curve_row *row)
{
    EC_GROUP *group = EC_GROUP_new_by_curve_name(OBJ_sn2nid(row->name));
    if (group != NULL)
        EC_GROUP_set_asn1_flag(group, OPENSSL_EC_NAMED_CURVE);
    return group;
}

static enum err inconsistent(struct err_detail *detail, const char *what)
{
    ERR_clear_error();
    return err_set(detail, ERR_KEY_FORM, "%s", what);
}

/* The point given, on the curve (SEC 1, 2.3.4 and 3.2.2.1; all curves served have cofactor 1). */
static enum err read_point(const EC_GROUP *group, struct bytes octets, EC_POINT *point, BN_CTX *ctx,
                           struct err_detail *detail)
{
    if (octets.len == 0 || EC_POINT_oct2point(group, point, octets.data, octets.len, ctx) != 1 ||
        EC_POINT_is_at_infinity(group, point) != 0 || EC_POINT_is_on_curve(group, point, ctx) != 1)
        return inconsistent(detail, "the point is not on the curve");
    return ERR_OK;
}

static enum err complete_ec(const struct keyform_parts *in, bool private, struct keyform_room *room,
                            struct keyform_parts *full, struct keyform_info *info,
                            struct err_detail *detail)
{
    const struct curve_row *row = curve_by_number(in->curve);
    if (row == NULL)
        return err_set(detail, ERR_UNSUPPORTED, "curve %u is not served", in->curve);
    AUTO(group_freep) EC_GROUP *group = group_of(row);
    AUTO(bn_ctx_freep) BN_CTX *ctx = BN_CTX_secure_new();
    AUTO(point_freep) EC_POINT *point = group != NULL ? EC_POINT_new(group) : NULL;
    AUTO(point_freep) EC_POINT *given = group != NULL ? EC_POINT_new(group) : NULL;
    AUTO(bn_freep) BIGNUM *d = private ? bn_of(keyform_strip(in->d)) : NULL;
    if (ctx == NULL || point == NULL || given == NULL || (private && d == NULL))
        return evp_fail(detail, ERR_UNSUPPORTED, "curve");
    const BIGNUM *order = EC_GROUP_get0_order(group);
    if (in->point.len != 0 || !private)
        TRY(read_point(group, in->point, given, ctx, detail));
    full->alg = ALG_EC;
    full->curve = in->curve;
    if (private) {
        if (BN_is_zero(d) || BN_cmp(d, order) >= 0)
            return inconsistent(detail, "the private number is not below the order");
        if (EC_POINT_mul(group, point, d, NULL, NULL, ctx) != 1)
            return evp_fail(detail, ERR_CRYPTO, "curve");
        if (in->point.len != 0 && EC_POINT_cmp(group, point, given, ctx) != 0)
            return inconsistent(detail, "the point is not that of the private number");
        if (!keyform_put(room, d, (size_t)BN_num_bytes(order), &full->d))
            return ERR_LIMIT;
    } else if (EC_POINT_copy(point, given) != 1) {
        return evp_fail(detail, ERR_CRYPTO, "curve");
    }
    uint8_t octets[POINT_MAX];
    size_t len =
        EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, octets, sizeof octets, ctx);
    if (len == 0 || !put_bytes(room, bytes_of(octets, len), &full->point))
        return evp_fail(detail, ERR_CRYPTO, "curve");
    *info = (struct keyform_info){ALG_EC, row->bits, in->curve};
    return ERR_OK;
}

enum err keyform_convert_point(uint32_t curve, struct bytes point, uint32_t form, uint8_t *to,
                               size_t cap, size_t *ret_len)
{
    const struct curve_row *row = curve_by_number(curve);
    if (row == NULL || form == POINT_COMPRESSED_CHAR2 || form > POINT_HYBRID)
        return ERR_UNSUPPORTED;
    AUTO(group_freep) EC_GROUP *group = group_of(row);
    AUTO(bn_ctx_freep) BN_CTX *ctx = BN_CTX_new();
    AUTO(point_freep) EC_POINT *at = group != NULL ? EC_POINT_new(group) : NULL;
    if (ctx == NULL || at == NULL)
        return ERR_NO_MEMORY;
    TRY(read_point(group, point, at, ctx, NULL));
    point_conversion_form_t kind = form == POINT_COMPRESSED_PRIME ? POINT_CONVERSION_COMPRESSED
                                   : form == POINT_HYBRID         ? POINT_CONVERSION_HYBRID
                                                                  : POINT_CONVERSION_UNCOMPRESSED;
    size_t len = EC_POINT_point2oct(group, at, kind, to, cap, ctx);
    if (len == 0)
        return evp_fail(NULL, ERR_LIMIT, "point");
    *ret_len = len;
    return ERR_OK;
}

static enum err complete_raw(const struct keyform_parts *in, bool private,
                             struct keyform_room *room, struct keyform_parts *full,
                             struct keyform_info *info, struct err_detail *detail)
{
    const struct keyform_raw *raw = keyform_raw_of(in->alg, in->curve);
    if ((private && in->d.len != raw->len) || (in->point.len != 0 && in->point.len != raw->len) ||
        (!private && in->point.len == 0))
        return err_set(detail, ERR_KEY_FORM, "a %s key has %zu bytes", raw->name, raw->len);
    AUTO(pkey_freep)
    EVP_PKEY *pkey =
        private
            ? EVP_PKEY_new_raw_private_key_ex(NULL, raw->name, NULL, in->d.data, in->d.len)
            : EVP_PKEY_new_raw_public_key_ex(NULL, raw->name, NULL, in->point.data, in->point.len);
    uint8_t point[64];
    size_t len = sizeof point;
    if (pkey == NULL || EVP_PKEY_get_raw_public_key(pkey, point, &len) != 1)
        return evp_fail(detail, ERR_KEY_FORM, raw->name);
    if (in->point.len != 0 && !bytes_equal(in->point, bytes_of(point, len)))
        return inconsistent(detail, "the public bytes are not those of the private ones");
    full->alg = raw->alg;
    full->curve = raw->curve;
    if ((private && !put_bytes(room, in->d, &full->d)) ||
        !put_bytes(room, bytes_of(point, len), &full->point))
        return ERR_LIMIT;
    *info = (struct keyform_info){raw->alg, raw->bits, raw->curve};
    return ERR_OK;
}

struct dl {
    BIGNUM *p, *q, *g, *j, *x, *y;
    BN_CTX *ctx;
};

static void dl_done(struct dl *n)
{
    BIGNUM **all[] = {&n->p, &n->q, &n->g, &n->j, &n->x, &n->y};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        bn_freep(all[i]);
    bn_ctx_freep(&n->ctx);
}

/* FIPS 186-4, 4.1 and A.2; for Diffie-Hellman SP 800-56A, 5.5 and 5.6.2. */
static enum err check_dl(const struct dl *n, bool has_q, uint32_t alg, struct err_detail *detail)
{
    int p_bits = BN_num_bits(n->p);
    int q_bits = BN_num_bits(n->q);
    if (p_bits < DL_BITS_MIN || p_bits > DL_BITS_MAX)
        return err_set(detail, ERR_LIMIT, "a prime of %d bits", p_bits);
    if ((alg == ALG_DSA || has_q) && (q_bits < 160 || q_bits >= p_bits))
        return err_set(detail, ERR_LIMIT, "a subgroup of %d bits", q_bits);
    if (BN_check_prime(n->p, n->ctx, NULL) != 1 ||
        (has_q && BN_check_prime(n->q, n->ctx, NULL) != 1))
        return inconsistent(detail, "p or q is no prime");
    if (BN_is_zero(n->g) || BN_is_one(n->g) || BN_cmp(n->g, n->p) >= 0)
        return inconsistent(detail, "the generator is none");
    AUTO(bn_freep) BIGNUM *t = bn_new();
    if (!has_q)
        return ERR_OK;
    if (t == NULL || BN_mod_exp(t, n->g, n->q, n->p, n->ctx) != 1 || !BN_is_one(t))
        return inconsistent(detail, "the generator is not of order q");
    return ERR_OK;
}

static enum err check_dl_public(const struct dl *n, bool has_q, struct err_detail *detail)
{
    AUTO(bn_freep) BIGNUM *t = bn_new();
    if (t == NULL || BN_copy(t, n->p) == NULL || BN_sub_word(t, 1) != 1)
        return ERR_NO_MEMORY;
    if (BN_is_zero(n->y) || BN_is_one(n->y) || BN_cmp(n->y, t) >= 0)
        return inconsistent(detail, "the public number is out of range");
    if (has_q && (BN_mod_exp(t, n->y, n->q, n->p, n->ctx) != 1 || !BN_is_one(t)))
        return inconsistent(detail, "the public number is not of order q");
    return ERR_OK;
}

static enum err dl_private(struct dl *n, bool has_q, struct bytes given_y,
                           struct err_detail *detail)
{
    if (BN_is_zero(n->x) || BN_cmp(n->x, has_q ? n->q : n->p) >= 0)
        return inconsistent(detail, "the private number is out of range");
    AUTO(bn_freep) BIGNUM *y = bn_new();
    if (y == NULL || BN_mod_exp_mont_consttime(y, n->g, n->x, n->p, n->ctx, NULL) != 1)
        return evp_fail(detail, ERR_CRYPTO, "public number");
    if (given_y.len != 0 && BN_cmp(y, n->y) != 0)
        return inconsistent(detail, "the public number is not that of the private one");
    BN_clear_free(n->y);
    n->y = TAKE(y);
    return ERR_OK;
}

static enum err complete_dl(const struct keyform_parts *in, bool private, struct keyform_room *room,
                            struct keyform_parts *full, struct keyform_info *info,
                            struct err_detail *detail)
{
    bool has_q = keyform_strip(in->q).len != 0;
    if (in->alg == ALG_DSA && !has_q)
        return inconsistent(detail, "q is wanted");
    AUTO(dl_done)
    struct dl n = {bn_of(in->p), bn_of(in->q), bn_of(in->g),       bn_of(in->j),
                   bn_of(in->x), bn_of(in->y), BN_CTX_secure_new()};
    if (n.p == NULL || n.q == NULL || n.g == NULL || n.j == NULL || n.x == NULL || n.y == NULL ||
        n.ctx == NULL)
        return ERR_NO_MEMORY;
    TRY(check_dl(&n, has_q, in->alg, detail));
    if (private)
        TRY(dl_private(&n, has_q, keyform_strip(in->y), detail));
    TRY(check_dl_public(&n, has_q, detail));
    full->alg = in->alg;
    if (!keyform_put(room, n.p, 0, &full->p) || !keyform_put(room, n.q, 0, &full->q) ||
        !keyform_put(room, n.g, 0, &full->g) || !keyform_put(room, n.j, 0, &full->j) ||
        !keyform_put(room, n.y, 0, &full->y) || (private && !keyform_put(room, n.x, 0, &full->x)))
        return err_set(detail, ERR_LIMIT, "the numbers are too long");
    *info = (struct keyform_info){in->alg, (uint32_t)BN_num_bits(n.p), 0};
    return ERR_OK;
}

static bool too_long(const struct keyform_parts *in)
{
    const struct bytes all[] = {in->modulus,
                                in->public_exponent,
                                in->private_exponent,
                                in->p,
                                in->q,
                                in->prime_exponent_p,
                                in->prime_exponent_q,
                                in->crt_coefficient,
                                in->d,
                                in->point,
                                in->g,
                                in->j,
                                in->x,
                                in->y};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (keyform_strip(all[i]).len > DL_BITS_MAX / 8)
            return true;
    return false;
}

enum err keyform_complete(const struct keyform_parts *parts, bool private,
                          struct keyform_parts *ret_full, struct keyform_info *ret_info,
                          struct err_detail *detail)
{
    if (too_long(parts))
        return err_set(detail, ERR_LIMIT, "a number is longer than %d bits", DL_BITS_MAX);
    AUTO(secret_freep) struct secret *all = NULL;
    TRY(secret_new(KEYFORM_ROOM, &all));
    struct keyform_room room = {secret_data(all), secret_len(all)};
    struct keyform_parts full = {0};
    struct keyform_info info = {0};
    if (parts->alg == ALG_RSA)
        TRY(keyform_complete_rsa(parts, private, &room, &full, &info, detail));
    else if (parts->alg == ALG_DSA || parts->alg == ALG_DH)
        TRY(complete_dl(parts, private, &room, &full, &info, detail));
    else if (keyform_raw_of(parts->alg, parts->curve) != NULL)
        TRY(complete_raw(parts, private, &room, &full, &info, detail));
    else if (keyform_is_ec(parts->alg))
        TRY(complete_ec(parts, private, &room, &full, &info, detail));
    else
        return err_set(detail, ERR_UNSUPPORTED, "algorithm %u has no key pairs here", parts->alg);
    full.all = TAKE(all);
    *ret_full = full;
    *ret_info = info;
    return ERR_OK;
}
