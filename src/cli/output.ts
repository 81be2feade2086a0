/** What commands print: tables for people, one JSON document for scripts, progress on stderr. */
import { SingleBar } from 'cli-progress'
import { type CliFailure, failureOf } from './failure.ts'

export interface Output {
  /** Whether `--json` was given: then nothing but one document goes to stdout. */
  readonly json: boolean
  /** The command's result: `value` as JSON, or what `text` makes of it. */
  result<T>(value: T, text: (value: T) => string): void
  /** One of many results, as it comes: a line of JSON, or what `text` makes of it. */
  line<T>(value: T, text: (value: T) => string): void
  /** A remark on stderr. */
  note(line: string): void
}

export function outputOf({ json = false }: { json?: boolean }): Output {
  const print = <T>(value: T, text: (value: T) => string) => {
    process.stdout.write(`${json ? JSON.stringify(value) : text(value)}\n`)
  }
  return {
    json,
    result: print,
    line: print,
    note(line) {
      process.stderr.write(`${cleanLines(line)}\n`)
    },
  }
}

/** Reports a failure where the reader of this command looks for it, and sets the exit status. */
export function reportFailure(error: unknown, json: boolean): void {
  const failure: CliFailure = failureOf(error)
  const { code, message, next } = failure
  if (json) {
    process.stdout.write(`${JSON.stringify({ error: { code, message, next: next ?? null } })}\n`)
  } else {
    process.stderr.write(`error: ${cleanLines(message)}\n`)
    if (next) process.stderr.write(`  try: ${next}\n`)
  }
  process.exitCode = failure.exitStatus
}

export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string | number | null | undefined
  /** Numbers line up on the right. */
  readonly right?: boolean
}

/** Of the last column, which says least, so much is enough to be of use. */
const ENOUGH = 16

/**
 * Rows under titles, for the terminal's width: the last column is cut, and where that is not enough,
 * each row becomes lines of names and values, so that an id can still be copied. Whole where no
 * terminal is: what is piped is looked for.
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width = process.stdout.columns ?? Infinity,
): string {
  if (rows.length === 0) return '(none)'
  const cells = rows.map((row) => columns.map(({ value }) => cell(value(row))))
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map((line) => line[i]?.length ?? 0)),
  )
  if (leastWidth(widths) > width) {
    const named = (row: Row) => columns.map(({ title, value }) => [title, value(row)] as const)
    return rows.map((row) => facts(named(row))).join('\n\n')
  }
  const lines = [columns.map(({ title }) => title), ...cells].map((line) =>
    line
      .map((cell, i) => {
        const size = widths[i] ?? 0
        return columns[i]?.right ? cell.padStart(size) : cell.padEnd(size)
      })
      .join('  ')
      .trimEnd(),
  )
  return lines
    .map((line) => (line.length > width ? `${line.slice(0, width - 1)}…` : line))
    .join('\n')
}

function leastWidth(widths: readonly number[]): number {
  const all = widths.reduce((sum, one) => sum + one, 2 * (widths.length - 1))
  const last = widths.at(-1) ?? 0
  return all - Math.max(0, last - ENOUGH)
}

/** Names and values, one a line, the values lined up. */
export function facts(pairs: readonly (readonly [string, string | number | null | undefined])[]) {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${cell(value)}`).join('\n')
}

/** What is empty, as some serial numbers are, is seen, and counted as a word, like what is missing. */
function cell(value: string | number | null | undefined): string {
  return clean(value === '' ? null : value)
}

/** What steers a terminal, and what turns the order of letters round, or the line. */
const STEERING = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Text from outside must do neither. */
export function clean(value: string | number | null | undefined): string {
  return String(value ?? '–').replaceAll(STEERING, '·')
}

function cleanLines(text: string): string {
  return text.split('\n').map(clean).join('\n')
}

export interface Progress {
  advance(by?: number): void
  stop(): void
}

/** A progress bar on stderr, where there is a terminal; else a line at the start and the end. */
export function progress(label: string, total: number): Progress {
  if (!process.stderr.isTTY) {
    process.stderr.write(`${label}: ${total}\n`)
    return { advance: () => {}, stop: () => process.stderr.write(`${label}: done\n`) }
  }
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total} {percentage}% · {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  })
  bar.start(total, 0)
  return { advance: (by = 1) => bar.increment(by), stop: () => bar.stop() }
}
