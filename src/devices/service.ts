/** The devices: what state each is in, how it got there, and what its group lets it do. */
import type { AuditLog, NewEntry } from '../audit/log.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { Principal } from '../http/authenticate.ts'
import { Problem } from '../http/problem.ts'
import type { DeviceBook, DeviceFacts } from '../vouchers/device-book.ts'
import { type DeviceState, MOVES } from './lifecycle.ts'
import { learnSerial } from './serial.ts'
import * as store from './store.ts'
import type { DeviceFilter, DeviceRow, GroupRow } from './store.ts'

export interface DeviceServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
}

type Actor = Pick<Principal, 'party' | 'id'>

/** Where devices are until somebody puts them elsewhere. */
const DEFAULT_GROUP = 'default'
const DEFAULT_SCOPES = 'device:whoami'

/** What the token endpoint asks of a device. */
export interface DeviceScopes {
  readonly guid: string
  readonly state: DeviceState
  readonly scopes: readonly string[]
}

/** A move that is not the beginning or the end of a life. */
export interface DeviceMove {
  readonly id: string
  readonly move: keyof typeof store.moveDevice
  readonly detail?: object
  /** Shown until the next move. */
  readonly error?: string
}

export class DeviceService implements DeviceBook {
  readonly #database: Database
  readonly #clock: Clock
  readonly #audit: DeviceServices['audit']

  private constructor({ database, clock, audit }: DeviceServices) {
    this.#database = database
    this.#clock = clock
    this.#audit = audit
  }

  /** A party's default group, which has to be there before its first device. */
  async openFor(tx: Executor, party: string): Promise<void> {
    await this.#addGroup(tx, { party, name: DEFAULT_GROUP, scopes: DEFAULT_SCOPES })
  }

  /** Makes the default group if this is the first start. */
  static async open(services: DeviceServices): Promise<DeviceService> {
    const devices = new DeviceService(services)
    await devices.openFor(services.database.db, HOME_PARTY)
    return devices
  }

  async made(tx: Executor, device: DeviceFacts & { readonly owned: boolean }): Promise<void> {
    const { id, guid, owned } = device
    await this.#beginLife(tx, device, owned ? 'owned' : 'manufactured')
    await this.#event(tx, id, 'manufactured', 'manufactured', { guid })
    if (owned) await this.#event(tx, id, 'owned', 'owned', { guid })
  }

  async owned(tx: Executor, device: DeviceFacts): Promise<void> {
    await this.#beginLife(tx, device, 'owned')
    await this.#event(tx, device.id, 'owned', 'owned', { guid: device.guid })
  }

  #beginLife(tx: Executor, device: DeviceFacts, state: DeviceState): Promise<number> {
    const { id, party, guid, serial, model } = device
    const group = DEFAULT_GROUP
    const life = { id, party, guid, serial, model, group, state, at: this.#now() }
    return store.beginLife.run(tx, life)
  }

