/*
 * Reads a daemon's event stream with many connections at once, and checks order
 * and age of the events on each. In C, because the readers must be faster than
 * the daemon.
 *
 * Usage: event_readers ADDRESS PORT STEADY RESUMING STALLING
 *
 * Steady readers read continuously. Resuming ones close their connection every
 * second and resume after the last event received. Stalling ones stop reading
 * after the state. They connect in batches: many connections whose requests a busy
 * server has not read yet look idle to it. Prints "reading" when all have the
 * state. At SIGUSR1 it prints "least" and "most" with the numbers of the last
 * events of the slowest and the fastest reader that does not stall. After SIGTERM,
 * when nothing was received for a second, it writes one line of JSON and exits.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Readers that wait for their state at the same time. */
#define TOGETHER 100

enum kind { STEADY, RESUMING, STALLING };

/* Bytes kept of a line: enough for an event, not for a state. */
#define LINE 1024

struct reader {
  int fd;
  enum kind kind;
  int has_state;
  int is_resumed;
  char run[32];
  long long id;   /* of the block that is being read */
  long long last; /* of the last whole event, or of the state */
  double connected;
  size_t length;
  char line[LINE];
};

/*
 * Steady readers measure the age of one event in SAMPLE; the histogram has
 * buckets of a millisecond.
 */
#define SAMPLE 101
#define AGES 60000

static long long events, disordered, states, connections, sampled;
static long long ages[AGES];
static struct reader *readers;
static int all, opened;
static int missing; /* readers that have no state yet */
static struct sockaddr_in6 server;
static int queue;
static volatile sig_atomic_t ending, asked;

static void end(int signal) { (void)signal; ending = 1; }

static void ask(int signal) { (void)signal; asked = 1; }

static double now(void) {
  struct timeval time;
  gettimeofday(&time, NULL);
  return time.tv_sec + time.tv_usec / 1e6;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void begin(struct reader *reader) {
  char request[256];
  int fd = socket(AF_INET6, SOCK_STREAM, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (void *)&server, sizeof server)) fail("connect");
  /* A response to HTTP/1.0 is not chunked. */
  int length = reader->is_resumed
      ? snprintf(request, sizeof request,
            "GET /events?resume=1 HTTP/1.0\r\nHost: localhost\r\n"
            "Last-Event-ID: %s-%lld\r\n\r\n", reader->run, reader->last)
      : snprintf(request, sizeof request,
            "GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n");
  if (write(fd, request, length) != length) fail("write");
  fcntl(fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = reader};
  if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
  reader->fd = fd;
  reader->id = reader->length = 0;
  reader->connected = now();
  connections++;
}

/* Opens connections while few wait for their state. */
static void open_more(void) {
  while (opened < all && missing - (all - opened) < TOGETHER) begin(&readers[opened++]);
}

/* Milliseconds since the time of day of an event's timestamp. */
static void take_age(const char *line) {
  int hour, minute;
  double second;
  const char *time = strstr(line, "\"timestamp\":\"");
  if (!time || sscanf(time + 13, "%*d-%*d-%*dT%d:%d:%lf", &hour, &minute, &second) != 3) return;
  double then = 3600.0 * hour + 60.0 * minute + second;
  double today = now() - 86400.0 * (long long)(now() / 86400);
  double age = today - then;
  if (age < -43200) age += 86400;
  long long class = age < 0 ? 0 : (long long)(age * 1000);
  ages[class < AGES ? class : AGES - 1]++;
  sampled++;
}

static void take_state(struct reader *reader) {
  if (reader->is_resumed) states++;
  reader->last = reader->id;
  if (reader->has_state) return;
  reader->has_state = 1;
  if (--missing == 0) {
    puts("reading");
    fflush(stdout);
  }
  if (reader->kind == STALLING) epoll_ctl(queue, EPOLL_CTL_DEL, reader->fd, NULL);
  open_more();
}

