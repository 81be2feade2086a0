/** The processes of this service, as `firstlight serve` starts them. */
import { realClock } from '../clock.ts'
import type { Config } from '../config.ts'
import { createLog } from '../log.ts'
import { Crew } from './crew.ts'
import { forkFrom } from './hand.ts'

export function openCrew(
  { processes, logLevel, drainSeconds }: Config,
  file: string | undefined,
): Crew {
  const fork = forkFrom(file, drainSeconds * 1000)
  return new Crew(processes, { fork, clock: realClock, log: createLog(logLevel) })
}
