/** What HTTP decides by headers alone: ranges, conditions, hosts, origins. */

import {
  evaluateConditions,
  evaluateRange,
  type Validators,
} from "../../../lib/http/conditional_request.ts";
import {
  HostNames,
  isHost,
  isOwnOrigin,
} from "../../../lib/http/host_check.ts";
import { targetOf } from "../../../lib/http/responses.ts";
import { textOf } from "../mutate.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { anyText, texts } from "./text.ts";

const isRange = new Invariant(
  "a range is the bytes that a naive reader takes",
);
const isUnsatisfiable = new Invariant("416 is for what begins behind the end");
const followsOrder = new Invariant("conditions count in the order of the RFC");
const isOwnHost = new Invariant("no name but the daemon's own is answered");
const isOwnPage = new Invariant("no origin but the page's own is answered");
const hasTarget = new Invariant("a target is taken apart as it was sent");

const ETAG = '"abc-DEF/123="';
const MODIFIED = new Date("2025-10-13T20:08:24.394Z");
const VALIDATORS: Validators = { etag: ETAG, modified: MODIFIED };
const SAME_DATE = "Mon, 13 Oct 2025 20:08:24 GMT";

const NAMES = ["netboot.lab.example", "router1"];
const HOSTS = new HostNames(NAMES);

const HEADERS = [
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
];

const WORDS = texts(
  ...HEADERS.map((name) => `\n${name}: `),
  "\nhost: ",
  "\norigin: ",
  "\nurl: ",
  "bytes=",
  "0-",
  "-5",
  "0-0",
  "5-2",
  "-0",
  ",",
  "99999999999999999999",
  "9007199254740993",
  ETAG,
  `W/${ETAG}`,
  "*",
  SAME_DATE,
  "Monday, 13-Oct-25 20:08:24 GMT",
  "Mon Oct 13 20:08:24 2025",
  "Tue, 14 Oct 2025 20:08:24 GMT",
  "localhost",
  "router1",
  "ROUTER1.",
  "evil.example",
  "192.0.2.1",
  "0x7f.1",
  "127.1",
  "[2001:db8::1]",
  "[fe80::1%25eth1]",
  ":6315",
  ":80",
  ":443",
  "@",
  "http://",
  "https://",
  "null",
  "/../",
  "?",
  "#",
);

const SEEDS = texts(
  "9\nrange: bytes=0-3",
  "9\nrange: bytes=-4",
  "9\nrange: bytes=4-",
  "9\nrange: bytes=9-",
  "0\nrange: bytes=-1",
  `9\nrange: bytes=1-2\nif-range: ${ETAG}`,
  `9\nrange: bytes=1-2\nif-range: ${SAME_DATE}`,
  `9\nif-match: ${ETAG}\nif-unmodified-since: ${SAME_DATE}`,
  `9\nif-none-match: W/${ETAG}, "x"`,
  `9\nif-modified-since: ${SAME_DATE}`,
  "9\nif-unmodified-since: Mon, 13 Oct 2025 20:08:23 GMT",
  "9\nhost: [2001:db8::1]:6315\norigin: http://[2001:db8::1]:6315",
  "9\nhost: router1\norigin: http://router1:80",
  "9\nhost: localhost:1\norigin: null",
  "9\nhost: evil.example\norigin: http://evil.example",
  "9\nurl: http://router1:6315/mac/a?b=c",
);

/** Fuzzes what is decided by headers. */
export class HttpRulesTarget implements Target {
  readonly name = "http_rules";
  readonly weight = 40;
  readonly maxLength = 300;
  readonly invariants = [
    isRange,
    isUnsatisfiable,
    followsOrder,
    isOwnHost,
    isOwnPage,
    hasTarget,
  ];
  readonly seeds = SEEDS;
  readonly words = WORDS;

  make(random: Random): Uint8Array {
    return anyText(random, WORDS);
  }

  run(input: Uint8Array): string {
    const [sizeText, ...lines] = textOf(input).split("\n");
    const size = Math.abs(parseInt(sizeText!, 10) % 64) || 0;
    const headers = new Headers();
    let host = "", origin = "", url = "";
    for (const line of lines) {
      const [, name, value] = /^([a-z-]+): (.*)$/s.exec(line) ?? [];
      if (name === "host") host = value!;
      else if (name === "origin") origin = value!;
      else if (name === "url") url = value!;
      else if (HEADERS.includes(name!)) setIfValid(headers, name!, value!);
    }
    return [
      checkRange(headers, size),
      checkConditions(headers),
      checkHost(host),
      checkOrigin(origin, host),
      checkTarget(url),
    ].join(" ");
  }
}

