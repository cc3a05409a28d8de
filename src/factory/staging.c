#include "factory/staging.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "crypto/pwhash.h"
#include "factory/internal.h"
#include "factory/package_import.h"
#include "factory/staged.h"

#define MEMORY (8 * PACKAGE_MEMORY)

static void staged_free(struct factory_staged *staged)
{
    if (staged == NULL)
        return;
    if (staged->folder[0] != '\0')
        (void)folder_remove(staged->folder);
    arena_free(staged->arena);
    free(staged);
}

static void staged_freep(struct factory_staged **staged)
{
    staged_free(*staged);
}

void staging_free(struct factory *factory)
{
    while (factory->staged != NULL) {
        struct factory_staged *staged = factory->staged;
        factory->staged = staged->next;
        staged_free(staged);
    }
}

/* ---- the list of what waits ---- */

struct factory_staged *staged_take(struct factory *factory, uint64_t id)
{
    (void)pthread_mutex_lock(&factory->lock);
    struct factory_staged **at = &factory->staged;
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    struct factory_staged *found = *at;
    if (found != NULL)
        *at = found->next;
    (void)pthread_mutex_unlock(&factory->lock);
    return found;
}

void staged_put(struct factory *factory, struct factory_staged *staged)
{
    (void)pthread_mutex_lock(&factory->lock);
    staged->next = factory->staged;
    factory->staged = staged;
    (void)pthread_mutex_unlock(&factory->lock);
}

/* Locked. */
static unsigned count(const struct factory *factory)
{
    unsigned waiting = 0;
    for (const struct factory_staged *s = factory->staged; s != NULL; s = s->next)
        waiting++;
    return waiting;
}

unsigned factory_staged_count(struct factory *factory)
{
    (void)pthread_mutex_lock(&factory->lock);
    unsigned waiting = count(factory);
    (void)pthread_mutex_unlock(&factory->lock);
    return waiting;
}

/* The list has the newest first; ids rise. */
static const struct factory_staged *next_after(const struct factory *factory, uint64_t id)
{
    const struct factory_staged *next = NULL;
    for (const struct factory_staged *s = factory->staged; s != NULL; s = s->next) {
        if (s->id > id && (next == NULL || s->id < next->id))
            next = s;
    }
    return next;
}

enum err factory_staged_each(struct factory *factory, uint64_t now_ns, factory_waiting_fn *each,
                             void *ctx)
{
    enum err err = ERR_OK;
    (void)pthread_mutex_lock(&factory->lock);
    for (const struct factory_staged *s = next_after(factory, 0); s != NULL && err == ERR_OK;
         s = next_after(factory, s->id)) {
        uint64_t age = now_ns > s->since_ns ? (now_ns - s->since_ns) / 1000000000 : 0;
        const struct factory_waiting waiting = {
            .import = s->id,
            .package = &s->package,
            .left_s = age < FACTORY_STAGED_S ? (unsigned)(FACTORY_STAGED_S - age) : 0};
        err = each(ctx, &waiting);
    }
    (void)pthread_mutex_unlock(&factory->lock);
    return err;
}

/* A number, where there is room for one more. */
static enum err reserve(struct factory *factory, uint64_t *ret_id, struct err_detail *detail)
{
    (void)pthread_mutex_lock(&factory->lock);
    unsigned waiting = count(factory);
    if (waiting < FACTORY_STAGED_MAX)
        *ret_id = ++factory->last_import;
    (void)pthread_mutex_unlock(&factory->lock);
    return waiting < FACTORY_STAGED_MAX
               ? ERR_OK
               : err_set(detail, ERR_BUSY, "%u imports wait to be committed or dropped", waiting);
}

