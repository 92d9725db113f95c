/**
 * The identity associations (IA_NA, IA_TA, IA_PD) of a reply (RFC 8415 §18.3).
 * Every client has one address in its subnet, computed from its MAC. Nothing is
 * stored, so no message changes a binding.
 *
 * @module
 */

import { BASE_BYTES, IPV6_LENGTH, isUnspecified } from "../../net/ipv6.ts";
import { type Mac, writeMac } from "../../net/mac.ts";
import {
  type DropReason,
  IA_ADDRESS_HEADER,
  IA_HEADER,
  IA_TA_HEADER,
  MessageType,
  OptionCode,
  StatusCode,
} from "../wire/constants.ts";
import { nextAddress, optionEnd, type Packet } from "../wire/packet.ts";
import type { Writer } from "../wire/writer.ts";
import { isAssignedAddress, isInSubnet, type Subnet } from "./subnet.ts";

/** The lifetimes of an address. */
export interface Lifetimes {
  /** Seconds, 1 to 2^32 - 1; the highest means infinity (RFC 8415 §7.7). */
  readonly preferredLifetime: number;
  /** Seconds, not less than `preferredLifetime`. */
  readonly validLifetime: number;
}

/** A lifetime that means infinity (RFC 8415 §7.7). */
const INFINITY = 0xffff_ffff;

function fractionOf(lifetime: number, factor: number): number {
  return lifetime === INFINITY ? INFINITY : Math.floor(lifetime * factor);
}

/** Bits for the addresses in an IA: the client's own address, another one. */
const HAS_OWN = 1;
const HAS_OTHER = 2;

/** Writes identity associations, or status codes instead. */
export class IdentityAssociationWriter {
  /** Addresses of lifetime 0 that are written at most, so that a reply fits. */
  maxForeign = Infinity;
  /** Addresses of lifetime 0 in the last reply. */
  foreign = 0;

  readonly #writer: Writer;
  readonly #preferredLifetime: number;
  readonly #validLifetime: number;
  readonly #t1: number;
  readonly #t2: number;

  constructor(
    writer: Writer,
    { preferredLifetime, validLifetime }: Lifetimes,
  ) {
    this.#writer = writer;
    this.#preferredLifetime = preferredLifetime;
    this.#validLifetime = validLifetime;
    // RFC 8415 section 21.4 recommends 0.5 and 0.8. A later T2 gives clients more
    // time to renew with this server before they ask any other.
    this.#t1 = fractionOf(preferredLifetime, 0.5);
    this.#t2 = fractionOf(preferredLifetime, 0.875);
  }

