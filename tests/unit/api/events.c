#include "api/events.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rig.h"

#define LARGE 8000 /* bytes of an event that fills what is between us and a listener */
#define MANY  1000 /* of them: more than socket, connection and queue hold */

static struct api_rig rig;

static int begin(void **state)
{
    (void)state;
    api_rig_begin(&rig);
    return 0;
}

static int end(void **state)
{
    (void)state;
    api_rig_end(&rig);
    return 0;
}

/* A listener's socket, after its request. */
static int listen_to(const char *topics, const char *last)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char request[256];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", rig.socket);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int len = snprintf(request, sizeof request,
                       "GET /v1/events?topics=%s HTTP/1.0\r\nHost: localhost\r\n%s%s%s\r\n", topics,
                       last != NULL ? "Last-Event-ID: " : "", last != NULL ? last : "",
                       last != NULL ? "\r\n" : "");
    assert_int_equal(write(fd, request, (size_t)len), len);
    return fd;
}

/* Read until `wanted` stands there, or the end. */
static bool read_until(int fd, char *to, size_t cap, const char *wanted)
{
    size_t len = strlen(to);
    while (wanted == NULL || strstr(to, wanted) == NULL) {
        ssize_t got = read(fd, to + len, cap - 1 - len);
        if (got <= 0)
            return false;
        len += (size_t)got;
        to[len] = '\0';
        if (len > cap / 2 && wanted == NULL) {
            memmove(to, to + len - 200, 201); /* only the end matters */
            len = 200;
        }
    }
    return true;
}

static void an_event_reaches_who_listens_to_its_topic(void **state)
{
    (void)state;
    static char text[65536];
    *text = '\0';
    int fd = listen_to("status,audit", NULL);
    assert_true(read_until(fd, text, sizeof text, "retry: 3000\n\n"));
    assert_non_null(strstr(text, "Content-Type: text/event-stream"));
    api_events_post(rig.api, API_TOPIC_LINE, "run", "{\"run\":1}");
    api_events_post(rig.api, API_TOPIC_STATUS, "status", "{\"n\":1}");
    api_events_post(rig.api, API_TOPIC_AUDIT, "audit", "{\"n\":2}");
    api_events_post(rig.api, API_TOPIC_STATUS, "evil", "{}\ndata: two lines");
    api_events_post(rig.api, API_TOPIC_STATUS, "status", "{\"n\":3}");
    assert_true(read_until(fd, text, sizeof text, "data: {\"n\":3}\n\n"));
    assert_non_null(strstr(text, "\nevent: status\ndata: {\"n\":1}\n\nid: "));
    assert_non_null(strstr(text, "\nevent: audit\ndata: {\"n\":2}\n\n"));
    assert_null(strstr(text, "run"));
    assert_null(strstr(text, "evil"));
    (void)close(fd);
}

static void who_comes_again_is_told_what_was_missed(void **state)
{
    (void)state;
    static char text[65536];
    char id[32];
    *text = '\0';
    int fd = listen_to("status", NULL);
    assert_true(read_until(fd, text, sizeof text, "retry"));
    api_events_post(rig.api, API_TOPIC_STATUS, "status", "{\"n\":1}");
    assert_true(read_until(fd, text, sizeof text, "{\"n\":1}\n\n"));
    (void)snprintf(id, sizeof id, "%.*s", (int)strspn(strstr(text, "id: ") + 4, "0123456789"),
                   strstr(text, "id: ") + 4);
    (void)close(fd);
    api_events_post(rig.api, API_TOPIC_STATUS, "status", "{\"n\":2}");
    api_events_post(rig.api, API_TOPIC_LINE, "run", "{\"n\":3}");
    api_events_post(rig.api, API_TOPIC_STATUS, "status", "{\"n\":4}");
    *text = '\0';
    fd = listen_to("status", id);
    assert_true(read_until(fd, text, sizeof text, "{\"n\":4}\n\n"));
    assert_non_null(strstr(text, "{\"n\":2}"));
    assert_null(strstr(text, "{\"n\":1}"));
    assert_null(strstr(text, "{\"n\":3}"));
    assert_null(strstr(text, "missed"));
    (void)close(fd);
    /* from before the ring, or from another life */
    static const char *const strange[] = {"1", "18446744073709551615", "x", "-1", ""};
    for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
        *text = '\0';
        fd = listen_to("status", strange[i]);
        assert_true(read_until(fd, text, sizeof text, "event: missed\ndata: {}\n\n"));
        (void)close(fd);
    }
}

