import { assertEquals } from "@std/assert";
import { hostNameFor } from "../../../lib/records/host_name.ts";

const LONG = "a".repeat(63);

const HOSTS: [name: string, host: string | undefined, domain?: string][] = [
  ["mini-3", "mini-3"],
  ["Mini-3", "mini-3.lab.example", "lab.example"],
  ["Mac mini 3", "mac-mini-3.lab.example", "lab.example"],
  ["rack_2/slot 4", "rack-2-slot-4"],
  ["-x-", "x"],
  ["(x)", "x"],
  ["a.b", "a.b.lab.example", "lab.example"],
  ["a.lab.example", "a.lab.example", "lab.example"],
  ["lab.example", "lab.example", "lab.example"],
  ["xlab.example", "xlab.example.lab.example", "lab.example"],
  ["a.other.", "a.other", "lab.example"],
  // What resolvers take for an IPv4 address.
  ["42", undefined],
  ["1.2.3.4", undefined],
  ["0x10", undefined],
  ["0X7F000001", undefined],
  ["a.0x", undefined],
  ["0x1g", "0x1g"],
  ["a0x1", "a0x1"],
  ["42", "42.lab.example", "lab.example"],
  ["0x10", "0x10.lab.example", "lab.example"],
  // IDNA, in both normalisation forms.
  ["Küche", "xn--kche-0ra"],
  ["Ku\u0308che", "xn--kche-0ra"],
  ["東京 2", "xn---2-l92cn98g"],
  ["", undefined],
  ["...", undefined],
  ["***", undefined],
  ["a..b", undefined],
  ["a\u0000b", "a-b"],
  ["\ud800", undefined],
  [LONG, LONG],
  [`${LONG}a`, undefined],
  [`${LONG}.${LONG}.${LONG}.${LONG}`, undefined],
  [`${LONG}.${LONG}.${LONG}`, undefined, `b${LONG.slice(1)}`],
];

Deno.test("host names of machines", async (t) => {
  for (const [name, host, domain] of HOSTS) {
    await t.step(`${JSON.stringify(name.slice(0, 20))} in ${domain}`, () => {
      assertEquals(hostNameFor(name, domain), host);
    });
  }
});
