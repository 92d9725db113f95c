import { assertEquals } from "@std/assert";
import { parseIpv6 } from "../../../lib/net/ipv6.ts";
import { parseMac } from "../../../lib/net/mac.ts";
import {
  formatProblem,
  type RecordFormat,
  recordText,
} from "../../../lib/records/formats.ts";
import type { RecordProblem } from "../../../lib/records/records.ts";

const BASES = ["2001:db8:1:2::", "fd00:1:2:3:7::"].map((text) => ({
  text,
  bytes: parseIpv6(text)!,
}));

const NAMES = [
  ["02:00:5e:00:53:01", "Mac mini 1"],
  ["02:00:5e:00:53:02", "build.other.example."],
  ["01:00:5e:00:53:03", "group"],
  ["02:00:5e:00:53:04", "***"],
  ["02:00:5e:00:53:05", "mac-mini-1"],
].map(([mac, name]) => [parseMac(mac!)!, name!] as const);

/** One that has a name, one that has none. */
const MACS = ["02:00:5e:00:53:09", "02:00:5e:00:53:01"].map((mac) =>
  parseMac(mac)!
);

function textIn(
  format: RecordFormat,
  {
    bases = BASES.slice(0, 1),
    domain,
    macs = MACS,
    onProblem,
  }: {
    bases?: typeof BASES;
    domain?: string;
    macs?: number[];
    onProblem?: (problem: RecordProblem) => void;
  } = {},
): string {
  const sources = { bases, domain, names: NAMES, macs };
  return [...recordText(format, sources, 7, onProblem)].join("");
}

