/**
 * Explains which boot URLs a machine gets now, and why: for a running daemon, and
 * for a configuration alone.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import { type BootDirectory, urlPathNames } from "../boot_files/directory.ts";
import type { IpxeFiles } from "../boot_files/ipxe.ts";
import { mainProblem, type PathProblem } from "../boot_files/served_roots.ts";
import { BootFileSource, TftpFiles } from "../boot_files/tftp_files.ts";
import {
  type BootDecision,
  type BootInstruction,
  decideBoot,
} from "../dhcpv6/reply/boot_decision.ts";
import {
  KNOWN_CLIENTS,
  type KnownClient,
} from "../dhcpv6/reply/client_kinds.ts";
import { instructionUrl } from "../dhcpv6/reply/instruction_url.ts";
import type { BootOptions } from "../dhcpv6/reply/responder.ts";
import type { Subnet } from "../dhcpv6/reply/subnet.ts";
import { FileStalledError } from "../files/operation_places.ts";
import type { ListenAddress } from "../http/listener.ts";
import { REFUSAL_REASONS } from "../machines/boot_refusal.ts";
import type {
  ExplainedClient,
  ExplainedFile,
  ExplanationJson,
} from "../machines/explanation.ts";
import type { MachineWriter } from "../machines/json.ts";
import type { Names } from "../machines/names_file.ts";
import type { MachineRegistry } from "../machines/registry.ts";
import { hostnamesOf, type NetworkInterface } from "../net/interface.ts";
import { addressOf, formatIpv6 } from "../net/ipv6.ts";
import { formatMac, type Mac, matchesMac, parseMac } from "../net/mac.ts";
import { canonicalAddress, withoutBrackets } from "../net/prefix.ts";
import { parseRequestPath } from "../tftp/request_path.ts";
import {
  bootDirectoryOf,
  type DaemonConfig,
  responderOptionsFor,
  tftpPortOf,
} from "./config.ts";
import { basePrefixProblem, bootAddressProblem } from "./diagnostics.ts";
import type { BootScripts } from "./boot_scripts.ts";
import type { BootList } from "./machine_tracker.ts";

/** What an {@linkcode Explainer} asks. */
export interface ExplainerOptions {
  readonly config: DaemonConfig;
  readonly ipxe: IpxeFiles;
  readonly scripts: BootScripts;
  /** `undefined`: all machines may boot. */
  readonly bootList: Pick<BootList, "isListed" | "whyUnlisted"> | undefined;
  /** `undefined`: there is no netboot directory. */
  readonly directory: BootDirectory | undefined;
  readonly nameOf: (mac: Mac) => string | undefined;
  /** The interface; `undefined` while it is absent. */
  readonly iface: () => NetworkInterface | undefined;
  /** Why clients get no reply now; `undefined` if they do. */
  readonly problem: () => string | undefined;
  /** The machines of a running daemon. */
  readonly seen?: {
    readonly registry: MachineRegistry;
    readonly writer: MachineWriter;
  };
}

/** The explainer of a running daemon. */
export function explainerOf(
  options: Omit<ExplainerOptions, "directory" | "nameOf" | "seen"> & {
    readonly names: Names;
    readonly registry: MachineRegistry;
    readonly writer: MachineWriter;
  },
): Explainer {
  return new Explainer({
    ...options,
    directory: bootDirectoryOf(options.config),
    nameOf: (mac) => options.names.of(mac),
    seen: options,
  });
}

/** Where a URL leads on this host. */
interface OwnTarget {
  readonly scheme: "tftp" | "http" | "https";
  /** Without brackets. */
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
  /** Whether it does: a host name may be that of another server. */
  readonly isCertain: boolean;
}

/** Explains machines. */
export class Explainer {
  readonly #options: ExplainerOptions;
  readonly #tftpFiles: TftpFiles;

