#ifndef CLAVIGER_KMIP_H
#define CLAVIGER_KMIP_H
/* libclaviger-kmip: a client of KMIP servers, versions 1.0 to 2.1, over TLS (port 5696) or HTTPS.
 * A tour: docs/kmip.md; an example: examples/kmip.
 *
 * Calls block. A handle is used by one thread at a time and never in a child made by fork; several
 * handles are independent. The connection is made by the first call, and anew where the server has
 * closed it meanwhile.
 *
 * Every function that can fail gives CKMIP_OK or another enum ckmip_status and, where `error` is
 * not NULL, fills it; what it was to give is then empty. Texts are UTF-8 and end with NUL.
 */

#include "claviger-kmip-types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CKMIP_API_VERSION 1
unsigned ckmip_api_version(void);          /* that of the library that is loaded; never smaller */
const char *ckmip_status_text(int status); /* never NULL, static */
void ckmip_data_free(struct ckmip_data *data); /* wipes and empties, as the two below */
void ckmip_list_free(struct ckmip_list *list);
void ckmip_object_free(struct ckmip_object *object);

struct ckmip;

/* A profile is a folder with profile.conf, as `claviger client create -o` makes it. Reads files,
 * connects nothing. */
int ckmip_open(const char *profile, struct ckmip **ret_kmip, struct ckmip_error *error);
int ckmip_open_config(const struct ckmip_config *config, struct ckmip **ret_kmip,
                      struct ckmip_error *error);
void ckmip_close(struct ckmip *kmip); /* wipes; NULL is allowed */
/* The version the next call uses, 0x0104 for 1.4; agrees on one with the server first. 0: failed.
 */
uint16_t ckmip_version(struct ckmip *kmip, struct ckmip_error *error);

/* ---- the life of an object ---- */

/* "SymmetricKey" or, from 1.4 on, "SecretData"; algorithm, length and usage are attributes. */
int ckmip_create(struct ckmip *kmip, const char *type, const struct ckmip_attribute *attributes,
                 size_t attributes_len, ckmip_uid ret_uid, struct ckmip_error *error);
/* The same for a key, with the three that every key has. `usage`: "Encrypt|Decrypt". */
int ckmip_create_key(struct ckmip *kmip, const char *algorithm, uint32_t bits, const char *usage,
                     const struct ckmip_attribute *attributes, size_t attributes_len,
                     ckmip_uid ret_uid, struct ckmip_error *error);
int ckmip_create_key_pair(struct ckmip *kmip, const struct ckmip_pair *pair, ckmip_uid ret_private,
                          ckmip_uid ret_public, struct ckmip_error *error);
int ckmip_register(struct ckmip *kmip, const struct ckmip_object *object,
                   const struct ckmip_attribute *attributes, size_t attributes_len,
                   ckmip_uid ret_uid, struct ckmip_error *error);
/* `options` may be NULL. */
int ckmip_get(struct ckmip *kmip, const char *uid, const struct ckmip_get_options *options,
              struct ckmip_object *ret_object, struct ckmip_error *error);
/* The items have the identifier as value and "UniqueIdentifier" as name. `ret_total` (nullable):
 * Located Items, from 1.3 on; else how many were given. */
int ckmip_locate(struct ckmip *kmip, const struct ckmip_locate *what, struct ckmip_list *ret_uids,
                 uint32_t *ret_total, struct ckmip_error *error);
/* The whole object with its attributes, as a TTLV item of tag Response Payload, and back: from 1.4
 * on. `replace`: an object that is there already. */
int ckmip_export(struct ckmip *kmip, const char *uid, struct ckmip_data *ret_item,
                 struct ckmip_error *error);
int ckmip_import(struct ckmip *kmip, const void *item, size_t len, int replace, ckmip_uid ret_uid,
                 struct ckmip_error *error);
int ckmip_activate(struct ckmip *kmip, const char *uid, struct ckmip_error *error);
/* `reason`: "KeyCompromise", "CessationOfOperation"...; `message` may be NULL. `compromised`: since
 * when, seconds since 1970, 0 for reasons that are no compromise. */
int ckmip_revoke(struct ckmip *kmip, const char *uid, const char *reason, const char *message,
                 int64_t compromised, struct ckmip_error *error);
int ckmip_destroy(struct ckmip *kmip, const char *uid, struct ckmip_error *error);
/* `offset`: seconds until the new key is active, -1: not told. */
int ckmip_rekey(struct ckmip *kmip, const char *uid, int64_t offset, ckmip_uid ret_uid,
                struct ckmip_error *error);
