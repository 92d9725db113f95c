/**
 * What the words of the command line do.
 *
 * @module
 */

import { Daemon, type DaemonSettings, StartError } from "../daemon.ts";
import { Log, shown } from "../log.ts";
import { addressOf, formatIpv6 } from "../net/ipv6.ts";
import { isUnicastMac, parseMac } from "../net/mac.ts";
import { FULL_VERSION } from "../version.ts";
import { check } from "./check.ts";
import { helpText } from "./help.ts";
import {
  type CommandLine,
  type GivenOptions,
  parseCommandLine,
} from "./options.ts";
import { logSettingsOf, settingsOf } from "./settings.ts";
import { UsageError } from "./usage_error.ts";

/** What a shell is told. */
const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Runs a command line; resolves to the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    return await runCommand(parseCommandLine(args));
  } catch (error) {
    if (error instanceof UsageError) return complain(error, EXIT_USAGE);
    if (error instanceof StartError) return complain(error, EXIT_FAILURE);
    throw error;
  }
}

function complain(error: Error, code: number): number {
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
  if (word === "address") return printAddresses(options, rest);
  if (word !== undefined && word !== "check") {
    throw new UsageError(
      `unknown word "${
        shown(word)
      }"; the words are check and address, and --help shows the options`,
    );
  }
  if (rest.length > 0) {
    throw new UsageError(
      `"${shown(rest[0]!)}" is too much: check takes options only`,
    );
  }
  const settings = settingsOf(options);
  if (word === "check" || options.check) {
    const { lines, problems } = await check(settings);
    for (const line of lines) console.log(line);
    return problems === 0 ? EXIT_OK : EXIT_FAILURE;
  }
  return await serve(settings, options);
}

function printAddresses(
  options: GivenOptions,
  macs: readonly string[],
): number {
  const bases = options["base-address"];
  if (bases.length === 0 || macs.length === 0) {
    throw new UsageError(
      "address needs --base-address IPV6 and at least one MAC",
    );
  }
  const parsed = macs.map((text) => {
    const mac = parseMac(text);
    if (mac === undefined || !isUnicastMac(mac)) {
      throw new UsageError(
        `"${shown(text)}" is not a machine's MAC such as 02:00:5e:00:53:01`,
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

/** Serves until SIGTERM or SIGINT. */
async function serve(
  settings: DaemonSettings,
  options: GivenOptions,
): Promise<number> {
  const { format, level } = logSettingsOf(options, Deno.stderr.isTerminal());
  const daemon = new Daemon(settings, new Log(format, level, Deno.stderr));
  const ended = new Promise<void>((resolve) => {
    Deno.addSignalListener("SIGTERM", resolve);
    Deno.addSignalListener("SIGINT", resolve);
  });
  await daemon.start();
  await ended;
  await daemon.stop();
  return EXIT_OK;
}
