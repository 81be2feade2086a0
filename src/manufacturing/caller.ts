/** Who speaks DI: a station of some party's factory, or whoever may come in without one. */
import { FdoError } from '../../protocol/errors.ts'
import type { Clock } from '../clock.ts'
import type { Source } from '../http/source.ts'
import { type Door, admitCaller } from './door.ts'
import type { KnownStations } from './stations/service.ts'

export interface CallerServices {
  readonly clock: Clock
  readonly door: Door
  readonly stations: {
    withSecret(secret: string, source: Source): Promise<KnownStations>
    findHome(source: Source): Promise<KnownStations | undefined>
    findGuest(source: Source): Promise<KnownStations | undefined>
  }
}

/**
 * Undefined for one that comes in by the door, and needs no order. The installation's own stations
 * and its door go before those of others: what is at home here nobody can claim.
 */
export async function callerOf(
  { clock, door, stations }: CallerServices,
  source: Source,
): Promise<KnownStations | undefined> {
  const { stationSecret } = source
  if (stationSecret !== undefined) return stations.withSecret(stationSecret, source)
  const home = await stations.findHome(source)
  if (home) return home
  try {
    await admitCaller(source, door, clock.now())
    return undefined
  } catch (error) {
    if (!(error instanceof FdoError)) throw error
    const guest = await stations.findGuest(source)
    if (!guest) throw error
    return guest
  }
}