void factory_stage_tidy(struct factory *factory, uint64_t now_ns)
{
    const uint64_t keep = (uint64_t)FACTORY_STAGED_S * 1000000000;
    struct factory_staged *old = NULL;
    (void)pthread_mutex_lock(&factory->lock);
    for (struct factory_staged **at = &factory->staged; *at != NULL;) {
        struct factory_staged *staged = *at;
        if (now_ns < staged->since_ns + keep) {
            at = &staged->next;
            continue;
        }
        *at = staged->next;
        staged->next = old;
        old = staged;
    }
    (void)pthread_mutex_unlock(&factory->lock);
    while (old != NULL) {
        struct factory_staged *next = old->next;
        staged_free(old);
        old = next;
    }
}

enum err factory_stage_drop(struct factory *factory, uint64_t import, struct err_detail *detail)
{
    AUTO(staged_freep) struct factory_staged *staged = staged_take(factory, import);
    return staged != NULL
               ? ERR_OK
               : err_set(detail, ERR_NOT_FOUND, "no import %" PRIu64 " is waiting", import);
}

/* ---- reading a package ---- */

struct trusted {
    struct arena *arena;
    struct package_packager *list;
    size_t len;
};

static enum err add_packager(void *ctx, const struct factory_packager *packager)
{
    struct trusted *trusted = ctx;
    if (trusted->len == PACKAGE_PACKAGERS_MAX)
        return ERR_LIMIT;
    const char *name = arena_strndup(trusted->arena, packager->name, strlen(packager->name));
    const char *key =
        arena_strndup(trusted->arena, packager->public_key.data, packager->public_key.len);
    if (name == NULL || key == NULL)
        return ERR_NO_MEMORY;
    trusted->list[trusted->len++] =
        (struct package_packager){name, bytes_of(key, packager->public_key.len)};
    return ERR_OK;
}

static enum err on_progress(void *ctx, const char *file, uint64_t done, uint64_t total)
{
    (void)file;
    const struct fleet_call *call = ctx;
    bool go = call->progress == NULL || call->progress(call->progress_ctx, "unpack", done, total);
    return go ? ERR_OK : ERR_CANCELLED;
}

static enum err unpack(struct factory *factory, const struct fleet_call *call,
                       const struct factory_import *request, struct factory_staged *staged,
                       struct err_detail *detail)
{
    struct trusted trusted = {.arena = staged->arena};
    trusted.list = arena_take(staged->arena, PACKAGE_PACKAGERS_MAX * sizeof *trusted.list);
    if (trusted.list == NULL)
        return ERR_NO_MEMORY;
    TRY(factory_packager_each(factory, add_packager, &trusted, detail));
    if (trusted.len == 0)
        return err_set(detail, ERR_SIGNATURE,
                       "no packager is trusted here yet; add one before the first import");
    AUTO(file_closep) int fd = open(request->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_errno(detail, "%s", request->name);
    char folder[FACTORY_PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s/" STAGED_PREFIX "%" PRIu64, factory->directory,
                 staged->id) >= (int)sizeof folder)
        return err_set(detail, ERR_LIMIT, "%s: path too long", factory->directory);
    const struct package_import import = {.fd = fd,
                                          .name = request->name,
                                          .folder = folder,
                                          .size_max = factory->package_max,
                                          .packagers = trusted.list,
                                          .packagers_len = trusted.len,
                                          .progress = on_progress,
                                          .ctx = (void *)(uintptr_t)call};
    TRY(package_import(&import, staged->arena, &staged->imported, detail));
    memcpy(staged->folder, folder, sizeof folder);
    staged->packager = trusted.list[staged->imported.packager].name;
    return ERR_OK;
}

static enum err read_file(const struct factory_staged *staged, const char *name, struct buf *to,
                          struct err_detail *detail)
{
    char path[FACTORY_PATH_MAX + PACKAGE_NAME_MAX + 2];
    (void)snprintf(path, sizeof path, "%s/%s", staged->folder, name);
    return file_read(path, PACKAGE_KEY_SIZE_MAX, to, detail);
}

