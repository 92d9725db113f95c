/**
 * The command `check`: what would be served, and what prevents it.
 *
 * @module
 */

import {
  basePrefixProblem,
  bootAddressNotice,
  bootAddressProblem,
  isOwnAddress,
  listenError,
  ownAddressProblem,
  portOf,
  sampleUrl,
  vrfProblem,
} from "../daemon/diagnostics.ts";
import {
  ClosedDirectories,
  type Findings,
  namesFindings,
  netbootFindings,
  optionFileFindings,
} from "../daemon/file_findings.ts";
import {
  bootAddressesFor,
  type DaemonConfig,
  tcpAddressesOf,
  tftpAddressesFor,
  tftpPortOf,
} from "../daemon/config.ts";
import { renderTemplate, SAMPLE_VALUES } from "../dhcpv6/reply/url_template.ts";
import { linkLayerDuid } from "../dhcpv6/wire/duid.ts";
import { groupsOf } from "../dhcpv6/server/sockets.ts";
import { examineKeyPair } from "../http/certificate.ts";
import { type KeyPair, readKeyPair } from "../http/tls_reload.ts";
import { authorityOf, type ListenAddress } from "../http/listener.ts";
import {
  EFI_HEADER_BYTES,
  efiArchitecture,
} from "../boot_files/efi_program.ts";
import { IpxeFiles, type IpxePaths } from "../boot_files/ipxe.ts";
import { openFile } from "../files/open_file.ts";
import { hostnamesOf, type NetworkInterface } from "../net/interface.ts";
import { InterfaceMonitor } from "../net/interface_monitor.ts";
import { addressOf, formatIpv6, isUnspecified } from "../net/ipv6.ts";
import { formatMac, parseMac } from "../net/mac.ts";
import {
  canonicalAddress,
  isMappedIpv4,
  parseAddress,
  withoutBrackets,
} from "../net/prefix.ts";
import { encodeHex } from "@std/encoding/hex";
import { escapeControls } from "../../assets/shared/escape_controls.js";
import { overlap } from "./config.ts";
import { suggestion } from "./did_you_mean.ts";
import { ipxeOption } from "./option_files.ts";
import { type RunningDaemon, runningDaemon } from "./running_daemon.ts";

/** An Ethernet address for documentation (RFC 7042 section 2.1.2). */
const SAMPLE_MAC = 0x0000_5e00_5301;

/** Milliseconds for the host name of the template to be resolved. */
const RESOLVE_TIMEOUT = 2000;

/** Milliseconds for a connection to an address in the template. */
const CONNECT_TIMEOUT = 1000;

/** The result of a check. */
export interface CheckReport {
  readonly lines: readonly string[];
  /** How many lines are problems that prevent serving. */
  readonly problems: number;
}

/** Checks what serving needs, without leaving anything changed. */
export async function check(config: DaemonConfig): Promise<CheckReport> {
  const { interfaceName, responder, port, notices } = config;
  const lines = notices.map((notice) => `warning: ${notice}`);
  let problems = 0;
  const add = (report: CheckReport) => {
    lines.push(...report.lines);
    problems += report.problems;
  };
  for (const { text, bytes } of responder.subnets) {
    lines.push(
      `addresses: ${text} gives client ${formatMac(SAMPLE_MAC)} ${
        formatIpv6(addressOf(bytes, SAMPLE_MAC))
      }`,
    );
  }
  const iface = new InterfaceMonitor(interfaceName).find();
  using ports = new PortCheck(await runningDaemon(config, iface));
  if (iface === undefined) {
    problems++;
    lines.push(`problem: ${interfaceProblem(interfaceName)}`);
  } else {
    lines.push(
      `interface: ${iface.name}, index ${iface.index}, ${
        [...iface.linkLocals, ...iface.addresses].join(", ")
      }`,
      `server DUID: ${
        encodeHex(config.serverDuid ?? linkLayerDuid(iface.mac))
      }`,
    );
    const prefixProblem = basePrefixProblem(config, iface);
    if (prefixProblem !== undefined) {
      // An interface without any global address may get one later.
      add(
        iface.addresses.length > 0
          ? problem(prefixProblem)
          : warning(prefixProblem),
      );
    }
    add(checkDhcpv6Ports(ports, iface, port));
    add(describeBoot(config, iface));
    add(checkTftpPorts(ports, config, iface));
    const unreachable = await ownAddressProblem(config, iface);
    if (unreachable !== undefined) lines.push(`warning: ${unreachable}`);
  }
  const vrf = vrfProblem(interfaceName);
  if (vrf !== undefined) add(warning(vrf));
  add(checkHttpPorts(ports, config));
  add(await checkTls(config, iface));
  add(await checkFiles(config));
  const tcp = new Set(tcpAddressesOf(config).map((address) => address.port));
  lines.push(
    `firewall: open UDP port ${port}${
      config.tftp === undefined ? "" : `, UDP port ${tftpPortOf(config)}`
    }${tcp.size === 0 ? "" : ` and TCP port ${[...tcp].join(" and ")}`} on ${
      iface?.name ?? interfaceName
    }`,
  );
  return { lines, problems };
}

