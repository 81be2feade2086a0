/** Scripts that complete `firstlight …` in a shell, written from the commands as they are. */
import type { Command } from 'commander'

export const SHELLS = ['bash', 'zsh'] as const
export type Shell = (typeof SHELLS)[number]

/** What may come after some words: other commands, options, and whether anything else may. */
interface Place {
  /** `firstlight voucher import`, without the program's name: `voucher import`. */
  readonly path: string
  readonly words: readonly string[]
  readonly takesOperands: boolean
}

export function completionScript(shell: Shell, program: Command): string {
  const places = placesOf(program)
  const valued = [...new Set(commandsOf(program).flatMap(valuedOf))]
  const script = bashScript(places, valued)
  // zsh reads it as it is, once it has been told to.
  return shell === 'bash' ? script : `autoload -U +X bashcompinit && bashcompinit\n${script}`
}

function commandsOf(command: Command): Command[] {
  return [command, ...command.commands.flatMap(commandsOf)]
}

function placesOf(program: Command): Place[] {
  return commandsOf(program).map((command) => ({
    path: pathOf(command),
    words: [
      ...command.commands.map((one) => one.name()),
      ...command.options.flatMap(({ long }) => (long ? [long] : [])),
      '--help',
    ],
    takesOperands: command.registeredArguments.length > 0,
  }))
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : ''
}

/** Options that a value comes after. */
function valuedOf({ options }: Command): string[] {
  const valued = options.filter((option) => option.required || option.optional)
  return valued.flatMap(({ long }) => (long ? [long] : []))
}

function bashScript(places: readonly Place[], valued: readonly string[]): string {
  const paths = places.map(({ path }) => path).filter((path) => path !== '')
  const cases = places.map(
    ({ path, words, takesOperands }) =>
      `    '${path}') words='${words.join(' ')}'; files=${takesOperands ? 1 : 0} ;;`,
  )
  return [
    '# firstlight: source this, or save it where your shell looks for completions.',
    '_firstlight() {',
    '  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}',
    '  local at= next= i words files',
    '  COMPREPLY=()',
    '  for ((i = 1; i < COMP_CWORD; i++)); do',
    '    next="${at:+$at }${COMP_WORDS[i]}"',
    '    case $next in',
    `      ${paths.map((path) => `'${path}'`).join(' | ')}) at=$next ;;`,
    '    esac',
    '  done',
    '  case $before in',
    `    ${valued.join(' | ')}) COMPREPLY=($(compgen -f -- "$word")); return ;;`,
    '  esac',
    '  case $at in',
    ...cases,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    '  if [ "$files" = 1 ] && [ "${word#-}" = "$word" ]; then',
    '    COMPREPLY+=($(compgen -f -- "$word"))',
    '  fi',
    '}',
    'complete -o filenames -F _firstlight firstlight',
    '',
  ].join('\n')
}
