/**
 * Checks when the daemon starts that its longest reply fits a packet.
 *
 * @module
 */

import { formatIpv6, IPV6_LENGTH } from "../../net/ipv6.ts";
import {
  IA_ADDRESS_HEADER,
  IA_HEADER,
  MAX_DHCPV6_REPLY,
  MAX_DUID,
  MESSAGE_HEADER,
  OPTION_HEADER,
} from "../wire/constants.ts";
import { encodeOptions } from "../wire/packet.ts";
import {
  LONGEST_ARCHITECTURE_NAME,
  MAX_ARCHITECTURES,
} from "./architectures.ts";
import type { ResponderOptions } from "./responder.ts";
import {
  bootPayload,
  renderTemplate,
  SAMPLE_VALUES,
  type UrlTemplate,
} from "./url_template.ts";

/**
 * Why some client's reply could be longer than {@linkcode MAX_DHCPV6_REPLY};
 * `undefined` if none can.
 */
export function replySizeProblem(
  options: Omit<ResponderOptions, "boot">,
  templates: readonly UrlTemplate[],
): string | undefined {
  const iaNa = OPTION_HEADER + IA_HEADER + OPTION_HEADER + IA_ADDRESS_HEADER;
  let length = MESSAGE_HEADER + 2 * (OPTION_HEADER + MAX_DUID) + iaNa +
    OPTION_HEADER + 1;
  length += encodeOptions(options.onRequest).length;
  if (templates.length > 0) {
    const url = longest(templates.map((template) =>
      renderTemplate(template, {
        ...SAMPLE_VALUES,
        BaseAddress: longest(options.subnets.map((subnet) => subnet.text)),
        BootAddress: formatIpv6(new Uint8Array(IPV6_LENGTH).fill(0xff)),
        Payload: LONGEST_PAYLOAD,
      })
    ));
    length += OPTION_HEADER + 4 + 2 + "HTTPClient".length + OPTION_HEADER +
      url.length;
  }
  return length <= MAX_DHCPV6_REPLY
    ? undefined
    : `--http-boot-url-template, --boot-url, --dns, --domain-search and --ntp together are too long: a reply could have ${length} bytes, ` +
      `more than the ${MAX_DHCPV6_REPLY} that fit the IPv6 minimum MTU`;
}

function longest(texts: readonly string[]): string {
  return texts.reduce((a, b) => b.length > a.length ? b : a, "");
}

const LONGEST_PAYLOAD = bootPayload(
  new Array(MAX_ARCHITECTURES).fill(LONGEST_ARCHITECTURE_NAME),
);
