/*
 * Machines that are switched on at once and boot over the network, each as its
 * firmware, iPXE and operating system do it:
 *
 *   1. firmware   Solicit to Reply, with a DUID-LLT
 *   2. PXE        Solicit to Reply, with a DUID-UUID and the options of PXE
 *   3. TFTP       the size of the boot file, and then the file
 *   4. iPXE       Solicit to Reply
 *   5. HTTP       the file of the URL that iPXE got, over HTTP or HTTPS
 *   6. system     Solicit to Reply, with a DUID-LLT
 *
 *   storm_load --link=eth0 --machines=N --tftp-size=BYTES --http-size=BYTES
 *     --seconds=N  the time after which a machine that is not up has failed
 *
 * Machine I has the MAC 02:00:00:00:00:00 + I, and the link-local address of
 * that, which the link must have. Retransmissions follow RFC 8415 and firmware;
 * their random parts are the same each time. Writes one line of JSON, with the
 * milliseconds after which machines had done each step; why machines failed goes
 * to standard error.
 */
#include "dhcpv6.h"
#include "tftp.h"

#include <openssl/ssl.h>

#define MOST_MACHINES 4000
#define LONGEST 65536
/* What firmware asks of TFTP, and when it asks again (edk2, MTFTP of PXE). */
#define BLOCK_SIZE 1228
#define WINDOW 4
#define TFTP_PATIENCE (4 * SECOND)
#define TFTP_MOST_TRIES 6
/* RFC 8415 section 7.6 */
#define SOLICIT_MOST_DELAY SECOND
#define SOLICIT_TIMEOUT SECOND
#define REQUEST_TIMEOUT SECOND
#define REQUEST_MOST_TIMEOUT (30 * SECOND)
#define REQUEST_MOST_COUNT 10
/* Bytes of a body that are taken before others get their turn. */
#define BODY_TURN (1 << 20)

enum step { FIRMWARE, PXE, TFTP, IPXE, HTTP, SYSTEM, STEPS };
static const char *const step_names[] = {"firmware", "pxe",  "tftp",
                                         "ipxe",     "http", "system"};

struct machine {
  enum step step;
  int is_over;
  uint64_t mac, random;
  struct in6_addr link_local, address;
  char url[512];
  /* When it has done each step. */
  uint64_t done_at[STEPS];
  /* The exchange: its message, when it began and when it is repeated. */
  int udp;
  uint8_t type;
  uint32_t transaction;
  unsigned tries;
  uint64_t began_at, timeout, due;
  /* The best Advertise so far: IA_NA, server and preference. */
  uint8_t ia[128], server_id[130];
  uint16_t ia_length, server_id_length;
  int preference;
  /* The download. */
  struct tftp_client tftp;
  int tcp, is_asked;
  SSL *tls;
  char head[2048];
  size_t head_length;
  uint64_t body_left;
};

static struct machine machines[MOST_MACHINES];
static unsigned count, going_on, failed;
static uint64_t start, until, retransmissions, tftp_size, http_size;
static uint32_t link_index;
static int poller;
static SSL_CTX *tls_context;

static void begin_exchange(struct machine *machine);
static void begin_tftp(struct machine *machine, int is_probe);
static void begin_http(struct machine *machine);

/* The next random number from 0 to 1 of a machine (xorshift64*). */
static double random_part(struct machine *machine) {
  machine->random ^= machine->random >> 12;
  machine->random ^= machine->random << 25;
  machine->random ^= machine->random >> 27;
  return (machine->random * 0x2545f4914f6cdd1d >> 11) / 9007199254740992.0;
}

static void watch(struct machine *machine, int descriptor, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = machine};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) < 0)
    epoll_ctl(poller, EPOLL_CTL_MOD, descriptor, &event);
}

static void close_descriptor(int *descriptor) {
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
}

static void close_all(struct machine *machine) {
  if (machine->tls != NULL) SSL_free(machine->tls);
  machine->tls = NULL;
  close_descriptor(&machine->udp);
  close_descriptor(&machine->tcp);
  retransmissions += machine->tftp.retransmissions;
  machine->tftp.retransmissions = 0;
}

static void give_up(struct machine *machine, const char *why) {
  fprintf(stderr, "machine %012lx, %s: %s\n", machine->mac,
          step_names[machine->step], why);
  close_all(machine);
  machine->is_over = 1;
  failed++;
  going_on--;
}

