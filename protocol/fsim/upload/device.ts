/** fdo.upload, the device's side: sends files out of the sandbox. */
import type { Item } from '../../cbor/scan.ts'
import { type RunningHash, SHA384, startHash } from '../../crypto/hash.ts'
import { type DeviceHost, type ExistingFile, HostFailure } from '../../service-info/device-host.ts'
import { type DeviceModule, type ModuleOutbox, Unwilling } from '../../service-info/module.ts'
import { sendPieces } from '../pieces.ts'
import { misuse, requireInnerPath } from '../refusal.ts'
import { Name, NeedSha, UPLOAD } from './messages.ts'

interface Transfer {
  readonly file: ExistingFile
  readonly hash: RunningHash
  sent: number
}

export function uploadDevice(host: DeviceHost): DeviceModule {
  let needSha = false
  const waiting: Transfer[] = []

  async function receive(message: string, value: Item, outbox: ModuleOutbox): Promise<void> {
    const path = `${UPLOAD}:${message}`
    if (message === 'need-sha') {
      needSha = NeedSha.parse(value, path)
      return
    }
    if (message !== 'name') throw misuse(path)
    const file = await open(requireInnerPath(Name.parse(value, path)))
    outbox.send('length', file.length)
    if (file.length === 0) outbox.send('data', new Uint8Array(0))
    waiting.push({ file, hash: startHash(SHA384), sent: 0 })
  }

  /** The module has no word for a file that is not there: the device switches it off. */
  async function open(name: string): Promise<ExistingFile> {
    try {
      const file = await host.files.open(name)
      if (file) return file
      host.warn(`${name}: asked for by the owner, and not there`)
    } catch (error) {
      if (!(error instanceof HostFailure)) throw error
      host.warn(`${name}: ${error.message}`)
    }
    throw new Unwilling(`${name} cannot be uploaded`)
  }

  async function speak(outbox: ModuleOutbox): Promise<boolean> {
    for (let [first] = waiting; first; [first] = waiting) {
      const pieces = await sendPieces(first.file, first.sent, outbox, 'data')
      first.hash.update(pieces)
      first.sent += pieces.length
      if (first.sent < first.file.length) return true
      if (needSha) outbox.send('sha-384', first.hash.digest())
      await first.file.close()
      waiting.shift()
    }
    return false
  }

  async function close(): Promise<void> {
    for (const { file } of waiting.splice(0)) await file.close()
  }

  return { name: UPLOAD, receive, speak, close }
}
