#pragma once

/* Numbers of KMIP, as crypto/algorithm.h has them. */

enum crypto_key_format { /* Key Format Type */
                         FORMAT_RAW = 0x1,
                         FORMAT_OPAQUE = 0x2,
                         FORMAT_PKCS1 = 0x3,
                         FORMAT_PKCS8 = 0x4,
                         FORMAT_X_509 = 0x5,
                         FORMAT_ECPRIVATEKEY = 0x6,
                         FORMAT_TRANSPARENT_SYMMETRIC_KEY = 0x7,
                         FORMAT_TRANSPARENT_DSA_PRIVATE_KEY = 0x8,
                         FORMAT_TRANSPARENT_DSA_PUBLIC_KEY = 0x9,
                         FORMAT_TRANSPARENT_RSA_PRIVATE_KEY = 0xa,
                         FORMAT_TRANSPARENT_RSA_PUBLIC_KEY = 0xb,
                         FORMAT_TRANSPARENT_DH_PRIVATE_KEY = 0xc,
                         FORMAT_TRANSPARENT_DH_PUBLIC_KEY = 0xd,
                         FORMAT_TRANSPARENT_EC_PRIVATE_KEY = 0x14,
                         FORMAT_TRANSPARENT_EC_PUBLIC_KEY = 0x15,
                         FORMAT_PKCS12 = 0x16,
                         FORMAT_PKCS10 = 0x17,
};
