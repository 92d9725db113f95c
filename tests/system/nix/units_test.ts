import { assertEquals } from "@std/assert";
import { missing } from "../../support/lab.ts";
import { evaluateAttribute, type Made, type Unit } from "./evaluation.ts";

const lacks = missing("the comparison of units and NixOS module", "nix");
const ignore = lacks.length > 0;

const SERVICE = "dhcpv6macd.service";
const TEMPLATE = "dhcpv6macd@.service";

/** A line of a unit file: its section, the directive and the value. */
type Assignment = readonly [section: string, name: string, value: string];

/** `Section.Name` of each directive, and its normalized value. */
type Directives = ReadonlyMap<string, string>;

/** A difference between two units that is meant to be. */
interface Difference {
  readonly directive: string;
  readonly why: string;
  /** The value in the first unit; without it, the directive is not set. */
  readonly first?: string | RegExp;
  /** The value in the second one. */
  readonly second?: string | RegExp;
  /** The configurations of the module that have it; without it, all. */
  readonly configurations?: readonly string[];
}

const INSTANCE_DIFFERENCES: readonly Difference[] = [
  {
    directive: "Unit.Description",
    why: "systemctl shows which instance it is",
    first: "DHCPv6 and IPv6 netboot by MAC",
    second: "DHCPv6 and IPv6 netboot by MAC, on %i",
  },
  {
    directive: "Service.EnvironmentFile",
    why: "each instance has its own options",
    first: "/etc/dhcpv6macd.conf",
    second: "/etc/dhcpv6macd/%i.conf",
  },
  {
    directive: "Service.ExecStart",
    why: "the name of an instance is its interface",
    first: "/usr/local/bin/dhcpv6macd --max-open-files 65536 $OPTIONS",
    second:
      "/usr/local/bin/dhcpv6macd --interface %i --max-open-files 65536 $OPTIONS",
  },
];

const MODULE_DIFFERENCES: readonly Difference[] = [
  {
    directive: "Service.EnvironmentFile",
    why: "the options are in ExecStart of the module",
    first: "/etc/dhcpv6macd.conf",
  },
  {
    directive: "Service.ExecStart",
    why: "the package is in the store, and the options are in the command",
    first: "/usr/local/bin/dhcpv6macd --max-open-files 65536 $OPTIONS",
    second: /^"\/\S+-dhcpv6macd-[^/]+\/bin\/dhcpv6macd" ./,
  },
  {
    directive: "Service.ExecPaths",
    why: "all programs and libraries of NixOS are in the store",
    first: "-/lib -/lib64 -/usr/lib -/usr/lib64 /usr/local/bin/dhcpv6macd",
    second: /^\/\S+\/nix\/STORE$/,
  },
  {
    directive: "Service.LoadCredential",
    why: "the key's path is an option of the module, and a comment in the unit",
    second: /^tls-cert:\/\S+ tls-key:\/\S+$/,
    configurations: [
      "detsys",
      "everything",
      "originalEverything",
      "several",
      "tls",
      "tlsElsewhere",
    ],
  },
  {
    directive: "Service.ProtectHome",
    why: "the module knows that the daemon's files are below a home",
    first: "yes",
    second: "read-only",
    configurations: ["home"],
  },
  {
    directive: "Service.RestartPreventExitStatus",
    why: "exit code 2 may pass: an iPXE file outside of the store is absent",
    first: "2",
    configurations: ["mounted"],
  },
];

/** Directives that are lists: a second assignment adds to the first. */
const LISTS = [
  "After",
  "AmbientCapabilities",
  "CapabilityBoundingSet",
  "ExecPaths",
  "LoadCredential",
  "NoExecPaths",
  "RestartPreventExitStatus",
  "RestrictAddressFamilies",
  "SystemCallArchitectures",
  "SystemCallFilter",
  "WantedBy",
];

/** Lists in which a word takes back what an earlier one gave. */
const ORDERED_LISTS = ["SystemCallFilter"];

