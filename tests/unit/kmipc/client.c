#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../net/rig.h"
#include "base/file.h"
#include "fake_server.h"
#include "kmipc/claviger-kmip.h"

/* The library as a program uses it, against a server by script. */

static char *certs;
static struct fake_server *server;

static int begin_group(void **state)
{
    (void)state;
    certs = rig_certificates();
    return certs != NULL ? 0 : -1;
}

static int end_group(void **state)
{
    (void)state;
    test_tempdir_remove(certs);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    server = fake_server_start(certs, false);
    return 0;
}

static int begin_http(void **state)
{
    (void)state;
    server = fake_server_start(certs, true);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_server_stop(server);
    return 0;
}

/* Paths live as long as the program. */
static const char *at(const char *name)
{
    static char paths[64][512];
    static unsigned next;
    char *path = paths[next++ % ARRAY_LEN(paths)];
    (void)snprintf(path, sizeof paths[0], "%s/%s", certs, name);
    return path;
}

static struct ckmip_config config_of(void)
{
    return (struct ckmip_config){.size = sizeof(struct ckmip_config),
                                 .host = "localhost",
                                 .port = fake_server_port(server),
                                 .certificate_file = at("client.pem"),
                                 .private_key_file = at("client.key"),
                                 .ca_file = at("ca.pem"),
                                 .timeout_ms = 5000};
}

static struct ckmip *open_with(const struct ckmip_config *config)
{
    struct ckmip *kmip = NULL;
    struct ckmip_error error = {0};
    if (ckmip_open_config(config, &kmip, &error) != CKMIP_OK)
        fail_msg("%s", error.text);
    return kmip;
}

/* Speaking this version only: no negotiation. */
static struct ckmip *open_at(uint16_t version)
{
    struct ckmip_config config = config_of();
    config.version_min = config.version_max = version;
    return open_with(&config);
}

static void script(const struct fake_script *wanted)
{
    fake_server_script(server, wanted);
}

static void ok(int status, const struct ckmip_error *error)
{
    if (status != CKMIP_OK)
        fail_msg("%s: %s", ckmip_status_text(status), error->text);
}

static void asked(const char *text)
{
    const char *request = fake_server_request(server);
    if (strstr(request, text) == NULL)
        fail_msg("not in the request: %s\n%s", text, request);
}

static void not_asked(const char *text)
{
    assert_null(strstr(fake_server_request(server), text));
}

#define UID_PAYLOAD                                                                                \
    "<ResponsePayload><UniqueIdentifier type=\"TextString\" value=\"u-1\"/></ResponsePayload>"

/* ---- versions ---- */

static void the_highest_common_version_is_spoken(void **state)
{
    (void)state;
    static const struct {
        struct fake_script script;
        uint16_t version;
    } cases[] = {
        {{.versions = {0x0201, 0x0200, 0x0104, 0x0103}}, 0x0201},
        {{.versions = {0x0104, 0x0103, 0x0102}}, 0x0104},
        {{.versions = {0x0100}}, 0x0100},
        {{.versions = {0x0300, 0x0200, 0x0105}}, 0x0200}, /* what we don't know is passed over */
        {{.versions = {0}}, 0x0100},                      /* Discover Versions is not known */
        {{.versions = {0x0201, 0x0200}, .only_in = 0x0201}, 0x0201},
        {{.versions = {0x0101}, .only_in = 0x0101}, 0x0101},
    };
    struct ckmip_config config = config_of();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ckmip_error error = {0};
        script(&cases[i].script);
        struct ckmip *kmip = open_with(&config);
        assert_int_equal(ckmip_version(kmip, &error), cases[i].version);
        unsigned before = fake_server_requests(server);
        assert_int_equal(ckmip_version(kmip, &error), cases[i].version);
        assert_int_equal(fake_server_requests(server), before); /* asked once */
        ckmip_close(kmip);
    }
}

