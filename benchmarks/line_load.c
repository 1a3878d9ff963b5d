/* Ask a server for the echo of a line, over and over on many connections at once.
 *
 *     line-load PORT CONNECTIONS SECONDS ECHOES PER_CONNECTION BURST
 *
 * Each connection asks by BURST lines at once, waits for their echoes, and asks again; after
 * PER_CONNECTION bursts (0: never) it is closed and a new one opened. The whole ends after SECONDS, or after ECHOES, whichever is not 0
 * and comes first. One line on stdout says what was seen, as JSON; times are in seconds. Anything
 * wrong ends the program with a line on stderr and status 1.
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

#define LINE 64              /* bytes of a line, its newline included */
#define MOST_LINES 256       /* of a burst; a socket takes them in one go */
#define PATIENCE 10000       /* ms without any event after which the server is taken to hang */
#define MOST_MICROSECONDS 1000000 /* longer answers are counted as this long */
#define SOURCES 200          /* 127.0.0.1 and on: ports of closed connections are not free at once */
#define EVENTS 256

struct connection {
    int fd;
    size_t received; /* of the echoes that are waited for */
    long left;       /* bursts until it is closed; 0 for no such limit */
    double asked;
};

static struct sockaddr_in server;
static char lines[MOST_LINES * LINE];
static size_t burst; /* bytes */
static unsigned answered_within[MOST_MICROSECONDS + 1];
static long echoes, bursts, opened, per_connection;
static int poller;

static void fail(const char *what) {
    fprintf(stderr, "line-load: %s after %ld echoes: %s\n", what, echoes,
            errno ? strerror(errno) : "the server closed or answered something else");
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void watch(int operation, struct connection *connection, unsigned events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(poller, operation, connection->fd, &event) < 0)
        fail("epoll_ctl");
}

static void open_connection(struct connection *connection) {
    struct sockaddr_in source = {.sin_family = AF_INET};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        fail("socket");
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + opened++ % SOURCES);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
        fail("bind");
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
        fail("connect");
    connection->fd = fd;
    connection->left = per_connection;
    watch(EPOLL_CTL_ADD, connection, EPOLLOUT);
}

static void ask(struct connection *connection) {
    connection->received = 0;
    connection->asked = now();
    /* It always fits: the echo of the burst before has been read. */
    if (send(connection->fd, lines, burst, MSG_NOSIGNAL) != (ssize_t)burst)
        fail("send");
}

static void hear(struct connection *connection) {
    char answer[MOST_LINES * LINE];
    size_t wanted = burst - connection->received;
    errno = 0;
    ssize_t size = recv(connection->fd, answer, wanted, 0);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0 || memcmp(answer, lines + connection->received, size) != 0)
        fail("recv");
    connection->received += size;
    if (connection->received < burst)
        return;
    long microseconds = (now() - connection->asked) * 1e6;
    answered_within[microseconds < MOST_MICROSECONDS ? microseconds : MOST_MICROSECONDS]++;
    echoes += burst / LINE;
    bursts++;
    if (connection->left && --connection->left == 0) {
        close(connection->fd);
        open_connection(connection);
    } else {
        ask(connection);
    }
}

static void take(const struct epoll_event *event) {
    struct connection *connection = event->data.ptr;
    if (!(event->events & EPOLLOUT)) {
        hear(connection);
        return;
    }
    socklen_t size = sizeof errno;
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &errno, &size) < 0 || errno)
        fail("connect");
    watch(EPOLL_CTL_MOD, connection, EPOLLIN);
    ask(connection);
}

/* Return the time within which this share of the answers came. */
static double percentile(double share) {
    long seen = 0;
    for (long microseconds = 0; microseconds < MOST_MICROSECONDS; microseconds++) {
        seen += answered_within[microseconds];
        if (seen >= share * bursts)
            return microseconds * 1e-6;
    }
    return MOST_MICROSECONDS * 1e-6;
}

int main(int count, char **arguments) {
    int lines_at_once = count == 7 ? atoi(arguments[6]) : 0;
    if (lines_at_once < 1 || lines_at_once > MOST_LINES) {
        fprintf(stderr, "usage: line-load PORT CONNECTIONS SECONDS ECHOES PER_CONNECTION BURST; "
                        "a burst has 1 to %d lines\n", MOST_LINES);
        return 2;
    }
    int connections = atoi(arguments[2]);
    double seconds = atof(arguments[3]);
    long most = atol(arguments[4]);
    per_connection = atol(arguments[5]);
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(arguments[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    burst = lines_at_once * LINE;
    memset(lines, 'x', burst);
    for (size_t end = LINE; end <= burst; end += LINE)
        lines[end - 1] = '\n';
    poller = epoll_create1(0);
    struct connection *all = calloc(connections, sizeof *all);
    if (poller < 0 || all == NULL)
        fail("start");
    double start = now();
    for (int i = 0; i < connections; i++)
        open_connection(&all[i]);
    while ((!most || echoes < most) && (!seconds || now() - start < seconds)) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, PATIENCE);
        if (ready == 0)
            errno = ETIMEDOUT;
        if (ready <= 0)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++)
            take(&events[i]);
    }
    printf("{\"echoes\": %ld, \"seconds\": %.6f, \"p50\": %.6f, \"p99\": %.6f}\n", echoes,
           now() - start, percentile(0.50), percentile(0.99));
    return 0;
}
