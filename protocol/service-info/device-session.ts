/**
 * The device's side of the loop of TO2.DeviceServiceInfo and TO2.OwnerServiceInfo, Types 68 and
 * 69: tells what it is, then hands what the owner sends to its modules, and what they say back.
 */
import type { Item } from '../cbor/scan.ts'
import { bool } from '../cbor/schema.ts'
import { FdoError } from '../errors.ts'
import { type AboutDevice, sendDevmod } from '../fsim/devmod/device.ts'
import { DEVMOD } from '../fsim/devmod/messages.ts'
import { type Incoming, Outbox, join } from './chunk.ts'
import { HostFailure } from './device-host.ts'
import { type DeviceModule, Unwilling, moduleOutbox } from './module.ts'
import type { DeviceModules } from './registry.ts'
import {
  type DeviceServiceInfo,
  type KeyValue,
  type OwnerServiceInfo,
  pairBytesWithin,
  splitKey,
} from './service-info.ts'

const MAX_ROUNDS = 1_000_000
const MAX_PARTIAL_BYTES = 1 << 20
const FIRST_DELAY_MS = 50
const MAX_DELAY_MS = 2000

export interface DeviceTurn {
  /** Null: the owner is done and so are we; TO2.Done follows. */
  readonly reply: DeviceServiceInfo | null
  /** How long to wait before it is sent: nobody had anything to say. */
  readonly delayMs: number
}

/** One run of it. It lives in memory: a device that breaks off starts TO2 again. */
export class DeviceSession {
  readonly #about: AboutDevice
  readonly #modules: DeviceModules
  readonly #maxRounds: number
  readonly #active = new Set<string>()
  readonly #denied = new Set<string>()
  #room = 0
  #outbox = new Outbox(0)
  #partial: KeyValue | null = null
  #saidMore = false
  /** Of a module that had something to say before: the run ends once that is out. */
  #failure: unknown
  #rounds = 0
  #emptyRounds = 0

  constructor(about: AboutDevice, modules: DeviceModules, maxRounds = MAX_ROUNDS) {
    this.#about = about
    this.#modules = modules
    this.#maxRounds = maxRounds
  }

  /** The first 68. `sendLimit` is the `announcedLimit` of the owner's 67. */
  begin(sendLimit: number): DeviceServiceInfo {
    this.#room = pairBytesWithin(sendLimit)
    this.#outbox = new Outbox(this.#room)
    sendDevmod(this.#about, [...this.#modules.keys()], this.#outbox, this.#room)
    return this.#flush()
  }

  /** Takes in a 69. Throws FdoError for whatever an owner must not do. */
  async answer(message: OwnerServiceInfo): Promise<DeviceTurn> {
    const { isMoreServiceInfo, isDone, serviceInfo } = message
    if (++this.#rounds > this.#maxRounds) throw refused('too many rounds of ServiceInfo')
    if (isDone && isMoreServiceInfo) throw refused('IsDone while there is more')
    if (this.#saidMore && serviceInfo.length > 0) throw refused('the owner spoke out of turn')
    if (this.#failure !== undefined && !this.#saidMore) throw this.#failure
    const joined = join(this.#partial, serviceInfo, isMoreServiceInfo, MAX_PARTIAL_BYTES)
    this.#partial = joined.partial
    for (const incoming of joined.incoming) await this.#receive(incoming)

    if (isMoreServiceInfo) return { reply: LISTENING, delayMs: 0 }
    const more = isDone || this.#failure !== undefined ? false : await this.#speak()
    if (isDone && this.#outbox.queue.length === 0) return { reply: null, delayMs: 0 }
    const reply = this.#flush()
    const isQuiet = !more && reply.serviceInfo.length === 0 && serviceInfo.length === 0
    this.#emptyRounds = isQuiet ? this.#emptyRounds + 1 : 0
    return { reply, delayMs: isQuiet ? delayAfter(this.#emptyRounds) : 0 }
  }

  /** TO2.Done2 has come: to be called before the new credential is stored. */
  async finish(): Promise<void> {
    for (const module of this.#modules.values()) await module.finish?.()
  }

  /** The run is over, well or not. */
  async close(): Promise<void> {
    for (const module of this.#modules.values()) await module.close?.()
  }

  async #receive({ key, value }: Incoming): Promise<void> {
    const { module: name, message } = splitKey(key)
    const module = this.#modules.get(name)
    if (!module || this.#denied.has(name)) {
      if (name !== DEVMOD) this.#deny(name)
    } else if (message === 'active') {
      await this.#switch(module, bool.parse(value, key))
    } else if (this.#active.has(name)) {
      await this.#tell(module, message, value)
    } else {
      throw refused(`${key} for a module that was not switched on`)
    }
  }

  async #tell(module: DeviceModule, message: string, value: Item): Promise<void> {
    try {
      await module.receive(message, value, moduleOutbox(this.#outbox, module.name))
    } catch (error) {
      if (!(error instanceof Unwilling)) throw asRefusal(error)
      this.#active.delete(module.name)
      this.#deny(module.name)
    }
  }

  async #switch(module: DeviceModule, isOn: boolean): Promise<void> {
    if (!isOn) this.#active.delete(module.name)
    if (!isOn || this.#active.has(module.name)) return
    this.#active.add(module.name)
    const outbox = moduleOutbox(this.#outbox, module.name)
    outbox.send('active', true)
    try {
      await module.activate?.(outbox)
    } catch (error) {
      throw asRefusal(error)
    }
  }

  /** Says once that there is no such module, or none any more; all else for it is ignored. */
  #deny(name: string): void {
    if (this.#denied.has(name)) return
    this.#denied.add(name)
    moduleOutbox(this.#outbox, name).send('active', false)
  }

  /** Says whether a module is still at work. What one says before it fails still goes out. */
  async #speak(): Promise<boolean> {
    let more = false
    for (const name of this.#active) {
      const { length } = this.#outbox.queue
      try {
        const speaks = await this.#modules.get(name)?.speak?.(moduleOutbox(this.#outbox, name))
        more = speaks === true || more
      } catch (error) {
        if (this.#outbox.queue.length === length) throw asRefusal(error)
        this.#failure = asRefusal(error)
        return true
      }
    }
    return more
  }

  #flush(): DeviceServiceInfo {
    const { now, later } = this.#outbox.flush()
    this.#outbox = new Outbox(this.#room, later)
    this.#saidMore = later.length > 0
    return { isMoreServiceInfo: this.#saidMore, serviceInfo: now }
  }
}

const LISTENING: DeviceServiceInfo = { isMoreServiceInfo: false, serviceInfo: [] }

function delayAfter(emptyRounds: number): number {
  return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(emptyRounds - 1, 16))
}

/** What the machine could not do ends TO2, where the module has no word of its own for it. */
function asRefusal(error: unknown): unknown {
  if (!(error instanceof HostFailure)) return error
  return new FdoError('INTERNAL_SERVER_ERROR', error.message, { cause: error })
}

function refused(why: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', why)
}
