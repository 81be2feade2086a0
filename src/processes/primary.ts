/** The processes of this service, as `firstlight serve` starts them. */
import { realClock } from '../clock.ts'
import type { Config } from '../config.ts'
import { createLog } from '../log.ts'
import { Crew } from './crew.ts'
import { forkFrom } from './hand.ts'

export function openCrew({ processes, logLevel }: Config, file: string | undefined): Crew {
  return new Crew(processes, { fork: forkFrom(file), clock: realClock, log: createLog(logLevel) })
}
