/**
 * From the options of the command line to the configuration of a daemon, with
 * the checks that concern several options at once.
 *
 * @module
 */

import type { DaemonConfig } from "../daemon/config.ts";
import type { Option } from "../dhcpv6/wire/packet.ts";
import {
  dnsServersOption,
  domainListOption,
  sntpServersOption,
} from "../dhcpv6/wire/server_options.ts";
import type { BootUrls } from "../dhcpv6/reply/boot_urls.ts";
import { replySizeProblem } from "../dhcpv6/reply/reply_size.ts";
import {
  isInSubnet,
  type LinkPrefix,
  type Subnet,
} from "../dhcpv6/reply/subnet.ts";
import {
  isBootUrl,
  renderTemplate,
  SAMPLE_VALUES,
  type UrlTemplate,
} from "../dhcpv6/reply/url_template.ts";
import { authorityOf, type ListenAddress } from "../http/listener.ts";
import type { KeyPairFiles } from "../http/tls_reload.ts";
import {
  IPXE_FILE_KEYS,
  type IpxeFileKey,
  type IpxePaths,
} from "../boot_files/ipxe.ts";
import { MAX_LISTEN_ADDRESSES, MAX_TFTP_FILE } from "../overload/limits.ts";
import type { CollectorOptions } from "../telemetry/otlp/exporter.ts";
import { type LogFormat, type LogLevel } from "../telemetry/log.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import { listInterfaces } from "../net/interface.ts";
import {
  BASE_BYTES,
  equalBytes,
  formatIpv6,
  IPV6_LENGTH,
  isLinkLocal,
  isUnspecified,
  parseIpv6,
  SUBNET_BYTES,
} from "../net/ipv6.ts";
import { fileErrorReason } from "../net/file_error.ts";
import { checkCaCerts } from "../net/trusting_fetch.ts";
import {
  isInPrefix,
  isMappedIpv4,
  parseAddress,
  type Prefix,
} from "../net/prefix.ts";
import type { GivenOptions, OptionName } from "./options.ts";
import {
  type FileStatus,
  ipxeOption,
  type OptionFiles,
} from "./option_files.ts";
import { UsageError } from "./usage_error.ts";

/**
 * No interface is named, and none has an address in the prefix of the base
 * address yet: one may get it, such as from router advertisements.
 */
export class NoInterfaceError extends UsageError {
  override name = "NoInterfaceError";
}

/** The default valid lifetime in seconds, unless the preferred one is longer. */
const DEFAULT_VALID_LIFETIME = 1200;

/**
 * The configuration that options describe.
 *
 * @param given The options.
 * @param files What the files that they name are.
 * @param noticed What the operator should know about them already.
 * @throws {UsageError} if an option is missing or two contradict.
 */
