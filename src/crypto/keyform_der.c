#include "crypto/keyform_parts.h"

#include "crypto/rsa_key.h"

/* Keys in DER: PKCS#8 (RFC 5958), PKCS#1 (RFC 8017, A.1), ECPrivateKey (RFC 5915),
 * SubjectPublicKeyInfo (RFC 5280, 4.1; RFC 3279, 5480, 8410). */

static const uint8_t oid_ec[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1};
static const uint8_t oid_dsa[] = {0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1};
static const uint8_t oid_dh[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 3, 1}; /* PKCS#3 */
static const uint8_t oid_dhx[] = {0x2a, 0x86, 0x48, 0xce, 0x3e, 2, 1};         /* X9.42 */

static const struct keyform_raw raws[] = {
    {"ED25519", 32, ALG_ED25519, 0, 256, {0x2b, 0x65, 0x70}},
    {"ED448", 57, ALG_ED448, 0, 456, {0x2b, 0x65, 0x71}},
    {"X25519", 32, ALG_ECDH, CURVE_CURVE25519, 256, {0x2b, 0x65, 0x6e}},
    {"X448", 56, ALG_ECDH, CURVE_CURVE448, 448, {0x2b, 0x65, 0x6f}},
};

const struct keyform_raw *keyform_raw_of(uint32_t alg, uint32_t curve)
{
    for (size_t i = 0; i < ARRAY_LEN(raws); i++) {
        bool same = keyform_is_ec(alg) ? raws[i].alg == ALG_ECDH && raws[i].curve == curve
                                       : raws[i].alg == alg;
        if (same)
            return &raws[i];
    }
    return NULL;
}

static enum err read_domain(struct der *algorithm, struct keyform_parts *parts, bool x942)
{
    struct der domain;
    struct bytes skipped;
    TRY(der_enter(algorithm, DER_SEQUENCE, &domain));
    TRY(der_uint(&domain, &parts->p));
    if (parts->alg == ALG_DSA) {
        TRY(der_uint(&domain, &parts->q));
        TRY(der_uint(&domain, &parts->g));
        return der_finish(&domain);
    }
    TRY(der_uint(&domain, &parts->g));
    if (x942)
        TRY(der_uint(&domain, &parts->q));
    /* X9.42: j and what p was made with; PKCS#3: a length of x. */
    if (der_left(&domain) && der_is(&domain, DER_INTEGER))
        TRY(der_uint(&domain, x942 ? &parts->j : &skipped));
    if (x942 && der_left(&domain))
        TRY(der_take(&domain, DER_SEQUENCE, &skipped));
    return der_finish(&domain);
}

static enum err read_curve(struct der *r, uint32_t *ret_curve)
{
    struct bytes oid;
    if (!der_is(r, DER_OID))
        return ERR_UNSUPPORTED; /* RFC 5480, 2.1.1: named curves only */
    TRY(der_take(r, DER_OID, &oid));
    const struct curve_row *row = curve_by_oid(oid);
    if (row == NULL)
        return ERR_UNSUPPORTED;
    *ret_curve = row->curve;
    return ERR_OK;
}

static enum err read_algorithm(struct der *r, struct keyform_parts *parts)
{
    struct der algorithm;
    struct bytes oid;
    struct bytes null;
    TRY(der_enter(r, DER_SEQUENCE, &algorithm));
    TRY(der_take(&algorithm, DER_OID, &oid));
    if (bytes_equal(oid, BYTES(oid_rsa))) {
        parts->alg = ALG_RSA;
        if (der_left(&algorithm))
            TRY(der_take(&algorithm, DER_NULL, &null));
    } else if (bytes_equal(oid, BYTES(oid_ec))) {
        parts->alg = ALG_EC;
        TRY(read_curve(&algorithm, &parts->curve));
    } else if (bytes_equal(oid, BYTES(oid_dsa))) {
        parts->alg = ALG_DSA;
        TRY(read_domain(&algorithm, parts, false));
    } else if (bytes_equal(oid, BYTES(oid_dh)) || bytes_equal(oid, BYTES(oid_dhx))) {
        parts->alg = ALG_DH;
        TRY(read_domain(&algorithm, parts, bytes_equal(oid, BYTES(oid_dhx))));
    } else {
        for (size_t i = 0; i < ARRAY_LEN(raws); i++)
            if (bytes_equal(oid, BYTES(raws[i].oid))) {
                parts->alg = raws[i].alg;
                parts->curve = raws[i].curve;
            }
        if (parts->alg == 0)
            return ERR_UNSUPPORTED;
    }
    return der_finish(&algorithm);
}

