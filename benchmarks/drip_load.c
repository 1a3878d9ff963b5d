/* Be slow on many connections at once: a byte now and then on each, until the server cuts it off.
 *
 *     drip-load INTERVAL SECONDS < CONNECTIONS
 *
 * CONNECTIONS has a line for each: the number of a descriptor that this program inherits, and the
 * byte that is sent on it every INTERVAL seconds. Each has its own moment in that time. A
 * connection is over when the server has closed it; the program ends when all are. After SECONDS it
 * ends with status 1 and a line on stderr.
 *
 * In C, because it shares a core with the client whose waiting is measured.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

struct connection {
    int fd;
    char byte;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void wait_until(double moment) {
    struct timespec time = {.tv_sec = moment, .tv_nsec = (moment - (long)moment) * 1e9};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        ;
}

/* Send the next byte; 0 when the server has closed the connection. */
static int drip(const struct connection *connection) {
    char answer[4096];
    ssize_t size = recv(connection->fd, answer, sizeof answer, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN))
        return 0;
    send(connection->fd, &connection->byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    return 1;
}

int main(int count, char **arguments) {
    if (count != 3) {
        fprintf(stderr, "usage: drip-load INTERVAL SECONDS < CONNECTIONS\n");
        return 2;
    }
    double interval = atof(arguments[1]);
    double start = now(), end = start + atof(arguments[2]), due = start;
    struct connection next, *all = NULL;
    size_t left = 0;
    while (scanf("%d %c", &next.fd, &next.byte) == 2) {
        all = realloc(all, (left + 1) * sizeof *all);
        if (all == NULL)
            return 1;
        all[left++] = next;
    }
    prctl(PR_SET_TIMERSLACK, 1UL); /* or the kernel would have several send in the same moment */
    while (left) {
        double pause = interval / left;
        size_t kept = 0;
        for (size_t i = 0; i < left; i++) {
            wait_until(due += pause);
            if (drip(&all[i]))
                all[kept++] = all[i];
        }
        left = kept;
        if (left && now() > end) {
            fprintf(stderr, "%zu slow clients were not cut off within %s s\n", left, arguments[2]);
            return 1;
        }
    }
    return 0;
}
