#include "crypto/keyform.h"

#include "crypto/evp.h"
#include "crypto/keyform_parts.h"

#define POINT_ROOM 160

void keyform_parts_done(struct keyform_parts *parts)
{
    secret_free(parts->all);
    *parts = (struct keyform_parts){0};
}

/* What der.h found wrong, as one answer. */
static enum err malformed(enum err err, struct err_detail *detail)
{
    if (err == ERR_UNSUPPORTED)
        return err_set(detail, err, "a key of an algorithm, curve or version that is not served");
    if (err == ERR_SYNTAX || err == ERR_TRUNCATED)
        return err_set(detail, ERR_KEY_FORM, "the key is not in the form it should be");
    return err_set(detail, err, "key: %s", err_text(err));
}

static enum err check_size(struct bytes material, struct err_detail *detail)
{
    if (material.len > KEYFORM_DER_MAX)
        return err_set(detail, ERR_LIMIT, "a key of more than %zu bytes", KEYFORM_DER_MAX);
    if (material.len == 0)
        return err_set(detail, ERR_KEY_FORM, "an empty key");
    return ERR_OK;
}

/* Is it the algorithm that was announced? `alg` 0 says nothing. */
static enum err check_alg(const struct keyform_parts *parts, uint32_t alg, uint32_t curve,
                          struct err_detail *detail)
{
    bool same = alg == 0 || alg == parts->alg || (keyform_is_ec(alg) && keyform_is_ec(parts->alg));
    if (!same)
        return err_set(detail, ERR_KEY_FORM, "the key is of algorithm %u, not %u", parts->alg, alg);
    if (curve != 0 && curve != parts->curve)
        return err_set(detail, ERR_KEY_FORM, "the key is on curve %u, not %u", parts->curve, curve);
    return ERR_OK;
}

enum form { FORM_NONE, FORM_PKCS8, FORM_PKCS1, FORM_SEC1 };

/* By the first two elements. */
static enum form sniff(struct bytes der)
{
    struct der outer = der_of(der);
    struct der key;
    uint32_t version = 0;
    if (der_enter(&outer, DER_SEQUENCE, &key) != ERR_OK || der_small(&key, &version) != ERR_OK)
        return FORM_NONE;
    if (der_is(&key, DER_SEQUENCE))
        return FORM_PKCS8;
    if (der_is(&key, DER_OCTET_STRING))
        return FORM_SEC1;
    return der_is(&key, DER_INTEGER) ? FORM_PKCS1 : FORM_NONE;
}

static enum err read_private(uint32_t format, uint32_t alg, uint32_t curve, struct bytes material,
                             struct keyform_parts *parts)
{
    enum form form = format == FORMAT_PKCS8          ? FORM_PKCS8
                     : format == FORMAT_PKCS1        ? FORM_PKCS1
                     : format == FORMAT_ECPRIVATEKEY ? FORM_SEC1
                                                     : FORM_NONE;
    const struct keyform_raw *raw = keyform_raw_of(alg, curve);
    if ((format == FORMAT_RAW || format == 0) && raw != NULL && material.len == raw->len) {
        *parts = (struct keyform_parts){.alg = raw->alg, .curve = raw->curve, .d = material};
        return ERR_OK;
    }
    if (format == FORMAT_RAW || format == 0)
        form = sniff(material);
    switch (form) {
    case FORM_PKCS8: return keyform_read_pkcs8(material, parts);
    case FORM_PKCS1: return keyform_read_pkcs1(material, parts);
    case FORM_SEC1: return keyform_read_sec1(material, curve, parts);
    case FORM_NONE: break;
    }
    return format == FORMAT_RAW || format == 0 ? ERR_SYNTAX : ERR_UNSUPPORTED;
}

static enum err make_private(const struct keyform_parts *parts, struct secret **ret_pkcs8,
                             struct keyform_info *ret_info, struct err_detail *detail)
{
    AUTO(keyform_parts_done) struct keyform_parts full = {0};
    AUTO(secret_freep) struct secret *pkcs8 = NULL;
    struct keyform_info info;
    TRY(keyform_complete(parts, true, &full, &info, detail));
    TRY(keyform_write_pkcs8(&full, &pkcs8));
    *ret_pkcs8 = TAKE(pkcs8);
    *ret_info = info;
    return ERR_OK;
}

static enum err make_public(const struct keyform_parts *parts, struct buf *spki,
                            struct keyform_info *ret_info, struct err_detail *detail)
{
    AUTO(keyform_parts_done) struct keyform_parts full = {0};
    struct keyform_info info;
    TRY(keyform_complete(parts, false, &full, &info, detail));
    TRY(keyform_write_spki(&full, spki));
    *ret_info = info;
    return ERR_OK;
}

enum err keyform_private_in(uint32_t format, uint32_t alg, uint32_t curve, struct bytes material,
                            struct secret **ret_pkcs8, struct keyform_info *ret_info,
                            struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    TRY(check_size(material, detail));
    enum err err = read_private(format, alg, curve, material, &parts);
    if (err != ERR_OK)
        return malformed(err, detail);
    TRY(check_alg(&parts, alg, curve, detail));
    return make_private(&parts, ret_pkcs8, ret_info, detail);
}

