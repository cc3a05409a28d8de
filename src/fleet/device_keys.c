#include "fleet/device_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "crypto/rsa.h"
#include "fleet/device_xml.h"
#include "fleet/import_run.h"
#include "fleet/signer.h"

#define ROWS_MAX KEEPER_DEVICES_MAX

struct devices {
    struct import *import;
    char own[DEVICE_FINGERPRINT + 1]; /* fingerprint of this server's key */
    size_t size;                      /* of its ciphertexts */
    size_t count, max;                /* that wait for the keeper */
    struct keeper_device rows[ROWS_MAX];
    uint64_t lines[ROWS_MAX];
    uint32_t batches[ROWS_MAX];
    uint8_t *ciphertexts; /* `max` of them */
    struct device_xml *xml;
    uint8_t piece[DEVICE_XML_PIECE];
};

static void devices_freep(struct devices **devices)
{
    struct devices *d = *devices;
    if (!d)
        return;
    device_xml_free(d->xml);
    free(d->ciphertexts);
    free(d);
}

static void refuse(struct devices *d, uint64_t line, uint64_t id, const char *text)
{
    import_refuse(d->import, line, &id, text);
    d->import->malformed++;
}

static enum err take_opened(struct devices *d, size_t i, struct err_detail *detail)
{
    const struct keeper_device *device = &d->rows[i];
    if (device->err != ERR_OK) {
        refuse(d, d->lines[i], device->id,
               device->err == ERR_MISMATCH ? "the key has another check value"
                                           : "the key does not open with this server's key");
        return ERR_OK;
    }
    if (device->made.sealed.len != KEEPER_SEALED_NODE)
        return ERR_INTERNAL;
    uint64_t line = d->lines[i];
    struct stage_row row = {.id = device->id,
                            .line = line > UINT32_MAX ? UINT32_MAX : (uint32_t)line,
                            .batch = d->batches[i]};
    memcpy(row.fingerprint, device->made.fingerprint, sizeof(row.fingerprint));
    memcpy(row.sealed, device->made.sealed.data, sizeof(row.sealed));
    return stage_add(&d->import->stage, &row, detail);
}

static enum err open_waiting(struct devices *d, struct err_detail *detail)
{
    const struct import *im = d->import;
    if (d->count == 0)
        return ERR_OK;
    TRY(keeper_import_devices(im->call->keeper, im->call->actor.name, im->net->id, im->op.serial,
                              d->rows, d->count, d->size, detail));
    for (size_t i = 0; i < d->count; i++)
        TRY(take_opened(d, i, detail));
    d->count = 0;
    return ERR_OK;
}

static bool refuse_at_sight(struct devices *d, const struct fleet_device *device)
{
    char text[256];
    if (strcmp(device->recipient, d->own) != 0) {
        snprintf(text, sizeof(text),
                 "the key is encrypted for key server %.16s..., this one is %.16s...",
                 device->recipient, d->own);
        refuse(d, device->line, device->id, text);
    } else if (device->key.len != d->size) {
        snprintf(text, sizeof(text), "the encrypted key has %zu bytes, %zu are wanted",
                 device->key.len, d->size);
        refuse(d, device->line, device->id, text);
    } else if (d->import->net->id_bits == 32 && device->id > UINT32_MAX) {
        refuse(d, device->line, device->id, "the node id is wider than 32 bits");
    } else {
        return false;
    }
    return true;
}

static enum err take_device(void *ctx, const struct fleet_device *device, struct err_detail *detail)
{
    struct devices *d = ctx;
    if (++d->import->result.lines > FLEET_NODES_MAX)
        return err_set(detail, ERR_LIMIT, "more than %llu devices",
                       (unsigned long long)FLEET_NODES_MAX);
    if (refuse_at_sight(d, device))
        return ERR_OK;
    struct keeper_device *row = &d->rows[d->count];
    uint8_t *ciphertext = d->ciphertexts + d->count * d->size;
    memcpy(ciphertext, device->key.data, d->size);
    *row = (struct keeper_device){.id = device->id, .ciphertext = ciphertext};
    memcpy(row->kcv, device->kcv, sizeof(row->kcv));
    d->lines[d->count] = device->line;
    d->batches[d->count] = device->batch;
    return ++d->count == d->max ? open_waiting(d, detail) : ERR_OK;
}

