/*
 * HTTP clients that download a file or read a daemon's event stream.
 *
 *   http_load --server=ADDRESS --port=N --path=PATH --connections=N
 *     --size=BYTES   size of the file: each connection downloads it once
 *     --seconds=N    repeats the download for N seconds
 *   http_load --events=1 [...] --parsing=N
 *     reads event streams until SIGTERM; prints `reading` when all clients have
 *     the state, and counts from then on. N of the clients parse events and
 *     measure their age.
 *
 * Bytes that are not parsed are discarded in the kernel, so that the server is
 * the bottleneck. Writes one line of JSON.
 */
#include "common.h"

#define MOST_CONNECTIONS 8192
#define CHUNK (1 << 20)
/* Time without a byte after which every client is assumed to have the state. */
#define QUIET (300 * MILLISECOND)

struct connection {
  int tcp;
  int has_head, is_over, parses;
  uint64_t received;
  char text[2 * CHUNK];
};

static struct connection *connections;
static struct sockaddr_in6 server = {.sin6_family = AF_INET6};
static char head[1024];
static int poller;
static uint64_t received, complete, broken, going_on, events_seen, event_bytes,
    first_at, last_at;
static int counts;
static struct histogram ages;
static volatile sig_atomic_t is_told_to_end;

static void open_connection(struct connection *connection) {
  connection->tcp = socket(AF_INET6, SOCK_STREAM, 0);
  if (connection->tcp < 0 ||
      connect(connection->tcp, (struct sockaddr *)&server, sizeof server) < 0)
    fail("connect");
  connection->has_head = connection->is_over = 0;
  connection->received = 0;
  if (write(connection->tcp, head, strlen(head)) < 0) fail("write");
  fcntl(connection->tcp, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_ADD, connection->tcp, &event);
}

static void end(struct connection *connection) {
  close(connection->tcp);
  connection->is_over = 1;
  going_on--;
}

/* Reads a response's header and leaves its body in the socket. */
static int read_head(struct connection *connection) {
  char text[4096];
  ssize_t length = recv(connection->tcp, text, sizeof text - 1, MSG_PEEK);
  if (length <= 0) return length == 0 ? -1 : 0;
  text[length] = 0;
  char *end = strstr(text, "\r\n\r\n");
  if (end == NULL) return 0;
  if (strncmp(text + 8, " 200", 4) != 0) {
    fprintf(stderr, "%.*s\n", (int)strcspn(text, "\r"), text);
    return -1;
  }
  if (recv(connection->tcp, text, end + 4 - text, 0) < 0) return -1;
  connection->has_head = 1;
  return 0;
}

static void read_file(struct connection *connection, uint64_t size,
                      int repeats) {
  if (!connection->has_head && read_head(connection) < 0) {
    broken++;
    return end(connection);
  }
  if (!connection->has_head) return;
  ssize_t length = recv(connection->tcp, NULL, CHUNK, MSG_TRUNC);
  if (length < 0) return;
  connection->received += length;
  received += length;
  if (length > 0 && connection->received < size) return;
  if (connection->received == size)
    complete++;
  else
    broken++;
  end(connection);
  if (!repeats) return;
  going_on++;
  open_connection(connection);
}

/* Nanoseconds since an event's timestamp. */
static void look_at(const char *event) {
  const char *text = strstr(event, "\"timestamp\":\"");
  struct timespec time;
  struct tm parts = {0};
  double second;
  clock_gettime(CLOCK_REALTIME, &time);
  if (text == NULL ||
      sscanf(text + 13, "%d-%d-%dT%d:%d:%lf", &parts.tm_year, &parts.tm_mon,
             &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &second) != 6)
    return;
  parts.tm_year -= 1900;
  parts.tm_mon--;
  double age = time.tv_sec + time.tv_nsec / 1e9 - (timegm(&parts) + second);
  observe(&ages, age < 0 ? 0 : age * SECOND);
}

