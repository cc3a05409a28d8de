#include "diameter/properties.h"

#include <stdio.h>

#include "base/file.h"
#include "support/test.h"

/* The KMS user guide, 5.2 to 5.4. */
static const char server_conf[] = "# diameter_server.conf\n"
                                  "URI=aaa://10.50.4.40\n"
                                  "Realm=onramp.com\n"
                                  "VendorId=27611\n"
                                  "ProductName=KMS\n"
                                  "SupportedApplicationIds.0.ApplicationIdType=Auth\n"
                                  "SupportedApplicationIds.0.ApplicationId=2\n"
                                  "SupportedApplicationIds.0.VendorId=0\n"
                                  "InbandSecurityIds.0.SecurityId=TLS\n"
                                  "InbandSecurityIds.1.SecurityId=NO_INBAND_SECURITY\n"
                                  "PeerTable.0.URI=aaa://127.0.0.1:2045\n"
                                  "PeerTable.0.Realm=onramp.com\n"
                                  "StackType=SERVER\n";
static const char client_conf[] = "URI=aaas://gw1.onramp.com\r\n"
                                  "Realm = gateways.onramp.com \r\n"
                                  "! a comment of the other kind\r\n"
                                  "\r\n"
                                  "ProductName = KMC of the east \r\n"
                                  "PeerTable.0.URI=aaas://kms.onramp.com\r\n"
                                  "PeerTable.0.Realm=onramp.com\r\n"
                                  "PeerTable.0.PeerConnecting=true\r\n"
                                  "PeerTable.3.URI=aaa://[2001:db8::1]:3999\r\n"
                                  "StackType=CLIENT\r\n"
                                  "TLS.CaFile=/etc/claviger/ca files/ca.pem\r\n"
                                  "Cache.MaxLifetime=3600\r\n"
                                  "Limits.HandshakeTimeout=3\r\n"
                                  "Policy.RequireProtection=TRUE";

static enum err parse(const char *text, struct diameter_properties *props,
                      struct err_detail *detail)
{
    return diameter_properties_parse("d.conf", bytes_str(text), props, detail);
}

static void the_guide_s_server_file(void **state)
{
    (void)state;
    struct diameter_properties props = {0};
    assert_ok(parse(server_conf, &props, NULL));
    assert_true(props.server);
    assert_string_equal(props.uri.host, "10.50.4.40");
    assert_int_equal(props.uri.port, 3868);
    assert_false(props.uri.tls);
    assert_string_equal(props.realm, "onramp.com");
    assert_int_equal(props.vendor_id, 27611);
    assert_string_equal(props.product_name, "KMS");
    assert_int_equal(props.apps_len, 1);
    assert_int_equal(props.apps[0].id, 2);
    assert_false(props.apps[0].acct);
    assert_true(props.inband_tls);
    assert_true(props.inband_plain);
    assert_int_equal(props.peers_len, 1);
    assert_string_equal(props.peers[0].uri.host, "127.0.0.1");
    assert_int_equal(props.peers[0].uri.port, 2045);
    assert_false(props.peers[0].connecting);
    assert_int_equal(props.message_size, 65536);
    assert_int_equal(props.watchdog_ms, 30000);
    assert_int_equal(props.handshake_timeout_ms, 10000);
    diameter_properties_done(&props);
}

static void a_client_s_file_with_our_settings(void **state)
{
    (void)state;
    struct diameter_properties props = {0};
    assert_ok(parse(client_conf, &props, NULL));
    assert_false(props.server);
    assert_true(props.uri.tls);
    assert_int_equal(props.uri.port, 5658);
    assert_string_equal(props.realm, "gateways.onramp.com");
    assert_string_equal(props.product_name, "KMC of the east");
    assert_false(props.inband_tls);
    assert_true(props.inband_plain);
    assert_int_equal(props.peers_len, 2);
    assert_true(props.peers[0].connecting);
    assert_string_equal(props.peers[1].uri.host, "2001:db8::1");
    assert_int_equal(props.peers[1].uri.port, 3999);
    assert_string_equal(props.peers[1].realm, "gateways.onramp.com");
    assert_string_equal(props.tls_ca_file, "/etc/claviger/ca files/ca.pem");
    assert_int_equal(props.cache_max_lifetime, 3600);
    assert_int_equal(props.handshake_timeout_ms, 3000);
    assert_true(props.require_protection);
    assert_int_equal(props.apps_len, 0);
    diameter_properties_done(&props);
}

#define GOOD "URI=aaa://a\nRealm=r\nStackType=SERVER\n" /* three lines */