static void without_a_common_version_nothing_is_asked(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip_config config = config_of();
    config.version_min = 0x0200;
    script(&(struct fake_script){.versions = {0x0104, 0x0100}});
    struct ckmip *kmip = open_with(&config);
    assert_int_equal(ckmip_version(kmip, &error), 0);
    assert_int_equal(error.status, CKMIP_VERSION);
    assert_int_equal(ckmip_activate(kmip, "u-1", &error), CKMIP_VERSION);
    ckmip_close(kmip);

    kmip = open_at(0x0101);
    assert_int_equal(
        ckmip_hash(kmip, "SHA-256", (struct ckmip_bytes){"x", 1}, &(struct ckmip_data){0}, &error),
        CKMIP_VERSION);
    assert_non_null(strstr(error.text, "1.2"));
    ckmip_close(kmip);
}

/* ---- requests ---- */

static void attributes_are_written_as_the_version_wants(void **state)
{
    (void)state;
    ckmip_uid uid;
    struct ckmip_error error = {0};
    static const struct ckmip_attribute attributes[] = {
        {"Name", "disk-7"}, {"x-rack", "Integer:7"}, {"activation date", "2026-11-21T02:39:00Z"}};
    script(&(struct fake_script){.payload = UID_PAYLOAD});
    struct ckmip *kmip = open_at(0x0104);
    ok(ckmip_create_key(kmip, "aes", 256, "Encrypt|Decrypt", attributes, 3, uid, &error), &error);
    assert_string_equal(uid, "u-1");
    asked("<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/>");
    asked("<TemplateAttribute>");
    asked("<AttributeName type=\"TextString\" value=\"Cryptographic Usage Mask\"/>");
    asked("<AttributeValue type=\"Integer\" value=\"Encrypt Decrypt\"/>");
    asked("<NameValue type=\"TextString\" value=\"disk-7\"/>");
    asked("<AttributeName type=\"TextString\" value=\"x-rack\"/>");
    asked("<AttributeValue type=\"Integer\" value=\"7\"/>");
    asked("<AttributeValue type=\"DateTime\" value=\"2026-11-21T02:39:00+00:00\"/>");
    ckmip_close(kmip);

    kmip = open_at(0x0200);
    ok(ckmip_create_key(kmip, "AES", 256, "Encrypt|Decrypt", attributes, 3, uid, &error), &error);
    asked("<Attributes>");
    asked("<CryptographicAlgorithm type=\"Enumeration\" value=\"AES\"/>");
    asked("<VendorIdentification type=\"TextString\" value=\"x\"/>");
    asked("<AttributeName type=\"TextString\" value=\"rack\"/>");
    asked("<ActivationDate type=\"DateTime\"");
    not_asked("TemplateAttribute");
    ckmip_close(kmip);
}

static void structures_are_read_and_shown_as_text(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip_list list = {0};
    static const struct ckmip_attribute limits = {
        "usage-limits", "Usage Limits Total=100, usagelimitscount=5, UsageLimitsUnit=Byte"};
    script(&(struct fake_script){.payload = UID_PAYLOAD});
    struct ckmip *kmip = open_at(0x0104);
    ok(ckmip_add_attribute(kmip, "u-1", &limits, &error), &error);
    asked("<UsageLimitsTotal type=\"LongInteger\" value=\"100\"/>");
    asked("<UsageLimitsUnit type=\"Enumeration\" value=\"Byte\"/>");

    script(&(struct fake_script){
        .payload = "<ResponsePayload><UniqueIdentifier type=\"TextString\" value=\"u-1\"/>"
                   "<Attribute><AttributeName type=\"TextString\" value=\"State\"/>"
                   "<AttributeValue type=\"Enumeration\" value=\"PreActive\"/></Attribute>"
                   "<Attribute><AttributeName type=\"TextString\" value=\"Name\"/>"
                   "<AttributeValue><NameValue type=\"TextString\" value=\"a=b\"/>"
                   "<NameType type=\"Enumeration\" value=\"UninterpretedTextString\"/>"
                   "</AttributeValue></Attribute>"
                   "<Attribute><AttributeName type=\"TextString\" value=\"Link\"/>"
                   "<AttributeValue><LinkType type=\"Enumeration\" value=\"NextLink\"/>"
                   "<LinkedObjectIdentifier type=\"TextString\" value=\"u,2\"/>"
                   "</AttributeValue></Attribute></ResponsePayload>"});
    ok(ckmip_get_attributes(kmip, "u-1", (const char *const[]){"state", "Name", "link"}, 3, &list,
                            &error),
       &error);
    asked("<AttributeName type=\"TextString\" value=\"State\"/>");
    assert_int_equal(list.len, 3);
    assert_string_equal(list.item[0].value, "PreActive");
    assert_string_equal(list.item[1].value, "a=b");
    assert_string_equal(list.item[2].value, "LinkType=NextLink, LinkedObjectIdentifier=\"u,2\"");
    ckmip_list_free(&list);
    ckmip_close(kmip);
}

