/**
 * The text of `--help`.
 *
 * @module
 */

import {
  fallbackOf,
  GROUPS,
  meaningOf,
  type OptionName,
  OPTIONS,
  type OptionSpec,
} from "./options.ts";

/** A command. */
export interface CommandSpec {
  /** What follows it, as usage texts write it. */
  readonly usage: string;
  readonly help: string;
}

/** The commands; serving has none. */
export const COMMANDS: Readonly<Record<string, CommandSpec>> = {
  check: { usage: "[OPTION...]", help: "print what would be served" },
  address: {
    usage: "--base-address IPV6 MAC...",
    help: "print the addresses of clients",
  },
  records: {
    usage: "--base-address IPV6 --names FILE [--format FORMAT]",
    help: "print DNS records of machines",
  },
  watch: {
    usage: "[--json] [--mac MAC] URL...",
    help: "print the events of daemons",
  },
  status: {
    usage: "[--json] [URL]",
    help: "print the state of a running daemon",
  },
  explain: {
    usage: "[--json] MAC [URL | OPTION...]",
    help: "print a machine's boot URLs, and why",
  },
  help: { usage: "", help: "print this help, as -h does" },
  version: { usage: "", help: "print the version" },
};

/** Columns of the help text. */
const WIDTH = 80;

const INDENT = " ".repeat(6);

/** The column of what a command does. */
const HELP_COLUMN = 44;

function usageLine(usage: string, help: string): string {
  const line = `  dhcpv6macd ${usage}`;
  const gap = line.length < HELP_COLUMN
    ? " ".repeat(HELP_COLUMN - line.length)
    : `\n${" ".repeat(HELP_COLUMN)}`;
  return `${line}${gap}${help}\n`;
}

const INTRODUCTION = `\
A stateless DHCPv6 and UEFI netboot server for one link. Each client gets the
IPv6 address <80-bit prefix> + <its MAC>.

Usage:
${usageLine("[OPTION...]", "serve")}${
  Object.entries(COMMANDS).map(([name, { usage, help }]) =>
    usageLine(`${name} ${usage}`.trim(), help)
  ).join("")
}
Examples:
  sudo dhcpv6macd --interface eth1 --base-address 2001:db8:123:4567::

  dhcpv6macd check --interface eth1 --base-address 2001:db8:123:4567:: \\
    --dns 2001:db8:123:4567::1 --domain-search lab.example

  dhcpv6macd address --base-address 2001:db8:123:4567:: 02:00:5e:00:53:01
`;

const CONCLUSION = `
Options have one or two dashes; a value follows a space or an equals sign. An
empty value means that the option is not given.
`;

/** The output of `--help`. */
export function helpText(): string {
  let text = INTRODUCTION;
  for (const group of GROUPS) {
    text += `\n${group}:\n`;
    for (const [name, spec] of Object.entries(OPTIONS)) {
      if (spec.group === group) text += describe(name as OptionName, spec);
    }
  }
  return text + CONCLUSION;
}

function describe(name: OptionName, spec: OptionSpec<unknown>): string {
  const value = spec.placeholder === undefined ? "" : ` ${spec.placeholder}`;
  const sentence = meaningOf(name) +
    (spec.repeatable ? "; repeatable" : "") +
    (fallbackOf(name) === "" ? "" : ` (default: ${fallbackOf(name)})`);
  return `  --${name}${value}\n${wrapped(sentence)}`;
}

function wrapped(sentence: string): string {
  let text = "";
  let line = INDENT;
  for (const word of sentence.split(" ")) {
    if (line !== INDENT && line.length + word.length > WIDTH) {
      text += `${line.trimEnd()}\n`;
      line = INDENT;
    }
    line += `${word} `;
  }
  return `${text}${line.trimEnd()}\n`;
}
