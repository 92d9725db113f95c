import { assert, assertEquals } from "@std/assert";
import { BootDirectory } from "../../../lib/boot_files/directory.ts";
import { readMacDirectories } from "../../../lib/boot_files/listed_macs.ts";
import {
  problemAt,
  ServedRoots,
} from "../../../lib/boot_files/served_roots.ts";
import { findClosed, MAC, MAC_TEXT, nextTick } from "../../support/http.ts";
import { eventually } from "../../support/lab.ts";

Deno.test("what is served", async (t) => {
  const root = await Deno.realPath(await Deno.makeTempDir());
  const netboot = `${root}/netboot`;
  const store = `${root}/store`;
  await Deno.mkdir(`${netboot}/sub`, { recursive: true });
  await Deno.mkdir(`${store}/system`, { recursive: true });
  await Deno.mkdir(`${root}/storeroom`);
  await Deno.writeTextFile(`${store}/system/boot.efi`, "x");
  await Deno.writeTextFile(`${root}/storeroom/boot.efi`, "x");
  await Deno.writeTextFile(`${netboot}/file`, "x");
  for (
    const [name, target] of [
      ["file.efi", "../store/system/boot.efi"],
      ["system", `${store}/system`],
      ["room", `${root}/storeroom`],
      ["broken", "sub/nothing"],
      ["sub/broken", "nothing"],
      ["loop", "loop"],
    ] as const
  ) await Deno.symlink(target, `${netboot}/${name}`);
  await Deno.symlink(store, `${root}/link-to-store`);

  /** What a path leads to: its kind and path, relative to the root. */
  const resolve = async (path: string, ...follow: string[]) => {
    const found = await new ServedRoots(netboot, follow).resolve(path);
    return ["kind" in found ? found.kind : "served", found.path].join(" ")
      .replaceAll(`${root}/`, "");
  };

  for (
    const [path, expected] of [
      ["file", "served netboot/file"],
      ["none", "not_found netboot/none"],
      ["file/none", "not_found netboot/file/none"],
      ["broken", "broken_link netboot/broken"],
      ["broken/x", "broken_link netboot/broken"],
      ["sub/broken", "broken_link netboot/sub/broken"],
      ["loop", "unreadable netboot/loop"],
      ["x".repeat(10_000), `unreadable netboot/${"x".repeat(10_000)}`],
      ["file.efi", "link_leads_out netboot/file.efi"],
      ["system/boot.efi", "link_leads_out netboot/system/boot.efi"],
      ["system/none", "not_found netboot/system/none"],
    ] as const
  ) {
    await t.step(`${path.slice(0, 20)}: ${expected.slice(0, 40)}`, async () => {
      assertEquals(await resolve(path), expected);
    });
  }

  for (
    const [path, follow, expected] of [
      ["file.efi", store, "served store/system/boot.efi"],
      ["system/boot.efi", store, "served store/system/boot.efi"],
      ["system/boot.efi", `${store}/`, "served store/system/boot.efi"],
      ["system/boot.efi", `${store}/system`, "served store/system/boot.efi"],
      ["file.efi", `${root}/link-to-store`, "served store/system/boot.efi"],
      ["file.efi", "/", "served store/system/boot.efi"],
      ["file.efi", `${root}/nowhere`, "link_leads_out netboot/file.efi"],
      ["file.efi", `${store}/sys`, "link_leads_out netboot/file.efi"],
      ["room/boot.efi", store, "link_leads_out netboot/room/boot.efi"],
    ] as const
  ) {
    const name = follow.replace(`${root}/`, "");
    await t.step(`${path}, following ${name}: ${expected}`, async () => {
      assertEquals(await resolve(path, follow), expected);
    });
  }

  await t.step("a directory that is absent", async () => {
    const found = await new ServedRoots(`${root}/none`).resolve("a");
    assertEquals(found, { kind: "not_found", path: `${root}/none` });
  });

  await t.step("an error of any other kind keeps its message", async () => {
    assertEquals(await problemAt("/a", new Error("Input/output error")), {
      kind: "unreadable",
      path: "/a",
      detail: "Input/output error",
    });
  });

  await t.step("the same is listed", async () => {
    const link = `${netboot}/${MAC_TEXT}`;
    const listed = async (...follow: string[]) => {
      const roots = new ServedRoots(netboot, follow);
      const { macs, unserved } = await readMacDirectories(netboot, 9, roots);
      return macs.has(MAC) || unserved?.get(MAC)?.kind;
    };
    await Deno.symlink("sub", link);
    assertEquals(await listed(), "broken_link", "the only thing in it");
    await Deno.remove(link);
    await Deno.writeTextFile(`${netboot}/sub/kernel`, "x");
    for (
      const [target, follow, expected] of [
        ["sub", [], true],
        [`${store}/system`, [store], true],
        [`${store}/system`, [], "link_leads_out"],
        ["nothing", [], "broken_link"],
        ["file", [], "no_file"],
      ] as const
    ) {
      await Deno.symlink(target, link);
      assertEquals(await listed(...follow), expected, target);
      await Deno.remove(link);
    }
    assertEquals(await listed(), undefined);
  });

  await t.step("a machine's directory in any notation", async () => {
    const files = new BootDirectory(netboot);
    const find = async () => {
      await nextTick();
      return (await findClosed(files, MAC, "boot.efi"))?.path;
    };
    assertEquals(await find(), undefined);
    for (
      const name of [
        "02-00-5e-00-53-01",
        "02-00-5E-00-53-01",
        "02:00:5E:00:53:01",
        "0200.5e00.5301",
        "02005e005301",
      ]
    ) {
      await Deno.mkdir(`${netboot}/${name}`);
      await Deno.writeTextFile(`${netboot}/${name}/boot.efi`, "");
      // The names are read again after a part of the time that this takes.
      await eventually(
        name,
        async () => await find() === `${netboot}/${name}/boot.efi`,
      );
      await Deno.remove(`${netboot}/${name}`, { recursive: true });
      assertEquals(await find(), undefined, name);
    }
    await Deno.mkdir(`${netboot}/02005e005301`);
    await Deno.writeTextFile(`${netboot}/02005e005301/boot.efi`, "");
    await Deno.mkdir(`${netboot}/${MAC_TEXT}`);
    await Deno.writeTextFile(`${netboot}/${MAC_TEXT}/boot.efi`, "");
    assert((await find())!.includes(MAC_TEXT), "the usual notation is first");
  });

  await Deno.remove(root, { recursive: true });
});
