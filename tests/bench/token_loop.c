/* What the token itself gives: a bare loop over C_Encrypt (AES-256-GCM, 1 KiB), C_Sign (RSA-2048,
 * SHA-256) or C_Decrypt (RSA-2048, OAEP with SHA-1) with a key that lives in it, a session per
 * thread. SOFTHSM2_CONF and the like are the caller's environment. token_loop MODULE LABEL PINFILE
 * encrypt|sign|decrypt THREADS SECONDS -> rate=N p50_us=N p99_us=N */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 32
#define SAMPLES     1000000

static CK_FUNCTION_LIST *f;
static CK_SLOT_ID slot;
static bool sign, decrypt;
static unsigned char sealed[256];
static CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, NULL, 0};
static double seconds;

struct thread {
    pthread_t id;
    CK_OBJECT_HANDLE key;
    unsigned count;
    float *us;
};

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void want(CK_RV rv, const char *what)
{
    if (rv == CKR_OK)
        return;
    (void)fprintf(stderr, "%s: 0x%lx\n", what, rv);
    exit(1);
}

static CK_SESSION_HANDLE session(void)
{
    CK_SESSION_HANDLE handle = 0;
    want(f->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &handle),
         "C_OpenSession");
    return handle;
}

static void once(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE key)
{
    static unsigned char text[1024];
    unsigned char out[1024 + 256], iv[12] = {1};
    CK_ULONG len = sizeof out;
    if (decrypt) {
        CK_MECHANISM m = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
        want(f->C_DecryptInit(handle, &m, key), "C_DecryptInit");
        want(f->C_Decrypt(handle, sealed, sizeof sealed, out, &len), "C_Decrypt");
        return;
    }
    if (sign) {
        CK_MECHANISM m = {CKM_RSA_PKCS, NULL, 0};
        want(f->C_SignInit(handle, &m, key), "C_SignInit");
        want(f->C_Sign(handle, text, 51, out, &len), "C_Sign");
        return;
    }
    CK_GCM_PARAMS gcm = {.pIv = iv, .ulIvLen = sizeof iv, .ulIvBits = 96, .ulTagBits = 128};
    CK_MECHANISM m = {CKM_AES_GCM, &gcm, sizeof gcm};
    want(f->C_EncryptInit(handle, &m, key), "C_EncryptInit");
    want(f->C_Encrypt(handle, text, sizeof text, out, &len), "C_Encrypt");
}

static void *loop(void *arg)
{
    struct thread *t = arg;
    CK_SESSION_HANDLE handle = session();
    double end = now() + seconds;
    for (double begin = now(); begin < end && t->count < SAMPLES;) {
        once(handle, t->key);
        double after = now();
        t->us[t->count++] = (float)((after - begin) * 1e6);
        begin = after;
    }
    return NULL;
}

static CK_OBJECT_HANDLE make(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE *ret_public)
{
    CK_BBOOL yes = CK_TRUE;
    CK_ULONG bytes = 32, bits = 2048;
    CK_OBJECT_HANDLE key = 0;
    CK_ATTRIBUTE own[] = {{CKA_TOKEN, &yes, sizeof yes},
                          {CKA_PRIVATE, &yes, sizeof yes},
                          {CKA_SENSITIVE, &yes, sizeof yes},
                          {sign      ? CKA_SIGN
                           : decrypt ? CKA_DECRYPT
                                     : CKA_ENCRYPT,
                           &yes, sizeof yes},
                          {CKA_VALUE_LEN, &bytes, sizeof bytes}};
    if (!sign && !decrypt) {
        CK_MECHANISM m = {CKM_AES_KEY_GEN, NULL, 0};
        want(f->C_GenerateKey(handle, &m, own, 5, &key), "C_GenerateKey");
        return key;
    }
    CK_ATTRIBUTE public[] = {{CKA_TOKEN, &yes, sizeof yes},
                             {CKA_MODULUS_BITS, &bits, sizeof bits},
                             {CKA_ENCRYPT, &yes, sizeof yes}};
    CK_MECHANISM m = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
    want(f->C_GenerateKeyPair(handle, &m, public, decrypt ? 3 : 2, own, 4, ret_public, &key),
         "C_GenerateKeyPair");
    if (decrypt) {
        CK_MECHANISM seal = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
        CK_ULONG len = sizeof sealed;
        want(f->C_EncryptInit(handle, &seal, *ret_public), "C_EncryptInit");
        want(f->C_Encrypt(handle, (unsigned char *)"a key of a node.", 16, sealed, &len),
             "C_Encrypt");
    }
    return key;
}

static void open_token(const char *module, const char *label, const char *pin_file)
{
    void *library = dlopen(module, RTLD_NOW);
    CK_RV (*list)(CK_FUNCTION_LIST **) = NULL;
    if (library != NULL)
        *(void **)&list = dlsym(library, "C_GetFunctionList");
    if (list == NULL || list(&f) != CKR_OK) {
        (void)fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    want(f->C_Initialize(&args), "C_Initialize");
    CK_SLOT_ID slots[32];
    CK_ULONG count = 32;
    want(f->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    for (CK_ULONG i = 0; i < count; i++) {
        CK_TOKEN_INFO info;
        if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            strncmp((const char *)info.label, label, strlen(label)) == 0)
            slot = slots[i];
    }
    char pin[256] = "";
    FILE *file = fopen(pin_file, "r");
    if (file == NULL || fgets(pin, sizeof pin, file) == NULL)
        exit(1);
    (void)fclose(file);
    pin[strcspn(pin, "\n")] = '\0';
    want(f->C_Login(session(), CKU_USER, (unsigned char *)pin, strlen(pin)), "C_Login");
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        (void)fprintf(stderr, "usage: token_loop MODULE LABEL PINFILE encrypt|sign|decrypt THREADS "
                              "SECONDS\n");
        return 2;
    }
    static struct thread threads[THREADS_MAX];
    unsigned count = (unsigned)strtoul(argv[5], NULL, 10);
    sign = strcmp(argv[4], "sign") == 0;
    decrypt = strcmp(argv[4], "decrypt") == 0;
    seconds = strtod(argv[6], NULL);
    if (count == 0 || count > THREADS_MAX)
        return 2;
    open_token(argv[1], argv[2], argv[3]);
    CK_SESSION_HANDLE own = session();
    CK_OBJECT_HANDLE public = 0, key = make(own, &public);
    float *all = calloc((size_t)count * SAMPLES, sizeof *all);
    if (all == NULL)
        return 1;
    for (unsigned i = 0; i < count; i++) {
        threads[i] = (struct thread){.key = key, .us = all + (size_t)i * SAMPLES};
        if (pthread_create(&threads[i].id, NULL, loop, &threads[i]) != 0)
            return 1;
    }
    size_t sum = 0;
    for (unsigned i = 0; i < count; i++) {
        (void)pthread_join(threads[i].id, NULL);
        memmove(all + sum, threads[i].us, threads[i].count * sizeof *all);
        sum += threads[i].count;
    }
    qsort(all, sum, sizeof *all, by_value);
    (void)printf("rate=%.0f p50_us=%.0f p99_us=%.0f\n", (double)sum / seconds, (double)all[sum / 2],
                 (double)all[sum * 99 / 100]);
    (void)f->C_DestroyObject(own, key);
    if (public != 0)
        (void)f->C_DestroyObject(own, public);
    free(all);
    return 0;
}
