/** The daemon as a program in a lab. */

import { assertEquals } from "@std/assert";
import { eventually, type Host, type Program } from "./lab.ts";

/** The command that starts it, as tools/run.ts has set it. */
export function daemonCommand(): string[] {
  const given = Deno.env.get("DAEMON_COMMAND");
  if (given === undefined) {
    throw new Error("DAEMON_COMMAND is not set: run this by deno task");
  }
  return JSON.parse(given);
}

/** A line of its log. */
export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A running daemon. */
export class RunningDaemon {
  constructor(readonly program: Program) {}

  /** Its log so far, in whole lines. */
  get log(): LogLine[] {
    return this.program.output.split("\n").slice(0, -1).filter((line) =>
      line.startsWith("{") && line.endsWith("}")
    ).map((line) => JSON.parse(line));
  }

  /** Waits for a line of the log. */
  async logs(
    event: string,
    matches: (line: LogLine) => boolean = () => true,
    seconds = 30,
  ): Promise<LogLine> {
    try {
      return await eventually(
        `log line ${event}`,
        () => this.log.find((line) => line.event === event && matches(line)),
        seconds,
      );
    } catch (error) {
      // A list of failures may show the first line only.
      const { exitCode = "none", output } = this.program;
      const last = JSON.stringify(output.slice(-300));
      throw new Error(
        `${
          (error as Error).message
        }; exit code ${exitCode}, ${last}\n${output}`,
      );
    }
  }

  /** How many log lines of an event there are. */
  count(event: string, matches: (line: LogLine) => boolean = () => true) {
    return this.log.filter((line) => line.event === event && matches(line))
      .length;
  }

  /** Waits until there are so many, and asserts that there are no more. */
  async counts(event: string, expected: number): Promise<void> {
    await eventually(
      `${expected} log lines ${event}`,
      () => this.count(event) >= expected,
    );
    assertEquals(this.count(event), expected, event);
  }

  async stop(): Promise<number> {
    return await this.program.stop();
  }
}

/**
 * Starts a daemon without waiting until it serves. It logs every packet unless
 * the arguments set another level.
 */
export async function launchDaemon(
  host: Host,
  ...args: string[]
): Promise<RunningDaemon> {
  return await launchAs(daemonCommand(), host, ...args);
}

/** As many descriptors as the units set: some tests open 1,000 connections. */
const DEFAULTS = ["--log-format=json", "--max-open-files=16384"];

/** Starts a daemon by another command, without waiting until it serves. */
export async function launchAs(
  command: readonly string[],
  host: Host,
  ...args: string[]
): Promise<RunningDaemon> {
  await host.lab.watchAnswers(host);
  const level = args.some((arg) => arg.startsWith("--log-level"))
    ? []
    : ["--log-level=debug"];
  return new RunningDaemon(
    host.start([...command, ...DEFAULTS, ...level, ...args]),
  );
}

/**
 * The command of a daemon that the processor runs before all else here. In a lab
 * the machines, and what loads the link, have processors of their own: where they
 * share the daemon's, it must not wait for them.
 */
export function favoredDaemonCommand(): string[] {
  return [...FAVORED, ...daemonCommand()];
}

/** What stands before the command of a program that is run before others. */
export const FAVORED: readonly string[] = ["nice", "-n", "-20"];

/** The same for a program that gets what others leave of the processor. */
export const UNFAVORED: readonly string[] = ["nice", "-n", "19"];

/** Starts a daemon and waits until it serves. */
export async function startDaemon(
  host: Host,
  ...args: string[]
): Promise<RunningDaemon> {
  const daemon = await launchDaemon(host, ...args);
  await daemon.logs("serving");
  return daemon;
}

/** Runs the daemon's command line to its end. */
export async function runDaemon(host: Host, ...args: string[]) {
  return await host.run([...daemonCommand(), ...args], { mayFail: true });
}
