/*
 * Starts a program as inetd does: `inetd ADDRESS PORT PROGRAM...` executes the
 * program with a UDP socket as its standard input. Some servers support IPv6
 * only in this way.
 */
#include "common.h"

int main(int argc, char **argv) {
  struct sockaddr_in6 own = {.sin6_family = AF_INET6};
  if (argc < 4 || inet_pton(AF_INET6, argv[1], &own.sin6_addr) != 1)
    fail("ADDRESS PORT PROGRAM");
  own.sin6_port = htons(atoi(argv[2]));
  int udp = socket(AF_INET6, SOCK_DGRAM, 0);
  if (udp < 0 || bind(udp, (struct sockaddr *)&own, sizeof own) < 0)
    fail("bind");
  dup2(udp, 0);
  execvp(argv[3], argv + 3);
  fail(argv[3]);
}