  async onboarded(
    tx: Executor,
    device: { readonly id: string; readonly guid: string; readonly newGuid: string | null },
  ): Promise<void> {
    const { id, guid: previous_guid, newGuid } = device
    const guid = newGuid ?? previous_guid
    const finished = await store.finishOnboarding.first(tx, { id, guid, at: this.#now() })
    if (!finished) throw new Error(`device ${id} is onboarded but never began`)
    // A factory may have said none by an empty one.
    if (!finished.serial) {
      await learnSerial(tx, { id, party: finished.party, at: this.#now() })
    }
    const type = newGuid === null ? 'onboarded-with-reuse' : 'onboarded'
    await this.#event(tx, id, type, 'onboarded', { guid, previous_guid })
  }

  /** False, and nothing changed, where the device's state does not admit the move. */
  async moveDevice(tx: Executor, { id, move, detail, error }: DeviceMove): Promise<boolean> {
    const at = this.#now()
    const moved = await store.moveDevice[move].run(tx, { id, error: error ?? null, at })
    if (moved === 0) return false
    const more = error === undefined ? detail : { ...detail, error }
    await this.#event(tx, id, move, MOVES[move].to, more)
    return true
  }

  async handedOver(
    tx: Executor,
    { id, ...detail }: { readonly id: string; readonly guid: string; readonly to: string },
  ): Promise<void> {
    await this.moveDevice(tx, { id, move: 'handed-over', detail })
  }

  retired(tx: Executor, id: string): Promise<boolean> {
    return this.moveDevice(tx, { id, move: 'retired' })
  }

  async restored(
    tx: Executor,
    { id, owned }: { readonly id: string; readonly owned: boolean },
  ): Promise<void> {
    await this.moveDevice(tx, { id, move: owned ? 'restored' : 'back-in-stock' })
  }

  async note(tx: Executor, id: string, type: string, detail: object): Promise<void> {
    const note = { device_id: id, at: this.#now(), type, detail: JSON.stringify(detail) }
    await store.insertNote.run(tx, note)
  }

  /** The device with this serial number; the oldest, where factories gave it out twice. */
  async findIdBySerial(
    named: { readonly party: string; readonly serial: string },
    executor: Executor = this.#database.db,
  ): Promise<string | undefined> {
    return (await store.findBySerial.first(executor, named))?.id
  }

  async findScopes(id: string): Promise<DeviceScopes | undefined> {
    const found = await store.findScopes.first(this.#database.db, { id })
    return found && { ...found, scopes: listed(found.scopes) }
  }

  async find(id: string, executor: Executor = this.#database.db): Promise<DeviceRow | undefined> {
    return store.findById.first(executor, { id })
  }

  /** Undefined, too, where it is another party's. */
  async findOf(party: string, id: string): Promise<DeviceRow | undefined> {
    const found = await this.find(id)
    return found?.party === party ? found : undefined
  }

  /** By the GUID it has now. */
  async findByGuid(party: string, guid: string): Promise<DeviceRow | undefined> {
    return store.findByGuid.first(this.#database.db, { party, guid })
  }

  list(filter: DeviceFilter): Promise<DeviceRow[]> {
    return store.listDevices(this.#database.db, filter)
  }

  history(id: string) {
    return store.listEvents.all(this.#database.db, { id })
  }

  /** How many devices are in each state. */
  countByState() {
    return store.countByState(this.#database.db)
  }

  async assignGroup({ party, id: by }: Actor, id: string, group: string): Promise<void> {
    await this.#database.commit(async (tx) => {
      if (!(await store.findGroup.first(tx, { party, name: group }))) throw noGroup(group)
      const device = await store.findById.first(tx, { id })
      if (device?.party !== party) throw new Problem('not-found', `there is no device ${id}`)
      if (device.group_name === group) return
      await store.assignGroup.run(tx, { id, group, at: this.#now() })
      const detail = { from: device.group_name, to: group }
      await this.note(tx, id, 'group-assigned', detail)
      const subject = { guid: device.guid, device: id }
      await this.#audit.append(tx, { party, type: 'device-group-changed', by, subject, detail })
    })
  }

  listGroups(page: Parameters<typeof store.listGroups>[1]) {
    return store.listGroups(this.#database.db, page)
  }

  /** Throws not-found. */
  async findGroup(party: string, name: string): Promise<GroupRow> {
    const group = await store.findGroup.first(this.#database.db, { party, name })
    if (!group) throw noGroup(name)
    return group
  }

  async addGroup(by: Actor, name: string, scopes: readonly string[]): Promise<GroupRow> {
    const group = { party: by.party, name, scopes: scopes.join(' ') }
    await this.#database.commit(async (tx) => {
      const added = await this.#addGroup(tx, group)
      if (added === 0) throw new Problem('conflict', `there is a group ${name} already`)
      await this.#audit.append(tx, groupEntry(by, 'group-added', group))
    })
    return this.findGroup(by.party, name)
  }

  /** Throws not-found. */
  async changeGroup(by: Actor, name: string, scopes: readonly string[]): Promise<GroupRow> {
    const { party } = by
    const group = { name, scopes: scopes.join(' ') }
    await this.#database.commit(async (tx) => {
      const changed = await store.updateGroup.run(tx, { ...group, party, at: this.#now() })
      if (changed === 0) throw noGroup(name)
      await this.#audit.append(tx, groupEntry(by, 'group-changed', group))
    })
    return this.findGroup(party, name)
  }

  async removeGroup(by: Actor, name: string): Promise<void> {
    if (name === DEFAULT_GROUP) throw new Problem('conflict', 'the default group has to stay')
    const { party } = by
    await this.#database.commit(async (tx) => {
      const group = await store.findGroup.first(tx, { party, name })
      if (!group) throw noGroup(name)
      const removed = await store.deleteGroup.run(tx, { party, name })
      if (removed === 0) throw new Problem('conflict', `there are devices in the group ${name}`)
      await this.#audit.append(tx, groupEntry(by, 'group-removed', group))
    })
  }

  #addGroup(
    executor: Executor,
    group: Pick<GroupRow, 'party' | 'name' | 'scopes'>,
  ): Promise<number> {
    const at = this.#now()
    return store.insertGroup.run(executor, { ...group, created_at: at, updated_at: at })
  }

  async #event(
    tx: Executor,
    id: string,
    type: string,
    state: DeviceState,
    detail: object | undefined,
  ): Promise<void> {
    await store.insertEvent.run(tx, {
      device_id: id,
      at: this.#now(),
      type,
      state,
      detail: detail === undefined ? null : JSON.stringify(detail),
    })
  }

  #now(): string {
    return this.#clock.now().toISOString()
  }
}

export function listed(scopes: string): readonly string[] {
  return scopes.split(' ').filter((scope) => scope !== '')
}

function groupEntry(
  { party, id: by }: Actor,
  type: NewEntry['type'],
  { name, scopes }: Pick<GroupRow, 'name' | 'scopes'>,
): NewEntry {
  return { party, type, by, subject: { id: name }, detail: { scopes } }
}

function noGroup(name: string): Problem {
  return new Problem('not-found', `there is no group ${name}`)
}
