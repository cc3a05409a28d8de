#include "crypto/x509.h"

#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/x509_form.h"

#define SERIAL_RANDOM 16

/* RFC 5280, 4.2.1.12. */
static const uint8_t eku_server[8] = {0x2b, 6, 1, 5, 5, 7, 3, 1};
static const uint8_t eku_client[8] = {0x2b, 6, 1, 5, 5, 7, 3, 2};

/* Wraps what is signed with its signature, made by whoever has the key and checked here: a wrong
 * key or a token's fault must not come to light at the peer. */
static enum err sign_and_wrap(struct bytes tbs, struct bytes issuer_spki,
                              const struct x509_signer *signer, struct buf *to,
                              struct err_detail *detail)
{
    AUTO(der_done) struct der_writer w = {0};
    AUTO(buf_done) struct buf signature = {0};
    AUTO(rsa_public_freep) struct rsa_public *issuer = NULL;
    uint8_t digest[HASH_SHA256_SIZE];
    TRY(rsa_public_from_spki(issuer_spki, &issuer, detail));
    TRY(hash_sha256(&tbs, 1, digest));
    TRY(signer->sign(signer->arg, digest, &signature, detail));
    TRY(rsa_verify_sha256(issuer, digest, buf_view(&signature), detail));
    der_begin(&w, DER_SEQUENCE);
    der_put_raw(&w, tbs);
    x509_put_rsa_sha256(&w);
    der_put_bits(&w, buf_view(&signature));
    der_end(&w);
    TRY(der_status(&w));
    return buf_append(to, buf_view(&w.out));
}

static void put_usage(struct der_writer *w, enum x509_profile profile)
{
    /* RFC 5280, 4.2.1.3: named bits without trailing zeros, so the count of unused ones differs. */
    static const uint8_t ca[] = {1, 0x06};   /* keyCertSign, cRLSign */
    static const uint8_t leaf[] = {7, 0x80}; /* digitalSignature */
    x509_begin_extension(w, BYTES(oid_key_usage), true);
    der_put(w, DER_BIT_STRING, profile == X509_CA ? BYTES(ca) : BYTES(leaf));
    x509_end_extension(w);
    if (profile == X509_CA)
        return;
    x509_begin_extension(w, BYTES(oid_ext_key_usage), false);
    der_begin(w, DER_SEQUENCE);
    if (profile != X509_CLIENT)
        der_put(w, DER_OID, BYTES(eku_server));
    if (profile != X509_SERVER)
        der_put(w, DER_OID, BYTES(eku_client));
    der_end(w);
    x509_end_extension(w);
}

static void put_constraints(struct der_writer *w, enum x509_profile profile)
{
    x509_begin_extension(w, BYTES(oid_basic_constraints), true);
    der_begin(w, DER_SEQUENCE);
    if (profile == X509_CA) {
        der_put_bool(w, true);
        der_put_small(w, 0);
    }
    der_end(w);
    x509_end_extension(w);
}

static void put_authority(struct der_writer *w, struct bytes key_id)
{
    if (key_id.len == 0)
        return;
    x509_begin_extension(w, BYTES(oid_authority_key_id), false);
    der_begin(w, DER_SEQUENCE);
    der_put(w, DER_CONTEXT(0), key_id);
    der_end(w);
    x509_end_extension(w);
}

static void put_names(struct der_writer *w, const struct x509_request *request)
{
    if (request->alt_names.len == 0) {
        x509_put_alt_names(w, &request->names);
        return;
    }
    x509_begin_extension(w, BYTES(oid_subject_alt_name), false);
    der_put_raw(w, request->alt_names);
    x509_end_extension(w);
}

static enum err put_extensions(struct der_writer *w, const struct x509_request *request,
                               struct bytes authority)
{
    struct bytes bits;
    uint8_t key_id[HASH_SHA1_SIZE];
    TRY(x509_spki_bits(request->spki, &bits));
    TRY(hash_sha1(&bits, 1, key_id)); /* RFC 5280, 4.2.1.2, method 1 */
    der_begin(w, DER_CONTEXT_OPEN(3));
    der_begin(w, DER_SEQUENCE);
    put_constraints(w, request->profile);
    put_usage(w, request->profile);
    x509_begin_extension(w, BYTES(oid_subject_key_id), false);
    der_put(w, DER_OCTET_STRING, BYTES(key_id));
    x509_end_extension(w);
    put_authority(w, request->issuer_cert.len != 0 ? authority : BYTES(key_id));
    put_names(w, request);
    der_end(w);
    der_end(w);
    return ERR_OK;
}

static enum err check_serial(struct bytes serial, struct err_detail *detail)
{
    bool zero = true;
    for (size_t i = 0; i < serial.len; i++)
        zero = zero && serial.data[i] == 0;
    /* RFC 5280, 4.1.2.2: positive and at most 20 octets with the sign. */
    if (zero || serial.len > X509_SERIAL_MAX ||
        (serial.len == X509_SERIAL_MAX && serial.data[0] >= 0x80))
        return err_set(detail, ERR_ARGUMENT, "serial number is zero or has more than %d bytes",
                       X509_SERIAL_MAX);
    return ERR_OK;
}

