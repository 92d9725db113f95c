import { findClosed } from "../../support/http.ts";
import { assertEquals } from "@std/assert";
import { BootDirectory } from "../../../lib/boot_files/directory.ts";
import { MacDirectories } from "../../../lib/boot_files/mac_directories.ts";

const MAC = 0x0200_5e00_5315;
const SHORT = 0x0200_5e00_0301;

/** Waits until a function returns what is expected; the last result otherwise. */
async function becomes<T>(
  expected: T,
  ask: () => Promise<T>,
): Promise<T> {
  const end = performance.now() + 5000;
  while (true) {
    const result = await ask();
    const isExpected = JSON.stringify(result) === JSON.stringify(expected);
    if (isExpected || performance.now() > end) return result;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test("directories of machines in any notation", async (t) => {
  const root = await Deno.makeTempDir();
  const make = async (name: string, file = "boot.efi") => {
    await Deno.mkdir(`${root}/${name}`);
    await Deno.writeTextFile(`${root}/${name}/${file}`, name);
  };
  const boot = new BootDirectory(root);
  const names = new MacDirectories(root);
  const path = async (mac: number, file = "boot.efi") =>
    (await findClosed(boot, mac, file))?.path.slice(root.length + 1);

  try {
    for (
      const name of [
        "02-00-5E-00-53-15",
        "02005E005315",
        "0200.5e00.5315",
        "02:00:5E:00:53:15",
      ]
    ) {
      await t.step(`finds ${name}, and not when it is gone`, async () => {
        await make(name);
        assertEquals(
          await becomes<string | undefined>(
            `${name}/boot.efi`,
            () => path(MAC),
          ),
          `${name}/boot.efi`,
        );
        assertEquals(await names.of(SHORT), []);
        await Deno.remove(`${root}/${name}`, { recursive: true });
        assertEquals(await path(MAC), undefined);
        assertEquals(
          await becomes([], async () => [...await names.of(MAC)]),
          [],
        );
      });
    }

    await t.step("finds the notation of macOS", async () => {
      await make("2:0:5e:0:3:1");
      assertEquals(
        await becomes<string | undefined>(
          "2:0:5e:0:3:1/boot.efi",
          () => path(SHORT),
        ),
        "2:0:5e:0:3:1/boot.efi",
      );
    });

    await t.step(
      "prefers the daemon's notation, and default last",
      async () => {
        await make("02-00-5e-00-53-15");
        await make("default");
        await make("02:00:5e:00:53:15");
        await Deno.writeTextFile(`${root}/02-00-5e-00-53-15/a`, "");
        await Deno.writeTextFile(`${root}/default/a`, "");
        await Deno.writeTextFile(`${root}/default/b`, "");
        assertEquals(await path(MAC), "02:00:5e:00:53:15/boot.efi");
        assertEquals(
          await becomes<string | undefined>(
            "02-00-5e-00-53-15/a",
            () => path(MAC, "a"),
          ),
          "02-00-5e-00-53-15/a",
        );
        assertEquals(await path(MAC, "b"), "default/b");
        assertEquals(await path(0x0200_5e00_5399, "a"), "default/a");
      },
    );
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
