/** Machines that are neither x86-64 nor arm64 with edk2. */

import { assertEquals } from "@std/assert";
import { RISCV64_FIRMWARE } from "../../../tools/debian.ts";
import { compiledIn } from "../../support/ipxe.ts";
import { missing } from "../../support/lab.ts";
import { Machine, unpackFirmware } from "./machine.ts";
import { BootNetwork } from "./network.ts";
import {
  assertConsole,
  assertStages,
  PATIENCE,
  printTimeline,
} from "./observation.ts";

const ignore = missing(
  "boots of boards",
  "qemu-system-riscv64",
  "qemu-system-aarch64",
  "dnsmasq",
  "radvd",
  "tcpdump",
  "tshark",
  "apt-get",
).length > 0;

/** A U-Boot for QEMU's arm64 that has IPv6. */
const U_BOOT = Deno.env.get("UBOOT");
if (U_BOOT === undefined) {
  console.error(
    "\n*** NOT RUN: the boot by U-Boot needs UBOOT, the path of a u-boot.bin of qemu_arm64_defconfig with CONFIG_IPV6 and CONFIG_CMD_DHCP6, which Debian's lacks ***\n",
  );
}

/** Ends what firmware tries, as soon as a packet comes. */
const CONTROL_C = "\x03";

/** Offers IPv4 addresses, for firmware that tries DHCPv4 before for a minute. */
async function offerDhcpv4({ router, lab }: BootNetwork): Promise<void> {
  await router.ip("addr add 192.0.2.1/24 dev lan");
  router.start([
    ...["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"],
    ...["--user=root", "--pid-file=", "--port=0", "--bind-interfaces"],
    ...["--interface=lan", "--dhcp-range=192.0.2.10,192.0.2.20"],
    `--dhcp-leasefile=${lab.directory}/leases`,
  ]);
}

Deno.test("boards", { ignore }, async (t) => {
  await using cleanup = new AsyncDisposableStack();
  const root = cleanup.adopt(
    await Deno.makeTempDir({ prefix: "dhcpv6macd-boot-" }),
    (path) => Deno.remove(path, { recursive: true }),
  );

  await t.step({
    name: "riscv64: PXE, its own iPXE over TFTP",
    ignore: !await unpackFirmware(
      "the boot of riscv64",
      RISCV64_FIRMWARE,
      root,
    ),
    fn: async () => {
      const mac = "52:54:00:12:34:30";
      await using network = await BootNetwork.create();
      const ipxe = await compiledIn("riscv64");
      await network.advertise();
      await offerDhcpv4(network);
      const daemon = await network.daemon();
      const machine = await Machine.start(network.router, {
        architecture: "riscv64",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 512,
        root,
      });
      await machine.shows(/>>Start PXE over IPv4/, PATIENCE);
      await machine.type(CONTROL_C);
      // QEMU before 8.1 tells no UUID, without which Debian's iPXE asks for no
      // address.
      await machine.shows(/iPXE initialising devices/, PATIENCE);
      await printTimeline("riscv64 by PXE", network, daemon, machine);
      const served = await daemon.logs(
        "serve_ipxe_over_tftp",
        (line) => line.mac === mac && line.state === "complete",
      );
      assertEquals(
        [served.file_name, served.total_bytes],
        ["ipxe-riscv64.efi", ipxe.length],
      );
      assertStages(daemon, machine, [
        "point_pxe_to_ipxe_over_tftp",
        "serve_ipxe_over_tftp init",
        "serve_ipxe_over_tftp complete",
        "served_ipxe_over_tftp",
      ]);
      assertConsole(
        machine,
        ">>Start PXE over IPv6",
        `NBP filename is ${mac}/ipxe-riscv64.efi`,
        "NBP file downloaded successfully",
        "iPXE",
      );
    },
  });

  await t.step({
    name: "U-Boot: dhcp6 loads a file over TFTP",
    ignore: U_BOOT === undefined,
    fn: async () => {
      const mac = "52:54:00:12:34:31";
      await using network = await BootNetwork.create();
      const file = new Uint8Array(300_000).fill(7);
      await network.serve(mac, file);
      await network.advertise();
      const daemon = await network.daemon(
        "--boot-url=u-boot=tftp://[{{.BootAddress}}]/{{.MAC}}/boot.efi",
      );
      const machine = await Machine.start(network.router, {
        architecture: "arm64 with U-Boot",
        mac,
        tap: await network.tap("tap0"),
        megabytes: 512,
        firmware: U_BOOT!,
      });
      await machine.shows(/Hit any key|autoboot/, PATIENCE);
      await machine.type("\r");
      await machine.shows(/=> $/, PATIENCE);
      await machine.type("dhcp6\r");
      await machine.shows(/Bytes transferred = 300000/, PATIENCE);
      await printTimeline("U-Boot", network, daemon, machine);
      assertConsole(
        machine,
        "client bound to 2001:0db8:0001:0002:0000:5254:0012:3431",
        `${mac}/boot.efi`,
      );
      assertStages(daemon, machine, [
        "point_loader_to_boot_file",
        "http_fetch_uki init",
        "http_fetch_uki complete",
      ]);
    },
  });
});
