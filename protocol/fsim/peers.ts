/** What tells devices in the field apart, where they need to be treated differently. */
import type { Devmod } from './devmod/messages.ts'

const C_CLIENT = 'Intel-FDO-Linux'
const JAVA_CLIENT = 'FDO-Pri-Device'

/** C and Java: the arguments of fdo.command as an array that is not wrapped in a byte string. */
export function takesPlainArgs({ device }: Devmod): boolean {
  return device === C_CLIENT || device === JAVA_CLIENT
}

/** C refuses an empty array of arguments, and does not run a command that has none. */
export function needsArgs({ device }: Devmod): boolean {
  return device === C_CLIENT
}

/** Java reads 2048 bytes of what it fetches for each round of messages in which it hears nothing. */
export function fetchesByRounds({ device }: Devmod): boolean {
  return device === JAVA_CLIENT
}

/**
 * Whether folders on the way to a file are made. C, Java and Go fail TO2 where one is missing;
 * they have no fdo.csr, save Java.
 */
export function makesFolders({ device, modules }: Devmod): boolean {
  return modules.includes('fdo.csr') && device !== JAVA_CLIENT
}

/** The name of a file of ours on a device that makes no folders. */
export function withoutFolder(name: string): string {
  return name.replaceAll('/', '-')
}