static void problems_name_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"Nonsense=1\n", "d.conf: line 1: unknown property 'Nonsense'"},
        {"uri=aaa://a\n", "d.conf: line 1: unknown property 'uri'"},
        {"\n# x\nURI aaa://a\n", "d.conf: line 3: not of the form propertyName=propertyValue"},
        {"URI=\n", "d.conf: line 1: URI has no value"},
        {"URI=http://a\n", "d.conf: line 1: URI: 'http://a' is no aaa://host[:port] or "
                           "aaas://host[:port]"},
        {"URI=aaa://a:0\n", "d.conf: line 1: URI: 'aaa://a:0' is no aaa://host[:port] or "
                            "aaas://host[:port]"},
        {"URI=aaa://a b\n", "d.conf: line 1: URI: 'aaa://a b' is no aaa://host[:port] or "
                            "aaas://host[:port]"},
        {"Realm=a b\n", "d.conf: line 1: Realm: 'a b' is no Diameter identity"},
        {"VendorId=-1\n", "d.conf: line 1: VendorId: '-1' is no number"},
        {"VendorId=4294967296\n", "d.conf: line 1: VendorId: '4294967296' is no number"},
        {"Limits.MessageSize=12\n",
         "d.conf: line 1: Limits.MessageSize: 12 is not within 1024 and 1048576"},
        {"StackType=BOTH\n", "d.conf: line 1: 'BOTH' is neither SERVER nor CLIENT"},
        {"Policy.RequireProtection=1\n", "d.conf: line 1: '1' is neither true nor false"},
        {"InbandSecurityIds.0.SecurityId=IPSEC\n",
         "d.conf: line 1: 'IPSEC' is neither TLS nor NO_INBAND_SECURITY"},
        {"SupportedApplicationIds.0.ApplicationIdType=Both\n",
         "d.conf: line 1: 'Both' is neither Acct nor Auth"},
        {"SupportedApplicationIds.16.ApplicationId=2\n",
         "d.conf: line 1: SupportedApplicationIds.N.ApplicationId: N is at most 15"},
        {"PeerTable.1024.URI=aaa://a\n", "d.conf: line 1: PeerTable.N.URI: N is at most 1023"},
        {"PeerTable.x.URI=aaa://a\n", "d.conf: line 1: unknown property 'PeerTable.x.URI'"},
        {"PeerTable.99999999999.URI=aaa://a\n",
         "d.conf: line 1: unknown property 'PeerTable.99999999999.URI'"},
        {"URI=aaa://a\nURI=aaa://b\n", "d.conf: line 2: URI stands twice"},
        {"PeerTable.0.URI=aaa://a\nPeerTable.0.URI=aaa://b\n",
         "d.conf: line 2: PeerTable.N.URI stands twice"},
        {GOOD "PeerTable.0.Realm=r\n", "d.conf: line 4: PeerTable.0 has no URI"},
        {GOOD "PeerTable.0.URI=aaa://p\nPeerTable.1.URI=aaa://P\n",
         "d.conf: line 5: PeerTable.1: this peer stands twice"},
        {GOOD "SupportedApplicationIds.1.VendorId=0\n",
         "d.conf: SupportedApplicationIds.1 has no ApplicationId"},
        {GOOD "SupportedApplicationIds.0.ApplicationId=4\n",
         "d.conf: application 2 (Auth) is not among the SupportedApplicationIds"},
        {GOOD "TLS.CertificateFile=x\n",
         "d.conf: TLS.CertificateFile and TLS.PrivateKeyFile go together"},
        {"Realm=r\nStackType=SERVER\n", "d.conf: URI is missing"},
        {"URI=aaa://a\nStackType=SERVER\n", "d.conf: Realm is missing"},
        {"URI=aaa://a\nRealm=r\n", "d.conf: StackType is missing"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct diameter_properties props = {0};
        struct err_detail detail = {0};
        assert_err(parse(cases[i].text, &props, &detail), ERR_CONFIG);
        assert_string_equal(detail.text, cases[i].want);
        assert_null(props.peers);
    }
}

static void long_lines_and_nul_bytes(void **state)
{
    (void)state;
    static char text[DIAMETER_PROPERTY_LINE_MAX + 64] = "Realm=";
    memset(text + 6, 'r', DIAMETER_PROPERTY_LINE_MAX);
    struct diameter_properties props = {0};
    struct err_detail detail = {0};
    assert_err(parse(text, &props, &detail), ERR_CONFIG);
    assert_string_equal(detail.text, "d.conf: line 1: longer than 4096 bytes");
    text[300] = '\0';
    assert_err(parse(text, &props, &detail), ERR_CONFIG);
    assert_string_equal(detail.text, "d.conf: line 1: Realm: longer than 255 bytes");
    assert_err(diameter_properties_parse("d.conf", bytes_of("URI=\0\n", 6), &props, &detail),
               ERR_CONFIG);
    assert_string_equal(detail.text, "d.conf: line 1: a NUL byte");
}

static void from_a_file(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    char *path = test_path(dir, "diameter_server.conf");
    struct diameter_properties props = {0};
    struct err_detail detail = {0};
    assert_ok(file_write(path, bytes_str(server_conf), 0600, NULL));
    assert_ok(diameter_properties_read(path, &props, &detail));
    diameter_properties_done(&props);
    assert_ok(file_write(path, bytes_str("Realm=r\nX=1\n"), 0600, NULL));
    assert_err(diameter_properties_read(path, &props, &detail), ERR_CONFIG);
    assert_non_null(strstr(detail.text, "diameter_server.conf: line 2: unknown property 'X'"));
    free(path);
    path = test_path(dir, "absent.conf");
    assert_int_not_equal(diameter_properties_read(path, &props, &detail), ERR_OK);
    free(path);
    test_tempdir_remove(dir);
}

static void uris(void **state)
{
    (void)state;
    static const char *const good[] = {"aaa://h", "aaas://h:1", "aaa://h:65535;transport=tcp",
                                       "aaa://[::1]", "aaa://h;transport=tcp;protocol=diameter"};
    static const char *const bad[] = {
        "",          "aaa://",        "aaa://:1",         "aaa://h:",
        "aaa://h:x", "aaa://h:65536", "aaa://[::1",       "aaa://h;transport=sctp",
        "aaa://h/x", "AAA://h",       "aaa://h:000000001"};
    struct diameter_uri uri;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_ok(diameter_uri_parse(good[i], &uri));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(diameter_uri_parse(bad[i], &uri), ERR_SYNTAX);
}

TEST_MAIN(cmocka_unit_test(the_guide_s_server_file),
          cmocka_unit_test(a_client_s_file_with_our_settings),
          cmocka_unit_test(problems_name_file_and_line), cmocka_unit_test(long_lines_and_nul_bytes),
          cmocka_unit_test(from_a_file), cmocka_unit_test(uris))
