/**
 * The option table: name, type, default and help of every option, written once.
 * Parser, help text and documentation checks read it.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { MAC_SOURCES, type MacSource } from "../dhcpv6/reply/client_mac.ts";
import { BOOT_URL_KINDS } from "../dhcpv6/reply/boot_urls.ts";
import { parseDuid } from "../dhcpv6/wire/duid.ts";
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
import { isHostName } from "../http/host_check.ts";
import { RECORD_FORMATS } from "../records/formats.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../telemetry/log.ts";
import { CollectorHeader } from "../telemetry/otlp/headers.ts";
import { OTLP_ENCODINGS } from "../telemetry/otlp/request.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import {
  BASE_BYTES,
  isLinkLocal,
  isMulticast,
  isUnspecified,
  type ParsedAddress,
  parseIpv6,
} from "../net/ipv6.ts";
import {
  isUnicastMac,
  type Mac,
  type MacPattern,
  parseMac,
  parseMacPattern,
} from "../net/mac.ts";
import { parsePrefix, type Prefix } from "../net/prefix.ts";
import { suggestion } from "./did_you_mean.ts";
import { UsageError } from "./usage_error.ts";

/** The headings under which help lists the options. */
export const GROUPS = [
  "Addresses",
  "DHCPv6 options",
  "Booting",
  "Operation",
  "Commands",
] as const;

/** Which clients get boot instructions. */
export const BOOT_POLICIES = ["always", "listed", "once"] as const;

/** What iPXE gets as its boot URL. */
export const IPXE_CHAINS = ["script", "direct"] as const;

/** One option of the command line. */
export interface OptionSpec<Value> {
  readonly group: typeof GROUPS[number];
  /** Stands for the value in help; `undefined`: the option is a switch. */
  readonly placeholder?: string;
  /** Whether it may be given more than once. */
  readonly repeatable?: boolean;
  /** The default value. */
  readonly initial?: string;
  /** The default in words, where it is not a value. */
  readonly fallback?: string;
  readonly help: string;
  /** The commands that take it; `undefined`: the daemon does, and all commands. */
  readonly commands?: readonly string[];
  /** Parses a value, or throws a {@linkcode Rejection}. */
  readonly parse: (text: string) => Value;
}

/** Why a value is rejected: what is wrong and what is accepted. */
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
      reject(text, `one of ${words.join(", ")}${suggestion(text, words)}`);
}

/**
 * The kind of an address at which clients reach no server; `undefined` for
 * unicast addresses of interfaces.
 */
function unusableKindOf(address: Uint8Array): string | undefined {
  if (isMulticast(address)) return "a multicast address";
  if (isUnspecified(address)) return "the unspecified address";
  // ::1, IPv4-mapped and IPv4-compatible addresses (RFC 4291 §2.5).
  return address.subarray(0, 8).every((byte) => byte === 0)
    ? "a loopback or IPv4-mapped address"
    : undefined;
}

function rejectKind(text: string, kind: string, accepted: string): never {
  throw new Rejection(
    `"${escapeControls(text)}" is ${kind}; give ${accepted}`,
  );
}

