#include "crypto/x509_form.h"

#include "crypto/rsa_key.h"

const uint8_t oid_cn[3] = {0x55, 4, 3};
const uint8_t oid_subject_alt_name[3] = {0x55, 0x1d, 17};
const uint8_t oid_subject_key_id[3] = {0x55, 0x1d, 14};
const uint8_t oid_authority_key_id[3] = {0x55, 0x1d, 35};
const uint8_t oid_basic_constraints[3] = {0x55, 0x1d, 19};
const uint8_t oid_key_usage[3] = {0x55, 0x1d, 15};
const uint8_t oid_ext_key_usage[3] = {0x55, 0x1d, 37};
const uint8_t oid_crl_number[3] = {0x55, 0x1d, 20};
const uint8_t oid_extension_request[9] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14};
const uint8_t oid_ecdsa_sha256[8] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2};

#define LABEL_MAX 63 /* RFC 1035, 2.3.4 */

/* UTF-8 (RFC 3629) without control characters. */
bool x509_is_text(struct bytes v)
{
    for (size_t i = 0; i < v.len;) {
        uint8_t c = v.data[i];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : 3;
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xc2) || c > 0xf4 || v.len - i <= more)
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((v.data[i + k] & 0xc0) != 0x80)
                return false;
        i += more + 1;
    }
    return true;
}

static bool is_host(const char *name)
{
    if (strncmp(name, "*.", 2) == 0)
        name += 2;
    size_t label = 0;
    for (; *name != '\0'; name++) {
        bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
                      (*name >= '0' && *name <= '9') || *name == '-' || *name == '_';
        if (*name == '.' ? label == 0 : !letter || label == LABEL_MAX)
            return false;
        label = *name == '.' ? 0 : label + 1;
    }
    return label != 0;
}

enum err x509_check_names(const char *cn, const struct x509_names *names, struct err_detail *detail)
{
    size_t len = cn != NULL ? strlen(cn) : 0;
    if (len == 0 || len > X509_CN_MAX || !x509_is_text(bytes_of(cn, len)))
        return err_set(detail, ERR_ARGUMENT, "common name must have 1 to %d bytes of text",
                       X509_CN_MAX);
    if (names->dns_count > X509_NAMES_MAX || names->ip_count > X509_NAMES_MAX)
        return err_set(detail, ERR_ARGUMENT, "more than %d alternative names", X509_NAMES_MAX);
    for (size_t i = 0; i < names->dns_count; i++)
        if (strlen(names->dns[i]) > X509_NAME_MAX || !is_host(names->dns[i]))
            return err_set(detail, ERR_ARGUMENT, "\"%.64s\" is not a host name", names->dns[i]);
    for (size_t i = 0; i < names->ip_count; i++)
        if (names->ip[i].len != 4 && names->ip[i].len != 16)
            return err_set(detail, ERR_ARGUMENT, "an IP address has 4 or 16 bytes, not %zu",
                           names->ip[i].len);
    return ERR_OK;
}

void x509_put_name(struct der_writer *w, const char *cn)
{
    der_begin(w, DER_SEQUENCE);
    der_begin(w, DER_SET);
    der_begin(w, DER_SEQUENCE);
    der_put(w, DER_OID, BYTES(oid_cn));
    der_put(w, DER_UTF8_STRING, bytes_str(cn));
    der_end(w);
    der_end(w);
    der_end(w);
}

void x509_begin_extension(struct der_writer *w, struct bytes oid, bool critical)
{
    der_begin(w, DER_SEQUENCE);
    der_put(w, DER_OID, oid);
    if (critical)
        der_put_bool(w, true);
    der_begin(w, DER_OCTET_STRING);
}

void x509_end_extension(struct der_writer *w)
{
    der_end(w);
    der_end(w);
}

/* RFC 5280, 4.2.1.6. */
void x509_put_alt_names(struct der_writer *w, const struct x509_names *names)
{
    if (names->dns_count + names->ip_count == 0)
        return;
    x509_begin_extension(w, BYTES(oid_subject_alt_name), false);
    der_begin(w, DER_SEQUENCE);
    for (size_t i = 0; i < names->dns_count; i++)
        der_put(w, DER_CONTEXT(2), bytes_str(names->dns[i]));
    for (size_t i = 0; i < names->ip_count; i++)
        der_put(w, DER_CONTEXT(7), names->ip[i]);
    der_end(w);
    x509_end_extension(w);
}

void x509_put_rsa_sha256(struct der_writer *w)
{
    der_begin(w, DER_SEQUENCE);
    der_put(w, DER_OID, BYTES(oid_rsa_sha256));
    der_put_null(w);
    der_end(w);
}

enum err x509_spki_bits(struct bytes spki, struct bytes *ret_bits)
{
    struct der outer = der_of(spki);
    struct der info;
    struct bytes algorithm;
    TRY(der_enter(&outer, DER_SEQUENCE, &info));
    TRY(der_take(&info, DER_SEQUENCE, &algorithm));
    TRY(der_bits(&info, ret_bits));
    TRY(der_finish(&info));
    return der_finish(&outer);
}

bool x509_spki_is_p256(struct bytes spki)
{
    /* RFC 5480, 2: all of it but the point is always the same. */
    static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    return spki.len == sizeof head + 64 && memcmp(spki.data, head, sizeof head) == 0;
}
