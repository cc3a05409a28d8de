#include <assert.h>

#include "crypto/certs.h"
#include "crypto/keyform.h"
#include "crypto/pkcs12.h"
#include "fuzz/target.h"

/* What was taken in is in the one form we write. */
static void check_private(struct secret *pkcs8, const struct keyform_info *info)
{
    struct secret *again = NULL;
    struct keyform_info second = {0};
    struct keyform_parts parts = {0};
    struct buf spki = {0};
    assert(keyform_private_in(FORMAT_PKCS8, info->alg, info->curve, secret_view(pkcs8), &again,
                              &second, NULL) == ERR_OK);
    assert(bytes_equal(secret_view(pkcs8), secret_view(again)));
    assert(second.bits == info->bits);
    assert(keyform_public_of(secret_view(pkcs8), &spki, NULL) == ERR_OK);
    assert(keyform_match(secret_view(pkcs8), buf_view(&spki), NULL) == ERR_OK);
    assert(keyform_parts_of_private(secret_view(pkcs8), &parts, NULL) == ERR_OK);
    keyform_parts_done(&parts);
    buf_done(&spki);
    secret_free(again);
    secret_free(pkcs8);
}

static void check_public(struct buf *spki, const struct keyform_info *info)
{
    struct buf again = {0};
    struct keyform_info second = {0};
    struct keyform_parts parts = {0};
    assert(keyform_public_in(FORMAT_X_509, info->alg, info->curve, buf_view(spki), &again, &second,
                             NULL) == ERR_OK);
    assert(bytes_equal(buf_view(spki), buf_view(&again)));
    assert(keyform_parts_of_public(buf_view(spki), 0, &parts, NULL) == ERR_OK);
    keyform_parts_done(&parts);
    buf_done(&again);
}

static enum err ignore(void *arg, struct bytes text)
{
    size_t *sum = arg;
    *sum += text.len;
    return ERR_OK;
}

static void read_cert(struct bytes input)
{
    struct certs_info info;
    struct buf text = {0};
    size_t sum = 0;
    if (certs_parse(input, &info, NULL) == ERR_OK ||
        certs_parse_request(input, &info, NULL) == ERR_OK) {
        (void)!certs_name_text(info.subject.der, &text, NULL);
        (void)!certs_alt_names(info.alt_names, ignore, &sum);
    }
    text.len = 0;
    (void)!certs_unpem(input, true, &text, NULL);
    buf_done(&text);
}

/* Keys of all forms, certificates, requests, PKCS#12. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t formats[] = {FORMAT_PKCS8, FORMAT_PKCS1, FORMAT_ECPRIVATEKEY, 0};
    static const uint32_t publics[] = {FORMAT_X_509, FORMAT_PKCS1, FORMAT_RAW};
    struct bytes input = bytes_of(data, size);
    struct keyform_info info;
    struct secret *pkcs8 = NULL;
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (keyform_private_in(formats[i], 0, 0, input, &pkcs8, &info, NULL) == ERR_OK)
            check_private(pkcs8, &info);
    for (size_t i = 0; i < ARRAY_LEN(publics); i++) {
        struct buf spki = {0};
        uint32_t curve = publics[i] == FORMAT_RAW ? CURVE_P_256 : 0;
        if (keyform_public_in(publics[i], 0, curve, input, &spki, &info, NULL) == ERR_OK)
            check_public(&spki, &info);
        buf_done(&spki);
    }
    read_cert(input);
    struct pkcs12_content content = {0};
    if (pkcs12_open(input, bytes_of("x", 1), &content, NULL) == ERR_OK)
        pkcs12_content_done(&content);
    if (pkcs8_open(input, bytes_of("x", 1), &pkcs8, NULL) == ERR_OK)
        secret_free(pkcs8);
    return 0;
}