export function configOf(
  given: GivenOptions,
  files: OptionFiles,
  noticed: readonly string[] = [],
): DaemonConfig {
  const bases = given["base-address"];
  if (bases.length === 0) {
    throw new UsageError(
      "--base-address is required: an IPv6 address whose first 80 bits are the prefix of all clients, such as 2001:db8:123:4567::",
    );
  }
  const notices = [...noticed];
  for (const [index, { text, bytes }] of bases.entries()) {
    const twin = bases.slice(0, index).find((other) =>
      equalBytes(other.bytes, 0, bytes, 0, SUBNET_BYTES)
    );
    if (twin !== undefined) {
      throw new UsageError(
        `--base-address: ${twin.text} and ${text} are in the same /64; each link needs a /64 of its own`,
      );
    }
    if (bytes.subarray(BASE_BYTES).some((byte) => byte !== 0)) {
      notices.push(
        `--base-address ${text}: the last 48 bits are ignored, the client's MAC replaces them`,
      );
    }
  }
  if (bases.length > 1) checkReachable(given);
  const preferredLifetime = given["preferred-lifetime"];
  const validLifetime = given["valid-lifetime"] ??
    Math.max(DEFAULT_VALID_LIFETIME, preferredLifetime);
  if (validLifetime < preferredLifetime) {
    throw new UsageError(
      `--valid-lifetime ${validLifetime} must not be less than the preferred lifetime of ${preferredLifetime} seconds`,
    );
  }
  const answers = {
    subnets: bases,
    linkPrefixes: linkPrefixes(given),
    preferredLifetime,
    validLifetime,
    preference: given.preference,
    macSources: given["mac-sources"],
    allow: given["allow-mac"],
    deny: given["deny-mac"],
    onRequest: optionsOnRequest(given),
  };
  const template = given["http-boot-url-template"];
  const bootUrls = bootUrlsOf(given);
  const templates = [
    ...template === undefined
      ? []
      : [["--http-boot-url-template", template] as const],
    ...Array.from(
      bootUrls,
      ([kind, template]) => [`--boot-url ${kind}`, template] as const,
    ),
  ];
  for (const [option, template] of templates) {
    checkUrls(option, template, given);
    const { hostname, protocol } = new URL(
      renderTemplate(template, SAMPLE_VALUES),
    );
    if (protocol === "https:" && hostname.startsWith("[")) {
      notices.push(
        `${option}: HTTPS to an address literal fails with iPXE, which sends it as the TLS server name; use a host name and --dns`,
      );
    }
    if (!isAddressLiteral(hostname) && given.dns.length === 0) {
      notices.push(
        `${option}: firmware cannot resolve ${hostname} without --dns`,
      );
    }
  }
  const problem = replySizeProblem(
    answers,
    templates.map(([, template]) => template),
  );
  if (problem !== undefined) throw new UsageError(problem);
  const netbootDirectory = given["netboot-dir"];
  const policy = given["boot-policy"];
  if (policy !== "always" && netbootDirectory === undefined) {
    throw new UsageError(
      `--boot-policy ${policy} requires --netboot-dir: ${
        policy === "listed"
          ? "its directories are the list"
          : "a change of a machine's directory lets it boot again"
      }`,
    );
  }
  for (
    const [option, path, use] of [
      ["netboot-dir", netbootDirectory, "its files are served"],
      ...given["netboot-follow"].map((directory) =>
        ["netboot-follow", directory, "links may lead there"] as const
      ),
      ["names", given.names, "it is read"],
    ] as const
  ) {
    if (path === undefined) continue;
    const status = files.status(path);
    if (status === "stalled") {
      notices.push(stalledNotice(option, path, `${use} once it does`));
    }
    if (status !== "absent") continue;
    notices.push(
      `--${option} ${
        escapeControls(path)
      } does not exist yet; ${use} once it does`,
    );
  }
  const tls = keyPairFiles(given);
  if (
    tls === undefined &&
    given["https-listen-addr"].some((value) => value !== "off")
  ) {
    notices.push(
      "--https-listen-addr: HTTPS is not served without --tls-cert-file and --tls-key-file",
    );
  }
  const { http, https } = listenAddresses(given, tls);
  const tftp = given["tftp-listen-addr"];
  return {
    interfaceName: given.interface ?? soleInterface(given),
    port: given["dhcpv6-listen-port"],
    serverDuid: given["server-duid"],
    responder: answers,
    template,
    bootUrls,
    ipxeChain: given["ipxe-chain"],
    bootAddress: given["boot-address"],
    bootPolicy: given["boot-policy"],
    netbootDirectory,
    netbootFollow: given["netboot-follow"],
    tftp: tftp === "off" ? undefined : tftp ?? "boot address",
    isTftpSinglePort: given["tftp-single-port"] ?? false,
    http,
    https,
    allowed: allowedPrefixes(given),
    ipxe: ipxeFiles(given, files, notices),
    hosts: hostNames(given),
    domain: domainOf(given),
    namesFile: given.names,
    maxMachines: given["max-machines"],
    maxEvents: given["max-events"],
    maxOpenFiles: given["max-open-files"],
    collector: collectorOf(given, files, notices),
    caCerts: caCertsOf(given, files, notices),
    caFile: given["ca-file"],
    notices,
  };
}

/**
 * The prefixes of `--link-prefix` with their subnets, the longest first.
 *
 * @throws {UsageError} if one is of no base address, or of two.
 */