static enum err devices_new(struct import *im, struct devices **ret_devices,
                            struct err_detail *detail)
{
    AUTO(devices_freep) struct devices *d = calloc(1, sizeof(*d));
    AUTO(buf_done) struct buf spki = {0};
    AUTO(rsa_public_freep) struct rsa_public *own = NULL;
    uint8_t key_id[RSA_KEY_ID_SIZE];
    if (!d)
        return ERR_NO_MEMORY;
    d->import = im;
    TRY(keeper_public(im->call->keeper, KEEPER_KEY_SERVER, &spki, key_id, detail));
    TRY(rsa_public_from_spki(buf_view(&spki), &own, detail));
    hex_encode(rsa_public_fingerprint(own), d->own);
    d->size = rsa_public_size(own);
    d->max = keeper_devices_max(d->size);
    if (d->max == 0 || d->size > DEVICE_KEY_MAX)
        return err_set(detail, ERR_UNSUPPORTED, "the server's key has %zu bits", 8 * d->size);
    d->ciphertexts = calloc(d->max, d->size);
    if (!d->ciphertexts)
        return ERR_NO_MEMORY;
    TRY(device_xml_new(take_device, d, &d->xml));
    *ret_devices = TAKE(d);
    return ERR_OK;
}

static enum err read_xml(struct devices *d, struct err_detail *detail)
{
    const struct fleet_import *request = d->import->request;
    AUTO(file_closep) int fd = open(request->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_errno(detail, "%s", request->path);
    uint64_t done = 0;
    for (ssize_t len = 1; len > 0;) {
        len = read(fd, d->piece, sizeof(d->piece));
        if (len < 0 && errno == EINTR) {
            len = 1;
            continue;
        }
        if (len < 0)
            return err_errno(detail, "%s", request->path);
        done += (uint64_t)len;
        TRY(device_xml_feed(d->xml, bytes_of(d->piece, (size_t)len), len == 0, detail));
        TRY(progress_tell(d->import->call, "read", done, (uint64_t)st.st_size));
    }
    return open_waiting(d, detail);
}

/* Everything into the stage. What is refused here is counted in `malformed`. */
static enum err read_devices(struct import *im, struct err_detail *detail)
{
    AUTO(devices_freep) struct devices *d = NULL;
    TRY(devices_new(im, &d, detail));
    TRY(stage_open(&im->stage, im->call->fleet->spool_dir, detail));
    TRY(read_xml(d, detail));
    TRY(stage_close(&im->stage, detail));
    uint64_t before = im->malformed;
    import_find_duplicates(im);
    /* Which of two keys a node really has is not known: skipping one would be a guess. */
    if (im->malformed == before && (im->malformed == 0 || im->request->skip_refused))
        return ERR_OK;
    im->result.count[FLEET_REFUSED] = im->malformed;
    if (detail)
        *detail = im->first;
    return ERR_REFUSED;
}

static enum err import_locked(const struct fleet_call *call, const struct fleet_import *request,
                              struct err_detail *detail, struct fleet_import_result *ret_result)
{
    AUTO(import_freep) struct import *im = NULL;
    TRY(import_new(call, request, &im));
    TRY(net_read(call->fleet, request->network, detail, &im->net));
    TRY(operation_begin(call, request->dry_run ? "import-dry-run" : "import", im->net->id,
                        request->source, &im->op, detail));
    im->result.epoch = im->op.serial;
    struct err_detail why = {0};
    enum err err = fleet_signer_check(call, im->net->id, request->path, request->sig_path,
                                      request->source, im->result.signed_by, &why);
    if (err == ERR_OK)
        err = read_devices(im, &why);
    if (err == ERR_OK) {
        err = import_merge(im, &why);
        im->result.count[FLEET_REFUSED] += im->malformed;
    }
    if (err != ERR_OK && detail)
        *detail = why;
    enum err closed = operation_close(call, &im->op, err, &why, err == ERR_OK ? detail : NULL);
    if (err == ERR_OK || err == ERR_REFUSED)
        *ret_result = im->result;
    return closed;
}

enum err fleet_device_import(const struct fleet_call *call, const struct fleet_import *request,
                             struct err_detail *detail, struct fleet_import_result *ret_result)
{
    TRY(vault_may(&call->actor, VAULT_KEY_IMPORT, detail));
    AUTO(net_freep) struct net *net = NULL;
    TRY(net_read(call->fleet, request->network, detail, &net));
    TRY(net_lock_take(call, net->id));
    enum err err = import_locked(call, request, detail, ret_result);
    net_lock_give(call->fleet, net->id);
    return err;
}
