#include "crypto/curves.h"

#define SEC(number)       {0x2b, 0x81, 0x04, 0x00, number}, 5
#define X9(number)        {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, number}, 8
#define BRAINPOOL(number) {0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, number}, 9

/* NIST's first: curve_by_bits takes the first it finds. */
static const struct curve_row rows[] = {
    {CURVE_P_256, 256, "prime256v1", X9(7)},
    {CURVE_P_384, 384, "secp384r1", SEC(0x22)},
    {CURVE_P_521, 521, "secp521r1", SEC(0x23)},
    {CURVE_P_224, 224, "secp224r1", SEC(0x21)},
    {CURVE_P_192, 192, "prime192v1", X9(1)},
    {CURVE_SECP256K1, 256, "secp256k1", SEC(0x0a)},
    {CURVE_SECP224K1, 224, "secp224k1", SEC(0x20)},
    {CURVE_SECP192K1, 192, "secp192k1", SEC(0x1f)},
    {CURVE_SECP160K1, 160, "secp160k1", SEC(0x09)},
    {CURVE_SECP160R1, 160, "secp160r1", SEC(0x08)},
    {CURVE_SECP160R2, 160, "secp160r2", SEC(0x1e)},
    {CURVE_BRAINPOOLP160R1, 160, "brainpoolP160r1", BRAINPOOL(1)},
    {CURVE_BRAINPOOLP160T1, 160, "brainpoolP160t1", BRAINPOOL(2)},
    {CURVE_BRAINPOOLP192R1, 192, "brainpoolP192r1", BRAINPOOL(3)},
    {CURVE_BRAINPOOLP192T1, 192, "brainpoolP192t1", BRAINPOOL(4)},
    {CURVE_BRAINPOOLP224R1, 224, "brainpoolP224r1", BRAINPOOL(5)},
    {CURVE_BRAINPOOLP224T1, 224, "brainpoolP224t1", BRAINPOOL(6)},
    {CURVE_BRAINPOOLP256R1, 256, "brainpoolP256r1", BRAINPOOL(7)},
    {CURVE_BRAINPOOLP256T1, 256, "brainpoolP256t1", BRAINPOOL(8)},
    {CURVE_BRAINPOOLP320R1, 320, "brainpoolP320r1", BRAINPOOL(9)},
    {CURVE_BRAINPOOLP320T1, 320, "brainpoolP320t1", BRAINPOOL(10)},
    {CURVE_BRAINPOOLP384R1, 384, "brainpoolP384r1", BRAINPOOL(11)},
    {CURVE_BRAINPOOLP384T1, 384, "brainpoolP384t1", BRAINPOOL(12)},
    {CURVE_BRAINPOOLP512R1, 512, "brainpoolP512r1", BRAINPOOL(13)},
    {CURVE_BRAINPOOLP512T1, 512, "brainpoolP512t1", BRAINPOOL(14)},
};

const struct curve_row *curve_by_number(uint32_t curve)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].curve == curve)
            return &rows[i];
    return NULL;
}

const struct curve_row *curve_by_oid(struct bytes oid)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (bytes_equal(curve_oid(&rows[i]), oid))
            return &rows[i];
    return NULL;
}

const struct curve_row *curve_by_bits(uint32_t bits)
{
    for (size_t i = 0; i < 5; i++)
        if (rows[i].bits == bits)
            return &rows[i];
    return NULL;
}