  constructor(options: ExplainerOptions) {
    this.#options = options;
    this.#tftpFiles = new TftpFiles(options.directory, options.ipxe);
  }

  /**
   * Explains a machine.
   *
   * @param mac That of a client: not multicast, not zero.
   * @param client The address of the client that requests it: the number of file
   * operations of one client is limited.
   */
  async explain(mac: Mac, client: string): Promise<ExplanationJson> {
    const { config, nameOf, seen, problem } = this.#options;
    const { subnets, allow, deny } = config.responder;
    const iface = this.#options.iface();
    const problems: string[] = [];
    const cause = problem();
    if (cause !== undefined) problems.push(cause);
    const absent = iface && basePrefixProblem(config, iface);
    if (absent !== undefined) problems.push(absent);
    const elsewhere = iface && bootAddressProblem(config, iface);
    if (elsewhere !== undefined) problems.push(elsewhere);
    const isDenied = matchesMac(deny, mac);
    const isRefused = isDenied || allow.length > 0 && !matchesMac(allow, mac);
    if (isRefused) {
      problems.push(
        `${formatMac(mac)} gets no reply: ${
          isDenied ? "--deny-mac matches it" : "no --allow-mac matches it"
        }`,
      );
    }
    const mayBoot = this.#mayBoot(mac, problems);
    const clients = iface === undefined || isRefused
      ? []
      : await this.#clients(mac, iface, client, problems);
    const machine = seen?.registry.get(mac);
    const json = machine && seen!.writer.machine(machine);
    return {
      mac: formatMac(mac),
      name: nameOf(mac) ?? null,
      addresses: subnets.map(({ text, bytes }) => ({
        base_address: text,
        address: formatIpv6(addressOf(bytes, mac)),
      })),
      boot_policy: config.bootPolicy,
      may_boot: mayBoot,
      clients,
      last_event: json?.Events.at(-1) ?? null,
      last_heard: json?.LastHeard ?? null,
      problems,
    };
  }

