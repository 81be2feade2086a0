/** One thing of a list is shown by `show` in some groups of commands, by `get` in others: in all by both. */
import type { Command } from 'commander'

const NAMES = ['show', 'get'] as const

/** Where a group has one of them for what the service has; `show` of a file is something else. */
export function byBothNames(group: Command): Command {
  const named = group.commands.filter((one) => NAMES.some((name) => name === one.name()))
  const [only, another] = named
  const isOfFile = only?.registeredArguments.some((argument) => argument.name() === 'file')
  if (only && !another && !isOfFile) only.alias(only.name() === 'show' ? 'get' : 'show')
  return group
}
