#pragma once

#include "base/secret.h"

/* From OpenSSL's CTR-DRBG (SP 800-90A), seeded by the kernel, safe across fork. Any thread. */
MUST_CHECK enum err random_bytes(void *to, size_t len);
/* Key material, from the generator kept apart for secrets. At most SECRET_MAX. */
MUST_CHECK enum err random_secret(size_t len, struct secret **ret_secret);
/* Mix something into the generator, which does not count it as entropy. */
void random_add(struct bytes seed);
