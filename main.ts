/**
 * dhcpv6macd: the command line.
 *
 * @module
 */

import { run } from "./lib/cli/commands.ts";

if (import.meta.main) Deno.exit(await run(Deno.args));
