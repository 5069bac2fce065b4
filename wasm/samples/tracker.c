/* A vehicle tracker as a module: positions that are differences to the one before, which no description can add up.
 *
 * A frame: A5, a byte that counts the body, a type, the body, and the XOR of everything from the count to the body's end.
 *   01 login      body: 8 bytes of client id, then a PIN as text       answered with 81: 0 let in, 1 refused
 *   02 positions  body: serial number (2 bytes), then any number of      answered with 82: the serial number
 *                 steps: 00 and latitude, longitude (4 bytes each, 1e-6 degrees), or 01 and two differences (2 bytes each)
 *   03 alive      body: empty                                          answered with 83
 *   04 received   body: the number (2 bytes) of a message
 * and to the device 85: number (2 bytes), then the message. All numbers are big endian.
 *
 * A position is published as {"serial":7,"lat":52.517036,"lon":13.388860}; each step of a frame on its own.
 *   clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o tracker.wasm tracker.c
 */
#include "ringwire.h"

/* What is known of the connection: it is kept by the broker between two calls, all zero for a new one. */
static struct {
    uint8_t greeted;
    uint8_t positioned;
    int32_t latitude, longitude;
} state;

static uint8_t input[8192];
static uint8_t frame[4 + 255];

uint32_t RINGWIRE_EXPORT(ringwire_abi)(void) { return 1; }
uint32_t RINGWIRE_EXPORT(ringwire_version)(void) { return 2; }
/* Down messages on their way without an acknowledgement. */
uint32_t RINGWIRE_EXPORT(ringwire_window)(void) { return 4; }
/* Up topics may have these in braces. */
const char *RINGWIRE_EXPORT(ringwire_fields)(void) { return "hemisphere serial"; }
void *RINGWIRE_EXPORT(ringwire_state)(void) { return &state; }
uint32_t RINGWIRE_EXPORT(ringwire_state_size)(void) { return sizeof state; }
void *RINGWIRE_EXPORT(ringwire_input)(uint32_t bytes) { return bytes <= sizeof input ? input : 0; }

#define SAY(text) text, sizeof text - 1

static uint32_t be16(const uint8_t *at) { return (uint32_t)at[0] << 8 | at[1]; }
static uint32_t be32(const uint8_t *at) { return be16(at) << 16 | be16(at + 2); }

static void send(uint8_t type, const uint8_t *body, uint32_t bytes) {
    uint8_t sum = (uint8_t)bytes ^ type;
    frame[0] = 0xA5;
    frame[1] = (uint8_t)bytes;
    frame[2] = type;
    for (uint32_t i = 0; i < bytes; i++) sum ^= frame[3 + i] = body[i];
    frame[3 + bytes] = sum;
    ringwire_write(frame, bytes + 4);
}

/* Decimal digits, written backwards: returns where they begin. */
static char *digits(char *end, uint32_t number, int at_least) {
    while (number || at_least > 0) {
        *--end = (char)('0' + number % 10);
        number /= 10;
        at_least--;
    }
    return end;
}

static char *append(char *to, const char *text, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) *to++ = text[i];
    return to;
}

static char *append_number(char *to, uint32_t number) {
    char room[10], *begin = digits(room + 10, number, 1);
    return append(to, begin, (uint32_t)(room + 10 - begin));
}

static char *append_degrees(char *to, int32_t micro) {
    uint32_t size = micro < 0 ? 0u - (uint32_t)micro : (uint32_t)micro;
    char room[6];
    digits(room + 6, size % 1000000, 6);
    if (micro < 0) *to++ = '-';
    to = append_number(to, size / 1000000);
    *to++ = '.';
    return append(to, room, 6);
}

static void publish_position(uint32_t serial, uint32_t tag) {
    char json[96], number[10];
    char *end = append(json, SAY("{\"serial\":"));
    end = append_number(end, serial);
    end = append(end, SAY(",\"lat\":"));
    end = append_degrees(end, state.latitude);
    end = append(end, SAY(",\"lon\":"));
    end = append_degrees(end, state.longitude);
    *end++ = '}';
    struct ringwire_text values[2];
    values[0].at = state.latitude < 0 ? "south" : "north";
    values[0].bytes = 5;
    values[1].at = number;
    values[1].bytes = (uint32_t)(append_number(number, serial) - number);
    ringwire_publish(json, (uint32_t)(end - json), values, tag);
}

/* Wraps around, as the tracker does. */
static int32_t plus(int32_t number, const uint8_t *difference) {
    return (int32_t)((uint32_t)number + (uint32_t)(int16_t)be16(difference));
}

