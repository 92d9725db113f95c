/**
 * The formats in which DNS servers read records.
 *
 * @module
 */

import { formatIpv6, SUBNET_BYTES } from "../net/ipv6.ts";
import { formatMac } from "../net/mac.ts";
import { isInDomain } from "./host_name.ts";
import {
  type MachineRecord,
  type RecordProblem,
  recordsOf,
  type RecordSources,
  reverseNameOf,
} from "./records.ts";

/**
 * Seconds for which resolvers may remember a record: an address stays, but a name
 * may be given to another machine.
 */
const TTL = 300;

/** Times of a zone in seconds: refresh, retry, expiry (RFC 1912 section 2.2). */
const ZONE_TIMES = "3600 600 1209600";

/** The formats of `--format`. */
export const RECORD_FORMATS = [
  "hosts",
  "dnsmasq",
  "unbound",
  "zone",
  "reverse-zone",
  "json",
] as const;

/** One of them. */
export type RecordFormat = typeof RECORD_FORMATS[number];

/** The media type of a format. */
export function typeOfRecords(format: RecordFormat): string {
  return format === "json" ? "application/json" : "text/plain; charset=utf-8";
}

/** Why a format cannot be made of what is given; `undefined`: it can. */
export function formatProblem(
  format: RecordFormat,
  { bases, domain }: Pick<RecordSources, "bases" | "domain">,
): string | undefined {
  if (format === "zone" && domain === undefined) {
    return "the format zone requires --domain: a zone has a name";
  }
  return format === "reverse-zone" && bases.length !== 1
    ? `the format reverse-zone requires one --base-address, got ${bases.length}: each /64 is a zone of its own`
    : undefined;
}

/** How a format is written. */
interface Writer {
  readonly start?: string;
  readonly end?: string;
  /** @param isFirst Whether it is the first machine. */
  readonly write: (record: MachineRecord, isFirst: boolean) => string;
}

/**
 * The text of records, in pieces of a machine each.
 *
 * @param serial The version of a zone: 32 bits, more than that of earlier ones.
 */
export function* recordText(
  format: RecordFormat,
  sources: RecordSources,
  serial: number,
  onProblem?: (problem: RecordProblem) => void,
): Generator<string> {
  const writer = writerOf(format, sources, serial);
  if (writer.start !== undefined) yield writer.start;
  let isFirst = true;
  for (const record of recordsOf(sources, onProblem)) {
    if (record === undefined) {
      yield "";
      continue;
    }
    yield writer.write(record, isFirst);
    isFirst = false;
  }
  if (writer.end !== undefined) yield writer.end;
}

function writerOf(
  format: RecordFormat,
  { bases, domain }: RecordSources,
  serial: number,
): Writer {
  switch (format) {
    case "hosts":
      return {
        write: (record) =>
          lines(record, (address) => `${address} ${namesOf(record).join(" ")}`),
      };
    case "dnsmasq":
      return {
        write: (record) =>
          lines(
            record,
            (address) => `host-record=${namesOf(record).join(",")},${address}`,
          ),
      };
    case "unbound":
      return {
        start: "server:\n",
        write: (record) =>
          lines(
            record,
            (address) =>
              `  local-data: "${record.host}. ${TTL} IN AAAA ${address}"\n` +
              `  local-data-ptr: "${address} ${TTL} ${record.host}"`,
          ),
      };
    case "zone":
      return {
        start: zoneHead(domain!, serial),
        write: (record) =>
          // Another zone has it.
          !isInDomain(record.host, domain!)
            ? `; ${record.host} is not in this zone\n`
            : lines(record, (address) => `${record.host}. AAAA ${address}`),
      };
    case "reverse-zone":
      return {
        start: zoneHead(reverseNameOf(bases[0]!.bytes, SUBNET_BYTES), serial),
        write: ({ addresses: [address], host }) =>
          `${reverseNameOf(address!)}. PTR ${host}.\n`,
      };
    case "json":
      return {
        start: "[",
        write: (record, isFirst) => (isFirst ? "" : ",") + json(record),
        end: "]\n",
      };
  }
}

/** A line for each address. */
function lines(
  { addresses }: MachineRecord,
  line: (address: string) => string,
): string {
  return addresses.map((address) => `${line(formatIpv6(address))}\n`).join("");
}

function namesOf({ host, shortName }: MachineRecord): string[] {
  return shortName === undefined ? [host] : [host, shortName];
}

/** No server but the one that loads it is named: it is not delegated. */
function zoneHead(origin: string, serial: number): string {
  return `$ORIGIN ${origin}.\n$TTL ${TTL}\n` +
    `@ SOA localhost. root.localhost. ${serial} ${ZONE_TIMES} ${TTL}\n` +
    `@ NS localhost.\n`;
}

function json({ mac, name, host, addresses }: MachineRecord): string {
  return JSON.stringify({
    mac: formatMac(mac),
    name,
    host,
    addresses: addresses.map((address) => formatIpv6(address)),
  });
}
