import { assertEquals } from "@std/assert";
import { BootOnce } from "../../../lib/boot_files/boot_once.ts";
import { formatMac } from "../../../lib/net/mac.ts";
import {
  MAX_LISTED_MACS,
  MAX_ONCE_NAMES,
} from "../../../lib/overload/limits.ts";
import { eventually, pause } from "../../support/lab.ts";
import { MAC, MAC_TEXT, OTHER_MAC } from "../../support/http.ts";

Deno.test("the machines of --boot-policy once", async (t) => {
  const root = await Deno.makeTempDir();
  const own = `${root}/${MAC_TEXT}`;

  /** A machine that has booted from the network. */
  function booted(): BootOnce {
    const once = new BootOnce(root);
    once.onBootUrl(MAC);
    once.onSystem(MAC);
    return once;
  }

  /** Waits until the files have been looked at, and a change has another time. */
  async function looked(once: BootOnce): Promise<void> {
    await eventually("the files were looked at", () => once.looks === 0);
    await pause(20);
  }

  await t.step("boot until their system is up after they got a URL", () => {
    const once = new BootOnce(root);
    assertEquals(once.isListed(MAC), true);
    once.onSystem(MAC);
    assertEquals(once.isListed(MAC), true, "it has booted from its disk");
    once.onBootUrl(MAC);
    once.onBootUrl(MAC);
    assertEquals(once.isListed(MAC), true, "it may have to ask again");
    once.onSystem(MAC);
    assertEquals(once.isListed(MAC), false);
    assertEquals(once.isListed(OTHER_MAC), true);
    assertEquals(once.whyUnlisted(), undefined);
  });

  await Deno.mkdir(own);
  await Deno.writeTextFile(`${own}/boot.efi`, "first");
  await pause(50);

  await t.step("stay as they are while nothing changes", async () => {
    const once = booted();
    await looked(once);
    await once.look(MAC);
    assertEquals(once.isListed(MAC), false);
    await Deno.mkdir(`${root}/${MAC_TEXT.replace("01", "77")}`);
    await once.look(MAC);
    assertEquals(once.isListed(MAC), false, "another machine's directory");
  });

  const now = () => new Date();
  const tomorrow = () => new Date(Date.now() + 86_400_000);
  for (
    const [what, change] of [
      ["its directory is touched", () => Deno.utime(own, now(), now())],
      [
        "its boot file is touched",
        () => Deno.utime(`${own}/boot.efi`, now(), now()),
      ],
      [
        "its boot file is written",
        () => Deno.writeTextFile(`${own}/boot.efi`, "second"),
      ],
      ["a file is added", () => Deno.writeTextFile(`${own}/new`, "")],
      ["a file is removed", () => Deno.remove(`${own}/new`)],
      ["a directory is added", () => Deno.mkdir(`${own}/sub`)],
      [
        "a file is added below it",
        () => Deno.writeTextFile(`${own}/sub/file`, "first"),
      ],
      [
        "that file is written",
        () => Deno.writeTextFile(`${own}/sub/file`, "second"),
      ],
      [
        "its boot file gets a time of tomorrow",
        () => Deno.utime(`${own}/boot.efi`, now(), tomorrow()),
      ],
      [
        "its boot file gets a time of 1970",
        () => Deno.utime(`${own}/boot.efi`, new Date(1000), new Date(1000)),
      ],
      [
        "it gets a directory in another notation",
        () => Deno.mkdir(`${root}/02-00-5E-00-53-01`),
      ],
    ] as const
  ) {
    await t.step(`boot again when ${what}`, async () => {
      const once = booted();
      await looked(once);
      await change();
      // The netboot directory is read again some time later.
      await eventually("it may boot", async () => {
        await once.look(MAC);
        return once.isListed(MAC);
      });
      once.onBootUrl(MAC);
      assertEquals(once.isListed(MAC), true);
      once.onSystem(MAC);
      assertEquals(once.isListed(MAC), false);
    });
  }

  for (
    const [what, time] of [
      ["tomorrow", tomorrow],
      ["1970", () => new Date(1000)],
    ] as const
  ) {
    await t.step(`boot once with a file of ${what}`, async () => {
      await Deno.utime(`${own}/boot.efi`, time(), time());
      await Deno.utime(own, time(), time());
      const once = booted();
      for (let round = 0; round < 3; round++) {
        await looked(once);
        await once.look(MAC);
        assertEquals(once.isListed(MAC), false);
      }
    });
  }

  await t.step("boot again when what a link leads to changes", async () => {
    const image = `${root}/image`;
    await Deno.mkdir(image);
    await Deno.writeTextFile(`${image}/boot.efi`, "first");
    await Deno.symlink("image", `${root}/${formatMac(OTHER_MAC)}`);
    await Deno.symlink(".", `${image}/loop`);
    const once = new BootOnce(root);
    once.onBootUrl(OTHER_MAC);
    once.onSystem(OTHER_MAC);
    await looked(once);
    await once.look(OTHER_MAC);
    assertEquals(once.isListed(OTHER_MAC), false);
    await Deno.writeTextFile(`${image}/boot.efi`, "second");
    await once.look(OTHER_MAC);
    assertEquals(once.isListed(OTHER_MAC), true);
  });

  await t.step("are looked at when they send a message", async () => {
    const once = booted();
    await looked(once);
    await Deno.utime(own, now(), now());
    await eventually("it may boot", () => {
      once.onMessage(MAC);
      return once.isListed(MAC);
    });
  });

  await t.step("a look that is late changes nothing newer", async () => {
    const once = booted();
    await looked(once);
    await Deno.utime(own, now(), now());
    const looks = [once.look(MAC), once.look(MAC)];
    await eventually("it may boot", () => once.isListed(MAC));
    once.onBootUrl(MAC);
    once.onSystem(MAC);
    await Promise.all(looks);
    assertEquals(once.isListed(MAC), false);
  });

  await t.step("boot again when the netboot directory comes", async () => {
    const once = new BootOnce(`${root}/none`);
    once.onBootUrl(MAC);
    once.onSystem(MAC);
    for (let round = 0; round < 2; round++) {
      await looked(once);
      await once.look(MAC);
      assertEquals(once.isListed(MAC), false);
    }
    await Deno.mkdir(`${root}/none/${MAC_TEXT}`, { recursive: true });
    await once.look(MAC);
    assertEquals(once.isListed(MAC), true);
  });

  for (
    const [what, path] of [
      ["the netboot directory", root],
      ["what a link in it leads to", `${root}/disk`],
    ] as const
  ) {
    await t.step(`stay as they are while ${what} is away`, async () => {
      await Deno.mkdir(`${root}/disk`, { recursive: true });
      await Deno.remove(`${own}/link`).catch(() => {});
      await Deno.symlink("../disk", `${own}/link`);
      const once = booted();
      await looked(once);
      await Deno.rename(path, `${path}.away`);
      await once.look(MAC);
      assertEquals(once.isListed(MAC), false, "away");
      // An empty mount point.
      await Deno.mkdir(path);
      await once.look(MAC);
      assertEquals(once.isListed(MAC), false, "empty");
      await Deno.remove(path);
      await Deno.rename(`${path}.away`, path);
      // The netboot directory is read again some time later.
      for (let round = 0; round < 3; round++) {
        await looked(once);
        await once.look(MAC);
        assertEquals(once.isListed(MAC), false, "back");
      }
      await Deno.utime(own, now(), now());
      await once.look(MAC);
      assertEquals(once.isListed(MAC), true, "touched");
    });
  }

  await t.step("boot again in spite of links that lead nowhere", async () => {
    await Deno.symlink("nowhere", `${own}/nowhere`);
    await Deno.symlink("loop", `${own}/loop`);
    const once = booted();
    await looked(once);
    await once.look(MAC);
    assertEquals(once.isListed(MAC), false);
    await Deno.utime(own, now(), now());
    await once.look(MAC);
    assertEquals(once.isListed(MAC), true);
  });

  await t.step(
    "boot again when one of very many files is written",
    async () => {
      const many = `${root}/many`;
      const directory = `${many}/${MAC_TEXT}`;
      await Deno.mkdir(directory, { recursive: true });
      // One of the names is the directory's.
      const files = Array.from(
        { length: MAX_ONCE_NAMES - 1 },
        (_, index) => `${directory}/${index}`,
      );
      for (const file of files) await Deno.writeTextFile(file, "");
      for (const file of [files.at(0)!, files.at(-1)!]) {
        const once = new BootOnce(many);
        once.onBootUrl(MAC);
        once.onSystem(MAC);
        await looked(once);
        await once.look(MAC);
        assertEquals(once.isListed(MAC), false);
        await Deno.writeTextFile(file, "written");
        await once.look(MAC);
        assertEquals(once.isListed(MAC), true, file);
      }
    },
  );

  await t.step("boot again without having asked before", async () => {
    const once = new BootOnce(`${root}/turns`);
    const macs = Array.from({ length: 20 }, (_, index) => MAC + 2 * index);
    for (const mac of macs) {
      await Deno.mkdir(`${root}/turns/${formatMac(mac)}`, { recursive: true });
      once.onBootUrl(mac);
      once.onSystem(mac);
    }
    await eventually("all looks have ended", () => once.looks === 0);
    once.start();
    try {
      await pause(1500);
      assertEquals(macs.filter((mac) => once.isListed(mac)), []);
      for (const mac of macs) {
        await Deno.mkdir(`${root}/turns/${formatMac(mac)}/new`);
      }
      await eventually(
        "all may boot",
        () => macs.every((mac) => once.isListed(mac)),
      );
    } finally {
      once.stop();
      await eventually("all looks have ended", () => once.looks === 0);
    }
  });

  await t.step("are forgotten above a limit", async () => {
    const once = new BootOnce(root);
    for (let mac = 0; mac <= MAX_LISTED_MACS; mac++) {
      once.onBootUrl(2 * mac);
      once.onSystem(2 * mac);
    }
    assertEquals(once.isListed(0), true);
    assertEquals(once.isListed(2), false);
    assertEquals(once.isListed(2 * MAX_LISTED_MACS), false);
    assertEquals(once.looks, 256);
    await eventually("all looks have ended", () => once.looks === 0);
  });

  await Deno.remove(root, { recursive: true });
});
