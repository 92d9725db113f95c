/**
 * What the daemon is allowed, from sources and as a binary alike.
 *
 * @module
 */

/**
 * Deno's flags for the daemon. It writes nothing, starts nothing and reads no
 * environment variable, so it may not. What it may read is not narrowed: the
 * files that it serves are on its command line, which the build does not know.
 */
export const DAEMON_FLAGS = [
  // A second server on the same port, while a certificate is replaced.
  "--unstable-net",
  "--allow-net",
  "--allow-read",
  "--allow-sys=networkInterfaces",
  // A missing permission is an error: there is no terminal for a prompt.
  "--no-prompt",
  // Packets leave much garbage, all of it young. By itself the collector would
  // let it grow to three times the memory that a busy daemon needs, and use
  // threads that on a router have something better to do. It would also learn
  // where long-lived objects are made while many readers connect, and take what
  // is made there for each of their events for long-lived, too.
  "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=40,--single-threaded-gc,--no-allocation-site-pretenuring",
];
