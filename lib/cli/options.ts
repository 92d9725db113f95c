/**
 * The options of the command line: name, value, default and help of each,
 * written once. Parser, help text and documentation checks all read this table.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { MAC_SOURCES, type MacSource } from "../dhcpv6/reply/client_mac.ts";
import {
  encodeName,
  type NtpServer,
  ntpServer,
} from "../dhcpv6/wire/server_options.ts";
import {
  parseTemplate,
  TEMPLATE_FIELDS,
  TemplateError,
  type UrlTemplate,
} from "../dhcpv6/reply/url_template.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../telemetry/log.ts";
import { escapeControls } from "../net/escape_controls.ts";
import {
  isLinkLocal,
  isMulticast,
  isUnspecified,
  type ParsedAddress,
  parseIpv6,
} from "../net/ipv6.ts";
import { type MacPattern, parseMacPattern } from "../net/mac.ts";
import { parsePrefix, type Prefix } from "../net/prefix.ts";
import { UsageError } from "./usage_error.ts";

/** The headings under which help lists the options. */
export const GROUPS = [
  "Addresses",
  "What clients are told",
  "Booting",
  "Around it",
] as const;

/** Which machines get boot instructions. */
export const BOOT_POLICIES = ["always", "listed"] as const;

/** One option of the command line. */
export interface OptionSpec<Value> {
  readonly group: typeof GROUPS[number];
  /** What stands for its value in help; none: it is a switch. */
  readonly placeholder?: string;
  /** Whether it may be given several times. */
  readonly repeatable?: boolean;
  /** Its value when it is not given. */
  readonly initial?: string;
  /** What is so when it is not given, where that is no value: in words. */
  readonly fallback?: string;
  readonly help: string;
  /** Reads a value, or throws a {@linkcode Rejection}. */
  readonly parse: (text: string) => Value;
}

/** Why a value is refused: what was wrong and what is accepted. */
class Rejection extends Error {}

function reject(text: string, accepted: string): never {
  throw new Rejection(`"${escapeControls(text)}" is not ${accepted}`);
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    return /^[0-9]+$/.test(text) && value >= min && value <= max
      ? value
      : reject(text, `a whole number from ${min} to ${max}`);
  };
}

function oneOf<const Word extends string>(
  words: readonly Word[],
): (text: string) => Word {
  return (text) =>
    words.find((word) => word === text) ??
      reject(text, `one of ${words.join(", ")}`);
}

function unicastAddress(text: string): Uint8Array {
  const address = parseIpv6(text);
  return address === undefined || isMulticast(address) || isUnspecified(address)
    ? reject(text, "an IPv6 address such as 2001:db8::53")
    : address;
}

function globalAddress(text: string): ParsedAddress {
  const bytes = parseIpv6(text);
  if (
    bytes === undefined || isMulticast(bytes) || isLinkLocal(bytes) ||
    bytes.subarray(0, 8).every((byte) => byte === 0)
  ) {
    return reject(
      text,
      "a global or unique local IPv6 address such as 2001:db8:123:4567::",
    );
  }
  return { text, bytes };
}

function macSources(text: string): MacSource[] {
  const sources = text.split(",").map((word) => word.trim());
  const known = sources.every((word) =>
    (MAC_SOURCES as readonly string[]).includes(word)
  );
  return known && new Set(sources).size === sources.length
    ? sources as MacSource[]
    : reject(
      text,
      `a list of ${MAC_SOURCES.join(", ")}, each at most once, with commas`,
    );
}

function macPattern(text: string): MacPattern {
  return parseMacPattern(text) ??
    reject(
      text,
      "a MAC such as 02:de:ad:be:ef:01 or a prefix such as 02:de:ad:*",
    );
}

function template(text: string): UrlTemplate {
  try {
    return parseTemplate(text);
  } catch (error) {
    if (error instanceof TemplateError) {
      throw new Rejection(`"${escapeControls(text)}", ${error.message}`);
    }
    throw error;
  }
}

function domainName(text: string): { text: string; bytes: Uint8Array } {
  const bytes = encodeName(text);
  return bytes === undefined
    ? reject(text, "a domain name such as lab.example")
    : { text, bytes };
}

function timeServer(text: string): NtpServer {
  return ntpServer(text) ?? reject(text, "an IPv6 address or a host name");
}

/** Where a server listens; without a host, at every address it serves. */
export interface GivenListenAddress {
  readonly hostname: string | undefined;
  readonly port: number;
}

