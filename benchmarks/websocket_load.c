/* Open WebSockets to a server and have messages come back, over and over.
 *
 *     websocket-load PORT CONNECTIONS SENDERS SECONDS HEAD FRAME SIZE
 *
 * HEAD is a file with the request that opens a WebSocket, FRAME one with the frame that is sent. The
 * first SENDERS connections send. With one sender and more connections the server has to send each
 * message to all of them, and the next one is sent when all have it. SIZE is the payload of the
 * frame that has to come back; 0 takes any, as compressed ones differ. The whole ends after SECONDS.
 * One line on stdout says what was seen, as JSON; times are in seconds, of one message to all who
 * get it. Anything wrong ends the program with a line on stderr and status 1.
 *
 * In C, because one core has to ask faster than the fastest server can answer with another.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 20000            /* ms without any event after which the server is taken to hang */
#define MOST_MICROSECONDS 2000000 /* longer answers are counted as this long */
#define SOURCES 200               /* 127.0.0.1 and on */
#define EVENTS 256
#define MOST_HEAD 4096

struct connection {
    int fd, sends, open;
    char head[MOST_HEAD]; /* of the handshake's answer, then of the frame that comes */
    size_t have;
    size_t left; /* of the payload that comes */
    size_t sent; /* of the frame, where it did not fit */
    double asked;
};

static char *request, *frame;
static size_t request_size, frame_size, wanted;
static unsigned answered_within[MOST_MICROSECONDS + 1];
static long messages, waiting, connections, opened, senders;
static int poller;
static struct connection *all;
static char scratch[1 << 18];

static void fail(const char *what) {
    fprintf(stderr, "websocket-load: %s after %ld messages: %s\n", what, messages,
            errno ? strerror(errno) : "the server closed or answered something else");
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static char *load(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail(path);
    *size = ftell(file);
    char *data = malloc(*size + 1);
    rewind(file);
    if (!data || fread(data, 1, *size, file) != *size)
        fail(path);
    fclose(file);
    return data;
}

static void watch(int operation, struct connection *connection, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(poller, operation, connection->fd, &event) < 0)
        fail("epoll_ctl");
}

/* Open a connection, and wait for the answer to its handshake. */
static void open_connection(struct connection *connection, const char *port) {
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + opened++ % SOURCES);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(connection->fd, (struct sockaddr *)&source, sizeof source) < 0 ||
        connect(connection->fd, (struct sockaddr *)&server, sizeof server) < 0 ||
        send(connection->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size)
        fail("connect");
    /* Byte by byte, so that no frame is taken with it. */
    while (connection->have < 4 || memcmp(connection->head + connection->have - 4, "\r\n\r\n", 4)) {
        errno = 0;
        if (connection->have == MOST_HEAD ||
            recv(connection->fd, connection->head + connection->have, 1, 0) != 1)
            fail("handshake");
        connection->have++;
    }
    errno = 0;
    if (memcmp(connection->head, "HTTP/1.1 101 ", 13))
        fail("handshake");
    connection->have = 0;
    connection->sends = connection - all < senders;
    watch(EPOLL_CTL_ADD, connection, EPOLLIN);
}

/* Send what is left of the frame. */
static void push(struct connection *connection) {
    ssize_t size = send(connection->fd, frame + connection->sent, frame_size - connection->sent,
                        MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && errno != EAGAIN)
        fail("send");
    int was_partial = connection->sent > 0;
    connection->sent += size < 0 ? 0 : size;
    if (connection->sent < frame_size) {
        if (!was_partial)
            watch(EPOLL_CTL_MOD, connection, EPOLLIN | EPOLLOUT);
    } else {
        connection->sent = 0;
        if (was_partial)
            watch(EPOLL_CTL_MOD, connection, EPOLLIN);
    }
}

static void ask(struct connection *connection) {
    connection->asked = now();
    waiting = senders == connections ? 1 : connections;
    push(connection);
}