static void bad_arguments_are_named_and_not_sent(void **state)
{
    (void)state;
    static const struct ckmip_attribute bad[] = {
        {"no such attribute", "x"},           {"Cryptographic Length", "many"},
        {"Cryptographic Algorithm", "rot13"}, {"Cryptographic Usage Mask", "Encrypt|Dance"},
        {"Activation Date", "yesterday"},     {"Usage Limits", "UsageLimitsTotal"},
        {"Usage Limits", "NoSuch=1"},         {"Usage Limits", "UsageLimitsUnit={"},
        {"x-number", "Integer:1.5"},          {"x-bytes", "ByteString:0g"},
    };
    struct ckmip_error error = {0};
    struct ckmip *kmip = open_at(0x0104);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int status = ckmip_add_attribute(kmip, "u-1", &bad[i], &error);
        if (status != CKMIP_ARGUMENT)
            fail_msg("%s=%s: %s", bad[i].name, bad[i].value, ckmip_status_text(status));
        assert_int_not_equal(error.text[0], '\0');
    }
    assert_int_equal(ckmip_activate(kmip, NULL, &error), CKMIP_ARGUMENT);
    assert_int_equal(ckmip_activate(NULL, "u-1", &error), CKMIP_ARGUMENT);
    assert_int_equal(fake_server_requests(server), 0);
    ckmip_close(kmip);
}

static void every_object_type_travels(void **state)
{
    (void)state;
    static const struct {
        const char *type, *sign;
    } types[] = {
        {"SymmetricKey",
         "<SymmetricKey><KeyBlock><KeyFormatType type=\"Enumeration\" value=\"Raw\""},
        {"private key",
         "<PrivateKey><KeyBlock><KeyFormatType type=\"Enumeration\" value=\"PKCS_8\""},
        {"PublicKey", "<PublicKey><KeyBlock><KeyFormatType type=\"Enumeration\" value=\"X_509\""},
        {"Certificate", "<Certificate><CertificateType type=\"Enumeration\" value=\"X_509\""},
        {"SecretData", "<SecretData><SecretDataType type=\"Enumeration\" value=\"Password\""},
        {"OpaqueObject", "<OpaqueDataValue type=\"ByteString\" value=\"010203\""},
        {"PGPKey", "<PGPKey><PGPKeyVersion type=\"Integer\" value=\"4\""},
    };
    unsigned char bytes[] = {1, 2, 3};
    struct ckmip_error error = {0};
    ckmip_uid uid;
    script(&(struct fake_script){.payload = UID_PAYLOAD});
    struct ckmip *kmip = open_at(0x0104);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct ckmip_object object = {.type = types[i].type, .value = {bytes, sizeof bytes}};
        ok(ckmip_register(kmip, &object, NULL, 0, uid, &error), &error);
        char flat[8192];
        size_t len = 0;
        for (const char *c = fake_server_request(server); *c != '\0' && len < sizeof flat - 1; c++)
            if (*c != '\n' && (*c != ' ' || (len != 0 && flat[len - 1] != '>')))
                flat[len++] = *c;
        flat[len] = '\0';
        if (strstr(flat, types[i].sign) == NULL)
            fail_msg("%s: %s", types[i].type, flat);
    }
    ckmip_close(kmip);
}

