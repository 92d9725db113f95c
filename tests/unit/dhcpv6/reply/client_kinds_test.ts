import { assertEquals } from "@std/assert";
import type {
  IpxeBuild,
  ShimBuild,
} from "../../../../lib/boot_files/ipxe_builds.ts";
import {
  bootFactsOf,
  decideBoot,
} from "../../../../lib/dhcpv6/reply/boot_decision.ts";
import { BOOT_URL_KINDS } from "../../../../lib/dhcpv6/reply/boot_urls.ts";
import { parseTemplate } from "../../../../lib/dhcpv6/reply/url_template.ts";
import { KNOWN_CLIENTS } from "../../../../lib/dhcpv6/reply/client_kinds.ts";
import { Packet } from "../../../../lib/dhcpv6/wire/packet.ts";
import { optionsOf } from "../../../support/boot_clients.ts";
import { message } from "../../../support/dhcpv6.ts";

Deno.test("there is a client for each kind of boot URL", () => {
  const choices = (kind: string) => ({
    template: undefined,
    urls: new Map([[kind, parseTemplate("http://netboot.example/x")]]),
    builds: new Set<IpxeBuild>(),
    hasFiles: false,
    shims: new Set<ShimBuild>(),
    script: undefined,
  });
  const missing = BOOT_URL_KINDS.filter((kind) =>
    !KNOWN_CLIENTS.some(({ facts }) =>
      decideBoot(facts, choices(kind)).instruction.kind === "url"
    )
  );
  assertEquals(missing, []);
});

Deno.test("kinds of clients have the facts of their messages", async (t) => {
  for (const { kind, facts } of KNOWN_CLIENTS) {
    await t.step(kind, () => {
      const packet = new Packet();
      const bytes = message(1, ...optionsOf(kind));
      assertEquals(packet.read(bytes), undefined);
      assertEquals(bootFactsOf(packet), facts);
    });
  }
});
