/**
 * The environment of the process.
 *
 * @module
 */

/** Variables by which the runtime changes where the program listens and connects. */
const CONNECTION_VARIABLES = /^(deno_.*|.*_proxy)$/i;

/**
 * Takes out what would change where the program listens and connects: its command
 * line alone says that. Before anything has used the network.
 *
 * Workaround: the runtime listens at `$DENO_SERVE_ADDRESS` as well, and connects by
 * `$HTTP_PROXY`, also to the host itself (Deno 2.6.8 to 2.9.6). Without it
 * tests/unit/cli/environment_test.ts fails.
 */
export function ignoreEnvironment(): void {
  for (const name of Object.keys(Deno.env.toObject())) {
    if (CONNECTION_VARIABLES.test(name)) Deno.env.delete(name);
  }
}
