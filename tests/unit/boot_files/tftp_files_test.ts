import { assert, assertEquals, assertRejects } from "@std/assert";
import { BootDirectory } from "../../../lib/boot_files/directory.ts";
import { type IpxeFileKey, IpxeFiles } from "../../../lib/boot_files/ipxe.ts";
import type { PathProblem } from "../../../lib/boot_files/served_roots.ts";
import { TftpFiles } from "../../../lib/boot_files/tftp_files.ts";
import { MAC, MAC_TEXT } from "../../support/http.ts";

const CLIENT = "2001:db8:1:2::9";

Deno.test("files over TFTP", async (t) => {
  const root = await Deno.makeTempDir();
  const files: Record<string, string> = {
    "secret": "secret",
    "builds/x86-64": "iPXE x86-64",
    "builds/arm64": "iPXE arm64",
    "builds/shim-x86-64": "shim x86-64",
    "builds/shim-arm64": "shim arm64",
    "builds/script": "#!ipxe",
    "netboot/default/start4.elf": "start4 of all",
    "netboot/default/kernel8.img": "kernel of all",
    [`netboot/${MAC_TEXT}/config.txt`]: "config",
    [`netboot/${MAC_TEXT}/kernel8.img`]: "own kernel",
    [`netboot/${MAC_TEXT}/overlays/a.dtbo`]: "overlay",
    [`netboot/${MAC_TEXT}/own.efi`]: "own program",
    [`netboot/${MAC_TEXT}/grubx64.efi`]: "GRUB",
    "netboot/02-00-5E-00-53-02/ipxe.efi": "iPXE of its own",
    "netboot/02-00-5E-00-53-02/boot.ipxe": "script of its own",
  };
  for (const [path, content] of Object.entries(files)) {
    const file = `${root}/${path}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(file, content);
  }
  await Deno.symlink(`${root}/secret`, `${root}/netboot/${MAC_TEXT}/out.efi`);
  await Deno.symlink("gone", `${root}/netboot/${MAC_TEXT}/broken.efi`);
  const builds: [IpxeFileKey, string][] = [
    ["x86-64", `${root}/builds/x86-64`],
    ["arm64", `${root}/builds/arm64`],
    ["riscv64", `${root}/builds/gone`],
    ["script", `${root}/builds/script`],
  ];
  const ipxe = new IpxeFiles(new Map(builds));
  const tftp = new TftpFiles(
    new BootDirectory(`${root}/netboot`),
    ipxe,
    (mac) =>
      mac === MAC || mac === MAC + 1
        ? new TextEncoder().encode(`script of ${mac - MAC}`)
        : undefined,
  );

  /** What is served, or the kinds of the problems. */
  async function served(path: string, mac = MAC, from = tftp) {
    const problems: PathProblem[] = [];
    const file = await from.open(mac, path, CLIENT, problems);
    if (file === undefined) return problems.map(({ kind }) => `${kind}`);
    const { content } = file;
    if (content instanceof Uint8Array) return new TextDecoder().decode(content);
    const bytes = await content.read(0, content.size);
    content.close();
    return new TextDecoder().decode(bytes);
  }

  const none = ["not_found", "not_found"];
  for (
    const [path, expected] of [
      ["config.txt", "config"],
      ["start4.elf", "start4 of all"],
      ["kernel8.img", "own kernel"],
      ["overlays/a.dtbo", "overlay"],
      ["overlays//a.dtbo", "overlay"],
      ["own.efi", "own program"],
      ["grubx64.efi", "GRUB"],
      // Not there: an iPXE for the names of EFI programs.
      ["ipxe.efi", "iPXE x86-64"],
      ["snponly.efi", "iPXE x86-64"],
      ["boot/loader.EFI", "iPXE x86-64"],
      ["ipxe-arm64.efi", "iPXE arm64"],
      ["snponly-arm64.efi", "iPXE arm64"],
      ["ipxe-riscv64.efi", ["not_found", ...none]],
      ["autoexec.ipxe", "#!ipxe"],
      ["boot.ipxe", "script of 0"],
      ["overlays/boot.ipxe", none],
      // And nothing for all else.
      ["fixup4.dat", none],
      ["1234abcd/start4.elf", none],
      ["bootcode.bin", none],
      ["ipxe", none],
      // What a shim takes for its own.
      ["grubaa64.efi", none],
      ["mmx64.efi", none],
      ["fbx64.efi", none],
      ["revocations.efi", none],
      ["revocations_sbat.efi", none],
      ["shim_certificate.efi", none],
      ["shim_certificate_1.efi", none],
      ["EFI/debian/grubriscv64.efi", none],
      // What is there and cannot be served is not replaced.
      ["out.efi", ["link_leads_out"]],
      ["broken.efi", ["broken_link"]],
      ["overlays", ["no_file"]],
      // No paths.
      ["", []],
      ["../02-00-5E-00-53-02/ipxe", []],
      ["config.txt/", []],
      ["a\\b", []],
      ["a\0b", []],
    ] as [string, string | string[]][]
  ) {
    await t.step(JSON.stringify(path), async () => {
      assertEquals(await served(path), expected);
    });
  }

  await t.step("shims, where they are given", async () => {
    const withShims = new TftpFiles(
      new BootDirectory(`${root}/netboot`),
      new IpxeFiles(
        new Map([
          ...builds,
          ["shim-x86-64", `${root}/builds/shim-x86-64`],
          ["shim-arm64", `${root}/builds/shim-arm64`],
        ]),
      ),
    );
    for (
      const [path, expected] of [
        ["ipxe-shimx64.efi", "shim x86-64"],
        ["shimx64.efi", "shim x86-64"],
        ["EFI/debian/shimx64.efi", "shim x86-64"],
        ["ipxe-arm64-shimaa64.efi", "shim arm64"],
        ["ipxe-shimaa64.efi", "shim arm64"],
        // What iPXE's shim, and others, load next.
        ["ipxe.efi", "iPXE x86-64"],
        ["ipxe-arm64.efi", "iPXE arm64"],
        ["grubx64.efi", "GRUB"],
        ["grubaa64.efi", none],
        ["revocations.efi", none],
        ["shim_certificate_0.efi", none],
      ] as [string, string | string[]][]
    ) assertEquals(await served(path, MAC, withShims), expected, path);
    await Deno.writeTextFile(
      `${root}/netboot/default/ipxe-shimx64.efi`,
      "shim of all",
    );
    assertEquals(
      await served("ipxe-shimx64.efi", MAC, withShims),
      "shim of all",
    );
    await Deno.remove(`${root}/netboot/default/ipxe-shimx64.efi`);
    assertEquals(await served("ipxe-shimx64.efi"), "iPXE x86-64");
  });

  await t.step("of a machine whose directory has dashes", async () => {
    assertEquals(await served("ipxe.efi", MAC + 1), "iPXE of its own");
    assertEquals(await served("boot.ipxe", MAC + 1), "script of its own");
    assertEquals(await served("boot.ipxe", MAC + 2), none);
  });

  await t.step("without a directory", async () => {
    const without = new TftpFiles(undefined, ipxe);
    assertEquals(await served("ipxe.efi", MAC, without), "iPXE x86-64");
    assertEquals(await served("config.txt", MAC, without), []);
    const absent = new TftpFiles(new BootDirectory(`${root}/none`), ipxe);
    assertEquals(await served("ipxe.efi", MAC, absent), "iPXE x86-64");
  });

  await t.step("iPXE, whatever is wrong with the directories", async () => {
    await Deno.symlink("gone", `${root}/dangling`);
    await Deno.writeTextFile(`${root}/no-directory`, "");
    for (const directory of ["dangling", "no-directory", "none"]) {
      const broken = new TftpFiles(
        new BootDirectory(`${root}/${directory}`),
        ipxe,
      );
      for (
        const [path, content] of [
          ["ipxe.efi", "iPXE x86-64"],
          ["ipxe-arm64.efi", "iPXE arm64"],
          ["autoexec.ipxe", "#!ipxe"],
        ] as const
      ) assertEquals(await served(path, MAC, broken), content, directory);
    }
    // But not in the place of one that is there and cannot be read.
    const own = `${root}/netboot/02:00:5e:00:53:03`;
    await Deno.mkdir(own);
    await Deno.symlink("gone", `${own}/ipxe.efi`);
    assertEquals(await served("ipxe.efi", MAC + 2), ["broken_link"]);
  });

  await t.step("without a descriptor, none is missing", async () => {
    const error = Object.assign(new Error("too many"), { code: "EMFILE" });
    const full = new BootDirectory(`${root}/netboot`);
    full.open = () => Promise.reject(error);
    const files = new TftpFiles(full, ipxe, () => undefined);
    for (const path of ["config.txt", "ipxe.efi"]) {
      await assertRejects(() => served(path, MAC, files), Error, "too many");
    }
  });

  await t.step("that change while they are read", async () => {
    const path = `${root}/netboot/${MAC_TEXT}/config.txt`;
    const file = await tftp.open(MAC, "config.txt", CLIENT, []);
    const { content } = file!;
    assert(!(content instanceof Uint8Array));
    assertEquals(new TextDecoder().decode(await content.read(2, 3)), "nfi");
    assertEquals(new TextDecoder().decode(await content.read(0, 2)), "co");
    await Deno.writeTextFile(path, "other, and longer");
    await assertRejects(() => content.read(0, 2), Error, "has changed");
    await Deno.truncate(path, 1);
    await assertRejects(() => content.read(0, 6), Error, "has changed");
    content.close();
  });

  await Deno.remove(root, { recursive: true });
});