enum err keyform_read_pkcs1(struct bytes der, struct keyform_parts *ret_parts)
{
    struct der outer = der_of(der);
    struct der key;
    struct keyform_parts parts = *ret_parts;
    uint32_t version = 0;
    parts.alg = ALG_RSA;
    TRY(der_enter(&outer, DER_SEQUENCE, &key));
    TRY(der_small(&key, &version));
    if (version != 0)
        return ERR_UNSUPPORTED; /* more than two primes */
    TRY(der_uint(&key, &parts.modulus));
    TRY(der_uint(&key, &parts.public_exponent));
    TRY(der_uint(&key, &parts.private_exponent));
    TRY(der_uint(&key, &parts.p));
    TRY(der_uint(&key, &parts.q));
    TRY(der_uint(&key, &parts.prime_exponent_p));
    TRY(der_uint(&key, &parts.prime_exponent_q));
    TRY(der_uint(&key, &parts.crt_coefficient));
    TRY(der_finish(&key));
    TRY(der_finish(&outer));
    *ret_parts = parts;
    return ERR_OK;
}

enum err keyform_read_sec1(struct bytes der, uint32_t curve, struct keyform_parts *ret_parts)
{
    struct der outer = der_of(der);
    struct der key;
    struct der inner;
    struct keyform_parts parts = {.alg = ALG_EC, .curve = curve};
    uint32_t version = 0;
    TRY(der_enter(&outer, DER_SEQUENCE, &key));
    TRY(der_small(&key, &version));
    if (version != 1)
        return ERR_UNSUPPORTED;
    TRY(der_take(&key, DER_OCTET_STRING, &parts.d));
    if (der_is(&key, DER_CONTEXT_OPEN(0))) {
        uint32_t named = 0;
        TRY(der_enter(&key, DER_CONTEXT_OPEN(0), &inner));
        TRY(read_curve(&inner, &named));
        TRY(der_finish(&inner));
        if (curve != 0 && named != curve)
            return ERR_SYNTAX;
        parts.curve = named;
    }
    if (der_is(&key, DER_CONTEXT_OPEN(1))) {
        TRY(der_enter(&key, DER_CONTEXT_OPEN(1), &inner));
        TRY(der_bits(&inner, &parts.point));
        TRY(der_finish(&inner));
    }
    TRY(der_finish(&key));
    TRY(der_finish(&outer));
    if (parts.curve == 0)
        return ERR_UNSUPPORTED;
    *ret_parts = parts;
    return ERR_OK;
}

/* The content of the OCTET STRING, by algorithm. */
static enum err read_private(struct bytes content, struct keyform_parts *parts)
{
    struct der r = der_of(content);
    switch (parts->alg) {
    case ALG_RSA: return keyform_read_pkcs1(content, parts);
    case ALG_EC: return keyform_read_sec1(content, parts->curve, parts);
    case ALG_DSA:
    case ALG_DH: TRY(der_uint(&r, &parts->x)); return der_finish(&r);
    default: /* RFC 8410, 7: an OCTET STRING in the OCTET STRING */
        TRY(der_take(&r, DER_OCTET_STRING, &parts->d));
        return der_finish(&r);
    }
}