function linkPrefixes(given: GivenOptions): LinkPrefix[] {
  const bases = given["base-address"];
  const found: LinkPrefix[] = [];
  for (const { text, prefix, base } of given["link-prefix"]) {
    const subnet = bases.find(({ bytes }) =>
      equalBytes(bytes, 0, base, 0, SUBNET_BYTES)
    );
    if (subnet === undefined) {
      throw new UsageError(
        `--link-prefix ${escapeControls(text)}: ${
          formatIpv6(base)
        } is in the /64 of no --base-address`,
      );
    }
    const isContained = (other: Subnet) =>
      prefix.length >= 8 * SUBNET_BYTES && isInSubnet(prefix.bytes, 0, other);
    const isSame = ({ prefix: { bytes, length } }: LinkPrefix) =>
      length === prefix.length && isInPrefix(bytes, prefix);
    const other = bases.find(isContained) ?? found.find(isSame)?.subnet;
    if (other !== undefined && other !== subnet) {
      throw new UsageError(
        `--link-prefix ${
          escapeControls(text)
        }: this prefix is on the link of base address ${other.text} already`,
      );
    }
    found.push({ prefix, subnet });
  }
  return found.toSorted((a, b) => b.prefix.length - a.prefix.length);
}

/** Refuses servers at link-local addresses, which relays do not forward. */
function checkReachable(given: GivenOptions): void {
  const ntp = given.ntp.map(({ unicast }) => unicast);
  for (const [name, addresses] of [["dns", given.dns], ["ntp", ntp]] as const) {
    const address = addresses.find((bytes) =>
      bytes !== undefined && isLinkLocal(bytes)
    );
    if (address === undefined) continue;
    throw new UsageError(
      `--${name}: "${
        formatIpv6(address)
      }" is a link-local address, which clients behind relays cannot reach`,
    );
  }
}

/** The templates of `--boot-url`. */
function bootUrlsOf(given: GivenOptions): BootUrls {
  const urls = new Map<string, UrlTemplate>();
  for (const { kind, template } of given["boot-url"]) {
    if (urls.has(kind)) {
      throw new UsageError(`--boot-url: ${kind} is given twice`);
    }
    urls.set(kind, template);
  }
  return urls;
}

/** Refuses a template that makes no URL for one of the base addresses. */
function checkUrls(
  option: string,
  template: UrlTemplate,
  given: GivenOptions,
): void {
  const boot = given["boot-address"]?.text ?? SAMPLE_VALUES.BootAddress;
  for (const { text } of given["base-address"]) {
    const values = { ...SAMPLE_VALUES, BaseAddress: text, BootAddress: boot };
    const url = renderTemplate(template, values);
    if (isBootUrl(url)) continue;
    throw new UsageError(
      `${option}: "${
        escapeControls(url)
      }", the result for base address ${text}, is not a URL`,
    );
  }
}

/** The domain of DNS records, as they have it; `undefined` if none is given. */
export function domainOf({ domain }: GivenOptions): string | undefined {
  return domain?.text.toLowerCase().replace(/\.$/, "");
}

/** Where HTTP is served by default. */
const DEFAULT_HTTP = { hostname: "::", port: 6315 };

/** Where HTTPS is served by default, given a certificate. */
const DEFAULT_HTTPS = { hostname: "::", port: 443 };

/** Where HTTP and HTTPS are served. */
function listenAddresses(
  given: GivenOptions,
  files: KeyPairFiles | undefined,
): Pick<DaemonConfig, "http" | "https"> {
  const http = addressesOf("http-listen-addr", given) ?? [DEFAULT_HTTP];
  const https = files === undefined
    ? []
    : addressesOf("https-listen-addr", given) ?? [DEFAULT_HTTPS];
  const all = [...http, ...https];
  for (const [index, address] of all.entries()) {
    const other = all.slice(0, index).find((other) => overlap(other, address));
    if (other === undefined) continue;
    throw new UsageError(
      `--http-listen-addr and --https-listen-addr: ${authorityOf(other)} and ${
        authorityOf(address)
      } overlap; give each port of an address once`,
    );
  }
  return {
    http,
    https: files === undefined || https.length === 0
      ? undefined
      : { addresses: https, files },
  };
}

