/** Machines with real firmware, emulated. */

import { decodeHex } from "@std/encoding/hex";
import {
  type ArchivedPackage,
  ArchiveError,
  unpackFromArchive,
} from "../../../tools/debian.ts";
import {
  eventually,
  type Host,
  pause,
  type Program,
} from "../../support/lab.ts";

/** A kind of machine, and the firmware that Debian has for it. */
interface Board {
  readonly program: string;
  readonly args: readonly string[];
  /** The flash; a board without it takes its firmware from a file. */
  readonly flash?: { readonly code: string; readonly variables: string };
  /** Code that starts the firmware, where that is not in the flash. */
  readonly start?: string;
  /** Whether QEMU tells it its UUID, and settings of its firmware. */
  readonly isConfigured: boolean;
}

const BOARDS = {
  "x86-64": {
    program: "qemu-system-x86_64",
    args: ["-machine", "q35,accel=tcg", "-cpu", "qemu64"],
    flash: {
      code: "/usr/share/OVMF/OVMF_CODE_4M.fd",
      variables: "/usr/share/OVMF/OVMF_VARS_4M.fd",
    },
    isConfigured: true,
  },
  // With Microsoft's keys.
  "x86-64 with Secure Boot": {
    program: "qemu-system-x86_64",
    args: [
      ...["-machine", "q35,accel=tcg,smm=on", "-cpu", "qemu64"],
      ...["-global", "driver=cfi.pflash01,property=secure,value=on"],
    ],
    flash: {
      code: "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
      variables: "/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
    },
    isConfigured: true,
  },
  "arm64": {
    program: "qemu-system-aarch64",
    args: ["-machine", "virt,accel=tcg", "-cpu", "cortex-a57"],
    flash: {
      code: "/usr/share/AAVMF/AAVMF_CODE.fd",
      variables: "/usr/share/AAVMF/AAVMF_VARS.fd",
    },
    isConfigured: true,
  },
  // Its flash would be started in machine mode by QEMU before 8.1. So OpenSBI
  // starts first, and goes on at the address of the flash.
  "riscv64": {
    program: "qemu-system-riscv64",
    args: ["-machine", "virt,accel=tcg"],
    flash: {
      code: "/usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd",
      variables: "/usr/share/qemu-efi-riscv64/RISCV_VIRT_VARS.fd",
    },
    start: "b7020020" + "67800200", // lui t0, 0x20000; jr t0
    isConfigured: false,
  },
  "arm64 with U-Boot": {
    program: "qemu-system-aarch64",
    args: ["-machine", "virt,accel=tcg", "-cpu", "cortex-a57"],
    isConfigured: false,
  },
} satisfies Record<string, Board>;

/** What a machine can be. */
export type Architecture = keyof typeof BOARDS;

/** Where the flash of a riscv64 board has code and variables. */
const RISCV_FLASH = ["0x20000000", "0x22000000"] as const;

/** Arguments of QEMU for the firmware's code, and the file of its variables. */
async function flashArguments(
  code: string,
  variables: string,
  start: string | undefined,
): Promise<string[]> {
  if (start === undefined) {
    return [
      ...["-drive", `if=pflash,format=raw,readonly=on,file=${code}`],
      ...["-drive", `if=pflash,format=raw,file=${variables}`],
    ];
  }
  const [codeAt, variablesAt] = RISCV_FLASH;
  const load = (file: string, at: string) => [
    "-device",
    `loader,file=${file},addr=${at},force-raw=on`,
  ];
  await Deno.writeFile(`${variables}.start`, decodeHex(start));
  return [
    ...["-kernel", `${variables}.start`],
    ...load(code, codeAt),
    ...load(variables, variablesAt),
  ];
}

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
    const { flash }: Board = BOARDS[architecture];
    return flash === undefined ? [] : [flash.code, flash.variables];
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

/**
 * Unpacks a package of firmware; says it loudly if it cannot be had.
 *
 * @returns whether it was had.
 */
export async function unpackFirmware(
  what: string,
  firmware: ArchivedPackage,
  directory: string,
): Promise<boolean> {
  try {
    await unpackFromArchive(firmware, directory);
    return true;
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    console.error(
      `\n*** NOT RUN: ${what} needs firmware: ${error.message} ***\n`,
    );
    return false;
  }
}

/** The file of what firmware remembers when it comes from the factory. */
export function factoryVariables(architecture: Architecture): string {
  const { flash }: Board = BOARDS[architecture];
  if (flash === undefined) throw new Error(`${architecture} has no flash`);
  return flash.variables;
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
  /** Where the firmware's package is unpacked; else it is installed. */
  readonly root?: string;
  /** The file of the firmware of a board without a flash. */
  readonly firmware?: string;
  /** A file of certificates that it trusts for HTTPS (`EFI_SIGNATURE_LIST`). */
  readonly trusted?: string;
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
    const { root = "", trusted, firmware } = options;
    const board: Board = BOARDS[architecture];
    const number = machines++;
    const variables = `${host.lab.directory}/variables-${number}.fd`;
    if (board.flash !== undefined) {
      await Deno.copyFile(
        options.variables ?? root + board.flash.variables,
        variables,
      );
    }
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
      ...(board.isConfigured
        ? [
          // Real machines have one, and iPXE makes its DUID of it.
          "-smbios",
          `type=1,uuid=12345678-1234-1234-1234-${mac.replaceAll(":", "")}`,
          // It would ask for DHCPv4 for a minute first.
          "-fw_cfg",
          "name=opt/org.tianocore/IPv4PXESupport,string=n",
        ]
        : []),
      ...(trusted === undefined ? [] : [
        "-fw_cfg",
        `name=etc/edk2/https/cacerts,file=${trusted}`,
      ]),
      ...(board.flash === undefined ? [] : await flashArguments(
        root + board.flash.code,
        variables,
        board.start,
      )),
      ...(firmware === undefined ? [] : ["-bios", firmware]),
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
      // Firmware of 2025 has no network without random numbers.
      "-device",
      "virtio-rng-pci",
      "-chardev",
      `socket,id=serial,path=${serial}.socket,server=on,wait=off,logfile=${serial}`,
      "-serial",
      "chardev:serial",
    ]);
    return new Machine(mac, variables, program, serial);
  }

  /** What its console shows so far, without what moves the cursor. */
  console(): string {
    return Deno.readTextFileSync(this.serial)
      // deno-lint-ignore no-control-regex
      .replace(/\x1b\[[=0-9;]*[A-Za-z]|\r/g, "");
  }

  /** Types at its console. */
  async type(text: string): Promise<void> {
    using socket = await Deno.connect({
      transport: "unix",
      path: `${this.serial}.socket`,
    });
    for (const byte of new TextEncoder().encode(text)) {
      await socket.write(Uint8Array.of(byte));
      // Slower than the line: nothing waits in the emulator.
      await pause(50);
    }
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
