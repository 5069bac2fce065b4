/* Tests of the client with a transport that follows a script: any number of bytes a call, none, errors, garbage, and a
 * clock that only the test moves. `make test` runs them with sanitizers.
 *
 *     test [SEED [ROUNDS]]      of the random part
 *
 * Prints `ok` and the number of checks; the first that fails is printed with its line, exit code 1.
 */
#include "ringwire_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long checks;

#define CHECK(is_true) check((is_true) != 0, #is_true, __LINE__)
#define CHECK_RESULT(is, wanted) check_result((is), (wanted), __LINE__)

static uint32_t seed = 1;

static void fail_at(int line, const char *what) {
    printf("line %d: %s (seed %lu)\n", line, what, (unsigned long)seed);
    exit(1);
}

static void check(int is_true, const char *what, int line) {
    checks++;
    if (!is_true) fail_at(line, what);
}

static void check_result(rwd_result is, rwd_result wanted, int line) {
    char text[100];
    checks++;
    if (is == wanted) return;
    snprintf(text, sizeof text, "%s, not %s", rwd_name(is), rwd_name(wanted));
    fail_at(line, text);
}

/* ---- the other end ---- */

enum { OUT_MAX = 200000, IN_MAX = 400000, DOWN_MAX = 400000 };

struct script {
    /* What the broker sends, how far it was read, and how much of it each call gives: 0 is AGAIN every other time. */
    uint8_t in[IN_MAX];
    size_t in_size, in_at, in_step;
    /* What the device sent in all, and on the connection that is open. */
    uint8_t out[OUT_MAX];
    size_t out_size, out_step;
    int is_in_blocked, is_out_blocked, is_in_closed, lies, toggles;
    int8_t opens_with;
    unsigned opens, closes;
    uint32_t random;
    /* What the callbacks were told. */
    uint8_t down[DOWN_MAX];
    size_t down_size, pieces, messages, expected_offset, piece_max;
    rwd_result answer;
    unsigned answers;
    char text[64];
    /* What on_message does beside noting. */
    enum { NOTHING, ECHO, DISCONNECT, ABORT, POLL } reaction;
    rwd_client *client;
    uint32_t now;
};

static struct script script;
static rwd_client client;
static rwd_config config;

static int8_t do_open(void *context) {
    struct script *s = context;
    /* Each attempt ends with one close. */
    if (s->opens == s->closes) s->opens++;
    return s->opens_with;
}

static int32_t do_send(void *context, const uint8_t *bytes, uint16_t size) {
    struct script *s = context;
    size_t count = size;
    CHECK(size > 0 && s->opens == s->closes + 1);
    if (s->lies == 1) return (int32_t)size + 1;
    if (s->lies == 2) return RWD_IO_FAILED;
    if (s->is_out_blocked) return RWD_IO_AGAIN;
    if (s->out_step == 0) {
        s->toggles = !s->toggles;
        if (s->toggles) return RWD_IO_AGAIN;
        count = 1;
    } else if (count > s->out_step) {
        count = s->out_step;
    }
    CHECK(s->out_size + count <= sizeof s->out);
    memcpy(s->out + s->out_size, bytes, count);
    s->out_size += count;
    return (int32_t)count;
}

static int32_t do_receive(void *context, uint8_t *bytes, uint16_t size) {
    struct script *s = context;
    size_t count = s->in_size - s->in_at;
    CHECK(size > 0 && s->opens == s->closes + 1);
    if (s->lies == 3) return (int32_t)size + 1;
    if (s->lies == 4) return -77;
    if (s->is_in_blocked) return RWD_IO_AGAIN;
    if (count == 0) return s->is_in_closed ? RWD_IO_CLOSED : RWD_IO_AGAIN;
    if (s->in_step == 0) {
        s->toggles = !s->toggles;
        if (s->toggles) return RWD_IO_AGAIN;
        count = 1;
    } else if (count > s->in_step) {
        count = s->in_step;
    }
    if (count > size) count = size;
    memcpy(bytes, s->in + s->in_at, count);
    s->in_at += count;
    return (int32_t)count;
}

static void do_close(void *context) {
    struct script *s = context;
    s->closes++;
    CHECK(s->closes == s->opens);
}

static uint32_t do_random(void *context) { return ((struct script *)context)->random; }