static enum err read_public(uint32_t format, uint32_t alg, uint32_t curve, struct bytes material,
                            struct keyform_parts *parts)
{
    if (format == FORMAT_X_509)
        return keyform_read_spki(material, parts);
    if (format == FORMAT_PKCS1)
        return keyform_read_pkcs1_public(material, parts);
    if (format != FORMAT_RAW && format != 0)
        return ERR_UNSUPPORTED;
    const struct keyform_raw *raw = keyform_raw_of(alg, curve);
    if (raw != NULL && material.len == raw->len) {
        *parts = (struct keyform_parts){.alg = raw->alg, .curve = raw->curve, .point = material};
        return ERR_OK;
    }
    /* SEC 1, 2.3.4: a point begins with 2, 3, 4, 6 or 7, DER with 0x30. */
    if (raw == NULL && curve != 0 && material.data[0] < 8) {
        *parts = (struct keyform_parts){.alg = ALG_EC, .curve = curve, .point = material};
        return ERR_OK;
    }
    struct der outer = der_of(material);
    struct der key;
    TRY(der_enter(&outer, DER_SEQUENCE, &key));
    return der_is(&key, DER_SEQUENCE) ? keyform_read_spki(material, parts)
                                      : keyform_read_pkcs1_public(material, parts);
}

enum err keyform_public_in(uint32_t format, uint32_t alg, uint32_t curve, struct bytes material,
                           struct buf *spki, struct keyform_info *ret_info,
                           struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    TRY(check_size(material, detail));
    enum err err = read_public(format, alg, curve, material, &parts);
    if (err != ERR_OK)
        return malformed(err, detail);
    TRY(check_alg(&parts, alg, curve, detail));
    return make_public(&parts, spki, ret_info, detail);
}

static enum err info_of(const struct keyform_parts *parts, struct keyform_info *ret_info)
{
    const struct keyform_raw *raw = keyform_raw_of(parts->alg, parts->curve);
    const struct curve_row *row = curve_by_number(parts->curve);
    struct bytes number = keyform_strip(parts->alg == ALG_RSA ? parts->modulus : parts->p);
    uint32_t bits = 0;
    if (raw != NULL) {
        bits = raw->bits;
    } else if (row != NULL) {
        bits = row->bits;
    } else if (number.len != 0) {
        bits = (uint32_t)number.len * 8;
        for (unsigned top = number.data[0]; top < 0x80; top <<= 1)
            bits--;
    } else {
        return ERR_SYNTAX;
    }
    *ret_info = (struct keyform_info){parts->alg, bits, parts->curve};
    return ERR_OK;
}

enum err keyform_private_info(struct bytes pkcs8, struct keyform_info *ret_info,
                              struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    TRY(check_size(pkcs8, detail));
    enum err err = keyform_read_pkcs8(pkcs8, &parts);
    if (err == ERR_OK)
        err = info_of(&parts, ret_info);
    return err == ERR_OK ? ERR_OK : malformed(err, detail);
}

enum err keyform_public_info(struct bytes spki, struct keyform_info *ret_info,
                             struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    TRY(check_size(spki, detail));
    enum err err = keyform_read_spki(spki, &parts);
    if (err == ERR_OK)
        err = info_of(&parts, ret_info);
    return err == ERR_OK ? ERR_OK : malformed(err, detail);
}

static enum err unserved(uint32_t format, struct err_detail *detail)
{
    return err_set(detail, ERR_UNSUPPORTED, "this key has no form of type %u", format);
}

enum err keyform_private_out(struct bytes pkcs8, uint32_t format, struct secret **ret_material,
                             struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    TRY(check_size(pkcs8, detail));
    enum err err = keyform_read_pkcs8(pkcs8, &parts);
    if (err != ERR_OK)
        return malformed(err, detail);
    bool raw = keyform_raw_of(parts.alg, parts.curve) != NULL;
    switch (format) {
    case FORMAT_PKCS8: return secret_dup(pkcs8, ret_material);
    case FORMAT_PKCS1:
        return parts.alg == ALG_RSA ? keyform_write_pkcs1(&parts, ret_material)
                                    : unserved(format, detail);
    case FORMAT_ECPRIVATEKEY:
        return parts.alg == ALG_EC && parts.point.len != 0
                   ? keyform_write_sec1(&parts, ret_material)
                   : unserved(format, detail);
    case FORMAT_RAW:
        return raw || parts.alg == ALG_EC ? secret_dup(parts.d, ret_material)
                                          : unserved(format, detail);
    default: return unserved(format, detail);
    }
}

