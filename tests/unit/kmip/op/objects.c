#include "world.h"

static struct world world;

static int begin(void **state)
{
    (void)state;
    world_begin(&world);
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_end(&world);
    return 0;
}

#define TYPE(type) "<ObjectType type=\"Enumeration\" value=\"" type "\"/>"
#define BLOCK(format, material, more)                                                              \
    "<KeyBlock><KeyFormatType type=\"Enumeration\" value=\"" format "\"/><KeyValue>" material      \
    "</KeyValue>" more "</KeyBlock>"
#define RAW(hex) "<KeyMaterial type=\"ByteString\" value=\"" hex "\"/>"
#define AES(bits)                                                                                  \
    "<CryptographicAlgorithm type=\"Enumeration\" value=\"AES\"/><CryptographicLength "            \
    "type=\"Integer\" value=\"" bits "\"/>"
#define MASK   "<CryptographicUsageMask type=\"Integer\" value=\"Encrypt\"/>"
#define KEY128 "000102030405060708090a0b0c0d0e0f"

static const struct kmip_node *block_of(const struct kmip_node *payload, uint32_t tag)
{
    return kmip_child(kmip_child(payload, tag), KMIP_TAG_KEY_BLOCK);
}

static void fresh_until_it_is_given_out(void **state)
{
    (void)state;
    const char *uid = world_aes(&world, "k", "");
    assert_int_equal(world_attribute(&world, uid, "Fresh", KMIP_TAG_FRESH)->num, 1);
    world_must(&world, "Get", UID(uid));
    assert_int_equal(world_attribute(&world, uid, "Fresh", KMIP_TAG_FRESH)->num, 0);
}

static void lifecycle(void **state)
{
    (void)state;
#define REVOKE(code)                                                                               \
    "<RevocationReason><RevocationReasonCode type=\"Enumeration\" value=\"" code                   \
    "\"/></RevocationReason>"
    const char *uid = world_aes(&world, "k", "");
    assert_int_equal(world_state(&world, uid), KMIP_STATE_PRE_ACTIVE);
    world_must(&world, "Activate", UID(uid));
    world_refused(&world, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "Activate", UID(uid));
    world_refused(&world, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "Destroy", UID(uid));
    world.version = KMIP_1_4;
    world_refused(&world, KMIP_REASON_PERMISSION_DENIED, "Destroy", UID(uid));
    world.version = KMIP_2_1;
    world_must(&world, "Revoke", world_text("%s" REVOKE("Superseded"), UID(uid)));
    assert_int_equal(world_state(&world, uid), KMIP_STATE_DEACTIVATED);
    world_must(&world, "Revoke", world_text("%s" REVOKE("KeyCompromise"), UID(uid)));
    assert_int_equal(world_state(&world, uid), KMIP_STATE_COMPROMISED);
    world_must(&world, "Destroy", UID(uid));
    assert_int_equal(world_state(&world, uid), KMIP_STATE_DESTROYED_COMPROMISED);
    world_refused(&world, KMIP_REASON_OBJECT_DESTROYED, "Revoke",
                  world_text("%s" REVOKE("Superseded"), UID(uid)));
    world_refused(&world, KMIP_REASON_OBJECT_DESTROYED, "Destroy", UID(uid));
    world_refused(&world, KMIP_REASON_OBJECT_DESTROYED, "Get", UID(uid));
}