static enum err open_keys(struct factory *factory, const struct fleet_call *call, uint32_t domain,
                          struct bytes passphrase, struct factory_staged *staged,
                          struct err_detail *detail)
{
    const struct package *package = &staged->imported.package;
    AUTO(buf_done) struct buf file = {0};
    AUTO(buf_done) struct buf signature = {0};
    AUTO(buf_done) struct buf signer = {0};
    TRY(read_file(staged, package->gateway_keys, &file, detail));
    TRY(read_file(staged, package->gateway_keys_signature, &signature, detail));
    TRY(read_file(staged, package->kms_key, &signer, detail));
    return factory_gateway_keys_open(factory, call, domain, buf_view(&file), buf_view(&signature),
                                     buf_view(&signer), passphrase, detail, &staged->keys);
}

/* ---- what is inside ---- */

static enum err list_applications(const struct package *package, struct arena *arena,
                                  struct factory_package *to)
{
    struct factory_application *list =
        arena_take(arena, package->applications_len * sizeof *list + 1);
    if (list == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < package->applications_len; i++)
        list[i] = (struct factory_application){package->applications[i].name,
                                               package->applications[i].version};
    to->applications = list;
    to->applications_len = package->applications_len;
    return ERR_OK;
}

/* Strings are the staged import's. */
static enum err describe(const struct factory_staged *staged, struct arena *arena,
                         struct factory_package *to)
{
    const struct package_imported *imported = &staged->imported;
    const struct package *package = &imported->package;
    *to = (struct factory_package){.config_id = package->config_id,
                                   .label = package->label,
                                   .node_type = package->node.type,
                                   .node_version = package->node.version,
                                   .hardware = package->node.hardware,
                                   .network = imported->network,
                                   .realm = imported->realm,
                                   .comment = staged->comment,
                                   .created = package->created,
                                   .packager = staged->packager,
                                   .size = imported->size,
                                   .imported = clock_now_s(),
                                   .imported_by = staged->actor,
                                   .kms_file = package->kms_key,
                                   .kms_bits = imported->kms_bits,
                                   .gateway_version = staged->keys.gateway_version,
                                   .cdld_version = staged->keys.cdld_version,
                                   .aliases = package->aliases,
                                   .aliases_len = package->aliases_len,
                                   .description = imported->description};
    memcpy(to->sha256, imported->sha256, sizeof to->sha256);
    memcpy(to->kms_fingerprint, imported->kms_fingerprint, sizeof to->kms_fingerprint);
    return list_applications(package, arena, to);
}

/* All its strings, in the caller's arena. */
static enum err dup_package(struct factory_package *package, struct arena *arena)
{
    const char **texts[] = {&package->label,    &package->node_type, &package->node_version,
                            &package->hardware, &package->network,   &package->realm,
                            &package->comment,  &package->packager,  &package->imported_by,
                            &package->kms_file};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        *texts[i] = arena_strndup(arena, *texts[i], strlen(*texts[i]));
        if (*texts[i] == NULL)
            return ERR_NO_MEMORY;
    }
    struct factory_application *applications =
        arena_take(arena, package->applications_len * sizeof *applications + 1);
    const char **aliases = arena_take(arena, package->aliases_len * sizeof *aliases + 1);
    const char *xml = arena_strndup(arena, package->description.data, package->description.len);
    if (applications == NULL || aliases == NULL || xml == NULL)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < package->applications_len; i++) {
        const struct factory_application *from = &package->applications[i];
        applications[i].name = arena_strndup(arena, from->name, strlen(from->name));
        applications[i].version = arena_strndup(arena, from->version, strlen(from->version));
        if (applications[i].name == NULL || applications[i].version == NULL)
            return ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < package->aliases_len; i++) {
        aliases[i] = arena_strndup(arena, package->aliases[i], strlen(package->aliases[i]));
        if (aliases[i] == NULL)
            return ERR_NO_MEMORY;
    }
    package->applications = applications;
    package->aliases = aliases;
    package->description = bytes_of(xml, package->description.len);
    return ERR_OK;
}

