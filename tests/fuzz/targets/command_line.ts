/** The command line: settings, or a sentence that names the option. */

import {
  type CommandLine,
  type OptionName,
  OPTIONS,
  parseCommandLine,
} from "../../../lib/cli/options.ts";
import { configOf } from "../../../lib/cli/config.ts";
import { UsageError } from "../../../lib/cli/usage_error.ts";
import type { DaemonConfig } from "../../../lib/daemon/config.ts";
import {
  renderTemplate,
  SAMPLE_VALUES,
} from "../../../lib/dhcpv6/reply/url_template.ts";
import { isInPrefix } from "../../../lib/net/prefix.ts";
import { textOf } from "../mutate.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { anyText, isShowable, texts } from "./text.ts";
import { presentFiles } from "../../support/option_files.ts";

const namesOption = new Invariant("a refusal names the option");
const isOneLine = new Invariant(
  "a refusal and a notice are a line that can be shown",
);
const oneDashOrTwo = new Invariant("one dash or two make no difference");
const makesUrls = new Invariant("the template makes a URL for every link");
const inBounds = new Invariant("settings are in their bounds");

/** Stands between two arguments. */
const BREAK = "\0";

const NAMES = Object.keys(OPTIONS) as OptionName[];

const WORDS = texts(
  ...NAMES.flatMap((name) => [`\0--${name}=`, `\0-${name}\0`, name]),
  "\0",
  "\0--\0",
  "--",
  "=",
  "check",
  "address",
  "eth1",
  "2001:db8:1:2::",
  "2001:db8:7:8::",
  "2001:db8::/32",
  "any",
  "off",
  ":69",
  "[::1]:69",
  "host:1",
  "02:00:5e:00:53:01",
  "02:de:ad:*",
  "relay,duid",
  "eui64",
  "0",
  "1",
  "255",
  "1200",
  "4294967295",
  "4294967296",
  "1e3",
  "lab.example",
  "listed",
  "http://[{{.BootAddress}}]/{{.MAC}}",
  "https://boot.example/{{.Payload}}",
  "x".repeat(255),
  "/dev/null",
  "/nowhere",
  "http://[2001:db8::5]:4318",
  "true",
  "false",
  "\u202e",
  "\x1b[31m",
  "\n",
  "__proto__",
  "constructor",
);

const NEEDED = "--interface=eth1\0--base-address=2001:db8:1:2::";

const SEEDS = texts(
  NEEDED,
  ...NAMES.flatMap((
    name,
  ) => [`${NEEDED}\0--${name}`, `${NEEDED}\0--${name}=1`]),
  `${NEEDED}\0-dns\x002001:db8::1\0--dns=2001:db8::2\0--domain-search=a.b`,
  `${NEEDED}\0--base-address=2001:db8:1:2:3::`,
  `${NEEDED}\0--tls-cert-file=/dev/null\0--tls-key-file=/dev/null`,
  `${NEEDED}\0--boot-policy=listed\0--netboot-dir=/`,
  `${NEEDED}\0--netboot-dir=/no\nwhere`,
  `${NEEDED}\0--preferred-lifetime=9\0--valid-lifetime=8`,
  `${NEEDED}\0--http-boot-url-template=https://[2001:db8::1]/{{.MAC}}`,
  `${NEEDED}\0--http-boot-url-template=http://a/${"x".repeat(900)}`,
  `${NEEDED}\0--http-boot-url-template=http://[{{.BaseAddress}}1]/`,
  "--base-address=2001:db8:1:2:3:4:5:ffff\0--http-boot-url-template=http://[{{.BaseAddress}}1]/",
  "address\0--base-address=2001:db8::\x0002:00:5e:00:53:01",
  "check\0--\0--help",
);

/** Fuzzes the command line. */
export class CommandLineTarget implements Target {
  readonly name = "command_line";
  readonly weight = 8;
  readonly maxLength = 2000;
  readonly invariants = [
    namesOption,
    isOneLine,
    oneDashOrTwo,
    inBounds,
    makesUrls,
  ];
  readonly seeds = SEEDS;
  readonly words = WORDS;

