#include "sample.h"

#include <stdio.h>

#include "base/hex.h"
#include "crypto/hash.h"
#include "crypto/hash_alg.h"
#include "support/test.h"

const char sample_firmware[] = "firmware 2.1.0 of a UNODE";
const char sample_field[] = "system_id = 7\n";
const char sample_factory[] = "system_id = 1\n";

const struct rsa_private *sample_key(void)
{
    static struct rsa_private *key;
    if (key == NULL)
        assert_ok(rsa_private_generate(2048, &key, NULL));
    return key;
}

void sample_file(struct line_file *file, const char *name, const char *path, struct bytes content)
{
    uint8_t digest[HASH_ALG_MAX];
    size_t len = 0;
    *file = (struct line_file){.size = content.len, .has_sha256 = true, .has_md5 = true};
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    (void)snprintf(file->path, sizeof file->path, "%s", path);
    assert_ok(hash_sha256(&content, 1, file->sha256));
    assert_ok(hash_alg(HASH_MD5, &content, 1, digest, &len));
    memcpy(file->md5, digest, sizeof file->md5);
}

static void put_file(struct buf *json, const char *key, const char *name, const char *content)
{
    struct line_file file;
    char sha[65], md5[33];
    sample_file(&file, name, "", bytes_str(content));
    hex_encode(BYTES(file.sha256), sha);
    hex_encode(BYTES(file.md5), md5);
    assert_ok(buf_printf(json,
                         "\"%s\":{\"name\":\"%s\",\"size\":%zu,\"sha256\":\"%s\",\"md5\":\"%s\","
                         "\"path\":\"/v1/factory/packages/0x45/files/%s\"}",
                         key, name, strlen(content), sha, md5, name));
}

static void put_key(struct buf *json)
{
    struct buf pem = {0};
    assert_ok(rsa_public_to_pem(rsa_private_public(sample_key()), &pem));
    for (size_t i = 0; i < pem.len; i++) {
        if (pem.data[i] == '\n')
            assert_ok(buf_printf(json, "\\n"));
        else
            assert_ok(buf_printf(json, "%c", pem.data[i]));
    }
    buf_done(&pem);
}

char *sample_config(const char *files, const char *edit, const char *with)
{
    struct buf json = {0};
    assert_ok(buf_printf(&json, "{\"config_id\":\"0x0000000000000045\",\"revision\":3,\"label\":"
                                "\"kite_170\",\"network\":\"metro-east\",\"kms_key\":\""));
    put_key(&json);
    assert_ok(buf_printf(&json, "\",\"node\":{\"type\":\"UNODE\",\"version\":\"2.1.0\","
                                "\"hardware\":\"7\","));
    put_file(&json, "firmware", "node.bin", sample_firmware);
    assert_ok(buf_printf(&json, ","));
    put_file(&json, "field_configuration", "field.cfg", sample_field);
    assert_ok(buf_printf(&json, ","));
    put_file(&json, "factory_configuration", "factory.cfg", sample_factory);
    assert_ok(buf_printf(&json, "},\"applications\":[{\"name\":\"meter\",\"version\":\"5.6\","
                                "\"public_key\":\""));
    put_key(&json);
    assert_ok(buf_printf(&json, "\","));
    put_file(&json, "firmware", "meter.bin", "firmware of a meter");
    assert_ok(buf_printf(&json, ",\"field_configuration\":null}],\"files\":\"%s\"}", files));
    assert_ok(buf_append(&json, bytes_of("", 1)));
    char *at = edit != NULL ? strstr((char *)json.data, edit) : NULL;
    assert_true(edit == NULL || at != NULL);
    struct buf text = {0};
    if (at == NULL)
        at = (char *)json.data;
    assert_ok(buf_printf(&text, "%.*s%s%s", (int)(at - (char *)json.data), (char *)json.data,
                         edit != NULL ? with : "", at + (edit != NULL ? strlen(edit) : 0)));
    assert_ok(buf_append(&text, bytes_of("", 1)));
    buf_done(&json);
    char *copy = strdup((const char *)text.data);
    assert_non_null(copy);
    buf_done(&text);
    return copy;
}
