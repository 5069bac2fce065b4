/* A client for the private TCP protocol, version 1, for devices of any size.
 *
 * One connection to a broker: a device publishes up, receives down, is pinged alive, and connects again with growing
 * waits when the connection is lost. C99, freestanding: no allocation, no operating system, no standard library but
 * <stdint.h>. The caller brings four transport functions, randomness, a millisecond clock and two buffers.
 *
 * Nothing blocks. Call rwd_poll() often: when bytes may have arrived, and at the latest after rwd_next_ms(). All
 * functions of one client belong to one thread (or to one interrupt level).
 *
 *     static uint8_t tx[256], rx[256];
 *     static const rwd_config config = {
 *         .client_id = "meter-7", .keepalive_s = 60, .tx = tx, .tx_size = sizeof tx, .rx = rx, .rx_size = sizeof rx,
 *         .open = my_open, .send = my_send, .receive = my_receive, .close = my_close, .random = my_random,
 *         .on_message = my_message };
 *     static rwd_client client;
 *
 *     rwd_init(&client, &config);
 *     rwd_connect(&client, my_clock_ms());
 *     for (;;) {
 *         rwd_poll(&client, my_clock_ms());
 *         if (reading_is_due()) rwd_publish(&client, reading, sizeof reading);
 *         sleep_at_most(rwd_next_ms(&client, my_clock_ms()));
 *     }
 *
 * Time: `now_ms` is any counter of milliseconds that never goes back; it may wrap from 4,294,967,295 to 0.
 * Delivery: QoS 0, in order. RWD_OK from a publish means "will be sent, unless the connection is lost first".
 */
#ifndef RINGWIRE_DEVICE_H
#define RINGWIRE_DEVICE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The largest payload of one message, in bytes. */
#define RWD_PAYLOAD_MAX 65535u
/* rwd_config.tx_size with which every payload can be published in one call. */
#define RWD_TX_SIZE_MAX 65538u
/* rwd_next_ms(): nothing will happen by itself. */
#define RWD_NEVER 0xffffffffu

/* What a function returns. rwd_name() has the name as text. */
typedef enum rwd_result {
    RWD_OK = 0,
    /* Mistakes of the caller, and "not now". Nothing has changed. */
    RWD_ERROR_ARGUMENT = -1,  /* a value is out of its range, or a function or buffer is missing */
    RWD_ERROR_ORDER = -2,     /* not allowed in this state, or called from a callback that must not */
    RWD_ERROR_OFFLINE = -3,   /* not online: nothing was queued */
    RWD_ERROR_BUSY = -4,      /* no room in `tx` now: poll, then try again */
    RWD_ERROR_TOO_LARGE = -5, /* more than `tx` can ever hold */
    /* Why a connection ended: from rwd_poll() once, and from rwd_last_error() afterwards. The client connects again. */
    RWD_LOST_OPEN = -6,           /* `open` failed */
    RWD_LOST_CLOSED = -7,         /* the broker closed: taken over, kicked, keepalive, a broker that stops */
    RWD_LOST_TRANSPORT = -8,      /* `send` or `receive` failed, or returned more than it was given */
    RWD_LOST_NO_ANSWER = -9,      /* `open` or the answer to CONNECT took longer than `timeout_ms` */
    RWD_LOST_NO_PONG = -10,       /* nothing arrived for `timeout_ms` after a PING */
    RWD_LOST_STALLED = -11,       /* the transport took no byte for `timeout_ms` */
    RWD_LOST_PROTOCOL = -12,      /* bytes that no broker of this protocol sends */
    RWD_REFUSED_CREDENTIALS = -13, /* client id, username or password; `on_answer` had the broker's text */
    RWD_REFUSED_VERSION = -14      /* the broker does not speak version 1 */
} rwd_result;

typedef enum rwd_state {
    RWD_OFF = 0,      /* not started, or ended by rwd_disconnect() or rwd_abort() */
    RWD_WAITING = 1,  /* the next attempt comes by itself: after rwd_connect(), or a connection lost or refused */
    RWD_OPENING = 2,  /* `open` is not done */
    RWD_GREETING = 3, /* CONNECT is sent, its answer has not arrived */
    RWD_ONLINE = 4,   /* publishes and receives */
    RWD_CLOSING = 5   /* rwd_disconnect(): what is queued, then DISCONNECT, then until the broker closes */
} rwd_state;