enum err keyform_read_pkcs8(struct bytes der, struct keyform_parts *ret_parts)
{
    struct der outer = der_of(der);
    struct der key;
    struct keyform_parts parts = {0};
    struct bytes content;
    struct bytes skipped;
    uint32_t version = 0;
    TRY(der_enter(&outer, DER_SEQUENCE, &key));
    TRY(der_small(&key, &version));
    if (version > 1)
        return ERR_UNSUPPORTED;
    TRY(read_algorithm(&key, &parts));
    TRY(der_take(&key, DER_OCTET_STRING, &content));
    TRY(read_private(content, &parts));
    if (der_is(&key, DER_CONTEXT_OPEN(0)))
        TRY(der_take(&key, DER_CONTEXT_OPEN(0), &skipped));
    if (version == 1 && der_is(&key, DER_CONTEXT(1)))
        TRY(der_take(&key, DER_CONTEXT(1), &skipped));
    TRY(der_finish(&key));
    TRY(der_finish(&outer));
    *ret_parts = parts;
    return ERR_OK;
}

enum err keyform_read_pkcs1_public(struct bytes der, struct keyform_parts *ret_parts)
{
    struct der outer = der_of(der);
    struct der key;
    struct keyform_parts parts = {.alg = ALG_RSA};
    TRY(der_enter(&outer, DER_SEQUENCE, &key));
    TRY(der_uint(&key, &parts.modulus));
    TRY(der_uint(&key, &parts.public_exponent));
    TRY(der_finish(&key));
    TRY(der_finish(&outer));
    *ret_parts = parts;
    return ERR_OK;
}

enum err keyform_read_spki(struct bytes der, struct keyform_parts *ret_parts)
{
    struct der outer = der_of(der);
    struct der info;
    struct keyform_parts parts = {0};
    struct bytes bits;
    TRY(der_enter(&outer, DER_SEQUENCE, &info));
    TRY(read_algorithm(&info, &parts));
    TRY(der_bits(&info, &bits));
    TRY(der_finish(&info));
    TRY(der_finish(&outer));
    struct der content = der_of(bits);
    if (parts.alg == ALG_RSA) {
        TRY(keyform_read_pkcs1_public(bits, &parts));
    } else if (parts.alg == ALG_DSA || parts.alg == ALG_DH) {
        TRY(der_uint(&content, &parts.y));
        TRY(der_finish(&content));
    } else {
        parts.point = bits;
    }
    *ret_parts = parts;
    return ERR_OK;
}

static void put_domain(struct der_writer *w, const struct keyform_parts *full)
{
    der_begin(w, DER_SEQUENCE);
    der_put_uint(w, full->p);
    if (full->alg == ALG_DSA)
        der_put_uint(w, full->q);
    der_put_uint(w, full->g);
    if (full->alg == ALG_DH && full->q.len != 0)
        der_put_uint(w, full->q);
    if (full->alg == ALG_DH && full->q.len != 0 && full->j.len != 0)
        der_put_uint(w, full->j);
    der_end(w);
}

static void put_algorithm(struct der_writer *w, const struct keyform_parts *full)
{
    der_begin(w, DER_SEQUENCE);
    switch (full->alg) {
    case ALG_RSA:
        der_put(w, DER_OID, BYTES(oid_rsa));
        der_put_null(w);
        break;
    case ALG_EC:
        der_put(w, DER_OID, BYTES(oid_ec));
        der_put(w, DER_OID, curve_oid(curve_by_number(full->curve)));
        break;
    case ALG_DSA:
        der_put(w, DER_OID, BYTES(oid_dsa));
        put_domain(w, full);
        break;
    case ALG_DH:
        der_put(w, DER_OID, full->q.len != 0 ? BYTES(oid_dhx) : BYTES(oid_dh));
        put_domain(w, full);
        break;
    default: {
        const struct keyform_raw *raw = keyform_raw_of(full->alg, full->curve);
        der_put(w, DER_OID, BYTES(raw->oid));
    }
    }
    der_end(w);
}

