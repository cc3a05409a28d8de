#pragma once

#include <stdio.h>

#include "kmip/op/streams.h"
#include "world.h"

/* Short forms for tests of operations that use keys; all in 2.1. */

#define INT(tag, value)  "<" tag " type=\"Integer\" value=\"" value "\"/>"
#define ENUM(tag, value) "<" tag " type=\"Enumeration\" value=\"" value "\"/>"
#define HEX(tag, value)  "<" tag " type=\"ByteString\" value=\"" value "\"/>"
#define BOOL(tag, value) "<" tag " type=\"Boolean\" value=\"" value "\"/>"
#define ACTIVE           "<ActivationDate type=\"DateTime\" value=\"2001-01-01T00:00:00+00:00\"/>"
#define PARAMS(text)     "<CryptographicParameters>" text "</CryptographicParameters>"
#define MASK(value)      INT("CryptographicUsageMask", value)
#define AES_KEY          "0123456789abcdef0123456789abcdef"
#define BLOCK            "01020304050607080910111213141516"

/* Registers a key; `kind` is "SymmetricKey" or "SecretData", hex its bytes. */
static inline const char *keys_register(struct world *w, const char *alg, unsigned bits,
                                        const char *hex, const char *attributes)
{
    return world_uid(
        w, world_must(w, "Register",
                      world_text("<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/>"
                                 "<Attributes>%s</Attributes><SymmetricKey><KeyBlock>"
                                 "<KeyFormatType type=\"Enumeration\" value=\"Raw\"/><KeyValue>"
                                 "<KeyMaterial type=\"ByteString\" value=\"%s\"/></KeyValue>"
                                 "<CryptographicAlgorithm type=\"Enumeration\" value=\"%s\"/>"
                                 "<CryptographicLength type=\"Integer\" value=\"%u\"/>"
                                 "</KeyBlock></SymmetricKey>",
                                 attributes, hex, alg, bits)));
}

static inline const char *keys_secret(struct world *w, const char *hex, const char *attributes)
{
    return world_uid(
        w, world_must(w, "Register",
                      world_text("<ObjectType type=\"Enumeration\" value=\"SecretData\"/>"
                                 "<Attributes>%s</Attributes><SecretData>"
                                 "<SecretDataType type=\"Enumeration\" value=\"Password\"/>"
                                 "<KeyBlock><KeyFormatType type=\"Enumeration\" value=\"Raw\"/>"
                                 "<KeyValue><KeyMaterial type=\"ByteString\" value=\"%s\"/>"
                                 "</KeyValue></KeyBlock></SecretData>",
                                 attributes, hex)));
}

/* A new pair; the private key's identifier, and the public key's. */
static inline const char *keys_pair(struct world *w, const char *alg, unsigned bits,
                                    const char **ret_public)
{
    struct kmip_node *out = world_must(
        w, "CreateKeyPair",
        world_text(
            "<CommonAttributes><CryptographicAlgorithm type=\"Enumeration\" value=\"%s\"/>"
            "<CryptographicLength type=\"Integer\" value=\"%u\"/>" ACTIVE
            "</CommonAttributes><PrivateKeyAttributes>" MASK(
                "Sign Decrypt UnwrapKey "
                "DeriveKey") "</PrivateKeyAttributes>"
                             "<PublicKeyAttributes>" MASK(
                                 "Verify Encrypt WrapKey DeriveKey") "</PublicKeyAttributes>",
            alg, bits));
    struct bytes private = kmip_bytes(out, KMIP_TAG_PRIVATE_KEY_UNIQUE_IDENTIFIER);
    struct bytes public = kmip_bytes(out, KMIP_TAG_PUBLIC_KEY_UNIQUE_IDENTIFIER);
    *ret_public = arena_strndup(w->kept, public.data, public.len);
    return arena_strndup(w->kept, private.data, private.len);
}

/* Lower-case hex of a field of the payload, "" where it is absent. */
static inline const char *keys_hex(const struct kmip_node *payload, uint32_t tag)
{
    struct bytes b = kmip_bytes(payload, tag);
    char text[4000] = "";
    assert_true(b.len * 2 < sizeof(text));
    for (size_t i = 0; i < b.len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", b.data[i]);
    return world_text("%s", text);
}

#define assert_hex(payload, tag, hex) assert_string_equal(keys_hex((payload), (tag)), (hex))
/* One of world_text's buffers, kept until the world ends. */
static inline const char *keys_keep(struct world *w, const char *text)
{
    return arena_strndup(w->kept, text, strlen(text));
}
