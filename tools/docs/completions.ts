/**
 * Completions of commands and options for shells.
 *
 * @module
 */

import { COMMANDS } from "../../lib/cli/help.ts";
import {
  meaningOf,
  type OptionName,
  OPTIONS,
  type OptionSpec,
} from "../../lib/cli/options.ts";

const HEAD = "# Made by `deno task docs`.";

/** What completes the value of an option. */
type Values =
  | "file"
  | "directory"
  | "interface"
  | "none"
  | readonly string[]
  | undefined;

/** An option as shells need it. */
interface Completed {
  readonly name: string;
  readonly help: string;
  /** `undefined`: it is a switch. */
  readonly values: Values;
  readonly repeatable: boolean;
}

const COMPLETED: readonly Completed[] = Object.entries<OptionSpec<unknown>>(
  OPTIONS,
).map(([name, { placeholder, repeatable = false }]) => ({
  name,
  help: meaningOf(name as OptionName),
  values: valuesOf(name, placeholder),
  repeatable,
}));

function valuesOf(name: string, placeholder: string | undefined): Values {
  if (placeholder === undefined) return undefined;
  if (name === "interface") return "interface";
  if (placeholder === "FILE") return "file";
  if (placeholder === "DIRECTORY") return "directory";
  const words = placeholder.split("|");
  return words.every((word) => /^[a-z-]+$/.test(word)) ? words : "none";
}

const INTERFACES = "$(ls /sys/class/net 2>/dev/null)";

/** For bash. */
export function bashCompletion(): string {
  const cases = COMPLETED.flatMap(({ name, values }) => {
    const action = bashAction(values);
    return action === undefined ? [] : [`    --${name}) ${action} ;;`];
  });
  const options = COMPLETED.map(({ name }) => `--${name}`).join(" ");
  return `${HEAD}
_dhcpv6macd() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]}
  # bash takes an equals sign for a word of its own.
  if [ "$current" = "=" ]; then
    current=
  elif [ "$previous" = "=" ]; then
    previous=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  COMPREPLY=()
  case $previous in
${cases.join("\n")}
  esac
  case $current in
    -*) COMPREPLY=($(compgen -W "${options}" -- "$current")) ;;
    *)
      if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "${
    Object.keys(COMMANDS).join(" ")
  }" -- "$current"))
      fi
      ;;
  esac
}
complete -F _dhcpv6macd dhcpv6macd
`;
}

function bashAction(values: Values): string | undefined {
  const reply = (generator: string) =>
    `COMPREPLY=($(compgen ${generator} -- "$current")); return`;
  switch (values) {
    case undefined:
      return undefined;
    case "file":
      return reply("-f");
    case "directory":
      return reply("-d");
    case "interface":
      return reply(`-W "${INTERFACES}"`);
    case "none":
      return "return";
    default:
      return reply(`-W "${values.join(" ")}"`);
  }
}

/** For zsh. */
export function zshCompletion(): string {
  const commands = Object.entries(COMMANDS).map(([name, { help }]) =>
    `    '${name}:${zshText(help)}'`
  );
  const options = COMPLETED.map(({ name, help, values, repeatable }) =>
    `    '${repeatable ? "*" : ""}--${name}[${zshText(help)}]${
      values === undefined ? "" : `:value:${zshAction(values)}`
    }'`
  );
  return `#compdef dhcpv6macd
${HEAD}
_dhcpv6macd() {
  local -a commands=(
${commands.join("\n")}
  )
  _arguments \\
${options.join(" \\\n")} \\
    '1: :{_describe command commands}' \\
    '*: :'
}
_dhcpv6macd "$@"
`;
}

function zshAction(values: NonNullable<Values>): string {
  switch (values) {
    case "file":
      return "_files";
    case "directory":
      return "_files -/";
    case "interface":
      return `(${INTERFACES})`;
    case "none":
      return " ";
    default:
      return `(${values.join(" ")})`;
  }
}

/** Text in single quotes and brackets, as `_arguments` reads it. */
function zshText(text: string): string {
  return text.replace(/[[\]:\\]/g, "\\$&").replaceAll("'", "'\\''");
}

/** For fish. */
export function fishCompletion(): string {
  const isFirst = `not __fish_seen_subcommand_from ${
    Object.keys(COMMANDS).join(" ")
  }`;
  const lines = Object.entries(COMMANDS).map(([name, { help }]) =>
    `complete -c dhcpv6macd -f -n "${isFirst}" -a ${name} -d ${fishText(help)}`
  );
  for (const { name, help, values } of COMPLETED) {
    lines.push(
      `complete -c dhcpv6macd -l ${name}${fishAction(values)} -d ${
        fishText(help)
      }`,
    );
  }
  return `${HEAD}\n${lines.join("\n")}\n`;
}

function fishAction(values: Values): string {
  switch (values) {
    case undefined:
      return "";
    case "file":
      return " -r -F";
    case "directory":
      return ` -x -a "(__fish_complete_directories)"`;
    case "interface":
      return ` -x -a "(command ls /sys/class/net)"`;
    case "none":
      return " -x";
    default:
      return ` -x -a "${values.join(" ")}"`;
  }
}

function fishText(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