/** The addresses of an option; `undefined` if it is not given. */
function addressesOf(
  name: "http-listen-addr" | "https-listen-addr",
  given: GivenOptions,
): ListenAddress[] | undefined {
  const values = given[name];
  if (values.length === 0) return undefined;
  const addresses = values.filter((value) => value !== "off");
  if (addresses.length > 0 && addresses.length < values.length) {
    throw new UsageError(`--${name}: give either addresses or off`);
  }
  if (addresses.length > MAX_LISTEN_ADDRESSES) {
    throw new UsageError(
      `--${name}: at most ${MAX_LISTEN_ADDRESSES} addresses, got ${addresses.length}`,
    );
  }
  return addresses.map(({ hostname = "::", port }) => ({ hostname, port }));
}

/**
 * Whether two sockets would listen at one address and port, so that the kernel
 * refuses the second one.
 */
export function overlap(a: ListenAddress, b: ListenAddress): boolean {
  if (a.port !== b.port) return false;
  const [first, second] = [a, b].map(({ hostname }) => parseAddress(hostname));
  if (first === undefined || second === undefined) {
    return a.hostname.toLowerCase() === b.hostname.toLowerCase();
  }
  // A socket at `::` also gets IPv4, so that it overlaps with every address.
  if (isUnspecified(first) || isUnspecified(second)) return true;
  const bothIpv4 = isMappedIpv4(first) && isMappedIpv4(second);
  const isAny = (address: Uint8Array) =>
    address.subarray(12).every((byte) => byte === 0);
  return equalBytes(first, 0, second, 0, IPV6_LENGTH) ||
    bothIpv4 && (isAny(first) || isAny(second));
}

/** The notice about a file that could not be examined. */
function stalledNotice(
  option: string,
  path: string,
  consequence: string,
): string {
  return `--${option} ${
    escapeControls(path)
  }: the file system does not answer; ${consequence}`;
}

/** Where metrics and events are pushed, and how. */
function collectorOf(
  given: GivenOptions,
  files: OptionFiles,
  notices: string[],
): CollectorOptions | undefined {
  const endpoint = given["otlp-endpoint"];
  const metricsEndpoint = given["otlp-metrics-endpoint"];
  const logsEndpoint = given["otlp-logs-endpoint"];
  const headers = given["otlp-header"];
  if (
    endpoint === undefined && metricsEndpoint === undefined &&
    logsEndpoint === undefined
  ) {
    if (headers.length === 0) return undefined;
    throw new UsageError(
      "--otlp-header requires --otlp-endpoint, --otlp-metrics-endpoint or --otlp-logs-endpoint",
    );
  }
  for (const header of headers) {
    if (header.file === undefined) continue;
    try {
      const content = files.text(header.file);
      if (content === "stalled") {
        notices.push(
          stalledNotice("otlp-header", header.file, "SIGHUP reads it again"),
        );
      } else header.take(content);
    } catch (error) {
      throw new UsageError(
        `--otlp-header ${header.name}: ${
          escapeControls((error as Error).message)
        }`,
      );
    }
  }
  return {
    endpoint,
    metricsEndpoint,
    logsEndpoint,
    headers,
    encoding: given["otlp-encoding"],
  };
}

/**
 * The certificates in `--ca-file`.
 *
 * @throws {UsageError} if it cannot be read or has none.
 */
export function caCertsOf(
  given: GivenOptions,
  files: OptionFiles,
  notices: string[],
): string[] {
  const path = given["ca-file"];
  if (path === undefined) return [];
  try {
    const pem = files.text(path);
    if (pem === "stalled") {
      notices.push(
        stalledNotice("ca-file", path, "its certificates are not trusted yet"),
      );
      return [];
    }
    checkCaCerts(pem);
    return [pem];
  } catch (error) {
    throw new UsageError(
      escapeControls(
        `--ca-file: cannot use ${path}: ${fileErrorReason(error)}`,
      ),
    );
  }
}

function keyPairFiles(given: GivenOptions): KeyPairFiles | undefined {
  const certFile = given["tls-cert-file"];
  const keyFile = given["tls-key-file"];
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new UsageError(
      "--tls-cert-file and --tls-key-file require each other",
    );
  }
  return { certFile, keyFile };
}