/** Why an interface cannot be served, with those that exist. */
function interfaceProblem(name: string): string {
  const names = interfaceNames();
  return names.includes(name)
    ? `${name} has no IPv6 link-local address`
    : `${name} is absent, down or has no IPv6 link-local address; interfaces with an address: ${
      names.join(", ")
    }${suggestion(name, names)}`;
}

/** The interfaces of this host that have an address. */
function interfaceNames(): string[] {
  return [...new Set(Deno.networkInterfaces().map(({ name }) => name))];
}

function describeBoot(
  config: DaemonConfig,
  iface: NetworkInterface,
): CheckReport {
  const { template, bootUrls, bootPolicy, netbootDirectory } = config;
  const who = {
    always: "every client",
    listed: `clients with a directory in ${netbootDirectory}`,
    once:
      `every client once, and again when its directory in ${netbootDirectory} changes`,
  }[bootPolicy];
  const lines = [
    template === undefined
      ? bootUrls.size > 0
        ? `boot instructions: only these, for ${who}`
        : "boot instructions: none (no --http-boot-url-template)"
      : `boot instructions: ${template.text}, for ${who}`,
    ...Array.from(
      bootUrls,
      ([kind, { text }]) => `boot instructions for ${kind}: ${text}`,
    ),
  ];
  const tftp = tftpAddressesFor(config, iface);
  // TFTP at this address has a line of its own.
  const absent = tftp.includes(config.bootAddress?.text ?? "")
    ? undefined
    : bootAddressProblem(config, iface);
  const notice = bootAddressNotice(config, iface);
  return merged([
    { lines, problems: 0 },
    ...absent !== undefined
      ? [problem(absent)]
      : notice !== undefined
      ? [warning(notice)]
      : [],
    ...tftp.map((hostname) => describeTftp(config, iface, hostname)),
  ]);
}

/** What TFTP serves at an address, or why it cannot. */
function describeTftp(
  config: DaemonConfig,
  iface: NetworkInterface,
  hostname: string,
): CheckReport {
  const { tftp, bootAddress, template, ipxe } = config;
  if (!hasAddress(iface, hostname)) {
    const isGiven = tftp !== "boot address" || bootAddress !== undefined;
    // An interface without any global address may get this one later.
    return isGiven && iface.addresses.length > 0 && !isOwnAddress(hostname)
      ? problem(
        `TFTP cannot be served at ${hostname}: this host does not have this address (correct ${
          tftp === "boot address" ? "--boot-address" : "--tftp-listen-addr"
        }, or give it to ${iface.name})`,
      )
      : warning(
        `TFTP cannot be served at ${hostname}: ${iface.name} does not have this address, or it is not usable`,
      );
  }
  const where = authorityOf({ hostname, port: tftpPortOf(config) });
  const { builds, shims } = new IpxeFiles(ipxe);
  const programs = [
    ...shims.size === 0 ? [] : [`shim for ${[...shims].join(", ")}`],
    ...builds.size === 0 ? [] : [`iPXE for ${[...builds].join(", ")}`],
  ];
  const lines = [
    `TFTP: ${where}, ${
      programs.join("; ") ||
      "iPXE for no architecture, PXE clients get no boot file"
    }`,
  ];
  const literal = parseAddress(hostname);
  if (
    template !== undefined && literal !== undefined && isMappedIpv4(literal)
  ) {
    lines.push(
      `warning: TFTP is served over IPv4 only, at ${where}, but boot URLs have the IPv6 address ${
        bootAddressesFor(config, iface).tftp
      }`,
    );
  }
  return { lines, problems: 0 };
}

