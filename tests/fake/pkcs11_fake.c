#include "fake/pkcs11_fake.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <p11-kit/pkcs11.h>

#define SESSIONS    80
#define OBJECTS     64
#define ATTRIBUTES  32
#define VALUE_MAX   128
#define KWP         0x210bUL
#define EXPORT      __attribute__((visibility("default")))
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

struct attribute {
    CK_ATTRIBUTE_TYPE type;
    CK_ULONG len;
    unsigned char value[VALUE_MAX];
};

struct object {
    CK_OBJECT_HANDLE handle; /* 0: free */
    CK_SESSION_HANDLE owner; /* 0: token object */
    struct attribute at[ATTRIBUTES];
    unsigned count;
};

struct session {
    CK_SESSION_HANDLE handle; /* 0: free */
    CK_OBJECT_HANDLE found[OBJECTS];
    unsigned found_count;
    bool finding;
};

EXPORT struct fake_script fake_script;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct session sessions[SESSIONS];
static struct object objects[OBJECTS];
static CK_ULONG next_handle = 100;
static bool initialised, logged_in;
static pid_t owner;

static void drop_sessions(void)
{
    memset(sessions, 0, sizeof sessions);
    for (unsigned i = 0; i < OBJECTS; i++)
        if (objects[i].owner != 0)
            memset(&objects[i], 0, sizeof objects[i]);
    logged_in = false;
}

EXPORT void fake_drop_sessions(void)
{
    (void)pthread_mutex_lock(&lock);
    drop_sessions();
    (void)pthread_mutex_unlock(&lock);
}

EXPORT void fake_renumber(void)
{
    (void)pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < OBJECTS; i++)
        if (objects[i].handle != 0)
            objects[i].handle = next_handle++;
    (void)pthread_mutex_unlock(&lock);
}

EXPORT void fake_reset(void)
{
    (void)pthread_mutex_lock(&lock);
    drop_sessions();
    memset(objects, 0, sizeof objects);
    fake_script = (struct fake_script){0};
    (void)pthread_mutex_unlock(&lock);
}

static struct session *session_of(CK_SESSION_HANDLE handle)
{
    for (unsigned i = 0; i < SESSIONS; i++)
        if (handle != 0 && sessions[i].handle == handle)
            return &sessions[i];
    return NULL;
}

static struct object *object_of(CK_OBJECT_HANDLE handle)
{
    for (unsigned i = 0; i < OBJECTS; i++)
        if (handle != 0 && objects[i].handle == handle)
            return &objects[i];
    return NULL;
}

/* With the lock held: may this call go on? `session` is 0 where it needs none. */
static CK_RV enter(const char *function, CK_SESSION_HANDLE session, bool wants_token)
{
    (void)pthread_mutex_lock(&lock);
    if (!initialised || owner != getpid())
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    if (fake_script.fail_count > 0 && fake_script.fail_function != NULL &&
        strcmp(function, fake_script.fail_function) == 0) {
        fake_script.fail_count--;
        return fake_script.fail_rv;
    }
    if (wants_token && fake_script.removed) {
        drop_sessions();
        return CKR_DEVICE_REMOVED;
    }
    return session != 0 && session_of(session) == NULL ? CKR_SESSION_HANDLE_INVALID : CKR_OK;
}

static CK_RV leave(CK_RV rv)
{
    (void)pthread_mutex_unlock(&lock);
    return rv;
}

#define ENTER(session, token)                                                                      \
    do {                                                                                           \
        CK_RV enter_rv_ = enter(__func__, (session), (token));                                     \
        if (enter_rv_ != CKR_OK)                                                                   \
            return leave(enter_rv_);                                                               \
    } while (0)

CK_RV C_Initialize(void *args)
{
    (void)args;
    (void)pthread_mutex_lock(&lock);
    fake_script.initializes++;
    if (initialised && owner == getpid())
        return leave(CKR_CRYPTOKI_ALREADY_INITIALIZED);
    drop_sessions();
    initialised = true;
    owner = getpid();
    return leave(CKR_OK);
}

CK_RV C_Finalize(void *reserved)
{
    (void)reserved;
    ENTER(0, false);
    fake_script.finalizes++;
    drop_sessions();
    initialised = false;
    bool crash = fake_script.crash_at_finish;
    CK_RV rv = leave(CKR_OK);
    if (crash)
        (void)raise(SIGSEGV);
    return rv;
}

static void pad(unsigned char *to, size_t len, const char *text)
{
    memset(to, ' ', len);
    memcpy(to, text, strlen(text));
}

