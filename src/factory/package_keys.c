#include "factory/package_keys.h"

#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "keeper/gwfile.h"

bool package_keys_wants(enum package_role role)
{
    switch (role) {
    case PACKAGE_KMS_KEY:
    case PACKAGE_GATEWAY_KEYS:
    case PACKAGE_GATEWAY_KEYS_SIGNATURE:
    case PACKAGE_BACKEND_KEY: return true;
    default: return false;
    }
}

static struct bytes content_of(const struct package *package, const struct bytes *contents,
                               const char *name)
{
    const struct package_file *file = package_file_find(package, name);
    if (file == NULL)
        return (struct bytes){0};
    return contents[file - package->files];
}

/* The cause with the file's name before it. */
static enum err named(const char *name, enum err err, const struct err_detail *cause,
                      struct err_detail *detail)
{
    return err_set(detail, err, "%s: %.150s", name,
                   cause->text[0] != 0 ? cause->text : err_text(err));
}

static enum err read_public(const char *name, struct bytes pem, struct rsa_public **ret_key,
                            struct err_detail *detail)
{
    struct err_detail cause = {.code = ERR_OK};
    enum err err = pem.len > RSA_PEM_MAX ? ERR_LIMIT : rsa_public_from_pem(pem, ret_key, &cause);
    if (err == ERR_OK || err == ERR_NO_MEMORY)
        return err;
    return named(name, ERR_KEY_FORM, &cause, detail);
}

static enum err check_gateway(const struct package *package, const struct bytes *contents,
                              const struct rsa_public *kms, struct arena *arena,
                              struct package_keys *keys, struct err_detail *detail)
{
    struct bytes file = content_of(package, contents, package->gateway_keys);
    struct bytes signature = content_of(package, contents, package->gateway_keys_signature);
    uint8_t digest[HASH_SHA256_SIZE];
    TRY(hash_sha256(&file, 1, digest));
    if (rsa_verify_sha256(kms, digest, signature, NULL) != ERR_OK)
        return err_set(detail, ERR_SIGNATURE, "%s: not a signature of %s by %s",
                       package->gateway_keys_signature, package->gateway_keys, package->kms_key);
    struct err_detail cause = {.code = ERR_OK};
    struct keeper_gateway_file head;
    struct gwfile parsed;
    enum err err = gwfile_parse(file, &head, &parsed, &cause);
    if (err != ERR_OK)
        return named(package->gateway_keys, err, &cause, detail);
    keys->network = arena_strndup(arena, head.network, strlen(head.network));
    keys->realm = arena_strndup(arena, head.realm, strlen(head.realm));
    if (keys->network == NULL || keys->realm == NULL)
        return ERR_NO_MEMORY;
    keys->gateway_version = head.versions.gateway;
    keys->cdld_version = head.versions.cdld;
    return ERR_OK;
}

enum err package_keys_check(const struct package *package, const struct bytes *contents,
                            struct arena *arena, struct package_keys *ret_keys,
                            struct err_detail *detail)
{
    struct package_keys keys = {.kms_bits = 0};
    AUTO(rsa_public_freep) struct rsa_public *kms = NULL;
    TRY(read_public(package->kms_key, content_of(package, contents, package->kms_key), &kms,
                    detail));
    memcpy(keys.kms_fingerprint, rsa_public_fingerprint(kms).data, sizeof keys.kms_fingerprint);
    keys.kms_bits = (unsigned)rsa_public_size(kms) * 8;
    for (size_t i = 0; i < package->applications_len; i++) {
        const char *name = package->applications[i].public_key;
        AUTO(rsa_public_freep) struct rsa_public *backend = NULL;
        if (name != NULL)
            TRY(read_public(name, content_of(package, contents, name), &backend, detail));
    }
    TRY(check_gateway(package, contents, kms, arena, &keys, detail));
    *ret_keys = keys;
    return ERR_OK;
}