static void do_message(void *context, const uint8_t *bytes, uint16_t size, uint16_t offset, uint16_t total) {
    struct script *s = context;
    if (offset == 0) s->expected_offset = 0;
    CHECK(offset == s->expected_offset && (size_t)offset + size <= total);
    CHECK(size > 0 || total == 0);
    CHECK((total <= config.rx_size) == (size == total));
    s->expected_offset += size;
    s->pieces++;
    if (size > s->piece_max) s->piece_max = size;
    if (s->expected_offset == total) s->messages++;
    CHECK(s->down_size + size <= sizeof s->down);
    memcpy(s->down + s->down_size, bytes, size);
    s->down_size += size;
    switch (s->reaction) {
    case NOTHING: break;
    case ECHO: CHECK_RESULT(rwd_publish(s->client, bytes, size), RWD_OK); break;
    case DISCONNECT: CHECK_RESULT(rwd_disconnect(s->client, s->now), RWD_OK); break;
    case ABORT: rwd_abort(s->client); break;
    case POLL:
        CHECK_RESULT(rwd_poll(s->client, s->now), RWD_ERROR_ORDER);
        CHECK_RESULT(rwd_connect(s->client, s->now), RWD_ERROR_ORDER);
        break;
    }
}

static void do_answer(void *context, rwd_result answer, const uint8_t *text, uint16_t size) {
    struct script *s = context;
    if (s->reaction == ABORT && answer != RWD_OK) rwd_abort(s->client);
    size_t shown = size < sizeof s->text - 1 ? size : sizeof s->text - 1;
    s->answer = answer;
    s->answers++;
    memcpy(s->text, text, shown);
    s->text[shown] = '\0';
}

/* ---- steps of a test ---- */

static const char accepted[] = "\x20\x00\x14" "Connect Successfully";

static void says(const void *bytes, size_t size) {
    if (script.in_at == script.in_size) script.in_at = script.in_size = 0;
    CHECK(script.in_size + size <= sizeof script.in);
    if (size != 0) memcpy(script.in + script.in_size, bytes, size);
    script.in_size += size;
}

static void says_message(const uint8_t *bytes, size_t size) {
    uint8_t header[3];
    header[0] = 0x30;
    header[1] = (uint8_t)(size >> 8);
    header[2] = (uint8_t)size;
    says(header, 3);
    says(bytes, size);
}

/* A client and its script from the start, with buffers of exactly these sizes so that the sanitizer sees their ends. */
static void begin(uint32_t tx_size, uint16_t rx_size) {
    free(config.tx);
    free(config.rx);
    memset(&script, 0, sizeof script);
    memset(&config, 0, sizeof config);
    script.in_step = script.out_step = 100000;
    script.opens_with = RWD_IO_OPEN;
    script.client = &client;
    script.now = 0xfffff000u; /* so that the clock wraps in the tests that wait */
    config.client_id = "abcd";
    config.keepalive_s = 60;
    config.tx = malloc(tx_size);
    config.tx_size = tx_size;
    config.rx = malloc(rx_size);
    config.rx_size = rx_size;
    config.context = &script;
    config.open = do_open;
    config.send = do_send;
    config.receive = do_receive;
    config.close = do_close;
    config.random = do_random;
    config.on_message = do_message;
    config.on_answer = do_answer;
}

static rwd_result poll_client(void) { return rwd_poll(&client, script.now); }

static rwd_result poll_in(uint32_t ms) {
    script.now += ms;
    return poll_client();
}

static void polls(unsigned count) {
    while (count-- > 0) CHECK_RESULT(poll_client(), RWD_OK);
}

static void start(void) {
    CHECK_RESULT(rwd_init(&client, &config), RWD_OK);
    CHECK_RESULT(rwd_connect(&client, script.now), RWD_OK);
}

/* Online, with nothing noted yet. */
static void begin_online(uint32_t tx_size, uint16_t rx_size) {
    begin(tx_size, rx_size);
    start();
    says(accepted, 23);
    CHECK(rwd_next_ms(&client, script.now) <= 10000);
    polls(25);
    CHECK(rwd_current_state(&client) == RWD_ONLINE && script.answer == RWD_OK && script.answers == 1);
    script.out_size = 0;
}

/* After a loss: at once, and accepted. */
static void come_back(void) {
    script.is_in_closed = 0;
    script.in_size = script.in_at = 0;
    script.out_size = 0;
    CHECK_RESULT(rwd_connect(&client, script.now), RWD_OK);
    says(accepted, 23);
    polls(3);
    CHECK(rwd_current_state(&client) == RWD_ONLINE);
}

static void sent_is(const void *bytes, size_t size) {
    CHECK(script.out_size == size);
    CHECK(memcmp(script.out, bytes, size) == 0);
    script.out_size = 0;
}

/* ---- tests ---- */

