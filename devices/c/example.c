/* A console device on POSIX sockets: each line of standard input is published, each message from the broker is a line of
 * standard output. Also shows what a port to another platform has to bring: four transport functions, a clock, randomness.
 *
 *     example HOST PORT CLIENT-ID [--username NAME] [--password TEXT] [--keepalive SECONDS]
 *             [--backoff-min MS] [--backoff-max MS]
 *
 * Prints `online TEXT`, `down PAYLOAD`, `refused TEXT`, `offline REASON`; after the end of its input it disconnects.
 */
#define _POSIX_C_SOURCE 200809L
#include "ringwire_device.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 1024

/* ---- transport: a socket that never blocks ---- */

struct network {
    const char *host, *port;
    int socket; /* -1: none */
};

static int32_t io_error(void) {
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? RWD_IO_AGAIN : RWD_IO_FAILED;
}

static int8_t begin_open(struct network *network) {
    struct addrinfo hints, *found;
    int begun, yes = 1;
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(network->host, network->port, &hints, &found) != 0) return RWD_IO_FAILED;
    network->socket = socket(found->ai_family, SOCK_STREAM, 0);
    if (network->socket < 0) {
        freeaddrinfo(found);
        return RWD_IO_FAILED;
    }
    fcntl(network->socket, F_SETFL, O_NONBLOCK);
    setsockopt(network->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    begun = connect(network->socket, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (begun == 0) return RWD_IO_OPEN;
    return errno == EINPROGRESS ? RWD_IO_AGAIN : RWD_IO_FAILED;
}

static int8_t network_open(void *context) {
    struct network *network = context;
    struct pollfd writable;
    int error = 0;
    socklen_t size = sizeof error;
    if (network->socket < 0) return begin_open(network);
    writable.fd = network->socket;
    writable.events = POLLOUT;
    if (poll(&writable, 1, 0) <= 0) return RWD_IO_AGAIN;
    getsockopt(network->socket, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0 ? RWD_IO_OPEN : RWD_IO_FAILED;
}

static int32_t network_send(void *context, const uint8_t *bytes, uint16_t size) {
    struct network *network = context;
    ssize_t sent = send(network->socket, bytes, size, MSG_NOSIGNAL);
    return sent >= 0 ? (int32_t)sent : io_error();
}

static int32_t network_receive(void *context, uint8_t *bytes, uint16_t size) {
    struct network *network = context;
    ssize_t received = recv(network->socket, bytes, size, 0);
    if (received == 0) return RWD_IO_CLOSED;
    return received > 0 ? (int32_t)received : io_error();
}

static void network_close(void *context) {
    struct network *network = context;
    if (network->socket >= 0) close(network->socket);
    network->socket = -1;
}

static uint32_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u);
}

static uint32_t random_bits(void *context) {
    (void)context;
    return (uint32_t)rand();
}

/* ---- what the device does ---- */

static void on_message(void *context, const uint8_t *bytes, uint16_t size, uint16_t offset, uint16_t total) {
    (void)context;
    if (offset == 0) fputs("down ", stdout);
    fwrite(bytes, 1, size, stdout);
    if ((uint32_t)offset + size == total) puts("");
}

static void on_answer(void *context, rwd_result answer, const uint8_t *text, uint16_t size) {
    (void)context;
    printf("%s %.*s\n", answer == RWD_OK ? "online" : "refused", (int)size, (const char *)text);
}

/* A line of standard input on its way: read without blocking, published in parts where it is longer than the buffer. */
struct input {
    char bytes[RWD_PAYLOAD_MAX + 1];
    size_t size;    /* bytes that are there */
    size_t line;    /* bytes of the first line without its end; only when has_line */
    size_t sent;    /* of this line */
    int has_line, is_begun, is_over;
};

static void find_line(struct input *input) {
    char *end = memchr(input->bytes, '\n', input->size);
    input->has_line = end != NULL;
    if (end != NULL) input->line = (size_t)(end - input->bytes);
}

static void read_input(struct input *input) {
    ssize_t count = read(STDIN_FILENO, input->bytes + input->size, sizeof input->bytes - input->size);
    if (count > 0) {
        input->size += (size_t)count;
    } else {
        input->is_over = 1;
        /* A last line without its end. */
        if (input->size != 0) input->bytes[input->size++] = '\n';
    }
    find_line(input);
    if (!input->has_line && input->size == sizeof input->bytes) {
        fputs("a line is longer than a message\n", stderr);
        exit(1);
    }
}

