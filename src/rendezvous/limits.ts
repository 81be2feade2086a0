/**
 * How often one may ask: per source, and per source for one GUID. Not per GUID over all sources,
 * before anything is proven: whoever knows a GUID could then keep its Device from being answered.
 */
import { HOME_PARTY } from '../database/tables.ts'
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { HasteError } from '../../protocol/errors.ts'
import { networkOf } from '../addresses.ts'
import type { Clock } from '../clock.ts'
import { RateLimit } from '../http/rate-limit.ts'
import { HERE, type Source } from '../http/source.ts'
import type { Setting } from '../settings/setting.ts'
import type { RendezvousPolicy } from './policy.ts'

/** Throws a HasteError. */
type AdmitGuid = (guid: Bytes) => void

export class Limits {
  readonly #policy: Pick<Setting<RendezvousPolicy>, 'value'>
  readonly #clock: Clock
  #rates: RendezvousPolicy['limits'] | undefined
  #bySource: RateLimit | undefined
  #byGuid: RateLimit | undefined

  constructor(policy: Pick<Setting<RendezvousPolicy>, 'value'>, clock: Clock) {
    this.#policy = policy
    this.#clock = clock
  }

  /** Seconds to wait, or 0. */
  async bySource(source: Source): Promise<number> {
    if (source === HERE) return 0
    await this.#follow()
    return this.#bySource?.take(networkOf(source.address)) ?? 0
  }

  /** Throws a HasteError; else gives what holds for the GUIDs this message names. */
  async admit(source: Source): Promise<AdmitGuid> {
    refuse(await this.bySource(source))
    if (source === HERE) return () => {}
    const byGuid = this.#byGuid
    const network = networkOf(source.address)
    return (guid) => refuse(byGuid?.take(`${toHex(guid)} ${network}`) ?? 0)
  }

  /** Whoever changes the rates gives everybody a fresh start. */
  async #follow(): Promise<void> {
    const { limits } = await this.#policy.value(HOME_PARTY)
    if (limits === this.#rates) return
    this.#rates = limits
    this.#bySource = new RateLimit(limits.source, this.#clock)
    this.#byGuid = new RateLimit(limits.guid, this.#clock)
  }
}

function refuse(waitSeconds: number): void {
  if (waitSeconds > 0) throw new HasteError(waitSeconds)
}