static enum err point_as(const struct keyform_parts *parts, uint32_t form, uint8_t to[POINT_ROOM],
                         struct bytes *ret_point, struct err_detail *detail)
{
    if (parts->alg != ALG_EC || form == 0) {
        *ret_point = parts->point;
        return ERR_OK;
    }
    size_t len = 0;
    enum err err = keyform_convert_point(parts->curve, parts->point, form, to, POINT_ROOM, &len);
    if (err != ERR_OK)
        return err_set(detail, err, "point compression %u: %s", form, err_text(err));
    *ret_point = bytes_of(to, len);
    return ERR_OK;
}

enum err keyform_public_out(struct bytes spki, uint32_t format, uint32_t point, struct buf *to,
                            struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    uint8_t room[POINT_ROOM];
    TRY(check_size(spki, detail));
    enum err err = keyform_read_spki(spki, &parts);
    if (err != ERR_OK)
        return malformed(err, detail);
    TRY(point_as(&parts, point, room, &parts.point, detail));
    if (format == FORMAT_X_509)
        return keyform_write_spki(&parts, to);
    if (parts.alg == ALG_RSA && (format == FORMAT_PKCS1 || format == FORMAT_RAW))
        return keyform_write_pkcs1_public(&parts, to);
    if (format == FORMAT_RAW && parts.point.len != 0)
        return buf_append(to, parts.point);
    return unserved(format, detail);
}

enum err keyform_public_of(struct bytes pkcs8, struct buf *spki, struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    struct keyform_info info;
    TRY(check_size(pkcs8, detail));
    enum err err = keyform_read_pkcs8(pkcs8, &parts);
    if (err != ERR_OK)
        return malformed(err, detail);
    if (parts.alg == ALG_RSA || (parts.alg == ALG_EC && parts.point.len != 0))
        return make_public(&parts, spki, &info, detail);
    AUTO(keyform_parts_done) struct keyform_parts full = {0};
    TRY(keyform_complete(&parts, true, &full, &info, detail));
    return keyform_write_spki(&full, spki);
}

enum err keyform_match(struct bytes pkcs8, struct bytes spki, struct err_detail *detail)
{
    AUTO(buf_done) struct buf own = {0};
    AUTO(buf_done) struct buf other = {0};
    struct keyform_info info;
    TRY(keyform_public_of(pkcs8, &own, detail));
    TRY(keyform_public_in(FORMAT_X_509, 0, 0, spki, &other, &info, detail));
    if (!bytes_equal(buf_view(&own), buf_view(&other)))
        return err_set(detail, ERR_MISMATCH, "private and public key are no pair");
    return ERR_OK;
}

static void strip_all(struct keyform_parts *parts)
{
    struct bytes *all[] = {&parts->modulus,
                           &parts->public_exponent,
                           &parts->private_exponent,
                           &parts->p,
                           &parts->q,
                           &parts->prime_exponent_p,
                           &parts->prime_exponent_q,
                           &parts->crt_coefficient,
                           &parts->g,
                           &parts->j,
                           &parts->x,
                           &parts->y};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        *all[i] = keyform_strip(*all[i]);
    if (parts->alg == ALG_EC)
        parts->d = keyform_strip(parts->d);
}

enum err keyform_parts_of_private(struct bytes pkcs8, struct keyform_parts *ret_parts,
                                  struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    AUTO(secret_freep) struct secret *all = NULL;
    TRY(check_size(pkcs8, detail));
    TRY(secret_dup(pkcs8, &all));
    enum err err = keyform_read_pkcs8(secret_view(all), &parts);
    if (err != ERR_OK)
        return malformed(err, detail);
    strip_all(&parts);
    parts.all = TAKE(all);
    *ret_parts = parts;
    return ERR_OK;
}

enum err keyform_parts_of_public(struct bytes spki, uint32_t point, struct keyform_parts *ret_parts,
                                 struct err_detail *detail)
{
    struct keyform_parts parts = {0};
    uint8_t room[POINT_ROOM];
    AUTO(secret_freep) struct secret *all = NULL;
    TRY(check_size(spki, detail));
    TRY(secret_new(spki.len + POINT_ROOM, &all));
    memcpy(secret_data(all), spki.data, spki.len);
    enum err err = keyform_read_spki(bytes_of(secret_data(all), spki.len), &parts);
    if (err != ERR_OK)
        return malformed(err, detail);
    TRY(point_as(&parts, point, room, &parts.point, detail));
    if (parts.point.data == room) {
        uint8_t *to = secret_data(all) + spki.len;
        memcpy(to, room, parts.point.len);
        parts.point.data = to;
    }
    strip_all(&parts);
    parts.all = TAKE(all);
    *ret_parts = parts;
    return ERR_OK;
}

enum err keyform_private_of_parts(const struct keyform_parts *parts, struct secret **ret_pkcs8,
                                  struct keyform_info *ret_info, struct err_detail *detail)
{
    return make_private(parts, ret_pkcs8, ret_info, detail);
}

enum err keyform_public_of_parts(const struct keyform_parts *parts, struct buf *spki,
                                 struct keyform_info *ret_info, struct err_detail *detail)
{
    return make_public(parts, spki, ret_info, detail);
}