CK_RV C_GetInfo(CK_INFO *info)
{
    ENTER(0, false);
    memset(info, 0, sizeof *info);
    pad(info->libraryDescription, sizeof info->libraryDescription, "fake");
    return leave(CKR_OK);
}

CK_RV C_GetSlotList(unsigned char present, CK_SLOT_ID *slots, CK_ULONG *count)
{
    ENTER(0, false);
    *count = present && fake_script.removed ? 0 : 1;
    if (slots != NULL && *count == 1)
        slots[0] = 7;
    return leave(CKR_OK);
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    ENTER(0, true);
    if (slot != 7)
        return leave(CKR_SLOT_ID_INVALID);
    memset(info, 0, sizeof *info);
    pad(info->label, sizeof info->label, "fake token");
    pad(info->manufacturerID, sizeof info->manufacturerID, "claviger");
    pad(info->model, sizeof info->model, "fake");
    pad(info->serialNumber, sizeof info->serialNumber,
        fake_script.serial != NULL ? fake_script.serial : "0001");
    info->flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_RNG | CKF_USER_PIN_INITIALIZED;
    return leave(CKR_OK);
}

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
                    CK_SESSION_HANDLE *ret_session)
{
    (void)flags;
    (void)app;
    (void)notify;
    ENTER(0, true);
    if (slot != 7)
        return leave(CKR_SLOT_ID_INVALID);
    for (unsigned i = 0; i < SESSIONS; i++) {
        if (sessions[i].handle != 0)
            continue;
        sessions[i] = (struct session){.handle = next_handle++};
        *ret_session = sessions[i].handle;
        return leave(CKR_OK);
    }
    return leave(CKR_SESSION_COUNT);
}

CK_RV C_CloseSession(CK_SESSION_HANDLE handle)
{
    ENTER(handle, false);
    for (unsigned i = 0; i < OBJECTS; i++)
        if (objects[i].owner == handle)
            memset(&objects[i], 0, sizeof objects[i]);
    session_of(handle)->handle = 0;
    bool any = false;
    for (unsigned i = 0; i < SESSIONS; i++)
        any = any || sessions[i].handle != 0;
    logged_in = logged_in && any;
    return leave(CKR_OK);
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slot)
{
    (void)slot;
    ENTER(0, true);
    drop_sessions();
    return leave(CKR_OK);
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
    ENTER(session, true);
    *info = (CK_SESSION_INFO){.slotID = 7,
                              .state = logged_in ? CKS_RW_USER_FUNCTIONS : CKS_RW_PUBLIC_SESSION};
    return leave(CKR_OK);
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, CK_ULONG len)
{
    (void)user;
    (void)pthread_mutex_lock(&lock);
    fake_script.logins++;
    (void)pthread_mutex_unlock(&lock);
    ENTER(session, true);
    if (logged_in)
        return leave(CKR_USER_ALREADY_LOGGED_IN);
    if (fake_script.pin_changed || len != 4 || memcmp(pin, "1234", 4) != 0)
        return leave(CKR_PIN_INCORRECT);
    logged_in = true;
    return leave(CKR_OK);
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
    ENTER(session, true);
    logged_in = false;
    return leave(CKR_OK);
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, unsigned char *to, CK_ULONG len)
{
    ENTER(session, true);
    return leave(RAND_bytes(to, (int)len) == 1 ? CKR_OK : CKR_FUNCTION_FAILED);
}

static struct attribute *attribute_of(struct object *object, CK_ATTRIBUTE_TYPE type)
{
    for (unsigned i = 0; i < object->count; i++)
        if (object->at[i].type == type)
            return &object->at[i];
    return NULL;
}

static CK_RV object_new(CK_SESSION_HANDLE session, const CK_ATTRIBUTE *t, CK_ULONG count,
                        const unsigned char *value, CK_ULONG value_len,
                        CK_OBJECT_HANDLE *ret_object)
{
    struct object *object = NULL;
    if (!logged_in)
        return CKR_USER_NOT_LOGGED_IN;
    for (unsigned i = 0; i < OBJECTS && object == NULL; i++)
        object = objects[i].handle == 0 ? &objects[i] : NULL;
    if (object == NULL || count + 1 > ATTRIBUTES)
        return CKR_DEVICE_MEMORY;
    *object = (struct object){.owner = session};
    for (CK_ULONG i = 0; i < count; i++) {
        if (t[i].ulValueLen > VALUE_MAX)
            return CKR_ATTRIBUTE_VALUE_INVALID;
        struct attribute *at = &object->at[object->count++];
        at->type = t[i].type;
        at->len = t[i].ulValueLen;
        memcpy(at->value, t[i].pValue, at->len);
        if (at->type == CKA_TOKEN && at->value[0] != 0)
            object->owner = 0;
    }
    if (value != NULL) {
        struct attribute *at = &object->at[object->count++];
        *at = (struct attribute){.type = CKA_VALUE, .len = value_len};
        memcpy(at->value, value, value_len);
    }
    object->handle = next_handle++;
    *ret_object = object->handle;
    return CKR_OK;
}

