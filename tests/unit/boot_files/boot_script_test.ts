import { assert, assertEquals } from "@std/assert";
import { bootScript } from "../../../lib/boot_files/boot_script.ts";
import {
  IPXE_BUILDS,
  type IpxeBuild,
} from "../../../lib/boot_files/ipxe_builds.ts";

const same = (url: string) =>
  new Map(IPXE_BUILDS.map((build) => [build, url] as const));

/** The lines that set the URL. */
function settings(urls: ReadonlyMap<IpxeBuild, string>): string[] {
  return bootScript(urls).split("\n").filter((line) =>
    line.includes("set url ")
  );
}

Deno.test("the script for iPXE", async (t) => {
  await t.step("is a script, and every jump leads to a label", () => {
    const lines = bootScript(same("http://[2001:db8::1]:6315/boot.efi"))
      .split("\n");
    assertEquals(lines[0], "#!ipxe");
    const labels = lines.filter((line) => line.startsWith(":")).map((line) =>
      line.slice(1)
    );
    assertEquals(new Set(labels).size, labels.length);
    const jumps = lines.flatMap((line) =>
      [...line.matchAll(/goto (\w+)/g)].map(([, label]) => label!)
    );
    assertEquals(new Set(jumps), new Set(labels));
    assertEquals(lines.findLast((line) => line !== ""), "goto load");
  });

  await t.step("has one URL, or one for each processor", () => {
    const url = "http://[2001:db8::1]:6315/mac/02:00:5e:00:53:01/boot.efi";
    assertEquals(settings(same(url)), [`set url ${url}`]);
    const urls = new Map(
      IPXE_BUILDS.map((build) => [build, `http://r/?${build}`] as const),
    );
    assertEquals(settings(urls), [
      "set url http://r/?x86-64",
      "iseq ${buildarch} x86_64 && set url http://r/?x86-64 ||",
      "iseq ${buildarch} arm64 && set url http://r/?arm64 ||",
      "iseq ${buildarch} riscv64 && set url http://r/?riscv64 ||",
      "iseq ${buildarch} loong64 && set url http://r/?loong64 ||",
    ]);
  });

  await t.step("reads nothing in a URL as anything else", () => {
    for (
      const [url, expected] of [
        ["http://r/a b", "http://r/a%20b"],
        ["http://r/${mac}", "http://r/%24%7Bmac%7D"],
        ["http://r/'a\"\\", "http://r/%27a%22%5C"],
        ["http://r/a|b\nshell", "http://r/a%7Cb%0Ashell"],
        ["http://r/ü", "http://r/%C3%BC"],
        ["http://r/%2B?a=1&b=2;#c", "http://r/%2B?a=1&b=2;#c"],
      ] as const
    ) {
      const script = bootScript(same(url));
      assert(script.includes(`\nset url ${expected}\n`), script);
    }
  });
});
