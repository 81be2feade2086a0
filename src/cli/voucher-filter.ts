/** Which vouchers of the service: the options of the commands that take many. */
import { type Command, Option } from 'commander'
import type { Query } from './api.ts'
import { periodOf } from './time.ts'

type Filter = Query<'GET /vouchers/export'>

const STATES = [
  ...(['held', 'handed-over', 'replaced', 'used', 'superseded', 'left', 'deleted'] as const),
]
const ORIGINS = ['made', 'imported', 'onboarded'] as const

export interface FilterOptions {
  readonly state?: (typeof STATES)[number]
  readonly origin?: (typeof ORIGINS)[number]
  readonly deviceInfo?: string
  readonly serial?: string
  readonly since?: string
  readonly until?: string
}

export function withFilter(command: Command): Command {
  return command
    .addOption(new Option('--state <state>', 'only those in this state').choices(STATES))
    .addOption(new Option('--origin <origin>', 'only those of this origin').choices([...ORIGINS]))
    .option('--device-info <text>', 'only those of this model, as the device names it')
    .option('--serial <serial>', 'only those of this serial number')
    .option('--since <time>', 'came at that time or later: 2026-01-31T12:00:00Z, 90m, 7d')
    .option('--until <time>', 'came before that time')
}

/** Undefined where nothing was said. */
export function filterOf(options: FilterOptions): Filter | undefined {
  const { state, origin, deviceInfo, serial } = options
  const filter = { state, origin, device_info: deviceInfo, serial, ...periodOf(options) }
  return Object.values(filter).some((value) => value !== undefined) ? filter : undefined
}
