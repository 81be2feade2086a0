/** fdo.command: the owner runs a program on the device. */
import { bool, bytes, int, listOf, text, wrapped } from '../../cbor/schema.ts'
import type { Item } from '../../cbor/scan.ts'
import { Major } from '../../cbor/scan.ts'

export const COMMAND = 'fdo.command'

const MAX_ARGS = 1024

/** owner → device `command: tstr`, the program. */
export const Command = text
/** owner → device `may_fail: bool`: whether TO2 goes on after an exit code other than 0. */
export const MayFail = bool
/** owner → device `return_stdout: bool`, `return_stderr: bool`. */
export const ReturnOutput = bool
/** owner → device `sig: int`, to the process at work. */
export const Signal = int
/** device → owner `stdout: bstr`, `stderr: bstr`. */
export const Output = bytes()
/** device → owner `exitcode: int`. */
export const ExitCode = int

const PlainArgs = listOf(text, 0, MAX_ARGS)
const WrappedArgs = wrapped(PlainArgs)

/**
 * owner → device `args: bstr .cbor [* tstr]`. Divergence: C and Java take the array as it is, and
 * either is read.
 */
export function parseArgs(item: Item, path: string): readonly string[] {
  if (item.major === Major.BYTES) return WrappedArgs.parse(item, path).value
  return PlainArgs.parse(item, path)
}
