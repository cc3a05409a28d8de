#pragma once

#include "base/bytes.h"
#include "crypto/algorithm.h"

/* Inside this folder only: paddings of block ciphers (enum crypto_padding). */

#define PADDING_BLOCK_MAX 16

/* Is it one of block ciphers? */
bool padding_of_block(uint32_t padding);
/* Fills to[partial..block): what follows a last piece of `partial` bytes (less than a block). Gives
 * the bytes put: none for Zeros where the piece is empty. */
MUST_CHECK enum err padding_put(uint32_t padding, size_t partial, size_t block, uint8_t *to,
                                size_t *ret_len);
/* How much of the last block is text. False where the padding is wrong; takes the same time for
 * every content. */
bool padding_strip(uint32_t padding, const uint8_t *last, size_t block, size_t *ret_len);