static void take_line(struct reader *reader) {
  char *line = reader->line;
  if (!strncmp(line, "id: ", 4)) {
    char *dash = strchr(line, '-');
    if (!dash || dash - line - 4 >= (long)sizeof reader->run) return;
    *dash = 0;
    strcpy(reader->run, line + 4);
    reader->id = atoll(dash + 1);
  } else if (!strncmp(line, "data: {\"mac\"", 12)) {
    if (reader->id != reader->last + 1) disordered++;
    reader->last = reader->id;
    if (++events % SAMPLE == 0 && reader->kind == STEADY) take_age(line);
  } else if (!strncmp(line, "data: ", 6)) {
    take_state(reader);
  }
}

static void take(struct reader *reader, const char *octets, size_t count) {
  const char *limit = octets + count;
  while (octets < limit) {
    const char *stop = memchr(octets, '\n', limit - octets);
    size_t part = (stop ? stop : limit) - octets;
    size_t room = LINE - 1 - reader->length;
    size_t kept = part < room ? part : room;
    memcpy(reader->line + reader->length, octets, kept);
    reader->length += kept;
    if (!stop) return;
    reader->line[reader->length] = 0;
    reader->length = 0;
    take_line(reader);
    octets = stop + 1;
  }
}

static void receive(struct reader *reader) {
  static char octets[256 * 1024];
  ssize_t count = read(reader->fd, octets, sizeof octets);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    fprintf(stderr, "a reader's connection has ended\n");
    exit(1);
  }
  take(reader, octets, count);
  if (reader->kind != RESUMING || !reader->has_state || ending) return;
  if (now() - reader->connected < 1) return;
  close(reader->fd);
  reader->is_resumed = 1;
  begin(reader);
}

static long long age_at(double part) {
  long long count = 0;
  for (int class = 0; class < AGES; class++) {
    count += ages[class];
    if (count > part * sampled) return class;
  }
  return AGES;
}

static void find_ends(int stalling, long long *least, long long *most) {
  *least = 1LL << 62;
  *most = 0;
  for (int index = stalling; index < all; index++) {
    if (readers[index].last < *least) *least = readers[index].last;
    if (readers[index].last > *most) *most = readers[index].last;
  }
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  int counts[] = {atoi(argv[3]), atoi(argv[4]), atoi(argv[5])};
  long long least, most;
  all = counts[STEADY] + counts[RESUMING] + counts[STALLING];
  readers = calloc(all, sizeof *readers);
  server.sin6_family = AF_INET6;
  server.sin6_port = htons(atoi(argv[2]));
  if (!readers || inet_pton(AF_INET6, argv[1], &server.sin6_addr) != 1) return 2;
  signal(SIGTERM, end);
  signal(SIGUSR1, ask);
  signal(SIGPIPE, SIG_IGN);
  queue = epoll_create1(0);
  missing = all;
  for (int kind = STALLING, index = 0; kind >= STEADY; kind--) {
    for (int count = 0; count < counts[kind]; count++, index++) {
      readers[index].kind = kind;
    }
  }
  open_more();
  for (;;) {
    struct epoll_event ready[256];
    int count = epoll_wait(queue, ready, 256, 1000);
    if (count == 0 && ending) break;
    for (int index = 0; index < count; index++) receive(ready[index].data.ptr);
    if (!asked) continue;
    asked = 0;
    find_ends(counts[STALLING], &least, &most);
    printf("least %lld most %lld\n", least, most);
    fflush(stdout);
  }
  find_ends(counts[STALLING], &least, &most);
  printf("{\"events\":%lld,\"disordered\":%lld,\"states\":%lld,"
         "\"connections\":%lld,\"least\":%lld,\"most\":%lld,"
         "\"p50\":%lld,\"p99\":%lld}\n",
         events, disordered, states, connections, least, most,
         age_at(0.5), age_at(0.99));
  return 0;
}