/* Handles the complete events of the text received so far. */
static void take_events(struct connection *connection) {
  char *at = connection->text, *end;
  while ((end = strstr(at, "\n\n")) != NULL) {
    *end = 0;
    if (strncmp(at, "id: ", 4) == 0) {
      events_seen++;
      event_bytes += end + 2 - at;
      look_at(at);
    }
    at = end + 2;
  }
  memmove(connection->text, at, strlen(at) + 1);
}

static void read_events(struct connection *connection) {
  if (!connection->has_head) {
    if (read_head(connection) < 0) {
      broken++;
      end(connection);
    }
    return;
  }
  ssize_t length;
  if (connection->parses) {
    size_t used = strlen(connection->text);
    length = recv(connection->tcp, connection->text + used,
                  sizeof connection->text - used - 1, 0);
    if (length > 0) connection->text[used + length] = 0;
  } else {
    length = recv(connection->tcp, NULL, CHUNK, MSG_TRUNC);
  }
  if (length == 0) {
    broken++;
    return end(connection);
  }
  if (length < 0) return;
  last_at = now();
  if (!counts) {
    if (connection->received == 0) complete++;
    connection->received += length;
    connection->text[0] = 0;
    return;
  }
  if (first_at == 0) first_at = last_at;
  received += length;
  if (connection->parses) take_events(connection);
}

static void on_signal(int signal) {
  (void)signal;
  is_told_to_end = 1;
}

int main(int argc, char **argv) {
  option_count = argc;
  options = argv;
  int events = number_option("events", 0),
      count = number_option("connections", 1);
  int parsing = number_option("parsing", 1);
  double seconds = number_option("seconds", 0);
  uint64_t size = number_option("size", 0);
  server.sin6_addr = address_option("server", "::1");
  server.sin6_port = htons(number_option("port", 6315));
  sprintf(head, "GET %s HTTP/1.%d\r\nHost: [%s]\r\nConnection: close\r\n\r\n",
          text_option("path", "/"), events ? 0 : 1,
          text_option("server", "::1"));
  raise_descriptor_limit();
  signal(SIGTERM, on_signal);
  poller = epoll_create1(0);
  connections = calloc(count, sizeof *connections);
  going_on = count;
  uint64_t start = now(), until = start + seconds * SECOND;
  for (int index = 0; index < count; index++) {
    connections[index].parses = events && index < parsing;
    open_connection(&connections[index]);
  }
  while (going_on > 0 && !is_told_to_end && (seconds == 0 || now() < until)) {
    struct epoll_event ready[256];
    int found = epoll_wait(poller, ready, 256, 100);
    if (events && !counts && complete == (uint64_t)count &&
        now() - last_at > QUIET) {
      counts = 1;
      printf("reading\n");
      fflush(stdout);
    }
    for (int index = 0; index < found; index++) {
      if (events)
        read_events(ready[index].data.ptr);
      else
        read_file(ready[index].data.ptr, size, seconds > 0);
    }
  }
  double passed = (double)(now() - start) / SECOND;
  if (!events) {
    printf(
        "{\"bytes\":%lu,\"complete\":%lu,\"broken\":%lu,\"seconds\":%.4f}\n",
        received, complete, broken, passed);
    return 0;
  }
  double each = events_seen == 0 ? 0 : (double)event_bytes / events_seen;
  double span = last_at > first_at ? (double)(last_at - first_at) / SECOND : 0;
  printf(
      "{\"bytes\":%lu,\"broken\":%lu,\"events\":%lu,\"deliveries\":%.0f,"
      "\"seconds\":%.4f,\"p50\":%.3f,\"p99\":%.3f}\n",
      received, broken, events_seen / (parsing > 0 ? parsing : 1),
      each > 0 ? received / each : 0, span, percentile(&ages, 0.5) / 1000,
      percentile(&ages, 0.99) / 1000);
}
