/*
 * What the load generators share: options, the clock, a histogram of times.
 */
#pragma once
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
#define MILLISECOND 1000000ull

static int option_count;
static char **options;

/* Exits with an error message. */
static void fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

/* The value of --NAME=TEXT, or the default. */
static inline const char *text_option(const char *name, const char *otherwise) {
  size_t length = strlen(name);
  for (int index = 1; index < option_count; index++) {
    const char *given = options[index];
    if (strncmp(given, "--", 2) == 0 && strncmp(given + 2, name, length) == 0 &&
        given[2 + length] == '=')
      return given + 3 + length;
  }
  return otherwise;
}

static inline double number_option(const char *name, double otherwise) {
  const char *text = text_option(name, NULL);
  return text == NULL ? otherwise : atof(text);
}

/* Nanoseconds of the monotonic clock. */
static inline uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * SECOND + time.tv_nsec;
}

static inline struct in6_addr address_option(const char *name,
                                             const char *otherwise) {
  struct in6_addr address;
  if (inet_pton(AF_INET6, text_option(name, otherwise), &address) != 1)
    fail(name);
  return address;
}

/*
 * A histogram of nanoseconds with 64 buckets for each power of two: percentiles
 * are accurate to 1.6 %.
 */
#define CLASSES (64 * 64)
struct histogram {
  uint64_t counts[CLASSES];
  uint64_t total, most;
};

static inline void observe(struct histogram *histogram, uint64_t time) {
  unsigned shift = time < 128 ? 0 : 57 - __builtin_clzll(time);
  histogram->counts[shift * 64 + (time >> shift)]++;
  histogram->total++;
  if (time > histogram->most) histogram->most = time;
}

/* The quantile `part` of the times, in microseconds. */
static inline double percentile(const struct histogram *histogram,
                                double part) {
  uint64_t wanted = part * histogram->total, seen = 0;
  for (unsigned class = 0; class < CLASSES; class ++) {
    seen += histogram->counts[class];
    if (seen <= wanted || histogram->counts[class] == 0) continue;
    unsigned shift = class < 128 ? 0 : class / 64 - 1;
    uint64_t low = class < 128 ? class : class - shift * 64;
    return (double)((low + 1) << shift) / 1000;
  }
  return 0;
}

/* Raises the limit of file descriptors. */
static inline void raise_descriptor_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* Gives a process that measures times priority over load on the same core. */
static inline void take_precedence(void) {
  struct sched_param parameter = {.sched_priority = 10};
  sched_setscheduler(0, SCHED_FIFO, &parameter);
}

/*
 * A socket at an address of this host, which need not be assigned: a local
 * route makes all addresses of a prefix this host's.
 */
static inline int bound_socket(const struct in6_addr *address, int type,
                               uint16_t port, uint32_t scope) {
  int on = 1;
  struct sockaddr_in6 own = {.sin6_family = AF_INET6,
                             .sin6_port = htons(port),
                             .sin6_addr = *address,
                             .sin6_scope_id = scope};
  int descriptor = socket(AF_INET6, type | SOCK_NONBLOCK, 0);
  setsockopt(descriptor, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on);
  if (descriptor < 0 ||
      bind(descriptor, (struct sockaddr *)&own, sizeof own) < 0)
    fail("bind");
  return descriptor;
}
