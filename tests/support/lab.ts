/**
 * Hosts and links for tests: network namespaces with their own interfaces, and
 * processes that run in them. Nothing outside the namespaces is touched, and
 * everything is gone when the lab is closed.
 *
 * @module
 */

/** The outcome of a command that has ended. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Seconds after which a command is stopped, unless a caller says otherwise. Only
 * what hangs takes so long: a busy machine may take many times what an idle one
 * does.
 */
const COMMAND_TIMEOUT = 60;

/** Seconds that a program gets between SIGTERM and SIGKILL. */
const STOP_TIMEOUT = 30;

/** Seconds in which SIGKILL ends a program that waits for no file system. */
const KILL_TIMEOUT = 30;

/** Seconds between SIGTERM and SIGKILL for programs that are no longer needed. */
const CLEANUP_TIMEOUT = 5;

/** Milliseconds, and how many of them without output, until output has ended. */
const OUTPUT_POLL = 100;
const QUIET_OUTPUT_POLLS = 5;

let labs = 0;

// Also while a test fakes the time, waiting for the system takes real time.
const realSetTimeout = setTimeout;
const realClearTimeout = clearTimeout;
const realNow = performance.now.bind(performance);

/** Waits for a time. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => realSetTimeout(resolve, milliseconds));
}

/**
 * Polls until `ask` returns something other than `undefined` and `false`, and
 * returns that.
 *
 * @throws {Error} if it has not after `seconds`.
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  seconds = 30,
): Promise<T> {
  const end = realNow() + 1000 * seconds;
  while (true) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (realNow() > end) {
      throw new Error(`not within ${seconds} s: ${what}`);
    }
    await pause(50);
  }
}

/** A program that runs in the lab. */
export class Program {
  /** Its output so far, stdout and stderr together. */
  output = "";
  /** Its exit code, once it has ended. */
  exitCode: number | undefined;
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;

  constructor(command: readonly string[], options: Deno.CommandOptions = {}) {
    this.#name = command.join(" ");
    this.#child = new Deno.Command(command[0]!, {
      ...options,
      args: command.slice(1),
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    void this.#child.status.then(({ code }) => this.exitCode = code);
    this.#read = Promise.all(
      [this.#child.stdout, this.#child.stderr].map(async (stream) => {
        for await (const text of stream.pipeThrough(new TextDecoderStream())) {
          this.output += text;
        }
      }),
    );
  }

  /** Waits until its output matches. */
  async says(
    pattern: RegExp,
    seconds = COMMAND_TIMEOUT,
  ): Promise<RegExpExecArray> {
    try {
      return await eventually(
        String(pattern),
        () => pattern.exec(this.output) ?? undefined,
        seconds,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.output}`);
    }
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended by itself.
    }
  }

  /**
   * Waits for its end, after `seconds` with SIGKILL; its exit code.
   *
   * @throws {Error} if SIGKILL does not end it: the kernel waits for a file system.
   */
  async ended(seconds = COMMAND_TIMEOUT): Promise<number> {
    const { code } = await orKill(this.#child, this.#child.status, seconds)
      .catch((error) => {
        throw new Error(`${this.#name} ${error.message}\n${this.output}`);
      });
    await this.#outputEnds();
    return code;
  }

  /**
   * Waits until all of its output is read. Its children may still run and hold
   * the output open: then until nothing has come for a while.
   */
  async #outputEnds(): Promise<void> {
    let isRead = false;
    const read = this.#read.then(() => isRead = true);
    for (let quiet = 0, length = -1; !isRead && quiet < QUIET_OUTPUT_POLLS;) {
      quiet = this.output.length === length ? quiet + 1 : 0;
      length = this.output.length;
      let limit: ReturnType<typeof setTimeout> | undefined;
      await Promise.race([
        read,
        new Promise((resolve) => limit = setTimeout(resolve, OUTPUT_POLL)),
      ]);
      clearTimeout(limit);
    }
  }

  /** Stops it with SIGTERM, after `seconds` with SIGKILL; its exit code. */
  async stop(seconds = STOP_TIMEOUT): Promise<number> {
    this.kill();
    return await this.ended(seconds);
  }
}

/**
 * Waits for what a process does until it ends, after `seconds` with SIGKILL.
 *
 * @throws {Error} if it has not ended then: the kernel waits for a file system, or
 * another process has its output.
 */
async function orKill<T>(
  child: Deno.ChildProcess,
  end: Promise<T>,
  seconds: number,
): Promise<T> {
  const kill = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  const killing = realSetTimeout(kill, 1000 * seconds);
  let limit: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    limit = realSetTimeout(
      () => reject(new Error(`has not ended ${KILL_TIMEOUT} s after SIGKILL`)),
      1000 * (seconds + KILL_TIMEOUT),
    );
  });
  try {
    return await Promise.race([end, late]);
  } finally {
    realClearTimeout(killing);
    realClearTimeout(limit);
  }
}

