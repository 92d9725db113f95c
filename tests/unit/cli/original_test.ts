/** What docs/from-the-original.md says of options is so. */

import { assert, assertEquals } from "@std/assert";
import {
  fallbackOf,
  type OptionName,
  parseCommandLine,
} from "../../../lib/cli/options.ts";

const ROOT = new URL("../../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

/** The rows of the first table behind a heading, as cells. */
function tableBehind(page: string, heading: string): string[][] {
  const [, rest] = page.split(`## ${heading}\n`);
  const rows = rest!.slice(rest!.indexOf("\n|") + 1).split("\n\n")[0]!;
  return rows.split("\n").slice(2).map((row) =>
    row.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""))
  );
}

/** Values that the original's users give. */
const VALUES: Record<string, string> = {
  "base-address": "2001:db8:0123:4567::",
  "interface": "enp2s0",
  "tftp-listen-addr": ":69",
  "http-listen-addr": "127.0.0.1:20080",
  "https-listen-addr": "[2001:db8::1]:20443",
  "dhcpv6-listen-port": "20547",
  "http-boot-url-template":
    "http://[{{.BaseAddress}}]/?mac={{.MAC}}&payload={{.Payload}}",
  "tls-cert-file": "/tmp/netboot-server.crt.pem",
  "tls-key-file": "/tmp/netboot-server.key.pem",
  "netboot-dir": "/netboot/macs",
  "ipxe-x86-64-efi": "/tmp/ipxe/ipxe.efi",
};

Deno.test("docs/from-the-original.md", async (t) => {
  const page = await read("docs/from-the-original.md");

  await t.step(
    "has every option of the original, with the default here",
    () => {
      const rows = tableBehind(page, "Options");
      assertEquals(
        rows.map(([name]) => name!.slice(1)).toSorted(),
        Object.keys(VALUES).toSorted(),
      );
      for (const [name, , fallback] of rows) {
        assertEquals(fallback, fallbackOf(name!.slice(1) as OptionName), name);
      }
    },
  );

  await t.step("is right that its command lines are understood", () => {
    for (const separate of [true, false]) {
      const { options, words, notices } = parseCommandLine(
        Object.entries(VALUES).flatMap(([name, value]) =>
          separate ? [`-${name}`, value] : [`-${name}=${value}`]
        ),
      );
      for (const name of Object.keys(VALUES) as OptionName[]) {
        assert(options[name] !== undefined, name);
      }
      assertEquals(words, []);
      assertEquals(notices, []);
    }
  });

  await t.step("names the options of the module, old and new", async () => {
    const module = await read("tools/packaging/nix/original.nix");
    const [names] = module.split("names = {\n").slice(1);
    const pairs = [
      ...names!.split("};")[0]!.matchAll(/^ {4}(\w+) = "(\w+)";$/gm),
    ].map(([, old, successor]) => [old!, successor!]);
    // These two are additions to what the original has.
    const own = ["openFirewall", "package"];
    assertEquals(
      tableBehind(page, "NixOS").toSorted(),
      pairs.filter(([name]) => !own.includes(name!)).toSorted(),
    );
  });
});