static void what_is_registered_is_given_back(void **state)
{
    (void)state;
    const char *uid = world_uid(
        &world,
        world_must(&world, "Register",
                   TYPE("SymmetricKey") "<Attributes>" MASK "</Attributes><SymmetricKey>" BLOCK(
                       "TransparentSymmetricKey",
                       "<KeyMaterial><Key type=\"ByteString\" value=\"" KEY128 "\"/></KeyMaterial>",
                       AES("128")) "</SymmetricKey>"));
    const struct kmip_node *block =
        block_of(world_must(&world, "Get", UID(uid)), KMIP_TAG_SYMMETRIC_KEY);
    assert_int_equal(kmip_enum(block, KMIP_TAG_KEY_FORMAT_TYPE, 0),
                     FORMAT_TRANSPARENT_SYMMETRIC_KEY);
    block = block_of(
        world_must(&world, "Get",
                   world_text("%s<KeyFormatType type=\"Enumeration\" value=\"Raw\"/>", UID(uid))),
        KMIP_TAG_SYMMETRIC_KEY);
    assert_int_equal(kmip_bytes(kmip_child(block, KMIP_TAG_KEY_VALUE), KMIP_TAG_KEY_MATERIAL).len,
                     16);
    world_refused(&world, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED, "Get",
                  world_text("%s<KeyFormatType type=\"Enumeration\" value=\"PKCS_8\"/>", UID(uid)));
    world.who = 1;
    world_refused(&world, KMIP_REASON_OBJECT_NOT_FOUND, "Get", UID(uid));
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        /* the length is not the key's */
        TYPE("SymmetricKey") "<Attributes>" MASK "</Attributes><SymmetricKey>" BLOCK(
            "Raw", RAW(KEY128), AES("256")) "</SymmetricKey>",
        /* the algorithm is said in two ways */
        TYPE("SymmetricKey") "<Attributes>" MASK "<CryptographicAlgorithm type=\"Enumeration\" "
                             "value=\"DES3\"/></Attributes><SymmetricKey>" BLOCK(
                                 "Raw", RAW(KEY128), AES("128")) "</SymmetricKey>",
        /* another object than the type */
        TYPE("SecretData") "<Attributes></Attributes><SymmetricKey>" BLOCK(
            "Raw", RAW(KEY128), AES("128")) "</SymmetricKey>",
        /* no private key at all */
        TYPE("PrivateKey") "<Attributes></Attributes><PrivateKey>" BLOCK(
            "PKCS_8", RAW(KEY128),
            "<CryptographicAlgorithm type=\"Enumeration\" value=\"RSA\"/><CryptographicLength "
            "type=\"Integer\" value=\"2048\"/>") "</PrivateKey>",
        TYPE("Certificate") "<Attributes></Attributes><Certificate><CertificateType "
                            "type=\"Enumeration\" value=\"X_509\"/><CertificateValue "
                            "type=\"ByteString\" value=\"3000\"/></Certificate>",
        /* a server's attribute */
        TYPE("OpaqueObject") "<Attributes><InitialDate type=\"DateTime\" "
                             "value=\"2001-01-01T00:00:00+00:00\"/></Attributes><OpaqueObject>"
                             "<OpaqueDataType type=\"Enumeration\" value=\"0x80000001\"/>"
                             "<OpaqueDataValue type=\"ByteString\" value=\"01\"/></OpaqueObject>",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_null(world_ask(&world, "Register", wrong[i]));
        assert_int_not_equal(world_reason(&world), KMIP_REASON_GENERAL_FAILURE);
    }
    struct kmip_node *out = world_must(&world, "Locate", "<Attributes></Attributes>");
    assert_null(kmip_child(out, KMIP_TAG_UNIQUE_IDENTIFIER));
}

static void secrets_and_opaque_objects(void **state)
{
    (void)state;
    const char *uid = world_uid(
        &world,
        world_must(&world, "Register",
                   TYPE("SecretData") "<Attributes></Attributes><SecretData><SecretDataType "
                                      "type=\"Enumeration\" value=\"Password\"/>" BLOCK(
                                          "Opaque", RAW("70617373"), "") "</SecretData>"));
    const struct kmip_node *out = world_must(&world, "Get", UID(uid));
    const struct kmip_node *block = block_of(out, KMIP_TAG_SECRET_DATA);
    assert_int_equal(kmip_enum(kmip_child(out, KMIP_TAG_SECRET_DATA), KMIP_TAG_SECRET_DATA_TYPE, 0),
                     KMIP_SECRET_DATA_TYPE_PASSWORD);
    assert_null(kmip_child(block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM));
    uid =
        world_uid(&world, world_must(&world, "Register",
                                     TYPE("OpaqueObject") "<Attributes></Attributes><OpaqueObject>"
                                                          "<OpaqueDataType type=\"Enumeration\" "
                                                          "value=\"0x80000001\"/><OpaqueDataValue "
                                                          "type=\"ByteString\" "
                                                          "value=\"c0ffee\"/></OpaqueObject>"));
    out = kmip_child(world_must(&world, "Get", UID(uid)), KMIP_TAG_OPAQUE_OBJECT);
    assert_int_equal(kmip_bytes(out, KMIP_TAG_OPAQUE_DATA_VALUE).len, 3);
    assert_int_equal(kmip_enum(out, KMIP_TAG_OPAQUE_DATA_TYPE, 0), 0x80000001);
}

