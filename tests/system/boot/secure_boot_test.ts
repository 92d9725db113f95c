import { assert, assertEquals } from "@std/assert";
import { command, missing } from "../../support/lab.ts";
import {
  buildLinux,
  COMMAND_LINE,
  OS_ADDRESS,
  OS_STARTED,
  unpackNewest,
} from "./linux.ts";
import { factoryVariables, lacksFirmware, Machine } from "./machine.ts";
import { BootNetwork, ROUTER } from "./network.ts";
import {
  assertConsole,
  assertStages,
  assertSystem,
  derived,
  PATIENCE,
  printTimeline,
  variablesForHttp,
} from "./observation.ts";
import { enroll } from "./variables.ts";

const lacks = missing(
  "boots with Secure Boot",
  "qemu-system-x86_64",
  "radvd",
  "tcpdump",
  "tshark",
  "apt-get",
  "xz",
  "openssl",
  "sbsign",
);
const ignore =
  lacksFirmware("boots with Secure Boot", "x86-64 with Secure Boot") ||
  lacks.length > 0;

const KERNEL_ARGUMENTS = "console=ttyS0 quiet mitigations=off lab=grub";

/** GRUB asks for an address itself, and boots the only entry at once. */
const GRUB_CONFIG = `net_bootp6
net_ls_addr
set timeout=0
menuentry "from the netboot directory" {
  linux /vmlinuz ${KERNEL_ARGUMENTS}
  initrd /initramfs
}
`;