  make(random: Random): Uint8Array {
    return anyText(random, WORDS);
  }

  run(input: Uint8Array): string {
    const args = textOf(input).split(BREAK);
    const outcome = parsed(args);
    const other = parsed(withOtherDashes(args));
    oneDashOrTwo.holds(
      typeof outcome === typeof other &&
        (typeof outcome === "string" ||
          JSON.stringify(outcome) === JSON.stringify(other)),
      () => ({ outcome, other }),
    );
    if (typeof outcome === "string") return refusal(outcome);
    const config = settled(outcome);
    if (typeof config === "string") return refusal(config);
    for (const notice of [...outcome.notices, ...config.notices]) {
      isOneLine.holds(isShowable(notice), () => notice);
    }
    checkBounds(config);
    checkUrls(config);
    return `accepted ${config.notices.map(kind).sort()} ${
      NAMES.filter((name) => {
        const value: unknown = outcome.options[name];
        return Array.isArray(value) ? value.length > 0 : value !== undefined;
      }).length
    }`;
  }
}

function parsed(args: readonly string[]): CommandLine | string {
  try {
    return parseCommandLine(args);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

function settled({ options }: CommandLine): DaemonConfig | string {
  try {
    // Without a name the machine's own interfaces would be looked at.
    return configOf(
      { ...options, interface: options.interface ?? "eth1" },
      presentFiles,
    );
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}

/** Options with one dash where they had two, and the other way around. */
function withOtherDashes(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.map((arg, index) => {
    if (end !== -1 && index >= end) return arg;
    const name = /^--?([^=]+)/s.exec(arg)?.[1];
    if (!NAMES.some((known) => known === name)) return arg;
    return arg.startsWith("--") ? arg.slice(1) : `-${arg}`;
  });
}

function refusal(message: string): string {
  const names = [...message.matchAll(/--([a-z0-9-]+)/g)].map(([, name]) =>
    name
  );
  namesOption.holds(
    message.startsWith("unknown option -") ||
      NAMES.some((name) => names.includes(name)),
    () => message,
  );
  isOneLine.holds(isShowable(message), () => message);
  return kind(message);
}

/** A sentence without what was given. */
function kind(message: string): string {
  return message.replace(/"[^]*"/, "").replace(/unknown option [^]*/, "unknown")
    .replace(/[0-9a-f]*:[0-9a-f:]*|[0-9]+/g, "");
}

function checkBounds(config: DaemonConfig): void {
  const { responder: answers, port, http, allowed, maxMachines } = config;
  const { preferredLifetime, validLifetime, preference, subnets } = answers;
  inBounds.holds(
    preferredLifetime >= 1 && validLifetime >= preferredLifetime &&
      validLifetime <= 0xffff_ffff && preference >= 0 && preference <= 255 &&
      [port, ...http.map((address) => address.port)].every((port) =>
        port >= 1 && port <= 65535
      ) &&
      maxMachines >= 1 && answers.macSources.length >= 1,
    () => config,
  );
  for (const { bytes } of subnets) {
    inBounds.holds(
      allowed === "any" ||
        allowed.some((prefix) => isInPrefix(bytes, prefix)),
      () => config,
    );
  }
}

function checkUrls(
  { template, responder: answers, bootAddress }: DaemonConfig,
): void {
  if (template === undefined) return;
  for (const { text } of answers.subnets) {
    const url = renderTemplate(template, {
      ...SAMPLE_VALUES,
      BaseAddress: text,
      BootAddress: bootAddress?.text ?? SAMPLE_VALUES.BootAddress,
    });
    const parsed = URL.parse(url);
    makesUrls.holds(
      parsed !== null && /^(https?|tftp):$/.test(parsed.protocol) &&
        parsed.hostname !== "",
      () => url,
    );
  }
}