/** Whether a socket can be bound to an address of the interface. */
function hasAddress(iface: NetworkInterface, hostname: string): boolean {
  const literal = parseAddress(hostname);
  // A host name, an IPv4 address, or a wildcard.
  if (
    literal === undefined || isMappedIpv4(literal) || isUnspecified(literal)
  ) return true;
  const isIt = (text: string) => canonical(text) === canonical(hostname);
  const usable = iface.addresses.filter((_, index) =>
    iface.states[index] !== "unusable"
  );
  return [...iface.linkLocals, ...usable].some(isIt);
}

/** Ports that are bound until the check has ended, so that two uses collide. */
class PortCheck implements Disposable {
  readonly #running: RunningDaemon | undefined;
  readonly #sockets: { close(): void }[] = [];
  /** What each port was bound for, by protocol and port. */
  readonly #uses = new Map<string, string>();

  /** @param running The daemon of this configuration, if it is running. */
  constructor(running: RunningDaemon | undefined) {
    this.#running = running;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.close();
  }

  /**
   * Binds a socket.
   *
   * @param use What it is for, for the line about a second use.
   * @param address Of HTTP and HTTPS.
   * @returns Why that fails; `undefined` if it does not.
   */
  bind(
    protocol: "UDP" | "TCP",
    where: string,
    port: number,
    use: string,
    open: () => { close(): void },
    address?: ListenAddress,
  ): CheckReport | undefined {
    const key = `${protocol} ${port}`;
    try {
      this.#sockets.push(open());
      this.#uses.set(key, use);
      return undefined;
    } catch (error) {
      const { message } = listenError(error, port, protocol, where);
      if (!(error instanceof Deno.errors.AddrInUse)) return problem(message);
      const other = this.#uses.get(key);
      if (other !== undefined && other !== use) {
        return problem(
          `${protocol} port ${port} is used twice, by ${other} and ${use}`,
        );
      }
      const running = this.#running;
      const isOwn = running !== undefined &&
        (use === "DHCPv6"
          ? running.isServing
          : address === undefined
          ? running.tftp.has(where)
          : running.addresses.has(address));
      return !isOwn ? problem(message) : warning(
        `${protocol} port ${port} on ${where} is already in use, by the daemon that serves this link now`,
      );
    }
  }
}

function problem(text: string): CheckReport {
  return { lines: [`problem: ${text}`], problems: 1 };
}

function warning(text: string): CheckReport {
  return { lines: [`warning: ${text}`], problems: 0 };
}

function merged(reports: readonly CheckReport[]): CheckReport {
  return {
    lines: reports.flatMap(({ lines }) => lines),
    problems: reports.reduce((sum, { problems }) => sum + problems, 0),
  };
}

/** Tries to bind every socket of DHCPv6: one line for each. */
function checkDhcpv6Ports(
  ports: PortCheck,
  iface: NetworkInterface,
  port: number,
): CheckReport {
  const { linkScoped, siteScoped } = groupsOf(iface);
  return merged(
    [linkScoped, ...hostnamesOf(iface), siteScoped].map((hostname) =>
      ports.bind("UDP", hostname, port, "DHCPv6", () =>
        Deno.listenDatagram({
          transport: "udp",
          hostname,
          port,
          reuseAddress: hostname === siteScoped,
        })) ?? { lines: [`DHCPv6: [${hostname}]:${port}`], problems: 0 }
    ),
  );
}

/** Tries to bind every socket of TFTP. */
function checkTftpPorts(
  ports: PortCheck,
  config: DaemonConfig,
  iface: NetworkInterface,
): CheckReport {
  const port = tftpPortOf(config);
  return merged(
    tftpAddressesFor(config, iface).map((hostname) =>
      ports.bind("UDP", hostname, port, "TFTP", () => {
        try {
          return Deno.listenDatagram({ transport: "udp", hostname, port });
        } catch (error) {
          // It is bound when the interface gets the address.
          if (!(error instanceof Deno.errors.AddrNotAvailable)) throw error;
          return { close() {} };
        }
      }) ?? { lines: [], problems: 0 }
    ),
  );
}

/** Where HTTP and HTTPS would be served, or why they cannot be. */
function checkHttpPorts(
  ports: PortCheck,
  { http, https, netbootDirectory }: DaemonConfig,
): CheckReport {
  const addresses = [
    ...http.map((address) => ["HTTP", address] as const),
    ...(https?.addresses ?? []).map((address) => ["HTTPS", address] as const),
  ];
  if (addresses.length === 0) return { lines: ["HTTP: off"], problems: 0 };
  return merged(addresses.map(([name, address]) => {
    const { hostname, port } = address;
    const where = authorityOf(address);
    const found = ports.bind(
      "TCP",
      where,
      port,
      name,
      () => Deno.listen({ hostname, port }),
      address,
    );
    return found ?? {
      lines: [
        `${name}: ${where}, ${
          netbootDirectory === undefined
            ? "without files"
            : `files of ${netbootDirectory}`
        }`,
      ],
      problems: 0,
    };
  }));
}