/* ---- answers ---- */

#define KEY_PAYLOAD                                                                                \
    "<ResponsePayload><ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/>"                   \
    "<UniqueIdentifier type=\"TextString\" value=\"u-1\"/><SymmetricKey><KeyBlock>"                \
    "<KeyFormatType type=\"Enumeration\" value=\"Raw\"/><KeyValue>"                                \
    "<KeyMaterial type=\"ByteString\" value=\"00112233\"/></KeyValue>"                             \
    "<CryptographicAlgorithm type=\"Enumeration\" value=\"AES\"/>"                                 \
    "<CryptographicLength type=\"Integer\" value=\"32\"/></KeyBlock></SymmetricKey>"               \
    "</ResponsePayload>"

static void a_key_is_given(void **state)
{
    (void)state;
    static const unsigned char wanted[] = {0x00, 0x11, 0x22, 0x33};
    struct ckmip_error error = {0};
    struct ckmip_object object;
    script(&(struct fake_script){.payload = KEY_PAYLOAD});
    struct ckmip *kmip = open_at(0x0102);
    ok(ckmip_get(kmip, "u-1", &(struct ckmip_get_options){.wrapping_key = "kek"}, &object, &error),
       &error);
    asked("<BlockCipherMode type=\"Enumeration\" value=\"NISTKeyWrap\"/>");
    assert_string_equal(object.type, "SymmetricKey");
    assert_string_equal(object.format, "Raw");
    assert_string_equal(object.algorithm, "AES");
    assert_int_equal(object.bits, 32);
    assert_int_equal(object.value.len, 4);
    assert_memory_equal(object.value.data, wanted, 4);
    ckmip_object_free(&object);
    assert_null(object.value.data);
    ckmip_close(kmip);
}

static void a_refusal_tells_reason_and_message(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip_object object;
    struct ckmip *kmip = open_at(0x0104);
    script(&(struct fake_script){.status = KMIP_STATUS_OPERATION_FAILED,
                                 .reason = KMIP_REASON_PERMISSION_DENIED,
                                 .message = "not for you"});
    assert_int_equal(ckmip_get(kmip, "u-1", NULL, &object, &error), CKMIP_REFUSED);
    assert_int_equal(error.reason, KMIP_REASON_PERMISSION_DENIED);
    assert_string_equal(error.reason_name, "PermissionDenied");
    assert_string_equal(error.text, "not for you");
    assert_non_null(strstr(error.hint, "permissions"));
    assert_null(object.value.data);
    script(&(struct fake_script){.status = KMIP_STATUS_OPERATION_PENDING});
    assert_int_equal(ckmip_activate(kmip, "u-1", &error), CKMIP_PENDING);
    ckmip_close(kmip);
}

static void answers_without_sense_are_told(void **state)
{
    (void)state;
    static const struct fake_script bad[] = {
        {.payload = NULL}, /* no unique identifier */
        {.payload = "<ResponsePayload><UniqueIdentifier type=\"Integer\" value=\"7\"/>"
                    "</ResponsePayload>"},
        {.bytes = "HTTP/1.1 400 Bad Request\r\n\r\n"},
        {.bytes = "\x42\x00\x7b\x01\xff\xff\xff\xf8"},          /* longer than any message */
        {.bytes = "\x42\x01\x02\x03\x01\x01\x01\x01zzzzzzzzz"}, /* an item of another type */
        {.status = 77},
    };
    struct ckmip_error error = {0};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ckmip_uid uid = "x";
        struct ckmip_config config = config_of();
        config.version_min = config.version_max = 0x0104;
        config.timeout_ms = 1000;
        struct ckmip *kmip = open_with(&config);
        script(&bad[i]);
        int status = ckmip_rekey(kmip, "u-1", -1, uid, &error);
        if (status != CKMIP_SERVER && status != CKMIP_UNREACHABLE)
            fail_msg("%zu: %s", i, ckmip_status_text(status));
        assert_string_equal(uid, "");
        ckmip_close(kmip);
    }
}

