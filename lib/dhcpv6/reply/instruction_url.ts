/**
 * The URL of a boot instruction (option 59, RFC 5970 section 3.1).
 *
 * @module
 */

import { BOOT_SCRIPT_NAME } from "../../boot_files/boot_script.ts";
import { ipxeFileName, shimFileName } from "../../boot_files/ipxe_builds.ts";
import { formatMac, type Mac } from "../../net/mac.ts";
import type { BootInstruction } from "./boot_decision.ts";
import { bootPayload, renderTemplate } from "./url_template.ts";

/** What boot URLs contain of the daemon. */
export interface UrlAddresses {
  /** The address of this daemon in TFTP URLs, without brackets. */
  readonly tftpAddress: string;
  /** The value of `{{.BootAddress}}`. */
  readonly bootAddress: string;
}

/** What boot URLs contain of a client. */
export interface UrlClient {
  readonly mac: Mac;
  /** The base address of its link, as the operator wrote it. */
  readonly baseAddress: string;
  readonly architectures: readonly number[];
}

/** The URL that an instruction gives to a client. */
export function instructionUrl(
  instruction: Exclude<BootInstruction, { kind: "none" }>,
  { tftpAddress, bootAddress }: UrlAddresses,
  { mac, baseAddress, architectures }: UrlClient,
): string {
  switch (instruction.kind) {
    case "url":
      return renderTemplate(instruction.template, {
        MAC: formatMac(mac),
        BaseAddress: baseAddress,
        BootAddress: bootAddress,
        Payload: bootPayload(architectures),
      });
    case "ipxe":
      return tftpUrl(
        tftpAddress,
        `${formatMac(mac)}/${ipxeFileName(instruction.build)}`,
      );
    case "shim":
      return tftpUrl(
        tftpAddress,
        `${formatMac(mac)}/${shimFileName(instruction.build)}`,
      );
    case "script": {
      const { location } = instruction;
      const path = `${formatMac(mac)}/${BOOT_SCRIPT_NAME}`;
      return location.protocol === "tftp"
        ? tftpUrl(tftpAddress, path)
        : `http://[${bootAddress}]:${location.port}/mac/${path}`;
    }
    case "tftp_root":
      return tftpUrl(tftpAddress, "");
  }
}

function tftpUrl(address: string, path: string): string {
  return `tftp://[${address}]/${path}`;
}
