/**
 * dhcpv6macd: the command line.
 *
 * @module
 */

import { ignoreEnvironment } from "./lib/cli/environment.ts";
import { Signals } from "./lib/cli/signals.ts";

if (import.meta.main) {
  // Before the other modules are loaded: until then a SIGHUP ends the process.
  const signals = new Signals();
  ignoreEnvironment();
  const { run } = await import("./lib/cli/commands.ts");
  Deno.exit(await run(Deno.args, signals));
}