/* self-signed, P-256, C=DE, O=Acme, CN=unit.example */
#define CERTIFICATE                                                                                \
    "308201d53082017ca003020102021420e4f457ec01d97469e2a7a7fed6e3e9e8ff6e2e300a06082a"             \
    "8648ce3d0403023033310b3009060355040613024445310d300b060355040a0c0441636d65311530"             \
    "1306035504030c0c756e69742e6578616d706c653020170d3236313132313130353931345a180f32"             \
    "303531303731333130353931345a3033310b3009060355040613024445310d300b060355040a0c04"             \
    "41636d653115301306035504030c0c756e69742e6578616d706c653059301306072a8648ce3d0201"             \
    "06082a8648ce3d030107034200044cf5e0c0f79b5def126e15c9ca8d4dbf7db9e60a7180504fd8d2"             \
    "dbd2ddb7a123ab922782f871b9455360e280c0ab9d0998f8f2633d3a55a015b8dd2f821ec182a36c"             \
    "306a301d0603551d0e04160414c4189e5e764e51acf8bf67a0f408f64846194107301f0603551d23"             \
    "041830168014c4189e5e764e51acf8bf67a0f408f64846194107300f0603551d130101ff04053003"             \
    "0101ff30170603551d110410300e820c756e69742e6578616d706c65300a06082a8648ce3d040302"             \
    "0347003044022021751ba477d562de6c5fb569def6d6954de7bab3542ca8d1db3628d5a7b8083402"             \
    "205680d49cf4d722cc2f10b5ef6712fde2bd0feb8c4fbf0f93fbc7824d6b17daf2"

static void a_certificate_says_who_it_is(void **state)
{
    (void)state;
    const char *uid =
        world_uid(&world, world_must(&world, "Register",
                                     TYPE("Certificate") "<Attributes></Attributes><Certificate>"
                                                         "<CertificateType type=\"Enumeration\" "
                                                         "value=\"X_509\"/><CertificateValue "
                                                         "type=\"ByteString\" value=\"" CERTIFICATE
                                                         "\"/></Certificate>"));
    const struct kmip_node *name =
        world_attribute(&world, uid, "CertificateSubjectCN", KMIP_TAG_CERTIFICATE_SUBJECT_CN);
    assert_true(bytes_equal(name->bytes, bytes_str("unit.example")));
    assert_int_equal(
        world_attribute(&world, uid, "CryptographicLength", KMIP_TAG_CRYPTOGRAPHIC_LENGTH)->num,
        256);
    const struct kmip_node *out =
        kmip_child(world_must(&world, "Get", UID(uid)), KMIP_TAG_CERTIFICATE);
    assert_int_equal(kmip_bytes(out, KMIP_TAG_CERTIFICATE_VALUE).len, strlen(CERTIFICATE) / 2);
    world.version = KMIP_1_0;
    out = world_must(&world, "GetAttributes",
                     world_text("%s<AttributeName type=\"TextString\" value=\"Certificate "
                                "Subject\"/>",
                                UID(uid)));
    out = kmip_child(kmip_child(out, KMIP_TAG_ATTRIBUTE), KMIP_TAG_ATTRIBUTE_VALUE);
    assert_true(kmip_bytes(out, KMIP_TAG_CERTIFICATE_SUBJECT_DISTINGUISHED_NAME).len > 0);
}

