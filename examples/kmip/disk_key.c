/* A disk's key: made at the first start, found by its name from then on.
 *
 *     cc disk_key.c $(pkg-config --cflags --libs claviger-kmip) -o disk_key
 *     ./disk_key client/ disk-7
 */
#include <claviger-kmip.h>

#include <stdio.h>
#include <string.h>

static int find(struct ckmip *kmip, const char *name, ckmip_uid uid, struct ckmip_error *error)
{
    const struct ckmip_attribute wanted[] = {{"Name", name}, {"State", "Active"}};
    const struct ckmip_locate what = {.attributes = wanted, .attributes_len = 2, .maximum = 1};
    struct ckmip_list found = {0};
    int status = ckmip_locate(kmip, &what, &found, NULL, error);
    uid[0] = '\0';
    if (status == CKMIP_OK && found.len != 0)
        (void)snprintf(uid, sizeof(ckmip_uid), "%s", found.item[0].value);
    ckmip_list_free(&found);
    return status;
}

static int make(struct ckmip *kmip, const char *name, ckmip_uid uid, struct ckmip_error *error)
{
    const struct ckmip_attribute attributes[] = {{"Name", name}};
    int status = ckmip_create_key(kmip, "AES", 256, "Encrypt|Decrypt", attributes, 1, uid, error);
    return status == CKMIP_OK ? ckmip_activate(kmip, uid, error) : status;
}

static int use(struct ckmip *kmip, const char *name, struct ckmip_error *error)
{
    ckmip_uid uid;
    struct ckmip_object key;
    int status = find(kmip, name, uid, error);
    if (status == CKMIP_OK && uid[0] == '\0')
        status = make(kmip, name, uid, error);
    if (status == CKMIP_OK)
        status = ckmip_get(kmip, uid, NULL, &key, error);
    if (status != CKMIP_OK)
        return status;
    printf("%s: %s, %s of %u bits; the disk can be opened\n", name, uid, key.algorithm,
           (unsigned)key.bits);
    ckmip_object_free(&key); /* wiped */
    return CKMIP_OK;
}

int main(int argc, char **argv)
{
    struct ckmip *kmip;
    struct ckmip_error error;
    if (argc != 3) {
        fprintf(stderr, "usage: disk_key PROFILE NAME\n");
        return 2;
    }
    int status = ckmip_open(argv[1], &kmip, &error);
    if (status == CKMIP_OK) {
        status = use(kmip, argv[2], &error);
        ckmip_close(kmip);
    }
    if (status != CKMIP_OK)
        fprintf(stderr, "%s: %s %s\n%s\n", ckmip_status_text(status), error.reason_name, error.text,
                error.hint);
    return status == CKMIP_OK ? 0 : 1;
}
