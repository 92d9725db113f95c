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
import { replySizeProblem } from "../dhcpv6/reply/reply_size.ts";
import {
  isBootUrl,
  renderTemplate,
  SAMPLE_VALUES,
  type UrlTemplate,
} from "../dhcpv6/reply/url_template.ts";
import type { KeyPairFiles } from "../http/tls_reload.ts";
import { IPXE_BUILDS, type IpxeBuild } from "../boot_files/ipxe_builds.ts";
import type { IpxeFilesOptions } from "../boot_files/ipxe.ts";
import { MAX_TFTP_FILE } from "../overload/limits.ts";
import { type LogFormat, type LogLevel } from "../telemetry/log.ts";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import { listInterfaces } from "../net/interface.ts";
import {
  BASE_BYTES,
  equalBytes,
  formatIpv6,
  isLinkLocal,
  parseIpv6,
  SUBNET_BYTES,
} from "../net/ipv6.ts";
import type { Prefix } from "../net/prefix.ts";
import type {
  GivenListenAddress,
  GivenOptions,
  OptionName,
} from "./options.ts";
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
 * @throws {UsageError} if an option is missing or two contradict.
 */
export function configOf(given: GivenOptions): DaemonConfig {
  const bases = given["base-address"];
  if (bases.length === 0) {
    throw new UsageError(
      "--base-address is required: an IPv6 address whose first 80 bits are the prefix of all clients, such as 2001:db8:123:4567::",
    );
  }
  const notices: string[] = [];
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
    preferredLifetime,
    validLifetime,
    preference: given.preference,
    macSources: given["mac-sources"],
    allow: given["allow-mac"],
    deny: given["deny-mac"],
    onRequest: optionsOnRequest(given),
  };
  const template = given["http-boot-url-template"];
  if (template !== undefined) {
    checkUrls(template, given);
    const { hostname, protocol } = new URL(
      renderTemplate(template, SAMPLE_VALUES),
    );
    if (protocol === "https:" && hostname.startsWith("[")) {
      notices.push(
        "--http-boot-url-template: HTTPS to an address literal fails with iPXE, which sends it as the TLS server name; use a host name and --dns",
      );
    }
    if (!isAddressLiteral(hostname) && given.dns.length === 0) {
      notices.push(
        `--http-boot-url-template: firmware cannot resolve ${hostname} without --dns`,
      );
    }
  }
  const problem = replySizeProblem(answers, template);
  if (problem !== undefined) throw new UsageError(problem);
  const netbootDirectory = given["netboot-dir"];
  if (given["boot-policy"] === "listed" && netbootDirectory === undefined) {
    throw new UsageError(
      "--boot-policy listed requires --netboot-dir: its directories are the list",
    );
  }
  if (netbootDirectory !== undefined && !exists(netbootDirectory)) {
    notices.push(
      `--netboot-dir ${
        escapeControls(netbootDirectory)
      } does not exist yet; its files are served once it does`,
    );
  }
  if (given.names !== undefined && !exists(given.names)) {
    notices.push(
      `--names ${
        escapeControls(given.names)
      } does not exist yet; it is read once it does`,
    );
  }
  const tls = keyPairFiles(given);
  const tftp = given["tftp-listen-addr"];
  return {
    interfaceName: given.interface ?? soleInterface(given),
    port: given["dhcpv6-listen-port"],
    responder: answers,
    template,
    bootAddress: given["boot-address"],
    bootPolicy: given["boot-policy"],
    netbootDirectory,
    tftp: tftp === "off" ? undefined : tftp ?? "boot address",
    http: atAnyAddress(given["http-listen-addr"]),
    https: tls && {
      ...atAnyAddress(given["https-listen-addr"] ?? DEFAULT_HTTPS),
      files: tls,
    },
    allowed: allowedPrefixes(given),
    ipxe: ipxeFiles(given),
    hosts: hostNames(given),
    namesFile: given.names,
    maxMachines: given["max-machines"],
    maxEvents: given["max-events"],
    maxOpenFiles: given["max-open-files"],
    otlpEndpoint: given["otlp-endpoint"],
    notices,
  };
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

/** Refuses a template that makes no URL for one of the base addresses. */
function checkUrls(template: UrlTemplate, given: GivenOptions): void {
  const boot = given["boot-address"]?.text ?? SAMPLE_VALUES.BootAddress;
  for (const { text } of given["base-address"]) {
    const values = { ...SAMPLE_VALUES, BaseAddress: text, BootAddress: boot };
    const url = renderTemplate(template, values);
    if (isBootUrl(url)) continue;
    throw new UsageError(
      `--http-boot-url-template: "${
        escapeControls(url)
      }", the result for base address ${text}, is not a URL`,
    );
  }
}

/** Where HTTPS is served by default, given a certificate. */
const DEFAULT_HTTPS = { hostname: undefined, port: 443 };

function atAnyAddress({ hostname = "::", port }: GivenListenAddress) {
  return { hostname, port };
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

function keyPairFiles(given: GivenOptions): KeyPairFiles | undefined {
  const certFile = given["tls-cert-file"];
  const keyFile = given["tls-key-file"];
  if (certFile === undefined && keyFile === undefined) {
    if (given["https-listen-addr"] === undefined) return undefined;
    throw new UsageError(
      "--https-listen-addr requires --tls-cert-file and --tls-key-file",
    );
  }
  if (certFile === undefined || keyFile === undefined) {
    throw new UsageError(
      "--tls-cert-file and --tls-key-file require each other",
    );
  }
  return { certFile, keyFile };
}

/** The host names that the API accepts. */
function hostNames(given: GivenOptions): string[] {
  const template = given["http-boot-url-template"];
  const hosts = [...given["http-host"]];
  if (template !== undefined) {
    hosts.push(new URL(renderTemplate(template, SAMPLE_VALUES)).hostname);
  }
  return hosts;
}

/** The prefixes that are served besides those of the interface. */
function allowedPrefixes(given: GivenOptions): readonly Prefix[] | "any" {
  const prefixes: Prefix[] = given["base-address"].map(({ bytes }) => ({
    bytes,
    length: 8 * SUBNET_BYTES,
  }));
  for (const prefix of given["http-allow"]) {
    if (prefix === "any") return prefix;
    prefixes.push(prefix);
  }
  return prefixes;
}

function ipxeFiles(given: GivenOptions): IpxeFilesOptions {
  const builds = new Map<IpxeBuild, string>();
  for (const build of IPXE_BUILDS) {
    const path = given[`ipxe-${build}-efi`];
    if (path === undefined) continue;
    checkFile(`ipxe-${build}-efi`, path);
    builds.set(build, path);
  }
  const script = given["ipxe-script"];
  if (script !== undefined) checkFile("ipxe-script", script);
  return { builds, script };
}

function checkFile(name: OptionName, path: string): void {
  const size = fileSize(path);
  if (size === undefined) {
    throw new UsageError(`--${name}: no such file: ${escapeControls(path)}`);
  }
  if (size > MAX_TFTP_FILE) {
    throw new UsageError(
      `--${name}: ${escapeControls(path)} exceeds the limit of ${
        MAX_TFTP_FILE / 1024 / 1024
      } MiB for TFTP`,
    );
  }
}

/** The size of a regular file in bytes; `undefined` if it is none. */
function fileSize(path: string): number | undefined {
  try {
    const { isFile, size } = Deno.statSync(path);
    return isFile ? size : undefined;
  } catch {
    return undefined;
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