/** The host names that the API accepts. */
function hostNames(given: GivenOptions): string[] {
  const main = given["http-boot-url-template"];
  const templates = given["boot-url"].map(({ template }) => template);
  if (main !== undefined) templates.push(main);
  return [
    ...given["http-host"],
    ...templates.map((template) =>
      new URL(renderTemplate(template, SAMPLE_VALUES)).hostname
    ),
  ];
}

/** The prefixes that are served besides those of the interface. */
function allowedPrefixes(given: GivenOptions): readonly Prefix[] | "any" {
  const prefixes: Prefix[] = given["base-address"].map(({ bytes }) => ({
    bytes,
    length: 8 * SUBNET_BYTES,
  }));
  prefixes.push(...given["link-prefix"].map(({ prefix }) => prefix));
  for (const prefix of given["http-allow"]) {
    if (prefix === "any") return prefix;
    prefixes.push(prefix);
  }
  return prefixes;
}

function ipxeFiles(
  given: GivenOptions,
  files: OptionFiles,
  notices: string[],
): IpxePaths {
  const examine = (name: OptionName, path: string) => {
    const status = files.status(path);
    if (status !== "stalled") return checkFile(name, path, status);
    notices.push(stalledNotice(name, path, "it is served once it does"));
  };
  const paths = new Map<IpxeFileKey, string>();
  for (const key of IPXE_FILE_KEYS) {
    const name = ipxeOption(key);
    const path = given[name];
    if (path === undefined) continue;
    examine(name, path);
    paths.set(key, path);
  }
  return paths;
}

function checkFile(
  name: OptionName,
  path: string,
  status: Exclude<FileStatus, "stalled">,
): void {
  const refuse = (problem: string): never => {
    throw new UsageError(`--${name}: ${problem}: ${escapeControls(path)}`);
  };
  if (status === "absent") return refuse("no such file");
  if (status === "unreadable") return refuse("it cannot be read");
  if (!status.isFile) return refuse("it is no regular file");
  if (status.size > MAX_TFTP_FILE) {
    throw new UsageError(
      `--${name}: ${escapeControls(path)} exceeds the limit of ${
        MAX_TFTP_FILE / 1024 / 1024
      } MiB for TFTP`,
    );
  }
}

/** Format and level of the log. */
export function logOptionsOf(
  given: GivenOptions,
  isTerminal: boolean,
  isJournal = false,
): { format: LogFormat; level: LogLevel } {
  return {
    format: given["log-format"] ?? (isTerminal || isJournal ? "text" : "json"),
    level: given["log-level"],
  };
}

function isAddressLiteral(hostname: string): boolean {
  return hostname.startsWith("[") || /^[0-9.]+$/.test(hostname);
}

function optionsOnRequest(given: GivenOptions): Option[] {
  const options: Option[] = [];
  if (given.dns.length > 0) options.push(dnsServersOption(given.dns));
  const domains = given["domain-search"].map(({ bytes }) => bytes);
  if (domains.length > 0) options.push(domainListOption(domains));
  for (const { option } of given.ntp) options.push(option);
  const sntp = given.ntp.map(({ unicast }) => unicast).filter((address) =>
    address !== undefined
  );
  if (sntp.length > 0) options.push(sntpServersOption(sntp));
  return options;
}

/** The only interface with an address in the /64 of the first base address. */
function soleInterface(given: GivenOptions): string {
  const base = given["base-address"][0]!;
  const names = listInterfaces().filter(({ addresses }) =>
    addresses.some((address) =>
      equalBytes(parseIpv6(address)!, 0, base.bytes, 0, SUBNET_BYTES)
    )
  ).map(({ name }) => name);
  if (names.length === 1) return names[0]!;
  if (names.length === 0) {
    throw new NoInterfaceError(
      `no interface has an address in the /64 of ${base.text}; --interface names the one to serve`,
    );
  }
  throw new UsageError(
    `--interface is required: ${
      names.join(" and ")
    } have addresses in the /64 of ${base.text}`,
  );
}
