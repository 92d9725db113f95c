/**
 * Explains which boot URLs a machine gets now, and why: for a running daemon, and
 * for a configuration alone.
 *
 * @module
 */

import { escapeControls } from "../../assets/shared/escape_controls.js";
import type { BootDirectory } from "../boot_files/directory.ts";
import { urlPathNames } from "../boot_files/directory.ts";
import { IpxeFiles } from "../boot_files/ipxe.ts";
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
import { FileStalledError } from "../files/file_work.ts";
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
import {
  bootDirectoryOf,
  type DaemonConfig,
  responderOptionsFor,
  tcpAddressesOf,
  tftpPortOf,
} from "./config.ts";
import { basePrefixProblem } from "./diagnostics.ts";
import type { BootList } from "./machine_tracker.ts";

/** What an {@linkcode Explainer} asks. */
export interface ExplainerOptions {
  readonly config: DaemonConfig;
  readonly ipxe: IpxeFiles;
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
  readonly protocol: "tftp" | "http";
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
   * @param client Who asks; its file operations are limited.
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
      isListed: (mac) => bootList?.isListed(mac) ?? true,
    });
    const isAllowed = boot !== undefined && boot.isBootAllowed(mac);
    const subnet = this.#subnetOf(mac);
    const files = new Map<string, ExplainedFile | null>();
    const clients: ExplainedClient[] = [];
    for (const known of KNOWN_CLIENTS) {
      const decision = decideBoot(known.facts, isAllowed ? boot : undefined);
      const { instruction } = decision;
      const url = isAllowed && instruction.kind !== "none"
        ? instructionUrl(instruction, boot, {
          mac,
          baseAddress: subnet.text,
          architectures: known.facts.architectures,
        })
        : null;
      // Files do not depend on the query, which tells architectures apart.
      const place = url?.replace(/[?#].*/s, "") ?? "";
      if (url !== null && !files.has(place)) {
        const file = await this.#fileOf(place, mac, iface, client);
        files.set(place, file);
        if (file?.problem != null) {
          problems.push(`${known.words}: ${place}: ${file.problem}`);
        }
      }
      clients.push({
        kind: known.kind,
        client: known.words,
        url,
        rule: this.#ruleOf(known, decision, boot, isAllowed),
        file: files.get(place) ?? null,
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
      return config.bootPolicy === "listed"
        ? "--boot-policy listed: the machine has no directory in --netboot-dir"
        : bootList === undefined
        ? "--boot-policy"
        : "--boot-policy once: its system is up, and its directory has not changed since";
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
    { protocol, port, path }: OwnTarget,
    mac: Mac,
    client: string,
  ): Promise<ExplainedFile | null> {
    const { config, directory } = this.#options;
    const isServed = protocol === "http"
      ? tcpAddressesOf(config).some((address) => address.port === port)
      : config.tftp !== undefined && tftpPortOf(config) === port;
    const missing = (problem: string) => ({ path, bytes: null, problem });
    if (!isServed) return missing(`nothing is served at port ${port}`);
    if (path.endsWith("/")) return null;
    const [, owner, own] = /^(?:\/mac)?\/([^/]+)\/(.*)$/.exec(path) ?? [];
    const named = owner === undefined ? undefined : parseMac(owner);
    // Without a MAC, the client's address tells whose files are meant.
    const rest = named === undefined ? path.slice(1) : own!;
    const whose = named ?? mac;
    const problems: PathProblem[] = [];
    if (protocol === "tftp") {
      return await this.#tftpFile(whose, rest, client, problems);
    }
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
    const { builds, script } = this.#options.config.ipxe;
    const key = IpxeFiles.fileFor(path)!;
    return (key === "script" ? script : builds.get(key)) ??
      "compiled into this program";
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
      protocol: scheme === "tftp" ? "tftp" : "http",
      port: portText === undefined ? standard : Number(portText),
      path: path === "" ? "/" : path!,
      isCertain: address !== undefined,
    };
  }
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
