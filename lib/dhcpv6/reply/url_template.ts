/**
 * The template of boot URLs, with fields for MAC, addresses and architectures.
 *
 * @module
 */

import { encodeBase64 } from "@std/encoding/base64";
import { MAX_ARCHITECTURES } from "./architectures.ts";
import { escapeControls } from "../../../assets/shared/escape_controls.js";
import { architectureName } from "./architectures.ts";

/** The fields of a template. */
export const TEMPLATE_FIELDS = [
  "MAC",
  "BaseAddress",
  "BootAddress",
  "Payload",
] as const;

/** The name of a field. */
export type TemplateField = typeof TEMPLATE_FIELDS[number];

/** A value for each field. */
export type TemplateValues = Readonly<Record<TemplateField, string>>;

interface Substitution {
  readonly field: TemplateField;
  readonly urlQuery: boolean;
}

/** A parsed template. */
export interface UrlTemplate {
  /** The template as the operator wrote it. */
  readonly text: string;
  readonly parts: readonly (string | Substitution)[];
}

/** An error in a template. */
export class TemplateError extends Error {
  override name = "TemplateError";
  /**
   * @param column The column in the template, from 1.
   * @param problem The error there.
   */
  constructor(readonly column: number, problem: string) {
    super(`column ${column}: ${problem}`);
  }
}

/**
 * Parses a template: text with fields as Go's text/template writes them:
 * `{{.Field}}`, `{{$.Field}}` or `{{index . "Field"}}`, in parentheses or not, with
 * `urlquery` before it or after a `|`. Trim markers (`{{-` and `-}}`) remove the
 * white space beside them, and comments everything.
 *
 * @throws {TemplateError} if braces do not match or contain anything else, or if
 * the result is not an absolute http, https or tftp URL.
 */
export function parseTemplate(text: string): UrlTemplate {
  const parts: (string | Substitution)[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("{{", at);
    const trimsBefore = open !== -1 && /^-\s/.test(text.slice(open + 2));
    let literal = text.slice(at, open === -1 ? undefined : open);
    if (trimsBefore) literal = literal.trimEnd();
    const stray = literal.indexOf("}}");
    if (stray !== -1) {
      throw new TemplateError(at + stray + 1, "}} without {{ before it");
    }
    const unprintable = literal.search(/[^\x21-\x7e]/);
    if (unprintable !== -1) {
      throw new TemplateError(
        at + unprintable + 1,
        "firmware reads only printable ASCII without spaces; escape others as %XX",
      );
    }
    if (literal !== "") parts.push(literal);
    if (open === -1) break;
    const close = text.indexOf("}}", open);
    if (close === -1) {
      throw new TemplateError(open + 1, "{{ without }} after it");
    }
    const trimsAfter = /\s-$/.test(text.slice(open + 2, close));
    const action = text.slice(
      open + (trimsBefore ? 3 : 2),
      close - (trimsAfter ? 1 : 0),
    );
    if (!/^\s*\/\*.*\*\/\s*$/s.test(action)) {
      parts.push(parseAction(action, open + 3));
    }
    at = close + 2;
    if (trimsAfter) at = text.length - text.slice(at).trimStart().length;
  }
  const template = { text, parts };
  checkUrl(template);
  return template;
}

const FIELD = /^(?:\$?\.([A-Za-z]+)|index\s+(?:\.|\$)\s+"([A-Za-z]+)")$/;
const PARENTHESES = /^\((.*)\)$/s;
const FUNCTION = /^urlquery(?=[\s(])(.*)$|^(.*)\|\s*([A-Za-z]+)$/s;

/** Parses what is between `{{` and `}}`, from the outside to the field. */
function parseAction(action: string, column: number): Substitution {
  let rest = action.trim();
  let urlQuery = false;
  while (true) {
    const [, plain, indexed] = FIELD.exec(rest) ?? [];
    const field = TEMPLATE_FIELDS.find((field) => field === (plain ?? indexed));
    if (field !== undefined) return { field, urlQuery };
    const [, inner] = PARENTHESES.exec(rest) ?? [];
    if (inner !== undefined) {
      rest = inner.trim();
      continue;
    }
    const [, prefixed, piped, name = "urlquery"] = FUNCTION.exec(rest) ?? [];
    const argument = prefixed ?? piped;
    if (argument === undefined) {
      throw new TemplateError(
        column,
        `{{${escapeControls(action)}}} is none of ${
          TEMPLATE_FIELDS.map((field) => `{{.${field}}}`).join(", ")
        }`,
      );
    }
    if (name !== "urlquery") {
      throw new TemplateError(
        column,
        `unknown function ${name}; the only one is urlquery`,
      );
    }
    if (urlQuery) {
      throw new TemplateError(column, "urlquery may be used once for a field");
    }
    urlQuery = true;
    rest = argument.trim();
  }
}

/** Typical values, to check a template with. */
export const SAMPLE_VALUES: TemplateValues = {
  MAC: "02:00:5e:00:53:01",
  BaseAddress: "2001:db8::",
  BootAddress: "2001:db8::1",
  Payload: bootPayload([16]),
};

function checkUrl(template: UrlTemplate): void {
  if (!isBootUrl(renderTemplate(template, SAMPLE_VALUES))) {
    throw new TemplateError(
      1,
      "the result is not an absolute URL with http://, https:// or tftp://",
    );
  }
}

/** Whether `url` is an absolute http, https or tftp URL. */
export function isBootUrl(url: string): boolean {
  const hostname = URL.parse(url)?.hostname ?? "";
  return hostname !== "" && /^(https?|tftp):\/\//.test(url);
}

/** The URL of `template` with `values`. */
export function renderTemplate(
  template: UrlTemplate,
  values: TemplateValues,
): string {
  let url = "";
  for (const part of template.parts) {
    if (typeof part === "string") url += part;
    else {
      const value = values[part.field];
      url += part.urlQuery ? escapeForQuery(value) : value;
    }
  }
  return url;
}

/** Escapes a value as the `urlquery` function of Go templates does. */
function escapeForQuery(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    (character) =>
      `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  ).replace(/%20/g, "+");
}

/**
 * The value of `{{.Payload}}`: JSON in Base64 with the names of at most
 * {@linkcode MAX_ARCHITECTURES} architectures.
 */
export function bootPayload(architectures: readonly number[]): string {
  return encodeBase64(JSON.stringify({
    architectures: architectures.slice(0, MAX_ARCHITECTURES).map(
      architectureName,
    ),
  }));
}