/* Have the server's authority sign: the public key `uid`, or what a PKCS#10 request (DER or PEM)
 * asks for; both where it is of that key, one of the two may be NULL. The certificate's identifier.
 */
int ckmip_certify(struct ckmip *kmip, const char *uid, const void *request, size_t len,
                  const struct ckmip_attribute *attributes, size_t attributes_len,
                  ckmip_uid ret_uid, struct ckmip_error *error);

/* `names` may be NULL: all. Structures come as "A=1, B=2", several instances as several items. */
int ckmip_get_attributes(struct ckmip *kmip, const char *uid, const char *const *names,
                         size_t names_len, struct ckmip_list *ret_attributes,
                         struct ckmip_error *error);
int ckmip_add_attribute(struct ckmip *kmip, const char *uid,
                        const struct ckmip_attribute *attribute, struct ckmip_error *error);
/* The (first) instance gets this value. */
int ckmip_modify_attribute(struct ckmip *kmip, const char *uid,
                           const struct ckmip_attribute *attribute, struct ckmip_error *error);
/* With a value: the instance that has it (from 2.0 on); without one the first. */
int ckmip_delete_attribute(struct ckmip *kmip, const char *uid, const char *name, const char *value,
                           struct ckmip_error *error);

/* ---- work with a key, from 1.2 on ---- */

/* `iv` may be empty where the server draws one (as attribute Random IV in `params` says it is
 * asked to); `ret_iv` and `ret_tag` may be NULL, an AEAD's tag then is missing. */
int ckmip_encrypt(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
                  struct ckmip_bytes data, struct ckmip_bytes iv, struct ckmip_bytes aad,
                  struct ckmip_data *ret_data, struct ckmip_data *ret_iv,
                  struct ckmip_data *ret_tag, struct ckmip_error *error);
int ckmip_decrypt(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
                  struct ckmip_bytes data, struct ckmip_bytes iv, struct ckmip_bytes aad,
                  struct ckmip_bytes tag, struct ckmip_data *ret_data, struct ckmip_error *error);
int ckmip_sign(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
               struct ckmip_bytes data, struct ckmip_data *ret_signature,
               struct ckmip_error *error);
/* CKMIP_OK whether it verifies or not; `ret_valid` says which. */
int ckmip_verify(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
                 struct ckmip_bytes data, struct ckmip_bytes signature, int *ret_valid,
                 struct ckmip_error *error);
int ckmip_mac(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
              struct ckmip_bytes data, struct ckmip_data *ret_mac, struct ckmip_error *error);
int ckmip_mac_verify(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
                     struct ckmip_bytes data, struct ckmip_bytes mac, int *ret_valid,
                     struct ckmip_error *error);
int ckmip_hash(struct ckmip *kmip, const char *hash, struct ckmip_bytes data,
               struct ckmip_data *ret_digest, struct ckmip_error *error);
int ckmip_random(struct ckmip *kmip, uint32_t len, struct ckmip_data *ret_data,
                 struct ckmip_error *error);

/* ---- the server ---- */

/* Items by Query Function's answer: "Operation", "ObjectType", "VendorIdentification"... */
int ckmip_query(struct ckmip *kmip, struct ckmip_list *ret_answers, struct ckmip_error *error);
/* What the server speaks, highest first, as 0x0104; at most `cap`. */
int ckmip_discover_versions(struct ckmip *kmip, uint16_t *ret_versions, size_t cap, size_t *ret_len,
                            struct ckmip_error *error);

/* ---- messages as they are ---- */

/* Send a whole request message and give the response in the same encoding. TTLV goes as it is; over
 * TLS the others are translated here, over HTTPS they are sent as they are. CKMIP_OK whatever the
 * answer says. */
int ckmip_raw(struct ckmip *kmip, enum ckmip_encoding encoding, const void *request, size_t len,
              struct ckmip_data *ret_response, struct ckmip_error *error);
/* Translate a message, or any single item, without a server. What can't be decoded is
 * CKMIP_ARGUMENT. JSON and XML are indented and end with a newline. */
int ckmip_translate(enum ckmip_encoding from, const void *message, size_t len,
                    enum ckmip_encoding to, struct ckmip_data *ret_message,
                    struct ckmip_error *error);

#ifdef __cplusplus
}
#endif
#endif