static enum err look_around(struct factory *factory, const struct package *package,
                            uint32_t *ret_replaces, struct err_detail *detail)
{
    AUTO(read_end) struct factory_read read = {0};
    TRY(read_begin(factory, &read, detail));
    for (size_t i = 0; i < package->aliases_len; i++)
        TRY(alias_check(read.conn, package->aliases[i], package->config_id, detail));
    return package_last(read.conn, package->config_id, ret_replaces, detail);
}

static enum err check_request(const struct factory_import *request, struct err_detail *detail)
{
    TRY(check_text("file", request->name, FACTORY_TEXT_MAX, false, detail));
    if (request->passphrase.len == 0 || request->passphrase.len > PWHASH_PASSPHRASE_MAX)
        return err_set(detail, ERR_ARGUMENT, "passphrase: 1 to %d bytes", PWHASH_PASSPHRASE_MAX);
    return check_text("comment", request->comment, FACTORY_COMMENT_MAX, true, detail);
}

static enum err begin(struct factory *factory, const struct fleet_call *call,
                      const struct factory_import *request, struct factory_staged **ret_staged,
                      struct err_detail *detail)
{
    AUTO(staged_freep) struct factory_staged *staged = calloc(1, sizeof *staged);
    if (staged == NULL)
        return ERR_NO_MEMORY;
    TRY(reserve(factory, &staged->id, detail));
    TRY(arena_new(MEMORY, &staged->arena));
    staged->since_ns = clock_mono_ns();
    staged->actor = arena_strndup(staged->arena, call->actor.name, strlen(call->actor.name));
    staged->comment = arena_strndup(staged->arena, request->comment, strlen(request->comment));
    if (staged->actor == NULL || staged->comment == NULL)
        return ERR_NO_MEMORY;
    *ret_staged = TAKE(staged);
    return ERR_OK;
}

/* A rotation of the domain key finds the keys in the list; until they are there it waits. */
static enum err finish(struct factory *factory, const struct fleet_call *call,
                       struct bytes passphrase, struct factory_staged **staged, struct arena *arena,
                       struct factory_package *ret_package, struct err_detail *detail)
{
    uint32_t domain = 0;
    struct factory_staged *s = *staged;
    TRY(factory_gateway_domain(factory, call, &domain, detail));
    TRY(vault_domain_hold(factory->vault, domain));
    enum err err = open_keys(factory, call, domain, passphrase, s, detail);
    if (err == ERR_OK && s->comment[0] == '\0')
        s->comment = s->imported.package.comment;
    if (err == ERR_OK)
        err = describe(s, s->arena, &s->package);
    struct factory_package package = s->package;
    if (err == ERR_OK)
        err = dup_package(&package, arena);
    if (err == ERR_OK) {
        *ret_package = package;
        staged_put(factory, TAKE(*staged));
    }
    vault_domain_release(factory->vault, domain);
    return err;
}

enum err factory_stage(struct factory *factory, const struct fleet_call *call,
                       const struct factory_import *request, struct arena *arena,
                       uint64_t *ret_import, struct factory_package *ret_package,
                       uint32_t *ret_replaces, struct err_detail *detail)
{
    AUTO(staged_freep) struct factory_staged *staged = NULL;
    uint32_t replaces = 0;
    TRY(check_request(request, detail));
    TRY(begin(factory, call, request, &staged, detail));
    const uint64_t id = staged->id;
    TRY(unpack(factory, call, request, staged, detail));
    TRY(look_around(factory, &staged->imported.package, &replaces, detail));
    TRY(finish(factory, call, request->passphrase, &staged, arena, ret_package, detail));
    *ret_import = id;
    *ret_replaces = replaces;
    return ERR_OK;
}