/* Bytes of a step, 0 for none. */
static uint32_t step(const uint8_t *at, uint32_t bytes) {
    if (bytes >= 9 && at[0] == 0) {
        state.latitude = (int32_t)be32(at + 1);
        state.longitude = (int32_t)be32(at + 5);
        state.positioned = 1;
        return 9;
    }
    if (bytes >= 5 && at[0] == 1 && state.positioned) {
        state.latitude = plus(state.latitude, at + 1);
        state.longitude = plus(state.longitude, at + 3);
        return 5;
    }
    return 0;
}

static void positions(const uint8_t *body, uint32_t bytes) {
    if (bytes < 2) {
        ringwire_unreadable(RINGWIRE_MALFORMED, SAY("positions without a serial number"), 3);
        return;
    }
    uint32_t serial = be16(body), at = 2;
    if (at == bytes) ringwire_heartbeat(0);
    while (at < bytes) {
        uint32_t used = step(body + at, bytes - at);
        if (!used) {
            ringwire_unreadable(RINGWIRE_MALFORMED, SAY("a step that is neither whole nor a difference"), 3 + at);
            return;
        }
        at += used;
        /* Only the last is answered: its tag is the serial number, and never 0. */
        publish_position(serial, at == bytes ? 0x10000 | serial : 0);
    }
}

int32_t RINGWIRE_EXPORT(ringwire_read)(const uint8_t *at, uint32_t bytes) {
    if (at[0] != 0xA5) {
        ringwire_unreadable(RINGWIRE_ILLEGAL, SAY("a frame begins with A5"), 0);
        return 0;
    }
    if (bytes < 4) return -4;
    uint32_t size = 4u + at[1];
    if (bytes < size) return -(int32_t)size;
    uint8_t sum = 0;
    for (uint32_t i = 1; i < size - 1; i++) sum ^= at[i];
    if (sum != at[size - 1]) {
        /* The next frame may be whole again. */
        ringwire_skip(RINGWIRE_CHECKSUM, SAY("the checksum is another"), size - 1);
        return (int32_t)size;
    }
    const uint8_t *body = at + 3;
    uint32_t length = at[1];
    if (at[2] != 1 && !state.greeted) {
        ringwire_unreadable(RINGWIRE_NOT_CONNECTED, SAY("the first frame is no login"), 2);
    } else if (at[2] == 1 && state.greeted) {
        ringwire_unreadable(RINGWIRE_ALREADY_CONNECTED, SAY("a second login"), 2);
    } else if (at[2] == 1 && length >= 8) {
        ringwire_connect(body, 8, body, 8, body + 8, length - 8, 0, 1);
    } else if (at[2] == 2) {
        positions(body, length);
    } else if (at[2] == 3 && length == 0) {
        ringwire_heartbeat(1);
    } else if (at[2] == 4 && length == 2) {
        ringwire_acknowledge(be16(body));
    } else {
        ringwire_unreadable(RINGWIRE_ILLEGAL, SAY("an unknown kind of frame, or one of the wrong length"), 2);
    }
    return (int32_t)size;
}

void RINGWIRE_EXPORT(ringwire_answer)(uint32_t what, uint32_t detail, uint32_t tag) {
    (void)detail;
    uint8_t answer[2] = {0, 0};
    if (what == RINGWIRE_ACCEPTED) {
        state.greeted = 1;
        send(0x81, answer, 1);
    } else if (what == RINGWIRE_REFUSED) {
        answer[0] = 1;
        send(0x81, answer, 1);
    } else if (what == RINGWIRE_TAKEN || what == RINGWIRE_DENIED) {
        answer[0] = (uint8_t)(tag >> 8);
        answer[1] = (uint8_t)tag;
        send(0x82, answer, 2);
    } else if (what == RINGWIRE_ALIVE) {
        send(0x83, answer, 0);
    }
}

uint32_t RINGWIRE_EXPORT(ringwire_deliver)(const void *topic, uint32_t topic_bytes, const uint8_t *payload,
                                           uint32_t bytes, uint32_t number, uint32_t again) {
    static uint8_t body[255];
    (void)topic, (void)topic_bytes, (void)again;
    if (bytes > sizeof body - 2) {
        ringwire_undeliverable(SAY("a message of more than 253 bytes"));
        return 0;
    }
    body[0] = (uint8_t)(number >> 8);
    body[1] = (uint8_t)number;
    for (uint32_t i = 0; i < bytes; i++) body[2 + i] = payload[i];
    send(0x85, body, bytes + 2);
    return 0;
}