Deno.test("Secure Boot with Microsoft's keys", { ignore }, async (t) => {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.adopt(
    await Deno.makeTempDir({ prefix: "dhcpv6macd-boot-" }),
    (path) => Deno.remove(path, { recursive: true }),
  );
  const { kernel, initramfs, uki } = await buildLinux(directory);
  await unpackNewest("shim-signed", directory);
  await unpackNewest("grub-efi-amd64-signed", directory);
  const shim = `${directory}/usr/lib/shim/shimx64.efi.signed`;
  const grub =
    `${directory}/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed`;

  await t.step("PXE: shim, GRUB, and Linux over TFTP", async () => {
    const mac = "52:54:00:12:34:20";
    await using network = await BootNetwork.create();
    const own = `${network.netboot}/${mac}`;
    await Deno.mkdir(`${own}/grub`, { recursive: true });
    await Deno.copyFile(grub, `${own}/grubx64.efi`);
    await Deno.copyFile(kernel, `${own}/vmlinuz`);
    await Deno.copyFile(initramfs, `${own}/initramfs`);
    await Deno.writeTextFile(`${own}/grub/grub.cfg`, GRUB_CONFIG);
    await network.advertise();
    const daemon = await network.daemon(
      `--shim-x86-64-efi=${shim}`,
      "--boot-url=grub=tftp://[{{.BootAddress}}]/{{.MAC}}/grub/grub.cfg",
    );
    const machine = await Machine.start(network.router, {
      architecture: "x86-64 with Secure Boot",
      mac,
      tap: await network.tap("tap0"),
      megabytes: 1024,
    });
    await assertSystem(
      "x86-64 with Secure Boot, by shim and GRUB",
      network,
      daemon,
      machine,
    );
    assertConsole(
      machine,
      `NBP filename is ${mac}/ipxe-shimx64.efi`,
      "Welcome to GRUB!",
      `efinet0:dhcp6 ${mac} ${derived(mac)}`,
      "from the netboot directory",
      OS_STARTED,
      KERNEL_ARGUMENTS,
      OS_ADDRESS,
    );
    // GRUB looks for lists of modules that it does not need.
    assertStages(daemon, machine, [
      "point_pxe_to_ipxe_over_tftp",
      "serve_ipxe_over_tftp complete",
      "http_fetch_uki init",
      "http_fetch_uki complete",
      "point_loader_to_boot_file",
      "os_init",
    ], ["boot_refused"]);
    const refused = daemon.log.filter(({ event }) => event === "boot_refused");
    assertEquals(
      daemon.log.filter(({ event, repeat_event }) =>
        event === "os_init" && repeat_event !== true
      ).length,
      1,
      "GRUB is no system",
    );
    assert(
      refused.every(({ path }) => !/revocations|shim_cert/.test(String(path))),
      JSON.stringify(refused),
    );
  });

  await t.step("HTTP boot: shim, and GRUB next to it", async () => {
    const mac = "52:54:00:12:34:21";
    await using network = await BootNetwork.create();
    const own = `${network.netboot}/${mac}`;
    await Deno.mkdir(own);
    await Deno.copyFile(shim, `${own}/shimx64.efi`);
    await Deno.copyFile(grub, `${own}/grubx64.efi`);
    await Deno.mkdir(`${own}/grub`);
    await Deno.writeTextFile(`${own}/grub/grub.cfg`, GRUB_CONFIG);
    const settings = {
      architecture: "x86-64 with Secure Boot",
      mac,
      tap: await network.tap("tap0"),
      megabytes: 512,
    } as const;
    const variables = await variablesForHttp(network.router, settings);
    await network.advertise();
    const daemon = await network.daemon(
      "--tftp-listen-addr=off",
      // GRUB ignores the port of a URL.
      ...["--http-listen-addr=:80", "--http-listen-addr=:6315"],
      "--boot-url=http=http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/shimx64.efi",
    );
    const machine = await Machine.start(network.router, {
      ...settings,
      variables,
    });
    // It reads no file over HTTP: it wants the names of headers in capitals.
    await machine.shows(/Welcome to GRUB![^]*grub> /, PATIENCE);
    await printTimeline(
      "x86-64 with Secure Boot, shim by HTTP boot",
      network,
      daemon,
      machine,
      "GRUB",
    );
    assertConsole(
      machine,
      `URI: http://[${ROUTER}]:6315/mac/${mac}/shimx64.efi`,
      "Welcome to GRUB!",
    );
    const complete = daemon.log.filter(({ event, state }) =>
      event === "http_fetch_uki" && state === "complete"
    );
    assertEquals(
      complete.map(({ file_name }) => file_name),
      ["shimx64.efi", "grubx64.efi"],
    );
    assertEquals(daemon.count("boot_refused"), 0);
  });

  await t.step("PXE: an image signed with a key of one's own", async () => {
    const mac = "52:54:00:12:34:23";
    await using network = await BootNetwork.create();
    const [key, certificate, der, signed] = [
      "own.key",
      "own.pem",
      "own.der",
      "signed.efi",
    ].map((name) => `${directory}/${name}`) as [string, string, string, string];
    for (
      const step of [
        // Firmware knows no other keys.
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
          .concat("-subj", "/CN=own", "-keyout", key, "-out", certificate),
        ["openssl", "x509", "-in", certificate, "-outform", "DER", "-out", der],
        [
          "sbsign",
          "--key",
          key,
          "--cert",
          certificate,
          "--output",
          signed,
          uki,
        ],
      ]
    ) await command(step, { seconds: 60 });
    const variables = `${directory}/variables.fd`;
    await Deno.copyFile(factoryVariables("x86-64 with Secure Boot"), variables);
    await enroll(variables, await Deno.readFile(der));
    await network.serve(mac, signed);
    await network.advertise();
    const daemon = await network.daemon(
      "--boot-url=pxe=tftp://[{{.BootAddress}}]/{{.MAC}}/boot.efi",
    );
    const machine = await Machine.start(network.router, {
      architecture: "x86-64 with Secure Boot",
      mac,
      tap: await network.tap("tap0"),
      megabytes: 1024,
      variables,
    });
    await assertSystem(
      "x86-64 with Secure Boot, an image signed with a key of one's own",
      network,
      daemon,
      machine,
    );
    assertStages(daemon, machine, [
      "point_loader_to_boot_file",
      "http_fetch_uki complete",
      "os_init",
    ]);
    assertConsole(machine, `${OS_STARTED} ${COMMAND_LINE}`, OS_ADDRESS);
  });
});
