/** fdo.download, the device's side: writes files into the sandbox. */
import { type Bytes, equalBytes } from '../../bytes.ts'
import type { Item } from '../../cbor/scan.ts'
import { type RunningHash, SHA384, startHash } from '../../crypto/hash.ts'
import { type DeviceHost, HostFailure, type NewFile } from '../../service-info/device-host.ts'
import type { DeviceModule, ModuleOutbox } from '../../service-info/module.ts'
import { misuse, requireInnerPath } from '../refusal.ts'
import { DOWNLOAD, Data, FAILED, Length, Name, Sha384 } from './messages.ts'

/** What is known of the file on its way. */
interface Transfer {
  name: string | undefined
  length: number | undefined
  sha384: Bytes | undefined
  file: NewFile | undefined
  hash: RunningHash
  written: number
}

export function downloadDevice(host: DeviceHost): DeviceModule {
  let transfer = newTransfer()
  /** After a file is done, well or not: an owner may go on sending data of it. */
  let isOver = false

  async function receive(message: string, value: Item, outbox: ModuleOutbox): Promise<void> {
    const path = `${DOWNLOAD}:${message}`
    if (message === 'data') return take(Data.parse(value, path), outbox)
    isOver = false
    if (message === 'name') transfer.name = requireInnerPath(Name.parse(value, path))
    else if (message === 'length') transfer.length = Length.parse(value, path)
    else if (message === 'sha-384') transfer.sha384 = Sha384.parse(value, path).slice()
    else throw misuse(path)
  }

  async function take(data: Bytes, outbox: ModuleOutbox): Promise<void> {
    if (isOver) return
    if (transfer.name === undefined) throw misuse(`${DOWNLOAD}:data without a name`)
    try {
      transfer.file ??= await host.files.create(transfer.name)
      await transfer.file.write(data)
    } catch (error) {
      if (!(error instanceof HostFailure)) throw error
      host.warn(`${transfer.name}: ${error.message}`)
      return end(FAILED, outbox)
    }
    transfer.hash.update(data)
    transfer.written += data.length
    if (isComplete(transfer, data)) return end(await store(), outbox)
  }

  /** Gives what `done` says. */
  async function store(): Promise<number> {
    const { name, length, sha384, file, hash, written } = transfer
    const isWhole = length === undefined || written === length
    const isRight = !sha384 || equalBytes(hash.digest(), sha384)
    if (!isWhole || !isRight) {
      host.warn(`${name}: ${isWhole ? 'another hash' : 'another length'} than the owner said`)
      return FAILED
    }
    try {
      await file?.commit()
    } catch (error) {
      if (!(error instanceof HostFailure)) throw error
      host.warn(`${name}: ${error.message}`)
      return FAILED
    }
    transfer.file = undefined
    return written
  }

  async function end(done: number, outbox: ModuleOutbox): Promise<void> {
    outbox.send('done', done)
    await close()
    isOver = true
  }

  async function close(): Promise<void> {
    const { file } = transfer
    transfer = newTransfer()
    await file?.discard()
  }

  return { name: DOWNLOAD, receive, close }
}

function newTransfer(): Transfer {
  return {
    name: undefined,
    length: undefined,
    sha384: undefined,
    file: undefined,
    hash: startHash(SHA384),
    written: 0,
  }
}

/** By length where one was told; else at the first empty piece. */
function isComplete({ length, written }: Transfer, data: Bytes): boolean {
  if (length === undefined) return data.length === 0
  return written >= length
}
