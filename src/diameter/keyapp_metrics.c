#include "base/clock.h"
#include "base/metrics.h"
#include "diameter/keyapp_request.h"

#define ANSWERS "claviger_diameter_answers_total"

static struct metric answers[DIAMETER_RESULT_COUNT];
static char labels[DIAMETER_RESULT_COUNT][32];
static struct metric latency = {
    .name = "claviger_diameter_answer_seconds",
    .help = "Time from a key request to its answer",
    .kind = METRIC_HISTOGRAM,
};

void keyapp_metrics_register(void)
{
    for (size_t i = 0; i < DIAMETER_RESULT_COUNT; i++) {
        uint32_t code = diameter_results[i].code;
        memcpy(labels[i], "result=\"0000\"", sizeof "result=\"0000\"");
        for (size_t digit = 0; digit < 4; digit++) {
            labels[i][11 - digit] = (char)('0' + code % 10);
            code /= 10;
        }
        answers[i].name = ANSWERS;
        answers[i].labels = labels[i];
        answers[i].help = "Answers to key requests by Result-Code";
        answers[i].kind = METRIC_COUNTER;
        metric_register(&answers[i]);
    }
    metric_register(&latency);
}

void keyapp_count(uint32_t result, uint64_t began_ns)
{
    for (size_t i = 0; i < DIAMETER_RESULT_COUNT; i++) {
        if (diameter_results[i].code == result) {
            metric_add(&answers[i], 1);
            break;
        }
    }
    if (began_ns != 0)
        metric_observe(&latency, clock_mono_ns() - began_ns);
}