function unicastAddress(text: string): Uint8Array {
  const accepted = "an IPv6 address such as 2001:db8::53";
  const address = parseIpv6(text) ?? reject(text, accepted);
  const kind = unusableKindOf(address);
  return kind === undefined ? address : rejectKind(text, kind, accepted);
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

/** Bits of an address before the client's MAC. */
const BASE_BITS = 8 * BASE_BYTES;

/** An address, of which the length of its prefix may be given as well. */
function baseAddress(text: string): ParsedAddress {
  const [address, length] = text.split("/", 2) as [string, string?];
  const isPrefix = length !== undefined;
  if (isPrefix && !/^\/[0-9]{1,3}$/.test(text.slice(address.length))) {
    reject(text, "an IPv6 address such as 2001:db8:123:4567::/64");
  }
  const parsed = globalAddress(address);
  if (isPrefix && Number(length) > BASE_BITS) {
    reject(
      text,
      `a prefix of at most /${BASE_BITS}: the client's MAC takes the last 48 bits`,
    );
  }
  return parsed;
}

function macSources(text: string): MacSource[] {
  const sources = text.split(",").map((word) => word.trim());
  const known = sources.every((word) =>
    (MAC_SOURCES as readonly string[]).includes(word)
  );
  if (known && new Set(sources).size === sources.length) {
    return sources as MacSource[];
  }
  const unknown = sources.find((word) =>
    !(MAC_SOURCES as readonly string[]).includes(word)
  );
  return reject(
    text,
    `a list of ${MAC_SOURCES.join(", ")}, each at most once, with commas${
      unknown === undefined ? "" : suggestion(unknown, MAC_SOURCES)
    }`,
  );
}

function clientMac(text: string): Mac {
  const mac = parseMac(text);
  return mac !== undefined && isUnicastMac(mac)
    ? mac
    : reject(text, "a unicast MAC such as 02:00:5e:00:53:01");
}

function macPattern(text: string): MacPattern {
  return parseMacPattern(text) ??
    reject(
      text,
      "a MAC such as 02:de:ad:be:ef:01 or a prefix such as 02:de:ad:*",
    );
}

function duid(text: string): Uint8Array {
  return parseDuid(text) ??
    reject(
      text,
      "a DUID of 3 to 130 bytes in hexadecimal, such as 00:03:00:01:02:00:5e:00:53:01",
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

/** The boot URL of a kind of clients. */
export interface GivenBootUrl {
  readonly kind: string;
  readonly template: UrlTemplate;
}

function bootUrl(text: string): GivenBootUrl {
  const end = text.indexOf("=");
  const kind = text.slice(0, Math.max(0, end));
  if (!BOOT_URL_KINDS.includes(kind)) {
    reject(
      text,
      `KIND=URL with one of the kinds ${BOOT_URL_KINDS.join(", ")}${
        suggestion(kind, BOOT_URL_KINDS)
      }`,
    );
  }
  return { kind, template: template(text.slice(end + 1)) };
}

function domainName(text: string): { text: string; bytes: Uint8Array } {
  const bytes = isIpv4(text) ? undefined : encodeName(text);
  return bytes === undefined
    ? reject(text, "a domain name such as lab.example")
    : { text, bytes };
}

function timeServer(text: string): NtpServer {
  const accepted = "an IPv6 address or a host name";
  const address = parseIpv6(text);
  if (address !== undefined) {
    const kind = unusableKindOf(address);
    // RFC 5908 §4.2 has multicast servers, beyond the client's own interface.
    const isServer = isMulticast(address)
      ? (address[1]! & 0x0f) > 1
      : kind === undefined;
    if (!isServer) rejectKind(text, kind!, accepted);
  } else if (isIpv4(text)) rejectKind(text, "an IPv4 address", accepted);
  return ntpServer(text) ?? reject(text, accepted);
}

/**
 * Whether a text ends in a number, as IPv4 addresses do in all notations and no
 * domain name does. It would be encoded as a name.
 */
function isIpv4(text: string): boolean {
  return /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$/i.test(text);
}

/** Where a server listens; without a host name, at every address. */
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
  const accepted = "HOST:PORT, [IPV6]:PORT, :PORT or off";
  if (match === null || port < 1 || port > 65535) reject(text, accepted);
  if (literal !== undefined) {
    const bytes = parseIpv6(literal) ?? reject(text, accepted);
    if (isMulticast(bytes)) {
      rejectKind(text, "a multicast address", "a unicast address or :PORT");
    }
    // A socket needs a zone for it, which the option does not have.
    if (isLinkLocal(bytes)) {
      rejectKind(text, "a link-local address", "a global address or :PORT");
    }
  }
  return { hostname: literal ?? match![2], port };
}

function listenAddressOrOff(text: string): GivenListenAddress | "off" {
  return text === "off" ? text : listenAddress(text);
}

function allowedPrefix(text: string): Prefix | "any" {
  return text === "any" ? text : parsePrefix(text) ??
    reject(text, "a prefix such as 2001:db8::/32, or any");
}

function hostName(text: string): string {
  return isHostName(text)
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

/** Its value is in no message. */
function collectorHeader(text: string): CollectorHeader {
  const header = CollectorHeader.parse(text);
  if (header !== undefined) return header;
  throw new Rejection(
    "not NAME=VALUE or NAME=@FILE with the name and value of an HTTP header that no request has by itself",
  );
}

function path(text: string): string {
  return text;
}

/** A subnet's base address, and a prefix of the link-addresses of its relays. */
export interface GivenLinkPrefix {
  readonly text: string;
  readonly prefix: Prefix;
  readonly base: Uint8Array;
}

function linkPrefix(text: string): GivenLinkPrefix {
  const [prefixText, baseText, ...rest] = text.split("=") as [string, string?];
  const prefix = /:.*\/[0-9]/.test(prefixText)
    ? parsePrefix(prefixText)
    : undefined;
  if (prefix === undefined || baseText === undefined || rest.length > 0) {
    reject(
      text,
      "PREFIX=BASE such as fd00:1::/64=2001:db8:123:4568::, where BASE is a --base-address",
    );
  }
  // The responder passes over such link-addresses (RFC 8415 section 13.1).
  const { bytes, length } = prefix;
  if (
    (length >= 10 && isLinkLocal(bytes)) || (length >= 8 && isMulticast(bytes))
  ) {
    reject(text, "a prefix of unicast addresses beyond one link");
  }
  return { text, prefix, base: baseAddress(baseText).bytes };
}

/** Characters of an interface's name: IFNAMSIZ is 16 with the zero byte. */
const MAX_INTERFACE_NAME = 15;

function interfaceName(text: string): string {
  // The kernel rejects these characters.
  if (!/^[^\s/%]+$/.test(text)) {
    reject(text, "the name of an interface such as eth1");
  }
  return text.length <= MAX_INTERFACE_NAME ? text : reject(
    text,
    `a name of at most ${MAX_INTERFACE_NAME} characters: name the interface itself, or a shorter altname (ip link shows them)`,
  );
}

const lifetime = wholeNumber(1, 0xffff_ffff);

/** Every option. */
export const OPTIONS = {
  "interface": option({
    group: "Addresses",
    placeholder: "NAME",
    fallback: "the one interface with an address in the base address's /64",
    help:
      "network interface to serve, or an altname of it (15 characters at most)",
    parse: interfaceName,
  }),
  "base-address": option({
    group: "Addresses",
    placeholder: "IPV6",
    repeatable: true,
    fallback: "required",
    help:
      "IPv6 address whose first 80 bits are the prefix of all clients, with or without /64; further ones are for links behind relays",
    parse: baseAddress,
  }),
  "link-prefix": option({
    group: "Addresses",
    placeholder: "PREFIX=BASE",
    repeatable: true,
    fallback: "none",
    help:
      "a relay's link-address in PREFIX is on the link of base address BASE",
    parse: linkPrefix,
  }),
  "mac-sources": option({
    group: "Addresses",
    placeholder: "LIST",
    initial: MAC_SOURCES.join(","),
    help:
      "sources of a client's MAC, the most trusted first; some may be left out",
    parse: macSources,
  }),
  "allow-mac": option({
    group: "Addresses",
    placeholder: "MAC",
    repeatable: true,
    fallback: "all",
    help: "only clients to serve: a MAC or a prefix such as 02:de:ad:*",
    parse: macPattern,
  }),
  "deny-mac": option({
    group: "Addresses",
    placeholder: "MAC",
    repeatable: true,
    fallback: "none",
    help: "clients never to serve: a MAC or a prefix",
    parse: macPattern,
  }),
  "preferred-lifetime": option({
    group: "Addresses",
    placeholder: "SECONDS",
    initial: "1200",
    help:
      "preferred lifetime of an address; clients renew it after half of that, and ask any server after seven eighths",
    parse: lifetime,
  }),
  "valid-lifetime": option({
    group: "Addresses",
    placeholder: "SECONDS",
    fallback: "1200, or the preferred lifetime if that is longer",
    help: "valid lifetime of an address",
    parse: lifetime,
  }),
  "server-duid": option({
    group: "DHCPv6 options",
    placeholder: "HEX",
    fallback: "DUID-LL of the interface's MAC at the start",
    help:
      "DUID of this server, 3 to 130 bytes, also with colons; one that stays when network cards change",
    parse: duid,
  }),
  "preference": option({
    group: "DHCPv6 options",
    placeholder: "0-255",
    initial: "255",
    help:
      "server preference; 255 saves firmware a wait of 4 s, the standby of two routers gets less",
    parse: wholeNumber(0, 255),
  }),
  "dns": option({
    group: "DHCPv6 options",
    placeholder: "IPV6",
    repeatable: true,
    fallback: "none",
    help: "DNS server, sent on request",
    parse: unicastAddress,
  }),
  "domain-search": option({
    group: "DHCPv6 options",
    placeholder: "DOMAIN",
    repeatable: true,
    fallback: "none",
    help: "DNS search domain, sent on request",
    parse: domainName,
  }),
  "ntp": option({
    group: "DHCPv6 options",
    placeholder: "IPV6|NAME",
    repeatable: true,
    fallback: "none",
    help: "NTP server, sent on request",
    parse: timeServer,
  }),
  "http-boot-url-template": option({
    group: "Booting",
    placeholder: "URL",
    fallback: "no boot instructions",
    help: `boot URL for clients, with ${
      TEMPLATE_FIELDS.map((field) => `{{.${field}}}`).join(", ")
    }, each also with | urlquery`,
    parse: template,
  }),
  "boot-url": option({
    group: "Booting",
    placeholder: "KIND=URL",
    repeatable: true,
    fallback: "that of the template, of iPXE, or none",
    help:
      "boot URL for one kind of client, a template as well: ipxe, http, pxe, u-boot, raspberry-pi, grub or loader (any other that requests one); http-arm64 and the like for one architecture",
    parse: bootUrl,
  }),
  "ipxe-chain": option({
    group: "Booting",
    placeholder: IPXE_CHAINS.join("|"),
    initial: "script",
    help:
      "how iPXE gets to the template's URL; script: by a script of this daemon, which passes no command line and retries; direct: by itself",
    parse: oneOf(IPXE_CHAINS),
  }),
  "boot-address": option({
    group: "Booting",
    placeholder: "IPV6",
    fallback:
      "the base address if the interface has it, else its lowest address in that /64",
    help: "address of this daemon in boot URLs",
    parse: globalAddress,
  }),
  "boot-policy": option({
    group: "Booting",
    placeholder: BOOT_POLICIES.join("|"),
    initial: "always",
    help:
      "clients that get boot instructions; listed: only those with a directory in --netboot-dir, all others boot from disk; once: each until its system is up, and again when that directory changes",
    parse: oneOf(BOOT_POLICIES),
  }),
  "netboot-dir": option({
    group: "Booting",
    placeholder: "DIRECTORY",
    fallback: "no files",
    help:
      "boot files: /mac/MAC/FILE is MAC/FILE in this directory, else default/FILE",
    parse: path,
  }),
  "netboot-follow": option({
    group: "Booting",
    placeholder: "DIRECTORY",
    repeatable: true,
    fallback: "none",
    help:
      "directory that links in --netboot-dir may lead to, such as /nix/store or /boot",
    parse: path,
  }),
  "tftp-listen-addr": option({
    group: "Booting",
    placeholder: "ADDRESS|off",
    fallback: "the boot address, port 69",
    help:
      "TFTP listen address: [IPV6]:PORT, or :PORT for all addresses of the interface",
    parse: listenAddressOrOff,
  }),
  "tftp-single-port": option({
    group: "Booting",
    fallback: "each transfer has a port of its own",
    help:
      "TFTP transfers use the port of the listen address, for firewalls between machines and daemon",
    parse: () => true,
  }),
  "http-listen-addr": option({
    group: "Booting",
    placeholder: "ADDRESS|off",
    repeatable: true,
    fallback: ":6315",
    help:
      "HTTP listen address: [IPV6]:PORT, or :PORT for all addresses of the host",
    parse: listenAddressOrOff,
  }),
  "https-listen-addr": option({
    group: "Booting",
    placeholder: "ADDRESS|off",
    repeatable: true,
    fallback: ":443 when there is a certificate",
    help: "HTTPS listen address, likewise",
    parse: listenAddressOrOff,
  }),
  "tls-cert-file": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "no HTTPS",
    help: "TLS certificate chain in PEM; reloaded when it changes",
    parse: path,
  }),
  "tls-key-file": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "no HTTPS",
    help: "TLS private key in PEM; reloaded when it changes",
    parse: path,
  }),
  "http-allow": option({
    group: "Booting",
    placeholder: "PREFIX|any",
    repeatable: true,
    fallback:
      "loopback, link-local, the interface's own prefixes, every base address's /64",
    help: "further client prefixes that HTTP and TFTP serve",
    parse: allowedPrefix,
  }),
  "http-host": option({
    group: "Booting",
    placeholder: "NAME",
    repeatable: true,
    fallback: "addresses, localhost and the template's host",
    help: "further host name for page, events and metrics",
    parse: hostName,
  }),
  "ipxe-x86-64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "the one compiled in",
    help: "iPXE for x86-64 to serve",
    parse: path,
  }),
  "ipxe-arm64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "the one compiled in",
    help: "iPXE for arm64 to serve",
    parse: path,
  }),
  "ipxe-riscv64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "the one compiled in",
    help: "iPXE for riscv64 to serve",
    parse: path,
  }),
  "ipxe-loong64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "the one compiled in",
    help: "iPXE for loong64 to serve",
    parse: path,
  }),
  "shim-x86-64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "none",
    help: "signed shim for x86-64, which PXE clients load before iPXE",
    parse: path,
  }),
  "shim-arm64-efi": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "none",
    help: "signed shim for arm64, which PXE clients load before iPXE",
    parse: path,
  }),
  "ipxe-script": option({
    group: "Booting",
    placeholder: "FILE",
    fallback: "the one compiled in",
    help: "iPXE script to serve as autoexec.ipxe",
    parse: path,
  }),
  "dhcpv6-listen-port": option({
    group: "Operation",
    placeholder: "PORT",
    initial: "547",
    help: "UDP port of DHCPv6; other than 547 for tests without root",
    parse: wholeNumber(1, 65535),
  }),
  "max-machines": option({
    group: "Operation",
    placeholder: "COUNT",
    initial: "65536",
    help: "machines to remember; the least recently seen is evicted first",
    parse: wholeNumber(1, 16_777_216),
  }),
  "max-events": option({
    group: "Operation",
    placeholder: "COUNT",
    initial: "200000",
    help: "events to remember over all machines; the oldest is evicted first",
    parse: wholeNumber(1, 16_777_216),
  }),
  "max-open-files": option({
    group: "Operation",
    placeholder: "COUNT",
    initial: "1024",
    help:
      "file descriptors that the daemon may use, as the service manager or shell limits them",
    parse: wholeNumber(24, 16_777_216),
  }),
  "names": option({
    group: "Operation",
    placeholder: "FILE",
    fallback: "none",
    help: "machine names, one MAC NAME per line; reloaded when it changes",
    parse: path,
  }),
  "otlp-endpoint": option({
    group: "Operation",
    placeholder: "URL",
    fallback: "none",
    help: "OTLP/HTTP collector for metrics and events",
    parse: collector,
  }),
  "otlp-metrics-endpoint": option({
    group: "Operation",
    placeholder: "URL",
    fallback: "v1/metrics below --otlp-endpoint",
    help: "OTLP/HTTP URL for metrics, with its whole path",
    parse: collector,
  }),
  "otlp-logs-endpoint": option({
    group: "Operation",
    placeholder: "URL",
    fallback: "v1/logs below --otlp-endpoint",
    help: "OTLP/HTTP URL for events, with its whole path",
    parse: collector,
  }),
  "otlp-header": option({
    group: "Operation",
    placeholder: "NAME=VALUE|NAME=@FILE",
    repeatable: true,
    fallback: "none",
    help:
      "HTTP header for the collector; from a file, so that no process list shows it",
    parse: collectorHeader,
  }),
  "otlp-encoding": option({
    group: "Operation",
    placeholder: OTLP_ENCODINGS.join("|"),
    initial: "protobuf",
    help: "encoding of what is pushed to the collector",
    parse: oneOf(OTLP_ENCODINGS),
  }),
  "ca-file": option({
    group: "Operation",
    placeholder: "FILE",
    fallback: "the usual certificate authorities",
    help:
      "certificate authorities in PEM to trust besides, for the collector and watch",
    parse: path,
  }),
  "log-format": option({
    group: "Operation",
    placeholder: LOG_FORMATS.join("|"),
    fallback: "text on a terminal and in the journal, else json",
    help: "format of log lines",
    parse: oneOf(LOG_FORMATS),
  }),
  "log-level": option({
    group: "Operation",
    placeholder: LOG_LEVELS.join("|"),
    initial: "info",
    help: "least important level to log; debug adds a line per packet",
    parse: oneOf(LOG_LEVELS),
  }),
  "domain": option({
    group: "Operation",
    placeholder: "DOMAIN",
    fallback: "names are used as they are",
    help:
      "domain of the machines' names in DNS records, see the command records",
    parse: domainName,
  }),
  "check": option({
    group: "Operation",
    help:
      "check options, interface and ports, print what would be served, and exit",
    parse: () => true,
  }),
  "help": option({
    group: "Operation",
    help: "print this help and exit",
    parse: () => true,
  }),
  "version": option({
    group: "Operation",
    help: "print the version and exit",
    parse: () => true,
  }),
  "json": option({
    group: "Commands",
    commands: ["watch", "explain", "status"],
    help: "print JSON; each event in a line of its own",
    parse: () => true,
  }),
  "mac": option({
    group: "Commands",
    placeholder: "MAC",
    fallback: "all machines",
    commands: ["watch"],
    help: "only events of this machine",
    parse: clientMac,
  }),
  "format": option({
    group: "Commands",
    placeholder: RECORD_FORMATS.join("|"),
    initial: "hosts",
    commands: ["records"],
    help: "format of the records",
    parse: oneOf(RECORD_FORMATS),
  }),
  "all-from": option({
    group: "Commands",
    placeholder: "DIRECTORY",
    fallback: "only machines in --names",
    commands: ["records"],
    help:
      "also machines that have a directory here, such as that of --netboot-dir; their names are their MACs",
    parse: path,
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

/** The parsed options: `undefined`, or an empty list, where one is not given. */
export type GivenOptions = {
  readonly [Name in OptionName]: ValueOf<typeof OPTIONS[Name]>;
};

/** A parsed command line. */
export interface CommandLine {
  readonly options: GivenOptions;
  /** Arguments that are not options. */
  readonly words: readonly string[];
  /** What the operator should know about the options. */
  readonly notices: readonly string[];
}

const NAMES = Object.keys(OPTIONS) as OptionName[];

/** Options with one letter. */
const SHORT_NAMES: ReadonlyMap<string, OptionName> = new Map([["h", "help"]]);

/** `; did you mean --OPTION?` for a name that is close to one. */
export function optionSuggestion(text: string): string {
  // One letter is too little to tell by.
  return text === "v" || text === "V"
    ? "; did you mean --version?"
    : suggestion(text, NAMES, "--");
}

/**
 * The options on a command line that another command takes.
 *
 * @param command `undefined`: to serve.
 */
export function misplacedOptions(
  given: GivenOptions,
  command: string | undefined,
): OptionName[] {
  return NAMES.filter((name) => {
    const { commands, initial } = specOf(name);
    return commands !== undefined && !commands.includes(command ?? "") &&
      given[name] !== undefined && given[name] !== initial;
  });
}

/** Whether a word is the name of an option, without its dashes. */
export function isOptionName(word: string): boolean {
  return (NAMES as readonly string[]).includes(word);
}

function specOf(name: OptionName): OptionSpec<unknown> {
  return OPTIONS[name];
}

function isSwitch(name: OptionName): boolean {
  return specOf(name).placeholder === undefined;
}

/**
 * Parses a command line. An option has one or two dashes, its value follows a
 * space or an equals sign; an empty value means that it is not given. Of an option
 * that is not repeatable the last value counts.
 *
 * @throws {UsageError} for an unknown option, and for a value that is missing or
 * malformed.
 */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const parsed = parseArgs(withTwoDashes(args), {
    // Strings, because a MAC may look like a number.
    string: ["_", ...NAMES.filter((name) => !isSwitch(name))],
    boolean: NAMES.filter(isSwitch),
    collect: NAMES.filter((name) => !isSwitch(name)),
    // Arguments without a dash; withTwoDashes has rejected unknown options.
    unknown: () => true,
  }) as Record<string, unknown>;
  const options: Record<string, unknown> = {};
  const notices: string[] = [];
  for (const name of NAMES) {
    options[name] = isSwitch(name)
      ? parsed[name] === true || undefined
      : valuesOf(name, (parsed[name] ?? []) as string[], notices);
  }
  return {
    options: options as GivenOptions,
    words: (parsed._ as (string | number)[]).map(String),
    notices,
  };
}

/** The arguments with every option written as `--name=value` or `--name`. */
function withTwoDashes(args: readonly string[]): string[] {
  const normal: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") {
      normal.push(...args.slice(index));
      break;
    }
    // Text processors make such dashes of two hyphens.
    if (/^[\u2010-\u2015\u2212]/.test(arg)) {
      throw new UsageError(
        `${
          escapeControls(arg)
        } begins with a dash that is no hyphen: type "--"`,
      );
    }
    if (!arg.startsWith("-") || arg === "-") {
      normal.push(arg);
      continue;
    }
    const match = /^--?([^=]*)(?:=(.*))?$/s.exec(arg)!;
    const given = match[1]!;
    const name = NAMES.find((name) => name === given) ??
      SHORT_NAMES.get(given);
    if (name === undefined) {
      throw new UsageError(
        // Without the value, which may be a secret.
        `unknown option ${escapeControls(arg.replace(/=.*$/s, ""))}${
          optionSuggestion(given)
        } (--help lists the options)`,
      );
    }
    const value = match[2];
    if (isSwitch(name)) {
      if (value !== undefined && !["", "true", "false"].includes(value)) {
        throw new UsageError(
          `--${name} takes no value, got "${escapeControls(value)}"`,
        );
      }
      if (value === undefined || value === "true") normal.push(`--${name}`);
    } else if (value !== undefined) {
      normal.push(`--${name}=${value}`);
    } else {
      const next = args[++index];
      if (next === undefined || /^-./.test(next)) {
        throw new UsageError(
          `--${name} requires a value: --${name} ${specOf(name).placeholder}`,
        );
      }
      normal.push(`--${name}=${next}`);
    }
  }
  return normal;
}

function valuesOf(
  name: OptionName,
  texts: readonly string[],
  notices: string[],
): unknown {
  const spec = specOf(name);
  const given = texts.filter((text) => text !== "");
  const values = given.map((text) => {
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
    notices.push(
      `--${name} is given ${values.length} times, the last one counts: ${
        // Without the user and the password of a URL.
        escapeControls(given.at(-1)!.replace(/:\/\/[^/@]*@/, "://"))}`,
    );
  }
  return values.at(-1) ??
    (spec.initial === undefined ? undefined : spec.parse(spec.initial));
}

/** What an option means, with the commands that take it if not all do. */
export function meaningOf(name: OptionName): string {
  const { commands, help } = specOf(name);
  return commands === undefined ? help : `${commands.join(", ")}: ${help}`;
}

/** The default of an option in words; empty for switches. */
export function fallbackOf(name: OptionName): string {
  const { initial, fallback } = specOf(name);
  return initial ?? fallback ?? "";
}
