/*
 * TFTP clients that fetch one file, all at once.
 *
 *   tftp_load --server=ADDRESS --path=PATH --size=BYTES [...]
 *     --clients=N --from=ADDRESS  number of clients, each with its own address,
 *                                 counted up from this one
 *     --blksize=N --window=N      requested options
 *     --delay=MILLISECONDS        round-trip time: packets are handled this much
 *                                 later. The kernel may lack netem, and a proxy
 *                                 would need CPU time of its own.
 *
 * Writes one line of JSON; times are milliseconds.
 */
#include "common.h"

#define LONGEST 65536
#define MOST_CLIENTS 4096
#define QUEUE 65536
/* Time without a packet after which a client retransmits. */
#define PATIENCE SECOND
#define MOST_TRIES 10

enum {
  READ_REQUEST = 1,
  DATA = 3,
  ACKNOWLEDGMENT = 4,
  ERROR = 5,
  OPTION_ACKNOWLEDGMENT = 6
};

struct client {
  int udp;
  struct sockaddr_in6 server;
  unsigned block_size, window, in_window, tries;
  uint64_t block; /* the last one received in order */
  uint64_t received, begun_at, heard_at, ended_at;
  int has_begun, is_over, is_complete, has_complained;
};

/* Packets received and not handled yet. */
struct arrival {
  uint64_t due;
  struct client *client;
  struct sockaddr_in6 sender;
  size_t length;
  uint8_t *bytes;
};

static struct client clients[MOST_CLIENTS];
static struct arrival queue[QUEUE];
static uint64_t queue_first, queue_next;
static struct sockaddr_in6 well_known = {.sin6_family = AF_INET6};
static const char *path;
static unsigned asked_block, asked_window, going_on;
static uint64_t size;

static void put(struct client *client, const void *bytes, size_t length) {
  sendto(client->udp, bytes, length, 0, (struct sockaddr *)&client->server,
         sizeof client->server);
}

static void request(struct client *client) {
  char bytes[512] = {0, READ_REQUEST};
  int at = 2 + sprintf(bytes + 2, "%s", path) + 1;
  at += sprintf(bytes + at, "octet") + 1;
  at += sprintf(bytes + at, "blksize") + 1;
  at += sprintf(bytes + at, "%u", asked_block) + 1;
  if (asked_window > 1) {
    at += sprintf(bytes + at, "windowsize") + 1;
    at += sprintf(bytes + at, "%u", asked_window) + 1;
  }
  client->server = well_known;
  put(client, bytes, at);
}

static void acknowledge(struct client *client) {
  uint8_t bytes[4] = {0, ACKNOWLEDGMENT, client->block >> 8, client->block};
  client->in_window = 0;
  put(client, bytes, sizeof bytes);
}

static void end(struct client *client, int is_complete) {
  client->is_over = 1;
  client->is_complete = is_complete;
  client->ended_at = now();
  going_on--;
}

/* Applies the options of an OACK; the others keep their defaults. */
static void read_options(struct client *client, const char *at,
                         const char *end) {
  client->block_size = 512;
  client->window = 1;
  while (at < end) {
    const char *value = at + strnlen(at, end - at) + 1;
    if (value >= end) return;
    if (strcasecmp(at, "blksize") == 0) client->block_size = atoi(value);
    if (strcasecmp(at, "windowsize") == 0) client->window = atoi(value);
    at = value + strnlen(value, end - value) + 1;
  }
}

static void take_data(struct client *client, const uint8_t *bytes,
                      size_t length) {
  uint16_t number = bytes[2] << 8 | bytes[3];
  if (number != (uint16_t)(client->block + 1)) {
    /* A block is missing: acknowledge once, not for each block that follows. */
    if (!client->has_complained) acknowledge(client);
    client->has_complained = 1;
    return;
  }
  client->has_complained = 0;
  client->block++;
  client->received += length - 4;
  int is_last = length - 4 < client->block_size;
  if (++client->in_window == client->window || is_last) acknowledge(client);
  if (is_last) end(client, client->received == size);
}

static void take(struct client *client, const uint8_t *bytes, size_t length,
                 const struct sockaddr_in6 *sender) {
  if (client->is_over || length < 4) return;
  if (!client->has_begun)
    client->server = *sender;
  else if (sender->sin6_port != client->server.sin6_port)
    return;
  client->heard_at = now();
  client->tries = 0;
  if (bytes[1] == OPTION_ACKNOWLEDGMENT && client->block == 0) {
    client->has_begun = 1;
    read_options(client, (const char *)bytes + 2, (const char *)bytes + length);
    acknowledge(client);
  } else if (bytes[1] == DATA) {
    if (!client->has_begun) read_options(client, NULL, NULL);
    client->has_begun = 1;
    take_data(client, bytes, length);
  } else if (bytes[1] == ERROR) {
    fprintf(stderr, "error %u: %.*s\n", bytes[3], (int)length - 4, bytes + 4);
    end(client, 0);
  }
}

