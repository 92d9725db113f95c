/** `dhcpv6macd watch`, as a program. */

import { eventually } from "./lab.ts";

/** How to run `dhcpv6macd watch` with these arguments. */
export function watchCommand(...args: string[]): string[] {
  return [...JSON.parse(Deno.env.get("DAEMON_COMMAND")!), "watch", ...args];
}

/** The environment of a program that may use colors. */
export function colorfulEnvironment(): Record<string, string> {
  const { NO_COLOR: _, ...rest } = Deno.env.toObject();
  return { ...rest, TERM: "xterm" };
}

/** A program with both of its outputs. */
export class Watching implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;

  constructor(
    command: readonly string[],
    env: Record<string, string> = colorfulEnvironment(),
  ) {
    this.#child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      clearEnv: true,
      env,
    }).spawn();
    this.#read = Promise.all([
      this.#collect(this.#child.stdout, (text) => this.stdout += text),
      this.#collect(this.#child.stderr, (text) => this.stderr += text),
    ]);
  }

  /** Its whole lines so far. */
  get lines(): string[] {
    return this.stdout.split("\n").slice(0, -1);
  }

  /** Its lines as JSON. */
  get objects(): unknown[] {
    return this.lines.map((line) => JSON.parse(line));
  }

  /** Waits for a condition. */
  async until(what: string, isSo: (it: Watching) => boolean): Promise<void> {
    try {
      await eventually(what, () => isSo(this));
    } catch (error) {
      throw new Error(
        `${(error as Error).message}\n${this.stdout}\n${this.stderr}`,
      );
    }
  }

  /** Waits until it has written so many lines. */
  async wrote(count: number): Promise<void> {
    await this.until(`${count} lines`, ({ lines }) => lines.length >= count);
  }

  /** Ends it by a signal; its exit code. */
  async end(signal: Deno.Signal = "SIGINT"): Promise<number> {
    this.#kill(signal);
    return await this.ended();
  }

  /** Waits for its end; its exit code. */
  async ended(): Promise<number> {
    const timer = setTimeout(() => this.#kill("SIGKILL"), 20_000);
    const { code } = await this.#child.status;
    clearTimeout(timer);
    await this.#read;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself.
    }
  }

  async #collect(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    take: (text: string) => void,
  ): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      take(text);
    }
  }
}
