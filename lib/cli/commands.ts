/**
 * The commands of the command line.
 *
 * @module
 */

import { StartError } from "../daemon/diagnostics.ts";
import { Daemon } from "../daemon/daemon.ts";
import type { DaemonConfig } from "../daemon/config.ts";
import { Log, priorityPrefix } from "../telemetry/log.ts";
import { waitAtMost } from "../overload/timeout.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import { addressOf, formatIpv6 } from "../net/ipv6.ts";
import { formatMac, isUnicastMac, type Mac, parseMac } from "../net/mac.ts";
import type { ExplanationJson } from "../machines/explanation.ts";
import type { StatusJson } from "../machines/status.ts";
import { FULL_VERSION } from "../telemetry/version.ts";
import {
  type DaemonUrl,
  DaemonUrlError,
  parseDaemonUrl,
} from "../watch/daemon_url.ts";
import { OutputError } from "../watch/output.ts";
import { watch } from "../watch/watch.ts";
import {
  askDaemon,
  DaemonError,
  DEFAULT_DAEMON,
  madeOf,
} from "./ask_daemon.ts";
import { check, type CheckReport } from "./check.ts";
import { explainByConfig, explanationText } from "./explain.ts";
import { CRITICAL, severityOf, statusText } from "./status.ts";
import { suggestion } from "./did_you_mean.ts";
import { COMMANDS, helpText } from "./help.ts";
import {
  type CommandLine,
  type GivenOptions,
  isOptionName,
  misplacedOptions,
  OPTIONS,
  type OptionSpec,
  parseCommandLine,
} from "./options.ts";
import {
  caCertsOf,
  configOf,
  logOptionsOf,
  NoInterfaceError,
} from "./config.ts";
import { examineOptionFiles } from "./option_files.ts";
import { isJournal } from "./journal.ts";
import { printRecords, RecordsError } from "./records.ts";
import type { Signals } from "./signals.ts";
import {
  FULL_PIPE_TIMEOUT,
  Printer,
  Speaker,
  WaitingSink,
} from "./standard_streams.ts";
import { UsageError } from "./usage_error.ts";

/** Exit codes. */
const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Milliseconds for the last lines on stderr to be written. */
const LOG_FLUSH_TIMEOUT = 500;

/** Milliseconds between two checks whether an interface has an address. */
const INTERFACE_INTERVAL = 1000;

const stdout = new Printer(new WaitingSink(Deno.stdout, FULL_PIPE_TIMEOUT));
const stderr = new Speaker(new WaitingSink(Deno.stderr, FULL_PIPE_TIMEOUT));

/** Runs a command line; resolves to the exit code. */
export async function run(
  args: readonly string[],
  signals: Signals,
): Promise<number> {
  try {
    return await runCommand(parseCommandLine(args), signals);
  } catch (error) {
    if (error instanceof OutputError) return await fail(error, EXIT_FAILURE);
    if (!(error instanceof UsageError)) throw error;
    if (!wantsJson(args)) return await fail(error, EXIT_USAGE);
    await logFatal(
      new Log("json", "error", Deno.stderr, await isJournal()),
      "usage",
      error.message,
    );
    return EXIT_USAGE;
  }
}

async function fail(error: Error, code: number): Promise<number> {
  const prefix = await isJournal() ? priorityPrefix("error") : "";
  await stderr.say(`${prefix}dhcpv6macd: ${error.message}`);
  return code;
}

/** Says what the user should know, without ending the command. */
function say(sentence: string): Promise<void> {
  return stderr.say(`dhcpv6macd: ${sentence}`);
}

/** Logs why the process ends. */
async function logFatal(
  log: Log,
  event: string,
  message: string,
): Promise<void> {
  log.error(event, message);
  await log.flush(LOG_FLUSH_TIMEOUT);
}

/** Whether a command line that may be malformed has `--log-format json`. */
function wantsJson(args: readonly string[]): boolean {
  return args.some((arg, index) =>
    /^--?log-format=json$/.test(arg) ||
    (/^--?log-format$/.test(arg) && args[index + 1] === "json")
  );
}

