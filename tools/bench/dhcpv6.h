/*
 * The parts of DHCPv6 messages (RFC 8415, RFC 5970) that the load generators
 * write and read.
 */
#pragma once
#include "common.h"

enum {
  SOLICIT = 1,
  ADVERTISE = 2,
  REQUEST = 3,
  REPLY = 7,
  RELAY_FORWARD = 12,
  RELAY_REPLY = 13
};
enum {
  CLIENT_ID = 1,
  SERVER_ID = 2,
  IA_NA = 3,
  IA_ADDRESS = 5,
  OPTION_REQUEST = 6,
  PREFERENCE = 7,
  ELAPSED_TIME = 8,
  RELAY_MESSAGE = 9,
  USER_CLASS = 15,
  VENDOR_CLASS = 16,
  INTERFACE_ID = 18,
  BOOTFILE_URL = 59,
  BOOTFILE_PARAM = 60,
  CLIENT_ARCH_TYPE = 61,
  NETWORK_INTERFACE_ID = 62
};

static inline uint16_t get16(const uint8_t *at) {
  return at[0] << 8 | at[1];
}

static inline uint8_t *put16(uint8_t *at, uint16_t value) {
  at[0] = value >> 8;
  at[1] = value;
  return at + 2;
}

static inline uint8_t *put_option(uint8_t *at, uint16_t code,
                                  const void *data, uint16_t length) {
  at = put16(put16(at, code), length);
  memcpy(at, data, length);
  return at + length;
}

static inline void mac_bytes(uint64_t mac, uint8_t *to) {
  for (int index = 0; index < 6; index++) to[index] = mac >> (40 - 8 * index);
}

/* The data of an option, or NULL. */
static inline const uint8_t *find(const uint8_t *at, const uint8_t *end,
                                  uint16_t code, uint16_t *length) {
  while (end - at >= 4) {
    *length = get16(at + 2);
    if (end - at - 4 < *length) return NULL;
    if (get16(at) == code) return at + 4;
    at += 4 + *length;
  }
  return NULL;
}