static void frames_are_those_of_the_protocol_text(void) {
    begin(100, 30);
    start();
    polls(1);
    sent_is("\x11\x00\x07\x3c\x00\x04" "abcd", 10);
    says(accepted, 23);
    polls(1);
    CHECK(strcmp(script.text, "Connect Successfully") == 0);
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"abcd", 4), RWD_OK);
    polls(1);
    sent_is("\x30\x00\x04" "abcd", 7);
    CHECK_RESULT(rwd_publish(&client, NULL, 0), RWD_OK);
    polls(1);
    sent_is("\x30\x00\x00", 3);
    CHECK_RESULT(poll_in(45000), RWD_OK);
    sent_is("\x40", 1);
    says("\x50", 1);
    polls(1);
    CHECK_RESULT(rwd_disconnect(&client, script.now), RWD_OK);
    polls(1);
    sent_is("\x60", 1);

    begin(22, 30);
    config.username = config.password = "abcd";
    start();
    polls(1);
    sent_is("\x11\x00\x13\x3c\x00\x04" "abcd" "\x00\x04" "abcd" "\x00\x04" "abcd", 22);
    config.tx_size = 21;
    CHECK_RESULT(rwd_init(&client, &config), RWD_ERROR_TOO_LARGE);
}

static void a_wrong_configuration_is_refused(void) {
    static char long_name[65600];
    int n;
    for (n = 0; n < 13; n++) {
        begin(100, 30);
        switch (n) {
        case 0: config.client_id = NULL; break;
        case 1: config.client_id = ""; break;
        case 2: config.password = "without a username"; break;
        case 3: config.open = NULL; break;
        case 4: config.send = NULL; break;
        case 5: config.receive = NULL; break;
        case 6: config.close = NULL; break;
        case 7: config.random = NULL; break;
        case 8: config.rx_size = 0; break;
        case 9: config.timeout_ms = 0x80000000u; break;
        case 10: config.backoff_min_ms = 120001; break;
        case 11: config.backoff_max_ms = 0x80000000u; break;
        default:
            memset(long_name, 'x', sizeof long_name - 1);
            config.client_id = long_name;
            break;
        }
        CHECK_RESULT(rwd_init(&client, &config), RWD_ERROR_ARGUMENT);
    }
    CHECK_RESULT(rwd_init(NULL, &config), RWD_ERROR_ARGUMENT);
    CHECK_RESULT(rwd_init(&client, NULL), RWD_ERROR_ARGUMENT);
}

static void messages_arrive_whole_however_they_are_split(void) {
    static const uint16_t rx_sizes[] = {5, 6, 7, 100};
    static const size_t steps[] = {0, 1, 2, 3, 5, 1000};
    size_t r, s;
    for (r = 0; r < sizeof rx_sizes / sizeof rx_sizes[0]; r++) {
        for (s = 0; s < sizeof steps / sizeof steps[0]; s++) {
            begin(100, rx_sizes[r]);
            script.in_step = steps[s];
            start();
            says(accepted, 23);
            says_message((const uint8_t *)"ab", 2);
            says_message(NULL, 0);
            says("\x50", 1);
            says_message((const uint8_t *)"cdefg", 5);
            says("\x3f\x00\x01" "h", 4); /* flags mean nothing in version 1 */
            polls(100);
            CHECK(script.messages == 4 && script.pieces == 4);
            CHECK(script.down_size == 8 && memcmp(script.down, "abcdefgh", 8) == 0);
        }
    }
}

static void a_message_larger_than_the_buffer_arrives_in_parts(void) {
    static uint8_t large[65535];
    static const uint16_t rx_sizes[] = {1, 2, 16, 1000, 65534, 65535};
    size_t r, n;
    for (n = 0; n < sizeof large; n++) large[n] = (uint8_t)(n * 7 + n / 256);
    for (r = 0; r < sizeof rx_sizes / sizeof rx_sizes[0]; r++) {
        begin_online(100, rx_sizes[r]);
        script.in_step = 777;
        says_message(large, sizeof large);
        says_message((const uint8_t *)"z", 1);
        for (n = 0; n < 70000 && script.messages < 2; n++) polls(1);
        CHECK(script.messages == 2 && script.piece_max == rx_sizes[r]);
        CHECK(script.down_size == 65536 && memcmp(script.down, large, 65535) == 0 && script.down[65535] == 'z');
        CHECK(rwd_last_error(&client) == RWD_OK);
    }
}

static void one_poll_ends_even_if_the_broker_never_stops_sending(void) {
    unsigned n;
    begin_online(100, 4);
    for (n = 0; n < 50; n++) says_message((const uint8_t *)"x", 1);
    CHECK_RESULT(poll_client(), RWD_OK);
    CHECK(script.messages == 16);
    CHECK(rwd_next_ms(&client, script.now) == 0);
    polls(4);
    CHECK(script.messages == 50 && rwd_next_ms(&client, script.now) > 0);
}

static void sends_go_on_after_none_and_after_single_bytes(void) {
    unsigned n;
    begin_online(16, 30);
    script.out_step = 0;
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"abcdef", 6), RWD_OK);
    CHECK(rwd_unsent(&client) == 9 && rwd_next_ms(&client, script.now) == 0);
    polls(3);
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"0123456789", 10), RWD_ERROR_BUSY);
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"01234567890123", 14), RWD_ERROR_TOO_LARGE);
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"ghi", 3), RWD_OK);
    for (n = 0; n < 30; n++) polls(1);
    sent_is("\x30\x00\x06" "abcdef" "\x30\x00\x03" "ghi", 15);
    CHECK(rwd_unsent(&client) == 0);
}