/* ---- connections ---- */

static void a_closed_connection_is_made_anew(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip *kmip = open_at(0x0104);
    script(&(struct fake_script){.hang_up_after = true});
    for (unsigned i = 0; i < 3; i++) {
        ok(ckmip_activate(kmip, "u-1", &error), &error);
        (void)usleep(50000); /* until its end has arrived */
    }
    assert_int_equal(fake_server_connections(server), 3);
    assert_int_equal(fake_server_requests(server), 3);
    script(&(struct fake_script){0});
    ok(ckmip_activate(kmip, "u-1", &error), &error);
    ok(ckmip_activate(kmip, "u-1", &error), &error);
    assert_int_equal(fake_server_connections(server), 4);
    ckmip_close(kmip);
}

static void a_request_is_not_sent_twice(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip *kmip = open_at(0x0104);
    script(&(struct fake_script){.hang_up = true});
    assert_int_equal(ckmip_activate(kmip, "u-1", &error), CKMIP_UNREACHABLE);
    assert_int_equal(fake_server_requests(server), 1);
    assert_int_not_equal(error.hint[0], '\0');
    ckmip_close(kmip);
}

static void a_silent_server_is_given_up(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip_config config = config_of();
    config.version_min = config.version_max = 0x0104;
    config.timeout_ms = 300;
    struct ckmip *kmip = open_with(&config);
    script(&(struct fake_script){.silent = true});
    assert_int_equal(ckmip_activate(kmip, "u-1", &error), CKMIP_UNREACHABLE);
    assert_non_null(strstr(error.text, "in time"));
    ckmip_close(kmip);
}

