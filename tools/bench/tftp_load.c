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
#include "tftp.h"

#define LONGEST 65536
#define MOST_CLIENTS 4096
#define QUEUE 65536
/* Time without a packet after which a client retransmits. */
#define PATIENCE SECOND
#define MOST_TRIES 10

struct client {
  struct tftp_client tftp;
  uint64_t begun_at, ended_at;
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
static unsigned going_on;

/* Notes that a transfer is over, after what may have ended it. */
static void look_whether_over(struct client *client) {
  if (!client->tftp.is_over || client->ended_at != 0) return;
  client->ended_at = now();
  going_on--;
}

static void take(struct client *client, const uint8_t *bytes, size_t length,
                 const struct sockaddr_in6 *sender) {
  tftp_take(&client->tftp, bytes, length, sender);
  look_whether_over(client);
}

static void read_socket(struct client *client, uint64_t delay) {
  static uint8_t buffer[LONGEST];
  struct sockaddr_in6 sender;
  socklen_t sender_size = sizeof sender;
  ssize_t length;
  while ((length = recvfrom(client->tftp.udp, buffer, sizeof buffer, 0,
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
  int receive_buffer = 1 << 20;
  from.s6_addr16[7] = htons(ntohs(from.s6_addr16[7]) + index);
  client->tftp.udp = bound_socket(&from, SOCK_DGRAM, 0, 0);
  setsockopt(client->tftp.udp, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer,
             sizeof receive_buffer);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  epoll_ctl(poll, EPOLL_CTL_ADD, client->tftp.udp, &event);
  client->begun_at = now();
  tftp_request(&client->tftp);
}

int main(int argc, char **argv) {
  option_count = argc;
  options = argv;
  unsigned count = number_option("clients", 1);
  uint64_t delay = number_option("delay", 0) * MILLISECOND;
  struct in6_addr from = address_option("from", "::");
  uint64_t size = number_option("size", 0);
  const struct tftp_client template = {
      .path = text_option("path", ""),
      .asked_block = number_option("blksize", 1228),
      .asked_window = number_option("window", 1),
      .well_known = {.sin6_family = AF_INET6,
                     .sin6_port = htons(69),
                     .sin6_addr = address_option("server", "::1")}};
  if (count > MOST_CLIENTS) fail("--clients");
  raise_descriptor_limit();
  int poll = epoll_create1(0);
  uint64_t start = now(), look_at = start + PATIENCE / 10;
  going_on = count;
  for (unsigned index = 0; index < count; index++) {
    clients[index].tftp = template;
    open_client(&clients[index], from, index, poll);
  }
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
    for (unsigned index = 0; index < count; index++) {
      tftp_try_again(&clients[index].tftp, PATIENCE, MOST_TRIES);
      look_whether_over(&clients[index]);
    }
  }
  unsigned complete = 0;
  uint64_t received = 0;
  static struct histogram times;
  for (unsigned index = 0; index < count; index++) {
    const struct client *client = &clients[index];
    complete += client->tftp.is_complete && client->tftp.received == size;
    received += client->tftp.received;
    observe(&times, client->ended_at - client->begun_at);
  }
  printf(
      "{\"complete\":%u,\"clients\":%u,\"bytes\":%lu,\"window\":%u,"
      "\"milliseconds\":%.3f,\"p50\":%.3f,\"p99\":%.3f}\n",
      complete, count, received, clients[0].tftp.window, (now() - start) / 1e6,
      percentile(&times, 0.5) / 1000, percentile(&times, 0.99) / 1000);
}