/** Whether HTTPS can be served, and whether the template's URL leads to it. */
async function checkTls(
  config: DaemonConfig,
  iface: NetworkInterface | undefined,
): Promise<CheckReport> {
  const url = iface && sampleUrl(config, iface);
  const isOwn = url !== undefined && await isOwnHost(url.hostname, iface!);
  const reports = isOwn ? [checkScheme(config, url)] : [];
  if (url !== undefined && reports.every(({ problems }) => problems === 0)) {
    reports.push(await checkTemplate(config, url, iface!, isOwn));
  }
  const { https } = config;
  if (https === undefined) return merged(reports);
  const { files } = https;
  let keyPair: KeyPair;
  try {
    keyPair = await readKeyPair(files);
  } catch (error) {
    return merged([
      ...reports,
      problem(
        `cannot read the TLS certificate or its key: ${
          (error as Error).message
        }`,
      ),
    ]);
  }
  const { fault, flaws } = examineKeyPair(
    keyPair,
    files,
    isOwn && url.protocol === "https:"
      ? withoutBrackets(url.hostname)
      : undefined,
    Date.now(),
  );
  return merged([
    ...reports,
    ...fault === undefined ? [] : [problem(fault)],
    ...flaws.map(problem),
  ]);
}

/** Whether the scheme and the port of the template's URL fit each other. */
function checkScheme(
  { http, https }: DaemonConfig,
  url: URL,
): CheckReport {
  const isHttps = url.protocol === "https:";
  const port = portOf(url);
  if (isHttps && https === undefined) {
    return problem(
      "the URL template has https, but HTTPS is not served without --tls-cert-file and --tls-key-file",
    );
  }
  const serves = (addresses: readonly ListenAddress[]) =>
    addresses.some((address) => address.port === port);
  const encrypted = https?.addresses ?? [];
  const [right, wrong] = isHttps ? [encrypted, http] : [http, encrypted];
  return !serves(right) && serves(wrong)
    ? problem(
      `the URL template has ${url.protocol}// with port ${port}, where ${
        isHttps ? "HTTP" : "HTTPS"
      } is served`,
    )
    : { lines: [], problems: 0 };
}

/**
 * Whether something serves the template's URL, if its host is an address of this
 * daemon. Those of other hosts are not connected to.
 *
 * @param isOwn Whether the URL's host is this one.
 */
async function checkTemplate(
  config: DaemonConfig,
  url: URL,
  iface: NetworkInterface,
  isOwn: boolean,
): Promise<CheckReport> {
  const none = { lines: [], problems: 0 };
  const hostname = withoutBrackets(url.hostname);
  if (
    url.protocol === "tftp:" || parseAddress(hostname) === undefined ||
    !isOwn && !hasOwnField(config, url)
  ) return none;
  const { http, https, netbootDirectory } = config;
  const isHttps = url.protocol === "https:";
  const name = isHttps ? "HTTPS" : "HTTP";
  const addresses = isHttps ? https?.addresses ?? [] : http;
  const listener = { hostname, port: portOf(url) };
  const where = authorityOf(listener);
  // An interface without any global address may get this one later.
  if (iface.addresses.length > 0 && !isOwn) {
    return await accepts(listener) ? none : warning(
      `the URL template leads to ${where}, which is no address of this host, and where nothing listens (use {{.BootAddress}} or correct --boot-address)`,
    );
  }
  if (!addresses.some((address) => overlap(address, listener))) {
    const served = addresses.length === 0
      ? "off"
      : `served at ${addresses.map(authorityOf).join(", ")}`;
    return warning(
      `the URL template leads to ${where}, ` +
        (await accepts(listener)
          ? "which another program serves, not this daemon"
          : `where nothing listens: ${name} is ${served} (correct the template or --${name.toLowerCase()}-listen-addr)`),
    );
  }
  if (netbootDirectory === undefined) {
    return warning(
      "the URL template leads to this daemon, which serves no boot files without --netboot-dir",
    );
  }
  // Without a MAC, the address that a client has by then tells it.
  const [first = ""] = url.pathname.slice(1).split("/");
  return parseMac(first) === undefined ? none : warning(
    `the URL template has the path ${url.pathname}, but this daemon serves boot files at /mac/MAC/FILE, or at /FILE without a MAC`,
  );
}

