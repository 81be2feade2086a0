/** fdo.wget, the device's side: fetches a document into the sandbox. */
import { type Bytes, equalBytes } from '../../bytes.ts'
import type { Item } from '../../cbor/scan.ts'
import { SHA384, startHash } from '../../crypto/hash.ts'
import { type DeviceHost, HostFailure, type NewFile } from '../../service-info/device-host.ts'
import type { DeviceModule, ModuleOutbox } from '../../service-info/module.ts'
import { misuse, requireInnerPath } from '../refusal.ts'
import { Name, Sha384, Url, WGET } from './messages.ts'

/** How long a 68 is held back while the transfer goes on. */
const POLL_MS = 1000

type Outcome = { readonly done: number } | { readonly error: string }

export function wgetDevice(host: DeviceHost): DeviceModule {
  let name: string | undefined
  let sha384: Bytes | undefined
  let transfer: Promise<Outcome | Error> | undefined
  let isOver = false

  function receive(message: string, value: Item): void {
    const path = `${WGET}:${message}`
    if (transfer) throw misuse(`${path} while another transfer goes on`)
    if (message === 'name') name = requireInnerPath(Name.parse(value, path))
    else if (message === 'sha-384') sha384 = Sha384.parse(value, path).slice()
    else if (message === 'url') start(Url.parse(value, path))
    else throw misuse(path)
  }

  function start(url: string): void {
    if (!/^https?:\/\//i.test(url)) throw misuse(`a URL that is not HTTP: ${url}`)
    const target = name ?? requireInnerPath(lastSegment(url))
    // Kept as a value until it is asked for: nobody awaits it while the device speaks and listens.
    const isWanted = () => !isOver
    transfer = fetchInto(host, url, target, sha384, isWanted).catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error)),
    )
    name = undefined
    sha384 = undefined
  }

  async function speak(outbox: ModuleOutbox): Promise<boolean> {
    if (!transfer) return false
    const outcome = await Promise.race([transfer, host.pause(POLL_MS)])
    if (outcome === undefined) return true
    transfer = undefined
    if (outcome instanceof HostFailure) outbox.send('error', outcome.message)
    else if (outcome instanceof Error) throw outcome
    else if ('error' in outcome) outbox.send('error', outcome.error)
    else outbox.send('done', outcome.done)
    return false
  }

  /** What goes on is given up, and leaves nothing behind. */
  function close(): void {
    isOver = true
  }

  return { name: WGET, receive, speak, close }
}

async function fetchInto(
  host: DeviceHost,
  url: string,
  name: string,
  sha384: Bytes | undefined,
  isWanted: () => boolean,
): Promise<Outcome> {
  const { status, statusText, body } = await host.fetch(url)
  if (status !== 200) return { error: `${status} ${statusText}`.trim() }
  const file = await host.files.create(name)
  try {
    const { length, digest } = await write(body, file, isWanted)
    if (sha384 && !equalBytes(digest, sha384)) return { error: 'SHA-384 mismatch' }
    await file.commit()
    return { done: length }
  } finally {
    // After a commit there is nothing left to discard.
    await file.discard()
  }
}

async function write(
  body: AsyncIterable<Bytes>,
  file: NewFile,
  isWanted: () => boolean,
): Promise<{ length: number; digest: Bytes }> {
  const hash = startHash(SHA384)
  let length = 0
  for await (const piece of body) {
    if (!isWanted()) throw new HostFailure('TO2 is over')
    await file.write(piece)
    hash.update(piece)
    length += piece.length
  }
  return { length, digest: hash.digest() }
}

/** As a file name; empty, and so refused, where the path ends in a slash. */
function lastSegment(url: string): string {
  const path = url.replace(/[?#].*$/s, '').replace(/^https?:\/\/[^/]*/i, '')
  return path.slice(path.lastIndexOf('/') + 1)
}