static void a_large_publish_goes_out_in_parts(void) {
    static uint8_t large[65535];
    uint32_t at = 0;
    size_t n;
    for (n = 0; n < sizeof large; n++) large[n] = (uint8_t)(n * 13 + n / 256);
    begin_online(64, 8);
    script.out_step = 50;
    CHECK_RESULT(rwd_publish(&client, large, 65535), RWD_ERROR_TOO_LARGE);
    CHECK_RESULT(rwd_publish_begin(&client, 65535), RWD_OK);
    while (at < 65535) {
        int32_t taken = rwd_publish_part(&client, large + at, (uint16_t)(65535 - at));
        CHECK(taken >= 0);
        at += (uint32_t)taken;
        if (at < 65535) CHECK_RESULT(rwd_publish(&client, NULL, 0), RWD_ERROR_BUSY);
        polls(1);
    }
    polls(3);
    CHECK(script.out_size == 65538 && memcmp(script.out, "\x30\xff\xff", 3) == 0);
    CHECK(memcmp(script.out + 3, large, 65535) == 0);
    CHECK(rwd_publish_part(&client, large, 1) == RWD_ERROR_ORDER);

    /* One call does it with the largest buffer. */
    begin_online(RWD_TX_SIZE_MAX, 8);
    CHECK_RESULT(rwd_publish(&client, large, 65535), RWD_OK);
    polls(1);
    CHECK(script.out_size == 65538);

    /* What was begun on a connection that is lost is over. */
    begin_online(64, 8);
    CHECK_RESULT(rwd_publish_begin(&client, 10), RWD_OK);
    CHECK(rwd_publish_part(&client, large, 11) == RWD_ERROR_ORDER);
    CHECK(rwd_publish_part(&client, large, 4) == 4);
    script.is_in_closed = 1;
    CHECK_RESULT(poll_client(), RWD_LOST_CLOSED);
    CHECK(rwd_publish_part(&client, large, 4) == RWD_ERROR_ORDER);
    CHECK_RESULT(rwd_publish(&client, large, 4), RWD_ERROR_OFFLINE);
    CHECK_RESULT(rwd_publish_begin(&client, 4), RWD_ERROR_OFFLINE);
    come_back();
    CHECK_RESULT(rwd_publish(&client, large, 4), RWD_OK);
}

static void nothing_of_a_lost_connection_shows_on_the_next(void) {
    begin_online(64, 8);
    script.is_out_blocked = 1;
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"lost", 4), RWD_OK);
    says("\x30\x00\x05" "ab", 5);
    polls(1);
    script.is_in_closed = 1;
    CHECK_RESULT(poll_client(), RWD_LOST_CLOSED);
    script.is_out_blocked = 0;
    come_back();
    CHECK(script.out_size == 10); /* CONNECT and nothing else */
    says_message((const uint8_t *)"xyz", 3);
    polls(1);
    CHECK(script.down_size == 3 && memcmp(script.down, "xyz", 3) == 0);
}

static void a_frame_that_is_half_sent_has_no_ping_in_it(void) {
    begin_online(64, 8);
    config.timeout_ms = 1000000;
    CHECK_RESULT(rwd_publish_begin(&client, 2), RWD_OK);
    CHECK(rwd_publish_part(&client, (const uint8_t *)"a", 1) == 1);
    polls(1);
    sent_is("\x30\x00\x02" "a", 4);
    CHECK_RESULT(poll_in(50000), RWD_OK);
    CHECK(script.out_size == 0);
    CHECK(rwd_publish_part(&client, (const uint8_t *)"b", 1) == 1);
    polls(1);
    sent_is("b\x40", 2); /* received nothing for as long */
    /* Nor do they pile up behind a transport that takes nothing. */
    script.is_out_blocked = 1;
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"c", 1), RWD_OK);
    CHECK_RESULT(poll_in(50000), RWD_OK);
    CHECK_RESULT(poll_in(50000), RWD_OK);
    CHECK(rwd_unsent(&client) == 4);
}

static void garbage_from_the_broker_ends_the_connection(void) {
    unsigned first;
    for (first = 0; first < 256; first++) {
        uint8_t byte = (uint8_t)first;
        begin_online(100, 8);
        says(&byte, 1);
        CHECK_RESULT(poll_client(), byte >> 4 == 3 || byte >> 4 == 5 ? RWD_OK : RWD_LOST_PROTOCOL);
        begin(100, 8);
        start();
        says(&byte, 1);
        CHECK_RESULT(poll_client(), byte >= 0x20 && byte <= 0x22 ? RWD_OK : RWD_LOST_PROTOCOL);
        CHECK(script.answers == 0 && script.pieces == 0);
    }
    begin_online(100, 8);
    says(accepted, 23);
    CHECK_RESULT(poll_client(), RWD_LOST_PROTOCOL);
}