/** Whether the host of the template's URL is a field with this daemon's address. */
function hasOwnField({ template }: DaemonConfig, url: URL): boolean {
  // The host of a template with a field differs with the field's value.
  const other = renderTemplate(template!, {
    ...SAMPLE_VALUES,
    BaseAddress: "100::1",
    BootAddress: "100::1",
  });
  return URL.parse(other)?.hostname !== url.hostname;
}

/** Whether something accepts a TCP connection within {@linkcode CONNECT_TIMEOUT}. */
async function accepts(address: ListenAddress): Promise<boolean> {
  const signal = AbortSignal.timeout(CONNECT_TIMEOUT);
  try {
    (await Deno.connect({ ...address, signal })).close();
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether a host is this one. A name that does not resolve here counts as its
 * own: the clients' name server may know it.
 *
 * @param hostname As URLs have it, addresses in brackets.
 */
async function isOwnHost(
  hostname: string,
  iface: NetworkInterface,
): Promise<boolean> {
  const own = new Set(
    [
      ...iface.linkLocals,
      ...iface.addresses,
      ...Deno.networkInterfaces().map(({ address }) => address),
    ].map(canonical),
  );
  const literal = withoutBrackets(hostname);
  if (parseAddress(literal) !== undefined) return own.has(canonical(literal));
  const signal = AbortSignal.timeout(RESOLVE_TIMEOUT);
  const found = await Promise.all(
    (["AAAA", "A"] as const).map((type) =>
      Deno.resolveDns(literal, type, { signal }).catch(() => [])
    ),
  );
  const addresses = found.flat();
  return addresses.length === 0 ||
    addresses.some((address) => own.has(canonical(address)));
}

function canonical(address: string): string {
  return canonicalAddress(address) ?? address;
}

/** Whether the files that the configuration names can be read. */
async function checkFiles(
  { netbootDirectory, netbootFollow, namesFile, https, ipxe }: DaemonConfig,
): Promise<CheckReport> {
  const closed = new ClosedDirectories();
  const findings = [
    ...netbootDirectory === undefined
      ? []
      : [await netbootFindings(netbootDirectory, netbootFollow, closed)],
    ...namesFile === undefined ? [] : [namesFindings(namesFile, closed)],
    tlsFindings(https, closed),
    optionFileFindings(
      [
        ...[...ipxe].map(([key, path]) => [ipxeOption(key), path] as const),
      ],
      closed,
    ),
    await efiFindings(ipxe),
  ];
  return merged(findings.map(({ problems, warnings }) => ({
    lines: [
      ...warnings.map((text) => `warning: ${text}`),
      ...problems.map((text) => `problem: ${text}`),
    ],
    problems: problems.length,
  })));
}

/** Warns of programs that the firmware they are for does not start. */
async function efiFindings(ipxe: IpxePaths): Promise<Findings> {
  const warnings: string[] = [];
  for (const [key, path] of ipxe) {
    if (key === "script") continue;
    const architecture = await architectureOf(path);
    if (architecture === "unreadable") continue;
    if (architecture === key.replace("shim-", "")) continue;
    warnings.push(
      `--${ipxeOption(key)} ${escapeControls(path)} is ${
        architecture === undefined
          ? "no EFI program"
          : architecture === "other"
          ? "an EFI program for another processor"
          : `an EFI program for ${architecture}`
      }`,
    );
  }
  return { problems: [], warnings };
}

/** What a file is as an EFI program. */
async function architectureOf(
  path: string,
): Promise<ReturnType<typeof efiArchitecture> | "unreadable"> {
  try {
    const { handle } = await openFile(path);
    const start = await handle.read(EFI_HEADER_BYTES);
    handle.close();
    return efiArchitecture(start ?? new Uint8Array());
  } catch {
    return "unreadable"; // Another finding says so.
  }
}

/** Where systemd puts the files of LoadCredential=, for the service's user only. */
const CREDENTIALS = "/run/credentials/";

/** What the service may not read. `checkTls` reports what nothing can read. */
function tlsFindings(
  https: DaemonConfig["https"],
  closed: ClosedDirectories,
): Findings {
  const files = https === undefined ? [] : [
    ["tls-cert-file", https.files.certFile],
    ["tls-key-file", https.files.keyFile],
  ] as const;
  const { warnings } = optionFileFindings(
    files.filter(([, path]) => !path.startsWith(CREDENTIALS)),
    closed,
  );
  return { problems: [], warnings };
}
