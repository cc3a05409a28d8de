#pragma once

#include "diameter/message.h"

/* Good messages that the tests bend. */

#define TEST_SERVER "kms.test"
#define TEST_GW     "gw1.test"
#define TEST_REALM  "test"

struct test_amr {
    const char *user;
    const char *realm;  /* Destination-Realm; NULL: TEST_REALM */
    const char *host;   /* Destination-Host; NULL: none */
    const char *origin; /* NULL: TEST_GW */
    uint32_t features;  /* 0: no AVP */
    uint32_t spi;       /* 0: no AVP */
    bool proxies;
    bool addresses;
    struct bytes reg; /* data NULL: "KMS1" */
    uint32_t input, length, offset;
    enum avp_id leave_out;
    size_t long_session; /* bytes of a Session-Id; 0: short */
};

void test_put_cer(struct writer *w, const char *host);
void test_put_request(struct writer *w, uint32_t command, uint32_t application);
void test_put_dpr(struct writer *w);
void test_put_amr(struct writer *w, const struct test_amr *amr);
void test_put_str(struct writer *w);

/* An answer that was written; fails the test where it is not one whole, well-formed message. */
struct test_answer {
    struct diameter_header header;
    struct diameter_message m;
    uint32_t result;
};
void test_read_answer(struct bytes frame, enum diameter_grammar_id grammar,
                      struct test_answer *ret_answer);
/* The code of the first AVP in Failed-AVP, 0 without. */
uint32_t test_failed_code(const struct test_answer *answer);