static void a_refusal_is_told_and_waits_the_longest(void) {
    begin(100, 10);
    config.backoff_max_ms = 50000;
    start();
    says("\x21\x00\x16" "Authentication Failure", 25);
    CHECK_RESULT(poll_client(), RWD_REFUSED_CREDENTIALS);
    CHECK(script.answer == RWD_REFUSED_CREDENTIALS && strcmp(script.text, "Authentica") == 0);
    CHECK(script.opens == 1 && script.closes == 1);
    CHECK(rwd_current_state(&client) == RWD_WAITING && rwd_next_ms(&client, script.now) == 25000);
    CHECK_RESULT(poll_in(24999), RWD_OK);
    CHECK(script.opens == 1);
    script.in_size = script.in_at = 0;
    says("\x22\x00\x00", 3);
    script.random = 25000;
    CHECK_RESULT(poll_in(1), RWD_REFUSED_VERSION);
    CHECK(script.opens == 2 && rwd_next_ms(&client, script.now) == 50000);
    /* Who gives up is left alone. */
    begin(100, 10);
    script.reaction = ABORT;
    start();
    says("\x21\x00\x02" "no", 5);
    CHECK_RESULT(poll_client(), RWD_OK);
    CHECK(rwd_current_state(&client) == RWD_OFF && script.closes == 1 && script.answer == RWD_REFUSED_CREDENTIALS);
    /* A text of any length is skipped when the device was accepted. */
    begin(100, 4);
    start();
    says("\x20\x00\x14" "Connect Successfully" "\x30\x00\x01" "x", 27);
    polls(3);
    CHECK(strcmp(script.text, "Conn") == 0 && script.answers == 1 && script.messages == 1);
}

static void waits_double_up_to_the_longest_and_begin_again_after_a_stable_time(void) {
    static const uint32_t wanted[] = {1000, 2000, 4000, 8000, 10000, 10000};
    size_t n;
    begin(100, 8);
    config.backoff_max_ms = 10000;
    script.opens_with = RWD_IO_FAILED;
    script.random = 0xffffffffu;
    start();
    for (n = 0; n < sizeof wanted / sizeof wanted[0]; n++) {
        uint32_t wait;
        CHECK_RESULT(poll_client(), RWD_LOST_OPEN);
        wait = rwd_next_ms(&client, script.now);
        CHECK(wait >= wanted[n] / 2 && wait <= wanted[n]);
        script.random = script.random * 1664525u + 1013904223u;
        CHECK_RESULT(poll_in(wait - 1), RWD_OK);
        CHECK(script.opens == n + 1);
        script.now++;
    }
    /* Taken over at once, again and again: online, but not stable. */
    script.opens_with = RWD_IO_OPEN;
    script.random = 0;
    says(accepted, 23);
    CHECK_RESULT(poll_client(), RWD_OK);
    script.is_in_closed = 1;
    CHECK_RESULT(poll_in(9999), RWD_LOST_CLOSED);
    CHECK(rwd_next_ms(&client, script.now) == 5000);
    says(accepted, 23);
    script.is_in_closed = 0;
    CHECK_RESULT(poll_in(5000), RWD_OK);
    script.is_in_closed = 1;
    CHECK_RESULT(poll_in(10000), RWD_LOST_CLOSED);
    CHECK(rwd_next_ms(&client, script.now) == 500);
    /* Who does not want to wait does not have to. */
    CHECK_RESULT(rwd_connect(&client, script.now), RWD_OK);
    CHECK(rwd_next_ms(&client, script.now) == 0);
    CHECK_RESULT(poll_client(), RWD_LOST_CLOSED);
    CHECK(rwd_next_ms(&client, script.now) == 1000);
    /* Who begins anew does so with the shortest. */
    CHECK_RESULT(rwd_disconnect(&client, script.now), RWD_OK);
    CHECK_RESULT(rwd_connect(&client, script.now), RWD_OK);
    CHECK_RESULT(poll_client(), RWD_LOST_CLOSED);
    CHECK(rwd_next_ms(&client, script.now) == 500);
    /* A broker that accepts the connection and never answers is not stable, however long it takes. */
    begin(100, 8);
    config.stable_ms = 1;
    start();
    polls(1);
    CHECK_RESULT(poll_in(10000), RWD_LOST_NO_ANSWER);
    CHECK_RESULT(poll_in(1000), RWD_OK);
    CHECK_RESULT(poll_in(10000), RWD_LOST_NO_ANSWER);
    CHECK(rwd_next_ms(&client, script.now) == 1000);
}