/* What the transport functions return beside a number of bytes. */
#define RWD_IO_AGAIN 0    /* nothing can be sent, or has arrived, or `open` is not done: later */
#define RWD_IO_CLOSED (-1) /* the other end closed */
#define RWD_IO_FAILED (-2) /* any other error */
#define RWD_IO_OPEN 1      /* of `open`: the connection is there */

/* How to connect, as whom, and with what. It is not copied: it, its texts and its buffers must outlive the client and
 * stay as they are. It may be in read-only memory. */
typedef struct rwd_config {
    /* 1 byte or more, UTF-8, without control characters and without + # and / (the broker refuses those). Ends with
     * NUL. Two devices with one id close each other. */
    const char *client_id;
    /* NULL: none. */
    const char *username;
    /* NULL: none. Only with a username. */
    const char *password;

    /* 1 to 255 seconds: how long the broker may hear nothing before it closes, times 1.5. The client pings when it has
     * sent or received nothing for three quarters of it. 0: no keepalive, no pings; then a connection that is dead
     * without a word is noticed only when something is sent. */
    uint8_t keepalive_s;

    /* Milliseconds, up to 2,147,483,647; 0: the default. */
    uint32_t timeout_ms;     /* for open, for each answer, for a transport that takes nothing; default 10,000 */
    uint32_t backoff_min_ms; /* the wait after the first loss; doubles with each further one; default 1,000 */
    uint32_t backoff_max_ms; /* where it ends, and the wait after a refusal; default 120,000 */
    uint32_t stable_ms;      /* online for so long: the waits begin with the shortest again; default 10,000 */

    /* Bytes to send wait here, CONNECT too: it takes 6 bytes and client id, and 2 bytes more for a username and for a
     * password. A message takes 3 bytes more than its payload. */
    uint8_t *tx;
    uint32_t tx_size;
    /* Received bytes. A payload of up to rx_size bytes arrives in one piece, 1 is enough. */
    uint8_t *rx;
    uint16_t rx_size;

    /* Handed to every function below. */
    void *context;

    /* Begins to connect, or goes on with it: RWD_IO_OPEN, RWD_IO_AGAIN (it is called again by the next poll), or
     * RWD_IO_CLOSED or RWD_IO_FAILED. Must not block for long. */
    int8_t (*open)(void *context);
    /* Sends up to `size` bytes (1 or more). How many were taken, RWD_IO_AGAIN, RWD_IO_CLOSED or RWD_IO_FAILED. */
    int32_t (*send)(void *context, const uint8_t *bytes, uint16_t size);
    /* Receives up to `size` bytes (1 or more). How many there were, RWD_IO_AGAIN, RWD_IO_CLOSED or RWD_IO_FAILED. */
    int32_t (*receive)(void *context, uint8_t *bytes, uint16_t size);
    /* The end of every attempt, also of one whose `open` failed. */
    void (*close)(void *context);
    /* Any 32 bits that differ from device to device, for waits that do not come all at once: from noise, a counter
     * hashed with the serial number, or rand(). Needs no cryptographic quality. */
    uint32_t (*random)(void *context);

    /* A message from the broker. One call a message when it has up to rx_size bytes: offset 0, size == total. A larger
     * one arrives in several calls, in order, each with the next `size` bytes from `offset`; the last one has
     * offset + size == total. Who does not want those returns when size != total. When the connection is lost in
     * between, the rest never comes, so begin anew at offset 0. An empty message is one call with size 0.
     * `bytes` are valid until it returns. It may publish, rwd_disconnect() and rwd_abort(). NULL: messages are lost. */
    void (*on_message)(void *context, const uint8_t *bytes, uint16_t size, uint16_t offset, uint16_t total);
    /* The broker's answer to CONNECT: RWD_OK, RWD_REFUSED_CREDENTIALS or RWD_REFUSED_VERSION, and its text for people
     * (cut at rx_size, not ended by NUL). It may call what on_message may. NULL: nobody is told. */
    void (*on_answer)(void *context, rwd_result answer, const uint8_t *text, uint16_t size);
} rwd_config;

