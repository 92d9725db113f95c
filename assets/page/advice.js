/**
 * Why a machine is stuck, as far as the daemon can know, and what to do.
 *
 * @module
 */

import { transferIn } from "../shared/format.js";

/** @import { Stage } from "./progress.js" */

const BROKEN_OFF =
  "The transfer ended early. Look at the machine's screen and cable, then start it again.";

/** What to do in each stage, when the next one does not come. */
const ADVICE = new Map([
  [
    "init",
    "It asked and took no address. Look for another DHCPv6 server on the link.",
  ],
  [
    "firmware_init",
    "Firmware got no boot URL. “Boot URLs and reasons” in the view of this machine says why.",
  ],
  [
    "http_boot",
    "Firmware has not asked for the file. Does the firewall let the URL's TCP port in? Does firmware boot from http?",
  ],
  [
    "point_pxe_to_ipxe_over_tftp",
    "Firmware has not asked for iPXE. Does the firewall let UDP port 69 in?",
  ],
  [
    "serve_ipxe_over_tftp",
    "The machine no longer confirms what it gets. Look at its screen and cable, then start it again.",
  ],
  [
    "served_ipxe_over_tftp",
    "Firmware has iPXE and did not start it. Is Secure Boot on?",
  ],
  [
    "point_ipxe_to_http_boot",
    "iPXE has not asked for the file. Its screen says why; does the firewall let the URL's TCP port in?",
  ],
  [
    "point_loader_to_boot_file",
    "No system has started. The boot loader's screen says why.",
  ],
  [
    "http_fetch_uki",
    "The download stands still. Look at the machine's screen and cable, then start it again.",
  ],
]);

/**
 * One or two sentences for a machine that is stuck.
 *
 * @param {Stage} stage Its current stage.
 */
export function adviceOn({ event, detail }) {
  const transfer = transferIn(detail);
  if (transfer?.state === "error") return BROKEN_OFF;
  if (event === "http_fetch_uki" && transfer?.state === "complete") {
    return "It has the whole file, and its system asks for no address. Look at its screen: did the system start, and does it use DHCPv6?";
  }
  return ADVICE.get(event) ?? "Look at the machine's screen.";
}