static void pings_keep_it_alive_and_find_what_is_dead(void) {
    unsigned n;
    begin_online(100, 8);
    CHECK(rwd_next_ms(&client, script.now) == 45000);
    CHECK_RESULT(poll_in(44999), RWD_OK);
    CHECK(script.out_size == 0);
    CHECK_RESULT(poll_in(1), RWD_OK);
    sent_is("\x40", 1);
    CHECK(rwd_next_ms(&client, script.now) == 10000);
    CHECK_RESULT(poll_in(9999), RWD_OK);
    says("\x50", 1);
    polls(1);
    CHECK_RESULT(poll_in(35001), RWD_OK);
    sent_is("\x40", 1);
    /* A message is a sign of life as well. */
    says_message((const uint8_t *)"x", 1);
    polls(1);
    CHECK_RESULT(poll_in(10000), RWD_OK);

    /* A device that always talks still hears whether anybody is there. */
    begin_online(100, 8);
    for (n = 0; n < 45; n++) {
        CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"x", 1), RWD_OK);
        CHECK_RESULT(poll_in(1000), RWD_OK);
    }
    CHECK(script.out_size == 45 * 4 + 1);
    CHECK_RESULT(poll_in(9999), RWD_OK);
    CHECK_RESULT(poll_in(1), RWD_LOST_NO_PONG);
    CHECK(rwd_last_error(&client) == RWD_LOST_NO_PONG);

    /* Off: never. */
    begin(100, 8);
    config.keepalive_s = 0;
    start();
    says(accepted, 23);
    polls(3);
    script.out_size = 0;
    CHECK(rwd_next_ms(&client, script.now) == RWD_NEVER);
    CHECK_RESULT(poll_in(1000000000), RWD_OK);
    CHECK(script.out_size == 0);
}

static void what_does_not_move_is_given_up(void) {
    begin(100, 8);
    script.opens_with = RWD_IO_AGAIN;
    start();
    polls(1);
    CHECK_RESULT(poll_in(9999), RWD_OK);
    CHECK(rwd_unsent(&client) == 1);
    CHECK_RESULT(poll_in(1), RWD_LOST_NO_ANSWER);

    begin(100, 8);
    config.timeout_ms = 500;
    start();
    polls(1);
    CHECK_RESULT(poll_in(499), RWD_OK);
    CHECK_RESULT(poll_in(1), RWD_LOST_NO_ANSWER);

    begin_online(100, 8);
    script.is_out_blocked = 1;
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"x", 1), RWD_OK);
    CHECK_RESULT(poll_in(20000), RWD_OK); /* counts from when it was tried */
    CHECK(rwd_next_ms(&client, script.now) == 10000);
    CHECK_RESULT(poll_in(9999), RWD_OK);
    CHECK_RESULT(poll_in(1), RWD_LOST_STALLED);

    /* A single byte is progress. */
    begin_online(100, 8);
    script.is_out_blocked = 1;
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"x", 1), RWD_OK);
    polls(1);
    script.is_out_blocked = 0;
    script.out_step = 0;
    script.toggles = 1;
    CHECK_RESULT(poll_in(9999), RWD_OK);
    CHECK(rwd_unsent(&client) == 2); /* one byte before and one after receiving */
    script.is_out_blocked = 1;
    CHECK_RESULT(poll_in(9999), RWD_OK);
    CHECK_RESULT(poll_in(1), RWD_LOST_STALLED);
}

static void a_transport_that_fails_or_lies_is_closed(void) {
    int lie;
    for (lie = 1; lie <= 4; lie++) {
        begin_online(100, 8);
        script.lies = lie;
        CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"x", 1), RWD_OK);
        CHECK_RESULT(poll_client(), RWD_LOST_TRANSPORT);
        CHECK(script.closes == 1);
    }
    /* The last words are read although sending fails. */
    begin(100, 8);
    start();
    script.lies = 2;
    says("\x21\x00\x02" "no", 5);
    CHECK_RESULT(poll_client(), RWD_REFUSED_CREDENTIALS);
}

static void callbacks_may_publish_and_end_but_not_poll(void) {
    begin_online(100, 8);
    script.reaction = ECHO;
    says_message((const uint8_t *)"abc", 3);
    polls(1);
    sent_is("\x30\x00\x03" "abc", 6);

    begin_online(100, 8);
    script.reaction = POLL;
    says_message((const uint8_t *)"abc", 3);
    polls(1);
    CHECK(script.messages == 1);

    begin_online(100, 50);
    script.reaction = DISCONNECT;
    says_message((const uint8_t *)"abc", 3);
    says_message((const uint8_t *)"too late", 8);
    polls(1);
    CHECK(script.messages == 1 && rwd_current_state(&client) == RWD_CLOSING);
    sent_is("\x60", 1);

    begin_online(100, 50);
    script.reaction = ABORT;
    says_message((const uint8_t *)"abc", 3);
    says_message((const uint8_t *)"too late", 8);
    polls(3);
    CHECK(script.messages == 1 && script.closes == 1 && rwd_current_state(&client) == RWD_OFF);
    CHECK(script.out_size == 0 && rwd_next_ms(&client, script.now) == RWD_NEVER);
}