static void a_slow_reader_is_told_and_dropped(void **state)
{
    (void)state;
    static char text[4 * 65536], json[LARGE];
    memset(json, '1', sizeof json - 1);
    *text = '\0';
    int fd = listen_to("status", NULL);
    assert_true(read_until(fd, text, sizeof text, "retry"));
    for (int i = 0; i < MANY; i++)
        api_events_post(rig.api, API_TOPIC_STATUS, "status", json);
    *text = '\0';
    assert_false(read_until(fd, text, sizeof text, NULL)); /* to the end */
    assert_non_null(strstr(text, "event: dropped\ndata: {\"reason\":\"too slow\"}\n\n"));
    (void)close(fd);
}

static void a_job_tells_how_it_goes(void **state)
{
    (void)state;
    static char text[65536];
    *text = '\0';
    int fd = listen_to("jobs", NULL);
    assert_true(read_until(fd, text, sizeof text, "retry"));
    json_decref(api_rig_job(&rig, "/v1/backup", "{}"));
    assert_true(read_until(fd, text, sizeof text, "\"state\":\"done\""));
    assert_non_null(
        strstr(text, "event: job\ndata: {\"job\":1,\"kind\":\"backup\",\"state\":\"running\""));
    (void)close(fd);
}

static void the_daemon_tells_of_itself_while_somebody_listens(void **state)
{
    (void)state;
    static char text[65536];
    *text = '\0';
    int fd = listen_to("status,audit", NULL);
    assert_true(read_until(fd, text, sizeof text, "retry"));
    api_tidy(rig.api);
    assert_true(read_until(fd, text, sizeof text, "event: audit\ndata: {\"records\":"));
    assert_non_null(strstr(text, "event: status\ndata: {\"token_ready\":true"));
    api_tidy(rig.api);
    api_tidy(rig.api); /* the third brings the heartbeat */
    assert_true(read_until(fd, text, sizeof text, ": still here"));
    (void)close(fd);
}

static void wrong_topics_are_refused(void **state)
{
    (void)state;
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/events?topics=weather", NULL), ERR_ARGUMENT);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/events?topics=", NULL), ERR_ARGUMENT);
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/events?topics=status,", NULL), ERR_ARGUMENT);
}

static void there_are_so_many_listeners_of_one_and_no_more(void **state)
{
    (void)state;
    static char text[65536];
    int fds[EVENTS_ACTOR_MAX];
    for (int i = 0; i < EVENTS_ACTOR_MAX; i++) {
        *text = '\0';
        fds[i] = listen_to("status", NULL);
        assert_true(read_until(fds[i], text, sizeof text, "retry"));
    }
    assert_err(api_rig_call(&rig, NET_HTTP_GET, "/v1/events?topics=status", NULL), ERR_BUSY);
    for (int i = 0; i < EVENTS_ACTOR_MAX; i++)
        (void)close(fds[i]);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(an_event_reaches_who_listens_to_its_topic, begin, end),
          cmocka_unit_test_setup_teardown(who_comes_again_is_told_what_was_missed, begin, end),
          cmocka_unit_test_setup_teardown(a_slow_reader_is_told_and_dropped, begin, end),
          cmocka_unit_test_setup_teardown(a_job_tells_how_it_goes, begin, end),
          cmocka_unit_test_setup_teardown(the_daemon_tells_of_itself_while_somebody_listens, begin,
                                          end),
          cmocka_unit_test_setup_teardown(wrong_topics_are_refused, begin, end),
          cmocka_unit_test_setup_teardown(there_are_so_many_listeners_of_one_and_no_more, begin,
                                          end))