/* Begins the step that follows. */
static void go_on(struct machine *machine) {
  machine->done_at[machine->step] = now();
  close_all(machine);
  switch (++machine->step) {
    case TFTP: return begin_tftp(machine, 1);
    case HTTP: return begin_http(machine);
    case STEPS:
      machine->is_over = 1;
      going_on--;
      return;
    default: return begin_exchange(machine);
  }
}

/* ---- DHCPv6 ---- */

static uint8_t *put_duid(uint8_t *at, const struct machine *machine) {
  uint8_t llt[14] = {0, 1, 0, 1, 0x2f, 0, 0, 0}, uuid[18] = {0, 4};
  mac_bytes(machine->mac, llt + 8);
  mac_bytes(machine->mac, uuid + 12);
  return machine->step == PXE || machine->step == IPXE
             ? put_option(at, CLIENT_ID, uuid, sizeof uuid)
             : put_option(at, CLIENT_ID, llt, sizeof llt);
}

static void send_message(struct machine *machine) {
  /* The boot URL comes last: not all that ask are firmware. */
  static const uint8_t requested[] = {0, 23, 0, 24, 0, 59, 0, 60};
  static const uint8_t undi[] = {1, 3, 16}, efi_x86_64[] = {0, 7};
  static const char vendor[] = "\0\0\1\127\0\40PXEClient:Arch:00007:UNDI:003016";
  uint8_t message[LONGEST], *at = message, elapsed[2], ia[12] = {0};
  int boots = machine->step == PXE || machine->step == IPXE;
  uint64_t passed = machine->tries == 0 ? 0 : now() - machine->began_at;
  put16(elapsed, passed / (10 * MILLISECOND) > 0xffff
                     ? 0xffff
                     : passed / (10 * MILLISECOND));
  mac_bytes(machine->mac << 16, ia);
  memset(ia + 4, 0, 8);
  *at++ = machine->type;
  *at++ = machine->transaction >> 16;
  at = put16(at, machine->transaction);
  at = put_duid(at, machine);
  if (machine->type == REQUEST)
    at = put_option(at, SERVER_ID, machine->server_id,
                    machine->server_id_length);
  at = machine->type == REQUEST
           ? put_option(at, IA_NA, machine->ia, machine->ia_length)
           : put_option(at, IA_NA, ia, sizeof ia);
  at = put_option(at, ELAPSED_TIME, elapsed, sizeof elapsed);
  at = put_option(at, OPTION_REQUEST, requested, boots ? 8 : 4);
  if (boots) {
    at = put_option(at, CLIENT_ARCH_TYPE, efi_x86_64, sizeof efi_x86_64);
    at = put_option(at, NETWORK_INTERFACE_ID, undi, sizeof undi);
    at = put_option(at, VENDOR_CLASS, vendor, sizeof vendor - 1);
  }
  if (machine->step == IPXE) at = put_option(at, USER_CLASS, "\0\4iPXE", 6);
  struct sockaddr_in6 servers = {.sin6_family = AF_INET6,
                                 .sin6_port = htons(547),
                                 .sin6_scope_id = link_index};
  inet_pton(AF_INET6, "ff02::1:2", &servers.sin6_addr);
  sendto(machine->udp, message, at - message, 0, (struct sockaddr *)&servers,
         sizeof servers);
}

/* Sends a message for the first time, or again (RFC 8415 section 15). */
static void send_and_wait(struct machine *machine) {
  double jitter = 0.2 * random_part(machine) - 0.1;
  uint64_t first = SOLICIT_TIMEOUT, most = 3600 * SECOND;
  if (machine->type == REQUEST)
    first = REQUEST_TIMEOUT, most = REQUEST_MOST_TIMEOUT;
  if (machine->tries == 0) {
    machine->began_at = now();
    /* The time to collect Advertises is never below a second (18.2.1). */
    if (machine->type == SOLICIT && jitter < 0) jitter = -jitter;
    machine->timeout = (1 + jitter) * first;
  } else {
    retransmissions++;
    machine->timeout = (2 + jitter) * machine->timeout;
    if (machine->timeout > most) machine->timeout = (1 + jitter) * most;
  }
  send_message(machine);
  machine->tries++;
  machine->due = now() + machine->timeout;
}

static void begin_message(struct machine *machine, uint8_t type) {
  machine->type = type;
  machine->transaction = random_part(machine) * 0xffffff;
  machine->tries = 0;
  send_and_wait(machine);
}