async function runCommand(
  { options, words, notices }: CommandLine,
  signals: Signals,
): Promise<number> {
  const isServing = words.length === 0 && !options.check;
  if (!isServing && words[0] !== "watch") signals.exitAtOnce();
  const [word, ...rest] = words;
  if (options.help || word === "help") {
    await stdout.print(`${helpText()}\n`);
    return EXIT_OK;
  }
  if (options.version || word === "version") {
    await stdout.print(`dhcpv6macd ${FULL_VERSION}\n`);
    return EXIT_OK;
  }
  const [misplaced] = misplacedOptions(options, word);
  if (misplaced !== undefined) {
    const { commands } = OPTIONS[misplaced] as OptionSpec<unknown>;
    throw new UsageError(
      `--${misplaced} is an option of ${enumerated(commands!)}`,
    );
  }
  // The daemon logs the notices, and check prints them.
  if (word !== undefined && word !== "check" && Object.hasOwn(COMMANDS, word)) {
    for (const notice of notices) await say(notice);
  }
  if (word === "watch") return await watchDaemons(options, rest, signals);
  if (word === "address") return await printAddresses(options, rest);
  if (word === "records") return await records(options, rest);
  if (word === "status") return await status(options, rest);
  if (word === "explain") return await explain(options, rest);
  const [stray] = word === "check" ? rest : words;
  if (stray !== undefined && options["otlp-header"].length > 0) {
    // It may be the second word of a secret.
    throw new UsageError(
      "unexpected argument: quote the value of --otlp-header, or give a file (NAME=@FILE)",
    );
  }
  if (word !== undefined && word !== "check") {
    throw new UsageError(
      `unknown command "${escapeControls(word)}"${
        commandSuggestion(word)
      } (--help lists the options)`,
    );
  }
  checkNoWords("check", rest);
  if (word === "check" || options.check) {
    return await printCheck(options, notices);
  }
  return await serve(options, notices, signals);
}

function enumerated(words: readonly string[]): string {
  return words.join(", ").replace(/, (?=[^,]*$)/, " and ");
}

/** Refuses words behind a command that has options only. */
function checkNoWords(command: string, [word]: readonly string[]): void {
  if (word === undefined) return;
  throw new UsageError(
    `unexpected argument "${
      escapeControls(word)
    }": ${command} takes options only`,
  );
}

async function records(
  options: GivenOptions,
  words: readonly string[],
): Promise<number> {
  checkNoWords("records", words);
  try {
    await printRecords(options, (text) => stdout.print(text), say);
    return EXIT_OK;
  } catch (error) {
    if (error instanceof RecordsError) return await fail(error, EXIT_FAILURE);
    throw error;
  }
}

/** Prints what would be served and what prevents it. */
async function printCheck(
  options: GivenOptions,
  notices: readonly string[],
): Promise<number> {
  let report: CheckReport;
  try {
    const files = await examineOptionFiles(options);
    report = await check(configOf(options, files, notices));
  } catch (error) {
    if (!(error instanceof NoInterfaceError)) throw error;
    report = { lines: [`problem: ${error.message}`], problems: 1 };
  }
  await stdout.print(report.lines.map((line) => `${line}\n`).join(""));
  return report.problems === 0 ? EXIT_OK : EXIT_FAILURE;
}

/** Prints a summary of a running daemon; the exit code says how it is. */
async function status(
  options: GivenOptions,
  [url = DEFAULT_DAEMON, stray]: readonly string[],
): Promise<number> {
  if (stray !== undefined) {
    throw new UsageError("status takes one URL such as http://[::1]:6315");
  }
  try {
    return await printStatus(options, url);
  } catch (error) {
    // The exit code of other commands would mean a warning.
    if (error instanceof OutputError) return await fail(error, CRITICAL);
    throw error;
  }
}