static void disconnect_sends_what_waits_and_lets_the_broker_close(void) {
    begin_online(100, 8);
    script.is_out_blocked = 1;
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"last", 4), RWD_OK);
    CHECK_RESULT(rwd_disconnect(&client, script.now), RWD_OK);
    CHECK_RESULT(rwd_disconnect(&client, script.now), RWD_OK);
    CHECK_RESULT(rwd_publish(&client, (const uint8_t *)"later", 5), RWD_ERROR_OFFLINE);
    CHECK_RESULT(rwd_connect(&client, script.now), RWD_ERROR_ORDER);
    polls(2);
    script.is_out_blocked = 0;
    polls(2);
    sent_is("\x30\x00\x04last\x60", 8);
    CHECK(rwd_current_state(&client) == RWD_CLOSING);
    says_message((const uint8_t *)"nobody reads this", 17);
    polls(1);
    script.is_in_closed = 1;
    polls(1);
    CHECK(rwd_current_state(&client) == RWD_OFF && script.closes == 1 && script.messages == 0);
    CHECK_RESULT(rwd_disconnect(&client, script.now), RWD_ERROR_ORDER);

    /* And comes back when asked. */
    come_back();

    /* A broker that does not close is not waited for longer than this. */
    CHECK_RESULT(rwd_disconnect(&client, script.now), RWD_OK);
    polls(1);
    CHECK(rwd_next_ms(&client, script.now) == 10000);
    CHECK_RESULT(poll_in(10000), RWD_OK);
    CHECK(rwd_current_state(&client) == RWD_OFF && script.closes == 2);

    /* A frame cannot be ended in its middle. */
    begin_online(100, 8);
    CHECK_RESULT(rwd_publish_begin(&client, 5), RWD_OK);
    CHECK_RESULT(rwd_disconnect(&client, script.now), RWD_OK);
    CHECK(rwd_current_state(&client) == RWD_OFF && script.closes == 1);
}

static void every_result_has_its_name(void) {
    CHECK(strcmp(rwd_name(RWD_OK), "RWD_OK") == 0);
    CHECK(strcmp(rwd_name(RWD_ERROR_TOO_LARGE), "RWD_ERROR_TOO_LARGE") == 0);
    CHECK(strcmp(rwd_name(RWD_LOST_NO_PONG), "RWD_LOST_NO_PONG") == 0);
    CHECK(strcmp(rwd_name(RWD_REFUSED_VERSION), "RWD_REFUSED_VERSION") == 0);
    CHECK(strcmp(rwd_name((rwd_result)-15), "RWD_UNKNOWN") == 0);
}

/* ---- random ---- */

static uint32_t random_state;

static uint32_t below(uint32_t limit) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % limit;
}

/* Walks over what the device sent: whole frames only, but for the last one. */
static void check_frames_sent(void) {
    size_t at = 0;
    while (at < script.out_size) {
        uint8_t kind = script.out[at];
        if (kind == 0x40 || kind == 0x60) {
            at++;
            continue;
        }
        CHECK(kind == (at == 0 ? 0x11 : 0x30));
        if (at + 3 > script.out_size) return;
        at += 3u + (size_t)script.out[at + 1] * 256u + script.out[at + 2];
    }
}

static void random_valid_traffic(void) {
    static uint8_t payload[400];
    static uint8_t expected[DOWN_MAX];
    size_t expected_size = 0, messages = below(30), n, turns;
    begin(20 + below(200), (uint16_t)(1 + below(100)));
    start();
    says(accepted, 23);
    for (n = 0; n < messages; n++) {
        size_t size = below(4) == 0 ? below(sizeof payload) : below(20), at;
        for (at = 0; at < size; at++) payload[at] = (uint8_t)below(256);
        memcpy(expected + expected_size, payload, size);
        expected_size += size;
        says_message(payload, size);
        if (below(5) == 0) says("\x50", 1);
    }
    for (turns = 0; turns < 20000 && (script.messages < messages || turns < 30); turns++) {
        script.in_step = below(40);
        script.out_step = below(40);
        script.is_in_blocked = below(6) == 0;
        script.is_out_blocked = below(6) == 0;
        if (below(3) == 0) rwd_publish(&client, payload, (uint16_t)below(60));
        if (below(20) == 0) rwd_publish_begin(&client, (uint16_t)below(400));
        if (below(2) == 0) rwd_publish_part(&client, payload, (uint16_t)below(60));
        CHECK_RESULT(poll_client(), RWD_OK);
        if (below(10) == 0) script.now += below(1000);
        says("\x50", rwd_current_state(&client) == RWD_ONLINE);
        if (script.in_size > IN_MAX - 500) break;
    }
    CHECK(script.messages == messages && script.down_size == expected_size);
    CHECK(memcmp(script.down, expected, expected_size) == 0);
    check_frames_sent();
}

