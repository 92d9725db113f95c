/** The URL template: what is accepted makes URLs of all values. */

import {
  bootPayload,
  parseTemplate,
  renderTemplate,
  TemplateError,
  type TemplateValues,
  type UrlTemplate,
} from "../../../lib/dhcpv6/reply/url_template.ts";
import { textOf } from "../mutate.ts";
import type { Random } from "../random.ts";
import { Invariant, type Target } from "../target.ts";
import { anyText, isShowable, texts } from "./text.ts";

const saysWhere = new Invariant("a refusal names a column and what is wrong");
const makesUrls = new Invariant("what is accepted makes a URL of any values");
const isFilled = new Invariant("each field is filled in, nothing else changes");
const isPlain = new Invariant("a URL is printable ASCII without blanks");

const WORDS = texts(
  "{{.MAC}}",
  "{{.BaseAddress}}",
  "{{ .BootAddress }}",
  "{{.Payload}}",
  "{{.MAC | urlquery}}",
  "{{.BaseAddress|urlquery}}",
  "{{.BootAddress|urlquery}}",
  "{{.Payload | urlquery }}",
  "{{urlquery .MAC}}",
  "{{urlquery (.Payload)}}",
  '{{index . "MAC"}}',
  "{{$.BaseAddress}}",
  "{{- ",
  " -}}",
  "/*",
  "*/",
  "(",
  ")",
  "{{",
  "}}",
  "http://",
  "https://",
  "tftp://",
  "[",
  "]",
  "boot.example",
  "/",
  "?",
  "#",
  "&",
  ":",
  ":6315",
  "@",
  "%",
  "%41",
  "\\",
  ".",
  "192.0.2.",
  "2001:db8::",
  "::ffff:",
  "xn--",
  "ü",
  "\u202e",
  " ",
  "\n",
);

const SEEDS = texts(
  "http://[{{.BootAddress}}]:6315/mac/{{.MAC}}/boot.efi",
  "http://boot.example/?mac={{.MAC}}&arch={{.Payload | urlquery}}",
  "https://boot.example/{{.BaseAddress}}",
  "tftp://[{{.BaseAddress}}]/{{.MAC}}/ipxe.efi",
  "http://[2001:db8::1]/",
  "http://{{.MAC}}",
  "http://[{{.BootAddress}}",
  "ftp://a/",
  "http://a/{{.Mac}}",
  "http://a/{{.MAC|html}}",
  "http://a/?m= {{- urlquery .MAC -}} &{{/* x */}}",
  'http://a/{{(index $ "MAC") | urlquery}}',
  "http://a/}}",
);

/** Values of clients, as different as they come. */
const VALUES: readonly TemplateValues[] = [
  {
    MAC: "00:00:00:00:00:01",
    BaseAddress: "fd00:1:2:3:4:5:6:7",
    BootAddress: "fe80::1",
    Payload: bootPayload([]),
  },
  {
    MAC: "fe:ff:ff:ff:ff:ff",
    BaseAddress: "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    BootAddress: "2001:db8:ffff:ffff:ffff:ffff:192.0.2.255",
    Payload: bootPayload([7, 16, 11, 0xffff, 0, 30, 30, 30, 30]),
  },
  {
    MAC: "02:00:5e:00:53:01",
    BaseAddress: "2001:DB8::1",
    BootAddress: "2001:db8:1:2::",
    Payload: bootPayload([28, 2]),
  },
];

/** Fuzzes the template. */
export class TemplateTarget implements Target {
  readonly name = "template";
  readonly weight = 40;
  readonly maxLength = 300;
  readonly invariants = [saysWhere, makesUrls, isFilled, isPlain];
  readonly seeds = SEEDS;
  readonly words = WORDS;

  make(random: Random): Uint8Array {
    return anyText(random, WORDS);
  }

  run(input: Uint8Array): string {
    const text = textOf(input);
    let template: UrlTemplate;
    try {
      template = parseTemplate(text);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      const { column, message } = error;
      saysWhere.holds(
        column >= 1 && column <= text.length + 2 &&
          message.startsWith(`column ${column}: `),
        () => message,
      );
      return message.replace(/^\S+ \d+/, "").replace(/\{\{.*\}\}|not .*/s, "");
    }
    for (const values of VALUES) {
      const url = renderTemplate(template, values);
      isFilled.holds(url === filled(text, values), () => url);
      isPlain.holds(/^[\x21-\x7e]+$/.test(url) && isShowable(url), () => url);
      // Whether digits beside an address make another one is seen at the start,
      // when the address is known.
      if (BESIDE_ADDRESS.test(text)) continue;
      const parsed = URL.parse(url);
      makesUrls.holds(
        parsed !== null && /^(https?|tftp):$/.test(parsed.protocol) &&
          parsed.hostname !== "" && text.startsWith(parsed.protocol),
        () => url,
      );
    }
    return `accepted ${
      template.parts.map((part) =>
        typeof part === "string" ? "_" : `${part.field} ${part.urlQuery}`
      ).join()
    }`;
  }
}

/** A literal address of which a field is only a part. */
const BESIDE_ADDRESS = /\/\[(?!\{\{[^}]*\}\}\])[^\]]*\{\{/;

/** Fills in by search and replace. */
function filled(text: string, values: TemplateValues): string {
  return text.replace(
    /(?:\s*\{\{-(?=\s)|\{\{)(.*?)(?:(?<=\s)-\}\}\s*|\}\})/gs,
    (_, action: string) => {
      if (/^\s*\/\*.*\*\/\s*$/s.test(action)) return "";
      const field = /MAC|BaseAddress|BootAddress|Payload/.exec(
        action,
      )![0] as keyof TemplateValues;
      return action.includes("urlquery")
        ? new URLSearchParams({ "": values[field] }).toString().slice(1)
          .replaceAll("*", "%2A")
        : values[field];
    },
  );
}
