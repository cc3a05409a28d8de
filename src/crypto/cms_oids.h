#pragma once

#include <stdint.h>

/* Inside this folder only: id-ct-authEnvelopedData (RFC 5083, 2), id-data (RFC 5652, 4),
 * id-aes256-GCM (RFC 5084, 3.2). */
extern const uint8_t oid_auth_enveloped[11];
extern const uint8_t oid_data[9];
extern const uint8_t oid_aes256_gcm[9];