/** A server never sees the values that no header can have. */
function setIfValid(headers: Headers, name: string, value: string): void {
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) return;
  try {
    headers.set(name, value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

function checkRange(headers: Headers, size: number): string {
  const range = evaluateRange(headers, size, VALIDATORS);
  const asked = naiveRange(headers.get("range") ?? "", size);
  const ifRange = headers.get("if-range");
  const holds = ifRange === null || ifRange === ETAG ||
    naiveSeconds(ifRange) === Math.floor(MODIFIED.getTime() / 1000);
  const wanted = holds ? asked : undefined;
  isUnsatisfiable.holds(
    (range === "unsatisfiable") === (wanted?.length === 0),
    () => ({ range, wanted }),
  );
  if (range === "unsatisfiable") return range;
  isRange.holds(
    range === undefined
      ? wanted === undefined
      : wanted !== undefined && range.end - range.start === wanted.length &&
        wanted[0] === range.start,
    () => ({ range, wanted }),
  );
  return range === undefined ? "whole" : "part";
}

/** Each octet by itself is in the range or not. `undefined`: no range. */
function naiveRange(header: string, size: number): number[] | undefined {
  const [unit, set, ...rest] = header.split("=");
  if (unit!.toLowerCase() !== "bytes" || set === undefined || rest.length > 0) {
    return undefined;
  }
  const [first, last, ...more] = set.trim().split("-");
  if (
    last === undefined || more.length > 0 || !/^\d*$/.test(first!) ||
    !/^\d*$/.test(last) || first + last === ""
  ) return undefined;
  const octets = Array.from({ length: size }, (_, index) => index);
  if (first === "") {
    if (size === 0 && BigInt(last) > 0n) return undefined;
    return octets.filter((octet) =>
      BigInt(octet) >= BigInt(size) - BigInt(last)
    );
  }
  if (last !== "" && BigInt(last) < BigInt(first!)) return undefined;
  return octets.filter((octet) =>
    BigInt(octet) >= BigInt(first!) &&
    (last === "" || BigInt(octet) <= BigInt(last))
  );
}

/** Seconds of a date in one of the forms of HTTP. */
function naiveSeconds(text: string | null): number | undefined {
  if (text === null) return undefined;
  const isForm =
    /^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(text) ||
    /^[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT$/.test(text);
  const isAsctime = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/
    .test(text);
  if (!isForm && !isAsctime) return undefined;
  const time = Date.parse(isForm ? text : `${text} GMT`);
  return Number.isNaN(time) ? undefined : Math.floor(time / 1000);
}

function naiveTags(text: string): string[] {
  return text.split(",").map((tag) => tag.trim());
}

function checkConditions(headers: Headers): string {
  const verdict = evaluateConditions(headers, VALIDATORS);
  const changed = Math.floor(MODIFIED.getTime() / 1000);
  const match = headers.get("if-match");
  const none = headers.get("if-none-match");
  const unmodified = naiveSeconds(headers.get("if-unmodified-since"));
  const modified = naiveSeconds(headers.get("if-modified-since"));
  const isAny = (text: string) => text.trim() === "*";
  const fails = match !== null
    ? !isAny(match) && !naiveTags(match).includes(ETAG)
    : unmodified !== undefined && changed > unmodified;
  const isKnown = none !== null
    ? isAny(none) ||
      naiveTags(none).map((tag) => tag.replace(/^W\//, "")).includes(ETAG)
    : modified !== undefined && changed <= modified;
  const wanted = fails
    ? "precondition_failed"
    : isKnown
    ? "not_modified"
    : "proceed";
  followsOrder.holds(verdict === wanted, () => ({ verdict, wanted }));
  return verdict;
}

const LITERAL = /^\[[0-9a-f:.]+\]$|^[0-9]+(\.[0-9]+){3}$/;

/** What a browser would look up for this Host. */
function hostnameOf(authority: string): string | undefined {
  return URL.parse(`http://${authority.replace(/%[^\]]*\]/, "]")}/`)?.hostname;
}

function checkHost(host: string): string {
  const isServed = HOSTS.has(host);
  const hostname = hostnameOf(host);
  isOwnHost.holds(
    !isServed || hostname === undefined || LITERAL.test(hostname) ||
      ["localhost", ...NAMES].includes(hostname.replace(/\.$/, "")),
    () => ({ host, hostname }),
  );
  return `host ${isServed}`;
}

function checkOrigin(origin: string, host: string): string {
  // Any other has been refused.
  if (!isHost(host)) return "no host";
  const page = URL.parse(origin);
  const verdicts = (["http", "https"] as const).map((protocol) => {
    const isOwn = isOwnOrigin(origin, host, protocol);
    const asked = URL.parse(`${protocol}://${host}/`);
    isOwnPage.holds(
      !isOwn || page === null || page.origin === asked?.origin,
      () => ({ origin, host, protocol }),
    );
    return isOwn;
  });
  return `origin ${verdicts}`;
}

function checkTarget(url: string): string {
  const target = targetOf(url);
  if (target === undefined) return "no target";
  const { authority, path, query } = target;
  hasTarget.holds(
    path.startsWith("/") && !/[/?#]/.test(authority) && !/[?#]/.test(path) &&
      url.includes(`://${authority}${path}`) &&
      (query === "" || url.includes(`?${query}`)),
    () => target,
  );
  return `target ${query !== ""} ${path.length > 1}`;
}