  #mayBoot(mac: Mac, problems: string[]): boolean {
    const { bootList } = this.#options;
    if (bootList === undefined || bootList.isListed(mac)) return true;
    const problem = bootList.whyUnlisted(mac);
    // A machine without a directory is to boot from its disk.
    if (problem !== undefined && problem.kind !== "not_found") {
      problems.push(`no boot instructions: ${textOf(problem)}`);
    }
    return false;
  }

  /** One of each kind, with a problem for each file that is not served. */
  async #clients(
    mac: Mac,
    iface: NetworkInterface,
    client: string,
    problems: string[],
  ): Promise<ExplainedClient[]> {
    const { config, ipxe, bootList } = this.#options;
    const { boot } = responderOptionsFor(config, iface, {
      builds: ipxe.builds,
      shims: ipxe.shims,
      isListed: (mac) => bootList?.isListed(mac) ?? true,
    });
    const isAllowed = boot !== undefined && boot.isBootAllowed(mac);
    const subnet = this.#subnetOf(mac);
    // All at once: a file system that does not answer is waited for only once.
    const files = new Map<string, Promise<ExplainedFile | null>>();
    const reported = new Set<string>();
    const clients: ExplainedClient[] = [];
    const explained = KNOWN_CLIENTS.map((known) => {
      const decision = decideBoot(known.facts, isAllowed ? boot : undefined);
      const { instruction } = decision;
      const url = isAllowed && instruction.kind !== "none"
        ? instructionUrl(instruction, boot, {
          mac,
          baseAddress: subnet.text,
          architectures: known.facts.architectures,
        })
        : null;
      // What a script loads is the file that matters.
      const target = instruction.kind === "script" && url !== null
        ? this.#options.scripts.urlsFor(mac)!.get("x86-64")!
        : url;
      // Files do not depend on the query, which tells architectures apart.
      const place = target?.replace(/[?#].*/s, "") ?? "";
      if (url !== null && !files.has(place)) {
        files.set(place, this.#fileOf(place, mac, iface, client));
      }
      return { known, decision, url, place };
    });
    for (const { known, decision, url, place } of explained) {
      const file = await files.get(place) ?? null;
      if (file?.problem != null && !reported.has(place)) {
        reported.add(place);
        problems.push(`${known.words}: ${place}: ${file.problem}`);
      }
      clients.push({
        kind: known.kind,
        client: known.words,
        url,
        rule: this.#ruleOf(mac, known, decision, boot, isAllowed),
        file,
      });
    }
    return clients;
  }

  /** The subnet in which the machine was seen, else that of the interface. */
  #subnetOf(mac: Mac): Subnet {
    const { config: { responder: { subnets } }, seen } = this.#options;
    return subnets[seen?.registry.get(mac)?.subnetIndex ?? 0]!;
  }

  #ruleOf(
    mac: Mac,
    { kind }: KnownClient,
    { instruction, note }: BootDecision,
    boot: BootOptions | undefined,
    isAllowed: boolean,
  ): string {
    if (instruction.kind !== "none") return this.#sourceOf(instruction);
    if (kind === "system") return "an operating system boots by itself";
    if (boot === undefined) return "no --http-boot-url-template";
    if (!isAllowed) {
      const { config, bootList } = this.#options;
      const problem = bootList?.whyUnlisted(mac);
      return config.bootPolicy === "once"
        ? "--boot-policy once: its system is up, and its directory has not changed since"
        : problem !== undefined && problem.kind !== "not_found"
        ? `--boot-policy listed: ${textOf(problem)}`
        : "--boot-policy listed: the machine has no directory in --netboot-dir";
    }
    if (note === "unsupported_architecture") return "no iPXE for it";
    return boot.builds === undefined && kind.startsWith("pxe")
      ? "--tftp-listen-addr off: another server answers it"
      : "no --boot-url for it";
  }

  /** The option that an instruction comes from. */
  #sourceOf(instruction: Exclude<BootInstruction, { kind: "none" }>): string {
    const { template, bootUrls } = this.#options.config;
    if (instruction.kind === "ipxe") {
      return "--http-boot-url-template: iPXE first, which gets that URL next";
    }
    if (instruction.kind === "shim") {
      return `--shim-${instruction.build}-efi: the shim first, which loads the file next to it`;
    }
    if (instruction.kind === "script") {
      return "--ipxe-chain script: it loads the URL of --http-boot-url-template";
    }
    if (instruction.kind === "tftp_root") {
      return "--netboot-dir: it asks there for files by their names";
    }
    if (instruction.template === template) return "--http-boot-url-template";
    const [kind] = [...bootUrls].find(([, one]) =>
      one === instruction.template
    )!;
    return `--boot-url ${kind}`;
  }

  /** The file that a URL means; `null` if it leads to another server. */
  async #fileOf(
    url: string,
    mac: Mac,
    iface: NetworkInterface,
    client: string,
  ): Promise<ExplainedFile | null> {
    const target = this.#ownTarget(url, iface);
    if (target === undefined) return null;
    const file = await this.#fileAt(target, mac, client);
    return target.isCertain || file?.problem === null ? file : null;
  }

  /** `null` if a directory is meant: a loader asks for files in it. */
  async #fileAt(
    { scheme, hostname, port, path }: OwnTarget,
    mac: Mac,
    client: string,
  ): Promise<ExplainedFile | null> {
    const { config, directory } = this.#options;
    const missing = (problem: string) => ({ path, bytes: null, problem });
    const isServed = scheme === "tftp"
      ? config.tftp !== undefined && tftpPortOf(config) === port
      : (scheme === "http" ? config.http : config.https?.addresses ?? [])
        .some((listener) => listensAt(listener, hostname, port));
    if (!isServed) {
      return missing(
        `no ${scheme.toUpperCase()} is served at this address and port ${port}`,
      );
    }
    if (path.endsWith("/")) return null;
    const problems: PathProblem[] = [];
    // Without a MAC, the client's address tells whose files are meant.
    if (scheme === "tftp") {
      const { mac: whose, name } = parseRequestPath(path, mac)!;
      return await this.#tftpFile(whose, name, client, problems);
    }
    const [, owner, own] = /^\/mac\/([^/]+)\/(.*)$/.exec(path) ?? [];
    const named = owner === undefined ? undefined : parseMac(owner);
    if (path.startsWith("/mac/") && named === undefined) {
      return missing(REFUSAL_REASONS.no_mac);
    }
    const rest = named === undefined ? path.slice(1) : own!;
    const whose = named ?? mac;
    if (directory === undefined) return missing("there is no --netboot-dir");
    try {
      const names = urlPathNames(rest);
      const file = await directory.open(client, rest, whose, names, problems);
      if (file === undefined) return missing(whyOf(problems));
      file.handle.close();
      return { path: file.path, bytes: file.size, problem: null };
    } catch (error) {
      return missing(
        error instanceof FileStalledError
          ? REFUSAL_REASONS.stalled
          : escapeControls((error as Error).message),
      );
    }
  }

  async #tftpFile(
    mac: Mac,
    path: string,
    client: string,
    problems: PathProblem[],
  ): Promise<ExplainedFile> {
    const found = await this.#tftpFiles.open(mac, path, client, problems);
    if (found === undefined) {
      return { path, bytes: null, problem: whyOf(problems) };
    }
    const { content } = found;
    if (content instanceof BootFileSource) {
      content.close();
      return { path: content.path, bytes: content.size, problem: null };
    }
    return {
      path: this.#ipxePath(path),
      bytes: content.length,
      problem: null,
    };
  }

  #ipxePath(path: string): string {
    const { ipxe, config } = this.#options;
    return config.ipxe.get(ipxe.keyFor(path)!) ?? "compiled into this program";
  }

  /** Where a URL leads on this host; `undefined` if it leads elsewhere. */
  #ownTarget(url: string, iface: NetworkInterface): OwnTarget | undefined {
    const { config } = this.#options;
    const [, scheme, host, portText, path] =
      /^(https?|tftp):\/\/(\[[^\]]*\]|[^/:?#]*)(?::([0-9]+))?(.*)/.exec(
        url,
      ) ?? [];
    if (scheme === undefined) return undefined;
    const address = canonicalAddress(withoutBrackets(host!));
    const own = [...hostnamesOf(iface), config.bootAddress?.text ?? ""];
    const isOwn = address === undefined
      ? config.hosts.includes(host!.toLowerCase())
      : own.some((hostname) =>
        canonicalAddress(hostname.replace(/%.*/, "")) === address
      );
    if (!isOwn) return undefined;
    const standard = { tftp: 69, http: 80, https: 443 }[scheme]!;
    return {
      scheme: scheme as OwnTarget["scheme"],
      hostname: withoutBrackets(host!),
      port: portText === undefined ? standard : Number(portText),
      path: path === "" ? "/" : path!,
      isCertain: address !== undefined,
    };
  }
}

/** Whether a listener gets connections to an address, or to a name of one. */
function listensAt(
  listener: ListenAddress,
  hostname: string,
  port: number,
): boolean {
  if (listener.port !== port) return false;
  if (/^(?:::|0\.0\.0\.0)$/.test(listener.hostname)) return true;
  const address = canonicalAddress(hostname);
  return address === undefined ||
    canonicalAddress(listener.hostname) === address;
}

function whyOf(problems: readonly PathProblem[]): string {
  const problem = mainProblem(problems);
  return problem === undefined
    ? REFUSAL_REASONS.malformed_path
    : textOf(problem);
}

function textOf({ kind, path }: PathProblem): string {
  return `${escapeControls(path)}: ${REFUSAL_REASONS[kind]}`;
}