/* A client. Its fields are nobody's business; they are here so that the caller can place it. */
typedef struct rwd_client {
    const rwd_config *config;
    uint32_t since;       /* when the state began */
    uint32_t wait_ms;     /* of RWD_WAITING */
    uint32_t sent_at;     /* last byte taken by the transport */
    uint32_t received_at; /* last byte that arrived */
    uint32_t pinged_at;   /* of the PING that waits for a sign of life */
    uint32_t queued_at;   /* since when the transport takes nothing */
    uint32_t tx_start, tx_end;
    uint16_t rx_start, rx_end;
    uint16_t up_left;    /* bytes that rwd_publish_part() still owes */
    uint16_t down_left;  /* payload bytes of the frame that arrives */
    uint16_t down_total;
    uint8_t head, head_bytes; /* the frame that arrives: first byte, and how many of its header are here */
    uint8_t state, attempts;
    uint8_t is_polling, is_pinged, is_queued, is_said, has_more;
    int8_t last_error;
} rwd_client;

/* Prepares a client; state RWD_OFF. RWD_ERROR_ARGUMENT: something is missing or out of range. RWD_ERROR_TOO_LARGE: `tx`
 * does not hold CONNECT. */
rwd_result rwd_init(rwd_client *client, const rwd_config *config);

/* Starts: the next poll opens the connection. RWD_ERROR_ORDER unless the state is RWD_OFF or RWD_WAITING (then the wait
 * is cut short). Not from a callback. */
rwd_result rwd_connect(rwd_client *client, uint32_t now_ms);

/* Does what there is to do: opens, sends, receives (calls on_message), pings, ends what is dead, connects again.
 * RWD_OK, or once for each connection that ended the reason why (RWD_LOST_..., RWD_REFUSED_...): worth a line in a log,
 * nothing needs to be done. RWD_ERROR_ORDER from a callback. */
rwd_result rwd_poll(rwd_client *client, uint32_t now_ms);

/* The latest moment for the next poll if nothing arrives: milliseconds from `now_ms`; 0: at once; RWD_NEVER: any time. */
uint32_t rwd_next_ms(const rwd_client *client, uint32_t now_ms);

/* Publishes `size` bytes (0 is fine) that are copied. RWD_ERROR_OFFLINE, RWD_ERROR_BUSY (later), RWD_ERROR_TOO_LARGE
 * (rwd_publish_begin() can), RWD_ERROR_ARGUMENT. All or nothing. */
rwd_result rwd_publish(rwd_client *client, const uint8_t *bytes, uint16_t size);

/* Publishes in parts, for payloads that `tx` does not hold: begin with the whole size, then rwd_publish_part() until all of it
 * was taken, with polls in between. Until then nothing else is published and nothing is pinged: finish well within the
 * keepalive. RWD_ERROR_OFFLINE or RWD_ERROR_BUSY. */
rwd_result rwd_publish_begin(rwd_client *client, uint16_t size);

/* How many of the `size` bytes were taken, 0 when there is no room now; or RWD_ERROR_ORDER: no publish is under way
 * (any more: the connection was lost), or these are more bytes than were announced. */
int32_t rwd_publish_part(rwd_client *client, const uint8_t *bytes, uint16_t size);

/* Ends in order: state RWD_CLOSING until all is sent and the broker has closed, at most timeout_ms; then RWD_OFF. A
 * publish that is not finished ends at once, and so does whatever is not online. RWD_ERROR_ORDER when already off. */
rwd_result rwd_disconnect(rwd_client *client, uint32_t now_ms);

/* Ends now, without a word. */
void rwd_abort(rwd_client *client);

rwd_state rwd_current_state(const rwd_client *client);

/* Why the last connection ended, RWD_OK before the first loss. */
rwd_result rwd_last_error(const rwd_client *client);

/* Bytes that wait for the transport; in RWD_OPENING 1. Not 0: wait for the socket to be writable as well. */
uint32_t rwd_unsent(const rwd_client *client);

/* "RWD_LOST_NO_PONG" and so on; "RWD_UNKNOWN" for what is no result. */
const char *rwd_name(rwd_result result);

#ifdef __cplusplus
}
#endif

#endif
