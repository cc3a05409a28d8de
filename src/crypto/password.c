#include "crypto/password.h"

#include <string.h>

#include "crypto/random.h"

/* 23 digits of 32 in groups, without those that look alike. */
enum err password_make(char ret_password[PASSWORD_MADE + 1])
{
    static const char digits[] = "abcdefghijkmnpqrstuvwxyz23456789";
    uint8_t random[PASSWORD_MADE];
    TRY(random_bytes(random, sizeof random));
    for (size_t i = 0; i < PASSWORD_MADE; i++)
        ret_password[i] = i % 6 == 5 ? '-' : digits[random[i] % 32];
    ret_password[PASSWORD_MADE] = '\0';
    explicit_bzero(random, sizeof random);
    return ERR_OK;
}
