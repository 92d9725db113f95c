/*
 * DHCPv6 clients or a relay, as fast as the server replies or at a fixed rate.
 *
 *   dhcpv6_load --link=eth0 --mode=solicit|exchange|relayed|echo [...]
 *     --outstanding=N  messages that wait for a reply at the same time; each
 *                      reply triggers the next message
 *     --rate=N         messages per second instead, with or without replies
 *     --seconds=N --count=N  the duration, and the maximum number of replies
 *     --macs=N --first=N        number of MACs used in turn, and the first one
 *     --from=ADDRESS   source address
 *     --server=ADDRESS --link-address=ADDRESS  the relay's destination, and its
 *                      link-address
 *   dhcpv6_load --mode=first --link=eth0   requests until a server replies
 *   dhcpv6_load --mode=serve --link=lan    the bare loop: an echo server
 *
 * Writes one line of JSON; times are microseconds from sending a message to
 * reading its reply. A message without a reply for a second counts as lost, and
 * its slot is reused.
 */
#include "dhcpv6.h"

#define BATCH 64
#define SLOTS 65536
#define LONGEST 2048
#define PATIENCE SECOND
/* Milliseconds to wait for the last replies at a fixed rate. */
#define LAST_ANSWERS 500

enum mode { MODE_SOLICIT, MODE_EXCHANGE, MODE_RELAYED, MODE_ECHO };

/* A message that waits for its reply; the transaction ID is the slot's index. */
struct slot {
  uint64_t sent_at; /* 0: the slot is free */
  uint64_t mac;
  uint8_t generation;
  uint8_t type;
};

static enum mode mode;
static int udp;
static struct sockaddr_in6 server = {.sin6_family = AF_INET6};
static struct in6_addr link_address;
static struct slot slots[SLOTS];
static uint64_t first_mac, machines, next_machine;
static uint8_t server_id[130];
static uint16_t server_id_length;
static struct histogram times;
static uint64_t sent, answered, lost, wrong;

/* Messages sent with one system call. */
static uint8_t outgoing[BATCH][LONGEST];
static struct mmsghdr out[BATCH];
static struct iovec out_parts[BATCH];
static unsigned out_count;