async function printStatus(
  options: GivenOptions,
  url: string,
): Promise<number> {
  try {
    const caCerts = await trustedBy(options);
    const { body, now } = await askDaemon<StatusJson>(
      url,
      "/status",
      "status",
      caCerts,
      {
        base_addresses: "list",
        listening: "object",
        stages: "object",
        states: "object",
        unserved: "list",
        stalled_files: "list",
      },
    );
    const [text, severity] = madeOf(
      url,
      () => [statusText(body, now), severityOf(body, now)],
    );
    await stdout.print(options.json ? `${JSON.stringify(body)}\n` : text);
    return severity;
  } catch (error) {
    if (!(error instanceof DaemonError)) throw error;
    if (options.json) return await fail(error, CRITICAL);
    await stdout.print(`CRITICAL: ${error.message}\n`);
    return CRITICAL;
  }
}

/** Options that describe a daemon, and not how to ask a running one. */
const DESCRIBING = [
  "interface",
  "netboot-dir",
  "boot-url",
  "names",
] as const;

/** Prints what a machine gets; the exit code says whether all is well. */
async function explain(
  options: GivenOptions,
  words: readonly string[],
): Promise<number> {
  const macs = words.map(parseMac);
  const [mac, otherMac] = macs.filter((mac) => mac !== undefined);
  const [url, stray] = words.filter((_, index) => macs[index] === undefined);
  if (
    mac === undefined || !isUnicastMac(mac) || otherMac !== undefined ||
    stray !== undefined
  ) {
    throw new UsageError(
      "explain requires the MAC of a machine such as 02:00:5e:00:53:01, and takes one URL",
    );
  }
  const isByOptions = options["base-address"].length > 0;
  const [described] = DESCRIBING.filter((name) => options[name]?.length);
  if (!isByOptions && described !== undefined) {
    throw new UsageError(
      `explain with --${described} requires --base-address: the running daemon has options of its own`,
    );
  }
  if (isByOptions && url !== undefined) {
    throw new UsageError(
      "explain takes the URL of a running daemon or --base-address, not both",
    );
  }
  try {
    const explanation = isByOptions
      ? await explainByConfig(
        configOf(options, await examineOptionFiles(options)),
        mac,
      )
      : (await askDaemon<ExplanationJson>(
        url ?? DEFAULT_DAEMON,
        `/machines/${formatMac(mac)}/explain`,
        "explain",
        await trustedBy(options),
        { addresses: "list", clients: "list", problems: "list" },
      )).body;
    const text = madeOf(
      url ?? DEFAULT_DAEMON,
      () => explanationText(explanation),
    );
    await stdout.print(
      options.json ? `${JSON.stringify(explanation)}\n` : text,
    );
    return explanation.problems.length === 0 ? EXIT_OK : EXIT_FAILURE;
  } catch (error) {
    if (error instanceof DaemonError || error instanceof NoInterfaceError) {
      return await fail(error, EXIT_FAILURE);
    }
    throw error;
  }
}

/** The certificates of `--ca-file`, with a sentence for what is wrong with it. */
async function trustedBy(options: GivenOptions): Promise<string[]> {
  const notices: string[] = [];
  const files = await examineOptionFiles(options);
  const caCerts = caCertsOf(options, files, notices);
  for (const notice of notices) await say(notice);
  return caCerts;
}

/** What an unknown command is meant for, else the commands that exist. */
function commandSuggestion(word: string): string {
  if (isOptionName(word)) return `; did you mean --${word}?`;
  return suggestion(word, Object.keys(COMMANDS)) ||
    `; the commands are ${Object.keys(COMMANDS).join(", ")}`;
}

async function printAddresses(
  options: GivenOptions,
  macs: readonly string[],
): Promise<number> {
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
  const lines = parsed.flatMap((mac) =>
    bases.map(({ bytes }) => `${formatIpv6(addressOf(bytes, mac))}\n`)
  );
  await stdout.print(lines.join(""));
  return EXIT_OK;
}

