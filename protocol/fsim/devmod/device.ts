/** devmod, the device's side: saying what it is and which modules it has. */
import { encode } from '../../cbor/cbor.ts'
import type { Outbox } from '../../service-info/chunk.ts'
import { valueBytesWithin } from '../../service-info/service-info.ts'
import { DEVMOD, type Devmod, OPTIONAL_KEYS, REQUIRED_KEYS } from './messages.ts'

export type AboutDevice = Omit<Devmod, 'modules'>

const MODULES_KEY = `${DEVMOD}:modules`

/** `room` is what one message takes: a page of module names is never longer. */
export function sendDevmod(
  about: AboutDevice,
  modules: readonly string[],
  outbox: Outbox,
  room: number,
): void {
  outbox.push(`${DEVMOD}:active`, encode(true))
  for (const key of [...REQUIRED_KEYS, ...OPTIONAL_KEYS]) {
    const value = about[key]
    if (value !== null) outbox.push(`${DEVMOD}:${key}`, encode(value))
  }
  outbox.push(`${DEVMOD}:nummodules`, encode(modules.length))
  for (const page of pagesOf(modules, valueBytesWithin(room, MODULES_KEY))) {
    outbox.push(MODULES_KEY, page)
  }
}

/** `[first: uint, count: uint, * name]`, each within `most` bytes; one empty page if need be. */
function pagesOf(modules: readonly string[], most: number): Uint8Array[] {
  const pages: Uint8Array[] = []
  let first = 0
  do {
    let count = modules.length - first
    let page = pageOf(modules, first, count)
    while (page.length > most && count > 1) page = pageOf(modules, first, --count)
    pages.push(page)
    first += count
  } while (first < modules.length)
  return pages
}

function pageOf(modules: readonly string[], first: number, count: number): Uint8Array {
  return encode([first, count, ...modules.slice(first, first + count)])
}