static void a_pair_knows_its_other_half(void **state)
{
    (void)state;
    const struct kmip_node *out = world_must(
        &world, "CreateKeyPair",
        "<CommonAttributes><CryptographicAlgorithm type=\"Enumeration\" value=\"EC\"/>"
        "<CryptographicDomainParameters><RecommendedCurve type=\"Enumeration\" "
        "value=\"P_256\"/></CryptographicDomainParameters></CommonAttributes>"
        "<PrivateKeyAttributes><CryptographicUsageMask type=\"Integer\" value=\"Sign\"/>"
        "</PrivateKeyAttributes><PublicKeyAttributes><CryptographicUsageMask type=\"Integer\" "
        "value=\"Verify\"/></PublicKeyAttributes>");
    const char *private =
        kmip_bytes(out, KMIP_TAG_PRIVATE_KEY_UNIQUE_IDENTIFIER).len == 36
            ? arena_strndup(world.kept,
                            kmip_bytes(out, KMIP_TAG_PRIVATE_KEY_UNIQUE_IDENTIFIER).data, 36)
            : "";
    const struct kmip_node *link = world_attribute(&world, private, "Link", KMIP_TAG_LINK);
    assert_int_equal(kmip_enum(link, KMIP_TAG_LINK_TYPE, 0), KMIP_LINK_TYPE_PUBLIC_KEY_LINK);
    assert_true(bytes_equal(kmip_bytes(link, KMIP_TAG_LINKED_OBJECT_IDENTIFIER),
                            kmip_bytes(out, KMIP_TAG_PUBLIC_KEY_UNIQUE_IDENTIFIER)));
    /* both in a form that clients of any version read */
    world.version = KMIP_1_2;
    out = world_must(&world, "Get", UID(private));
    assert_int_equal(kmip_enum(block_of(out, KMIP_TAG_PRIVATE_KEY), KMIP_TAG_KEY_FORMAT_TYPE, 0),
                     FORMAT_ECPRIVATEKEY);
    world.version = KMIP_2_1;
    /* and a new pair in their place */
    world_must(
        &world, "ReKeyKeyPair",
        world_text("<PrivateKeyUniqueIdentifier type=\"TextString\" value=\"%s\"/>", private));
    link = kmip_again(world_attribute(&world, private, "Link", KMIP_TAG_LINK));
    assert_int_equal(kmip_enum(link, KMIP_TAG_LINK_TYPE, 0),
                     KMIP_LINK_TYPE_REPLACEMENT_OBJECT_LINK);
}

static void a_replacement_takes_the_name(void **state)
{
    (void)state;
    const char *uid =
        world_aes(&world, "k",
                  "<ActivationDate type=\"DateTime\" value=\"2001-01-01T00:00:00+00:00\"/>"
                  "<DeactivationDate type=\"DateTime\" value=\"2040-01-01T00:00:00+00:00\"/>");
    const char *new = world_uid(&world, world_must(&world, "ReKey",
                                                   world_text("%s<Offset type=\"Interval\" "
                                                              "value=\"3600\"/>",
                                                              UID(uid))));
    assert_null(world_attribute(&world, uid, "Name", KMIP_TAG_NAME));
    assert_non_null(world_attribute(&world, new, "Name", KMIP_TAG_NAME));
    assert_int_equal(world_state(&world, new), KMIP_STATE_PRE_ACTIVE);
    const int64_t activation =
        world_attribute(&world, new, "ActivationDate", KMIP_TAG_ACTIVATION_DATE)->num;
    const int64_t deactivation =
        world_attribute(&world, new, "DeactivationDate", KMIP_TAG_DEACTIVATION_DATE)->num;
    assert_int_equal(deactivation - activation, 2208988800 - 978307200);
    world_refused(&world, KMIP_REASON_INVALID_MESSAGE, "ReKey",
                  world_text("%s<Offset type=\"Interval\" value=\"3600\"/><Attributes>"
                             "<ActivationDate type=\"DateTime\" "
                             "value=\"2001-01-01T00:00:00+00:00\"/></Attributes>",
                             UID(new)));
}

static bool is_listed(const struct kmip_node *answer, uint32_t operation)
{
    const struct kmip_node *n = kmip_child(answer, KMIP_TAG_OPERATION);
    while (n != NULL && n->num != operation)
        n = kmip_again(n);
    return n != NULL;
}

