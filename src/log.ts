/** The structured log: JSON lines on stderr, without secrets. */
import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Members that may hold a credential, at the top of what is logged or one level down. */
const SECRET = ['authorization', 'token', 'secret', 'password', 'passphrase', 'privateKey', 'pkcs8']
const REDACTED = SECRET.flatMap((name) => [name, `*.${name}`, `*.headers.${name}`])

export function createLog(level: LogLevel, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: REDACTED, censor: '[redacted]' },
  }
  return pino(options, destination ?? pino.destination({ dest: 2, sync: true }))
}

export const silentLog: Log = createLog('silent')
