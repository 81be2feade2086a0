/** The address of a service, as a flag or a variable gives it. */
import { CliFailure } from './failure.ts'

/** Throws a usage failure that names `flag`. */
export function httpUrl(text: string, flag: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new CliFailure('usage', `${flag}: not an HTTP address: ${text}`, {
    next: 'write it as http://127.0.0.1:8080',
  })
}