CK_RV C_CreateObject(CK_SESSION_HANDLE session, CK_ATTRIBUTE *t, CK_ULONG count,
                     CK_OBJECT_HANDLE *ret_object)
{
    ENTER(session, true);
    return leave(object_new(session, t, count, NULL, 0, ret_object));
}

CK_RV C_DestroyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle)
{
    ENTER(session, true);
    struct object *object = object_of(handle);
    if (object == NULL)
        return leave(CKR_OBJECT_HANDLE_INVALID);
    memset(object, 0, sizeof *object);
    return leave(CKR_OK);
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *t,
                          CK_ULONG count)
{
    ENTER(session, true);
    struct object *object = object_of(handle);
    if (object == NULL)
        return leave(CKR_OBJECT_HANDLE_INVALID);
    for (CK_ULONG i = 0; i < count; i++) {
        struct attribute *at = attribute_of(object, t[i].type);
        struct attribute *sensitive = attribute_of(object, CKA_SENSITIVE);
        if (at == NULL)
            return leave(CKR_ATTRIBUTE_TYPE_INVALID);
        if (t[i].type == CKA_VALUE && sensitive != NULL && sensitive->value[0] != 0)
            return leave(CKR_ATTRIBUTE_SENSITIVE);
        if (t[i].ulValueLen < at->len)
            return leave(CKR_BUFFER_TOO_SMALL);
        t[i].ulValueLen = at->len;
        memcpy(t[i].pValue, at->value, at->len);
    }
    return leave(CKR_OK);
}

static bool matches(struct object *object, const CK_ATTRIBUTE *t, CK_ULONG count)
{
    for (CK_ULONG i = 0; i < count; i++) {
        struct attribute *at = attribute_of(object, t[i].type);
        if (at == NULL || at->len != t[i].ulValueLen ||
            memcmp(at->value, t[i].pValue, at->len) != 0)
            return false;
    }
    return true;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE handle, CK_ATTRIBUTE *t, CK_ULONG count)
{
    ENTER(handle, true);
    struct session *session = session_of(handle);
    if (session->finding)
        return leave(CKR_OPERATION_ACTIVE);
    session->finding = true;
    session->found_count = 0;
    for (unsigned i = 0; i < OBJECTS && logged_in; i++)
        if (objects[i].handle != 0 && matches(&objects[i], t, count))
            session->found[session->found_count++] = objects[i].handle;
    return leave(CKR_OK);
}

CK_RV C_FindObjects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE *to, CK_ULONG cap,
                    CK_ULONG *ret_count)
{
    ENTER(handle, true);
    struct session *session = session_of(handle);
    *ret_count = 0;
    /* one at a time: a token may */
    if (session->found_count > 0 && cap > 0) {
        to[0] = session->found[--session->found_count];
        *ret_count = 1;
    }
    return leave(CKR_OK);
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE handle)
{
    ENTER(handle, true);
    session_of(handle)->finding = false;
    return leave(CKR_OK);
}

CK_RV C_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *t,
                    CK_ULONG count, CK_OBJECT_HANDLE *ret_key)
{
    unsigned char value[32];
    ENTER(session, true);
    if (mechanism->mechanism != CKM_AES_KEY_GEN)
        return leave(CKR_MECHANISM_INVALID);
    for (CK_ULONG i = 0; i < count; i++)
        if (t[i].type == CKA_COPYABLE)
            return leave(CKR_ATTRIBUTE_TYPE_INVALID);
    (void)RAND_bytes(value, sizeof value);
    return leave(object_new(session, t, count, value, sizeof value, ret_key));
}

/* RFC 5649 both ways; false where it does not fit. */
static bool key_wrap(const unsigned char *key, bool wrap, const unsigned char *from, CK_ULONG len,
                     unsigned char *to, CK_ULONG *ret_len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    bool good = EVP_CipherInit_ex(ctx, EVP_aes_256_wrap_pad(), NULL, key, NULL, wrap) == 1 &&
                EVP_CipherUpdate(ctx, to, &n, from, (int)len) == 1;
    *ret_len = (CK_ULONG)n;
    EVP_CIPHER_CTX_free(ctx);
    return good;
}