static void tls_failures_have_hints(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    const struct {
        struct ckmip_config change;
        const char *hint;
    } cases[] = {
        {{.ca_file = at("other-ca.pem")}, "ca.pem"},
        {{.server_name = "kms.example"}, "server_name"},
        {{.certificate_file = at("stranger.pem"), .private_key_file = at("stranger.key")},
         "authority"},
        {{.certificate_file = ""}, "certificate"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ckmip_config config = config_of();
        const struct ckmip_config *change = &cases[i].change;
        config.version_min = config.version_max = 0x0104;
        config.ca_file = change->ca_file != NULL ? change->ca_file : config.ca_file;
        config.server_name = change->server_name;
        if (change->certificate_file != NULL) {
            bool none = *change->certificate_file == '\0';
            config.certificate_file = none ? NULL : change->certificate_file;
            config.private_key_file = none ? NULL : change->private_key_file;
        }
        struct ckmip *kmip = open_with(&config);
        int status = ckmip_activate(kmip, "u-1", &error);
        if (status != CKMIP_TLS || strstr(error.hint, cases[i].hint) == NULL)
            fail_msg("%zu: %s, %s; hint: %s", i, ckmip_status_text(status), error.text, error.hint);
        ckmip_close(kmip);
    }
    assert_int_equal(fake_server_requests(server), 0);
}

static void nobody_listens(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip_config config = config_of();
    config.port = 1;
    struct ckmip *kmip = open_with(&config);
    assert_int_equal(ckmip_activate(kmip, "u-1", &error), CKMIP_UNREACHABLE);
    assert_non_null(strstr(error.hint, "localhost:1"));
    ckmip_close(kmip);
}

/* ---- HTTPS, and messages as they are ---- */

static const char query[] =
    "{\"tag\":\"RequestMessage\",\"value\":[{\"tag\":\"RequestHeader\",\"value\":["
    "{\"tag\":\"ProtocolVersion\",\"value\":["
    "{\"tag\":\"ProtocolVersionMajor\",\"type\":\"Integer\",\"value\":1},"
    "{\"tag\":\"ProtocolVersionMinor\",\"type\":\"Integer\",\"value\":4}]},"
    "{\"tag\":\"BatchCount\",\"type\":\"Integer\",\"value\":1}]},"
    "{\"tag\":\"BatchItem\",\"value\":["
    "{\"tag\":\"Operation\",\"type\":\"Enumeration\",\"value\":\"Query\"},"
    "{\"tag\":\"RequestPayload\",\"value\":["
    "{\"tag\":\"QueryFunction\",\"type\":\"Enumeration\",\"value\":\"QueryObjects\"}]}]}]}";

static void raw_json_travels(struct ckmip *kmip)
{
    struct ckmip_error error = {0};
    struct ckmip_data answer = {0};
    ok(ckmip_raw(kmip, CKMIP_JSON, query, sizeof query - 1, &answer, &error), &error);
    asked("<QueryFunction type=\"Enumeration\" value=\"QueryObjects\"/>");
    assert_non_null(strstr((const char *)answer.data, "ResponseMessage"));
    ckmip_data_free(&answer);
    assert_int_equal(ckmip_raw(kmip, CKMIP_JSON, NULL, 1, &answer, &error), CKMIP_ARGUMENT);
}

static void raw_messages_over_tls(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip_data answer = {0};
    struct ckmip *kmip = open_at(0x0104);
    raw_json_travels(kmip);
    assert_int_equal(ckmip_raw(kmip, CKMIP_JSON, "{", 1, &answer, &error), CKMIP_ARGUMENT);
    ckmip_close(kmip);
}

static void over_https(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    ckmip_uid uid;
    struct ckmip_config config = config_of();
    config.https = 1;
    config.version_min = config.version_max = 0x0104;
    struct ckmip *kmip = open_with(&config);
    raw_json_travels(kmip);
    for (int chunked = 0; chunked < 2; chunked++) {
        script(&(struct fake_script){.payload = UID_PAYLOAD, .chunked = chunked != 0});
        ok(ckmip_rekey(kmip, "u-1", 60, uid, &error), &error);
        asked("<Offset type=\"Interval\" value=\"60\"/>");
        assert_string_equal(uid, "u-1");
    }
    assert_int_equal(fake_server_connections(server), 1);
    script(&(struct fake_script){.bytes = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"});
    assert_int_equal(ckmip_rekey(kmip, "u-1", -1, uid, &error), CKMIP_SERVER);
    assert_non_null(strstr(error.text, "403 Forbidden"));
    ckmip_close(kmip);
}

static void messages_are_translated(void **state)
{
    (void)state;
    struct ckmip_error error = {0};
    struct ckmip_data ttlv = {0}, xml = {0}, again = {0};
    ok(ckmip_translate(CKMIP_JSON, query, sizeof query - 1, CKMIP_TTLV, &ttlv, &error), &error);
    ok(ckmip_translate(CKMIP_TTLV, ttlv.data, ttlv.len, CKMIP_XML, &xml, &error), &error);
    ok(ckmip_translate(CKMIP_XML, xml.data, xml.len, CKMIP_TTLV, &again, &error), &error);
    assert_int_equal(ttlv.len, again.len);
    assert_memory_equal(ttlv.data, again.data, ttlv.len);
    ckmip_data_free(&again);
    for (size_t len = 0; len < ttlv.len; len++)
        assert_int_equal(ckmip_translate(CKMIP_TTLV, ttlv.data, len, CKMIP_JSON, &again, &error),
                         CKMIP_ARGUMENT);
    ckmip_data_free(&ttlv);
    ckmip_data_free(&xml);
}

/* ---- profiles ---- */

static void write_profile(const char *dir, const char *text)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/profile.conf", dir);
    assert_ok(file_write(path, bytes_str(text), 0644, NULL));
}

static void a_profile_says_all(void **state)
{
    (void)state;
    char text[1024];
    struct ckmip *kmip = NULL;
    struct ckmip_error error = {0};
    (void)snprintf(text, sizeof text,
                   "[server]\nhost = 127.0.0.1\nport = %u\nserver_name = localhost\n"
                   "version_min = 1.2\nversion_max = 1.2\ntimeout = 5\n"
                   "[client]\nname = x\ncertificate = client.pem\nprivate_key = client.key\n"
                   "ca = ca.pem\nusername = alice\npassword_file = secret\n",
                   fake_server_port(server));
    write_profile(certs, text);
    assert_int_equal(ckmip_open(certs, &kmip, &error), CKMIP_CONFIG); /* no such password file */
    assert_ok(file_write(at("secret"), bytes_str("open sesame\n"), 0600, NULL));
    ok(ckmip_open(certs, &kmip, &error), &error);
    ok(ckmip_activate(kmip, "u-1", &error), &error);
    asked("<ProtocolVersionMinor type=\"Integer\" value=\"2\"/>");
    asked("<Username type=\"TextString\" value=\"alice\"/>");
    asked("<Password type=\"TextString\" value=\"open sesame\"/>");
    ckmip_close(kmip);
    assert_int_equal(chmod(at("secret"), 0644), 0);
    assert_int_equal(ckmip_open(certs, &kmip, &error), CKMIP_CONFIG);
    assert_null(kmip);
    (void)unlink(at("secret"));
}

static void bad_profiles_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"[client]\nca = ca.pem\n", "host"},
        {"[server]\nhost = a\nport = 70000\n", "port"},
        {"[server]\nhost = a\nport = -1\n", "port"},
        {"[server]\nhost = a\nversion_min = 3.0\n", "version_min"},
        {"[server]\nhost = a\nhttps = maybe\n", "https"},
        {"[server]\nhost = a\npath = x y\nhttps = yes\n[client]\nca = ca.pem\n", "path"},
        {"[server]\nhost = a\ncolour = red\n", "colour"},
        {"[moon]\nhost = a\n", "moon"},
        {"[server]\nhost = a\n[client]\nca = none.pem\n", "none.pem"},
        {"[server]\nhost = a\n", "ca_file"},
        {"host = a\n", ""},
    };
    struct ckmip *kmip = NULL;
    struct ckmip_error error = {0};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        write_profile(certs, bad[i].text);
        int status = ckmip_open(certs, &kmip, &error);
        if ((status != CKMIP_CONFIG && status != CKMIP_ARGUMENT) ||
            strstr(error.text, bad[i].says) == NULL)
            fail_msg("%zu: %s: %s", i, ckmip_status_text(status), error.text);
        assert_null(kmip);
    }
    (void)unlink(at("profile.conf"));
    assert_int_equal(ckmip_open(certs, &kmip, &error), CKMIP_CONFIG);
    assert_int_equal(ckmip_open(NULL, &kmip, &error), CKMIP_ARGUMENT);
    assert_int_equal(ckmip_open_config(&(struct ckmip_config){0}, &kmip, &error), CKMIP_ARGUMENT);
}

#define T(name)      cmocka_unit_test_setup_teardown(name, begin, end)
#define T_HTTP(name) cmocka_unit_test_setup_teardown(name, begin_http, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        T(the_highest_common_version_is_spoken),
        T(without_a_common_version_nothing_is_asked),
        T(attributes_are_written_as_the_version_wants),
        T(structures_are_read_and_shown_as_text),
        T(bad_arguments_are_named_and_not_sent),
        T(every_object_type_travels),
        T(a_key_is_given),
        T(a_refusal_tells_reason_and_message),
        T(answers_without_sense_are_told),
        T(a_closed_connection_is_made_anew),
        T(a_request_is_not_sent_twice),
        T(a_silent_server_is_given_up),
        T(tls_failures_have_hints),
        T(nobody_listens),
        T(raw_messages_over_tls),
        T_HTTP(over_https),
        T(messages_are_translated),
        T(a_profile_says_all),
        T(bad_profiles_are_told),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, begin_group, end_group);
}
