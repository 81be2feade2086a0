/** What the device's side of every module refuses in the same way. */
import { FdoError } from '../errors.ts'
import { isInnerPath } from '../service-info/path.ts'

/** A message the module has no use for, or not now. */
export function misuse(what: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', what)
}

/** The name, if it stays inside the sandbox; an owner that names another place is not obeyed. */
export function requireInnerPath(name: string): string {
  if (!isInnerPath(name)) throw misuse(`a file name that leaves the sandbox: ${name}`)
  return name
}
