#include "crypto/certs.h"

#include "base/clock.h"

#include "tools.h"

#define CERTS_MAX 6

/* A root, an intermediate, two leaves and a stranger, made by openssl. */
static char *dir;
static struct buf root, middle, leaf, ed, stranger, late;

static int make_certs(void **state)
{
    (void)state;
    dir = test_tempdir();
    if (!have("openssl"))
        return 0;
    assert_int_equal(
        shell("cd %s && exec 2>/dev/null && "
              "printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=keyCertSign\\n"
              "subjectKeyIdentifier=hash\\n' > ca.ext && "
              "printf 'subjectAltName=DNS:a.example,IP:192.0.2.1,IP:2001:db8::1,email:x@a.example,"
              "URI:https://a.example/,RID:1.2.3,dirName:dn\\nsubjectKeyIdentifier=hash\\n"
              "authorityKeyIdentifier=keyid\\n[dn]\\nCN=inside\\n' > leaf.ext && "
              "openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -subj "
              "'/C=CH/O=Root, Inc./CN=Root' -days 3650 -addext keyUsage=keyCertSign -outform DER "
              "-out root.der && "
              "openssl x509 -inform DER -in root.der -out root.pem && "
              "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout middle.key "
              "-subj '/C=CH/O=Root, Inc./CN=Middle' -out middle.csr && "
              "openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -CAcreateserial -days "
              "3000 -sha384 -extfile ca.ext -out middle.pem && "
              "openssl x509 -in middle.pem -outform DER -out middle.der",
              dir),
        0);
    assert_int_equal(
        shell("cd %s && exec 2>/dev/null && "
              "openssl req -newkey rsa:2048 -nodes -keyout leaf.key -subj "
              "'/DC=example/O=A/O=B/OU=U+serialNumber=7/CN= #leaf <x>/emailAddress=x@a.example/"
              "UID=me/title=T/L=Bern/ST=BE/dnQualifier=q' -out leaf.csr -addext "
              "subjectAltName=DNS:wanted.example && "
              "openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -CAcreateserial "
              "-days 300 -extfile leaf.ext -outform DER -out leaf.der && "
              "openssl req -in leaf.csr -outform DER -out leaf.csr.der && "
              "openssl genpkey -algorithm ED25519 -out ed.key && "
              "openssl req -new -key ed.key -subj /CN=ed -outform DER -out ed.csr.der && "
              "openssl req -x509 -key ed.key -subj /CN=ed -days 300 -outform DER -out ed.der && "
              "openssl req -x509 -newkey rsa:1024 -nodes -keyout x.key -subj '/C=CH/O=Root, "
              "Inc./CN=Middle' -days 300 -outform DER -out stranger.der && "
              "openssl x509 -req -in leaf.csr -CA root.pem -CAkey root.key -days -1 -sha512 "
              "-sigopt rsa_padding_mode:pss -outform DER -out late.der",
              dir),
        0);
    get_file(dir, "root.der", &root);
    get_file(dir, "middle.der", &middle);
    get_file(dir, "leaf.der", &leaf);
    get_file(dir, "ed.der", &ed);
    get_file(dir, "stranger.der", &stranger);
    get_file(dir, "late.der", &late);
    return 0;
}

static int drop_certs(void **state)
{
    (void)state;
    struct buf *all[] = {&root, &middle, &leaf, &ed, &stranger, &late};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        buf_done(all[i]);
    test_tempdir_remove(dir);
    return 0;
}

static void need_openssl(void)
{
    if (root.len == 0)
        skip();
}

static void rdn_is(const struct certs_name *name, enum certs_rdn kind, const char *value)
{
    assert_int_equal(name->counts[kind], 1);
    assert_true(bytes_equal(name->values[kind][0], bytes_str(value)));
}

static enum err collect(void *arg, struct bytes text)
{
    struct buf *to = arg;
    TRY(buf_append(to, text));
    return buf_append(to, bytes_str("\n"));
}