Deno.test("records of machines", async (t) => {
  await t.step("hosts", () => {
    assertEquals(
      textIn("hosts", { domain: "lab.example", bases: BASES }),
      `\
2001:db8:1:2:0:200:5e00:5301 mac-mini-1.lab.example mac-mini-1
fd00:1:2:3:7:200:5e00:5301 mac-mini-1.lab.example mac-mini-1
2001:db8:1:2:0:200:5e00:5302 build.other.example
fd00:1:2:3:7:200:5e00:5302 build.other.example
2001:db8:1:2:0:200:5e00:5305 mac-mini-1.lab.example mac-mini-1
fd00:1:2:3:7:200:5e00:5305 mac-mini-1.lab.example mac-mini-1
2001:db8:1:2:0:200:5e00:5309 02-00-5e-00-53-09.lab.example 02-00-5e-00-53-09
fd00:1:2:3:7:200:5e00:5309 02-00-5e-00-53-09.lab.example 02-00-5e-00-53-09
`,
    );
  });

  await t.step("dnsmasq, without a domain", () => {
    assertEquals(
      textIn("dnsmasq", { macs: [] }),
      `\
host-record=mac-mini-1,2001:db8:1:2:0:200:5e00:5301
host-record=build.other.example,2001:db8:1:2:0:200:5e00:5302
host-record=mac-mini-1,2001:db8:1:2:0:200:5e00:5305
`,
    );
  });

  await t.step("dnsmasq: a number is no name of its own", () => {
    const names = [[parseMac("02:00:5e:00:53:01")!, "42"] as const];
    const sources = { bases: BASES.slice(0, 1), domain: "lab.example", names };
    assertEquals(
      [...recordText("dnsmasq", sources, 7)].join(""),
      "host-record=42.lab.example,2001:db8:1:2:0:200:5e00:5301\n",
    );
  });

  await t.step("unbound", () => {
    assertEquals(
      textIn("unbound", { domain: "lab.example", macs: [] }).split("\n")
        .slice(0, 3).join("\n"),
      `\
server:
  local-data: "mac-mini-1.lab.example. 300 IN AAAA 2001:db8:1:2:0:200:5e00:5301"
  local-data-ptr: "2001:db8:1:2:0:200:5e00:5301 300 mac-mini-1.lab.example"`,
    );
  });

  await t.step("zone", () => {
    assertEquals(
      textIn("zone", { domain: "lab.example", macs: [] }),
      `\
$ORIGIN lab.example.
$TTL 300
@ SOA localhost. root.localhost. 7 3600 600 1209600 300
@ NS localhost.
mac-mini-1.lab.example. AAAA 2001:db8:1:2:0:200:5e00:5301
; build.other.example is not in this zone
mac-mini-1.lab.example. AAAA 2001:db8:1:2:0:200:5e00:5305
`,
    );
  });

  await t.step("reverse zone", () => {
    assertEquals(
      textIn("reverse-zone", { macs: [] }).split("\n").slice(0, 5),
      [
        "$ORIGIN 2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        "$TTL 300",
        "@ SOA localhost. root.localhost. 7 3600 600 1209600 300",
        "@ NS localhost.",
        "1.0.3.5.0.0.e.5.0.0.2.0.0.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mac-mini-1.",
      ],
    );
  });

  await t.step("JSON", () => {
    const records = JSON.parse(textIn("json", { bases: BASES }));
    assertEquals(records.length, 4);
    assertEquals(records[0], {
      mac: "02:00:5e:00:53:01",
      name: "Mac mini 1",
      host: "mac-mini-1",
      addresses: [
        "2001:db8:1:2:0:200:5e00:5301",
        "fd00:1:2:3:7:200:5e00:5301",
      ],
    });
    const none = { bases: BASES, domain: undefined, names: [] };
    assertEquals([...recordText("json", none, 7)].join(""), "[]\n");
  });

  await t.step("what people should know of names", () => {
    const problems: RecordProblem[] = [];
    textIn("hosts", { onProblem: (problem) => problems.push(problem) });
    assertEquals(problems, [
      { kind: "changed", name: "Mac mini 1", host: "mac-mini-1" },
      { kind: "no_unicast_mac", name: "group" },
      { kind: "no_host_name", name: "***" },
      { kind: "shared", name: "mac-mini-1", host: "mac-mini-1" },
    ]);
  });

  await t.step("a host name of several machines, once for each", () => {
    const problems: RecordProblem[] = [];
    const names = [
      "rig",
      "rig",
      "RIG",
      "one",
      "a b",
      "a b",
      "a-b",
      "a b",
      "a_b",
      "02-00-5E-00-53-09",
    ].map((name, index) => [0x0200_5e00_5301 + index, name] as const);
    const macs = [0x0200_5e00_5309];
    // The last name is that of the MAC above, which another machine has.
    names[8] = [0x0200_5e00_5320, "a_b"];
    const sources = { bases: BASES, domain: undefined, names, macs };
    Array.from(recordText("hosts", sources, 7, (one) => problems.push(one)));
    assertEquals(problems, [
      { kind: "shared", name: "rig", host: "rig" },
      { kind: "changed", name: "a b", host: "a-b" },
      { kind: "shared", name: "a b", host: "a-b" },
      { kind: "changed", name: "a_b", host: "a-b" },
      {
        kind: "shared",
        name: "02-00-5e-00-53-09",
        host: "02-00-5e-00-53-09",
      },
    ]);
  });

  await t.step("case, a final dot and the domain are no change", () => {
    const problems: RecordProblem[] = [];
    const names = ["RIG", "Alpha.", "Beta.Lab.Example", "gamma"]
      .map((name, index) => [0x0200_5e00_5301 + index, name] as const);
    const sources = { bases: BASES, domain: "lab.example", names };
    Array.from(recordText("hosts", sources, 7, (one) => problems.push(one)));
    assertEquals(problems, []);
  });

  await t.step("what a format requires", () => {
    const [base] = BASES;
    assertEquals(
      formatProblem("zone", { bases: BASES, domain: undefined }),
      "the format zone requires --domain: a zone has a name",
    );
    assertEquals(
      formatProblem("reverse-zone", { bases: BASES, domain: undefined }),
      "the format reverse-zone requires one --base-address, got 2: each /64 is a zone of its own",
    );
    assertEquals(
      formatProblem("reverse-zone", { bases: [base!], domain: undefined }),
      undefined,
    );
  });
});
