#include <stdlib.h>

#include "diameter/amr.h"
#include "diameter/capabilities.h"
#include "diameter/message.h"
#include "fuzz/target.h"

/* One frame: framing, reading with each grammar, and an error answer that must be well-formed. */

static struct diameter_message message;
static uint8_t answer[2 * DIAMETER_MESSAGE_MAX];

static void answer_to(struct bytes frame, const struct diameter_header *header,
                      const struct diameter_fault *fault)
{
    static struct diameter_message again;
    struct diameter_fault none = {0};
    struct diameter_header h;
    message.header = *header;
    diameter_message_scan(frame, &message);
    struct writer out = writer_of(answer, frame.len + DIAMETER_ANSWER_EXTRA);
    diameter_put_error(&out, &message, fault, bytes_str("kms.test"), bytes_str("test"));
    if (writer_status(&out) != ERR_OK || diameter_header_read(writer_view(&out), &h) != ERR_OK ||
        h.hop_by_hop != header->hop_by_hop)
        abort();
    /* What is sent back may be wrong in itself (a Session-Id without M); what we add may not. */
    if (!diameter_has(&message, AVP_SESSION_ID) && !diameter_has(&message, AVP_PROXY_INFO) &&
        !diameter_message_read(writer_view(&out), &h, GRAMMAR_ANSWER, &again, &none))
        abort();
}

static void read_values(struct bytes frame)
{
    bool plain = false;
    bool tls = false;
    struct diameter_node node = {.apps_len = 1, .apps = {{.id = 2}}};
    diameter_offered_security(&message, &plain, &tls);
    (void)diameter_common_application(&node, &message);
    struct diameter_ask ask = {.user = "gateway@x", .want = 96};
    struct diameter_got got = {0};
    (void)!ama_read(frame, &ask, &message, NULL, &got);
    diameter_got_done(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t need = 0;
    struct bytes frame = bytes_of(data, size);
    struct diameter_header header;
    if (size == 0 || size > DIAMETER_MESSAGE_MAX ||
        diameter_frame_len(data, size, &need) != ERR_OK ||
        diameter_header_read(frame, &header) != ERR_OK)
        return 0;
    for (int grammar = GRAMMAR_NONE; grammar < GRAMMAR_COUNT; grammar++) {
        struct diameter_fault fault = {0};
        if (diameter_header_check(&header, &fault) &&
            diameter_message_read(frame, &header, (enum diameter_grammar_id)grammar, &message,
                                  &fault))
            read_values(frame);
        else
            answer_to(frame, &header, &fault);
    }
    return 0;
}
