/**
 * The commands of the command line.
 *
 * @module
 */

import { StartError } from "../daemon/diagnostics.ts";
import { Daemon } from "../daemon/daemon.ts";
import type { DaemonConfig } from "../daemon/config.ts";
import { Log } from "../telemetry/log.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import { addressOf, formatIpv6 } from "../net/ipv6.ts";
import { isUnicastMac, parseMac } from "../net/mac.ts";
import { FULL_VERSION } from "../telemetry/version.ts";
import {
  type DaemonUrl,
  DaemonUrlError,
  parseDaemonUrl,
} from "../watch/daemon_url.ts";
import { OutputError } from "../watch/output.ts";
import { watch } from "../watch/watch.ts";
import { check } from "./check.ts";
import { helpText } from "./help.ts";
import {
  type CommandLine,
  type GivenOptions,
  parseCommandLine,
} from "./options.ts";
import { caCertsOf, configOf, logOptionsOf } from "./config.ts";
import { UsageError } from "./usage_error.ts";

/** Exit codes. */
const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Runs a command line; resolves to the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    return await runCommand(parseCommandLine(args));
  } catch (error) {
    if (error instanceof UsageError) return fail(error, EXIT_USAGE);
    if (error instanceof StartError) return fail(error, EXIT_FAILURE);
    throw error;
  }
}

function fail(error: Error, code: number): number {
  console.error(`dhcpv6macd: ${error.message}`);
  return code;
}

async function runCommand({ options, words }: CommandLine): Promise<number> {
  if (options.help) {
    console.log(helpText());
    return EXIT_OK;
  }
  if (options.version) {
    console.log(`dhcpv6macd ${FULL_VERSION}`);
    return EXIT_OK;
  }
  const [word, ...rest] = words;
  if (word === "watch") return await watchDaemons(options, rest);
  if (options.json) {
    throw new UsageError("--json requires watch: watch --json URL...");
  }
  if (word === "address") return printAddresses(options, rest);
  const [stray] = word === "check" ? rest : words;
  if (stray !== undefined && options["otlp-header"].length > 0) {
    // It may be the second word of a secret.
    throw new UsageError(
      "unexpected argument: quote the value of --otlp-header, or give a file (NAME=@FILE)",
    );
  }
  if (word !== undefined && word !== "check") {
    throw new UsageError(
      `unknown command "${
        escapeControls(word)
      }"; the commands are check, address and watch (--help lists the options)`,
    );
  }
  if (rest.length > 0) {
    throw new UsageError(
      `unexpected argument "${
        escapeControls(rest[0]!)
      }": check takes options only`,
    );
  }
  const config = configOf(options);
  if (word === "check" || options.check) {
    const { lines, problems } = await check(config);
    for (const line of lines) console.log(line);
    return problems === 0 ? EXIT_OK : EXIT_FAILURE;
  }
  return await serve(config, options);
}

function printAddresses(
  options: GivenOptions,
  macs: readonly string[],
): number {
  const bases = options["base-address"];
  if (bases.length === 0 || macs.length === 0) {
    throw new UsageError(
      "address requires --base-address IPV6 and at least one MAC",
    );
  }
  const parsed = macs.map((text) => {
    const mac = parseMac(text);
    if (mac === undefined || !isUnicastMac(mac)) {
      throw new UsageError(
        `"${
          escapeControls(text)
        }" is not a unicast MAC such as 02:00:5e:00:53:01`,
      );
    }
    return mac;
  });
  for (const mac of parsed) {
    for (const { bytes } of bases) {
      console.log(formatIpv6(addressOf(bytes, mac)));
    }
  }
  return EXIT_OK;
}

/** Prints the events of daemons until SIGTERM or SIGINT. */
async function watchDaemons(
  options: GivenOptions,
  urls: readonly string[],
): Promise<number> {
  if (urls.length === 0) {
    throw new UsageError(
      "watch requires at least one URL such as http://[2001:db8::1]:6315",
    );
  }
  const daemons = urls.map(daemonUrl);
  for (const [index, { text }] of daemons.entries()) {
    if (daemons.findIndex((other) => other.text === text) < index) {
      throw new UsageError(`watch: duplicate URL ${text}`);
    }
  }
  const caCerts = caCertsOf(options);
  const ending = new AbortController();
  void terminated().then(() => ending.abort());
  const isTerminal = Deno.stdout.isTerminal();
  try {
    const isUseful = await watch({
      daemons,
      caCerts,
      json: options.json === true,
      sink: Deno.stdout,
      isTerminal,
      isColored: isTerminal && !Deno.noColor,
      say: (sentence) => console.error(`dhcpv6macd: ${sentence}`),
    }, ending.signal);
    return isUseful ? EXIT_OK : EXIT_FAILURE;
  } catch (error) {
    if (error instanceof OutputError) return fail(error, EXIT_FAILURE);
    throw error;
  }
}

function daemonUrl(text: string): DaemonUrl {
  try {
    return parseDaemonUrl(text);
  } catch (error) {
    if (error instanceof DaemonUrlError) {
      throw new UsageError(`watch: ${error.message}`);
    }
    throw error;
  }
}

/** Resolves at SIGTERM or SIGINT. */
function terminated(): Promise<void> {
  return new Promise((resolve) => {
    Deno.addSignalListener("SIGTERM", resolve);
    Deno.addSignalListener("SIGINT", resolve);
  });
}

/** Serves until SIGTERM or SIGINT. */
async function serve(
  config: DaemonConfig,
  options: GivenOptions,
): Promise<number> {
  const { format, level } = logOptionsOf(options, Deno.stderr.isTerminal());
  const daemon = new Daemon(config, new Log(format, level, Deno.stderr));
  const ended = terminated();
  await daemon.start();
  await ended;
  await daemon.stop();
  return EXIT_OK;
}