static void put_pkcs1(struct der_writer *w, const struct keyform_parts *full)
{
    der_begin(w, DER_SEQUENCE);
    der_put_small(w, 0);
    der_put_uint(w, full->modulus);
    der_put_uint(w, full->public_exponent);
    der_put_uint(w, full->private_exponent);
    der_put_uint(w, full->p);
    der_put_uint(w, full->q);
    der_put_uint(w, full->prime_exponent_p);
    der_put_uint(w, full->prime_exponent_q);
    der_put_uint(w, full->crt_coefficient);
    der_end(w);
}

/* In PKCS#8 the curve stands outside. */
static void put_sec1(struct der_writer *w, const struct keyform_parts *full, bool with_curve)
{
    der_begin(w, DER_SEQUENCE);
    der_put_small(w, 1);
    der_put(w, DER_OCTET_STRING, full->d);
    if (with_curve) {
        der_begin(w, DER_CONTEXT_OPEN(0));
        der_put(w, DER_OID, curve_oid(curve_by_number(full->curve)));
        der_end(w);
    }
    der_begin(w, DER_CONTEXT_OPEN(1));
    der_put_bits(w, full->point);
    der_end(w);
    der_end(w);
}

static enum err to_secret(const struct der_writer *w, struct secret **ret_der)
{
    TRY(der_status(w));
    return secret_dup(buf_view(&w->out), ret_der);
}

enum err keyform_write_pkcs8(const struct keyform_parts *full, struct secret **ret_der)
{
    AUTO(der_done) struct der_writer w = {0};
    der_begin(&w, DER_SEQUENCE);
    der_put_small(&w, 0);
    put_algorithm(&w, full);
    der_begin(&w, DER_OCTET_STRING);
    if (full->alg == ALG_RSA)
        put_pkcs1(&w, full);
    else if (full->alg == ALG_EC)
        put_sec1(&w, full, false);
    else if (full->alg == ALG_DSA || full->alg == ALG_DH)
        der_put_uint(&w, full->x);
    else
        der_put(&w, DER_OCTET_STRING, full->d);
    der_end(&w);
    der_end(&w);
    return to_secret(&w, ret_der);
}

enum err keyform_write_pkcs1(const struct keyform_parts *full, struct secret **ret_der)
{
    AUTO(der_done) struct der_writer w = {0};
    put_pkcs1(&w, full);
    return to_secret(&w, ret_der);
}

enum err keyform_write_sec1(const struct keyform_parts *full, struct secret **ret_der)
{
    AUTO(der_done) struct der_writer w = {0};
    put_sec1(&w, full, true);
    return to_secret(&w, ret_der);
}

enum err keyform_write_pkcs1_public(const struct keyform_parts *full, struct buf *to)
{
    AUTO(der_done) struct der_writer w = {0};
    der_begin(&w, DER_SEQUENCE);
    der_put_uint(&w, full->modulus);
    der_put_uint(&w, full->public_exponent);
    der_end(&w);
    TRY(der_status(&w));
    return buf_append(to, buf_view(&w.out));
}

enum err keyform_write_spki(const struct keyform_parts *full, struct buf *to)
{
    AUTO(der_done) struct der_writer w = {0};
    AUTO(der_done) struct der_writer inner = {0};
    struct bytes bits = full->point;
    AUTO(buf_done) struct buf rsa = {0};
    if (full->alg == ALG_RSA) {
        TRY(keyform_write_pkcs1_public(full, &rsa));
        bits = buf_view(&rsa);
    } else if (full->alg == ALG_DSA || full->alg == ALG_DH) {
        der_put_uint(&inner, full->y);
        TRY(der_status(&inner));
        bits = buf_view(&inner.out);
    }
    der_begin(&w, DER_SEQUENCE);
    put_algorithm(&w, full);
    der_put_bits(&w, bits);
    der_end(&w);
    TRY(der_status(&w));
    return buf_append(to, buf_view(&w.out));
}
