/* The client of ringwire_device.h: one state machine, driven by rwd_poll().
 *
 * Bytes to send stand in tx[tx_start .. tx_end], received ones in rx[rx_start .. rx_end]. A frame's header is taken out
 * of `rx` byte by byte into the client, so that `rx` holds payload only and may be as small as one byte. All sizes have
 * fixed widths: nothing here depends on the size of int.
 */
#include "ringwire_device.h"

#define CONNECT 0x11u
#define CONNACK 2u
#define DATATRANS 3u
#define PONG 5u
#define DATA_HEADER 0x30u
#define PING_BYTE 0x40u
#define DISCONNECT_BYTE 0x60u
#define HEADER_BYTES 3u

#define TIME_MAX 0x7fffffffu
#define ATTEMPTS_MAX 32u
/* Receive calls of one poll: a broker that never stops sending must not keep the caller for ever. */
#define ROUNDS 16u

static uint32_t or_default(uint32_t value, uint32_t preset) { return value != 0 ? value : preset; }
static uint32_t timeout_of(const rwd_client *client) { return or_default(client->config->timeout_ms, 10000u); }
static uint32_t backoff_min_of(const rwd_config *config) { return or_default(config->backoff_min_ms, 1000u); }
static uint32_t backoff_max_of(const rwd_config *config) { return or_default(config->backoff_max_ms, 120000u); }
static uint32_t stable_of(const rwd_client *client) { return or_default(client->config->stable_ms, 10000u); }

