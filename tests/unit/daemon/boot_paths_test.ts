import { assertEquals } from "@std/assert";
import { bootPathsOf } from "../../../lib/daemon/boot_paths.ts";
import { parseTemplate } from "../../../lib/dhcpv6/reply/url_template.ts";

const MAC = 0x0200_5e00_5301;
const PATH = "/mac/02:00:5e:00:53:01/kernel";

Deno.test("bootPathsOf", async (t) => {
  for (
    const [template, path, mac, expected] of [
      ["http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/kernel", PATH, MAC, true],
      ["http://[::1]/mac/{{.MAC | urlquery}}/kernel", PATH, MAC, true],
      ["http://h/mac/{{.MAC}}/kernel?a={{.Payload}}", PATH, MAC, true],
      ["http://h/mac/{{.MAC}}/kernel", PATH, MAC + 1, false],
      ["http://h/mac/{{.MAC}}/kernel", PATH, undefined, true],
      ["http://h/mac/{{.MAC}}/kernel", `${PATH}.sig`, MAC, false],
      ["http://h/mac/{{.MAC}}/kernel", `/x${PATH}`, MAC, false],
      ["http://h/mac/{{.MAC}}/k.rnel", PATH, MAC, false],
      ["http://h/mac/{{.MAC}}/k%65rnel", PATH, MAC, true],
      ["http://h/mac/{{.MAC}}/100%", "/mac/02:00:5e:00:53:01/100%", MAC, true],
      ["http://h/{{.Payload}}/a", "/e30+/x=/a", MAC, true],
      ["http://h/?mac={{.MAC}}", "/", MAC, true],
      ["http://h/?mac={{.MAC}}", PATH, MAC, false],
      ["http://h", "", MAC, true],
      ["http://h/{{.MAC}}/{{.Payload}}/a", "/".repeat(60_000), MAC, false],
    ] as const
  ) {
    const name = `${template} ${path.slice(0, 50)} ${mac}: ${expected}`;
    await t.step(name, () => {
      assertEquals(bootPathsOf([parseTemplate(template)])(path, mac), expected);
    });
  }

  await t.step("without a template there is none", () => {
    assertEquals(bootPathsOf([])(PATH, MAC), false);
  });
});