static void read_socket(struct client *client, uint64_t delay) {
  static uint8_t buffer[LONGEST];
  struct sockaddr_in6 sender;
  socklen_t sender_size = sizeof sender;
  ssize_t length;
  while ((length = recvfrom(client->udp, buffer, sizeof buffer, MSG_DONTWAIT,
                            (struct sockaddr *)&sender, &sender_size)) >= 0) {
    if (delay == 0) {
      take(client, buffer, length, &sender);
    } else if (queue_next - queue_first < QUEUE) {
      uint8_t *bytes = memcpy(malloc(length), buffer, length);
      queue[queue_next++ % QUEUE] =
          (struct arrival){now() + delay, client, sender, length, bytes};
    }
  }
}

static void open_client(struct client *client, struct in6_addr from,
                        unsigned index, int poll) {
  int receive_buffer = 1 << 20, on = 1;
  struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_addr = from};
  uint16_t last = ntohs(from.s6_addr16[7]) + index;
  own.sin6_addr.s6_addr16[7] = htons(last);
  client->udp = socket(AF_INET6, SOCK_DGRAM, 0);
  setsockopt(client->udp, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer,
             sizeof receive_buffer);
  /* A local route makes all addresses of a prefix this host's. */
  setsockopt(client->udp, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
  if (client->udp < 0 ||
      bind(client->udp, (struct sockaddr *)&own, sizeof own) < 0)
    fail("bind");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  epoll_ctl(poll, EPOLL_CTL_ADD, client->udp, &event);
  client->begun_at = client->heard_at = now();
  request(client);
}

static void try_again(struct client *client) {
  if (client->is_over || now() - client->heard_at < PATIENCE) return;
  client->heard_at = now();
  if (++client->tries > MOST_TRIES)
    end(client, 0);
  else if (client->has_begun)
    acknowledge(client);
  else
    request(client);
}

int main(int argc, char **argv) {
  option_count = argc;
  options = argv;
  unsigned count = number_option("clients", 1);
  uint64_t delay = number_option("delay", 0) * MILLISECOND;
  struct in6_addr from = address_option("from", "::");
  path = text_option("path", "");
  size = number_option("size", 0);
  asked_block = number_option("blksize", 1228);
  asked_window = number_option("window", 1);
  well_known.sin6_port = htons(69);
  well_known.sin6_addr = address_option("server", "::1");
  if (count > MOST_CLIENTS) fail("--clients");
  raise_descriptor_limit();
  int poll = epoll_create1(0);
  uint64_t start = now(), look_at = start + PATIENCE / 10;
  going_on = count;
  for (unsigned index = 0; index < count; index++)
    open_client(&clients[index], from, index, poll);
  while (going_on > 0) {
    /* Nothing else needs this core: polling is cheaper than waking up. */
    struct epoll_event events[64];
    int ready = epoll_wait(poll, events, 64, 0);
    for (int index = 0; index < ready; index++)
      read_socket(events[index].data.ptr, delay);
    while (queue_first < queue_next &&
           queue[queue_first % QUEUE].due <= now()) {
      struct arrival *arrival = &queue[queue_first++ % QUEUE];
      take(arrival->client, arrival->bytes, arrival->length, &arrival->sender);
      free(arrival->bytes);
    }
    if (now() < look_at) continue;
    look_at = now() + PATIENCE / 10;
    for (unsigned index = 0; index < count; index++) try_again(&clients[index]);
  }
  unsigned complete = 0;
  uint64_t received = 0;
  static struct histogram times;
  for (unsigned index = 0; index < count; index++) {
    complete += clients[index].is_complete;
    received += clients[index].received;
    observe(&times, clients[index].ended_at - clients[index].begun_at);
  }
  printf(
      "{\"complete\":%u,\"clients\":%u,\"bytes\":%lu,\"window\":%u,"
      "\"milliseconds\":%.3f,\"p50\":%.3f,\"p99\":%.3f}\n",
      complete, count, received, clients[0].window, (now() - start) / 1e6,
      percentile(&times, 0.5) / 1000, percentile(&times, 0.99) / 1000);
}