/* Where the key was made is no matter of what an attribute says later. */
static void the_placement_stays(void **state)
{
    (void)state;
#define PLACEMENT(value)                                                                           \
    "<Attribute><VendorIdentification type=\"TextString\" value=\"x\"/><AttributeName "            \
    "type=\"TextString\" value=\"claviger-placement\"/><AttributeValue type=\"TextString\" "       \
    "value=\"" value "\"/></Attribute>"
    const char *uid = world_aes(&world, "k", PLACEMENT("vault"));
    world_refused(&world, KMIP_REASON_ATTRIBUTE_READ_ONLY, "ModifyAttribute",
                  world_text("%s<NewAttribute>" PLACEMENT("token") "</NewAttribute>", UID(uid)));
    world_refused(&world, KMIP_REASON_READ_ONLY_ATTRIBUTE, "SetAttribute",
                  world_text("%s<NewAttribute>" PLACEMENT("token") "</NewAttribute>", UID(uid)));
    world_refused(
        &world, KMIP_REASON_ATTRIBUTE_READ_ONLY, "DeleteAttribute",
        world_text("%s<CurrentAttribute>" PLACEMENT("vault") "</CurrentAttribute>", UID(uid)));
    const char *other = world_aes(&world, "other", "");
    world_refused(&world, KMIP_REASON_READ_ONLY_ATTRIBUTE, "AddAttribute",
                  world_text("%s<NewAttribute>" PLACEMENT("token") "</NewAttribute>", UID(other)));
}

static void query_says_what_a_tokens_keys_can_do(void **state)
{
    (void)state;
    static const char ask[] = "<QueryFunction type=\"Enumeration\" value=\"QueryOperations\"/>";
    const struct kmip_node *answer = world_must(&world, "Query", ask);
    assert_true(is_listed(answer, KMIP_OP_DERIVE_KEY));
    assert_true(is_listed(answer, KMIP_OP_CREATE_SPLIT_KEY));
    world.clients[0].placement = VAULT_IN_TOKEN;
    answer = world_must(&world, "Query", ask);
    assert_true(is_listed(answer, KMIP_OP_ENCRYPT));
    assert_false(is_listed(answer, KMIP_OP_DERIVE_KEY));
    assert_false(is_listed(answer, KMIP_OP_CREATE_SPLIT_KEY));
    assert_false(is_listed(answer, KMIP_OP_JOIN_SPLIT_KEY));
    world.clients[0].placement = VAULT_IN_STORE;
}

static void export_and_import(void **state)
{
    (void)state;
    const char *uid = world_aes(&world, "k", "");
    world_must(&world, "Export", UID(uid));
#define IMPORT(id, replace)                                                                        \
    world_text("%s" TYPE("SymmetricKey") replace                                                   \
               "<Attributes>" MASK "</Attributes><SymmetricKey>" BLOCK(                            \
                   "Raw", RAW(KEY128), AES("128")) "</SymmetricKey>",                              \
               UID(id))
    world_refused(&world, KMIP_REASON_OBJECT_ALREADY_EXISTS, "Import", IMPORT(uid, ""));
    world_must(&world, "Import", IMPORT(uid, "<ReplaceExisting type=\"Boolean\" value=\"true\"/>"));
    assert_int_equal(
        world_attribute(&world, uid, "CryptographicLength", KMIP_TAG_CRYPTOGRAPHIC_LENGTH)->num,
        128);
    world_must(&world, "Get", UID(uid));
    world_must(&world, "Import", IMPORT("from-elsewhere", ""));
    world_must(&world, "Get", UID("from-elsewhere"));
}