static void drop_line(struct input *input) {
    input->size -= input->line + 1;
    memmove(input->bytes, input->bytes + input->line + 1, input->size);
    input->sent = 0;
    input->is_begun = 0;
    find_line(input);
}

/* True when the whole line was taken. */
static int publish_line(rwd_client *client, struct input *input) {
    const uint8_t *line = (const uint8_t *)input->bytes;
    int32_t taken;
    if (!input->is_begun) {
        rwd_result result = rwd_publish(client, line, (uint16_t)input->line);
        if (result != RWD_ERROR_TOO_LARGE) return result == RWD_OK;
        if (rwd_publish_begin(client, (uint16_t)input->line) != RWD_OK) return 0;
        input->is_begun = 1;
    }
    taken = rwd_publish_part(client, line + input->sent, (uint16_t)(input->line - input->sent));
    if (taken < 0) {
        /* The connection was lost in between: from the start again when there is a new one. */
        input->sent = 0;
        input->is_begun = 0;
        return 0;
    }
    input->sent += (size_t)taken;
    return input->sent == input->line;
}

/* Sleeps until something may have happened. */
static void wait_for(const rwd_client *client, const struct network *network, struct input *input) {
    struct pollfd ready[2];
    uint32_t wait = rwd_next_ms(client, clock_ms());
    int reads_input = !input->has_line && !input->is_over;
    ready[0].fd = network->socket;
    ready[0].events = (short)(rwd_unsent(client) != 0 ? POLLIN | POLLOUT : POLLIN);
    ready[1].fd = reads_input ? STDIN_FILENO : -1;
    ready[1].events = POLLIN;
    ready[1].revents = 0;
    poll(ready, 2, wait > 60000u ? 60000 : (int)wait);
    if (reads_input && ready[1].revents != 0) read_input(input);
}

static int run(const rwd_config *config, const struct network *network) {
    static rwd_client client;
    static struct input input;
    rwd_result result = rwd_init(&client, config);
    if (result != RWD_OK) {
        fprintf(stderr, "cannot start: %s\n", rwd_name(result));
        return 2;
    }
    rwd_connect(&client, clock_ms());
    for (;;) {
        result = rwd_poll(&client, clock_ms());
        if (result != RWD_OK) printf("offline %s\n", rwd_name(result));
        while (input.has_line && publish_line(&client, &input)) drop_line(&input);
        if (input.is_over && !input.has_line) rwd_disconnect(&client, clock_ms());
        fflush(stdout);
        if (rwd_current_state(&client) == RWD_OFF) return 0;
        wait_for(&client, network, &input);
    }
}

/* ---- the command line ---- */

static int usage(void) {
    fputs("usage: example HOST PORT CLIENT-ID [--username NAME] [--password TEXT] [--keepalive SECONDS]\n"
          "               [--backoff-min MS] [--backoff-max MS]\n", stderr);
    return 2;
}

static int read_option(rwd_config *config, const char *name, const char *value) {
    unsigned long number = strtoul(value, NULL, 10);
    if (strcmp(name, "--username") == 0) config->username = value;
    else if (strcmp(name, "--password") == 0) config->password = value;
    else if (strcmp(name, "--keepalive") == 0 && number <= 255) config->keepalive_s = (uint8_t)number;
    else if (strcmp(name, "--backoff-min") == 0) config->backoff_min_ms = (uint32_t)number;
    else if (strcmp(name, "--backoff-max") == 0) config->backoff_max_ms = (uint32_t)number;
    else return 0;
    return 1;
}

int main(int count, char **arguments) {
    static uint8_t tx[BUFFER_BYTES], rx[BUFFER_BYTES];
    static struct network network;
    rwd_config config;
    int at;
    if (count < 4) return usage();
    network.host = arguments[1];
    network.port = arguments[2];
    network.socket = -1;
    memset(&config, 0, sizeof config);
    config.client_id = arguments[3];
    config.keepalive_s = 60;
    config.tx = tx;
    config.tx_size = sizeof tx;
    config.rx = rx;
    config.rx_size = sizeof rx;
    config.context = &network;
    config.open = network_open;
    config.send = network_send;
    config.receive = network_receive;
    config.close = network_close;
    config.random = random_bits;
    config.on_message = on_message;
    config.on_answer = on_answer;
    for (at = 4; at < count; at += 2) {
        if (at + 1 == count || !read_option(&config, arguments[at], arguments[at + 1])) return usage();
    }
    srand((unsigned)getpid() ^ (unsigned)clock_ms());
    signal(SIGPIPE, SIG_IGN);
    return run(&config, &network);
}
