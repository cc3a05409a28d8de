#pragma once

#include "base/bytes.h"
#include "keeper/types.h"

/* Lines of keyring.csv (KMS User Guide, A.4.2). Up to four first lines in this order, then one
 * line a node:
 *
 *   pwdh, 0x<32 digits>            gateway, 0x<48 digits>
 *   base, 0x<32 digits>            gateway_cdld, 0x<32 digits>
 *   0x00010200, 0x<32 digits>,<batch>,<reprovision count>
 *
 * Written: node ids with 8 digits, wider ones with 16, lower case, LF. Read: blanks around
 * columns, upper case and CRLF are tolerated, and empty lines passed over. */

#define KEYRING_LINE_MAX 256 /* bytes without the line's end */
#define KEYRING_TEXT_MAX 120 /* of a reason, with its NUL */
#define KEYRING_OUT_MAX  80  /* bytes of a line as written */

struct keyring_line {
    uint8_t table; /* KEEPER_NODE, or that of a first line */
    uint8_t key_len;
    uint8_t key[24]; /* wipe it */
    uint64_t id;
    uint32_t batch;
    uint32_t reprovisioned;
};

/* `line` without its end. ERR_SYNTAX with the reason. First lines are known by their name wherever
 * they stand; a gateway key must have parity and three distinct parts. `id_width`: 32 or 64. */
MUST_CHECK enum err keyring_parse(struct bytes line, unsigned id_width,
                                  struct keyring_line *ret_line, char ret_text[KEYRING_TEXT_MAX]);
/* Blanks only? */
bool keyring_blank(struct bytes line);
/* The writer holds clear keys afterwards. */
void keyring_format(struct writer *w, const struct keyring_line *line);

/* Cuts a stream into lines, holding at most one. Embedded, zero-initialise; keyring_split_done
 * wipes. */
struct keyring_split {
    uint32_t number; /* of the line given last */
    uint16_t len;
    bool overlong;
    bool given; /* the line given last is still in `line` */
    uint8_t line[KEYRING_LINE_MAX + 1];
};

enum keyring_piece { KEYRING_MORE, KEYRING_LINE, KEYRING_OVERLONG };

/* Advances *input. KEYRING_MORE: all of it is taken. KEYRING_LINE: one line without its end, good
 * until the next call. KEYRING_OVERLONG: one of more than KEYRING_LINE_MAX bytes has ended. */
enum keyring_piece keyring_split_next(struct keyring_split *split, struct bytes *input,
                                      struct bytes *ret_line);
/* What stands behind the last newline. KEYRING_MORE: nothing. */
enum keyring_piece keyring_split_end(struct keyring_split *split, struct bytes *ret_line);
void keyring_split_done(struct keyring_split *split);