static void flush(void) {
  for (unsigned done = 0; done < out_count;) {
    int count = sendmmsg(udp, out + done, out_count - done, 0);
    if (count < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
      continue;
    if (count < 0) fail("sendmmsg");
    done += count;
  }
  sent += out_count;
  out_count = 0;
}

/* Writes a client's message; `ia` is the IA_NA of an Advertise or NULL. */
static uint8_t *write_message(uint8_t *at, uint32_t id, const struct slot *slot,
                              const uint8_t *ia, uint16_t ia_length) {
  const uint8_t requested[] = {0, 23, 0, 24};
  uint8_t duid[10] = {0, 3, 0, 1}, fresh_ia[12] = {0};
  mac_bytes(slot->mac, duid + 4);
  memcpy(fresh_ia, duid + 6, 4);
  *at++ = slot->type;
  *at++ = id >> 16;
  at = put16(at, id);
  at = put_option(at, CLIENT_ID, duid, sizeof duid);
  if (slot->type == REQUEST)
    at = put_option(at, SERVER_ID, server_id, server_id_length);
  at = put_option(at, ELAPSED_TIME, "\0\0", 2);
  at = put_option(at, OPTION_REQUEST, requested, sizeof requested);
  return ia == NULL ? put_option(at, IA_NA, fresh_ia, sizeof fresh_ia)
                    : put_option(at, IA_NA, ia, ia_length);
}

static void send_from(unsigned index, const uint8_t *ia, uint16_t ia_length) {
  struct slot *slot = &slots[index];
  uint32_t id = index << 8 | ++slot->generation;
  uint8_t *start = outgoing[out_count], *at = start, *length_at = NULL;
  if (mode == MODE_RELAYED) {
    uint8_t peer[16] = {0xfe, 0x80};
    mac_bytes(slot->mac, peer + 8);
    memmove(peer + 13, peer + 11, 3);
    peer[8] ^= 2;
    peer[11] = 0xff;
    peer[12] = 0xfe;
    *at++ = RELAY_FORWARD;
    *at++ = 0;
    memcpy(at, &link_address, 16);
    memcpy(at + 16, peer, 16);
    at = put16(put_option(at + 32, INTERFACE_ID, "port1", 5), RELAY_MESSAGE);
    length_at = at;
    at += 2;
  }
  uint8_t *end = write_message(at, id, slot, ia, ia_length);
  if (length_at != NULL) put16(length_at, end - at);
  out_parts[out_count] = (struct iovec){start, end - start};
  out[out_count].msg_hdr = (struct msghdr){.msg_name = &server,
                                           .msg_namelen = sizeof server,
                                           .msg_iov = &out_parts[out_count],
                                           .msg_iovlen = 1};
  slot->sent_at = now();
  if (++out_count == BATCH) flush();
}

/* Sends the next machine's message in this slot. */
static void begin(unsigned index) {
  slots[index].mac = first_mac + next_machine;
  slots[index].type = SOLICIT;
  next_machine = (next_machine + 1) % machines;
  send_from(index, NULL, 0);
}

/* The IA_NA of a reply that assigns an address to the slot's client, or NULL. */
static const uint8_t *given_ia(const uint8_t *at, const uint8_t *end,
                               const struct slot *slot, uint16_t *length) {
  uint8_t mac[6];
  uint16_t client_length, address_length;
  const uint8_t *client = find(at + 4, end, CLIENT_ID, &client_length);
  mac_bytes(slot->mac, mac);
  if (client == NULL || client_length != 10 || memcmp(client + 4, mac, 6) != 0)
    return NULL;
  const uint8_t *ia = find(at + 4, end, IA_NA, length);
  if (ia == NULL || *length < 12) return NULL;
  return find(ia + 12, ia + *length, IA_ADDRESS, &address_length) == NULL ? NULL
                                                                          : ia;
}

/* Handles a reply and frees the slot, unless the exchange continues. */
static void take(const uint8_t *at, unsigned length, uint64_t read_at,
                 int repeats) {
  const uint8_t *end = at + length;
  if (mode == MODE_RELAYED && length > 34 && at[0] == RELAY_REPLY) {
    uint16_t inner;
    at = find(at + 34, end, RELAY_MESSAGE, &inner);
    if (at == NULL) return;
    end = at + inner;
  }
  if (end - at < 4) return;
  unsigned index = get16(at + 1);
  struct slot *slot = &slots[index];
  /* A reply to a message that was already counted as lost. */
  if (slot->sent_at == 0 || slot->generation != at[3]) return;
  uint16_t ia_length = 0;
  const uint8_t *ia = NULL;
  uint8_t expected = mode == MODE_ECHO       ? slot->type
                     : slot->type == REQUEST ? REPLY
                                             : ADVERTISE;
  observe(&times, read_at - slot->sent_at);
  slot->sent_at = 0;
  if (at[0] == expected &&
      (mode == MODE_ECHO || (ia = given_ia(at, end, slot, &ia_length)) != NULL))
    answered++;
  else
    wrong++;
  if (mode == MODE_EXCHANGE && ia != NULL && slot->type == SOLICIT) {
    const uint8_t *id = find(at + 4, end, SERVER_ID, &server_id_length);
    if (id != NULL && server_id_length <= sizeof server_id) {
      memcpy(server_id, id, server_id_length);
      slot->type = REQUEST;
      send_from(index, ia, ia_length);
      return;
    }
  }
  if (repeats) begin(index);
}

static uint8_t incoming[BATCH][LONGEST];
static struct mmsghdr in[BATCH];
static struct iovec in_parts[BATCH];
static struct sockaddr_in6 senders[BATCH];

static void prepare_to_receive(void) {
  for (unsigned index = 0; index < BATCH; index++) {
    in_parts[index] = (struct iovec){incoming[index], LONGEST};
    in[index].msg_hdr = (struct msghdr){.msg_name = &senders[index],
                                        .msg_namelen = sizeof senders[index],
                                        .msg_iov = &in_parts[index],
                                        .msg_iovlen = 1};
  }
}

/* Reads without waiting: the process has a core of its own. */
static void receive(int repeats) {
  int count = recvmmsg(udp, in, BATCH, MSG_DONTWAIT, NULL);
  if (count <= 0) return;
  uint64_t read_at = now();
  for (int index = 0; index < count; index++)
    take(incoming[index], in[index].msg_len, read_at, repeats);
  flush();
}

static void open_socket(const char *link, uint16_t port,
                        const struct in6_addr *address) {
  int size = 8 << 20, on = 1;
  struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  own.sin6_addr = *address;
  own.sin6_scope_id = if_nametoindex(link);
  udp = socket(AF_INET6, SOCK_DGRAM, 0);
  setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(udp, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
  setsockopt(udp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (udp < 0 || bind(udp, (struct sockaddr *)&own, sizeof own) < 0)
    fail("bind");
}

/* Keeps a constant number of messages outstanding. */
static void run_closed(unsigned outstanding, double seconds, uint64_t count) {
  uint64_t end = now() + seconds * SECOND, look_at = now() + PATIENCE;
  for (unsigned index = 0; index < outstanding; index++) begin(index);
  flush();
  while ((count == 0 || answered < count) && now() < end) {
    receive(1);
    if (now() < look_at) continue;
    look_at = now() + PATIENCE / 20;
    for (unsigned index = 0; index < outstanding; index++) {
      if (slots[index].sent_at + PATIENCE > now()) continue;
      lost++;
      begin(index);
    }
    flush();
  }
}

/*
 * Reads until a time and sleeps in between: the kernel stops a real-time process
 * that never sleeps for 50 ms of each second, and the core has other work to do.
 */
static void receive_until(uint64_t end) {
  struct pollfd socket = {.fd = udp, .events = POLLIN};
  for (uint64_t time = now(); time < end; time = now()) {
    struct timespec rest = {(end - time) / SECOND, (end - time) % SECOND};
    if (ppoll(&socket, 1, &rest, NULL) > 0) receive(0);
  }
}

/* Sends at a constant rate, with or without replies. */
static void run_rate(double rate, double seconds) {
  uint64_t start = now(), wanted = rate * seconds;
  for (uint64_t number = 0; number < wanted; number++) {
    receive_until(start + number * SECOND / rate);
    begin(number % SLOTS);
    flush();
  }
  receive_until(now() + LAST_ANSWERS * MILLISECOND);
  lost = sent - answered - wrong;
}

static void serve(const char *link) {
  struct ipv6_mreq group = {.ipv6mr_interface = if_nametoindex(link)};
  inet_pton(AF_INET6, "ff02::1:2", &group.ipv6mr_multiaddr);
  open_socket(link, 547, &group.ipv6mr_multiaddr);
  if (setsockopt(udp, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group, sizeof group) < 0)
    fail("join");
  printf("serving\n");
  fflush(stdout);
  uint8_t buffer[LONGEST];
  struct sockaddr_in6 sender;
  while (1) {
    socklen_t size = sizeof sender;
    ssize_t length = recvfrom(udp, buffer, sizeof buffer, 0,
                              (struct sockaddr *)&sender, &size);
    if (length >= 0)
      sendto(udp, buffer, length, 0, (struct sockaddr *)&sender, size);
  }
}

/* Sends a message every millisecond until the first reply; returns its time. */
static void wait_for_first(double seconds) {
  struct timespec time;
  uint64_t end = now() + seconds * SECOND;
  for (unsigned index = 0; answered + wrong == 0 && now() < end; index++) {
    begin(index % SLOTS);
    flush();
    for (uint64_t next = now() + MILLISECOND;
         answered + wrong == 0 && now() < next;)
      receive(0);
  }
  clock_gettime(CLOCK_REALTIME, &time);
  if (answered + wrong > 0)
    printf("{\"answeredAt\":%.3f}\n", time.tv_sec * 1e3 + time.tv_nsec / 1e6);
  exit(answered + wrong == 0);
}

int main(int argc, char **argv) {
  option_count = argc;
  options = argv;
  const char *link = text_option("link", "eth0"),
             *name = text_option("mode", "solicit");
  double seconds = number_option("seconds", 3), rate = number_option("rate", 0);
  if (strcmp(name, "serve") == 0) serve(link);
  mode = strcmp(name, "exchange") == 0  ? MODE_EXCHANGE
         : strcmp(name, "relayed") == 0 ? MODE_RELAYED
         : strcmp(name, "echo") == 0    ? MODE_ECHO
                                        : MODE_SOLICIT;
  machines = number_option("macs", 10000);
  first_mac = 0x020000000000 + (uint64_t)number_option("first", 0);
  server.sin6_port = htons(547);
  server.sin6_scope_id = if_nametoindex(link);
  server.sin6_addr = address_option("server", "ff02::1:2");
  link_address = address_option("link-address", "::");
  struct in6_addr from = address_option("from", "::");
  open_socket(link, mode == MODE_RELAYED ? 547 : 546, &from);
  int index = if_nametoindex(link);
  setsockopt(udp, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index);
  prepare_to_receive();
  if (strcmp(name, "first") == 0) wait_for_first(seconds);
  uint64_t start = now();
  if (rate > 0) {
    take_precedence();
    run_rate(rate, seconds);
  } else {
    run_closed(number_option("outstanding", 32), seconds,
               number_option("count", 0));
  }
  double passed = rate > 0 ? seconds : (double)(now() - start) / SECOND;
  printf(
      "{\"sent\":%lu,\"answered\":%lu,\"lost\":%lu,\"wrong\":%lu,\"seconds\":%."
      "4f,\"perSecond\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"most\":%.1f}\n",
      sent, answered, lost, wrong, passed, answered / passed,
      percentile(&times, 0.5), percentile(&times, 0.99), times.most / 1000.0);
}
