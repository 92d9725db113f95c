/**
 * The testbed: two network namespaces with a link between them, the server on
 * one core and the load generator on the other.
 *
 * @module
 */

import { type Host, Lab, type Program } from "../../tests/support/lab.ts";

/** The link, and the addresses of server and clients there. */
export const BASE = "2001:db8:1:2::";
export const SERVER = "2001:db8:1:2::1";
export const CLIENT = "2001:db8:1:2::2";
export const LINK_LOCAL_CLIENT = "fe80::2";

/** Addresses behind the client, for many clients: all of them are its own. */
export const CLIENTS = "2001:db8:1:3::";

/** A MAC and the name of the file that it fetches. */
export const MAC = "02:00:5e:00:53:01";

/** Ticks of `/proc/PID/stat` in a second: a part of Linux' interface. */
const TICKS = 100;

/** The programs in C: those that ask, and one that helps a server. */
type LoadProgram = "dhcpv6_load" | "tftp_load" | "http_load";
const PROGRAMS = ["dhcpv6_load", "tftp_load", "http_load", "inetd"];

/** Milliseconds in which a server must have come to rest. */
const REST = 1500;

/** What one of the load programs writes. */
export type Report = Readonly<Record<string, number>>;

/** Two hosts, and the programs that ask. */
export class Testbed implements AsyncDisposable {
  private constructor(
    readonly lab: Lab,
    readonly router: Host,
    readonly client: Host,
  ) {}

  /** Makes the hosts and compiles the programs. */
  static async make(): Promise<Testbed> {
    const lab = new Lab();
    try {
      const { router, client } = await lab.pair();
      // A link-local address with a MAC in it would be another one than the
      // DUIDs of the many clients say, and be warned of.
      await client.ip("link set eth0 addrgenmode none");
      await client.ip("-6 addr flush dev eth0");
      await client.ip(`addr add ${LINK_LOCAL_CLIENT}/64 dev eth0 nodad`);
      await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
      await client.ip(`addr add ${CLIENT}/64 dev eth0 nodad`);
      await client.ip(`-6 route add local ${CLIENTS}/64 dev lo`);
      await router.ip(`-6 route add ${CLIENTS}/64 via ${CLIENT}`);
      await router.linkLocal("lan");
      const testbed = new Testbed(lab, router, client);
      for (const name of PROGRAMS) await compile(testbed, name);
      return testbed;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The path of a file of the testbed. */
  path(name: string): string {
    return `${this.lab.directory}/${name}`;
  }

  /** Starts a server on the router, with directories of its own. */
  serve(command: readonly string[], privately: readonly string[] = []) {
    return this.router.start(["taskset", "-c", "1", ...command], privately);
  }

  /** The command of one of the programs that ask. */
  #load(program: LoadProgram, options: Readonly<Record<string, unknown>>) {
    return [
      "taskset",
      "-c",
      "0",
      this.path(program),
      ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ];
  }

  /** Asks, and waits for the report. */
  async ask(
    program: LoadProgram,
    options: Readonly<Record<string, unknown>>,
    priority: readonly string[] = [],
  ): Promise<Report> {
    const { stdout } = await this.client.run(
      [...priority, ...this.#load(program, options)],
      { seconds: 120 },
    );
    return JSON.parse(stdout.trim().split("\n").at(-1)!);
  }

  /**
   * Asks next to others who ask from the same core, and runs as soon as there
   * is an answer: else it would measure how long they keep it waiting.
   */
  async askFirst(
    program: LoadProgram,
    options: Readonly<Record<string, unknown>>,
  ): Promise<Report> {
    return await this.ask(program, options, ["chrt", "--fifo", "1"]);
  }

  /** Begins to ask. */
  startAsking(
    program: LoadProgram,
    options: Readonly<Record<string, unknown>>,
  ): Program {
    return this.client.start(this.#load(program, options));
  }

  /** The command of the bare loop in C, on the router. */
  get bareLoop(): string[] {
    return [this.path("dhcpv6_load"), "--mode=serve", "--link=lan"];
  }

  /** The processes on the router: those of the one server there. */
  async #processes(): Promise<string[]> {
    const { stdout } = await this.router.run([
      "ip",
      "netns",
      "pids",
      this.router.namespace,
    ]);
    const pids: string[] = [];
    for (const pid of stdout.split("\n")) {
      if (/^\d+$/.test(pid) && await nameOf(pid) !== "ip") pids.push(pid);
    }
    return pids;
  }

  /** Seconds of CPU that the server has had, with its children. */
  async cpuSeconds(): Promise<number> {
    let ticks = 0;
    for (const pid of await this.#processes()) {
      const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // utime, stime, and those of children that have ended (proc(5))
      for (const field of [11, 12, 13, 14]) ticks += Number(fields[field]);
    }
    return ticks / TICKS;
  }

  /**
   * How often the threads of the server have begun to wait, each time to be woken
   * up, and their CPU time, more exactly than {@linkcode cpuSeconds}.
   */
  async activity(): Promise<{ wakeUps: number; cpuSeconds: number }> {
    let wakeUps = 0;
    let nanoseconds = 0;
    for (const pid of await this.#processes()) {
      for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
        const thread = `/proc/${pid}/task/${name}`;
        const status = await Deno.readTextFile(`${thread}/status`);
        wakeUps += Number(
          /^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0,
        );
        const [running] = (await Deno.readTextFile(`${thread}/schedstat`))
          .split(" ");
        nanoseconds += Number(running);
      }
    }
    return { wakeUps, cpuSeconds: nanoseconds / 1e9 };
  }

  /** Megabytes of memory that the server holds. */
  async residentMegabytes(): Promise<number> {
    let kilobytes = 0;
    for (const pid of await this.#processes()) {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      kilobytes += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    }
    return kilobytes * 1024 / 1e6;
  }

  /** Gives a server time to do what it does when it has started. */
  async rest(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, REST));
  }

  /** Ends a server, and the processes that it leaves behind. */
  async stop(program: Program): Promise<void> {
    await program.stop();
    for (const pid of await this.#processes()) {
      try {
        Deno.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
  }

  /** Ends what still runs after a measurement that has failed. */
  async clear(): Promise<void> {
    for (const program of this.lab.programs) await program.stop();
    this.lab.programs.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

async function nameOf(pid: string): Promise<string> {
  try {
    return (await Deno.readTextFile(`/proc/${pid}/comm`)).trim();
  } catch {
    return "ip"; // the command that has listed itself
  }
}

async function compile({ lab, client }: Testbed, name: string): Promise<void> {
  await client.run([
    "gcc",
    "-O2",
    "-o",
    `${lab.directory}/${name}`,
    `${import.meta.dirname}/${name}.c`,
  ], { seconds: 60 });
}
