/**
 * What is wrong with a TLS certificate and its key, in words for the operator.
 *
 * @module
 */

import { decodeBase64 } from "@std/encoding/base64";
import { encodeHex } from "@std/encoding/hex";
import { formatIpv6, IPV6_LENGTH } from "../net/ipv6.ts";
import { canonicalAddress } from "../net/prefix.ts";
import type { KeyPair, KeyPairFiles } from "./tls_reload.ts";

/** What was found. */
export interface CertificateFindings {
  /** Why HTTPS cannot be served with it; `undefined` if it can. */
  readonly fault: string | undefined;
  /** Why clients reject it although it can be served. */
  readonly flaws: readonly string[];
}

/**
 * Examines a certificate chain and its key.
 *
 * @param files Their paths, for the messages.
 * @param hostname The host in the URL that clients use, without brackets;
 * `undefined`: none is known.
 * @param now Milliseconds since 1970.
 */
export function examineKeyPair(
  { cert, key }: KeyPair,
  { certFile, keyFile }: KeyPairFiles,
  hostname: string | undefined,
  now: number,
): CertificateFindings {
  const fault = pemFault(cert, key, certFile, keyFile);
  if (fault !== undefined) return { fault, flaws: [] };
  const certificate = parseCertificate(cert);
  if (certificate === undefined) {
    return { fault: `${certFile} holds no X.509 certificate`, flaws: [] };
  }
  const flaws = [
    ...validityFlaws(certificate, now),
    ...hostname === undefined ? [] : nameFlaws(certificate, hostname),
  ].map((flaw) => `the TLS certificate ${certFile} ${flaw}`);
  return { fault: tlsFault({ cert, key }, certFile, keyFile), flaws };
}

/** Why the TLS library takes no such pair. */
function tlsFault(
  keyPair: KeyPair,
  certFile: string,
  keyFile: string,
): string | undefined {
  try {
    Deno.listenTls({ hostname: "::1", port: 0, ...keyPair }).close();
    return undefined;
  } catch (error) {
    // The host has no IPv6 loopback address.
    if (error instanceof Deno.errors.AddrNotAvailable) return undefined;
    const { message } = error as Error;
    return message.includes("KeyMismatch")
      ? `the TLS key ${keyFile} does not belong to the certificate ${certFile}`
      : `cannot use the TLS certificate ${certFile} with the key ${keyFile}: ${message}`;
  }
}

function pemFault(
  cert: string,
  key: string,
  certFile: string,
  keyFile: string,
): string | undefined {
  const hasCertificate = cert.includes("-----BEGIN CERTIFICATE-----");
  const isEncrypted = /-----BEGIN ENCRYPTED PRIVATE KEY-----/.test(key) ||
    /^Proc-Type: 4,ENCRYPTED/m.test(key);
  if (isEncrypted) {
    return `the TLS key ${keyFile} is encrypted, and the daemon has no passphrase (openssl pkey -in ${keyFile} -out FILE decrypts it)`;
  }
  if (!hasCertificate) {
    return cert.includes("PRIVATE KEY-----")
      ? `${certFile} holds a private key: --tls-cert-file takes the certificate, --tls-key-file the key`
      : `${certFile} holds no certificate in PEM`;
  }
  if (!/-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(key)) {
    return `${keyFile} holds no private key in PEM`;
  }
  return undefined;
}

