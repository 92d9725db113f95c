import { assertEquals } from "@std/assert";
import { bootFactsOf } from "../../../../lib/dhcpv6/reply/boot_decision.ts";
import { KNOWN_CLIENTS } from "../../../../lib/dhcpv6/reply/client_kinds.ts";
import { Packet } from "../../../../lib/dhcpv6/wire/packet.ts";
import { optionsOf } from "../../../support/boot_clients.ts";
import { message } from "../../../support/dhcpv6.ts";

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
