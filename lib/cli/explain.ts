/**
 * The command `explain`: which boot URLs a machine gets, and why.
 *
 * @module
 */

import { stageNames } from "../../assets/shared/boot_stages.js";
import { groupsOf } from "../../assets/shared/explanation.js";
import { formatBytes, formatDetail } from "../../assets/shared/format.js";
import { IpxeFiles } from "../boot_files/ipxe.ts";
import { directoryReader, ListedMacs } from "../boot_files/listed_macs.ts";
import { bootDirectoryOf, type DaemonConfig } from "../daemon/config.ts";
import { BootScripts } from "../daemon/boot_scripts.ts";
import { Explainer } from "../daemon/explainer.ts";
import { readText } from "../files/read_file.ts";
import type {
  ExplainedClient,
  ExplanationJson,
} from "../machines/explanation.ts";
import { parseNames } from "../machines/names_file.ts";
import { InterfaceMonitor } from "../net/interface_monitor.ts";
import type { Mac } from "../net/mac.ts";
import { MAX_NAMES_FILE } from "../overload/limits.ts";
import { labelled, shown } from "./summary.ts";

/** Explains a machine by a configuration, without a running daemon. */
export async function explainByConfig(
  config: DaemonConfig,
  mac: Mac,
): Promise<ExplanationJson> {
  const { interfaceName, bootPolicy, netbootDirectory, netbootFollow } = config;
  const monitor = new InterfaceMonitor(interfaceName);
  const ipxe = new IpxeFiles(config.ipxe);
  await ipxe.reload();
  // What a daemon remembers of `once` is not known here.
  const listed = bootPolicy === "listed"
    ? new ListedMacs(netbootDirectory!, directoryReader(netbootFollow))
    : undefined;
  await listed?.refresh();
  const names = await namesOf(config);
  const iface = () => monitor.find();
  const explainer = new Explainer({
    config,
    ipxe,
    scripts: new BootScripts({ config, iface, registry: undefined }),
    bootList: listed,
    directory: bootDirectoryOf(config),
    nameOf: (mac) => names.get(mac),
    iface,
    problem: () =>
      iface() === undefined
        ? `${interfaceName} is absent, down or has no IPv6 link-local address`
        : undefined,
  });
  return await explainer.explain(mac, "explain");
}

async function namesOf(
  { namesFile }: DaemonConfig,
): Promise<ReadonlyMap<Mac, string>> {
  if (namesFile === undefined) return new Map();
  try {
    return parseNames(await readText(namesFile, MAX_NAMES_FILE)).names;
  } catch {
    return new Map(); // `check` says so.
  }
}

/** An explanation for people. */
export function explanationText(explanation: ExplanationJson): string {
  const { mac, name, addresses, clients, problems } = explanation;
  const lines = [shown(name === null ? mac : `${mac}  ${name}`)];
  for (const { address, base_address } of addresses) {
    lines.push(
      labelled("address", `${address} (base address ${base_address})`),
    );
  }
  lines.push(labelled(
    "boot",
    `--boot-policy ${explanation.boot_policy} allows boot URLs${
      explanation.may_boot ? "" : " for others only"
    }`,
  ));
  const last = lastText(explanation);
  if (last !== undefined) lines.push(labelled("last", last));
  for (const [index, group] of groupsOf(clients).entries()) {
    lines.push(labelled(index === 0 ? "gets" : "", groupText(group)));
  }
  for (const problem of problems) {
    lines.push(labelled("problem", problem));
  }
  if (problems.length === 0) lines.push(labelled("problems", "none found"));
  return `${lines.join("\n")}\n`;
}

function lastText(
  { last_event, last_heard }: ExplanationJson,
): string | undefined {
  if (last_event === null) return undefined;
  const { event, timestamp, detail } = last_event;
  const words = stageNames(event).words;
  const heard = last_heard === null ? "" : `, last heard ${last_heard}`;
  return `${words}${
    detail === null ? "" : `: ${formatDetail(detail)}`
  } (${timestamp}${heard})`;
}

function groupText(
  group: readonly [ExplainedClient, ...ExplainedClient[]],
): string {
  const [{ url, rule, file }] = group;
  const who = group.map(({ client }) => client).join("; ");
  if (url === null) return `${who}\n  no boot URL: ${rule}`;
  const lines = [who, `  ${url}`, `  by ${rule}`];
  if (file !== null) {
    lines.push(
      file.problem === null
        ? `  file ${file.path}, ${formatBytes(file.bytes ?? 0)}`
        : `  file missing: ${file.problem}`,
    );
  }
  return lines.join("\n");
}