function listenAddress(text: string): GivenListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:\s]+))?:([0-9]{1,5})$/i.exec(
    text,
  );
  const port = Number(match?.[3]);
  const literal = match?.[1];
  return match === null || port < 1 || port > 65535 ||
      (literal !== undefined && parseIpv6(literal) === undefined)
    ? reject(text, "HOST:PORT, [IPV6]:PORT or :PORT")
    : { hostname: literal ?? match[2], port };
}

function tftpListenAddress(text: string): GivenListenAddress | "off" {
  return text === "off" ? text : listenAddress(text);
}

function allowedPrefix(text: string): Prefix | "any" {
  return text === "any" ? text : parsePrefix(text) ??
    reject(text, "a prefix such as 2001:db8::/32, or any");
}

function hostName(text: string): string {
  return /^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/i.test(text)
    ? text
    : reject(text, "a host name such as netboot.lab.example, without a port");
}

function collector(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) &&
      url.search === "" && url.hash === ""
    ? url
    : reject(text, "a URL such as http://[2001:db8::5]:4318");
}

function path(text: string): string {
  return text;
}

function interfaceName(text: string): string {
  // IFNAMSIZ less the zero octet; what the kernel itself refuses
  return /^[^\s/%]{1,15}$/.test(text)
    ? text
    : reject(text, "the name of an interface such as eth1");
}

const lifetime = wholeNumber(1, 0xffff_ffff);