  /**
   * Answers every IA of a Solicit, Request, Renew or Rebind.
   *
   * @returns Whether the client gets an address for each of them.
   */
  assign(packet: Packet, subnet: Subnet, mac: Mac): boolean {
    const { options } = packet;
    const isExtended = packet.type === MessageType.Renew ||
      packet.type === MessageType.Rebind;
    this.foreign = 0;
    let isFirst = true;
    let assigned = true;
    for (let index = 0; index < options.count; index++) {
      switch (options.codes[index]) {
        case OptionCode.IaNa: {
          const start = this.#beginIa(packet, index, OptionCode.IaNa);
          if (
            packet.type === MessageType.Request &&
            !areAddressesInSubnet(packet, index, subnet)
          ) {
            this.#status(StatusCode.NotOnLink, "address of another link");
            assigned = false;
          } else if (isFirst) {
            this.#writeAddress(subnet, mac, start);
            if (isExtended) this.#writeForeign(packet, index, subnet, mac);
          } else {
            if (
              !isExtended || !this.#writeForeign(packet, index, subnet, mac)
            ) this.#status(StatusCode.NoAddrsAvail, "one address per client");
            assigned = false;
          }
          isFirst = false;
          this.#writer.end(start);
          break;
        }
        case OptionCode.IaTa: {
          const start = this.#beginIa(packet, index, OptionCode.IaTa);
          if (!isExtended || !this.#writeForeign(packet, index, subnet, mac)) {
            this.#status(StatusCode.NoAddrsAvail, "no temporary addresses");
          }
          this.#writer.end(start);
          assigned = false;
          break;
        }
        case OptionCode.IaPd:
          this.#refuse(
            packet,
            index,
            StatusCode.NoPrefixAvail,
            "no prefix delegation",
          );
          assigned = false;
          break;
      }
    }
    return assigned;
  }

  /**
   * Answers a Confirm (RFC 8415 §18.3.3), more strictly than the RFC: Success
   * for the client's own address only, not for every address of the subnet.
   */
  confirm(packet: Packet, subnet: Subnet, mac: Mac): DropReason | undefined {
    const { options } = packet;
    let kinds = 0;
    for (let index = 0; index < options.count; index++) {
      const code = options.codes[index];
      if (code === OptionCode.IaNa || code === OptionCode.IaTa) {
        kinds |= addressKindsOf(packet, index, subnet, mac);
      }
    }
    if (kinds === 0) return "confirm_without_address";
    if (kinds === HAS_OWN) {
      this.#status(StatusCode.Success, "address confirmed");
    } else this.#status(StatusCode.NotOnLink, "not the address of this client");
    return undefined;
  }

  /**
   * Answers a Release or Decline (RFC 8415 §18.3.7 and §18.3.8).
   *
   * @returns Whether the client's own address is among those in the message.
   */
  release(packet: Packet, subnet: Subnet, mac: Mac): boolean {
    const { options } = packet;
    let hasOwn = false;
    this.#status(StatusCode.Success, "accepted");
    for (let index = 0; index < options.count; index++) {
      const code = options.codes[index];
      if (code === OptionCode.IaPd) {
        // The daemon delegates no prefix, so no binding exists.
        this.#refuse(packet, index, StatusCode.NoBinding, NO_BINDING);
      } else if (code === OptionCode.IaNa || code === OptionCode.IaTa) {
        const kinds = addressKindsOf(packet, index, subnet, mac);
        if ((kinds & HAS_OTHER) !== 0) {
          this.#refuse(packet, index, StatusCode.NoBinding, NO_BINDING);
        }
        if ((kinds & HAS_OWN) !== 0) hasOwn = true;
      }
    }
    return hasOwn;
  }

  /** Begins an IA with the client's IAID, and T1 and T2 of 0 (not in an IA_TA). */
  #beginIa(packet: Packet, index: number, code: number): number {
    const writer = this.#writer;
    const start = writer.begin(code);
    const iaid = packet.options.starts[index]!;
    writer.copy(packet.bytes, iaid, iaid + 4);
    if (code !== OptionCode.IaTa) {
      writer.uint32(0);
      writer.uint32(0);
    }
    return start;
  }

  #refuse(packet: Packet, index: number, status: number, text: string): void {
    const start = this.#beginIa(packet, index, packet.options.codes[index]!);
    this.#status(status, text);
    this.#writer.end(start);
  }

  #writeAddress(subnet: Subnet, mac: Mac, start: number): void {
    const writer = this.#writer;
    // Overwrites the T1 and T2 of 0.
    writer.at = start + 4;
    writer.uint32(this.#t1);
    writer.uint32(this.#t2);
    writer.uint16(OptionCode.IaAddress);
    writer.uint16(IA_ADDRESS_HEADER);
    writer.copy(subnet.bytes, 0, BASE_BYTES);
    writeMac(writer.bytes, writer.at, mac);
    writer.at += IPV6_LENGTH - BASE_BYTES;
    writer.uint32(this.#preferredLifetime);
    writer.uint32(this.#validLifetime);
  }

  /**
   * Returns the addresses of an IA that are not the client's with lifetimes of 0,
   * which make the client drop them (RFC 8415 §18.3.4 and §18.3.5).
   *
   * @returns Whether there are any.
   */
  #writeForeign(
    packet: Packet,
    index: number,
    subnet: Subnet,
    mac: Mac,
  ): boolean {
    const writer = this.#writer;
    const { bytes, options } = packet;
    const end = options.ends[index]!;
    let at = options.starts[index]! + headerOf(options.codes[index]!);
    let hasForeign = false;
    while ((at = nextAddress(bytes, at, end)) !== -1) {
      if (!isAssignedAddress(bytes, at, subnet, mac)) {
        hasForeign = true;
        if (this.foreign < this.maxForeign) {
          this.foreign++;
          writer.uint16(OptionCode.IaAddress);
          writer.uint16(IA_ADDRESS_HEADER);
          writer.copy(bytes, at, at + IPV6_LENGTH);
          writer.uint32(0);
          writer.uint32(0);
        }
      }
      at = optionEnd(bytes, at);
    }
    return hasForeign;
  }

  #status(code: number, text: string): void {
    const writer = this.#writer;
    const start = writer.begin(OptionCode.StatusCode);
    writer.uint16(code);
    writer.ascii(text);
    writer.end(start);
  }
}

/** Bytes of an IA_NA or IA_TA before its options. */
function headerOf(code: number): number {
  return code === OptionCode.IaTa ? IA_TA_HEADER : IA_HEADER;
}

const NO_BINDING = "no binding for this client";

function areAddressesInSubnet(
  packet: Packet,
  index: number,
  subnet: Subnet,
): boolean {
  const { bytes } = packet;
  const end = packet.options.ends[index]!;
  let at = packet.options.starts[index]! + IA_HEADER;
  while ((at = nextAddress(bytes, at, end)) !== -1) {
    // Some clients send `::` for "any address".
    if (!isInSubnet(bytes, at, subnet) && !isUnspecified(bytes, at)) {
      return false;
    }
    at = optionEnd(bytes, at);
  }
  return true;
}

/** Whose addresses an IA_NA or IA_TA has: `HAS_OWN`, `HAS_OTHER`, both or 0. */
function addressKindsOf(
  packet: Packet,
  index: number,
  subnet: Subnet,
  mac: Mac,
): number {
  const { bytes, options } = packet;
  const end = options.ends[index]!;
  let at = options.starts[index]! + headerOf(options.codes[index]!);
  let kinds = 0;
  while ((at = nextAddress(bytes, at, end)) !== -1) {
    kinds |= isAssignedAddress(bytes, at, subnet, mac) ? HAS_OWN : HAS_OTHER;
    at = optionEnd(bytes, at);
  }
  return kinds;
}