/** Runs a command outside of any namespace. */
export async function command(
  args: readonly string[],
  { mayFail = false, seconds = COMMAND_TIMEOUT } = {},
): Promise<Result> {
  const child = new Deno.Command(args[0]!, {
    args: args.slice(1),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = await orKill(child, child.output(), seconds).catch((error) => {
    throw new Error(`${args.join(" ")} ${error.message}`);
  });
  const decoder = new TextDecoder();
  const result = {
    code: output.code,
    stdout: decoder.decode(output.stdout),
    stderr: decoder.decode(output.stderr),
  };
  if (result.code !== 0 && !mayFail) {
    throw new Error(
      `${args.join(" ")} ended with ${result.code}: ${result.stderr}`,
    );
  }
  return result;
}

/** A host of the lab. */
export class Host {
  constructor(readonly lab: Lab, readonly namespace: string) {}

  /** Runs a command to its end. */
  async run(
    args: readonly string[],
    options: { mayFail?: boolean; seconds?: number } = {},
  ): Promise<Result> {
    return await command(this.#inside(args), options);
  }

  /** Runs `ip` with these words. */
  async ip(words: string): Promise<Result> {
    return await command(["ip", "-n", this.namespace, ...words.split(" ")]);
  }

  /** Starts a program; `privately`: directories that are empty and its own. */
  start(args: readonly string[], privately: readonly string[] = []): Program {
    const program = new Program(
      this.#inside(
        privately.length === 0 ? args : [
          "unshare",
          "--mount",
          "sh",
          "-c",
          `${
            privately.map((directory) =>
              `mkdir -p ${directory} && mount -t tmpfs none ${directory} || exit 99; `
            ).join("")
          }exec "$@"`,
          "sh",
          ...args,
        ],
      ),
    );
    this.lab.programs.push(program);
    return program;
  }

  /** The IPv6 addresses of an interface that can be used. */
  async addresses(interfaceName: string): Promise<string[]> {
    const { stdout } = await command([
      "ip",
      "-n",
      this.namespace,
      "-6",
      "-o",
      "addr",
      "show",
      "dev",
      interfaceName,
    ], { mayFail: true });
    return stdout.split("\n").filter((line) =>
      !/tentative|dadfailed/.test(line)
    )
      .map((line) => / inet6 ([^ /]+)/.exec(line)?.[1])
      .filter((address) => address !== undefined);
  }

  /** The MAC of an interface. */
  async mac(interfaceName: string): Promise<string> {
    const { stdout } = await this.ip(`-o link show dev ${interfaceName}`);
    return /link\/ether ([0-9a-f:]+)/.exec(stdout)![1]!;
  }

  /** Waits until an interface has a link-local address that can be used. */
  async linkLocal(interfaceName: string): Promise<string> {
    return await eventually(
      `link-local address of ${interfaceName}`,
      async () =>
        (await this.addresses(interfaceName)).find((text) =>
          text.startsWith("fe80:")
        ),
    );
  }

  #inside(args: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.namespace, ...args];
  }
}

/** Hosts, links and programs of one test. */
export class Lab implements AsyncDisposable {
  /** Programs that run in it or have ended. */
  readonly programs: Program[] = [];
  /** A directory for its files. */
  readonly directory: string;
  readonly #hosts: Host[] = [];
  readonly #watched = new Map<Host, Capture>();
  readonly #id = `dm${Deno.pid}x${labs++}`;

  constructor() {
    this.directory = Deno.makeTempDirSync({ prefix: "dhcpv6macd-lab-" });
  }

  /** Adds a host without any link. */
  async host(name: string): Promise<Host> {
    const host = new Host(this, `${this.#id}${name}`);
    await command(["ip", "netns", "add", host.namespace]);
    this.#hosts.push(host);
    await host.ip("link set lo up");
    return host;
  }

  /** Connects two hosts with a veth pair. */
  async cable(
    a: Host,
    aLink: string,
    b: Host,
    bLink: string,
  ): Promise<void> {
    await a.ip(
      `link add ${aLink} type veth peer name ${bLink} netns ${b.namespace}`,
    );
    await a.ip(`link set ${aLink} up`);
    await b.ip(`link set ${bLink} up`);
  }

  /** Adds a router and a client, with a cable from `lan` to `eth0`. */
  async pair(): Promise<{ router: Host; client: Host }> {
    const router = await this.host("router");
    const client = await this.host("client");
    await this.cable(router, "lan", client, "eth0");
    return { router, client };
  }

  /** Adds a host that is a switch with these ports, and plugs them in. */
  async network(name: string, ...ports: [Host, string][]): Promise<Host> {
    const host = await this.host(name);
    await host.ip("link add br0 type bridge");
    await host.ip("link set br0 up");
    for (const [index, [other, interfaceName]] of ports.entries()) {
      await this.plug(host, index, other, interfaceName);
    }
    return host;
  }

  /** Plugs a host's new interface into port `index` of a switch. */
  async plug(
    network: Host,
    index: number,
    other: Host,
    interfaceName: string,
  ): Promise<void> {
    await this.cable(network, `p${index}`, other, interfaceName);
    await network.ip(`link set p${index} master br0`);
  }

  /** Writes a file of the lab; its path. */
  async file(name: string, content: string, mode = 0o644): Promise<string> {
    const path = `${this.directory}/${name}`;
    await Deno.writeTextFile(path, content, { mode });
    return path;
  }

  /** Records the packets of an interface that match; ends with the lab. */
  async capture(
    host: Host,
    interfaceName: string,
    filter: string,
  ): Promise<Capture> {
    const path = `${this.directory}/${host.namespace}-${interfaceName}.pcap`;
    const program = host.start(
      ["tcpdump", "-U", "--immediate-mode", "-B", "32768", "-Z", "root"].concat(
        ["-i", interfaceName, "-w", path, filter],
      ),
    );
    await program.says(/listening on/);
    return new Capture(path, program);
  }

  /** Records each DHCPv6 reply of a host; tshark checks them at the end. */
  async watchAnswers(host: Host): Promise<void> {
    if (this.#watched.has(host)) return;
    this.#watched.set(
      host,
      await this.capture(host, "any", "udp src port 547"),
    );
  }

  /** Stops and deletes all; fails if tshark finds an error in a reply. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const capture of this.#watched.values()) {
        const wrong = await wrongAnswers(capture);
        if (wrong.length > 0) {
          throw new Error(`tshark of answers: ${JSON.stringify(wrong)}`);
        }
      }
    } finally {
      await this.#end();
    }
  }

  async #end(): Promise<void> {
    const failures: Error[] = [];
    for (const program of this.programs.toReversed()) {
      await program.stop(CLEANUP_TIMEOUT).catch((error) =>
        failures.push(error)
      );
    }
    for (const host of this.#hosts) {
      const { stdout } = await command(
        ["ip", "netns", "pids", host.namespace],
        { mayFail: true },
      );
      for (const pid of stdout.split("\n").filter((line) => line !== "")) {
        try {
          Deno.kill(Number(pid), "SIGKILL");
        } catch {
          // It has ended by itself.
        }
      }
      await command(["ip", "netns", "delete", host.namespace], {
        mayFail: true,
      });
    }
    // A process that was killed may still write its last file.
    await eventually(
      `${this.directory} is removed`,
      () =>
        Deno.remove(this.directory, { recursive: true })
          .then(() => true, (error) => error instanceof Deno.errors.NotFound),
    );
    if (failures.length > 0) throw failures[0];
  }
}

/** A packet capture that runs. */
export class Capture {
  #isOver = false;

  constructor(readonly path: string, readonly program: Program) {}

  /** Ends the recording and reads it with tshark: the fields of each packet. */
  async read(filter: string, ...fields: string[]): Promise<string[][]> {
    if (!this.#isOver) {
      await pause(200);
      await this.#takeAll();
      await this.program.stop();
      this.#isOver = true;
    }
    const { stdout } = await command(
      ["tshark", "-n", "-r", this.path, "-Y", filter, "-T", "fields"].concat(
        fields.flatMap((field) => ["-e", field]),
      ),
      { seconds: 120 },
    );
    return stdout.split("\n").filter((line) => line !== "").map((line) =>
      line.split("\t")
    );
  }

  /**
   * Waits until tcpdump has written all packets that the kernel keeps for it,
   * which are lost when it ends. SIGUSR1 lets it print both counts.
   */
  async #takeAll(): Promise<void> {
    const end = performance.now() + TAKE_ALL_TIMEOUT;
    while (performance.now() < end) {
      const { length } = this.program.output;
      this.program.kill("SIGUSR1");
      await pause(100);
      const counts = TCPDUMP_COUNTS.exec(this.program.output.slice(length));
      if (counts === null) continue;
      const [, captured, received, dropped] = counts.map(Number);
      if (captured! + dropped! >= received!) return;
    }
  }
}

/** What tcpdump prints for SIGUSR1. */
const TCPDUMP_COUNTS =
  /(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped by kernel/;

/** Milliseconds that tcpdump gets for the packets that it has not written. */
const TAKE_ALL_TIMEOUT = 5000;

/** tshark's severity of warnings; errors are above it. */
const EXPERT_WARNING = 0x600000;

/** Replies of a server in which tshark finds an error or a warning. */
export async function wrongAnswers(capture: Capture): Promise<string[][]> {
  const answers = await capture.read(
    "dhcpv6.msgtype in {2, 7, 13}",
    "dhcpv6.msgtype",
    "_ws.malformed",
    "_ws.expert.severity",
    "_ws.expert.message",
  );
  return answers.filter(([, malformed, severities]) =>
    malformed !== "" ||
    severities!.split(",").some((one) => Number(one) >= EXPERT_WARNING)
  );
}

/**
 * What a suite needs and this machine does not have: root and programs. Prints
 * that the suite does not run, if it does not.
 */
export function missing(suite: string, ...programs: string[]): string[] {
  const lacks = programs.filter((program) => {
    const { success } = new Deno.Command("which", {
      args: [program],
      stdout: "null",
      stderr: "null",
      env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin` },
    }).outputSync();
    return !success;
  });
  if (Deno.uid() !== 0) lacks.unshift("root");
  if (lacks.length > 0) {
    console.error(`\n*** NOT RUN: ${suite} needs ${lacks.join(", ")} ***\n`);
  }
  return lacks;
}