/* What remains of `span` that began at `start`. The subtraction is right across the wrap of the clock. */
static uint32_t left(uint32_t start, uint32_t span, uint32_t now) {
    uint32_t gone = now - start;
    return gone >= span ? 0 : span - gone;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static int is_connected(const rwd_client *client) {
    return client->state == RWD_GREETING || client->state == RWD_ONLINE;
}

/* Three quarters of the keepalive: the broker waits for one and a half of it. */
static uint32_t ping_interval(const rwd_client *client) { return (uint32_t)client->config->keepalive_s * 750u; }

static void set_state(rwd_client *client, rwd_state state, uint32_t now) {
    client->state = (uint8_t)state;
    client->since = now;
}

/* Towards lower addresses. */
static void move(uint8_t *to, const uint8_t *from, uint32_t size) {
    uint32_t at;
    for (at = 0; at < size; at++) to[at] = from[at];
}

/* Bytes of a text without its NUL, counted up to one more than fits a frame. */
static uint32_t text_size(const char *text) {
    uint32_t size = 0;
    while (text[size] != '\0' && size <= RWD_PAYLOAD_MAX) size++;
    return size;
}

/* ---- to send ---- */

static uint32_t room(const rwd_client *client) {
    return client->config->tx_size - (client->tx_end - client->tx_start);
}

/* `size` is not more than room(). */
static void append(rwd_client *client, const uint8_t *bytes, uint32_t size) {
    uint8_t *tx = client->config->tx;
    if (client->config->tx_size - client->tx_end < size) {
        client->tx_end -= client->tx_start;
        move(tx, tx + client->tx_start, client->tx_end);
        client->tx_start = 0;
    }
    move(tx + client->tx_end, bytes, size);
    client->tx_end += size;
}

static void append_byte(rwd_client *client, uint8_t byte) { append(client, &byte, 1); }

static void append_header(rwd_client *client, uint8_t first, uint32_t size) {
    uint8_t header[HEADER_BYTES];
    header[0] = first;
    header[1] = (uint8_t)(size >> 8);
    header[2] = (uint8_t)(size & 0xffu);
    append(client, header, HEADER_BYTES);
}

static void append_text(rwd_client *client, const char *text) {
    uint32_t size = text_size(text);
    append_byte(client, (uint8_t)(size >> 8));
    append_byte(client, (uint8_t)(size & 0xffu));
    append(client, (const uint8_t *)text, size);
}

static uint32_t connect_size(const rwd_config *config) {
    uint32_t size = 1u + 2u + text_size(config->client_id);
    if (config->username != 0) size += 2u + text_size(config->username);
    if (config->password != 0) size += 2u + text_size(config->password);
    return size;
}

static void append_connect(rwd_client *client) {
    const rwd_config *config = client->config;
    append_header(client, CONNECT, connect_size(config));
    append_byte(client, config->keepalive_s);
    append_text(client, config->client_id);
    if (config->username != 0) append_text(client, config->username);
    if (config->password != 0) append_text(client, config->password);
}

static rwd_result flush(rwd_client *client, uint32_t now) {
    const rwd_config *config = client->config;
    while (client->tx_start < client->tx_end) {
        uint16_t size = (uint16_t)least(client->tx_end - client->tx_start, RWD_PAYLOAD_MAX);
        int32_t sent = config->send(config->context, config->tx + client->tx_start, size);
        if (sent == RWD_IO_AGAIN) break;
        if (sent == RWD_IO_CLOSED) return RWD_LOST_CLOSED;
        if (sent < 0 || sent > (int32_t)size) return RWD_LOST_TRANSPORT;
        client->tx_start += (uint32_t)sent;
        client->sent_at = now;
        client->is_queued = 0;
    }
    if (client->tx_start == client->tx_end) {
        client->tx_start = client->tx_end = 0;
    } else if (!client->is_queued) {
        client->is_queued = 1;
        client->queued_at = now;
    }
    return RWD_OK;
}

/* A full `tx` is a sign of life itself, so a PING is due only when nothing waits. */
static void ping_when_due(rwd_client *client, uint32_t now) {
    uint32_t interval = ping_interval(client);
    int is_due;
    if (interval == 0 || client->up_left != 0 || client->tx_start != client->tx_end) return;
    is_due = now - client->sent_at >= interval || (!client->is_pinged && now - client->received_at >= interval);
    if (!is_due) return;
    append_byte(client, PING_BYTE);
    if (!client->is_pinged) {
        client->is_pinged = 1;
        client->pinged_at = now;
    }
}

/* ---- received ---- */

/* One byte of a header; checks it as soon as it is known. */
static rwd_result take_header(rwd_client *client, uint8_t byte) {
    uint8_t kind = (uint8_t)(byte >> 4);
    switch (client->head_bytes) {
    case 0:
        if (kind == PONG && client->state == RWD_ONLINE) return RWD_OK;
        if (client->state == RWD_ONLINE ? kind != DATATRANS : (kind != CONNACK || byte > 0x22u)) {
            return RWD_LOST_PROTOCOL;
        }
        client->head = byte;
        break;
    case 1:
        /* Not `byte << 8`: where int has 16 bits that would reach its sign. */
        client->down_total = (uint16_t)((uint16_t)byte << 8);
        break;
    default:
        client->down_total = (uint16_t)(client->down_total | byte);
        client->down_left = client->down_total;
        break;
    }
    client->head_bytes++;
    return RWD_OK;
}

static rwd_result take_answer(rwd_client *client, const uint8_t *text, uint16_t size, uint32_t now) {
    static const int8_t answers[3] = {RWD_OK, RWD_REFUSED_CREDENTIALS, RWD_REFUSED_VERSION};
    const rwd_config *config = client->config;
    rwd_result answer = (rwd_result)answers[client->head & 0x0fu];
    if (answer == RWD_OK) set_state(client, RWD_ONLINE, now);
    if (config->on_answer != 0) config->on_answer(config->context, answer, text, size);
    return answer;
}

/* The next `size` bytes of `rx` are payload that goes to the caller now. */
static rwd_result take_payload(rwd_client *client, uint16_t size, uint32_t now) {
    const rwd_config *config = client->config;
    const uint8_t *bytes = config->rx + client->rx_start;
    uint16_t offset = (uint16_t)(client->down_total - client->down_left);
    client->rx_start = (uint16_t)(client->rx_start + size);
    client->down_left = (uint16_t)(client->down_left - size);
    if (client->down_left == 0) client->head_bytes = 0;
    if (client->head >> 4 == DATATRANS) {
        if (config->on_message != 0) config->on_message(config->context, bytes, size, offset, client->down_total);
        return RWD_OK;
    }
    /* Of a text that is larger than `rx`, the front decides and is shown; the rest is skipped. */
    return offset == 0 ? take_answer(client, bytes, size, now) : RWD_OK;
}

/* Afterwards `rx` has room, because it is full only in the middle of a payload, which then goes out as a part. */
static rwd_result take_frames(rwd_client *client, uint32_t now) {
    const rwd_config *config = client->config;
    rwd_result result = RWD_OK;
    while (result == RWD_OK && is_connected(client)) {
        uint16_t here;
        if (client->head_bytes < HEADER_BYTES) {
            if (client->rx_start == client->rx_end) break;
            result = take_header(client, config->rx[client->rx_start++]);
            if (client->head_bytes < HEADER_BYTES) continue;
        }
        here = (uint16_t)(client->rx_end - client->rx_start);
        if (here < client->down_left && here < config->rx_size) break;
        if (here > client->down_left) here = client->down_left;
        result = take_payload(client, here, now);
    }
    client->rx_end = (uint16_t)(client->rx_end - client->rx_start);
    move(config->rx, config->rx + client->rx_start, client->rx_end);
    client->rx_start = 0;
    return result;
}

/* How many bytes came, behind those that are there: 0 none. */
static rwd_result receive(rwd_client *client, uint16_t *count) {
    const rwd_config *config = client->config;
    uint16_t size = (uint16_t)(config->rx_size - client->rx_end);
    int32_t received = config->receive(config->context, config->rx + client->rx_end, size);
    *count = 0;
    if (received == RWD_IO_CLOSED) return RWD_LOST_CLOSED;
    if (received < 0 || received > (int32_t)size) return RWD_LOST_TRANSPORT;
    *count = (uint16_t)received;
    return RWD_OK;
}

static rwd_result receive_frames(rwd_client *client, uint32_t now) {
    uint8_t round;
    for (round = 0; round < ROUNDS && is_connected(client); round++) {
        uint16_t count;
        rwd_result result = receive(client, &count);
        if (result != RWD_OK || count == 0) return result;
        client->rx_end = (uint16_t)(client->rx_end + count);
        client->received_at = now;
        client->is_pinged = 0;
        result = take_frames(client, now);
        if (result != RWD_OK) return result;
    }
    client->has_more = 1;
    return RWD_OK;
}

/* ---- the states ---- */

static void end_connection(rwd_client *client) {
    client->config->close(client->config->context);
    client->tx_start = client->tx_end = 0;
    client->rx_start = client->rx_end = 0;
    client->up_left = 0;
    client->head_bytes = 0;
    client->is_pinged = client->is_queued = client->is_said = client->has_more = 0;
}

/* Half of the wait is fixed and half is random, so that devices that lost one broker do not return all at once. */
static uint32_t backoff(rwd_client *client, int is_refused) {
    const rwd_config *config = client->config;
    uint32_t wait = backoff_min_of(config);
    uint32_t longest = backoff_max_of(config);
    uint8_t attempt;
    for (attempt = 0; attempt < client->attempts && wait < longest; attempt++) wait *= 2u;
    if (is_refused || wait > longest) wait = longest;
    if (client->attempts < ATTEMPTS_MAX) client->attempts++;
    return wait - wait / 2u + config->random(config->context) % (wait / 2u + 1u);
}

static rwd_result lose(rwd_client *client, rwd_result reason, uint32_t now) {
    int is_refused = reason == RWD_REFUSED_CREDENTIALS || reason == RWD_REFUSED_VERSION;
    if (client->state == RWD_ONLINE && now - client->since >= stable_of(client)) client->attempts = 0;
    end_connection(client);
    client->last_error = (int8_t)reason;
    client->wait_ms = backoff(client, is_refused);
    set_state(client, RWD_WAITING, now);
    return reason;
}

static rwd_result poll_opening(rwd_client *client, uint32_t now) {
    int8_t opened = client->config->open(client->config->context);
    if (opened == RWD_IO_OPEN) {
        set_state(client, RWD_GREETING, now);
        append_connect(client);
        return RWD_OK;
    }
    if (opened != RWD_IO_AGAIN) return lose(client, RWD_LOST_OPEN, now);
    return now - client->since >= timeout_of(client) ? lose(client, RWD_LOST_NO_ANSWER, now) : RWD_OK;
}

/* Everything is sent, then DISCONNECT, then what still arrives is thrown away until the broker closes: who closes first
 * with bytes unread resets the connection, and what it sent last may be lost with it. */
static rwd_result poll_closing(rwd_client *client, uint32_t now) {
    rwd_result result = flush(client, now);
    uint16_t count = 0;
    uint8_t round;
    if (result == RWD_OK && !client->is_said && client->tx_start == client->tx_end) {
        append_byte(client, DISCONNECT_BYTE);
        client->is_said = 1;
        result = flush(client, now);
    }
    client->has_more = 0;
    for (round = 0; result == RWD_OK && round < ROUNDS; round++) {
        client->rx_end = 0;
        result = receive(client, &count);
        if (count == 0) break;
    }
    if (result != RWD_OK || now - client->since >= timeout_of(client)) {
        rwd_abort(client);
    } else if (count != 0) {
        client->has_more = 1;
    }
    return RWD_OK;
}

static rwd_result late(const rwd_client *client, uint32_t now) {
    uint32_t timeout = timeout_of(client);
    if (client->state == RWD_GREETING && now - client->since >= timeout) return RWD_LOST_NO_ANSWER;
    if (client->is_queued && now - client->queued_at >= timeout) return RWD_LOST_STALLED;
    if (client->is_pinged && now - client->pinged_at >= timeout) return RWD_LOST_NO_PONG;
    return RWD_OK;
}

static rwd_result poll_connected(rwd_client *client, uint32_t now) {
    rwd_result result = flush(client, now);
    /* Received first even where sending failed: the broker's last words may say why. */
    rwd_result received = receive_frames(client, now);
    if (received != RWD_OK) result = received;
    if (result == RWD_OK && client->state == RWD_ONLINE) ping_when_due(client, now);
    if (result == RWD_OK && is_connected(client)) result = flush(client, now);
    if (result == RWD_OK && is_connected(client)) result = late(client, now);
    if (client->state == RWD_CLOSING) return poll_closing(client, now);
    /* A callback may have given up. */
    return result == RWD_OK || !is_connected(client) ? RWD_OK : lose(client, result, now);
}

static rwd_result poll_state(rwd_client *client, uint32_t now) {
    client->has_more = 0;
    if (client->state == RWD_WAITING && left(client->since, client->wait_ms, now) == 0) {
        set_state(client, RWD_OPENING, now);
    }
    if (client->state == RWD_OPENING) {
        rwd_result result = poll_opening(client, now);
        if (result != RWD_OK) return result;
    }
    if (client->state == RWD_CLOSING) return poll_closing(client, now);
    return is_connected(client) ? poll_connected(client, now) : RWD_OK;
}

/* ---- the interface ---- */

static int is_valid(const rwd_config *config) {
    if (config->client_id == 0 || config->client_id[0] == '\0') return 0;
    if (config->password != 0 && config->username == 0) return 0;
    if (config->tx == 0 || config->rx == 0 || config->rx_size == 0) return 0;
    if (config->open == 0 || config->send == 0 || config->receive == 0 || config->close == 0) return 0;
    if (config->timeout_ms > TIME_MAX || config->stable_ms > TIME_MAX || config->random == 0) return 0;
    if (backoff_max_of(config) > TIME_MAX || backoff_min_of(config) > backoff_max_of(config)) return 0;
    return connect_size(config) <= RWD_PAYLOAD_MAX;
}

rwd_result rwd_init(rwd_client *client, const rwd_config *config) {
    static const rwd_client blank;
    if (client == 0 || config == 0 || !is_valid(config)) return RWD_ERROR_ARGUMENT;
    if (HEADER_BYTES + connect_size(config) > config->tx_size) return RWD_ERROR_TOO_LARGE;
    *client = blank;
    client->config = config;
    return RWD_OK;
}

rwd_result rwd_connect(rwd_client *client, uint32_t now_ms) {
    if (client->is_polling || (client->state != RWD_OFF && client->state != RWD_WAITING)) return RWD_ERROR_ORDER;
    if (client->state == RWD_OFF) client->attempts = 0;
    /* Nothing is open before a poll, so that nothing has to be closed. */
    client->wait_ms = 0;
    set_state(client, RWD_WAITING, now_ms);
    return RWD_OK;
}

rwd_result rwd_poll(rwd_client *client, uint32_t now_ms) {
    rwd_result result;
    if (client->is_polling) return RWD_ERROR_ORDER;
    client->is_polling = 1;
    result = poll_state(client, now_ms);
    client->is_polling = 0;
    return result;
}

uint32_t rwd_next_ms(const rwd_client *client, uint32_t now_ms) {
    uint32_t next = RWD_NEVER;
    uint32_t timeout = timeout_of(client);
    int is_empty = client->tx_start == client->tx_end;
    if (client->state == RWD_OFF) return RWD_NEVER;
    if (client->state == RWD_WAITING) return left(client->since, client->wait_ms, now_ms);
    if (client->has_more || (!is_empty && !client->is_queued)) return 0;
    if (client->state != RWD_ONLINE) next = left(client->since, timeout, now_ms);
    if (client->state == RWD_CLOSING && !client->is_said && is_empty) return 0;
    if (client->is_queued) next = least(next, left(client->queued_at, timeout, now_ms));
    if (client->is_pinged) next = least(next, left(client->pinged_at, timeout, now_ms));
    if (client->state == RWD_ONLINE && is_empty && client->up_left == 0 && client->config->keepalive_s != 0) {
        next = least(next, left(client->sent_at, ping_interval(client), now_ms));
        if (!client->is_pinged) next = least(next, left(client->received_at, ping_interval(client), now_ms));
    }
    return next;
}

static rwd_result may_publish(const rwd_client *client, uint32_t bytes) {
    if (client->state != RWD_ONLINE) return RWD_ERROR_OFFLINE;
    return client->up_left != 0 || room(client) < bytes ? RWD_ERROR_BUSY : RWD_OK;
}

rwd_result rwd_publish(rwd_client *client, const uint8_t *bytes, uint16_t size) {
    rwd_result result;
    if (bytes == 0 && size != 0) return RWD_ERROR_ARGUMENT;
    if (client->config->tx_size < HEADER_BYTES + (uint32_t)size) return RWD_ERROR_TOO_LARGE;
    result = may_publish(client, HEADER_BYTES + (uint32_t)size);
    if (result != RWD_OK) return result;
    append_header(client, DATA_HEADER, size);
    append(client, bytes, size);
    return RWD_OK;
}

rwd_result rwd_publish_begin(rwd_client *client, uint16_t size) {
    rwd_result result = may_publish(client, HEADER_BYTES);
    if (result != RWD_OK) return result;
    append_header(client, DATA_HEADER, size);
    client->up_left = size;
    return RWD_OK;
}

int32_t rwd_publish_part(rwd_client *client, const uint8_t *bytes, uint16_t size) {
    uint16_t taken = (uint16_t)least(size, room(client));
    if (bytes == 0 && size != 0) return RWD_ERROR_ARGUMENT;
    if (client->state != RWD_ONLINE || size > client->up_left) return RWD_ERROR_ORDER;
    append(client, bytes, taken);
    client->up_left = (uint16_t)(client->up_left - taken);
    return taken;
}

rwd_result rwd_disconnect(rwd_client *client, uint32_t now_ms) {
    if (client->state == RWD_OFF) return RWD_ERROR_ORDER;
    if (client->state == RWD_CLOSING) return RWD_OK;
    if (client->state == RWD_ONLINE && client->up_left == 0) {
        set_state(client, RWD_CLOSING, now_ms);
    } else {
        rwd_abort(client);
    }
    return RWD_OK;
}

void rwd_abort(rwd_client *client) {
    if (client->state != RWD_OFF && client->state != RWD_WAITING) end_connection(client);
    client->state = RWD_OFF;
}

rwd_state rwd_current_state(const rwd_client *client) { return (rwd_state)client->state; }

rwd_result rwd_last_error(const rwd_client *client) { return (rwd_result)client->last_error; }

uint32_t rwd_unsent(const rwd_client *client) {
    return client->state == RWD_OPENING ? 1u : client->tx_end - client->tx_start;
}

const char *rwd_name(rwd_result result) {
    static const char *const names[] = {
        "RWD_OK", "RWD_ERROR_ARGUMENT", "RWD_ERROR_ORDER", "RWD_ERROR_OFFLINE", "RWD_ERROR_BUSY",
        "RWD_ERROR_TOO_LARGE", "RWD_LOST_OPEN", "RWD_LOST_CLOSED", "RWD_LOST_TRANSPORT", "RWD_LOST_NO_ANSWER",
        "RWD_LOST_NO_PONG", "RWD_LOST_STALLED", "RWD_LOST_PROTOCOL", "RWD_REFUSED_CREDENTIALS", "RWD_REFUSED_VERSION"};
    int16_t number = (int16_t)-(int16_t)result;
    return number < 0 || number > 14 ? "RWD_UNKNOWN" : names[number];
}
