/** A link as a router has it, on which machines boot. */

import type { MachineEventJson } from "../../../lib/machines/json.ts";
import type { TransferDetail } from "../../../lib/machines/transfer_progress.ts";
import { transferIn } from "../../../assets/shared/format.js";
import type { KeyPairFiles } from "../../../lib/http/tls_reload.ts";
import { BASE } from "../../support/expect.ts";
import {
  type LogLine,
  RunningDaemon,
  startDaemon,
} from "../../support/daemon.ts";
import {
  type Capture,
  type Host,
  Lab,
  type Program,
} from "../../support/lab.ts";

/** The router's address. */
export const ROUTER = `${BASE}1`;

const TEMPLATE = "http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi";

/** Where it serves HTTPS, if it does. */
export const TLS_PORT = 8443;

/** A name that the router has, for whoever asks its name server. */
export const ROUTER_NAME = "boot.example.net";

/** The router with its bridge `lan` that cables are plugged into. */
export class BootNetwork implements AsyncDisposable {
  private constructor(
    readonly lab: Lab,
    readonly router: Host,
    readonly capture: Capture,
    readonly netboot: string,
  ) {}

  /** Sets it up; nobody advertises or answers anything yet. */
  static async create(): Promise<BootNetwork> {
    const lab = new Lab();
    try {
      return await BootNetwork.#setUp(lab);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  static async #setUp(lab: Lab): Promise<BootNetwork> {
    const router = await lab.host("router");
    await router.ip("link add lan type bridge");
    await router.ip("link set lan address 02:00:5e:00:53:01");
    // A port with a carrier: the bridge is up before any machine is.
    await lab.cable(router, "other", await lab.host("other"), "eth0");
    await router.ip("link set other master lan");
    await router.ip("link set lan up");
    await router.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
    await router.ip(`addr add ${ROUTER}/64 dev lan nodad`);
    await router.linkLocal("lan");
    const netboot = `${lab.directory}/netboot`;
    await Deno.mkdir(netboot);
    return new BootNetwork(
      lab,
      router,
      await lab.capture(router, "lan", "udp port 546 or udp port 547"),
      netboot,
    );
  }

  /** Adds a port for a machine: the name of its tap device. */
  async tap(name: string): Promise<string> {
    await this.router.ip(`tuntap add ${name} mode tap`);
    await this.router.ip(`link set ${name} master lan`);
    await this.router.ip(`link set ${name} up`);
    return name;
  }

  /** Puts there what a machine boots: a file, or its content. */
  async serve(mac: string, file: string | Uint8Array): Promise<void> {
    await Deno.mkdir(`${this.netboot}/${mac}`);
    const to = `${this.netboot}/${mac}/boot.efi`;
    if (typeof file === "string") await Deno.copyFile(file, to);
    else await Deno.writeFile(to, file);
  }

  /** Tells machines to ask for DHCPv6. */
  async advertise(): Promise<Program> {
    const config = await this.lab.file(
      "radvd.conf",
      `interface lan {
  AdvSendAdvert on; AdvManagedFlag on; AdvOtherConfigFlag on;
  MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
  prefix ${BASE}/64 { AdvOnLink on; AdvAutonomous off; };
};
`,
    );
    return this.router.start([
      "radvd",
      "--nodaemon",
      "--config",
      config,
      "--pidfile",
      `${this.lab.directory}/radvd.pid`,
      "--logmethod",
      "stderr",
    ]);
  }

  /** Tells the router's address to who asks for its name. */
  async nameServer(): Promise<void> {
    const server = this.router.start([
      "dnsmasq",
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--user=root",
      "--pid-file=",
      "--log-facility=-",
      "--no-resolv",
      "--no-hosts",
      `--address=/${ROUTER_NAME}/${ROUTER}`,
    ]);
    await server.says(/dnsmasq.* started/);
  }

  /** Records the event stream of the daemon, as a script with curl would. */
  async listen(): Promise<EventRecording> {
    const curl = this.router.start(
      ["curl", "-sN", `http://[${ROUTER}]:6315/events`],
    );
    await curl.says(/^data: /m);
    return new EventRecording(curl);
  }

  /** Starts the daemon. */
  daemon(...args: string[]): Promise<BootDaemon> {
    return this.#daemon(TEMPLATE, ...args);
  }

  /** Starts the daemon so that it sends machines to HTTPS, by this name. */
  daemonWithTls(
    host: string,
    { certFile, keyFile }: KeyPairFiles,
    ...args: string[]
  ): Promise<BootDaemon> {
    return this.#daemon(
      `https://${host}:${TLS_PORT}/mac/{{.MAC}}/boot.efi`,
      `--https-listen-addr=:${TLS_PORT}`,
      `--tls-cert-file=${certFile}`,
      `--tls-key-file=${keyFile}`,
      ...args,
    );
  }

  async #daemon(template: string, ...args: string[]): Promise<BootDaemon> {
    return new BootDaemon(
      (await startDaemon(
        this.router,
        "--interface=lan",
        `--base-address=${BASE}`,
        `--http-boot-url-template=${template}`,
        `--netboot-dir=${this.netboot}`,
        ...args,
      )).program,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

/** What the event stream told. */
export class EventRecording {
  constructor(readonly program: Program) {}

  /** Everything that came so far: the state, then an event each. */
  get messages(): unknown[] {
    return [...this.program.output.matchAll(/^data: (.*)\n/gm)].map(
      ([, data]) => JSON.parse(data!),
    );
  }

  /** How far a machine's transfers were, each time that it was told. */
  transfers(mac: string): TransferDetail[] {
    return (this.messages.slice(1) as MachineEventJson[]).flatMap((message) =>
      message.mac === mac ? transferIn(message.event.detail) ?? [] : []
    );
  }

  /** What was told of a machine, without what was told again. */
  events(mac: string): MachineEventJson[] {
    return (this.messages.slice(1) as MachineEventJson[]).filter((message) =>
      message.mac === mac && !message.event.repeat_event
    );
  }
}

/** One of the daemon's log lines, as short as tests name it. */
export interface Stage {
  /** The event, and its state where it has one. */
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** A daemon that machines boot from. */
export class BootDaemon extends RunningDaemon {
  /** What it told of a machine's boot, in order. */
  stages(mac: string): Stage[] {
    return this.log.filter((line) =>
      line.mac === mac && line.level === "info" && line.event !== "init"
    ).map((line) => ({
      name: nameOf(line),
      time: Date.parse(String(line.time)),
    }));
  }

  /** What an operator would have to look into, besides his own settings. */
  get complaints(): LogLine[] {
    return this.log.filter(({ level, event }) =>
      (level === "warning" || level === "error") && event !== "notice"
    );
  }
}

function nameOf({ event, state }: LogLine): string {
  return state === undefined ? event : `${event} ${state}`;
}