static void begin_exchange(struct machine *machine) {
  machine->udp =
      bound_socket(&machine->link_local, SOCK_DGRAM, 546, link_index);
  watch(machine, machine->udp, EPOLLIN);
  machine->type = 0;
  machine->preference = -1;
  machine->due = now() + random_part(machine) * SOLICIT_MOST_DELAY;
}

static void on_exchange_timer(struct machine *machine) {
  if (machine->type == 0) return begin_message(machine, SOLICIT);
  if (machine->type == SOLICIT && machine->preference >= 0)
    return begin_message(machine, REQUEST);
  if (machine->type == REQUEST && machine->tries == REQUEST_MOST_COUNT)
    return give_up(machine, "no Reply");
  send_and_wait(machine);
}

/* Keeps an Advertise if it is the best so far. */
static void take_advertise(struct machine *machine, const uint8_t *options,
                           const uint8_t *end, const uint8_t *ia,
                           uint16_t ia_length) {
  uint16_t length, server_id_length;
  const uint8_t *value = find(options, end, PREFERENCE, &length);
  int preference = value == NULL || length != 1 ? 0 : *value;
  const uint8_t *server_id =
      find(options, end, SERVER_ID, &server_id_length);
  if (server_id == NULL || server_id_length > sizeof machine->server_id ||
      ia_length > sizeof machine->ia || preference <= machine->preference)
    return;
  machine->preference = preference;
  machine->ia_length = ia_length;
  memcpy(machine->ia, ia, ia_length);
  machine->server_id_length = server_id_length;
  memcpy(machine->server_id, server_id, server_id_length);
  /* RFC 8415 section 18.2.1: at once, or when the first timeout has passed. */
  if (preference == 255 || machine->tries > 1) begin_message(machine, REQUEST);
}

static void take_reply(struct machine *machine, const uint8_t *options,
                       const uint8_t *end, const uint8_t *address) {
  uint16_t length;
  memcpy(&machine->address, address, sizeof machine->address);
  if (machine->step == PXE || machine->step == IPXE) {
    const uint8_t *url = find(options, end, BOOTFILE_URL, &length);
    if (url == NULL || length >= sizeof machine->url)
      return give_up(machine, "a Reply without a boot URL");
    memcpy(machine->url, url, length);
    machine->url[length] = 0;
  }
  go_on(machine);
}

static void read_message(struct machine *machine) {
  uint8_t message[LONGEST];
  ssize_t length = recv(machine->udp, message, sizeof message, 0);
  if (length < 4 ||
      (message[1] << 16 | get16(message + 2)) != (int)machine->transaction)
    return;
  const uint8_t *end = message + length, *options = message + 4;
  uint16_t ia_length, address_length;
  const uint8_t *ia = find(options, end, IA_NA, &ia_length);
  if (ia == NULL || ia_length < 12) return;
  const uint8_t *address =
      find(ia + 12, ia + ia_length, IA_ADDRESS, &address_length);
  if (address == NULL || address_length < 24) return;
  if (message[0] == ADVERTISE && machine->type == SOLICIT)
    take_advertise(machine, options, end, ia, ia_length);
  else if (message[0] == REPLY && machine->type == REQUEST)
    take_reply(machine, options, end, address);
}

/* ---- The server, port and path of a boot URL ---- */

