/** Addresses, prefixes, MACs and URLs of daemons, as people write them. */

import { formatIpv6, parseIpv6 } from "../../../lib/net/ipv6.ts";
import { formatMac, parseMac, parseMacPattern } from "../../../lib/net/mac.ts";
import {
  isInPrefix,
  parseAddress,
  parsePrefix,
} from "../../../lib/net/prefix.ts";
import { parseRequestPath } from "../../../lib/tftp/request_path.ts";
import {
  DaemonUrlError,
  labelsOf,
  parseDaemonUrl,
} from "../../../lib/watch/daemon_url.ts";
import { textOf } from "../mutate.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { anyText, isShowable, texts } from "./text.ts";

const isAddress = new Invariant("an IPv6 address is what a URL takes for one");
const isWrittenBack = new Invariant(
  "an address is written as it is read again",
);
const isPrefix = new Invariant("a prefix holds its own address");
const isMac = new Invariant("a MAC has 48 bits and is read again");
const isDaemon = new Invariant(
  "a daemon's URL is one, or a sentence says why not",
);

const WORDS = texts(
  "2001:db8::1",
  "::",
  "::ffff:192.0.2.1",
  "fe80::1%eth1",
  "192.0.2.1",
  "/64",
  "/0",
  "/128",
  "02:00:5e:00:53:01",
  "02-00-5E-00-53-01",
  "2:0:5e:0:53:1",
  "0.2.2.0.2.1",
  "0200.5e00.5301",
  "0200-5e00-5301",
  "02005e-005301",
  "02:de:ad:*",
  ":",
  ".",
  "0",
  "ffff",
  "http://",
  "router1",
  "[2001:db8::1]:6315",
  "?mac=",
  "/events",
  "user@",
  "%",
);

/** Fuzzes what reads addresses. */
export class AddressesTarget implements Target {
  readonly name = "addresses";
  readonly weight = 40;
  readonly maxLength = 120;
  readonly invariants = [isAddress, isWrittenBack, isPrefix, isMac, isDaemon];
  readonly seeds = WORDS;
  readonly words = WORDS;

  make(random: Random): Uint8Array {
    if (random.once(2)) return anyText(random, WORDS);
    const characters = "0123456789abcdefF::::..-/";
    return Uint8Array.from(
      { length: random.below(44) },
      () => characters.charCodeAt(random.below(characters.length)),
    );
  }

  run(input: Uint8Array): string {
    const text = textOf(input);
    return [
      checkAddress(text),
      checkPrefix(text),
      checkMac(text),
      checkDaemon(text),
    ].join(" ");
  }
}

function checkAddress(text: string): string {
  const bytes = parseIpv6(text);
  // The runtime's own parser, which also takes what URLs may leave out.
  if (/^[0-9a-f:.]*$/i.test(text)) {
    const url = URL.parse(`http://[${text}]/`);
    isAddress.holds((url !== null) === (bytes !== undefined), () => text);
    // RFC 5952, but for addresses with IPv4 in them: URLs write those in hex too
    if (bytes !== undefined) {
      isWrittenBack.holds(
        url!.hostname === `[${formatIpv6(bytes)}]`,
        () => text,
      );
    }
  } else isAddress.holds(bytes === undefined, () => text);
  return bytes === undefined ? "-" : `address ${text.includes(".")}`;
}

function checkPrefix(text: string): string {
  const address = parseAddress(text.split("/")[0]!);
  const prefix = parsePrefix(text);
  if (prefix === undefined) return "-";
  isPrefix.holds(
    address !== undefined && isInPrefix(address, prefix) &&
      prefix.length >= 0 && prefix.length <= 128,
    () => prefix,
  );
  return `prefix ${prefix.length >> 3}`;
}

function checkMac(text: string): string {
  const mac = parseMac(text);
  const file = parseRequestPath(text);
  for (const found of [mac, file?.mac, parseMacPattern(text)?.prefix]) {
    if (found === undefined) continue;
    isMac.holds(
      Number.isInteger(found) && found >= 0 && found < 2 ** 48 &&
        parseMac(formatMac(found)) === found,
      () => found,
    );
  }
  if (mac !== undefined) {
    isMac.holds(
      formatMac(mac).replaceAll(":", "") ===
        text.toLowerCase().split(/[:.-]/)
          .map((group) => group.padStart(2, "0")).join(""),
      () => mac,
    );
  }
  return `${mac !== undefined} ${file && file.name.length > 0}`;
}

function checkDaemon(text: string): string {
  try {
    const daemon = parseDaemonUrl(text);
    isDaemon.holds(
      /^https?:$/.test(daemon.events.protocol) &&
        daemon.events.searchParams.get("resume") === "1" &&
        daemon.host !== "" && labelsOf([daemon])[0] !== "" &&
        isShowable(daemon.text),
      () => daemon,
    );
    return `daemon ${daemon.names !== undefined}`;
  } catch (error) {
    if (!(error instanceof DaemonUrlError)) throw error;
    isDaemon.holds(isShowable(error.message), () => error.message);
    return error.message.replace(/"[^]*"/, "").slice(0, 40);
  }
}