function validityFlaws({ start, end }: Certificate, now: number): string[] {
  if (end < now) return [`has expired on ${dayOf(end)}`];
  return start > now ? [`is not valid before ${dayOf(start)}`] : [];
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function nameFlaws({ names }: Certificate, hostname: string): string[] {
  return names.some((name) => isNameOf(name, hostname))
    ? []
    : [`is for ${names.join(", ") || "no name"}, not for ${hostname}`];
}

/** Whether a name of a certificate, perhaps `*.DOMAIN`, is that of a host. */
export function isNameOf(name: string, hostname: string): boolean {
  const address = canonicalAddress(hostname);
  if (address !== undefined) return canonicalAddress(name) === address;
  const host = hostname.toLowerCase().replace(/\.$/, "");
  const pattern = name.toLowerCase().replace(/\.$/, "");
  return pattern === host ||
    (pattern.startsWith("*.") && host.includes(".") &&
      host.slice(host.indexOf(".")) === pattern.slice(1));
}

/** What is read from a certificate. */
interface Certificate {
  /** Milliseconds since 1970. */
  readonly start: number;
  /** Milliseconds since 1970. */
  readonly end: number;
  /**
   * Its DNS names and addresses; without any, its common name, which iPXE takes
   * and RFC 9525 §2 does not.
   */
  readonly names: readonly string[];
}

/** Tags of DER (X.690 §8) and of GeneralName (RFC 5280 §4.2.1.6). */
const TAG = {
  string: 0x04,
  utcTime: 0x17,
  dnsName: 0x82,
  ipAddress: 0x87,
  version: 0xa0,
  extensions: 0xa3,
} as const;

/** The content of OBJECT IDENTIFIERs, in hexadecimal. */
const COMMON_NAME = "550403";
const SUBJECT_ALT_NAME = "551d11";

/** An element of DER: its tag and its content. */
interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** The first certificate of a chain in PEM; `undefined` if it is malformed. */
function parseCertificate(pem: string): Certificate | undefined {
  const [, text] = /-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/
    .exec(pem) ?? [];
  if (text === undefined) return undefined;
  try {
    const [certificate] = elements(decodeBase64(text.replace(/\s/g, "")));
    const [tbs] = elements(certificate!.content);
    const parts = elements(tbs!.content);
    // Version 1 has no version.
    if (parts[0]!.tag === TAG.version) parts.shift();
    const [, , , validity, subject, , ...rest] = parts;
    const [start, end] = elements(validity!.content).map(timeOf);
    const names = rest.filter(({ tag }) => tag === TAG.extensions)
      .flatMap(({ content }) => alternativeNames(content));
    return {
      start: start!,
      end: end!,
      names: names.length > 0 ? names : commonNames(subject!.content),
    };
  } catch {
    return undefined;
  }
}

/**
 * The elements of a sequence.
 *
 * @throws {RangeError} if one does not end within it.
 */
function elements(bytes: Uint8Array): Element[] {
  const found: Element[] = [];
  let at = 0;
  while (at < bytes.length) {
    const tag = bytes[at++]!;
    let length = bytes[at++]!;
    if (length > 0x7f) {
      let digits = length & 0x7f;
      length = 0;
      while (digits-- > 0) length = length * 256 + bytes[at++]!;
    }
    if (!(at + length <= bytes.length)) throw new RangeError("not DER");
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

/** A UTCTime or GeneralizedTime (RFC 5280 §4.1.2.5). */
function timeOf({ tag, content }: Element): number {
  const text = new TextDecoder().decode(content);
  const full = tag !== TAG.utcTime
    ? text
    : `${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}`;
  const iso = full.replace(
    /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
    "$1-$2-$3T$4:$5:$6Z",
  );
  const time = Date.parse(iso);
  if (Number.isNaN(time)) throw new RangeError("not a time");
  return time;
}

function alternativeNames(content: Uint8Array): string[] {
  const [list] = elements(content);
  for (const extension of elements(list!.content)) {
    const [id, ...values] = elements(extension.content);
    const value = values.find(({ tag }) => tag === TAG.string);
    if (encodeHex(id!.content) !== SUBJECT_ALT_NAME) continue;
    const [names] = elements(value!.content);
    return elements(names!.content).map(({ tag, content }) => {
      if (tag === TAG.dnsName) return new TextDecoder().decode(content);
      if (tag !== TAG.ipAddress) return "";
      return content.length === IPV6_LENGTH
        ? formatIpv6(content)
        : content.join(".");
    }).filter((name) => name !== "");
  }
  return [];
}

function commonNames(subject: Uint8Array): string[] {
  return elements(subject).flatMap(({ content }) => elements(content))
    .map(({ content }) => elements(content))
    .filter(([id]) => encodeHex(id!.content) === COMMON_NAME)
    .map(([, value]) => new TextDecoder().decode(value!.content));
}
