#include "base/metrics.h"

#include <string.h>

#include "support/test.h"

static struct metric ok = {
    .name = "t_total", .labels = "r=\"ok\"", .help = "h", .kind = METRIC_COUNTER};
static struct metric bad = {
    .name = "t_total", .labels = "r=\"bad\"", .help = "h", .kind = METRIC_COUNTER};
static struct metric gauge = {.name = "t_open", .help = "g", .kind = METRIC_GAUGE};
static struct metric seconds = {.name = "t_seconds", .help = "s", .kind = METRIC_HISTOGRAM};

static void text_format(void **state)
{
    (void)state;
    metric_register(&ok);
    metric_register(&bad);
    metric_register(&gauge);
    metric_register(&seconds);
    metric_register(&ok);
    metric_add(&ok, 3);
    metric_set(&gauge, -2);
    metric_observe(&seconds, 10000);
    metric_observe(&seconds, 10001);
    metric_observe(&seconds, UINT64_C(100000000000));
    AUTO(buf_done) struct buf text = {0};
    assert_ok(metrics_format(&text));
    assert_ok(buf_append(&text, bytes_of("", 1)));
    const char *want_start =
        "# HELP t_total h\n# TYPE t_total counter\nt_total{r=\"ok\"} 3\n"
        "t_total{r=\"bad\"} 0\n# HELP t_open g\n# TYPE t_open gauge\nt_open -2\n";
    assert_memory_equal(text.data, want_start, strlen(want_start));
    const char *t = (const char *)text.data;
    assert_non_null(
        strstr(t, "t_seconds_bucket{le=\"1e-05\"} 1\nt_seconds_bucket{le=\"2e-05\"} 2\n"));
    assert_non_null(strstr(t, "t_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(t, "t_seconds_count{} 3\n"));
}

TEST_MAIN(cmocka_unit_test(text_format))