/* Whatever arrives and whatever the transport does: no byte beyond a buffer, one close for each open, no wait longer
 * than its limit. The sanitizers and the checks of the transport's functions do most of the work. */
static void random_garbage(void) {
    static const uint8_t heads[] = {0x20, 0x21, 0x22, 0x30, 0x50, 0x3f, 0x00, 0x40};
    size_t turns = 40 + below(200);
    begin(20 + below(60), (uint16_t)(1 + below(40)));
    config.backoff_min_ms = 1 + below(50);
    config.backoff_max_ms = 50 + below(500);
    config.timeout_ms = 1 + below(2000);
    config.keepalive_s = (uint8_t)below(4);
    start();
    while (turns-- > 0) {
        size_t n, size = below(30);
        script.random = below(0xffffffffu);
        script.opens_with = (int8_t)(below(4) == 0 ? (int)below(2) - 1 : RWD_IO_OPEN);
        script.in_step = below(10);
        script.out_step = below(10);
        script.lies = below(30) == 0 ? (int)below(5) : 0;
        script.is_in_closed = below(20) == 0;
        script.reaction = below(30) == 0 ? ABORT : below(30) == 0 ? DISCONNECT : NOTHING;
        if (rwd_current_state(&client) == RWD_GREETING && below(4) != 0) says(accepted, 23);
        if (rwd_current_state(&client) == RWD_ONLINE && below(4) != 0) says_message(heads, below(sizeof heads));
        for (n = 0; n < size && below(3) == 0; n++) {
            uint8_t byte = below(2) == 0 ? heads[below(sizeof heads)] : (uint8_t)below(256);
            says(&byte, 1);
        }
        if (below(6) == 0) rwd_publish(&client, heads, (uint16_t)below(sizeof heads));
        if (below(9) == 0) rwd_publish_begin(&client, (uint16_t)below(100));
        if (below(4) == 0) rwd_publish_part(&client, heads, (uint16_t)below(sizeof heads));
        if (below(40) == 0) rwd_disconnect(&client, script.now);
        if (below(40) == 0) rwd_abort(&client);
        if (below(3) == 0) rwd_connect(&client, script.now);
        poll_in(below(300));
        CHECK(rwd_unsent(&client) <= config.tx_size);
        CHECK(rwd_current_state(&client) != RWD_WAITING || rwd_next_ms(&client, script.now) <= config.backoff_max_ms);
        CHECK(rwd_current_state(&client) == RWD_OFF || rwd_next_ms(&client, script.now) != RWD_NEVER
              || config.keepalive_s == 0 || client.up_left != 0);
        if (script.out_size > OUT_MAX - 500) break;
    }
    rwd_abort(&client);
    CHECK(script.opens == script.closes);
}

int main(int count, char **arguments) {
    unsigned long rounds = count > 2 ? strtoul(arguments[2], NULL, 10) : 3000;
    if (count > 1) seed = (uint32_t)strtoul(arguments[1], NULL, 10);
    frames_are_those_of_the_protocol_text();
    a_wrong_configuration_is_refused();
    messages_arrive_whole_however_they_are_split();
    a_message_larger_than_the_buffer_arrives_in_parts();
    one_poll_ends_even_if_the_broker_never_stops_sending();
    sends_go_on_after_none_and_after_single_bytes();
    a_large_publish_goes_out_in_parts();
    nothing_of_a_lost_connection_shows_on_the_next();
    a_frame_that_is_half_sent_has_no_ping_in_it();
    garbage_from_the_broker_ends_the_connection();
    a_refusal_is_told_and_waits_the_longest();
    waits_double_up_to_the_longest_and_begin_again_after_a_stable_time();
    pings_keep_it_alive_and_find_what_is_dead();
    what_does_not_move_is_given_up();
    a_transport_that_fails_or_lies_is_closed();
    callbacks_may_publish_and_end_but_not_poll();
    disconnect_sends_what_waits_and_lets_the_broker_close();
    every_result_has_its_name();
    for (; rounds > 0; rounds--, seed++) {
        random_state = seed * 2654435761u + 1u;
        if (random_state == 0) random_state = 1;
        random_valid_traffic();
        random_garbage();
    }
    free(config.tx);
    free(config.rx);
    printf("ok, %lu checks\n", checks);
    return 0;
}