static void templates_defaults_and_constraints(void **state)
{
    (void)state;
    world.version = KMIP_1_2;
#define A(name, type, value)                                                                       \
    "<Attribute><AttributeName type=\"TextString\" value=\"" name                                  \
    "\"/><AttributeValue type=\"" type "\" value=\"" value "\"/></Attribute>"
#define NAMED(text)                                                                                \
    "<NameValue type=\"TextString\" value=\"" text                                                 \
    "\"/><NameType type=\"Enumeration\" value=\"UninterpretedTextString\"/>"
    world_must(&world, "Register",
               TYPE("Template") "<TemplateAttribute><Attribute><AttributeName type=\"TextString\" "
                                "value=\"Name\"/><AttributeValue>" NAMED(
                                    "t") "</AttributeValue></Attribute>"
                                         "</TemplateAttribute><Template>" A(
                                             "Cryptographic Algorithm", "Enumeration", "AES")
                                             A("Cryptographic Length", "Integer", "192")
                                                 A("Cryptographic Usage Mask", "Integer",
                                                   "Encrypt") "</Template>");
#define USING(name)                                                                                \
    TYPE("SymmetricKey") "<TemplateAttribute><Name>" NAMED(name) "</Name></TemplateAttribute>"
    const char *uid = world_uid(&world, world_must(&world, "Create", USING("t")));
    world_refused(&world, KMIP_REASON_ITEM_NOT_FOUND, "Create", USING("u"));
    world.version = KMIP_2_1;
    assert_int_equal(
        world_attribute(&world, uid, "CryptographicLength", KMIP_TAG_CRYPTOGRAPHIC_LENGTH)->num,
        192);
    world_must(&world, "SetDefaults",
               "<DefaultsInformation><ObjectDefaults>" TYPE("SymmetricKey") "<Attributes>" AES(
                   "128") MASK "</Attributes></ObjectDefaults></DefaultsInformation>");
    world_must(&world, "Create", TYPE("SymmetricKey") "<Attributes></Attributes>");
    world_must(&world, "SetConstraints",
               "<Constraints><Constraint><ObjectTypes>" TYPE(
                   "SymmetricKey") "</ObjectTypes>"
                                   "<Attributes><CryptographicLength type=\"Integer\" "
                                   "value=\"256\"/></Attributes>"
                                   "</Constraint></Constraints>");
    world_refused(&world, KMIP_REASON_CONSTRAINT_VIOLATION, "Create",
                  TYPE("SymmetricKey") "<Attributes></Attributes>");
    world_aes(&world, "fits", "");
    assert_non_null(
        kmip_child(kmip_child(world_must(&world, "GetConstraints", ""), KMIP_TAG_CONSTRAINTS),
                   KMIP_TAG_CONSTRAINT));
    /* another group is not concerned */
    world.who = 1;
    world_refused(&world, KMIP_REASON_INVALID_MESSAGE, "Create",
                  TYPE("SymmetricKey") "<Attributes></Attributes>");
}

static void leases_limits_and_checks(void **state)
{
    (void)state;
#define LIMITS                                                                                     \
    "<UsageLimits><UsageLimitsTotal type=\"LongInteger\" value=\"10\"/><UsageLimitsUnit "          \
    "type=\"Enumeration\" value=\"Object\"/></UsageLimits>"
#define COUNT(n) "<UsageLimitsCount type=\"LongInteger\" value=\"" n "\"/>"
    const char *uid = world_aes(&world, "k", LIMITS);
    world_must(&world, "Activate", UID(uid));
    const struct kmip_node *lease = world_must(&world, "ObtainLease", UID(uid));
    assert_int_equal(kmip_num(lease, KMIP_TAG_LEASE_TIME, 0), 3600);
    world_must(&world, "GetUsageAllocation", world_text("%s" COUNT("7"), UID(uid)));
    world_refused(&world, KMIP_REASON_USAGE_LIMIT_EXCEEDED, "GetUsageAllocation",
                  world_text("%s" COUNT("4"), UID(uid)));
    world_must(&world, "Check", world_text("%s" COUNT("3"), UID(uid)));
    world_refused(&world, KMIP_REASON_USAGE_LIMIT_EXCEEDED, "Check",
                  world_text("%s" COUNT("4"), UID(uid)));
    world_refused(
        &world, KMIP_REASON_INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, "Check",
        world_text("%s<CryptographicUsageMask type=\"Integer\" value=\"Sign\"/>", UID(uid)));
    world.version = KMIP_1_4;
    world_refused(&world, KMIP_REASON_PERMISSION_DENIED, "GetUsageAllocation",
                  world_text("%s" COUNT("4"), UID(uid)));
}

static void what_lies_in_the_archive_is_left_alone(void **state)
{
    (void)state;
    const char *uid = world_aes(&world, "k", "");
    world_must(&world, "Archive", UID(uid));
    static const char *const operations[] = {"Get",      "GetAttributes", "GetAttributeList",
                                             "Activate", "Destroy",       "ObtainLease",
                                             "Archive"};
    for (size_t i = 0; i < ARRAY_LEN(operations); i++)
        world_refused(&world, KMIP_REASON_OBJECT_ARCHIVED, operations[i], UID(uid));
    world_must(&world, "Recover", UID(uid));
    world_must(&world, "Get", UID(uid));
}