/** Reads a unit file as systemd.syntax(7) has it. */
function assignments(text: string): Assignment[] {
  const lines = text.split("\n").filter((line) => !/^\s*[#;]/.test(line))
    .join("\n").replaceAll("\\\n", " ").split("\n");
  let section = "";
  const found: Assignment[] = [];
  for (const line of lines.map((line) => line.trim())) {
    const heading = /^\[(.+)\]$/.exec(line);
    const assignment = /^(\w+)\s*=\s*(.*)$/.exec(line);
    if (heading !== null) section = heading[1]!;
    else if (assignment !== null) {
      found.push([section, assignment[1]!, assignment[2]!]);
    } else if (line !== "") throw new Error(`no line of a unit file: ${line}`);
  }
  return found;
}

/** The lines that NixOS writes for a service of the module. */
function moduleAssignments(unit: Unit): Assignment[] {
  const { description, after, wantedBy, unitConfig, serviceConfig, ...others } =
    unit;
  assertEquals(others, {}, "not compared");
  return [
    ["Unit", { Description: description, After: after, ...unitConfig }],
    ["Service", serviceConfig],
    ["Install", { WantedBy: wantedBy }],
  ].flatMap(([section, settings]) =>
    Object.entries(settings as Record<string, unknown>).flatMap((
      [name, values],
    ) =>
      [values].flat().filter((value) => value !== null).map((
        value,
      ): Assignment => [
        section as string,
        name,
        String(value),
      ])
    )
  );
}

function directives(found: readonly Assignment[]): Directives {
  const words = new Map<string, string[]>();
  const scalars = new Map<string, string>();
  for (const [section, name, value] of found) {
    const key = `${section}.${name}`;
    if (LISTS.includes(name)) {
      words.set(
        key,
        // An empty assignment empties the list.
        value === "" ? [] : [...words.get(key) ?? [], ...signedWords(value)],
      );
    } else scalars.set(key, scalar(name, value));
  }
  for (const [key, list] of words) {
    const isOrdered = ORDERED_LISTS.some((name) => key.endsWith(`.${name}`));
    scalars.set(key, (isOrdered ? list : list.toSorted()).join(" "));
  }
  return scalars;
}

/** The words of a list, each with the `~` that the list begins with. */
function signedWords(value: string): string[] {
  const [, sign, list] = /^(~?)(.*)$/.exec(value)!;
  return list!.split(/\s+/).filter((word) => word !== "").map((word) =>
    `${sign}${word}`
  );
}

function scalar(name: string, value: string): string {
  if (/^(yes|true|on)$/i.test(value)) return "yes";
  if (/^(no|false|off)$/i.test(value)) return "no";
  const seconds = /^(\d+) *(?:s|sec|seconds?)?$/.exec(value);
  if (name.endsWith("Sec") && seconds !== null) return `${seconds[1]} s`;
  return value;
}

async function shipped(name: string): Promise<Directives> {
  const url = new URL(
    `../../../tools/packaging/systemd/${name}`,
    import.meta.url,
  );
  return directives(assignments(await Deno.readTextFile(url)));
}

/** Each directive that differs: its value in the first and in the second. */
function differences(
  first: Directives,
  second: Directives,
): [string, string | undefined, string | undefined][] {
  return [...new Set([...first.keys(), ...second.keys()])].toSorted()
    .filter((name) => first.get(name) !== second.get(name))
    .map((name) => [name, first.get(name), second.get(name)]);
}

function isExpected(
  expected: string | RegExp | undefined,
  value: string | undefined,
): boolean {
  return expected instanceof RegExp
    ? value !== undefined && expected.test(value)
    : expected === value;
}

/** Fails unless two units differ in what is named here, and in nothing else. */
function assertDifferences(
  first: Directives,
  second: Directives,
  expected: readonly Difference[],
  what: string,
): void {
  const found = differences(first, second);
  const problems = found.filter(([name, one, other]) =>
    !expected.some((difference) =>
      difference.directive === name && isExpected(difference.first, one) &&
      isExpected(difference.second, other)
    )
  ).map(([name, one, other]) =>
    `${name}: ${one ?? "not set"} in the first, ${
      other ?? "not set"
    } in the second`
  );
  const missed = expected.filter(({ directive }) =>
    !found.some(([name]) => name === directive)
  ).map(({ directive, why }) =>
    `${directive}: the same in both, but should differ: ${why}`
  );
  assertEquals([...problems, ...missed], [], what);
}

Deno.test("the systemd units and the NixOS module", async (t) => {
  await t.step("have one policy in the unit and the template", async () => {
    assertDifferences(
      await shipped(SERVICE),
      await shipped(TEMPLATE),
      INSTANCE_DIFFERENCES,
      `${SERVICE}, ${TEMPLATE}`,
    );
  });

  await t.step({
    name: "have one policy in the unit and the module",
    ignore,
    fn: async () => {
      const unit = await shipped(SERVICE);
      const directory = await Deno.makeTempDir();
      try {
        const sound = await evaluateAttribute<Record<string, Made>>(
          directory,
          "sound",
        );
        for (const [name, made] of Object.entries(sound)) {
          if (name === "disabled") continue;
          assertDifferences(
            unit,
            directives(moduleAssignments(made.unit!)),
            MODULE_DIFFERENCES.filter(({ configurations }) =>
              configurations?.includes(name) ?? true
            ),
            `${SERVICE}, the module with the configuration "${name}"`,
          );
        }
        assertEquals(
          MODULE_DIFFERENCES.flatMap(({ configurations = [] }) =>
            configurations
          )
            .filter((name) => !(name in sound)),
          [],
          "configurations that do not exist",
        );
      } finally {
        await Deno.remove(directory, { recursive: true });
      }
    },
  });
});
