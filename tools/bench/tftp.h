/*
 * A TFTP client that reads one file (RFC 1350, 2347, 2348, 2349, 7440).
 */
#pragma once
#include "common.h"

enum {
  READ_REQUEST = 1,
  DATA = 3,
  ACKNOWLEDGMENT = 4,
  ERROR = 5,
  OPTION_ACKNOWLEDGMENT = 6
};

struct tftp_client {
  int udp;
  /* Port 69, and the server's port of this transfer. */
  struct sockaddr_in6 well_known, server;
  const char *path;
  unsigned asked_block, asked_window;
  /* Whether it asks for the size only, and ends when it knows. */
  int is_probe;
  unsigned block_size, window, in_window, tries;
  uint64_t size;  /* by the option tsize */
  uint64_t block; /* the last one received in order */
  uint64_t received, heard_at, retransmissions;
  int has_begun, is_over, is_complete, has_complained;
};

static inline void tftp_put(struct tftp_client *client, const void *bytes,
                            size_t length) {
  sendto(client->udp, bytes, length, 0, (struct sockaddr *)&client->server,
         sizeof client->server);
}

static inline int tftp_put_option(char *at, const char *name, unsigned value) {
  int length = sprintf(at, "%s", name) + 1;
  return length + sprintf(at + length, "%u", value) + 1;
}

/* Sends the read request: at the beginning, and until there is an answer. */
static inline void tftp_request(struct tftp_client *client) {
  char bytes[1024] = {0, READ_REQUEST};
  int at = 2 + snprintf(bytes + 2, 512, "%s", client->path) + 1;
  at += sprintf(bytes + at, "octet") + 1;
  if (client->is_probe) at += tftp_put_option(bytes + at, "tsize", 0);
  at += tftp_put_option(bytes + at, "blksize", client->asked_block);
  if (client->asked_window > 1)
    at += tftp_put_option(bytes + at, "windowsize", client->asked_window);
  client->server = client->well_known;
  client->heard_at = now();
  tftp_put(client, bytes, at);
}

static inline void tftp_acknowledge(struct tftp_client *client) {
  uint8_t bytes[4] = {0, ACKNOWLEDGMENT, client->block >> 8, client->block};
  client->in_window = 0;
  tftp_put(client, bytes, sizeof bytes);
}

static inline void tftp_end(struct tftp_client *client, int is_complete) {
  client->is_over = 1;
  client->is_complete = is_complete;
}

/* Applies the options of an OACK; the others keep their defaults. */
static inline void tftp_read_options(struct tftp_client *client, const char *at,
                                     const char *end) {
  client->block_size = 512;
  client->window = 1;
  while (at < end) {
    const char *value = at + strnlen(at, end - at) + 1;
    if (value >= end) return;
    if (strcasecmp(at, "blksize") == 0) client->block_size = atoi(value);
    if (strcasecmp(at, "windowsize") == 0) client->window = atoi(value);
    if (strcasecmp(at, "tsize") == 0) client->size = atoll(value);
    at = value + strnlen(value, end - value) + 1;
  }
}

static inline void tftp_take_data(struct tftp_client *client,
                                  const uint8_t *bytes, size_t length) {
  uint16_t number = bytes[2] << 8 | bytes[3];
  if (number != (uint16_t)(client->block + 1)) {
    /* A block is missing: acknowledge once, not for each block that follows. */
    if (!client->has_complained) tftp_acknowledge(client);
    client->has_complained = 1;
    return;
  }
  client->has_complained = 0;
  client->block++;
  client->received += length - 4;
  int is_last = length - 4 < client->block_size;
  if (++client->in_window == client->window || is_last)
    tftp_acknowledge(client);
  if (is_last) tftp_end(client, 1);
}

/* Takes a packet; the transfer may be over then. */
static inline void tftp_take(struct tftp_client *client, const uint8_t *bytes,
                             size_t length, const struct sockaddr_in6 *sender) {
  if (client->is_over || length < 4) return;
  if (!client->has_begun)
    client->server = *sender;
  else if (sender->sin6_port != client->server.sin6_port)
    return;
  client->heard_at = now();
  client->tries = 0;
  if (bytes[1] == OPTION_ACKNOWLEDGMENT && client->block == 0) {
    client->has_begun = 1;
    tftp_read_options(client, (const char *)bytes + 2,
                      (const char *)bytes + length);
    if (!client->is_probe) return tftp_acknowledge(client);
    /* As firmware does: it has what it wanted (RFC 2347, error code 8). */
    static const char enough[] = "\0\5\0\10ok";
    tftp_put(client, enough, sizeof enough);
    tftp_end(client, 1);
  } else if (bytes[1] == DATA) {
    if (!client->has_begun) tftp_read_options(client, NULL, NULL);
    client->has_begun = 1;
    tftp_take_data(client, bytes, length);
  } else if (bytes[1] == ERROR) {
    fprintf(stderr, "TFTP error %u: %.*s\n", bytes[3], (int)length - 4,
            bytes + 4);
    tftp_end(client, 0);
  }
}

/* Repeats what was not answered for `patience`, at most `most_tries` times. */
static inline void tftp_try_again(struct tftp_client *client, uint64_t patience,
                                  unsigned most_tries) {
  if (client->is_over || now() - client->heard_at < patience) return;
  client->heard_at = now();
  if (++client->tries > most_tries) return tftp_end(client, 0);
  client->retransmissions++;
  if (client->has_begun)
    tftp_acknowledge(client);
  else
    tftp_request(client);
}