/* What comes with the key value is the client's word as much as what comes in front of it. */
static void a_key_value_brings_no_more_than_a_client_may_set(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "<State type=\"Enumeration\" value=\"Destroyed\"/>",
        "<InitialDate type=\"DateTime\" value=\"2001-01-01T00:00:00+00:00\"/>",
        "<Digest><HashingAlgorithm type=\"Enumeration\" value=\"SHA_256\"/>"
        "<DigestValue type=\"ByteString\" value=\"00\"/></Digest>",
        "<UsageLimits><UsageLimitsTotal type=\"LongInteger\" value=\"9223372036854775807\"/>"
        "<UsageLimitsUnit type=\"Enumeration\" value=\"Byte\"/></UsageLimits>",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_null(world_ask(
            &world, "Register",
            world_text(TYPE("SymmetricKey") "<Attributes>" MASK "</Attributes><SymmetricKey>" BLOCK(
                           "Raw",
                           "<KeyMaterial type=\"ByteString\" value=\"" KEY128
                           "\"/><Attributes>%s</Attributes>",
                           AES("128")) "</SymmetricKey>",
                       wrong[i])));
    world_must(&world, "Register",
               TYPE("SymmetricKey") "<Attributes>" MASK "</Attributes><SymmetricKey>" BLOCK(
                   "Raw",
                   "<KeyMaterial type=\"ByteString\" value=\"" KEY128 "\"/><Attributes>"
                   "<ContactInformation type=\"TextString\" value=\"ops\"/></Attributes>",
                   AES("128")) "</SymmetricKey>");
}

/* KMIP 1.4, 3.21: the count a client gives is ignored. */
static void limits_begin_full(void **state)
{
    (void)state;
    const char *uid =
        world_aes(&world, "k",
                  "<UsageLimits><UsageLimitsTotal type=\"LongInteger\" value=\"10\"/>"
                  "<UsageLimitsCount type=\"LongInteger\" value=\"9223372036854775807\"/>"
                  "<UsageLimitsUnit type=\"Enumeration\" value=\"Byte\"/></UsageLimits>");
    const struct kmip_node *limits =
        world_attribute(&world, uid, "UsageLimits", KMIP_TAG_USAGE_LIMITS);
    assert_int_equal(kmip_num(limits, KMIP_TAG_USAGE_LIMITS_COUNT, 0), 10);
    assert_int_equal(limits->first->tag, KMIP_TAG_USAGE_LIMITS_TOTAL);
    assert_int_equal(limits->first->next->tag, KMIP_TAG_USAGE_LIMITS_COUNT);
    assert_int_equal(limits->last->tag, KMIP_TAG_USAGE_LIMITS_UNIT);
}

static void what_has_no_key_block_is_not_wrapped(void **state)
{
    (void)state;
    const char *uid =
        world_uid(&world, world_must(&world, "Register",
                                     TYPE("OpaqueObject") "<Attributes></Attributes><OpaqueObject>"
                                                          "<OpaqueDataType type=\"Enumeration\" "
                                                          "value=\"0x80000001\"/><OpaqueDataValue "
                                                          "type=\"ByteString\" "
                                                          "value=\"c0ffee\"/></OpaqueObject>"));
    world_refused(&world, KMIP_REASON_INVALID_OBJECT_TYPE, "Get",
                  world_text("%s<KeyWrappingSpecification><WrappingMethod type=\"Enumeration\" "
                             "value=\"Encrypt\"/><EncryptionKeyInformation>%s"
                             "</EncryptionKeyInformation></KeyWrappingSpecification>",
                             UID(uid), UID(uid)));
}

/* KMIP 2.1 profiles, QS-M-2 */
static void what_must_be_quantum_safe_is_long(void **state)
{
    (void)state;
#define SAFE_AES(bits)                                                                             \
    TYPE("SymmetricKey")                                                                           \
    "<Attributes><CryptographicAlgorithm type=\"Enumeration\" "                                    \
    "value=\"AES\"/><CryptographicLength "                                                         \
    "type=\"Integer\" value=\"" bits "\"/><CryptographicUsageMask type=\"Integer\" "               \
    "value=\"Encrypt\"/><QuantumSafe type=\"Boolean\" value=\"true\"/></Attributes>"
    world_refused(&world, KMIP_REASON_GENERAL_FAILURE, "Create", SAFE_AES("128"));
    world_must(&world, "Create", SAFE_AES("256"));
}