static void reads_certificates(void **state)
{
    (void)state;
    need_openssl();
    struct certs_info info;
    AUTO(buf_done) struct buf text = {0};
    AUTO(buf_done) struct buf names = {0};
    assert_ok(certs_parse(buf_view(&leaf), &info, NULL));
    rdn_is(&info.subject, CERTS_CN, " #leaf <x>");
    rdn_is(&info.subject, CERTS_DC, "example");
    rdn_is(&info.subject, CERTS_OU, "U");
    rdn_is(&info.subject, CERTS_SERIAL_NUMBER, "7");
    rdn_is(&info.subject, CERTS_EMAIL, "x@a.example");
    rdn_is(&info.subject, CERTS_UID, "me");
    rdn_is(&info.subject, CERTS_TITLE, "T");
    rdn_is(&info.subject, CERTS_L, "Bern");
    rdn_is(&info.subject, CERTS_ST, "BE");
    rdn_is(&info.subject, CERTS_DN_QUALIFIER, "q");
    assert_int_equal(info.subject.counts[CERTS_O], 2);
    assert_true(bytes_equal(info.subject.values[CERTS_O][1], bytes_str("B")));
    rdn_is(&info.issuer, CERTS_CN, "Middle");
    rdn_is(&info.issuer, CERTS_O, "Root, Inc.");
    assert_int_equal(info.signature, SIG_ECDSA_WITH_SHA256);
    assert_int_equal(info.key_alg, ALG_RSA);
    assert_int_equal(info.key_bits, 2048);
    assert_false(info.is_ca);
    assert_false(info.self_issued);
    assert_true(info.key_id.len != 0 && info.authority_key_id.len != 0);
    assert_true(info.not_after - info.not_before == (int64_t)300 * 86400);
    assert_ok(certs_alt_names(info.alt_names, collect, &names));
    assert_true(
        bytes_equal(buf_view(&names),
                    bytes_str("DNS:a.example\nIP:192.0.2.1\nIP:2001:db8::1\nEMAIL:x@a.example\n"
                              "URI:https://a.example/\nRID:1.2.3\nDIRNAME:CN=inside\n")));
    assert_ok(certs_name_text(info.subject.der, &text, NULL));
    assert_string_equal(text.data,
                        "dnQualifier=q,ST=BE,L=Bern,title=T,UID=me,emailAddress=x@a.example,CN=\\ "
                        "#leaf \\<x\\>,serialNumber=7+OU=U,O=B,O=A,DC=example");
    text.len = 0;
    assert_ok(certs_name_text(info.issuer.der, &text, NULL));
    assert_string_equal(text.data, "CN=Middle,O=Root\\, Inc.,C=CH");
    assert_ok(certs_parse(buf_view(&root), &info, NULL));
    assert_true(info.is_ca && info.self_issued);
    assert_int_equal(info.signature, SIG_SHA_256_WITH_RSA_ENCRYPTION);
    assert_ok(certs_parse(buf_view(&middle), &info, NULL));
    assert_int_equal(info.signature, SIG_SHA_384_WITH_RSA_ENCRYPTION);
    assert_int_equal(info.key_bits, 384);
    assert_ok(certs_parse(buf_view(&ed), &info, NULL));
    assert_int_equal(info.signature, 0);
    assert_int_equal(info.key_alg, ALG_ED25519);
    assert_ok(certs_parse(buf_view(&late), &info, NULL));
    assert_int_equal(info.signature, SIG_RSASSA_PSS);
}

static void refuses_what_is_none(void **state)
{
    (void)state;
    need_openssl();
    struct certs_info info;
    for (size_t len = 0; len < leaf.len; len++)
        assert_err(certs_parse(bytes_of(leaf.data, len), &info, NULL), ERR_KEY_FORM);
    AUTO(buf_done) struct buf longer = {0};
    assert_ok(buf_append(&longer, buf_view(&leaf)));
    assert_ok(buf_append(&longer, BYTES("x")));
    assert_err(certs_parse(buf_view(&longer), &info, NULL), ERR_KEY_FORM);
    static uint8_t large[X509_DER_MAX + 1];
    assert_err(certs_parse(BYTES(large), &info, NULL), ERR_LIMIT);
    assert_err(certs_parse_request(buf_view(&leaf), &info, NULL), ERR_KEY_FORM);
    assert_err(certs_name_text(bytes_str("no name"), &longer, NULL), ERR_KEY_FORM);
}

