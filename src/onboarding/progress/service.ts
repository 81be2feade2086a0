/** What is known of runs of TO2, for who looks on: how one device does, and what happens to all. */
import type { Database } from '../../database/open.ts'
import type { DeviceService } from '../../devices/service.ts'
import type { DeviceRow } from '../../devices/store.ts'
import type { Look, StreamEvent } from './event-streams.ts'
import { type RunProgress, detailOf, runOf } from './run.ts'
import * as store from './store.ts'
import type { PartyEvent } from './store.ts'

export interface ProgressServices {
  readonly database: Database
  readonly devices: Pick<DeviceService, 'find' | 'list'>
}

/** A run notes less than that. */
const MOST_EVENTS = 500
const MOST_AT_ONCE = 200

export interface DeviceProgress {
  readonly device: DeviceRow
  readonly run: RunProgress
  /** Of the last that happened to the device. */
  readonly seq: number
}

export class Progress {
  readonly #services: ProgressServices

  constructor(services: ProgressServices) {
    this.#services = services
  }

  async of(device: DeviceRow): Promise<DeviceProgress> {
    const { db } = this.#services.database
    const deviceId = device.id
    const events = await store.listLatestEvents.all(db, { deviceId, limit: MOST_EVENTS })
    const progress = await store.findProgress.first(db, { deviceId })
    const outputs = await store.listOutputs.all(db, { deviceId })
    const run = runOf({ device, events, progress, outputs })
    return { device, run, seq: events[0]?.seq ?? 0 }
  }

  /** Those that are being onboarded. */
  async running(party: string, limit: number, after: string | undefined) {
    const rows = await this.#services.devices.list({ party, state: 'onboarding', limit, after })
    return Promise.all(rows.map((row) => this.of(row)))
  }

  /** One device, whenever something of it changes. */
  lookAt(id: string, view: (progress: DeviceProgress) => unknown): Look {
    const hasChanged = this.#changes()
    let last = ''
    return async () => {
      if (!hasChanged()) return []
      const device = await this.#services.devices.find(id)
      if (!device) return []
      const progress = await this.of(device)
      const data = view(progress)
      const now = JSON.stringify(data)
      if (now === last) return []
      last = now
      return [{ id: progress.seq, event: 'progress', data }]
    }
  }

  /** What happens to all devices of a party, from `after` on, or from now. */
  async lookAtAll(party: string, after: number | undefined): Promise<Look> {
    const { db } = this.#services.database
    const newest = async () => Number((await store.findLastEvent.first(db, {}))?.seq ?? 0)
    const hasChanged = this.#changes()
    const seen = new Seen(Math.min(after ?? Infinity, await newest()))
    let since = (await store.findLastProgress.first(db, {}))?.updated_at ?? ''
    let isWhole = true
    return async () => {
      if (isWhole && !hasChanged()) return []
      const end = await newest()
      const page = { party, after: seen.before, limit: MOST_AT_ONCE }
      const rows = await store.listPartyEvents(db, page)
      const happened = rows.filter(({ seq }) => seen.add(seq)).map(eventOf)
      isWhole = rows.length < MOST_AT_ONCE
      // What happens to others is not looked at again and again.
      if (isWhole) seen.reach(end)
      const moved = await store.listPartyProgress(db, { party, since, limit: MOST_AT_ONCE })
      since = moved.at(-1)?.updated_at ?? since
      return [...happened, ...moved.map((row) => ({ event: 'progress', data: progressEvent(row) }))]
    }
  }

  /** Cheap, where nothing has been written. */
  #changes(): () => boolean {
    const { database } = this.#services
    let last: string | undefined
    return () => {
      const now = `${database.changesOf('device_event')} ${database.changesOf('onboarding_progress')}`
      const isNew = now !== last
      last = now
      return isNew
    }
  }
}

const LATE_COMERS = 100

/**
 * Numbers are given out before they can be read, so that one may come after a larger one: a few are
 * looked at again.
 */
class Seen {
  #largest: number
  readonly #start: number
  readonly #seen = new Set<number>()

  constructor(start: number) {
    this.#start = start
    this.#largest = start
  }

  /** What is to be read next comes after it. */
  get before(): number {
    return Math.max(this.#start, this.#largest - LATE_COMERS)
  }

  /** False for one that was seen before. */
  add(seq: number): boolean {
    if (this.#seen.has(seq)) return false
    this.#seen.add(seq)
    this.reach(seq)
    return true
  }

  reach(seq: number): void {
    this.#largest = Math.max(this.#largest, seq)
    for (const old of this.#seen) if (old <= this.before) this.#seen.delete(old)
  }
}

function eventOf(row: PartyEvent): StreamEvent {
  const { seq, device_id: device, guid, at, type, state } = row
  return {
    id: seq,
    event: 'device',
    data: { device, guid, at, type, state, detail: detailOf(row) },
  }
}

function progressEvent(row: store.ProgressRow & { readonly guid: string }) {
  const { device_id: device, guid, message, rounds, step, module, done, total } = row
  const bytes = total === null ? null : { done: Number(done ?? 0), total: Number(total) }
  return { device, guid, at: row.updated_at, message, rounds, step, module, bytes }
}
