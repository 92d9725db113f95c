/**
 * The ports below those that the system gives out itself: one of them stays
 * free while other tests run, which port 0 of a listener that has ended does
 * not.
 */
const FIRST = 20_000;

/** How many ports a process has to itself: concurrent pids are close. */
const PER_PROCESS = 16;

const PROCESSES = 750;

let given = 0;

/**
 * A port at which nothing listens, and which no other test takes.
 *
 * @throws {Error} when no port of this process is free.
 */
export function freePort(hostname: string): number {
  const first = FIRST + Deno.pid % PROCESSES * PER_PROCESS;
  for (let tries = 0; tries < PER_PROCESS; tries++) {
    const port = first + given++ % PER_PROCESS;
    try {
      using _listener = Deno.listen({ hostname, port });
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new Error(`no port is free from ${first} on`);
}