/** Every option. */
export const OPTIONS = {
  "interface": option({
    group: "Addresses",
    placeholder: "NAME",
    fallback: "the one interface with an address in the base prefix",
    help: "the link to serve",
    parse: interfaceName,
  }),
  "base-address": option({
    group: "Addresses",
    placeholder: "IPV6",
    repeatable: true,
    fallback: "required",
    help:
      "the first 80 bits of every machine's address; given again, one for each link behind relays",
    parse: globalAddress,
  }),
  "mac-sources": option({
    group: "Addresses",
    placeholder: "LIST",
    initial: MAC_SOURCES.join(","),
    help: "where a machine's MAC is read from, the most trusted source first",
    parse: macSources,
  }),
  "allow-mac": option({
    group: "Addresses",
    placeholder: "MAC",
    repeatable: true,
    fallback: "all",
    help: "answer these machines only: a MAC, or a prefix such as 02:de:ad:*",
    parse: macPattern,
  }),
  "deny-mac": option({
    group: "Addresses",
    placeholder: "MAC",
    repeatable: true,
    fallback: "none",
    help: "never answer these machines",
    parse: macPattern,
  }),
  "preferred-lifetime": option({
    group: "Addresses",
    placeholder: "SECONDS",
    initial: "1200",
    help: "how long an address is preferred; clients renew it at half of that",
    parse: lifetime,
  }),
  "valid-lifetime": option({
    group: "Addresses",
    placeholder: "SECONDS",
    fallback: "1200, or the preferred lifetime if that is longer",
    help: "how long an address may be used at all",
    parse: lifetime,
  }),
  "preference": option({
    group: "What clients are told",
    placeholder: "0-255",
    initial: "255",
    help:
      "how much to be preferred to other servers; 255 spares firmware a wait of 4 s, the second router of a pair wants less",
    parse: wholeNumber(0, 255),
  }),
  "dns": option({
    group: "What clients are told",
    placeholder: "IPV6",
    repeatable: true,
    fallback: "none",
    help: "a name server, for clients that ask",
    parse: unicastAddress,
  }),
  "domain-search": option({
    group: "What clients are told",
    placeholder: "DOMAIN",
    repeatable: true,
    fallback: "none",
    help: "a domain to look names up in, for clients that ask",
    parse: domainName,
  }),
  "ntp": option({
    group: "What clients are told",
    placeholder: "IPV6|NAME",
    repeatable: true,
    fallback: "none",
    help: "a time server, for clients that ask",
    parse: timeServer,
  }),
  "http-boot-url-template": option({
    group: "Booting",
    placeholder: "URL",
    fallback: "no boot instructions",
    help: `where machines boot from; may hold ${
      TEMPLATE_FIELDS.map((field) => `{{.${field}}}`).join(", ")
    }, each also with | urlquery`,
    parse: template,
  }),
  "boot-address": option({
    group: "Booting",
    placeholder: "IPV6",
    fallback:
      "the base address if the interface has it, else its first address in that /64",
    help: "this daemon's address in the URLs that machines are given",
    parse: globalAddress,
  }),
  "boot-policy": option({
    group: "Booting",
    placeholder: BOOT_POLICIES.join("|"),
    initial: "always",
    help:
      "listed: instructions only for machines that have a directory in --netboot-dir, the others go on to their disk",
    parse: oneOf(BOOT_POLICIES),
  }),
  "netboot-dir": option({
    group: "Booting",
    placeholder: "DIRECTORY",
    fallback: "no files",
    help:
      "files for machines, served as /mac/MAC/FILE from MAC/FILE, else from default/FILE",
    parse: path,
  }),
  "tftp-listen-addr": option({
    group: "Booting",
    placeholder: "ADDRESS|off",
    fallback: "the boot address, port 69",
    help: "where TFTP is served: [IPV6]:PORT, or :PORT for all addresses",
    parse: tftpListenAddress,
  }),
  "http-listen-addr": option({
    group: "Booting",
    placeholder: "ADDRESS",
    initial: ":6315",
    help: "where HTTP is served",
    parse: listenAddress,
  }),
  "https-listen-addr": option({
    group: "Booting",
    placeholder: "ADDRESS",
    fallback: ":443 when there is a certificate",
    help: "where HTTPS is served",
    parse: listenAddress,
  }),
  "tls-cert-file": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "no HTTPS",
    help: "certificate chain in PEM, read again when it changes",
    parse: path,
  }),
  "tls-key-file": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "no HTTPS",
    help: "its key in PEM",
    parse: path,
  }),
  "http-allow": option({
    group: "Booting",
    placeholder: "PREFIX|any",
    repeatable: true,
    fallback:
      "loopback, link-local, the interface's own prefixes, every base address's /64",
    help: "whom HTTP and TFTP answer besides",
    parse: allowedPrefix,
  }),
  "http-host": option({
    group: "Booting",
    placeholder: "NAME",
    repeatable: true,
    fallback: "addresses, localhost and the template's host",
    help: "a further host name under which page, events and metrics answer",
    parse: hostName,
  }),
  "ipxe-x86-64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "what is compiled in",
    help: "iPXE for x86-64",
    parse: path,
  }),
  "ipxe-arm64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "what is compiled in",
    help: "iPXE for arm64",
    parse: path,
  }),
  "ipxe-riscv64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "what is compiled in",
    help: "iPXE for riscv64",
    parse: path,
  }),
  "ipxe-loong64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "what is compiled in",
    help: "iPXE for loong64",
    parse: path,
  }),
  "ipxe-script": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "the one compiled in",
    help: "what is served as autoexec.ipxe",
    parse: path,
  }),
  "dhcpv6-listen-port": option({
    group: "Around it",
    placeholder: "PORT",
    initial: "547",
    help: "another UDP port, for tests without root",
    parse: wholeNumber(1, 65535),
  }),
  "max-machines": option({
    group: "Around it",
    placeholder: "COUNT",
    initial: "65536",
    help: "machines remembered, the least recently seen forgotten first",
    parse: wholeNumber(1, 16_777_216),
  }),
  "max-events": option({
    group: "Around it",
    placeholder: "COUNT",
    initial: "200000",
    help:
      "events remembered of all machines together, the oldest forgotten first",
    parse: wholeNumber(1, 16_777_216),
  }),
  "names": option({
    group: "Around it",
    placeholder: "FILE",
    fallback: "none",
    help:
      "lines of MAC and name, for people to know machines by; read again when it changes",
    parse: path,
  }),
  "otlp-endpoint": option({
    group: "Around it",
    placeholder: "URL",
    fallback: "none",
    help: "OTLP/HTTP collector that metrics and events are pushed to",
    parse: collector,
  }),
  "log-format": option({
    group: "Around it",
    placeholder: LOG_FORMATS.join("|"),
    fallback: "text on a terminal, else json",
    help: "how log lines look",
    parse: oneOf(LOG_FORMATS),
  }),
  "log-level": option({
    group: "Around it",
    placeholder: LOG_LEVELS.join("|"),
    initial: "info",
    help: "the least important lines to write; debug adds one for each packet",
    parse: oneOf(LOG_LEVELS),
  }),
  "json": option({
    group: "Around it",
    help: "with watch: a line of JSON for each event, for programs",
    parse: () => true,
  }),
  "check": option({
    group: "Around it",
    help:
      "look at options, interface and ports, say what would be served, and end",
    parse: () => true,
  }),
  "help": option({
    group: "Around it",
    help: "show this and end",
    parse: () => true,
  }),
  "version": option({
    group: "Around it",
    help: "show the version and end",
    parse: () => true,
  }),
};

