/**
 * The Relay-reply levels around a reply: one for each Relay-forward around the
 * client's message (RFC 8415 §19.3).
 *
 * @module
 */

import {
  MAX_RELAY_DEPTH,
  MessageType,
  OptionCode,
  RELAY_HEADER,
  SERVER_PORT,
} from "../wire/constants.ts";
import { listsCode, type OptionTable, type Packet } from "../wire/packet.ts";
import type { Writer } from "../wire/writer.ts";

/** Writes the Relay-reply levels. */
export class RelayReplyWriter {
  readonly #writer: Writer;
  /** Where the data of each level's Relay Message option begins. */
  readonly #relayMessages = new Uint16Array(MAX_RELAY_DEPTH);

  constructor(writer: Writer) {
    this.#writer = writer;
  }

  /** Writes everything that precedes the reply to the client. */
  begin(packet: Packet): void {
    for (let level = 0; level < packet.depth; level++) {
      this.#relayMessages[level] = this.#beginLevel(packet, level);
    }
  }

  /** Sets the lengths of the Relay Message options around the reply. */
  end(packet: Packet): void {
    for (let level = packet.depth - 1; level >= 0; level--) {
      this.#writer.end(this.#relayMessages[level]!);
    }
  }

  #beginLevel(packet: Packet, level: number): number {
    const writer = this.#writer;
    const { bytes } = packet;
    const relay = packet.relays[level]!;
    const { options } = relay;
    writer.uint8(MessageType.RelayReply);
    // Hop-count, link-address and peer-address are those of the Relay-forward.
    writer.copy(bytes, relay.hopCountAt, relay.at + RELAY_HEADER);
    writer.copyOption(bytes, options, options.find(OptionCode.InterfaceId));
    writer.copyOption(bytes, options, options.find(OptionCode.RelaySourcePort));
    const echo = options.find(OptionCode.EchoRequest);
    if (echo !== -1) this.#echo(bytes, options, echo);
    return writer.begin(OptionCode.RelayMessage);
  }

  /** Copies the options that the relay's Echo Request lists (RFC 4994). */
  #echo(bytes: Uint8Array, options: OptionTable, echo: number): void {
    const start = options.starts[echo]!;
    const end = options.ends[echo]!;
    // A level has at most 64 options, but an Echo Request may list 2,000 codes:
    // looking up each option in the list bounds the work.
    for (let index = 0; index < options.count; index++) {
      const code = options.codes[index]!;
      if (
        code === OptionCode.InterfaceId || code === OptionCode.RelayMessage ||
        code === OptionCode.RelaySourcePort ||
        !listsCode(bytes, start, end, code)
      ) continue;
      this.#writer.copyOption(bytes, options, index);
    }
  }
}

/**
 * The UDP port of the relay nearest to the server: the one that it sent from if
 * it has the Relay Source Port option (RFC 8357), otherwise 547.
 */
export function relayReplyPort(packet: Packet, senderPort: number): number {
  return packet.relays[0]!.options.find(OptionCode.RelaySourcePort) === -1
    ? SERVER_PORT
    : senderPort;
}