/** Prints the events of daemons until a signal ends it. */
async function watchDaemons(
  options: GivenOptions,
  urls: readonly string[],
  signals: Signals,
): Promise<number> {
  if (urls.length === 0) {
    throw new UsageError(
      "watch requires at least one URL such as http://[2001:db8::1]:6315",
    );
  }
  const daemons = urls.map((url) => daemonUrl(url, options.mac));
  for (const [index, { text }] of daemons.entries()) {
    if (daemons.findIndex((other) => other.text === text) < index) {
      throw new UsageError(`watch: duplicate URL ${text}`);
    }
  }
  const caCerts = await trustedBy(options);
  const ending = new AbortController();
  void signals.ended.then(() => ending.abort());
  // The terminal is gone.
  signals.onHangup(() => ending.abort());
  const isTerminal = Deno.stdout.isTerminal();
  const isUseful = await watch({
    daemons,
    caCerts,
    json: options.json === true,
    // Until a signal: watch may stand still for as long as its reader does.
    sink: new WaitingSink(Deno.stdout),
    isTerminal,
    isColored: isTerminal && !Deno.noColor,
    say: (sentence) => void say(sentence),
  }, ending.signal);
  await waitAtMost(LOG_FLUSH_TIMEOUT, stderr.flush());
  return isUseful ? EXIT_OK : EXIT_FAILURE;
}

function daemonUrl(text: string, only: Mac | undefined): DaemonUrl {
  try {
    return parseDaemonUrl(text, only);
  } catch (error) {
    if (error instanceof DaemonUrlError) {
      throw new UsageError(`watch: ${error.message}`);
    }
    throw error;
  }
}

/** Serves until SIGTERM, SIGINT or SIGQUIT. */
async function serve(
  options: GivenOptions,
  notices: readonly string[],
  signals: Signals,
): Promise<number> {
  const isInJournal = await isJournal();
  const { format, level } = logOptionsOf(
    options,
    Deno.stderr.isTerminal(),
    isInJournal,
  );
  const log = new Log(format, level, Deno.stderr, isInJournal);
  logCrashes(log);
  const files = await examineOptionFiles(options);
  const configure = () => configOf(options, files, notices);
  const config = await configWithInterface(configure, log, signals);
  if (config === undefined) {
    await log.flush(LOG_FLUSH_TIMEOUT);
    return EXIT_OK;
  }
  const daemon = new Daemon(config, log);
  try {
    await daemon.start();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    await logFatal(log, "cannot_start", error.message);
    return EXIT_FAILURE;
  }
  signals.onHangup(() => void daemon.reload());
  await signals.ended;
  await daemon.stop();
  return EXIT_OK;
}

/**
 * The configuration, once an interface is known; `undefined` if the process
 * is to end before.
 */
async function configWithInterface(
  configure: () => DaemonConfig,
  log: Log,
  signals: Signals,
): Promise<DaemonConfig | undefined> {
  while (true) {
    try {
      return configure();
    } catch (error) {
      if (!(error instanceof NoInterfaceError)) throw error;
      if (log.hasChanged("interface", "waiting")) {
        log.warning("waiting", `waiting for an address: ${error.message}`);
      }
    }
    if (await endedWithin(INTERFACE_INTERVAL, signals)) return undefined;
  }
}

/** Whether a signal ends the process within some milliseconds. */
async function endedWithin(
  milliseconds: number,
  { ended }: Signals,
): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) =>
    timer = setTimeout(resolve, milliseconds, false)
  );
  const isEnded = await Promise.race([ended.then(() => true), timeout]);
  clearTimeout(timer);
  return isEnded;
}

/** Logs errors that nothing handles, before they end the process. */
function logCrashes(log: Log): void {
  const end = async (event: Event, reason: unknown) => {
    event.preventDefault();
    const { stack, message } = reason instanceof Error
      ? reason
      : { stack: undefined, message: String(reason) };
    log.error("crashed", `internal error: ${message}`, {
      stack: stack?.replaceAll("\n", " |"),
    });
    await log.flush(LOG_FLUSH_TIMEOUT);
    Deno.exit(EXIT_FAILURE);
  };
  addEventListener("error", (event) => void end(event, event.error));
  addEventListener(
    "unhandledrejection",
    (event) => void end(event, event.reason),
  );
}