CK_RV C_WrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE root,
                CK_OBJECT_HANDLE key, unsigned char *to, CK_ULONG *len)
{
    unsigned char room[VALUE_MAX + 16];
    CK_ULONG room_len = 0;
    ENTER(session, true);
    struct object *under = object_of(root), *what = object_of(key);
    if (mechanism->mechanism != KWP)
        return leave(CKR_MECHANISM_INVALID);
    if (under == NULL)
        return leave(CKR_WRAPPING_KEY_HANDLE_INVALID);
    if (what == NULL)
        return leave(CKR_KEY_HANDLE_INVALID);
    struct attribute *value = attribute_of(what, CKA_VALUE);
    if (!key_wrap(attribute_of(under, CKA_VALUE)->value, true, value->value, value->len, room,
                  &room_len))
        return leave(CKR_FUNCTION_FAILED);
    if (room_len > *len)
        return leave(CKR_BUFFER_TOO_SMALL);
    memcpy(to, room, room_len);
    *len = room_len;
    return leave(CKR_OK);
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE root,
                  unsigned char *from, CK_ULONG len, CK_ATTRIBUTE *t, CK_ULONG count,
                  CK_OBJECT_HANDLE *ret_key)
{
    unsigned char room[VALUE_MAX + 16];
    CK_ULONG room_len = 0;
    ENTER(session, true);
    struct object *under = object_of(root);
    if (mechanism->mechanism != KWP)
        return leave(CKR_MECHANISM_INVALID);
    if (under == NULL)
        return leave(CKR_UNWRAPPING_KEY_HANDLE_INVALID);
    if (len > VALUE_MAX ||
        !key_wrap(attribute_of(under, CKA_VALUE)->value, false, from, len, room, &room_len))
        return leave(CKR_WRAPPED_KEY_INVALID);
    CK_RV rv = leave(object_new(session, t, count, room, room_len, ret_key));
    if (fake_script.slow_ms != 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)fake_script.slow_ms * 1000000}, NULL);
    return rv;
}

static CK_RV unable(void)
{
    return CKR_FUNCTION_NOT_SUPPORTED;
}

/* Every slot that the module has nothing for answers so; its arguments don't matter to the calling
 * convention of any machine this runs on. */
#define UNABLE(member) .member = (__typeof__(((CK_FUNCTION_LIST *)0)->member))(void (*)(void))unable

static CK_FUNCTION_LIST list = {
    .version = {2, 40},
    .C_Initialize = C_Initialize,
    .C_Finalize = C_Finalize,
    .C_GetInfo = C_GetInfo,
    .C_GetSlotList = C_GetSlotList,
    .C_GetTokenInfo = C_GetTokenInfo,
    .C_OpenSession = C_OpenSession,
    .C_CloseSession = C_CloseSession,
    .C_CloseAllSessions = C_CloseAllSessions,
    .C_GetSessionInfo = C_GetSessionInfo,
    .C_Login = C_Login,
    .C_Logout = C_Logout,
    .C_CreateObject = C_CreateObject,
    .C_DestroyObject = C_DestroyObject,
    .C_GetAttributeValue = C_GetAttributeValue,
    .C_FindObjectsInit = C_FindObjectsInit,
    .C_FindObjects = C_FindObjects,
    .C_FindObjectsFinal = C_FindObjectsFinal,
    .C_GenerateKey = C_GenerateKey,
    .C_WrapKey = C_WrapKey,
    .C_UnwrapKey = C_UnwrapKey,
    .C_GenerateRandom = C_GenerateRandom,
    UNABLE(C_GetSlotInfo),
    UNABLE(C_GetMechanismList),
    UNABLE(C_GetMechanismInfo),
    UNABLE(C_InitToken),
    UNABLE(C_InitPIN),
    UNABLE(C_SetPIN),
    UNABLE(C_CopyObject),
    UNABLE(C_SetAttributeValue),
    UNABLE(C_EncryptInit),
    UNABLE(C_Encrypt),
    UNABLE(C_DecryptInit),
    UNABLE(C_Decrypt),
    UNABLE(C_SignInit),
    UNABLE(C_Sign),
    UNABLE(C_VerifyInit),
    UNABLE(C_Verify),
    UNABLE(C_GenerateKeyPair),
};

EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret_list)
{
    *ret_list = &list;
    return CKR_OK;
}