static enum err check_request(const struct x509_request *request, const struct x509_info *issuer,
                              struct err_detail *detail)
{
    if (request->subject.len == 0)
        TRY(x509_check_names(request->cn, &request->names, detail));
    if (request->not_before >= request->not_after)
        return err_set(detail, ERR_ARGUMENT, "certificate would end before it begins");
    if (request->issuer_cert.len == 0)
        return request->profile == X509_CA
                   ? ERR_OK
                   : err_set(detail, ERR_ARGUMENT, "only a CA can sign itself");
    if (!issuer->is_ca)
        return err_set(detail, ERR_ARGUMENT, "issuer is not a CA");
    if (request->profile == X509_CA)
        return err_set(detail, ERR_ARGUMENT, "this CA may not have another below it");
    if (request->not_after > issuer->not_after)
        return err_set(detail, ERR_ARGUMENT, "certificate would outlive its issuer");
    return ERR_OK;
}

static enum err write_tbs(const struct x509_request *request, const struct x509_info *issuer,
                          struct bytes serial, struct der_writer *w)
{
    der_begin(w, DER_SEQUENCE);
    der_begin(w, DER_CONTEXT_OPEN(0));
    der_put_small(w, 2); /* v3 */
    der_end(w);
    der_put_uint(w, serial);
    x509_put_rsa_sha256(w);
    if (request->issuer_cert.len != 0)
        der_put_raw(w, issuer->subject);
    else
        x509_put_name(w, request->cn);
    der_begin(w, DER_SEQUENCE);
    der_put_time(w, request->not_before);
    der_put_time(w, request->not_after);
    der_end(w);
    if (request->subject.len != 0)
        der_put_raw(w, request->subject);
    else
        x509_put_name(w, request->cn);
    der_put_raw(w, request->spki);
    TRY(put_extensions(w, request, issuer->key_id));
    der_end(w);
    return der_status(w);
}

enum err x509_issue(const struct x509_request *request, const struct x509_signer *signer,
                    struct buf *to, struct err_detail *detail)
{
    AUTO(der_done) struct der_writer tbs = {0};
    struct x509_info issuer = {0};
    uint8_t random[SERIAL_RANDOM];
    struct bytes serial = request->serial;
    if (request->issuer_cert.len != 0)
        TRY(x509_cert_parse(request->issuer_cert, &issuer, detail));
    TRY(check_request(request, &issuer, detail));
    if (serial.len == 0) {
        TRY(random_bytes(random, sizeof random));
        serial = BYTES(random);
    }
    TRY(check_serial(serial, detail));
    enum err err = write_tbs(request, &issuer, serial, &tbs);
    if (err != ERR_OK)
        return err_set(detail, err, "certificate for \"%s\": %s", request->cn, err_text(err));
    return sign_and_wrap(buf_view(&tbs.out),
                         request->issuer_cert.len != 0 ? issuer.spki : request->spki, signer, to,
                         detail);
}

/* revokedCertificates is left out where it would be empty (RFC 5280, 5.1.2.6). */
static enum err put_revoked(struct der_writer *w, const struct x509_crl *crl,
                            struct err_detail *detail)
{
    if (crl->revoked_count == 0)
        return ERR_OK;
    der_begin(w, DER_SEQUENCE);
    for (size_t i = 0; i < crl->revoked_count; i++) {
        TRY(check_serial(crl->revoked[i].serial, detail));
        der_begin(w, DER_SEQUENCE);
        der_put_uint(w, crl->revoked[i].serial);
        der_put_time(w, crl->revoked[i].when);
        der_end(w);
    }
    der_end(w);
    return ERR_OK;
}

/* TBSCertList (RFC 5280, 5.1). */
static enum err write_list(const struct x509_crl *crl, const struct x509_info *issuer,
                           struct der_writer *w, struct err_detail *detail)
{
    uint8_t number[8];
    be64_store(number, crl->number);
    der_begin(w, DER_SEQUENCE);
    der_put_small(w, 1); /* v2 */
    x509_put_rsa_sha256(w);
    der_put_raw(w, issuer->subject);
    der_put_time(w, crl->this_update);
    der_put_time(w, crl->next_update);
    TRY(put_revoked(w, crl, detail));
    der_begin(w, DER_CONTEXT_OPEN(0));
    der_begin(w, DER_SEQUENCE);
    put_authority(w, issuer->key_id);
    x509_begin_extension(w, BYTES(oid_crl_number), false);
    der_put_uint(w, BYTES(number));
    x509_end_extension(w);
    der_end(w);
    der_end(w);
    der_end(w);
    return der_status(w);
}

enum err x509_crl_issue(const struct x509_crl *crl, const struct x509_signer *signer,
                        struct buf *to, struct err_detail *detail)
{
    AUTO(der_done) struct der_writer list = {0};
    struct x509_info issuer = {0};
    TRY(x509_cert_parse(crl->issuer_cert, &issuer, detail));
    if (crl->this_update >= crl->next_update)
        return err_set(detail, ERR_ARGUMENT, "CRL would end before it begins");
    TRY(write_list(crl, &issuer, &list, detail));
    return sign_and_wrap(buf_view(&list.out), issuer.spki, signer, to, detail);
}