/* A whole message has come. */
static void arrived(struct connection *connection) {
    struct connection *asker = senders == connections ? connection : all;
    messages++;
    if (senders < connections && --waiting > 0)
        return;
    long microseconds = (now() - asker->asked) * 1e6;
    answered_within[microseconds < MOST_MICROSECONDS ? microseconds : MOST_MICROSECONDS]++;
    ask(asker);
}

/* Read the head of a frame; return how many bytes it has, 0 while it is not whole. */
static size_t read_head(struct connection *connection) {
    unsigned char *head = (unsigned char *)connection->head;
    if (connection->have < 2)
        return 0;
    size_t form = head[1] == 126 ? 2 : head[1] == 127 ? 8 : 0;
    errno = 0;
    /* The last frame of a message, unmasked, of text or bytes, compressed or not. */
    if (head[1] > 127 || (head[0] & 0xbf) < 0x81 || (head[0] & 0xbf) > 0x82)
        fail("frame");
    if (connection->have < 2 + form)
        return 0;
    connection->left = form ? 0 : head[1];
    for (size_t at = 0; at < form; at++)
        connection->left = connection->left << 8 | head[2 + at];
    if (wanted && connection->left != wanted)
        fail("length");
    return 2 + form;
}

static void hear(struct connection *connection) {
    errno = 0;
    ssize_t size = recv(connection->fd, scratch, sizeof scratch, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0)
        fail("recv");
    char *data = scratch;
    while (size > 0) {
        if (!connection->left) {
            /* One byte after the other until the head is whole; there are ten at most. */
            connection->head[connection->have++] = *data++;
            size--;
            if (!read_head(connection))
                continue;
            connection->have = 0;
        }
        size_t part = (size_t)size < connection->left ? (size_t)size : connection->left;
        data += part;
        size -= part;
        connection->left -= part;
        if (!connection->left)
            arrived(connection);
    }
}

/* Return the time within which this share of the messages came. */
static double percentile(double share) {
    long all_of_them = 0, seen = 0;
    for (long microseconds = 0; microseconds <= MOST_MICROSECONDS; microseconds++)
        all_of_them += answered_within[microseconds];
    for (long microseconds = 0; microseconds < MOST_MICROSECONDS; microseconds++) {
        seen += answered_within[microseconds];
        if (seen >= share * all_of_them)
            return microseconds * 1e-6;
    }
    return MOST_MICROSECONDS * 1e-6;
}

int main(int count, char **arguments) {
    if (count != 8) {
        fprintf(stderr, "usage: websocket-load PORT CONNECTIONS SENDERS SECONDS HEAD FRAME SIZE\n");
        return 2;
    }
    connections = atol(arguments[2]);
    senders = atol(arguments[3]);
    double seconds = atof(arguments[4]);
    request = load(arguments[5], &request_size);
    frame = load(arguments[6], &frame_size);
    wanted = atol(arguments[7]);
    poller = epoll_create1(0);
    all = calloc(connections, sizeof *all);
    for (long index = 0; index < connections; index++)
        open_connection(all + index, arguments[1]);
    double begun = now(), end = begun + seconds, time;
    for (long index = 0; index < senders; index++)
        ask(all + index);
    struct epoll_event events[EVENTS];
    while ((time = now()) < end) {
        int found = epoll_wait(poller, events, EVENTS, PATIENCE);
        errno = 0;
        if (found <= 0)
            fail("epoll_wait");
        for (int index = 0; index < found; index++) {
            struct connection *connection = events[index].data.ptr;
            if (events[index].events & EPOLLOUT)
                push(connection);
            if (events[index].events & ~EPOLLOUT)
                hear(connection);
        }
    }
    printf("{\"messages\": %ld, \"seconds\": %.6f, \"p50\": %.6f, \"p99\": %.6f}\n", messages,
           time - begun, percentile(0.5), percentile(0.99));
    return 0;
}
