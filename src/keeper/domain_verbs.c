#include <stdio.h>

#include "crypto/random.h"
#include "keeper/call.h"

/* DOMAIN_CREATE, ROTATE  actor | u32 domain | u16 length, name -> u16 version | u16 length, wrapped
 * DOMAIN_LOAD            actor | u32 domain | u16 length, name | u16 version | u16 length, wrapped
 * -> DOMAIN_DROP            actor | u32 domain | u16 version (0: all) -> */

struct domain_job {
    struct core_job job;
    uint32_t domain;
    uint16_t version;
    uint8_t name[KEEPER_NAME_MAX];
    size_t name_len;
    struct secret *print_key; /* of the domain, when rotating */
    struct secret *secret;
    struct buf blob;
};

static void domain_release(struct core_job *base)
{
    struct domain_job *job = (struct domain_job *)base;
    secret_free(job->print_key);
    secret_free(job->secret);
    buf_done(&job->blob);
}

static enum err domain_job_new(struct core_call *call, uint32_t domain, uint16_t version,
                               struct bytes name, struct domain_job **ret_job)
{
    char text[KEEPER_NAME_MAX + 32];
    int len = snprintf(text, sizeof text, "%.*s version %u", (int)name.len, (const char *)name.data,
                       version);
    call->event.text = bytes_of(text, (size_t)len);
    struct core_job *base = NULL;
    enum err err = job_new(call, sizeof(struct domain_job), &base);
    call->event.text = bytes_of(NULL, 0);
    TRY(err);
    struct domain_job *job = (struct domain_job *)base;
    base->release = domain_release;
    job->domain = domain;
    job->version = version;
    memcpy(job->name, name.data, name.len);
    job->name_len = name.len;
    *ret_job = job;
    return ERR_OK;
}

/* The token's generator and ours: good where either is. */
static enum err make_key(const struct keeper_token *token, uint8_t key[SEAL_DOMAIN_KEY],
                         struct err_detail *detail)
{
    AUTO(secret_block32_wipe) struct secret_block32 own;
    TRY(random_bytes(own.data, sizeof own.data));
    TRY(token->ops->random(token->ctx, key, SEAL_DOMAIN_KEY, detail));
    for (size_t i = 0; i < SEAL_DOMAIN_KEY; i++)
        key[i] ^= own.data[i];
    return ERR_OK;
}

static enum err wrap_work(struct core_job *base)
{
    struct domain_job *job = (struct domain_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    AUTO(secret_block32_wipe) struct secret_block32 key;
    TRY(make_key(token, key.data, &base->detail));
    struct bytes print_key =
        job->print_key != NULL ? secret_view(job->print_key) : bytes_of(NULL, 0);
    TRY(domain_secret_make(job->domain, job->version, bytes_of(job->name, job->name_len),
                           BYTES(key.data), print_key, &job->secret));
    TRY(token->ops->wrap(token->ctx, secret_view(job->secret), &job->blob, &base->detail));
    return job->blob.len <= KEEPER_WRAPPED_MAX ? ERR_OK : ERR_LIMIT;
}

static enum err wrap_finish(struct core_call *call, struct core_job *base)
{
    struct domain_job *job = (struct domain_job *)base;
    writer_u16(call->out, job->version);
    writer_bytes16(call->out, buf_view(&job->blob));
    return ERR_OK;
}

static enum err wrap_submit(struct core_call *call, uint32_t domain, uint16_t version,
                            struct bytes name, struct bytes print_key)
{
    struct domain_job *job = NULL;
    TRY(domain_job_new(call, domain, version, name, &job));
    AUTO(job_freep) struct core_job *base = &job->job;
    if (print_key.len != 0)
        TRY(secret_dup(print_key, &job->print_key));
    base->work = wrap_work;
    base->finish = wrap_finish;
    return job_submit(call, TAKE(base));
}

enum err verb_domain_create(struct core_call *call)
{
    (void)call_actor(call);
    uint32_t domain = call->event.domain = reader_u32(&call->in);
    struct bytes name = message_get_text(&call->in, KEEPER_NAME_MAX);
    TRY(call_read(call));
    if (domains_find(call->core->domains, domain) != NULL)
        return ERR_EXISTS;
    return wrap_submit(call, domain, 1, name, bytes_of(NULL, 0));
}

enum err verb_domain_rotate(struct core_call *call)
{
    (void)call_actor(call);
    uint32_t id = call->event.domain = reader_u32(&call->in);
    struct bytes name = message_get_text(&call->in, KEEPER_NAME_MAX);
    TRY(call_read(call));
    struct domain *domain = domains_find(call->core->domains, id);
    if (domain == NULL)
        return ERR_NOT_FOUND;
    if (!bytes_equal(domain_name(domain), name))
        return ERR_MISMATCH;
    if (domain_newest(domain) == KEEPER_VERSIONS_MAX)
        return ERR_LIMIT;
    return wrap_submit(call, id, (uint16_t)(domain_newest(domain) + 1), name,
                       domain_print_key(domain));
}

static enum err load_work(struct core_job *base)
{
    struct domain_job *job = (struct domain_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    return token->ops->unwrap(token->ctx, buf_view(&job->blob), &job->secret, &base->detail);
}

static enum err load_finish(struct core_call *call, struct core_job *base)
{
    struct domain_job *job = (struct domain_job *)base;
    return domains_add(call->core->domains, job->domain, job->version,
                       bytes_of(job->name, job->name_len), secret_view(job->secret));
}

enum err verb_domain_load(struct core_call *call)
{
    (void)call_actor(call);
    uint32_t domain = call->event.domain = reader_u32(&call->in);
    struct bytes name = message_get_text(&call->in, KEEPER_NAME_MAX);
    uint16_t version = reader_u16(&call->in);
    struct bytes wrapped = reader_bytes16(&call->in);
    if (version == 0 || wrapped.len == 0 || wrapped.len > KEEPER_WRAPPED_MAX)
        reader_fail(&call->in, ERR_ARGUMENT);
    TRY(call_read(call));
    struct domain_job *job = NULL;
    TRY(domain_job_new(call, domain, version, name, &job));
    AUTO(job_freep) struct core_job *base = &job->job;
    TRY(buf_append(&job->blob, wrapped));
    base->work = load_work;
    base->finish = load_finish;
    return job_submit(call, TAKE(base));
}

enum err verb_domain_drop(struct core_call *call)
{
    (void)call_actor(call);
    uint32_t domain = call->event.domain = reader_u32(&call->in);
    uint16_t version = reader_u16(&call->in);
    TRY(call_read(call));
    call->event.row = version;
    return domains_drop(call->core->domains, domain, version);
}
