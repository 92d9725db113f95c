/**
 * What the daemon is allowed, from sources and as a binary alike.
 *
 * @module
 */

/**
 * Deno's flags for the daemon. It has all permissions, because no narrower set
 * lets it open files in `/proc`: the kernel's list of addresses, and the links
 * that tell where an opened boot file is. What limits it is the sandbox of its
 * unit.
 */
export const DAEMON_FLAGS = [
  // A second server on the same port, while a certificate is replaced.
  "--unstable-net",
  "--allow-all",
  // A missing permission is an error: there is no terminal for a prompt.
  "--no-prompt",
  // Packets leave much short-lived garbage. With V8's defaults the heap grows to
  // three times what a busy daemon needs, and the collector's threads compete
  // with the router's other work. Allocation-site pretenuring would learn that
  // objects are long-lived while many readers connect, and then allocate each of
  // their events in the old generation, too.
  "--v8-flags=--max-semi-space-size=4,--heap-growing-percent=40,--single-threaded-gc,--no-allocation-site-pretenuring",
];
