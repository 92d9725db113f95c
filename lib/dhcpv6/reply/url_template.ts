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

const ACTION = /^\s*\.([A-Za-z]+)\s*(?:\|\s*([A-Za-z]+)\s*)?$/;

/**
 * Parses a template: text that contains `{{.Field}}` or `{{.Field | urlquery}}`.
 *
 * @throws {TemplateError} if braces do not match or contain anything else, or if
 * the result is not an absolute http, https or tftp URL.
 */
export function parseTemplate(text: string): UrlTemplate {
  const parts: (string | Substitution)[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("{{", at);
    const literal = text.slice(at, open === -1 ? undefined : open);
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
    parts.push(parseAction(text.slice(open + 2, close), open + 3));
    at = close + 2;
  }
  const template = { text, parts };
  checkUrl(template);
  return template;
}

function parseAction(action: string, column: number): Substitution {
  const match = ACTION.exec(action);
  const field = TEMPLATE_FIELDS.find((field) => field === match?.[1]);
  if (field === undefined) {
    throw new TemplateError(
      column,
      `{{${escapeControls(action)}}} is none of ${
        TEMPLATE_FIELDS.map((field) => `{{.${field}}}`).join(", ")
      }`,
    );
  }
  if (match![2] !== undefined && match![2] !== "urlquery") {
    throw new TemplateError(
      column,
      `unknown function ${match![2]}; the only one is urlquery`,
    );
  }
  return { field, urlQuery: match![2] !== undefined };
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