static void requests(void **state)
{
    (void)state;
    need_openssl();
    struct certs_info info;
    AUTO(buf_done) struct buf der = {0};
    AUTO(buf_done) struct buf pem = {0};
    AUTO(buf_done) struct buf out = {0};
    AUTO(buf_done) struct buf names = {0};
    get_file(dir, "leaf.csr.der", &der);
    get_file(dir, "leaf.csr", &pem);
    assert_ok(certs_parse_request(buf_view(&der), &info, NULL));
    rdn_is(&info.subject, CERTS_OU, "U");
    assert_int_equal(info.key_bits, 2048);
    assert_ok(certs_alt_names(info.alt_names, collect, &names));
    assert_true(bytes_equal(buf_view(&names), bytes_str("DNS:wanted.example\n")));
    assert_ok(certs_unpem(buf_view(&pem), true, &out, NULL));
    assert_true(bytes_equal(buf_view(&out), buf_view(&der)));
    assert_err(certs_unpem(buf_view(&pem), false, &out, NULL), ERR_KEY_FORM);
    out.len = 0;
    assert_ok(certs_unpem(buf_view(&der), true, &out, NULL));
    assert_true(bytes_equal(buf_view(&out), buf_view(&der)));
    assert_err(certs_unpem(bytes_of(der.data, der.len - 1), true, &out, NULL), ERR_KEY_FORM);
    /* A signature that is not the key's. */
    der.data[der.len - 1] ^= 1;
    assert_err(certs_parse_request(buf_view(&der), &info, NULL), ERR_SIGNATURE);
    get_file(dir, "ed.csr.der", &der);
    assert_ok(certs_parse_request(buf_view(&der), &info, NULL));
    assert_int_equal(info.key_alg, ALG_ED25519);
}

static enum certs_verdict verdict(const struct buf *const chain[], size_t count,
                                  const struct buf *trusted, int64_t when)
{
    struct bytes ders[CERTS_MAX];
    struct bytes anchor = {0};
    enum certs_verdict got = 0;
    for (size_t i = 0; i < count; i++)
        ders[i] = buf_view(chain[i]);
    if (trusted != NULL)
        anchor = buf_view(trusted);
    struct err_detail detail = {0};
    assert_ok(certs_verify(ders, count, &anchor, trusted != NULL, when, &got, &detail));
    assert_true(got == CERTS_VALID || detail.text[0] != '\0');
    return got;
}

static void chains(void **state)
{
    (void)state;
    need_openssl();
    int64_t now = clock_now_s();
    const struct buf *full[] = {&root, &leaf, &middle};
    assert_int_equal(verdict(full, 3, NULL, now), CERTS_VALID);
    assert_int_equal(verdict(full, 3, &root, now), CERTS_VALID);
    assert_int_equal(verdict(full, 3, &ed, now), CERTS_UNKNOWN);
    assert_int_equal(verdict(full, 3, NULL, now + (int64_t)400 * 86400), CERTS_INVALID);
    assert_int_equal(verdict(full, 3, NULL, now - 86400), CERTS_INVALID);
    const struct buf *short_one[] = {&leaf, &root};
    assert_int_equal(verdict(short_one, 2, NULL, now), CERTS_INVALID);
    const struct buf *no_root[] = {&leaf, &middle};
    assert_int_equal(verdict(no_root, 2, NULL, now), CERTS_UNKNOWN);
    assert_int_equal(verdict(no_root, 2, &root, now), CERTS_VALID);
    const struct buf *alone[] = {&ed};
    assert_int_equal(verdict(alone, 1, NULL, now), CERTS_VALID);
    assert_int_equal(verdict(alone, 1, &root, now), CERTS_UNKNOWN);
    /* The issuer's name on another key. */
    const struct buf *forged[] = {&leaf, &stranger};
    assert_int_not_equal(verdict(forged, 2, NULL, now), CERTS_VALID);
    const struct buf *expired[] = {&late, &root};
    assert_int_equal(verdict(expired, 2, NULL, now), CERTS_INVALID);
    AUTO(buf_done) struct buf broken = {0};
    assert_ok(buf_append(&broken, buf_view(&leaf)));
    broken.data[broken.len - 1] ^= 1;
    const struct buf *tampered[] = {&broken, &middle, &root};
    assert_int_equal(verdict(tampered, 3, NULL, now), CERTS_INVALID);
    enum certs_verdict got = 0;
    struct bytes none = {0};
    assert_err(certs_verify(&none, 0, NULL, 0, now, &got, NULL), ERR_ARGUMENT);
    assert_err(certs_verify(&none, 1, NULL, 0, now, &got, NULL), ERR_KEY_FORM);
    struct bytes many[CERTS_CHAIN_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = buf_view(&root);
    assert_err(certs_verify(many, ARRAY_LEN(many), NULL, 0, now, &got, NULL), ERR_LIMIT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_certificates),
                                       cmocka_unit_test(refuses_what_is_none),
                                       cmocka_unit_test(requests), cmocka_unit_test(chains)};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_certs, drop_certs);
}
