/** Machines with real firmware, emulated. */

import { eventually, type Host, type Program } from "../../support/lab.ts";

/** A kind of machine, and the firmware that Debian has for it. */
interface Board {
  readonly program: string;
  readonly args: readonly string[];
  readonly code: string;
  readonly variables: string;
}

const BOARDS = {
  "x86-64": {
    program: "qemu-system-x86_64",
    args: ["-machine", "q35,accel=tcg", "-cpu", "qemu64"],
    code: "/usr/share/OVMF/OVMF_CODE_4M.fd",
    variables: "/usr/share/OVMF/OVMF_VARS_4M.fd",
  },
  // With Microsoft's keys.
  "x86-64 with Secure Boot": {
    program: "qemu-system-x86_64",
    args: [
      ...["-machine", "q35,accel=tcg,smm=on", "-cpu", "qemu64"],
      ...["-global", "driver=cfi.pflash01,property=secure,value=on"],
    ],
    code: "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
    variables: "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
  },
  "arm64": {
    program: "qemu-system-aarch64",
    args: ["-machine", "virt,accel=tcg", "-cpu", "cortex-a57"],
    code: "/usr/share/AAVMF/AAVMF_CODE.fd",
    variables: "/usr/share/AAVMF/AAVMF_VARS.fd",
  },
} satisfies Record<string, Board>;

/** What a machine can be. */
export type Architecture = keyof typeof BOARDS;

/**
 * Whether firmware is not on this machine; says so loudly.
 *
 * @param what The tests that need it.
 */
export function lacksFirmware(
  what: string,
  ...architectures: Architecture[]
): boolean {
  const lacking = architectures.flatMap((architecture) => {
    const { code, variables } = BOARDS[architecture];
    return [code, variables];
  }).filter((path) => {
    try {
      Deno.statSync(path);
      return false;
    } catch {
      return true;
    }
  });
  if (lacking.length === 0) return false;
  console.error(
    `\n*** NOT RUN: ${what} need ${lacking.join(", ")} ***\n`,
  );
  return true;
}

/** The file of what firmware remembers when it comes from the factory. */
export function factoryVariables(architecture: Architecture): string {
  return BOARDS[architecture].variables;
}

/** How a machine is made. */
export interface MachineOptions {
  readonly architecture: Architecture;
  readonly mac: string;
  /** The tap device that its cable ends in. */
  readonly tap: string;
  readonly megabytes: number;
  /** A directory that it has as a disk and tries first. */
  readonly disk?: string;
  /** What its firmware remembers; else it is fresh from the factory. */
  readonly variables?: string;
}

let machines = 0;

/** A machine that has been switched on. */
export class Machine {
  /** When it was switched on: milliseconds since 1970. */
  readonly poweredOn = Date.now();

  private constructor(
    readonly mac: string,
    /** The file of what its firmware remembers. */
    readonly variables: string,
    readonly program: Program,
    readonly serial: string,
  ) {}

  /** Switches a machine on. */
  static async start(host: Host, options: MachineOptions): Promise<Machine> {
    const { architecture, mac, tap, megabytes, disk } = options;
    const board = BOARDS[architecture];
    const number = machines++;
    const variables = `${host.lab.directory}/variables-${number}.fd`;
    await Deno.copyFile(options.variables ?? board.variables, variables);
    const serial = `${host.lab.directory}/serial-${number}.log`;
    await Deno.writeTextFile(serial, "");
    const program = host.start([
      board.program,
      ...board.args,
      "-m",
      String(megabytes),
      "-nodefaults",
      "-display",
      "none",
      "-monitor",
      "none",
      // Real machines have one, and iPXE makes its DUID of it.
      "-smbios",
      `type=1,uuid=12345678-1234-1234-1234-${mac.replaceAll(":", "")}`,
      // It would ask for DHCPv4 for a minute first.
      "-fw_cfg",
      "name=opt/org.tianocore/IPv4PXESupport,string=n",
      "-drive",
      `if=pflash,format=raw,readonly=on,file=${board.code}`,
      "-drive",
      `if=pflash,format=raw,file=${variables}`,
      ...(disk === undefined ? [] : [
        "-drive",
        `file=fat:rw:${disk},format=raw,if=none,id=disk`,
        "-device",
        "virtio-blk-pci,drive=disk,bootindex=0",
      ]),
      "-netdev",
      `tap,id=net,ifname=${tap},script=no,downscript=no`,
      // Without a ROM of QEMU's, so that the firmware's own network is used.
      "-device",
      `virtio-net-pci,netdev=net,romfile=,mac=${mac}`,
      "-serial",
      `file:${serial}`,
    ]);
    return new Machine(mac, variables, program, serial);
  }

  /** What its console shows so far, without what moves the cursor. */
  console(): string {
    return Deno.readTextFileSync(this.serial)
      // deno-lint-ignore no-control-regex
      .replace(/\x1b\[[=0-9;]*[A-Za-z]|\r/g, "");
  }

  /** Waits until its console shows something that matches. */
  async shows(pattern: RegExp, seconds: number): Promise<RegExpExecArray> {
    try {
      return await eventually(
        `${pattern} on the console`,
        () => pattern.exec(this.console()) ?? undefined,
        seconds,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.told()}`);
    }
  }

  /** All that it and the emulator wrote. */
  told(): string {
    return `${this.program.output}\n${this.console()}`;
  }
}