function option<Value, const Spec extends OptionSpec<Value>>(
  spec: Spec & OptionSpec<Value>,
): Spec {
  return spec;
}

/** The name of an option. */
export type OptionName = keyof typeof OPTIONS;

type ValueOf<Spec> = Spec extends
  { parse: (text: string) => infer Value; repeatable: true } ? Value[]
  : Spec extends { parse: (text: string) => infer Value; initial: string }
    ? Value
  : Spec extends { parse: (text: string) => infer Value } ? Value | undefined
  : never;

/** What was given: `undefined`, or no values, for an option that was not. */
export type GivenOptions = {
  readonly [Name in OptionName]: ValueOf<typeof OPTIONS[Name]>;
};

/** A command line that has been read. */
export interface CommandLine {
  readonly options: GivenOptions;
  /** What is no option. */
  readonly words: readonly string[];
}

const NAMES = Object.keys(OPTIONS) as OptionName[];

function specOf(name: OptionName): OptionSpec<unknown> {
  return OPTIONS[name];
}

function isSwitch(name: OptionName): boolean {
  return specOf(name).placeholder === undefined;
}

/**
 * Reads a command line. An option has one dash or two, its value behind a
 * blank or an equals sign; an empty value means that it was not given.
 *
 * @throws {UsageError} for an unknown option, a value that is missing, of the
 * wrong type or too many.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const parsed = parseArgs(withTwoDashes(args), {
    // a MAC may look like a number: words stay as they are
    string: ["_", ...NAMES.filter((name) => !isSwitch(name))],
    boolean: NAMES.filter(isSwitch),
    collect: NAMES.filter((name) => !isSwitch(name)),
    // whatever has no dash is a word; withTwoDashes refused the rest
    unknown: () => true,
  }) as Record<string, unknown>;
  const options: Record<string, unknown> = {};
  for (const name of NAMES) {
    options[name] = isSwitch(name)
      ? parsed[name] === true || undefined
      : valuesOf(name, (parsed[name] ?? []) as string[]);
  }
  return {
    options: options as GivenOptions,
    words: (parsed._ as (string | number)[]).map(String),
  };
}

/** Arguments with every option written as `--name=value` or `--name`. */
function withTwoDashes(args: readonly string[]): string[] {
  const normal: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") {
      normal.push(...args.slice(index));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      normal.push(arg);
      continue;
    }
    const match = /^--?([^=]*)(?:=(.*))?$/s.exec(arg)!;
    const name = NAMES.find((name) => name === match[1]);
    if (name === undefined) {
      throw new UsageError(
        `unknown option ${escapeControls(arg)}; --help lists all of them`,
      );
    }
    const value = match[2];
    if (isSwitch(name)) {
      if (value !== undefined && !["", "true", "false"].includes(value)) {
        throw new UsageError(
          `--${name} takes no value, "${escapeControls(value)}" was given`,
        );
      }
      if (value === undefined || value === "true") normal.push(`--${name}`);
    } else if (value !== undefined) {
      normal.push(`--${name}=${value}`);
    } else {
      const next = args[++index];
      if (next === undefined || /^-./.test(next)) {
        throw new UsageError(
          `--${name} needs a value: --${name} ${specOf(name).placeholder}`,
        );
      }
      normal.push(`--${name}=${next}`);
    }
  }
  return normal;
}

function valuesOf(name: OptionName, texts: readonly string[]): unknown {
  const spec = specOf(name);
  const values = texts.filter((text) => text !== "").map((text) => {
    try {
      return spec.parse(text);
    } catch (error) {
      if (error instanceof Rejection) {
        throw new UsageError(`--${name}: ${error.message}`);
      }
      throw error;
    }
  });
  if (spec.repeatable) return values;
  if (values.length > 1) {
    throw new UsageError(
      `--${name} can be given once only, but was given ${values.length} times`,
    );
  }
  return values[0] ??
    (spec.initial === undefined ? undefined : spec.parse(spec.initial));
}

/** What is so when an option is not given, for people; empty for switches. */
export function fallbackOf(name: OptionName): string {
  const { initial, fallback } = specOf(name);
  return initial ?? fallback ?? "";
}