#define DSA_P                                                                                      \
    "0000000000000000fca682ce8e12caba26efccf7110e526db078b05edecbcd1eb4a208f3ae1617ae01f35b91a4"   \
    "7e6df63413c5e12ed0899bcd132acd50d99151bdc43ee737592e17"
#define DSA_Q "00000000962eddcc369cba8ebb260ee6b6a126d9346e38c5"
#define DSA_G                                                                                      \
    "678471b27a9cf44ee91a49c5147db1a9aaf244f05a434d6486931d2d14271b9e35030b71fd73da179069b32e29"   \
    "35630e1c2062354d0da20a6c416e50be794ca4"
#define DSA_Y                                                                                      \
    "0000000000000000b3cb74d988dea7160a64a4edbb7f70404fa4c08a4208c19d76357a6a9df200cce79faecb22"   \
    "e3419be9b01128cbd998a2d9307101705e4a952462f34728ac5fcf"
#define BIG(tag, value) "<" tag " type=\"BigInteger\" value=\"" value "\"/>"

/* An old, short DSA key, and one that is Sensitive although it is public. */
static void a_sensitive_public_key_stays(void **state)
{
    (void)state;
#define DSA_512(attributes)                                                                        \
    TYPE("PublicKey")                                                                              \
    "<Attributes><CryptographicUsageMask type=\"Integer\" value=\"Verify\"/>" attributes           \
    "</Attributes><PublicKey><KeyBlock><KeyFormatType type=\"Enumeration\" "                       \
    "value=\"TransparentDSAPublicKey\"/><KeyValue><KeyMaterial>" BIG("P", DSA_P) BIG("Q", DSA_Q)   \
        BIG("G", DSA_G) BIG("Y", DSA_Y) "</KeyMaterial></KeyValue>"                                \
                                        "<CryptographicAlgorithm type=\"Enumeration\" "            \
                                        "value=\"DSA\"/><CryptographicLength "                     \
                                        "type=\"Integer\" value=\"512\"/></KeyBlock></PublicKey>"
    const char *uid = world_uid(&world, world_must(&world, "Register", DSA_512("")));
    world_must(&world, "Get", UID(uid));
    uid = world_uid(&world, world_must(&world, "Register",
                                       DSA_512("<Sensitive type=\"Boolean\" value=\"true\"/>")));
    world_refused(&world, KMIP_REASON_SENSITIVE, "Get", UID(uid));
    world_refused(&world, KMIP_REASON_SENSITIVE, "Export", UID(uid));
}

static void defaults_are_a_clients_to_set(void **state)
{
    (void)state;
    world_refused(&world, KMIP_REASON_READ_ONLY_ATTRIBUTE, "SetDefaults",
                  "<DefaultsInformation><ObjectDefaults><ObjectTypes>" TYPE(
                      "SymmetricKey") "</ObjectTypes><Attributes><State type=\"Enumeration\" "
                                      "value=\"Destroyed\"/></Attributes></ObjectDefaults>"
                                      "</DefaultsInformation>");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(fresh_until_it_is_given_out), CASE(lifecycle),
          CASE(what_is_registered_is_given_back), CASE(what_is_no_key_is_refused),
          CASE(secrets_and_opaque_objects), CASE(a_certificate_says_who_it_is),
          CASE(a_pair_knows_its_other_half), CASE(a_replacement_takes_the_name),
          CASE(the_placement_stays), CASE(query_says_what_a_tokens_keys_can_do),
          CASE(export_and_import), CASE(templates_defaults_and_constraints),
          CASE(leases_limits_and_checks), CASE(what_lies_in_the_archive_is_left_alone),
          CASE(a_key_value_brings_no_more_than_a_client_may_set), CASE(limits_begin_full),
          CASE(what_has_no_key_block_is_not_wrapped), CASE(defaults_are_a_clients_to_set),
          CASE(what_must_be_quantum_safe_is_long), CASE(a_sensitive_public_key_stays))