/* Takes a URL apart; the address is a literal. Returns the path, or NULL. */
static const char *take_apart(const char *url, struct sockaddr_in6 *server) {
  char address[64];
  const char *from = strchr(url, '['), *to = strchr(url, ']');
  if (from == NULL || to == NULL || to - from >= (long)sizeof address)
    return NULL;
  snprintf(address, sizeof address, "%.*s", (int)(to - from - 1), from + 1);
  int port = strncmp(url, "https:", 6) == 0  ? 443
             : strncmp(url, "http:", 5) == 0 ? 80
                                             : 69;
  if (to[1] == ':') port = atoi(to + 2);
  *server =
      (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (inet_pton(AF_INET6, address, &server->sin6_addr) != 1) return NULL;
  return strchr(to, '/');
}

/* ---- TFTP ---- */

static void begin_tftp(struct machine *machine, int is_probe) {
  machine->tftp = (struct tftp_client){.asked_block = BLOCK_SIZE,
                                       .asked_window = WINDOW,
                                       .is_probe = is_probe};
  const char *path = take_apart(machine->url, &machine->tftp.well_known);
  if (strncmp(machine->url, "tftp:", 5) != 0 || path == NULL)
    return give_up(machine, machine->url);
  machine->tftp.path = path + 1;
  machine->udp = bound_socket(&machine->address, SOCK_DGRAM, 0, 0);
  machine->tftp.udp = machine->udp;
  watch(machine, machine->udp, EPOLLIN);
  tftp_request(&machine->tftp);
}

static void look_whether_transferred(struct machine *machine) {
  if (!machine->tftp.is_over) return;
  if (!machine->tftp.is_complete)
    return give_up(machine, "the transfer has failed");
  if (!machine->tftp.is_probe)
    return machine->tftp.received == tftp_size
               ? go_on(machine)
               : give_up(machine, "a file of another length");
  close_all(machine);
  begin_tftp(machine, 0);
}

static void read_packet(struct machine *machine) {
  uint8_t packet[LONGEST];
  struct sockaddr_in6 sender;
  socklen_t sender_size = sizeof sender;
  ssize_t length = recvfrom(machine->udp, packet, sizeof packet, 0,
                            (struct sockaddr *)&sender, &sender_size);
  if (length < 0) return;
  tftp_take(&machine->tftp, packet, length, &sender);
  look_whether_transferred(machine);
}

static void on_tftp_timer(struct machine *machine) {
  tftp_try_again(&machine->tftp, TFTP_PATIENCE, TFTP_MOST_TRIES);
  look_whether_transferred(machine);
}

/* ---- HTTP and HTTPS ---- */

static void begin_http(struct machine *machine) {
  struct sockaddr_in6 server;
  if (take_apart(machine->url, &server) == NULL)
    return give_up(machine, machine->url);
  machine->is_asked = 0;
  machine->head_length = 0;
  machine->tcp = bound_socket(&machine->address, SOCK_STREAM, 0, 0);
  if (connect(machine->tcp, (struct sockaddr *)&server, sizeof server) < 0 &&
      errno != EINPROGRESS)
    return give_up(machine, strerror(errno));
  if (strncmp(machine->url, "https:", 6) == 0) {
    machine->tls = SSL_new(tls_context);
    SSL_set_fd(machine->tls, machine->tcp);
    SSL_set_connect_state(machine->tls);
  }
  watch(machine, machine->tcp, EPOLLOUT);
}

/*
 * The result of reading or writing: bytes, 0 to wait, or -1 when the connection
 * is over.
 */
static ssize_t outcome(struct machine *machine, ssize_t result) {
  if (result > 0) return result;
  if (machine->tls == NULL)
    return result < 0 && errno == EAGAIN ? 0 : -1;
  int error = SSL_get_error(machine->tls, result);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Bytes of a body that need not be kept are not copied out of the kernel. */
static ssize_t read_some(struct machine *machine, void *to, size_t size) {
  static char unused[1 << 16];
  if (machine->tls == NULL)
    return outcome(machine, recv(machine->tcp, to, size,
                                 to == NULL ? MSG_TRUNC : 0));
  if (to == NULL) to = unused, size = size < sizeof unused ? size : sizeof unused;
  return outcome(machine, SSL_read(machine->tls, to, size));
}

/* Sends the request once there is a connection; whether it is sent. */
static int ask(struct machine *machine) {
  char request[1024];
  struct sockaddr_in6 server;
  const char *path = take_apart(machine->url, &server);
  const char *host = strstr(machine->url, "//") + 2;
  int length = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: %.*s\r\n\r\n", path,
                        (int)(path - host), host);
  ssize_t result =
      outcome(machine, machine->tls == NULL
                           ? write(machine->tcp, request, length)
                           : SSL_write(machine->tls, request, length));
  if (result < 0) {
    give_up(machine, "no connection");
    return 0;
  }
  machine->is_asked = result > 0;
  if (machine->is_asked || (machine->tls != NULL && SSL_want_read(machine->tls)))
    watch(machine, machine->tcp, EPOLLIN);
  return machine->is_asked;
}

/* Reads the response's header, and what came with it; whether it is complete. */
static int read_head(struct machine *machine) {
  size_t room = sizeof machine->head - 1 - machine->head_length;
  ssize_t length =
      read_some(machine, machine->head + machine->head_length, room);
  if (length == 0) return 0;
  if (length > 0) machine->head_length += length;
  machine->head[machine->head_length] = 0;
  char *end = strstr(machine->head, "\r\n\r\n");
  if (length < 0 || (end == NULL && (size_t)length == room)) {
    give_up(machine, "no response");
    return 0;
  }
  if (end == NULL) return 0;
  const char *size = strcasestr(machine->head, "\r\ncontent-length: ");
  if (strncmp(machine->head + 8, " 200", 4) != 0 || size == NULL ||
      strtoull(size + 18, NULL, 10) != http_size) {
    machine->head[strcspn(machine->head, "\r")] = 0;
    give_up(machine, machine->head);
    return 0;
  }
  uint64_t had = machine->head + machine->head_length - (end + 4);
  machine->body_left = http_size - had;
  return 1;
}

static void read_response(struct machine *machine) {
  if (!machine->is_asked && !ask(machine)) return;
  if (machine->body_left == 0 && !read_head(machine)) return;
  for (size_t turn = 0; turn < BODY_TURN && machine->body_left > 0;) {
    size_t most = machine->body_left < BODY_TURN ? machine->body_left
                                                 : BODY_TURN;
    ssize_t length = read_some(machine, NULL, most);
    if (length == 0) return;
    if (length < 0) return give_up(machine, "a download has ended early");
    machine->body_left -= length;
    turn += length;
  }
  if (machine->body_left == 0) go_on(machine);
}

/* ---- The storm ---- */

static void on_readable(struct machine *machine) {
  if (machine->is_over) return;
  if (machine->step == HTTP) return read_response(machine);
  if (machine->step == TFTP) return read_packet(machine);
  read_message(machine);
}

static void on_timer(struct machine *machine, uint64_t time) {
  if (machine->is_over || machine->step == HTTP) return;
  if (machine->step == TFTP) return on_tftp_timer(machine);
  if (machine->due <= time) on_exchange_timer(machine);
}

static void switch_on(struct machine *machine, unsigned number) {
  uint8_t *address = machine->link_local.s6_addr;
  machine->mac = 0x020000000000 + number;
  machine->random = number * 0x9e3779b97f4a7c15;
  machine->udp = machine->tcp = -1;
  address[0] = 0xfe;
  address[1] = 0x80;
  mac_bytes(machine->mac, address + 8);
  memmove(address + 13, address + 11, 3);
  address[8] ^= 2;
  address[11] = 0xff;
  address[12] = 0xfe;
  begin_exchange(machine);
}

static int compare(const void *a, const void *b) {
  uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
  return one < other ? -1 : one > other;
}

/*
 * Milliseconds after which this share of all machines had done a step: those
 * that have failed, when there was no time left.
 */
static double milliseconds(enum step step, double share) {
  static uint64_t times[MOST_MACHINES];
  for (unsigned index = 0; index < count; index++) {
    uint64_t at = machines[index].done_at[step];
    times[index] = (at == 0 ? until : at) - start;
  }
  qsort(times, count, sizeof *times, compare);
  return times[(unsigned)(share * (count - 1))] / 1e6;
}

int main(int argc, char **argv) {
  option_count = argc;
  options = argv;
  count = number_option("machines", 500);
  if (count < 1 || count > MOST_MACHINES) fail("--machines");
  link_index = if_nametoindex(text_option("link", "eth0"));
  tftp_size = number_option("tftp-size", 0);
  http_size = number_option("http-size", 0);
  tls_context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(tls_context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_ciphersuites(tls_context, "TLS_AES_128_GCM_SHA256");
  raise_descriptor_limit();
  signal(SIGPIPE, SIG_IGN);
  poller = epoll_create1(0);
  going_on = count;
  start = now();
  until = start + number_option("seconds", 120) * SECOND;
  uint64_t look_at = 0;
  for (unsigned index = 0; index < count; index++)
    switch_on(&machines[index], index + 1);
  while (going_on > 0) {
    struct epoll_event events[256];
    int ready = epoll_wait(poller, events, 256, 1);
    for (int index = 0; index < ready; index++)
      on_readable(events[index].data.ptr);
    uint64_t time = now();
    if (time < look_at) continue;
    look_at = time + MILLISECOND;
    for (unsigned index = 0; index < count; index++) {
      struct machine *machine = &machines[index];
      if (time < until)
        on_timer(machine, time);
      else if (!machine->is_over)
        give_up(machine, "not up in time");
    }
  }
  printf("{\"machines\":%u,\"failed\":%u,\"retransmissions\":%lu", count,
         failed, retransmissions);
  for (enum step step = 0; step < STEPS; step++)
    printf(",\"%s\":%.1f", step_names[step], milliseconds(step, 0.5));
  printf(",\"p50\":%.1f,\"p99\":%.1f,\"last\":%.1f}\n",
         milliseconds(SYSTEM, 0.5), milliseconds(SYSTEM, 0.99),
         milliseconds(SYSTEM, 1));
}
