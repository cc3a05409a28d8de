#include "base/secret.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Small secrets share locked regions, cut into slots of one power of two; a larger one gets pages
 * of its own. Regions of small secrets are kept for the life of the process. */

#define REGION_SIZE ((size_t)64 * 1024)
#define SMALLEST    5  /* 32 bytes */
#define LARGEST     12 /* 4 KiB */

struct secret {
    uint8_t *data;
    size_t len;
    size_t room; /* slot or mapping size */
};

struct slot {
    struct slot *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot *free_slots[LARGEST + 1];

static void *map_locked(size_t size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    if (mlock(at, size) != 0) {
        (void)munmap(at, size);
        return NULL;
    }
    /* Old kernels may know neither; the lock is what counts. */
    (void)madvise(at, size, MADV_DONTDUMP);
    (void)madvise(at, size, MADV_WIPEONFORK);
    return at;
}

static unsigned class_of(size_t len)
{
    unsigned class = SMALLEST;
    while (((size_t)1 << class) < len)
        class ++;
    return class;
}

static bool refill(unsigned class)
{
    uint8_t *region = map_locked(REGION_SIZE);
    if (region == NULL)
        return false;
    for (size_t at = 0; at < REGION_SIZE; at += (size_t)1 << class) {
        struct slot *slot = (void *)(region + at);
        slot->next = free_slots[class];
        free_slots[class] = slot;
    }
    return true;
}

static void *slot_take(unsigned class)
{
    (void)pthread_mutex_lock(&lock);
    struct slot *slot = NULL;
    if (free_slots[class] != NULL || refill(class)) {
        slot = free_slots[class];
        free_slots[class] = slot->next;
        slot->next = NULL;
    }
    (void)pthread_mutex_unlock(&lock);
    return slot;
}

static void slot_give(void *at, unsigned class)
{
    struct slot *slot = at;
    (void)pthread_mutex_lock(&lock);
    slot->next = free_slots[class];
    free_slots[class] = slot;
    (void)pthread_mutex_unlock(&lock);
}

enum err secret_new(size_t len, struct secret **ret_secret)
{
    if (len > SECRET_MAX)
        return ERR_LIMIT;
    struct secret *secret = calloc(1, sizeof *secret);
    if (secret == NULL)
        return ERR_NO_MEMORY;
    unsigned class = class_of(len);
    secret->len = len;
    secret->room = (size_t)1 << class;
    secret->data = class <= LARGEST ? slot_take(class) : map_locked(secret->room);
    if (secret->data == NULL) {
        free(secret);
        return ERR_NO_MEMORY;
    }
    *ret_secret = secret;
    return ERR_OK;
}

enum err secret_dup(struct bytes from, struct secret **ret_secret)
{
    TRY(secret_new(from.len, ret_secret));
    if (from.len != 0)
        memcpy((*ret_secret)->data, from.data, from.len);
    return ERR_OK;
}

void secret_free(struct secret *secret)
{
    if (secret == NULL)
        return;
    explicit_bzero(secret->data, secret->room);
    unsigned class = class_of(secret->room);
    if (class <= LARGEST)
        slot_give(secret->data, class);
    else
        (void)munmap(secret->data, secret->room);
    free(secret);
}

void secret_freep(struct secret **secret)
{
    secret_free(*secret);
    *secret = NULL;
}

uint8_t *secret_data(struct secret *secret)
{
    return secret->data;
}

size_t secret_len(const struct secret *secret)
{
    return secret->len;
}

struct bytes secret_view(const struct secret *secret)
{
    return (struct bytes){secret->data, secret->len};
}

void secret_shrink(struct secret *secret, size_t len)
{
    assert(len <= secret->len);
    explicit_bzero(secret->data + len, secret->len - len);
    secret->len = len;
}

bool secret_equal(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < a.len; i++)
        difference = (uint8_t)(difference | (a.data[i] ^ b.data[i]));
    return difference == 0;
}

void secret_block32_wipe(struct secret_block32 *block)
{
    explicit_bzero(block, sizeof *block);
}
